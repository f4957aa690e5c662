"""STOMP beside a reader of its own: tshark 4.0 knows no STOMP, so it only gives the bytes of each direction, and the few
lines below read them as the specification says (a command, headers to the blank line, a body to the NUL or of
content-length). Every frame is a message; ours are the request and, where there is one, the response of an entry.

    stomp_command / stomp_response, request.headers / response.headers, request.body / response.body
"""
import base64
import re
import subprocess

import oracle


def _unescape(text):
    for code, character in (("\\\\", "\0"), ("\\n", "\n"), ("\\c", ":"), ("\\r", "\r"), ("\0", "\\")):
        text = text.replace(code, character)
    return text


def _read(data):
    while data := data.lstrip(b"\r\n"):
        blank = re.search(rb"\n\r?\n", data)
        head, data = data[:blank.start()], data[blank.end():]
        command, *lines = head.decode().split("\n")
        command = command.rstrip("\r")
        headers = {}
        for line in lines:
            name, _, value = line.rstrip("\r").partition(":")
            if command not in ("CONNECT", "STOMP", "CONNECTED"):
                name, value = _unescape(name), _unescape(value)
            headers.setdefault(name, "***" if name == "passcode" else value)
        size = int(headers["content-length"]) if "content-length" in headers else data.index(b"\0")
        body, end, data = data[:size], data[size:size + 1], data[size + 1:]
        assert end == b"\0", (head, end)
        yield {"command": command, "headers": headers, "body": body.decode("latin-1")}


def tshark_messages(path):
    done = subprocess.run(["tshark", "-r", path, "-n", "-Y", "tcp.len > 0 && !tcp.analysis.retransmission", "-T", "fields", "-E", "separator=|", "-e", "ip.src", "-e", "tcp.srcport",
                           "-e", "ip.dst", "-e", "tcp.dstport", "-e", "tcp.payload"], capture_output=True, text=True, check=True)
    streams = {}
    for line in done.stdout.splitlines():
        *direction, payload = line.split("|")
        streams.setdefault(tuple(direction), bytearray()).extend(bytes.fromhex(payload))
    for direction, data in streams.items():
        for fields in _read(bytes(data)):
            yield oracle.Message(direction, 0, (fields["command"], fields["body"]), fields)


def our_messages(trawl, path):
    for entry in oracle.our_entries(trawl, path, "stomp"):
        there = (entry["src"]["ip"], str(entry["src"]["port"]), entry["dst"]["ip"], str(entry["dst"]["port"]))
        halves = [(there, entry["stomp_command"], entry["request"])]
        if "stomp_response" in entry:
            halves.append((there[2:] + there[:2], entry["stomp_response"], entry["response"]))
        for direction, command, half in halves:
            body = half.get("body", "")
            body = base64.b64decode(body["base64"]) if isinstance(body, dict) else body.encode()
            fields = {"command": command, "headers": half.get("headers", {}), "body": body.decode("latin-1")}
            yield oracle.Message(direction, 0, (command, fields["body"]), fields)
