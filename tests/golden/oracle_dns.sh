#!/bin/sh
# DNS beside tshark, message by message, over the public captures (oracle_dns.py says what stands beside what). What
# differs is in differences/dns.tsv, each with the sentence that proves us right.
set -eu
captures=dns
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" dns "$trawl" "$pcaps" "$here/differences/dns.tsv"
