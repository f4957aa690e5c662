#!/bin/sh
# WebSocket beside tshark, message by message, over the public captures (oracle_ws.py says what stands beside what). What
# differs is in differences/ws.tsv, each with the sentence that proves us right.
set -eu
captures=websocket
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" ws "$trawl" "$pcaps" "$here/differences/ws.tsv"
