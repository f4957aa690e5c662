#!/usr/bin/env bash
# The capturer on real interfaces: recorded once, in every tool's eyes good, exact about what was lost.
. "$(dirname "$0")/lib.sh"
need ping curl tshark capinfos tcpdump jq python3
make_hosts
data=$work/rec

record() { # options; waits until it records
  ip netns exec "$srv" "$TRAWL" capturer --data "$data" "$@" 2>>"$work/capturer.err" & # no function: its pid is wanted
  rec_pid=$!
  started+=("$rec_pid")
  wait_until 10 "the capturer records" recording
}
recording() { "$TRAWL" ring status --data "$data" --json 2>/dev/null | jq -e '.state == "recording"' >/dev/null; }
stop_recording() {
  kill -TERM "$rec_pid"
  wait "$rec_pid" || fail "the capturer ended with $?: $(tail -n 3 "$work/capturer.err")"
}
# everything sent so far is published
settle() { sleep 1; }
packets() { # tshark filter, over all segments
  local f total=0
  for f in "$data"/ring/*.pcapng; do
    tshark -n -r "$f" -Y "$1" >"$work/matches" 2>"$work/complaint" || fail "tshark -r $f ended with $?: $(cat "$work/complaint")"
    total=$((total + $(wc -l <"$work/matches")))
  done
  echo "$total"
}
tools_agree() {
  local f
  for f in "$data"/ring/*.pcapng; do
    tshark -n -r "$f" >/dev/null 2>"$work/complaint" || fail "tshark refuses $f"
    grep -v 'Running as user' "$work/complaint" && fail "tshark complains about $f"
    capinfos "$f" >/dev/null 2>"$work/complaint" || fail "capinfos refuses $f"
    [ -s "$work/complaint" ] && fail "capinfos complains: $(cat "$work/complaint")"
    tcpdump -n -r "$f" >/dev/null 2>"$work/complaint" || fail "tcpdump refuses $f"
    grep -v '^reading from file' "$work/complaint" && fail "tcpdump complains about $f"
  done
  return 0
}

# ── once each, the open segment too ──
record --iface any --ring-size 64MiB
on_cli ping -q -c 5 -i 0.1 $srv_ip >/dev/null || fail "ping"
on_srv ping -q -c 3 -i 0.1 127.0.0.1 >/dev/null || fail "ping lo"
ip netns exec "$srv" python3 -m http.server --bind $srv_ip 8000 --directory "$work" >/dev/null 2>&1 &
started+=($!)
wait_until 10 "the server answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8000/"
settle
equal "$(packets 'icmp && ip.addr == '$cli_ip)" 10 "packets of five pings"
equal "$(packets 'icmp && ip.addr == 127.0.0.1')" 6 "packets of three pings over loopback"
equal "$(packets 'http.request')" "$(packets 'http.response')" "requests and responses"
[ "$(packets 'tcp.analysis.retransmission')" = 0 ] || fail "packets are there twice"
tools_agree
note "recorded once each; tshark, capinfos and tcpdump read the open segment"

# ── the process: CAP_NET_RAW and nothing else ──
equal "$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/ {print $2}' "/proc/$rec_pid/status" | sort -u | tr '\n' ' ')" "0000000000000000 0000000000002000 " "capabilities"
[ "$(stat -c %U "/proc/$rec_pid")" != root ] || fail "the capturer is still root"
ss -H -lntup 2>/dev/null | grep -q "pid=$rec_pid," && fail "the capturer listens"
on_srv "$TRAWL" capturer --data "$data" 2>"$work/second" && fail "a second capturer on the same ring"
grep -q "pid $rec_pid" "$work/second" || fail "the second one does not say who holds it: $(cat "$work/second")"

# ── an interface that comes later, is renamed, goes ──
ip link add "x$id" netns "$srv" type veth peer name "y$id" netns "$cli"
on_srv sysctl -qw "net.ipv6.conf.x$id.disable_ipv6=1" 2>/dev/null
ip -n "$srv" addr add 10.78.0.1/24 dev "x$id" && ip -n "$cli" addr add 10.78.0.2/24 dev "y$id"
ip -n "$srv" link set "x$id" up && ip -n "$cli" link set "y$id" up
on_cli ping -q -c 2 -i 0.1 10.78.0.1 >/dev/null || fail "ping over the new interface"
ip -n "$srv" link set "x$id" down && ip -n "$srv" link set "x$id" name later0 && ip -n "$srv" link set later0 up
on_cli ping -q -c 2 -i 0.1 10.78.0.1 >/dev/null || fail "ping over the renamed interface"
ip -n "$srv" link del later0
settle
equal "$(packets "icmp && frame.interface_name == \"x$id\"")" 4 "packets of the new interface"
equal "$(packets 'icmp && frame.interface_name == "later0"')" 4 "packets under its new name"
tools_agree
stop_recording
"$TRAWL" ring verify --data "$data" || fail "verify"
tools_agree
note "interfaces come, are renamed and go"

# ── kill -9 ──
record --iface any --ring-size 64MiB
on_cli ping -q -c 20 -i 0.02 $srv_ip >/dev/null
settle
before=$(packets 'icmp && ip.addr == '$cli_ip)
kill -9 "$rec_pid"
wait "$rec_pid" 2>/dev/null
killed=$(date +%s.%N)
sleep 2
record --iface any --ring-size 64MiB
equal "$(packets 'icmp && ip.addr == '$cli_ip)" "$before" "packets after the kill"
stop_recording
"$TRAWL" ring verify --data "$data" || fail "verify after kill -9"
"$TRAWL" ring status --data "$data" --json | jq -e --arg killed "$killed" '
  [.gaps[] | select(.reason == "not_recording")] | length == 2 and
  (.[-1].from[0:19] + "Z" | fromdateiso8601 - ($killed | tonumber) | fabs) < 2' >/dev/null ||
  fail "the gap of the kill: $("$TRAWL" ring status --data "$data" --json | jq -c .gaps), killed at $killed"
note "kill -9 loses nothing that was visible and is a gap"

# ── loss: sent = recorded + declared ──
rm -rf "$data"
cat >"$work/flood.py" <<'P'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    s.sendto(bytes(1400), (sys.argv[1], 9))
P
# the filter and the known neighbour leave nothing else on the wire that could be among the dropped
ip -n "$srv" neigh replace $cli_ip lladdr "$(ip -n "$cli" -j link show eth0 | jq -r '.[0].address')" dev eth0
record --iface eth0 --bpf 'udp dst port 9' --buffer 64KiB --ring-size 256MiB
kill -STOP "$rec_pid"
on_srv python3 "$work/flood.py" $cli_ip 5000
kill -CONT "$rec_pid"
on_srv python3 "$work/flood.py" $cli_ip 20000
settle
stop_recording
recorded=$(packets 'udp.dstport == 9')
declared=$("$TRAWL" ring list --data "$data" --json | jq .drops.kernel)
[ "$declared" -gt 0 ] || fail "nothing was dropped"
equal $((recorded + declared)) 25000 "sent = recorded + declared ($recorded + $declared)"
equal "$(jq -s 'add' <("$TRAWL" ring status --data "$data" --json | jq '.interfaces[] | select(.name == "eth0") | .dropped'))" "$declared" "claimed for the one interface"
note "sent 25000 = recorded $recorded + declared $declared"

# ── own connections are left out and counted; a stop with an empty ring loses nothing ──
rm -rf "$data"
record --iface any --exclude "$srv_ip:8000" --exclude "0.0.0.0:8001" --ring-size 64MiB
on_cli curl -sf -o /dev/null "http://$srv_ip:8000/" || fail "curl"
on_cli ping -q -c 2 -i 0.1 $srv_ip >/dev/null
kill -STOP "$rec_pid"
on_cli ping -q -c 3 -i 0.5 $srv_ip >/dev/null
kill -CONT "$rec_pid"
settle
equal "$(packets 'tcp.port == 8000')" 0 "packets of the excluded socket"
equal "$(packets 'icmp')" 10 "packets sent while the capturer stood still"
status=$("$TRAWL" ring status --data "$data" --json)
[ "$(jq .excluded_packets <<<"$status")" -ge 8 ] || fail "excluded packets are not counted: $status"
equal "$(jq -c '[.gaps, .drops.kernel]' <<<"$status")" "[[],0]" "gaps and drops of a stop that lost nothing"
stop_recording

# ── a damaged state file: what only it tells is not shown as nothing ──
printf 'no state at all, only some text' | dd of="$data/ring/state" conv=notrunc status=none
"$TRAWL" ring status --data "$data" >"$work/shown" || fail "status of a ring with a damaged state"
grep -q 'is damaged' "$work/shown" || fail "the damage is not said: $(cat "$work/shown")"
grep -qE '^ring +[0-9.]+ [KM]iB of an unknown budget in [0-9]+ segments$' "$work/shown" || fail "the budget: $(cat "$work/shown")"
grep -qE '^packets|of 0 B' "$work/shown" && fail "made-up figures: $(cat "$work/shown")"
equal "$("$TRAWL" ring status --data "$data" --json | jq -c '[.budget_bytes, .segment_bytes]')" "[null,null]" "an unknown budget"

# ── no capability, bad filter ──
on_srv capsh --drop=cap_net_raw -- -c "exec $TRAWL capturer --data $work/noraw" 2>"$work/refused" && fail "captures without CAP_NET_RAW"
grep -q 'CAP_NET_RAW' "$work/refused" || fail "says: $(cat "$work/refused")"
"$TRAWL" ring status --data "$work/noraw" >"$work/refused" 2>&1
grep -q 'CAP_NET_RAW' "$work/refused" || fail "status does not say what is missing: $(cat "$work/refused")"
on_srv "$TRAWL" capturer --data "$work/bad" --bpf 'tcp prot 80' 2>"$work/refused" && fail "a bad filter"
grep -q 'tcp prot 80' "$work/refused" || fail "says: $(cat "$work/refused")"
grep 'recovered=""' "$work/capturer.err" && fail "a start that found nothing to recover says so"
grep -q 'msg="*recording"*' "$work/capturer.err" && grep -q 'recovered="[^"]' "$work/capturer.err" || fail "the starts are not logged: $(cat "$work/capturer.err")"
echo "the recorder records what there is, once, and says what there is not"
