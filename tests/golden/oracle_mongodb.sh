#!/bin/sh
# MongoDB beside tshark, message by message, over the public captures (oracle_mongodb.py says what stands beside what). What
# differs is in differences/mongodb.tsv, each with the sentence that proves us right.
set -eu
captures=mongodb
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" mongodb "$trawl" "$pcaps" "$here/differences/mongodb.tsv"
