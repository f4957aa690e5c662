#!/usr/bin/env bash
# What deploy/dev/new-protocol lays down compiles without a warning, and bad arguments are refused.
set -u
cd "${TRAWL_ROOT:-$(dirname "$0")/../..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/deploy" && cp -r src "$work/tree/src" && mkdir "$work/tree/tests" && cp -r tests/unit tests/fuzz "$work/tree/tests/" && mkdir "$work/tree/tests/golden" && cp tests/golden/oracle_ports.py "$work/tree/tests/golden/" && cp .clang-format "$work/tree/" && cp -r deploy/dev "$work/tree/deploy/dev"
cd "$work/tree"
bad=0
deploy/dev/new-protocol sample "A sample" "RFC 0" 4000 >/dev/null || { echo "the skeleton was not laid down"; exit 1; }
deploy/dev/new-protocol sample_dgram "A sample" "RFC 0" 4001 udp >/dev/null || bad=1
for file in src/dissect/proto/sample.c src/dissect/proto/sample_dgram.c tests/unit/dissect/test_proto_sample.c tests/fuzz/fuzz_sample.c; do
  for compiler in gcc clang-14; do
    $compiler -std=gnu17 -Wall -Wextra -Wconversion -Werror -fsyntax-only -Isrc -Itests -Itests/unit/dissect "$file" || { echo "$compiler does not compile $file"; bad=1; }
  done
done
tail -n 2 src/dissect/registry.def | grep -qx 'DISSECTOR(sample_dgram)' || { echo "no line in registry.def"; bad=1; }
grep -q '^    X("sample_dgram", "A sample", "sample_dgram", NULL) *\\$' src/dissect/conn_fields.h || { echo "no presence flag in conn_fields.h"; bad=1; }
for compiler in gcc clang-14; do
  $compiler -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -Isrc src/dissect/common_fields.c || { echo "$compiler does not compile the presence flags"; bad=1; }
done
deploy/dev/new-protocol sample "A sample" "RFC 0" 4000 >/dev/null 2>&1 && { echo "a protocol that is there was laid down again"; bad=1; }
for arguments in 'UPPER t s 1' 'a/b t s 1' 'fine t s 0' 'fine t s 65536' 'fine t" s 1' 'fine t s 1 sctp'; do
  # shellcheck disable=SC2086
  deploy/dev/new-protocol $arguments >/dev/null 2>&1 && { echo "accepted: $arguments"; bad=1; }
done
exit $bad
