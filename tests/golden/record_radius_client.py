"""radclient's requests to the FreeRADIUS of record_radius.sh; prints what each must look like as an entry, after what
radclient printed of the packets that it sent and received."""
import json
import re
import subprocess
import sys

HOST = sys.argv[1]
CODES = {"Access-Request": 1, "Accounting-Request": 4, "Status-Server": 12, "Disconnect-Request": 40, "CoA-Request": 43}
REFUSED = ("Access-Reject", "Disconnect-NAK", "CoA-NAK")
PACKET = re.compile(r"^(Sent|Received) (\S+) Id (\d+) from (\S+):(\d+) to (\S+):(\d+) length (\d+)")
made = 0


def radclient(port, kind, requests, *options):
    """Every call of one radclient, in the order of their first packets."""
    global made
    text = "\n\n".join(", ".join(attributes) for attributes in requests) + "\n"
    done = subprocess.run(["radclient", "-x", "-4", *options, f"{HOST}:{port}", kind, "testing123"], input=text,
                          capture_output=True, text=True, check=False)
    open_calls, calls, current = {}, [], None
    for line in done.stdout.split("\n"):
        packet = PACKET.match(line)
        if packet:
            what, name, identity, _, source, _, target, length = packet.groups()
            own = source if what == "Sent" else target
            if what == "Sent":
                current = open_calls.get((own, identity))
                if current is None:
                    current = open_calls[(own, identity)] = {"user": None, "sent": 0, "name": name, "own": own, "id": identity}
                    calls.append(current)
                current["sent"] += 1
                current["length"] = int(length)
            else:
                current = None
                open_calls.pop((own, identity)).update(answer=name, answer_length=int(length))
        elif current is not None:
            user = re.match(r'^\s+User-Name = "(.*)"$', line)
            if user:
                current["user"] = user.group(1)
    if len(calls) != len(requests):
        raise SystemExit(f"radclient made {len(calls)} calls of {len(requests)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    for call in calls:
        answer = call.get("answer")
        print(json.dumps({
            "protocol": "radius", "src.port": int(call["own"]), "dst.port": int(port), "radius_id": int(call["id"]),
            "radius_code": CODES[call["name"]], "radius_code_name": call["name"], "radius_username": call["user"],
            "radius_request_length": call["length"], "radius_response_code_name": answer,
            "radius_response_length": call.get("answer_length"), "radius_response": True if answer else None,
            "radius_total_size": call["length"] + call.get("answer_length", 0),
            "radius_retries": call["sent"] - 1 or None, "radius_malformed": None,
            "status": "error" if answer in REFUSED else "ok" if answer else "open"}))
        made += 1


def login(user, password, kind="User-Password"):
    return [f'User-Name = "{user}"', f'{kind} = "{password}"', "NAS-IP-Address = 192.0.2.1", "Message-Authenticator = 0x00"]


radclient(1812, "auth", [login("alice", "wonderland")])
radclient(1812, "auth", [login("alice", "wonderland", "CHAP-Password")])
radclient(1812, "auth", [login("alice", "mistaken")])
radclient(1812, "auth", [login("carol", "christmas")])
radclient(1812, "auth", [login("carol", "christmas") + ["State = 0x0102030405060708"]])
radclient(1812, "auth", [login("Zoë", "wonderland")])
radclient(1812, "status", [["Message-Authenticator = 0x00"]])
radclient(3799, "coa", [['User-Name = "alice"', "Session-Timeout = 60"], ['User-Name = "nobody"', "Session-Timeout = 60"]])
radclient(3799, "disconnect", [['User-Name = "alice"', 'Acct-Session-Id = "1"'], ['User-Name = "nobody"']])
# Many at a time, from one port.
radclient(1812, "auth", [login("alice", "wonderland" if i % 3 else "mistaken") + [f"NAS-Port = {i}"] for i in range(200)],
          "-p", "50", "-t", "5")
radclient(1813, "acct", [[f'User-Name = "user{i}"', f"Acct-Status-Type = {('Start', 'Interim-Update', 'Stop')[i % 3]}",
                          f'Acct-Session-Id = "{i:08x}"', f"Acct-Session-Time = {i}"] for i in range(200)],
          "-p", "50", "-t", "5")
# Nobody answers: sent three times.
radclient(1899, "auth", [login("alice", "wonderland")], "-r", "3", "-t", "1")
sys.stderr.write(f"{made} calls\n")
