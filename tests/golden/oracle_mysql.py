"""MySQL beside tshark: our field (left) and tshark's (right), a connection at a time.

    mysql_command              mysql.command (its number)
    mysql_query                mysql.query of COM_QUERY and COM_STMT_PREPARE
    mysql_user, mysql_database mysql.user, mysql.schema of the login
    mysql_error_code, _message mysql.error_code, mysql.error.message
    response.body, values      mysql.row.text (text results), and the number of rows"""
import json

import oracle

NAMES = {1: "COM_QUIT", 2: "COM_INIT_DB", 3: "COM_QUERY", 4: "COM_FIELD_LIST", 9: "COM_STATISTICS", 14: "COM_PING",
         17: "COM_CHANGE_USER", 22: "COM_STMT_PREPARE", 23: "COM_STMT_EXECUTE", 24: "COM_STMT_SEND_LONG_DATA",
         25: "COM_STMT_CLOSE", 26: "COM_STMT_RESET", 28: "COM_STMT_FETCH", 31: "COM_RESET_CONNECTION"}


def _empty():
    return {"commands": [], "queries": [], "users": [], "errors": [], "values": [], "statements": []}


def _text(field):
    return bytes.fromhex(field.get("value") or "").decode("latin-1")


def _all(proto, name):
    return [_text(field) for field in proto.iter("field") if field.get("name") == name]


def _add(fields, proto):
    command = oracle.first(proto, "mysql.command")
    if command is not None:
        name = NAMES.get(int(command, 0), command)
        fields["commands"].append(name)
        if name in ("COM_QUERY", "COM_STMT_PREPARE"):
            fields["queries"] += _all(proto, "mysql.query")
        if name == "COM_STMT_EXECUTE":
            fields["statements"].append(int(oracle.first(proto, "mysql.stmt_id"), 0))
    if oracle.first(proto, "mysql.user") is not None:
        fields["users"] += [user for user in [_all(proto, "mysql.user")[0].rstrip("\0")] if user]
    if oracle.first(proto, "mysql.error_code") is not None:
        fields["errors"].append([int(oracle.first(proto, "mysql.error_code")), *_all(proto, "mysql.error.message")])
    fields["values"] += _all(proto, "mysql.row.text")


def tshark_messages(path, ports):
    conversations, last = {}, {}
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},mysql")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "mysql"] + decode):
        stream = oracle.unordered(oracle.stream_of(packet))
        last[stream] = frame
        for proto in oracle.protocols(packet, "mysql"):
            _add(conversations.setdefault(stream, _empty()), proto)
    return conversations, last


def _latin(value):
    return value.encode("utf-8").decode("latin-1")


def our_messages(trawl, path):
    conversations = {}
    for entry in oracle.our_entries(trawl, path, "mysql"):
        fields = conversations.setdefault(oracle.entry_stream(entry, "tcp"), _empty())
        command = entry.get("mysql_command", "")
        if command in ("CONNECT", "COM_CHANGE_USER") and "mysql_user" in entry:
            fields["users"].append(_latin(entry["mysql_user"]))
        if command.startswith("COM_"):
            fields["commands"].append(command)
        if command in ("COM_QUERY", "COM_STMT_PREPARE"):
            fields["queries"].append(_latin(entry.get("mysql_query", "")))
        if command == "COM_STMT_EXECUTE":
            fields["statements"].append(entry["mysql_statement_id"])
        if "mysql_error_code" in entry:
            fields["errors"].append([entry["mysql_error_code"], _latin(entry["mysql_error_message"])])
        if command == "COM_QUERY":
            for row in json.loads(entry.get("response", {}).get("body") or "[]", object_pairs_hook=lambda pairs: pairs):
                if not (len(row) == 1 and row[0][0] == "info"):
                    fields["values"] += [_latin(cell) for _, cell in row if cell]
    return conversations


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    ports = {port for _, *ends in ours for _, port in ends if port < 32768} | {3306}
    theirs, last = tshark_messages(path, ports)
    result = [[], []]
    for stream in set(ours) | set(theirs):
        for side, found in ((0, ours), (1, theirs)):
            fields = found.get(stream)
            if not fields or (fields == _empty() and (ours if side else theirs).get(stream) in (None, _empty())):
                continue
            fields["values"] = [value for value in fields["values"] if value]
            result[side].append(oracle.Message(stream, last.get(stream, 0), "connection", fields))
    for mine in result[0]:  # the first that differ say enough
        for other in result[1]:
            if mine.stream == other.stream and mine.fields["values"] != other.fields["values"]:
                a, b = mine.fields["values"], other.fields["values"]
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                mine.fields["values"], other.fields["values"] = a[at:at + 4], b[at:at + 4]
    return result
