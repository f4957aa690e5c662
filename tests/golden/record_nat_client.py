"""Calls through the translations of record_nat.sh, eight connections at a time; prints each call with the client's own port."""
import http.client
import json
import socket
import struct
import threading

CONNECTIONS, CALLS, QUERIES = 40, 12, 60
lock = threading.Lock()


def say(**fields):
    with lock:
        print(json.dumps(fields), flush=True)


def http_calls(number):
    service = f"10.199.80.{1 + number % 2}"
    connection = http.client.HTTPConnection(service, 80, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for call in range(CALLS):
        path = f"/connection/{number}/call/{call}" + "?" + "x" * (call * 300)
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200 and path in response.read().decode()
        say(kind="http", key=path, service=service, port=port)
    say(kind="tcp_conn", key=str(port), service=service, port=port)
    connection.close()


def question(name, identity):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def dns_calls(number):
    for i in range(number, QUERIES, 8):
        service = f"10.199.80.{1 + i % 2}"
        name = f"name{i}.example"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            if i % 3:  # with an IP id that counts, or one that is always 0
                s.connect((service, 53))
            s.sendto(question(name, 1000 + i), (service, 53)) if not i % 3 else s.send(question(name, 1000 + i))
            assert s.recv(2000)[:2] == struct.pack(">H", 1000 + i)
            say(kind="dns", key=name, service=service, port=s.getsockname()[1])


def ask_two_at_once(number):
    """As the resolver of musl does: one socket, the same bytes to two servers, the answers the same too."""
    name = f"both{number}.example"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        for server in ("10.199.79.2", "10.199.79.3"):
            s.sendto(question(name, 7000 + number), (server, 5300))
        for _ in range(2):
            s.recv(2000)
        for server in ("10.199.79.2", "10.199.79.3"):
            say(kind="dns", key=name, service=server, port=s.getsockname()[1], plain=True)


def refused():
    s = socket.socket()
    s.bind(("", 0))
    port = s.getsockname()[1]
    try:
        s.connect(("10.199.80.1", 81))
        raise AssertionError("nobody should listen there")
    except ConnectionRefusedError:
        say(kind="tcp_conn", key=str(port), service="10.199.80.1", port=port, refused=True)
    s.close()


def work(lane):
    for number in range(lane, CONNECTIONS, 8):
        http_calls(number)
    dns_calls(lane)
    ask_two_at_once(lane)
    refused()


threads = [threading.Thread(target=work, args=(lane,)) for lane in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
