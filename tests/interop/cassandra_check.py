"""What cassandra_client.py wrote beside our entries: requests sent = entries, by kind; statements with their rows.
usage: cassandra_check.py CLIENT_JSON ENTRIES_JSONL"""
import collections
import json
import sys

client = json.load(open(sys.argv[1], encoding="utf-8"))
entries = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
requests = [entry for entry in entries if entry["cql_opcode"] != "EVENT"]
failures = []
ours, theirs = collections.Counter(entry["cql_opcode"] for entry in requests), collections.Counter(client["sent"])
if ours != theirs:
    failures.append(f"requests: the client's {dict(theirs)}, ours {dict(ours)}")
bad = [entry["summary"] for entry in entries if entry["incomplete"] or entry["status"] not in ("ok", "error")]
if bad:
    failures.append(f"not whole: {bad[:5]}")
wanted = collections.Counter((s["query"], s.get("rows", 0), s.get("error", 0)) for s in client["statements"])
found = collections.Counter((entry.get("cql_query"), entry.get("cql_rows", 0), entry.get("cql_error_code", 0)) for entry in requests
                            if entry["cql_opcode"] in ("QUERY", "EXECUTE"))
if wanted - found:
    failures.append(f"statements without an entry: {sorted((wanted - found).items())[:5]}")
for entry in requests:
    query = entry.get("cql_query", "")
    if query.startswith("SELECT id, name, price, tags") and entry["cql_opcode"] == "EXECUTE":
        row = json.loads(entry["response"]["body"])[0]
        n = int(row["id"])
        tags = "{" + ", ".join(f"'{tag}'" for tag in sorted([f"t{n}", "all"])) + "}"
        if entry["cql_params"] != [str(n)] or row["name"] != f"name {n} " + "é" * (n % 3) or float(row["price"]) != n / 4 or row["tags"] != tags:
            failures.append(f"values: {entry['cql_params']} {row}")
print("\n".join(failures[:20]))
print(f"{len(client['sent'])} calls made, {len(requests)} entries and {len(entries) - len(requests)} events; {len(client['statements'])} statements")
sys.exit(1 if failures or not entries else 0)
