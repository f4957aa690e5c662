#!/bin/sh
# LDAP beside tshark, message by message, over the public captures (oracle_ldap.py says what stands beside what). What
# differs is in differences/ldap.tsv, each with the sentence that proves us right.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps/ldap
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/oracle.py" ldap "$trawl" "$pcaps" "$here/differences/ldap.tsv"
