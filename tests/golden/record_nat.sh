#!/bin/sh
# A node that translates addresses (nftables: DNAT, and DNAT with masquerading) between clients and servers, recorded on both
# sides of it: every call is one entry with the addresses of both sides, as the client and nginx wrote them down; the same
# with packets lost at either side, with a side that joins late, and on "any". Two servers asked the same thing at once are
# two entries.
set -eu
. "$(dirname "$0")/record.inc" nft nginx dnsmasq
node=tg-n-$$
nat_finish() { code=$?; set +e; ip netns del "$node" 2>/dev/null || :; (exit $code); finish; }
trap nat_finish EXIT
ip netns add "$node"
in_node() { ip netns exec "$node" "$@"; }
# client 10.199.78.2 ─ 10.199.78.1 node 10.199.79.1 ─ 10.199.79.2 server; the services live at 10.199.80.*
ip -n "$client" link del "tg$$"
ip link add in0 netns "$node" type veth peer name up0 netns "$client"
ip link add out0 netns "$node" type veth peer name up0 netns "$server"
ip -n "$node" addr add 10.199.78.1/24 dev in0
ip -n "$node" addr add 10.199.79.1/24 dev out0
ip -n "$client" addr add 10.199.78.2/24 dev up0
ip -n "$server" addr add 10.199.79.2/24 dev up0
ip -n "$server" addr add 10.199.79.3/24 dev up0
for link in "$node in0" "$node out0" "$node lo" "$client up0" "$server up0"; do ip -n ${link% *} link set ${link#* } up; done
ip -n "$client" route add default via 10.199.78.1
ip -n "$server" route add default via 10.199.79.1
in_node sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
in_node nft -f - <<NFT || { echo "skipped: no address translation in this kernel"; exit 77; }
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        ip daddr 10.199.80.1 tcp dport 80 dnat to 10.199.79.2:8080
        ip daddr 10.199.80.2 tcp dport 80 dnat to 10.199.79.2:8080
        ip daddr 10.199.80.1 tcp dport 81 dnat to 10.199.79.2:8099
        ip daddr 10.199.80.1 udp dport 53 dnat to 10.199.79.2:5300
        ip daddr 10.199.80.2 udp dport 53 dnat to 10.199.79.2:5300
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ct original ip daddr 10.199.80.2 oifname out0 masquerade random
    }
}
NFT
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log; user root;
events { worker_connections 512; }
http {
    log_format seen '\$remote_addr \$remote_port \$request_uri'; access_log $work/seen.log seen;
    keepalive_requests 10000; client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fcgi;
    uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
    server { listen 10.199.79.2:8080; location / { return 200 "you asked for \$request_uri\n"; } }
}
CONF
serve nginx -c "$work/nginx.conf"
for address in 10.199.79.2 10.199.79.3; do
    serve dnsmasq --keep-in-foreground --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= \
        --listen-address="$address" --bind-interfaces --port=5300 --local=/example/ --address=/example/192.0.2.1
done
sleep 0.7
recorders=
for interface in in0 out0 any; do
    ip netns exec "$node" tcpdump -i "$interface" -n -U --immediate-mode -B 65536 -s 0 -w "$work/$interface.pcap" 2>"$work/tcpdump-$interface.log" &
    pids="$pids $!" recorders="$recorders $!"
done
for interface in in0 out0 any; do
    for _ in $(seq 100); do grep -q 'listening on' "$work/tcpdump-$interface.log" && break; sleep 0.05; done
done
in_client python3 "$here/record_nat_client.py" >"$work/calls.jsonl"
sleep 1
for pid in $recorders; do kill -INT "$pid"; wait "$pid" 2>/dev/null || :; done
for interface in in0 out0 any; do
    grep -q '^0 packets dropped by kernel' "$work/tcpdump-$interface.log" || { cat "$work/tcpdump-$interface.log"; exit 1; }
done
[ -z "${KEEP:-}" ] || cp "$work/in0.pcap" "$work/out0.pcap" "$work/any.pcap" "$work/calls.jsonl" "$work/seen.log" "$KEEP"
KEEP= python3 "$here/record_nat_check.py" "$trawl" "$work"
