#!/bin/sh
# ICMP beside tshark, message by message, over the public captures (oracle_icmp.py). What differs is in
# differences/icmp.tsv, each with its reason.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle_icmp.py" "$trawl" "$pcaps" "$here/differences/icmp.tsv"
