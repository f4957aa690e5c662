"""Diameter beside tshark: our field (left) and tshark's (right), a message at a time, over TCP and SCTP.

    diameter_command_code, _application_id    diameter.cmd.code, diameter.applicationId
    diameter_hop_by_hop_id, _end_to_end_id    diameter.hopbyhopid, diameter.endtoendid
    diameter_{request,response}_length        diameter.length
    diameter_result_code, _result_vendor      diameter.Result-Code, .Experimental-Result-Code, .Vendor-Id
    diameter_session_id, _username, _origin_host … of a request   diameter.Session-Id, .User-Name, .Origin-Host …
    diameter_retransmitted                    diameter.flags.T
    lines of the body                         the tree of diameter.avp (code, vendor, bytes), written here a second time
    whose answer                              diameter.answer_to (the frame of the request)
"""
import datetime
import ipaddress
import os
import re

import oracle

HERE = os.path.dirname(os.path.abspath(__file__))
TABLES = {}
with open(os.path.join(HERE, "../../src/dissect/proto/diameter_avp.c"), encoding="utf-8") as source:
    parts = source.read().split("of_3gpp[] = {")
    for vendor, part in ((0, parts[0]), (10415, parts[1])):
        for code, kind, name in re.findall(r"\{(\d+), DIAMETER_(\w+), \"([^\"]+)\"\}", part):
            TABLES[(int(code), vendor)] = (name, kind)
NAMES = ("Session-Id", "Origin-Host", "Origin-Realm", "Destination-Host", "Destination-Realm", "User-Name")
OURS = {"User-Name": "username"}
MAX_DEPTH = 8


def _plain(raw):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if any(letter < " " or letter == "\x7f" for letter in text) else text


def _value(kind, raw):
    """The text of a value; a number stands for a name with it, too."""
    if kind == "SECRET":
        return "(hidden)"
    if kind in ("UNSIGNED32", "ENUMERATED", "UNSIGNED64"):
        return str(int.from_bytes(raw, "big"))
    if kind in ("INTEGER32", "INTEGER64"):
        return str(int.from_bytes(raw, "big", signed=True))
    if kind == "IPV4" and len(raw) == 4 or kind == "ADDRESS" and raw[:2] in (b"\0\1", b"\0\2"):
        return str(ipaddress.ip_address(raw if kind == "IPV4" else raw[2:]))
    if kind == "TIME":
        seconds = int.from_bytes(raw, "big")
        seconds += 0 if seconds >= 1 << 31 else 1 << 32
        return (datetime.datetime(1900, 1, 1) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if kind == "DIGITS":
        return "".join("0123456789*#abc"[digit] for octet in raw for digit in (octet & 15, octet >> 4) if digit < 15)
    text = _plain(raw)
    return "0x" + raw[:512].hex() + ("…" if len(raw) > 512 else "") if text is None else text


def _avps(node):
    for child in node:
        if child.get("name") == "diameter.avp":
            yield child
        else:
            yield from _avps(child)


def _lines(node, depth=0):
    lines = []
    for avp in _avps(node):
        raw = bytes.fromhex(avp.get("value") or "")
        code, vendor = int.from_bytes(raw[:4], "big"), 0
        at, length = 8, int.from_bytes(raw[5:8], "big")
        if raw[4] & 0x80:
            vendor, at = int.from_bytes(raw[8:12], "big"), 12
        name, kind = TABLES.get((code, vendor), (f"AVP-{vendor}-{code}" if vendor else f"AVP-{code}", "OCTETS"))
        if kind == "GROUPED" and depth < MAX_DEPTH:
            lines += ["  " * depth + name + ":"] + _lines(avp, depth + 1)
        else:
            lines.append("  " * depth + name + ": " + _value(kind, raw[at:length]))
    return lines


def _number(proto, name):
    shown = oracle.first(proto, name)
    return None if shown is None else int(shown, 0)


def _stream(packet):
    """Like oracle.stream_of, and of SCTP."""
    ends = oracle.stream_of(packet)
    if ends:
        return oracle.unordered(("any",) + ends[1:])
    ip = [proto for proto in packet.iter("proto") if proto.get("name") == "ip"][-1]
    sctp = [proto for proto in packet.iter("proto") if proto.get("name") == "sctp" and oracle.first(proto, "sctp.srcport")][-1]
    return oracle.unordered(("any", oracle.first(ip, "ip.src"), oracle.first(sctp, "sctp.srcport"),
                             oracle.first(ip, "ip.dst"), oracle.first(sctp, "sctp.dstport")))


def tshark_messages(path):
    for frame, packet in oracle.tshark_packets(path, ["-Y", "diameter.cmd.code"]):
        for proto in oracle.protocols(packet, "diameter"):
            is_request = oracle.first(proto, "diameter.flags.request") in ("1", "True")
            fields = {"length": _number(proto, "diameter.length"), "application": _number(proto, "diameter.applicationId"),
                      "body": _lines(proto)}
            if is_request:
                for name in NAMES:
                    fields[name] = oracle.first(proto, "diameter." + name)
                fields["retransmitted"] = oracle.first(proto, "diameter.flags.T") in ("1", "True")
            else:
                asked = oracle.first(proto, "diameter.answer_to")
                fields["answers frame"] = int(asked) if asked else None
                code = _number(proto, "diameter.Result-Code")
                fields["result"] = code if code is not None else _number(proto, "diameter.Experimental-Result-Code")
            key = (is_request, _number(proto, "diameter.cmd.code"), _number(proto, "diameter.hopbyhopid"),
                   _number(proto, "diameter.endtoendid"))
            yield oracle.Message(_stream(packet), frame, key, fields)


def _frame(frames, side):
    """The one with which the message was whole: chunks of SCTP come in any order."""
    return max(frames.get(packet.get("offset"), 0) for packet in side.get("packets") or [{}])


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "diameter"):
        if entry.get("status_reason") == "window_end":  # tshark shows no part of a message
            continue
        stream = oracle.entry_stream(entry, "any")
        asked = _frame(frames, entry["request"]) if entry.get("diameter_request") else None
        for side in ("request", "response"):
            if not entry.get("diameter_" + side):
                continue
            body = re.sub(r": \S+ \((\d+)\)$", r": \1", entry[side].get("body", ""), flags=re.M)
            fields = {"length": entry[f"diameter_{side}_length"], "application": entry["diameter_application_id"],
                      "body": body.split("\n")[:-1]}
            if side == "request":
                for name in NAMES:
                    fields[name] = entry.get("diameter_" + OURS.get(name, name.lower().replace("-", "_")))
                fields["retransmitted"] = entry.get("diameter_retransmitted", False)
            else:
                fields["answers frame"] = asked
                fields["result"] = entry.get("diameter_result_code")
            key = (side == "request", entry["diameter_command_code"], entry["diameter_hop_by_hop_id"], entry["diameter_end_to_end_id"])
            yield oracle.Message(stream, _frame(frames, entry[side]), key, fields)
