"""NATS beside a reader of its own: tshark 4.0 knows no NATS, so it only gives the bytes of each direction, and the few
lines below read them as the protocol's page says (a line, its arguments, the payload of so many bytes).

    nats_op, nats_subject, nats_queue (of SUB), nats_reply_to, nats_sid, request.headers, request.body, nats_error
"""
import base64
import re
import subprocess

import oracle

# operation → its arguments, as the protocol's page writes them
FORMS = {
    b"PUB": r"(?P<subject>\S+)(?:\s+(?P<reply>\S+))?\s+(?P<total>\d+)$",
    b"HPUB": r"(?P<subject>\S+)(?:\s+(?P<reply>\S+))?\s+(?P<head>\d+)\s+(?P<total>\d+)$",
    b"MSG": r"(?P<subject>\S+)\s+(?P<sid>\S+)(?:\s+(?P<reply>\S+))?\s+(?P<total>\d+)$",
    b"HMSG": r"(?P<subject>\S+)\s+(?P<sid>\S+)(?:\s+(?P<reply>\S+))?\s+(?P<head>\d+)\s+(?P<total>\d+)$",
    b"SUB": r"(?P<subject>\S+)(?:\s+(?P<queue>\S+))?\s+(?P<sid>\S+)$",
    b"UNSUB": r"(?P<sid>\S+)(?:\s+\d+)?$",
    b"INFO": r"(?P<json>\{.*)$", b"CONNECT": r"(?P<json>\{.*)$", b"PING": "$", b"-ERR": "(?P<error>.*)$",
}


def _headers(data):
    found = {}
    for line in data.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            name, value = name.decode(), value.strip().decode()
            found[name] = found[name] + ", " + value if name in found else value
    return found


def _read(data):
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].rstrip(b"\r").split(None, 1)
        at = end + 1
        if not words or words[0].upper() in (b"+OK", b"PONG"):
            continue
        op = words[0].upper()
        if op not in FORMS:
            yield {"op": words[0].decode()}
            continue
        match = re.match(FORMS[op], (words[1] if len(words) > 1 else b"").decode().strip())
        found = match.groupdict()
        fields = {"op": op.decode()}
        for name in ("subject", "queue", "reply", "sid", "error"):
            fields[name] = found.get(name)
        if "total" in found:
            head, total = int(found.get("head") or 0), int(found["total"])
            fields["headers"] = _headers(data[at:at + head])
            fields["body"] = data[at + head:at + total].decode("latin-1")
            at += total + 2
        yield fields


def tshark_messages(path):
    done = subprocess.run(["tshark", "-r", path, "-n", "-Y", "tcp.len > 0 && !tcp.analysis.retransmission", "-T", "fields", "-E", "separator=|", "-e", "ip.src", "-e", "tcp.srcport",
                           "-e", "ip.dst", "-e", "tcp.dstport", "-e", "tcp.payload"], capture_output=True, text=True, check=True)
    streams = {}
    for line in done.stdout.splitlines():
        *direction, payload = line.split("|")
        streams.setdefault(tuple(direction), bytearray()).extend(bytes.fromhex(payload))
    for direction, data in streams.items():
        for fields in _read(bytes(data)):
            yield oracle.Message(direction, 0, (fields["op"], fields.get("subject"), fields.get("body")), fields)


def our_messages(trawl, path):
    for entry in oracle.our_entries(trawl, path, "nats"):
        op = entry["nats_op"]
        direction = (entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        if op in ("INFO", "-ERR"):
            direction = direction[2:] + direction[:2]
        fields = {"op": op, "subject": entry.get("nats_subject"), "queue": entry.get("nats_queue") if op == "SUB" else None, "reply": entry.get("nats_reply_to"),
                  "sid": entry.get("nats_sid"), "error": entry.get("nats_error")}
        if "nats_payload_size" in entry:
            body = entry["request"].get("body", "")
            fields["body"] = base64.b64decode(body["base64"]).decode("latin-1") if isinstance(body, dict) else body.encode().decode("latin-1")
            fields["headers"] = entry["request"].get("headers", {})
        yield oracle.Message(direction, 0, (op, fields["subject"], fields.get("body")), fields)
