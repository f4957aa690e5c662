#!/usr/bin/env bash
# Input made to break it: HTTP requests, corrupt captures, hostile archives and a worker that lies. Nothing crashes, hangs, leaves its folder
# or opens without a token; what is refused is refused with a sentence. Runs with the sanitizers when that build is there.
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$here/../../build/asan/trawl" ] && TRAWL=$here/../../build/asan/trawl
. "$here/lib.sh"
need jq curl python3
make_hosts
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1:exitcode=99
start_trawl --ring-size 32MiB
on_cli ping -q -c 5 -i 0.05 -W 2 $srv_ip >/dev/null
sleep 1.2
good=$(t snapshot create good --last 1m --dissect --wait) || fail "create"
limited() { timeout 40 ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" "$@"; }
clean() { # no sanitizer spoke, no process crashed
  ! grep -aE 'ERROR: AddressSanitizer|runtime error:|SUMMARY: .*Sanitizer|signal="(Segm|Abort|Bus|Ill)' "$work/up.err" | head -5 | grep . >&2
}

# ── HTTP ──
api GET /api/v1/openapi.json -o "$work/openapi.json" -f || fail "openapi.json"
on_srv timeout 120 python3 "$here/hostile_http.py" 127.0.0.1 "$port" "$(cat "$work/data/token")" "$work/openapi.json" >"$work/http.out" 2>&1 || fail "HTTP: $(cat "$work/http.out")"
clean || fail "a sanitizer spoke"
note "$(tail -n 1 "$work/http.out")"

# ── corrupt captures: bits flipped at random in public captures and in one of our own ──
seed=${SEED:-$RANDOM}
echo "SEED=$seed"
t snapshot pcap "$good" -o "$work/own.pcapng" || fail "pcap"
captures=${TRAWL_PCAPS:-$here/../../../shared/pcaps}
[ -d "$captures" ] || captures=/work/shared/pcaps
[ -d "$captures" ] || { echo "the public captures (../shared/pcaps) are absent"; exit 77; }
mkdir "$work/variants"
python3 - "$seed" "$captures" "$work/own.pcapng" "$work/variants" "${VARIANTS:-200}" <<'P'
import os, random, sys
random.seed(int(sys.argv[1]))
files = sorted(os.path.join(d, f) for d, _, names in os.walk(sys.argv[2]) for f in names if f.endswith((".pcap", ".pcapng", ".cap")) and os.path.getsize(os.path.join(d, f)) < 200000)
files = [sys.argv[3]] + files
for i in range(int(sys.argv[5])):
    source = files[0] if i % 10 == 0 else random.choice(files)
    data = bytearray(open(source, "rb").read())
    kind = i % 5
    for _ in range(1 if kind == 0 else random.randint(1, 40)):
        at = random.randrange(len(data)) if kind != 3 else random.randrange(min(len(data), 400))
        data[at] = data[at] ^ (1 << random.randrange(8)) if kind < 3 else random.choice((0, 255, 127, 128, random.randrange(256)))
    if kind == 4:
        del data[random.randrange(len(data)):]
    if kind == 2:
        at = random.randrange(len(data))
        data[at:at] = random.randbytes(random.randint(1, 9))
    open(f"{sys.argv[4]}/{i:03d}_{os.path.basename(source)}", "wb").write(data)
P
read_ok=0 refused=0
for file in "$work"/variants/*; do
  timeout 30 "$TRAWL" dissect "$file" --jsonl >"$work/out" 2>"$work/err"
  code=$?
  case $code in
    0) read_ok=$((read_ok + 1)); tail -n 1 "$work/out" | jq -e . >/dev/null 2>&1 || [ ! -s "$work/out" ] || fail "no JSON from $file" ;;
    1) refused=$((refused + 1)); [ -s "$work/err" ] || fail "refused without a sentence: $file" ;;
    *) cp "$file" "$work/crash"; fail "SEED=$seed: $(basename "$file") ends with $code: $(head -c 1500 "$work/err")" ;;
  esac
done
note "$((read_ok + refused)) corrupt captures dissected: $read_ok whole, $refused refused or read around the damage"
# some of them through the hub's own jobs: the snapshot is Completed or refused, the dissection done or failed with a reason
imported=0
for file in $(ls "$work"/variants/* | awk 'NR % 20 == 1'); do
  if id=$(t snapshot import "$file" 2>"$work/err" | head -n 1) && [ -n "$id" ]; then
    imported=$((imported + 1))
    timeout 60 ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" snapshot dissect "$id" --wait >/dev/null 2>"$work/err"
    [ $? -le 1 ] || fail "dissect of $file: $(cat "$work/err")"
    t snapshot show "$id" --json | jq -e '[.dissections[] | select(.state == "failed" and (.reason // "") == "")] | length == 0' >/dev/null || fail "a dissection failed without a reason"
    t snapshot delete "$id" >/dev/null || fail "delete"
  else
    [ -s "$work/err" ] || fail "import refused without a sentence: $file"
  fi
done
clean || fail "a sanitizer spoke"
note "$imported of 10 imported and dissected by the hub"

# ── archives ──
on_cli ping -q -c 5 -i 0.05 -W 2 $srv_ip >/dev/null # what is above may take longer than the minute
sleep 1.2
victim=$(t snapshot create victim --last 1m --wait) && t snapshot download "$victim" -o "$work/good.tar" && t snapshot delete "$victim" >/dev/null || fail "download"
python3 "$here/hostile_archives.py" "$work/good.tar" "$work/archives" || fail "hostile_archives.py"
count() { t snapshot list --json | jq '.snapshots | length'; }
before=$(count)
outside=$(find "$work/data" /tmp -maxdepth 1 -newer "$work/good.tar" -name '*evil*' 2>/dev/null)
for file in "$work"/archives/*; do
  timeout 30 ip netns exec "$srv" env TRAWL_HUB="http://127.0.0.1:$port" TRAWL_TOKEN="$(cat "$work/data/token")" "$TRAWL" snapshot import "$file" >"$work/out" 2>"$work/err"
  code=$?
  timeout 30 env TRAWL_HUB=http://127.0.0.1:1 "$TRAWL" snapshot verify "$file" >"$work/verified" 2>&1
  verdict=$?
  [ $verdict = 1 ] && [ -s "$work/verified" ] || fail "verify of the archive $(basename "$file") ends with $verdict: $(cat "$work/verified")"
  [ $code = 1 ] || { accepted="${accepted:-} $(basename "$file")"; t snapshot delete "$(head -n 1 "$work/out")" >/dev/null; continue; }
  [ $code = 1 ] || fail "the archive $(basename "$file") is answered with $code: $(cat "$work/out" "$work/err")"
  equal "$(grep -c '' "$work/err")" 1 "sentences for $(basename "$file"): $(cat "$work/err")"
done
[ -z "${accepted:-}" ] || fail "accepted:$accepted"
equal "$(count)" "$before" "snapshots after hostile archives"
[ -z "$(find / -xdev -maxdepth 4 -name 'trawl-evil*' -not -path '/proc/*' 2>/dev/null)" ] || fail "an archive wrote outside: $outside"
[ -z "$(find "$work/data/snapshots" -maxdepth 1 -name '*import*')" ] || fail "a half import is left behind"
clean || fail "a sanitizer spoke"
note "$(ls "$work/archives" | wc -l) hostile archives refused"
equal "$(t snapshot import "$work/good.tar")" "$victim" "the archive as it was"
t snapshot verify "$victim" >/dev/null || fail "verify of the imported archive"

# ── a worker that lies ──
# What they flood the loopback with is not to push the honest node's packets out of its ring.
stop_trawl
start_trawl --ring-size 32MiB --iface eth0
on_cli ping -q -c 20 -i 0.05 -W 2 $srv_ip >/dev/null
ip netns exec "$srv" python3 "$here/hostile_worker.py" "http://127.0.0.1:$port" "$(cat "$work/data/worker-token")" >"$work/worker.out" 2>&1 &
started+=($!)
hostile_worker=$!
there() { t nodes --json | jq -e '[.nodes[].name] | index("endless") != null and index("liar") != null' >/dev/null; }
wait_until 15 "the hostile workers are registered" there
sleep 3
# All of them at once: whoever asks for a snapshot of everything is answered, whatever one worker does.
for window in '"last_s":60' '"max":true'; do
  status=$(api POST /api/v1/snapshots -H 'Content-Type: application/json' -d "{\"name\":\"of all\",$window}" -o "$work/out" -w '%{http_code}' -m 6) || fail "POST /snapshots waits for a worker that is silent"
  equal "$status" 201 "a snapshot of all, beside liars: $(cat "$work/out")"
  all=$(jq -r .id "$work/out")
  api GET "/api/v1/availability?from=2020-01-01T00:00:00Z" -o /dev/null -f -m 6 || fail "GET /availability waits for a worker that is silent"
  limited snapshot wait "$all" >/dev/null 2>"$work/err" || fail "a snapshot of all, beside liars: $(cat "$work/err")"
  t snapshot show "$all" --json | jq -e '.partial and .packets > 0' >/dev/null || fail "the honest node's packets are lost, or the liars' go unsaid"
  t snapshot verify "$all" >/dev/null || fail "the snapshot of all does not verify"
done
for name in endless redirect huge silent slow liar badjson names; do
  begin=$(date +%s)
  if id=$(limited snapshot create "of $name" --last 1m --nodes $name --wait 2>"$work/err"); then
    t snapshot show "$id" --json | jq -e '.packets == 0 or .partial' >/dev/null || fail "a lie of $name became evidence"
    t snapshot verify "$id" >/dev/null || fail "the snapshot of $name does not verify"
  else
    [ -s "$work/err" ] || fail "the snapshot of $name failed without a sentence"
  fi
  note "$name: $(tail -n 1 "$work/err" | head -c 200) ($(($(date +%s) - begin)) s)"
  api GET /api/v1/nodes -o /dev/null -f -m 2 || fail "GET /nodes hangs because of $name"
done
# The honest node beside them is taken in time.
honest=$(hostname | tr -c 'A-Za-z0-9._\n-' '-')
id=$(limited snapshot create "honest" --last 1m --nodes "$(t nodes --json | jq -r '[.nodes[].name] | map(select(. as $n | ["endless","redirect","huge","silent","slow","liar","badjson","names"] | index($n) | not))[0]')" --wait) || fail "the honest node ($honest) cannot be taken beside hostile ones"
t snapshot verify "$id" >/dev/null || fail "verify"
# Live dissection follows the honest node; the others do not hold it up.
t live on >/dev/null || fail "live on beside hostile workers"
on_cli ping -q -c 5 -i 0.05 -W 2 "$srv_ip" >/dev/null || fail "ping"
pings() { [ "$(t entries --source live --filter icmp --count 2>/dev/null)" -ge 5 ]; }
wait_until 30 "live calls beside hostile workers" pings
t live off >/dev/null || fail "live off beside hostile workers"
kill $hostile_worker 2>/dev/null
grep -q REFUSED-ODD-NAMES "$work/worker.out" || fail "odd names of workers: $(cat "$work/worker.out")"
grep -q '^FOLLOWED' "$work/worker.out" && fail "the hub followed a redirect or sent a token where it should not: $(cat "$work/worker.out")"
clean || fail "a sanitizer spoke"
t snapshot verify "$good" >/dev/null || fail "the first snapshot is damaged"

# ── the sandbox ──
"$TRAWL" job self-test >"$work/out" 2>&1 || fail "the sandbox does not hold: $(cat "$work/out")"
note "sandbox: $(grep -c '^held' "$work/out") attempts held"
stop_trawl
clean || fail "a sanitizer spoke at the end"
echo "hostile HTTP, captures, archives and workers broke nothing"
