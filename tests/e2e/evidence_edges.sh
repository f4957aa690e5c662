#!/usr/bin/env bash
# Small things that must not be silent: decryption secrets in an exported capture, a dissection written into a folder that holds one, a cut
# capture, a snapshot without a name, and whose key signed an archive.
. "$(dirname "$0")/lib.sh"
need jq python3 tshark curl capinfos
make_hosts
start_trawl --ring-size 64MiB
start_nginx
on_cli curl -sf -o /dev/null "http://$srv_ip:8080/api/one" || fail "curl"
sleep 1.5
id=$(t snapshot create own --last 1m --wait) || fail "create"

# ── a capture with a decryption secrets block keeps it ──
capture=$(find "$(find "$work/data/snapshots/$id/nodes" -type d | tail -1)" -name '*.pcapng' | head -1)
python3 - "$capture" "$work/secrets.pcapng" <<'P'
import struct, sys
d = open(sys.argv[1], "rb").read()
at = struct.unpack_from("<I", d, 4)[0]
at += struct.unpack_from("<I", d, at + 4)[0]  # section, interface
text = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"
body = struct.pack("<II", 0x544c534b, len(text)) + text + bytes(-len(text) % 4)
block = struct.pack("<II", 10, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
open(sys.argv[2], "wb").write(d[:at] + block + d[at:])
P
secrets=$(t snapshot import "$work/secrets.pcapng" --name secrets) || fail "import"
has() { grep -qa "CLIENT_RANDOM abab" "$1"; }
t snapshot pcap "$secrets" -o "$work/kept.pcapng" || fail "pcap"
has "$work/kept.pcapng" || fail "the export lost the decryption secrets"
[ "$(tshark -r "$work/kept.pcapng" 2>"$work/complaints" | wc -l)" -gt 0 ] || fail "tshark cannot read it"
[ -s "$work/complaints" ] && grep -v "Running as user" "$work/complaints" && fail "tshark complains"
t snapshot pcap "$secrets" --decrypted none -o "$work/none.pcapng" || fail "pcap --decrypted none"
has "$work/none.pcapng" && fail "--decrypted none exports secrets"
t snapshot pcap "$secrets" --decrypted keys --format pcap -o "$work/x.pcap" 2>"$work/err" && fail "secrets in a .pcap"
grep -q "no place for decryption secrets" "$work/err" || fail "no sentence: $(cat "$work/err")"
t snapshot pcap "$secrets" --decrypted payload -o "$work/x.pcapng" 2>"$work/err" && fail "payload"
grep -q "exports no decrypted payload" "$work/err" || fail "no sentence: $(cat "$work/err")"

# ── a folder that holds a dissection ──
"$TRAWL" dissect "$capture" -o "$work/store" || fail "dissect -o"
before=$(cd "$work/store" && find . -type f -exec sha256sum {} + | sort)
"$TRAWL" dissect "$capture" -o "$work/store" 2>"$work/err" && fail "a second dissection into the same folder"
grep -q "holds a dissection already" "$work/err" || fail "no sentence: $(cat "$work/err")"
equal "$(cd "$work/store" && find . -type f -exec sha256sum {} + | sort)" "$before" "the first dissection"
equal "$(find "$work/store" -name '*.tmp')" "" "leftovers"

# ── a cut capture ──
head -c $(($(stat -c %s "$capture") - 10)) "$capture" >"$work/cut.pcapng"
"$TRAWL" export "$work/cut.pcapng" -o "$work/out.pcapng" 2>"$work/err"
equal $? 1 "the exit code of an export of a cut file"
grep -q "cut.pcapng: .*at byte" "$work/err" || fail "the damage is not said: $(cat "$work/err")"
[ "$(capinfos -c -r -T "$work/out.pcapng" 2>/dev/null | cut -f2)" -gt 0 ] || fail "what can be read was not written"
"$TRAWL" export "$capture" -o "$work/out.pcapng" || fail "an export of a whole file"

# ── no name ──
for verb in show dissect pcap verify delete wait download estimate; do
  t snapshot $verb "" >"$work/out" 2>"$work/err"
  equal $? 2 "snapshot $verb \"\""
  grep -q "Say which snapshot" "$work/err" || fail "snapshot $verb \"\": $(cat "$work/err")"
done

# ── whose key ──
signed() { t snapshot show "$1" --json | jq -r '.signature | "\(.by) \(.fingerprint)"'; }
own=$(signed "$id")
equal "${own%% *}" own "an own snapshot"
t snapshot show "$id" | grep -q "^signature .*of this hub, key ${own:4:16}" || fail "show does not say whose key: $(t snapshot show "$id" | grep signature)"
t snapshot verify "$id" | grep -q "^Signature: of this hub" || fail "verify does not say whose key"
t snapshot download "$id" -o "$work/archive" || fail "download"
t snapshot delete "$id" >/dev/null || fail "delete"
stop_trawl
rm "$work/data/hub.key"
start_trawl --ring-size 64MiB
id=$(t snapshot import "$work/archive") || fail "import of the archive"
equal "$(signed "$id")" "foreign ${own#own }" "the archive of another hub"
t snapshot show "$id" | grep -q "^signature .*foreign.*key ${own:4:16}" || fail "show does not say that the key is foreign"
t snapshot verify "$id" | grep -q "^Signature: foreign.*key ${own:4:16}" || fail "verify does not say that the key is foreign"
api POST "/api/v1/snapshots/$id/verify" -H 'Content-Type: application/json' -d '{}' | jq -e '.ok and .signature.by == "foreign"' >/dev/null || fail "the API's verify does not say it"
new=$(t snapshot import "$work/archive" --new-id) || fail "import --new-id"
equal "$(signed "$new")" "foreign ${own#own }" "the same archive under another id"

# ── verify of the archive file itself, without a hub ──
offline() { env TRAWL_HUB=http://127.0.0.1:1 TRAWL_TOKEN=none "$TRAWL" snapshot verify "$@" >"$work/out" 2>"$work/err"; }
cp "$work/archive" "$work/a.tar"
offline "$work/a.tar" || fail "a good archive: $(cat "$work/out" "$work/err")"
grep -qE "^Intact: $(($(tar tf "$work/a.tar" | grep -c '^nodes/') + 1)) files, " "$work/out" || fail "what was verified: $(cat "$work/out")"
offline "$work/archive" --json || fail "a name with a slash is a file"
jq -e '.ok and .errors == [] and (.signature.key | length) == 44 and .signature.by == null and .files > 0 and .bytes > 0' "$work/out" >/dev/null || fail "as JSON: $(cat "$work/out")"
equal "$(jq -r .id "$work/out")" "$(tar xOf "$work/a.tar" manifest.json | jq -r .id)" "the id in the archive"
# one flipped bit in a data file names the file, and the others are looked at all the same
data=$(tar tRf "$work/a.tar" | sed -n 's/^block \([0-9]*\): nodes\/.*pcapng.*/\1/p' | head -1)
name=$(tar tf "$work/a.tar" | grep '^nodes/.*pcapng' | head -1)
at=$((data * 512 + 512 + 40))
cp "$work/a.tar" "$work/flipped.tar"
printf "\\x$(printf %02x $(($(od -An -tu1 -j $at -N 1 "$work/a.tar") ^ 1)))" | dd of="$work/flipped.tar" bs=1 seek=$at conv=notrunc status=none
offline "$work/flipped.tar" && fail "a flipped bit is not seen"
equal "$(head -1 "$work/out")" "$name: does not match its SHA-256" "the damaged file"
grep -q 'The archive is damaged' "$work/err" || fail "no sentence: $(cat "$work/err")"
# a manifest that is not what was signed, an archive cut off, no archive, no file
sed 's/"packets":/"packetz":/' "$work/a.tar" >"$work/forged.tar"
for bad in forged.tar cut.tar junk.tar nothing.tar; do
  [ $bad = cut.tar ] && head -c 3000 "$work/a.tar" >"$work/cut.tar"
  [ $bad = junk.tar ] && head -c 5000 /dev/urandom >"$work/junk.tar"
  offline "$work/$bad" && fail "$bad is called good: $(cat "$work/out")"
  equal "$(grep -c '' "$work/err")" 1 "sentences for $bad: $(cat "$work/err")"
done
stop_trawl
echo "nothing of it is silent"
