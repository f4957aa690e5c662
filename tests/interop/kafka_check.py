"""What kafka_client.py wrote beside our entries: requests sent = entries; records produced and fetched = messages.
usage: kafka_check.py CLIENT_JSON ENTRIES_JSONL"""
import collections
import json
import sys

client = json.load(open(sys.argv[1], encoding="utf-8"))
entries = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
bad = [entry["summary"] for entry in entries if entry["status"] not in ("ok", "error") or entry["incomplete"]]
key = ("kafka_api_key", "kafka_api_version")
ours = collections.Counter(tuple(entry[name] for name in key) for entry in entries)
theirs = collections.Counter(tuple(call[name] for name in key) for call in client["sent"])


def records(api, side, topics, partitions):
    for entry in entries:
        if entry["kafka_api_key"] != api or not entry.get("kafka_records"):
            continue
        for topic in json.loads(entry[side]["body"])[topics]:
            for partition in topic[partitions]:
                yield from ([record["key"], record["value"]] for record in partition["records"])


produced = sorted(records(0, "request", "topic_data", "partition_data"))
fetched = sorted(records(1, "response", "responses", "partitions"))
failures = []
if ours != theirs:
    failures.append(f"requests: the client's {sorted((theirs - ours).items())} more, ours {sorted((ours - theirs).items())} more")
if produced != sorted(client["produced"]):
    failures.append(f"{len(produced)} records produced, the client's {len(client['produced'])}")
if fetched != sorted(client["received"]) or len(fetched) != len(produced):
    failures.append(f"{len(fetched)} records fetched, the client's {len(client['received'])}")
if bad:
    failures.append(f"not whole: {bad[:5]}")
print("\n".join(failures))
print(f"{sum(theirs.values())} calls made, {len(entries)} entries; {len(produced)} records produced, {len(fetched)} fetched")
sys.exit(1 if failures or not entries else 0)
