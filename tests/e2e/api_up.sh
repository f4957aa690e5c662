#!/usr/bin/env bash
# `trawl up` on this host as a person meets it: token once, 401 without it, record, snapshot through curl and through the CLI alike, archive
# out and in, packets of an entry, events, second instance, port in use, signals, hold.
set -uo pipefail
: "${TRAWL:?path of the trawl binary}"
work=$(mktemp -d /tmp/trawl_api_XXXXXX)
started=()
fail() { echo "FAILED: $*" >&2; tail -n 15 "$work"/*.err >&2 2>/dev/null; exit 1; }
equal() { [ "$1" = "$2" ] || fail "$3: \"$1\" is not \"$2\""; }
cleanup() {
  local pid
  for pid in "${started[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
for c in curl jq tshark python3 ss; do command -v "$c" >/dev/null || { echo "$c is not installed"; exit 77; }; done

port=0
for candidate in $(seq 18801 18860); do ss -Hltn "sport = :$candidate" | grep -q . || { port=$candidate; break; }; done
url=http://127.0.0.1:$port
start() { # options…
  "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --ring-size 64MiB "$@" >>"$work/up.out" 2>>"$work/up.err" &
  up=$!
  started+=("$up")
  for _ in $(seq 200); do curl -sf -o /dev/null "$url/readyz" && [ -s "$work/data/token" ] && return; sleep 0.1; done
  fail "the hub does not answer"
}
export TRAWL_HUB=$url TRAWL_DATA=$work/data
t() { "$TRAWL" "$@"; }
api() { curl -sS -H "Authorization: Bearer $(cat "$work/data/token")" "$@"; }

# ── first start: the link is shown once, the token is a secret file ──
start
token=$(cat "$work/data/token")
equal "$(stat -c %a "$work/data/token")" 600 "mode of the token"
grep -q "^Dashboard: $url/#token=$token\$" "$work/up.out" || fail "the link with the token was not printed"
equal "$(t token show)" "$token" "trawl token show"
equal "$(curl -s -o /dev/null -w '%{http_code}' "$url/api/v1/nodes")" 401 "without a token"
equal "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: evil.example' "$url/healthz")" 421 "a strange Host"
curl -s -D "$work/head" -o /dev/null -H 'Content-Type: application/json' -d "{\"token\":\"$token\"}" "$url/session"
grep -qi '^set-cookie: .*HttpOnly; SameSite=Strict' "$work/head" || fail "no session cookie"
recording() { t nodes --json 2>/dev/null | jq -e '.nodes[0].state == "recording"' >/dev/null; }
if [ "$(id -u)" = 0 ]; then
  for _ in $(seq 100); do recording && break; sleep 0.1; done
  recording || fail "nothing is recorded"
fi

# ── traffic of our own, then a snapshot of it ──
mkdir "$work/www" && echo '{"answer":42}' >"$work/www/a.json"
python3 -c 'import http.server,sys,os; os.chdir(sys.argv[1]); s=http.server.ThreadingHTTPServer(("127.0.0.1",0),http.server.SimpleHTTPRequestHandler); print(s.server_port,flush=True); s.serve_forever()' "$work/www" >"$work/port" 2>/dev/null &
started+=($!)
for _ in $(seq 50); do [ -s "$work/port" ] && break; sleep 0.1; done
www=$(cat "$work/port")
if [ "$(id -u)" != 0 ]; then echo "needs root to record"; exit 77; fi
for i in 1 2 3; do curl -s -o /dev/null "http://127.0.0.1:$www/a.json"; curl -s -o /dev/null "http://127.0.0.1:$www/none"; done
curl -sN -m 8 -H "Authorization: Bearer $token" "$url/api/v1/events" >"$work/events" 2>/dev/null &
events=$!
sleep 1.2
id=$(api -H 'Content-Type: application/json' -d '{"name":"through curl","last_s":60,"auto_dissect":true}' "$url/api/v1/snapshots" | jq -r .id)
t snapshot wait "$id" || fail "snapshot wait"
for _ in $(seq 50); do [ "$(t snapshot show "$id" --json | jq -r .status)" = Dissected ] && break; sleep 0.1; done
equal "$(api "$url/api/v1/snapshots/$id" | jq -r .status)" Dissected "status through the API"
equal "$(t snapshot list --json | jq -r '.snapshots[0].id')" "$id" "status through the CLI"
wait $events 2>/dev/null
grep -q '^event: nodes' "$work/events" && grep -q '^event: snapshot' "$work/events" || fail "no events"
grep '^data: ' "$work/events" | grep -F "$id" | sed 's/^data: //' | tail -1 | jq -e '.status == "Dissected"' >/dev/null || fail "the last event does not say Dissected"

mine="http && dst.port == $www"
equal "$(t entries --source "$id" --filter "$mine" --count)" 6 "calls"
equal "$(t entries --source "$id" --filter "$mine && status_code == 404" --count)" 3 "calls that failed"
entry=$(api -G --data-urlencode "source=$id" --data-urlencode "filter=$mine && status_code == 200" "$url/api/v1/entries" | jq -r '.entries[0].id')
equal "$(api "$url/api/v1/entries/$id/$entry/body/response")" '{"answer":42}' "body of the response"
api -D "$work/head" -o /dev/null "$url/api/v1/entries/$id/$entry/body/response"
grep -qi '^content-disposition: attachment' "$work/head" || fail "a body is no attachment"
equal "$(api "$url/api/v1/entries/$id/$entry" | jq -r .id)" "$entry" "one entry"
[ "$(api "$url/api/v1/entries/$id/$entry/packets" | jq '.packets | length')" -ge 2 ] || fail "packets of the entry"
stream=$(api "$url/api/v1/entries/$id/$entry/stream")
equal "$(jq -r '[.chunks[] | select(.direction == "client") | .base64] | .[0]' <<<"$stream" | base64 -d | head -1 | tr -d '\r')" 'GET /a.json HTTP/1.1' "what the client sent"
jq -r '.chunks[] | select(.direction == "server") | .base64' <<<"$stream" | while read -r part; do base64 -d <<<"$part"; done | grep -x '{"answer":42}' >/dev/null || fail "what the server sent: $stream"
api "$url/api/v1/entries/$id/$entry/pcap" >"$work/entry.pcapng"
equal "$(tshark -r "$work/entry.pcapng" -T fields -e tcp.stream 2>/dev/null | sort -u | wc -l)" 1 "connections in the entry's capture"
equal "$(api -o /dev/null -w '%{http_code}' -G --data-urlencode "source=$id" --data-urlencode 'filter=nonsense ==' "$url/api/v1/entries")" 400 "a bad filter"

# ── out and in ──
t snapshot pcap "$id" >"$work/all.pcapng" || fail "pcap into a pipe"
equal "$(tshark -r "$work/all.pcapng" 2>/dev/null | wc -l)" "$(t snapshot show "$id" --json | jq -r .packets)" "packets of the export"
t snapshot download "$id" -o "$work/a.tar" && [ "$(tar tf "$work/a.tar" | sed -n 1p)" = manifest.json ] || fail "download"
api -r 1000- -o "$work/rest" "$url/api/v1/snapshots/$id/archive"
cmp -s "$work/rest" <(tail -c +1001 "$work/a.tar") || fail "a download does not resume"
# RFC 9110 section 14: parts, the last bytes, what is not there, and a download that broke off goes on only while the archive is the same.
size=$(stat -c %s "$work/a.tar")
part() { # range, status, first byte, length [curl options]
  local range=$1 wanted=$2 first=$3 length=$4
  shift 4
  equal "$(api -r "$range" -D "$work/head" -o "$work/part" -w '%{http_code}' "$@" "$url/api/v1/snapshots/$id/archive")" "$wanted" "Range: bytes=$range $*"
  grep -qi '^accept-ranges: bytes' "$work/head" || fail "ranges are not announced for $range"
  if [ "$wanted" = 416 ]; then grep -qi "^content-range: bytes \*/$size" "$work/head" || fail "no length for $range: $(cat "$work/head")"; return; fi
  equal "$(sed -n 's/\r$//; s/^content-length: //ip' "$work/head")" "$length" "Content-Length of $range"
  cmp -s "$work/part" <(tail -c +$((first + 1)) "$work/a.tar" | head -c "$length") || fail "other bytes for $range"
  [ "$wanted" = 200 ] || grep -qi "^content-range: bytes $first-$((first + length - 1))/$size" "$work/head" || fail "Content-Range for $range: $(cat "$work/head")"
}
etag=$(api -D - -o /dev/null "$url/api/v1/snapshots/$id/archive" | sed -n 's/\r$//; s/^etag: //ip')
part 0-9 206 0 10
part 700-1300 206 700 601
part 0-0 206 0 1
part "0-$((size * 2))" 206 0 "$size"
part "$((size - 1))-" 206 $((size - 1)) 1
part -600 206 $((size - 600)) 600
part "$size-" 416 0 0
part 5-4 200 0 "$size"
part 0-1,4-5 200 0 "$size"
part 100-199 206 100 100 -H "If-Range: $etag"
part 100-199 200 0 "$size" -H 'If-Range: "another"'
head -c 1000 "$work/a.tar" >"$work/resumed" && api -C - -o "$work/resumed" "$url/api/v1/snapshots/$id/archive" || fail "curl does not resume a download"
cmp "$work/resumed" "$work/a.tar" || fail "a resumed download differs"
t snapshot lock "$id" && ! t snapshot delete "$id" 2>"$work/locked" || fail "a locked snapshot was deleted"
grep -qi lock "$work/locked" || fail "no reason: $(cat "$work/locked")"
t snapshot unlock "$id" && t snapshot delete "$id" >/dev/null || fail "delete"
equal "$(t snapshot import "$work/a.tar")" "$id" "the archive comes back under its id"
t snapshot verify "$id" >/dev/null || fail "verify after import"
bare=$(t snapshot import "$work/entry.pcapng" --name bare) || fail "import of a capture"
t snapshot dissect "$bare" --wait >/dev/null || fail "dissect of an import"
equal "$(t entries --source bare --filter http --count)" 1 "calls of the import"
head -c 5000 /dev/urandom >"$work/junk" && ! t snapshot import "$work/junk" 2>/dev/null || fail "junk was imported"

# ── hold ──
t hold --for 5m >/dev/null || fail "hold"
[ "$(t nodes --json | jq -r '.nodes[0].hold_until')" != null ] || fail "the hold is not shown"
t hold --release >/dev/null || fail "release"

# ── others on the same folder and port ──
"$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" 2>"$work/second" && fail "a second instance started"
grep -q "in use by trawl up (process $up)" "$work/second" || fail "who holds the folder: $(cat "$work/second")"
"$TRAWL" hub --data "$work/other" --listen "127.0.0.1:$port" 2>"$work/second" && fail "a second hub listens"
grep -q "Port $port .* is in use" "$work/second" || fail "port in use: $(cat "$work/second")"

# ── a dying hub costs nothing but a moment; the capturer goes on ──
hub=$(pgrep -P "$up" -f 'trawl hub')
capturer=$(pgrep -f "trawl capturer --data $work/data")
kill -9 "$hub"
for _ in $(seq 100); do [ "$(t snapshot show "$id" --json 2>/dev/null | jq -r .status)" = Completed ] && break; sleep 0.1; done
equal "$(t snapshot show "$id" --json | jq -r .status)" Completed "after kill -9 of the hub"
equal "$(pgrep -f "trawl capturer --data $work/data")" "$capturer" "the capturer goes on"
t token rotate >"$work/new" && sleep 2.5
equal "$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" "$url/api/v1/nodes")" 401 "the old token"
equal "$(api -o /dev/null -w '%{http_code}' "$url/api/v1/nodes")" 200 "the new token"
equal "$(api "$url/api/v1/audit?limit=1000" | jq .intact)" true "audit chain"
for action in snapshot.create snapshot.pcap snapshot.download snapshot.import snapshot.delete login.failed entry.view entry.packets entry.stream entry.body token.change; do
  api "$url/api/v1/audit?limit=1000" | jq -e --arg a $action '[.lines[] | select(.action == $a)] | length > 0' >/dev/null || fail "$action is not in the audit log"
done

# ── the end: everything within 5 s, exit 0, nothing left; no link at the second start ──
begin=$(date +%s%N)
kill -TERM "$up" && wait "$up"
equal $? 0 "exit code after SIGTERM"
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -le 20000 ] || fail "stopping took $took ms"
[ -z "$(pgrep -f "data $work/data")" ] || fail "left behind: $(pgrep -af "data $work/data")"
: >"$work/up.out"
start --no-capture
grep -q '#token=' "$work/up.out" && fail "the token was printed again"
kill -TERM "$up" && wait "$up"
equal $? 0 "exit code of the second run"
echo "from the first start to the last signal in $((SECONDS)) s; stopped in $took ms"
