"""ICMP and ICMPv6 beside tshark, message by message, over folders of captures.

    oracle_icmp.py TRAWL CAPTURES DIFFERENCES [FILE…]

    time, src.ip, dst.ip     frame.time_epoch, ip(v6).src, ip(v6).dst of the innermost packet around the message
    icmp_type, icmp_code     icmp(v6).type, icmp(v6).code
    a reply in the entry     icmp.resp_in, icmpv6.resp_in (theirs pairs echoes)

Theirs shows a reply as a message, ours as the second half of an entry: replies that theirs paired are left out. Every
difference is either in DIFFERENCES (file, message, reason; separated by tabs; message * = all of the file) or fails."""
import collections
import os
import subprocess
import sys

import oracle
from oracle_tree import Differences, captures, nanoseconds, stamp

FIELDS = ["frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "icmp.type", "icmp.code",
          "icmpv6.type", "icmpv6.code", "icmp.resp_in", "icmp.resp_to", "icmpv6.resp_in", "icmpv6.resp_to"]


def theirs(path):
    command = ["tshark", "-r", path, "-n", "-2", "-Y", "icmp or icmpv6", "-T", "fields", "-E", "occurrence=a"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    messages = collections.Counter()
    for line in out.decode("utf-8", "replace").splitlines():
        row = dict(zip(FIELDS, line.split("\t")))
        kind = "icmpv6" if row["icmpv6.type"] else "icmp"
        if row[kind + ".resp_to"]:
            continue
        around = "ipv6" if kind == "icmpv6" else "ip"
        chain = row["frame.protocols"].split(":")
        # which of the addresses are those of the packet around the message: it may be in a tunnel, and an error
        # holds a packet of its own behind it
        depth = chain[:chain.index(kind)].count(around) - 1
        source, destination = (row[around + end].split(",")[depth] for end in (".src", ".dst"))
        messages[(nanoseconds(row["frame.time_epoch"]), source, destination, int(row[kind + ".type"].split(",")[0]),
                  int(row[kind + ".code"].split(",")[0]), bool(row[kind + ".resp_in"]))] += 1
    return messages


def ours(trawl, path):
    return collections.Counter((stamp(entry["timestamp"]), entry["src"]["ip"], entry["dst"]["ip"], entry["icmp_type"],
                                entry["icmp_code"], entry["summary"].endswith("→ reply"))
                               for entry in oracle.our_entries(trawl, path, "icmp"))


def main():
    trawl, folder, table = sys.argv[1:4]
    wanted = sys.argv[4:]
    differences = Differences(table, ("file", "message"))
    files = captures(folder, wanted)
    same = 0
    for path in files:
        mine = ours(trawl, path)
        if mine:  # tshark takes its time even where there is nothing
            same += differences.add_counted(os.path.relpath(path, folder), mine, theirs(path))
    return differences.verdict(f"icmp: {len(files)} captures, {same} messages the same", same, not wanted)


sys.exit(main())
