#!/bin/sh
# nghttpd and nghttpx with curl, nghttp and h2load: prior knowledge, h2c upgrade, padding, CONTINUATION, trailers, push,
# small windows, table sizes, TLS, thousands of calls on connections with 40 streams at once. What the clients saw is what the
# entries must say; then the same with 1 % of the packets gone and joined in the middle (record_http2_cut.py).
set -eu
. "$(dirname "$0")/record.inc" nghttpd nghttpx nghttp h2load curl openssl
mkdir "$work/www"
printf 'hello, world\n' >"$work/www/hello.txt"
printf 'stored\n' >"$work/www/echo"
printf '<p>pushes\n' >"$work/www/pushes.html"
python3 -c "print('{\"rows\":[' + ','.join('{\"n\":%d}' % i for i in range(20000)) + ']}')" >"$work/www/big.json"
serve nghttpd --no-tls -a "$SERVER_IP" -d "$work/www" -p /pushes.html=/hello.txt --trailer="x-served: yes" 8081
serve nghttpd --no-tls -a 127.0.0.1 -d "$work/www" 8082
serve nghttpx --frontend="$SERVER_IP,8083;no-tls" --backend="127.0.0.1,8082;;proto=h2" --workers=1 \
    --conf=/dev/null --errorlog-file=/dev/stderr --accesslog-file=/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=h2 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
serve nghttpd -a "$SERVER_IP" -d "$work/www" 8443 "$work/key.pem" "$work/cert.pem"
wait_for_port 8081
wait_for_port 8443
wait_for_port 8083
start_recording
in_client python3 "$here/record_http2_client.py" "$SERVER_IP" 8081 8083 "$work/www" >"$work/expected.jsonl"
in_client env SSLKEYLOGFILE="$work/keys" python3 "$here/record_http2_client.py" "$SERVER_IP" tls 8443 "$work/www" >"$work/expected_tls.jsonl"
stop_recording
compare http
# Inside TLS, with the client's secrets.
cat "$work/expected.jsonl" >>"$work/expected_tls.jsonl"
"$trawl" dissect "$work/recording.pcap" --keys "$work/keys" --jsonl --protocols http >"$work/entries_tls.jsonl"
python3 "$here/record_compare.py" "$work/expected_tls.jsonl" "$work/entries_tls.jsonl"
python3 "$here/record_http2_cut.py" "$trawl" "$work/recording.pcap"
