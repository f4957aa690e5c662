#!/bin/sh
# CQL beside tshark, a connection at a time, over the public captures (oracle_cql.py says what stands beside what). What
# differs is in differences/cql.tsv, each with the sentence that proves us right.
set -eu
captures=cassandra
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" cql "$trawl" "$pcaps" "$here/differences/cql.tsv"
