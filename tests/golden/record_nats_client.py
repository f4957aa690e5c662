"""A verbose client of the nats-server of record_nats.sh, by hand; prints what each operation must look like as an entry."""
import json
import socket
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])


def expect(**fields):
    print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}))


def connect():
    peer = socket.create_connection((HOST, PORT))
    lines = peer.makefile("rb")
    info = lines.readline().decode()
    expect(nats_op="INFO", response__body=info[5:].strip(), status="ok")
    return peer, lines


def verbose():
    peer, lines = connect()

    def run(line, answer=b"+OK\r\n", **fields):
        peer.sendall(line)
        got = lines.readline()
        assert got == answer, got
        expect(request__size=len(line), response__size=len(answer), status="error" if answer.startswith(b"-") else "ok", **fields)

    run(b'CONNECT {"verbose":true,"pedantic":true,"headers":true,"name":"by hand"}\r\n', nats_op="CONNECT")
    run(b"ping\r\n", b"PONG\r\n", nats_op="PING")
    run(b"SUB\thand.>  workers\t7\r\n", nats_op="SUB", nats_subject="hand.>", nats_queue="workers", nats_sid="7")
    for size in (0, 1, 5, 4096, 300000):
        body = "p" * size
        run(b"PUB else %d\r\n%s\r\n" % (size, body.encode()), nats_op="PUB", nats_subject="else", nats_payload_size=size, request__body=body or None)
    # a pipeline: three answers for three operations, then what the last one delivers
    peer.sendall(b"PUB a.b reply.to 2\r\nhi\r\nUNSUB 99\r\nHPUB hand.x 22 24\r\nNATS/1.0\r\nK: v\r\nL:w\r\n\r\nyo\r\n".replace(b"22 24", b"%d %d" % (len(b"NATS/1.0\r\nK: v\r\nL:w\r\n\r\n"), len(b"NATS/1.0\r\nK: v\r\nL:w\r\n\r\nyo"))))
    got = [lines.readline() for _ in range(3)]
    expect(nats_op="PUB", nats_subject="a.b", nats_reply_to="reply.to", request__body="hi", status="ok", response__size=5)
    expect(nats_op="UNSUB", nats_sid="99", status="ok", response__size=5)
    expect(nats_op="HPUB", nats_subject="hand.x", request__body="yo", status="ok", response__size=5, **{"request.headers": {"K": "v", "L": "w"}})
    rest = got + [lines.readline() for _ in range(6)]
    assert sum(line == b"+OK\r\n" for line in rest) == 3, rest
    expect(nats_op="HMSG", nats_subject="hand.x", nats_queue="workers", nats_sid="7", request__body="yo", src__port=PORT, **{"request.headers": {"K": "v", "L": "w"}})
    run(b"SUB bad..subject 8\r\n", b"-ERR 'Invalid Subject'\r\n", nats_op="SUB", nats_error="'Invalid Subject'")
    peer.close()


def wrong():
    peer, lines = connect()
    peer.sendall(b'CONNECT {"verbose":false}\r\nNONSENSE\r\n')
    assert lines.readline().startswith(b"-ERR 'Unknown Protocol"), "no error"
    expect(nats_op="CONNECT", status="ok")
    expect(nats_op="NONSENSE", status="error")
    expect(nats_op="-ERR", nats_error="'Unknown Protocol Operation'", status="error")
    peer.close()


verbose()
wrong()
