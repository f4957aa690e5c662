"""A large capture of every protocol we have captures of: copies of small ones, each with addresses and times of its own, in the
order of time (nanosecond pcap, Ethernet). Captures of other link types and above 2 MB are left out; frames that are neither IPv4 nor
IPv6 keep their bytes.

usage: mixed.py FILE FOLDER MEGABYTES      prints captures used, copies of each, packets"""
import glob
import os
import struct
import subprocess
import sys

BIGGEST = 2_000_000
SPAN_NS = 60 * 10**9  # the beginnings of the copies are spread over so much
START_NS = 1_700_000_000 * 10**9


def read_packets(path):
    """[(nanoseconds from the first packet, original length, frame)] of an Ethernet capture, else []."""
    data = subprocess.run(["editcap", "-F", "nsecpcap", path, "-"], capture_output=True).stdout
    if len(data) < 24 or struct.unpack_from("<I", data)[0] != 0xA1B23C4D or struct.unpack_from("<I", data, 20)[0] != 1:
        return []
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, nanos, kept, length = struct.unpack_from("<IIII", data, at)
        packets.append((seconds * 10**9 + nanos, length, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    first = min((packet[0] for packet in packets), default=0)
    return [(stamp - first, length, frame) for stamp, length, frame in packets]


def address_places(frame):
    """Where the frame's two network addresses have two bytes that a copy may change: IPv4's middle ones, IPv6's third group."""
    at, kind = 12, 0
    while at + 2 <= len(frame):
        kind = struct.unpack_from("!H", frame, at)[0]
        at += 2
        if kind not in (0x8100, 0x88A8):
            break
        at += 2
    if kind == 0x0800 and at + 20 <= len(frame):
        return [at + 13, at + 17] if frame[at + 16] < 224 else [at + 13]
    if kind == 0x86DD and at + 40 <= len(frame):
        return [at + 12, at + 28] if frame[at + 24] != 255 else [at + 12]
    return []


def shifted(frame, places, number):
    changed = bytearray(frame)
    for place in places:
        value = struct.unpack_from("!H", changed, place)[0]
        struct.pack_into("!H", changed, place, value + number & 0xFFFF)
    return bytes(changed)


def write_mixed(path, folder, megabytes):
    """Captures used, copies of each, packets."""
    captures = []
    for name in sorted(glob.glob(f"{folder}/**/*.p*cap*", recursive=True)):
        if os.path.isfile(name) and os.path.getsize(name) <= BIGGEST:
            packets = read_packets(name)
            if packets:
                captures.append([(stamp, length, frame, address_places(frame)) for stamp, length, frame in packets])
    once = sum(len(frame) + 16 for capture in captures for _, _, frame, _ in capture)
    copies = max(1, round(megabytes * 1e6 / max(once, 1)))
    order = []
    for copy in range(copies):
        for number, capture in enumerate(captures):
            begin = (number * 7919 + copy * 104729) % 60000 * (SPAN_NS // 60000)
            order += [(begin + packet[0], copy, number, i) for i, packet in enumerate(capture)]
    order.sort()
    with open(path, "wb", buffering=1 << 22) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for stamp, copy, number, i in order:
            _, length, frame, places = captures[number][i]
            frame = shifted(frame, places, copy * len(captures) + number + 1)
            stamp += START_NS
            out.write(struct.pack("<IIII", stamp // 10**9, stamp % 10**9, len(frame), length) + frame)
    return len(captures), copies, len(order)


if __name__ == "__main__":
    print(*write_mixed(sys.argv[1], sys.argv[2], int(sys.argv[3])))
