#!/usr/bin/env bash
# Compared figures rest on what either side covers: rates are per covered minute (counted again from --jsonl and the snapshots' own words), and
# a gap, lost packets, a node that only one side has are said. What got worse comes first; new and vanished endpoints are told.
. "$(dirname "$0")/lib.sh"
need jq curl nginx python3
make_hosts
start_nginx
start_trawl --ring-size 64MiB
url=http://$srv_ip:8080
now() { date -u +%FT%T.%NZ; }
calls() { local i; for i in $(seq "$1"); do on_cli curl -s -o /dev/null "$url/api/carts/$i" -o /dev/null "$url/p.json"; done; }
capturer() { ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}'; }

t0=$(now)
calls 5
on_cli curl -s -o /dev/null "$url/only/before"
sleep 1.2
kill -TERM "$(capturer)"
wait_until 20 "recording again" trawl_is_recording
calls 3
sleep 1.2
t1=$(now)
calls 4
for i in 1 2 3; do on_cli curl -s -o /dev/null "$url/err"; done
sleep 1.5
t2=$(now)
before=$(t snapshot create before --from "$t0" --to "$t1" --wait) || fail "create"
after=$(t snapshot create after --from "$t1" --to "$t2" --wait) || fail "create"
overlap=$(t snapshot create overlap --from "$t0" --to "$t2" --wait) || fail "create"
for one in $before $after $overlap; do t snapshot dissect "$one" --wait >/dev/null || fail "dissect"; done

cat >"$work/check.py" <<'PY'
"""usage: check.py COMPARISON.json SHOW.json[,SHOW…]:CALLS.jsonl[,CALLS…]:FROM:TO (twice; a, then b; times in RFC 3339 or empty)"""
import json, sys
from datetime import datetime, timezone
def ns(text):
    seconds, _, nanos = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc).timestamp()) * 10**9 + int((nanos + "0" * 9)[:9])
def union(spans):
    total, until = 0, 0
    for begin, end in sorted(spans):
        total += max(0, end - max(begin, until))
        until = max(until, end)
    return total
def read(text):
    shows, calls, begin, end = text.split("|")
    begin, end = ns(begin) if begin else 0, ns(end) if end else 2**62
    cut = lambda spans: [(max(begin, ns(s["from"])), min(end, ns(s["to"]))) for s in spans]
    shows = [json.load(open(name)) for name in shows.split(",")]
    nodes = {}
    for show in shows:
        for node in show["nodes"]:
            nodes.setdefault(node["name"], []).extend(cut(node["covered"]))
    entries = {}
    for name in calls.split(","):
        for line in open(name, encoding="utf-8"):
            call = json.loads(line)
            if begin <= ns(call["timestamp"]) < end:
                entries.setdefault(call["id"], call)
    return {"window": union(cut(shows)), "covered": sum(map(union, nodes.values())) / len(nodes), "nodes": sorted(nodes), "calls": list(entries.values())}
told = json.load(open(sys.argv[1]))
for letter, text in zip("ab", sys.argv[2:]):
    side, want = told[letter], read(text)
    near = lambda have, should: abs(have - should) <= 1e-6 * max(1, abs(should))
    if not near(side["window_s"], want["window"] / 1e9) or not near(side["covered_s"], want["covered"] / 1e9) or side["nodes"] != want["nodes"]:
        sys.exit(f"{letter}: {side}, counted {want['window'] / 1e9} s, {want['covered'] / 1e9} s of {want['nodes']}")
    if side["calls"] != len(want["calls"]):
        sys.exit(f"{letter}: {side['calls']} calls, counted {len(want['calls'])}")
    for endpoint in told["endpoints"]:
        keys = endpoint["keys"]
        mine = [c for c in want["calls"] if [c["protocol"], c["dst"].get("name") or c["dst"]["ip"], c.get("method"), c.get("path_template")] == keys]
        have = endpoint[letter]
        if (have or {"calls": 0})["calls"] != len(mine):
            sys.exit(f"{letter} {keys}: {have}, counted {len(mine)} calls")
        if have and (not near(have["calls_per_min"], len(mine) / (want["covered"] / 60e9)) or not near(have["error_share"], sum(c["status"] == "error" for c in mine) / len(mine))):
            sys.exit(f"{letter} {keys}: {have}, counted {len(mine)} in {want['covered'] / 1e9} s")
PY
for one in $before $after $overlap; do
  t snapshot show "$one" --json >"$work/show.$one"
  t entries --source "$one" --filter http --jsonl >"$work/calls.$one" || fail "--jsonl"
done
side() { echo "$work/show.$1|$work/calls.$1|${2:-}|${3:-}"; }
warned() { jq -r '.warnings[]' "$work/answer" | grep -q -- "$1"; }

# ── a side with a gap ──
t compare "$before" "$after" --filter http --json >"$work/answer" || fail "compare"
python3 "$work/check.py" "$work/answer" "$(side "$before")" "$(side "$after")" || fail "before and after"
jq -e '.a.window_s - .a.covered_s > 0.1 and .b.window_s == .b.covered_s' "$work/answer" >/dev/null || fail "the gap is not in the coverage: $(jq -c '[.a, .b]' "$work/answer")"
warned '^a covers .* of .* lacks .*: its rates are per covered minute' || fail "the gap is not said: $(jq -c .warnings "$work/answer")"
warned '^b ' && fail "something is said of the whole side: $(jq -c .warnings "$work/answer")"
equal "$(jq -c '.endpoints[0] | [.keys[3], .state, .b.errors]' "$work/answer")" '["/err","new",3]' "what got worst"
equal "$(jq -c '[.endpoints[] | select(.state == "vanished") | .keys[3]]' "$work/answer")" '["/only/before"]' "vanished"
t compare "$before" "$after" --filter http 2>"$work/err" | grep -q 'covers [0-9.]* of [0-9.]* s' || fail "compare does not print what is covered"
grep -q 'per covered minute' "$work/err" || fail "compare does not print the warning: $(cat "$work/err")"

# ── two times of one snapshot, several sources that overlap ──
t compare "$overlap" "$overlap" --a-to "$t1" --b-from "$t1" --filter http --json >"$work/answer" || fail "compare"
python3 "$work/check.py" "$work/answer" "$(side "$overlap" "" "$t1")" "$(side "$overlap" "$t1")" || fail "two times"
warned '^a covers' || fail "two times: the gap is not said"
t compare "$before,$overlap" "$after,$overlap" --filter http --json >"$work/answer" || fail "compare"
python3 "$work/check.py" "$work/answer" "$work/show.$before,$work/show.$overlap|$work/calls.$before,$work/calls.$overlap||" \
  "$work/show.$after,$work/show.$overlap|$work/calls.$after,$work/calls.$overlap||" || fail "several sources"

# ── lost packets and another node: the same packets as a file that says it lost 42 ──
t snapshot pcap "$after" -o "$work/after.pcapng" || fail "pcap"
python3 - "$work/after.pcapng" <<'PY'
import struct, sys
# Interface Statistics Block: interface 0, time 0, isb_ifrecv (4) 1000, isb_ifdrop (5) 42
body = struct.pack("<III", 0, 0, 0) + struct.pack("<HHQ", 4, 8, 1000) + struct.pack("<HHQ", 5, 8, 42) + struct.pack("<HH", 0, 0)
block = struct.pack("<II", 5, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
open(sys.argv[1], "ab").write(block)
PY
file=$(t snapshot import "$work/after.pcapng" --name lossy) && t snapshot dissect "$file" --wait >/dev/null || fail "import"
t compare "$after" "$file" --filter http --json >"$work/answer" || fail "compare"
equal "$(jq .b.dropped "$work/answer")" 42 "lost packets"
warned '^b lost 42 packets while recording' || fail "losses are not said: $(jq -c .warnings "$work/answer")"
warned "^a has nothing of $(jq -r '.b.nodes[0]' "$work/answer"), which b has" || fail "the other node is not said: $(jq -c .warnings "$work/answer")"
warned "^b has nothing of $(jq -r '.a.nodes[0]' "$work/answer"), which a has" || fail "the other node is not said: $(jq -c .warnings "$work/answer")"
# Two nodes, of which one recorded less: the average of both.
t snapshot show "$file" --json >"$work/show.$file" && t entries --source "$file" --filter http --jsonl >"$work/calls.$file" || fail "--jsonl"
t compare "$after,$file" "$before,$file" --filter http --json >"$work/answer" || fail "compare"
python3 "$work/check.py" "$work/answer" "$work/show.$after,$work/show.$file|$work/calls.$after,$work/calls.$file||" \
  "$work/show.$before,$work/show.$file|$work/calls.$before,$work/calls.$file||" || fail "two nodes"
equal "$(jq '.a.nodes | length' "$work/answer")" 2 "nodes"
# A time that nothing covers.
t compare "$before" "$after" --a-from 2020-01-01T00:00:00Z --a-to 2020-01-02T00:00:00Z --json >"$work/answer" || fail "compare of nothing"
equal "$(jq -c '[.a.calls, .a.covered_s, ([.endpoints[].state] | unique)]' "$work/answer")" '[0,0,["unknown"]]' "a time that nothing covers"
warned '^a covers nothing' || fail "a time that nothing covers is not said: $(jq -c .warnings "$work/answer")"
note "rates are per covered minute; gaps, losses and nodes are said"
