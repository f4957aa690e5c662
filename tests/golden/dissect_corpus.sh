#!/bin/sh
# Dissects every capture of the corpus: no crash, no sanitizer report, the same bytes with 1, 2 and 7
# threads, by its name and from standard input, and an exit code of 0 or 1 (1 with a line on stderr for each damage).
#   TRAWL=build/asan/trawl tests/golden/dissect_corpus.sh [FOLDER…]
set -u
cd "$(dirname "$0")/../.." || exit 1
trawl=${TRAWL:-build/dev/trawl}
corpus=${TRAWL_PCAPS:-../shared/pcaps}
[ -d "$corpus" ] || { echo "the captures are not there: $corpus"; exit 77; }
[ -x "$trawl" ] || { echo "no binary: $trawl"; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
[ $# -gt 0 ] && folders=$(for f in "$@"; do echo "$corpus/$f"; done) || folders=$corpus

find $folders -type f \( -name '*.pcap' -o -name '*.pcapng' -o -name '*.cap' -o -name '*.gz' \) | sort >"$work/list"
files=0 failed=0 entries=0
while read -r file; do
    files=$((files + 1))
    timeout 120 "$trawl" dissect "$file" --jsonl --threads 1 >"$work/one" 2>"$work/err"
    code=$?
    if [ $code -gt 1 ] || grep -q 'Sanitizer\|runtime error' "$work/err"; then
        echo "FAILED ($code): $file"
        head -20 "$work/err"
        failed=$((failed + 1))
        continue
    fi
    if [ $code -eq 1 ] && [ ! -s "$work/err" ]; then
        echo "exit 1 without a word: $file"
        failed=$((failed + 1))
    fi
    for threads in 2 7; do
        timeout 120 "$trawl" dissect - --jsonl --threads $threads <"$file" >"$work/other" 2>/dev/null
        cmp -s "$work/one" "$work/other" || {
            echo "other bytes with $threads threads from standard input: $file"
            failed=$((failed + 1))
        }
    done
    entries=$((entries + $(wc -l <"$work/one")))
done <"$work/list"
echo "$files captures, $entries entries, $failed failures"
[ $failed -eq 0 ] && [ $files -gt 0 ] && [ $entries -gt 0 ]
