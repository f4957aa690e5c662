#!/usr/bin/env bash
# One target for five seconds: three as it is, two in which allocations fail.
# usage: short.sh PROGRAM CORPUS ARTIFACT_PREFIX
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$1 corpus=$2 target=$(basename "$1") && target=${target#fuzz_}
mkdir -p "$corpus"
arguments=(-timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$3")
[ -f "$here/dict/$target.dict" ] && arguments+=("-dict=$here/dict/$target.dict")
arguments+=("$corpus")
[ -d "$here/seeds/$target" ] && arguments+=("$here/seeds/$target")
"$program" -max_total_time=3 "${arguments[@]}"
TRAWL_FUZZ_ALLOC=1 "$program" -max_total_time=2 "${arguments[@]}"
