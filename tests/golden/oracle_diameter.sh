#!/bin/sh
# Diameter beside tshark, message by message, over the public captures (oracle_diameter.py says what stands beside what). What
# differs is in differences/diameter.tsv, each with the sentence that proves us right.
set -eu
captures=diameter
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" diameter "$trawl" "$pcaps" "$here/differences/diameter.tsv"
