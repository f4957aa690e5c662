#!/usr/bin/env bash
# What clang-format 14 writes is what is committed.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
files=$(find src tests -name '*.c' -o -name '*.h' -o -name '*.cc' | sort)
[ -n "$files" ] || { echo "no sources found"; exit 1; }
clang-format-14 --dry-run -Werror $files
