#!/usr/bin/env bash
# Connections older than the ring: an h2c connection whose header table was filled, and a PostgreSQL client whose statements were prepared,
# long before the oldest packet the ring still has. Their calls of the last seconds are read whole and say so; the window's counts are its own.
. "$(dirname "$0")/lib.sh"
pg=/usr/lib/postgresql/15/bin
need jq tshark python3 curl nghttpd setpriv "$pg/postgres" "$pg/initdb" "$pg/pgbench"
id -u postgres >/dev/null 2>&1 || { echo "there is no user postgres"; exit 77; }
make_hosts
mkdir -p "$work/www" "$work/db" && printf 'hello' >"$work/www/hello.txt" && chown postgres "$work/db"
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
as_postgres "$pg/initdb" -D "$work/db" -A trust -U app --no-sync -E UTF8 --no-locale >"$work/initdb.log" 2>&1 || fail "$(cat "$work/initdb.log")"
echo "host all all all trust" >>"$work/db/pg_hba.conf"
ip netns exec "$srv" setpriv --reuid=postgres --regid=postgres --clear-groups -- "$pg/postgres" -D "$work/db" -c fsync=off \
  -c "listen_addresses=$srv_ip" -c port=5499 -c "unix_socket_directories=$work/db" >"$work/postgres.log" 2>&1 &
started+=($!)
ip netns exec "$srv" nghttpd --no-tls -a "$srv_ip" -d "$work/www" 8081 >"$work/nghttpd.log" 2>&1 &
started+=($!)
wait_until 20 "PostgreSQL answers" on_cli "$pg/pg_isready" -q -h "$srv_ip" -p 5499
start_trawl --ring-size 8MiB --segment-size 512KiB

# HTTP/2 by hand: the first request puts its path, authority and a field into the dynamic table, the later ones only point there.
cat >"$work/h2.py" <<'P'
import socket, struct, sys, time
s = socket.create_connection((sys.argv[1], 8081))
s.settimeout(5)
frame = lambda kind, flags, stream, body: struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body
text = lambda t: bytes([len(t)]) + t
first = b"\x82\x86\x44" + text(b"/hello.txt") + b"\x41" + text(b"old.example") + b"\x40" + text(b"x-marker") + text(b"filled-before-the-window")
later = b"\x82\x86\xc0\xbf\xbe"
s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, first))
stream = 1
while True:
    time.sleep(0.5)
    try:
        s.recv(65536)
    except TimeoutError:
        pass
    stream += 2
    s.sendall(frame(4, 1, 0, b"") if stream == 3 else b"")
    s.sendall(frame(1, 5, stream, later))
P
ip netns exec "$cli" python3 "$work/h2.py" $srv_ip 2>"$work/h2.err" &
started+=($!)
printf '\\set n random(1, 9)\nSELECT :n AS number, '"'prepared before the window'"' AS words;\n' >"$work/script.sql"
ip netns exec "$cli" "$pg/pgbench" -h $srv_ip -p 5499 -U app -n -M prepared -c 1 -T 600 -R 2 -f "$work/script.sql" postgres >"$work/pgbench.log" 2>&1 &
started+=($!)
sleep 4

# More than the ring holds goes by.
cat >"$work/fill.py" <<'P'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(16000):
    s.sendto(bytes(1200), (sys.argv[1], 9))
    if i % 50 == 49: time.sleep(0.01)
P
fill() { on_cli python3 "$work/fill.py" $srv_ip; }
fill
for f in "$work"/data/ring/*.pcapng; do tshark -n -r "$f" -Y 'tcp.flags.syn == 1 && (tcp.port == 8081 || tcp.port == 5499)' 2>/dev/null; done >"$work/syns"
[ ! -s "$work/syns" ] || fail "the ring still has the connections' beginnings: the test shows nothing"

check() { # snapshot, what HTTP/2 entries must be, what PostgreSQL's (jq)
  local snap=$1
  t snapshot show "$snap" --json >"$work/show.json"
  jq -e '[.nodes[0].files[] | select(.name | test("pcapng"))] | length >= 2' "$work/show.json" >/dev/null || fail "no file of openings"
  t snapshot verify "$snap" >/dev/null || fail "verify"
  t snapshot pcap "$snap" -o "$work/window.pcapng" || fail "pcap"
  equal "$(tshark -n -r "$work/window.pcapng" 2>/dev/null | wc -l)" "$(jq '.nodes[0].packets' "$work/show.json")" "packets of the window and of the export"
  t snapshot pcap "$snap" --openings include -o "$work/with.pcapng" || fail "pcap with openings"
  tshark -n -r "$work/with.pcapng" -Y 'frame.interface_name contains "outside the window"' -T fields -e tcp.port 2>/dev/null >"$work/outside"
  lead_in=$(tshark -n -r "$work/with.pcapng" -Y 'frame.comment contains "outside the window" && !(frame.interface_name contains "outside the window")' 2>/dev/null | wc -l)
  equal "$(($(wc -l <"$work/outside") + lead_in + $(jq '.nodes[0].packets' "$work/show.json")))" "$(tshark -n -r "$work/with.pcapng" 2>/dev/null | wc -l)" "packets with openings"
  grep -q 8081 "$work/outside" && grep -q 5499 "$work/outside" || fail "an opening is missing in the export"
  slice=$(tshark -n -r "$work/window.pcapng" -T fields -e frame.time_epoch 2>/dev/null | awk '{at[NR] = $1} END {print at[int(NR / 2) + 1]}')
  t snapshot pcap "$snap" --openings include --from "$(date -u -d "@$slice" +%Y-%m-%dT%H:%M:%S.%NZ)" --to 2100-01-01T00:00:00Z -o "$work/slice.pcapng" || fail "pcap of a slice with openings"
  equal "$(tshark -n -r "$work/slice.pcapng" -Y 'frame.interface_name contains "outside the window"' 2>/dev/null | wc -l)" "$(wc -l <"$work/outside")" "openings with a slice"
  equal "$(tshark -n -r "$work/slice.pcapng" -Y '!(frame.comment contains "outside the window")' -T fields -e frame.time_epoch 2>/dev/null | head -n 1)" \
    "$slice" "the slice's first packet"
  t snapshot dissect "$snap" --wait >/dev/null || fail "dissect"
  t entries --source "$snap" --filter 'http' --json --limit 100 >"$work/http.json" || fail "entries"
  t entries --source "$snap" --filter 'postgresql' --json --limit 100 >"$work/pg.json" || fail "entries"
  jq -s -e '[.. | objects | select(.protocol? == "http")] | length >= 2 and all(.from_opening == true and .status_code == 200 and ('"$2"'))' \
    "$work/http.json" >/dev/null || fail "HTTP/2: $(head -c 1500 "$work/http.json")"
  jq -s -e '[.. | objects | select(.protocol? == "postgresql")] | length >= 1 and all(.from_opening == true and .postgresql_user == "app" and ('"$3"'))' \
    "$work/pg.json" >/dev/null || fail "PostgreSQL: $(head -c 1500 "$work/pg.json")"
  from=$(jq -r '.nodes[0].window.from // .from' "$work/show.json")
  note "$(wc -l <"$work/outside") packets of openings; from $from"
}
sleep 4
snap=$(t snapshot create old --last 4s --wait) || fail "create"
check "$snap" '.path == "/hello.txt" and .url == "http://old.example/hello.txt" and .incomplete == false' '.summary | test("prepared before the window")'

# The recorder is killed and comes back within its supervisor's patience: what it knew it knows still.
# Requests that nobody recorded may have changed the header table: fields in it are unknown from then on, never others; so are statements.
pid=$(ip netns pids "$srv" | xargs ps -o pid=,args= -p | awk '/capturer/ {print $1; exit}')
[ -n "$pid" ] || fail "no capturer process"
kill -9 "$pid"
sleep 1
wait_until 20 "recording again" trawl_is_recording
sleep 5
snap=$(t snapshot create killed --last 4s --wait) || fail "create"
check "$snap" '.path == "<unknown>" and .incomplete == true' '.incomplete == true or (.summary | test("prepared before the window|P_0"))'
[ "$(du -s --block-size=1 "$work/data/ring" | cut -f1)" -le $((8 << 20)) ] || fail "the budget is exceeded"

# An archive carries them.
t snapshot download "$snap" -o "$work/a.tar" || fail "download"
tar -tf "$work/a.tar" | grep -c 'pcapng' | grep -qv '^1$' || fail "the archive lacks the openings"
stop_trawl
echo "connections older than the ring are read, and say how"
