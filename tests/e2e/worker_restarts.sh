#!/usr/bin/env bash
# The worker's server dies and is started again, at another port: a snapshot that is asked for meanwhile waits for it; one of a node that
# is gone for good says so within a bounded time.
. "$(dirname "$0")/lib.sh"
need jq curl
make_hosts
start_trawl --ring-size 32MiB --iface eth0
on_cli ping -q -c 20 -i 0.02 -W 2 $srv_ip >/dev/null || fail "ping"
sleep 1.5
server() { # the process of this test that serves the worker's port
  local at
  at=$(t nodes --json | jq -r '.nodes[0].address')
  on_srv ss -Hltnp "sport = :${at##*:}" | sed -n 's/.*pid=\([0-9]*\),.*/\1/p' | head -1
}
before=$(t nodes --json | jq -r '.nodes[0].address')
for round in 1 2 3; do
  pid=$(server)
  [ -n "$pid" ] || fail "the worker's server is not found"
  kill -9 "$pid"
  id=$(t snapshot create "round $round" --last 2m --wait 2>"$work/err") || fail "round $round: $(cat "$work/err")"
  t snapshot show "$id" --json >"$work/show"
  jq -e '.status == "Completed" and (.missing | map(select(.reason == "node_unreachable")) == []) and .packets >= 40' "$work/show" >/dev/null || fail "round $round: $(jq -c '[.status, .status_detail, .packets, .missing]' "$work/show")"
  t snapshot verify "$id" >/dev/null || fail "verify"
done
name=$(t nodes --json | jq -r '.nodes[0].name')
[ "$(t nodes --json | jq -r '.nodes[0].address')" != "$before" ] || note "the server came back at the same port"
stop_trawl

# ── a hub that has only begun knows no worker yet: who asks waits for the first to announce itself ──
for who in all named; do
  ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --ring-size 32MiB --iface eth0 >>"$work/up.out" 2>>"$work/up.err" &
  up_pid=$!
  started+=("$up_pid")
  until on_srv curl -sf -o /dev/null "http://127.0.0.1:$port/healthz"; do kill -0 "$up_pid" || fail "trawl up ended"; done
  nodes=()
  [ $who = named ] && nodes=(--nodes "$name")
  id=$(t snapshot create "at once, $who" --last 5m "${nodes[@]}" --wait 2>"$work/err") || fail "straight after the hub's start: $(cat "$work/err")"
  t snapshot show "$id" --json | jq -e '.status == "Completed" and .packets >= 40' >/dev/null || fail "straight after the hub's start: $(t snapshot show "$id")"
  stop_trawl
done

# ── a worker that is gone: bounded, and a sentence ──
mkdir -p "$work/data"
ip netns exec "$srv" "$TRAWL" hub --data "$work/data" --listen "127.0.0.1:$port" >>"$work/up.out" 2>>"$work/up.err" &
hub_pid=$!
started+=("$hub_pid")
hub_answers() { on_srv curl -sf -o /dev/null "http://127.0.0.1:$port/healthz"; }
wait_until 20 "the hub answers" hub_answers
ip netns exec "$srv" env TRAWL_WORKER_TOKEN="$(cat "$work/data/worker-token")" "$TRAWL" worker --hub "http://127.0.0.1:$port" --node gone --data "$work/other" --listen 127.0.0.1:0 --ring-size 16MiB --iface eth0 >>"$work/worker.out" 2>&1 &
worker_pid=$!
started+=("$worker_pid")
gone_records() { t nodes --json 2>/dev/null | jq -e '.nodes[] | select(.name == "gone") | .state == "recording"' >/dev/null; }
wait_until 20 "the other worker records" gone_records
kill "$worker_pid" && wait "$worker_pid" 2>/dev/null
began=$(date +%s)
if t snapshot create "of one that is gone" --last 1m --nodes gone --wait >"$work/id" 2>"$work/err"; then fail "a snapshot of nothing: $(cat "$work/id")"; fi
grep -qiE "answer|reach" "$work/err" || fail "no sentence: $(cat "$work/err")"
[ $(($(date +%s) - began)) -le 40 ] || fail "it took $(($(date +%s) - began)) s to say so"
note "$(cat "$work/err")"
echo "a worker's server may start again under a snapshot"
