"""memcached beside tshark: our field (left) and tshark's (right), a connection at a time.

    memcached_command     memcache.command, of the binary protocol memcache.opcode
    memcached_key         memcache.key of the command (its first)
    memcached_status      memcache.response (tshark names no values), of the binary protocol memcache.status"""
import collections

import oracle

OPCODES = {0: "Get", 1: "Set", 2: "Add", 3: "Replace", 4: "Delete", 5: "Increment", 6: "Decrement", 7: "Quit",
           8: "Flush", 9: "GetQ", 10: "NoOp", 11: "Version", 12: "GetK", 13: "GetKQ", 14: "Append", 15: "Prepend",
           16: "Stat", 17: "SetQ", 18: "AddQ", 20: "DeleteQ", 21: "IncrementQ", 22: "DecrementQ"}
STATUSES = {0: "SUCCESS", 1: "NOT_FOUND", 2: "EXISTS", 5: "NOT_STORED", 6: "NON_NUMERIC"}


def _empty():
    return {"commands": [], "keys": [], "statuses": []}


def _add(fields, proto):
    magic = oracle.first(proto, "memcache.magic")
    if magic is not None:
        if int(magic, 0) == 0x80:
            fields["commands"].append(OPCODES[int(oracle.first(proto, "memcache.opcode"), 0)])
            fields["keys"] += [oracle.first(proto, "memcache.key") or ""]
        elif int(oracle.first(proto, "memcache.opcode"), 0) != 16:  # many replies to one command
            fields["statuses"].append(STATUSES.get(int(oracle.first(proto, "memcache.status"), 0)))
        return
    command = oracle.first(proto, "memcache.command")
    if command is not None:
        fields["commands"].append(command)
        fields["keys"] += [oracle.first(proto, "memcache.key") or ""]
    response = oracle.first(proto, "memcache.response")
    if response is not None and command is None:
        fields["statuses"].append(response.split(" ")[0])


def tshark_messages(path):
    conversations, last = {}, {}
    for frame, packet in oracle.tshark_packets(path, ["-Y", "memcache"]):
        stream = oracle.unordered(oracle.stream_of(packet))[1:]
        last[stream] = frame
        for proto in oracle.protocols(packet, "memcache"):
            _add(conversations.setdefault(stream, _empty()), proto)
    return conversations, last


def our_messages(trawl, path):
    conversations = {}
    for entry in oracle.our_entries(trawl, path, "memcached"):
        stream = oracle.entry_stream(entry, "")[1:]
        fields = conversations.setdefault(stream, _empty())
        fields["commands"].append(entry["memcached_command"])
        fields["keys"].append(entry.get("memcached_key", ""))
        if entry.get("memcached_status", "VALUE") != "VALUE" and entry["memcached_command"] != "Stat":
            fields["statuses"].append(entry["memcached_status"])
    return conversations


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    theirs, last = tshark_messages(path)
    for stream in set(ours) & set(theirs):  # only what the other has not; commands of one packet have no order
        for name in ("commands", "keys", "statuses"):
            a, b = (collections.Counter(map(str, side[stream][name])) for side in (ours, theirs))
            ours[stream][name], theirs[stream][name] = sorted((a - b).elements()), sorted((b - a).elements())
    return tuple([oracle.Message(stream, last.get(stream, 0), "connection", fields) for stream, fields in found.items()]
                 for found in (ours, theirs))
