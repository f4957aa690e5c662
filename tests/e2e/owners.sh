#!/usr/bin/env bash
# Whose connections they are: the recorder notes the processes at both ends while they live, of other users and other network namespaces too;
# the flow index, the snapshot and the calls have them; nothing is guessed for what was too short or came later under the same ports; only the
# look-out holds the capabilities for it.
. "$(dirname "$0")/lib.sh"
need jq python3 tshark capinfos
make_hosts
cat >"$work/server.py" <<'P'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    def handle_error(self, *a): pass
S(("10.77.0.1", 8080), H).serve_forever()
P
cat >"$work/client.py" <<'P'
# port seconds path…: one connection from that port, kept open; ends with a reset, so that the port is free at once
import http.client, socket, struct, sys, time
c = http.client.HTTPConnection("10.77.0.1", 8080, source_address=("10.77.0.2", int(sys.argv[1])))
for path in sys.argv[3:]:
    c.request("GET", path); c.getresponse().read()
time.sleep(float(sys.argv[2]))
c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); c.sock.close()
P
chmod 755 "$work"/*.py
py=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
start_trawl --ring-size 64MiB --iface eth0
in_srv=$(ip netns pids "$srv")
ip netns exec "$srv" setpriv --reuid 1234 --regid 1234 --clear-groups "$py" "$work/server.py" >/dev/null 2>&1 &
started+=($!)
server_up() { on_cli python3 -c 'import socket; socket.create_connection(("10.77.0.1", 8080), 1)' 2>/dev/null; }
wait_until 5 "the server answers" server_up
server=$(for p in $(ip netns pids "$srv"); do grep -qw "$p" <<<"$in_srv" || { tr '\0' ' ' <"/proc/$p/cmdline" | grep -q server.py && echo "$p"; }; done | head -1)
[ -n "$server" ] || fail "no server process"

# who may do what
caps() { awk '/^CapEff/ {print $2}' "/proc/$1/status"; }
for p in $(ip netns pids "$srv"); do
  name=$(cat "/proc/$p/comm" 2>/dev/null) args=$(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null)
  case $name:$args in
    trawl-owners:*) equal "$(caps "$p")" 0000000000080004 "capabilities of the look-out"; found_watch=$p ;;
    trawl-keeper:*) equal "$(caps "$p")" 0000000000080004 "capabilities of the look-out's keeper"; keeper=$p ;;
    trawl*:*capturer*) equal "$(caps "$p")" 0000000000002000 "capabilities of the capturer"; found_capturer=$p ;;
    trawl*:*" hub "*) equal "$(caps "$p")" 0000000000000000 "capabilities of the hub" ;;
  esac
done
[ -n "${found_watch:-}" ] && [ -n "${found_capturer:-}" ] || fail "no look-out or no capturer"
[ -n "${keeper:-}" ] || fail "nobody starts the look-out again"
equal "$(awk '/^Seccomp:/ {print $2}' "/proc/$found_watch/status")" 2 "seccomp of the look-out"
equal "$(awk '/^Seccomp:/ {print $2}' "/proc/$keeper/status")" 2 "seccomp of the keeper"
equal "$(t nodes --json | jq -r '.nodes[0].state_detail')" "" "a node of which all is well"

# the look-out is killed, twice: another comes with the same rights and no more, and everything below holds
another() { new=$(pgrep -P "$keeper" -x trawl-owners) && [ "$new" != "$found_watch" ]; }
for _ in 1 2; do
  kill -9 "$found_watch"
  wait_until 5 "another look-out" another
  found_watch=$new
  equal "$(caps "$new")" 0000000000080004 "capabilities of the new look-out"
  wait_until 2 "it is confined" grep -q "^Seccomp:.*2" "/proc/$new/status"
done

# one client for a while; one over before anybody can look; the same port again by another process
on_cli "$py" "$work/client.py" 40001 2 /long /again & long=$!
on_cli "$py" "$work/client.py" 40002 0 /short
wait "$long"
on_cli "$py" "$work/client.py" 40001 1 /second || fail "the port was not free again"
sleep 1
id=$(t snapshot create owners --last 1m --wait --dissect) || fail "create"
t snapshot pcap "$id" -o "$work/out.pcapng" || fail "pcap"
# the first packet of each direction says who held the ends; no other does
tshark -n -r "$work/out.pcapng" -Y 'tcp.port == 40001 && frame.comment' -T fields -e tcp.srcport -e frame.comment 2>/dev/null >"$work/comments"
equal "$(cut -f1 "$work/comments" | sort | tr '\n' ' ')" "40001 8080 " "packets with a comment"
equal "$(grep -c "10.77.0.1:8080 last seen with .*(pid $server, $py" "$work/comments")" 2 "the ends' processes: $(cat "$work/comments")"
t snapshot pcap "$id" --format pcap -o "$work/out.pcap" || fail "pcap without comments"
dissected() { t entries --source "$id" --jsonl 2>/dev/null >"$work/entries.json" && [ -s "$work/entries.json" ]; }
wait_until 20 "the snapshot is dissected" dissected
equal "$(jq -r '"\(.capture_source) \(.capture_backend)"' "$work/entries.json" | sort -u)" "af_packet tpacket_v3" "what recorded the calls"
equal "$(t entries --source "$id" --filter 'local_process_name.startsWith("python")' --jsonl 2>/dev/null | wc -l)" \
      "$(grep -c '"src":{[^}]*"process"' "$work/entries.json")" "calls by the reference product's name of the process"
of() { jq -r --arg p "$1" 'select(.path == $p) | '"$2" "$work/entries.json" | head -1; }
equal "$(of /long '.dst.process.pid')" "$server" "the server's pid"
equal "$(of /long '.dst.process.exe')" "$py" "the server's program"
[ "$(of /long '.src.process.name')" = "$(cat /proc/$server/comm)" ] || fail "the client's name: $(of /long .src.process.name)"
equal "$(of /again '.src.process.pid')" "$(of /long '.src.process.pid')" "the client's pid in its second call"
equal "$(of /short '.src.process.pid // "none"')" none "the pid of a client that was gone"
equal "$(of /second .path)" /second "the second connection from the same port"
[ "$(of /long '.src.process.pid')" != "$(of /second '.src.process.pid')" ] || fail "the second connection from the same port has the first one's process"
# without its keeper there is none: that is said
kill -9 "$keeper"
said() { t nodes --json | jq -re '.nodes[0] | select(.state == "recording") | .state_detail' | grep -Eq "^processes of connections are not recorded since [0-9T:.-]+Z: their look-out was killed"; }
wait_until 5 "nodes say that owners are not recorded" said
t nodes | grep -q "processes of connections are not recorded since" || fail "trawl nodes does not say it"
t status | grep -q "recording: processes of connections are not recorded since" || fail "trawl status does not say it"
grep -q '^State:.*Z' "/proc/$found_watch/status" 2>/dev/null || [ ! -e "/proc/$found_watch" ] || fail "the look-out outlived its keeper: $(cat "/proc/$found_watch/status")"
n=$(t entries --source "$id" --filter "dst.process.pid == $server && src.process.name.startsWith(\"py\")" --count)
[ "$n" -ge 2 ] || fail "the filter finds $n calls"
stop_trawl

# the flow index, as written and as made anew from the segments
flows() { "$TRAWL" ring list --flows --json --data "$work/data" | jq -c 'select(.protocol == "tcp") | {a, b}' | sort; }
flows >"$work/flows"
jq -se "any(.a.process.pid == $server and .b.process.name != null and .b.port == 40001)" "$work/flows" >/dev/null || fail "flow index: $(cat "$work/flows")"
rm "$work"/data/ring/*.idx
flows >"$work/flows.again"
cmp -s "$work/flows" "$work/flows.again" || fail "the index made anew differs: $(diff "$work/flows" "$work/flows.again" | head -5)"
"$TRAWL" ring verify --data "$work/data" >/dev/null || fail "verify"
for f in "$work"/data/ring/*.pcapng; do
  tshark -n -r "$f" >/dev/null 2>"$work/complaint" && capinfos "$f" >/dev/null 2>>"$work/complaint" || fail "$f: $(cat "$work/complaint")"
done
echo "processes are known where they were seen, and nowhere else"
