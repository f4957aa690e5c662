#!/bin/sh
# TLS hellos beside tshark, message by message, over the public captures (oracle_tls.py says what stands beside what). What
# differs is in differences/tls.tsv, each with the sentence that proves us right.
set -eu
captures=tls
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" tls "$trawl" "$pcaps" "$here/differences/tls.tsv"
