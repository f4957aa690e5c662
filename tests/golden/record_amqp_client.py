"""Messages of many kinds to the broker of record_amqp.sh through pika; prints what each call must look like as an entry."""
import json
import sys
import zlib

import pika

HOST, PORT = sys.argv[1], int(sys.argv[2])


def expect(method, answer=None, status="ok", **fields):
    fields = {name.replace("__", "."): value for name, value in fields.items()}
    print(json.dumps({"amqp_method": method, "amqp_response_method": answer, "status": status, "incomplete": False, **fields}))


def connect():
    connection = pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT, heartbeat=600))
    expect("connection.start", "connection.start-ok", src__ip=HOST)
    expect("connection.tune", "connection.tune-ok", src__ip=HOST)
    expect("connection.open", "connection.open-ok", dst__ip=HOST)
    return connection


def open_channel(connection):
    channel = connection.channel()
    expect("channel.open", "channel.open-ok", amqp_channel=channel.channel_number)
    return channel


def close(channel):
    channel.close()
    expect("channel.close", "channel.close-ok", amqp_channel=channel.channel_number, amqp_reply_code=0)


def declarations(channel):
    channel.exchange_declare("orders", exchange_type="topic")
    expect("exchange.declare", "exchange.declare-ok", amqp_exchange="orders", request__headers__type="topic")
    channel.exchange_declare("copies", exchange_type="fanout")
    expect("exchange.declare", "exchange.declare-ok", amqp_exchange="copies")
    channel.exchange_bind(destination="copies", source="orders", routing_key="order.#")
    expect("exchange.bind", "exchange.bind-ok", amqp_exchange="orders", amqp_routing_key="order.#")
    channel.queue_declare("invoices", arguments={"x-max-length": 100000, "x-queue-mode": "lazy"})
    expect("queue.declare", "queue.declare-ok", amqp_queue="invoices",
           request__headers__arguments='{"x-max-length":100000,"x-queue-mode":"lazy"}')
    named = channel.queue_declare("", exclusive=True).method.queue
    expect("queue.declare", "queue.declare-ok", amqp_queue=named)
    channel.queue_bind("invoices", "orders", "order.*")
    expect("queue.bind", "queue.bind-ok", amqp_queue="invoices", amqp_exchange="orders", amqp_routing_key="order.*")
    channel.basic_qos(prefetch_count=50)
    expect("basic.qos", "basic.qos-ok")
    return named


def publishes(channel, confirms, count):
    for i in range(count):
        body = f"order {i} äöü " + "x" * (i * 37 % 5000)
        properties = pika.BasicProperties(content_type="text/plain", message_id=f"m{i}", priority=i % 10,
                                          headers={"try": i, "who": "wörld", "nested": {"a": [1, True, None]}})
        channel.basic_publish("orders", f"order.{i}", body.encode(), properties)
        expect("basic.publish", "basic.ack" if confirms else None, amqp_exchange="orders", amqp_routing_key=f"order.{i}",
               request__body=body, request__body_size=len(body.encode()), request__headers__priority=str(i % 10),
               amqp_delivery_tag=i + 1 if confirms else None)


def large_and_odd(channel):
    """Bodies of several frames, of none, that are not text, that are compressed."""
    text = "0123456789abcdef" * 20000
    for body, seen, properties in ((text, text, None), ("", None, None),
                                   (zlib.compress(b"deflated " * 500), "deflated " * 500,
                                    pika.BasicProperties(content_encoding="deflate"))):
        channel.basic_publish("", "invoices", body, properties)
        expect("basic.publish", amqp_exchange=None, amqp_routing_key="invoices", request__body=seen,
               request__body_size=len(body))


def returned(channel):
    try:
        channel.basic_publish("orders", "nobody.listens", b"lost", mandatory=True)
        raise SystemExit("the message was routed")
    except pika.exceptions.UnroutableError:
        expect("basic.publish", "basic.ack", amqp_routing_key="nobody.listens")
        expect("basic.return", status="error", amqp_reply_code=312, amqp_reply_text="NO_ROUTE", src__ip=HOST,
               amqp_routing_key="nobody.listens", request__body="lost")


def gets(channel, count):
    for _ in range(count):
        method, _, body = channel.basic_get("invoices")
        expect("basic.get", "basic.get-ok", amqp_queue="invoices", amqp_exchange="orders",
               amqp_routing_key=method.routing_key, amqp_delivery_tag=method.delivery_tag, response__body=body.decode(),
               response__body_size=len(body))
        channel.basic_ack(method.delivery_tag)
        expect("basic.ack", amqp_delivery_tag=method.delivery_tag, dst__ip=HOST)


def empty(channel, queue):
    assert channel.basic_get(queue)[0] is None
    expect("basic.get", "basic.get-empty", amqp_queue=queue)


def consumes(channel, count):
    seen = []

    def on_message(_, method, __, body):
        expect("basic.deliver", src__ip=HOST, amqp_consumer_tag=method.consumer_tag, amqp_delivery_tag=method.delivery_tag,
               amqp_routing_key=method.routing_key, request__body=body.decode() or None, request__body_size=len(body))
        seen.append(body)
        if len(seen) % 7:
            channel.basic_ack(method.delivery_tag)
            expect("basic.ack", amqp_delivery_tag=method.delivery_tag)
        else:
            channel.basic_reject(method.delivery_tag, requeue=False)
            expect("basic.reject", amqp_delivery_tag=method.delivery_tag)
        if len(seen) == count:
            channel.stop_consuming()

    tag = channel.basic_consume("invoices", on_message, consumer_tag="reader")
    expect("basic.consume", "basic.consume-ok", amqp_queue="invoices", amqp_consumer_tag=tag)
    channel.start_consuming()
    expect("basic.cancel", "basic.cancel-ok", amqp_consumer_tag=tag)
    return seen


def transaction(channel):
    channel.tx_select()
    expect("tx.select", "tx.select-ok")
    channel.basic_publish("orders", "order.tx", b"in a transaction")
    expect("basic.publish", amqp_routing_key="order.tx", request__body="in a transaction")
    channel.tx_rollback()
    expect("tx.rollback", "tx.rollback-ok")


def errors(connection):
    channel = open_channel(connection)
    try:
        channel.queue_bind("invoices", "no-such-exchange", "k")
        raise SystemExit("bound to nothing")
    except pika.exceptions.ChannelClosedByBroker as error:
        expect("queue.bind", "channel.close", status="error", amqp_reply_code=404, amqp_reply_text=error.reply_text)
        expect("channel.close", "channel.close-ok", status="error", amqp_reply_code=404, src__ip=HOST)
    channel = open_channel(connection)
    channel.basic_publish("no-such-exchange", "k", b"nowhere")
    expect("basic.publish", amqp_exchange="no-such-exchange", request__body="nowhere")
    while channel.is_open:
        connection.process_data_events(time_limit=0.05)
    expect("channel.close", "channel.close-ok", status="error", amqp_reply_code=404)


connection = connect()
channel = open_channel(connection)
queue = declarations(channel)
publishes(channel, False, 150)
confirming = open_channel(connection)
confirming.confirm_delivery()
expect("confirm.select", "confirm.select-ok")
publishes(confirming, True, 120)
returned(confirming)
gets(channel, 60)
empty(channel, queue)
consumes(channel, 210)
large_and_odd(channel)
channel.queue_purge("invoices")
expect("queue.purge", "queue.purge-ok", amqp_queue="invoices")
transaction(open_channel(connection))
errors(connection)
channel.queue_unbind("invoices", "orders", "order.*")
expect("queue.unbind", "queue.unbind-ok", amqp_queue="invoices", amqp_routing_key="order.*")
channel.queue_delete("invoices")
expect("queue.delete", "queue.delete-ok", amqp_queue="invoices")
channel.exchange_delete("copies")
expect("exchange.delete", "exchange.delete-ok", amqp_exchange="copies")
close(confirming)
close(channel)
connection.close()
expect("channel.close", "channel.close-ok", amqp_channel=3, amqp_reply_code=200)
expect("connection.close", "connection.close-ok", amqp_reply_code=200)
