"""A Diameter peer that asks (client) or answers, and asks back (server), through the relay of record_diameter.sh; prints
what each call on its own connection must look like as an entry."""
import json
import socket
import struct
import sys
import time

ROLE, HOST = sys.argv[1:3]
HOSTS = {"client": ("client.example.com", "example.com"), "server": ("server.example.net", "example.net")}
ME, MY_REALM = HOSTS[ROLE]
METHODS = {257: "Capabilities-Exchange", 258: "Re-Auth", 271: "Accounting", 272: "Credit-Control", 275: "Session-Termination",
           280: "Device-Watchdog", 282: "Disconnect-Peer", 316: "Update-Location", 318: "Authentication-Information"}
RESULTS = {2001: "DIAMETER_SUCCESS", 3002: "DIAMETER_UNABLE_TO_DELIVER", 4012: "DIAMETER_CREDIT_LIMIT_REACHED",
           5030: "DIAMETER_USER_UNKNOWN"}
RELAY, CALLS, ASKED_BACK = 0xffffffff, 600, 40


class Avps:
    """AVPs as bytes, and as the lines of a body."""

    def __init__(self):
        self.data, self.lines = b"", ""

    def add(self, code, name, value, shown=None, vendor=0):
        if isinstance(value, Avps):
            raw = value.data
            self.lines += f"{name}:\n" + "".join(f"  {line}\n" for line in value.lines.splitlines())
        else:
            raw = struct.pack(">I", value) if isinstance(value, int) else value.encode() if isinstance(value, str) else value
            self.lines += f"{name}: {value if shown is None else shown}\n"
        header = struct.pack(">I", code) + bytes([0xc0 if vendor else 0x40]) + (len(raw) + (12 if vendor else 8)).to_bytes(3, "big")
        self.data += header + (struct.pack(">I", vendor) if vendor else b"") + raw + b"\0" * (-len(raw) % 4)
        return self


def origin(avps):
    return avps.add(264, "Origin-Host", ME).add(296, "Origin-Realm", MY_REALM)


def result(avps, code):
    return avps.add(268, "Result-Code", code, f"{RESULTS[code]} ({code})")


def message(flags, command, application, hop, end, avps):
    return (b"\1" + (20 + len(avps.data)).to_bytes(3, "big") + bytes([flags]) + command.to_bytes(3, "big") +
            struct.pack(">III", application, hop, end) + avps.data)


class Message:
    def __init__(self, data):
        self.data, self.flags, self.command = data, data[4], int.from_bytes(data[5:8], "big")
        self.application, self.hop, self.end = struct.unpack_from(">III", data, 8)

    def find(self, code):
        at = 20
        while at < len(self.data):
            number, flags = struct.unpack_from(">IB", self.data, at)
            length = int.from_bytes(self.data[at + 5:at + 8], "big")
            if number == code and not flags & 0x80:
                return self.data[at + 8:at + length]
            at += length + -length % 4
        return None

    def result(self):
        value = self.find(268)
        return None if value is None else struct.unpack(">I", value)[0]


class Peer:
    def __init__(self, connection):
        self.connection, self.buffer = connection, b""
        connection.settimeout(15)

    def send(self, data):
        self.connection.sendall(data)

    def receive(self):
        while len(self.buffer) < 4 or len(self.buffer) < int.from_bytes(self.buffer[1:4], "big"):
            more = self.connection.recv(65536)
            if not more:
                return None
            self.buffer += more
        size = int.from_bytes(self.buffer[1:4], "big")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return Message(data)


def expect(asked, answered, code, session=None, **fields):
    fields = {name.replace("__", "."): value for name, value in fields.items()}
    print(json.dumps({"diameter_method": METHODS[asked.command], "diameter_application_id": asked.application,
                      "diameter_hop_by_hop_id": asked.hop, "diameter_end_to_end_id": asked.end,
                      "diameter_request_length": len(asked.data), "diameter_response_length": len(answered.data),
                      "diameter_result_code": code, "diameter_session_id": session, "incomplete": False,
                      "status": "error" if code >= 3000 else "ok", **fields}))


def capabilities():
    avps = origin(Avps()).add(257, "Host-IP-Address", b"\0\1" + socket.inet_aton(HOST), HOST)
    return avps.add(266, "Vendor-Id", 0).add(269, "Product-Name", "peer").add(258, "Auth-Application-Id", RELAY)


# ── the one that asks ──

def session(i):
    return f"{ME};{i};{i * 7}"


def begin_request(i, realm):
    return origin(Avps().add(263, "Session-Id", session(i))).add(283, "Destination-Realm", realm)


def credit_control(i):
    kind = ("INITIAL_REQUEST", "UPDATE_REQUEST", "TERMINATION_REQUEST")[i % 3]
    unit = Avps().add(421, "CC-Total-Octets", struct.pack(">Q", i << 33), i << 33)
    who = Avps().add(450, "Subscription-Id-Type", 1, "END_USER_IMSI (1)").add(444, "Subscription-Id-Data", f"00101{i:010}")
    return (begin_request(i, "example.net").add(258, "Auth-Application-Id", 4).add(461, "Service-Context-Id", "32251@3gpp.org")
            .add(416, "CC-Request-Type", i % 3 + 1, f"{kind} ({i % 3 + 1})").add(415, "CC-Request-Number", i)
            .add(55, "Event-Timestamp", 3472267678, "2010-01-12T06:47:58Z").add(443, "Subscription-Id", who)
            .add(437, "Requested-Service-Unit", unit))


def update_location(i):
    return (begin_request(i, "example.net").add(1, "User-Name", f"00101{i:010}")
            .add(1032, "RAT-Type", 1004, vendor=10415).add(1405, "ULR-Flags", 34, vendor=10415)
            .add(1407, "Visited-PLMN-Id", b"\x00\xf1\x10", "0x00f110", vendor=10415))


def accounting(i):
    return (begin_request(i, "example.net").add(480, "Accounting-Record-Type", 2, "START_RECORD (2)")
            .add(485, "Accounting-Record-Number", i).add(2, "User-Password", "mistaken", "(hidden)"))


def terminate(i):
    return begin_request(i, "example.net").add(258, "Auth-Application-Id", 4).add(
        295, "Termination-Cause", 1, "DIAMETER_LOGOUT (1)")


KINDS = [(272, 4, credit_control), (316, 16777251, update_location), (271, 3, accounting), (275, 4, terminate)]


def client():
    deadline = time.monotonic() + 10
    while True:
        try:
            peer = Peer(socket.create_connection((HOST, 3868), 1))
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    asked = Message(message(0x80, 257, 0, 1, 1, capabilities()))
    peer.send(asked.data)
    expect(asked, peer.receive(), 2001, diameter_origin_host=ME,
           request__body=capabilities().lines)
    time.sleep(2)  # the relay connects to the server meanwhile
    waiting, number, done = {}, 0, 0
    while done < CALLS:
        while number < CALLS and len(waiting) < 50:
            command, application, make = KINDS[number % len(KINDS)]
            avps = make(number)
            if number % 97 == 5:  # nobody serves it
                avps = begin_request(number, "nowhere.example")
            one = Message(message(0xc0, command, application, 0x10000 + number, 0x7000000 + number, avps))
            waiting[one.hop] = (one, avps, session(number))
            peer.send(one.data)
            number += 1
        got = peer.receive()
        if got.flags & 0x80:
            answer_back(peer, got)
            continue
        one, avps, name = waiting.pop(got.hop)
        code = got.result() or struct.unpack(">I", got.find(297)[-4:])[0]
        expect(one, got, code, name, request__body=avps.lines, diameter_origin_host=ME)
        done += 1
    leave(peer)


def answer_back(peer, got):
    """The server's Re-Auth-Requests come through the relay; the relay's own watchdog may come, too."""
    name = got.find(263)
    avps = Avps()
    if name:
        avps.add(263, "Session-Id", name.decode())
    avps = origin(result(avps, 2001))
    told = Message(message(0x40 if name else 0, got.command, got.application, got.hop, got.end, avps))
    peer.send(told.data)
    expect(got, told, 2001, name and name.decode(), response__body=avps.lines)


def leave(peer):
    asked = Message(message(0x80, 282, 0, 2, 2, origin(Avps()).add(273, "Disconnect-Cause", 2, "DO_NOT_WANT_TO_TALK_TO_YOU (2)")))
    peer.send(asked.data)
    while (got := peer.receive()) and got.flags & 0x80:
        answer_back(peer, got)
    expect(asked, got, 2001)
    peer.connection.close()


# ── the one that answers ──

def answer_of(got, number):
    code = (2001, 2001, 2001, 4012, 5030)[number % 5]
    avps = Avps().add(263, "Session-Id", got.find(263).decode())
    if got.command == 316 and code != 2001:
        code = 5420
        group = Avps().add(266, "Vendor-Id", 10415).add(298, "Experimental-Result-Code", code)
        return code, origin(avps.add(297, "Experimental-Result", group))
    avps = origin(result(avps, code))
    if got.command == 316:
        vector = Avps().add(1450, "KASME", b"0123456789abcdef" * 2, "(hidden)", vendor=10415)
        info = Avps().add(1414, "E-UTRAN-Vector", vector, vendor=10415)
        avps.add(1406, "ULA-Flags", 1, vendor=10415).add(1413, "Authentication-Info", info, vendor=10415)
    return code, avps


def server():
    listener = socket.create_server((HOST, 3868))
    listener.settimeout(15)
    print("listening", file=sys.stderr, flush=True)
    peer = Peer(listener.accept()[0])
    got = peer.receive()
    assert got.command == 257
    avps = origin(result(Avps(), 2001)).add(257, "Host-IP-Address", b"\0\1" + socket.inet_aton(HOST), HOST)
    avps = avps.add(266, "Vendor-Id", 0).add(269, "Product-Name", "peer").add(258, "Auth-Application-Id", RELAY)
    told = Message(message(0, 257, 0, got.hop, got.end, avps))
    peer.send(told.data)
    expect(got, told, 2001, response__body=avps.lines, diameter_origin_host="relay.example")
    number, back, waiting = 0, 0, {}
    wanted = CALLS - len([i for i in range(CALLS) if i % 97 == 5])
    while number < wanted or waiting:
        got = peer.receive()
        if not got.flags & 0x80:
            asked, avps, name = waiting.pop(got.hop)
            expect(asked, got, got.result(), name, request__body=avps.lines)
            continue
        if got.command == 280:
            answer_back(peer, got)
            continue
        code, avps = answer_of(got, number)
        told = Message(message(0x40, got.command, got.application, got.hop, got.end, avps))
        peer.send(told.data)
        expect(got, told, code, got.find(263).decode(), response__body=avps.lines, diameter_origin_host="client.example.com")
        number += 1
        if number % 10 == 0 and back < ASKED_BACK and number < wanted - 60:
            name = got.find(263).decode()
            avps = origin(Avps().add(263, "Session-Id", name)).add(283, "Destination-Realm", "example.com")
            avps = avps.add(293, "Destination-Host", "client.example.com").add(258, "Auth-Application-Id", 4)
            avps = avps.add(285, "Re-Auth-Request-Type", 0, "AUTHORIZE_ONLY (0)")
            asked = Message(message(0xc0, 258, 4, 0x90000 + back, 0x9000000 + back, avps))
            waiting[asked.hop] = (asked, avps, name)
            peer.send(asked.data)
            back += 1
    leave(peer)


client() if ROLE == "client" else server()
