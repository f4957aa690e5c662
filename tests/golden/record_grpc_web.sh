#!/bin/sh
# gRPC-Web over HTTP/1.1: npm's connect as server and client, npm's grpc-web (test-only, tests/golden/peers) in its binary and its
# text form: unary calls, streams, errors before and behind messages, compressed messages. What the clients saw is what the
# entries must say.
set -eu
. "$(dirname "$0")/record.inc" node npm
[ -d "$here/peers/node_modules/grpc-web" ] || npm ci --silent --prefix "$here/peers" >/dev/null
serve node "$here/peers/grpc_web_server.mjs" "$SERVER_IP" 8087
wait_for_port 8087
start_recording
in_client node "$here/peers/grpc_web_client.mjs" "$SERVER_IP" 8087 >"$work/expected.jsonl"
stop_recording
compare grpc
compare_losses grpc grpc_service grpc_method grpc_status grpc_message grpc_request_messages grpc_response_messages
