#!/bin/sh
# MQTT beside tshark, message by message, over the public captures (oracle_mqtt.py says what stands beside what). What
# differs is in differences/mqtt.tsv, each with the sentence that proves us right.
set -eu
captures=mqtt
. "$(dirname "$0")/oracle.inc"
exec python3 "$here/oracle.py" mqtt "$trawl" "$pcaps" "$here/differences/mqtt.tsv"
