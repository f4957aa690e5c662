#!/bin/sh
# freeDiameter as a relay between two hand-made peers that ask and answer in many commands, 50 at a time: what the peers
# sent and got on either side of it is what the entries must say; freeDiameter's own answers (capabilities, disconnections,
# realms it does not know) too. Kernels of build machines lack SCTP: the same messages are written anew as it would carry them.
set -eu
. "$(dirname "$0")/record.inc" freeDiameterd openssl
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=relay.example -days 2 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
cat >"$work/relay.conf" <<CONF
Identity = "relay.example";
Realm = "example";
ListenOn = "$SERVER_IP";
No_SCTP;
No_IPv6;
TLS_Cred = "$work/cert.pem", "$work/key.pem";
TLS_CA = "$work/cert.pem";
LoadExtension = "/usr/lib/freeDiameter/acl_wl.fdx" : "$work/acl.conf";
ConnectPeer = "server.example.net" { ConnectTo = "$CLIENT_IP"; Port = 3868; No_TLS; Realm = "example.net"; };
CONF
echo 'ALLOW_IPSEC client.example.com' >"$work/acl.conf"
start_recording
ip netns exec "$client" python3 "$here/record_diameter_peer.py" server "$CLIENT_IP" >"$work/server.jsonl" 2>"$work/server-peer.log" &
server_peer=$!
pids="$pids $server_peer"
for _ in $(seq 100); do grep -qs listening "$work/server-peer.log" && break; sleep 0.1; done
serve freeDiameterd -c "$work/relay.conf"
relay=$!
in_client python3 "$here/record_diameter_peer.py" client "$SERVER_IP" >"$work/client.jsonl" || { cat "$work"/server*.log; exit 1; }
wait "$server_peer" || { cat "$work/server-peer.log" "$work"/server-[0-9]*.log; exit 1; }
stop_recording
kill -KILL "$relay" # it would wait for its peers
cat "$work/client.jsonl" "$work/server.jsonl" >"$work/expected.jsonl"
compare diameter
! grep -aqE 'mistaken|0123456789abcdef' "$work/entries.jsonl" || { echo "a secret is shown"; exit 1; }
compare_all_losses diameter
python3 "$here/record_diameter_sctp.py" "$work/recording.pcap" "$work/sctp.pcap"
"$trawl" dissect "$work/sctp.pcap" --jsonl --protocols diameter >"$work/entries.jsonl"
python3 "$here/record_compare.py" "$work/expected.jsonl" "$work/entries.jsonl"
if command -v tshark >/dev/null; then
    mkdir "$work/captures"
    cp "$work/recording.pcap" "$work/captures/tcp.pcap"
    cp "$work/sctp.pcap" "$work/captures/sctp.pcap"
    python3 "$here/oracle.py" diameter "$trawl" "$work/captures" /dev/null
fi
