#!/bin/sh
# The official MongoDB driver of npm (test-only, tests/golden/peers) with a small server of ours: Debian has no MongoDB. Every
# BSON type, batches, cursors, errors, parallel calls, OP_COMPRESSED. What the driver's own monitoring saw is what the
# entries must say. The driver's handshakes are not among its monitored commands: they are counted by themselves;
# endSessions, which the driver sends without waiting, is left out.
set -eu
. "$(dirname "$0")/record.inc" node npm
"$here/peers/install.sh"
serve node "$here/peers/mongodb_server.mjs" "$SERVER_IP" 27099
wait_for_port 27099
start_recording
in_client node "$here/peers/mongodb_client.mjs" "$SERVER_IP" 27099 >"$work/expected.jsonl"
stop_recording
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols mongodb >"$work/all.jsonl"
# One handshake a connection, none of them lost.
python3 - "$work" <<'PY'
import json, sys
work = sys.argv[1]
lines = [json.loads(line) for line in open(work + "/all.jsonl", encoding="utf-8")]
greetings = [e for e in lines if e.get("mongodb_command") in ("hello", "isMaster", "ismaster")]
assert len(greetings) >= len({e["conn_id"] for e in lines}) > 2, len(greetings)
assert all(e["status"] == "ok" and e["mongodb_success"] for e in greetings), greetings
with open(work + "/entries.jsonl", "w", encoding="utf-8") as out:
    for entry in lines:
        if entry not in greetings and entry["mongodb_command"] != "endSessions":
            if "body" in entry.get("response", {}):
                entry["response"]["body"] = json.loads(entry["response"]["body"])
            out.write(json.dumps(entry) + "\n")
# Numbers may be written in more than one way: bodies are compared as values.
with open(work + "/expected.jsonl", encoding="utf-8") as calls:
    expected = [json.loads(line) for line in calls]
with open(work + "/expected.jsonl", "w", encoding="utf-8") as out:
    for call in expected:
        if "response.body" in call:
            call["response.body"] = json.loads(call["response.body"])
        out.write(json.dumps(call) + "\n")
PY
python3 "$here/record_compare.py" "$work/expected.jsonl" "$work/entries.jsonl"
python3 "$here/oracle_ports.py" "$trawl" /dev/null "$work/recording.pcap"
compare_all_losses mongodb
