#!/bin/sh
# rabbitmq-server's STOMP with a real client library (Debian's python3-stomp) and a socket by hand: receipts awaited one by
# one and in heaps, subscriptions, acknowledgements, transactions, binary bodies, escapes, heart-beats, errors. What the
# clients sent and got is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" epmd /usr/lib/rabbitmq/bin/rabbitmq-server
# Debian's own Python: the library is a Debian package.
/usr/bin/python3 -c 'import stomp' 2>/dev/null || { echo "skipped: python3-stomp is not installed"; exit 77; }
broker=$work/broker
mkdir "$broker"
printf 'loopback_users = none\nlisteners.tcp = none\nstomp.listeners.tcp.1 = %s:5698\n' "$SERVER_IP" >"$broker/rabbitmq.conf"
echo '[rabbitmq_stomp].' >"$broker/enabled_plugins"
export HOME="$broker" ERL_EPMD_PORT=4399 RABBITMQ_NODENAME="trawl@localhost" RABBITMQ_MNESIA_BASE="$broker" \
    RABBITMQ_LOG_BASE="$broker" RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILE="$broker/rabbitmq.conf" RABBITMQ_DIST_PORT=25699 \
    RABBITMQ_ENABLED_PLUGINS_FILE="$broker/enabled_plugins" RABBITMQ_PID_FILE="$broker/pid"
serve epmd -port "$ERL_EPMD_PORT"
serve /usr/lib/rabbitmq/bin/rabbitmq-server
for _ in 1 2 3 4 5 6 7 8; do
    (wait_for_port 5698) >/dev/null 2>&1 && break
done
wait_for_port 5698
start_recording
in_client /usr/bin/python3 "$here/record_stomp_client.py" "$SERVER_IP" 5698 >"$work/expected.jsonl"
stop_recording
compare stomp
compare_all_losses stomp
