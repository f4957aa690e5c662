#!/usr/bin/env bash
# The capturer stands still for 3 s (SIGSTOP). What the kernel kept meanwhile is recorded, what it dropped is counted, and the time of which nothing
# could be kept is a gap: from the last packet that was kept to the moment it went on, the same in ring, manifest, command line and API.
# A quiet node fills no buffer in 3 s: nothing is lost, and no gap is claimed.
. "$(dirname "$0")/lib.sh"
need jq curl tshark python3
make_hosts
cat >"$work/flood.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    s.sendto(b"%08d" % i + bytes(992), (sys.argv[1], 9))
    time.sleep(float(sys.argv[3]))
P
ip -n "$srv" neigh replace $cli_ip lladdr "$(ip -n "$cli" -j link show eth0 | jq -r '.[0].address')" dev eth0
send() { on_srv python3 "$work/flood.py" $cli_ip "$1" "$2"; } # packets, seconds between them
find_capturer() {
  capturer=$(ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}')
  [ -n "$capturer" ] || fail "no capturer process"
}
ns() { date +%s%N; }
ns_of() { python3 -c 'import sys; w, _, f = sys.stdin.read().strip().strip("\"").rstrip("Z").partition("."); from datetime import datetime; print(int((datetime.fromisoformat(w) - datetime(1970, 1, 1)).total_seconds()) * 10**9 + int((f or "0").ljust(9, "0")))'; }
declared() { jq '.nodes[0].drops | .kernel + .ring + .disk' "$1"; }

# ── a buffer that overflows ──
start_trawl --ring-size 64MiB --iface eth0 --bpf 'udp dst port 9' --buffer 128KiB
find_capturer
send 20 0.01
kill -STOP "$capturer"
send 1000 0.0001
sleep 3
send 50 0
woke_after=$(ns)
kill -CONT "$capturer"
sleep 0.3
woke_before=$(ns)
send 20 0.01
sleep 1.5
id=$(t snapshot create stall --last 1m --wait) || fail "create"
t snapshot show "$id" --json >"$work/show.json"
t snapshot pcap "$id" -o "$work/stall.pcapng" || fail "pcap"
times=$(tshark -n -r "$work/stall.pcapng" -Y 'udp.dstport == 9' -T fields -e frame.time_epoch 2>/dev/null | tr -d .)
recorded=$(wc -l <<<"$times")
equal $((recorded + $(declared "$work/show.json"))) 1090 "sent = recorded ($recorded) + declared ($(declared "$work/show.json"))"
last=$(awk -v limit="$woke_after" '$1 + 0 < limit + 0' <<<"$times" | tail -1)
exactly() { # what, a JSON list of gaps
  local list to
  list=$(jq -c '[.[] | select(.reason == "capture_stopped")]' <<<"$2")
  equal "$(jq length <<<"$list")" 1 "$1: gaps with the reason capture_stopped in $2"
  equal "$(jq '.[0].from' <<<"$list" | ns_of)" $((last + 1)) "$1 begins after the last packet that was kept"
  to=$(jq '.[0].to' <<<"$list" | ns_of)
  [ "$to" -ge "$woke_after" ] && [ "$to" -le "$woke_before" ] || fail "$1 ends at $to, woken between $woke_after and $woke_before"
  [ $((to - last)) -ge 3000000000 ] || fail "$1 is shorter than the 3 s"
}
exactly "the snapshot's gap" "$(jq -c '.nodes[0].gaps' "$work/show.json")"
exactly "the node's gap" "$(t nodes --json | jq -c '.nodes[0].gaps')"
exactly "the ring's gap" "$("$TRAWL" ring status --data "$work/data" --json | jq -c .gaps)"
exactly "the API's gap" "$(api GET "/api/v1/snapshots/$id" | jq -c '.nodes[0].gaps')"
exactly "the manifest's gap" "$(jq -c '.nodes[0].gaps' "$work/data/snapshots/$id/manifest.json")"
note "kept $recorded of 1090, $(declared "$work/show.json") declared, the gap is $(jq -c '[.nodes[0].gaps[] | select(.reason == "capture_stopped")][0]' "$work/show.json")"
stop_trawl

# ── wherever in its loop it is stopped, also in the middle of a flood ──
rm -rf "$work/data"
start_trawl --ring-size 64MiB --iface eth0 --bpf 'udp dst port 9' --buffer 256KiB
find_capturer
ip netns exec "$srv" python3 "$work/flood.py" $cli_ip 10000000 0 &
flooding=$!
started+=("$flooding")
flood_is_recorded() { t nodes --json | jq -e '.nodes[0].packets > 1000' >/dev/null; }
wait_until 20 "the flood is recorded" flood_is_recorded
stops=6
for _ in $(seq $stops); do
  sleep 0.4
  kill -STOP "$capturer"
  sleep 2
  kill -CONT "$capturer"
done
sleep 0.5
kill "$flooding"
wait "$flooding" 2>/dev/null
sleep 1.5
gaps=$("$TRAWL" ring status --data "$work/data" --json | jq -c '[.gaps[] | select(.reason == "capture_stopped")]')
equal "$(jq length <<<"$gaps")" $stops "gaps of $stops stops in a flood: $gaps"
stop_trawl

# ── a quiet node: a packet every 15 ms for 3 s into the buffer of 64 MiB that is the default ──
rm -rf "$work/data"
start_trawl --ring-size 64MiB --iface eth0 --bpf 'udp dst port 9'
find_capturer
kill -STOP "$capturer"
send 200 0.015
kill -CONT "$capturer"
send 10 0.01
sleep 1.5
id=$(t snapshot create quiet --last 1m --wait) || fail "create"
t snapshot show "$id" --json >"$work/show.json"
equal "$(jq .packets "$work/show.json") $(declared "$work/show.json")" "210 0" "packets and drops of a quiet node"
equal "$(jq -c '[.nodes[0].gaps[] | select(.reason == "capture_stopped")]' "$work/show.json")" "[]" "gaps of a quiet node"
echo "a capturer that stood still for 3 s: what was kept is recorded, the rest is a gap to the nanosecond; a quiet node loses nothing"
