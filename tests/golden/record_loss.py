"""A recording with packets taken out must never say anything wrong: every entry that calls itself whole is one of the
whole recording, field by field; every other one says `incomplete`, `truncated` or `open` and shows at most a part of a body
that was sent. Prints how many entries are complete beside how many have none of their packets missing.

    record_loss.py TRAWL RECORDING PROTOCOLS [FIELD…]

Without fields all that an entry says is compared but where it stands in the file and how its connection fared.
RECORDING: pcap (others by Wireshark's editcap). From the environment:
  LOSS_KINDS   words of 1%, 3%, 10% (that many packets of 100), burst (runs of packets), direction (one side of some
               connections for a while), beginning (of every connection), cut (some packets keep their first bytes alone)
  LOSS_ROUNDS  how often each, LOSS_SEED the first seed: kind and seed give the same losses again
  LOSS_ANSWERED  set: `no_response` is wrong, too, where a packet of the answer is left
  LOSS_KEEP    a folder for recordings that went wrong: <kind>-<seed>.pcap"""
import base64
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

KINDS = os.environ.get("LOSS_KINDS", "3%").split()
ROUNDS, FIRST_SEED = int(os.environ.get("LOSS_ROUNDS", "3")), int(os.environ.get("LOSS_SEED", "0"))
# Of the file or the connection, not of the call.
ELSEWHERE = ("id", "index", "stream", "seen_at", "conn_id", "flow_id", "capture_source", "gap_bytes", "request.packets",
             "response.packets", "request.packets_truncated", "response.packets_truncated")
# What an earlier message of the connection said: it may be unknown, also in the summary.
EARLIER = ("mqtt_client_id", "mqtt_version", "mqtt_topic", "nats_queue", "redis_db", "ldap_sasl_step")
TIMES = ("timestamp", "elapsed_time", "time_to_response_us")
IP_AT = {0: 4, 1: 14, 12: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}


class Recording:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        self.header, at = data[:24], 24
        self.link = struct.unpack(self.order + "I", data[20:24])[0] & 0xffff
        self.packets, self.offsets, self.flows = [], [], []
        while at + 16 <= len(data):
            end = at + 16 + struct.unpack_from(self.order + "I", data, at + 8)[0]
            self.packets.append(data[at:end])
            self.offsets.append(at)
            self.flows.append(self.flow(data[at + 16:end]))
            at = end
        # Where bytes came twice the second ones and their time may be what is left.
        self.ports_with_copies, ends = set(), {}
        for flow, sequence, length in self.flows:
            if length > 0:
                if sequence < ends.get(flow, sequence):
                    self.ports_with_copies.add(frozenset(port for _, port in flow))
                ends[flow] = max(ends.get(flow, 0), sequence + length)

    def has_copies(self, entry):
        return frozenset((entry["src"].get("port"), entry["dst"].get("port"))) in self.ports_with_copies

    def flow(self, frame):
        """((address, port), (address, port)) of an IP packet, its TCP sequence number and payload length."""
        at = IP_AT.get(self.link, 0)
        while self.link == 1 and frame[at - 2:at] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        ip = frame[at:]
        if ip[:1] and ip[0] >> 4 == 4 and len(ip) >= 24:
            source, target, protocol, head = ip[12:16], ip[16:20], ip[9], (ip[0] & 15) * 4
            length = struct.unpack_from(">H", ip, 2)[0] or len(ip)
        elif ip[:1] and ip[0] >> 4 == 6 and len(ip) >= 44:
            source, target, protocol, head = ip[8:24], ip[24:40], ip[6], 40
            length = struct.unpack_from(">H", ip, 4)[0] + 40
        else:
            return None, None, 0
        ports = struct.unpack_from(">HH", ip, head) if protocol in (6, 17, 132) and len(ip) >= head + 4 else (0, 0)
        ends = (source, ports[0]), (target, ports[1])
        if protocol != 6 or len(ip) < head + 20:
            return ends, None, 0
        return ends, struct.unpack_from(">I", ip, head + 4)[0], length - head - (ip[head + 12] >> 4) * 4

    def with_losses(self, kind, chance):
        """[the packet, a shorter one, or None where it is missing], one for each."""
        kept = list(self.packets)
        if kind.endswith("%"):
            for number in range(len(kept)):
                if chance.random() * 100 < float(kind[:-1]):
                    kept[number] = None
        elif kind == "burst":
            for _ in range(max(1, len(kept) // 200)):
                first = chance.randrange(len(kept))
                for number in range(first, min(len(kept), first + chance.randrange(2, 20))):
                    kept[number] = None
        elif kind in ("direction", "beginning"):
            of = {}
            for number, (ends, _, _) in enumerate(self.flows):
                of.setdefault(ends if kind == "direction" or not ends else tuple(sorted(ends)), []).append(number)
            for numbers in of.values():
                first, count = 0, chance.randrange(1, min(30, len(numbers)) + 1)
                if kind == "direction":
                    first = chance.randrange(len(numbers)) if chance.randrange(3) == 0 else len(numbers)
                for number in numbers[first:first + count]:
                    kept[number] = None
        elif kind == "cut":
            for number, packet in enumerate(kept):
                keep = chance.randrange(54, 400)
                if chance.randrange(100) < 5 and len(packet) - 16 > keep:
                    kept[number] = packet[:8] + struct.pack(self.order + "I", keep) + packet[12:16 + keep]
        else:
            raise SystemExit(f"no such kind of loss: {kind}")
        return kept


def entries(trawl, path, protocols):
    done = subprocess.run([trawl, "dissect", path, "--jsonl", "--protocols", protocols], capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()[:300]
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(entry):
    """What an entry says, with one name for each value."""
    flat = {}
    for name, value in entry.items():
        if name in ("request", "response"):
            flat.update((f"{name}.{inner}", one) for inner, one in value.items())
        elif not name.startswith("tcp_"):
            flat[name] = value
    return {name: value for name, value in flat.items() if name not in ELSEWHERE}


def body(entry, half):
    value = entry.get(half, {}).get("body", "")
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value.encode()


def is_whole(entry):
    return entry["status"] in ("ok", "error") and not entry.get("incomplete") and not entry.get("truncated")


def differences(entry, twin, fields, timed):
    if fields:
        return [f for f in fields if entry.get(f) not in (None, "<unknown>", twin.get(f))] + \
            [h for h in ("request", "response") if body(entry, h) != body(twin, h) and body(entry, h)]
    ours, theirs = said(entry), said(twin)
    unknown = {name for name in theirs if ours.get(name, "<unknown>") == "<unknown>"}
    wrong = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name) and name != "summary"
             and (timed or name not in TIMES) and not (name in unknown and name in EARLIER)]
    if not wrong and not unknown and ours["summary"] != theirs["summary"]:
        wrong = ["summary"]
    return [f"{name}: {str(ours.get(name))[:80]} for {str(theirs.get(name))[:80]}" for name in wrong]


class Judge:
    def __init__(self, trawl, path, protocols, fields):
        self.trawl, self.protocols, self.fields = trawl, protocols, fields
        self.recording = Recording(path)
        whole = entries(trawl, path, protocols)
        self.by_id = {entry["id"]: entry for entry in whole}
        self.by_content = {self.content(entry): entry for entry in whole if self.recording.has_copies(entry)}
        # What passed through a tunnel of HTTP/2 is the body of its stream where its CONNECT was lost.
        self.tunnels = {self.stream_of(entry) for entry in whole if entry.get("method") == "CONNECT"}
        # Whether a value stands in quotes is told by its end, which may be missing.
        self.bodies = {body(entry, half).replace(b'"', b"") for entry in whole for half in ("request", "response")}
        self.was_sent = {}
        numbers = {offset: number for number, offset in enumerate(self.recording.offsets)}
        self.answer_of = {entry["id"]: self.packets(numbers, entry, "response") for entry in whole if is_whole(entry)}
        self.packets_of = [self.packets(numbers, entry, "request") | self.answer_of[entry["id"]]
                           for entry in whole if is_whole(entry)]

    @staticmethod
    def packets(numbers, entry, half):
        return {numbers[packet["offset"]] for packet in entry.get(half, {}).get("packets", ())}

    @staticmethod
    def stream_of(entry):
        return frozenset((entry["src"].get("port"), entry["dst"].get("port"))), entry.get("h2_stream_id")

    @staticmethod
    def content(entry):
        return json.dumps({name: value for name, value in said(entry).items() if name not in TIMES}, sort_keys=True)

    def part_of_a_body(self, text):
        if text not in self.was_sent:
            self.was_sent[text] = any(text.replace(b'"', b"") in other for other in self.bodies)
        return self.was_sent[text]

    def problem(self, entry, kept):
        # Where the answer is gone with all that acknowledged it nobody can tell.
        says_none = entry["status"] == "no_response" and not entry.get("incomplete") and not entry.get("truncated")
        if os.environ.get("LOSS_ANSWERED") and says_none \
                and any(kept[number] for number in self.answer_of.get(entry["id"], ())):
            return "was answered"
        if is_whole(entry):
            twin = self.by_id.get(entry["id"]) or self.by_content.get(self.content(entry))
            if twin is None:
                return "is not in the whole recording"
            wrong = differences(entry, twin, self.fields, not self.recording.has_copies(entry))
            return f"differs in {wrong}" if wrong else None
        for half in ("request", "response"):
            text = body(entry, half)
            # Whether control characters are escaped is told by the end, too.
            if re.search(rb"[\x00-\x08\x0e-\x1f]", text) or self.stream_of(entry) in self.tunnels:
                continue
            # A text made of what came ends what it began; of several confirmations (Redis) the last is shown alone.
            if entry["protocol"] in ("postgresql", "mysql"):
                # What answers nobody that was seen may be results of several statements: each row was sent (its values
                # alone where the names of its columns were lost).
                rows = [row.strip(b"[]") for row in text.split(b",\n")]
                if not all(self.part_of_a_body(row) for row in rows if row.startswith(b"{")):
                    return f"shows a {half} row that nobody sent"
                continue
            if text and not self.part_of_a_body(text) and not self.part_of_a_body(text.rstrip(b"]}\n")) \
                    and not re.match(rb'\["[ps]?(un)?subscribe"', text):
                return f"shows a {half} body that nobody sent"
        return None

    def round(self, kind, seed):
        """(entries, whole ones, those whose packets are all there, wrong ones) of one recording with losses."""
        kept = self.recording.with_losses(kind, random.Random(f"{kind} {seed}"))
        untouched = sum(all(kept[number] is self.recording.packets[number] for number in packets) for packets in self.packets_of)
        with tempfile.NamedTemporaryFile(suffix=".pcap") as lossy:
            lossy.write(self.recording.header + b"".join(packet for packet in kept if packet))
            lossy.flush()
            found = entries(self.trawl, lossy.name, self.protocols)
            problems = [(problem, entry) for entry in found if (problem := self.problem(entry, kept))]
            for problem, entry in problems:
                print(f"{kind}, seed {seed}: {entry['summary']!r:.200} ({entry['status']}, {entry['src'].get('port')} to "
                      f"{entry['dst'].get('port')}, {entry['timestamp']}) {problem}")
            if problems and os.environ.get("LOSS_KEEP"):
                shutil.copy(lossy.name, os.path.join(os.environ["LOSS_KEEP"], f"{kind}-{seed}.pcap"))
        return len(found), sum(map(is_whole, found)), untouched, len(problems)


def main():
    trawl, path, protocols, *fields = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
            subprocess.run(["editcap", "-F", "pcap", path, folder + "/recording.pcap"], check=True)
            path = folder + "/recording.pcap"
        judge = Judge(trawl, path, protocols, fields)
        failures = 0
        for kind in KINDS:
            seeds = range(FIRST_SEED, FIRST_SEED + ROUNDS)
            found, complete, untouched, wrong = (sum(column) for column in zip(*(judge.round(kind, seed) for seed in seeds)))
            failures += wrong
            print(f"{protocols}: {ROUNDS} recordings with losses ({kind}, seeds from {FIRST_SEED}), {found} entries, {complete} complete, "
                  f"{untouched} with all packets there, {wrong} wrong")
            failures += kind == "3%" and not found - complete
    return 1 if failures or not judge.by_id else 0


sys.exit(main())
