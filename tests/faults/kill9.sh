#!/usr/bin/env bash
# kill -9 of `trawl up` at 20 drawn moments while it records, takes snapshots and dissects; then kill -9 before drawn disk writes of every
# phase. After each: what was Completed is Completed and verifies, the rest is absent, resumed, Failed with a reason or Completed (P1, P2),
# and the ring verifies. Seed: SEED=n repeats a run.
. "$(dirname "$0")/../e2e/lib.sh"
need jq curl python3
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "SEED=$seed"
make_hosts
port=8898
declare -A rounds=([record]=0 [snapshot]=0 [dissect]=0)

cat >"$work/server.py" <<'P'
import http.server, socketserver, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b'{"path":"%s"}' % self.path.encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer((sys.argv[1], 8080), H).serve_forever()
P
ip netns exec "$srv" python3 "$work/server.py" $srv_ip & started+=($!)
# a steady trickle of calls, at most 10 minutes
ip netns exec "$cli" bash -c "for i in \$(seq 12000); do curl -s -m 2 -o /dev/null http://$srv_ip:8080/call/\$i; sleep 0.05; done" & started+=($!)

begin() { # environment for this start
  [ -d "$work/data" ] && chmod -R a+rX "$work/data" 2>/dev/null
  start_trawl --ring-size 32MiB
}
kill_all() {
  # the supervisor first: its children must die with it
  kill -9 "$up_pid" 2>/dev/null
  wait "$up_pid" 2>/dev/null
  for _ in $(seq 50); do
    [ -z "$(ip netns pids "$srv" | xargs -r ps -o pid=,comm= -p 2>/dev/null | awk '$2 == "trawl"')" ] && return 0
    sleep 0.1
  done
  fail "children of trawl up outlived it: $(ip netns pids "$srv" | xargs -r ps -o pid=,args= -p)"
}
completed=()
check_promises() {
  local list id status
  wait_until 30 "no snapshot is left Pending or In Progress" settled
  list=$(t snapshot list --json) || fail "list after a crash"
  for id in "${completed[@]:-}"; do
    [ -n "$id" ] || continue
    status=$(jq -r --arg id "$id" '.snapshots[] | select(.id == $id) | .status' <<<"$list")
    case "$status" in Completed | Dissected) ;; *) fail "$id was Completed and is \"$status\"" ;; esac
    t snapshot verify "$id" >/dev/null || fail "$id does not verify"
  done
  jq -e '[.snapshots[] | select(.status == "Failed" and (.status_detail // "") == "")] | length == 0' <<<"$list" >/dev/null || fail "a snapshot Failed without a reason"
  while read -r id; do completed+=("$id"); done < <(jq -r '.snapshots[] | select(.status == "Completed" or .status == "Dissected") | .id' <<<"$list" | grep -vxF "$(printf '%s\n' "${completed[@]:-none}")")
  on_srv "$TRAWL" ring verify --data "$work/data" >"$work/verify.out" 2>&1 || fail "ring verify: $(cat "$work/verify.out")"
}
settled() { t snapshot list --json 2>/dev/null | jq -e '[.snapshots[] | select(.status == "Pending" or .status == "In Progress")] | length == 0' >/dev/null; }

moment() { sleep "0.$(printf '%03d' $((RANDOM % 700)))"; }
phases=(record snapshot dissect)
for round in $(seq "${ROUNDS:-20}"); do
  phase=${phases[$((round % 3))]}
  begin
  check_promises
  case $phase in
    record) moment ;;
    snapshot) t snapshot create "kill $round" --last 5m >/dev/null 2>&1 & moment ;;
    dissect)
      id=$(t snapshot create "kill $round" --last 5m --wait) || fail "create in round $round"
      completed+=("$id")
      t snapshot dissect "$id" >/dev/null 2>&1 &
      moment ;;
  esac
  kill_all
  rounds[$phase]=$((rounds[$phase] + 1))
done
begin
check_promises
note "${#completed[@]} completed snapshots survived 20 kills: record ${rounds[record]}, snapshot ${rounds[snapshot]}, dissect ${rounds[dissect]}"
for phase in "${phases[@]}"; do [ "${rounds[$phase]}" -gt 0 ] || fail "no kill in phase $phase"; done
stop_trawl

# Every disk write has a phase: list them in one quiet run, then kill before drawn calls of each.
export TRAWL_FAULT_LOG=$work/faults.log
touch "$TRAWL_FAULT_LOG" && chmod 666 "$TRAWL_FAULT_LOG"
begin
id=$(t snapshot create "count" --last 1m --wait) || fail "create"
completed+=("$id")
t snapshot dissect "$id" --wait >/dev/null || fail "dissect"
t snapshot rename "$id" "counted" || fail "rename"
stop_trawl
unset TRAWL_FAULT_LOG
sort "$work/faults.log" | awk '{print $1}' | uniq -c >"$work/phases"
cat "$work/phases"
for wanted in ring-segment snapshot-state snapshot-manifest snapshot-data entries-part entries-block; do
  grep -q " $wanted\$" "$work/phases" || fail "no disk write in phase $wanted"
done
while read -r count phase; do
  n=$((RANDOM % count + 1))
  export TRAWL_FAULT=kill:$n:$phase
  ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --ring-size 32MiB >>"$work/up.out" 2>>"$work/up.err" &
  up_pid=$!
  started+=("$up_pid")
  unset TRAWL_FAULT
  for _ in $(seq 50); do trawl_is_recording && break; kill -0 "$up_pid" 2>/dev/null || break; sleep 0.1; done
  new=$(t snapshot create "fault $phase $n" --last 1m --wait 2>/dev/null) && { completed+=("$new"); t snapshot dissect "$new" --wait >/dev/null 2>&1; t snapshot rename "$new" "renamed" >/dev/null 2>&1; }
  kill_all
  begin
  check_promises
  kill_all
  note "killed before call $n of $count in $phase"
done <"$work/phases"
echo "${#completed[@]} completed snapshots verified after kills in $(wc -l <"$work/phases") phases"
