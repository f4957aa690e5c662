"""Frames of many kinds to the broker of record_stomp.sh through stomp.py, and some by hand; prints what each must look
like as an entry."""
import json
import socket
import sys
import threading
import time

import stomp

HOST, PORT = sys.argv[1], int(sys.argv[2])
HEAPS, HEAP = 3, 150


def expect(command, response=None, status="ok", **fields):
    fields = {name.replace("__", "."): value for name, value in fields.items()}
    line = {"stomp_command": command, "stomp_response": response, "status": status, "incomplete": False, **fields}
    sys.stdout.write(json.dumps(line) + "\n")  # one write: threads come here


class Listener(stomp.ConnectionListener):
    """Notes messages, and knows which receipts came."""

    def __init__(self):
        self.arrived, self.receipts, self.messages = threading.Condition(), set(), []

    def on_receipt(self, frame):
        with self.arrived:
            self.receipts.add(frame.headers["receipt-id"])
            self.arrived.notify_all()

    def on_message(self, frame):
        expect("MESSAGE", stomp_destination=frame.headers["destination"], stomp_message_id=frame.headers["message-id"],
               stomp_subscription=frame.headers["subscription"], request__body=frame.body.decode() or None, src__port=PORT)
        with self.arrived:
            self.messages.append(frame)
            self.arrived.notify_all()

    def wait(self, condition):
        with self.arrived:
            assert self.arrived.wait_for(lambda: condition(self), 10), (self.receipts, len(self.messages))


def connect():
    connection = stomp.Connection12([(HOST, PORT)], vhost="/", heartbeats=(500, 500), auto_decode=False)
    listener = Listener()
    connection.set_listener("", listener)
    connection.connect("guest", "guest", wait=True)
    expect("STOMP", "CONNECTED", stomp_version="1.2", **{"request.headers.passcode": "***", "request.headers.login": "guest"})
    return connection, listener


def library():
    connection, listener = connect()

    def asked(command, receipt, **fields):
        listener.wait(lambda it: receipt in it.receipts)
        expect(command, "RECEIPT", stomp_receipt=receipt, **fields)

    connection.subscribe("/queue/a:b\\c", id="s1", ack="client-individual", receipt="sub")
    asked("SUBSCRIBE", "sub", stomp_destination="/queue/a:b\\c", stomp_subscription="s1")
    bodies = ["", "x", "a\0b\0\0c", "line\nline\n\n", "ü" * 700, "z" * 200000]
    for number, body in enumerate(bodies):
        connection.send("/queue/a:b\\c", body, receipt=f"send-{number}", odd="a:b\nc\\d")
        asked("SEND", f"send-{number}", stomp_destination="/queue/a:b\\c", request__body=body or None,
              **{"request.headers.odd": "a:b\nc\\d"})
    listener.wait(lambda it: len(it.messages) == len(bodies))
    for number, frame in enumerate(listener.messages):
        acknowledge = connection.nack if number == 1 else connection.ack
        more = {"requeue": "false"} if number == 1 else {}
        acknowledge(frame.headers["ack"], receipt=f"ack-{number}", **more)
        asked("NACK" if number == 1 else "ACK", f"ack-{number}", stomp_message_id=frame.headers["ack"])
    for end in ("COMMIT", "ABORT"):
        connection.begin(transaction="t-" + end, receipt="begin-" + end)
        asked("BEGIN", "begin-" + end, stomp_transaction="t-" + end)
        connection.send("/queue/t", end, transaction="t-" + end)
        expect("SEND", stomp_transaction="t-" + end, request__body=end, stomp_receipt=None)
        getattr(connection, end.lower())("t-" + end, receipt="end-" + end)
        asked(end, "end-" + end, stomp_transaction="t-" + end)
    time.sleep(1.2)  # heart-beats
    connection.unsubscribe("s1", receipt="unsub")
    asked("UNSUBSCRIBE", "unsub", stomp_subscription="s1")
    connection.disconnect(receipt="bye")
    asked("DISCONNECT", "bye")


def heap(name):
    """Many with receipts that nobody waits for one by one."""
    connection, listener = connect()
    for number in range(HEAP):
        connection.send("/queue/" + name, f"{name} {number}", receipt=f"{name}-{number}")
    listener.wait(lambda it: len(it.receipts) == HEAP)
    for number in range(HEAP):
        expect("SEND", "RECEIPT", stomp_receipt=f"{name}-{number}", request__body=f"{name} {number}")
    connection.subscribe("/queue/" + name, id="0", ack="auto")
    expect("SUBSCRIBE", stomp_destination="/queue/" + name)
    listener.wait(lambda it: len(it.messages) == HEAP)
    connection.disconnect(receipt="bye " + name)
    listener.wait(lambda it: "bye " + name in it.receipts)
    expect("DISCONNECT", "RECEIPT", stomp_receipt="bye " + name)


def by_hand():
    def run(frames):
        peer = socket.create_connection((HOST, PORT))
        got = b""
        for frame in frames:
            peer.sendall(frame)
            while not got.rstrip(b"\n").endswith(b"\0"):
                piece = peer.recv(65536)
                assert piece, got
                got += piece
            answer, got = got, b""
        peer.close()
        return answer.decode()

    def message(answer):
        return next(line[8:] for line in answer.split("\n") if line.startswith("message:"))

    login = b"CONNECT\r\naccept-version:1.1\r\nhost:/\r\nlogin:guest\r\npasscode:guest\r\n\r\n\0"
    answer = run([login.replace(b"passcode:guest", b"passcode:wrong")])
    expect("CONNECT", "ERROR", "error", stomp_error=message(answer), **{"request.headers.passcode": "***"})
    answer = run([login, b"SUBSCRIBE\nid:1\nreceipt:r\n\n\0"])
    named = "\nreceipt-id:r\n" in answer
    expect("CONNECT", "CONNECTED", stomp_version="1.1")
    if named:
        expect("SUBSCRIBE", "ERROR", "error", stomp_error=message(answer), stomp_receipt="r")
    else:
        expect("SUBSCRIBE", None, "no_response", stomp_receipt="r")
        expect("ERROR", None, "error", stomp_error=message(answer))
    answer = run([login, b"NONSENSE\n\n\0"])
    expect("CONNECT", "CONNECTED", stomp_version="1.1")
    expect("NONSENSE")
    expect("ERROR", None, "error", stomp_error=message(answer), src__port=PORT)


library()
threads = [threading.Thread(target=heap, args=(f"heap{number}",)) for number in range(HEAPS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
by_hand()
