#!/usr/bin/env bash
# Bad input from a person: wrong flags, files, times, filters, names, ports and folders. Each is one sentence on stderr and exit 1 or 2,
# never a crash, never a hang; what was there before is there afterwards.
. "$(dirname "$0")/lib.sh"
need jq curl python3 capsh
make_hosts
tried=0 bad=()

equal "$("$TRAWL" --version)" "$("$TRAWL" version)" "the version, asked for in two ways"
# refused WANTED_EXIT PATTERN COMMAND…: one line on stderr that matches, nothing but it.
refused() {
  local want=$1 pattern=$2 code lines kept
  shift 2
  timeout -k 2 20 "$@" >"$work/stdout" 2>"$work/stderr" </dev/null
  code=$?
  tried=$((tried + 1))
  kept=$(grep -v '^Window: ' "$work/stderr") # what was understood is echoed
  printf '%s\n' "$kept" >"$work/stderr"
  lines=$(printf '%s' "$kept" | grep -c '')
  local shown=$*
  shown=${shown#*"$TRAWL "}
  [ ${#shown} -gt 150 ] && shown="${shown:0:150}…"
  if [[ ! $code =~ ^($want)$ ]] || [ "$lines" != 1 ] || ! grep -qiE -- "$pattern" "$work/stderr" || grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$work/stderr" || [ "$(wc -c <"$work/stderr")" -gt 2000 ]; then
    bad+=("$shown: exit $code instead of $want, $lines lines: $(head -c 300 "$work/stderr" | cat -v)")
  fi
}
r() { refused "$1" "$2" ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$token" "$TRAWL" "${@:3}"; }

start_trawl --ring-size 32MiB
token=$(cat "$work/data/token")
on_cli ping -q -c 5 -i 0.05 -W 2 $srv_ip >/dev/null
sleep 1.2
good=$(t snapshot create good --last 1m --dissect --wait) || fail "create"
before=$(t snapshot list --json | jq -c '[.snapshots[].id] | sort')

# ── every sub-command: an unknown flag, a flag without its value, --help ──
for command in $(on_srv "$TRAWL" --help | awk '/^  [a-z]/ {print $1}' | sort -u) capturer; do
  r 2 'no-such-flag|argument|takes' "$command" --no-such-flag
  timeout 10 "$TRAWL" "$command" --help >"$work/help" 2>"$work/stderr" || bad+=("$command --help: exit $?")
  grep -q 'trawl' "$work/help" || bad+=("$command --help shows no usage")
  grep -qi 'example' "$work/help" || bad+=("$command --help has no example")
done
for verb in create list show wait rename verify delete lock unlock cancel retry dissect pcap estimate download import; do
  r 2 'no-such-flag' snapshot $verb --no-such-flag
  timeout 10 "$TRAWL" snapshot $verb --help >"$work/help" 2>&1 || bad+=("snapshot $verb --help: exit $?")
  case $verb in list | create | import) ;; *) r 1 'no-such|snapshot' snapshot $verb no-such-snapshot $([ $verb = rename ] && echo x) ;; esac
  case $verb in list) ;; *) r 2 '.' snapshot $verb ;; esac
done
r 2 'snapshott|no command|unknown' snapshott
r 2 'creat' snapshot creat x

# ── times and windows ──
r 2 'time' snapshot create x --from yesterday-ish
r 2 'time' snapshot create x --from 2026-13-45T00:00:00Z
r 2 'one way' snapshot create x --last 5m --max
r 2 '.' snapshot create x --to 14:00
r 2 'last|duration' snapshot create x --last -5m
r 2 'last|duration' snapshot create x --last 0
r 2 'last|duration' snapshot create x --last 99999999999999h
r 1 'before|after|end' snapshot create x --from 2026-11-23T12:00:00Z --to 2026-11-23T11:00:00Z
r 1 'before|after|end|empty' snapshot create x --from 2026-11-23T12:00:00Z --to 2026-11-23T12:00:00Z
r 1 'available|holds|nothing' snapshot create x --from 1975-01-01T00:00:00Z --to 1975-01-01T01:00:00Z
r 1 'in the future' snapshot create x --from 2199-01-01T00:00:00Z --to 2199-01-01T01:00:00Z
r 1 'no node|called' snapshot create x --last 1m --nodes nowhere
r 1 'no node|called|name' snapshot create x --last 1m --nodes ../../etc
r 1 'bpf|filter|syntax' snapshot create x --last 1m --bpf 'tcp prot 80'
r 2 'name' snapshot create a b
r 1 'name' snapshot create '' --last 1m
r 1 'name|control' snapshot create $'line\nfeed\x1b[31m' --last 1m
r 1 'name|long' snapshot create "$(printf 'x%.0s' $(seq 10240))" --last 1m
r 2 'UTF-8' snapshot create $'\xff\xfe' --last 1m
r 1 'name|long' snapshot rename "$good" "$(printf 'x%.0s' $(seq 10240))"
r 1 'snapshot|path|long|control' snapshot show "$(printf 'x%.0s' $(seq 7000))"
r 1 '.' snapshot show "$(printf 'x%.0s' $(seq 20000))"
r 1 'snapshot|path' snapshot show ../../etc/passwd
r 1 'snapshot|path|control' snapshot show $'a\x1b[31mb'

# A name is data, never a path: slashes are refused; dots, quotes and markup come back as they went in.
for name in '../../../etc/passwd' a/b/c /; do r 1 'slash|name' snapshot create "$name" --last 1m; done
for name in '<script>alert(1)<script>' '"quotes" & ;$(touch x)' '…ÄÖ漢字' '.' '..' ; do
  id=$(t snapshot create "$name" --last 1m --wait 2>"$work/stderr") || { bad+=("a snapshot called $name: $(cat "$work/stderr")"); continue; }
  equal "$(t snapshot show "$id" --json | jq -r .name)" "$name" "name"
  t snapshot download "$id" -o "$work/named.tar" && [ -s "$work/named.tar" ] || bad+=("download of $name")
  t snapshot delete "$id" >/dev/null || bad+=("delete of $name")
done
[ -z "$(find "$work/data/snapshots" -mindepth 1 -maxdepth 1 ! -name '[0-9A-Z]*' ! -name '.*')" ] || bad+=("odd names in snapshots/: $(ls "$work/data/snapshots")")

# ── filters ──
for filter in 'http &&' 'status_code ==' '((((' '"unclosed' 'no_such_variable == 1' 'http == "x' 'status_code == "500"' $'http\xff' "$(printf '(%.0s' $(seq 5000))" "$(printf 'http||%.0s' $(seq 20000))" "path.matches('(')" '1' "size(" 'timestamp("x")'; do
  r 1 '.' entries --source "$good" --filter "$filter" --count
done
on_srv "$TRAWL" filter check 'http &&' >/dev/null 2>"$work/stderr" && bad+=("filter check accepts half a filter")
grep -q 'at byte 7$' "$work/stderr" || bad+=("filter check says: $(cat "$work/stderr")")
r 2 '.' filter check
on_srv "$TRAWL" filter eval 'x' --bindings '{"x":' >"$work/stdout" 2>&1 && bad+=("filter eval takes bindings that are no JSON")
jq -e '.error' "$work/stdout" >/dev/null || bad+=("filter eval says: $(cat "$work/stdout")")
r 1 'no-such|snapshot|source' entries --source no-such-snapshot
r 1 'dissection|called' entries --source "$good/none"
r 2 'limit' entries --limit many
r 2 'limit' entries --limit 0
r 1 'order' entries --source "$good" --order sideways
r 2 'time' entries --source "$good" --from soon
r 1 '.' entry no-such-entry
r 1 'bpf|filter|syntax' snapshot pcap "$good" --bpf 'tcp prot 80' -o "$work/x.pcapng"
r 1 '.' snapshot pcap "$good" --filter 'http &&' -o "$work/x.pcapng"
r 1 'format' snapshot pcap "$good" --format gif -o "$work/x.pcapng"
[ ! -s "$work/x.pcapng" ] || bad+=("a refused export left a file behind")
r 1 'directory|folder' snapshot pcap "$good" -o "$work/none/x.pcapng"
r 1 'is a directory|folder' snapshot download "$good" -o "$work"

# ── files ──
: >"$work/empty"
head -c 100000 /dev/urandom >"$work/noise"
printf '{"not":"a capture"}' >"$work/json.pcapng"
mkdir "$work/dir.pcapng"
t snapshot pcap "$good" -o "$work/good.pcapng" || fail "pcap"
for file in "$work/empty" "$work/noise" "$work/json.pcapng" "$work/dir.pcapng" "$work/missing.pcapng" /dev/null; do
  r 1 '.' snapshot import "$file"
  r 1 '.' dissect "$file" --jsonl
  r '1|2' '.' export "$file" -o "$work/out.pcapng"
done
r 2 '.' dissect --jsonl
r 2 'thread' dissect "$work/good.pcapng" --threads 100000
r 2 '.' export

# ── hub, token, ring ──
refused 1 'no hub answers' ip netns exec "$srv" "$TRAWL" snapshot list --hub http://127.0.0.1:9
refused 1 'url|hub' ip netns exec "$srv" "$TRAWL" snapshot list --hub gopher://127.0.0.1
refused 1 'token' env -u TRAWL_TOKEN HOME="$work" XDG_STATE_HOME="$work" ip netns exec "$srv" "$TRAWL" snapshot list --hub "http://127.0.0.1:$port" --token wrong
refused 1 '.' ip netns exec "$srv" "$TRAWL" ring status --data "$work/nothing-here"
refused 1 '.' ip netns exec "$srv" "$TRAWL" ring list --data /dev/null
refused 1 '.' ip netns exec "$srv" "$TRAWL" token show --data "$work/nothing-here"

# ── starting ──
refused 1 "$up_pid|already|in use by" ip netns exec "$srv" "$TRAWL" up --data "$work/data" --listen 127.0.0.1:8901
refused 1 'in use' ip netns exec "$srv" "$TRAWL" up --no-capture --data "$work/second" --listen "127.0.0.1:$port"
refused 2 'address|listen' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --listen here
refused 2 'address|listen' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --listen 127.0.0.1:99999
refused 1 'listen|assign|address' ip netns exec "$srv" "$TRAWL" up --no-capture --data "$work/second" --listen 192.0.2.1:8901
refused 1 'folder|directory' ip netns exec "$srv" "$TRAWL" up --no-capture --data /dev/null/x --listen 127.0.0.1:8901
refused 1 'folder|directory' ip netns exec "$srv" "$TRAWL" up --no-capture --data "$work/empty" --listen 127.0.0.1:8901
refused 2 'ring-size' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --ring-size plenty
refused 2 'ring-size' ip netns exec "$srv" "$TRAWL" up --data "$work/tiny" --ring-size 1k --listen 127.0.0.1:8901
refused 2 'segment-size' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --ring-size 16MiB --segment-size 8MiB
refused 2 'bpf' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --bpf 'tcp prot 80'
refused 2 'iface' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --iface a/b
refused 2 'exclude' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --exclude nonsense
refused 2 'node' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --node ../x
refused 2 'quota' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --quota much
refused 2 'snaplen' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --snaplen -1
refused 2 'buffer' ip netns exec "$srv" "$TRAWL" up --data "$work/second" --buffer huge
mkdir -m 755 "$work/locked"
refused 1 'writ|permission|folder' ip netns exec "$srv" setpriv --reuid 65534 --regid 65534 --clear-groups "$TRAWL" up --no-capture --data "$work/locked" --listen 127.0.0.1:8901

# Sentences that speak of what was typed.
r 2 '^trawl hold: --for has to lie between 1s and 24h' hold --for 99h
r 2 '^trawl hold: --for has to lie between 1s and 24h' hold --for 0s
r 1 'is not whole: node .* lacks 20.* to 20.* \(not_recording\)' snapshot create too-early --last 20m --whole
r 1 'filter is too long: 20000 bytes, at most 16384' filter check "$(head -c 20000 /dev/zero | tr '\0' a)"
refused 1 "Port $port of 127.0.0.1 is in use" ip netns exec "$srv" "$TRAWL" hub --data "$work/second-hub" --listen "127.0.0.1:$port"

if [ ${#bad[@]} -gt 0 ]; then
  printf '  %s\n' "${bad[@]}" >&2
  fail "${#bad[@]} of $tried"
fi

# Nothing was lost, nothing came.
equal "$(t snapshot list --json | jq -c '[.snapshots[].id] | sort')" "$before" "snapshots afterwards"
t snapshot verify "$good" >/dev/null || fail "verify"
trawl_is_recording || fail "recording stopped"
stop_trawl

# ── without the capability: hub and dashboard run and say how to get it ──
mkdir -m 700 "$work/plain" && chown 65534:65534 "$work/plain"
ip netns exec "$srv" setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all \
  "$TRAWL" up --data "$work/plain" --listen "127.0.0.1:$port" >"$work/plain.out" 2>"$work/plain.err" &
plain=$!
started+=($plain)
answers() { on_srv curl -sf -o /dev/null "http://127.0.0.1:$port/healthz"; }
wait_until 20 "the hub answers" answers
on_srv curl -s -o "$work/page" "http://127.0.0.1:$port/"
grep -qE '<html|without the dashboard' "$work/page" || fail "no dashboard: $(cat "$work/page")"
grep -q 'setcap cap_net_raw' "$work/plain.err" || fail "it does not say how to get the capability: $(cat "$work/plain.err")"
plain_node() { on_srv "$TRAWL" nodes --json --hub "http://127.0.0.1:$port" --token "$(cat "$work/plain/token")" | jq -e '.nodes[0] | .state == "not_recording" and (.state_detail | test("CAP_NET_RAW"))' >/dev/null; }
wait_until 20 "the node says what is missing" plain_node
kill -TERM $plain && wait $plain || fail "trawl up without the capability ended with $?"

echo "$tried kinds of bad input refused with one sentence each"
