#!/usr/bin/env bash
# Decisions have a number each, none twice; what the tree refers to is there.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
bad=0
numbers=$(cd docs/decisions && ls -- *.md | cut -c1-4)
[ -n "$numbers" ] || { echo "there are no decisions"; exit 1; }
twice=$(echo "$numbers" | uniq -d)
[ -z "$twice" ] || { echo "two decisions have the number $twice"; bad=1; }
for number in $(git grep -hoE 'decisions/[0-9]{4}' -- . | cut -d/ -f2 | sort -u); do
  echo "$numbers" | grep -qx "$number" || { echo "decision $number is referred to, and is not there"; bad=1; }
done
exit $bad
