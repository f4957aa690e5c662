#!/usr/bin/env bash
# A 2 GiB export works with 256 MiB of data segment, strictly in time order, every packet there.
set -uo pipefail
: "${TRAWL:?path of the trawl binary}"
work=$(mktemp -d /tmp/trawl_big_XXXXXX)
trap 'rm -rf "$work"' EXIT
[ "$(df --output=avail -k "$work" | tail -1)" -gt 7000000 ] || { echo "needs 7 GB of free disk in /tmp"; exit 77; }
# Two captures of 1 GiB whose packets interleave: packet i of file f has the time 2·i + f µs.
python3 - "$work" <<'P'
import struct, sys
def block(kind, body): return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
payload = bytes(range(256)) * 32
frame = bytes.fromhex("020000000001020000000002" "0800") + struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + 8 + len(payload), 0, 0x4000, 64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2") + struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0) + payload
frame += bytes(-len(frame) % 4)
size = len(frame)
for f in range(2):
    with open(f"{sys.argv[1]}/{f}.pcapng", "wb", buffering=1 << 22) as out:
        out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        out.write(block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 6, 0, 0)))
        head, tail = struct.pack("<II", 6, size + 32), struct.pack("<I", size + 32)
        for i in range((1 << 30) // (size + 32)):
            ts = 1_700_000_000_000_000 + 2 * i + f
            out.write(head + struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, size, size) + frame + tail)
P
( ulimit -d 262144; exec "$TRAWL" export "$work/0.pcapng" "$work/1.pcapng" -o "$work/out.pcapng" ) || { echo "export failed"; exit 1; }
rm "$work/0.pcapng" "$work/1.pcapng"
python3 - "$work/out.pcapng" <<'P'
import struct, sys
count = last = 0
with open(sys.argv[1], "rb", buffering=1 << 22) as f:
    while True:
        head = f.read(8)
        if len(head) < 8: break
        kind, length = struct.unpack("<II", head)
        body = f.read(length - 8)
        if kind == 6:
            high, low = struct.unpack_from("<II", body, 4)
            ts = high << 32 | low
            if ts < last: sys.exit(f"packet {count} goes back in time")
            last = ts
            count += 1
size = 8192 + 42 + 2
want = 2 * ((1 << 30) // (size + 32))
if count != want: sys.exit(f"{count} packets, {want} expected")
print(f"{count} packets in order")
P
