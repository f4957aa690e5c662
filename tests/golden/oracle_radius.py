"""RADIUS beside tshark: our field (left) and tshark's (right), a message at a time.

    radius_code, radius_response_code    radius.code
    radius_id                            radius.id
    radius_{request,response}_length     radius.length
    radius_username (of a request)       radius.User_Name
    names of the body's lines, in order  radius.avp.type (by the names of our table)
    addresses and numbers of the body    the attribute's value as bytes
    whose answer                         radius.reqframe (the frame of the request)
"""
import os
import re

import oracle

NAMES = {}
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/dissect/proto/radius_attribute.c")
with open(TABLE, encoding="utf-8") as source:
    for number, name, kind in re.findall(r"\[(\d+)\] = \{\"([^\"]+)\", RADIUS_(\w+)\}", source.read()):
        NAMES[int(number)] = (name, kind)


def _value(kind, raw):
    """Our text of a value whose form leaves no choice; None for others."""
    if kind == "INT" and len(raw) == 4:
        return str(int.from_bytes(raw, "big"))
    if kind == "IPV4" and len(raw) == 4:
        return ".".join(str(byte) for byte in raw)
    if kind == "TEXT" and raw.isascii() and raw.decode("latin-1").isprintable():
        return raw.decode("latin-1")
    if kind == "OCTETS":
        return "0x" + raw.hex()
    if kind == "SECRET":
        return "(hidden)"
    return None


def _attributes(proto):
    lines = []
    for field in proto.iter("field"):
        if field.get("name") != "radius.avp":
            continue
        raw = bytes.fromhex(field.get("value") or "")
        name, kind = NAMES.get(raw[0], (f"Attribute-{raw[0]}", "OCTETS"))
        lines.append((name, _value(kind, raw[2:])))
    return lines


def tshark_messages(path):
    for frame, packet in oracle.tshark_packets(path, ["-Y", "radius.code"]):
        stream = oracle.unordered(("any",) + oracle.stream_of(packet)[1:])
        for proto in oracle.protocols(packet, "radius"):
            if oracle.first(proto, "radius.dup") is not None:  # counted, not repeated
                continue
            code = int(oracle.first(proto, "radius.code"))
            fields = {"length": int(oracle.first(proto, "radius.length")), "attributes": _attributes(proto)}
            user = oracle.first(proto, "radius.User_Name")
            if code in (1, 4, 12, 40, 43):
                fields["user"] = user
                side = "request"
            else:
                side = "response"
                asked = oracle.first(proto, "radius.reqframe")
                fields["answers frame"] = int(asked) if asked else None
            yield oracle.Message((stream, side), frame, (code, int(oracle.first(proto, "radius.id"))), fields)


def _our_attributes(body):
    lines = []
    for line in (body or "").splitlines():
        name, _, value = line.partition(": ")
        kind = next((kind for known, kind in NAMES.values() if known == name), "OCTETS")
        if kind == "INT":
            value = re.sub(r"^\S+ \((\d+)\)$", r"\1", value)
        lines.append((name, value))
    return lines


def _same_choice(ours, theirs):
    """Where tshark's bytes give no text of one form, ours stands."""
    return [(name, mine if wanted is None else wanted)
            for (name, wanted), (_, mine) in zip(theirs, ours)] + theirs[len(ours):]


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "radius"):
        stream = oracle.entry_stream(entry, "any")
        for side in ("request", "response"):
            if not entry.get("radius_" + side):
                continue
            part = entry[side]
            fields = {"length": entry[f"radius_{side}_length"], "attributes": _our_attributes(part.get("body"))}
            code = entry["radius_code"]
            if side == "request":
                fields["user"] = entry.get("radius_username")
            else:
                code = entry["radius_response_code"]
                asked = entry["request"].get("packets") if entry.get("radius_request") else None
                fields["answers frame"] = frames.get(asked[0]["offset"]) if asked else None
            frame = frames.get((part.get("packets") or [{}])[0].get("offset"), 0)
            yield oracle.Message((stream, side), frame, (code, entry["radius_id"]), fields)


def prepare(trawl, path):
    mine, others = list(our_messages(trawl, path)), list(tshark_messages(path))
    by_frame = {message.frame: message for message in mine}
    for other in others:
        same = by_frame.get(other.frame)
        if same:
            other.fields["attributes"] = _same_choice(same.fields["attributes"], other.fields["attributes"])
    return mine, others
