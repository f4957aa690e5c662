"""WebSocket beside tshark: our field (left) and tshark's (right), a message at a time.

    ws_opcode                      websocket.opcode
    ws_…_payload_length            websocket.payload_length (or its extension), all frames of a message
    body                           websocket.payload.text, all frames of a message
    ws_close_code                  websocket.payload.close.status_code

tshark shows frames: those of one message are put together here by websocket.fin and websocket.opcode."""
import base64

import oracle

OPCODES = {"0": "continuation", "1": "text", "2": "binary", "8": "close", "9": "ping", "10": "pong"}


def _length(proto):
    for name in ("websocket.payload_length_ext_64", "websocket.payload_length_ext_16", "websocket.payload_length"):
        value = oracle.first(proto, name)
        if value is not None:
            return int(value)
    return 0


def tshark_messages(path):
    parts = {}  # direction → frames of a message so far
    for frame, packet in oracle.tshark_packets(path, ["-Y", "websocket"]):
        transport, *direction = oracle.stream_of(packet)
        direction = tuple(direction)
        for proto in oracle.protocols(packet, "websocket"):
            opcode = OPCODES[oracle.first(proto, "websocket.opcode")]
            fin = oracle.first(proto, "websocket.fin") == "1"
            text = oracle.raw(proto, "websocket.payload.text") or ""
            length = _length(proto)
            if opcode in ("text", "binary", "continuation"):
                begun = parts.pop(direction, None)
                if begun and opcode == "continuation":
                    opcode, length = begun[0], begun[1] + length
                if not fin:
                    parts[direction] = (opcode, length)
                    continue
            fields = {"opcode": opcode, "length": length}
            if opcode == "text":
                fields["text"] = text
            if opcode == "close":
                code = oracle.first(proto, "websocket.payload.close.status_code")
                fields["close_code"] = None if code is None else int(code)
            yield oracle.Message(direction, frame, (opcode, length), fields)


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "http,ws"):
        if entry["protocol"] != "ws":
            continue
        source = (entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        is_request = entry.get("ws_request", False)
        side = entry["request" if is_request else "response"]
        body = side.get("body", "")
        text = base64.b64decode(body["base64"]).decode("latin-1") if isinstance(body, dict) else body.encode().decode("latin-1")
        opcode = entry["ws_opcode"]
        length = entry["ws_request_payload_length" if is_request else "ws_response_payload_length"]
        fields = {"opcode": opcode, "length": length}
        if opcode == "text":
            fields["text"] = text
        if opcode == "close":
            fields["close_code"] = entry.get("ws_close_code")
        yield oracle.Message(source if is_request else source[2:] + source[:2], oracle.last_frame(frames, side),
                             (opcode, length), fields)
