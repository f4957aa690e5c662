#!/usr/bin/env bash
# `trawl entries --parquet`: an independent reader (npm's hyparquet) finds what --jsonl says, call by call and field by field, in its order.
. "$(dirname "$0")/lib.sh"
need jq curl nginx node npm python3
peers=$(cd "$(dirname "$0")/../golden/peers" && pwd)
"$peers/install.sh" || fail "npm cannot install the reader"
make_hosts
start_nginx
printf '\x89PNG\0\1\2\xff' >"$work/www/p.png"
head -c 225000 /dev/urandom | base64 -w 0 >"$work/www/large.txt"
start_trawl --ring-size 512MiB
url=http://$srv_ip:8080
on_cli curl -s -o /dev/null -b 'sid=42; theme=dark' -H 'X-Empty:' "$url/api/a?page=2&q=h%C3%A9"
on_cli curl -s -o /dev/null -d "a='1'&b=\"2\"" "$url/api/post"
on_cli curl -s -o /dev/null --compressed "$url/p.json"
on_cli curl -s -o /dev/null "$url/p.png"
on_cli curl -s -o /dev/null "$url/slow"
on_cli curl -s -o /dev/null -I "$url/err"
on_cli curl -s -o /dev/null "$url/large.txt?n=[1-240]"
on_cli curl -s -o /dev/null "$url/api/n/[1-500]"
sleep 1.5
id=$(t snapshot create parquet --last 1m --wait) && t snapshot dissect "$id" --wait || fail "snapshot"

fields=id,timestamp,protocol,status,status_code,method,url,src.ip,src.port,elapsed_time,incomplete,ips,ports,request.headers,query_string,request.cookies,request.body,response.body,summary
cat >"$work/compare.py" <<'P'
"""The rows of the file beside the lines of --jsonl. usage: compare.py ROWS JSONL FIELDS all|some (of the fields have to be filled)"""
import json, sys
from datetime import datetime, timezone
rows, lines = ([json.loads(line) for line in open(name, encoding="utf-8")] for name in sys.argv[1:3])
head, rows = rows[0], rows[1:]
def member(entry, name):
    if name in entry or "." not in name:
        return entry.get(name)
    first, rest = name.split(".", 1)
    return member(entry.get(first, {}), rest)
def as_text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if isinstance(value, dict) else value
def wanted(entry, name):
    value = member(entry, name)
    if name == "timestamp":
        seconds, nanos = value.rstrip("Z").split(".")
        whole = int(datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc).timestamp())
        return str(whole * 10**9 + int(nanos))
    if name in ("request.headers", "query_string", "request.cookies"):
        return value and {key: as_text(one) for key, one in value.items()}
    return as_text(value)
if len(rows) != len(lines) or head["rows"] != len(lines):
    sys.exit(f"{len(rows)} rows, {len(lines)} lines")
filled = set()
for number, (row, line) in enumerate(zip(rows, lines)):
    for name in sys.argv[3].split(","):
        have, want = row.get(name), wanted(line, name)
        if (have if have not in ({}, []) else None) != (want if want not in ({}, []) else None):
            sys.exit(f"row {number}, {name}: {have!r:.300} is not {want!r:.300}")
        if want not in (None, {}, []):
            filled.add(name)
if sys.argv[4] == "all" and (empty := set(sys.argv[3].split(",")) - filled):
    sys.exit(f"never filled: {sorted(empty)}")
print(f"{len(rows)} rows in {head['rowGroups']} row groups")
P
check() { # what, all or some, entries options…: file and lines agree
  local what=$1 filled=$2
  shift 2
  rm -f "$work/calls.parquet"
  t entries --source "$id" --fields "$fields" "$@" --parquet -o "$work/calls.parquet" 2>"$work/err" || fail "$what: $(cat "$work/err")"
  t entries --source "$id" "$@" --jsonl >"$work/calls.jsonl" || fail "$what: --jsonl"
  node "$peers/parquet_rows.mjs" "$work/calls.parquet" >"$work/rows.jsonl" || fail "$what: the reader refuses it"
  python3 "$work/compare.py" "$work/rows.jsonl" "$work/calls.jsonl" "$fields" "$filled" >"$work/said" 2>&1 || fail "$what: $(cat "$work/said")"
}
check "all calls" all --filter 'http && src.ip == "'$cli_ip'"'
said=$(cat "$work/said")
[ "$(head -n 1 "$work/rows.jsonl" | jq .rowGroups)" -gt 1 ] || fail "one row group for 70 MB: the order over several was not tried"
equal "$(head -n 1 "$work/rows.jsonl" | jq -c '.columns | [.timestamp, ."src.port", .incomplete, .url, .ips, ."request.headers"]')" \
  '["TIMESTAMP","INT_64","BOOLEAN","UTF8","LIST","MAP"]' "types"
first=$(jq -r .timestamp "$work/calls.jsonl" | sed -n 5p) last=$(jq -r .timestamp "$work/calls.jsonl" | sed -n 400p)
check "newest first, limited, of a time" some --filter 'http && src.ip == "'$cli_ip'"' --order=-time --from "$first" --to "$last" --limit 300
equal "$(head -n 1 "$work/rows.jsonl" | jq .rows)" 300 "rows of a limited export"

t entries --source "$id" --filter 'status_code == 503' --parquet -o "$work/few.parquet" || fail "default columns"
node "$peers/parquet_rows.mjs" "$work/few.parquet" | jq -s -e '.[0].rows == 1 and .[1].status_code == 503 and .[1].method == "HEAD"' >/dev/null || fail "default columns"
t entries --source "$id" --filter 'path == "/nothing"' --parquet -o "$work/none.parquet" || fail "no calls"
equal "$(node "$peers/parquet_rows.mjs" "$work/none.parquet" | jq .rows)" 0 "rows of an empty export"
# A name is never part of a statement.
odd="$work/o'dd\"; DROP TABLE x; --.parquet"
t entries --source "$id" --limit 3 --parquet -o "$odd" && [ "$(node "$peers/parquet_rows.mjs" "$odd" | jq -s '.[0].rows')" = 3 ] || fail "an odd name"
t entries --source "$id" --limit 3 --parquet -o /dev/null && [ -c /dev/null ] || fail "a device"

refused() { # sentence, options…
  local want=$1
  shift
  cp "$work/few.parquet" "$work/kept.parquet"
  t entries --source "$id" "$@" >/dev/null 2>"$work/err" && fail "$* was taken"
  grep -q "$want" "$work/err" || fail "$*: $(cat "$work/err")"
  cmp -s "$work/few.parquet" "$work/kept.parquet" || fail "$*: the file that was there changed"
}
refused "name it with -o" --parquet
refused "name it with -o" --parquet -o -
refused "There is no variable" --parquet -o "$work/kept.parquet" --fields id,nonsense
refused "named twice" --parquet -o "$work/kept.parquet" --fields id,id
refused "made from other variables" --parquet -o "$work/kept.parquet" --fields http
refused "Choose one of" --parquet --csv -o "$work/kept.parquet"
refused "undeclared\|no variable\|unknown" --parquet -o "$work/kept.parquet" --filter 'nonsense == 1'
refused "cannot be written" --parquet -o "$work/no/folder.parquet"
mkdir "$work/full"
trap 'umount -l "$work/full" 2>/dev/null; cleanup' EXIT
mount -t tmpfs -o size=64k trawl-parquet "$work/full" || { echo "a tmpfs cannot be mounted here"; exit 77; }
refused "disk is full" --parquet -o "$work/full/x.parquet" --fields id,response.body
equal "$(ls "$work/full")" "" "what is left on a full disk"
equal "$(ls "$work" | grep -c '\.part$')" 0 "parts left behind"
echo "Parquet: $said, as --jsonl says"
