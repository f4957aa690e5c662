#!/bin/sh
# HTTP/1 behind SOCKS negotiations beside tshark, which follows them too, message by message over the public captures.
set -eu
captures=socks
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" http1 "$trawl" "$pcaps" "$here/differences/socks.tsv"
