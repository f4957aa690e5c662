"""CQL beside tshark: our field (left) and tshark's (right), a connection at a time.

    cql_opcode             cql.opcode of requests
    cql_query              cql.string of QUERY and PREPARE (its first)
    cql_consistency        cql.consistency
    cql_error_code         cql.error_code
    cql_rows               cql.result.rows.row_count
    cells of the rows      cql.varchar, cql.ascii, cql.int, cql.bigint, cql.uuid (each stands in a cell of ours)"""
import collections
import json

import oracle

OPCODES = {1: "STARTUP", 5: "OPTIONS", 7: "QUERY", 9: "PREPARE", 10: "EXECUTE", 11: "REGISTER", 13: "BATCH",
           15: "AUTH_RESPONSE"}
LEVELS = {0: "ANY", 1: "ONE", 2: "TWO", 3: "THREE", 4: "QUORUM", 5: "ALL", 6: "LOCAL_QUORUM", 10: "LOCAL_ONE"}


def _empty():
    return {"opcodes": [], "queries": [], "levels": [], "errors": [], "rows": [], "cells": []}


def _cells(proto):
    """Values of a result as tshark shows them."""
    return [value for name in ("cql.varchar", "cql.ascii", "cql.int", "cql.bigint", "cql.uuid") for value in oracle.every(proto, name)]


def tshark_messages(path, ports):
    conversations, last = {}, {}
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},cql")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "cql"] + decode):
        stream = oracle.unordered(oracle.stream_of(packet))
        last[stream] = frame
        fields = conversations.setdefault(stream, _empty())
        for proto in oracle.protocols(packet, "cql"):
            opcode = oracle.first(proto, "cql.opcode")
            name = OPCODES.get(int(opcode, 0)) if opcode else None
            if name:
                fields["opcodes"].append(name)
            if name in ("QUERY", "PREPARE") and oracle.raw(proto, "cql.string") is not None:
                fields["queries"].append(oracle.raw(proto, "cql.string"))
            level = oracle.first(proto, "cql.consistency")
            if name and level is not None:
                fields["levels"].append(LEVELS[int(level, 0)])
            error = oracle.first(proto, "cql.error_code")
            if error is not None:
                fields["errors"].append(int(error, 0))
            for count in oracle.every(proto, "cql.result.rows.row_count"):
                fields["rows"].append(int(count, 0))
            if not name:
                fields["cells"] += _cells(proto)
    return conversations, last


def our_messages(trawl, path):
    conversations = {}
    for entry in oracle.our_entries(trawl, path, "cql"):
        fields = conversations.setdefault(oracle.entry_stream(entry, "tcp"), _empty())
        if entry["cql_opcode"] in OPCODES.values():
            fields["opcodes"].append(entry["cql_opcode"])
        if entry["cql_opcode"] in ("QUERY", "PREPARE") and "cql_query" in entry:
            fields["queries"].append(entry["cql_query"].encode("utf-8").decode("latin-1"))
        if "cql_consistency" in entry:
            fields["levels"].append(entry["cql_consistency"])
        if "cql_error_code" in entry:
            fields["errors"].append(entry["cql_error_code"])
        if "cql_rows" in entry:
            fields["rows"].append(entry["cql_rows"])
            rows = json.loads(entry["response"].get("body", "[]"))
            fields["cells"] += [cell for row in rows for cell in row.values() if cell is not None]
    return conversations


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    ports = {port for _, *ends in ours for _, port in ends if port < 32768} | {9042}
    theirs, last = tshark_messages(path, ports)
    for stream in set(ours) & set(theirs):
        shown = "\n".join(ours[stream]["cells"])  # a value may stand within a collection
        theirs[stream]["cells"] = [cell for cell in theirs[stream]["cells"] if cell not in shown]
        ours[stream]["cells"] = []
    for stream in set(ours) & set(theirs):  # only what the other has not; requests of one packet have no order
        for name in _empty():
            a, b = (collections.Counter(side[stream][name]) for side in (ours, theirs))
            ours[stream][name], theirs[stream][name] = sorted((a - b).elements()), sorted((b - a).elements())
    return tuple([oracle.Message(stream, last.get(stream, 0), "connection", fields) for stream, fields in found.items()]
                 for found in (ours, theirs))
