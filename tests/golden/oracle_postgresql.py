"""PostgreSQL beside tshark: our field (left) and tshark's (right), a connection at a time.

    postgresql_query           pgsql.query of Simple query and Parse (each text once)
    postgresql_params          pgsql.val.data of Bind
    response.body, rows        pgsql.val.data of Data row, and their number
    response.body, tag         pgsql.tag
    postgresql_error_code, _message    pgsql.code, pgsql.message of Error
    postgresql_tx_state        pgsql.status
    request.headers            pgsql.parameter_name, _value of the startup message

Values in binary form are compared where tshark's bytes are text; unit tests hold the others."""
import json

import oracle

NOTES = {"tag", "notice", "copy", "value", "detail", "hint"}
STATES = {"I": "idle", "T": "transaction", "E": "failed", "73": "idle", "84": "transaction", "69": "failed"}


def _text(field):
    return bytes.fromhex(field.get("value") or "").decode("latin-1")


def _all(proto, name):
    return [_text(field).rstrip("\0") for field in proto.iter("field") if field.get("name") == name]


def _values(proto):
    """The values in order; None for NULL."""
    found = []
    for field in proto.iter("field"):
        if field.get("name") == "pgsql.val.length":
            found.append(None if field.get("show") == "-1" else "")
        elif field.get("name") == "pgsql.val.data" and found:
            found[-1] = _text(field)
    return found


def _is_text(value):
    return value is None or all(c >= " " or c in "\t\r\n" for c in value)


def _empty():
    return {"queries": set(), "params": [], "values": [], "rows": 0, "tags": [], "errors": [], "states": [],
            "startup": []}


def _add(fields, proto):
    kind = oracle.first(proto, "pgsql.type")
    if kind in ("Simple query", "Parse"):
        fields["queries"].update(_all(proto, "pgsql.query"))
    elif kind == "Bind":
        fields["params"] += _values(proto)
    elif kind == "Data row":
        fields["values"] += _values(proto)
        fields["rows"] += 1
    elif kind == "Command completion":
        fields["tags"] += _all(proto, "pgsql.tag")
    elif kind == "Error":
        fields["errors"].append([text[1:] for name in ("pgsql.code", "pgsql.message") for text in _all(proto, name)])
    elif kind == "Ready for query":
        fields["states"].append(STATES.get(_all(proto, "pgsql.status")[0]))
    elif kind == "Startup message":
        names, values = _all(proto, "pgsql.parameter_name"), _all(proto, "pgsql.parameter_value")
        fields["startup"] += sorted(zip(names, values))


def tshark_messages(path, ports):
    conversations, last = {}, {}
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},pgsql")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "pgsql"] + decode):
        stream = oracle.unordered(oracle.stream_of(packet))
        last[stream] = frame
        for proto in oracle.protocols(packet, "pgsql"):
            _add(conversations.setdefault(stream, _empty()), proto)
    return conversations, last


def _latin(value):
    return None if value is None else value.encode("utf-8").decode("latin-1")


def our_messages(trawl, path):
    conversations = {}
    for entry in oracle.our_entries(trawl, path, "postgresql"):
        stream = oracle.entry_stream(entry, "tcp")
        fields = conversations.setdefault(stream, _empty())
        if "postgresql_query" in entry:
            fields["queries"].add(_latin(entry["postgresql_query"]))
        fields["params"] += [None if p == "NULL" else _latin(p) for p in entry.get("postgresql_params", [])]
        body = entry.get("response", {}).get("body") or "[]"
        items = json.loads(body)
        rows = [item for item in items if not (isinstance(item, dict) and len(item) == 1 and set(item) <= NOTES)]
        cut = entry.get("response", {}).get("truncated")
        fields["rows"] += entry["postgresql_rows"] if cut else len(rows)
        if cut:
            fields["cut"] = True
        for row in json.loads(body, object_pairs_hook=lambda pairs: pairs):
            is_note = len(row) == 1 and isinstance(row[0], tuple) and row[0][0] in NOTES
            if not is_note:
                fields["values"] += [_latin(cell[1] if isinstance(cell, tuple) else cell) for cell in row]
        fields["tags"] += [_latin(item["tag"]) for item in items if isinstance(item, dict) and set(item) == {"tag"}]
        if "postgresql_error_code" in entry:
            fields["errors"].append([entry["postgresql_error_code"], _latin(entry["postgresql_error_message"])])
        if "postgresql_tx_state" in entry:
            fields["states"].append(entry["postgresql_tx_state"])
        fields["startup"] += sorted(entry.get("request", {}).get("headers", {}).items())
    return conversations


def _only_text(ours, theirs):
    """What is not text on the wire is left out of both. (Ours are sorted by time: calls of one packet have no order.)"""
    for fields in (ours, theirs):
        fields["tags"].sort()
    for name in ("params", "values"):
        if len(ours[name]) == len(theirs[name]):
            keep = [i for i, value in enumerate(theirs[name]) if _is_text(value)]
            ours[name] = [ours[name][i] for i in keep]
            theirs[name] = [theirs[name][i] for i in keep]
        for i, (a, b) in enumerate(zip(ours[name], theirs[name])):
            if a != b:  # the first that differs
                ours[name], theirs[name] = ours[name][i:i + 3], theirs[name][i:i + 3]
                break


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    ports = {port for _, *ends in ours for _, port in ends if port < 32768} | {5432}
    theirs, last = tshark_messages(path, ports)
    result = [[], []]
    for stream in set(ours) | set(theirs):
        pair = [ours.get(stream), theirs.get(stream)]
        if all(pair):
            if pair[0].pop("cut", False):
                pair[1]["values"] = pair[1]["values"][:len(pair[0]["values"])]
            _only_text(*pair)
        elif pair[0] and pair[0] == _empty():
            continue  # requests for encryption only
        elif pair[1] and pair[1] == _empty():
            continue
        for side in (0, 1):
            if pair[side]:
                fields = {k: sorted(v) if isinstance(v, set) else v for k, v in pair[side].items()}
                result[side].append(oracle.Message(stream, last.get(stream, 0), "connection", fields))
    return result
