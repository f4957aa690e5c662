#!/bin/sh
# Two proxies on the way (client → nginx → nginx → nginx with the answers), recorded where all three hops pass: each call is three entries, linked
# as hop 1, 2 and 3 of 3, by the ports that the three access logs name. Calls without an id are linked to none. The same for any number of threads.
set -eu
. "$(dirname "$0")/record.inc" nginx
mkdir "$work/www"
printf 'hello, world\n' >"$work/www/hello.txt"
head -c 20000 /dev/zero | tr '\0' x >"$work/www/big.txt"
proxy() { # name, listen, upstream
    cat <<CONF
    upstream up-$1 { server $3; keepalive 8; }
    server {
        listen $2; access_log $work/$1.log seen;
        location / { proxy_pass http://up-$1; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For \$remote_addr; }
    }
CONF
}
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 1024; }
http {
    log_format seen '\$http_x_request_id|\$request_uri|\$status|\$remote_port|\$server_port';
    keepalive_requests 10000; types { text/plain txt; }
    client_body_temp_path $work/body; proxy_temp_path $work/temp; fastcgi_temp_path $work/fcgi; uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
$(proxy front "$SERVER_IP:8081" 127.0.0.1:8082)
$(proxy middle 127.0.0.1:8082 127.0.0.1:8083)
    server {
        listen 127.0.0.1:8083; access_log $work/back.log seen; root $work/www;
        location /fails { return 503 "no\n"; }
        location /put { client_max_body_size 4m; return 201 "stored\n"; }
    }
}
CONF
serve nginx -c "$work/nginx.conf"
wait_for_port 8081
ip netns exec "$server" tcpdump -i any -n -U --immediate-mode -B 65536 -s 0 -w "$work/recording.pcap" >"$work/tcpdump.log" 2>&1 &
recorder=$!
pids="$pids $recorder"
for _ in $(seq 100); do grep -q 'listening on' "$work/tcpdump.log" 2>/dev/null && break; sleep 0.05; done
: >"$work/front.log"; : >"$work/middle.log"; : >"$work/back.log"
in_client python3 "$here/record_hops_client.py" "$SERVER_IP" 8081 >"$work/ids"
stop_recording
for threads in 1 2 7; do
    "$trawl" dissect "$work/recording.pcap" --jsonl --protocols http --threads $threads >"$work/entries-$threads.jsonl"
    cmp "$work/entries-1.jsonl" "$work/entries-$threads.jsonl"
done
python3 "$here/record_hops_compare.py" "$work" "$work/entries-1.jsonl"
n=$("$trawl" dissect "$work/recording.pcap" --jsonl --filter 'http && hop == 1 && hop_count == 3' | wc -l)
[ "$n" = "$(wc -l <"$work/ids")" ] || { echo "the filter finds $n calls at their first hop"; exit 1; }
