#!/bin/sh
# A real Apache Kafka broker (Maven) and kafka-python (PyPI): requests sent = entries, messages = records.
set -eu
. "$(dirname "$0")/interop.inc"
python_packages kafka kafka-python-ng lz4 python-snappy
java_archives kafka org.apache.kafka:kafka_2.13:3.7.1 org.slf4j:slf4j-simple:1.7.36
. "$root/tests/golden/record.inc"
cat >"$work/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9393
listeners=PLAINTEXT://$SERVER_IP:9392,CONTROLLER://localhost:9393
advertised.listeners=PLAINTEXT://$SERVER_IP:9392
controller.listener.names=CONTROLLER
log.dirs=$work/kafka
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
END
broker="java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
export CLASSPATH="$jars/*"
in_server $broker kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qk -c "$work/server.properties" >"$work/format.log" 2>&1 || { cat "$work/format.log"; exit 1; }
serve $broker kafka.Kafka "$work/server.properties"
wait_long_for_port 9392 60
start_recording
in_client timeout 100 "$python" "$interop/kafka_client.py" "$SERVER_IP:9392" "$work/client.json"
stop_recording
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols kafka >"$work/entries.jsonl"
python3 "$interop/kafka_check.py" "$work/client.json" "$work/entries.jsonl"
