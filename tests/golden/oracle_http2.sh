#!/bin/sh
# HTTP/2 beside tshark, message by message, over the public captures (oracle_http2.py says what stands beside what). What
# differs is in differences/http2.tsv, each with the sentence that proves us right.
set -eu
captures=http2
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" http2 "$trawl" "$pcaps" "$here/differences/http2.tsv"
