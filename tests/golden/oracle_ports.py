"""Content decides, not ports: captures whose ports are rewritten to 40000–50000 give the same entries but for the ports.

    oracle_ports.py TRAWL EXCEPTIONS CAPTURE…

The order of the ports is kept (a late join takes the higher one for the client's). EXCEPTIONS: file name and reason,
separated by a tab; one that is not needed fails."""
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

PROTOCOLS = "http,gql,ws,mqtt,nats,dns,redis,tlsx,amqp,mongodb,kafka,postgresql,mysql,memcached,cql,radius,stomp,smtp,ldap,diameter"


def packets(data):
    """Yields (offset of the packet's bytes, captured length, link type) of pcap and pcapng."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        order, at, links = "<", 0, []
        while at + 12 <= len(data):
            if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
                order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
                links = []
            kind, length = struct.unpack_from(order + "II", data, at)
            if kind == 1:
                links.append(struct.unpack_from(order + "H", data, at + 8)[0])
            elif kind == 6:
                interface, _, _, captured = struct.unpack_from(order + "IIII", data, at + 8)
                yield at + 28, captured, links[interface]
            elif kind == 3:
                yield at + 12, min(length - 16, struct.unpack_from(order + "I", data, at + 8)[0]), links[0]
            at += max(12, length)
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xffff
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from(order + "I", data, at + 8)[0]
        yield at + 16, captured, link
        at += 16 + captured


def transport(data, start, captured, link):
    """(protocol, offset) of TCP, UDP or SCTP; None when there is none we know."""
    end = start + captured
    at, ether = start, None
    if link == 1:
        at += 12
        while at + 2 <= end:
            ether = struct.unpack_from(">H", data, at)[0]
            at += 2
            if ether not in (0x8100, 0x88a8, 0x9100):
                break
            at += 2
    elif link == 113:
        ether = struct.unpack_from(">H", data, at + 14)[0]
        at += 16
    elif link == 276:
        ether = struct.unpack_from(">H", data, at)[0]
        at += 20
    elif link in (0, 108):
        at += 4
    elif link not in (12, 101, 228, 229):
        return None
    if ether == 0x8864:  # PPPoE
        at += 8
    elif ether not in (None, 0x0800, 0x86dd):
        return None
    if at + 20 > end:
        return None
    version = data[at] >> 4
    if version == 4:
        if struct.unpack_from(">H", data, at + 6)[0] & 0x1fff:
            return None
        protocol, at = data[at + 9], at + (data[at] & 15) * 4
    elif version == 6:
        protocol, at = data[at + 6], at + 40
        while protocol in (0, 43, 60) and at + 8 <= end:
            protocol, at = data[at], at + 8 + data[at + 1] * 8
    else:
        return None
    return (protocol, at) if protocol in (6, 17, 132) and at + 8 <= end else None


def rewrite(data):
    data = bytearray(data)
    places = []
    for start, captured, link in packets(bytes(data)):
        found = transport(data, start, captured, link)
        if found:
            places.append((found, start + captured))
    ports = sorted({port for (_, at), _ in places for port in struct.unpack_from(">HH", data, at)})
    if len(ports) > 10000:
        raise SystemExit("more ports than fit between 40000 and 50000")
    new = {port: 40000 + number for number, port in enumerate(ports)}
    for (protocol, at), end in places:
        checksum_at = at + (16 if protocol == 6 else 6)
        total = 0
        for offset in (0, 2):
            old = struct.unpack_from(">H", data, at + offset)[0]
            struct.pack_into(">H", data, at + offset, new[old])
            total += (~old & 0xffff) + new[old]
        if checksum_at + 2 > end or protocol == 132:  # nobody checks that of SCTP
            continue
        checksum = struct.unpack_from(">H", data, checksum_at)[0]
        if protocol == 17 and checksum == 0:
            continue
        total += ~checksum & 0xffff  # RFC 1624
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        struct.pack_into(">H", data, checksum_at, ~total & 0xffff or (0xffff if protocol == 17 else 0))
    return bytes(data), new


def entries(trawl, path, new):
    """The entries without what follows from the ports."""
    done = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", PROTOCOLS], capture_output=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path}: trawl dissect ended with {done.returncode}: {done.stderr.decode()[:300]}")
    result = []
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        for side in ("src", "dst"):
            entry[side]["port"] = new.get(entry[side]["port"], entry[side]["port"])
        if "ports" in entry:
            entry["ports"] = [new.get(port, port) for port in entry["ports"]]
        for key in ("id", "index", "conn_id", "flow_id", "udp_checksum", "sctp_checksum"):
            entry.pop(key, None)
        for side in ("request", "response"):
            for packet in entry.get(side, {}).get("packets", []):
                packet.pop("node", None)
        if "host" not in entry and "url" in entry:  # made of the server's address and port
            entry["url"] = re.sub(r"^(http://[^/]*):\d+", r"\1", entry["url"])
        result.append(json.dumps(entry, sort_keys=True))
    return sorted(result)


def main():
    trawl, exceptions_path, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(exceptions_path, encoding="utf-8") as lines:
        exceptions = dict(line.rstrip("\n").split("\t", 1) for line in lines if line.strip() and line[0] != "#")
    failures, total = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            name = os.path.basename(path)
            with open(path, "rb") as file:
                data = file.read()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            changed, new = rewrite(data)
            copy = os.path.join(folder, "rewritten")
            with open(copy, "wb") as file:
                file.write(changed)
            before, after = entries(trawl, path, new), entries(trawl, copy, {})
            total += len(before)
            same = before == after
            if same == (name not in exceptions):
                continue
            failures += 1
            if same:
                print(f"{name}: the exception is not needed any more")
                continue
            print(f"{name}: {len(before)} entries, {len(after)} with other ports")
            for line in sorted(set(before) ^ set(after))[:4]:
                print(f"    {'-' if line in before else '+'} {line[:400]}")
    print(f"{len(paths)} captures, {total} entries, {failures} failures")
    return 1 if failures or not total else 0


if __name__ == "__main__":
    sys.exit(main())
