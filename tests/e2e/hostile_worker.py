"""Workers that lie, all with the real workers' token: usage hostile_worker.py HUB_URL WORKER_TOKEN. Prints what it could do that it should not."""
import http.server, json, socketserver, sys, threading, time, urllib.error, urllib.request

hub, token = sys.argv[1], sys.argv[2]
NOW = lambda: time.time_ns()


def status(name, **over):
    s = {"name": name, "instance": "0" * 32, "version": "9", "now_ns": NOW(), "state": "recording", "state_detail": "", "paused": False, "started_ns": NOW() - 10**12, "heartbeat_ns": NOW(),
         "captured_until_ns": NOW(), "packets": 1, "captured_bytes": 1, "excluded_packets": 0, "packets_per_s": 1, "bytes_per_s": 1, "drops": {"kernel": 0, "ring": 0, "disk": 0},
         "drops_5min": {"kernel": 0, "ring": 0, "disk": 0},
         "ring": {"oldest_ns": NOW() - 10**12, "newest_ns": NOW(), "used_bytes": 1, "budget_bytes": 2, "segment_bytes": 1, "segments": 1, "retention_ns": 10**12, "recycling": False, "hour_budget_bytes": 1},
         "interfaces": [], "filter": "", "snaplen": 262144, "covered": [{"from_ns": NOW() - 10**12, "to_ns": NOW()}], "gaps": []}
    s.update(over)
    return s


def segments(name, size, first=None):
    return {"now_ns": NOW(), "segments": [{"name": name, "sequence": 1, "series": 1, "link_type": 1, "sealed": True, "size_bytes": size, "packets": 2**62, "captured_bytes": 2**62, "first_ns": first or NOW() - 10**10,
            "last_ns": NOW(), "covered_from_ns": NOW() - 10**12, "covered_to_ns": NOW(), "drops": {"kernel": 0, "ring": 0, "disk": 0}, "sha256": "0" * 64}],
            "covered": [{"from_ns": NOW() - 10**12, "to_ns": NOW()}], "gaps": [], "drops": {"kernel": 0, "ring": 0, "disk": 0}, "drop_events": []}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def send(self, body, code=200, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, path = self.server.kind, self.path.split("?")[0]
        if path.startswith("/stolen"):
            print("FOLLOWED", self.headers.get("Authorization"), flush=True)
        try:
            self.play(kind, path)
        except OSError:
            pass

    do_POST = do_DELETE = do_GET

    def play(self, kind, path):
        if kind == "silent":  # a head, then nothing
            self.send_response(200)
            self.send_header("Content-Length", "99999999999")
            self.end_headers()
            self.wfile.write(b"{")
            self.wfile.flush()
            time.sleep(120)
            return
        if path.endswith("/local"):
            return self.send({"ring_dir": "/etc", "nonce_file": "passwd", "nonce": "a" * 64, "uid": 0})
        if path.endswith("/pins") or "/pins/" in path:
            return self.send({"id": "../../../../tmp/trawl-evil" if kind == "names" else "0" * 32, "expires_ns": NOW() + 6 * 10**10, "lease_ns": 6 * 10**10}, 201 if self.command == "POST" and path.endswith("/pins") else 200)
        if path.endswith("/rotate"):
            return self.send({"covered_to_ns": 2**63 - 1 if kind == "liar" else NOW()})
        if kind == "endless" and not path.endswith("/status"):
            self.send_response(200)
            self.end_headers()
            end = time.time() + 300
            while time.time() < end:
                self.wfile.write(b"{" * 65536)
            return
        if kind == "slow" and not path.endswith("/status"):
            self.send_response(200)
            self.end_headers()
            for _ in range(300):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.5)
            return
        if kind == "redirect" and not path.endswith("/status"):
            return self.send(b"", 302, [("Location", f"http://127.0.0.1:{self.server.server_address[1]}/stolen")])
        if kind == "badjson":
            return self.send(b'{"now_ns":1e999,"segments":[' + b"[" * 100000)
        if path.endswith("/status"):
            if kind == "huge":
                return self.send(status(kind, state_detail="\x1b[31m" + "x" * 2000000, gaps=[{"from_ns": i, "to_ns": i - 1, "reason": "<script>"} for i in range(50000)]))
            if kind == "liar":
                return self.send(status("honest", now_ns=-(2**63), packets=-1, ring={"oldest_ns": 2**63 - 1, "newest_ns": -(2**63), "used_bytes": -1, "budget_bytes": 2**63 - 1, "segment_bytes": 0, "segments": -1, "retention_ns": -1,
                                 "recycling": False, "hour_budget_bytes": -1}))
            return self.send(status(kind))
        if path.endswith("/segments"):
            return self.send(segments("../../../../../../tmp/trawl-evil.pcapng" if kind == "names" else "00001-0000000001.pcapng", 2**62 if kind == "liar" else 1 << 20))
        if "/segments/" in path:
            if kind == "huge":
                self.send_response(200)
                self.send_header("Content-Length", str(2**62))
                self.end_headers()
                end = time.time() + 60
                while time.time() < end:
                    self.wfile.write(bytes(1 << 20))
                return
            return self.send(b"\n\r\r\n" + bytes(1000))
        self.send(b"{}", 404)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def register(name, port, instance="1" * 32, address="", secret="2" * 64):
    body = {"name": name, "instance": instance, "address": address, "port": port, "token": secret, "version": "<b>", "now_ns": NOW()}
    request = urllib.request.Request(hub + "/api/v1/workers", json.dumps(body).encode(), {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return 0


ports = {}
for kind in ("endless", "redirect", "huge", "silent", "slow", "liar", "badjson", "names"):
    server = Server(("127.0.0.1", 0), Handler)
    server.kind = kind
    ports[kind] = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
odd = [register(name, ports["liar"]) for name in ("", "../etc", "a/b", "-x", "a\nb", "\x1b[31m", "x" * 254, "ä", ".", "a b", "<script>")]
odd += [register("port0", 0), register("port-1", -1), register("big", 70000), register("inst", ports["liar"], instance="../x"), register("addr", ports["liar"], address="evil.example"),
        register("url", ports["liar"], address="127.0.0.1:1/@evil"), register("tok", ports["liar"], secret="x\r\nX: y")]
print("REFUSED-ODD-NAMES" if all(400 <= code < 500 for code in odd) else f"ODD {odd}", flush=True)
end = time.time() + 300
first = True
while time.time() < end:
    for kind, port in ports.items():
        code = register(kind, port)
        if first and code != 200:
            print(f"REGISTER {kind} {code}", flush=True)
    if first and register("liar", ports["liar"], instance="3" * 32) != 409:
        print("FOLLOWED another instance took the name of a living one", flush=True)
    first = False
    time.sleep(4)
