#!/usr/bin/env bash
# `snapshot dissect --keys`: TLS 1.3 of nginx over HTTP/1.1 and HTTP/2, recorded without anybody's help and decrypted afterwards with the
# clients' key log. Every call of nginx's log is an entry; without the keys none is. The key log stays nowhere.
. "$(dirname "$0")/lib.sh"
need jq curl nginx openssl python3
make_hosts
start_trawl --ring-size 64MiB
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=shop.example" -keyout "$work/key" -out "$work/pem" >/dev/null 2>&1
mkdir "$work/www"
printf '{"items":[1,2,3]}' >"$work/www/small.json"
cat >"$work/nginx.conf" <<N
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/nginx.err; user root;
events { worker_connections 64; }
http {
  log_format calls '\$request_method \$request_uri \$status'; access_log $work/access.log calls;
  client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  server { listen $srv_ip:4443 ssl http2; root $work/www; ssl_certificate $work/pem; ssl_certificate_key $work/key; ssl_protocols TLSv1.3;
    location /fails { return 503 "no\n"; } } }
N
ip netns exec "$srv" nginx -c "$work/nginx.conf" 2>>"$work/nginx.err" &
started+=($!)
wait_until 10 "nginx answers" on_cli curl -ksf -o /dev/null "https://$srv_ip:4443/small.json"
: >"$work/access.log"
on_srv kill -USR1 "$(cat "$work/nginx.pid")" # a log of its own
sleep 0.5
umask 077
for i in $(seq 20); do
  on_cli env SSLKEYLOGFILE="$work/keys.log" curl -ks --http1.1 -o /dev/null "https://$srv_ip:4443/small.json?one=$i" || fail "curl"
  on_cli env SSLKEYLOGFILE="$work/keys.log" curl -ks --http2 -o /dev/null "https://$srv_ip:4443/small.json?two=$i" -o /dev/null "https://$srv_ip:4443/fails?two=$i" || fail "curl"
done
umask 022
sleep 1.5
id=$(t snapshot create keys --last 1m --wait) || fail "create"
t snapshot dissect "$id" --wait >/dev/null || fail "dissect without keys"
equal "$(t entries --source "$id" --filter 'http && dst.port == 4443' --count)" 0 "calls without keys"
t snapshot dissect "$id" --name opened --keys "$work/keys.log" --wait >"$work/out" || fail "dissect with keys"
t entries --source "$id/opened" --filter 'http && tls && dst.port == 4443' --jsonl >"$work/entries"
jq -r '"\(.method) \(.url | sub("https?://[^/]*"; "")) \(.status_code)"' "$work/entries" | sort >"$work/ours"
sort "$work/access.log" >"$work/theirs"
[ -s "$work/theirs" ] || fail "nginx logged nothing"
# the first probe of the server came before the key log
python3 - "$work/ours" "$work/theirs" <<'P' || fail "entries and nginx's log differ"
import sys
ours, theirs = (open(p).read().splitlines() for p in sys.argv[1:])
theirs = [x for x in theirs if "?" in x]
for x in set(ours) ^ set(theirs): print(x)
sys.exit(ours != theirs or len(ours) != 60)
P
equal "$(jq -r 'select(.path == "/small.json") | .response.body' "$work/entries" | sort -u)" '{"items":[1,2,3]}' "bodies"
# the secrets are nowhere on the hub's disk, nor in what it logged
secret=$(awk '!/^#/ {print $3; exit}' "$work/keys.log")
[ ${#secret} -ge 64 ] || fail "no secret in the key log"
grep -rqiF "$secret" "$work/data" "$work/up.out" "$work/up.err" && fail "a secret was kept: $(grep -rliF "$secret" "$work/data" "$work/up.out" "$work/up.err")"
grep -q 'name=opened with keys' "$work/data/audit.jsonl" || fail "the audit log does not say that keys were used"
# hostile and useless ones
printf 'not a key log\n' >"$work/bad.log"
t snapshot dissect "$id" --keys "$work/bad.log" 2>"$work/err" && fail "a file without secrets is taken"
grep -q "holds no TLS secrets" "$work/err" || fail "no sentence: $(cat "$work/err")"
t snapshot dissect "$id" --keys "$work/absent.log" 2>"$work/err" && fail "an absent file is taken"
grep -q "absent.log cannot be read" "$work/err" || fail "no sentence: $(cat "$work/err")"
head -c 9000000 /dev/zero | tr '\0' 'a' >"$work/big.log"
t snapshot dissect "$id" --keys "$work/big.log" 2>"$work/err" && fail "9 MB are taken"
grep -q "8 MiB" "$work/err" || fail "no sentence: $(cat "$work/err")"
post() { api POST "/api/v1/snapshots/$id/dissections" -H 'Content-Type: application/json' --data-binary "@$1" -o "$work/answer" -w '%{http_code}'; }
printf '{"name":"hostile","keys":"%s"}' "$(printf 'CLIENT_RANDOM \\u0001 zz\\n%.0s' $(seq 1000))" >"$work/json"
equal "$(post "$work/json")" 202 "keys that are none"
state() { api GET "/api/v1/snapshots/$id/dissections/hostile" | jq -r .state; }
wait_until 20 "the dissection ends" eval '[ "$(state)" != running ]'
equal "$(api GET "/api/v1/snapshots/$id/dissections/hostile" | jq -r '.state + ": " + .reason')" "failed: the key log holds no TLS secrets." "keys that are none"
python3 -c 'import json, sys; json.dump({"keys": "a" * 8500000}, open(sys.argv[1], "w"))' "$work/json"
equal "$(post "$work/json")" 413 "8.5 MB of keys"
printf '{"keys":["a"]}' >"$work/json"
equal "$(post "$work/json")" 400 "keys that are no text"
stop_trawl
echo "TLS 1.3 is read afterwards with a key log, and the key log stays nowhere"
