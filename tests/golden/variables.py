"""Which variables do the public captures fill? usage: variables.py TRAWL PCAPS HERE"""
import base64
import glob
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TRAWL, PCAPS, HERE = sys.argv[1:4]
TSHARK_CAPTURES = 40
fields = {f["name"]: f for f in json.loads(subprocess.check_output([TRAWL, "filter", "fields", "--json"]))}
problems, filled, unknown = [], set(), set()


def walk(value, prefix):
    for key, inner in value.items():
        name = prefix + key
        if name in fields:
            filled.add(name)
        elif isinstance(inner, dict):
            walk(inner, name + ".")
        elif not name.startswith(("request.packets", "response.packets")):
            unknown.add(name)


def dissect(path):
    done = subprocess.run([TRAWL, "dissect", path, "--jsonl"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return path, [json.loads(line) for line in done.stdout.splitlines()]


def raw(value):
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value.encode()


def beside_tshark(path, entries):
    """Flows that nobody knows: their first packet with bytes, as tshark sees it."""
    flows = [e for e in entries if "udp_payload" in e or "tcp_payload" in e]
    if not flows:
        return 0
    names = ("frame.time_epoch", "udp.length", "udp.checksum", "udp.payload", "tcp.payload", "udp.srcport", "tcp.srcport")
    done = subprocess.run(["tshark", "-r", path, "-n", "-Y", "udp.payload or tcp.payload", "-T", "fields"] +
                          [part for name in names for part in ("-e", name)], capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    compared = 0
    for e in flows:
        ports = {str(e["src"]["port"]), str(e["dst"]["port"])}
        if "udp_payload" in e:
            fits = [r for r in rows if len(r) == 7 and r[5] in ports and r[3] and r[1].isdigit()]
            same = [r for r in fits if raw(e["udp_payload"]).hex() == r[3][:2048]]
            if fits and not any(int(r[1]) == e["udp_length"] and int(r[2], 16) == e["udp_checksum"] for r in same):
                problems.append(f"{path}: {e['summary']}: tshark has no such first datagram")
        else:
            fits = [r for r in rows if len(r) == 7 and r[6] in ports and r[4]]
            mine = raw(e["tcp_payload"]).hex()
            if fits and not any(mine.startswith(r[4]) or r[4].startswith(mine) for r in fits):
                problems.append(f"{path}: {e['summary']}: tshark has no segment with these first bytes")
        compared += bool(fits)
    return compared


paths = sorted(p for p in glob.glob(PCAPS + "/**/*", recursive=True) if p.endswith((".pcap", ".pcapng", ".cap", ".gz")))
compared = captures = total = 0
with ThreadPoolExecutor(2) as lanes:
    for path, entries in lanes.map(dissect, paths):
        total += len(entries)
        for entry in entries:
            walk(entry, "")
            if set(entry["ips"]) - {entry["src"]["ip"], entry["dst"]["ip"]}:
                problems.append(f"{path}: {entry['summary']} is no translated connection: {entry['ips']}")
        if captures < TSHARK_CAPTURES and path.endswith(".pcap"):
            count = beside_tshark(path, entries)
            compared += count
            captures += count > 0

exceptions = {}
for line in open(f"{HERE}/variables.tsv", encoding="utf-8"):
    if line.strip() and not line.startswith("#"):
        name, why = line.rstrip("\n").split("\t")
        exceptions[name] = why
# Flags and names for other variables are computed from the entry and never stand in the JSON.
derived = set("""latency has_pcap http dns tcp udp sctp icmp tlsx grpc radius diameter redis kafka amqp ldap ws gql gqlv1 gqlv2 mongodb mysql
    postgresql conn flow tcp_conn udp_conn tcp_flow udp_flow mqtt nats stomp memcached cql smtp quic""".split())
for name in sorted(derived - set(fields)):
    problems.append(f"{name} is no variable")
for name in sorted(set(fields) - filled - derived):
    if name not in exceptions:
        problems.append(f"no capture fills {name}, and variables.tsv has no reason")
for name, why in exceptions.items():
    if name in filled or name not in fields:
        problems.append(f"variables.tsv: {name} is stale")
    elif why.startswith("tests/"):
        test = os.path.join(HERE, "..", "..", why)
        if not os.path.exists(test) or name not in open(test, encoding="utf-8").read():
            problems.append(f"variables.tsv: {why} does not fill {name}")
for name in sorted(unknown):
    problems.append(f"{name} stands in the JSON and is no variable")
for problem in problems[:40]:
    print(problem)
print(f"{len(paths)} captures, {total} entries, {len(filled)} of {len(fields)} variables filled, {len(exceptions)} elsewhere, "
      f"{compared} flows beside tshark, {len(problems)} problems")
sys.exit(1 if problems or compared < 20 else 0)
