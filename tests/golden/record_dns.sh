#!/bin/sh
# dnsmasq with dig: many types, NXDOMAIN, REFUSED, TCP, EDNS with client subnet, cookie and NSID, a query nobody answers.
# What dig printed is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" dnsmasq dig
serve dnsmasq --keep-in-foreground --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= \
    --listen-address="$SERVER_IP" --bind-interfaces --port=5300 --local=/example/ --auth-ttl=60 \
    --host-record=www.example,192.0.2.10,2001:db8::10 --host-record=other.example,192.0.2.11 \
    --cname=alias.example,www.example --mx-host=example,mail.example,10 \
    --srv-host=_http._tcp.example,www.example,8080,5,6 --txt-record=text.example,"one,two","with space" \
    --caa-record=example,0,issue,ca.example --naptr-record=n.example,10,20,s,SIP+D2U,,_sip._udp.example \
    --dns-rr=raw.example,52,03010112345678 --ptr-record=10.2.0.192.in-addr.arpa,www.example
sleep 0.5
start_recording
in_client python3 "$here/record_dns_client.py" "$SERVER_IP" 5300 >"$work/expected.jsonl"
stop_recording
compare dns
