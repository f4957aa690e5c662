"""Commands of many kinds to the memcached of record_memcached.sh; prints what each must look like as an entry."""
import json
import socket
import struct
import sys

import memcache
import pylibmc

HOST, PORT = sys.argv[1], int(sys.argv[2])


def expect(command, key=None, status=None, **fields):
    print(json.dumps({"memcached_command": command, "memcached_key": key, "memcached_status": status, "status": "ok",
                      "incomplete": False, **{name.replace("__", "."): value for name, value in fields.items()}}))


def text():
    client = memcache.Client([f"{HOST}:{PORT}"])
    for i in range(300):
        value = "v" * (i * 7)
        assert client.set(f"key{i}", value)
        expect("set", f"key{i}", "STORED", request__body=value or None)
    for i in range(300):
        assert client.get(f"key{i}") == "v" * (i * 7)
        expect("get", f"key{i}", "VALUE", response__body="v" * (i * 7) or None)
    assert client.get("absent") is None
    expect("get", "absent", "END")
    assert len(client.get_multi([f"key{i}" for i in range(1, 101)])) == 100
    expect("get", "key1", "VALUE", response__body="\n".join("v" * (i * 7) for i in range(1, 101)))
    assert client.set("n", 41) and client.incr("n") == 42
    expect("set", "n", "STORED")
    expect("incr", "n", "VALUE", summary="incr n 1 → 42")
    assert not client.add("n", 1) and client.delete("n") and client.delete("n")
    expect("add", "n", "NOT_STORED")
    expect("delete", "n", "DELETED")
    expect("delete", "n", "NOT_FOUND")
    assert not client.replace("n", 1)
    expect("replace", "n", "NOT_STORED")
    stats = dict(client.get_stats()[0][1])
    assert "pid" in stats
    expect("stats", None, "STAT")
    client.disconnect_all()


def library(binary):
    client = pylibmc.Client([f"{HOST}:{PORT}"], binary=binary, behaviors={"tcp_nodelay": True})
    names = {"set": "Set", "get": "GetK", "delete": "Delete"} if binary else {}
    for i in range(200):
        key, value = f"lib{i}", b"w" * (i * 11 + 1)
        assert client.set(key, value)
        expect(names.get("set", "set"), key, "SUCCESS" if binary else "STORED", request__body=value.decode())
        assert client.get(key) == value
        expect(names.get("get", "get"), key, "SUCCESS" if binary else "VALUE", response__body=value.decode())
    assert client.get("absent") is None
    expect(names.get("get", "get"), "absent", "NOT_FOUND" if binary else "END")
    assert client.delete("lib1")
    expect(names.get("delete", "delete"), "lib1", "SUCCESS" if binary else "DELETED")
    found = client.get_multi(["lib2", "gone", "lib3"])
    assert set(found) == {"lib2", "lib3"}
    if binary:  # quiet gets and a no-op that ends them
        expect("GetKQ", "lib2", "SUCCESS", response__body="w" * 23)
        expect("GetKQ", "gone")
        expect("GetKQ", "lib3", "SUCCESS", response__body="w" * 34)
        expect("NoOp", None, "SUCCESS")
    else:
        expect("get", "lib2", "VALUE", response__body="w" * 23 + "\n" + "w" * 34)
    client.disconnect_all()
    expect("Quit" if binary else "quit", None, "SUCCESS" if binary else None)


def meta():
    connection = socket.create_connection((HOST, PORT))
    file = connection.makefile("rb")
    connection.sendall(b"ms meta 5 T90\r\nhello\r\n")
    assert file.readline() == b"HD\r\n"
    expect("ms", "meta", "HD", request__body="hello")
    connection.sendall(b"mg meta v\r\nmg gone v\r\n")
    assert [file.readline() for _ in range(3)] == [b"VA 5\r\n", b"hello\r\n", b"EN\r\n"]
    expect("mg", "meta", "VA", response__body="hello")
    expect("mg", "gone", "EN")
    connection.sendall(b"mg gone v q O1\r\nmg meta v q O2\r\nms other 1 q\r\nx\r\nmn\r\n")
    assert [file.readline() for _ in range(3)] == [b"VA 5 O2\r\n", b"hello\r\n", b"MN\r\n"]
    expect("mg", "gone")
    expect("mg", "meta", "VA", response__body="hello")
    expect("ms", "other")
    expect("mn", None, "MN")
    connection.close()


def datagrams():
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.connect((HOST, PORT))
    for i in range(50):
        connection.send(struct.pack(">HHHH", i, 0, 1, 0) + b"get lib%d\r\n" % (i + 2))
        reply = connection.recv(4096)
        value = "w" * ((i + 2) * 11 + 1)
        assert reply[8:].startswith(b"VALUE") and value.encode() in reply
        expect("get", f"lib{i + 2}", "VALUE", response__body=value)


text()
library(False)
library(True)
meta()
datagrams()
