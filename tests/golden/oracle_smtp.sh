#!/bin/sh
# SMTP beside tshark, a connection at a time, over the public captures (oracle_smtp.py says what stands beside what). What
# differs is in differences/smtp.tsv, each with the sentence that proves us right.
set -eu
captures=smtp
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" smtp "$trawl" "$pcaps" "$here/differences/smtp.tsv"
