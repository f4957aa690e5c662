"""cassandra-driver with a real Cassandra: statements of every kind and types, versions 4 and 5, compression, errors. Writes
every request that the library sent, and of each statement of ours its query and rows. usage: cassandra_client.py HOST OUT"""
import datetime
import decimal
import json
import sys
import uuid

import cassandra
from cassandra import connection
from cassandra.cluster import Cluster
from cassandra.query import BatchStatement

host, out = sys.argv[1:]
sent, statements = [], []
plain_send = connection.Connection.send_msg


def send_msg(self, message, request_id, *arguments, **named):
    name = {"Startup": "STARTUP", "Query": "QUERY", "Prepare": "PREPARE", "Execute": "EXECUTE", "Batch": "BATCH",
            "Options": "OPTIONS", "Register": "REGISTER"}[type(message).__name__.replace("Message", "")]
    sent.append(name)
    return plain_send(self, message, request_id, *arguments, **named)


connection.Connection.send_msg = send_msg


def run(session, statement, parameters=None, text=None):
    rows = list(session.execute(statement, parameters))
    statements.append({"query": text or statement, "rows": len(rows)})
    return rows


def every_kind(session, number):
    run(session, f"CREATE TABLE shop.t{number} (id int PRIMARY KEY, name text, at timestamp, price decimal, tags set<text>, m map<text, int>, u uuid, l list<double>)")
    insert_text = f"INSERT INTO shop.t{number} (id, name, at, price, tags, m, u, l) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    insert = session.prepare(insert_text)
    for n in range(30):
        run(session, insert, (n, f"name {n} " + "é" * (n % 3), datetime.datetime(2024, 5, 6, 7, 8, n), decimal.Decimal(n) / 4, {f"t{n}", "all"}, {"k": n},
                              uuid.UUID(int=n), [n / 2]), insert_text)
    select_text = f"SELECT id, name, price, tags FROM shop.t{number} WHERE id = ?"
    select = session.prepare(select_text)
    for n in range(30):
        rows = run(session, select, (n,), select_text)
        assert rows[0].name.startswith(f"name {n}")
    run(session, f"SELECT * FROM shop.t{number}")
    batch = BatchStatement()
    for n in range(100, 110):
        batch.add(insert, (n, "batch", None, None, None, None, None, None))
    session.execute(batch)
    try:
        session.execute("SELECT nothing FROM shop.nowhere")
    except cassandra.InvalidRequest:
        statements.append({"query": "SELECT nothing FROM shop.nowhere", "error": 0x2200})


for number, (version, compression) in enumerate(((4, "snappy"), (4, "lz4"), (5, "lz4"), (5, False))):
    with Cluster([host], port=9342, protocol_version=version, compression=compression, connect_timeout=30, schema_metadata_enabled=False,
                 token_metadata_enabled=False) as cluster:
        session = cluster.connect()
        session.default_timeout = 30
        if number == 0:
            run(session, "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        every_kind(session, number)
with open(out, "w", encoding="utf-8") as file:
    json.dump({"sent": sent, "statements": statements}, file)
