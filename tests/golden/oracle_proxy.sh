#!/bin/sh
# The PROXY protocol beside tshark over a recording of nginx that expects it, with curl (version 1) and a client of our own
# (version 2 with addresses of both families, LOCAL, TLVs): the same connections have a header, of the same bytes, and the call
# behind it is read as if it stood at the beginning (oracle_proxy.py).
set -eu
. "$(dirname "$0")/record.inc" nginx curl tshark
mkdir "$work/www"
printf 'hello, world\n' >"$work/www/hello.txt"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 256; }
http {
    log_format seen '\$proxy_protocol_addr \$proxy_protocol_port \$request_uri';
    access_log $work/access.log seen; client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    server { listen $SERVER_IP:8085 proxy_protocol; root $work/www; }
    server { listen $SERVER_IP:8086; root $work/www; }
}
CONF
serve nginx -c "$work/nginx.conf"
wait_for_port 8086
start_recording
for n in 1 2 3 4 5; do in_client curl -sSf --haproxy-protocol "http://$SERVER_IP:8085/hello.txt?curl=$n" -o "$work/body.$n"; done
in_client curl -sSf "http://$SERVER_IP:8086/hello.txt?plain=1" -o "$work/body.plain"
in_client python3 "$here/oracle_proxy.py" client "$SERVER_IP" 8085
stop_recording
python3 "$here/oracle_proxy.py" compare "$trawl" "$work/recording.pcap" "$work/access.log"
