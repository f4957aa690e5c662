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

/* Every type of the specification, in one row. */
static void values_of_all_types(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY,
            C("\004\000\000\001\007\000\000\000\033\000\000\000\024SELECT * FROM shop.t\000"
              "\001\000"),
            S("\204\000\000\001\010\000\000\002H\000\000\000\002\000\000\000\001\000\000"
              "\000\034\000\004shop\000\001t\000\001a\000\001\000\003big\000\002\000\001b"
              "\000\003\000\003yes\000\004\000\003cnt\000\005\000\003dec\000\006\000\003dbl"
              "\000\007\000\003flt\000\010\000\001i\000\011\000\002ts\000\013\000\001u\000"
              "\014\000\003txt\000\015\000\002vi\000\016\000\002tu\000\017\000\003ip4\000"
              "\020\000\003ip6\000\020\000\001d\000\021\000\001t\000\022\000\002si\000\023"
              "\000\002ti\000\024\000\002du\000\025\000\002li\000 \000\011\000\001m\000!"
              "\000\015\000\011\000\002st\000\"\000\015\000\002ud\0000\000\001k\000\002pt"
              "\000\002\000\001x\000\011\000\001y\000 \000\004\000\002tp\0001\000\002\000"
              "\011\000\015\000\002cu\000\000\000\021org.example.Thing\000\003nul\000\011"
              "\000\000\000\001\000\000\000\005plain\000\000\000\010\377\377\377\377\377"
              "\377\377\373\000\000\000\002\312\376\000\000\000\001\001\000\000\000\010\000"
              "\000\000\000\000\000\000\007\000\000\000\006\000\000\000\003\3778\000\000"
              "\000\010\077\271\231\231\231\231\231\232\000\000\000\004\077\300\000\000\000"
              "\000\000\004\377\377\377\326\000\000\000\010\000\000\001\213\317\345h{\000"
              "\000\000\020\000\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017"
              "\000\000\000\011caf\303\251 \"x\"\000\000\000\010\015\340\266\263\247d\000"
              "\000\000\000\000\020\000\001\002\003\004\005\006\007\010\011\012\013\014\015"
              "\016\017\000\000\000\004\012\000\000\001\000\000\000\020\000\000\000\000\000"
              "\000\000\000\000\000\000\000\000\000\000\001\000\000\000\004\200\000L\333"
              "\000\000\000\010\000\000\003b\324\027\256\001\000\000\000\002\377\376\000"
              "\000\000\001\177\000\000\000\003\002\004\014\000\000\000\024\000\000\000\002"
              "\000\000\000\004\000\000\000\001\000\000\000\004\000\000\000\002\000\000\000"
              "\024\000\000\000\001\000\000\000\004it's\000\000\000\004\000\000\000\003\000"
              "\000\000\011\000\000\000\001\000\000\000\001x\000\000\000\025\000\000\000"
              "\004\000\000\000\010\000\000\000\011\000\000\000\001\000\000\000\001\000\000"
              "\000\000\011\377\377\377\377\000\000\000\001z\000\000\000\002\001\002\377"
              "\377\377\377"));
    proto_count(run, 2);
    proto_has(run, 1, "\"cql_rows\":1");
    static const char *const cells[] = {"a\\\":\\\"plain",
                                        "big\\\":\\\"-5",
                                        "b\\\":\\\"0xcafe",
                                        "yes\\\":\\\"true",
                                        "cnt\\\":\\\"7",
                                        "dec\\\":\\\"-0.200",
                                        "dbl\\\":\\\"0.1",
                                        "flt\\\":\\\"1.5",
                                        "i\\\":\\\"-42",
                                        "ts\\\":\\\"2023-11-14T22:13:20.123Z",
                                        "u\\\":\\\"00010203-0405-0607-0809-0a0b0c0d0e0f",
                                        "txt\\\":\\\"café \\\\\\\"x\\\\\\\"",
                                        "vi\\\":\\\"1000000000000000000",
                                        "ip4\\\":\\\"10.0.0.1",
                                        "ip6\\\":\\\"::1",
                                        "d\\\":\\\"2023-11-14",
                                        "t\\\":\\\"01:02:03.000000001",
                                        "si\\\":\\\"-2",
                                        "ti\\\":\\\"127",
                                        "du\\\":\\\"1mo2d6ns",
                                        "li\\\":\\\"[1, 2]",
                                        "m\\\":\\\"{'it''s': 3}",
                                        "st\\\":\\\"{'x'}",
                                        "ud\\\":\\\"{x: 8, y: [false]}",
                                        "tp\\\":\\\"(null, 'z')",
                                        "cu\\\":\\\"0x0102",
                                        "nul\\\":null"};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        proto_has(run, 1, cells[i]);
    proto_run_free(run);
}

#define PREPARE_TYPED                                                              \
    "\004\000\000\001\011\000\000\000\077\000\000\000;SELECT id, tags FROM t WHER" \
    "E id = \077 AND name = \077 AND at = \077"
#define PREPARED_TYPED                                                             \
    "\204\000\000\001\010\000\000\000`\000\000\000\004\000\0200123456789abcdef"    \
    "\000\000\000\001\000\000\000\003\000\000\000\000\000\004shop\000\001t\000"    \
    "\002id\000\011\000\004name\000\015\000\002at\000\013\000\000\000\001\000\000" \
    "\000\002\000\004shop\000\001t\000\002id\000\011\000\004tags\000\"\000\015"
#define EXECUTE_TYPED                                                           \
    "\004\000\000\002\012\000\000\000*\000\0200123456789abcdef\000\006\003\000" \
    "\003\000\000\000\004\000\000\000\007\000\000\000\003ann\377\377\377\376"
#define ROWS_WITHOUT_METADATA                                                      \
    "\204\000\000\002\010\000\000\0006\000\000\000\002\000\000\000\004\000\000"    \
    "\000\002\000\000\000\002\000\000\000\004\000\000\000\007\000\000\000\016\000" \
    "\000\000\002\000\000\000\001x\000\000\000\001y\000\000\000\004\000\000\000"   \
    "\010\377\377\377\377"
#define BATCH_OF_TWO                                                               \
    "\004\000\000\003\015\000\000\000X\000\000\002\000\000\000\000\034INSERT INTO" \
    " t (a) VALUES (\077)\000\001\000\000\000\003one\001\000\0200123456789abcdef"  \
    "\000\003\000\000\000\004\000\000\000\011\000\000\000\003bob\377\377\377\377"  \
    "\000\004\000"
#define VOID_3 VOID("\003")

/* Bound values have the types of the prepared statement; rows without metadata its columns. */
static void bound_values(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY, C(PREPARE_TYPED), S(PREPARED_TYPED), C(EXECUTE_TYPED BATCH_OF_TWO),
            S(ROWS_WITHOUT_METADATA VOID_3),
            C("\004\000\000\004\007\000\000\000.\000\000\000\034SELECT a FROM t WHERE k = :"
              "k\000\001A\000\001\000\001k\000\000\000\002v1"),
            S(VOID("\004")));
    proto_count(run, 5);
    proto_has(run, 2, "\"cql_params\":[\"7\",\"ann\",\"UNSET\"]");
    proto_has(run, 2,
              "[{\\\"id\\\":\\\"7\\\",\\\"tags\\\":\\\"{'x', 'y'}\\\"},\\n"
              "{\\\"id\\\":\\\"8\\\",\\\"tags\\\":null}]");
    proto_has(
        run, 3,
        "\"cql_opcode\":\"BATCH\",\"cql_query\":\"INSERT INTO t (a) VALUES (?);\\nSELECT id,");
    proto_has(run, 3, "\"cql_params\":[\"one\",\"9\",\"bob\",\"NULL\"]");
    proto_has(run, 3, "\"cql_consistency\":\"QUORUM\"");
    proto_has(run, 4, "\"cql_params\":[\"k=v1\"]");
    proto_run_free(run);
}

static void changes_of_the_schema(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP, READY, C(QUERY("\005", "1")),
            S("\204\000\000\005\010\000\000\000\"\000\000\000\005\000\007CREATED\000\005TAB"
              "LE\000\004shop\000\006orders"));
    proto_count(run, 2);
    proto_has(run, 1, "{\\\"change\\\":\\\"CREATED TABLE shop.orders\\\"}");
    proto_run_free(run);
}

static void snappy_frames(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\004\000\000\000\001\000\000\000+\000\002\000\013CQL_VERSION\000\0053.0.0"
              "\000\013COMPRESSION\000\006snappy"),
            READY,
            C("\004\001\000\001\007\000\000\000\031\027X\000\000\000\020SELECT a FROM t7"
              "\000\001\000"),
            S("\204\001\000\001\010\000\000\000(&\224\000\000\000\002\000\000\000\001\000"
              "\000\000\001\000\004shop\000\001t\000\001a\000\011\000\000\000\001\000\000"
              "\000\004\000\000\000\003"));
    proto_count(run, 2);
    proto_has(run, 1, "\"cql_query\":\"SELECT a FROM t7\"");
    proto_has(run, 1, "[{\\\"a\\\":\\\"3\\\"}]");
    proto_run_free(run);
}

#define STARTUP_5 C("\005\000\000\000\001\000\000\000\026\000\001\000\013CQL_VERSION\000\0053.0.0")
#define READY_5   S("\205\000\000\000\002\000\000\000\000")
#define FIRST_HALF                                                              \
    "\012\000\000\221\271\300\005\000\000\001\007\000\000\000\032\000\013\207j" \
    "\224"
#define SECOND_HALF                                                             \
    "\031\000\000\025$\243\000\000\020SELECT a FROM t1\000\001\000\000\000\000" \
    "\361u\2344"
#define ANSWER_1                                                                   \
    "\015\000\002\317\007\367\205\000\000\001\010\000\000\000\004\000\000\000\001" \
    "\036C\265\375"
#define QUESTION_2                                                                 \
    "#\000\002\021\242]\005\000\000\002\007\000\000\000\032\000\000\000\020SELECT" \
    " a FROM t2\000\001\000\000\000\000%\0100\241"
#define ANSWER_2                                                                   \
    "\015\000\002\317\007\367\205\000\000\002\010\000\000\000\004\000\000\000\001" \
    "\035\370\202\026"

/* Version 5: after READY everything lies in segments; an envelope may lie in two. */
static void segments(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(STARTUP_5, READY_5, C(FIRST_HALF SECOND_HALF), S(ANSWER_1), C(QUESTION_2), S(ANSWER_2));
    proto_count(run, 3);
    proto_has(run, 1, "\"cql_query\":\"SELECT a FROM t1\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"cql_query\":\"SELECT a FROM t2\"");
    proto_run_free(run);
    /* What is lost ends where a header's sum is right again; a damaged payload is not read. */
    run = RUN(STARTUP_5, READY_5, C(FIRST_HALF), CGAP(33), C("\000\001" QUESTION_2), S(ANSWER_2));
    proto_has(run, 2, "\"cql_query\":\"SELECT a FROM t2\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.late_join = true), C(QUESTION_2), S(ANSWER_2));
    proto_count(run, 1);
    proto_has(run, 0, "\"cql_query\":\"SELECT a FROM t2\"");
    proto_run_free(run);
}

static void compressed_segments(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\005\000\000\000\001\000\000\000(\000\002\000\013CQL_VERSION\000\0053.0.0"
              "\000\013COMPRESSION\000\003lz4"),
            READY_5,
            C("%\000F\000\004\011\273b\360\024\005\000\000\001\007\000\000\000\032\000\000"
              "\000\020SELECT a FROM t1\000\001\000\000\000\000]J\221x"),
            S("\015\000\000\000\004 \266\234\205\000\000\001\010\000\000\000\004\000\000"
              "\000\001\036C\265\375"));
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
        cmocka_unit_test(values_of_all_types),
        cmocka_unit_test(bound_values),
        cmocka_unit_test(changes_of_the_schema),
        cmocka_unit_test(snappy_frames),
        cmocka_unit_test(segments),
        cmocka_unit_test(compressed_segments),
        cmocka_unit_test(events_and_compression),
        cmocka_unit_test(losses),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_cql),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
