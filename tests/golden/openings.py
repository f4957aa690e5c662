#!/usr/bin/env python3
"""Openings: a capture is cut into an opening, what is missing, and a window.

With nothing missing every call that begins in the window must come out as from the whole capture. With a hole between the two nothing that
comes out may differ from the whole capture's value: what cannot be known is left out, said to be unknown, or the entry says incomplete.
"""
import datetime, json, os, subprocess, sys, tempfile

TRAWL, WORK = sys.argv[1], sys.argv[2]
FILES = sys.argv[3:]
# Counted over the packets of the window only, or words about what was not recorded.
OF_THE_WINDOW = {"index", "from_opening", "seen_at", "tcp_conn", "incomplete", "gap_bytes", "status_reason", "conn_id", "record", "status", "stream"}

# What the opening said may have been changed in the hole; entries say from_opening.
INFERRED = {"mysql_user", "mysql_database", "pg_user", "pg_database"}


class Damaged(Exception):
    pass


def dissect(*args):
    out = subprocess.run([TRAWL, "dissect", "--jsonl", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if out.returncode:
        if b"byte" in out.stderr:
            raise Damaged()
        raise SystemExit(f"trawl dissect {args}: {out.stderr.decode()}")
    return [json.loads(line) for line in out.stdout.decode("utf-8", "surrogateescape").splitlines()]


def packets_of(entry):
    return [p["offset"] for side in ("request", "response") for p in entry.get(side, {}).get("packets", [])]


def flat(value, path=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from flat(v, f"{path}.{k}" if path else k)
    else:
        yield path, value


def values(entry):
    kept = {}
    for path, value in flat(entry):
        top = path.split(".")[0]
        if top in OF_THE_WINDOW or top.startswith(("tcp_", "conn_", "flow_")) or ".packets" in path:
            continue
        kept[path] = value
    return kept


def cut(path, first, last, out):
    subprocess.run(["editcap", "-F", "pcapng", "-r", path, out, f"{first}-{last}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def times(path):
    out = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    rows = [line.split("\t") for line in out.stdout.decode().splitlines()]
    return [] if any(row[1] != row[2] for row in rows) else [row[0] for row in rows]  # cut packets: the whole says less


def unknown(value):
    return isinstance(value, str) and "<unknown>" in value


def compare(name, whole, got, alone, exact, from_time):
    plain = {(e["id"], e["protocol"]): values(e) for e in alone}
    wrong, by_id = [], {(e["id"], e["protocol"]): e for e in whole}
    checked = 0
    for entry in got:
        if entry["protocol"].endswith(("_conn", "_flow")):
            continue
        other = by_id.get((entry["id"], entry["protocol"]))
        if not other:
            if not entry.get("incomplete") and "not recorded" not in entry.get("summary", ""):
                wrong.append(f"{name}: {entry['protocol']} {entry.get('summary')} is in the window alone, and does not say that it is incomplete")
            continue
        if other.get("incomplete"):
            continue
        theirs = values(other)
        for path, value in values(entry).items():
            if path in theirs and theirs[path] == value or unknown(value):
                checked += 1
                continue
            if entry.get("incomplete") or path in INFERRED and not exact:
                continue  # says so: incomplete, or from_opening
            if path in plain.get((entry["id"], entry["protocol"]), {}) and plain[entry["id"], entry["protocol"]][path] == value:
                continue  # the window alone says the same: nothing that the opening did
            wrong.append(f"{name}: {entry['protocol']} {entry.get('summary')}: {path} is {value!r}, of the whole {theirs.get(path)!r}")
    if exact:
        there = {(e["id"], e["protocol"]) for e in got}
        for (id_, protocol), entry in by_id.items():
            if protocol.endswith(("_conn", "_flow")) or entry["timestamp"] < from_time:
                continue
            if (id_, protocol) not in there:
                wrong.append(f"{name}: {protocol} {entry.get('summary')} at {entry['timestamp']} is missing")
    return wrong, checked


def main():
    wrong, checked, flagged = [], 0, 0
    opening, window = os.path.join(WORK, "opening.pcapng"), os.path.join(WORK, "window.pcapng")
    for path in FILES:
        stamps = times(path)
        if len(stamps) < 8 or stamps != sorted(stamps, key=float):
            continue
        try:
            whole = dissect(path)
        except Damaged:
            continue
        n = len(stamps)
        for number, (until, begin) in enumerate([(n // 2, n // 2), (n * 3 // 4, n * 3 // 4), (n // 4, n // 2), (n // 3, n * 2 // 3)]):
            if until < 3 or begin >= n - 1:
                continue
            cut(path, 1, until, opening)
            cut(path, begin + 1, n, window)
            got, alone = dissect(window, "--openings", opening), dissect(window)
            exact = until == begin
            flagged += sum(1 for e in got if e.get("from_opening"))
            seconds, fraction = stamps[begin].split(".")
            from_time = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + fraction.ljust(9, "0")[:9] + "Z"
            w, c = compare(f"{os.path.basename(path)} [{until},{begin})", whole, got, alone, exact, from_time)
            wrong += w
            checked += c
    for line in wrong[:40]:
        print(line)
    print(f"{len(FILES)} captures, {checked} values compared, {flagged} entries read with an opening, {len(wrong)} differences")
    if not checked or not flagged:
        raise SystemExit("the test shows nothing")
    sys.exit(1 if wrong else 0)


main()
