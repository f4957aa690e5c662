#!/bin/sh
# nginx over TLS 1.0 to 1.3 with every cipher suite that both have, HTTP/1.1 and HTTP/2, resumption, early data, key updates; curl and
# openssl write a key log. With it the entries must be the clients' calls; without it none may appear. The secrets also come as a
# decryption secrets block, and from a capture that lost packets only what was lost may differ.
set -eu
. "$(dirname "$0")/record.inc" openssl nginx curl editcap tshark
cat >"$work/openssl.cnf" <<CONF
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = everything
[everything]
MinProtocol = TLSv1
CipherString = ALL:COMPLEMENTOFALL:@SECLEVEL=0
CONF
export OPENSSL_CONF="$work/openssl.cnf"
for kind in "rsa rsa:2048" "ec ec"; do
    set -- $kind
    openssl req -x509 -newkey "$2" $([ "$1" = ec ] && echo "-pkeyopt ec_paramgen_curve:P-256") -nodes -days 30 -subj "/CN=shop.example" \
        -keyout "$work/$1.key" -out "$work/$1.pem" >/dev/null 2>&1
done
mkdir "$work/www"
printf '{"items":[1,2,3]}' >"$work/www/small.json"
python3 -c 'import sys; sys.stdout.write("0123456789abcdef" * 20000)' >"$work/www/large.txt"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 64; }
http {
    log_format calls '\$request_method \$request_uri \$status \$body_bytes_sent \$ssl_early_data';
    access_log $work/access.log calls;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fcgi; uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    server { listen $SERVER_IP:4443 ssl http2; root $work/www;
             ssl_certificate $work/rsa.pem; ssl_certificate_key $work/rsa.key;
             ssl_certificate $work/ec.pem; ssl_certificate_key $work/ec.key;
             ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0; ssl_early_data on;
             ssl_session_tickets on;
             location /fails { return 503 "no\n"; }
             location /post { return 200 "ok\n"; } } }
CONF
serve nginx -c "$work/nginx.conf"
wait_for_port 4443
start_recording
in_client python3 "$here/record_tls_keys_client.py" "$SERVER_IP" "$work" >"$work/expected.jsonl"
stop_recording
"$trawl" dissect "$work/recording.pcap" --keys "$work/keys.log" --jsonl --protocols http >"$work/entries.jsonl"
python3 "$here/record_compare.py" "$work/expected.jsonl" "$work/entries.jsonl"
[ "$(jq -c 'select(.tls != true)' "$work/entries.jsonl" | wc -l)" = 0 ] || { echo "an entry does not say that it was decrypted"; exit 1; }
[ "$("$trawl" dissect "$work/recording.pcap" --jsonl --protocols http | wc -l)" = 0 ] || { echo "calls without keys"; exit 1; }
# nginx's log is a second witness
[ "$(wc -l <"$work/access.log")" = "$(wc -l <"$work/entries.jsonl")" ] || { echo "nginx logged $(wc -l <"$work/access.log") calls"; exit 1; }
# the same from a decryption secrets block
editcap --inject-secrets "tls,$work/keys.log" "$work/recording.pcap" "$work/secrets.pcapng"
ids() { jq -r '[.id, .summary, .response.body_size] | @tsv' "$1" | sort; }
"$trawl" dissect "$work/secrets.pcapng" --jsonl --protocols http >"$work/dsb.jsonl"
ids "$work/dsb.jsonl" >"$work/a"; ids "$work/entries.jsonl" >"$work/b"
cmp "$work/a" "$work/b" || { echo "a decryption secrets block gives other entries than the key log"; exit 1; }
# handshakes look the same with and without keys
for keys in "" "--keys $work/keys.log"; do
    "$trawl" dissect "$work/recording.pcap" $keys --jsonl --protocols tlsx | jq -c 'del(.index)' | sort >"$work/hello${keys:+.keys}"
done
cmp "$work/hello" "$work/hello.keys" || { echo "the handshakes differ with keys"; exit 1; }
# tshark opens as many requests
tshark -r "$work/recording.pcap" -o "tls.keylog_file:$work/keys.log" -Y 'http.request || http2.headers.method' -T fields -e http.request.uri \
    -e http2.headers.path 2>/dev/null | tr ',\t' '\n\n' | grep -c '^/' >"$work/tshark"
echo "tshark finds $(cat "$work/tshark") requests, $(wc -l <"$work/entries.jsonl") entries"
[ "$(cat "$work/tshark")" = "$(wc -l <"$work/entries.jsonl")" ] || exit 1
# 2 % of the packets are missing: what is complete is as it was
python3 "$here/record_tls_keys_loss.py" "$work" "$trawl"
