"""Statements of many kinds to the server of record_mysql.sh; prints what each must look like as an entry."""
import json
import subprocess
import sys

import MySQLdb
import pymysql

HOST, PORT, WORK = sys.argv[1], int(sys.argv[2]), sys.argv[3]
LOGIN = {"host": HOST, "port": PORT, "user": "app", "password": "hunter2", "database": "shop"}


def expect(**fields):
    print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}))


def connected(database="shop"):
    expect(mysql_command="CONNECT", mysql_user="app", mysql_database=database or None, status="ok",
           summary=f"CONNECT app@{database} mysql_native_password → ok", mysql_success=True)


def ok(query, rows=None, command="COM_QUERY", **more):
    expect(mysql_command=command, mysql_query=query, mysql_rows=rows, mysql_success=True, status="ok",
           incomplete=False, **more)


def quit_():
    expect(mysql_command="COM_QUIT", status="ok")


# ── PyMySQL: text results ──

def run(cursor, query, **more):
    rows = cursor.execute(query)
    ok(query, rows, **more)
    return cursor.fetchall()


def text():
    connection = pymysql.connect(**LOGIN, local_infile=True, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    connected()
    ok("SET AUTOCOMMIT = 0", 0)  # a command of the library
    cursor = connection.cursor()
    run(cursor, "CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, name VARCHAR(50), price DECIMAL(8,2), at DATETIME(3), b BLOB)")
    query = "INSERT INTO t SELECT seq, CONCAT('name ', seq), seq / 4, '2026-11-23 11:25:00.5', NULL FROM seq_1_to_5000"
    run(cursor, query, query_template=query.replace("'name '", "?").replace("/ 4", "/ ?")
        .replace("'2026-11-23 11:25:00.5'", "?"), mysql_database="shop")
    run(cursor, "SELECT id, name, price, b FROM t WHERE id IN (1, 2) ORDER BY id",
        query_template="SELECT id, name, price, b FROM t WHERE id IN (?) ORDER BY id",
        response__body='[{"id":"1","name":"name 1","price":"0.25","b":null},\n'
                       '{"id":"2","name":"name 2","price":"0.50","b":null}]')
    assert len(run(cursor, "SELECT * FROM t")) == 5000
    run(cursor, "SELECT 'ü → \\'quoted\\'' AS a, '' AS empty, NULL AS n",
        response__body='[{"a":"ü → \'quoted\'","empty":"","n":null}]')
    big = run(cursor, "SELECT REPEAT('x', 20000000) AS big", truncated=True)
    assert len(big[0][0]) == 20000000  # more than one packet holds
    query = "INSERT INTO t (id, name) VALUES (10001, '" + "y" * 40 + "'), (10002, 'z')"
    run(cursor, query, query_template="INSERT INTO t (id, name) VALUES (?, ?)")
    for statement in ("SELEC 1", "SELECT * FROM nowhere", "INSERT INTO t (id) VALUES (1)"):
        try:
            cursor.execute(statement)
        except pymysql.MySQLError as error:
            expect(mysql_query=statement, mysql_error_code=error.args[0], mysql_error_message=error.args[1],
                   mysql_success=False, status="error")
    several(cursor)
    run(cursor, "CREATE USER other IDENTIFIED BY 'secret'", summary="CREATE USER other IDENTIFIED BY ? → 0 rows")
    infile(cursor)
    connection.select_db("mysql")
    expect(mysql_command="COM_INIT_DB", mysql_query="mysql", mysql_database="shop", status="ok")
    run(cursor, "SELECT DATABASE()", mysql_database="mysql", response__body='[{"DATABASE()":"mysql"}]')
    connection.ping(reconnect=False)
    expect(mysql_command="COM_PING", status="ok")
    connection.commit()
    ok("COMMIT", 0)
    connection.close()
    quit_()


def several(cursor):
    query = "SELECT 1 AS a; UPDATE t SET price = 1 WHERE id <= 10; SELECT 2 AS b UNION SELECT 3"
    cursor.execute(query)
    while cursor.nextset():
        pass
    ok(query, 12, response__body='[{"a":"1"},\n{"b":"2"},\n{"b":"3"},\n'
                                 '{"info":"Rows matched: 10  Changed: 9  Warnings: 0"}]')


def infile(cursor):
    lines = "".join(f"{i}\tloaded {i}\n" for i in range(20000, 20100))
    with open(f"{WORK}/lines", "w", encoding="utf-8") as file:
        file.write(lines)
    query = f"LOAD DATA LOCAL INFILE '{WORK}/lines' INTO TABLE t (id, name)"
    ok(query, cursor.execute(query), request__body=query + "\n" + lines)


def refused():
    try:
        pymysql.connect(**{**LOGIN, "password": "wrong"})
    except pymysql.MySQLError as error:
        expect(mysql_command="CONNECT", mysql_user="app", mysql_error_code=error.args[0], status="error",
               mysql_error_message=error.args[1])


# ── mysqlclient (libmariadb) ──

def library(compress):
    connection = MySQLdb.connect(host=HOST, port=PORT, user="app", passwd="hunter2", db="shop", compress=compress,
                                 autocommit=True)
    connected()
    cursor = connection.cursor()
    for i in range(200):
        query = f"SELECT name, REPEAT('{i % 7}', {i}) AS r FROM t WHERE id = {i + 1}"
        rows = cursor.execute(query)
        ok(query, rows, query_template="SELECT name, REPEAT(?, ?) AS r FROM t WHERE id = ?",
           response__body=f'[{{"name":"name {i + 1}","r":"{str(i % 7) * i}"}}]')
    assert cursor.execute("SELECT id, name FROM t WHERE id <= 3000") == 3000
    ok("SELECT id, name FROM t WHERE id <= 3000", 3000)
    connection.close()
    quit_()


# ── DBD::MariaDB: prepared on the server ──

SCRIPT = r"""
use DBI;
my $db = DBI->connect("DBI:MariaDB:database=shop;host=$ARGV[0];port=$ARGV[1]", "app", "hunter2",
                      {RaiseError => 1, PrintError => 0, mariadb_server_prepare => 1});
my $s = $db->prepare("SELECT id, name, price, at FROM t WHERE id = ? AND name = ?");
for my $i (1 .. 150) {
    $s->execute($i, "name $i");
    my @row = $s->fetchrow_array;
    die unless $row[0] == $i;
    print join("\t", @row), "\n";
}
$s->finish;
undef $s;
my $n = $db->prepare("INSERT INTO t (id, name) VALUES (?, ?)");
$n->execute(30000, undef);
eval { $n->execute(30000, "again") };
print "error\t", $n->err, "\t", $n->errstr, "\n";
undef $n;
$db->disconnect;
"""


def prepared():
    done = subprocess.run(["perl", "-e", SCRIPT, HOST, str(PORT)], capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    connected()
    for query in ("SET NAMES 'utf8mb4'", "SET character_set_server = 'utf8mb4'",
                  "SET collation_connection = 'utf8mb4_unicode_ci'", "SET collation_server = 'utf8mb4_unicode_ci'"):
        ok(query, 0)  # the library's
    select = "SELECT id, name, price, at FROM t WHERE id = ? AND name = ?"
    insert = "INSERT INTO t (id, name) VALUES (?, ?)"
    expect(mysql_command="COM_STMT_PREPARE", mysql_query=select, status="ok")
    for i, row in enumerate(lines[:150], 1):
        ok(select, 1, "COM_STMT_EXECUTE", mysql_params=[str(i), f"name {i}"], query_template=select,
           response__body='[{"id":"%s","name":"%s","price":"%s","at":"2026-11-23 11:25:00.500000"}]' % tuple(row[:3]))
        assert row[3] == "2026-11-23 11:25:00.500"
    expect(mysql_command="COM_STMT_PREPARE", mysql_query=insert, status="ok")
    ok(insert, 1, "COM_STMT_EXECUTE", mysql_params=["30000", "NULL"])
    kind, code, message = lines[150]
    assert kind == "error"
    expect(mysql_command="COM_STMT_EXECUTE", mysql_query=insert, mysql_params=["30000", "again"], status="error",
           mysql_error_code=int(code), mysql_error_message=message)
    expect(mysql_command="COM_STMT_RESET", mysql_query=insert, status="ok")  # the library's, after the error
    for _ in range(2):
        expect(mysql_command="COM_STMT_CLOSE", status="ok")
    quit_()


# ── the tool ──

def tool(arguments):
    done = subprocess.run(["mariadb", f"-h{HOST}", f"-P{PORT}", "-uapp", "-phunter2", "-N", "-e",
                           "SELECT COUNT(*) AS n FROM t; USE mysql; SELECT DATABASE()", *arguments, "shop"],
                          capture_output=True, text=True, check=True)
    connected()
    count, database = done.stdout.split()
    assert database == "mysql"
    ok("SELECT COUNT(*) AS n FROM t", 1, response__body=f'[{{"n":"{count}"}}]')
    ok("SELECT DATABASE()", 1, mysql_database="shop")  # what the client does for USE
    expect(mysql_command="COM_INIT_DB", mysql_query="mysql", status="ok")
    ok("SELECT DATABASE()", 1, mysql_database="mysql")
    quit_()


text()
refused()
library(False)
library(True)
prepared()
tool([])
tool(["--compress"])
