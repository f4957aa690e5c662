#!/bin/sh
# Public captures cut into an opening, a hole and a window (openings.py): with nothing missing the window's calls are those of the whole,
# with a hole nothing is said that the whole contradicts.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
need editcap
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$pcaps/http2" "$pcaps/mysql" "$pcaps/postgresql" "$pcaps/tls" -name '*.pcap*' -size -60k | LC_ALL=C sort | awk 'NR % 3 == 0' >"$work/list"
# shellcheck disable=SC2046 # no name of the corpus has a space
python3 "$here/openings.py" "$trawl" "$work" $(cat "$work/list")
