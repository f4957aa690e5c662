#!/bin/sh
# SCTP beside tshark, message by message, over the public captures and a written one (oracle_sctp.py). What differs is in
# differences/sctp.tsv, each with its reason.
set -eu
captures=
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle_sctp.py" "$trawl" "$pcaps" "$here/differences/sctp.tsv"
