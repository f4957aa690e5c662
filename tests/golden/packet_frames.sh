#!/bin/sh
# Every packet of the public captures: addresses, ports, lengths, numbers and flags of the innermost packet as tshark
# has them, fragments put together. What differs is in packet_frames.differences, each with its reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=$here/../../../shared/pcaps
dump=${TRAWL_BUILD:?the build folder}/tests/golden/packet_dump
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/packet_frames.py" "$dump" "$pcaps" "$here/packet_frames.differences"
