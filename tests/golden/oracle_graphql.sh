#!/bin/sh
# GraphQL beside its reference implementation (npm's graphql): a capture of 1,000 drawn calls, valid and damaged, and the public
# captures that mention it; record_graphql.sh asks the same of its recording. oracle_graphql.py says what stands beside what.
# Another seed: SEED=n.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
need node npm zgrep
"$here/peers/install.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/captures"
node "$here/peers/graphql_documents.mjs" 1000 "${SEED:-1}" | python3 "$here/oracle_graphql.py" write "$work/captures/drawn.pcap"
for capture in $(zgrep -l -a -i -E 'graphql|"query"' "$pcaps"/*/*.pcap* "$pcaps"/*/*.cap 2>/dev/null); do
    ln -s "$capture" "$work/captures/"
done
python3 "$here/oracle.py" graphql "$trawl" "$work/captures" "$here/differences/graphql.tsv"
