#!/bin/sh
# memcached with python-memcached (text), pylibmc (text and binary, libmemcached) and a client of our own for meta commands
# and UDP. What the clients saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" memcached
# Debian's own Python: the libraries are Debian packages.
/usr/bin/python3 -c 'import memcache, pylibmc' 2>/dev/null ||
    { echo "skipped: python3-memcache and python3-pylibmc are not both installed"; exit 77; }
serve memcached -u nobody -l "$SERVER_IP" -p 11299 -U 11299
wait_for_port 11299
start_recording
in_client /usr/bin/python3 "$here/record_memcached_client.py" "$SERVER_IP" 11299 >"$work/expected.jsonl"
stop_recording
compare memcached
compare_all_losses memcached
