"""HTTP/1 beside tshark: our field (left) and tshark's (right).

    method                   http.request.method
    path?query_string (url)  http.request.uri
    host                     http.host
    http_version             http.request.version / http.response.version
    status_code              http.response.code
    request.headers          http.request.line
    response.headers         http.response.line
    *.body                   http.file_data
    url of its request       http.response_for.uri (which request it answers)
"""
import base64
import os

import oracle

# Where tshark takes the port for another protocol's, or for nobody's.
DECODE_AS = {
    "zeek__http_get-to-ssh-server.pcap": ["-d", "tcp.port==22,http"],
    "zeek__http_http-to-ssh.pcap": ["-d", "tcp.port==22,http"],
    "zeek__http_zeek-image-post-1080-8000-x.pcap": ["-d", "tcp.port==1080,http"],
    "zeek__Traces_tcp-http-with-padding.pcap": ["-d", "tcp.port==27272,http"],
}
INTERIM = ("100", "102", "103")  # no entry of their own


def _headers(proto, field):
    """Lower-case names; repeated ones joined as formats.md says; white space normalised."""
    result = {}
    for item in proto.iter("field"):
        if item.get("name") != field:
            continue
        line = bytes.fromhex(item.get("value") or "").decode("latin-1")
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            continue
        name, value = name.strip().lower(), " ".join(value.split())
        glue = "\n" if name == "set-cookie" else ", "
        result[name] = result[name] + glue + value if name in result else value
    return result


def _our_headers(headers):
    return {name: "\n".join(" ".join(part.split()) for part in _text(value).split("\n"))
            for name, value in headers.items()}


def _text(value):
    """Ours as one character a byte, like tshark's."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("latin-1")
    return value.encode("utf-8").decode("latin-1")


def _body(proto):
    for data in proto.iter("field"):
        if data.get("name") == "http.file_data":
            return bytes.fromhex(data.get("value") or "").decode("latin-1")
    return None


def tshark_messages(path):
    for frame, packet in oracle.tshark_packets(path, ["-Y", "http && tcp"] + DECODE_AS.get(os.path.basename(path), [])):
        ends = oracle.stream_of(packet)
        for proto in oracle.protocols(packet, "http"):
            method = oracle.raw(proto, "http.request.method")
            code = oracle.first(proto, "http.response.code")
            stream = oracle.unordered(ends)
            if method is not None:
                uri = oracle.raw(proto, "http.request.uri") or ""
                version = (oracle.raw(proto, "http.request.version") or "HTTP/0.9")[5:]
                fields = {"method": method, "uri": uri, "version": version,
                          "host": " ".join((oracle.first(proto, "http.host") or "").split()),
                          "headers": _headers(proto, "http.request.line")}
                body = _body(proto)
                if body is not None:
                    fields["body"] = body
                yield oracle.Message((stream, "request"), frame, (method, uri), fields)
            elif code is not None and code not in INTERIM:
                fields = {"code": code, "version": (oracle.raw(proto, "http.response.version") or "")[5:],
                          "headers": _headers(proto, "http.response.line")}
                body = _body(proto)
                if body is not None:
                    fields["body"] = body
                asked = oracle.first(proto, "http.response_for.uri")
                if asked is not None:
                    fields["for"] = asked
                yield oracle.Message((stream, "response"), frame, code, fields)


def our_messages(trawl, path):
    responses = []
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "http"):
        stream = oracle.entry_stream(entry, "tcp")
        request, response = entry.get("request", {}), entry.get("response", {})
        if "method" in entry:
            uri = _target(entry)
            fields = {"method": entry["method"], "uri": uri, "version": entry["http_version"],
                      "host": " ".join(request.get("headers", {}).get("host", "").split()),
                      "headers": _our_headers(request.get("headers", {}))}
            if not request.get("truncated"):
                fields["body"] = _text(request.get("body"))
            yield oracle.Message((stream, "request"), oracle.last_frame(frames, request), (entry["method"], uri), fields)
        if "status_code" in entry:
            code = str(entry["status_code"])
            fields = {"code": code, "headers": _our_headers(response.get("headers", {}))}
            if "method" not in entry:
                fields["version"] = entry["http_version"]
            elif "host" in request.get("headers", {}) and entry["method"] != "CONNECT":
                fields["for"] = entry["url"]
            if not response.get("truncated"):
                fields["body"] = _text(response.get("body"))
            responses.append(oracle.Message((stream, "response"), oracle.last_frame(frames, response), code, fields))
    yield from responses


def _target(entry):
    """The request target again: absolute and authority forms are the URL itself."""
    url, path = _text(entry["url"]), _text(entry.get("path"))
    if entry["method"] == "CONNECT" or not path.startswith("/"):
        return path or url
    host = entry.get("host")
    prefix = "http://" + _text(host) if host else None
    if prefix and url.startswith(prefix) and "host" in entry.get("request", {}).get("headers", {}):
        return url[len(prefix):]
    return url[url.index(path, url.index("//") + 2):] if "//" in url else url
