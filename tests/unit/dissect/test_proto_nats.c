/* NATS: the examples of the protocol's page, verbose answers in order, headers, queue groups,
 * losses, late joins, hostile input; every script also cut in pieces. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...)      PROTO_RUN("nats", __VA_ARGS__)
#define RUN_LATE(...) PROTO_RUN_WITH(OPTIONS(.dissector = "nats", .late_join = true), __VA_ARGS__)

#define INFO \
    S("INFO {\"server_id\":\"Zk0GQ3JBSrg3oyxCRRlE09\",\"version\":\"1.2.0\",\"proto\":1}\r\n")
#define QUIET C("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"go\"}\r\n")

static void examples(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        INFO, QUIET, C("PUB FOO 11\r\nHello NATS!\r\n"),
        C("PUB FRONT.DOOR JOKE.22 11\r\nKnock Knock\r\n"), C("PUB NOTIFY 0\r\n\r\n"),
        C("SUB FOO 1\r\n"), C("SUB BAR G1 44\r\n"), C("UNSUB 1 5\r\n"),
        S("MSG FOO.BAR 9 11\r\nHello World\r\n"), S("MSG BAR 44 GREETING.34 11\r\nHello World\r\n"),
        C("HPUB FOO 22 33\r\nNATS/1.0\r\nBar: Baz\r\n\r\nHello NATS!\r\n"), C("PING\r\n"),
        S("PONG\r\n"), S("PING\r\n"), C("PONG\r\n"));
    proto_count(run, 13);
    proto_has(run, 0, "\"nats_op\":\"INFO\"");
    proto_has(run, 0, "\"response\":{\"body\":\"{\\\"server_id\\\"");
    proto_has(run, 1, "\"summary\":\"CONNECT\",\"status\":\"ok\"");
    proto_has(run, 2, "\"summary\":\"PUB FOO: Hello NATS!\",\"status\":\"ok\"");
    proto_has(run, 2, "\"nats_op\":\"PUB\",\"nats_subject\":\"FOO\",\"nats_payload_size\":11");
    proto_has(run, 2, "\"size\":25}");
    proto_has(run, 3, "\"nats_reply_to\":\"JOKE.22\"");
    proto_has(run, 4, "\"nats_payload_size\":0");
    proto_lacks(run, 4, "\"body\":");
    proto_has(run, 6, "\"summary\":\"SUB BAR (queue G1)\"");
    proto_has(run, 6, "\"nats_queue\":\"G1\",\"nats_sid\":\"44\"");
    proto_has(run, 7, "\"summary\":\"UNSUB 1\"");
    proto_has(run, 8, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 8, "\"nats_sid\":\"9\"");
    proto_lacks(run, 8, "nats_queue");
    proto_has(run, 9, "\"nats_reply_to\":\"GREETING.34\"");
    proto_has(run, 9, "\"nats_queue\":\"G1\"");
    proto_has(run, 10, "\"request\":{\"headers\":{\"Bar\":\"Baz\"},\"body\":\"Hello NATS!\"");
    proto_has(run, 11, "\"summary\":\"PING → PONG\"");
    proto_has(run, 12, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void verbose_answers(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(INFO, C("CONNECT {\"lang\":\"go\"}\r\n"), S("+OK\r\n"),
            C("SUB a 1\r\nSUB .. 2\r\nPUB a 1\r\nx\r\nPING\r\n"),
            S("+OK\r\n-ERR 'Invalid Subject'\r\n+OK\r\nMSG a 1 1\r\nx\r\nPONG\r\n"),
            S("-ERR 'Stale Connection'\r\n"), SFIN);
    proto_count(run, 8);
    proto_has(run, 1, "\"summary\":\"CONNECT → +OK\"");
    proto_has(run, 2, "\"summary\":\"SUB a → +OK\"");
    proto_has(run, 3, "\"summary\":\"SUB .. → -ERR 'Invalid Subject'\",\"status\":\"error\"");
    proto_has(run, 3, "\"nats_error\":\"'Invalid Subject'\"");
    proto_has(run, 4, "\"summary\":\"PUB a: x → +OK\"");
    proto_has(run, 5, "\"nats_op\":\"MSG\"");
    proto_has(run, 6, "\"summary\":\"PING → PONG\"");
    proto_has(run, 7, "\"summary\":\"→ -ERR 'Stale Connection'\",\"status\":\"error\"");
    proto_run_free(run);
}

static void headers_and_statuses(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        INFO, QUIET, S("HMSG _INBOX.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"),
        S("HMSG s 1 r 51 53\r\nNATS/1.0 100 Idle Heartbeat\r\nA: 1\r\nA: 2\r\na:  3 \r\n\r\nhi\r\n"));
    proto_count(run, 4);
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 2, "\"status_code\":503");
    proto_has(run, 3, "\"status_code\":100");
    proto_has(run, 3, "\"headers\":{\"A\":\"1, 2\",\"a\":\"3\"},\"body\":\"hi\"");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    struct proto_run *run = RUN(INFO, QUIET, C("PUB FOO 11\r\nHel"), CGAP(3),
                                C("ATS!!\r\nPUB FOO 2\r\nhi\r\n"), S("MSG FOO 1 11\r\nHello"),
                                SGAP(5000), S("MSG of FOO 1 5\r\nhi\r\nMSG FOO 1 2\r\nok\r\n"));
    proto_count(run, 6);
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"gap_bytes\":3");
    proto_has(run, 2, "\"body\":\"Hel\",\"body_size\":11");
    proto_has(run, 3, "\"summary\":\"PUB FOO: hi\",\"status\":\"ok\"");
    proto_has(run, 4, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 5, "\"summary\":\"MSG FOO: ok\"");
    proto_run_free(run);
    /* verbose: after a loss no +OK is given to anybody */
    run = RUN(INFO, C("CONNECT {\"lang\":\"go\"}\r\n"), S("+OK\r\n"), C("PUB a 1\r\nx\r\n"),
              SGAP(5), C("PUB b 1\r\ny\r\n"), S("\r\n+OK\r\n"), CFIN, SFIN);
    proto_count(run, 4);
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 3, "\"summary\":\"PUB b: y\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* an answer without its question, whose loss may show later */
    run = RUN(INFO, QUIET, C("PONG\r\n"), S("PONG\r\n"), S("-ERR 'Invalid Subject'\r\n"), SFIN);
    proto_count(run, 5);
    proto_has(run, 2, "\"summary\":\"→ PONG\",\"status\":\"incomplete\"");
    proto_has(run, 3, "\"summary\":\"→ PONG\",\"status\":\"incomplete\"");
    proto_has(run, 4, "\"status\":\"error\",\"incomplete\":false");
    proto_run_free(run);
}

/* Without CONNECT what comes behind an operation tells whether operations are confirmed. */
static void unknown_modes(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(INFO, CGAP(60), C("\r\nSUB a 1\r\n"), S("-ERR 'Invalid Subject'\r\n"),
            C("PUB a 1\r\nx\r\n"), S("-ERR 'Stale Connection'\r\n"), SFIN, CFIN);
    proto_count(run, 5);
    for (size_t i = 1; i < 4; i++)
        proto_has(run, i, "\"status\":\"incomplete\"");
    proto_has(run, 4, "\"status\":\"error\",\"incomplete\":false");
    proto_run_free(run);
    run = RUN_LATE(C("SUB a 1\r\nSUB b 2\r\n"), S("+OK\r\n+OK\r\n"), C("SUB c 3\r\n"), CFIN);
    proto_count(run, 3);
    for (size_t i = 0; i < 3; i++)
        proto_has(run, i, "\"status\":\"incomplete\"");
    proto_run_free(run);
    run = RUN_LATE(C("SUB a 1\r\nSUB b 2\r\n"), S("MSG a 1 1\r\nx\r\n"), C("SUB c 3\r\n"), CFIN);
    proto_count(run, 4);
    for (size_t i = 0; i < 4; i++)
        proto_has(run, i, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = RUN_LATE(C("PUB orders.new 4\r\nbody\r\n"),
                                     S("the end of a message\r\nMSG x 1 2\r\nhi\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"nats_subject\":\"orders.new\"");
    proto_has(run, 1, "\"nats_subject\":\"x\"");
    proto_run_free(run);
    run = RUN_LATE(C("PING\r\n"), S("PONG\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"PING → PONG\"");
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static const char *const lines[] = {"PUB a 99999999999\r\n",
                                        "PUB a -1\r\n",
                                        "HPUB a 9 8\r\n",
                                        "PUB a\r\n",
                                        "PUB\r\n",
                                        "SUB a\r\n",
                                        "MSG a b c d e f g 1\r\n",
                                        "\x01\x02\x03\r\n",
                                        "PUB a\x01 1\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct proto_run *run =
            RUN(INFO, QUIET, CB(lines[i], strlen(lines[i])), C("PUB b 2\r\nhi\r\n"));
        proto_count(run, 4);
        proto_has(run, 2, "\"status\":\"error\"");
        proto_has(run, 3, "\"summary\":\"PUB b: hi\"");
        proto_run_free(run);
    }
    /* a payload that is longer than it says */
    struct proto_run *run = RUN(INFO, QUIET, C("PUB a 2\r\nhello\r\nPUB b 2\r\nhi\r\n"));
    proto_count(run, 4);
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 3, "\"nats_subject\":\"b\"");
    proto_run_free(run);
    /* nobody answers */
    struct buf out;
    buf_init(&out, 1024 * 1024);
    for (int i = 0; i < 2000; i++)
        buf_append_str(&out, "PUB a 1\r\nx\r\n");
    run = RUN(INFO, C("CONNECT {\"verbose\": true}\r\n"), CB(out.data, out.len), CFIN);
    proto_count(run, 2002);
    proto_run_free(run);
    buf_done(&out);
}

static void not_nats(void **state)
{
    (void)state;
    static const struct {
        const char *client, *server;
    } texts[] = {{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
                 {"CONNECT a:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
                 {"PING\r\n", "+PONG\r\n"},
                 {"INFO\r\n", "$3\r\nabc\r\n"},
                 {"STATUS\r\n", "INFO {\"other\":1}\r\n"},
                 {"PING :irc\r\n", ":irc PONG irc\r\n"},
                 {"EHLO x\r\n", "220 mail\r\n"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int late = 0; late < 2; late++) {
            struct proto_run *run =
                PROTO_RUN_WITH(OPTIONS(.dissector = "nats", .late_join = late),
                               SB(texts[i].server, strlen(texts[i].server)),
                               CB(texts[i].client, strlen(texts[i].client)), CFIN, SFIN);
            proto_count(run, 0);
            proto_run_free(run);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(verbose_answers),
        cmocka_unit_test(headers_and_statuses),
        cmocka_unit_test(losses),
        cmocka_unit_test(unknown_modes),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(hostile),
        cmocka_unit_test(not_nats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
