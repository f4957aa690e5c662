"""SMTP beside tshark: our field (left) and tshark's (right), a connection at a time.

    smtp_command            smtp.req.command
    smtp_from, smtp_to      smtp.req.parameter of MAIL and RCPT, what stands in its brackets
    smtp_code               smtp.response.code (but 334 and 354, which only ask for more)"""
import re

import oracle


def _empty():
    return {"commands": [], "senders": [], "recipients": [], "codes": []}


def _address(parameter):
    found = re.match(r"(?:FROM|TO): *<(.*?)>", parameter or "", re.I)
    return (found.group(1) or "<>") if found else ""


def _add(fields, proto):
    if oracle.first(proto, "smtp.req.command") is not None:
        for field in proto.iter("field"):
            if field.get("name") == "smtp.command_line":
                name = oracle.first(field, "smtp.req.command").upper()
                parameter = oracle.first(field, "smtp.req.parameter")
                fields["commands"].append(name)
                if name in ("MAIL", "RCPT"):
                    fields["senders" if name == "MAIL" else "recipients"].append(_address(parameter))
    for code in oracle.every(proto, "smtp.response.code"):
        if code not in ("334", "354"):
            fields["codes"].append(int(code))


def tshark_messages(path):
    conversations, last = {}, {}
    for frame, packet in oracle.tshark_packets(path, ["-Y", "smtp"]):
        stream = oracle.unordered(oracle.stream_of(packet))[1:]
        for proto in oracle.protocols(packet, "smtp"):
            last[stream] = frame
            _add(conversations.setdefault(stream, _empty()), proto)
    return conversations, last


def our_messages(trawl, path):
    conversations = {}
    for entry in oracle.our_entries(trawl, path, "smtp"):
        fields = conversations.setdefault(oracle.entry_stream(entry, "")[1:], _empty())
        command = entry.get("smtp_command")
        if command:
            fields["commands"].append(command)
        if command == "MAIL":
            fields["senders"].append(entry.get("smtp_from", ""))
        if command == "RCPT":
            fields["recipients"].append(entry.get("smtp_to", ""))
        if "smtp_code" in entry:
            fields["codes"].append(entry["smtp_code"])
    return conversations


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    theirs, last = tshark_messages(path)
    return tuple([oracle.Message(stream, last.get(stream, 0), "connection", fields) for stream, fields in found.items()]
                 for found in (ours, theirs))
