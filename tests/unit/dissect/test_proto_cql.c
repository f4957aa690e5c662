/* CQL: frames of the protocol specification (versions 3 to 5), streams out of order, prepared
 * statements, segments, losses, hostile input; every script also cut in pieces. */
#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("cql", __VA_ARGS__)

#define STARTUP C("\004\000\000\000\001\000\000\000\026\000\001\000\013CQL_VERSION\000\0053.0.0")
#define READY   S("\204\000\000\000\002\000\000\000\000")
/* One column of type int, two rows. */
#define ROWS(stream)                                                                                  \
    "\204\000\000" stream                                                                             \
    "\010\000\000\000\060\000\000\000\002\000\000\000\001\000\000\000\001\000"                        \
    "\001k\000\001t\000\001a\000\011\000\000\000\002\000\000\000\004\000\000\000\001\000\000\000\004" \
    "\000\000\000\002xxxxx"

static void queries(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY,
            C("\004\000\000\001\007\000\000\000\027\000\000\000\020SELECT a FROM t1\000\006\000"),
            S(ROWS("\001")));
    proto_count(run, 2);
    proto_has(run, 0, "\"cql_opcode\":\"STARTUP\"");
    proto_has(run, 1, "\"cql_opcode\":\"QUERY\",\"cql_query\":\"SELECT a FROM t1\"");
    proto_has(run, 1, "\"cql_consistency\":\"LOCAL_QUORUM\"");
    proto_has(run, 1, "\"cql_rows\":2");
    proto_has(run, 1, "\"query_template\":\"SELECT a FROM t1\"");
    proto_has(run, 1, "\"summary\":\"SELECT a FROM t1 → 2 rows\",\"status\":\"ok\"");
    proto_run_free(run);
}

#define QUERY(stream, digit) \
    "\004\000\000" stream "\007\000\000\000\027\000\000\000\020SELECT a FROM t" digit "\000\001\000"
#define VOID(stream)   "\204\000\000" stream "\010\000\000\000\004\000\000\000\001"
#define FAILED(stream) "\204\000\000" stream "\000\000\000\000\015\000\000\022\000\000\007timeout"

static void out_of_order(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY, C(QUERY("\001", "1") QUERY("\002", "2") QUERY("\003", "3")),
            S(VOID("\003") FAILED("\001") VOID("\002")));
    proto_count(run, 4);
    proto_has(run, 1, "\"cql_query\":\"SELECT a FROM t3\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"cql_query\":\"SELECT a FROM t1\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 2, "\"cql_error_code\":4608");
    proto_has(run, 2, "→ error 0x1200: timeout");
    proto_has(run, 3, "\"cql_query\":\"SELECT a FROM t2\"");
    proto_run_free(run);
}

#define ID       "\000\0200123456789abcdef"
#define PREPARE  "\004\000\000\001\011\000\000\000\026\000\000\000\022SELECT ? FROM t123"
#define PREPARED "\204\000\000\001\010\000\000\000\026\000\000\000\004" ID
#define EXECUTE  "\004\000\000\002\012\000\000\000\025" ID "\000\004\000"

static void prepared_statements(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY, C(PREPARE), S(PREPARED), C(EXECUTE), S(VOID("\002")));
    proto_count(run, 3);
    proto_has(run, 1, "\"cql_opcode\":\"PREPARE\"");
    proto_has(run, 2, "\"cql_opcode\":\"EXECUTE\",\"cql_query\":\"SELECT ? FROM t123\"");
    proto_has(run, 2, "\"cql_consistency\":\"QUORUM\"");
    proto_run_free(run);
}

/* Version 5: after READY everything lies in segments; a frame may lie in two. */
static void segments(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\005\000\000\000\001\000\000\000\026\000\001\000\013CQL_VERSION\000\0053.0.0"),
            S("\205\000\000\000\002\000\000\000\000"),
            C("\012\000\000ccc"
              "\005\000\000\001\007\000\000\000\033\000"
              "cccc"
              "\032\000\000ccc"
              "\000\000\020SELECT a FROM t1\000\001\000\000\000\000cccc"),
            S("\015\000\002ccc"
              "\205\000\000\001\010\000\000\000\004\000\000\000\001"
              "cccc"));
    proto_count(run, 2);
    proto_has(run, 1, "\"cql_query\":\"SELECT a FROM t1\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void events_and_compression(void **state)
{
    (void)state;
    struct proto_run *run = RUN(STARTUP, READY, S("\204\000\377\377\014\000\000\000\002xx"),
                                C("\004\001\000\001\007\000\000\000\003lz4"),
                                S("\204\001\000\001\010\000\000\000\002lz"));
    proto_count(run, 3);
    proto_has(run, 1, "\"cql_opcode\":\"EVENT\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"summary\":\"QUERY (compressed) → ok\"");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    /* Inside a body; an answer; a question. */
    struct proto_run *run =
        RUN(STARTUP, READY, C(QUERY("\001", "1")), S("\204\000\000\001\010\000\000\000\010\000"),
            SGAP(5), S("xx"), C(QUERY("\002", "2")), SGAP(13), C(QUERY("\002", "3")),
            S(VOID("\002")), CGAP(32), S(VOID("\007")));
    proto_count(run, 5);
    proto_has(run, 1, "\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 2, "\"cql_query\":\"SELECT a FROM t2\"");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_has(run, 3, "\"cql_query\":\"SELECT a FROM t3\"");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_has(run, 4, "\"status\":\"incomplete\"");
    proto_lacks(run, 4, "cql_query");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "cql", .late_join = true),
                                           S(QUERY("\001", "1")), C(VOID("\001")));
    proto_count(run, 1);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void not_cql(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\n\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(C("\004\001\000\120\300\250\001\001user\000")); /* SOCKS 4 */
    proto_count(run, 0);
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    /* Counts and types that never end. */
    struct proto_run *run =
        RUN(STARTUP, READY, C("\004\000\000\001\015\000\000\000\006\000\377\377\000\377\377"),
            S("\204\000\000\001\010\000\000\000\020\000\000\000\002\000\000\000\000\000\000\017\377"
              "\000\061\377\377"));
    proto_count(run, 2);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),
        cmocka_unit_test(out_of_order),
        cmocka_unit_test(prepared_statements),
        cmocka_unit_test(segments),
        cmocka_unit_test(events_and_compression),
        cmocka_unit_test(losses),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_cql),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
