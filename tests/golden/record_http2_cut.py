"""A recording of HTTP/2 with packets missing: every value that an entry still has is the value of the whole recording's
entry of the same stream. First with 1 % of the packets gone, then joined in the middle of each connection: once with the
ports as they are, once with ports that compare the other way round, so that they point to the wrong client in one of them.

    record_http2_cut.py TRAWL RECORDING"""
import calendar
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time

UNKNOWN = "<unknown>"


def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "tcpdump writes little-endian pcap here"
    at, packets = 24, []
    while at + 16 <= len(data):
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        packets.append(data[at:at + size])
        at += size
    return data[:24], packets


def turned(packet):
    """The same packet with ports that compare the other way round (of Ethernet, IPv4 and TCP; what else it is stays)."""
    tcp = 16 + 14 + (packet[30] & 15) * 4
    if packet[28:30] != b"\x08\x00" or packet[16 + 14 + 9] != 6 or len(packet) < tcp + 4:
        return packet
    return packet[:tcp] + bytes(255 - byte for byte in packet[tcp:tcp + 4]) + packet[tcp + 4:]


def entries(trawl, path, is_turned=False):
    done = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", "http"], capture_output=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        if "h2_stream_id" in entry:
            ports = (entry["src"]["port"], entry["dst"]["port"])
            ports = tuple(sorted(65535 - port if is_turned else port for port in ports))
            assert (ports, entry["h2_stream_id"]) not in found, ("two entries of a stream", entry)
            found[ports, entry["h2_stream_id"]] = entry
    return found


GRPC_PREFIX = re.compile("[\\0\\1]...", re.DOTALL)  # not known to be gRPC: the bytes as they came


def all_shown(body, wanted):
    """Every message that is shown whole is one of the whole body's."""
    known = json.loads(wanted)
    return all(message in known or "base64" in message for message in json.loads(body))


def check_side(where, ours, whole, grpc):
    """Header by header; what is not known is marked so. Returns how many were compared."""
    compared = 0
    for name, value in ours.get("headers", {}).items():
        if name == UNKNOWN:
            continue
        wanted = whole.get("headers", {}).get(name)
        # A field that is there several times may be known in part.
        parts = [part for part in value.split(", ") if part != UNKNOWN]
        assert wanted is not None and all(part in wanted.split(", ") for part in parts), (where, name, value, wanted)
        compared += 1
    body, wanted = ours.get("body"), whole.get("body", "")
    if isinstance(body, str):
        assert body == wanted or body in wanted or (grpc and GRPC_PREFIX.match(body)) or (
            ours.get("truncated") and (wanted.startswith(body) or grpc and all_shown(body, wanted))), (where, body[:80])
    return compared


def check(whole, cut):
    compared = unknown = 0
    for key, ours in cut.items():
        assert key in whole, ("a stream that nobody opened", key, ours["summary"])
        wanted = whole[key]
        # An answer may still come behind a reset: where the reset was lost it is the call's.
        is_reset = "h2_reset_code" in wanted and "status_code" not in wanted
        for field in ("method", "path", "host", "status_code", "grpc_status"):
            value = ours.get(field)
            if value is None or (is_reset and field not in wanted):
                continue
            if value == UNKNOWN:
                unknown += 1
                assert ours["incomplete"], (key, field)
                continue
            assert value == wanted.get(field), (key, field, value, wanted.get(field))
            compared += 1
        for side in ("request", "response"):
            if is_reset and side == "response":
                continue
            compared += check_side((key, side), ours.get(side, {}), wanted.get(side, {}), wanted["protocol"] == "grpc")
        if UNKNOWN in json.dumps(ours):
            unknown += 1
            assert ours["incomplete"], ("unknown, and the entry does not say so", ours)
    return compared, unknown


def cuts(packets, whole):
    for seed in range(3):
        draw = random.Random(seed)
        yield "1 % lost", [packet for packet in packets if draw.random() >= 0.01], False
    begins = sorted(entry["timestamp"] for entry in whole.values())
    for percent in (30, 60, 90):
        begin = begins[len(begins) * percent // 100]
        day, clock = begin.rstrip("Z").split("T")
        fraction = clock.split(".")[1] if "." in clock else "0"
        at = calendar.timegm(time.strptime(f"{day}T{clock.split('.')[0]}", "%Y-%m-%dT%H:%M:%S"))
        from_us = at * 1000000 + int(fraction.ljust(9, "0")[:6])
        rest = [packet for packet in packets if time_us(packet) > from_us]
        yield f"joined after {percent} %", rest, False
        yield f"joined after {percent} %, ports turned", [turned(packet) for packet in rest], True


def time_us(packet):
    seconds, micros = struct.unpack_from("<II", packet, 0)
    return seconds * 1000000 + micros


def main():
    trawl, path = sys.argv[1:3]
    head, packets = read_pcap(path)
    whole = entries(trawl, path)
    with tempfile.TemporaryDirectory() as folder:
        cut_path = os.path.join(folder, "cut.pcap")
        for name, left, is_turned in cuts(packets, whole):
            with open(cut_path, "wb") as file:
                file.write(head + b"".join(left))
            cut = entries(trawl, cut_path, is_turned)
            compared, unknown = check(whole, cut)
            assert compared > 100 and unknown, (name, compared, unknown)
            print(f"{name}: {len(cut)} of {len(whole)} streams, {compared} values the same, {unknown} unknown")


main()
