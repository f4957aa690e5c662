#!/usr/bin/env bash
# docs/fields.md is what the field table says. Write it anew with: tests/lint/fields_doc.sh --write
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
trawl=${TRAWL_ASAN:-build/asan/trawl}
[ -x "$trawl" ] || trawl=build/release/trawl
make_page() {
  printf '# Variables of the display filter\n\nMade from the field table (`trawl filter fields`). Absent variables have the zero of their type.\n\n| Variable | Type | Protocol | What | Example |\n|---|---|---|---|---|\n'
  "$trawl" filter fields --json | jq -r '(if type == "array" then . else .fields end)[] | "| `\(.name)` | \(.type) | \(.protocol) | \(.doc) | `\(.example | gsub("\\|"; "\\|"))` |"'
}
[ "${1:-}" = --write ] && { make_page >docs/fields.md; exit; }
make_page | diff - docs/fields.md >/tmp/fields.diff.$$ || { head -20 /tmp/fields.diff.$$; rm -f /tmp/fields.diff.$$; echo "docs/fields.md is stale"; exit 1; }
rm -f /tmp/fields.diff.$$
echo "$(grep -c '^| `' docs/fields.md) variables documented"
