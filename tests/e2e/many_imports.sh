#!/usr/bin/env bash
# Slow uploads by somebody who may: some are served, the others are refused at once with a sentence, everything else is answered, and
# afterwards imports work again.
. "$(dirname "$0")/lib.sh"
need jq curl python3
make_hosts
ip netns exec "$srv" "$TRAWL" hub --data "$work/data" --listen "127.0.0.1:$port" >>"$work/up.out" 2>>"$work/up.err" &
started+=($!)
hub_answers() { on_srv curl -sf -o /dev/null "http://127.0.0.1:$port/healthz"; }
wait_until 20 "the hub answers" hub_answers
cat >"$work/slow.py" <<'P'
import http.client, json, socket, struct, sys
port, token = int(sys.argv[1]), sys.argv[2]
head = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
def begin(i): # from addresses of its own: the limit a client address is another matter
    s = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.1.{i + 1}", 0))
    s.sendall(f"POST /api/v1/snapshots/import?name=slow{i} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
              f"Content-Type: application/octet-stream\r\nContent-Length: {1 << 20}\r\n\r\n".encode() + head)
    return s
slow = [begin(i) for i in range(40)]
refused = []
for s in slow:
    s.settimeout(2 if len(refused) < 32 else 0.2)
    try:
        answer = s.recv(65536)
    except socket.timeout:
        continue # one that is served: it waits for the rest
    if not answer.startswith(b"HTTP/1.1 503 ") or b"\r\nRetry-After: 10\r\n" not in answer or b"imports are under way" not in answer:
        sys.exit(f"an import that is too many is told: {answer[:300]}")
    refused.append(s)
if len(refused) != 32:
    sys.exit(f"{len(refused)} of 40 were refused")
for path in ["/healthz", "/api/v1/snapshots", "/api/v1/nodes"] * 5:
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request("GET", path, headers={"Authorization": "Bearer " + token})
    r = c.getresponse()
    if r.status != 200:
        sys.exit(f"{path} answers {r.status} beside slow imports")
    c.close()
for s in slow:
    s.close()
P
on_srv python3 "$work/slow.py" "$port" "$(cat "$work/data/token")" || fail "see above"
python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1700000000, 0, 60, 60) + bytes(60))' >"$work/small.pcap"
imports() { t snapshot import "$work/small.pcap" --name "after" >"$work/id" 2>"$work/err"; }
wait_until 40 "imports work again" imports
equal "$(t snapshot show after --json | jq .packets)" 1 "packets of the import"
equal "$(t snapshot list --json | jq '[.snapshots[] | select(.name | startswith("slow"))] | length')" 0 "snapshots of half uploads"
echo "slow imports keep nobody waiting"
