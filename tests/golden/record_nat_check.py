"""The recordings of record_nat.sh beside what the client and nginx wrote down."""
import collections
import hashlib
import json
import struct
import subprocess
import sys

TRAWL, WORK = sys.argv[1:3]
calls = [json.loads(line) for line in open(f"{WORK}/calls.jsonl", encoding="utf-8")]
seen = {}  # what nginx saw of each request: the translated address and port
for line in open(f"{WORK}/seen.log", encoding="utf-8"):
    address, port, uri = line.split()
    seen[uri] = (address, int(port))
problems = []


def dissect(files, threads=1):
    done = subprocess.run([TRAWL, "dissect", *files, "--jsonl", "--threads", str(threads)], capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def key_of(entry):
    if entry["protocol"] == "http":
        return entry.get("url", "").split("10.199.80.", 1)[-1][1:]
    if entry["protocol"] == "dns":
        return entry["dns_questions"][0].rstrip(".")
    return str(entry["src"]["port"])


def check(title, entries, whole=True, conns=True, kinds=("http", "dns"), parts=False):
    """Every call once; with `whole` also both addresses, nothing incomplete, connections once each. With `parts` a call whose
    request was lost at both sides may be an answer without one."""
    kinds += ("tcp_conn",) * conns
    before = len(problems)
    found = collections.defaultdict(list)
    for entry in entries:
        if entry["protocol"] in kinds:
            found[entry["protocol"], key_of(entry)].append(entry)
    wanted = collections.Counter((call["kind"], call["key"]) for call in calls if call["kind"] in kinds)
    unknown = found.pop(("http", ""), []) if parts else []
    problems.extend(f"{title}: an answer without a request passes for whole" for entry in unknown if not entry["incomplete"])
    lost = len(unknown)
    for key, count in wanted.items():
        if lost and key[0] == "http" and not found.get(key):
            lost -= 1
            continue
        if len(found.get(key, [])) != count:
            problems.append(f"{title}: {key} was called {count} times and has {len(found.get(key, []))} entries")
    for key in found:
        if key not in wanted:
            problems.append(f"{title}: nobody called {key}")
    for call in calls if whole else []:
        for entry in found.get((call["kind"], call["key"]), []):
            if call.get("plain"):
                if entry["ips"] != [entry["src"]["ip"], entry["dst"]["ip"]]:
                    problems.append(f"{title}: {call['key']} was not translated: {entry['ips']}")
                continue
            source, port = seen.get(call["key"], (None, None))
            masked = call["service"] == "10.199.80.2"
            ips = {"10.199.78.2", call["service"], "10.199.79.2"} | ({"10.199.79.1"} if masked else set())
            if set(entry["ips"]) != ips or entry["incomplete"] or (source and source not in entry["ips"]):
                problems.append(f"{title}: {call['key']} went through {sorted(ips)}, not {entry['ips']}")
            ports = {call["port"]} | ({port} if port else set())
            if not ports <= set(entry["ports"]):
                problems.append(f"{title}: {call['key']} had ports {ports}, not {entry['ports']}")
            if (entry["src"]["ip"], entry["src"]["port"]) != ("10.199.78.2", call["port"]):
                problems.append(f"{title}: {call['key']} came from port {call['port']}")
    print(f"{title}: {sum(wanted.values())} calls, {sum(map(len, found.values()))} entries, {len(problems) - before} problems")


def packets(path):
    data = open(path, "rb").read()
    at = 24
    while at < len(data):
        seconds, micros, size = struct.unpack_from("<3I", data, at)
        yield seconds * 1_000_000 + micros, data[at:at + 16 + size]
        at += 16 + size


def identity(packet):
    """The same before and after translation."""
    ip = packet[16 + 14:]
    header = (ip[0] & 15) * 4
    return hashlib.sha256(ip[4:6] + ip[header + (4 if ip[9] == 6 else 8):header + 16] + ip[header + 20:]).digest()[0]


def rewrite(name, keep):
    source = f"{WORK}/{name.split('-')[-1]}.pcap"
    with open(f"{WORK}/{name}.pcap", "wb") as out:
        out.write(open(source, "rb").read(24))
        for time, packet in packets(source):
            if keep(time, packet):
                out.write(packet)
    return f"{WORK}/{name}.pcap"


both = [f"{WORK}/in0.pcap", f"{WORK}/out0.pcap"]
entries = dissect(both)
check("both sides", entries)
if dissect(both, 7) != entries:
    problems.append("other entries with seven threads")
if not all({place.rsplit(":", 1)[0] for place in e["seen_at"]} == {"file 0", "file 1"} for e in entries if e["protocol"] == "http"):
    problems.append("a call was not seen at both places")
streams = {e["conn_id"]: e["stream"] for e in entries}
if sorted(set(streams.values())) != list(range(len(streams))):
    problems.append(f"the ordinals of {len(streams)} connections are {sorted(set(streams.values()))}")
check("any", dissect([f"{WORK}/any.pcap"]))
check("the outer side", dissect(both[:1]), whole=False)
# A call of two packets, one lost here and the other there, has nothing in common that could join its halves: datagrams are
# lost at one side at a time.
for round in range(8):
    side = ("in0", "out0")[round % 2]
    lost = [rewrite(f"lost{round}-{s}", lambda _, p, s=s: s != side or identity(p) % 8 != round) for s in ("in0", "out0")]
    check(f"losses at {side} {round}", dissect(lost), whole=False, conns=False)
for round in range(4):
    lost = [rewrite(f"lost{round}-in0", lambda _, p: identity(p) % 12 != round),
            rewrite(f"lost{round}-out0", lambda _, p: identity(p) % 12 != 11 - round)]
    check(f"losses at both {round}", dissect(lost), whole=False, conns=False, kinds=("http",), parts=True)
times = [time for time, _ in packets(both[0])]
for part in (0.2, 0.5, 0.8):
    cut = times[int(len(times) * part)]
    for late in ("in0", "out0"):
        files = [rewrite(f"late-{side}", lambda t, _, s=side: s != late or t >= cut) for side in ("in0", "out0")]
        check(f"{late} joins at {part}", dissect(files), whole=False, conns=False)
for problem in problems[:40]:
    print(problem)
sys.exit(1 if problems or len(calls) < 500 else 0)
