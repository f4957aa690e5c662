#!/usr/bin/env bash
# No file names a package registry's host; lock files carry hashes only.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
found=$(git grep -nIE 'registry\.npmjs|npmjs\.org|deb\.debian\.org|pypi\.org|crates\.io|proxy\.golang|repo1?\.maven' -- . ':!tests/lint/hosts.sh' || true)
[ -z "$found" ] && { echo "no registry host is named"; exit 0; }
printf '%s\n' "$found" | head -20
exit 1
