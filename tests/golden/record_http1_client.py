"""Calls of many kinds to the nginx of record_http1.sh; prints what each must look like as an entry."""
import http.client
import json
import socket
import subprocess
import sys

HOST, PORT, WWW = sys.argv[1], int(sys.argv[2]), sys.argv[3]
BASE = f"{HOST}:{PORT}"
BIG = open(WWW + "/big.json", encoding="ascii").read()


def expect(**fields):
    print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}))


def call(connection, method, path, code, body=None, headers=None, answer=None, **more):
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    data = response.read()
    assert response.status == code, (method, path, response.status)
    assert answer is None or data.decode() == answer, data[:100]
    expect(method=method, path=path.split("?")[0], status_code=code, url=f"http://{BASE}{path}", host=BASE,
           http_version="1.1", status="error" if code >= 500 else "ok", src__ip=connection.sock.getsockname()[0]
           if connection.sock else None, response__body=data.decode() or None, incomplete=False,
           request__body=body, request__body_size=len(body or ""), response__body_size=len(data), **more)


def keep_alive():
    connection = http.client.HTTPConnection(HOST, PORT)
    connection.connect()
    call(connection, "GET", "/hello.txt", 200, answer="hello, world\n", content_type="text/plain")
    call(connection, "HEAD", "/hello.txt", 200, answer="")
    call(connection, "GET", "/nothing?here=1&x=a%20b", 404, query_string={"here": "1", "x": "a b"})
    call(connection, "GET", "/fails", 500, answer="oops\n")
    call(connection, "GET", "/moved", 302)
    call(connection, "GET", "/empty", 204, answer="")
    call(connection, "GET", "/big.json", 200, answer=BIG, content_type="application/json")
    call(connection, "PUT", "/put/a1", 201, body="x" * 900, answer="stored\n")
    connection.request("GET", "/hello.txt", headers={"Range": "bytes=0-4"})
    assert connection.getresponse().read() == b"hello"
    expect(method="GET", path="/hello.txt", status_code=206, response__body="hello")
    connection.close()


def gzip_and_chunked():
    """nginx compresses on the fly: chunked, without a length; we show the decoded body."""
    done = subprocess.run(["curl", "-s", "--compressed", f"http://{BASE}/big.json", "-w", "%{stderr}%{http_code}"],
                          capture_output=True, check=True, text=True)
    assert done.stdout == BIG and done.stderr == "200"
    expect(method="GET", path="/big.json", status_code=200, response__body=BIG, response__truncated=None,
           **{"response__headers.content-encoding": "gzip", "response__headers.transfer-encoding": "chunked"})


def many_on_one_connection():
    urls = [f"http://{BASE}/hello.txt?n={i}" for i in range(50)]
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{method} %{http_code} %{size_download}\n"] +
                          [part for url in urls for part in (url, "-o", "/dev/null")][:-2],
                          capture_output=True, check=True, text=True)
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == 50 and set(lines) == {"GET 200 13"}, lines[:3]
    for url in urls:
        expect(method="GET", url=url, status_code=200, response__body_size=13)


def expect_continue():
    subprocess.run(["curl", "-s", "-f", "-o", "/dev/null", "-X", "PUT", "-H", "Expect: 100-continue", "--data-binary",
                    "y" * 500, f"http://{BASE}/put/b"], check=True)
    expect(method="PUT", path="/put/b", status_code=201, request__body="y" * 500,
           **{"request__headers.expect": "100-continue"})
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H",
                           "Expect: 100-continue", "--data-binary", "z" * 5000, f"http://{BASE}/put/c"],
                          capture_output=True, check=True, text=True)
    assert done.stdout == "413", done.stdout
    expect(method="PUT", path="/put/c", status_code=413, status="ok")


def read_all(connection, wanted):
    data = b""
    while data.count(b"HTTP/1.1 ") < wanted or not data.endswith(b"\n"):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def pipeline():
    paths = [f"/hello.txt?p={i}" for i in range(20)] + ["/fails", "/hello.txt?last"]
    with socket.create_connection((HOST, PORT)) as connection:
        for path in paths:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {BASE}\r\nX-Request-Id: {path}\r\n\r\n".encode())
        data = read_all(connection, len(paths))
        assert data.count(b"HTTP/1.1 200") == 21 and data.count(b"HTTP/1.1 500") == 1
    for path in paths:
        expect(method="GET", url=f"http://{BASE}{path}", request_id=path,
               status_code=500 if path == "/fails" else 200)


def old_and_odd():
    with socket.create_connection((HOST, PORT)) as connection:
        connection.sendall(b"GET /hello.txt HTTP/1.0\r\n\r\n")
        data = b""
        while more := connection.recv(65536):
            data += more
        assert data.endswith(b"hello, world\n")
    expect(method="GET", path="/hello.txt", http_version="1.0", status_code=200, url=f"http://{BASE}/hello.txt",
           host=None, response__body="hello, world\n")
    with socket.create_connection((HOST, PORT)) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"5;x=y\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-Trailer: t\r\n\r\n")
        read_all(connection, 1)
    expect(method="POST", path="/echo", status_code=201, request__body="firstsecond", request__body_size=11,
           **{"request__headers.x-trailer": "t"})
    with socket.create_connection((HOST, PORT)) as connection:
        connection.sendall(b"BROKEN\r\n\r\n")
        assert b"400 Bad Request" in read_all(connection, 1)
    expect(method=None, status_code=400, summary="→ 400")


keep_alive()
gzip_and_chunked()
many_on_one_connection()
expect_continue()
pipeline()
old_and_odd()
