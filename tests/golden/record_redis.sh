#!/bin/sh
# redis-server with redis-cli and a client of our own: RESP2, RESP3, inline commands, pipelines, publish/subscribe,
# transactions, errors, databases. What the clients saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" redis-server redis-cli
serve redis-server --bind "$SERVER_IP" --port 6400 --save "" --appendonly no --dir "$work" --protected-mode no
wait_for_port 6400
start_recording
in_client python3 "$here/record_redis_client.py" "$SERVER_IP" 6400 >"$work/expected.jsonl"
stop_recording
compare redis
compare_all_losses redis
