#!/bin/sh
# AMQP beside tshark, message by message, over the public captures (oracle_amqp.py says what stands beside what). What
# differs is in differences/amqp.tsv, each with the sentence that proves us right.
set -eu
captures=amqp
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" amqp "$trawl" "$pcaps" "$here/differences/amqp.tsv"
