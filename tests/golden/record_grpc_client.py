"""Calls of every kind to record_grpc_server.py; prints what each must look like as an entry."""
import json
import sys
import threading

import grpc

HOST, PORT = sys.argv[1], int(sys.argv[2])
LOCK = threading.Lock()


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def text_field(number, text):
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number, value):
    return varint(number << 3) + varint(value)


def shown(*fields):
    """Fields as the body shows them."""
    return [{"field": n, "type": "string" if isinstance(v, str) else "varint", "value": v} for n, v in fields]


def body(*messages):
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


def expect(method, status, name, **fields):
    wanted = {"protocol": "grpc", "grpc_service": "test.Echo", "grpc_method": method, "path": f"/test.Echo/{method}",
              "grpc_status": status, "grpc_status_name": name, "status": "ok" if status == 0 else "error",
              "method": "POST", "http_version": "2", "host": f"{HOST}:{PORT}", "incomplete": False}
    wanted.update({key.replace("__", "."): value for key, value in fields.items()})
    with LOCK:
        print(json.dumps(wanted))


def unary_calls(channel, count, prefix):
    call = channel.unary_unary("/test.Echo/Unary")
    for i in range(count):
        message = text_field(1, f"{prefix}-{i}") + number_field(2, i * 1000)
        assert call(message, metadata=(("x-request-id", f"{prefix}-{i}"),)) == message
        text = body(shown((1, f"{prefix}-{i}"), (2, i * 1000)))
        expect("Unary", 0, "OK", request__body=text, response__body=text, request_id=f"{prefix}-{i}",
               grpc_request_messages=1, grpc_response_messages=1, grpc_request_message_sizes=[len(message)],
               grpc_streaming="unary", summary="test.Echo/Unary → OK")


def many_at_once(channel):
    threads = [threading.Thread(target=unary_calls, args=(channel, 60, f"t{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def streams(channel):
    parts = [number_field(1, n) for n in range(5)]
    assert channel.stream_unary("/test.Echo/ClientStream")(iter(parts)) == b"".join(parts)
    expect("ClientStream", 0, "OK", grpc_streaming="client", grpc_request_messages=5, grpc_response_messages=1,
           request__body=body(*[shown((1, n)) for n in range(5)]),
           response__body=body(shown(*[(1, n) for n in range(5)])))
    got = list(channel.unary_stream("/test.Echo/ServerStream")(number_field(1, 40)))
    assert len(got) == 40
    expect("ServerStream", 0, "OK", grpc_streaming="server", grpc_request_messages=1, grpc_response_messages=40,
           response__body=body(*[shown((1, n), (2, "hello")) for n in range(40)]),
           grpc_response_message_sizes=[9] * 40)
    parts = [text_field(3, "x" * n) for n in (1, 1000, 60000)]
    got = list(channel.stream_stream("/test.Echo/Bidi")(iter(parts)))
    assert got == [part for part in parts for _ in range(2)]
    expect("Bidi", 0, "OK", grpc_streaming="bidi", grpc_request_messages=3, grpc_response_messages=6,
           request__body=body(*[shown((3, "x" * n)) for n in (1, 1000, 60000)]),
           grpc_response_message_sizes=[len(part) for part in got])


def errors(channel):
    try:
        channel.unary_unary("/test.Echo/Fails")(b"\x08\x01")
        raise AssertionError("it does not fail")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
    expect("Fails", 5, "NOT_FOUND", grpc_message="no such thing: 50% ü", summary="test.Echo/Fails → NOT_FOUND",
           grpc_response_messages=0, **{"response__headers.x-why": "test"})
    try:
        list(channel.unary_stream("/test.Echo/FailsLate")(b"\x08\x01"))
        raise AssertionError("it does not fail")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DATA_LOSS
    expect("FailsLate", 15, "DATA_LOSS", grpc_message="half", response__body=body(shown((1, 1))))
    try:
        channel.unary_unary("/test.Echo/Nothing")(b"")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    expect("Nothing", 12, "UNIMPLEMENTED", grpc_request_message_sizes=[0])


def deadline(channel):
    try:
        channel.unary_unary("/test.Echo/Sleeps")(b"\x08\x01", timeout=0.3)
        raise AssertionError("no deadline")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    with LOCK:
        print(json.dumps({"protocol": "grpc", "grpc_method": "Sleeps", "deadline_exceeded": True, "status": "error"}))
    call = channel.unary_unary("/test.Echo/Sleeps").future(b"\x08\x01", timeout=30)
    channel.unary_unary("/test.Echo/Unary")(b"\x08\x01")
    call.cancel()
    with LOCK:
        print(json.dumps({"protocol": "grpc", "grpc_method": "Unary", "deadline_exceeded": None}))
        print(json.dumps({"protocol": "grpc", "grpc_method": "Sleeps", "deadline_exceeded": None, "h2_reset_code": 8,
                          "status": "no_response", "status_reason": "client_cancel", "grpc_status": None}))


def compressed(compression, name):
    message = text_field(1, "again and again " * 400)
    with grpc.insecure_channel(f"{HOST}:{PORT}", compression=compression) as channel:
        assert channel.unary_unary("/test.Echo/Unary")(message) == message
    text = body(shown((1, "again and again " * 400)))
    expect("Unary", 0, "OK", request__body=text, response__body=text,
           **{"request__headers.grpc-encoding": name})


compressed(grpc.Compression.Gzip, "gzip")
compressed(grpc.Compression.Deflate, "deflate")
with grpc.insecure_channel(f"{HOST}:{PORT}") as one:
    unary_calls(one, 20, "one")
    streams(one)
    errors(one)
    many_at_once(one)
    deadline(one)
