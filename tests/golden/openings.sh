#!/bin/sh
# Public captures cut into an opening, a hole and a window (openings.py): with nothing missing the window's calls are those of the whole,
# with a hole nothing is said that the whole contradicts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark editcap python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$pcaps/http2" "$pcaps/mysql" "$pcaps/postgresql" "$pcaps/tls" -name '*.pcap*' -size -60k | LC_ALL=C sort | awk 'NR % 3 == 0' >"$work/list"
# shellcheck disable=SC2046 # no name of the corpus has a space
python3 "$here/openings.py" "$trawl" "$work" $(cat "$work/list")
