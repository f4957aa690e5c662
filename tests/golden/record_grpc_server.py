"""A gRPC server without generated code: messages are bytes. Methods of test.Echo (record_grpc_client.py calls them)."""
import sys
import time
from concurrent import futures

import grpc

HOST, PORT = sys.argv[1], int(sys.argv[2])


def unary(request, context):
    return request


def client_stream(requests, context):
    return b"".join(requests)


def server_stream(request, context):
    for i in range(request[1]):  # field 1, varint
        yield bytes([0x08, i]) + b"\x12\x05hello"


def bidi(requests, context):
    for request in requests:
        yield request
        yield request


def fails(request, context):
    context.set_trailing_metadata((("x-why", "test"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: 50% ü")


def sleeps(request, context):
    time.sleep(1)
    return request


def fails_late(request, context):
    yield b"\x08\x01"
    context.abort(grpc.StatusCode.DATA_LOSS, "half")


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "Fails": grpc.unary_unary_rpc_method_handler(fails),
    "FailsLate": grpc.unary_stream_rpc_method_handler(fails_late),
    "Sleeps": grpc.unary_unary_rpc_method_handler(sleeps),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", HANDLERS),))
assert server.add_insecure_port(f"{HOST}:{PORT}")
server.start()
server.wait_for_termination()
