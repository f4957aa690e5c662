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

begin() { start_trawl --ring-size 32MiB; }
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
# check_promises [all]: every status; of the completed ones a few, or all, are read back whole.
check_promises() {
  local list id status read_back
  if [ "${1:-}" = all ]; then
    read_back=$(printf '%s\n' "${completed[@]:-}")
  else
    read_back=$(printf '%s\n' "${completed[@]:-}" | shuf -n 2 --random-source=<(yes "$RANDOM"); printf '%s\n' "${completed[@]:-}" | tail -n 2)
  fi
  wait_until 30 "no snapshot is left Pending or In Progress" settled
  list=$(t snapshot list --json) || fail "list after a crash"
  for id in "${completed[@]:-}"; do
    [ -n "$id" ] || continue
    status=$(jq -r --arg id "$id" '.snapshots[] | select(.id == $id) | .status' <<<"$list")
    case "$status" in Completed | Dissected) ;; *)
        ls -la "$work/data/snapshots" "$work/data/snapshots/$id"* "$work/imported"
        jq -c --arg id "$id" '.snapshots[] | select(.id == $id)' <<<"$list"
        cat "$work/imported"
        tail -n 40 "$work/up.err"
        fail "$id was Completed and is \"$status\"" ;; esac
    grep -qxF "$id" <<<"$read_back" || continue
    t snapshot verify "$id" >"$work/verify.out" 2>&1 || fail "$id does not verify: $(cat "$work/verify.out")"
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
check_promises all
note "${#completed[@]} completed snapshots survived ${ROUNDS:-20} kills: record ${rounds[record]}, snapshot ${rounds[snapshot]}, dissect ${rounds[dissect]}"
for phase in "${phases[@]}"; do [ "${rounds[$phase]}" -gt 0 ] || fail "no kill in phase $phase"; done
stop_trawl

# Every disk write has a phase: list them in two quiet runs, on this folder and on a new one, then kill before a drawn call of each.
log=$work/faults.log
new_log() { : >"$log" && chmod 666 "$log"; }
# Most calls that one process makes, per phase ("count phase").
per_phase() { awk '{n = ++c[$1 " " $3]; if (n > m[$1]) m[$1] = n} END {for (p in m) print m[p], p}' "$log" | sort -k2; }
work_through() { # what makes the disk be written; with a fault planted any of it may fail, but must not hang
  local new
  new=$(limited snapshot create "fault" --last 20s --wait 2>/dev/null) || return 0
  completed+=("$new")
  limited snapshot dissect "$new" --wait >/dev/null 2>&1
  limited snapshot rename "$new" "renamed" >/dev/null 2>&1
  limited snapshot pcap "$new" -o "$work/kill.pcapng" >/dev/null 2>&1 && limited snapshot import "$work/kill.pcapng" >"$work/imported" 2>/dev/null &&
    limited snapshot delete "$(head -n 1 "$work/imported")" >/dev/null 2>&1
  limited hold >/dev/null 2>&1 && limited hold --release >/dev/null 2>&1
}
limited() { timeout 8 ip netns exec "$srv" env -u TRAWL_FAULT_LOG TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" "$@"; }
start_with_fault() { # number phase
  TRAWL_FAULT=kill:$1:$2 TRAWL_FAULT_LOG=$log ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --ring-size 32MiB >>"$work/up.out" 2>>"$work/up.err" &
  up_pid=$!
  started+=("$up_pid")
  for _ in $(seq 25); do
    trawl_is_recording || ! kill -0 "$up_pid" 2>/dev/null || was_killed "$2" && break
    sleep 0.1
  done
}
was_killed() { grep -q "^$1 .* killed\$" "$log"; }

export TRAWL_FAULT_LOG=$log
new_log
begin
work_through
stop_trawl
per_phase >"$work/phases"
mv "$work/data" "$work/kept"
new_log
begin
stop_trawl
per_phase | while read -r count phase; do grep -q " $phase\$" "$work/phases" || echo "$count $phase"; done >"$work/first_phases"
unset TRAWL_FAULT_LOG
cat "$work/phases" "$work/first_phases"
for wanted in ring-segment snapshot-state snapshot-manifest snapshot-data entries-part entries-block; do
  grep -q " $wanted\$" "$work/phases" || fail "no disk write in phase $wanted"
done

# On a folder of its own first start: what is there afterwards is good or absent.
while read -r count phase; do
  rm -rf "$work/data"
  new_log
  start_with_fault $((RANDOM % count + 1)) "$phase"
  was_killed "$phase" || { kill_all; rm -rf "$work/data"; start_with_fault 1 "$phase"; }
  was_killed "$phase" || fail "no kill in phase $phase of a first start"
  kill_all
  begin
  kill_all
done <"$work/first_phases"
rm -rf "$work/data"
mv "$work/kept" "$work/data"
rm -f "$work/up.out"

while read -r count phase; do
  n=$((RANDOM % count + 1))
  new_log
  while :; do
    start_with_fault "$n" "$phase"
    was_killed "$phase" || work_through
    kill_all
    was_killed "$phase" && break
    [ "$n" -gt 1 ] || fail "no kill in phase $phase"
    n=$((n / 2))
  done
  begin
  check_promises
  kill_all
  note "killed before call $n of $count in $phase ($(awk '$4 == "killed" {print $2; exit}' "$log"))"
done <"$work/phases"
begin
check_promises all
stop_trawl
echo "${#completed[@]} completed snapshots verified after ${ROUNDS:-20} kills and kills in $(cat "$work/phases" "$work/first_phases" | wc -l) phases of disk writes"
