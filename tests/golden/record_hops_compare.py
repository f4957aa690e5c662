"""What the access logs say of each hop against the entries: record_hops_compare.py WORK ENTRIES."""
import collections, json, sys

work, entries = sys.argv[1], [json.loads(line) for line in open(sys.argv[2])]
wrong = []
ids = [line.strip() for line in open(f"{work}/ids")]
logs = {}
for name in ("front", "middle", "back"):
    for line in open(f"{work}/{name}.log"):
        call, uri, status, remote, server = line.rstrip("\n").split("|")
        logs.setdefault(call, []).append((int(server), int(remote), int(status)))
seen = collections.defaultdict(list)
for e in entries:
    seen[e.get("request_id", "-")].append(e)
for call in ids:
    mine = sorted(seen[call], key=lambda e: e["dst"]["port"])
    if [e.get("hop") for e in mine] != [1, 2, 3] or {e.get("hop_count") for e in mine} != {3} or {e.get("hop_of") for e in mine} != {mine[0]["id"]}:
        wrong.append(f"{call}: hops {[(e.get('hop'), e.get('hop_count'), e.get('hop_of')) for e in mine]}")
    if sorted((e["dst"]["port"], e["src"]["port"], e["status_code"]) for e in mine) != sorted(logs[call]):
        wrong.append(f"{call}: {[(e['dst']['port'], e['src']['port']) for e in mine]}, and the logs say {logs[call]}")
for e in seen["-"]:
    if "hop" in e:
        wrong.append(f"a call without an id is a hop: {e['summary']}")
if len(seen["-"]) != len(logs["-"]) or len(seen) != len(logs) or len(entries) != sum(map(len, logs.values())):
    wrong.append(f"{len(entries)} entries, {sum(map(len, logs.values()))} lines in the logs")
for line in wrong[:20]:
    print(line)
print(f"{len(ids)} calls of three hops, {len(seen['-'])} entries of calls without an id, {len(wrong)} differences")
sys.exit(1 if wrong or not ids else 0)
