#!/bin/sh
# HTTP/1 beside tshark, message by message, over the public captures (oracle_http1.py says what stands beside what). What
# differs is in differences/http1.tsv, each with the sentence that proves us right.
set -eu
captures=http1
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" http1 "$trawl" "$pcaps" "$here/differences/http1.tsv"
