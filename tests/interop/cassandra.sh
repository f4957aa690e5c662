#!/bin/sh
# A real Cassandra (Maven) and its driver (PyPI), native protocol 4 and 5, Snappy and LZ4: requests sent = entries.
set -eu
. "$(dirname "$0")/interop.inc"
python_packages cassandra cassandra-driver lz4 python-snappy
java_archives cassandra org.apache.cassandra:cassandra-all:5.0.2
. "$root/tests/golden/record.inc"
cat >"$work/cassandra.yaml" <<END
cluster_name: trawl
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
listen_address: $SERVER_IP
rpc_address: $SERVER_IP
start_native_transport: true
native_transport_port: 9342
endpoint_snitch: SimpleSnitch
commitlog_sync: periodic
commitlog_sync_period: 10000ms
memtable_allocation_type: heap_buffers
data_file_directories: [$work/data]
commitlog_directory: $work/commitlog
saved_caches_directory: $work/caches
hints_directory: $work/hints
cdc_raw_directory: $work/cdc
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{seeds: "$SERVER_IP"}]
END
opened=
for package in java.base/java.io java.base/java.lang java.base/java.lang.module java.base/java.lang.ref java.base/java.lang.reflect java.base/java.math \
    java.base/java.net java.base/java.nio java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/jdk.internal.loader \
    java.base/jdk.internal.math java.base/jdk.internal.misc java.base/jdk.internal.module java.base/jdk.internal.ref java.base/jdk.internal.reflect \
    java.base/jdk.internal.util.jar java.base/jdk.internal.vm java.base/sun.nio.ch java.base/jdk.internal.platform jdk.management/com.sun.management.internal \
    java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.rmi/sun.rmi.transport java.rmi/sun.rmi.transport.tcp \
    java.sql/java.sql jdk.attach/sun.tools.attach jdk.compiler/com.sun.tools.javac.file; do
    opened="$opened --add-opens $package=ALL-UNNAMED --add-exports $package=ALL-UNNAMED"
done
export CLASSPATH="$jars/*"
serve java -Xms512m -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djdk.attach.allowAttachSelf=true -Dio.netty.tryReflectionSetAccessible=true $opened \
    -Dcassandra.config="file://$work/cassandra.yaml" -Dcassandra.storagedir="$work" -Dcassandra-foreground=yes -Dcassandra.ring_delay_ms=100 \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.superuser_setup_delay_ms=0 -Dcassandra.jmx.local.port=0 org.apache.cassandra.service.CassandraDaemon
wait_long_for_port 9342 90
start_recording
in_client timeout 100 "$python" "$interop/cassandra_client.py" "$SERVER_IP" "$work/client.json"
stop_recording
"$trawl" dissect "$work/recording.pcap" --jsonl --protocols cql >"$work/entries.jsonl"
python3 "$interop/cassandra_check.py" "$work/client.json" "$work/entries.jsonl"
