"""Statements of many kinds to the server of record_postgresql.sh (PGHOST …); prints what each must look like as an entry."""
import ctypes
import ctypes.util
import io
import json
import select
import subprocess
import tempfile

import psycopg2


def expect(**fields):
    print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}))


def connected(database="postgres", encryption=True):
    if encryption:
        expect(postgresql_command="SSLRequest", summary="SSLRequest → refused", status="ok")
    expect(postgresql_command="Startup", summary=f"Startup app@{database} scram-sha-256 → ok", status="ok",
           postgresql_user="app", postgresql_database=database, postgresql_tx_state="idle")


def ok(query, command, rows=None, state="idle", **more):
    expect(postgresql_query=query, postgresql_command=command, postgresql_rows=rows, postgresql_tx_state=state,
           postgresql_success=True, status="ok", incomplete=False, **more)


# ── psycopg2: simple queries ──

def run(cursor, query, command, rows=None, state="transaction", **more):
    cursor.execute(query)
    ok(query, command, rows, state, **more)


def simple():
    connection = psycopg2.connect(sslmode="disable")
    connected(encryption=False)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id int PRIMARY KEY, name text, at timestamptz)")
    ok("BEGIN", "BEGIN", state="transaction")
    ok("CREATE TABLE t (id int PRIMARY KEY, name text, at timestamptz)", "CREATE", state="transaction")
    query = "INSERT INTO t SELECT i, 'name ' || i, now() FROM generate_series(1, 5000) i"
    run(cursor, query, "INSERT", 5000)
    run(cursor, "SELECT id, name FROM t WHERE id IN (1, 2, 3) ORDER BY id", "SELECT", 3,
        query_template="SELECT id, name FROM t WHERE id IN (?) ORDER BY id",
        response__body='[{"id":"1","name":"name 1"},\n{"id":"2","name":"name 2"},\n{"id":"3","name":"name 3"},\n'
                       '{"tag":"SELECT 3"}]')
    run(cursor, "SELECT * FROM t", "SELECT", 5000)
    run(cursor, "SELECT repeat('x', 3000000) AS big", "SELECT", 1, truncated=True)
    run(cursor, "SELECT 'ü → ''quoted''' AS \"a \"\"b\"\"\", NULL AS n, ''", "SELECT", 1,
        response__body='[{"a \\"b\\"":"ü → \'quoted\'","n":null,"?column?":""},\n{"tag":"SELECT 1"}]')
    run(cursor, "SELECT 1; SELECT 2; UPDATE t SET name = 'x' WHERE id < 11", "SELECT", 12)
    run(cursor, "DO $$ BEGIN RAISE NOTICE 'careful'; END $$", "DO",
        response__body='[{"notice":"careful"},\n{"tag":"DO"}]')
    connection.commit()
    ok("COMMIT", "COMMIT")
    try:
        cursor.execute("SELECT 1/0")
    except psycopg2.Error as error:
        ok("BEGIN", "BEGIN", state="transaction")
        expect(postgresql_query="SELECT 1/0", postgresql_error_code=error.pgcode, postgresql_success=False,
               postgresql_error_message=error.diag.message_primary, postgresql_tx_state="failed", status="error")
    connection.rollback()
    ok("ROLLBACK", "ROLLBACK")
    connection.autocommit = True
    run(cursor, "CREATE ROLE other PASSWORD 'secret'", "CREATE", state="idle",
        summary="CREATE ROLE other PASSWORD ? → CREATE ROLE")
    copy(cursor)
    notifications(connection, cursor)
    connection.close()


def copy(cursor):
    lines = "".join(f"{i}\tcopied {i}\t\\N\n" for i in range(10000, 10200))
    cursor.copy_expert("COPY t FROM STDIN", io.StringIO(lines))
    ok("COPY t FROM STDIN", "COPY", 200, request__body="COPY t FROM STDIN\n" + lines)
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT id FROM t ORDER BY id LIMIT 3) TO STDOUT", out)
    ok("COPY (SELECT id FROM t ORDER BY id LIMIT 3) TO STDOUT", "COPY", 3,
       response__body="[" + ",\n".join(json.dumps({"copy": line + "\n"}, separators=(",", ":"))
                                       for line in out.getvalue().splitlines()) + ',\n{"tag":"COPY 3"}]')
    try:
        cursor.copy_expert("COPY t FROM STDIN", io.StringIO("not a number\n"))
    except psycopg2.Error as error:
        expect(postgresql_query="COPY t FROM STDIN", postgresql_error_code=error.pgcode, status="error")


def notifications(connection, cursor):
    run(cursor, "LISTEN news", "LISTEN", state="idle")
    for i in range(3):
        run(cursor, f"NOTIFY news, 'message {i}'", "NOTIFY", state="idle")
        connection.poll()
        expect(postgresql_command="Notification", summary=f"Notification news message {i} → ok", status="ok")
    assert [notice.payload for notice in connection.notifies] == ["message 0", "message 1", "message 2"]


# ── libpq: extended queries ──

pq = ctypes.CDLL(ctypes.util.find_library("pq"))
for name in ("PQconnectdb", "PQexecParams", "PQprepare", "PQexecPrepared", "PQgetResult", "PQexec", "PQgetCancel",
             "PQdescribePrepared"):
    getattr(pq, name).restype = ctypes.c_void_p
for name in ("PQgetvalue", "PQcmdStatus", "PQresultErrorField", "PQerrorMessage"):
    getattr(pq, name).restype = ctypes.c_char_p


def arguments(values):
    """values: bytes in binary form, str in text form, None."""
    raw = [value.encode() if isinstance(value, str) else value for value in values]
    n = len(values)
    return (n, (ctypes.c_char_p * n)(*raw), (ctypes.c_int * n)(*[len(value or b"") for value in raw]),
            (ctypes.c_int * n)(*[isinstance(value, bytes) for value in values]))


def clear(result):
    result = ctypes.c_void_p(result)
    code = pq.PQresultErrorField(result, ord("C"))
    tuples = pq.PQntuples(result)
    pq.PQclear(result)
    return code.decode() if code else None, tuples


def extended():
    conn = ctypes.c_void_p(pq.PQconnectdb(b""))
    assert pq.PQstatus(conn) == 0, pq.PQerrorMessage(conn)
    connected()
    oids = (ctypes.c_uint * 2)(23, 1043)
    query = b"SELECT $1 + 1 AS n, $2 AS s, 1.50::numeric AS d, true AS b, '2026-11-23 11:25:00.5'::timestamp AS t"
    n, values, lengths, formats = arguments([(41).to_bytes(4, "big"), "text"])
    code, tuples = clear(pq.PQexecParams(conn, query, n, oids, values, lengths, formats, 1))
    assert (code, tuples) == (None, 1)
    ok(query.decode(), "SELECT", 1, postgresql_params=["41", "text"],
       response__body='[{"n":"42","s":"text","d":"1.50","b":"t","t":"2026-11-23 11:25:00.500000"},\n{"tag":"SELECT 1"}]')
    prepared(conn)
    pipeline(conn)
    copy_extended(conn)
    cancel(conn)
    pq.PQfinish(conn)


def prepared(conn):
    query = "SELECT name FROM t WHERE id = $1::int4"
    assert clear(pq.PQprepare(conn, b"by_id", query.encode(), 0, None))[0] is None
    expect(postgresql_command="Parse", postgresql_statement="by_id", postgresql_query=query, status="ok")
    assert clear(pq.PQdescribePrepared(conn, b"by_id"))[0] is None
    expect(postgresql_command="Describe", postgresql_statement="by_id", postgresql_query=query, status="ok")
    for i in list(range(200, 300)):
        n, values, lengths, formats = arguments([i.to_bytes(4, "big")])
        code, tuples = clear(pq.PQexecPrepared(conn, b"by_id", n, values, lengths, formats, 1))
        assert (code, tuples) == (None, 1)
        ok(query, "SELECT", 1, postgresql_params=[str(i)], postgresql_statement="by_id",
           response__body=f'[{{"name":"name {i}"}},\n{{"tag":"SELECT 1"}}]')
    n, values, lengths, formats = arguments(["no number"])
    code, _ = clear(pq.PQexecPrepared(conn, b"by_id", n, values, lengths, formats, 0))
    expect(postgresql_query=query, postgresql_params=["no number"], postgresql_error_code=code, status="error")
    n, values, lengths, formats = arguments([None])
    assert clear(pq.PQexecPrepared(conn, b"by_id", n, values, lengths, formats, 0)) == (None, 0)
    ok(query, "SELECT", 0, postgresql_params=["NULL"])


def pipeline(conn):
    """300 statements and a Sync, 20 times; the 18th group has an error in its middle."""
    assert pq.PQenterPipelineMode(conn) == 1
    for group in range(20):
        bad = 150 if group == 17 else None
        for i in range(300):
            n, values, lengths, formats = arguments(["zero" if i == bad else str(i)])
            query = "SELECT $1::int4 AS v"
            assert pq.PQsendQueryParams(conn, query.encode(), n, None, values, lengths, formats, 0) == 1
        assert pq.PQpipelineSync(conn) == 1
        for i in range(300):
            result = pq.PQgetResult(conn)
            aborted = pq.PQresultStatus(ctypes.c_void_p(result)) == 11
            code, _ = clear(result)
            assert not pq.PQgetResult(conn)
            status = "no_response" if aborted else "error" if code else "ok"
            assert (status == "ok") == (bad is None or i < bad), (i, code, aborted)
            expect(postgresql_query=query, postgresql_params=["zero" if i == bad else str(i)], status=status,
                   postgresql_rows=1 if status == "ok" else None, postgresql_error_code=code,
                   response__body=f'[{{"v":"{i}"}},\n{{"tag":"SELECT 1"}}]' if status == "ok" else None)
        clear(pq.PQgetResult(conn))  # the Sync
    assert pq.PQexitPipelineMode(conn) == 1


def copy_extended(conn):
    query = b"COPY t (id, name) FROM STDIN"
    assert pq.PQresultStatus(ctypes.c_void_p(pq.PQexecParams(conn, query, 0, None, None, None, None, 0))) == 4
    data = b"".join(b"%d\tx\n" % i for i in range(20000, 20050))
    assert pq.PQputCopyData(conn, data, len(data)) == 1 and pq.PQputCopyEnd(conn, None) == 1
    assert clear(pq.PQgetResult(conn))[0] is None
    assert not pq.PQgetResult(conn)
    ok(query.decode(), "COPY", 50)


def cancel(conn):
    token = ctypes.c_void_p(pq.PQgetCancel(conn))
    assert pq.PQsendQuery(conn, b"SELECT pg_sleep(20)") == 1
    select.select([], [], [], 0.3)
    message = ctypes.create_string_buffer(256)
    assert pq.PQcancel(token, message, 256) == 1, message.value
    expect(postgresql_command="CancelRequest", status="ok")
    code, _ = clear(pq.PQgetResult(conn))
    assert code == "57014" and not pq.PQgetResult(conn)
    expect(postgresql_query="SELECT pg_sleep(20)", postgresql_error_code="57014", status="error")


# ── the tools ──

def tools():
    query = "SELECT count(*) FROM t"
    done = subprocess.run(["psql", "-XAtc", query], capture_output=True, text=True, check=True)
    connected()
    ok(query, "SELECT", 1, response__body=f'[{{"count":"{done.stdout.strip()}"}},\n{{"tag":"SELECT 1"}}]')
    done = subprocess.run(["psql", "-X", "-d", "nowhere", "-c", "SELECT 1"], capture_output=True, text=True)
    assert done.returncode == 2
    expect(postgresql_command="SSLRequest", status="ok")
    expect(postgresql_command="Startup", postgresql_error_code="3D000", postgresql_database="nowhere", status="error")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("SELECT name FROM t WHERE id = :client_id + 1;\n")
        script.flush()
        for mode in ("simple", "extended", "prepared"):
            bench(script.name, mode)


def bench(script, mode):
    clients, transactions = 4, 100
    command = ["pgbench", "-n", "-M", mode, "-c", str(clients), "-t", str(transactions), "-f", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"actually processed: {clients * transactions}/{clients * transactions}" in done.stdout, done.stdout
    connected()  # to see the server's version
    for client in range(clients):
        connected()
        text = "$1" if mode != "simple" else str(client)
        query = f"SELECT name FROM t WHERE id = {text} + 1;"
        if mode == "prepared":
            expect(postgresql_command="Parse", postgresql_query=query, status="ok")
        for _ in range(transactions):
            ok(query, "SELECT", 1, postgresql_params=[str(client)] if mode != "simple" else None)


simple()
extended()
tools()
