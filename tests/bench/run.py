#!/usr/bin/env python3
"""Measures trawl beside its peers in one run: CPU seconds, MB and packets per CPU second, peak memory, loss. Prints one table and one JSON file.

usage: tests/bench/run.py [--trawl BINARY] [--seconds N] [--keep DIR] [--only dissect,http2,mixed,engine,export,capture,snapshot,query]
Needs root (network namespaces), nginx, wrk, tcpdump, tshark, mergecap, editcap; httpry, tcpflow and valgrind are used when installed, the
public captures (../shared/pcaps) for the mixed one.
Ratios count, absolute figures do not: machines are noisy and differ."""
import argparse, collections, json, os, re, shutil, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


ROUNDS = 3
SPEED = "MB/CPU s"


def run_once(command, stdout):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        print(f"  {command[0]} ended with {process.returncode}", file=sys.stderr)
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024


def run(command, stdout=subprocess.DEVNULL, rounds=None):
    """The round with the least CPU: (seconds of CPU, wall seconds, peak RSS in MiB; a peak below this script's own counts as that)."""
    return min(run_once(command, stdout) for _ in range(rounds or ROUNDS))


def pairs(*commands, rounds=None):
    """Several tools by turns, so that a busy minute meets them all; the best round of each."""
    best = [None] * len(commands)
    for _ in range(rounds or ROUNDS):
        for i, command in enumerate(commands):
            one = run_once(command, subprocess.DEVNULL)
            best[i] = min(best[i] or one, one)
    return best


def capture_info(path):
    out = subprocess.run(["capinfos", "-TmcQ", path], capture_output=True, text=True).stdout
    return int(out.strip().splitlines()[-1].split(",")[-1].strip("\""))


def times_of(path):
    """First and last packet, in seconds since 1970."""
    out = subprocess.run(["capinfos", "-TmSae", path], capture_output=True, text=True).stdout
    fields = out.strip().splitlines()[-1].replace('"', "").split(",")
    return float(fields[1]), float(fields[2])


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f"{seconds % 1:.6f}"[1:] + "Z"


class Hosts:
    """Two network namespaces with a veth pair."""

    def __init__(self):
        n = os.getpid()
        self.srv, self.cli = f"bs{n}", f"bc{n}"
        sh = lambda line: subprocess.run(line, shell=True, check=True)
        sh(f"ip netns add {self.srv}; ip netns add {self.cli}; ip link add v0 netns {self.srv} type veth peer name v0 netns {self.cli}")
        for ns, ip in ((self.srv, "10.99.0.1"), (self.cli, "10.99.0.2")):
            sh(f"ip -n {ns} addr add {ip}/24 dev v0; ip -n {ns} link set v0 up; ip -n {ns} link set lo up; ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
            sh(f"ip netns exec {ns} ethtool -K v0 tso off gso off gro off >/dev/null 2>&1 || true")

    def on(self, ns, command):
        return ["ip", "netns", "exec", ns] + command

    def close(self):
        for ns in (self.srv, self.cli):
            subprocess.run(["ip", "netns", "del", ns])


def start_nginx(hosts, work):
    os.makedirs(f"{work}/www", exist_ok=True)
    os.chmod(work, 0o755)
    for i in range(10):
        items = [{"id": k, "sku": f"A-{(k * 7919 + i) % 9999:04d}", "name": f"item {k}", "price": k * 1.25, "stock": k % 90} for k in range(i * i * 2 + 2)]
        with open(f"{work}/www/p{i}.json", "w") as f:
            json.dump({"items": items}, f)
    with open(f"{work}/nginx.conf", "w") as f:
        f.write(f"""worker_processes 1; daemon on; pid {work}/nginx.pid; error_log {work}/err.log; user root; events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
 keepalive_requests 1000; default_type application/json;
 server {{ listen 10.99.0.1:8080; root {work}/www; add_header X-Request-Id $request_id; location /api/ {{ return 200 '{{"status":"ok","id":"$request_id","path":"$uri","args":"$args"}}'; }}
  location /err {{ return 503 '{{"error":"unavailable"}}'; }} }} }}""")
    with open(f"{work}/w.lua", "w") as f:
        f.write("""local n = 0
request = function()
  n = n + 1
  local h = {["User-Agent"] = "bench/1.0", ["Accept"] = "application/json", ["Authorization"] = "Bearer token-" .. n}
  local k = n % 10
  if k < 4 then return wrk.format("GET", "/api/v1/orders/" .. n % 9973 .. "?page=" .. n % 17, h)
  elseif k < 6 then h["Content-Type"] = "application/json"; return wrk.format("POST", "/api/v1/carts", h, '{"customer":' .. n .. ',"sku":"A-' .. n % 1000 .. '","qty":3}')
  elseif k == 6 and n % 70 == 6 then return wrk.format("GET", "/err", h)
  else return wrk.format("GET", "/p" .. n % 10 .. ".json", h) end
end""")
    subprocess.run(hosts.on(hosts.srv, ["nginx", "-c", f"{work}/nginx.conf"]), check=True, stderr=subprocess.DEVNULL)


def wrk(hosts, work, seconds):
    out = subprocess.run(hosts.on(hosts.cli, ["wrk", "-t1", "-c24", f"-d{seconds}s", "-s", f"{work}/w.lua", "http://10.99.0.1:8080/"]), capture_output=True, text=True).stdout
    return int(next(line for line in out.splitlines() if "requests in" in line).split()[0])


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def record(hosts, work, path, seconds):
    dump = subprocess.Popen(hosts.on(hosts.srv, ["tcpdump", "-Z", "root", "-i", "v0", "-s0", "-B", "262144", "-w", path, "tcp port 8080"]), stderr=subprocess.DEVNULL)
    time.sleep(1)
    requests = wrk(hosts, work, seconds)
    time.sleep(1)
    dump.send_signal(signal.SIGINT)
    dump.wait()
    return requests


class Table:
    def __init__(self):
        self.rows = []

    def add(self, work, tool, **figures):
        self.rows.append({"work": work, "tool": tool, **figures})
        print("  " + work + " · " + tool + " · " + ", ".join(f"{k} {v:,.2f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in figures.items()), flush=True)

    def ratio(self, work, key):
        ours = [r for r in self.rows if r["work"] == work and r["tool"].startswith("trawl") and key in r]
        for r in self.rows:
            if r["work"] == work and ours and key in r and r[key]:
                r["trawl is"] = round(ours[0][key] / r[key], 2)

    def print(self):
        keys = []
        for r in self.rows:
            keys += [k for k in r if k not in keys]
        print("\n| " + " | ".join(keys) + " |\n|" + "---|" * len(keys))
        for r in self.rows:
            print("| " + " | ".join(f"{r[k]:,.2f}" if isinstance(r.get(k), float) else f"{r.get(k, '')}" for k in keys) + " |")


def floor_command(capture, work_dir):
    """floor.c, which reads the same file and does next to nothing with it."""
    if not os.path.exists(f"{work_dir}/floor"):
        subprocess.run(["cc", "-O2", "-o", f"{work_dir}/floor", f"{HERE}/floor.c"], check=True)
    return [f"{work_dir}/floor", capture]


def bench_dissect(table, trawl, capture, requests, work_dir):
    size = os.path.getsize(capture) / 1e6
    packets = capture_info(capture)
    work = f"HTTP/1.1 capture of {size:.0f} MB to calls"
    with tempfile.TemporaryFile() as out:
        run_once([trawl, "dissect", capture, "--jsonl"], out)
        out.seek(0)
        calls = sum(1 for line in out if b'"protocol":"http"' in line)
    commands = {"trawl dissect --jsonl": [trawl, "dissect", capture, "--jsonl", "--threads", "1"]}
    if shutil.which("httpry"):
        commands["httpry (lines only)"] = ["httpry", "-r", capture, "-o", "/dev/null"]
    commands["floor (headers, flow hash, header lines)"] = floor_command(capture, work_dir)
    for (tool, _), (cpu, wall, rss) in zip(commands.items(), pairs(*commands.values())):
        figures = {SPEED: size / cpu, "MB/s": size / wall, "packets/CPU s": packets / cpu, "peak MiB": rss}
        if tool.startswith("trawl"):
            figures.update({"entries/CPU s": calls / cpu, "calls": calls, "client says": requests})
        table.add(work, tool, **figures)
    cpu, wall, rss = run([trawl, "dissect", capture, "--jsonl", "--threads", "2"])
    table.add(work, "two threads: trawl", **{SPEED: size / cpu, "MB/s": size / wall, "peak MiB": rss})
    with tempfile.TemporaryDirectory() as d:
        cpu, _, rss = run([trawl, "dissect", capture, "-o", f"{d}/store", "--threads", "1"], rounds=1)
        table.add(work, "into the entry store: trawl", **{SPEED: size / cpu, "peak MiB": rss})
    with tempfile.NamedTemporaryFile(suffix=".pcap") as part:  # the beginning is enough: it is slow
        subprocess.run(["editcap", "-F", "pcap", "-r", capture, part.name, "1-60000"], stderr=subprocess.DEVNULL)
        cpu, _, rss = run(["tshark", "-r", part.name, "-Y", "http", "-T", "fields", "-e", "http.request.method", "-e", "http.request.uri", "-e", "http.response.code"], rounds=1)
        table.add(work, "tshark -T fields (60,000 packets)", **{SPEED: os.path.getsize(part.name) / 1e6 / cpu, "packets/CPU s": 60000 / cpu, "peak MiB": rss})
    if shutil.which("tcpflow"):
        with tempfile.TemporaryDirectory() as d:
            cpu, _, rss = run(["tcpflow", "-r", capture, "-o", d], rounds=1)
        table.add(work, "tcpflow (streams only)", **{SPEED: size / cpu, "packets/CPU s": packets / cpu, "peak MiB": rss})
    table.ratio(work, SPEED)


def record_http2(hosts, work, path, count):
    """h2load against nghttpd: how many requests were answered."""
    server = subprocess.Popen(hosts.on(hosts.srv, ["nghttpd", "--no-tls", "-a", "10.99.0.1", "-d", f"{work}/www", "8081"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    dump = subprocess.Popen(hosts.on(hosts.srv, ["tcpdump", "-Z", "root", "-i", "v0", "-s0", "-B", "262144", "-w", path, "tcp port 8081"]), stderr=subprocess.DEVNULL)
    time.sleep(1)
    urls = [f"http://10.99.0.1:8081/p{i}.json?page={i}" for i in range(6)]
    out = subprocess.run(hosts.on(hosts.cli, ["h2load", "-n", str(count), "-c", "10", "-m", "20", "-H", "authorization: Bearer token", *urls]), capture_output=True, text=True).stdout
    time.sleep(1)
    dump.send_signal(signal.SIGINT)
    dump.wait()
    server.terminate()
    server.wait()
    return int(next(line for line in out.splitlines() if line.startswith("requests:")).split("succeeded")[0].split()[-1])


def bench_http2(table, trawl, capture, requests, work_dir):
    size = os.path.getsize(capture) / 1e6
    packets = capture_info(capture)
    work = f"HTTP/2 capture of {size:.0f} MB to calls"
    with tempfile.TemporaryFile() as out:
        run_once([trawl, "dissect", capture, "--jsonl"], out)
        out.seek(0)
        calls = sum(1 for line in out if b'"h2_stream_id"' in line)
    for threads in ("1", "2"):
        cpu, wall, rss = run([trawl, "dissect", capture, "--jsonl", "--threads", threads])
        table.add(work, "trawl dissect --jsonl" if threads == "1" else "two threads: trawl",
                  **{SPEED: size / cpu, "MB/s": size / wall, "packets/CPU s": packets / cpu, "entries/CPU s": calls / cpu, "peak MiB": rss, "calls": calls, "client says": requests})
    cpu, wall, _ = run(floor_command(capture, work_dir))
    table.add(work, "floor (headers, flow hash)", **{SPEED: size / cpu, "MB/s": size / wall})
    with tempfile.NamedTemporaryFile(suffix=".pcap") as part:  # the beginning is enough: it is slow
        subprocess.run(["editcap", "-F", "pcap", "-r", capture, part.name, "1-60000"], stderr=subprocess.DEVNULL)
        cpu, _, rss = run(["tshark", "-r", part.name, "-d", "tcp.port==8081,http2", "-Y", "http2", "-T", "fields", "-e", "http2.streamid", "-e", "http2.headers.method", "-e", "http2.headers.path", "-e", "http2.headers.status"], rounds=1)
        table.add(work, "tshark -T fields (60,000 packets)", **{SPEED: os.path.getsize(part.name) / 1e6 / cpu, "packets/CPU s": min(packets, 60000) / cpu, "peak MiB": rss})
    table.ratio(work, SPEED)


def bench_mixed(table, trawl, work_dir, megabytes):
    """Every protocol at once: copies of the public captures (mixed.py)."""
    folder = os.environ.get("TRAWL_SHARED", f"{ROOT}/../shared") + "/pcaps"
    if not os.path.isdir(folder):
        print(f"  mixed: skipped, the public captures are not in {folder}")
        return
    capture = f"{work_dir}/mixed.pcap"
    made = subprocess.run([sys.executable, f"{HERE}/mixed.py", capture, folder, str(megabytes)], check=True, capture_output=True, text=True).stdout
    captures, copies, packets = map(int, made.split())
    size = os.path.getsize(capture) / 1e6
    work = f"mixed capture of {size:.0f} MB, {packets:,} packets ({captures} captures, {copies} copies)"
    with tempfile.TemporaryFile() as out:
        run_once([trawl, "dissect", capture, "--jsonl"], out)
        out.seek(0)
        protocols = collections.Counter(re.search(rb'"protocol":"(\w+)"', line).group(1).decode() for line in out)
    entries = protocols.total()
    print(f"  mixed: {entries:,} entries of {len(protocols)} protocols: " + ", ".join(f"{name} {n:,}" for name, n in sorted(protocols.items())))
    commands = {"trawl dissect --jsonl": [trawl, "dissect", capture, "--jsonl", "--threads", "1"],
                "two threads: trawl": [trawl, "dissect", capture, "--jsonl", "--threads", "2"],
                "floor (headers, flow hash, header lines)": floor_command(capture, work_dir)}
    if shutil.which("httpry"):
        commands["httpry (HTTP lines only)"] = ["httpry", "-r", capture, "-o", "/dev/null"]
    for tool, (cpu, wall, rss) in zip(commands, pairs(*commands.values())):
        figures = {SPEED: size / cpu, "MB/s": size / wall, "packets/CPU s": packets / cpu, "peak MiB": rss}
        if "trawl" in tool:
            figures.update({"entries/CPU s": entries / cpu, "entries": entries})
        table.add(work, tool, **figures)
    with tempfile.TemporaryDirectory() as d:
        cpu, wall, rss = run([trawl, "dissect", capture, "-o", f"{d}/store", "--threads", "1"], rounds=1)
        table.add(work, "into the entry store: trawl", **{SPEED: size / cpu, "MB/s": size / wall, "entries/CPU s": entries / cpu, "peak MiB": rss})
    with tempfile.NamedTemporaryFile(suffix=".pcap") as part:  # the beginning is enough: it is slow
        subprocess.run(["editcap", "-F", "nsecpcap", "-r", capture, part.name, "1-60000"], stderr=subprocess.DEVNULL)
        cpu, wall, rss = run(["tshark", "-n", "-r", part.name, "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info"], rounds=1)
        table.add(work, "tshark -T fields, the columns (60,000 packets)", **{SPEED: os.path.getsize(part.name) / 1e6 / cpu, "MB/s": os.path.getsize(part.name) / 1e6 / wall, "packets/CPU s": min(packets, 60000) / cpu, "peak MiB": rss})
    if shutil.which("tcpflow"):
        with tempfile.TemporaryDirectory() as d:
            cpu, wall, rss = run(["tcpflow", "-r", capture, "-o", d], rounds=1)
        table.add(work, "tcpflow (TCP streams only)", **{SPEED: size / cpu, "MB/s": size / wall, "packets/CPU s": packets / cpu, "peak MiB": rss})
    table.ratio(work, SPEED)


def instructions(command):
    """What callgrind counts, and why not where it does not."""
    said = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        raise SystemExit(f"callgrind counted nothing: {said[-300:]}")
    return int(found.group(1))


def bench_engine(table, trawl, work_dir):
    """Instructions a packet, without those of the start: the same on every machine, so that a change of some per cent is seen."""
    if not shutil.which("valgrind"):
        print("  engine: skipped, valgrind is not installed")
        return
    counts, packets = [], []
    for calls in (10_000, 30_000):
        capture = f"{work_dir}/engine.pcap"
        write_calls(capture, calls)
        packets.append(capture_info(capture))
        counts.append(instructions([trawl, "dissect", capture, "--jsonl", "--threads", "1"]))
    per_packet = (counts[1] - counts[0]) / (packets[1] - packets[0])
    table.add("engine cost, HTTP/1.1 calls of 436 bytes", "trawl dissect --jsonl", **{"instructions/packet": per_packet, "instructions/call": (counts[1] - counts[0]) / 20_000, "start, million instructions": (counts[0] - per_packet * packets[0]) / 1e6})


def bench_export(table, trawl, capture, work_dir):
    """Output goes to /dev/null for every tool: what is measured is the tool, not the disk."""
    half = capture_info(capture) // 2
    a, b = f"{work_dir}/a.pcap", f"{work_dir}/b.pcap"
    subprocess.run(["editcap", "-F", "nsecpcap", "-r", capture, a, f"1-{half}"], stderr=subprocess.DEVNULL)
    subprocess.run(["editcap", "-F", "nsecpcap", capture, b, f"1-{half}"], stderr=subprocess.DEVNULL)
    size = os.path.getsize(capture) / 1e6
    first, last = times_of(capture)
    start = first + (last - first) * 0.45
    end = start + (last - first) * 0.1
    null = "/dev/null"
    for work, tools in (
        (f"merge of two captures, {size:.0f} MB", {"trawl export": [trawl, "export", a, b, "-o", null], "mergecap": ["mergecap", "-w", null, a, b]}),
        (f"BPF copy of {size:.0f} MB", {"trawl export --bpf": [trawl, "export", capture, "-o", null, "--bpf", "tcp port 8080"], "tcpdump -r -w": ["tcpdump", "-r", capture, "-w", null, "tcp port 8080"]}),
        (f"BPF copy, nothing matches, {size:.0f} MB", {"trawl export --bpf": [trawl, "export", capture, "-o", null, "--bpf", "udp port 9"], "tcpdump -r -w": ["tcpdump", "-r", capture, "-w", null, "udp port 9"]}),
        (f"a tenth of the time out of {size:.0f} MB, no index", {"trawl export --from --to": [trawl, "export", capture, "-o", null, "--from", iso(start), "--to", iso(end)], "editcap -A -B": ["editcap", "-A", iso(start), "-B", iso(end), capture, null]}),
    ):
        for tool, (cpu, _, rss) in zip(tools, pairs(*tools.values(), rounds=5)):
            table.add(work, tool, **{SPEED: size / cpu, "peak MiB": rss})
        table.ratio(work, SPEED)


class Recorder:
    """`trawl up` in the server's namespace."""

    def __init__(self, trawl, hosts, data, *options):
        self.trawl, self.hosts, self.data = trawl, hosts, data
        self.process = subprocess.Popen(hosts.on(hosts.srv, [trawl, "up", "--data", data, "--listen", "127.0.0.1:8897", "--iface", "v0", *options]), stdout=subprocess.DEVNULL, stderr=open(f"{data}.err", "w"))
        for _ in range(300):
            try:
                if self.node()["state"] == "recording":
                    return
            except (OSError, ValueError, KeyError, IndexError):
                pass
            time.sleep(0.1)
        self.stop()
        raise SystemExit("trawl up does not record: " + open(f"{data}.err").read())

    def cli(self, *args, check=False):
        env = dict(os.environ, TRAWL_HUB="http://127.0.0.1:8897", TRAWL_TOKEN=open(f"{self.data}/token").read().strip())
        done = subprocess.run(self.hosts.on(self.hosts.srv, [self.trawl, *args]), capture_output=True, text=True, env=env)
        if check and done.returncode != 0:
            raise SystemExit(f"trawl {' '.join(args)}: {done.stderr}")
        return done.stdout

    def timed(self, *args, rounds=3):
        """Milliseconds of the whole command, all rounds (the first meets cold caches); what it printed."""
        times = []
        for _ in range(rounds):
            start = time.monotonic()
            out = self.cli(*args, check=True)
            times.append((time.monotonic() - start) * 1000)
        return times, out

    def node(self):
        return json.loads(self.cli("nodes", "--json"))["nodes"][0]

    def descendants(self):
        rows = [line.split(None, 2) for line in subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()[1:]]
        found = {self.process.pid}
        for _ in range(6):
            found |= {int(pid) for pid, parent, _ in rows if int(parent) in found}
        return [(int(pid), args) for pid, _, args in rows if int(pid) in found and int(pid) != self.process.pid]

    def capturers(self):
        return [pid for pid, args in self.descendants() if "capturer" in args]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()


def wait_idle(recorder):
    """Until the ring has taken what was on its way."""
    last = -1
    for _ in range(50):
        packets = recorder.node()["packets"]
        if packets == last:
            return
        last = packets
        time.sleep(0.3)


def bench_capture(table, trawl, hosts, work_dir, seconds):
    """By turns; the round with the least CPU a packet counts."""
    work = "capture of wrk's traffic"
    rows = []
    for i in range(2):
        recorder = Recorder(trawl, hosts, f"{work_dir}/ring{i}", "--ring-size", "2GiB")
        try:
            pids = recorder.capturers()
            before, cpu0 = recorder.node(), sum(map(cpu_of, pids))
            requests = wrk(hosts, work_dir, seconds)
            wait_idle(recorder)
            node = recorder.node()
            packets, cpu = node["packets"] - before["packets"], sum(map(cpu_of, pids)) - cpu0
            rows.append(("trawl (ring with index)", {"ns CPU/packet": cpu * 1e9 / max(packets, 1), "packets": packets, "lost": sum(v for v in node["drops"].values() if isinstance(v, int)), "peak MiB": sum(map(rss_of, pids)), "requests": requests}))
        finally:
            recorder.stop()
        path = f"{work_dir}/dump.pcap"
        dump = subprocess.Popen(hosts.on(hosts.srv, ["tcpdump", "-Z", "root", "-i", "v0", "-s0", "-B", "65536", "-w", path]), stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        cpu0 = cpu_of(dump.pid)
        requests = wrk(hosts, work_dir, seconds)
        time.sleep(1)
        cpu, rss = cpu_of(dump.pid) - cpu0, rss_of(dump.pid)
        dump.send_signal(signal.SIGINT)
        said = dump.communicate()[1]
        lost = next((int(line.split()[0]) for line in said.splitlines() if "dropped by kernel" in line), 0)
        packets = next((int(line.split()[0]) for line in said.splitlines() if "packets captured" in line), 0)
        rows.append(("tcpdump -B 65536 (no index)", {"ns CPU/packet": cpu * 1e9 / max(packets, 1), "packets": packets, "lost": lost, "peak MiB": rss, "requests": requests}))
    for tool in sorted({tool for tool, _ in rows}, reverse=True):
        table.add(work, tool, **min((f for t, f in rows if t == tool), key=lambda f: f["ns CPU/packet"]))
    table.ratio(work, "ns CPU/packet")


FILLER = """import socket, sys, threading
def sink(s):
    c, _ = s.accept()
    while c.recv(1 << 20): pass
if sys.argv[1] == "sink":
    s = socket.create_server(("10.99.0.1", 9000)); print("ready", flush=True); sink(s)
else:
    c = socket.create_connection(("10.99.0.1", 9000)); block = bytes(range(256)) * 4096
    for _ in range(int(sys.argv[2])): c.sendall(block)
"""


def bench_snapshot(table, trawl, hosts, work_dir, ring_mib):
    recorder = Recorder(trawl, hosts, f"{work_dir}/full", "--ring-size", f"{ring_mib}MiB")
    try:
        sink = subprocess.Popen(hosts.on(hosts.srv, [sys.executable, "-c", FILLER, "sink"]), stdout=subprocess.PIPE)
        sink.stdout.readline()
        subprocess.run(hosts.on(hosts.cli, [sys.executable, "-c", FILLER, "send", str(ring_mib + ring_mib // 8)]), check=True)
        sink.wait()
        wait_idle(recorder)
        work = f"snapshot of a full ring of {ring_mib} MiB"
        best = None
        for i in range(3):
            start = time.monotonic()
            recorder.cli("snapshot", "create", f"full {i}", "--last", "12h", "--wait", check=True)
            command_ms = (time.monotonic() - start) * 1000
            shown = json.loads(recorder.cli("snapshot", "show", f"full {i}", "--json", check=True))
            newest = f"full {i}"
            best = min(best or (command_ms, shown), (command_ms, shown), key=lambda x: x[0])
        ms, shown = best
        table.add(work, "trawl snapshot create --wait", **{"ms": ms, "MB": shown["size_bytes"] / 1e6, "packets": shown["packets"]})
        node = recorder.node()
        table.rows[-1]["lost"] = sum(v for v in node["drops"].values() if isinstance(v, int))
        whole = f"{work_dir}/whole.pcapng"
        times, _ = recorder.timed("snapshot", "pcap", newest, "-o", whole, rounds=1)
        table.add(work, "trawl snapshot pcap, whole", ms=times[0], MB=os.path.getsize(whole) / 1e6)
        middle, packets = f"{work_dir}/middle.pcapng", shown["packets"]
        subprocess.run(["editcap", "-r", whole, middle, f"{packets // 2}-{packets // 2 + packets // 25}"], stderr=subprocess.DEVNULL)
        start, end = times_of(middle)
        cut = f"{work_dir}/cut.pcapng"
        times, _ = recorder.timed("snapshot", "pcap", newest, "--from", iso(start), "--to", iso(end), "-o", cut)
        table.add(work, "trawl snapshot pcap, a 25th of its packets", ms=min(times), MB=os.path.getsize(cut) / 1e6)
        best = min(run_once(["editcap", "-A", iso(start), "-B", iso(end), whole, f"{work_dir}/cut2.pcapng"], subprocess.DEVNULL)[1] for _ in range(3))
        table.add(work, "editcap -A -B of the whole export", ms=best * 1000, MB=os.path.getsize(f"{work_dir}/cut2.pcapng") / 1e6)
    finally:
        recorder.stop()


def write_calls(path, count):
    """A capture of `count` small HTTP calls, 500 a connection."""
    import struct
    with open(path, "wb", buffering=1 << 22) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        ether = bytes.fromhex("0200000000010200000000020800")
        def packet(n, up, port, seq, ack, flags, payload):
            a, b = (b"\x0a\x01\x00\x02", b"\x0a\x01\x00\x01") if up else (b"\x0a\x01\x00\x01", b"\x0a\x01\x00\x02")
            sport, dport = (port, 8080) if up else (8080, port)
            frame = ether + struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), n & 0xFFFF, 0x4000, 64, 6, 0, a, b) + struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + payload
            out.write(struct.pack("<IIII", 1_700_000_000 + n // 20_000, n % 20_000 * 50_000, len(frame), len(frame)) + frame)
        n = port = 0
        seq = ack = 0
        for i in range(count):
            if i % 500 == 0:
                port, seq, ack = 10000 + i // 500 % 50000, 1001, 2001
                packet(n, True, port, 1000, 0, 2, b""); packet(n + 1, False, port, 2000, 1001, 18, b""); packet(n + 2, True, port, 1001, 2001, 16, b"")
                n += 3
            status = b"500 Internal Server Error" if i % 97 == 0 else b"200 OK"
            request = b"GET /api/v1/orders/%d?page=%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n\r\n" % (i % 9973, i % 17)
            body = b'{"status":"ok","order":%d,"customer":"c-%d","note":"%s"}' % (i, i % 1009, b"needle" if i % 5003 == 0 else b"plain")
            response = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Request-Id: %032x\r\n\r\n" % (status, len(body), i * 2654435761) + body
            packet(n, True, port, seq, ack, 24, request)
            seq += len(request)
            packet(n + 1, False, port, ack, seq, 24, response)
            ack += len(response)
            n += 2


def bench_query(table, trawl, hosts, work_dir, count):
    """Through the hub and its query job; milliseconds are those of the whole command."""
    capture = f"{work_dir}/calls.pcap"
    write_calls(capture, count)
    recorder = Recorder(trawl, hosts, f"{work_dir}/query", "--ring-size", "256MiB")
    try:
        size = os.path.getsize(capture) / 1e6
        work = f"{count:,} HTTP calls, {size:.0f} MB"
        start = time.monotonic()
        recorder.cli("snapshot", "import", capture, "--name", "calls", check=True)
        recorder.cli("snapshot", "wait", "calls", check=True)
        table.add(work, "trawl snapshot import", ms=(time.monotonic() - start) * 1000)
        start = time.monotonic()
        recorder.cli("snapshot", "dissect", "calls", "--wait", check=True)
        seconds = time.monotonic() - start
        table.add(work, "trawl snapshot dissect (two processors)", **{"ms": seconds * 1000, "MB/s": size / seconds})
        for what, args in (
            ("newest 100", ["--limit", "100", "--json"]),
            ("count of http", ["--count", "--filter", "http"]),
            ("count of status_code == 500", ["--count", "--filter", "status_code == 500"]),
            ("count of path.contains(\"/42\")", ["--count", "--filter", 'path.contains("/42")']),
            ("count of response.body.contains(\"needle\")", ["--count", "--filter", 'response.body.contains("needle")']),
            ("the same && status_code == 500, at the end", ["--count", "--filter", 'response.body.contains("needle") && status_code == 500']),
        ):
            times, out = recorder.timed("entries", "--source", "calls", *args)
            figures = {"ms": min(times), "first ms": times[0]}
            if "--count" in args:
                figures["calls"] = int(out.strip().split()[-1].replace(",", ""))
            table.add(work, what, **figures)
        for what, args in (
            ("top 20 by path, status_code (columns)", ["top", "--by", "path,status_code"]),
            ("top 20 by path_template (read one by one)", ["top", "--by", "path_template"]),
            ("map", ["map"]),
        ):
            times, _ = recorder.timed(*args, "--source", "calls", "--filter", "http")
            table.add(work, what, **{"ms": min(times), "first ms": times[0]})
    finally:
        recorder.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trawl", default=f"{ROOT}/build/release/trawl")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--keep")
    parser.add_argument("--only", default="dissect,http2,mixed,engine,export,capture,snapshot,query")
    parser.add_argument("--mixed", type=int, default=300, help="MB of the mixed capture")
    parser.add_argument("--h2-requests", type=int, default=100_000)
    parser.add_argument("--ring", type=int, default=1024, help="MiB of the ring that is filled for the snapshot")
    parser.add_argument("--entries", type=int, default=1_000_000)
    args = parser.parse_args()
    work_dir = args.keep or tempfile.mkdtemp(prefix="trawl_bench_")
    for name in ("ring0", "ring1", "full", "query"):
        shutil.rmtree(f"{work_dir}/{name}", ignore_errors=True)
    os.makedirs(work_dir, exist_ok=True)
    hosts, table = Hosts(), Table()
    try:
        start_nginx(hosts, work_dir)
        capture = f"{work_dir}/http1.pcap"
        needs_capture = "dissect" in args.only or "export" in args.only
        requests = record(hosts, work_dir, capture, args.seconds) if needs_capture else 0
        if needs_capture:
            print(f"{capture_info(capture):,} packets, {os.path.getsize(capture) / 1e6:.0f} MB, {requests:,} requests")
        if "dissect" in args.only:
            bench_dissect(table, args.trawl, capture, requests, work_dir)
        if "http2" in args.only:
            requests = record_http2(hosts, work_dir, f"{work_dir}/http2.pcap", args.h2_requests)
            bench_http2(table, args.trawl, f"{work_dir}/http2.pcap", requests, work_dir)
        if "mixed" in args.only:
            bench_mixed(table, args.trawl, work_dir, args.mixed)
        if "engine" in args.only:
            bench_engine(table, args.trawl, work_dir)
        if "export" in args.only:
            bench_export(table, args.trawl, capture, work_dir)
        if "capture" in args.only:
            bench_capture(table, args.trawl, hosts, work_dir, args.seconds)
        if "snapshot" in args.only:
            bench_snapshot(table, args.trawl, hosts, work_dir, args.ring)
        if "query" in args.only:
            bench_query(table, args.trawl, hosts, work_dir, args.entries)
        table.print()
        os.makedirs(f"{ROOT}/tests/out", exist_ok=True)
        with open(f"{ROOT}/tests/out/bench.json", "w") as f:
            json.dump(table.rows, f, indent=1)
    finally:
        if os.path.exists(f"{work_dir}/nginx.pid"):
            os.kill(int(open(f"{work_dir}/nginx.pid").read()), signal.SIGTERM)
        hosts.close()
        if not args.keep:
            shutil.rmtree(work_dir, ignore_errors=True)


main()
