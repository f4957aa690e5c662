#!/bin/sh
# A gRPC server and its client (grpcio): unary calls one by one and many at once on one connection, the three kinds of
# streaming, errors, deadlines, cancels, compressed messages. What the client saw is what the entries must say;
# also beside tshark, with 1 % of the packets gone, and joined in the middle.
set -eu
. "$(dirname "$0")/record.inc" tshark
/usr/bin/python3 -c 'import grpc' 2>/dev/null || { echo "skipped: python3-grpcio is not installed"; exit 77; }
serve /usr/bin/python3 "$here/record_grpc_server.py" "$SERVER_IP" 50051
wait_for_port 50051
start_recording
in_client /usr/bin/python3 "$here/record_grpc_client.py" "$SERVER_IP" 50051 >"$work/expected.jsonl"
stop_recording
compare grpc
for protocol in http2 grpc; do
    python3 "$here/oracle.py" $protocol "$trawl" "$work" /dev/null recording.pcap
done
python3 "$here/record_http2_cut.py" "$trawl" "$work/recording.pcap"
