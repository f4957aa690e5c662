#!/bin/sh
# NATS beside an independent reader of the bytes that tshark gives (it knows no NATS), message by message, over the public
# captures: oracle_nats.py says what stands beside what. What differs is in differences/nats.tsv, each with its reason.
set -eu
captures=nats
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" nats "$trawl" "$pcaps" "$here/differences/nats.tsv"
