#!/usr/bin/env bash
# A slice of a snapshot is cut by the index beside its files, linked and trimmed ones: the same bytes as without it, also
# when what lies outside the slice is damaged. By time, and by the calls of a display filter.
. "$(dirname "$0")/lib.sh"
need jq python3 tshark curl nginx
make_hosts
start_trawl --ring-size 1GiB --iface eth0
start_nginx
cat >"$work/flood.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    s.sendto(b"%s-%06d" % (sys.argv[2].encode(), i) + bytes(1300), (sys.argv[1], 9))
P
for part in 0 1 2 3; do
  on_cli python3 "$work/flood.py" $srv_ip $part
  on_cli curl -sf -o /dev/null "http://$srv_ip:8080/api/part/$part" || fail "call $part"
  sleep 0.5
done
sleep 1
linked=$(t snapshot create linked --last 5m --wait) || fail "create linked"
folder() { echo "$work/data/snapshots/$1/nodes"; }
big() { find "$(folder "$1")" -name '*.pcapng' -size +10M; }
equal "$(big "$linked" | wc -l)" 1 "large files of the linked one"
tshark -n -r "$(big "$linked")" -Y 'udp.dstport == 9' -T fields -e frame.time_epoch -e data.data 2>/dev/null >"$work/packets"
stamp() { awk -v part="$1" 'substr($2, 1, 4) == part {print $1}' "$work/packets" | "$2" -1; }
iso() { python3 -c 'import sys; from datetime import datetime, timezone; s, n = sys.argv[1].split("."); v = int(s) * 10**9 + int(n) + int(sys.argv[2]); print(datetime.fromtimestamp(v // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + ".%09dZ" % (v % 10**9))' "$1" "$2"; }
[ -n "$(stamp 302d head)" ] && [ -n "$(stamp 332d tail)" ] || fail "the bursts are not there"
from=$(iso "$(stamp 322d head)" 0) to=$(iso "$(stamp 322d tail)" 1)
trimmed=$(t snapshot create trimmed --from "$(iso "$(stamp 302d head)" 1)" --to "$(iso "$(stamp 332d tail)" 1)" --wait) || fail "create trimmed"
equal "$(jq '[.nodes[].files[] | select(.linked)] | length >= 1' "$work/data/snapshots/$linked/manifest.json")" true "a linked file"
equal "$(jq '[.nodes[].files[] | select(.trimmed)] | length >= 1' "$work/data/snapshots/$trimmed/manifest.json")" true "a trimmed file"
for id in "$linked" "$trimmed"; do
  find "$(folder "$id")" -name '*.pcapng' | while read -r f; do [ -s "${f%.pcapng}.idx" ] || fail "$f has no index"; done || exit 1
  t snapshot dissect "$id" --protocols http --wait >/dev/null || fail "dissect"
done
slice() { t snapshot pcap "$1" --from "$from" --to "$to" -o "$2" 2>/dev/null || fail "pcap"; }
calls() { t snapshot pcap "$1" --filter 'http && path == "/api/part/1"' --scope calls -o "$2" 2>/dev/null || fail "pcap of a call"; }
own() { chown --reference="$work/data/snapshots/$linked/manifest.json" "$1"; }
for id in "$linked" "$trimmed"; do
  slice "$id" "$work/with.pcapng"
  calls "$id" "$work/calls_with.pcapng"
  equal "$(tshark -n -r "$work/with.pcapng" -Y 'udp.dstport == 9' 2>/dev/null | wc -l)" "$(awk 'substr($2, 1, 4) == "322d"' "$work/packets" | wc -l)" "packets of the slice"
  equal "$(tshark -n -r "$work/calls_with.pcapng" -Y 'http.request.uri == "/api/part/1"' 2>/dev/null | wc -l)" 1 "the call"
  # damage in front of and behind both slices, in a copy (the ring shares the file of a linked one)
  f=$(big "$id")
  cp "$f" "$work/whole" && cp "$f" "$work/hurt" && rm "$f"
  dd if=/dev/zero of="$work/hurt" bs=65536 seek=12 count=8 conv=notrunc status=none
  dd if=/dev/zero of="$work/hurt" bs=65536 seek="$(($(stat -c %s "$work/hurt") / 65536 - 40))" count=8 conv=notrunc status=none
  cp "$work/hurt" "$f" && own "$f"
  slice "$id" "$work/hurt.pcapng"
  cmp "$work/with.pcapng" "$work/hurt.pcapng" || fail "damage outside the slice changes it"
  calls "$id" "$work/calls_hurt.pcapng"
  cmp "$work/calls_with.pcapng" "$work/calls_hurt.pcapng" || fail "damage outside the call changes it"
  # without the index: the same bytes, by reading everything
  cp "$work/whole" "$f" && own "$f"
  rm "${f%.pcapng}.idx"
  slice "$id" "$work/without.pcapng"
  cmp "$work/with.pcapng" "$work/without.pcapng" || fail "the index gives other bytes"
  calls "$id" "$work/calls_without.pcapng"
  cmp "$work/calls_with.pcapng" "$work/calls_without.pcapng" || fail "the index gives other bytes of a call"
  t snapshot verify "$id" >/dev/null || fail "verify"
done
stop_trawl
echo "a slice of a snapshot is cut by its index"
