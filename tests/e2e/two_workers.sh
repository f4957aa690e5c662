#!/usr/bin/env bash
# Two workers on two hosts, as two users, without a shared folder, against one hub: snapshots of all nodes and of one node.
. "$(dirname "$0")/lib.sh"
need jq curl tshark
for user in trawl-test-a trawl-test-b; do
  id "$user" >/dev/null 2>&1 || { useradd --system --no-create-home --shell /usr/sbin/nologin "$user" 2>/dev/null && made="${made:-} $user"; }
done
remove_users() { for user in ${made:-}; do userdel "$user" 2>/dev/null; done; }
trap 'cleanup; remove_users' EXIT
make_hosts
# The hub on the server's host, reachable from the client's; no capture of its own.
ip netns exec "$srv" "$TRAWL" hub --data "$work/hub" --listen "$srv_ip:$port" >>"$work/up.out" 2>>"$work/up.err" &
started+=($!)
wait_until 15 "the hub answers" on_srv curl -sf -o /dev/null "http://$srv_ip:$port/healthz"
token=$(cat "$work/hub/token")
worker_token=$(cat "$work/hub/worker-token")
t() { on_srv env TRAWL_HUB="http://$srv_ip:$port" TRAWL_TOKEN="$token" "$TRAWL" "$@"; }
worker() { # host, name, user, address
  mkdir -p "$work/$2" && chown "$3" "$work/$2" && chmod 700 "$work/$2"
  ip netns exec "$1" setpriv --reuid "$3" --clear-groups --inh-caps +net_raw --ambient-caps +net_raw env TRAWL_WORKER_TOKEN="$worker_token" \
    "$TRAWL" worker --hub "http://$srv_ip:$port" --node "$2" --data "$work/$2" --listen "$4:0" --ring-size 64MiB >>"$work/$2.out" 2>>"$work/$2.err" &
  started+=($!)
}
worker "$srv" node-a trawl-test-a $srv_ip
worker "$cli" node-b trawl-test-b $cli_ip
both_record() { t nodes --json 2>/dev/null | jq -e '[.nodes[] | select(.state == "recording")] | length == 2' >/dev/null; }
wait_until 20 "both workers record" both_record
on_cli ping -q -c 20 -i 0.05 -W 2 $srv_ip >/dev/null || fail "ping"
sleep 1.5
all=$(t snapshot create "both" --last 1m --wait) || fail "snapshot of all nodes"
one=$(t snapshot create "one" --last 1m --nodes node-b --wait) || fail "snapshot of one node"
equal "$(t snapshot show "$all" --json | jq -r '[.nodes[].name] | sort | join(",")')" node-a,node-b "nodes of the whole one"
equal "$(t snapshot show "$one" --json | jq -r '[.nodes[].name] | join(",")')" node-b "nodes of the other"
for id in "$all" "$one"; do t snapshot verify "$id" >/dev/null || fail "verify $id"; done
t snapshot pcap "$all" -o "$work/all.pcapng" && t snapshot pcap "$one" -o "$work/one.pcapng" || fail "pcap"
count() { tshark -r "$1" -Y 'icmp.type == 8' 2>/dev/null | wc -l; }
equal "$(count "$work/all.pcapng")" 40 "echo requests seen by both nodes"
equal "$(count "$work/one.pcapng")" 20 "echo requests seen by one node"
tshark -r "$work/all.pcapng" -T fields -e frame.interface_name 2>/dev/null | sort -u >"$work/names"
grep -q '^node-a:eth0$' "$work/names" && grep -q '^node-b:eth0$' "$work/names" || fail "interfaces: $(tr '\n' ' ' <"$work/names")"
[ -z "$(find "$work/hub" -samefile "$(find "$work/node-a" -name '*.pcapng' | head -1)" 2>/dev/null)" ] || fail "the hub linked a file of a worker"
# live: what both saw is one entry, seen at both; one that is gone holds nobody up
t live on >/dev/null || fail "live on"
live() { t entries --source live --filter "$1" --count 2>/dev/null; }
live_is() { [ "$(live "$1")" = "$2" ]; }
on_cli ping -q -c 10 -i 0.05 -W 2 $srv_ip >/dev/null || fail "ping"
wait_until 20 "ten echoes live" live_is 'icmp' 10
# The first one of a conversation may be answered, by the nodes' clocks, before the other node's sight of it comes.
both=$(live 'icmp && seen_at.size() == 2')
[ "$both" -ge 9 ] || fail "seen at both nodes: $both of 10"
kill -STOP "${started[-1]}"
on_cli ping -q -c 5 -i 0.05 -W 2 $srv_ip >/dev/null || fail "ping"
wait_until 40 "five more while a node is silent" live_is 'icmp' 15
kill -CONT "${started[-1]}"
t live off >/dev/null || fail "live off"
# a worker that is gone: the snapshot says what it lacks
kill "${started[-1]}" && wait "${started[-1]}" 2>/dev/null
sleep 1
third=$(t snapshot create "after" --last 1m --wait) || fail "snapshot with a node gone"
equal "$(t snapshot show "$third" --json | jq -r .partial)" true "partial"
t snapshot show "$third" --json | jq -e '[.missing[] | select(.node == "node-b")] | length > 0' >/dev/null || fail "the missing node is not named"
echo "two workers, three snapshots"
