"""Kafka beside tshark: our field (left) and tshark's (right), a message at a time.

    kafka_request_size, kafka_response_size    kafka.len (without its own four bytes)
    kafka_api_key, kafka_api_version           kafka.api_key, kafka.api_version
    kafka_correlation_id, kafka_client_id      kafka.correlation_id, kafka.client_id
    topics, partitions, error codes, groups of request.body and response.body, in order
                                               kafka.topic_name, .partition_id, .error, .consumer_group
    values of records                          kafka.message_value

tshark 4.0 knows versions up to those of Kafka 2.7 or so: of newer ones (kafka.unsupported_api_version), and of responses
whose request it did not see, only the header is compared; unit tests and our own recording hold the rest."""
import base64
import json

import oracle

LISTS = {"kafka.topic_name": "topics", "kafka.partition_id": "partitions", "kafka.error": "errors",
         "kafka.consumer_group": "groups", "kafka.group_id": "groups", "kafka.message_value": "values"}


def _their_fields(proto):
    fields = {"size": str(int(oracle.first(proto, "kafka.len")) + 4),
              "correlation": oracle.first(proto, "kafka.correlation_id")}
    if oracle.first(proto, "kafka.api_version") is not None and oracle.first(proto, "kafka.api_key") is not None:
        fields["key"], fields["version"] = oracle.first(proto, "kafka.api_key"), oracle.first(proto, "kafka.api_version")
        if oracle.first(proto, "kafka.client_id"):
            fields["client"] = oracle.first(proto, "kafka.client_id")
    is_blind = any(oracle.first(proto, name) is not None for name in ("kafka.unsupported_api_version", "kafka.request_missing"))
    if not is_blind:
        for name in set(LISTS.values()):
            fields[name] = []
        for field in proto.iter("field"):
            name = LISTS.get(field.get("name"))
            if name == "values":
                fields[name].append(bytes.fromhex(field.get("value") or "").decode("latin-1"))
            elif name:
                fields[name].append(field.get("show"))
    return fields


def tshark_messages(path, ports):
    messages = []
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},kafka")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "kafka"] + decode):
        ends = oracle.stream_of(packet)
        for proto in oracle.protocols(packet, "kafka"):
            if oracle.first(proto, "kafka.len") is None:
                continue
            fields = _their_fields(proto)
            messages.append(oracle.Message(ends, frame, fields["correlation"], fields))
    return messages


def _text(value):
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("latin-1")
    return value.encode().decode("latin-1")


def _walk(value, fields):
    for name, item in value.items():
        if name == "topic" and item is not None:
            fields["topics"].append(item)
        elif name == "partition":
            fields["partitions"].append(str(item))
        elif name == "error_code":
            fields["errors"].append(str(item))
        elif name == "group_id" or (name == "key" and "records" not in fields and isinstance(item, str)):
            fields["groups"].append(item)
        elif name == "records" and isinstance(item, list):
            fields["values"] += [_text(record["value"]) for record in item if record["value"] is not None]
        elif isinstance(item, list):
            for one in item:
                if isinstance(one, dict):
                    _walk(one, fields)
                elif name == "partitions":
                    fields["partitions"].append(str(one))


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "kafka"):
        source = ("tcp", entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        back = ("tcp",) + source[3:] + source[1:3]
        for part, ends in (("request", source), ("response", back)):
            if "size" not in entry.get(part, {}):
                continue
            fields = {"size": str(entry[part]["size"]), "correlation": str(entry["kafka_correlation_id"])}
            if part == "request":
                fields.update(key=str(entry["kafka_api_key"]), version=str(entry["kafka_api_version"]))
                if "kafka_client_id" in entry:
                    fields["client"] = entry["kafka_client_id"]
            if "body" in entry[part] and not entry[part].get("truncated"):
                for name in set(LISTS.values()):
                    fields[name] = []
                _walk(json.loads(entry[part]["body"]), fields)
            yield oracle.Message(ends, oracle.last_frame(frames, entry[part]), fields["correlation"], fields)


def prepare(trawl, path):
    ours = list(our_messages(trawl, path))
    ports = {end for message in ours for end in (message.stream[2], message.stream[4]) if int(end) in (9092, 9099, 36333)}
    return ours, tshark_messages(path, ports | {"9092"})
