#!/usr/bin/env bash
# A disk that fails while the ring is written: every packet sent is recorded or declared as lost to the disk, and recording goes on.
. "$(dirname "$0")/../e2e/lib.sh"
need tshark jq python3
make_hosts
data=$work/rec
cat >"$work/send.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    s.sendto(bytes(1200), (sys.argv[1], 9))
    if i % 100 == 99: time.sleep(0.02)
P
ip -n "$srv" neigh replace $cli_ip lladdr "$(ip -n "$cli" -j link show eth0 | jq -r '.[0].address')" dev eth0
recording() { "$TRAWL" ring status --data "$data" --json 2>/dev/null | jq -e '.heartbeat_at != null and .capturer_pid == '"$rec_pid" >/dev/null; }
recorded() {
  local f total=0
  for f in "$data"/ring/*.pcapng; do
    tshark -n -r "$f" -Y 'udp.dstport == 9' >"$work/matches" 2>"$work/complaint" || fail "tshark -r $f: $(cat "$work/complaint")"
    total=$((total + $(wc -l <"$work/matches")))
  done
  echo "$total"
}
lost=0
for plan in fail:3 fail:4 fail:7 fail:8 fail:9 fail:12 fail:15 fail:20 fail:25; do
  rm -rf "$data"
  TRAWL_FAULT=$plan:ring-segment TRAWL_FAULT_LOG=$work/calls ip netns exec "$srv" "$TRAWL" capturer --data "$data" --iface eth0 --bpf 'udp dst port 9' \
    --ring-size 8MiB --segment-size 512KiB 2>>"$work/up.err" &
  rec_pid=$!
  started+=("$rec_pid")
  wait_until 20 "the capturer records" recording
  on_srv python3 "$work/send.py" $cli_ip 2000
  sleep 1.5 # a refused disk is tried again after a second
  on_srv python3 "$work/send.py" $cli_ip 500
  sleep 0.5
  kill -TERM "$rec_pid"
  wait "$rec_pid" || fail "$plan: the capturer ended with $?"
  list=$("$TRAWL" ring list --data "$data" --json) || fail "$plan: list"
  there=$(recorded) disk=$(jq .drops.disk <<<"$list") kernel=$(jq .drops.kernel <<<"$list")
  note "$plan: recorded $there, lost to the disk $disk"
  equal $((there + disk + kernel)) 2500 "$plan: sent = recorded + declared"
  lost=$((lost + disk))
  "$TRAWL" ring verify --data "$data" >/dev/null || fail "$plan: verify"
done
[ -s "$work/calls" ] || { echo "this build has no fault points"; exit 77; }
[ "$lost" -gt 0 ] || fail "no plan hit a write: the test shows nothing"
echo "what the disk did not take is declared, to the packet"
