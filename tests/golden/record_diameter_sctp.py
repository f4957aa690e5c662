"""The messages of a recording of Diameter over TCP as SCTP would carry them (RFC 9260): each a user message, cut into
chunks of at most 90 bytes, several in a packet, some packets twice, some exchanged with their neighbours.

    record_diameter_sctp.py RECORDING OUT"""
import random
import struct
import sys

INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK = 1, 2, 10, 11
PIECE, PPID = 90, 46


def packets(path):
    """Yields (time in µs, addresses and ports, sequence number, payload) of TCP over IPv4."""
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ip = frame[14:14 + struct.unpack_from(">H", frame, 16)[0]]
        tcp = ip[(ip[0] & 15) * 4:]
        sequence = struct.unpack_from(">I", tcp, 4)[0]
        yield seconds * 1000000 + fraction, (ip[12:16], tcp[0:2], ip[16:20], tcp[2:4]), sequence, tcp[(tcp[12] >> 4) * 4:]


def messages(path):
    """(time of the last byte, sender and receiver, message), in the order of time."""
    expected, buffers, found = {}, {}, []
    for time, ends, sequence, payload in packets(path):
        if not payload or (ends in expected and sequence != expected[ends]):
            assert not payload or (expected[ends] - sequence) & 0xffffffff < 1 << 31, "a packet is missing"
            continue
        expected[ends] = (sequence + len(payload)) & 0xffffffff
        buffer = buffers.get(ends, b"") + payload
        while len(buffer) >= 4 and len(buffer) >= int.from_bytes(buffer[1:4], "big"):
            size = int.from_bytes(buffer[1:4], "big")
            found.append((time, ends, buffer[:size]))
            buffer = buffer[size:]
        buffers[ends] = buffer
    assert not any(buffers.values())
    return found


def chunk(kind, flags, value):
    return struct.pack(">BBH", kind, flags, 4 + len(value)) + value + b"\0" * (-len(value) % 4)


class Sender:
    def __init__(self, out):
        self.out, self.next, self.random = out, {}, random.Random(1)
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 228))

    def packet(self, time, ends, chunks):
        source, source_port, target, target_port = ends
        sctp = source_port + target_port + struct.pack(">II", 7, 0) + b"".join(chunks)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(sctp), 0, 0x4000, 64, 132, 0) + source + target
        self.out.write(struct.pack("<IIII", time // 1000000, time % 1000000, len(ip + sctp), len(ip + sctp)) + ip + sctp)

    def begin(self, time, ends):
        back = ends[2:] + ends[:2]
        start = struct.pack(">IIHHI", 7, 65535, 10, 10, 1)
        for who, kind, value in ((ends, INIT, start), (back, INIT_ACK, start), (ends, COOKIE_ECHO, b"abcd"), (back, COOKIE_ACK, b"")):
            self.packet(time, who, [chunk(kind, 0, value)])
        self.next[ends] = self.next[back] = (1, 0)

    def message(self, time, ends, data):
        number, ordinal = self.next[ends]
        pieces = [data[i:i + PIECE] for i in range(0, len(data), PIECE)]
        chunks = []
        for i, piece in enumerate(pieces):
            flags = (2 if i == 0 else 0) | (1 if i == len(pieces) - 1 else 0)
            chunks.append(chunk(0, flags, struct.pack(">IHHI", number + i, 0, ordinal & 0xffff, PPID) + piece))
        self.next[ends] = (number + len(pieces), ordinal + 1)
        groups = [chunks[i:i + 2] for i in range(0, len(chunks), 2)]
        if self.random.randrange(4) == 0:
            groups.reverse()
        for group in groups:
            for _ in range(2 if self.random.randrange(10) == 0 else 1):
                self.packet(time, ends, group)


def main():
    with open(sys.argv[2], "wb") as out:
        sender = Sender(out)
        for time, ends, data in messages(sys.argv[1]):
            if ends not in sender.next:
                sender.begin(time, ends)
            sender.message(time, ends, data)


main()
