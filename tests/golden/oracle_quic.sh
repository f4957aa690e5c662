#!/bin/sh
# QUIC's hellos beside tshark over the public captures.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
shared=${TRAWL_SHARED:-$here/../../../shared}
[ -d "$shared/pcaps/quic_http3" ] || { echo "skipped: $shared/pcaps is not there"; exit 77; }
command -v tshark >/dev/null || { echo "skipped: tshark is not installed"; exit 77; }
exec python3 "$here/oracle_quic.py" "${TRAWL:-$here/../../build/dev/trawl}" "$shared/pcaps/quic_http3"
