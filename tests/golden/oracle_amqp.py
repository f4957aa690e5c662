"""AMQP 0-9-1 beside tshark: our field (left) and tshark's (right), a method at a time.

    amqp_method, amqp_response_method    amqp.method.class, amqp.method.method
    amqp_channel                         amqp.channel
    amqp_exchange, amqp_routing_key, amqp_queue, amqp_consumer_tag, amqp_reply_code, amqp_delivery_tag, virtual-host
                                         amqp.method.arguments.*
    request.body_size, response.body_size     amqp.header.body-size
    request.headers (properties)         amqp.header.properties.*
    request.body, response.body          amqp.payload of all body frames
"""
import base64
import re

import oracle

ARGUMENTS = {"exchange": "exchange", "routing_key": "routing-key", "queue": "queue", "consumer_tag": "consumer-tag",
             "reply_code": "reply-code", "reply_text": "reply-text", "delivery_tag": "delivery-tag", "type": "type",
             "source": "source", "destination": "destination", "virtual_host": "virtual-host", "mechanism": "mechanism",
             "channel_max": "channel-max", "frame_max": "frame-max", "heartbeat": "heartbeat",
             "message_count": "message-count", "consumer_count": "consumer-count", "prefetch_count": "prefetch-count"}
PROPERTIES = {"content_type": "content-type", "content_encoding": "content-encoding", "delivery_mode": "delivery-mode",
              "priority": "priority", "correlation_id": "correlation-id", "reply_to": "reply-to",
              "expiration": "expiration", "message_id": "message-id", "type": "type", "user_id": "user-id",
              "app_id": "app-id"}


def _method_name(field):
    """tshark: "Method: Get-Empty (72)"."""
    return re.sub(r"^\w+: (.*) \(\d+\)$", r"\1", field.get("showname")).lower()


def _theirs(proto):
    fields, kind, channel = {}, None, None
    for field in proto.iter("field"):
        name, show = field.get("name"), field.get("show")
        if name == "amqp.type":
            kind = show
        elif name == "amqp.channel":
            channel = show
        elif name == "amqp.method.class":
            class_name = _method_name(field)
        elif name == "amqp.method.method":
            fields["method"] = class_name + "." + _method_name(field)
        elif name.startswith("amqp.method.arguments."):
            ours = ARGUMENTS.get(name[len("amqp.method.arguments."):])
            if ours:
                fields[ours] = show
        elif name in ("amqp.header.body-size", "amqp.header.body_size"):
            fields["body_size"] = show
        elif name.startswith("amqp.header.properties."):
            ours = PROPERTIES.get(name[len("amqp.header.properties."):])
            if ours:
                fields["property " + ours] = show
        elif name == "amqp.payload":
            fields["body"] = bytes.fromhex(field.get("value") or "").decode("latin-1")
    return kind, channel, fields


def tshark_messages(path, ports=()):
    messages, content = [], {}
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},amqp")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "amqp"] + decode):
        ends = oracle.stream_of(packet)
        for proto in oracle.protocols(packet, "amqp"):
            kind, channel, fields = _theirs(proto)
            if kind == "1":
                message = oracle.Message(ends, frame, (fields["method"], channel), fields)
                messages.append(message)
                content[ends, channel] = message
            elif kind in ("2", "3") and (ends, channel) in content:
                whole = content[ends, channel].fields
                body = whole.get("body", "") + fields.pop("body", "")
                whole.update(fields)
                if kind == "3":
                    whole["body"] = body
    return messages


def _body(part):
    body = part.get("body", "")
    if isinstance(body, dict):
        return base64.b64decode(body["base64"]).decode("latin-1")
    return body.encode().decode("latin-1")


def _ours(method, part, entry):
    headers = dict(part.get("headers", {}))
    fields = {"method": method}
    for name in ARGUMENTS.values():
        if name in headers:
            fields[name] = headers[name]
    if "body_size" in part:
        fields["body_size"] = str(part["body_size"])
        for name in PROPERTIES.values():
            if name in headers:
                fields["property " + name] = headers[name]
        if part["body_size"]:
            fields["body"] = _body(part)
    return fields


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    messages, seen = [], set()
    for entry in oracle.our_entries(trawl, path, "amqp"):
        source = ("tcp", entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        back = ("tcp",) + source[3:] + source[1:3]
        channel = str(entry.get("amqp_channel"))
        for part, name, ends in (("request", "amqp_method", source), ("response", "amqp_response_method", back)):
            method = entry.get(name)
            if not method or method == "protocol-header" or "size" not in entry.get(part, {}):
                continue
            offsets = tuple(p["offset"] for p in entry[part].get("packets", []))
            # One frame may answer several calls: a close, a confirm of many.
            shared = method in ("channel.close", "connection.close", "basic.ack", "basic.nack")
            if shared and (ends, method, channel, offsets) in seen:
                continue
            seen.add((ends, method, channel, offsets))
            messages.append(oracle.Message(ends, oracle.last_frame(frames, entry[part]), (method, channel),
                                           _ours(method, entry[part], entry)))
    return messages


def prepare(trawl, path):
    ours = our_messages(trawl, path)
    ports = {end for message in ours for end in (message.stream[2], message.stream[4]) if int(end) < 32768} | {"5672"}
    return ours, tshark_messages(path, ports)
