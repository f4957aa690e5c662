"""TCP health of every connection beside tshark's analysis (tcp.analysis.*), over folders of captures.

    oracle_tcp.py TRAWL CAPTURES DIFFERENCES [FILE…]

A connection is one tcp.stream of tshark; ours stands beside it by addresses, ports and the time of its first packet.
Every difference is either in DIFFERENCES (file, stream, field, reason; separated by tabs; stream * = all of the file,
field * = all of the stream) or fails the test; so does a line there that no difference needs any more."""
import os
import subprocess
import sys

import oracle
from oracle_tree import Differences, captures, nanoseconds, stamp

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
        ns = nanoseconds(row["frame.time_epoch"])
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
    """(ends, ns of the first packet) → entries"""
    connections = {}
    for entry in oracle.our_entries(trawl, path, "tcp_conn"):
        ends = frozenset([(entry[end]["ip"], str(entry[end]["port"])) for end in ("src", "dst")])
        connections.setdefault((ends, stamp(entry["timestamp"])), []).append(entry)
    return connections


def compare(trawl, path, differ):
    """Calls differ(stream, field, ours, theirs); how many connections stood beside each other."""
    known = ours(trawl, path)
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
    wanted = sys.argv[4:]
    differences = Differences(table, ("file", "stream", "field"))
    files = captures(folder, wanted)
    paired = 0
    for path in files:
        name = os.path.relpath(path, folder)

        def differ(stream, field, mine, value, name=name):
            differences.add(f"{name}\tstream {stream}\t{field}\tours {mine}\ttheirs {value}",
                            *((name, *key) for key in ((str(stream), field), (str(stream), "*"), ("*", field), ("*", "*"))))

        paired += compare(trawl, path, differ)
    return differences.verdict(f"tcp: {len(files)} captures, {paired} connections beside each other", paired, not wanted)


sys.exit(main())
