#!/usr/bin/env bash
# Questions, sign-in and status when something is stopped, killed or guessed at: what a person sees stays true and comes at once.
. "$(dirname "$0")/lib.sh"
need curl jq python3 pgrep nginx wrk
make_hosts
ulimit -c 0

descendants() { local p; for p in $(pgrep -P "$1"); do echo "$p"; descendants "$p"; done; }
processes() { # words of their command line, below trawl up
  local p
  for p in $(descendants "$up_pid"); do { tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null | grep -q -- "$1" && echo "$p"; done
}
gone() { ! kill -0 "$1" 2>/dev/null; }
state_is() { [ "$(t nodes --json | jq -r '.nodes[0].state')" = "$1" ]; }
code() { on_srv curl -s -o /dev/null -w '%{http_code}' "$@"; }

start_trawl
ip netns exec "$srv" python3 -m http.server --bind $srv_ip 8000 --directory "$work" >/dev/null 2>&1 &
started+=($!)
wait_until 10 "the server answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8000/"
for i in $(seq 20); do on_cli curl -s -o /dev/null "http://$srv_ip:8000/none?i=$i"; done
on_cli curl -s -o /dev/null -H $'Host: =cmd\x1b[31m,"x"/y?z' "http://$srv_ip:8000/evil"
for i in 1 2; do on_cli curl -s -o /dev/null -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' "http://$srv_ip:8000/traced/$i"; done
sleep 1
id=$(t snapshot create calls --last 1m --wait) || fail "create"

t snapshot dissect "$id" --wait >/dev/null || fail "dissect"

# ── a dissection under way is shown as one ──
# One of so many calls that it can be stopped on its way; when it is over before, another one.
start_nginx
on_cli wrk -t1 -c8 -d3s "http://$srv_ip:8080/api/v1/orders/1" >/dev/null || fail "wrk"
sleep 1.5
busy=$(t snapshot create busy --last 6s --wait) || fail "create"
caught=""
for attempt in $(seq 20); do
  t snapshot dissect "$busy" --wait >/dev/null 2>&1 &
  dissect=$!
  started+=("$dissect")
  job=""
  until [ -n "$job" ] || gone "$dissect"; do job=$(processes 'job dissect' | head -n 1); done
  if [ -n "$job" ] && kill -STOP "$job" 2>/dev/null; then
    t snapshot list | grep -q 'Dissecting [0-9]* %' && caught=yes
    kill -CONT "$job"
  fi
  wait "$dissect" || fail "dissect"
  [ -n "$caught" ] && break
done
[ -n "$caught" ] || fail "a dissection under way is shown as: $(t snapshot list)"
t snapshot list | grep -q 'Dissected' || fail "the dissection's end is not shown"
note "a dissection under way is shown with its progress"

# ── a result stays readable while the dissection is made again, and for good when that fails ──
count() { t entries --source "$busy" --count; }
before=$(count) || fail "the count"
caught=""
for attempt in $(seq 20); do
  t snapshot dissect "$busy" --wait >/dev/null 2>"$work/redo" &
  dissect=$!
  started+=("$dissect")
  job=""
  until [ -n "$job" ] || gone "$dissect"; do job=$(processes 'job dissect' | head -n 1); done
  if [ -n "$job" ] && kill -STOP "$job" 2>/dev/null && t snapshot list --json | jq -e '.snapshots[0].dissections[0].redo.state == "running"' >/dev/null; then
    equal "$(count)" "$before" "entries while the dissection is made again"
    t snapshot list --json | jq -e '.snapshots[0].status == "Dissected"' >/dev/null || fail "the status meanwhile: $(t snapshot list)"
    t snapshot show "$busy" >/dev/null || fail "show"
    caught=yes
  fi
  [ -n "$job" ] && kill -CONT "$job" 2>/dev/null
  wait "$dissect"
  equal "$(count)" "$before" "entries after it was made again"
  [ -n "$caught" ] && break
done
[ -n "$caught" ] || fail "no dissection could be stopped on its way"
note "a result stays readable while the dissection is made again"

# ── CSV is inert ──
t entries --source "$id" --filter 'path == "/evil"' --csv --fields method,host,path >"$work/evil.csv" || fail "csv"
LC_ALL=C grep -q $'\x1b' "$work/evil.csv" && fail "an escape byte reached the CSV file"
python3 - "$work/evil.csv" <<'P' || fail "the CSV file: $(cat "$work/evil.csv")"
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
assert rows == [["method", "host", "path"], ["GET", "'=cmd\\x1b[31m,\"x\"/y?z", "/evil"]], rows
P
note "control bytes and formulas are written inert"

# ── how a filter is answered ──
t entries --source "$id" --filter 'response.body.contains("Error") && path == "/none"' --explain >"$work/plan" || fail "explain"
grep -q '^entries  *response.body.contains' "$work/plan" && grep -q '^columns  *path == "/none"' "$work/plan" || fail "the plan: $(cat "$work/plan")"
grep -q '^Judged one by one: 20 of .* (reads fields, response bodies)' "$work/plan" || fail "the plan: $(cat "$work/plan")"
t entries --source "$id" --filter 'path == "/none"' --explain | grep -q '^The columns answer it' || fail "a plan without the evaluator"
note "a filter's plan says what the columns answer and what is read"

# ── calls in groups, who calls whom, before and after, one trace ──
groups=$(t top --source "$id" --by path,status_code --filter 'http && path == "/none"' --json)
equal "$(jq -c '[.groups_total, .calls, .other_calls, .groups[0].keys, .groups[0].calls, .groups[0].errors]' <<<"$groups")" '[1,20,0,["/none","404"],20,0]' "trawl top"
t top --source "$id" --filter http | grep -q '^ *20 .*GET · /none' || fail "trawl top: $(t top --source "$id" --filter http)"
equal "$(api GET "/api/v1/aggregate/values?source=$id&field=path&prefix=/tra" | jq -c '[.groups[].keys[0]] | sort')" '["/traced/1","/traced/2"]' "values that begin alike"
t map --source "$id" --filter http | grep -q "http .*$cli_ip .*$srv_ip:8000" || fail "trawl map: $(t map --source "$id")"
half=$(t entries --source "$id" --filter 'path == "/traced/1"' --csv --fields timestamp | tail -n 1 | tr -d '"\r')
changes=$(t compare "$id" "$id" --filter 'path in ["/none", "/traced/1", "/traced/2"]' --a-to "$half" --b-from "$half" --json)
equal "$(jq -c '[.endpoints[] | [.state, .keys[3], (.a.calls // 0), (.b.calls // 0)]] | sort' <<<"$changes")" '[["new","/traced/{id}",0,2],["vanished","/none",20,0]]' "trawl compare"
t compare "$id" "$id" --filter http | grep -q 'GET /none' || fail "trawl compare: $(t compare "$id" "$id" --filter http)"
t compare "$id" "$id" | grep -E '^(new|vanished)' && fail "a snapshot differs from itself"
equal "$(t trace 4bf92f3577b34da6a3ce929d0e0e4736 --source "$id" | grep -c '/traced/')" 2 "calls of a trace"
t trace 'x" || true || "' --source "$id" >"$work/out" 2>"$work/err" || fail "a trace that nothing has: $(cat "$work/err")"
grep -q '/none' "$work/out" && fail "a trace id is no filter: $(head -3 "$work/out")"
entry=$(t entries --source "$id" --filter 'path == "/traced/1"' --json | jq -r '.entries[0].id')
t entry "$entry" --source "$id" --neighbours 5 | grep -q '^> .*/traced/1' || fail "neighbours: $(t entry "$entry" --source "$id" --neighbours 5)"
note "calls in groups, edges, comparison, trace"

# ── a killed query process costs nobody a question ──
t entries --source "$id" --count >/dev/null || fail "count"
for job in $(processes 'job query'); do kill -9 "$job"; done
equal "$(t entries --source "$id" --filter 'path == "/none"' --count)" 20 "calls, asked after the kill"
note "a killed query process is replaced unseen"

# ── one that hangs costs only its own asker ──
job=$(processes 'job query' | head -n 1)
kill -STOP "$job"
api POST /api/v1/entries/count -H 'Content-Type: application/json' -d "{\"source\":\"$id\",\"filter\":\"path == \\\"/none\\\"\"}" >/dev/null 2>&1 &
asker=$!
started+=("$asker")
sleep 0.5
equal "$(t entries --source "$id" --count --filter 'path != "/none"')" "$(($(t entries --source "$id" --count) - 20))" "calls, asked beside one that hangs"
gone "$job" && fail "the hanging process was ended for somebody else's question"
kill "$(pgrep -P "$asker" curl || echo "$asker")" "$asker" 2>/dev/null
wait_until 10 "the process of an asker who went away is ended" gone "$job"
note "questions go side by side, and end with their asker"

# ── wrong tokens slow only wrong tokens ──
sign_in() { code -H 'Content-Type: application/json' -d "{\"token\":\"$1\"}" "http://127.0.0.1:$port/session"; }
wrong=$(printf 'a%.0s' $(seq 64))
for i in $(seq 10); do equal "$(sign_in "$wrong")" 401 "wrong token $i"; done
equal "$(sign_in "$wrong")" 429 "the eleventh wrong token"
equal "$(sign_in "$(cat "$work/data/token")")" 204 "the right token after them"
on_srv "$TRAWL" token rotate --data "$work/data" >/dev/null || fail "rotate"
equal "$(sign_in "$(cat "$work/data/token")")" 204 "the new token at once"
note "the right token works at once, whoever guesses beside it"

# ── who is stopped is not said to record ──
equal "$(t nodes --json | jq -r '.nodes[0].state')" recording "state"
worker=$(processes 'trawl worker')
[ -n "$worker" ] || fail "no worker process"
kill -STOP $worker
wait_until 15 "a stopped worker is shown as silent" state_is silent
t nodes | grep -q 'silent .* s ago .*Nothing was heard of it' || fail "trawl nodes: $(t nodes)"
kill -CONT $worker
wait_until 15 "it is back" state_is recording
capturer=$(processes 'trawl capturer' | head -n 1)
kill -STOP "$capturer"
wait_until 15 "a stopped capturer is not recording" state_is not_recording
kill -CONT "$capturer"
wait_until 15 "it records again" state_is recording
note "a stopped worker or capturer is not said to record"
stop_trawl
