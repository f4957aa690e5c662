#!/usr/bin/env bash
# What was lost is declared to the packet and to the nanosecond: with a kernel ring of 64 KiB sent = recorded + declared on the node, in the
# manifest, in the export and on the command line; a pause of 3 s is exactly that gap in all of them, and so is a stop of the whole program.
. "$(dirname "$0")/lib.sh"
need jq curl tshark python3
make_hosts
here=$(cd "$(dirname "$0")" && pwd)
cat >"$work/flood.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    s.sendto(b"%08d" % i + bytes(1392), (sys.argv[1], 9))
P
ip -n "$srv" neigh replace $cli_ip lladdr "$(ip -n "$cli" -j link show eth0 | jq -r '.[0].address')" dev eth0
flood() { on_srv python3 "$work/flood.py" $cli_ip "$1"; }
# in shell: seconds with nanoseconds of an RFC 3339 time
seconds() { python3 -c 'import sys; from datetime import datetime; t = sys.argv[1].rstrip("Z"); whole, _, part = t.partition("."); print("%d.%s" % (int((datetime.fromisoformat(whole) - datetime(1970, 1, 1)).total_seconds()), (part or "0").ljust(9, "0")))' "$1"; }
between() { python3 -c 'import sys; from decimal import Decimal as D; a, x, b = map(D, sys.argv[1:4]); sys.exit(not a <= x <= b)' "$@"; }

# ── drops ──
start_trawl --ring-size 64MiB --iface eth0 --bpf 'udp dst port 9' --buffer 64KiB
capturer=$(ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}')
[ -n "$capturer" ] || fail "no capturer process"
flood 500
kill -STOP "$capturer"
flood 5000
kill -CONT "$capturer"
sleep 0.3
flood 5000
sleep 1.5
id=$(t snapshot create drops --last 1m --wait) || fail "create"
t snapshot show "$id" --json >"$work/show.json"
declared=$(jq '.nodes[0].drops | .kernel + .ring + .disk' "$work/show.json")
[ "$declared" -gt 0 ] || fail "nothing was dropped"
t snapshot pcap "$id" -o "$work/drops.pcapng" || fail "pcap"
recorded=$(tshark -n -r "$work/drops.pcapng" -Y 'udp.dstport == 9' 2>/dev/null | wc -l)
equal $((recorded + declared)) 10500 "sent = recorded ($recorded) + declared ($declared)"
equal "$(tshark -n -r "$work/drops.pcapng" -T fields -e data.data 2>/dev/null | cut -c1-16 | sort | uniq -c | awk '$1 > 3' | wc -l)" 0 "packets recorded twice"
equal "$(jq .packets "$work/show.json")" "$recorded" "packets of the snapshot"
equal "$(t nodes --json | jq '.nodes[0].drops | .kernel + .ring + .disk')" "$declared" "drops of the node"
equal "$(jq '[.nodes[].drops | .kernel + .ring + .disk] | add' "$work/data/snapshots/$id/manifest.json")" "$declared" "drops in the manifest"
t snapshot show "$id" | grep -q "dropped $declared by the kernel" || fail "show does not say the drops: $(t snapshot show "$id")"
note "sent 10500 = recorded $recorded + declared $declared"

# ── the whole program is stopped for 3 s ──
flood 10
sleep 1.2
stop_at=$(date +%s.%N)
stop_trawl
stopped=$(date +%s.%N)
sleep 3
start_at=$(date +%s.%N)
start_trawl --ring-size 64MiB --iface eth0 --bpf 'udp dst port 9' --buffer 64KiB
started_by=$(date +%s.%N)
flood 10
sleep 1.5
id=$(t snapshot create stopped --last 2m --wait) || fail "create"
t snapshot show "$id" --json >"$work/show.json"
gap=$(jq -c '[.nodes[0].gaps[] | select(.from > "'"$(date -u -d "@${stop_at%.*}" +%FT%TZ | sed 's/Z$//')"'")]' "$work/show.json")
equal "$(jq length <<<"$gap")" 1 "gaps since the stop: $gap"
between "$stop_at" "$(seconds "$(jq -r '.[0].from' <<<"$gap")")" "$stopped" || fail "the gap begins at $(jq -r '.[0].from' <<<"$gap"), stopped from $stop_at to $stopped"
between "$start_at" "$(seconds "$(jq -r '.[0].to' <<<"$gap")")" "$started_by" || fail "the gap ends at $(jq -r '.[0].to' <<<"$gap"), started from $start_at to $started_by"
note "a stop is the gap $(jq -c '.[0]' <<<"$gap")"
stop_trawl

# ── a pause of 3 s, told by the worker to the nanosecond ──
# Only a hub may pause a worker: the worker announces itself through a proxy that keeps the token it gives its hub.
cat >"$work/proxy.py" <<'P'
import http.server, json, sys, urllib.error, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open(sys.argv[3], "wb").write(body)
        request = urllib.request.Request(sys.argv[2] + self.path, body, {"Authorization": self.headers["Authorization"], "Content-Type": "application/json"})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as e:
            answer = e
        data = answer.read()
        self.send_response(answer.status if hasattr(answer, "status") else answer.code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
P
rm -rf "$work/data"
ip netns exec "$srv" "$TRAWL" hub --data "$work/data" --listen "127.0.0.1:$port" >>"$work/up.out" 2>>"$work/up.err" &
started+=($!)
ip netns exec "$srv" python3 "$work/proxy.py" 8897 "http://127.0.0.1:$port" "$work/registration" 2>>"$work/up.err" &
started+=($!)
worker_token() { [ -s "$work/data/worker-token" ]; }
wait_until 10 "the hub runs" worker_token
cp "$work/data/worker-token" "$work/wtoken" && chmod 644 "$work/wtoken"
ip netns exec "$srv" "$TRAWL" worker --hub http://127.0.0.1:8897 --token-file "$work/wtoken" --data "$work/worker" --listen 127.0.0.1:8896 --node paused --ring-size 32MiB --iface eth0 >>"$work/up.out" 2>>"$work/up.err" &
started+=($!)
wait_until 20 "the worker records" trawl_is_recording
flood 10
sleep 1.2
worker() { on_srv curl -sS -f -X POST -H "Authorization: Bearer $(jq -r .token "$work/registration")" -d '{}' "http://127.0.0.1:8896/worker/v1/$1"; }
paused=$(worker pause | grep -o '[0-9]*') || fail "pause"
sleep 1
flood 100
sleep 2
resumed=$(worker resume | grep -o '[0-9]*') || fail "resume"
flood 10
sleep 1.5
[ $((resumed - paused)) -ge 3000000000 ] || fail "paused only from $paused to $resumed"
id=$(t snapshot create pause --last 1m --wait) || fail "create"
ns() { python3 -c 'import sys; w, _, f = sys.stdin.read().strip().strip("\"").rstrip("Z").partition("."); from datetime import datetime; print(int((datetime.fromisoformat(w) - datetime(1970, 1, 1)).total_seconds()) * 10**9 + int((f or "0").ljust(9, "0")))'; }
exactly() { # what, a JSON list of gaps
  local list
  list=$(jq -c '[.[] | select(.reason == "capture_stopped")]' <<<"$2")
  equal "$(jq length <<<"$list")" 1 "$1: gaps with the reason capture_stopped in $2"
  equal "$(jq '.[0].from' <<<"$list" | ns) $(jq '.[0].to' <<<"$list" | ns)" "$paused $resumed" "$1"
}
exactly "the snapshot's gap" "$(t snapshot show "$id" --json | jq -c '.nodes[0].gaps')"
exactly "the node's gap" "$(t nodes --json | jq -c '.nodes[0].gaps')"
exactly "the ring's gap" "$("$TRAWL" ring status --data "$work/worker" --json | jq -c .gaps)"
exactly "the API's gap" "$(api GET "/api/v1/snapshots/$id" | jq -c '.nodes[0].gaps')"
exactly "the manifest's gap" "$(jq -c '.nodes[0].gaps' "$work/data/snapshots/$id/manifest.json")"
t snapshot show "$id" | grep -q 'gap .*capture_stopped' || fail "show does not say the gap"
t snapshot pcap "$id" -o "$work/pause.pcapng" || fail "pcap"
equal "$(tshark -n -r "$work/pause.pcapng" -Y 'udp.dstport == 9 && !icmp' 2>/dev/null | wc -l)" 20 "packets around the pause"
echo "drops, stops and pauses are declared exactly: sent 10500 = $recorded + $declared, paused $((resumed - paused)) ns"
