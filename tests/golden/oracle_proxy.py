"""The PROXY protocol (HAProxy, "The PROXY protocol" versions 1 and 2) beside tshark's `proxy`.

    a connection has a header    proxy
    bytes of the header          size of tshark's `proxy`
    calls behind the header      nginx's own log"""
import collections
import json
import socket
import struct
import subprocess
import sys

import oracle

MAGIC = b"\r\n\r\n\0\r\nQUIT\n"


def headers():
    """Name → header."""
    v4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.9") + struct.pack("!HH", 40001, 443)
    v6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::9") + struct.pack("!HH", 40002, 443)
    alpn = b"\x01" + struct.pack("!H", 8) + b"http/1.1"
    name = b"\x02" + struct.pack("!H", 11) + b"example.org"
    v2 = lambda command, family, rest: MAGIC + bytes([0x20 | command, family]) + struct.pack("!H", len(rest)) + rest
    return {"v1_unknown": b"PROXY UNKNOWN\r\n", "v1_tcp6": b"PROXY TCP6 2001:db8::7 2001:db8::9 40002 443\r\n", "v2_tcp4": v2(1, 0x11, v4),
            "v2_tcp6": v2(1, 0x21, v6), "v2_tlvs": v2(1, 0x11, v4 + alpn + name), "v2_local": v2(0, 0x00, b"")}


def client(host, port):
    for name, header in headers().items():
        with socket.create_connection((host, port), 10) as connection:
            connection.sendall(header + f"GET /hello.txt?{name} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200"), (name, answer[:100])


def compare(trawl, path, log):
    theirs = {}
    # In its second pass tshark 4.0 shows no header in front of IPv6 addresses in version 1: one pass.
    for _, packet in oracle.tshark_packets(path, ["-Y", "proxy", "-o", "tcp.try_heuristic_first:TRUE"], False):
        for proto in oracle.protocols(packet, "proxy"):
            # The item of version 2 goes on to the end of the packet; its length field does not.
            length = oracle.first(proto, "proxy.v2.length")
            theirs[oracle.unordered(oracle.stream_of(packet))] = 16 + int(length) if length else int(proto.get("size"))
    conns = {oracle.entry_stream(entry, "tcp"): entry for entry in oracle.our_entries(trawl, path, "conn") if entry["protocol"] == "tcp_conn"}
    calls = collections.defaultdict(list)
    for entry in oracle.our_entries(trawl, path, "http"):
        calls[oracle.entry_stream(entry, "tcp")].append(entry)
    failures = []
    ours = {stream: conn["tcp_goodput_bytes"] - sum(call["request"]["size"] + call["response"]["size"] for call in calls[stream])
            for stream, conn in conns.items() if "proxy" in conn.get("conn_l7_detected", [])}
    if ours != theirs:
        failures.append(f"headers: ours {sorted(ours.items())}, tshark's {sorted(theirs.items())}")
    lines = collections.Counter(line.split()[2] for line in open(log, encoding="utf-8"))
    seen = collections.Counter(call["url"][call["url"].index("/hello"):] if "/hello" in call["url"] else call["url"] for found in calls.values() for call in found)
    if lines != seen or any(call["status_code"] != 200 or call["incomplete"] for found in calls.values() for call in found):
        failures.append(f"calls: ours {sorted(seen.items())}, nginx's {sorted(lines.items())}")
    print("\n".join(failures))
    print(f"proxy: {len(theirs)} headers in {len(conns)} connections, {sum(lines.values())} calls")
    sys.exit(1 if failures or len(theirs) < 11 else 0)


if sys.argv[1] == "client":
    client(sys.argv[2], int(sys.argv[3]))
else:
    compare(*sys.argv[2:])
