#!/bin/sh
# A WebSocket server and clients of npm's ws (test-only, tests/golden/peers) and Debian's Chromium: text, binary, fragments,
# pings, close codes, permessage-deflate with and without context takeover and with small windows, many at once. What
# both sides sent is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" node npm chromium
"$here/peers/install.sh"
serve node "$here/peers/ws_server.mjs" "$SERVER_IP" 8765 "$work/server.jsonl"
wait_for_port 8765
start_recording
in_client node "$here/peers/ws_client.mjs" "$SERVER_IP" 8765 "$work/client.jsonl"
in_client timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/chromium" \
    --dump-dom "http://$SERVER_IP:8765/page" >"$work/page.html" 2>"$work/chromium.log" || { tail -5 "$work/chromium.log"; exit 1; }
grep -q 'all 40 echoed' "$work/page.html" || { echo "Chromium did not get its echoes"; tail -5 "$work/page.html"; exit 1; }
sleep 0.5
stop_recording
cat "$work/server.jsonl" "$work/client.jsonl" >"$work/expected.jsonl"
compare ws
compare_losses ws ws_opcode ws_close_code ws_request_payload_length ws_response_payload_length
