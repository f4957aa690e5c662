"""Pings and unanswerable datagrams; writes down what came of each (record_compare.py)."""
import json
import re
import socket
import subprocess
import sys

ROUNDS = [(0, 11, 16), (1, 12, 56), (0, 13, 1400), (1, 14, 4000)]  # IPv6?, identifier, bytes of data
COUNT = 100


def main():
    addresses = sys.argv[1:3]
    running = []
    for six, identifier, size in ROUNDS:
        command = ["ping", "-n", "-c", str(COUNT), "-i", "0.005", "-W", "2", "-s", str(size), "-e", str(identifier),
                   addresses[six]]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    expected = []
    for (six, identifier, size), process in zip(ROUNDS, running):
        out = process.communicate()[0]
        answered = {int(seq) for seq in re.findall(r"icmp_seq=(\d+) .*time=", out)}
        for seq in range(1, COUNT + 1):
            summary = f"Echo request id {identifier} seq {seq}"
            got = seq in answered
            expected.append({"icmp_version": 6 if six else 4, "icmp_type": 128 if six else 8, "icmp_code": 0,
                             "icmp_length": size + 8, "dst.ip": addresses[six],
                             "status": "ok" if got else "no_response",
                             "summary": summary + (" → reply" if got else "")})
    for six, address in enumerate(addresses):
        for port in (9, 10, 11):
            sender = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            sender.settimeout(2)
            sender.connect((address, port))
            sender.send(b"anybody there?")
            try:
                sender.recv(10)
                raise SystemExit(f"somebody listens on port {port}")
            except ConnectionRefusedError:
                own, own_port = sender.getsockname()[:2]
                shown = "[%s]:%u" if six else "%s:%u"
                expected.append({"icmp_version": 6 if six else 4, "icmp_type": 1 if six else 3,
                                 "icmp_code": 4 if six else 3, "src.ip": address, "dst.ip": own, "status": "error",
                                 "icmp_original_protocol": "UDP", "icmp_original_src": shown % (own, own_port),
                                 "icmp_original_dst": shown % (address, port)})
            sender.close()
    for line in expected:
        print(json.dumps(line))


main()
