#!/bin/sh
# ping by IPv4 and IPv6, four at a time, of several sizes, and datagrams to ports where nobody listens. What ping and the
# sender saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" ping
ip -n "$server" addr add fd00:77::1/64 dev "tg$$" nodad
ip -n "$client" addr add fd00:77::2/64 dev "tg$$" nodad
in_client sysctl -qw net.ipv4.ping_group_range="0 0"
in_client ping -c 1 -W 2 fd00:77::1 >/dev/null || { echo "skipped: no IPv6 here"; exit 77; }
start_recording
in_client python3 "$here/record_icmp_client.py" "$SERVER_IP" fd00:77::1 >"$work/expected.jsonl"
stop_recording
# Neighbour discovery is the kernels' own conversation, nobody logs it.
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols icmp \
    --filter 'icmp_version == 4 || icmp_type < 130' >"$work/entries.jsonl"
python3 "$here/record_compare.py" "$work/expected.jsonl" "$work/entries.jsonl"
