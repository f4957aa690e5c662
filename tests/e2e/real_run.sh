#!/usr/bin/env bash
# The product's main job on real traffic: record, load with wrk, snapshot after the fact, dissect, filter, export; counts and packets are
# judged by nginx's log, wrk, tshark and capinfos.
. "$(dirname "$0")/lib.sh"
need nginx wrk tshark capinfos jq curl
make_hosts
start_trawl --ring-size 256MiB
start_nginx
for _ in 1 2 3; do on_cli curl -s -o /dev/null "http://$srv_ip:8080/err"; done
on_cli curl -s -o /dev/null "http://$srv_ip:8080/slow"
on_cli curl -s -o /dev/null -d 'a=1' "http://$srv_ip:8080/api/post"
on_cli curl -s --compressed -o /dev/null "http://$srv_ip:8080/p.json"
cat >"$work/w.lua" <<'L'
local n = 0
request = function()
  n = n + 1
  if n % 20 == 0 then return wrk.format("GET", "/err") end
  return wrk.format("GET", "/api/v1/orders/" .. n .. "?page=" .. n % 7)
end
L
on_cli wrk -t1 -c8 -d3s -s "$work/w.lua" "http://$srv_ip:8080/" >"$work/wrk.out" || fail "wrk: $(cat "$work/wrk.out")"
wrk_requests=$(awk '/requests in/ {print $1}' "$work/wrk.out")
sleep 1.5
note "wrk made $wrk_requests requests"

snapshot=$(t snapshot create "real run" --last 5m --wait) || fail "snapshot create"
show() { t snapshot show "$snapshot" --json; }
equal "$(show | jq -r .status)" Completed "status"
equal "$(show | jq -r '.drops.kernel + .drops.ring + .drops.disk')" 0 "drops"
t snapshot verify "$snapshot" >/dev/null || fail "verify"

t snapshot pcap "$snapshot" -o "$work/all.pcapng" || fail "pcap"
packets=$(capinfos -Mrc "$work/all.pcapng" | awk '/Number of packets/ {print $NF}' | tail -1)
[ -n "$packets" ] || packets=$(tshark -r "$work/all.pcapng" 2>/dev/null | wc -l)
equal "$packets" "$(show | jq -r .packets)" "packets in the export"
capinfos -o "$work/all.pcapng" | grep -q 'Strict time order: *True' || fail "the export is not in time order"
tshark -r "$work/all.pcapng" >/dev/null 2>"$work/tshark.err" || fail "tshark: $(cat "$work/tshark.err")"
first=$(tshark -r "$work/all.pcapng" -c 1 -T fields -e frame.time_epoch 2>/dev/null)
note "export: $packets packets from $first"

t snapshot dissect "$snapshot" --wait || fail "dissect"
equal "$(show | jq -r .status)" Dissected "status"
equal "$(show | jq '.dissections[0].progress.entries')" "$(t entries --source "$snapshot" --count)" "entries by the progress and by the store"
equal "$(show | jq '[.dissections[0].progress.per_protocol[]] | add')" "$(show | jq '.dissections[0].progress.entries')" "entries per protocol"
# Every request that nginx logged is an entry, with its status; requests it never answered (444) are entries without one.
logged=$(grep -vc '^444 ' "$work/nginx.log")
total=$(t entries --source "$snapshot" --filter 'http && status_code > 0' --count)
equal "$total" "$logged" "answered HTTP calls against nginx's log"
[ "$total" -ge "$wrk_requests" ] || fail "wrk counted $wrk_requests, entries $total"
for code in 200 503 404; do
  equal "$(t entries --source "$snapshot" --filter "http && status_code == $code" --count)" "$(grep -c "^$code " "$work/nginx.log")" "calls with $code"
done
equal "$(t entries --source "$snapshot" --filter 'http && status_code >= 500' --count)" "$(grep -c '^503 ' "$work/nginx.log")" "filter of errors"
equal "$(t entries --source "$snapshot" --filter 'path == "/slow" && status == "no_response"' --count)" 1 "the call that nobody answered"
entry=$(t entries --source "$snapshot" --filter 'method == "POST"' --jsonl)
equal "$(jq -r .request.body <<<"$entry")" 'a=1' "request body"
equal "$(jq -r .path <<<"$entry")" /api/post "path"
equal "$(t entries --source "$snapshot" --filter 'path == "/p.json"' --jsonl | jq -r .response.body)" '{"items":[1,2,3]}' "decoded gzip body"

# tshark agrees on requests and responses
equal "$(tshark -r "$work/all.pcapng" -d tcp.port==8080,http -Y 'http.response.code == 503' -T fields -e http.response.code 2>/dev/null | tr ',' '\n' | grep -c 503)" "$(grep -c '^503 ' "$work/nginx.log")" "tshark's 503s"

# the export of a display filter holds exactly the connections of the matching calls
t snapshot pcap "$snapshot" --filter 'path == "/api/post"' -o "$work/post.pcapng" || fail "pcap by filter"
equal "$(tshark -r "$work/post.pcapng" -T fields -e tcp.stream 2>/dev/null | sort -u | wc -l)" 1 "connections in the filtered export"
equal "$(tshark -r "$work/post.pcapng" -d tcp.port==8080,http -Y http.request -T fields -e http.request.uri 2>/dev/null)" /api/post "its request"

# offline, without the hub: the same entries
t snapshot pcap "$snapshot" -o "$work/off.pcapng" && "$TRAWL" dissect "$work/off.pcapng" --jsonl >"$work/off.jsonl" || fail "offline dissect"
equal "$(jq -r 'select(.protocol == "http" and (.status_code // 0) > 0) | .id' "$work/off.jsonl" | sort | md5sum)" \
  "$(t entries --source "$snapshot" --filter 'http && status_code > 0' --jsonl | jq -r .id | sort | md5sum)" "entry ids offline and online"

bytes=$(show | jq -r .size_bytes)
freed=$(t snapshot delete "$snapshot" --json | jq -r .freed_bytes)
[ "$freed" -ge "$bytes" ] || fail "delete freed $freed of $bytes bytes"
stop_trawl
echo "wrk $wrk_requests, nginx $logged, entries $total, packets $packets"
