#!/bin/sh
# WebSocket over HTTP/2 (RFC 8441): npm's ws (test-only, tests/golden/peers) on streams of Node's HTTP/2, many on one connection
# beside ordinary calls; Debian's Chromium inside TLS, with its secrets. What both sides sent is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" node npm chromium openssl jq
"$here/peers/install.sh"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=h2 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
# A browser on a busy machine now and then gives its socket up: then there is nothing to judge, and all of it is recorded anew.
for attempt in 1 2 3; do
    rm -f "$work"/*.jsonl "$work"/*.jsonl.tls "$work/keys"
    serve node "$here/peers/ws_http2_server.mjs" "$SERVER_IP" 8764 8766 "$work/key.pem" "$work/cert.pem" "$work/server.jsonl"
    peer=$!
    wait_for_port 8764
    wait_for_port 8766
    start_recording
    in_client node "$here/peers/ws_http2_client.mjs" "$SERVER_IP" 8764 "$work/client.jsonl"
    in_client env SSLKEYLOGFILE="$work/keys" timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --ignore-certificate-errors \
        --user-data-dir="$work/chromium$attempt" --dump-dom "https://$SERVER_IP:8766/page" >"$work/page.html" 2>"$work/chromium.log" || tail -5 "$work/chromium.log"
    if grep -q 'all 40 echoed' "$work/page.html"; then break; fi
    echo "Chromium did not get its echoes"
    [ "$attempt" -lt 3 ] || { tail -5 "$work/page.html"; exit 1; }
    stop_recording
    kill "$peer" && wait "$peer" || true
done
sleep 0.5
stop_recording
cat "$work/server.jsonl" "$work/client.jsonl" >"$work/expected.jsonl"
compare http,ws
# Inside TLS, with the browser's secrets: its messages, and the one CONNECT that carried them.
"$trawl" dissect "$work/recording.pcap" --keys "$work/keys" --jsonl --protocols http,ws >"$work/all.jsonl"
jq -c 'select(.tls and .protocol == "ws")' "$work/all.jsonl" >"$work/entries_tls.jsonl"
python3 "$here/record_compare.py" "$work/server.jsonl.tls" "$work/entries_tls.jsonl"
[ "$(jq -r 'select(.tls and .h2_protocol == "websocket") | .summary' "$work/all.jsonl")" = "CONNECT /page → 200" ] ||
    { echo "the browser's CONNECT is not there"; exit 1; }
compare_losses http,ws ws_opcode ws_close_code ws_request_payload_length ws_response_payload_length method path status_code h2_stream_id
