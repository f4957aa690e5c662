#!/bin/sh
# npm's graphql-http and graphql-ws (test-only, tests/golden/peers) with fetch, HTTP/2, curl and a WebSocket client: queries,
# mutations, subscriptions, fragments, errors under 200, persisted queries, batches. What the clients asked and were
# told is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" node npm curl
"$here/peers/install.sh"
serve node "$here/peers/graphql_server.mjs" "$SERVER_IP" 4000
wait_for_port 4000
wait_for_port 4001
start_recording
in_client node "$here/peers/graphql_client.mjs" "$SERVER_IP" 4000 >"$work/expected.jsonl"
query='query ByCurl { hello(name: "curl") }'
told=$(in_client curl -sG "http://$SERVER_IP:4000/graphql" --data-urlencode "query=$query" -H 'Accept: application/json')
jq -cn --arg q "$query" --arg body "$told" '{protocol: "gql", method: "GET", gql_operation: "query", gql_operation_name: "ByCurl", gql_query: $q, "response.body": $body, status: "ok"}' >>"$work/expected.jsonl"
stop_recording
compare http,ws
compare_losses http,ws gql_operation gql_operation_name gql_query gql_errors method path status_code ws_opcode
# What the reference implementation says of the same bytes.
mkdir "$work/captures"
ln -s "$work/recording.pcap" "$work/captures/recording.pcap"
python3 "$here/oracle.py" graphql "$trawl" "$work/captures" "$here/differences/graphql.tsv"
