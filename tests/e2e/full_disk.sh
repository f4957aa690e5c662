#!/usr/bin/env bash
# A full disk: recording goes on and declares what it could not write, snapshots and dissections are refused or Failed with the reason,
# what was Completed stays good, and everything works again when there is space. The data folder is a small file system of its own.
. "$(dirname "$0")/lib.sh"
need jq curl python3
make_hosts
mkdir "$work/data"
mount -t tmpfs -o size=96m,mode=755 trawl-full-disk "$work/data" || { echo "a tmpfs cannot be mounted here"; exit 77; }
trap 'cleanup; umount -l "$work/data" 2>/dev/null; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
# cleanup removes $work after the processes ended: the mount has to go before.
rm_work() { umount -l "$work/data" 2>/dev/null; }
eval "original_$(declare -f cleanup)"
cleanup() { local pid; for pid in "${started[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done; for pid in "${started[@]:-}"; do [ -n "$pid" ] && wait "$pid" 2>/dev/null; done; rm_work; original_cleanup; }

cat >"$work/send.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
count, size = int(sys.argv[2]), int(sys.argv[3])
for i in range(count):
    s.sendto(b"%08d" % i + bytes(size - 8), (sys.argv[1], 9))
    if i % 50 == 49: time.sleep(0.005)
P
send() { on_srv python3 "$work/send.py" $cli_ip "$@"; }
ip -n "$srv" neigh replace $cli_ip lladdr "$(ip -n "$cli" -j link show eth0 | jq -r '.[0].address')" dev eth0
fill() { # leaves that many KiB
  local free
  free=$(df --output=avail -k "$work/data" | tail -1)
  [ "$free" -gt "$1" ] && head -c $(((free - $1) * 1024)) /dev/zero >>"$work/data/filler"
}
drops() { t nodes --json | jq ".nodes[0].drops.$1"; }
snapshot_dirs() { find "$work/data/snapshots" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort; }

start_trawl --ring-size 24MiB --segment-size 1MiB --iface eth0 --bpf 'udp dst port 9'
send 2000 1000
sleep 1.5
good=$(t snapshot create good --last 1m --dissect --wait) || fail "create on a disk with space"
equal "$(drops disk)" 0 "drops before"
note "a snapshot of $(t snapshot show "$good" --json | jq .packets) packets on a disk with space"

# ── nearly full: what does not fit is refused before it starts, with needed and available bytes ──
fill 900
folders=$(snapshot_dirs)
send 200 1000
sleep 1.5
if t snapshot create refused --last 5m --wait >"$work/out" 2>"$work/err"; then
  # hard links need no space: what was taken has to be whole
  t snapshot verify @latest >/dev/null || fail "a snapshot taken on a full disk does not verify"
  note "taken with links on a nearly full disk"
else
  grep -qiE 'space|disk|needs|free' "$work/err" || fail "refused without saying why: $(cat "$work/err")"
  note "$(tail -n 1 "$work/err")"
fi

# ── full: recording goes on, what cannot be written is declared ──
fill 0
equal "$(df --output=avail -k "$work/data" | tail -1 | tr -d ' ')" 0 "free space"
in_ring() { on_srv "$TRAWL" ring list --data "$work/data" --json | jq '[.segments[].packets] | add'; }
before_packets=$(in_ring) before_disk=$(drops disk)
send 40000 1000
sleep 2
t nodes --json >"$work/nodes.json"
# Links of the snapshot keep the space of what the ring recycles: the node says so, or records on with what it got back.
jq -e '.nodes[0] | .state == "recording" or (.state_detail | test("disk"))' "$work/nodes.json" >/dev/null || fail "the node says: $(jq -c '.nodes[0] | [.state, .state_detail]' "$work/nodes.json")"
after_packets=$(in_ring)
declared=$(jq '.nodes[0].drops | .kernel + .ring + .disk' "$work/nodes.json")
note "full: recorded $((after_packets - before_packets)), declared $((declared - before_disk)) ($(jq -c '.nodes[0].drops' "$work/nodes.json"))"
[ $((declared - before_disk)) -gt 0 ] || fail "nothing is declared as dropped by the disk"
# What the node received is what was sent; what was neither recorded nor declared was recorded and then recycled, which is declared as time.
equal "$(jq '.nodes[0].packets' "$work/nodes.json")" 42200 "packets that the node saw"
[ $((after_packets - before_packets + declared - before_disk)) -le 40000 ] || fail "more is recorded and declared than was sent"

if t snapshot create "on a full disk" --last 5m --wait >"$work/out" 2>"$work/err"; then
  t snapshot verify @latest >/dev/null || fail "a snapshot taken on a full disk does not verify"
else
  grep -qiE 'space|disk|needs|free' "$work/err" || fail "Failed without saying why: $(cat "$work/err")"
  note "$(tail -n 1 "$work/err")"
fi
fill 0 # what the ring gave back
t snapshot dissect "$good" --name second --wait >"$work/out" 2>"$work/err" && fail "a dissection was written to a full disk"
grep -q "disk is full" "$work/err" && grep -q "snapshot itself is untouched" "$work/err" || fail "the dissection failed without saying why: $(cat "$work/err")"
# One sentence of ours: no path of the hub, nothing in DuckDB's words.
grep -qiE "$work|/data/|duckdb|IO Error|columns\\.|os error|fatal" "$work/err" && fail "the dissection's failure shows the inside: $(cat "$work/err")"
t snapshot show "$good" --json | jq -r '.dissections[] | select(.name == "second") | .reason // .status_detail // ""' >"$work/reason"
grep -qiE "$work|duckdb|IO Error" "$work/reason" && fail "the reason that is kept shows the inside: $(cat "$work/reason")"
grep 'area=dissect\|dissect ' "$work/up.err" | grep -q 'cause="' || fail "the hub's log does not say what the store said: $(tail -n 5 "$work/up.err")"
note "$(tail -n 1 "$work/err")"
# The disk fills in the middle of a dissection, wherever that is: Failed with the same sentence or done, and nothing of it left behind.
failed=0
for left in 8 64 200 400 700 1000; do
  rm "$work/data/filler"
  fill "$left"
  if t snapshot dissect "$good" --name "with-$left" --wait >"$work/out" 2>"$work/err"; then
    t snapshot show "$good" --json | jq -e --arg n "with-$left" '.dissections[] | select(.name == $n) | .state == "done"' >/dev/null || fail "with $left KiB it says done and is not"
  else
    failed=$((failed + 1))
    grep -q "disk is full" "$work/err" && grep -q "snapshot itself is untouched" "$work/err" || fail "with $left KiB it says: $(cat "$work/err")"
    grep -qiE "$work|duckdb|IO Error" "$work/err" && fail "with $left KiB it shows the inside: $(cat "$work/err")"
    [ -z "$(find "$work/data/snapshots/$good/dissections" -path "*with-$left*" -name 'part-*')" ] || fail "with $left KiB parts are left behind"
  fi
done
note "$failed of 6 dissections met the full disk on their way"
[ "$failed" -ge 2 ] || fail "the disk was never full during a dissection"
fill 0
t snapshot verify "$good" >/dev/null || fail "the completed snapshot is damaged"
equal "$(t entries --source "$good/default" --count)" "$(t snapshot show "$good" --json | jq '.dissections[] | select(.name == "default") | .progress.entries')" "entries of the finished dissection"
api GET /healthz -o /dev/null -f || fail "the hub does not answer"
t snapshot list --json | jq -e '[.snapshots[] | select(.status == "Pending" or .status == "In Progress")] | length == 0' >/dev/null || fail "a snapshot hangs"
t snapshot list --json | jq -e '[.snapshots[] | select(.status == "Failed" and (.status_detail // "") == "")] | length == 0' >/dev/null || fail "Failed without a reason"

# ── space again, without a restart: the manifest declares what the node declared ──
rm "$work/data/filler"
send 100 1000
wait_until 20 "recording again" trawl_is_recording
sleep 1.5
declared=$(drops disk)
whole=$(t snapshot create whole --max --wait) || fail "create after there is space again"
t snapshot show "$whole" --json >"$work/whole.json"
equal "$(jq '.nodes[0].drops.disk' "$work/whole.json")" "$declared" "disk drops in the manifest"
jq -e '[.nodes[0].gaps[].reason] | index("disk") != null' "$work/whole.json" >/dev/null || fail "the time on the full disk is no gap: $(jq -c '.nodes[0].gaps' "$work/whole.json")"
fill 0

# ── deleting works on a full disk, and a restart too ──
stop_trawl
ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --ring-size 24MiB --segment-size 1MiB --iface eth0 --bpf 'udp dst port 9' >>"$work/up.out" 2>>"$work/up.err" &
up_pid=$!
started+=("$up_pid")
hub_answers() { t snapshot list >/dev/null 2>&1; }
wait_until 20 "the hub starts on a full disk" hub_answers
t snapshot verify "$good" >/dev/null || fail "the completed snapshot is damaged after a restart"
for id in $(t snapshot list --json | jq -r --arg good "$good" '.snapshots[] | select(.id != $good) | .id'); do
  t snapshot delete "$id" >/dev/null || fail "delete $id on a full disk"
done

# ── space again ──
rm "$work/data/filler"
wait_until 20 "recording again" trawl_is_recording
before_disk=$(drops disk)
send 500 1000
sleep 1.5
again=$(t snapshot create again --last 10s --dissect --wait) || fail "create after there is space again"
t snapshot verify "$again" >/dev/null || fail "verify"
equal "$(drops disk)" "$before_disk" "drops after there is space again"
t snapshot show "$good" --json | jq -e '.status == "Dissected"' >/dev/null || fail "status of the first one"
t snapshot dissect "$good" --name third --wait >/dev/null || fail "dissect after there is space again"
t snapshot create everything --max --wait >"$work/id" && t snapshot show "$(cat "$work/id")" --json >"$work/everything.json" || fail "a snapshot of everything"
jq -e '[.nodes[0].gaps[].reason] | length > 0' "$work/everything.json" >/dev/null || fail "the time on the full disk is no gap: $(jq -c '.nodes[0] | [.gaps, .drops, .covered]' "$work/everything.json")"
note "gaps: $(jq -c '[.nodes[0].gaps[].reason]' "$work/everything.json"), drops: $(jq -c '.nodes[0].drops' "$work/everything.json")"
"$TRAWL" ring verify --data "$work/data" >"$work/verify" 2>&1 || fail "ring verify: $(cat "$work/verify")"
stop_trawl
echo "a full disk costs what is declared and nothing else"
