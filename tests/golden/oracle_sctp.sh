#!/bin/sh
# SCTP beside tshark, message by message, over the public captures and a written one (oracle_sctp.py). What differs is in
# differences/sctp.tsv, each with its reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/oracle_sctp.py" "$trawl" "$pcaps" "$here/differences/sctp.tsv"
