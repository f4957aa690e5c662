#!/bin/sh
# Redis beside tshark, message by message, over the public captures (oracle_redis.py says what stands beside what). What
# differs is in differences/redis.tsv, each with the sentence that proves us right.
set -eu
captures=redis
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" redis "$trawl" "$pcaps" "$here/differences/redis.tsv"
