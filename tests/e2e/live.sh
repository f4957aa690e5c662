#!/usr/bin/env bash
# Live dissection: switched on, calls appear while they are made, each once and none missing; it survives kill -9 of its job and of the
# whole, is passed over nothing of, keeps its entries when it is off, and stays within its words (API, CLI, help).
. "$(dirname "$0")/lib.sh"
need jq curl python3
make_hosts
cat >"$work/server.py" <<'P'
import http.server, socketserver, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * 90000000 if self.path == "/large" else b'{"path":"%s"}' % self.path.encode()
        self.send_response(500 if self.path.endswith("7") else 200)
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer((sys.argv[1], 8080), H).serve_forever()
P
ip netns exec "$srv" python3 "$work/server.py" $srv_ip & started+=($!)
start_trawl --ring-size 32MiB
# calls FROM TO: one after the other, each a connection of its own
calls() { on_cli bash -c "for i in \$(seq $1 $2); do curl -s -m 5 -o /dev/null http://$srv_ip:8080/call/\$i || exit 1; done" || fail "calls $1 … $2"; }
count() { t entries --source live --filter "$1" --count 2>/dev/null | grep -oE '^[0-9]+'; }
has() { [ "$(count "$1")" = "$2" ]; }
live_job() { ip netns pids "$srv" | xargs -r ps -o pid=,args= -p | awk '/job live/ {print $1; exit}'; }
state() { t live status --json | jq -r .state; }

# ── off ──
t entries --source live --count >"$work/off" 2>&1 && fail "a source that never was answered"
grep -q "trawl live on" "$work/off" || fail "off does not say how to switch it on: $(cat "$work/off")"
[ "$(state)" = off ] || fail "it is on by itself"
t live sideways >/dev/null 2>&1; [ $? = 2 ] || fail "wrong usage"

# ── on: calls appear ──
t live on >/dev/null || fail "live on: $(tail -n 5 "$work/up.err")"
[ "$(state)" = on ] || fail "it is not on"
has 'path == "/call/1"' 0 || fail "nothing yet is no answer: $(t entries --source live --count 2>&1)"
calls 1 1
until_ns=$(($(date +%s%N) + 20000000000))
begin=$(date +%s%N)
until has 'path == "/call/1"' 1; do [ "$(date +%s%N)" -lt $until_ns ] || fail "the first call did not appear"; sleep 0.1; done
note "the first call appeared $((($(date +%s%N) - begin) / 1000000)) ms after its answer"
calls 2 300
wait_until 20 "300 calls" has 'http && path.startsWith("/call/")' 300
[ "$(count 'http && status_code == 500')" = 30 ] || fail "30 of them failed: $(count 'http && status_code == 500')"
[ "$(count 'http && response.body.contains("/call/42\"")')" = 1 ] || fail "a body is not there"
[ "$(t entries --source live --filter 'http && path.startsWith("/call/")' --jsonl | jq -r .path | sort -u | wc -l)" = 300 ] || fail "each once"
id1=$(t entries --source live --filter 'path == "/call/1"' --json | jq -r '.entries[0].id')
[ "$(t entry "$id1" --source live --json | jq -r .response.body)" = '{"path":"/call/1"}' ] || fail "one entry whole"
t entry "$id1" --source live --body response -o "$work/body" >/dev/null 2>&1
[ "$(t top --source live --by path --filter 'http && path.startsWith("/call/")' --json | jq .groups_total)" = 300 ] || fail "top"
[ "$(t live status --json | jq .missed_bytes)" = 0 ] || fail "something was passed over: $(t live status --json)"

# ── the same calls as a dissection afterwards, with the same ids ──
ids() { t entries --source "$1" --filter 'http && path.startsWith("/call/")' --jsonl | jq -r '[.id, .path, .status, .elapsed_time] | @tsv' | sort; }
t snapshot create after --last 5m --dissect --wait >/dev/null || fail "a snapshot beside it"
ids live >"$work/live.tsv"; ids @latest >"$work/after.tsv"
cmp "$work/live.tsv" "$work/after.tsv" || { diff "$work/live.tsv" "$work/after.tsv" | head; fail "live entries differ from those of a snapshot"; }

# ── kill -9 of the job: what was shown stays, and it goes on ──
job=$(live_job)
[ -n "$job" ] || fail "there is no live job: $(ip netns pids "$srv" | xargs -r ps -o pid=,args= -p)"
kill -9 "$job"
wait_until 20 "the job is started again" eval '[ "$(state)" = on ] && [ "$(t live status --json | jq .failures)" = 1 ]'
has 'http && path.startsWith("/call/")' 300 || [ "$(count 'http && path.startsWith("/call/")')" -ge 300 ] || fail "kill -9 took entries: $(count http)"
calls 301 320
wait_until 20 "calls after the kill" has 'path == "/call/320"' 1

# ── a job that stands still: the ring overtakes it, the recorder loses nothing, what was passed over is said ──
job=$(live_job)
kill -STOP "$job" # slowly: how fast a busy machine records is not the question here
on_cli curl -s -m 60 --limit-rate 10M -o /dev/null http://$srv_ip:8080/large || fail "a large transfer"
kill -CONT "$job"
wait_until 30 "what was passed over is said" eval '[ "$(t live status --json | jq .missed_bytes)" -gt 0 ]'
t live status | grep -q "were passed over" || fail "the status says nothing of it"
equal "$(t nodes --json | jq -c '.nodes[0].drops')" '{"kernel":0,"ring":0,"disk":0}' "drops of the recorder"
calls 401 401
wait_until 30 "it goes on behind what it passed over" has 'path == "/call/401"' 1

# ── kill -9 of everything, and off ──
kill -9 "$up_pid"; wait "$up_pid" 2>/dev/null
wait_until 10 "all processes end" eval '[ -z "$(ip netns pids "$srv" | xargs -r ps -o pid=,comm= -p | awk "\$2 == \"trawl\"")" ]'
start_trawl --ring-size 64MiB
[ "$(state)" = off ] || fail "it is on after a restart"
has 'path == "/call/320"' 1 || fail "kill -9 took what was shown"
t live on >/dev/null || fail "live on after kill -9"
calls 321 330
wait_until 20 "calls after the restart" has 'path == "/call/330"' 1
t live off >/dev/null || fail "live off"
[ "$(state)" = off ] || fail "it is not off"
[ "$(ip netns pids "$srv" | xargs -r ps -o args= -p | grep -c "job live")" = 0 ] || fail "the job outlives the switch"
has 'path == "/call/330"' 1 || fail "its entries stay when it is off"
stop_trawl || fail "SIGTERM"
echo "live: ok"
