#!/usr/bin/env bash
# A file of `trawl entries --parquet` read by Apache Arrow (pyarrow, PyPI): the values that --jsonl says, the types that were meant.
set -eu
. "$(dirname "$0")/interop.inc"
python_packages arrow pyarrow
TRAWL=${TRAWL:-$root/build/release/trawl}
set +eu
. "$root/tests/e2e/lib.sh"
need jq curl nginx
make_hosts
start_nginx
start_trawl --ring-size 64MiB
on_cli curl -s -o /dev/null -b 'a=1' --compressed "http://$srv_ip:8080/p.json?n=[1-300]"
on_cli curl -s -o /dev/null -d "x='1'" "http://$srv_ip:8080/api/post/[1-50]" -o /dev/null "http://$srv_ip:8080/err"
sleep 1.5
id=$(t snapshot create arrow --last 1m --wait) && t snapshot dissect "$id" --wait || fail "snapshot"
fields=id,timestamp,status_code,incomplete,ips,ports,request.headers,response.body,src.port
t entries --source "$id" --filter http --fields $fields --parquet -o "$work/calls.parquet" || fail "--parquet"
t entries --source "$id" --filter http --jsonl >"$work/calls.jsonl" || fail "--jsonl"
"$python" - "$work" <<'P'
import json, sys
import pyarrow as pa, pyarrow.parquet as parquet
table = parquet.read_table(sys.argv[1] + "/calls.parquet")
lines = [json.loads(line) for line in open(sys.argv[1] + "/calls.jsonl", encoding="utf-8")]
types = {"id": pa.string(), "timestamp": pa.timestamp("ns"), "status_code": pa.int64(), "incomplete": pa.bool_(), "src.port": pa.int64()}
for name, kind in types.items():
    assert table.schema.field(name).type == kind, (name, table.schema.field(name).type)
assert pa.types.is_list(table.schema.field("ips").type) and pa.types.is_map(table.schema.field("request.headers").type)
assert table.num_rows == len(lines) > 350, (table.num_rows, len(lines))
stamps = table.column("timestamp").cast(pa.int64()).to_pylist()
for row, stamp, line in zip(table.drop(["timestamp"]).to_pylist(), stamps, lines):
    assert row["id"] == line["id"] and row["status_code"] == line.get("status_code") and row["incomplete"] == line["incomplete"], row
    assert row["ips"] == line["ips"] and row["ports"] == line["ports"] and row["src.port"] == line["src"]["port"], row
    assert dict(row["request.headers"]) == line["request"]["headers"] and row["response.body"] == line["response"].get("body"), row
    assert f"{stamp % 10**9:09}" == line["timestamp"].rstrip("Z").split(".")[1], row
print(f"pyarrow: {table.num_rows} rows, as --jsonl says")
P
