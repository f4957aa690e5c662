#!/usr/bin/env python3
"""Measures trawl beside its peers in one run: CPU seconds, MB and packets per CPU second, peak memory, loss. Prints one table and one JSON file.

usage: tests/bench/run.py [--trawl BINARY] [--seconds N] [--keep DIR] [--only dissect,export,capture]
Needs root (network namespaces), nginx, wrk, tcpdump, tshark, mergecap, editcap; httpry and tcpflow are used when installed.
Ratios count, absolute figures do not: machines are noisy and differ."""
import argparse, json, os, resource, shutil, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def run(command, stdout=subprocess.DEVNULL, **kw):
    """Runs to the end: (seconds of CPU, wall seconds, peak RSS in MiB)."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, **kw)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        print(f"  {command[0]} ended with {process.returncode}", file=sys.stderr)
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024


def capture_info(path):
    out = subprocess.run(["capinfos", "-TmcQ", path], capture_output=True, text=True).stdout
    return int(out.strip().splitlines()[-1].split(",")[-1].strip("\""))


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


def bench_dissect(table, trawl, capture, requests):
    size = os.path.getsize(capture) / 1e6
    work = f"HTTP/1.1 capture of {size:.0f} MB → calls"
    with tempfile.TemporaryFile() as out:
        cpu, _, rss = run([trawl, "dissect", capture, "--jsonl", "--threads", "1"], stdout=out)
        out.seek(0)
        calls = sum(1 for line in out if b'"protocol":"http"' in line)
    table.add(work, "trawl dissect --jsonl", **{"MB/CPU s": size / cpu, "calls": calls, "client says": requests, "peak MiB": rss})
    cpu, wall, rss = run([trawl, "dissect", capture, "--jsonl", "--threads", "2"])
    table.add(work, "trawl, 2 threads", **{"MB/CPU s": size / cpu, "MB/s": size / wall, "peak MiB": rss})
    cpu, _, rss = run(["tshark", "-r", capture, "-Y", "http", "-T", "fields", "-e", "http.request.method", "-e", "http.request.uri", "-e", "http.response.code"])
    table.add(work, "tshark -T fields", **{"MB/CPU s": size / cpu, "peak MiB": rss})
    if shutil.which("httpry"):
        cpu, _, rss = run(["httpry", "-r", capture, "-o", "/dev/null"])
        table.add(work, "httpry (lines only)", **{"MB/CPU s": size / cpu, "peak MiB": rss})
    if shutil.which("tcpflow"):
        with tempfile.TemporaryDirectory() as d:
            cpu, _, rss = run(["tcpflow", "-r", capture, "-o", d])
        table.add(work, "tcpflow (streams only)", **{"MB/CPU s": size / cpu, "peak MiB": rss})
    table.ratio(work, "MB/CPU s")


def bench_export(table, trawl, capture, work_dir):
    half = capture_info(capture) // 2
    a, b = f"{work_dir}/a.pcap", f"{work_dir}/b.pcap"
    subprocess.run(["editcap", "-F", "nsecpcap", "-r", capture, a, f"1-{half}"], stderr=subprocess.DEVNULL)
    subprocess.run(["editcap", "-F", "nsecpcap", capture, b, f"1-{half}"], stderr=subprocess.DEVNULL)
    size = os.path.getsize(capture) / 1e6
    work = f"merge of two captures, {size:.0f} MB"
    for tool, command in (("trawl export", [trawl, "export", a, b, "-o", f"{work_dir}/m.pcapng"]), ("mergecap", ["mergecap", "-w", f"{work_dir}/m2.pcapng", a, b])):
        cpu, _, rss = run(command)
        table.add(work, tool, **{"MB/CPU s": size / cpu, "peak MiB": rss})
    table.ratio(work, "MB/CPU s")
    work = f"BPF copy of {size:.0f} MB"
    for tool, command in (("trawl export --bpf", [trawl, "export", capture, "-o", f"{work_dir}/f.pcapng", "--bpf", "tcp port 8080"]), ("tcpdump -r -w", ["tcpdump", "-r", capture, "-w", f"{work_dir}/f2.pcap", "tcp port 8080"])):
        cpu, _, rss = run(command)
        table.add(work, tool, **{"MB/CPU s": size / cpu, "peak MiB": rss})
    table.ratio(work, "MB/CPU s")


def capturer_pid(up_pid):
    """The child of `trawl up` that records."""
    out = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in out.splitlines() if "capturer" in line and "--data" in line or " capturer " in line]


def bench_capture(table, trawl, hosts, work_dir, seconds):
    work = "capture of wrk's traffic"
    data = f"{work_dir}/ring"
    up = subprocess.Popen(hosts.on(hosts.srv, [trawl, "up", "--data", data, "--listen", "127.0.0.1:8897", "--iface", "v0", "--ring-size", "2GiB"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    env = dict(os.environ, TRAWL_HUB="http://127.0.0.1:8897", TRAWL_TOKEN=open(f"{data}/token").read().strip())
    status = lambda: json.loads(subprocess.run(hosts.on(hosts.srv, [trawl, "nodes", "--json"]), capture_output=True, text=True, env=env).stdout)["nodes"][0]
    pids = capturer_pid(up.pid)
    packets0, cpu0 = status()["packets"], sum(map(cpu_of, pids))
    requests = wrk(hosts, work_dir, seconds)
    time.sleep(1.5)
    node = status()
    packets, cpu = node["packets"] - packets0, sum(map(cpu_of, pids)) - cpu0
    table.add(work, "trawl (ring with index and SHA-256)", **{"ns CPU/packet": cpu * 1e9 / max(packets, 1), "packets": packets, "lost": sum(node["drops"].values()), "peak MiB": sum(map(rss_of, pids)), "requests": requests})
    up.send_signal(signal.SIGTERM)
    up.wait()
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
    table.add(work, "tcpdump -B 64M", **{"ns CPU/packet": cpu * 1e9 / max(packets, 1), "packets": packets, "lost": lost, "peak MiB": rss, "requests": requests})
    table.ratio(work, "ns CPU/packet")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trawl", default=f"{ROOT}/build/release/trawl")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--keep")
    parser.add_argument("--only", default="dissect,export,capture")
    args = parser.parse_args()
    work_dir = args.keep or tempfile.mkdtemp(prefix="trawl_bench_")
    os.makedirs(work_dir, exist_ok=True)
    hosts, table = Hosts(), Table()
    try:
        start_nginx(hosts, work_dir)
        capture = f"{work_dir}/http1.pcap"
        requests = record(hosts, work_dir, capture, args.seconds)
        print(f"{capture_info(capture):,} packets, {os.path.getsize(capture) / 1e6:.0f} MB, {requests:,} requests")
        if "dissect" in args.only:
            bench_dissect(table, args.trawl, capture, requests)
        if "export" in args.only:
            bench_export(table, args.trawl, capture, work_dir)
        if "capture" in args.only:
            bench_capture(table, args.trawl, hosts, work_dir, args.seconds)
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
