"""gRPC beside tshark: our field (left) and tshark's (right), a message a stream and side.

    grpc_service, grpc_method          http2.headers.path
    grpc_status, grpc_message          http2.header grpc-status, grpc-message
    grpc_*_message_sizes               grpc.message_length
"""
import urllib.parse

import oracle
import oracle_http2


def _is_grpc(sides, key):
    stream, stream_id, _ = key
    return any(side.headers.get("content-type", "").startswith("application/grpc")
               for (other, other_id, _), side in sides.items() if (other, other_id) == (stream, stream_id))


def tshark_messages(path):
    sides = oracle_http2.tshark_sides(path)
    for key, side in sorted(sides.items(), key=repr):
        if not (side.blocks or side.body) or not _is_grpc(sides, key):
            continue
        fields = {"sizes": side.sizes}
        if "method" in side.pseudo:
            service, _, method = side.pseudo["target"][1:].rpartition("/")
            fields.update(service=service, method=method)
        if "grpc-status" in side.headers:
            fields.update(status=int(side.headers["grpc-status"]),
                          message=urllib.parse.unquote(side.headers.get("grpc-message", "")))
        kind = "request" if "method" in side.pseudo else "response"
        yield oracle.Message((key[0], kind), side.frame, key[1], fields)


def our_messages(trawl, path):
    frames = oracle.frame_numbers(path)
    for entry in oracle.our_entries(trawl, path, "grpc"):
        for kind in ("request", "response"):
            side = entry.get(kind, {})
            if "size" not in side:
                continue
            fields = {"sizes": entry.get(f"grpc_{kind}_message_sizes", [])}
            if kind == "request":
                fields.update(service=entry.get("grpc_service"), method=entry.get("grpc_method"))
            elif "grpc_status" in entry:
                fields.update(status=entry["grpc_status"], message=entry.get("grpc_message", ""))
            yield oracle.Message((oracle.entry_stream(entry, "tcp"), kind), oracle.last_frame(frames, side),
                                 entry["h2_stream_id"], fields)
