#!/bin/sh
# openssl s_server and nginx with openssl s_client and curl: TLS 1.2 and 1.3, ALPN, session resumption, a refused
# cipher suite, a retried hello, DTLS. What the clients printed is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" openssl nginx curl
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/C=DE/O=Example Org/CN=shop.example" -keyout "$work/key.pem" \
    -out "$work/cert.pem" >/dev/null 2>&1
not_after=$(date -u -d "$(openssl x509 -in "$work/cert.pem" -noout -enddate | cut -d= -f2)" +%Y-%m-%dT%H:%M:%S.000000000Z)
for server_options in "4430 -tls1_3" "4431 -tls1_2" "4432 -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384" \
    "4433 -tls1_3 -groups P-384"; do
    set -- $server_options
    port=$1
    shift
    serve openssl s_server -accept "$SERVER_IP:$port" -cert "$work/cert.pem" -key "$work/key.pem" -alpn h2,http/1.1 -www \
        -quiet "$@"
done
serve openssl s_server -dtls1_2 -accept "$SERVER_IP:4434" -cert "$work/cert.pem" -key "$work/key.pem" -quiet
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fcgi; uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    server { listen $SERVER_IP:4440 ssl; ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
             ssl_protocols TLSv1.2; return 200 "secret\n"; }
}
CONF
serve nginx -c "$work/nginx.conf"
for port in 4430 4431 4432 4433 4440; do wait_for_port $port; done
start_recording
in_client python3 "$here/record_tls_client.py" "$SERVER_IP" "$work" "$not_after" >"$work/expected.jsonl"
stop_recording
compare tlsx
