#!/bin/sh
# HTTP/1 behind SOCKS negotiations beside tshark, which follows them too, message by message over the public captures.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps/socks
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/oracle.py" http1 "$trawl" "$pcaps" "$here/differences/socks.tsv"
