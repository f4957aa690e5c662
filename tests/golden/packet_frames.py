"""Compares packet_dump --frames with tshark, packet by packet. Arguments: packet_dump, captures, list of differences."""
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

FIELDS = ["frame.time_epoch", "frame.cap_len", "frame.len", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
          "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags",
          "udp.srcport", "udp.dstport", "udp.length", "sctp.srcport", "sctp.dstport", "vlan.id"]
OURS = ["number", "time", "captured", "original", "kind", "src", "dst", "protocol", "srcport", "dstport", "payload",
        "seq", "ack", "flags", "vlan", "tunnel"]
NETWORK = ("ip", "ipv6")
TRANSPORT = ("tcp", "udp", "sctp", "icmp", "icmpv6")


def values(row, name):
    return row[name].split(",") if row[name] else []


def innermost(row):
    """What tshark has, in our words. ICMP errors quote a packet: that one is not inside, it is content."""
    layers = row["frame.protocols"].split(":")
    for i, layer in enumerate(layers):
        if layer in ("icmp", "icmpv6"):
            layers = layers[:i + 1]
            break
    network = [layer for layer in layers if layer in NETWORK]
    want = {"time": row["frame.time_epoch"], "captured": row["frame.cap_len"], "original": row["frame.len"]}
    if not network:
        want.update(src="", dst="")
        return want
    last, which = network[-1], network.count(network[-1]) - 1
    want["src"], want["dst"] = values(row, last + ".src")[which], values(row, last + ".dst")[which]
    behind = layers[len(layers) - layers[::-1].index(last):]
    kind = next((layer for layer in behind if layer in TRANSPORT), "")
    which = layers.count(kind) - 1 if kind else 0
    if kind in ("icmp", "icmpv6"):
        want["kind"] = "icmp"
    elif kind:
        want["kind"] = kind
        want["srcport"], want["dstport"] = values(row, kind + ".srcport")[which], values(row, kind + ".dstport")[which]
    if kind == "tcp":
        want["seq"], want["ack"] = values(row, "tcp.seq_raw")[which], values(row, "tcp.ack_raw")[which]
        want["payload"], want["flags"] = values(row, "tcp.len")[which], str(int(values(row, "tcp.flags")[which], 16) & 0xff)
    if kind == "udp" and values(row, "udp.length"):
        want["payload"] = str(int(values(row, "udp.length")[which]) - 8)
    if not kind:
        want["no transport"] = True
    if "vlan" in layers and not {"vxlan", "geneve"} & set(layers):
        want["vlan"] = values(row, "vlan.id")[-1]
    return want


def compare(dump, folder, path):
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=a"]
    for field in FIELDS:
        command += ["-e", field]
    theirs = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.splitlines()
    ours = subprocess.run([dump, "--frames", path], cwd=folder, capture_output=True, text=True).stdout.splitlines()
    found = []
    if len(theirs) != len(ours):
        found.append((path, 0, "packets"))
    for number, (their, our) in enumerate(zip(theirs, ours), 1):
        want = innermost(dict(zip(FIELDS, their.split("\t"))))
        have = dict(zip(OURS, our.split("\t")))
        if want.pop("no transport", False) and have["kind"] in ("tcp", "udp", "sctp", "icmp"):
            found.append((path, number, "kind"))
        found += [(path, number, name) for name, value in want.items() if have[name] != value]
    return len(ours), found


def main():
    dump, folder, listed = sys.argv[1:4]
    files = sorted(os.path.relpath(os.path.join(base, name), folder) for base, _, names in os.walk(folder)
                   for name in names if name.endswith((".pcap", ".pcapng", ".gz")))
    explained = {}
    for line in open(listed):
        if line.strip() and not line.startswith("#"):
            path, frames, fields, _reason = line.rstrip("\n").split("\t")
            explained[path] = (set(frames.split(",")), fields.split(","))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: compare(dump, folder, path), files))
    packets, wrong, used = 0, 0, Counter()
    for path, (count, found) in zip(files, results):
        packets += count
        frames, fields = explained.get(path, (set(), []))
        for _, number, name in found:
            if str(number) in frames and name in fields:
                used[path, str(number)] += 1
            else:
                wrong += 1
                print("differs", path, number, name, sep="\t")
    stale = [(path, frame) for path, (frames, _) in explained.items() for frame in frames if (path, frame) not in used]
    for path, frame in stale:
        print("no longer differs", path, frame, sep="\t")
    print(f"{packets} packets of {len(files)} captures compared with tshark: {wrong} unexplained, {len(used)} explained, "
          f"{len(stale)} stale")
    return bool(wrong or stale or not packets)


sys.exit(main())
