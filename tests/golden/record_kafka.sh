#!/bin/sh
# npm's kafkajs (test-only, tests/golden/peers) with a small broker of ours: Debian has no Kafka. Administration, produces
# with and without compression, headers and acks, a consumer group. Every request that the library's instrumentation saw is an
# entry, and the messages it sent and got are the records of the entries' bodies.
set -eu
. "$(dirname "$0")/record.inc" node npm
"$here/peers/install.sh"
serve node "$here/peers/kafka_server.mjs" "$SERVER_IP" 9099
wait_for_port 9099
start_recording
in_client node "$here/peers/kafka_client.mjs" "$SERVER_IP" 9099 >"$work/client.jsonl"
stop_recording
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols kafka >"$work/all.jsonl"
python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
entries = [json.loads(line) for line in open(work + "/all.jsonl", encoding="utf-8")]
log = [json.loads(line) for line in open(work + "/client.jsonl", encoding="utf-8")]

def records(entry):
    """(topic, record) of a Produce or Fetch, from its body."""
    side, topics, partitions = ("request", "topic_data", "partition_data") if entry["kafka_api_key"] == 0 else \
        ("response", "responses", "partitions")
    for topic in json.loads(entry[side]["body"])[topics]:
        for partition in topic[partitions]:
            for record in partition["records"]:
                yield topic["topic"], record

# A client newer than the broker asks for its versions again.
refused = [entry for entry in entries if entry["kafka_api_key"] == 18 and entry["kafka_api_version"] > 0]
assert refused and all((e["status"], e["kafka_error_name"]) == ("error", "UNSUPPORTED_VERSION") for e in refused), refused
entries = [entry for entry in entries if entry not in refused] + refused
produced, fetched = [], {}
for entry in entries:
    assert not entry.get("truncated") and (entry["status"] == "ok" or entry in refused), entry
    found = list(records(entry)) if entry["kafka_api_key"] in (0, 1) and entry.get("kafka_response", True) else []
    if entry["kafka_api_key"] in (0, 1):
        assert entry["kafka_records"] == len(found), entry
    if entry["kafka_api_key"] == 0:
        produced += found
    elif entry["kafka_api_key"] == 1:
        fetched.update(((topic, record["offset"]), record) for topic, record in found)
sent = [line["sent"] for line in log if "sent" in line]
assert len(produced) == len(sent) > 200, (len(produced), len(sent))
for want, (topic, record) in zip(sent, produced):
    assert want == {"topic": topic, **{k: record.get(k) for k in want if k != "topic"}}, (want, topic, record)
seen = [line["seen"] for line in log if "seen" in line]
assert len(seen) == sum(one["topic"] == "orders" for one in sent)
for want in seen:
    record = fetched[want["topic"], want["offset"]]
    assert (record["key"], record["value"]) == (want["key"], want["value"]), (want, record)
groups = {entry.get("kafka_group_id") for entry in entries if entry["kafka_api_key"] in (8, 9, 11, 12, 13, 14)}
assert groups == {"invoicing"}, groups
assert {entry.get("kafka_compression") for entry in entries if entry["kafka_api_key"] == 0} == {None, "gzip"}
# The fetch that the client's end interrupts is not in its log.
silent = [e for e in entries if e["kafka_api_key"] == 0 and e["kafka_acks"] == 0]
assert len(silent) == 10 and not any("kafka_response" in e for e in silent), silent
with open(work + "/entries.jsonl", "w", encoding="utf-8") as out:
    for entry in entries:
        if not (entry["kafka_api_key"] == 1 and "kafka_response" not in entry):
            out.write(json.dumps(entry) + "\n")
with open(work + "/expected.jsonl", "w", encoding="utf-8") as out:
    for line in log:
        if "call" in line:
            out.write(json.dumps(line["call"]) + "\n")
PY
python3 "$here/record_compare.py" "$work/expected.jsonl" "$work/entries.jsonl"
python3 "$here/oracle_ports.py" "$trawl" /dev/null "$work/recording.pcap"
compare_all_losses kafka
