"""Calls with curl, nghttp and h2load to the servers of record_http2.sh; prints what each must look like as an entry."""
import json
import re
import subprocess
import sys

HOST, PORT, PROXY, WWW = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
BIG = open(WWW + "/big.json", encoding="ascii").read()
LOAD = 3000


def expect(count=1, **fields):
    line = json.dumps({name.replace("__", "."): value for name, value in fields.items()})
    for _ in range(count):
        print(line)


def curl(path, *options, port=PORT, scheme="http", **wanted):
    done = subprocess.run(["curl", "-s", "-S", *options, "-w", "%{stderr}%{http_code} %{http_version} %{size_download}",
                           f"{scheme}://{HOST}:{port}{path}"], capture_output=True, check=True, text=True)
    code, version, size = done.stderr.split()
    assert version == "2", (path, options, done.stderr)
    fields = dict(method="GET", path=path.split("?")[0], url=f"{scheme}://{HOST}:{port}{path}", status_code=int(code),
                  http_version="2", host=f"{HOST}:{port}", incomplete=False, response__body=done.stdout or None,
                  response__body_size=int(size), status="error" if int(code) >= 500 else "ok")
    fields.update(wanted)
    expect(**fields)
    return done.stdout


def prior_knowledge():
    know = "--http2-prior-knowledge"
    assert curl("/hello.txt", know) == "hello, world\n"
    assert curl("/big.json", know) == BIG
    curl("/nothing", know, status_code=404)
    curl("/hello.txt?a=1&b=x%20y", know, query_string={"a": "1", "b": "x y"})
    curl("/hello.txt", know, "-I", method="HEAD", response__body=None, response__body_size=0)
    curl("/hello.txt", know, "-H", "X-Long: " + ("long " * 2500).strip(), **{"request__headers.x-long": ("long " * 2500).strip()})
    curl("/hello.txt", know, "-b", "sid=1; lang=en", request__cookies={"sid": "1", "lang": "en"})
    curl("/echo", know, "--data-binary", f"@{WWW}/big.json", method="POST", request__body=BIG, request__body_size=len(BIG))


def upgrade():
    """The proxy answers 101; the call itself is stream 1."""
    for path in ("/hello.txt", "/echo"):
        curl(path, "--http2", port=PROXY, h2_stream_id=1)
        expect(path=path, status_code=101, http_version="1.1", h2_stream_id=None, url=f"http://{HOST}:{PROXY}{path}")


def nghttp(path, *options, **wanted):
    done = subprocess.run(["nghttp", *options, f"http://{HOST}:{PORT}{path}"], capture_output=True, check=True,
                          text=True)
    fields = dict(method="GET", path=path, status_code=200, response__body=done.stdout, incomplete=False)
    fields.update(wanted)
    expect(**fields)


def frames():
    nghttp("/hello.txt", "--padding=100", "--continuation", response__body="hello, world\n")
    nghttp("/big.json", "-w", "10", "-W", "12", "--header-table-size=0", response__body=BIG)
    nghttp("/hello.txt", "--header-table-size=65536", "--encoder-header-table-size=65536", "--trailer=x-end: yes",
           "--data=" + WWW + "/hello.txt", method="POST", response__body="hello, world\n",
           request__body="hello, world\n", **{"request__headers.x-end": "yes"})
    nghttp("/pushes.html", "-n", response__body="<p>pushes\n", h2_pushed=None)
    expect(path="/hello.txt", h2_pushed=True, status_code=200, response__body="hello, world\n")


def load():
    done = subprocess.run(["h2load", "-n", str(LOAD), "-c", "5", "-m", "40", "--rps=300", "-H", "x-load: yes",
                           f"http://{HOST}:{PORT}/hello.txt"], capture_output=True, check=True, text=True)
    assert re.search(rf"{LOAD} succeeded, 0 failed", done.stdout), done.stdout
    expect(LOAD, path="/hello.txt", status_code=200, response__body="hello, world\n",
           **{"request__headers.x-load": "yes"})


def inside_tls():
    for path in ("/hello.txt", "/big.json"):
        curl(path, "-k", "--http2", port=PROXY, scheme="https", tls=True)


if PORT == "tls":
    inside_tls()
else:
    prior_knowledge()
    upgrade()
    frames()
    load()
