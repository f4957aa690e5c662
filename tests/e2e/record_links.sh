#!/usr/bin/env bash
# Link layers as they are: VLAN tags that the kernel takes off are put back, raw IP of a tun device has files of its own,
# kernel filters hold for each; the worker restarts its capturer; a pause is exactly that gap.
. "$(dirname "$0")/lib.sh"
need ping tshark tcpdump jq python3
make_hosts
data=$work/rec
record() {
  ip netns exec "$srv" "$TRAWL" capturer --data "$data" "$@" 2>>"$work/capturer.err" & # no function: its pid is wanted
  rec_pid=$!
  started+=("$rec_pid")
  wait_until 10 "the capturer records" recording
}
recording() { "$TRAWL" ring status --data "$data" --json 2>/dev/null | jq -e '.state == "recording"' >/dev/null; }
stop_recording() { kill -TERM "$rec_pid"; wait "$rec_pid" || fail "the capturer ended with $?"; }
packets() { # tshark filter, over all segments
  local f total=0
  for f in "$data"/ring/*.pcapng; do
    tshark -n -r "$f" -Y "$1" >"$work/matches" 2>"$work/complaint" || fail "tshark -r $f ended with $?: $(cat "$work/complaint")"
    total=$((total + $(wc -l <"$work/matches")))
  done
  echo "$total"
}
cat >"$work/tagged.py" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
ip = bytes.fromhex("4500001c000100004011") + b"\0\0" + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack("!HHHH", 1111, 2222, 8, 0)
mac = b"\xff" * 6 + b"\x02\0\0\0\0\x01"
for i in range(5):
    s.send(mac + struct.pack("!HHH", 0x8100, 0x2000 | 77, 0x0800) + ip + bytes(18))   # priority 1, VLAN 77
    s.send(mac + struct.pack("!HHHHH", 0x88a8, 5, 0x8100, 6, 0x0800) + ip + bytes(18)) # service tag 5, VLAN 6
    s.send(mac + struct.pack("!H", 0x0800) + ip + bytes(18))
P
cat >"$work/tun.py" <<'P'
import fcntl, os, struct, subprocess, sys, time
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH", b"tun7", 0x1001))  # IFF_TUN | IFF_NO_PI
subprocess.run(["sysctl", "-qw", "net.ipv6.conf.tun7.disable_ipv6=1"])
subprocess.run(["ip", "addr", "add", "10.79.0.1/24", "dev", "tun7"], check=True)
subprocess.run(["ip", "link", "set", "tun7", "up"], check=True)
time.sleep(0.2)
ip = bytes.fromhex("4500001c000100004011") + b"\0\0" + bytes([10, 79, 0, 2, 10, 79, 0, 1]) + struct.pack("!HHHH", 1111, 2222, 8, 0)
for i in range(7): os.write(fd, ip)
time.sleep(0.3)
P
record --ring-size 64MiB
on_cli python3 "$work/tagged.py" || fail "tagged frames"
has_tun=1
on_srv python3 "$work/tun.py" || { has_tun=; note "no tun device here: raw IP is not tested"; }
sleep 1
equal "$(packets 'vlan.id == 77 && vlan.priority == 1 && udp.dstport == 2222')" 5 "frames of VLAN 77"
equal "$(packets 'ieee8021ad.id == 5 && vlan.id == 6')" 5 "frames with two tags"
equal "$(packets 'udp.dstport == 2222 && ip.dst == 10.0.0.2 && !vlan && !ieee8021ad')" 5 "frames without a tag"
if [ -n "$has_tun" ]; then
  equal "$(packets 'raw && udp.dstport == 2222')" 7 "packets of the tun device"
  ls "$data"/ring/00101-*.pcapng >/dev/null || fail "raw IP has no files of its own"
fi
for f in "$data"/ring/*.pcapng; do tcpdump -n -r "$f" >/dev/null 2>"$work/complaint" || fail "tcpdump refuses $f: $(cat "$work/complaint")"; done
stop_recording
rm -rf "$data"

for filter in 'vlan 77:5' 'udp and not vlan:5' 'port 2222:10'; do
  record --ring-size 64MiB --bpf "${filter%:*}"
  on_cli python3 "$work/tagged.py" || fail "tagged frames"
  sleep 1
  stop_recording
  note "filter ${filter%:*}: $(packets 'eth') frames"
  case $filter in port*) [ "$(packets eth)" -ge 5 ] || fail "$filter" ;; *) equal "$(packets 'eth')" "${filter#*:}" "frames that ${filter%:*} takes" ;; esac
  rm -rf "$data"
done

# ── the worker: its capturer comes back by itself, also after kill -9 ──
ip netns exec "$srv" "$TRAWL" worker --data "$data" --node n1 --listen 127.0.0.1:0 --ring-size 64MiB >"$work/worker.out" 2>"$work/up.err" &
worker_pid=$!
started+=("$worker_pid")
wait_until 10 "the worker records" recording
# something is in a segment first: a recorder that is killed before that leaves no trace
on_cli ping -q -c 3 -i 0.2 -W 2 $srv_ip >/dev/null || fail "ping"
has_packets() { [ "$(packets icmp)" -ge 6 ]; }
wait_until 10 "the ping is in a segment" has_packets
pid=$("$TRAWL" ring status --data "$data" --json | jq .capturer_pid)
kill -9 "$pid"
another() { "$TRAWL" ring status --data "$data" --json >"$work/status.json" 2>/dev/null && jq -e '.state == "recording" and .capturer_pid != '"$pid" "$work/status.json" >/dev/null; }
wait_until 10 "another capturer" another
# at once: in the first answer that knows of the new capturer, whether or not it covers anything yet
equal "$(jq -c '[.gaps[].reason]' "$work/status.json")" '["not_recording"]' "gaps right after kill -9"
kill -TERM "$worker_pid"
wait "$worker_pid" || fail "the worker ended with $?"
[ -z "$(ip netns pids "$srv")" ] || fail "children are left: $(ip netns pids "$srv")"
"$TRAWL" ring verify --data "$data" || fail "verify"
echo "link layers, filters and restarts are as they should be"
