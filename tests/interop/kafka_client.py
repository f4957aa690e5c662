"""kafka-python with a real Apache Kafka broker: topics, produces with every codec, a consumer group. Writes every request
that the library sent (a line each), then the messages sent and received. usage: kafka_client.py HOST:PORT OUT"""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.conn import BrokerConnection

bootstrap, out = sys.argv[1:]
sent = []
plain_send = BrokerConnection._send


def send(self, request, *arguments, **named):
    future = plain_send(self, request, *arguments, **named)
    if not future.failed():  # else it did not go out
        sent.append({"kafka_api_key": request.API_KEY, "kafka_api_version": request.API_VERSION})
    return future


BrokerConnection._send = send
common = {"bootstrap_servers": bootstrap, "api_version": (2, 6)}
admin = KafkaAdminClient(**common)
admin.create_topics([NewTopic("orders", 2, 1), NewTopic("logs", 1, 1)])
produced = []
for codec in (None, "gzip", "snappy", "lz4"):
    producer = KafkaProducer(compression_type=codec, acks="all", linger_ms=20, **common)
    for n in range(50):
        key, value = f"{codec}-{n}", f"order {n} of {codec} " + "x" * n
        producer.send("orders", value=value.encode(), key=key.encode(), headers=[("n", str(n).encode())])
        produced.append([key, value])
    producer.flush(30)
    producer.close()
consumer = KafkaConsumer("orders", group_id="g1", auto_offset_reset="earliest", consumer_timeout_ms=40000, **common)
received = []
for message in consumer:
    received.append([message.key.decode(), message.value.decode()])
    if len(received) == len(produced):
        break
consumer.commit()
consumer.close()
admin.list_consumer_groups()
admin.close()
with open(out, "w", encoding="utf-8") as file:
    json.dump({"sent": sent, "produced": produced, "received": received}, file)
