#!/bin/sh
# Public captures cut in two, the first part as the lead-in of the second (lead_in.py): calls that straddle the cut are whole.
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
find "$pcaps/http1" "$pcaps/http2" "$pcaps/dns" "$pcaps/redis" "$pcaps/mysql" "$pcaps/postgresql" "$pcaps/tls" -name '*.pcap*' -size -60k |
    LC_ALL=C sort | awk 'NR % 4 == 0' >"$work/list"
# shellcheck disable=SC2046 # no name of the corpus has a space
python3 "$here/lead_in.py" "$trawl" "$work" $(cat "$work/list")
