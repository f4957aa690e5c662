#!/usr/bin/env bash
# Sealed segments of the ring that are damaged on disk before a snapshot is taken: a flipped bit within a packet, a broken block, a cut. What can
# be read is in the snapshot, and manifest, CLI, API, verify, dissect and PCAP say what is wrong with it.
. "$(dirname "$0")/lib.sh"
need jq tshark python3 capinfos
make_hosts
start_trawl --ring-size 64MiB
start_nginx
ring() { ls "$work"/data/ring/*.pcapng; }
# five sealed segments: a snapshot seals what is open, and this one takes nothing
seal() { t snapshot create "seal-$1" --last 1s --wait >/dev/null || fail "seal $1"; }
for i in 1 2 3 4 5; do
  on_cli bash -c "for n in \$(seq 20); do curl -sf -o /dev/null http://$srv_ip:8080/api/$i/\$n || exit 1; done" || fail "calls $i"
  sleep 1.2
  seal $i
done
for s in $(t snapshot list --json | jq -r '.snapshots[].id'); do t snapshot delete "$s" >/dev/null || fail "delete"; done
# Where the packets of call n of round i lie: by their bytes, in the segment that holds them.
cat >"$work/place.py" <<'P'
import struct, sys, glob
# file, offset and length of the block whose packet holds the text
want = sys.argv[2].encode()
for name in sorted(glob.glob(sys.argv[1] + "/*.pcapng")):
    d = open(name, "rb").read()
    at = 0
    while at + 12 <= len(d):
        kind, size = struct.unpack_from("<II", d, at)
        if size < 12 or at + size > len(d): break
        if kind == 6 and want in d[at:at + size]:
            print(name, at, size); sys.exit(0)
        at += size
sys.exit(1)
P
place() { python3 "$work/place.py" "$work/data/ring" "GET /api/$1 HTTP"; }
flip() { python3 -c "
import sys
f = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); b = f.read(1)[0]; f.seek(int(sys.argv[2])); f.write(bytes([b ^ int(sys.argv[3])]))" "$@"; }
stamp_of() { tshark -r "$1" -Y "frame contains \"GET /api/$2 HTTP\"" -T fields -e frame.time_epoch 2>/dev/null | head -1; }
utc() { python3 -c "import sys, datetime; from decimal import Decimal as D; n=int(D(sys.argv[1])*10**9)+int(sys.argv[2]); print(datetime.datetime.fromtimestamp(n//10**9, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')+'.%09dZ' % (n%10**9))" "$1" "$2"; }

# ── a bit within a packet of an edge: no block is broken, only the segment's own sum tells ──
read -r file at _ < <(place 2/10) || fail "call 2/10 is not in the ring"
from=$(utc "$(stamp_of "$file" 2/5)" 0) to=$(utc "$(stamp_of "$file" 2/15)" 0)
whole=$(t snapshot create whole --from "$from" --to "$to" --wait) || fail "create whole"
equal "$(t snapshot show "$whole" --json | jq -c '[.partial, .warnings]')" '[false,[]]' "a whole snapshot"
t snapshot verify "$whole" >/dev/null || fail "a whole snapshot verifies"
flip "$file" $((at + 60)) 16
bit=$(t snapshot create bit --from "$from" --to "$to" --wait) || fail "create bit"
t snapshot show "$bit" --json >"$work/bit.json"
name=$(basename "$file")
jq -e --arg s "damaged: segment $name does not match the SHA-256 it was sealed with" \
  '.partial and (.missing | any(.reason == $s)) and (.nodes[0].files[0].damaged == $s) and (.warnings[0] | contains($s))' "$work/bit.json" >/dev/null ||
  fail "the API does not say it: $(cat "$work/bit.json")"
jq -e '.partial and (.nodes[0].files[0].damaged | contains("SHA-256"))' "$work/data/snapshots/$bit/manifest.json" >/dev/null || fail "the manifest does not say it"
t snapshot show "$bit" | grep -q "^missing .*damaged: segment $name" || fail "show does not say it"
t snapshot list | grep -q "! 1 file comes from damaged segments" || fail "list does not say it"
t snapshot verify "$bit" >"$work/verify" 2>"$work/verify.err" && fail "it verifies"
grep -q "its source was damaged when it was taken" "$work/verify" || fail "verify does not say why: $(cat "$work/verify")"
equal "$(jq .packets "$work/bit.json")" "$(t snapshot show "$whole" --json | jq .packets)" "packets of both"
t snapshot dissect "$bit" --wait >"$work/dissect" 2>"$work/dissect.err" || fail "dissect"
grep -q "1 damaged place" "$work/dissect.err" || fail "dissect does not say it: $(cat "$work/dissect.err")"
equal "$(api GET "/api/v1/snapshots/$bit/dissections/default" | jq .damage)" 1 "damage of the dissection"
t snapshot pcap "$bit" -o "$work/bit.pcapng" 2>"$work/pcap.err" || fail "pcap"
grep -q "damaged segments" "$work/pcap.err" || fail "pcap does not say it"
capinfos -k "$work/bit.pcapng" 2>/dev/null | grep -q "damaged: segment $name" || fail "the exported file does not say it"

# ── a block's length: that packet is lost, its neighbours are not ──
read -r file at _ < <(place 3/10) || fail "call 3/10 is not in the ring"
from=$(utc "$(stamp_of "$file" 3/5)" 0) to=$(utc "$(stamp_of "$file" 3/15)" 0) name=$(basename "$file")
flip "$file" $((at + 4)) 85
block=$(t snapshot create block --from "$from" --to "$to" --wait) || fail "create block"
t snapshot show "$block" --json | jq -r '.missing[0].reason' >"$work/reason"
grep -q "^damaged: segment $name does not match .* 1 of its places could not be read, the first at byte $at" "$work/reason" || fail "the place is not named: $(cat "$work/reason")"
t snapshot dissect "$block" --wait >/dev/null 2>&1 || fail "dissect block"
equal "$(t entries --source "$block" --filter 'http && path == "/api/3/9"' --count)" 1 "the call before the damage"
equal "$(t entries --source "$block" --filter 'http && path == "/api/3/12"' --count)" 1 "a call behind the damage"
equal "$(t entries --source "$block" --filter 'http && path == "/api/3/10"' --count)" 0 "the call that is damaged"

# ── cut in the middle: neither recycled nor silent ──
read -r file at _ < <(place 4/10) || fail "call 4/10 is not in the ring"
from=$(utc "$(stamp_of "$file" 4/5)" 0) name=$(basename "$file") size=$(stat -c %s "$file")
to=$(utc "$(stamp_of "$(place 5/5 | cut -d' ' -f1)" 5/5)" 0)
truncate -s "$at" "$file"
cut=$(t snapshot create cut --from "$from" --to "$to" --wait) || fail "create cut"
t snapshot show "$cut" --json >"$work/cut.json"
jq -e --arg s "damaged: segment $name was cut short: $at of its $size bytes are left" '.partial and (.missing | any(.reason == $s))' "$work/cut.json" >/dev/null ||
  fail "the cut is not said: $(jq -c .missing "$work/cut.json")"
equal "$(jq -c '[.nodes[0].gaps[].reason]' "$work/cut.json")" '["corrupt"]' "gaps of the cut one"
grep -q recycled "$work/cut.json" && fail "the cut is called recycled"
on_srv "$TRAWL" ring verify --data "$work/data" >"$work/ring" 2>&1 && fail "ring verify finds nothing"
grep -q "$name.*cut short" "$work/ring" || fail "ring verify does not say it: $(cat "$work/ring")"
stop_trawl
echo "damage of the ring is said wherever its packets go"
