"""pymongo with a real server: every kind of command, parallel calls, cursors, errors, values of many types; with and without
compression asked for. Writes what the driver's own monitoring saw of each command, and how many connections were opened.
usage: mongodb_client.py HOST PORT OUT"""
import datetime
import json
import sys
import threading

import bson
from bson import json_util
import pymongo
from pymongo import errors, monitoring

host, port, out = sys.argv[1:]
LOCK = threading.Lock()
calls, connections = [], []


class Commands(monitoring.CommandListener):
    def __init__(self):
        self.begun = {}

    def started(self, event):
        about = event.command.get(event.command_name)
        collection = event.command.get("collection") if event.command_name == "getMore" else about
        with LOCK:
            self.begun[event.request_id] = {"command": event.command_name, "database": event.database_name,
                                            "collection": collection if isinstance(collection, str) else None}

    def succeeded(self, event):
        if event.command_name == "endSessions":
            return
        reply = event.reply
        cursor = reply.get("cursor") or {}
        many = cursor.get("firstBatch", cursor.get("nextBatch"))
        wrong = (reply.get("writeErrors") or [{}])[0]
        with LOCK:
            calls.append(dict(self.begun[event.request_id], success=not wrong, documents=len(many) if many is not None else reply.get("n"),
                              code=wrong.get("code"), message=wrong.get("errmsg"),
                              reply=json_util.dumps(reply, json_options=json_util.RELAXED_JSON_OPTIONS) if many else None))

    def failed(self, event):
        if event.command_name == "endSessions":
            return
        with LOCK:
            calls.append(dict(self.begun[event.request_id], success=False, code=event.failure.get("code"), message=event.failure.get("errmsg"),
                              code_name=event.failure.get("codeName"), documents=None, reply=None))


class Pool(monitoring.ConnectionPoolListener):
    def connection_created(self, event):
        with LOCK:
            connections.append(event.connection_id)

    def __getattribute__(self, name):  # nothing else of a pool is of interest
        if name.startswith(("pool_", "connection_")) and name != "connection_created":
            return lambda event: None
        return super().__getattribute__(name)


def document(i):
    return {"_id": bson.ObjectId(f"{i:024x}"), "i": i, "big": bson.Int64(1234567890123 + i), "half": i + 0.5, "nothing": None, "yes": i % 2 == 0,
            "text": 'äöü "quoted" 𝄞 ' * (i % 4 + 1), "when": datetime.datetime(2024, 5, 6, 7, 8, i % 60), "bytes": bson.Binary(bytes([i & 255, 1, 2])),
            "list": [1, {"three": 3}], "inside": {"a": {"b": "c"}}}


def ignoring(kind, call, *arguments):
    try:
        call(*arguments)
    except kind:
        pass


def every_kind(compressors):
    with pymongo.MongoClient(host, int(port), directConnection=True, retryWrites=False, heartbeatFrequencyMS=600000,
                             serverMonitoringMode="poll", event_listeners=[Commands(), Pool()],
                             **({"compressors": compressors} if compressors else {})) as client:
        shop = client["shop"]
        orders = shop["packed" if compressors else "orders"]
        for i in range(60):
            orders.insert_one(document(i))
        orders.insert_many([{"_id": 1000 + i, "text": "x" * i} for i in range(300)])
        ignoring(errors.DuplicateKeyError, orders.insert_one, document(3))
        assert len(list(orders.find({"i": {"$gt": 3}}, batch_size=20))) == 56
        assert len(list(orders.find({"_id": {"$gte": 1000}}, batch_size=100))) == 300
        orders.update_one({"i": 1}, {"$set": {"seen": True}})
        orders.update_many({"i": {"$lt": 10}}, {"$inc": {"n": 1}})
        orders.replace_one({"i": 5}, {"i": 5, "new": True})
        orders.delete_one({"i": 2})
        orders.find_one_and_update({"i": 7}, {"$set": {"found": True}})
        assert orders.count_documents({"i": {"$gte": 0}}) == 59
        orders.distinct("i")
        list(orders.aggregate([{"$match": {"i": {"$gt": 50}}}, {"$group": {"_id": None, "n": {"$sum": 1}}}]))
        orders.create_index("i")
        list(orders.list_indexes())
        shop.list_collection_names()
        client.list_database_names()
        ignoring(errors.OperationFailure, shop.command, "noSuchCommand")
        ignoring(errors.OperationFailure, lambda: list(orders.find({"$where": "no"})))
        shop.command("ping")
        threads = [threading.Thread(target=lambda n=n: [orders.find_one({"i": n * 10 + k}) for k in range(10)]) for n in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        orders.drop()


every_kind(None)
every_kind("zlib")
with open(out, "w", encoding="utf-8") as file:
    json.dump({"calls": calls, "connections": len(connections)}, file)
