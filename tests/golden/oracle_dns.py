"""DNS beside tshark: our field (left) and tshark's (right), a message at a time.

    dns_id, dns_opcode, dns_rcode        dns.id, dns.flags.opcode, dns.flags.rcode (with the OPT record's)
    dns_authoritative                    dns.flags.authoritative
    dns_questions, dns_question_types    dns.qry.name, dns.qry.type
    records of every section             dns.resp.name, .type, .ttl, and the fields of each type's data
    dns_response_length                  dns.length or udp.length
    whose answer                         dns.response_to (the frame of the question)
"""
import base64
import os
import re

import oracle

DECODE_AS = {}

TYPES = {}
OPCODES = {"0": "QUERY", "1": "IQUERY", "2": "STATUS", "4": "NOTIFY", "5": "UPDATE", "6": "DSO"}


def _name(text):
    """tshark shows names raw, we escape control bytes and dots inside labels: both to one form."""
    if text in ("<Root>", "", None):
        return "."
    text = re.sub(r"\\(\d\d\d)", lambda m: chr(int(m.group(1))), text)
    text = re.sub(r"\\(.)", r"\1", text)
    # What is not printable ASCII reaches PDML in more than one way, and in more or fewer characters.
    return re.sub(r"[^ -~]+", "?", text)


def _hex(text):
    return (text or "").replace(":", "").upper()


# type → what stands in our text, from tshark's fields of one record
RDATA = {
    "1": lambda g: g("dns.a"),
    "28": lambda g: g("dns.aaaa"),
    "2": lambda g: _name(g("dns.ns")),
    "5": lambda g: _name(g("dns.cname")),
    "12": lambda g: _name(g("dns.ptr.domain_name")),
    "39": lambda g: _name(g("dns.dname")),
    "15": lambda g: f'{g("dns.mx.preference")} {_name(g("dns.mx.mail_exchange"))}',
    "33": lambda g: f'{g("dns.srv.priority")} {g("dns.srv.weight")} {g("dns.srv.port")} {_name(g("dns.srv.target"))}',
    "6": lambda g: " ".join([_name(g("dns.soa.mname")), _name(g("dns.soa.rname")), g("dns.soa.serial_number"),
                             g("dns.soa.refresh_interval"), g("dns.soa.retry_interval"), g("dns.soa.expire_limit"),
                             g("dns.soa.minimum_ttl")]),
    "43": lambda g: f'{int(g("dns.ds.key_id"), 0)} {g("dns.ds.algorithm")} {g("dns.ds.digest_type")} {_hex(g("dns.ds.digest"))}',
    "46": lambda g: f'{g("dns.rrsig.type_covered")} {g("dns.rrsig.algorithm")} {g("dns.rrsig.labels")} '
                    f'{g("dns.rrsig.original_ttl")} {g("dns.rrsig.key_tag")} {_name(g("dns.rrsig.signers_name"))}',
    "47": lambda g: _name(g("dns.nsec.next_domain_name")),
    "48": lambda g: f'{int(g("dns.dnskey.flags"), 0)} {g("dns.dnskey.protocol")} {g("dns.dnskey.algorithm")}',
    "65": lambda g: f'{g("dns.svcb.svcpriority")} {_name(g("dns.svcb.targetname"))}',
}


def _our_rdata(number, text):
    """The part of our text that RDATA can be compared with."""
    words = text.split(" ")
    if number == "46" and len(words) > 8:
        return " ".join([str(_type_number(words[0]))] + words[1:4] + [words[6], _name(words[7])])
    if number in ("47", "48", "65"):
        words = words[:{"47": 1, "48": 3, "65": 2}[number]]
    return _name(" ".join(words))


def _type_number(name):
    if name.startswith("TYPE"):
        return int(name[4:])
    return int(TYPES.get(name, -1))


def _load_types(trawl_source):
    """The names of record types out of our table: number → name is compared by every record."""
    path = os.path.join(trawl_source, "src/dissect/proto/dns_message.c")
    with open(path, encoding="utf-8") as source:
        table = source.read().split("type_names[] = {", 1)[1].split("};", 1)[0]
    for number, name in re.findall(r"\{(\d+), \"([^\"]+)\"\}", table):
        TYPES[name] = number


_load_types(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

SECTIONS = {"Answers": "answer", "Prerequisites": "answer", "Authoritative nameservers": "authority",
            "Updates": "authority", "Additional records": "additional"}


def _records(section):
    """[(name, type, ttl, data)] of one section of tshark's tree."""
    result = []
    for record in section.findall("field"):
        values = {}
        for field in record.iter("field"):
            values.setdefault(field.get("name"), field.get("show"))
        kind = values.get("dns.resp.type")
        if kind is None or kind == "41":
            continue
        data = None
        if kind in RDATA:
            try:
                data = RDATA[kind](lambda key: values[key])
            except (KeyError, TypeError, ValueError):
                data = None
        if kind == "47" and " " in (values.get("dns.resp.name") or ""):
            data = None
        name = values.get("dns.resp.name")
        if name is None and kind == "33":  # split into its parts
            name = ".".join(values.get("dns.srv." + part) or "" for part in ("service", "proto", "name"))
        result.append((_name(name), kind, values.get("dns.resp.ttl"), data))
    return result


def _question_list(section):
    result = []
    for question in section.findall("field"):
        name = kind = None
        for field in question.iter("field"):
            if field.get("name") == "dns.qry.name":
                name = field.get("show")
            elif field.get("name") == "dns.qry.type":
                kind = field.get("show")
        if kind is not None:
            result.append((_name(name), kind))
    return result


def tshark_messages(path):
    for frame, packet in oracle.tshark_packets(path, ["-Y", "dns || mdns || llmnr"] +
                                               DECODE_AS.get(os.path.basename(path), [])):
        ends = oracle.stream_of(packet)
        if not ends:
            continue
        for proto in [p for name in ("dns", "mdns", "llmnr") for p in oracle.protocols(packet, name)]:
            identity = oracle.first(proto, "dns.id")
            again = [oracle.first(proto, "dns.retransmit_" + kind) is not None for kind in ("request", "response")]
            # Retransmissions are counted in the entry, not repeated; multicast has none.
            if identity is None or (any(again) and proto.get("name") == "dns"):
                continue
            is_response = oracle.first(proto, "dns.flags.response") in ("1", "True")
            opcode = oracle.first(proto, "dns.flags.opcode") or "0"
            fields = {"opcode": OPCODES.get(opcode, "OPCODE" + opcode)}
            sections = {}
            for field in proto.findall("field"):
                title = (field.get("show") or field.get("showname") or "").strip()
                if title in SECTIONS:
                    sections[SECTIONS[title]] = _records(field)
                elif title in ("Queries", "Zone"):
                    fields["questions"] = _question_list(field)
            for section in ("answer", "authority", "additional"):
                fields[section] = sections.get(section, [])
            if is_response:
                rcode = int(oracle.first(proto, "dns.flags.rcode") or 0)
                extended = oracle.first(proto, "dns.resp.ext_rcode")
                fields["rcode"] = str(rcode | int(extended, 0) << 4 if extended else rcode)
                aa = oracle.first(proto, "dns.flags.authoritative")
                if aa is not None:
                    fields["authoritative"] = aa in ("1", "True")
                to = oracle.first(proto, "dns.response_to")
                if to is not None and not oracle.first(proto, "dns.retransmit_response"):
                    fields["answers frame"] = int(to)
            key = (int(identity, 0), tuple(q[0].lower() for q in fields.get("questions", [])[:1]))
            kind = "response" if is_response else "request"
            yield oracle.Message((oracle.unordered(("any",) + ends[1:]), kind), frame, key, fields)


def _our_sections(body):
    sections, current = {"answer": [], "authority": [], "additional": []}, None
    for line in body.split("\n"):
        if line in ("; answer", "; prerequisite"):
            current = "answer"
        elif line in ("; authority", "; update"):
            current = "authority"
        elif line == "; additional":
            current = "additional"
        elif current and line and not line.startswith(";"):
            match = re.match(r"^(.*?) (\d+) (IN|CH|HS|CS|NONE|ANY|CLASS\d+) (\S+) ?(.*)$", line, re.S)
            if match:
                number = str(_type_number(match.group(4)))
                text = match.group(5)
                # A name with spaces cannot be told from what follows it.
                spaced = number == "47" and " " in match.group(1)
                readable = number in RDATA and text and not text.startswith("\\#") and not spaced
                data = _our_rdata(number, text) if readable else None
                sections[current].append((_name(match.group(1)), number, match.group(2), data))
    return sections


def _text(value):
    return base64.b64decode(value["base64"]).decode("latin-1") if isinstance(value, dict) else value or ""


def our_messages(trawl, path):
    responses = []
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "dns"):
        questions = [(_name(_text(n)), str(_type_number(t)))
                     for n, t in zip(entry.get("dns_questions", []), entry.get("dns_question_types", []))]
        key = (entry["dns_id"], tuple(q[0].lower() for q in questions[:1]))
        for side in ("request", "response"):
            if not entry.get("dns_" + side):
                continue
            part = entry[side]
            fields = {"opcode": entry["dns_opcode"], "questions": questions}
            body = _text(part.get("body"))
            if not entry.get("truncated"):
                fields.update(_our_sections(body))
            if side == "response":
                fields["rcode"] = str(entry["dns_rcode"])
                fields["authoritative"] = entry["dns_authoritative"]
                if "request" in entry and entry.get("dns_request") and not entry.get("dns_retries"):
                    fields["answers frame"] = oracle.last_frame(frames, entry["request"])
            offset = (part.get("packets") or [{}])[0 if entry.get("dns_retries") else -1].get("offset")
            responses.append(oracle.Message((_stream(entry), side), frames.get(offset, 0), key, fields))
    yield from responses


def _stream(entry):
    """JSON does not say the transport: both sides are keyed by addresses and ports alone."""
    return oracle.entry_stream(entry, "any")
