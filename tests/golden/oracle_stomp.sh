#!/bin/sh
# STOMP beside an independent reader of the bytes that tshark gives (it knows no STOMP), frame by frame, over the public
# captures: oracle_stomp.py says what stands beside what. What differs is in differences/stomp.tsv, each with its reason.
set -eu
captures=stomp
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" stomp "$trawl" "$pcaps" "$here/differences/stomp.tsv"
