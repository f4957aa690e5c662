#!/usr/bin/env bash
# A recorder that was told to record an interface which does not exist says so everywhere instead of "recording", covers no time until it appears,
# records it from its first packet on, and waits again when it goes.
. "$(dirname "$0")/lib.sh"
need jq ping tshark
make_hosts
ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen "127.0.0.1:$port" --iface nosuch0 --ring-size 64MiB >>"$work/up.out" 2>>"$work/up.err" &
up_pid=$!
started+=("$up_pid")
node() { t nodes --json 2>/dev/null | jq -r "$1" 2>/dev/null; }
ring() { "$TRAWL" ring status --data "$work/data" --json 2>/dev/null | jq -r "$1"; }
is() { [ "$(node '.nodes[0].state')" = "$1" ] && [ "$(ring .state)" = "$1" ]; }
wait_until 20 "the node waits" is waiting_for_interface
grep -q 'waits for the interface nosuch0 to appear; there are .*eth0' "$work/up.err" || fail "nothing is said at the start: $(cat "$work/up.err")"
node '.nodes[0].state_detail' | grep -q 'nosuch0 to appear; there are' || fail "state_detail: $(node '.nodes[0].state_detail')"
"$TRAWL" ring status --data "$work/data" | head -1 | grep -q '^waiting for interface: waits for the interface nosuch0' || fail "ring status: $("$TRAWL" ring status --data "$work/data" | head -1)"
t status >"$work/status" && fail "status ends with 0 although nothing is recorded"
grep -q '0 of 1 record' "$work/status" && grep -q 'waiting for interface: waits for the interface nosuch0' "$work/status" || fail "status: $(cat "$work/status")"
equal "$(ring '.covered | length')" 0 "covered stretches while it waits"
# nothing of this stretch can be taken
t snapshot create nothing --last 5s --wait >"$work/create.out" 2>&1 && fail "a snapshot of nothing was taken: $(cat "$work/create.out")"

appear() {
  ip -n "$srv" link add nosuch0 type veth peer name other$1 || fail "veth"
  on_srv sysctl -qw net.ipv6.conf.nosuch0.disable_ipv6=1
  ip -n "$srv" link set "other$1" netns "$cli" && ip -n "$cli" link set "other$1" up
  ip -n "$srv" addr add 10.78.0.1/24 dev nosuch0 && ip -n "$srv" link set nosuch0 up
  ip -n "$cli" addr add 10.78.0.2/24 dev "other$1"
}
appear 1
wait_until 10 "it records" is recording
before=$(date -u +%FT%T.%NZ)
on_cli ping -q -c 5 -i 0.05 -W 2 10.78.0.1 >/dev/null || fail "ping"
has() { [ "$(ring .packets)" -ge "$1" ]; }
wait_until 5 "the ping is recorded" has 10
equal "$(ring '.state_detail')" "" "detail while it records"

# it goes: what it carried stays, the stretch without it is a gap
ip -n "$srv" link del nosuch0
wait_until 10 "the node waits again" is waiting_for_interface
gone=$(ring .packets)
appear 2
wait_until 10 "it records again" is recording
on_cli ping -q -c 3 -i 0.05 -W 2 10.78.0.1 >/dev/null || fail "ping"
wait_until 5 "the second ping is recorded" has $((gone + 6))
equal "$(ring '[.gaps[] | select(.to > "'"$before"'") | .reason] | join(",")')" not_recording "gaps"
id=$(t snapshot create waits --last 1m --wait) || fail "create"
t snapshot pcap "$id" -o "$work/out.pcapng" || fail "pcap"
equal "$(tshark -n -r "$work/out.pcapng" -Y 'icmp.type == 8' 2>/dev/null | wc -l)" 8 "echo requests"
equal "$(t snapshot show "$id" --json | jq '[.nodes[0].drops | .kernel + .ring + .disk] | add')" 0 "drops"
stop_trawl
"$TRAWL" ring verify --data "$work/data" >/dev/null || fail "verify"
echo "an interface that is not there is waited for, and that is said"
