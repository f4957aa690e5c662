#!/bin/sh
# mosquitto with mosquitto_pub, mosquitto_sub and the paho client: 3.1, 3.1.1 and 5, every QoS, retained messages, wills,
# aliases and user properties, big payloads, refused log-ins. What the clients sent and got is what the entries must say.
set -eu
PATH=$PATH:/usr/sbin
. "$(dirname "$0")/record.inc" mosquitto mosquitto_pub mosquitto_sub mosquitto_passwd
/usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null || { echo "skipped: the paho client is not installed"; exit 77; }
cat >"$work/mosquitto.conf" <<END
per_listener_settings true
user root
listener 1884 $SERVER_IP
allow_anonymous true
listener 1885 $SERVER_IP
allow_anonymous false
password_file $work/passwords
END
mosquitto_passwd -b -c "$work/passwords" meter "right one"
chmod 644 "$work/passwords"
serve mosquitto -c "$work/mosquitto.conf"
wait_for_port 1884
wait_for_port 1885
start_recording
in_client /usr/bin/python3 "$here/record_mqtt_client.py" "$SERVER_IP" >"$work/expected.jsonl"
stop_recording
compare mqtt
compare_all_losses mqtt
