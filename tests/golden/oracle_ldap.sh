#!/bin/sh
# LDAP beside tshark, message by message, over the public captures (oracle_ldap.py says what stands beside what). What
# differs is in differences/ldap.tsv, each with the sentence that proves us right.
set -eu
captures=ldap
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" ldap "$trawl" "$pcaps" "$here/differences/ldap.tsv"
