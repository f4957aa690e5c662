"""TLS hellos beside tshark: our field (left) and tshark's (right), for the first handshake of each connection.

    tlsx_sni             tls.handshake.extensions_server_name
    tlsx_alpn            tls.handshake.extensions_alpn_str (the server's, else the client's)
    tlsx_version         tls.handshake.extensions.supported_version, else tls.handshake.version
    tlsx_cipher_suite    tls.handshake.ciphersuite of the ServerHello
    tlsx_cipher_suites   tls.handshake.ciphersuite of the ClientHello
    tlsx_ja3, tlsx_ja3s  tls.handshake.ja3, tls.handshake.ja3s
    tlsx_issuer, tlsx_subject   x509af.rdnSequence
    tlsx_not_after       x509af.utcTime / x509af.generalizedTime
    tlsx_alert           tls.alert_message.desc
"""
import datetime
import os
import re

import oracle

# TLS on port 80.
DECODE_AS = {
    "zeek__tls_ssl-to-http-server.pcap": ["-d", "tcp.port==80,tls"],
    "zeek__tls_https-to-http.pcap": ["-d", "tcp.port==80,tls"],
}
RETRY_RANDOM = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
SHORT = {"id-at-commonName": "CN", "id-at-countryName": "C", "id-at-localityName": "L", "id-at-organizationName": "O",
         "id-at-stateOrProvinceName": "ST", "id-at-organizationalUnitName": "OU", "id-at-streetAddress": "street",
         "id-at-serialNumber": "serialNumber", "id-at-businessCategory": "businessCategory", "dc": "DC",
         "id-at-postalCode": "postalCode", "pkcs-9-at-emailAddress": "emailAddress", "id-at-title": "title",
         "id-at-description": "description", "id-at-surname": "SN", "id-at-givenName": "GN"}
VERSIONS = {0x0002: "SSL 2.0", 0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2",
            0x0304: "TLS 1.3", 0xfeff: "DTLS 1.0", 0x0100: "DTLS 1.0", 0xfefd: "DTLS 1.2", 0xfefc: "DTLS 1.3"}


def _version(number):
    if number >> 8 == 0x7f:
        return f"TLS 1.3 draft {number & 255}"
    if number >> 8 in (0xfb, 0x7e):
        return f"TLS 1.3 experiment 0x{number:04X}"
    return VERSIONS.get(number, f"0x{number:04X}")


def _is_grease(number):
    return number & 0x0f0f == 0x0a0a and number >> 8 == number & 255


def _highest(versions, is_dtls):
    versions = [v for v in versions if not _is_grease(v)]
    return (min if is_dtls else max)(versions) if versions else None


def _suite(field):
    """IANA's name; what tshark does not know, we show as a number."""
    number = int(field.get("show"), 0)
    match = re.search(r": (TLS_\w+) \(", field.get("showname") or "")
    if match:
        return match.group(1)
    return f"GREASE_0x{number:04X}" if _is_grease(number) else f"0x{number:04X}"


def _fields(element, name):
    return [field for field in element.iter("field") if field.get("name") == name]


def _numbers(element, name):
    return [int(field.get("show"), 0) for field in _fields(element, name)]


def _distinguished(showname):
    """"3 items (id-at-commonName=R3,id-at-organizationName=…)" → "CN=R3,O=…"."""
    inside = showname[showname.index("(") + 1:]
    for long, short in SHORT.items():
        inside = inside.replace(long + "=", short + "=")
    if inside.endswith(")") and showname.startswith("rdnSequence: %d item" % (inside.count("=") or 1)):
        return inside[:-1]
    return Cut(inside[:inside.rindex(",")])  # PDML cuts long lines


class Cut(str):
    """The beginning of a text."""

    def __eq__(self, other):
        return other.startswith(str(self)) or all(part in other for part in self.split(","))

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__


def _client(handshake, is_dtls):
    versions = _numbers(handshake, "tls.handshake.extensions.supported_version")
    legacy = _numbers(handshake, "tls.handshake.version")
    fields = {"version": _version(_highest(versions, is_dtls) or legacy[0]),
              "suites": [_suite(f) for f in _fields(handshake, "tls.handshake.ciphersuite")],
              "alpn": oracle.every(handshake, "tls.handshake.extensions_alpn_str"),
              "sni": oracle.first(handshake, "tls.handshake.extensions_server_name", "")}
    ja3 = oracle.first(handshake, "tls.handshake.ja3")
    if ja3:
        fields["ja3"] = ja3
    return fields


def _server(handshake):
    versions = _numbers(handshake, "tls.handshake.extensions.supported_version")
    legacy = _numbers(handshake, "tls.handshake.version")
    fields = {"version": _version((versions or legacy)[0]),
              "suite": [_suite(f) for f in _fields(handshake, "tls.handshake.ciphersuite")][0]}
    alpn = oracle.every(handshake, "tls.handshake.extensions_alpn_str")
    if alpn:
        fields["alpn"] = alpn
    ja3s = oracle.first(handshake, "tls.handshake.ja3s")
    if ja3s:
        fields["ja3s"] = ja3s
    return fields


def _time(text):
    """"2033-12-31 23:59:59 (UTC)" or "Sep  1, 2025 13:33:37.000000000 UTC" as the former's first 19 characters."""
    if text[:4].isdigit():
        return text[:19]
    when = datetime.datetime.strptime(" ".join(text.split(".")[0].split()), "%b %d, %Y %H:%M:%S")
    return when.strftime("%Y-%m-%d %H:%M:%S") if when.year < 2262 else ""


def _certificate(handshake):
    names = [f.get("showname") for name in ("x509if.rdnSequence", "x509af.rdnSequence")
             for f in _fields(handshake, name)[:1]]
    times = [f.get("show") for f in handshake.iter("field")
             if f.get("name") in ("x509af.utcTime", "x509af.generalizedTime")][:2]
    fields = {}
    if len(names) == 2 and all("(" in n for n in names):
        fields["issuer"], fields["subject"] = map(_distinguished, names)
    if len(times) == 2:
        fields["not after"] = _time(times[1])
    return fields


def tshark_messages(path):
    seen = set()
    for frame, packet in oracle.tshark_packets(path, ["-Y", "tls || dtls"] +
                                               DECODE_AS.get(os.path.basename(path), [])):
        ends = oracle.stream_of(packet)
        stream = oracle.unordered(("any",) + ends[1:])
        for proto in [p for name in ("tls", "dtls") for p in oracle.protocols(packet, name)]:
            is_dtls = proto.get("name") == "dtls"
            for field in proto.iter("field") if is_dtls else ():
                if field.get("name").startswith("dtls."):
                    field.set("name", field.get("name")[1:])
            yield from _of_proto(proto, is_dtls, stream, frame, seen)


def _of_proto(proto, is_dtls, stream, frame, seen):
    for field in proto.iter("field"):
        name = field.get("name")
        if name == "tls.handshake":
            kind = oracle.first(field, "tls.handshake.type")
            if kind == "1" and (stream, "client") not in seen and oracle.first(field, "tls.handshake.version"):
                seen.add((stream, "client"))
                yield oracle.Message((stream, "client"), frame, "client", _client(field, is_dtls))
            elif kind == "2" and (stream, "server") not in seen and oracle.first(field, "tls.handshake.version"):
                if (oracle.raw_hex(field, "tls.handshake.random") or "") == RETRY_RANDOM:
                    continue
                seen.add((stream, "server"))
                yield oracle.Message((stream, "server"), frame, "server", _server(field))
            elif kind == "11" and (stream, "certificate") not in seen and (stream, "server") in seen:
                seen.add((stream, "certificate"))
                yield oracle.Message((stream, "certificate"), frame, "certificate", _certificate(field))
        elif name == "tls.alert_message.desc":
            text = (field.get("showname") or "").split(": ", 1)[1].rsplit(" (", 1)[0]
            text = text.lower().replace(" ", "_")
            if (stream, "alert") not in seen and text != "close_notify":
                seen.add((stream, "alert"))
                yield oracle.Message((stream, "alert"), frame, "alert", {"alert": text})


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    seen = set()
    for entry in oracle.our_entries(trawl, path, "tlsx"):
        stream = oracle.entry_stream(entry, "any")
        if stream in seen:
            continue
        seen.add(stream)
        asked = oracle.last_frame(frames, entry.get("request", {}))
        told = oracle.last_frame(frames, entry.get("response", {}))
        if "tlsx_cipher_suites" in entry:
            fields = {"suites": entry["tlsx_cipher_suites"], "sni": entry.get("tlsx_sni", "")}
            for theirs, ours in (("ja3", "tlsx_ja3"),):
                fields[theirs] = entry.get(ours)
            if "tlsx_cipher_suite" not in entry:
                fields["version"] = entry["tlsx_version"]
            if "tlsx_cipher_suite" not in entry:
                fields["alpn"] = entry.get("tlsx_alpn", [])
            yield oracle.Message((stream, "client"), asked, "client", fields)
        if "tlsx_cipher_suite" in entry:
            fields = {"version": entry["tlsx_version"], "suite": entry["tlsx_cipher_suite"],
                      "ja3s": entry.get("tlsx_ja3s"), "alpn": entry.get("tlsx_alpn", [])}
            yield oracle.Message((stream, "server"), told, "server", fields)
        if "tlsx_subject" in entry or "tlsx_issuer" in entry or "tlsx_not_after" in entry:
            fields = {"issuer": _plain(entry.get("tlsx_issuer", "")), "subject": _plain(entry.get("tlsx_subject", "")),
                      "not after": entry.get("tlsx_not_after", "")[:19].replace("T", " ")}
            yield oracle.Message((stream, "certificate"), told, "certificate", fields)
        if "tlsx_alert" in entry and entry["tlsx_alert"] != "close_notify":
            yield oracle.Message((stream, "alert"), told, "alert", {"alert": entry["tlsx_alert"]})


def _plain(name):
    return re.sub(r"\\(.)", r"\1", name)
