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
        body = b"x" * 90000000 if self.path == "/large" else b"%06d" % 7 * 20000 if self.path.startswith("/big/") else b'{"path":"%s"}' % self.path.encode()
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

# ── followed: what comes is printed, each call once; errors and what is missed are said ──
t entries --follow --filter 'status_code ==' >"$work/f.out" 2>"$work/f.err" && fail "a wrong filter was followed"
grep -q . "$work/f.err" && [ ! -s "$work/f.out" ] || fail "a wrong filter: $(cat "$work/f.err")"
t entries --follow --source @latest/x >/dev/null 2>&1; [ $? = 2 ] || fail "a snapshot cannot be followed"
t entries --follow --count >/dev/null 2>&1; [ $? = 2 ] || fail "--follow --count"
equal "$(api GET '/api/v1/entries/stream?source=live&filter=nonsense' -o "$work/f.problem" -w '%{http_code}')" 400 "a wrong filter is refused"
equal "$(jq -r .token "$work/f.problem")" nonsense "and says what is wrong"
equal "$(api GET '/api/v1/entries/stream?source=@latest' -o /dev/null -w '%{http_code}')" 400 "only live is followed"
follow() { # output, options: in the background
  local out=$1; shift
  ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" entries --follow "$@" >"$work/$out.out" 2>"$work/$out.err" &
  followers+=($!) started+=($!)
}
followers=()
lines() { [ "$(wc -l <"$work/$1.out")" -ge "$2" ]; }
follow all --jsonl --filter 'http && path.startsWith("/follow/")'
follow errors --fields path,status_code --filter 'http && path.startsWith("/follow/") && status_code == 500'
follow some --jsonl --filter 'http && path.startsWith("/follow/")' --limit 5
followed() { on_cli bash -c "for i in \$(seq $1 $2); do curl -s -m 5 -o /dev/null http://$srv_ip:8080/follow/\$i || exit 1; done" || fail "calls $1 … $2"; }
curl_to() { : >"$work/$1"; ip netns exec "$srv" curl -sN -H "Authorization: Bearer $(cat "$work/data/token")" "${@:2}" >"$work/$1" 2>/dev/null & started+=($!); last=$!; }
curl_to stream "http://127.0.0.1:$port/api/v1/entries/stream?source=live&filter=http"; streamer=$last
sleep 1.5 # they have begun: what comes from now on is theirs
followed 1 40
wait_until 20 "40 calls are followed" lines all 40
wait_until 20 "errors alone" lines errors 4
wait "${followers[2]}" || fail "--limit does not end it: $(cat "$work/some.err")"
equal "$(wc -l <"$work/some.out")" 5 "--limit 5"
equal "$(jq -r .path "$work/all.out" | sort -u | wc -l)" 40 "each once"
equal "$(jq -r .response.body "$work/all.out" | grep -c '"/follow/')" 40 "whole entries"
equal "$(sort "$work/errors.out" | head -1)" "/follow/17	500" "chosen fields"
grep -q '^event: live' "$work/stream" && grep -q '^id: [0-9]' "$work/stream" && grep -q '^event: entries' "$work/stream" || fail "the stream's events: $(head -c 500 "$work/stream")"
# goes on where it was
seen=$(grep '^id:' "$work/stream" | head -1 | cut -d' ' -f2)
kill "$streamer"; wait "$streamer" 2>/dev/null
curl_to again -H "Last-Event-ID: $seen" "http://127.0.0.1:$port/api/v1/entries/stream?source=live&filter=http"; streamer=$last
wait_until 20 "it goes on behind the id" eval 'grep -o "/follow/[0-9]*\"" "$work/again" | sort -u | wc -l | grep -qx 40'
kill "$streamer"
# ── the same calls as a dissection afterwards, with the same ids ──
ids() { t entries --source "$1" --filter 'http && path.startsWith("/call/")' --jsonl | jq -r '[.id, .path, .status, .elapsed_time] | @tsv' | sort; }
t snapshot create after --last 5m --dissect --wait >/dev/null || fail "a snapshot beside it"
ids live >"$work/live.tsv"; ids @latest >"$work/after.tsv"
cmp "$work/live.tsv" "$work/after.tsv" || { diff "$work/live.tsv" "$work/after.tsv" | head; fail "live entries differ from those of a snapshot"; }

# ── a reader that reads nothing: nobody else waits for it, and it is told what it missed ──
curl_to slow "http://127.0.0.1:$port/api/v1/entries/stream?source=live&whole=true&max_behind=30&filter=http%20%26%26%20path.startsWith(%22/big/%22)"; streamer=$last
wait_until 10 "it has begun" grep -q '^event: live' "$work/slow"
kill -STOP "$streamer"
on_cli bash -c "for i in \$(seq 300); do curl -s -m 5 -o /dev/null http://$srv_ip:8080/big/\$i || exit 1; done" || fail "large answers"
wait_until 40 "others see them meanwhile" has 'http && path.startsWith("/big/")' 300
kill -CONT "$streamer"
wait_until 20 "the slow one sees the last" grep -q '"/big/300"' "$work/slow"
missed=$(grep -o '"missed":[0-9]*' "$work/slow" | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }')
[ "$missed" -gt 0 ] || fail "a slow reader is not told what it missed: $(tail -c 200 "$work/slow")"
got=$(grep -o '"path":"/big/[0-9]*"' "$work/slow" | sort -u | wc -l)
# every call is one entry, and so is its connection
[ "$got" -lt 300 ] && [ $((got + missed)) -ge 300 ] || fail "$got calls came, $missed entries were missed, of 300"
note "a slow reader got $got calls and missed $missed entries"
kill "$streamer"

# ── off and on again: nothing is counted twice, and what was made meanwhile is not shown ──
made() { on_cli bash -c "for i in \$(seq $2); do curl -s -m 5 -o /dev/null http://$srv_ip:8080/$1/\$i || exit 1; done" || fail "$2 calls of $1"; }
made before 25
wait_until 20 "25 calls before it is off" has 'http && path.startsWith("/before/")' 25
t live off >/dev/null || fail "live off"
made dark 25
t live on >/dev/null || fail "live on again"
made after 25
wait_until 20 "25 calls after it is on again" has 'http && path.startsWith("/after/")' 25
equal "$(count 'http && path.startsWith("/before/")')" 25 "calls made before it was off, once"
equal "$(count 'http && path.startsWith("/dark/")')" 0 "calls made while it was off"

# ── kill -9 of the job: what was shown stays and is there once, and it goes on ──
job=$(live_job)
[ -n "$job" ] || fail "there is no live job: $(ip netns pids "$srv" | xargs -r ps -o pid=,args= -p)"
kill -9 "$job"
wait_until 20 "the job is started again" eval '[ "$(state)" = on ] && [ "$(t live status --json | jq .failures)" = 1 ]'
wait_until 20 "what ended the job before is over, now that another runs" eval '[ "$(t live status --json | jq -r .reason)" = "" ]'
grep 'the live job ended' "$work/up.err" | grep -q 'killed' || fail "the log does not say that it was killed: $(grep 'live job' "$work/up.err")"
calls 301 320
wait_until 20 "calls after the kill" has 'path == "/call/320"' 1
equal "$(count 'http && path.startsWith("/after/")')" 25 "calls that were sealed just before the kill, once"
equal "$(count 'http && path.startsWith("/call/")')" 320 "no call was taken or counted twice"

# ── a job that stands still: the ring overtakes it, the recorder loses nothing, what was passed over is said ──
job=$(live_job)
kill -STOP "$job" # slowly: how fast a busy machine records is not the question here
on_cli curl -s -m 60 --limit-rate 10M -o /dev/null http://$srv_ip:8080/large || fail "a large transfer"
kill -CONT "$job"
wait_until 30 "what was passed over is said" eval '[ "$(t live status --json | jq .missed_bytes)" -gt 0 ]'
# 90 MB went by; what the ring of 32 MiB still holds can have been read, the rest was not
enough() { [ "$(t live status --json | jq '.missed_at != null and .missed_bytes > 45000000')" = true ]; }
wait_until 20 "all that the ring overtook is counted" enough
t live status | grep -q "were passed over" || fail "the status says nothing of it"
equal "$(t nodes --json | jq -c '.nodes[0].drops')" '{"kernel":0,"ring":0,"disk":0}' "drops of the recorder"
calls 401 401
wait_until 30 "it goes on behind what it passed over" has 'path == "/call/401"' 1

# ── kill -9 of everything, and off ──
kill -9 "$up_pid"; wait "$up_pid" 2>/dev/null
wait_until 10 "all processes end" eval '[ -z "$(ip netns pids "$srv" | xargs -r ps -o args= -p | grep trawl | grep -v -e entries -e server.py)" ]'
start_trawl --ring-size 64MiB
[ "$(state)" = off ] || fail "it is on after a restart"
t live status | grep -q 'trawl entries --source live' || fail "nothing says what is kept: $(t live status)"
has 'path == "/call/320"' 1 || fail "kill -9 took what was shown"
wait_until 20 "a follower says that it waits" grep -q "Live dissection is off" "$work/all.err"
grep -q "The hub is gone" "$work/all.err" || fail "a follower says nothing of the hub: $(cat "$work/all.err")"
t live on >/dev/null || fail "live on after kill -9"
followed 41 60
wait_until 20 "a follower goes on behind the restart" lines all 60
calls 321 330
wait_until 20 "calls after the restart" has 'path == "/call/330"' 1
t live off >/dev/null || fail "live off"
[ "$(state)" = off ] || fail "it is not off"
kill -0 "${followers[0]}" || fail "the follower ended: $(cat "$work/all.err")"
[ "$(ip netns pids "$srv" | xargs -r ps -o args= -p | grep -c "job live")" = 0 ] || fail "the job outlives the switch"
has 'path == "/call/330"' 1 || fail "its entries stay when it is off"
equal "$(jq -r .path "$work/all.out" | sort | uniq -d | wc -l)" 0 "calls printed twice"
stop_trawl || fail "SIGTERM"
echo "live: ok"
