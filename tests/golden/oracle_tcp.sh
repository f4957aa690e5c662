#!/bin/sh
# TCP health beside tshark's analysis, connection by connection, over the public captures (oracle_tcp.py). What differs is in
# differences/tcp.tsv, each with its reason.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle_tcp.py" "$trawl" "$pcaps" "$here/differences/tcp.tsv"
