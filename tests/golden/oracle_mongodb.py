"""MongoDB beside tshark: our field (left) and tshark's (right), a message at a time.

    mongodb_opcode                       mongo.opcode, or mongo.compression.original_opcode
    mongodb_database, mongodb_collection mongo.full_collection_name of the old messages
    every element of request.body and response.body, in order: its name, and its value if it is a number, a text, a
    bool or an object id                 mongo.element.name, mongo.element.value.*
"""
import datetime
import json
import struct

import oracle

OPCODES = {"1": "OP_REPLY", "2001": "OP_UPDATE", "2002": "OP_INSERT", "2004": "OP_QUERY", "2005": "OP_GET_MORE",
           "2006": "OP_DELETE", "2007": "OP_KILL_CURSORS", "2010": "OP_COMMAND", "2011": "OP_COMMANDREPLY",
           "2012": "OP_COMPRESSED", "2013": "OP_MSG"}
VALUES = {"mongo.element.value.string": str, "mongo.element.value.int": int, "mongo.element.value.int64": int,
          "mongo.element.value.double": float, "mongo.element.value.objectid": lambda text: text}


def _value(field):
    name, show = field.get("name"), field.get("show")
    if name == "mongo.element.value.bool":
        return show in ("1", "True", "true")
    if name == "mongo.element.value.string":
        return bytes.fromhex(field.get("value") or "").rstrip(b"\0").decode("utf-8", "replace")
    if name == "mongo.element.value.objectid":
        return (field.get("value") or "")
    if name == "mongo.element.value.double":  # shown in 15 digits
        return struct.unpack("<d", bytes.fromhex(field.get("value")))[0]
    return float(show)


def _their_elements(proto):
    found = []
    for field in proto.iter("field"):
        name = field.get("name")
        if name == "mongo.element.name":
            found.append([bytes.fromhex(field.get("value") or "").rstrip(b"\0").decode("utf-8", "replace"), None])
        elif found and (name in VALUES or name == "mongo.element.value.bool"):
            found[-1][1] = _value(field)
    return [tuple(pair) for pair in found]


def tshark_messages(path, ports):
    messages = []
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},mongo")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "mongo"] + decode):
        ends = oracle.stream_of(packet)
        for proto in oracle.protocols(packet, "mongo"):
            opcode = oracle.first(proto, "mongo.compression.original_opcode") or oracle.first(proto, "mongo.opcode")
            fields = {"opcode": OPCODES[opcode], "elements": _their_elements(proto)}
            if oracle.first(proto, "mongo.full_collection_name"):
                fields["name"] = oracle.first(proto, "mongo.full_collection_name")
            messages.append(oracle.Message(ends, frame, OPCODES[opcode], fields))
    return messages


def _leaf(value):
    """Extended JSON of one value → (is a leaf, what tshark shows of it)."""
    if isinstance(value, dict) and len(value) == 1:
        key = next(iter(value))
        if key == "$oid":
            return True, value[key]
        if key == "$date":
            when = value[key]
            if isinstance(when, dict):
                return True, float(when["$numberLong"])
            return True, round(datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp() * 1000.0) * 1.0
        if key == "$timestamp":
            return True, float(value[key]["t"] << 32 | value[key]["i"])
        if key == "$numberDouble":
            return True, float(value[key])
        if key in ("$binary", "$numberDecimal", "$regularExpression", "$undefined", "$minKey",
                   "$maxKey", "$dbPointer", "$symbol"):
            return True, None
    if isinstance(value, bool) or isinstance(value, str) or value is None:
        return True, value
    if isinstance(value, (int, float)):
        return True, float(value)
    return False, None


def _walk(value, found):
    pairs = value.items() if isinstance(value, dict) else ((str(i), item) for i, item in enumerate(value))
    for name, item in pairs:
        leaf, shown = _leaf(item)
        found.append((name, shown))
        if not leaf:
            _walk(item, found)


def _our_elements(opcode, part, sequences):
    if not part.get("body"):
        return []
    document = json.loads(part["body"], strict=False, object_pairs_hook=dict)
    found = []
    if opcode in ("OP_REPLY", "OP_INSERT") and isinstance(document, list):
        for one in document:
            _walk(one, found)
    elif opcode == "OP_UPDATE":
        for one in document.values():
            _walk(one, found)
    elif opcode not in ("OP_GET_MORE", "OP_KILL_CURSORS"):
        _walk(document, found)
    return found


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    messages = []
    for entry in oracle.our_entries(trawl, path, "mongodb"):
        source = ("tcp", entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        back = ("tcp",) + source[3:] + source[1:3]
        opcode = entry["mongodb_opcode"]
        answer = {"OP_QUERY": "OP_REPLY", "OP_GET_MORE": "OP_REPLY", "OP_COMMAND": "OP_COMMANDREPLY"}.get(opcode, opcode)
        for part, ends, kind in (("request", source, opcode), ("response", back, answer)):
            if "size" not in entry.get(part, {}):
                continue
            fields = {"opcode": kind, "elements": _our_elements(kind, entry[part], None)}
            if part == "request" and kind in ("OP_INSERT", "OP_UPDATE", "OP_DELETE", "OP_GET_MORE", "OP_QUERY"):
                on_command = entry["mongodb_command"] not in ("find", "insert", "update", "delete", "getMore") or \
                    (kind == "OP_QUERY" and (entry["mongodb_command"] != "find" or "\"find\"" in entry["request"]["body"][:9]))
                collection = "$cmd" if on_command else entry.get("mongodb_collection", "")
                fields["name"] = entry["mongodb_database"] + "." + collection
            messages.append(oracle.Message(ends, oracle.last_frame(frames, entry[part]), kind, fields))
    return messages


def prepare(trawl, path):
    ours = list(our_messages(trawl, path))
    ports = {end for message in ours for end in (message.stream[2], message.stream[4]) if int(end) < 32768} | {"27017"}
    return ours, tshark_messages(path, ports)
