#!/bin/sh
# nats-server with npm's client (test-only, tests/golden/peers) and a socket in verbose mode: subjects, queue groups,
# headers, requests and replies, nobody who answers, errors, many at once. What the clients sent and got is what the
# entries must say.
set -eu
PATH=$PATH:/usr/sbin
. "$(dirname "$0")/record.inc" node npm nats-server
"$here/peers/install.sh"
serve nats-server -a "$SERVER_IP" -p 4223
wait_for_port 4223
start_recording
in_client node "$here/peers/nats_client.mjs" "$SERVER_IP" 4223 >"$work/expected.jsonl"
in_client python3 "$here/record_nats_client.py" "$SERVER_IP" 4223 >>"$work/expected.jsonl"
stop_recording
compare nats
compare_all_losses nats
