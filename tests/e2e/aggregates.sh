#!/usr/bin/env bash
# Calls over time, in groups and as edges: every figure is counted again from the whole entries of --jsonl.
. "$(dirname "$0")/lib.sh"
need jq curl nginx python3
make_hosts
start_nginx
start_trawl --ring-size 64MiB
url=http://$srv_ip:8080
here=$(cd "$(dirname "$0")" && pwd)

traffic() { # rounds
  local i
  for i in $(seq "$1"); do
    on_cli curl -s -o /dev/null "$url/api/carts/$i?page=$i" -o /dev/null "$url/p.json" -o /dev/null "$url/nothing/$i" -d 'x=1' -o /dev/null "$url/api/post"
    on_cli curl -s -o /dev/null "$url/err"
    on_cli python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes.fromhex("abcd01000001000000000000046e6f6e6504746573740000010001"), ("'$srv_ip'", 5300))'
  done
  on_cli curl -s -o /dev/null "$url/slow"
}
traffic 12
sleep 1.5
id=$(t snapshot create aggregates --last 1m --wait) && t snapshot dissect "$id" --wait || fail "snapshot"

checked=0
agree() { # kind, what, entries options…; the answer stands in $work/answer
  local kind=$1 what=$2
  shift 2
  t entries --source "$id" "$@" --jsonl >"$work/calls" || fail "$what: --jsonl"
  python3 "$here/aggregates.py" "$work/calls" "$kind" "$work/answer" 2>"$work/err" || fail "$what: $(cat "$work/err")"
  checked=$((checked + 1))
}
# ── over time ──
at() { t entries --source "$id" --filter http --csv --fields timestamp | tr -d '"\r' | sed -n "$1p"; }
from=$(at 8) to=$(at 30)
for by in status protocol; do
  for buckets in 1 7 1000; do
    for filter in '' http 'status_code >= 400' 'response.body.contains("a")' 'path == "/never"'; do
      t timeline --source "$id" --by $by --buckets $buckets --filter "$filter" --json >"$work/answer" || fail "timeline"
      agree timeline "timeline by $by, $buckets buckets, $filter" --filter "$filter"
    done
  done
  t timeline --source "$id" --by $by --from "$from" --to "$to" --json >"$work/answer" || fail "timeline of a part"
  agree timeline "timeline by $by of a part" --from "$from" --to "$to"
  equal "$(jq -r .from "$work/answer")" "$from" "where the timeline begins"
done
[ "$(jq '[.buckets[].protocol] | unique | length' "$work/answer")" -ge 1 ] || fail "no protocols"
t timeline --source "$id" --filter http --json >"$work/answer"
jq -e '([.buckets[].client_error] | add) >= 12 and ([.buckets[].error] | add) == 12 and ([.buckets[].no_response] | add) == 1' "$work/answer" >/dev/null || fail "the traffic is not as it was meant: $(cat "$work/answer")"
t timeline --source "$id" --filter http --buckets 5 >"$work/shown" || fail "timeline"
equal "$(wc -l <"$work/shown")" 7 "lines of five buckets: $(cat "$work/shown")"
grep -q '^61 calls$' "$work/shown" || fail "timeline: $(cat "$work/shown")"
t timeline --source "$id" --by path 2>"$work/err" && fail "a series that is none was taken"
grep -q 'status' "$work/err" || fail "by: $(cat "$work/err")"
equal "$(api GET "/api/v1/aggregate/timeline?source=$id&from=1700-01-01T00:00:00Z&to=2250-01-01T00:00:00Z" | jq -c '[.status, (.detail | contains("292"))]')" '[400,true]' "a range without a length"

# ── in groups, as edges ──
for by in protocol path,status_code src,dst,dst.port,protocol path_template status,method; do
  for filter in '' 'http && status_code != 404' 'response.body.contains("a")'; do
    t top --source "$id" --by $by --filter "$filter" --json >"$work/answer" || fail "top"
    agree top "top by $by, $filter" --filter "$filter"
  done
done
t top --source "$id" --by path --limit 3 --order elapsed_time --filter http --json >"$work/answer"
agree top "three slowest paths" --filter http
t map --source "$id" --json >"$work/answer"
agree top "edges"
note "$checked answers agree with the entries"
