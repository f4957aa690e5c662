"""A recording with packets taken out must never say anything wrong: every entry that calls itself whole is one of the
whole recording, field by field; every other one says `incomplete`, `truncated` or `open` and shows at most a part of a body that was sent.

    record_loss.py TRAWL RECORDING PROTOCOLS FIELD…"""
import json
import random
import struct
import subprocess
import sys
import tempfile

ROUNDS, KEPT_OF_100 = 3, 97


def packets(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        end = at + 16 + struct.unpack_from("<I", data, at + 8)[0]
        yield data[at:end]
        at = end


def entries(trawl, path, protocols):
    done = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", protocols], capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()[:300]
    return [json.loads(line) for line in done.stdout.splitlines()]


def body(entry, half):
    value = entry.get(half, {}).get("body", "")
    return json.dumps(value) if isinstance(value, dict) else value


def main():
    trawl, path, protocols, *fields = sys.argv[1:]
    whole = entries(trawl, path, protocols)
    by_id = {entry["id"]: entry for entry in whole}
    bodies = {body(entry, half) for entry in whole for half in ("request", "response")}
    with open(path, "rb") as file:
        header = file.read(24)
    failures = judged = partial = 0
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        all_packets = list(packets(path))
        with tempfile.NamedTemporaryFile(suffix=".pcap") as lossy:
            lossy.write(header)
            for number, packet in enumerate(all_packets):
                if number < 40 or chance.randrange(100) < KEPT_OF_100:
                    lossy.write(packet)
            lossy.flush()
            for entry in entries(trawl, lossy.name, protocols):
                sound = entry["status"] in ("ok", "error") and not entry.get("incomplete") and not entry.get("truncated")
                twin = by_id.get(entry["id"])
                partial += not sound
                judged += 1
                problem = None
                if sound and twin is None:
                    problem = "is not in the whole recording"
                elif sound:
                    wrong = [f for f in fields if entry.get(f) not in (None, "<unknown>", twin.get(f))] + [h for h in ("request", "response") if body(entry, h) != body(twin, h) and body(entry, h)]
                    problem = f"differs in {wrong}" if wrong else None
                else:
                    for half in ("request", "response"):
                        text = body(entry, half)
                        if text and not text.startswith("{\"base64\"") and not any(text in other for other in bodies):
                            problem = f"shows a {half} body that nobody sent"
                if problem:
                    failures += 1
                    print(f"round {seed}: {problem}: {json.dumps(entry)[:700]}")
    print(f"{protocols}: {ROUNDS} recordings with losses, {judged} entries, {partial} of them partial, {failures} wrong")
    return 1 if failures or not judged or not partial else 0


sys.exit(main())
