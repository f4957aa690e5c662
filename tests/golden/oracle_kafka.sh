#!/bin/sh
# Kafka beside tshark, message by message, over the public captures (oracle_kafka.py says what stands beside what). What
# differs is in differences/kafka.tsv, each with the sentence that proves us right.
set -eu
captures=kafka
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" kafka "$trawl" "$pcaps" "$here/differences/kafka.tsv"
