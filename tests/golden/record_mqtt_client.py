"""Calls to the mosquitto of record_mqtt.sh; prints what each must look like as an entry."""
import json
import os
import subprocess
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST = sys.argv[1]
VERSIONS = {mqtt.MQTTv31: "3.1", mqtt.MQTTv311: "3.1.1", mqtt.MQTTv5: "5"}
lock = threading.Lock()


def expect(**fields):
    with lock:
        print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}), flush=True)


class Peer:
    """A paho client that waits for every answer and writes down what it sees."""

    def __init__(self, name, version=mqtt.MQTTv311, port=1884):
        self.name, self.version, self.done, self.got = name, version, threading.Event(), []
        self.client = mqtt.Client(name, protocol=version, **({} if version == mqtt.MQTTv5 else {"clean_session": True}))
        for callback in ("on_connect", "on_subscribe", "on_unsubscribe", "on_publish", "on_disconnect"):
            setattr(self.client, callback, lambda *arguments: self.answer(arguments))
        self.client.on_message = self.message
        self.port, self.arrived = port, threading.Condition()

    def common(self):
        return {"mqtt_client_id": self.name, "mqtt_version": VERSIONS[self.version]}

    def answer(self, arguments):
        self.result = arguments
        self.done.set()

    def wait(self):
        assert self.done.wait(10), "no answer"
        self.done.clear()

    def connect(self, code=0):
        self.client.connect(HOST, self.port)
        self.client.loop_start()
        self.wait()
        expect(mqtt_type="CONNECT", mqtt_reason_code=code, status="error" if code else "ok", incomplete=False, **self.common())

    def subscribe(self, *topics):
        self.client.subscribe(list(topics) if self.version != mqtt.MQTTv5 else [(t, SubscribeOptions(qos=q)) for t, q in topics])
        self.wait()
        expect(mqtt_type="SUBSCRIBE", mqtt_topic=", ".join(t for t, _ in topics), mqtt_qos=max(q for _, q in topics), status="ok", **self.common())

    def publish(self, topic, payload, qos=0, retain=False, properties=None, **more):
        self.client.publish(topic, payload, qos, retain, properties)
        self.wait()
        data = payload if isinstance(payload, bytes) else payload.encode()
        body = {"request__body": payload} if isinstance(payload, str) else {}
        expect(mqtt_type="PUBLISH", mqtt_topic=topic, mqtt_qos=qos, mqtt_retain=True if retain else None, request__body_size=len(data), status="ok",
               incomplete=False, dst__port=self.port, **{**body, **self.common(), **more})

    def message(self, _client, _data, message):
        text = message.payload.decode("latin-1") if max(message.payload, default=0) < 128 else None
        expect(mqtt_type="PUBLISH", mqtt_topic=message.topic, mqtt_qos=message.qos, mqtt_retain=True if message.retain else None, src__port=self.port,
               request__body_size=len(message.payload), status="ok", **({"request.body": text} if text else {}), **self.common())
        with self.arrived:
            self.got.append(message)
            self.arrived.notify()

    def await_messages(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= count, 10), f"{len(self.got)} of {count} messages"

    def end(self):
        self.client.disconnect()
        self.wait()
        self.client.loop_stop()
        expect(mqtt_type="DISCONNECT", status="ok", **self.common())


def traffic(version, name):
    listener, speaker = Peer(name + "-in", version), Peer(name + "-out", version)
    listener.connect()
    speaker.connect()
    listener.subscribe((f"{name}/#", 2), (f"other/{name}/+", 1))
    for i in range(40):
        speaker.publish(f"{name}/values/{i % 5}", json.dumps({"n": i, "text": "ü€" * (i % 3) if i % 2 else "plain"}), qos=i % 3)
    listener.await_messages(40)
    speaker.publish(f"{name}/empty", "x", qos=1)
    speaker.publish(f"{name}/binary", bytes(range(256)) * 4, qos=1)
    speaker.publish(f"{name}/big", "b" * 300000, qos=2)
    speaker.publish(f"{name}/kept", "retained", qos=1, retain=True)
    listener.await_messages(44)
    listener.client.unsubscribe(f"other/{name}/+")
    listener.wait()
    expect(mqtt_type="UNSUBSCRIBE", mqtt_topic=f"other/{name}/+", status="ok", **listener.common())
    if version == mqtt.MQTTv5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("trace", "abc"), ("k", "v")]
        properties.ContentType = "application/json"
        speaker.publish(f"{name}/properties", "{}", 1, properties=properties, **{"request.headers": {"content-type": "application/json", "trace": "abc", "k": "v"}})
        for text in ("first", "second"):
            properties = Properties(PacketTypes.PUBLISH)
            properties.TopicAlias = 3
            topic = f"{name}/alias"
            if text == "second":  # only the alias goes over the wire
                number = speaker.client._mid_generate()
                speaker.client._send_publish(number, b"", b"second", 0, False, False, mqtt.MQTTMessageInfo(number), properties)
                speaker.wait()
                expect(mqtt_type="PUBLISH", mqtt_topic=topic, request__body="second", dst__port=1884, **speaker.common())
            else:
                speaker.publish(topic, text, properties=properties)
        listener.await_messages(47)
    speaker.end()
    listener.end()


def refused():
    wrong = Peer("intruder", port=1885)
    wrong.client.username_pw_set("meter", "wrong one")
    wrong.client.connect(HOST, 1885)
    wrong.client.loop_start()
    wrong.wait()
    wrong.client.loop_stop()
    expect(mqtt_type="CONNECT", mqtt_reason_code=5, mqtt_reason="not authorized", mqtt_username="meter", mqtt_client_id="intruder", status="error")


def tools():
    subprocess.run(["mosquitto_pub", "-h", HOST, "-p", "1885", "-u", "meter", "-P", "right one", "-i", "tool", "-V", "5", "-t", "tool/line", "-q", "2", "-l"],
                   input=b"one\ntwo\nthree\n", check=True)
    expect(mqtt_type="CONNECT", mqtt_client_id="tool", mqtt_username="meter", mqtt_version="5", mqtt_reason_code=0)
    for line in ("one", "two", "three"):
        expect(mqtt_type="PUBLISH", mqtt_topic="tool/line", request__body=line, mqtt_qos=2, mqtt_client_id="tool", status="ok")
    expect(mqtt_type="DISCONNECT", mqtt_client_id="tool")


threads = [threading.Thread(target=traffic, args=(version, f"v{name.replace('.', '')}-{i}")) for version, name in VERSIONS.items() for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
refused()
tools()
os._exit(0)
