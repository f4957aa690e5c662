"""Leaves packets out of WORK/recording.pcap at random, three times: an entry that is complete is one of the entries of the whole recording, with
the same values; what lost something says so; most calls are still there."""
import json
import random
import struct
import subprocess
import sys

WORK, TRAWL = sys.argv[1:3]


def entries(path):
    done = subprocess.run([TRAWL, "dissect", path, "--keys", f"{WORK}/keys.log", "--jsonl", "--protocols", "http"],
                          capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def key(entry):
    return (entry["src"]["port"], entry.get("method"), entry.get("url"), entry.get("status_code"),
            entry.get("response", {}).get("body_size"), entry.get("response", {}).get("body"),
            entry.get("request", {}).get("body"))


whole = {key(e) for e in entries(f"{WORK}/recording.pcap")}
with open(f"{WORK}/recording.pcap", "rb") as f:
    data = f.read()
for seed in (1, 2, 3):
    random.seed(seed)
    out, at, dropped = bytearray(data[:24]), 24, 0
    while at < len(data):
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        if random.random() < 0.02:
            dropped += 1
        else:
            out += data[at:at + size]
        at += size
    with open(f"{WORK}/lossy.pcap", "wb") as f:
        f.write(out)
    found = entries(f"{WORK}/lossy.pcap")
    complete = [e for e in found if not e.get("incomplete") and e["status"] in ("ok", "error")]
    wrong = [e for e in complete if key(e) not in whole]
    for e in wrong[:3]:
        print("complete, but not of the recording:", json.dumps(e)[:600])
    print(f"seed {seed}: {dropped} packets missing, {len(complete)} of {len(whole)} calls complete, {len(found) - len(complete)} say that something is missing")
    if wrong or len(complete) < len(whole) // 3 or len(complete) == len(whole):
        sys.exit(1)
