#!/bin/sh
# Every variable of the display filter is filled by real traffic under its own name (variables.py): by the public captures, or where
# variables.tsv says which test fills it, or why nothing can. A line that is not needed any more fails. The same captures hold no
# translated connection, and what the transport variables say is what tshark says.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/variables.py" "$trawl" "$pcaps" "$here"
