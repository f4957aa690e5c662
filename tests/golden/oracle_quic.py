"""QUIC hellos beside tshark, for each conversation: tlsx_sni, tlsx_alpn (the client's), tlsx_cipher_suite and tlsx_cipher_suites by number,
tlsx_version. Not compared: Google's QUIC before the IETF's (ndpi__gquic_only_from_server), which has no TLS in it."""
import collections
import json
import pathlib
import re
import subprocess
import sys

TRAWL, FOLDER = sys.argv[1:3]


def theirs(path):
    """By port pair: what the first ClientHello and ServerHello say."""
    command = ["tshark", "-r", str(path), "-Y", "quic && tls.handshake.type", "-T", "json", "-J", "udp quic tls", "--no-duplicate-keys"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = collections.defaultdict(dict)

    def walk(node, ports):
        if isinstance(node, list):
            for child in node:
                walk(child, ports)
        if not isinstance(node, dict):
            return
        kind = node.get("tls.handshake.type")
        text = json.dumps(node)
        hello = found[ports]
        if kind == "1" and "client" not in hello:
            hello["client"] = {"sni": first(text, "tls.handshake.extensions_server_name"),
                               "alpn": values(text, "tls.handshake.extensions_alpn_str"),
                               "ciphers": [int(v, 16) for v in values(text, "tls.handshake.ciphersuite")]}
        if kind == "2" and "server" not in hello:
            hello["server"] = int(first(text, "tls.handshake.ciphersuite"), 16)
        for child in node.values():
            walk(child, ports)

    for packet in json.loads(output or "[]"):
        layers = packet["_source"]["layers"]
        udp = layers["udp"] if isinstance(layers["udp"], dict) else layers["udp"][0]
        walk({k: v for k, v in layers.items() if k != "udp"}, frozenset((int(udp["udp.srcport"]), int(udp["udp.dstport"]))))
    return found


def values(text, name):
    found = re.search(rf'"{re.escape(name)}": (\[[^\]]*\]|"[^"]*")', text)
    value = json.loads(found.group(1)) if found else []
    return value if isinstance(value, list) else [value]


def first(text, name):
    return (values(text, name) or [None])[0]


def suite_numbers():
    """Ours are names; openssl knows the numbers of those that are seen here."""
    output = subprocess.run(["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], capture_output=True, text=True, check=True).stdout
    return {m.group(3): int(m.group(1), 16) << 8 | int(m.group(2), 16)
            for m in re.finditer(r"0x(\w\w),0x(\w\w) - (\S+)", output)}


# IANA's registry; not among those that openssl lists.
NUMBERS = {**suite_numbers(), "TLS_AES_128_CCM_SHA256": 0x1304, "TLS_AES_128_CCM_8_SHA256": 0x1305, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV": 0x00ff}


def number(name):
    match = re.search(r"0x([0-9A-Fa-f]{4})$", name)
    return int(match.group(1), 16) if match else NUMBERS.get(name, name)


compared = bad = captures = 0
for path in sorted(pathlib.Path(FOLDER).glob("*.pcap*")):
    lines = subprocess.run([TRAWL, "dissect", str(path), "--jsonl", "--protocols", "quic"], capture_output=True, text=True, check=False).stdout
    ours = collections.defaultdict(list)
    for line in lines.splitlines():
        entry = json.loads(line)
        ours[frozenset((entry["src"]["port"], entry["dst"]["port"]))].append(entry)
    captures += 1
    for ports, hello in theirs(path).items():
        entry = next(iter(ours.get(ports, [])), {})
        pairs = []
        if "client" in hello:
            pairs += [("tlsx_sni", entry.get("tlsx_sni"), hello["client"]["sni"]),
                      ("tlsx_alpn", entry.get("tlsx_alpn", []), hello["client"]["alpn"]),
                      ("tlsx_cipher_suites", [number(c) for c in entry.get("tlsx_cipher_suites", [])], hello["client"]["ciphers"])]
        if "server" in hello:
            pairs.append(("tlsx_cipher_suite", number(entry.get("tlsx_cipher_suite", "none")), hello["server"]))
        for name, mine, wanted in pairs:
            compared += 1
            if mine != wanted:
                bad += 1
                print(f"{path.name} {sorted(ports)} {name}: {mine} is not tshark's {wanted}")
print(f"quic: {captures} captures, {compared} values compared, {bad} differences")
sys.exit(1 if bad or compared < 40 else 0)
