#!/usr/bin/env python3
"""Lead-in: a capture is cut in two, and the first part is the other's lead-in.

Every call that reaches into the window must come out as from the whole capture, those that began before it included; a call that ended before
it must not come out at all. Without the lead-in some of them are halves (or the test shows nothing).
"""
import datetime, json, os, subprocess, sys

TRAWL, WORK = sys.argv[1], sys.argv[2]
FILES = sys.argv[3:]
# Counted over the packets of the window only, or numbered within this dissection.
OF_THE_WINDOW = {"index", "from_lead_in", "seen_at", "conn_id", "flow_id", "stream", "has_pcap"}


class Damaged(Exception):
    pass


def dissect(*args):
    out = subprocess.run([TRAWL, "dissect", "--jsonl", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if out.returncode:
        if b"byte" in out.stderr:
            raise Damaged()
        raise SystemExit(f"trawl dissect {args}: {out.stderr.decode()}")
    entries = [json.loads(line) for line in out.stdout.decode("utf-8", "surrogateescape").splitlines()]
    return [e for e in entries if not e["protocol"].endswith(("_conn", "_flow"))]


def flat(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from flat(v, f"{path}.{k}" if path else k)
    else:
        yield path, value


def values(entry):
    return {
        path: value
        for path, value in flat(entry)
        if path.split(".")[0] not in OF_THE_WINDOW and not path.startswith(("tcp_", "conn_", "flow_")) and ".packets" not in path
    }


def cut(path, first, last, out):
    subprocess.run(["editcap", "-F", "pcapng", "-r", path, out, f"{first}-{last}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def times(path):
    out = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stamps = []
    for line in out.stdout.decode().splitlines():
        seconds, fraction = line.split(".")
        stamps.append(int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9]))
    return stamps


def begin_ns(entry):
    seconds, fraction = entry["timestamp"].rstrip("Z").split(".")
    at = datetime.datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(at.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def is_repeat(entry, whole):
    """The same bytes once more within 100 ms: seen from another file, as here, that is a copy from another place."""
    said = lambda e: (e["flow_id"], e["protocol"], e["summary"])
    return any(said(e) == said(entry) and 0 < begin_ns(entry) - begin_ns(e) < 100_000_000 for e in whole)


def compare(name, whole, got, from_ns):
    wrong, checked = [], 0
    there = {(e["id"], e["protocol"]): e for e in got}
    for entry in whole:
        if entry.get("incomplete") or entry["status"] in ("open", "no_response"):
            continue
        begin = begin_ns(entry)
        last = begin + entry.get("elapsed_time", 0) * 1000
        mine = there.pop((entry["id"], entry["protocol"]), None)
        if last + 1000 < from_ns:  # elapsed_time is cut to microseconds
            if mine and all(p["seq"] for side in ("request", "response") for p in mine.get(side, {}).get("packets", [])):
                wrong.append(f"{name}: {entry['protocol']} {entry['summary']} ended before the window, and is there")
            continue
        if last < from_ns + 1000:
            continue
        if not mine and is_repeat(entry, whole):
            continue
        if not mine:
            wrong.append(f"{name}: {entry['protocol']} {entry['summary']} is missing")
            continue
        theirs, ours = values(entry), values(mine)
        checked += 1
        for path in sorted(theirs.keys() | ours.keys()):
            if theirs.get(path) != ours.get(path):
                wrong.append(f"{name}: {entry['protocol']} {entry['summary']}: {path} is {ours.get(path)!r}, of the whole {theirs.get(path)!r}")
    return wrong, checked


def main():
    wrong, checked, spared = [], 0, 0
    before, window = os.path.join(WORK, "before.pcapng"), os.path.join(WORK, "window.pcapng")
    for path in FILES:
        stamps = times(path)
        n = len(stamps)
        if n < 6 or stamps != sorted(stamps):
            continue
        try:
            whole = dissect(path)
        except Damaged:
            continue
        for at in sorted({n // 5, n // 3, n // 2, n * 2 // 3, n * 4 // 5}):
            if stamps[at] == stamps[at - 1]:
                continue  # one packet before and one in the window have the same time: no window is like that
            cut(path, 1, at, before)
            cut(path, at + 1, n, window)
            got, alone = dissect(window, "--lead-in", before), dissect(window)
            halves = {e["id"] for e in alone if e.get("incomplete")} - {e["id"] for e in got if e.get("incomplete")}
            spared += len(halves)
            if [e for e in got if begin_ns(e) < stamps[at] and not e.get("from_lead_in")]:
                wrong.append(f"{os.path.basename(path)}: a call that began before does not say so")
            w, c = compare(f"{os.path.basename(path)} [{at})", whole, got, stamps[at])
            wrong += w
            checked += c
    for line in wrong[:40]:
        print(line)
    print(f"{len(FILES)} captures, {checked} calls compared, {spared} that were halves are whole, {len(wrong)} differences")
    if not checked or not spared:
        raise SystemExit("the test shows nothing")
    sys.exit(1 if wrong else 0)


main()
