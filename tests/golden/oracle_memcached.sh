#!/bin/sh
# memcached beside tshark, a connection at a time, over the public captures (oracle_memcached.py says what stands beside what). What
# differs is in differences/memcached.tsv, each with the sentence that proves us right.
set -eu
captures=memcached
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" memcached "$trawl" "$pcaps" "$here/differences/memcached.tsv"
