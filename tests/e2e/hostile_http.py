"""Hostile HTTP against a hub: usage hostile_http.py HOST PORT TOKEN OPENAPI. One line per finding on stdout, exit 1 when there is any."""
import http.client, json, re, socket, sys, threading, time

host, port, token, spec = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.load(open(sys.argv[4]))
bad, tried = [], 0
AUTH = {"Authorization": "Bearer " + token}
JSON = dict(AUTH, **{"Content-Type": "application/json"})


def ask(method, path, headers=None, body=None, timeout=10):
    global tried
    tried += 1
    c = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return r.status, r.getheaders(), r.read(1 << 20)
    finally:
        c.close()


def raw(data, timeout=15, half_close=False):
    """Sends bytes as they are; what came back, or None when nothing came before the timeout."""
    global tried
    tried += 1
    s = socket.create_connection((host, port), timeout=timeout)
    got = b""
    try:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:  # cut before we were done
            pass
        while True:
            piece = s.recv(65536)
            if not piece:
                return got
            got += piece
            if b"\r\n\r\n" in got and len(got) > 1 << 20:
                return got
    except socket.timeout:
        return got if got else None
    except ConnectionResetError:
        return got
    finally:
        s.close()


def status_of(answer):
    m = re.match(rb"HTTP/1\.1 (\d+)", answer or b"")
    return int(m.group(1)) if m else 0


def expect(ok, sentence):
    if not ok:
        bad.append(sentence)


def alive(after):
    try:
        status, _, _ = ask("GET", "/healthz", timeout=2)
        expect(status == 200, f"/healthz answers {status} after {after}")
    except OSError as e:
        bad.append(f"the hub does not answer after {after}: {e}")


# Every route without a token, with a wrong one, with the wrong scheme, with a made-up cookie: 401, loopback included.
open_routes = {("get", "/healthz"), ("get", "/readyz"), ("post", "/session")}
seen_open = set()
routes = 0
for path, item in spec["paths"].items():
    concrete = re.sub(r"\{[^}]+\}", "x", path)
    for method in item:
        if method not in ("get", "post", "put", "patch", "delete", "head"):
            continue
        routes += 1
        is_open = (method, path) in open_routes
        seen_open |= {(method, path)} if is_open else set()
        tries = [({}, {401}), ({"Authorization": "Basic " + token}, {401}), ({"Cookie": f"trawl_session_{port}=9999999999.aa.bb"}, {401}),
                 ({"Cookie": f"trawl_session_{port}=" + token}, {401})]
        for headers, wanted in tries:
            status, answer, body = ask(method.upper(), concrete, headers, b"{}" if method in ("post", "patch") else None)
            if is_open:
                expect(status in (200, 204, 400, 401, 415, 422), f"{method} {path} is open and answers {status}")
            else:
                expect(status in wanted, f"{method} {path} answers {status} with {list(headers)} instead of 401")
                expect(token.encode() not in body, f"{method} {path} tells the token")
expect(seen_open == open_routes, f"open routes that OpenAPI does not know: {open_routes - seen_open}")
expect(routes > 30, f"only {routes} routes in OpenAPI")
for path in ("/api/v1/no-such-route", "/api/v1", "/api/v2/nodes", "/API/v1/nodes", "/api//v1/nodes", "/metrics"):
    status, _, _ = ask("GET", path)
    expect(status in (401, 404), f"GET {path} answers {status}")
    expect(status != 200, f"GET {path} is open")
alive("the routes without a token")

# Host and Origin: other names and other sites are refused; the cookie never works across sites.
for name in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil.example", "", "a" * 4000, "127.0.0.1@evil.example", "127.0.0.1 evil.example"):
    status = status_of(raw(f"GET /api/v1/nodes HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()))
    expect(status in (400, 403, 421), f"Host \"{name[:40]}\" is answered with {status}")
status = status_of(raw(f"GET /api/v1/nodes HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()))
expect(status == 400, f"no Host: {status}")
for origin in ("http://evil.example", "null", f"http://{host}:{port}.evil.example", f"https://evil.example:{port}", "http://localhost:1"):
    status, _, _ = ask("POST", "/api/v1/filter/check", dict(AUTH, Origin=origin), b'{"filter":"http"}')
    expect(status == 403, f"Origin {origin} is answered with {status}")
status, headers, _ = ask("POST", "/session", {"Content-Type": "application/json"}, json.dumps({"token": token}))
cookies = [v for k, v in headers if k.lower() == "set-cookie"]
expect(status == 204 and len(cookies) == 1, f"POST /session answers {status} {cookies}")
if cookies:
    expect("HttpOnly" in cookies[0] and "SameSite=Strict" in cookies[0] and token not in cookies[0], f"the cookie is {cookies[0]}")
    cookie = {"Cookie": cookies[0].split(";")[0]}
    expect(ask("GET", "/api/v1/nodes", cookie)[0] == 200, "the cookie does not sign in")
    expect(ask("GET", "/api/v1/nodes", dict(cookie, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403, "another site may use the cookie")
    expect(ask("GET", "/api/v1/nodes", dict(cookie, **{"Sec-Fetch-Site": "same-site"}))[0] == 403, "another port may use the cookie")
    expect(ask("POST", "/api/v1/hold", cookie, b"{}")[0] == 403, "a change without Origin may use the cookie")
    expect(ask("DELETE", "/session", dict(cookie, Origin=f"http://{host}:{port}"))[0] == 204, "sign out")
    expect(ask("GET", "/api/v1/nodes", cookie)[0] == 401, "a signed-out cookie still signs in")
status, headers, _ = ask("GET", "/")
csp = dict((k.lower(), v) for k, v in headers).get("content-security-policy", "")
expect("default-src 'none'" in csp and "frame-ancestors 'none'" in csp and "unsafe" not in csp, f"CSP is {csp}")

# Paths: nothing outside the embedded files, no crash.
for path in ("/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../etc/passwd", "//etc/passwd", "/%00", "/a%00b", "/%", "/%zz", "/%ff%fe",
             "/index.html/../../etc/passwd", "/.git/config", "/token", "/worker-token", "/" + "a/" * 3000, "/" + "a" * 20000):
    answer = raw(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    expect(b"root:" not in (answer or b""), f"{path[:40]} tells /etc/passwd")
    expect(status_of(answer) in (200, 400, 404, 414, 431), f"{path[:40]} is answered with {status_of(answer)}")
    expect(status_of(answer) != 200 or b"<html" in answer, f"{path[:40]} gives something")
for path in ("/api/v1/snapshots/..", "/api/v1/snapshots/..%2f..%2ftoken", "/api/v1/snapshots/%2e%2e/archive", "/api/v1/snapshots/%0d%0aX-A:%20b", "/api/v1/snapshots/%00", "/api/v1/entries/..%2f/x",
             "/api/v1/entries/x/" + "y" * 5000, "/api/v1/snapshots/" + "%41" * 3000, "/api/v1/nodes?x=1", "/api/v1/availability?from=never", "/api/v1/availability?from=1&from=2", "/api/v1/snapshots?limit=-1",
             "/api/v1/snapshots?limit=99999999999999999999", "/api/v1/entries?source=@latest&limit=1e9", "/api/v1/aggregate/timeline?source=@latest&buckets=1000000000"):
    status, _, body = ask("GET", path, AUTH)
    expect(400 <= status < 500, f"GET {path[:60]} answers {status}: {body[:80]}")
    expect(b'"status"' in body or status in (414, 431), f"GET {path[:60]} answers no problem document: {body[:80]}")
alive("odd paths")

# Bodies: no JSON, wrong types, deep, long, duplicate keys, lone surrogates, a lying length.
deep = b"[" * 100000
for body in (b"", b"{", b"null", b"[]", b"{}", b'{"name":1}', b'{"name":"x","name":"y"}', b'{"name":"x","last_s":"soon"}', b'{"name":"x","last_s":1e308}', b'{"name":"x","last_s":-1}', b'{"name":"\\ud800"}', b'{"name":"x","unknown":1}',
             b'{"name":"a\\u0000b","last_s":1}', b'\xff\xfe', deep, b'{"a":' * 5000, b'{"name":"' + b"x" * 3000000 + b'"}'):
    try:
        status, _, answer = ask("POST", "/api/v1/snapshots", dict(AUTH, **{"Content-Type": "application/json"}), body)
        expect(400 <= status < 500, f"POST /snapshots with {body[:30]!r} answers {status}")
    except (BrokenPipeError, ConnectionResetError):
        pass  # a body beyond the limit is not read to its end
for filter_text in ("(" * 60000, "!" * 60000 + "http", "http || " * 12000 + "http", '"' + "a" * 60000 + '"', "path.matches('" + "(a*)*" * 2000 + "')", "[1,2,3].map(x,[1,2,3].map(y,[1,2,3].map(z,x)))", "\u202e\u0000", "a" * 900000):
    started = time.time()
    status, _, _ = ask("POST", "/api/v1/filter/check", JSON, json.dumps({"filter": filter_text}), timeout=20)
    expect(status in (200, 400, 413, 422), f"filter/check of {filter_text[:20]!r} answers {status}")
    expect(time.time() - started < 10, f"filter/check of {filter_text[:20]!r} takes {time.time() - started:.1f} s")
alive("odd bodies")

# The protocol itself.
base = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
post = "POST /api/v1/filter/check HTTP/1.1\r\nContent-Type: application/json\r\n" + base
cases = {
    "huge header": (f"GET / HTTP/1.1\r\n{base}X: {'a' * 200000}\r\n\r\n", (400, 413, 431)),
    "many headers": (f"GET / HTTP/1.1\r\n{base}" + "X: y\r\n" * 20000 + "\r\n", (400, 413, 431)),
    "huge request line": (f"GET /{'a' * 300000} HTTP/1.1\r\n{base}\r\n", (400, 414, 431)),
    "bad chunk size": (post + "Transfer-Encoding: chunked\r\n\r\nZZZ\r\nhello\r\n0\r\n\r\n", (400,)),
    "huge chunk size": (post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n", (400, 413)),
    "negative length": (post + "Content-Length: -1\r\n\r\n", (400,)),
    "two lengths": (post + "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}", (400, 422)),
    "length and chunked": (post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n", (400, 422)),
    "huge length": (post + "Content-Length: 99999999999999999999\r\n\r\n", (400, 413)),
    "no HTTP": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 300 + "\r\n\r\n", (400, 501, 505)),
    "unknown version": (f"GET / HTTP/9.9\r\n{base}\r\n", (400, 505)),
    "unknown method": (f"BREW /api/v1/nodes HTTP/1.1\r\n{base}Connection: close\r\n\r\n", (400, 401, 404, 405, 501)),
    "CONNECT": (f"CONNECT evil.example:443 HTTP/1.1\r\n{base}Connection: close\r\n\r\n", (400, 401, 404, 405, 421, 501)),
    "absolute target": (f"GET http://evil.example/api/v1/nodes HTTP/1.1\r\n{base}Connection: close\r\n\r\n", (400, 404, 421)),
    "header without colon": (f"GET /healthz HTTP/1.1\r\n{base}nonsense\r\nConnection: close\r\n\r\n", (200, 400)),
    "NUL in a header": (f"GET /healthz HTTP/1.1\r\n{base}X: a\x00b\r\nConnection: close\r\n\r\n", (200, 400)),
    "a response": ("HTTP/1.1 200 OK\r\n\r\n", (400, 404, 405, 501, 505)),
}
for name, (text, wanted) in cases.items():
    answer = raw(text.encode("latin-1"), half_close=True)
    # to cut the connection is an answer too; to do as if it were right is not
    expect(answer is not None, f"{name}: neither answered nor cut")
    expect(not answer or status_of(answer) in wanted, f"{name}: {(answer or b'')[:60]!r}")
alive("broken requests")

# Slow clients: headers that come byte by byte are cut, and meanwhile others are served at once.
stop = threading.Event()
cut = []


def drip(first):
    s = socket.create_connection((host, port), timeout=1)
    started = time.time()
    try:
        s.sendall(first)
        while not stop.is_set():
            s.sendall(b"X")
            time.sleep(0.5)
            s.settimeout(0.01)
            try:
                if s.recv(1000) is not None:
                    cut.append(time.time() - started)
                    return
            except socket.timeout:
                pass
    except OSError:
        cut.append(time.time() - started)
    finally:
        s.close()


threads = [threading.Thread(target=drip, args=(b"GET /healthz HTTP/1.1\r\nHost: ",), daemon=True) for _ in range(40)]
for t in threads:
    t.start()
time.sleep(1)
slowest = 0
for _ in range(20):
    started = time.time()
    try:
        expect(ask("GET", "/healthz", timeout=5)[0] == 200, "/healthz during slow clients")
    except OSError as e:
        expect(False, f"/healthz during slow clients: {e}")
    slowest = max(slowest, time.time() - started)
expect(slowest < 2, f"/healthz took {slowest:.1f} s beside 40 slow clients")
deadline = time.time() + 15
while len(cut) < 40 and time.time() < deadline:
    time.sleep(0.2)
stop.set()
expect(len(cut) == 40, f"only {len(cut)} of 40 slow clients were cut within 16 s")
alive("slow clients")

# More connections than one address gets, none of them read.
sockets = []
for _ in range(300):
    try:
        s = socket.create_connection((host, port), timeout=2)
        s.sendall(f"GET /api/v1/events HTTP/1.1\r\n{base}\r\n".encode())
        sockets.append(s)
    except OSError:
        break
for s in sockets:
    s.close()
time.sleep(1)
alive("300 connections")

# Wrong tokens: the address is slowed down, and the right token comes through afterwards (or at once: the limit is for wrong ones).
for i in range(60):
    status, _, _ = ask("GET", "/api/v1/nodes", {"Authorization": "Bearer " + ("%064x" % i)})
    expect(status in (401, 429), f"a wrong token is answered with {status}")
expect(ask("GET", "/api/v1/nodes", AUTH)[0] == 200, "after wrong tokens the right one is refused")
for line in bad:
    print("  " + line)
print(f"{tried} hostile requests, {len(bad)} findings")
sys.exit(1 if bad else 0)
