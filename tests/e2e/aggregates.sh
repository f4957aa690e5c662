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
zero=$(date -u +%FT%T.%NZ)
traffic 12
sleep 1.5
id=$(t snapshot create aggregates --from "$zero" --wait) && t snapshot dissect "$id" --wait || fail "snapshot"

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

# ── several sources as one: the second holds what the first has and more, the third a part of both, the fourth something else ──
second=$(date -u +%FT%T.%NZ)
traffic 5
sleep 1.5
both=$(t snapshot create both --from "$zero" --wait) && t snapshot dissect "$both" --wait || fail "snapshot"
part=$(t snapshot create part --from "$from" --to "$second" --wait) && t snapshot dissect "$part" --wait || fail "snapshot"
third=$(date -u +%FT%T.%NZ)
traffic 2
sleep 1.5
rest=$(t snapshot create rest --from "$third" --to "$(date -u +%FT%T.%NZ)" --wait) && t snapshot dissect "$rest" --wait || fail "snapshot"
checked=0
sources=$id,$both,$part,$rest
together() { # kind, what, entries options…
  local kind=$1 what=$2 one file list=""
  shift 2
  for one in ${sources//,/ }; do
    file=$work/calls.$([ "$one" = live ] && echo live@live || echo "$one@default")
    t entries --source "$one" "$@" --jsonl >"$file" || fail "$what: --jsonl of $one"
    list=$list,$file
  done
  python3 "$here/aggregates.py" "${list#,}" "$kind" "$work/answer" 2>"$work/err" || fail "$what: $(cat "$work/err")"
  checked=$((checked + 1))
}
for filter in '' 'status_code >= 400' 'response.body.contains("a") || udp'; do
  t entries --source "$sources" --filter "$filter" --jsonl >"$work/answer" || fail "entries of several"
  together page "entries of several, $filter" --filter "$filter"
  equal "$(t entries --source "$sources" --filter "$filter" --count)" "$(wc -l <"$work/answer")" "calls of several, $filter"
  t timeline --source "$id" --source "$both,$part" --source "$rest" --filter "$filter" --by protocol --json >"$work/answer" || fail "timeline of several"
  together timeline "timeline of several, $filter" --filter "$filter"
  t top --source "$sources" --by path_template,status,dst.port --filter "$filter" --limit 1000 --json >"$work/answer" || fail "top of several"
  together top "top of several, $filter" --filter "$filter"
done
t map --source "$sources" --json >"$work/answer"
together top "edges of several"
alone=$(t entries --source "$id" --count) all=$(t entries --source "$sources" --count)
[ "$all" -gt "$(t entries --source "$both" --count)" ] && [ "$all" -lt $((alone + $(t entries --source "$both" --count))) ] || fail "$all calls of several: they should overlap, and the last should have its own"
t entries --source "$sources" --filter http --limit 5 | grep -q "($rest/default)" || fail "the table does not say whose calls they are"
equal "$(t entries --source "$id,$id/default" --count)" "$alone" "the same source, named twice"
t compare "$id,$part" "$sources" --filter http --json | jq -e '.a.calls > 0 and .b.calls > .a.calls and ([.endpoints[].state] | contains(["vanished"]) | not)' >/dev/null || fail "compare of several"
equal "$(api GET "/api/v1/entries?source=$id,nothing" | jq .status)" 404 "a source that is none among several"
equal "$(api GET "/api/v1/entries?source=$(seq -s, 1 17 | sed "s/[0-9]*/$id/g")" | jq .matched_of)" "$alone" "one source seventeen times"
t snapshot delete "$rest" >/dev/null || fail "delete one of several"
t entries --source "$sources" --count 2>"$work/err" && fail "a source that is deleted was answered"
equal "$(t entries --source "$id,$both,$part" --filter 'path == "/err"' --count)" 17 "the others of it"
note "$checked answers of four sources as one agree with the entries"

# ── calls that a proxy passed on: each counts once in a group, as its first hop there ──
cat >"$work/proxy.conf" <<N
worker_processes 1; daemon off; pid $work/proxy.pid; error_log $work/proxy.err; user root;
events { worker_connections 64; }
http { access_log off; client_body_temp_path $work/b2; proxy_temp_path $work/p2; fastcgi_temp_path $work/f2; uwsgi_temp_path $work/u2; scgi_temp_path $work/s2;
  server { listen $srv_ip:8090; location / { proxy_pass http://$srv_ip:8080; proxy_http_version 1.1; } } }
N
ip netns exec "$srv" nginx -c "$work/proxy.conf" 2>>"$work/proxy.err" &
started+=($!)
wait_until 10 "the proxy answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8090/api/ready"
fourth=$(date -u +%FT%T.%NZ)
for i in $(seq 10); do
  on_cli curl -s -o /dev/null -H "X-Request-Id: 7f3c$i-aggregates-hop-$i" "http://$srv_ip:8090/api/hop/$i"
  on_cli curl -s -o /dev/null -H "X-Request-Id: 9b1d$i-aggregates-err-$i" "http://$srv_ip:8090/err"
done
sleep 1.5
hops=$(t snapshot create hops --from "$fourth" --to "$(date -u +%FT%T.%NZ)" --wait) && t snapshot dissect "$hops" --wait || fail "snapshot"
equal "$(t entries --source "$hops" --filter 'hop == 2' --count)" 20 "calls at a second hop"
equal "$(t entries --source "$hops" --filter http --count)" 40 "entries"
id=$hops checked=0
for filter in http '' 'dst.port == 8080' 'hop > 1 || udp' 'response.body.contains("a")'; do
  for by in status protocol; do
    t timeline --source "$id" --by $by --buckets 40 --filter "$filter" --json >"$work/answer" && agree timeline "hops by $by, $filter" --filter "$filter"
  done
  for by in path_template,status dst.port src,dst,dst.port,protocol; do
    t top --source "$id" --by $by --filter "$filter" --json >"$work/answer" && agree top "hops by $by, $filter" --filter "$filter"
  done
done
equal "$(t top --source "$id" --by method --filter http --json | jq -c '[.calls, .groups[0].calls, .groups[0].errors]')" '[20,20,10]' "calls with two hops each"
equal "$(t top --source "$id" --by dst.port --filter http --json | jq -c '[.groups[] | [.keys[0], .calls]] | sort')" '[["8080",20],["8090",20]]' "both ends of the proxy"
equal "$(t timeline --source "$id" --filter http --json | jq .calls)" 20 "calls over time"
equal "$checked" 25 "answers that were compared"
note "a call at several hops counts once"

# ── what is recorded now beside a snapshot of the same time ──
t live on >/dev/null || fail "live on"
live_has() { [ "$(t entries --source live --filter "$1" --count 2>/dev/null)" = "$2" ]; }
traffic 3
wait_until 20 "live has the calls" live_has 'path == "/err"' 3
sleep 1.5
after=$(t snapshot create after --from "$zero" --wait) && t snapshot dissect "$after" --wait || fail "snapshot"
errors=$(t entries --source "live,$after" --filter 'path == "/err"' --count) || fail "live and a snapshot"
traffic 2
wait_until 20 "a process that has live and a snapshot follows" eval 'live_has "path == \"/err\"" 5 && [ "$(t entries --source "live,$after" --filter "path == \"/err\"" --count)" = $((errors + 2)) ]'
t live off >/dev/null || fail "live off"
sources=$after,live
t entries --source "live,$after" --filter http --jsonl >"$work/answer" || fail "live and a snapshot"
together page "live and a snapshot" --filter http
t timeline --source "live,$after" --filter http --json >"$work/answer"
together timeline "live and a snapshot over time" --filter http
note "what is recorded now counts once beside a snapshot of the same time"
