#!/bin/sh
# MySQL beside tshark, a connection at a time, over the public captures (oracle_mysql.py says what stands beside what). What
# differs is in differences/mysql.tsv, each with the sentence that proves us right.
set -eu
captures=mysql
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" mysql "$trawl" "$pcaps" "$here/differences/mysql.tsv"
