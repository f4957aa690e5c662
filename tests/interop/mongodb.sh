#!/bin/sh
# A real server of the MongoDB protocol, FerretDB with SQLite (Go), and pymongo (PyPI): commands that the driver's monitoring saw =
# entries. The server offers no compression: OP_COMPRESSED is what tests/golden/record_mongodb.sh has.
set -eu
. "$(dirname "$0")/interop.inc"
python_packages mongodb pymongo==4.10.1
go_program ferretdb github.com/FerretDB/FerretDB/ferretdb@v1.24.0
. "$root/tests/golden/record.inc"
mkdir "$work/data"
serve "$program" "$SERVER_IP:27199" "$work/data"
wait_long_for_port 27199 30
start_recording
in_client timeout 60 "$python" "$interop/mongodb_client.py" "$SERVER_IP" 27199 "$work/client.json"
stop_recording
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols mongodb >"$work/entries.jsonl"
python3 "$interop/mongodb_check.py" "$work/client.json" "$work/entries.jsonl"
