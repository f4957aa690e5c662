"""What mongodb_client.py wrote beside our entries: commands that the driver's monitoring saw = entries, with the values of the replies.
Handshakes and endSessions are none of its commands: they are counted apart. usage: mongodb_check.py CLIENT_JSON ENTRIES_JSONL"""
import collections
import json
import sys

client = json.load(open(sys.argv[1], encoding="utf-8"))
entries = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
greetings = [entry for entry in entries if entry.get("mongodb_command") in ("hello", "isMaster", "ismaster")]
ends = [entry for entry in entries if entry.get("mongodb_command") == "endSessions"]
ours = [entry for entry in entries if entry not in greetings and entry not in ends]
failures = []


def plain(value):
    """Bodies as values: numbers may be written in more than one way."""
    return json.dumps(json.loads(value), sort_keys=True) if value else None


def of_entry(entry, has_body):
    return (entry["mongodb_command"], entry["mongodb_database"], entry.get("mongodb_collection"), entry["mongodb_success"], entry.get("mongodb_documents"),
            entry.get("mongodb_error_code"), entry.get("mongodb_error_message"), plain(entry["response"].get("body")) if has_body else None)


def of_call(call):
    return (call["command"], call["database"], call["collection"], call["success"], call["documents"], call["code"], call["message"], plain(call["reply"]))


bad = [entry["summary"] for entry in entries if entry["incomplete"] or entry["status"] not in ("ok", "error") or (entry["status"] == "ok") != entry["mongodb_success"]]
if bad:
    failures.append(f"not whole: {bad[:5]}")
wanted = collections.Counter(map(of_call, client["calls"]))
found = collections.Counter(of_entry(entry, (entry.get("mongodb_documents") or 0) > 0 and "cursor" in entry["response"].get("body", "")) for entry in ours)
for name, left in (("without an entry", wanted - found), ("without a call", found - wanted)):
    failures += [f"{name}: {n} × {str(what)[:400]}" for what, n in sorted(left.items(), key=str)[:4]]
greeted = len({entry["conn_id"] for entry in greetings})
if greeted < client["connections"] or not all(entry["mongodb_success"] for entry in greetings):  # more: those that watch the server
    failures.append(f"{client['connections']} connections, {greeted} with a handshake")
print("\n".join(failures))
packed = sum("mongodb_compressor" in entry for entry in entries)
print(f"{len(client['calls'])} calls made, {len(ours)} entries; {len(greetings)} handshakes, {len(ends)} ends of sessions, {packed} compressed")
sys.exit(1 if failures or not ours else 0)
