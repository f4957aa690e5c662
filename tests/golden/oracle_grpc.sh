#!/bin/sh
# gRPC beside tshark, message by message, over the public captures (oracle_grpc.py says what stands beside what). What
# differs is in differences/grpc.tsv, each with the sentence that proves us right.
set -eu
captures=grpc
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" grpc "$trawl" "$pcaps" "$here/differences/grpc.tsv"
