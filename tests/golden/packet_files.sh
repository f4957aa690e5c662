#!/bin/sh
# Every public capture: packet count, first and last time as capinfos says; the same again for a copy made by our
# writer, with the sum of packet bytes.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
pcaps=$root/../shared/pcaps
dump=${TRAWL_BUILD:?the build folder}/tests/golden/packet_dump
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
command -v capinfos >/dev/null || { echo "skipped: capinfos (Wireshark) is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$pcaps"
find . -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.gz' \) | sort >"$work/files"
count=$(wc -l <"$work/files")

# Nine digits in the columns `from` and the next one.
normal() {
    awk -F'\t' -v OFS='\t' -v from="$1" '
        function nine(t, p) { if (t == "n/a") return "0.000000000"; split(t, p, "."); return p[1] "." substr(p[2] "000000000", 1, 9) }
        { $from = nine($from); $(from + 1) = nine($(from + 1)); print }'
}

xargs "$dump" <"$work/files" 2>"$work/damages" | cut -f1-4 >"$work/ours"
# capinfos fails where a file is cut short, but prints its row.
xargs capinfos -TMBrcaeS <"$work/files" 2>/dev/null | cut -f1-4 | normal 3 >"$work/theirs"
diff "$work/theirs" "$work/ours" >"$work/diff" || { cat "$work/diff"; echo "reading differs from capinfos"; exit 1; }

mkdir "$work/copies"
xargs "$dump" --copy "$work/copies" <"$work/files" 2>/dev/null
seq "$count" | sed "s|.*|$work/copies/&.pcapng|" | xargs capinfos -TMBrcaeSd >"$work/copied" 2>"$work/complaints"
xargs capinfos -TMBrcaeSd <"$work/files" 2>/dev/null >"$work/originals" || true
for side in copied originals; do
    cut -f2- "$work/$side" | normal 3 | nl >"$work/$side.table"
done
diff "$work/originals.table" "$work/copied.table" || { cat "$work/complaints"; echo "copies differ from their originals"; exit 1; }
[ "$(wc -l <"$work/copied.table")" -eq "$count" ] || { echo "capinfos did not read every copy"; exit 1; }
echo "$count captures: packets and times as capinfos, copies too; $(wc -l <"$work/damages") damages reported"
