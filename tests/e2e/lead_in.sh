#!/usr/bin/env bash
# Calls that had begun when the window began: answers take 2 s, a call is made every 0.2 s. Those under way at the window's start are whole,
# say that they began before, and are in the export only when they are asked for; those that were over are not there at all.
. "$(dirname "$0")/lib.sh"
need jq tshark python3 curl
make_hosts
cat >"$work/server.py" <<'P'
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(2)
        body = ("answer to " + self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer((sys.argv[1], 8090), Handler).serve_forever()
P
cat >"$work/client.py" <<'P'
import http.client, sys, threading, time
def call(n):
    began = time.time()
    c = http.client.HTTPConnection(sys.argv[1], 8090)
    c.request("GET", f"/call/{n}")
    c.getresponse().read()
    print(f"/call/{n}\t{began:.6f}\t{time.time():.6f}", flush=True)
    c.close()
for n in range(1000000):
    threading.Thread(target=call, args=(n,), daemon=True).start()
    time.sleep(0.2)
P
ip netns exec "$srv" python3 "$work/server.py" $srv_ip 2>"$work/server.err" &
started+=($!)
start_trawl --ring-size 16MiB
ip netns exec "$cli" python3 "$work/client.py" $srv_ip >"$work/calls.tsv" 2>"$work/client.err" &
started+=($!)
sleep 8
snap=$(t snapshot create straddle --last 4s --wait) || fail "create"
t snapshot verify "$snap" >/dev/null || fail "verify"
t snapshot show "$snap" --json >"$work/show.json"
from=$(jq -r '.from' "$work/show.json")
jq -e '.partial == false and (.nodes[0].covered | length) == 1 and .nodes[0].covered[0].from == .from' "$work/show.json" >/dev/null || fail "coverage: $(jq -c .nodes "$work/show.json")"

judge() { # snapshot: its entries against what the client knows
  t snapshot dissect "$1" --wait >/dev/null || fail "dissect"
  t entries --source "$1" --filter http --jsonl --limit 1000 >"$work/http.jsonl" || fail "entries"
  python3 - "$work/calls.tsv" "$work/http.jsonl" "$from" <<'P' || fail "the calls"
import datetime, json, sys
at = lambda t: datetime.datetime.fromisoformat(t.rstrip("Z")[:26] + "+00:00").timestamp()
start = at(sys.argv[3])
calls = {r[0]: (float(r[1]), float(r[2])) for r in (l.split("\t") for l in open(sys.argv[1]))}
entries = {e["path"]: e for e in map(json.loads, open(sys.argv[2])) if "path" in e}
straddling = [p for p, (a, b) in calls.items() if a < start - 0.1 and b > start + 0.1]
over = [p for p, (a, b) in calls.items() if b < start - 0.1]
assert len(straddling) >= 5 and len(over) >= 5, "the test shows nothing"
for path in straddling:
    e = entries.get(path)
    assert e, f"{path} began before the window and ended in it, and is missing"
    assert e["status"] == "ok" and not e["incomplete"] and e["status_code"] == 200 and e["from_lead_in"], e
    assert e["response"]["body"] == f"answer to {path}" and e["elapsed_time"] > 1_900_000 and at(e["timestamp"]) < start, e
assert not [p for p in over if p in entries], "calls that were over are there"
assert not [e for e in map(json.loads, open(sys.argv[2])) if "path" not in e], "halves"
print(f"· {len(straddling)} calls straddle the window's start")
P
}
judge "$snap"

# Exported only when asked for, and then each packet says so.
t snapshot pcap "$snap" -o "$work/window.pcapng" || fail "pcap"
equal "$(tshark -n -r "$work/window.pcapng" 2>/dev/null | wc -l)" "$(jq '.nodes[0].packets' "$work/show.json")" "packets of the window and of the export"
equal "$(tshark -n -r "$work/window.pcapng" -Y 'frame.comment contains "outside the window"' 2>/dev/null | wc -l)" 0 "lead-in that nobody asked for"
t snapshot pcap "$snap" --openings include -o "$work/with.pcapng" || fail "pcap with the lead-in"
lead=$(tshark -n -r "$work/with.pcapng" -Y 'frame.comment contains "outside the window" && !(frame.interface_name contains "opening")' -T fields -e frame.time_epoch 2>/dev/null | tee "$work/lead" | wc -l)
[ "$lead" -gt 10 ] || fail "no lead-in in the export"
opening=$(tshark -n -r "$work/with.pcapng" -Y 'frame.interface_name contains "opening"' 2>/dev/null | wc -l)
equal "$(tshark -n -r "$work/with.pcapng" 2>/dev/null | wc -l)" "$((opening + lead + $(jq '.nodes[0].packets' "$work/show.json")))" "packets with the lead-in"
equal "$(capinfos "$work/with.pcapng" 2>/dev/null | sed -n 's/^Strict time order: *//p')" True "time order"

# An archive carries it.
t snapshot download "$snap" -o "$work/a.tar" || fail "download"
t snapshot delete "$snap" --yes >/dev/null 2>&1 || t snapshot delete "$snap" >/dev/null || fail "delete"
t snapshot import "$work/a.tar" >/dev/null || fail "import"
judge "$snap"
stop_trawl
echo "calls that had begun before the window are whole"
