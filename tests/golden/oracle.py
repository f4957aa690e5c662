"""Our entries beside tshark's fields, message by message, over a folder of captures.

    oracle.py PROTOCOL TRAWL CAPTURES DIFFERENCES [FILE…]

PROTOCOL is one of the modules oracle_<protocol>.py: it says how tshark is asked, what a message is and which of our
fields stands beside which of tshark's. Every difference is either in DIFFERENCES (file, frame, field, reason; separated
by tabs) or fails the test; so does a line there that no difference needs any more."""
import gzip
import importlib
import json
import os
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

MISSING = "message"  # the field of a message that only one side has


class Message:
    """One message of one side: `key` decides which of ours stands beside which of theirs."""

    def __init__(self, stream, frame, key, fields):
        self.stream, self.frame, self.key, self.fields = stream, frame, key, fields


def tshark_packets(path, arguments, two_passes=True):
    """Yields (frame number, packet element) of PDML."""
    command = ["tshark", "-r", path, "-n", "-T", "pdml"] + (["-2"] if two_passes else []) + arguments
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _, element in ElementTree.iterparse(process.stdout):
        if element.tag != "packet":
            continue
        yield int(first(element, "frame.number")), element
        element.clear()
    process.stdout.close()
    process.wait()


def first(element, name, default=None):
    for field in element.iter("field"):
        if field.get("name") == name:
            return field.get("show")
    return default


def every(element, name):
    return [field.get("show") for field in element.iter("field") if field.get("name") == name]


def raw(element, name):
    """The field's bytes as text, one character a byte."""
    for field in element.iter("field"):
        if field.get("name") == name:
            return bytes.fromhex(field.get("value") or "").decode("latin-1")
    return None


def raw_hex(element, name):
    for field in element.iter("field"):
        if field.get("name") == name:
            return (field.get("value") or "").lower()
    return None


def protocols(packet, name):
    return [proto for proto in packet.iter("proto") if proto.get("name") == name]


def stream_of(packet):
    """Addresses and ports of the innermost TCP or UDP, sender first; None without one."""
    source = destination = None
    ends = None
    for proto in packet.iter("proto"):
        name = proto.get("name")
        if name == "ip":
            source, destination = first(proto, "ip.src"), first(proto, "ip.dst")
        elif name == "ipv6":
            source, destination = first(proto, "ipv6.src"), first(proto, "ipv6.dst")
        elif name in ("tcp", "udp"):
            ends = (name, source, first(proto, name + ".srcport"), destination, first(proto, name + ".dstport"))
    return ends


def unordered(ends):
    """The conversation, whoever sends."""
    transport, a, a_port, b, b_port = ends
    low, high = sorted([(a, int(a_port)), (b, int(b_port))])
    return (transport, low, high)


def frame_numbers(path):
    """Offset of a packet's record or block → its number, for pcap and pcapng (gzip too)."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    numbers = {}
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        order, at = "<", 0
        while at + 12 <= len(data):
            kind = struct.unpack_from(order + "I", data, at)[0]
            if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
                order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            elif kind in (2, 3, 6):
                numbers[at] = len(numbers) + 1
            at += max(12, struct.unpack_from(order + "I", data, at + 4)[0])
        return numbers
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        numbers[at] = len(numbers) + 1
        at += 16 + struct.unpack_from(order + "I", data, at + 8)[0]
    return numbers


def last_frame(numbers, side):
    """The frame that brought the last byte of a request or response of ours."""
    packets = side.get("packets") or [{}]
    return numbers.get(packets[-1].get("offset"), 0)


def our_entries(trawl, path, protocol):
    done = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", protocol], capture_output=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path}: trawl dissect ended with {done.returncode}: {done.stderr.decode()[:300]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def entry_stream(entry, transport):
    return unordered((transport, entry["src"]["ip"], entry["src"]["port"], entry["dst"]["ip"], entry["dst"]["port"]))


def align(ours, theirs):
    """Pairs of messages of the same key, in their order; then what is left of both, in order; None where one side has
    none. (Ours are sorted by time: messages of one packet have no order among themselves.)"""
    waiting = {}
    for message in theirs:
        waiting.setdefault(message.key, []).append(message)
    left = []
    for message in ours:
        if waiting.get(message.key):
            yield message, waiting[message.key].pop(0)
        else:
            left.append(message)
    others = [message for message in theirs if message in waiting.get(message.key, [])]
    if len(left) == len(others):
        yield from zip(left, others)
    else:
        yield from ((message, None) for message in left)
        yield from ((None, message) for message in others)


def compare_file(module, trawl, path):
    """(differences, messages compared): a difference is (frame, field, ours, theirs)."""
    theirs, ours = {}, {}
    if hasattr(module, "prepare"):
        mine, others = module.prepare(trawl, path)
    else:
        mine, others = module.our_messages(trawl, path), module.tshark_messages(path)
    for message in others:
        theirs.setdefault(message.stream, []).append(message)
    for message in mine:
        ours.setdefault(message.stream, []).append(message)
    differences, compared = [], 0
    for stream in sorted(set(ours) | set(theirs), key=repr):
        for mine, other in align(ours.get(stream, []), theirs.get(stream, [])):
            compared += 1
            if mine is None or other is None:
                frame = (other or mine).frame
                differences.append((frame, MISSING, mine and mine.key, other and other.key))
                continue
            for field in sorted(set(mine.fields) & set(other.fields)):
                if mine.fields[field] != other.fields[field]:
                    differences.append((other.frame, field, mine.fields[field], other.fields[field]))
    return differences, compared


def read_differences(path, columns=("file", "frame", "field")):
    """{what differs: line number}; behind the columns stands the reason."""
    known = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            parts = line.split("\t")
            if len(parts) != len(columns) + 1 or len(parts[-1]) < 10:
                raise SystemExit(f"{path}:{number}: not {', '.join(columns)} and a reason separated by tabs")
            known[tuple(parts[:-1])] = number
    return known


def main():
    protocol, trawl, folder, differences_path = sys.argv[1:5]
    module = importlib.import_module("oracle_" + protocol)
    known = read_differences(differences_path)
    names = sys.argv[5:] or sorted(os.listdir(folder))
    used, failures, total = set(), 0, 0
    for name in names:
        differences, compared = compare_file(module, trawl, os.path.join(folder, name))
        total += compared
        for frame, field, mine, theirs in differences:
            key = (name, str(frame), field)
            if key in known:
                used.add(key)
                continue
            failures += 1
            print(f"{name}\t{frame}\t{field}\n    ours:   {mine!r:.300}\n    tshark: {theirs!r:.300}")
    stale = sorted(key for key in set(known) - used if key[0] in names)
    for key in stale:
        print(f"stale line {known[key]} of {os.path.basename(differences_path)}: {' '.join(key)} does not differ any more")
    print(f"{protocol}: {len(names)} captures, {total} messages compared, {len(used)} explained differences, "
          f"{failures} others, {len(stale)} stale lines")
    return 1 if failures or stale or not total else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
