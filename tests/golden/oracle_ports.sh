#!/bin/sh
# The public captures of HTTP/1, DNS, Redis and TLS with their ports rewritten to 40000–50000 give the same entries but
# for the ports (oracle_ports.py). What needs its ports is in differences/ports.tsv, each with its reason.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
exec python3 "$here/oracle_ports.py" "$trawl" "$here/differences/ports.tsv" \
    "$pcaps"/http1/* "$pcaps"/redis/* "$pcaps"/tls/* "$pcaps"/dns/* "$pcaps"/postgresql/* "$pcaps"/mysql/* "$pcaps"/memcached/* \
    "$pcaps"/cassandra/* "$pcaps"/websocket/* "$pcaps"/mqtt/* "$pcaps"/nats/* "$pcaps"/smtp/* "$pcaps"/radius/* "$pcaps"/stomp/* "$pcaps"/ldap/* "$pcaps"/diameter/*
