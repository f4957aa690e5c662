/* memcached: the examples of protocol.txt (text, meta) and protocol-binary.txt, UDP, losses, late
 * joins, hostile input; every script also cut in pieces. */
#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("memcached", __VA_ARGS__)

static void storage_and_retrieval(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        C("set k 5 0 6\r\nab\r\ncd\r\n"), S("STORED\r\n"), C("get k\r\n"),
        S("VALUE k 5 6\r\nab\r\ncd\r\nEND\r\n"), C("get a k b\r\n"),
        S("VALUE a 0 1\r\nA\r\nVALUE b 0 1\r\nB\r\nEND\r\n"), C("gets none\r\n"), S("END\r\n"),
        C("cas k 0 0 1 77\r\nx\r\n"), S("EXISTS\r\n"), C("incr n 2\r\n"), S("44\r\n"),
        C("set k 0 0 1 noreply\r\nx\r\n"), C("delete k\r\n"), S("NOT_FOUND\r\n"), C("quit\r\n"));
    proto_count(run, 9);
    proto_has(
        run, 0,
        "\"memcached_command\":\"set\",\"memcached_key\":\"k\",\"memcached_status\":\"STORED\"");
    proto_has(run, 0, "\"body\":\"ab\\r\\ncd\"");
    proto_has(run, 0, "\"summary\":\"set k 5 0 6 → STORED\",\"status\":\"ok\"");
    proto_has(run, 1, "\"body\":\"ab\\r\\ncd\"");
    proto_has(run, 1, "\"memcached_status\":\"VALUE\"");
    proto_has(run, 1, "\"summary\":\"get k → 6 bytes\"");
    proto_has(run, 2, "\"summary\":\"get a k b → 2 values\"");
    proto_has(run, 2, "\"body\":\"A\\nB\"");
    proto_has(run, 3, "\"memcached_status\":\"END\"");
    proto_has(run, 4, "\"memcached_status\":\"EXISTS\"");
    proto_has(run, 5, "\"summary\":\"incr n 2 → 44\"");
    proto_has(run, 6, "\"summary\":\"set k 0 0 1 noreply\",\"status\":\"ok\"");
    proto_has(run, 7, "\"memcached_status\":\"NOT_FOUND\"");
    proto_has(run, 7, "\"status\":\"ok\"");
    proto_has(run, 8, "\"memcached_command\":\"quit\"");
    proto_run_free(run);
}

static void pipelines_and_errors(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("set a 0 0 1\r\n1\r\nget a\r\nstats\r\nversion\r\n"),
            S("SERVER_ERROR out of memory\r\nEND\r\nSTAT pid 1\r\nSTAT uptime 2\r\nEND\r\n"
              "VERSION 1.6.18\r\n"),
            C("nonsense\r\n"), S("ERROR\r\n"));
    proto_count(run, 5);
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "→ SERVER_ERROR out of memory");
    proto_has(run, 1, "\"memcached_status\":\"END\"");
    proto_has(run, 2, "\"body\":\"STAT pid 1\\nSTAT uptime 2\\n\"");
    proto_has(run, 3, "\"summary\":\"version → VERSION 1.6.18\"");
    proto_has(run, 4, "\"memcached_status\":\"ERROR\"");
    proto_run_free(run);
}

static void meta_commands(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("ms k 2 T90\r\nhi\r\n"), S("HD\r\n"), C("mg k v t\r\n"),
                                S("VA 2 t90\r\nhi\r\n"), C("mg none v\r\n"), S("EN\r\n"),
                                /* Quiet ones: the first misses, the second hits. */
                                C("mg a v q O1\r\nmg b v q O2\r\nms c 1 q\r\nx\r\nmn\r\n"),
                                S("VA 1 O2\r\nB\r\nMN\r\n"));
    proto_count(run, 7);
    proto_has(run, 0, "\"memcached_status\":\"HD\"");
    proto_has(run, 1, "\"body\":\"hi\"");
    proto_has(run, 2, "\"memcached_status\":\"EN\"");
    proto_has(run, 3, "\"memcached_key\":\"a\"");
    proto_lacks(run, 3, "memcached_status");
    proto_has(run, 4, "\"memcached_key\":\"b\",\"memcached_status\":\"VA\"");
    proto_has(run, 4, "\"body\":\"B\"");
    proto_has(run, 5, "\"memcached_key\":\"c\"");
    proto_has(run, 5, "\"status\":\"ok\"");
    proto_has(run, 6, "\"memcached_command\":\"mn\",\"memcached_status\":\"MN\"");
    proto_run_free(run);
}

#define REQUEST(op, key_len, extras_len, body_len, opaque)                                        \
    "\200" op "\000" key_len extras_len "\000\000\000\000\000\000" body_len "\000\000\000" opaque \
    "\000\000\000\000\000\000\000\000"
#define REPLY(op, key_len, extras_len, status, body_len, opaque)                  \
    "\201" op "\000" key_len extras_len "\000\000" status "\000\000\000" body_len \
    "\000\000\000" opaque "\000\000\000\000\000\000\000\001"

static void binary_commands(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        C(REQUEST("\002", "\005", "\010", "\022",
                  "\001") "\336\255\276\357\000\000\016\020HelloWorld"),
        S(REPLY("\002", "\000", "\000", "\000", "\000", "\001")),
        C(REQUEST("\000", "\005", "\000", "\005", "\002") "Hello"),
        S(REPLY("\000", "\000", "\004", "\000", "\011", "\002") "\336\255\276\357World"),
        C(REQUEST("\000", "\004", "\000", "\004", "\003") "none"),
        S(REPLY("\000", "\000", "\000", "\001", "\011", "\003") "Not found"),
        C(REQUEST(
            "\005", "\001", "\024", "\025",
            "\004") "\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\000\000\000\000\000n"),
        S(REPLY("\005", "\000", "\000", "\000", "\010", "\004") "\000\000\000\000\000\000\000\052"),
        /* Quiet gets: a hit, a miss, and a no-op that ends them. */
        C(REQUEST("\011", "\001", "\000", "\001",
                  "\005") "a" REQUEST("\011", "\001", "\000", "\001",
                                      "\006") "b" REQUEST("\012", "\000", "\000", "\000", "\007")),
        S(REPLY("\011", "\000", "\004", "\000", "\005",
                "\006") "\000\000\000\000B" REPLY("\012", "\000", "\000", "\000", "\000", "\007")),
        C(REQUEST("\020", "\000", "\000", "\000", "\010")),
        S(REPLY("\020", "\003", "\000", "\000", "\004",
                "\010") "pid1" REPLY("\020", "\000", "\000", "\000", "\000", "\010")),
        C(REQUEST("\041", "\005", "\000", "\016", "\011") "PLAINsecretabc"),
        S(REPLY("\041", "\000", "\000", "\040", "\000", "\011")));
    proto_count(run, 9);
    proto_has(
        run, 0,
        "\"memcached_command\":\"Add\",\"memcached_key\":\"Hello\",\"memcached_status\":\"SUCCESS\"");
    proto_has(run, 0, "\"body\":\"World\"");
    proto_has(run, 1, "\"summary\":\"Get Hello → 5 bytes\"");
    proto_has(run, 2, "\"memcached_status\":\"NOT_FOUND\"");
    proto_has(run, 3, "\"summary\":\"Increment n → 42\"");
    proto_has(run, 4, "\"memcached_key\":\"a\"");
    proto_lacks(run, 4, "memcached_status");
    proto_has(run, 5, "\"memcached_key\":\"b\",\"memcached_status\":\"SUCCESS\"");
    proto_has(run, 6, "\"memcached_command\":\"NoOp\"");
    proto_has(run, 7, "\"body\":\"pid 1\\n\"");
    proto_has(run, 8, "\"memcached_status\":\"AUTH_ERROR\"");
    proto_lacks(run, 8, "secret");
    proto_run_free(run);
}

#define RUN_UDP(...) \
    PROTO_RUN_WITH(OPTIONS(.dissector = "memcached", .transport = DISSECT_UDP), __VA_ARGS__)

static void datagrams(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN_UDP(C("\000\001\000\000\000\001\000\000set k 0 0 1 noreply\r\nx\r\n"),
                C("\000\002\000\000\000\001\000\000get k\r\n"),
                C("\000\003\000\000\000\001\000\000get l\r\n"),
                S("\000\003\000\000\000\001\000\000END\r\n"),
                S("\000\002\000\000\000\001\000\000VALUE k 0 1\r\nx\r\nEND\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"memcached_command\":\"set\"");
    proto_has(run, 1, "\"memcached_key\":\"l\",\"memcached_status\":\"END\"");
    proto_has(run, 2, "\"memcached_key\":\"k\",\"memcached_status\":\"VALUE\"");
    proto_has(run, 2, "\"body\":\"x\"");
    proto_run_free(run);
    /* one of three datagrams is missing */
    run = RUN_UDP(C("\000\002\000\000\000\001\000\000get k\r\n"),
                  S("\000\002\000\000\000\003\000\000VALUE k 0 9\r\nabc"),
                  S("\000\002\000\002\000\003\000\000ghi\r\nEND\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    /* Inside a value. */
    struct proto_run *run =
        RUN(C("set k 0 0 9\r\nabc"), CGAP(3), C("ghi\r\n"), S("STORED\r\n"), C("get k\r\n"),
            S("VALUE k 0 9\r\na"), SGAP(7), S("i\r\nEND\r\n"), C("get z\r\n"), S("END\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 1, "\"incomplete\":true");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    /* A reply: the next command has its own. */
    run = RUN(C("set k 0 0 1\r\nx\r\n"), S("STORED\r\n"), C("get a\r\n"), SGAP(30), C("get b\r\n"),
              S("END\r\n"));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"memcached_key\":\"b\",\"memcached_status\":\"END\"");
    proto_run_free(run);
    /* One of several commands that were sent at once. */
    run = RUN(C("set k 0 0 1\r\nx\r\n"), S("STORED\r\n"), C("get a\r\n"), CGAP(7), C("get c\r\n"),
              S("END\r\nEND\r\nEND\r\n"));
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

/* A call behind a loss is believed once the client goes on after exactly one reply. */
static void doubts(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "memcached", .late_join = true),
                                           C("get a\r\n"), S("END\r\nVALUE b 0 1\r\nx\r\nEND\r\n"),
                                           C("get c\r\n"), S("END\r\n"), CFIN, SFIN);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "memcached", .late_join = true), C("get a\r\n"),
                         S("END\r\n"), C("get c\r\n"), S("END\r\n"), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "memcached", .late_join = true),
                                           S("get k\r\n"), C("VALUE k 0 1\r\nx\r\nEND\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"memcached_status\":\"VALUE\"");
    proto_run_free(run);
}

static void not_memcached(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("get k\r\n"), S("$1\r\nx\r\n")); /* Redis, typed by hand */
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\n\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(C("quit\r\n"), S("221 bye\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("set k 0 0 1\r\nx\r\n"), S("STORED\r\n"), C("get k\r\n"),
                                S("VALUE k 0 1073741824\r\nx"),
                                C("set k 0 0 99999999999999999999\r\n"), S("ERROR\r\n"));
    assert_true(run->count >= 2);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_and_retrieval),
        cmocka_unit_test(pipelines_and_errors),
        cmocka_unit_test(meta_commands),
        cmocka_unit_test(binary_commands),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(losses),
        cmocka_unit_test(doubts),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_memcached),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
