"""LDAP beside tshark: our field (left) and tshark's (right). A request is a message, and so are all responses to one
together (search entries, references and the end of a search).

    ldap_type, ldap_message_id           ldap.protocolOp, ldap.messageID
    ldap_dn                              ldap.name, .baseObject, .object, .entry, .delRequest
    ldap_scope, ldap_attributes          ldap.scope, ldap.AttributeDescription
    ldap_filter                          the tree below ldap.filter, written as RFC 4515 does (here, a second time)
    ldap_mechanism                       ldap.authentication, ldap.mechanism
    ldap_oid                             ldap.requestName, ldap.responseName
    ldap_{,response_}controls            ldap.controlType (by the names of our table)
    lines of the bodies                  ldap.operation, .type, .AttributeValue, .newrdn, .objectName, .LDAPURL
    ldap_result_code, _error_message     ldap.resultCode, ldap.errorMessage
    ldap_matched_dn (not of a bind)      ldap.matchedDN
    ldap_entries, ldap_references        their number
    whose answer                         ldap.response_to (the frame of the request)
"""
import base64
import os
import re

import oracle

TYPES = {0: "bind", 1: "bind", 2: "unbind", 3: "search", 4: "search", 5: "search", 6: "modify", 7: "modify", 8: "add", 9: "add",
         10: "delete", 11: "delete", 12: "modifyDN", 13: "modifyDN", 14: "compare", 15: "compare", 16: "abandon", 19: "search",
         23: "extended", 24: "extended", 25: "intermediate"}
REQUESTS = {0, 2, 3, 6, 8, 10, 12, 14, 16, 23}
SCOPES = {"0": "base", "1": "one", "2": "sub", "3": "subordinates"}
CHANGES = {"0": "add", "1": "delete", "2": "replace", "3": "increment"}
SECRET = re.compile(r"(password|^unicodepwd|^pwdhistory|^2\.5\.4\.35)(;.*)?$", re.I)
NAMES = {}
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/dissect/proto/ldap_names.c")
with open(TABLE, encoding="utf-8") as source:
    NAMES.update(re.findall(r"\{\"([0-9.]+)\", \"([^\"]+)\"\}", source.read()))


def _bytes(field):
    return bytes.fromhex(field.get("value") or "")


def _text(field):
    return _bytes(field).decode("utf-8", "surrogateescape")


def _named(node, *names):
    """Fields of these names below, but not below one another; in order."""
    for child in node:
        if child.get("name") in names:
            yield child
        else:
            yield from _named(child, *names)


def _one(node, *names):
    found = next(_named(node, *names), None)
    return None if found is None else _text(found)


# ── filters ──

def _escaped(value):
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("utf-8", "surrogateescape")
    out = ""
    for letter in text:
        if 0xdc80 <= ord(letter) <= 0xdcff:
            out += f"\\{ord(letter) - 0xdc00:02x}"
        elif letter in "()*\\\x7f" or letter < " ":
            out += f"\\{ord(letter):02x}"
        else:
            out += letter
    return out


def _assertion(name, field):
    return "***" if SECRET.search(name) else _escaped(_bytes(field))


KINDS = {"ldap.and": "&", "ldap.or": "|", "ldap.not": "!", "ldap.equalityMatch_element": "=", "ldap.greaterOrEqual_element": ">=",
         "ldap.lessOrEqual_element": "<=", "ldap.approxMatch_element": "~=", "ldap.present": "present",
         "ldap.substrings_element": "substrings", "ldap.extensibleMatch_element": "extensible"}


MAX_DEPTH = 32  # what ours shows


def _filters(node, depth=0):
    if depth == MAX_DEPTH:
        return "…"
    return "".join(_filter(field, depth + 1) for field in _named(node, *KINDS))


def _filter(field, depth):
    kind = KINDS[field.get("name")]
    if kind in "&|!":
        return f"({kind}{_filters(field, depth)})"
    if kind == "present":
        return f"({_text(field)}=*)"
    if kind == "substrings":
        name = _one(field, "ldap.type")
        parts, final = "", False
        for part in _named(field, "ldap.initial", "ldap.any", "ldap.final"):
            parts += ("" if part.get("name") == "ldap.initial" else "*") + _assertion(name, part)
            final = part.get("name") == "ldap.final"
        return f"({name}={parts}{'' if final else '*'})"
    if kind == "extensible":
        name, rule = _one(field, "ldap.type") or "", _one(field, "ldap.matchingRule")
        within = next(_named(field, "ldap.dnAttributes"), None)
        value = _assertion(name, next(_named(field, "ldap.matchValue")))
        dn = ":dn" if within is not None and _bytes(within) != b"\0" else ""
        return f"({name}{dn}{':' + rule if rule is not None else ''}:={value})"
    name = _one(field, "ldap.attributeDesc")
    return f"({name}{kind}{_assertion(name, next(_named(field, 'ldap.assertionValue')))})"


# ── lines ──

def _line(name, value):
    if SECRET.search(name):
        return f"{name}: ***"
    if not value:
        return f"{name}:"
    try:
        text = value.decode()
        if text[0] not in " :<" and all(letter >= " " and letter != "\x7f" for letter in text):
            return f"{name}: {text}"
    except UnicodeDecodeError:
        pass
    return f"{name}:: {base64.b64encode(value).decode()}"


def _attribute(node):
    name = _one(node, "ldap.type")
    values = [_line(name, _bytes(value)) for value in _named(node, "ldap.AttributeValue")]
    return values or [f"{name}:"]


def _attributes(node, element):
    return [line for attribute in _named(node, element) for line in _attribute(attribute)]


def _changes(node):
    lines = []
    for change in _named(node, "ldap.modification_item_element"):
        operation = next(_named(change, "ldap.operation")).get("show")
        lines.append(f"{CHANGES[operation]}: {_one(change, 'ldap.type')}")
        name = _one(change, "ldap.type")
        lines += [_line(name, _bytes(value)) for value in _named(change, "ldap.AttributeValue")] + ["-"]
    return lines


# ── messages ──

def _controls(proto):
    names = []
    for control in _named(proto, "ldap.Control_element"):
        oid = next(_named(control, "ldap.controlType")).get("show")
        critical = next(_named(control, "ldap.criticality"), None)
        names.append(NAMES.get(oid, oid) + (" (critical)" if critical is not None and _bytes(critical) != b"\0" else ""))
    return names


def _request(op, proto):
    fields = {"controls": _controls(proto)}
    fields["dn"] = _one(proto, "ldap.name", "ldap.baseObject", "ldap.object", "ldap.entry", "ldap.delRequest") or None
    if op == 0:
        simple, sasl = next(_named(proto, "ldap.simple"), None), _one(proto, "ldap.mechanism")
        fields["mechanism"] = sasl or ("Sicily" if simple is None else
                                       "simple" if _bytes(simple) else "unauthenticated" if fields["dn"] else "anonymous")
    elif op == 3:
        fields["scope"] = SCOPES[next(_named(proto, "ldap.scope")).get("show")]
        filters = next(_named(proto, "ldap.filter"), None)
        if filters is not None:
            fields["filter"] = _filters(filters)
            fields["attributes"] = [_text(name) for name in _named(proto, "ldap.AttributeDescription")]
    elif op == 6:
        fields["body"] = _changes(proto)
    elif op == 8:
        fields["body"] = _attributes(proto, "ldap.AttributeList_item_element")
    elif op == 12:
        above = _one(proto, "ldap.newSuperior")
        drop = _bytes(next(_named(proto, "ldap.deleteoldrdn"))) != b"\0"
        fields["body"] = [f"newrdn: {_one(proto, 'ldap.newrdn')}", f"deleteoldrdn: {int(drop)}"] + (
            [f"newsuperior: {above}"] if above is not None else [])
    elif op == 14:
        fields["body"] = [_line(_one(proto, "ldap.attributeDesc"), _bytes(next(_named(proto, "ldap.assertionValue"))))]
    elif op == 23:
        name = next(_named(proto, "ldap.requestName"))
        fields["oid"] = name.get("show")
    return fields


def _add_response(group, op, proto):
    if op == 4:
        group["entries"] += 1
        group["body"] += [_line("dn", _one(proto, "ldap.objectName").encode("utf-8", "surrogateescape"))]
        group["body"] += _attributes(proto, "ldap.PartialAttributeList_item_element") + [""]
    elif op == 19:
        group["references"] += 1
        group["body"] += [f"ref: {_text(url)}" for url in _named(proto, "ldap.LDAPURL")] + [""]
    elif op != 25:
        group["code"] = int(next(_named(proto, "ldap.resultCode")).get("show"))
        group["message"] = (_one(proto, "ldap.errorMessage") or "").rstrip("\0") or None
        if op != 1:
            group["matched"] = _one(proto, "ldap.matchedDN") or None
        group["controls"] = _controls(proto)
    asked = oracle.first(proto, "ldap.response_to")
    group["answers frame"] = int(asked) if asked else None


def _messages(proto):
    """The LDAPMessages of a proto element: those of one buffer stand behind one another."""
    for element in _named(proto, "ldap.LDAPMessage_element"):
        yield element


def tshark_messages(path):
    groups = {}
    for frame, packet in oracle.tshark_packets(path, ["-Y", "ldap.messageID"]):
        stream = oracle.unordered(oracle.stream_of(packet))
        for proto in oracle.protocols(packet, "ldap") + oracle.protocols(packet, "cldap"):
            identifier, kind = oracle.first(proto, "ldap.messageID"), oracle.first(proto, "ldap.protocolOp")
            if identifier is None or kind is None:
                continue
            op, key = int(kind), int(identifier)
            if op in REQUESTS:
                yield oracle.Message(stream, frame, ("request", TYPES[op], key), _request(op, proto))
                continue
            group = groups.setdefault((stream, key), {"entries": 0, "references": 0, "body": []})
            _add_response(group, op, proto)
            if op in (4, 19, 25):
                group["last"] = (frame, TYPES[op])
                continue
            del groups[(stream, key)]
            group.pop("last", None)
            kind = "unsolicited" if key == 0 else TYPES[op]
            yield oracle.Message(stream, frame, ("response", kind, key), _only_of(kind, group))
    for (stream, key), group in groups.items():
        frame, kind = group.pop("last")
        yield oracle.Message(stream, frame, ("response", kind, key), _only_of(kind, group))


def _only_of(kind, group):
    if kind != "search":
        for name in ("entries", "references", "body"):
            group.pop(name, None)
    return group


def _lines(side):
    body = side.get("body") or ""
    if isinstance(body, dict):
        body = base64.b64decode(body["base64"]).decode("utf-8", "surrogateescape")
    return body.split("\n")[:-1]


def _plain(value):
    if isinstance(value, dict) and "base64" in value:
        return base64.b64decode(value["base64"]).decode("utf-8", "surrogateescape")
    return value


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "ldap"):
        transport = "tcp"
        stream = oracle.entry_stream(entry, transport)
        kind, key = entry["ldap_type"], entry["ldap_message_id"]
        asked = oracle.last_frame(frames, entry["request"]) if entry.get("ldap_request") else None
        if asked is not None:
            fields = {name: _plain(entry.get("ldap_" + name)) for name in ("dn", "mechanism", "scope", "filter", "oid")}
            fields["attributes"] = [_plain(name) for name in entry.get("ldap_attributes", [])]
            fields["controls"] = entry.get("ldap_controls", [])
            fields["body"] = _lines(entry["request"])
            yield oracle.Message(stream, asked, ("request", kind, key), fields)
        if entry.get("ldap_response") or kind == "unsolicited":
            side = entry["response"] if entry.get("ldap_response") else entry["request"]
            fields = {"entries": entry.get("ldap_entries"), "references": entry.get("ldap_references"), "body": _lines(side),
                      "code": entry.get("ldap_result_code"), "message": _plain(entry.get("ldap_error_message")),
                      "matched": _plain(entry.get("ldap_matched_dn")), "controls": entry.get("ldap_response_controls", []),
                      "answers frame": asked}
            yield oracle.Message(stream, oracle.last_frame(frames, side), ("response", kind, key), fields)
