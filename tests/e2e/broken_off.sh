#!/usr/bin/env bash
# What a snapshot gives out after its files went or were altered: what can be known before the head of the answer is a status with a
# sentence; what fails half-way is in the hub's log and reaches the command line with its reason, and leaves no file under its final name.
. "$(dirname "$0")/lib.sh"
need jq curl python3
make_hosts

# Calls with bodies that do not fit an entry, and one that unpacks to 3 GB.
cat >"$work/server.py" <<'P'
import http.server, random, zlib
big = random.Random(1).randbytes(3 << 20)
z = zlib.compressobj(9, zlib.DEFLATED, 31)
bomb = z.compress(bytes(1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)
bomb += (z.compress(bytes(1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)) * 3071
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = bomb if self.path.startswith("/bomb") else big if self.path.startswith("/big") else (self.path * 200).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith("/bomb"):
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("10.77.0.1", 8080), H).serve_forever()
P
ip netns exec "$srv" python3 "$work/server.py" &
started+=($!)
wait_until 20 "the server answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8080/first"
start_trawl --ring-size 64MiB --iface eth0
for path in big bomb; do on_cli curl -sf -o /dev/null "http://$srv_ip:8080/$path" || fail "curl"; sleep 0.3; done
on_cli curl -sf -o /dev/null "http://$srv_ip:8080/call/[1-400]" || fail "curl"
sleep 1.5
id=$(t snapshot create s --last 1m --dissect --wait) || fail "create"
folder=$work/data/snapshots/$id
equal "$(t snapshot show "$id" --json | jq '.drops | add')" 0 "packets lost while recording"
big=$(t entries --source "$id" --filter 'path == "/big"' --jsonl | jq -r .id)
bomb=$(t entries --source "$id" --filter 'path == "/bomb"' --jsonl | jq -r .id)
[ -n "$big" ] && [ -n "$bomb" ] || fail "the calls are not there"

# refused STATUS PATH WORDS: a problem document with a sentence, nothing of it in the log as broken off
refused() {
  local status
  status=$(api GET "$2" -o "$work/answer" -w '%{http_code}')
  equal "$status" "$1" "$2: $(head -c 300 "$work/answer")"
  jq -r .detail "$work/answer" | grep -q "$3" || fail "$2 says: $(cat "$work/answer")"
  jq -r .detail "$work/answer" | grep -qF "$work" && fail "$2 names a path of the hub: $(cat "$work/answer")"
  return 0
}
# breaks WORDS COMMAND…: fails with the reason, which the log has too, and leaves nothing behind
breaks() {
  local words=$1
  shift
  rm -f "$work/result"*
  t "$@" -o "$work/result" 2>"$work/err" && fail "$* succeeded"
  grep -q "broke off half-way: .*$words" "$work/err" || fail "$* says: $(cat "$work/err")"
  ls "$work"/result* >/dev/null 2>&1 && fail "$* left $(ls "$work"/result*)"
  grep 'answer broke off' "$work/up.err" | tail -n 1 | grep -q "$words" || fail "the hub's log does not say it: $(tail -n 3 "$work/up.err")"
}

# ── half-way: a body that unpacks to 3 GB ──
breaks "more than 200 times its size" entry "$bomb" --source "$id" --body response
# a plain client sees an answer that is not whole, and finds the reason by the answer's name
api GET "/api/v1/entries/$id/$bomb/body/response" -o /dev/null -D "$work/head" 2>/dev/null && fail "curl takes a part for the whole"
request=$(tr -d '\r' <"$work/head" | sed -n 's/^X-Request-Id: //Ip')
api GET "/api/v1/failures/$request" | jq -e '.status >= 400 and (.detail | length > 20)' >/dev/null || fail "the reason is not found by $request"
equal "$(api GET /api/v1/failures/00000000000000000000000000000000 -o /dev/null -w '%{http_code}')" 404 "an unknown request"

# ── half-way: an archive whose file was altered unseen (the same size, the time set back) ──
file=$(ls "$folder"/nodes/*/*.pcapng | head -1)
cp -p "$file" "$work/whole"
own() { chown --reference="$folder" "$file"; } # the hub is nobody special
alter() { cp -p "$work/whole" "$work/altered" && printf 'x' | dd of="$work/altered" bs=1 seek=$(($(stat -c %s "$work/whole") / 2)) conv=notrunc status=none; }
alter && touch -r "$work/whole" "$work/altered" && rm "$file" && cp -p "$work/altered" "$file" && own
breaks "does not match its SHA-256" snapshot download "$id"

# ── known before: altered, and the time says so ──
sleep 0.1
alter && rm "$file" && cp "$work/altered" "$file" && own
t snapshot pcap "$id" -o "$work/pcap" 2>"$work/err" || fail "the rest is not given out: $(cat "$work/err")"
grep -q "note: 1 file changed since the recording: nodes/.*no longer matches its SHA-256" "$work/err" || fail "pcap does not say it: $(cat "$work/err")"
refused 422 "/api/v1/entries/$id/$big/body/response" "changed since it was recorded (it no longer matches its SHA-256)"
refused 422 "/api/v1/entries/$id/$big/packets" "changed since it was recorded"
refused 422 "/api/v1/entries/$id/$big/stream" "changed since it was recorded"
head -c 100000 "$work/whole" >"$file"
refused 422 "/api/v1/entries/$id/$big/packets" "it has another size"
refused 422 "/api/v1/snapshots/$id/archive" "changed since it was recorded (it has 100000 bytes"

# ── younger but the same (a restored backup): as if nothing had been ──
cp "$work/whole" "$file" && own
t entry "$big" --source "$id" --body response -o "$work/body" 2>"$work/err" || fail "a restored file: $(cat "$work/err")"
equal "$(stat -c %s "$work/body")" $((3 << 20)) "the body of a restored file"
[ "$(api GET "/api/v1/entries/$id/$big/packets" | jq '.packets | length')" -gt 3 ] || fail "packets of a restored file"
t snapshot pcap "$id" -o "$work/pcap" 2>"$work/err" && [ ! -s "$work/err" ] || fail "pcap of a restored file: $(cat "$work/err")"

# ── known before: gone ──
rm "$file"
refused 410 "/api/v1/entries/$id/$big/body/response" "packets of this snapshot are gone"
refused 410 "/api/v1/entries/$id/$big/packets" "packets of this snapshot are gone (nodes/"
refused 410 "/api/v1/entries/$id/$big/stream" "packets of this snapshot are gone"
refused 410 "/api/v1/entries/$id/$big/pcap" "packets of this snapshot are gone"
refused 410 "/api/v1/snapshots/$id/pcap" "packets of this snapshot are gone"
refused 410 "/api/v1/snapshots/$id/pcap/estimate" "packets of this snapshot are gone"
refused 410 "/api/v1/snapshots/$id/archive" "is gone"
t snapshot pcap "$id" -o "$work/gone" 2>"$work/err" && fail "pcap of what is gone"
grep -q "packets of this snapshot are gone" "$work/err" && [ ! -e "$work/gone" ] || fail "pcap of what is gone: $(cat "$work/err")"
cp "$work/whole" "$file" && own

# ── half-way: a damaged block in the middle of an export of entries ──
payload=$(ls "$folder"/dissections/*/part-000001/payload.blk | head -1)
[ -n "$payload" ] || payload=$(find "$folder" -name payload.blk | head -1)
at=$(($(stat -c %s "$payload") - 200))
printf '\377\377\377\377' | dd of="$payload" bs=1 seek="$at" conv=notrunc status=none
t entries --source "$id" --jsonl >"$work/lines" 2>"$work/err" && fail "entries with a damaged block"
grep -qi "damaged at offset" "$work/err" || fail "entries says: $(cat "$work/err")"
grep -qF "$work" "$work/err" && fail "a path of the hub: $(cat "$work/err")"

# ── the columns of the entries: DuckDB's own words stay in the log ──
columns=$(dirname "$payload")/columns.duckdb
head -c "$(stat -c %s "$columns")" /dev/zero >"$columns"
stop_trawl
start_trawl --ring-size 64MiB --iface eth0
for call in "entries --source $id --limit 3" "top --source $id --by method" "entry $big --source $id" "map --source $id" "compare $id $id"; do
  # shellcheck disable=SC2086
  t $call >"$work/out" 2>"$work/err" && fail "$call answers without columns: $(cat "$work/out")"
  grep -q "dissect again" "$work/err" || fail "$call says: $(cat "$work/err")"
  grep -qiE "$work|duckdb|IO Error|/part-" "$work/err" && fail "$call shows the inside: $(cat "$work/err")"
done
grep -q 'cause=".*columns.duckdb' "$work/up.err" || fail "the log does not say what the store said"
stop_trawl
echo "what breaks off says why"
