#!/bin/sh
# Every variable of the display filter is filled by real traffic under its own name (variables.py): by the public captures, or where
# variables.tsv says which test fills it, or why nothing can. A line that is not needed any more fails. The same captures hold no
# translated connection, and what the transport variables say is what tshark says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
exec python3 "$here/variables.py" "$trawl" "$pcaps" "$here"
