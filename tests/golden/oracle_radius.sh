#!/bin/sh
# RADIUS beside tshark, message by message, over the public captures (oracle_radius.py says what stands beside what). What
# differs is in differences/radius.tsv, each with the sentence that proves us right.
set -eu
captures=radius
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" radius "$trawl" "$pcaps" "$here/differences/radius.tsv"
