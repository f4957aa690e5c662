#!/usr/bin/env bash
# Bodies larger than what an entry keeps (1 MiB) are read back from the snapshot's packets: with a length, in chunks, gzip, uploads, over HTTP/1
# and HTTP/2, byte for byte. Once the packets are gone the answer is 410 and says so.
. "$(dirname "$0")/lib.sh"
need jq curl nginx python3 h2load nghttp sha256sum
make_hosts
start_trawl --ring-size 256MiB
mkdir -p "$work/www" "$work/put"
head -c 5242880 /dev/urandom >"$work/www/random.bin"
# text that gzip makes small, more than 1 MiB of it both ways
python3 - "$work/www/text.txt" <<'P'
import random, sys
random.seed(7)
words = ["".join(random.choice("abcdefghij") for _ in range(6)) for _ in range(4000)]
with open(sys.argv[1], "w") as f:
    n = 0
    while n < 6 * 1024 * 1024:
        n += f.write(" ".join(random.choice(words) for _ in range(12)) + "\n")
P
# one that is below the cap on the wire and beyond it when decoded
python3 -c "import sys; open(sys.argv[1], 'w').write('0123456789abcdef' * 100000 + 'end')" "$work/www/small.txt"
cat >"$work/nginx.conf" <<N
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/nginx.err; user root;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  gzip on; gzip_types text/plain; gzip_min_length 10; gzip_http_version 1.0; gzip_comp_level 1; client_max_body_size 64m;
  types { text/plain txt; application/octet-stream bin; }
  server { listen $srv_ip:8080; root $work/www; location /put/ { alias $work/put/; dav_methods PUT; } }
  server { listen $srv_ip:8082 http2; root $work/www; location /put/ { alias $work/put/; dav_methods PUT; } } }
N
ip netns exec "$srv" nginx -c "$work/nginx.conf" 2>>"$work/nginx.err" &
started+=($!)
wait_until 10 "nginx answers" on_cli curl -sf -o /dev/null "http://$srv_ip:8080/small.txt"
get() { on_cli curl -sSf --retry 2 --retry-all-errors -o "$work/got" "$@" || fail "curl $*: $?"; sleep 0.3; } # a recorder on a loaded machine keeps up
# Uploads over HTTP/2: by nghttp, as Debian 12's curl sends frames anew when its socket is full.
put() { # name, option of nghttp for HTTP/2, of curl for HTTP/1, path
  if [ "$1" = h2 ]; then
    on_cli nghttp $2 -H ':method: PUT' -d "$work/www/random.bin" "http://$srv_ip:8082/put/$4" >"$work/nghttp" 2>&1 || fail "nghttp $4: $(cat "$work/nghttp")"
  else
    get --http1.1 -T "$3" "http://$srv_ip:8080/put/$4" <"$work/www/random.bin"
  fi
  cmp -s "$work/put/$4" "$work/www/random.bin" || fail "nginx got other bytes for $4"
  sleep 0.3
}
one() { # name, HTTP version flag, port
  get $2 "http://$srv_ip:$3/random.bin?$1" && cmp -s "$work/got" "$work/www/random.bin" || fail "curl got other bytes"
  get $2 --compressed "http://$srv_ip:$3/text.txt?$1"
  get $2 --compressed "http://$srv_ip:$3/small.txt?$1"
  put $1 "" "$work/www/random.bin" length-$1
  put $1 --no-content-length - chunked-$1
}
one h1 --http1.1 8080
one h2 --http2-prior-knowledge 8082
# two streams at the same time on one connection
on_cli h2load -n 2 -c 1 -m 2 "http://$srv_ip:8082/random.bin?both1" "http://$srv_ip:8082/random.bin?both2" >"$work/h2load" 2>&1 || fail "both: $(cat "$work/h2load")"
sleep 1.5
id=$(t snapshot create bodies --last 2m --wait) || fail "create"
t snapshot dissect "$id" --wait >/dev/null || fail "dissect"
entry() { t entries --source "$id" --filter "http && $1" --fields id --jsonl | jq -r .id | head -1; }
body() { # id, half: into $work/body; the status
  api GET "/api/v1/entries/$id/$1/body/$2" -o "$work/body" -D "$work/headers" -w '%{http_code}'
}
same() { # what, id, half, file
  [ -n "$2" ] || fail "$1: no entry"
  equal "$(body "$2" "$3")" 200 "$1"
  grep -qi '^x-truncated' "$work/headers" && fail "$1: only its beginning: the recording lost packets: $(t snapshot show "$id" --json | jq -c .drops)"
  equal "$(sha256sum <"$work/body")" "$(sha256sum <"$4")" "$1"
  grep -qi '^content-disposition: attachment' "$work/headers" || fail "$1 is no attachment"
}
for v in h1 h2; do
  e=$(entry "path == \"/random.bin\" && query_string[\"$v\"] == \"\" && '$v' in query_string")
  same "5 MiB, $v" "$e" response "$work/www/random.bin"
  grep -qi '^content-length: 5242880' "$work/headers" || fail "a body without coding has its length: $(cat "$work/headers")"
  same "gzip, $v" "$(entry "path == \"/text.txt\" && '$v' in query_string")" response "$work/www/text.txt"
  same "gzip that grows, $v" "$(entry "path == \"/small.txt\" && '$v' in query_string")" response "$work/www/small.txt"
  same "upload, $v" "$(entry "path == \"/put/length-$v\"")" request "$work/www/random.bin"
  same "chunked upload, $v" "$(entry "path == \"/put/chunked-$v\"")" request "$work/www/random.bin"
done
same "beside another stream" "$(entry "path == \"/random.bin\" && 'both2' in query_string")" response "$work/www/random.bin"
# the command
e=$(entry "path == \"/random.bin\" && 'h1' in query_string")
t entry "$e" --source "$id" --body response -o "$work/cli" || fail "trawl entry"
cmp -s "$work/cli" "$work/www/random.bin" || fail "trawl entry gave other bytes"
t entry "$e" --source "$id" | jq -e '.path == "/random.bin"' >/dev/null || fail "trawl entry shows no entry"

# the packets go, the entries stay
rm "$work/data/snapshots/$id"/nodes/*/*.pcapng
equal "$(body "$e" response)" 410 "packets that are gone"
grep -q "The packets of this snapshot are gone" "$work/body" || fail "no sentence: $(cat "$work/body")"
t entry "$e" --source "$id" --body response -o "$work/gone" 2>"$work/err" && fail "trawl entry gives what is gone"
grep -q "packets of this snapshot are gone" "$work/err" || fail "no sentence: $(cat "$work/err")"
[ ! -e "$work/gone" ] || fail "a file of nothing"
stop_trawl
echo "bodies beyond the cap come back byte for byte"
