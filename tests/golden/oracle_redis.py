"""Redis beside tshark: our field (left) and tshark's (right), a command or reply at a time.

    request.body (words)     resp.bulk_string.value of a command's array
    redis_command            its first word
    redis_type               resp.string, .error, .integer, .bulk_string, .array
    response.body, redis_error    the scalars of the reply, in their order

tshark 4.0 reads RESP2 only: a direction in which it meets something else (RESP3, inline commands: resp.fragment) is left
out on both sides and counted aloud; unit tests and our own recordings hold those."""
import base64
import collections
import json
import os

import oracle

KINDS = {"resp.string": "string", "resp.error": "error", "resp.integer": "integer", "resp.bulk_string": "bulk",
         "resp.array": "array"}
SCALARS = ("resp.string", "resp.error", "resp.integer", "resp.bulk_string.value")


def _bytes(field):
    """The value without the line end that strings, errors and integers are shown with."""
    data = bytes.fromhex(field.get("value") or "").decode("latin-1")
    if field.get("name") in ("resp.string", "resp.error", "resp.integer"):
        return data[1:].rstrip("\r\n") if data[:1] in "+-:" else data.rstrip("\r\n")
    return data


def _flat(element):
    found = []
    for field in element.iter("field"):
        if field.get("name") in SCALARS:
            found.append(_bytes(field))
        elif field.get("name") in ("resp.bulk_string.length", "resp.array.length") and field.get("show") == "-1":
            found.append(None)
        elif field.get("name") == "resp.bulk_string.length" and field.get("show") == "0":
            found.append("")  # tshark shows no value
    return found


def tshark_messages(path, ports):
    messages, unreadable = [], set()
    decode = [item for port in sorted(ports) for item in ("-d", f"tcp.port=={port},resp")]
    for frame, packet in oracle.tshark_packets(path, ["-Y", "resp"] + decode):
        ends = oracle.stream_of(packet)
        for proto in oracle.protocols(packet, "resp"):
            for field in proto.findall("field"):
                direction = ends[1:]
                if field.get("name") == "resp.fragment":
                    unreadable.add(direction)
                elif field.get("name") in KINDS:
                    flat = _flat(field)
                    kind = KINDS[field.get("name")]
                    if flat == [None]:
                        kind = "nil"
                    messages.append(oracle.Message(direction, frame, (kind, str(flat[:2])[:200]),
                                                   {"type": kind, "scalars": flat}))
    return messages, unreadable


def _words(text):
    """Our rendering of a command: words, quoted with JSON's escapes where needed."""
    words, at = [], 0
    decoder = json.JSONDecoder(strict=False)
    while at < len(text):
        if text[at] == " ":
            at += 1
        elif text[at] == '"':
            try:
                word, at = decoder.raw_decode(text, at)
            except ValueError:  # an inline command, as it was typed
                return text.split()
            words.append(word)
        else:
            end = text.find(" ", at)
            end = len(text) if end < 0 else end
            words.append(text[at:end])
            at = end
    return words


def _scalars(value):
    if isinstance(value, list):
        return [scalar for item in value for scalar in _scalars(item)]
    if isinstance(value, dict):
        return [scalar for pair in value.items() for item in pair for scalar in _scalars(item)]
    return [None if value is None else value if isinstance(value, str) else json.dumps(value)]


def _text(value):
    if isinstance(value, dict):
        return base64.b64decode(value["base64"]).decode("latin-1")
    return (value or "").encode("utf-8").decode("latin-1")


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "redis"):
        source = (entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        request, response = entry.get("request", {}), entry.get("response", {})
        if "size" in request:
            flat = _words(_text(request.get("body")))
            yield source, oracle.last_frame(frames, request), "array", flat, request.get("truncated")
        kind = entry.get("redis_type")
        if kind and "size" in response:
            body = _text(response.get("body"))
            if kind == "array":
                try:
                    flat = _scalars(json.loads(body, strict=False, parse_int=str, parse_float=str))
                except ValueError:
                    flat = [body]
            else:
                flat = [None] if kind == "nil" else [body]
            yield (source[2:] + source[:2], oracle.last_frame(frames, response), kind, flat,
                   response.get("truncated") or entry.get("gap_bytes") or entry["redis_command"].endswith("SUBSCRIBE")
                   if "redis_command" in entry else False)


def _of_direction(direction, frame, flat, kinds):
    return oracle.Message(direction, frame, "direction", {"scalars": collections.Counter(map(str, flat)),
                                                          "types": collections.Counter(kinds)})


def _only_differences(mine, other):
    """Leaves on both sides what the other has not."""
    for field in set(mine.fields) & set(other.fields):
        a, b = mine.fields[field], other.fields[field]
        mine.fields[field], other.fields[field] = sorted((a - b).elements()), sorted((b - a).elements())


def prepare(trawl, path):
    """(ours, theirs) of one file: all scalars of a direction together, because tshark cuts an array that comes in more
    than one segment into its elements."""
    ours = list(our_messages(trawl, path))
    ports = {end for source, *_ in ours for end in (source[1], source[3]) if int(end) < 32768} | {"6379"}
    theirs, unreadable = tshark_messages(path, ports)
    if unreadable:
        print(f"{os.path.basename(path)}: {len(unreadable)} directions are not RESP2 throughout: tshark cannot judge them")
    sides = [{}, {}]
    for direction, frame, kind, flat, _ in ours:
        sides[0].setdefault(direction, []).append((frame, kind, flat))
    for message in theirs:
        sides[1].setdefault(message.stream, []).append((message.frame, message.fields["type"], message.fields["scalars"]))
    result = [[], []]
    for direction in (set(sides[0]) | set(sides[1])) - unreadable:
        pair = []
        for side in (0, 1):
            found = sides[side].get(direction, [])
            pair.append(_of_direction(direction, max((f for f, _, _ in found), default=0),
                                      [scalar for _, _, flat in found for scalar in flat],
                                      [kind for _, kind, _ in found if kind in ("error",)]))
        _only_differences(*pair)
        for side in (0, 1):
            if direction in sides[side]:
                result[side].append(pair[side])
    return result
