#!/bin/sh
# STOMP beside an independent reader of the bytes that tshark gives (it knows no STOMP), frame by frame, over the public
# captures: oracle_stomp.py says what stands beside what. What differs is in differences/stomp.tsv, each with its reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps/stomp
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/oracle.py" stomp "$trawl" "$pcaps" "$here/differences/stomp.tsv"
