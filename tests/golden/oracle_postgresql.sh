#!/bin/sh
# PostgreSQL beside tshark, a connection at a time, over the public captures (oracle_postgresql.py says what stands beside what). What
# differs is in differences/postgresql.tsv, each with the sentence that proves us right.
set -eu
captures=postgresql
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" postgresql "$trawl" "$pcaps" "$here/differences/postgresql.tsv"
