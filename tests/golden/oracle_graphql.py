"""GraphQL beside its reference implementation: tshark gives the bytes of HTTP/1, HTTP/2 and WebSocket, npm's graphql
(peers/graphql_judge.mjs) says whether they are a GraphQL call and which.

    gql (the flag)              the request has an executable document, or is known to be GraphQL by its place or type
    gql_operation               getOperationAST(document, operationName).operation
    gql_operation_name          its name; what was asked for where there is none
    gql_query                   query, of the JSON, query string, form or body
    gql_errors                  errors[].message of the response

    oracle_graphql.py write FILE < calls      the capture of calls as graphql_documents.mjs prints them
"""
import json
import os
import struct
import subprocess
import sys

import oracle
import oracle_http2

FIELDS = {"operation": "gql_operation", "name": "gql_operation_name", "query": "gql_query", "errors": "gql_errors"}
JUDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "graphql_judge.mjs")
WEBSOCKET = {"1": "text", "0": "continuation"}


def _header(proto, name):
    for item in proto.iter("field"):
        if item.get("name") in ("http.request.line", "http.response.line"):
            head, colon, value = bytes.fromhex(item.get("value") or "").decode("latin-1").partition(":")
            if colon and head.strip().lower() == name:
                return value.strip()
    return None


def _body(proto):
    for item in proto.iter("field"):
        if item.get("name") == "http.file_data":
            return bytes.fromhex(item.get("value") or "").decode("latin-1")
    return ""


class Http1:
    """Requests and responses of a capture, each with the frame it ended in; the WebSocket messages behind an Upgrade."""

    def __init__(self):
        self.calls, self.waiting, self.protocols, self.parts = [], {}, {}, {}

    def http(self, frame, ends, proto):
        stream, method = oracle.unordered(ends), oracle.raw(proto, "http.request.method")
        code = oracle.first(proto, "http.response.code")
        if method is not None:
            asked = {"method": method, "target": oracle.raw(proto, "http.request.uri") or "/", "type": _header(proto, "content-type"),
                     "body": _body(proto), "response": ""}
            self.calls.append((stream, frame, (frame, method), asked))
            self.waiting.setdefault(stream, []).append(asked)
        elif code == "101":
            self.protocols[stream] = _header(proto, "sec-websocket-protocol") or ""
        if code is not None and code[0] != "1" and self.waiting.get(stream):
            asked = self.waiting[stream].pop(0)
            asked.update(responseType=_header(proto, "content-type"), response=_body(proto))

    def websocket(self, frame, ends, proto):
        stream, direction = oracle.unordered(ends), ends[1:]
        if oracle.first(proto, "websocket.opcode") not in WEBSOCKET or stream not in self.protocols:
            return
        self.parts[direction] = self.parts.get(direction, "") + (oracle.raw(proto, "websocket.payload.text") or "")
        if oracle.first(proto, "websocket.fin") == "1":
            from_client = oracle.first(proto, "websocket.mask") == "1"
            text = self.parts.pop(direction)
            self.calls.append((stream, frame, (frame, text), {"subprotocol": self.protocols[stream], "fromClient": from_client, "message": text}))


def _http2_calls(path):
    sides = {}
    for (stream, stream_id, _), side in oracle_http2.tshark_sides(path).items():
        sides.setdefault((stream, stream_id), {})["request" if "method" in side.pseudo else "response"] = side
    for (stream, stream_id), both in sides.items():
        if "request" not in both:
            continue
        asked, told = both["request"], both.get("response") or oracle_http2.Side(0)
        yield stream, asked.frame, ("h2", stream_id), {
            "method": asked.pseudo["method"], "target": asked.pseudo.get("target") or "/", "type": asked.headers.get("content-type"),
            "body": asked.body.decode("latin-1"), "responseType": told.headers.get("content-type"), "response": told.body.decode("latin-1")}


def judge(calls):
    text = "".join(json.dumps(call) + "\n" for call in calls)
    done = subprocess.run(["node", JUDGE], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{JUDGE}: {done.stderr[:500]}")
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    if len(verdicts) != len(calls):
        raise SystemExit(f"{JUDGE}: {len(verdicts)} verdicts for {len(calls)} calls")
    return verdicts


def tshark_messages(path):
    found = Http1()
    for frame, packet in oracle.tshark_packets(path, ["-Y", "(http || websocket) && tcp"]):
        ends = oracle.stream_of(packet)
        for proto in packet.iter("proto"):
            if proto.get("name") == "http":
                found.http(frame, ends, proto)
            elif proto.get("name") == "websocket":
                found.websocket(frame, ends, proto)
    calls = [call for call in found.calls if call[3].get("method") != "CONNECT"] + list(_http2_calls(path))
    for (stream, frame, key, _), verdict in zip(calls, judge([call[3] for call in calls])):
        if verdict:
            yield oracle.Message(stream, frame, key, verdict)


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "http,ws"):
        fields = {theirs: entry.get(ours) for theirs, ours in FIELDS.items()}
        if entry["protocol"] != "gql" and not any(fields.values()):
            continue
        side = entry["request" if entry.get("ws_request", entry["protocol"] == "gql") else "response"]
        frame = oracle.last_frame(frames, side)
        key = (frame, oracle_http2.text(side.get("body"))) if entry["protocol"] == "ws" else (frame, entry["method"])
        if "h2_stream_id" in entry and entry["protocol"] == "gql":
            key = ("h2", entry["h2_stream_id"])
        yield oracle.Message(oracle.entry_stream(entry, "tcp"), frame, key, fields)


# ── a capture of drawn calls ──


def _text_message(call, is_request):
    body = (call["body"] if is_request else call["response"]).encode("latin-1")
    kind = call["type"] if is_request else call["responseType"]
    head = f"{call['method']} {call['target']} HTTP/1.1\r\nHost: a\r\n" if is_request else "HTTP/1.1 200 OK\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return (head + f"Content-Length: {len(body)}\r\n\r\n").encode("latin-1") + body


def write_capture(path, calls):
    """Every call in a connection of its own, a message in pieces of 1,000 bytes."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        clock = 0
        for number, call in enumerate(calls):
            port, sent = 10000 + number, [1000, 5000]

            def packet(side, flags, payload=b""):
                nonlocal clock
                ends = (b"\x0a\x00\x00\x02", b"\x0a\x00\x00\x01", port, 8080)
                source, target, sport, dport = ends if side == 0 else (ends[1], ends[0], ends[3], ends[2])
                frame = bytes.fromhex("0200000000010200000000020800")
                frame += struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), clock & 0xFFFF, 0x4000, 64, 6, 0, source, target)
                frame += struct.pack("!HHIIBBHHH", sport, dport, sent[side], sent[1 - side] if flags & 16 else 0, 0x50, flags, 65535, 0, 0) + payload
                out.write(struct.pack("<IIII", 1_700_000_000 + clock // 1000, clock % 1000 * 1000, len(frame), len(frame)) + frame)
                sent[side] += len(payload) + (1 if flags & 3 else 0)
                clock += 1

            packet(0, 2), packet(1, 18), packet(0, 16)
            for side in (0, 1):
                message = _text_message(call, side == 0)
                for at in range(0, len(message), 1000):
                    packet(side, 24, message[at:at + 1000])
            packet(0, 17), packet(1, 17), packet(0, 16)


if __name__ == "__main__":
    write_capture(sys.argv[2], [json.loads(line) for line in sys.stdin])
