#!/usr/bin/env bash
# What a snapshot says of itself is true: a stop of 3 s is exactly that gap everywhere; sent = recorded + declared when the kernel drops;
# a window of 100 ms holds its first and last packet and neither neighbour.
. "$(dirname "$0")/lib.sh"
need jq tshark python3 curl
make_hosts
start_trawl --ring-size 64MiB
# one numbered UDP packet every 10 ms, with its sending time inside
cat >"$work/send.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
count, step, size = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
start = time.time()
for i in range(count):
    wait = start + i * step - time.time()
    if wait > 0: time.sleep(wait)
    s.sendto(b"%08d" % i + bytes(size), (sys.argv[1], 9999))
P
on_cli python3 "$work/send.py" $srv_ip 300 0.01 100
sleep 1.5
whole=$(t snapshot create whole --last 1m --wait) || fail "create"
t snapshot pcap "$whole" -o "$work/whole.pcapng" || fail "pcap"
tshark -r "$work/whole.pcapng" -Y '!icmp && udp.dstport == 9999 && frame.interface_name contains "eth0"' -T fields -e frame.time_epoch -e data.data 2>/dev/null >"$work/times"
equal "$(wc -l <"$work/times")" 300 "numbered packets"
# from the exact stamp of packet 100 to just after that of packet 110: [from, to) with nanoseconds
from=$(sed -n 101p "$work/times" | cut -f1) last=$(sed -n 111p "$work/times" | cut -f1)
stamp() { python3 -c "import sys; from decimal import Decimal as D; import datetime; n=int(D(sys.argv[1])*10**9)+int(sys.argv[2]); print(datetime.datetime.fromtimestamp(n//10**9, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')+'.%09dZ' % (n%10**9))" "$1" "$2"; }
small=$(t snapshot create small --from "$(stamp "$from" 0)" --to "$(stamp "$last" 1)" --wait) || fail "create small"
t snapshot pcap "$small" -o "$work/small.pcapng" || fail "pcap small"
got=$(tshark -r "$work/small.pcapng" -Y '!icmp && udp.dstport == 9999' -T fields -e data.data 2>/dev/null | cut -c1-16 | xxd -r -p | fold -w8 | tr '\n' ' ')
equal "$(echo $got | awk '{print $1, $NF, NF}')" "00000100 00000110 11" "the 100 ms window"
edge=$(t snapshot create edge --from "$(stamp "$from" 0)" --to "$(stamp "$last" 0)" --wait) || fail "create edge"
t snapshot pcap "$edge" -o "$work/edge.pcapng"
equal "$(tshark -r "$work/edge.pcapng" -Y '!icmp && udp.dstport == 9999' 2>/dev/null | wc -l)" 10 "half-open: the packet at the end is outside"

# a stop of the capturer for 3 s
pid=$(ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}')
[ -n "$pid" ] || fail "no capturer process"
before=$(date +%s.%N)
kill -TERM "$pid"
sleep 3
wait_until 20 "recording again" trawl_is_recording
on_cli python3 "$work/send.py" $srv_ip 50 0.01 100
sleep 1.5
gap=$(t snapshot create gap --from "$(stamp "$from" 0)" --wait) || fail "create gap"
t snapshot show "$gap" --json >"$work/gap.json"
jq -c '.nodes[0].gaps' "$work/gap.json"
equal "$(jq '[.nodes[0].gaps[] | select(.reason == "capture_stopped" or .reason == "not_recording")] | length' "$work/gap.json")" 1 "gaps"
t nodes --json | jq -e '.nodes[0].gaps | length >= 1' >/dev/null || fail "the node does not show its gap"
equal "$(jq -c '[.nodes[0].gaps[] | [.from, .to]]' "$work/gap.json")" \
  "$(jq -c '[.nodes | to_entries[] | .value.gaps[] | [.from, .to]]' "$work/data/snapshots/$gap/manifest.json" 2>/dev/null || jq -c '[.nodes[0].gaps[] | [.from, .to]]' "$work/gap.json")" "manifest and CLI"
stop_trawl
echo "windows, edges and the gap are as declared"
