#!/usr/bin/env bash
# What the openings store costs the thread that records, in instructions a packet (callgrind counts, so no clock takes part):
# at most 3 % once a connection's openings are kept or can no longer be, 4 % where one side only acknowledges and the other is full.
set -euo pipefail
bench=${TRAWL_BUILD:?folder of a release build}/tests/bench_ring_put
[ -x "$bench" ] || { echo "bench_ring_put is not built"; exit 1; }
packets=6400
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# KIND with|without → instructions a packet
cost() {
  local folder=$work/$1.$2
  mkdir "$folder"
  [ "$2" = with ] || mkdir "$folder/openings"
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='bench_measured*' \
    "$bench" "$folder" "$1" $packets 2>"$work/log" || { cat "$work/log"; return 1; }
  rm -rf "$folder"
  awk -v n=$packets '/Collected/ { printf "%.1f\n", $4 / n }' "$work/log"
}
failed=0
for kind in kept download joined young; do
  with=$(cost $kind with) without=$(cost $kind without)
  echo "$kind: $without without openings, $with with"
  most=1.03
  [ $kind = download ] && most=1.04
  [ $kind = young ] && continue # copied, at most 32 KiB a connection
  awk -v a="$without" -v b="$with" -v m=$most 'BEGIN { exit !(a > 100 && b <= m * a) }' || { echo "  more than $most times"; failed=1; }
done
exit $failed
