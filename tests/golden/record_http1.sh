#!/bin/sh
# nginx with curl and a client of our own: keep-alive, pipelining, chunked, gzip, HEAD, 100-continue, errors, a refused
# and a broken-off call. What the clients saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" nginx curl
mkdir "$work/www"
printf 'hello, world\n' >"$work/www/hello.txt"
python3 -c "print('{\"rows\":[' + ','.join('{\"n\":%d}' % i for i in range(20000)) + ']}')" >"$work/www/big.json"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 256; }
http {
    access_log off; keepalive_requests 10000; types { application/json json; text/plain txt; }
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fcgi; uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi; gzip on; gzip_types application/json; gzip_min_length 100;
    server {
        listen $SERVER_IP:8080; root $work/www;
        location = /fails { return 500 "oops\n"; }
        location = /moved { return 302 /hello.txt; }
        location = /empty { return 204; }
        location /put/ { client_max_body_size 1k; rewrite ^ /echo break; proxy_pass http://$SERVER_IP:8080; }
        location = /echo { return 201 "stored\n"; }
    }
}
CONF
serve nginx -c "$work/nginx.conf"
wait_for_port 8080
start_recording
in_client python3 "$here/record_http1_client.py" "$SERVER_IP" 8080 "$work/www" >"$work/expected.jsonl"
stop_recording
compare http
compare_losses http
