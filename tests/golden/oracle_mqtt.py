"""MQTT beside tshark: our field (left) and tshark's (right), a request at a time.

    mqtt_type          mqtt.msgtype
    mqtt_topic         mqtt.topic, joined
    mqtt_qos           mqtt.qos of a PUBLISH, the highest mqtt.sub.qos of a SUBSCRIBE
    mqtt_client_id     mqtt.clientid of a CONNECT
    request.body       mqtt.msg
    mqtt_reason_code   mqtt.conack.val or mqtt.conack.reason_code of the CONNACK that answers; of a DISCONNECT its own
    (answered)         by packet identifier: mqtt.msgid of PUBACK, PUBCOMP, SUBACK, UNSUBACK; PINGRESP in their order
"""
import base64

import oracle

TYPES = {"0": "RESERVED", "1": "CONNECT", "2": "CONNACK", "3": "PUBLISH", "4": "PUBACK", "5": "PUBREC", "6": "PUBREL", "7": "PUBCOMP", "8": "SUBSCRIBE", "9": "SUBACK",
         "10": "UNSUBSCRIBE", "11": "UNSUBACK", "12": "PINGREQ", "13": "PINGRESP", "14": "DISCONNECT", "15": "AUTH"}
ANSWERS = {"CONNACK": "CONNECT", "PUBACK": "PUBLISH", "PUBCOMP": "PUBLISH", "SUBACK": "SUBSCRIBE", "UNSUBACK": "UNSUBSCRIBE", "PINGRESP": "PINGREQ"}


def tshark_messages(path):
    messages, waiting = [], {}
    for frame, packet in oracle.tshark_packets(path, ["-Y", "mqtt"]):
        _, *direction = oracle.stream_of(packet)
        direction = tuple(direction)
        for proto in oracle.protocols(packet, "mqtt"):
            number = oracle.first(proto, "mqtt.msgtype")
            if number is None:
                continue
            kind = TYPES[number]
            identifier = oracle.first(proto, "mqtt.msgid") if kind not in ("CONNECT", "CONNACK", "PINGREQ", "PINGRESP") else None
            if kind in ANSWERS:
                asked = waiting.pop((direction[2:] + direction[:2], ANSWERS[kind], identifier), None)
                if asked:
                    asked.fields["answered"] = True
                    code = oracle.first(proto, "mqtt.conack.val") or oracle.first(proto, "mqtt.conack.reason_code")
                    if code is not None:
                        asked.fields["reason_code"] = int(code, 0)
                continue
            if kind in ("PUBREC", "PUBREL"):
                continue
            fields = {"type": kind, "topic": ", ".join(oracle.every(proto, "mqtt.topic")), "answered": False}
            if kind == "PUBLISH":
                fields["qos"] = int(oracle.first(proto, "mqtt.qos"))
                fields["body"] = oracle.raw(proto, "mqtt.msg") or ""
            if kind == "SUBSCRIBE":
                asked = oracle.every(proto, "mqtt.sub.qos") or [str(int(v, 0) & 3) for v in oracle.every(proto, "mqtt.subscription_options")]
                if asked:
                    fields["qos"] = max(map(int, asked))
            if kind == "CONNECT":
                fields["client_id"] = oracle.first(proto, "mqtt.clientid") or ""
            message = oracle.Message(direction, frame, (kind, fields["topic"]), fields)
            messages.append(message)
            waiting[(direction, kind, identifier)] = message
    return messages


def _text(body):
    return base64.b64decode(body["base64"]).decode("latin-1") if isinstance(body, dict) else body.encode().decode("latin-1")


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "mqtt"):
        kind, request, response = entry["mqtt_type"], entry.get("request", {}), entry.get("response", {})
        if kind in ANSWERS or kind in ("PUBREC", "PUBREL"):
            continue  # lone answers: no request stands on tshark's side either
        source = (entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        topic = entry.get("mqtt_topic", "")
        fields = {"type": kind, "topic": topic, "answered": response.get("size", 0) > 0 and entry["summary"].split(" → ")[-1] not in ("PUBREC", "PUBREL")}
        if kind == "PUBLISH":
            fields["qos"], fields["body"] = entry["mqtt_qos"], _text(request.get("body", ""))
        if kind == "SUBSCRIBE":
            fields["qos"] = entry["mqtt_qos"]
        if kind == "CONNECT":
            fields["client_id"] = entry.get("mqtt_client_id", "")
            if "mqtt_reason_code" in entry:
                fields["reason_code"] = entry["mqtt_reason_code"]
        yield oracle.Message(source, oracle.last_frame(frames, request), (kind, topic), fields)
