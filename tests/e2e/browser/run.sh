#!/usr/bin/env bash
# The dashboard in Debian's Chromium: every view and state against made-up answers (states.mjs), then the main job against a real `trawl up` with
# real traffic between two network namespaces (main_job.mjs). Screenshots and downloads go to tests/out/browser.
# usage: TRAWL=path/of/trawl ./run.sh [states|main]…
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
need node npm chromium nginx curl jq tshark tar python3
parts=${*:-states main}
web=$here/../../../web
[ -d "$here/node_modules/playwright-core" ] || npm ci --prefix "$here" >/dev/null || fail "npm ci of the browser test"

if [[ " $parts " == *" states "* ]]; then
  [ -f "$web/dist/index.html" ] || { npm ci --prefix "$web" && npm run --prefix "$web" build; } >/dev/null || fail "the dashboard cannot be built"
  node "$here/states.mjs" || fail "states"
fi

if [[ " $parts " == *" main "* ]]; then
  make_hosts
  start_trawl --ring-size 256MiB
  start_nginx
  for i in $(seq 40); do on_cli curl -s -o /dev/null "http://$srv_ip:8080/api/v1/orders/$i?page=$((i % 7))"; done
  for _ in 1 2 3 4 5; do on_cli curl -s -o /dev/null "http://$srv_ip:8080/err"; done
  # A stop of 3 s in the middle: exactly that gap has to stand in the manifest, in the CLI and on every page.
  sleep 1.5
  stop_at=$(date +%s%N)
  stop_trawl
  stopped=$(date +%s%N)
  sleep 3
  start_at=$(date +%s%N)
  start_trawl --ring-size 256MiB
  started_by=$(date +%s%N)
  on_cli curl -s -o /dev/null "http://$srv_ip:8080/nowhere"
  on_cli curl -s -o /dev/null "http://$srv_ip:8080/slow"
  on_cli curl -s -o /dev/null -d '{"cart":57,"items":[{"sku":"A1","n":2}]}' -H 'Content-Type: application/json' "http://$srv_ip:8080/api/cart"
  on_cli curl -s --compressed -o /dev/null "http://$srv_ip:8080/p.json"
  # Markup and a bidi override in path, header and body, as an attacker would send them.
  on_cli python3 - "$srv_ip" <<'P' || fail "the hostile request"
import socket, sys
evil = '<img/src=x/onerror=window.__xss=1><script>window.__xss=1</script>'
s = socket.create_connection((sys.argv[1], 8080))
body = '{"html":"' + evil + '"}'
s.sendall(f"POST /api/{evil} HTTP/1.1\r\nHost: {sys.argv[1]}\r\nUser-Agent: {evil}\u202egpj.exe\r\nX-Evil: \"><svg/onload=window.__xss=1>\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
while s.recv(65536): pass
P
  sleep 1.5
  on_srv env HUB="http://127.0.0.1:$port" SERVER="$srv_ip" DATA="$work/data" STOPPED="$stop_at $stopped $start_at $started_by" TRAWL="$TRAWL" TRAWL_TOKEN="$(cat "$work/data/token")" TRAWL_OUT="${TRAWL_OUT:-}" HOME="${HOME:-/root}" node "$here/main_job.mjs" || fail "main job"
fi
