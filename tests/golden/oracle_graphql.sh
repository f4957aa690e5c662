#!/bin/sh
# GraphQL beside its reference implementation (npm's graphql): a capture of 1,000 drawn calls, valid and damaged, and the public
# captures that mention it; record_graphql.sh asks the same of its recording. oracle_graphql.py says what stands beside what.
# Another seed: SEED=n.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pcaps=${TRAWL_SHARED:-$here/../../../shared}/pcaps
trawl=${TRAWL:-$here/../../build/dev/trawl}
[ -d "$pcaps" ] || { echo "skipped: the public captures are not in $pcaps"; exit 77; }
for tool in tshark python3 node npm zgrep; do
    command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
"$here/peers/install.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/captures"
node "$here/peers/graphql_documents.mjs" 1000 "${SEED:-1}" | python3 "$here/oracle_graphql.py" write "$work/captures/drawn.pcap"
for capture in $(zgrep -l -a -i -E 'graphql|"query"' "$pcaps"/*/*.pcap* "$pcaps"/*/*.cap 2>/dev/null); do
    ln -s "$capture" "$work/captures/"
done
python3 "$here/oracle.py" graphql "$trawl" "$work/captures" "$here/differences/graphql.tsv"
