"""TCP health of every connection beside tshark's analysis (tcp.analysis.*), over folders of captures.

    oracle_tcp.py TRAWL CAPTURES DIFFERENCES [FILE…]

A connection is one tcp.stream of tshark; ours stands beside it by addresses, ports and the time of its first packet.
Every difference is either in DIFFERENCES (file, stream, field, reason; separated by tabs; stream * = all of the file,
field * = all of the stream) or fails the test; so does a line there that no difference needs any more."""
import json
import os
import subprocess
import sys

COUNTS = {"tcp_retransmissions": "tcp.analysis.retransmission",
          "tcp_fast_retransmissions": "tcp.analysis.fast_retransmission",
          "tcp_out_of_order": "tcp.analysis.out_of_order",
          "tcp_duplicate_acks": "tcp.analysis.duplicate_ack",
          "tcp_zero_windows": "tcp.analysis.zero_window"}
FIELDS = ["frame.protocols", "frame.time_epoch", "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst",
          "ipv6.dst", "tcp.dstport", "tcp.flags.reset", "tcp.analysis.initial_rtt"] + list(COUNTS.values())
RTT_TOLERANCE_US = 1  # tshark rounds, we cut off


def last(value):
    return value.split(",")[-1]


def theirs(path):
    """stream number → {first (ns), ends, counts …}"""
    command = ["tshark", "-r", path, "-n", "-2", "-T", "fields", "-E", "occurrence=a", "-E", "separator=/t",
               # what they call a duplicate acknowledgement or a repeat must not depend on what dissectors do
               "-o", "tcp.analyze_sequence_numbers:TRUE", "-o", "tcp.check_checksum:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    streams = {}
    for line in out.decode("utf-8", "replace").splitlines():
        row = dict(zip(FIELDS, line.split("\t")))
        chain = row["frame.protocols"].split(":")
        if not row.get("tcp.stream") or "icmp" in chain or "icmpv6" in chain:
            continue
        whole, _, part = row["frame.time_epoch"].partition(".")
        ns = int(whole) * 10**9 + int((part + "0" * 9)[:9])
        source, destination = [(last(row["ip." + end] or row["ipv6." + end])) for end in ("src", "dst")]
        if chain.index("tcp") and "ipv6" in chain and "ip" in chain:  # a tunnel: the innermost one
            inner = "ipv6" if chain[::-1].index("ipv6") < chain[::-1].index("ip") else "ip"
            source, destination = last(row[inner + ".src"]), last(row[inner + ".dst"])
        stream = streams.setdefault(int(last(row["tcp.stream"])), {"first": ns, "values": {}})
        stream["ends"] = frozenset([(source, last(row["tcp.srcport"])), (destination, last(row["tcp.dstport"]))])
        values = stream["values"]
        for ours, field in COUNTS.items():
            values[ours] = values.get(ours, 0) + bool(row[field])
        values["tcp_resets"] = values.get("tcp_resets", 0) + (last(row["tcp.flags.reset"]) in ("1", "True"))
        if row["tcp.analysis.initial_rtt"]:
            values["tcp_initial_rtt_us"] = round(float(last(row["tcp.analysis.initial_rtt"])) * 1e6)
    return streams


def ours(trawl, path):
    out = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", "tcp_conn"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout
    connections = []
    for line in out.decode("utf-8", "replace").splitlines():
        entry = json.loads(line)
        ends = frozenset([(entry[end]["ip"], str(entry[end]["port"])) for end in ("src", "dst")])
        connections.append((entry["timestamp"], ends, entry))
    return connections


def stamp(text):
    """"2026-11-23T11:25:00.123456789Z" → (seconds as text, ns)"""
    import calendar
    import time
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((part + "0" * 9)[:9])


def compare(trawl, path, differ):
    """Calls differ(stream, field, ours, theirs); how many connections stood beside each other."""
    known = {}
    for text, ends, entry in ours(trawl, path):
        known.setdefault((ends, stamp(text)), []).append(entry)
    paired = 0
    if not known:
        return 0  # tshark takes its time even where there is no TCP
    for number, stream in sorted(theirs(path).items()):
        entries = known.get((stream["ends"], stream["first"]))
        if not entries:
            differ(number, "connection", "-", stream["first"])
            continue
        entry = entries.pop(0)
        paired += 1
        for field, value in stream["values"].items():
            mine = entry.get(field, 0)
            tolerance = RTT_TOLERANCE_US if field == "tcp_initial_rtt_us" else 0
            if field == "tcp_initial_rtt_us" and entry["conn_state"] == "refused":
                continue  # RST, ACK is no handshake: theirs counts any first acknowledgement of the SYN
            if abs(mine - value) > tolerance:
                differ(number, field, mine, value)
    return paired


def main():
    trawl, folder, table = sys.argv[1:4]
    explained = {}
    with open(table, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, stream, field, reason = line.rstrip("\n").split("\t")
                assert reason, line
                explained[(name, stream, field)] = False
    wanted = sys.argv[4:]
    files = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
                   if name.endswith((".pcap", ".pcapng", ".cap")) and (not wanted or name in wanted))
    failures = paired = 0
    for path in files:
        name = os.path.relpath(path, folder)

        def differ(stream, field, mine, value, name=name):
            nonlocal failures
            hit = False
            for key in ((name, str(stream), field), (name, str(stream), "*"), (name, "*", field), (name, "*", "*")):
                if key in explained:
                    explained[key] = hit = True
            if not hit:
                failures += 1
                print(f"{name}\tstream {stream}\t{field}\tours {mine}\ttheirs {value}")

        paired += compare(trawl, path, differ)
    for key, used in explained.items():
        if not used and not wanted:
            failures += 1
            print("explains nothing any more:", *key, sep="\t")
    print(f"tcp: {len(files)} captures, {paired} connections beside each other, {len(explained)} differences explained, "
          f"{failures} failures")
    return 1 if failures or not paired else 0


sys.exit(main())
