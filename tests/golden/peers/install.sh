#!/bin/sh
# Installs the peers of npm (test-only) when they are not there or older than the list; tests that run at the same time wait for each other.
set -eu
cd "$(dirname "$0")"
exec 9>.install.lock
flock 9
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0
npm ci --silent --no-audit --no-fund >/dev/null 9>&-
