#!/usr/bin/env bash
# A slice of a ring is cut by its index: the same bytes as without it, and nothing outside the slice is read (what lies there may be damaged).
. "$(dirname "$0")/lib.sh"
need jq python3 tshark
make_hosts
data=$work/rec
cat >"$work/flood.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for part in range(4):
    for i in range(3000):
        s.sendto(b"%d-%06d" % (part, i) + bytes(1300), (sys.argv[1], 9))
    time.sleep(0.7)
P
ip netns exec "$srv" "$TRAWL" capturer --data "$data" --iface eth0 --ring-size 256MiB --segment-size 32MiB --bpf 'udp dst port 9' 2>"$work/capturer.err" &
rec_pid=$!
started+=("$rec_pid")
recording() { "$TRAWL" ring status --data "$data" --json 2>/dev/null | jq -e '.state == "recording"' >/dev/null; }
wait_until 10 "the capturer records" recording
on_cli ping -q -c 1 -W 2 $srv_ip >/dev/null
on_cli python3 "$work/flood.py" $srv_ip
sleep 1
kill -TERM "$rec_pid"
wait "$rec_pid" || fail "the capturer ended with $?"
segments=("$data"/ring/*.pcapng)
equal "${#segments[@]}" 1 "segments"
# the third of four bursts
tshark -n -r "${segments[0]}" -T fields -e frame.time_epoch -e data.data 2>/dev/null >"$work/packets"
stamp() { awk -v part="$1" 'substr($2, 1, 4) == part {print $1}' "$work/packets" | "$2" -1; }
first=$(stamp 322d head) last=$(stamp 322d tail)
[ -n "$first" ] && [ -n "$last" ] || fail "the third burst is not there"
iso() { python3 -c 'import sys; from datetime import datetime, timezone; s, n = sys.argv[1].split("."); print(datetime.fromtimestamp(int(s), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + "." + n + "Z")' "$1"; }
from=$(iso "$first") to=$(iso "$(python3 -c 'import sys; s, n = sys.argv[1].split("."); v = int(s) * 10**9 + int(n) + 1; print("%d.%09d" % divmod(v, 10**9))' "$last")")
slice() { "$TRAWL" export "$1"/ring/*.pcapng --from "$from" --to "$to" -o "$2" 2>"$work/complaint" || fail "export: $(cat "$work/complaint")"; }
slice "$data" "$work/with.pcapng"
mkdir -p "$work/without" && cp -r "$data/ring" "$work/without/ring" && rm "$work"/without/ring/*.idx
slice "$work/without" "$work/without.pcapng"
cmp "$work/with.pcapng" "$work/without.pcapng" || fail "the index gives other bytes"
equal "$(tshark -n -r "$work/with.pcapng" 2>/dev/null | wc -l)" "$(awk 'substr($2, 1, 4) == "322d"' "$work/packets" | wc -l)" "packets of the slice"
# the first and the last burst are overwritten with what is no capture: only a reader of the whole minds
mkdir -p "$work/hurt" && cp -r "$data/ring" "$work/hurt/ring"
hurt=$(echo "$work"/hurt/ring/*.pcapng)
dd if=/dev/zero of="$hurt" bs=65536 seek=8 count=16 conv=notrunc status=none
slice "$work/hurt" "$work/hurt.pcapng"
[ -s "$work/complaint" ] && fail "the damage outside the slice was read: $(cat "$work/complaint")"
cmp "$work/with.pcapng" "$work/hurt.pcapng" || fail "damage outside the slice changes it"
rm "$work"/hurt/ring/*.idx
"$TRAWL" export "$hurt" --from "$from" --to "$to" -o "$work/hurt.pcapng" 2>"$work/complaint"
equal $? 1 "the exit code of an export with damage"
grep -q 'could not be read' "$work/complaint" || fail "without the index the damage is not met: the test proves nothing"
echo "a slice of a ring is cut by its index"
