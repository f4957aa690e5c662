"""SCTP beside tshark: user messages and control chunks, over folders of captures and one that is written here.

    oracle_sctp.py TRAWL CAPTURES DIFFERENCES [FILE…]

    DATA (per message)     source, stream, SSN, PPID, TSN of the first chunk, bytes: sctp.data_* of its chunks, theirs
                           put together by B and E; a retransmission (same TSN) counts once
    other chunks           source, type; an answer counts where it is the second half of an entry, too

The written capture has what the public ones lack: bundled chunks, fragments out of order and twice, several streams,
both directions, control chunks. Every difference is in DIFFERENCES (file, message, reason; separated by tabs) or fails."""
import collections
import os
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import oracle
from oracle_tree import Differences, captures

SILENT = {3, 12, 13, 15, 132, 192, 194}
ANSWERS = {1: 2, 4: 5, 7: 8, 10: 11}


def theirs(path):
    out = subprocess.run(["tshark", "-r", path, "-n", "-o", "sctp.reassembly:FALSE", "-Y", "sctp", "-T", "pdml"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    result, messages, seen = collections.Counter(), {}, set()
    for packet in ElementTree.fromstring(out).iter("packet"):
        fields = lambda node, name: [f for f in node.iter("field") if f.get("name") == name]
        source = (fields(packet, "ip.src") or fields(packet, "ipv6.src"))[0].get("show")
        ports = (fields(packet, "sctp.srcport")[0].get("show"), fields(packet, "sctp.dstport")[0].get("show"))
        for chunk in (f for p in packet.iter("proto") if p.get("name") == "sctp" for f in p
                      if f.get("name") == "" or fields(f, "sctp.chunk_type")):
            if not fields(chunk, "sctp.chunk_type"):
                continue
            raw = lambda name: int(fields(chunk, name)[0].get("value"), 16)
            kind = raw("sctp.chunk_type")
            if kind == 0:
                tsn, flags = raw("sctp.data_tsn_raw" if fields(chunk, "sctp.data_tsn_raw") else "sctp.data_tsn"), \
                    raw("sctp.chunk_flags")
                if (source, ports, tsn) in seen:
                    continue
                seen.add((source, ports, tsn))
                messages[(source, ports, tsn)] = (flags, raw("sctp.data_sid"), raw("sctp.data_ssn"),
                                                  raw("sctp.data_payload_proto_id"), raw("sctp.chunk_length") - 16)
            elif kind not in SILENT:
                result[(source, kind)] += 1
    for (source, ports, tsn), (flags, stream, ssn, ppid, size) in messages.items():
        if not flags & 2:
            continue
        at, total = tsn, size
        while not flags & 1:
            at = (at + 1) & 0xffffffff
            if (source, ports, at) not in messages:
                break
            flags, size = messages[(source, ports, at)][0], messages[(source, ports, at)][4]
            total += size
        if flags & 1:
            result[(source, 0, stream, None if flags & 4 else ssn, ppid, tsn, total)] += 1
    return result


def ours(trawl, path):
    result = collections.Counter()
    for entry in oracle.our_entries(trawl, path, "sctp"):
        kind, source = entry["sctp_chunk_type"], entry["src"]["ip"]
        if kind == 0 and entry["status"] == "ok":
            result[(source, 0, entry["sctp_stream"], entry.get("sctp_ssn"), entry["sctp_ppid"], entry["sctp_tsn"],
                    entry["request"]["body_size"])] += 1
        elif kind:
            result[(source, kind)] += 1
            if "response" in entry:
                answer = 6 if entry.get("status_reason") == "refused" else ANSWERS[kind]
                result[(entry["dst"]["ip"], answer)] += 1
    return result


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def write_capture(path):
    def chunk(kind, flags, value):
        return struct.pack(">BBH", kind, flags, 4 + len(value)) + value + b"\0" * (-len(value) % 4)

    def data(flags, tsn, stream, ssn, ppid, body):
        return chunk(0, flags, struct.pack(">IHHI", tsn & 0xffffffff, stream, ssn, ppid) + body)

    packets = []

    def send(side, *chunks, tag=None):
        ports = (40000, 38412) if side == 0 else (38412, 40000)
        tag = (0x55667788, 0x11223344)[side] if tag is None else tag
        head, body = struct.pack(">HHI", *ports, tag), b"".join(chunks)
        sctp = head + struct.pack("<I", crc32c(head + b"\0" * 4 + body)) + body
        ends = (b"\x0a\x63\0\1", b"\x0a\x63\0\2")
        packets.append(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(sctp), len(packets), 0, 64, 132, 0) +
                       ends[side] + ends[1 - side] + sctp)

    first = (0xffffff00, 7)
    send(0, chunk(1, 0, struct.pack(">IIHHI", 0x11223344, 65535, 10, 10, first[0])), tag=0)
    send(1, chunk(2, 0, struct.pack(">IIHHI", 0x55667788, 65535, 10, 10, first[1]) + b"\0\7\0\x08cook"))
    send(0, chunk(10, 0, b"cook"))
    send(1, chunk(11, 0, b""))
    tsn = list(first)
    for number in range(300):  # TSNs of the client wrap
        side, stream = number % 2, number % 5
        pieces = 1 + number % 4
        body = [bytes([65 + number % 26]) * (1 + (number * 37 + i * 11) % 900) for i in range(pieces)]
        chunks = []
        for i, piece in enumerate(body):
            flags = (2 if i == 0 else 0) | (1 if i == pieces - 1 else 0) | (4 if number % 7 == 0 else 0)
            chunks.append(data(flags, tsn[side], stream, number // 5, (46, 60, 0)[number % 3], piece))
            tsn[side] += 1
        if number % 3 == 0:
            send(side, *chunks)  # bundled
        else:
            for part in reversed(chunks) if number % 4 == 1 else chunks:
                send(side, part)
        if number % 11 == 0:
            send(side, chunks[-1])  # again
        send(1 - side, chunk(3, 0, struct.pack(">IIHH", (tsn[side] - 1) & 0xffffffff, 65535, 0, 0)))
        if number % 50 == 0:
            send(0, chunk(4, 0, b"\0\1\0\x08" + struct.pack(">I", number)))
            send(1, chunk(5, 0, b"\0\1\0\x08" + struct.pack(">I", number)))
    send(1, chunk(9, 0, b"\0\1\0\x08\0\7\0\0"))
    send(0, chunk(7, 0, struct.pack(">I", tsn[1] - 1)))
    send(1, chunk(8, 0, b""))
    send(0, chunk(14, 0, b""))
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for number, packet in enumerate(packets):
            file.write(struct.pack("<IIII", 1700000000 + number // 1000, number % 1000 * 1000, len(packet),
                                   len(packet)) + packet)


def main():
    trawl, folder, table = sys.argv[1:4]
    wanted = sys.argv[4:]
    differences = Differences(table, ("file", "message"))
    files = captures(folder, wanted)
    same = public = 0
    for path in files:
        mine = ours(trawl, path)
        if mine:  # tshark takes its time even where there is nothing
            public += 1
            same += differences.add_counted(os.path.relpath(path, folder), mine, theirs(path))
    with tempfile.TemporaryDirectory() as work:
        written = os.path.join(work, "written.pcap")
        write_capture(written)
        same += differences.add_counted("written.pcap", ours(trawl, written), theirs(written))
    return differences.verdict(f"sctp: {len(files)} captures, {public} with SCTP, {same} messages the same", same,
                               not wanted)


sys.exit(main())
