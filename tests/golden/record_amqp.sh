#!/bin/sh
# rabbitmq-server with a real client library: declarations, publishes with and without confirms, returns, consumers, gets,
# errors, transactions, large messages. What the clients saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" epmd /usr/lib/rabbitmq/bin/rabbitmq-server
# Debian's own Python: the library is a Debian package.
/usr/bin/python3 -c 'import pika' 2>/dev/null || { echo "skipped: python3-pika is not installed"; exit 77; }
broker=$work/broker
mkdir "$broker"
printf 'loopback_users = none\nlisteners.tcp.1 = %s:5699\n' "$SERVER_IP" >"$broker/rabbitmq.conf"
echo '[].' >"$broker/enabled_plugins"
export HOME="$broker" ERL_EPMD_PORT=4399 RABBITMQ_NODENAME="trawl@localhost" RABBITMQ_MNESIA_BASE="$broker" \
    RABBITMQ_LOG_BASE="$broker" RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILE="$broker/rabbitmq.conf" RABBITMQ_DIST_PORT=25699 \
    RABBITMQ_ENABLED_PLUGINS_FILE="$broker/enabled_plugins" RABBITMQ_PID_FILE="$broker/pid"
serve epmd -port "$ERL_EPMD_PORT"
serve /usr/lib/rabbitmq/bin/rabbitmq-server
for _ in 1 2 3 4 5 6 7 8; do
    (wait_for_port 5699) >/dev/null 2>&1 && break
done
wait_for_port 5699
start_recording
in_client /usr/bin/python3 "$here/record_amqp_client.py" "$SERVER_IP" 5699 >"$work/expected.jsonl"
stop_recording
compare amqp
compare_all_losses amqp
