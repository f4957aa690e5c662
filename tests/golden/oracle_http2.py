"""HTTP/2 beside tshark: our field (left) and tshark's (right), a message a stream and side.

    method, path?query, host   http2.headers.method, .path, .authority
    status_code                http2.headers.status
    request/response.headers   http2.header.name, .value (in order, CONTINUATIONs and trailers included)
    *.body_size, *.body        http2.data.data
    h2_reset_code              http2.rst_stream.error
"""
import base64
import os

import oracle

# tshark takes the port for another protocol's, or for nobody's.
DECODE_AS = {
    "deepflow__http_httpv2-stream-id.pcap": ["-d", "tcp.port==11800,http2"],
    "ndpi__http2.pcapng": ["-d", "tcp.port==29518,http2"],
    "suriv__http2-bugfixes_input.pcap": ["-d", "tcp.port==443,http2"],
    "suriv__http2-errorcode_input.pcap": ["-d", "tcp.port==8888,http"],
    "suriv__http2-long-frame_input.pcap": ["-d", "tcp.port==8443,http2"],
    "deepflow__http_grpc-segmented.pcap": ["-d", "tcp.port==20035,http2"],
    "deepflow__http_grpc-server-stream.pcap": ["-d", "tcp.port==9001,http2"],
    "deepflow__http_grpc-unary.pcap": ["-d", "tcp.port==30035,http2"],
    "recording.pcap": ["-d", "tcp.port==50051,http2", "-d", "tcp.port==8081,http2", "-d", "tcp.port==4001,http2"],
}
UNKNOWN = "<unknown>"
PSEUDO = {":method": "method", ":path": "target", ":authority": "host", ":status": "code"}


class Side:
    """What one end sent on one stream."""

    def __init__(self, frame):
        self.frame, self.pseudo, self.headers, self.body, self.reset = frame, {}, {}, b"", None
        self.sizes, self.blocks, self.body_size = [], 0, 0

    def add_block(self, pairs, frame):
        status = dict(pairs).get(":status", "")
        if len(status) == 3 and status[0] == "1":
            return  # interim
        self.blocks += 1
        headers = {}
        for name, value in pairs:
            if name.startswith(":"):
                self.pseudo.setdefault(PSEUDO.get(name, name), value)
                continue
            glue = "\n" if name == "set-cookie" else "; " if name == "cookie" else ", "
            headers[name] = headers[name] + glue + value if name in headers else value
        for name, value in headers.items():  # a trailer never replaces a header
            self.headers.setdefault(name, value)
        self.frame = frame

    def fields(self):
        fields = dict(self.pseudo, headers=self.headers, body_size=self.body_size)
        self.headers.pop(UNKNOWN, None)
        if len(self.body) == self.body_size and "content-encoding" not in self.headers and not self.headers.get("content-type", "").startswith("application/grpc"):
            fields["body"] = self.body.decode("latin-1")
        if self.reset is not None:
            fields["reset"] = self.reset
        return fields


def _value(field, name):
    for item in field.iter("field"):
        if item.get("name") == name:
            return bytes.fromhex(item.get("value") or "").decode("latin-1")
    return ""


def _frames(packet):
    """(http2.stream element, [message lengths of gRPC]) of each frame in the packet."""
    frames = []
    for proto in packet.iter("proto"):
        if proto.get("name") == "http2":
            frames += [(field, []) for field in proto.findall("field") if field.get("name") == "http2.stream"]
        elif proto.get("name") == "grpc" and frames:
            frames[-1][1].append(int(oracle.first(proto, "grpc.message_length") or 0))
    return frames


def tshark_sides(path):
    """(conversation, stream id, sender) → Side."""
    sides, over = {}, set()
    for number, packet in oracle.tshark_packets(path, ["-Y", "http2 && tcp"] + DECODE_AS.get(os.path.basename(path), [])):
        ends = oracle.stream_of(packet)
        for frame, sizes in _frames(packet):
            kind, stream_id = oracle.first(frame, "http2.type"), oracle.first(frame, "http2.streamid")
            if not stream_id or stream_id == "0":
                continue
            key = (oracle.unordered(ends), int(stream_id), (ends[1], int(ends[2])))
            if key[:2] in over:
                continue  # RFC 9113 section 5.4.2: what comes behind a RST_STREAM "can be ignored"
            side = sides.setdefault(key, Side(number))
            side.sizes += sizes
            if kind in ("1", "9"):
                pairs = [(_value(item, "http2.header.name"), _value(item, "http2.header.value"))
                         for item in frame.iter("field") if item.get("name") == "http2.header"]
                if pairs:
                    side.add_block(pairs, number)
            elif kind == "0":
                padding = oracle.first(frame, "http2.flags.padded") in ("1", "True")
                size = int(oracle.first(frame, "http2.length")) - (
                    int(oracle.first(frame, "http2.pad_length")) + 1 if padding else 0)
                side.body_size += size
                side.frame = number
                for data in frame.iter("field"):  # in the last frame it may be all of the body
                    if data.get("name") == "http2.data.data" and len(data.get("value") or "") == size * 2:
                        side.body += bytes.fromhex(data.get("value") or "")
                        break
            elif kind == "3":
                side.reset = int(oracle.first(frame, "http2.rst_stream.error"))
                over.add(key[:2])
    return sides


def tshark_messages(path):
    for (stream, stream_id, _), side in sorted(tshark_sides(path).items(), key=repr):
        if side.blocks or side.body:
            kind = "request" if "method" in side.pseudo else "response"
            yield oracle.Message((stream, kind), side.frame, stream_id, side.fields())


def text(value):
    """Ours as one character a byte, like tshark's."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("latin-1")
    return value.encode("utf-8").decode("latin-1")


def our_entries(trawl, path):
    """Entries that HTTP/2 brought, stream 1 of an upgrade without its request (that came in HTTP/1)."""
    for entry in oracle.our_entries(trawl, path, "http"):
        if "h2_stream_id" in entry:
            yield entry


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in our_entries(trawl, path):
        stream = oracle.entry_stream(entry, "tcp")
        for kind in ("request", "response"):
            side = entry.get(kind, {})
            if "size" not in side or "http2-settings" in side.get("headers", {}):
                continue
            fields = {"headers": {name: text(value) for name, value in side.get("headers", {}).items() if name != UNKNOWN},
                      "body_size": side.get("body_size", 0)}
            if kind == "request":
                fields["method"] = entry.get("method")
                fields["host"] = text(entry.get("host"))
                fields["target"] = text(entry["url"]).split("/", 3)[-1] if "url" in entry else ""
                fields["target"] = "/" + fields["target"] if entry.get("method") != "CONNECT" else text(entry.get("path"))
            elif "status_code" in entry:
                fields["code"] = str(entry["status_code"])
            if not side.get("truncated") and entry["protocol"] == "http":
                fields["body"] = text(side.get("body"))
            if "h2_reset_code" in entry and entry.get("status_reason") == (
                    "client_cancel" if kind == "request" else "server_reset"):
                fields["reset"] = entry["h2_reset_code"]
            yield oracle.Message((stream, kind), oracle.last_frame(frames, side), entry["h2_stream_id"], fields)
