/* AMQP 0-9-1: methods of every class, contents over frames, channels, confirms, returns, errors,
 * losses, late joins, hostile input; every script also cut in pieces. */
#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("amqp", __VA_ARGS__)

#define HEADER "AMQP\0\0\x09\x01"
#define START                                                \
    "\x01\0\0\0\0\0\x16\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x03" \
    "FOO\0\0\0\x01"                                          \
    "C\xce"
#define OPEN       "\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce"
#define OPEN_OK    "\x01\0\x01\0\0\0\x08\0\x14\0\x0b\0\0\0\0\xce"
#define DECLARE    "\x01\0\x01\0\0\0\x0e\0\x32\0\x0a\0\0\x02q1\0\0\0\0\0\xce"
#define DECLARE_OK "\x01\0\x01\0\0\0\x0f\0\x32\0\x0b\x02q1\0\0\0\x05\0\0\0\x01\xce"
#define PUBLISH                                \
    "\x01\0\x01\0\0\0\x0d\0\x3c\0\x28\0\0\x02" \
    "ex\x02rk\0\xce"
/* basic, weight 0, 5 bytes, content-type "a/b" and priority 7 */
#define CONTENT                                                  \
    "\x02\0\x01\0\0\0\x13\0\x3c\0\0\0\0\0\0\0\0\0\x05\x88\0\x03" \
    "a/b\x07\xce"
#define BODY               "\x03\0\x01\0\0\0\x05hello\xce"
#define SELECT             "\x01\0\x01\0\0\0\x05\0\x55\0\x0a\0\xce"
#define SELECT_OK          "\x01\0\x01\0\0\0\x04\0\x55\0\x0b\xce"
#define ACK(tag, multiple) "\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0" tag multiple "\xce"
#define NACK(tag)          "\x01\0\x01\0\0\0\x0d\0\x3c\0\x78\0\0\0\0\0\0\0" tag "\0\xce"
#define HEARTBEAT          "\x08\0\0\0\0\0\0\xce"
#define CLOSE_404          "\x01\0\x01\0\0\0\x0d\0\x14\0\x28\x01\x94\x02no\0\x32\0\x0a\xce"
#define CLOSE_OK           "\x01\0\x01\0\0\0\x04\0\x14\0\x29\xce"

static void opening(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START),
            C("\x01\0\0\0\0\0\x1d\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x08\0joe\0pwd\x02"
              "en\xce"),
            S("\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\x07\xff\0\2\0\0\0\x3c\xce"),
            C("\x01\0\0\0\0\0\x0c\0\x0a\0\x1f\x07\xff\0\2\0\0\0\x3c\xce"),
            C("\x01\0\0\0\0\0\x08\0\x0a\0\x28\x01/\0\0\xce"),
            S("\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce"));
    proto_count(run, 3);
    proto_has(
        run, 0,
        "\"amqp_method\":\"connection.start\",\"amqp_response_method\":\"connection.start-ok\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"response\":\"user joe, ***\"");
    proto_lacks(run, 0, "pwd");
    proto_has(run, 1, "\"channel-max\":\"2047\",\"frame-max\":\"131072\",\"heartbeat\":\"60\"");
    proto_has(run, 2, "\"summary\":\"connection.open / → connection.open-ok\"");
    proto_has(run, 2,
              "\"amqp_request\":true,\"amqp_response\":true,\"amqp_request_length\":16,"
              "\"amqp_response_length\":13,\"amqp_total_size\":29");
    proto_run_free(run);
}

static void versions(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C(HEADER), S("AMQP\1\1\0\x0a"), SFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"AMQP 0-9-1 → AMQP 0-10\"");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
    run = RUN(C("AMQP\3\1\0\0"), S("AMQP\3\1\0\0\0\0\0\x10\2\1\0\0"), C("\0\0\0\x08\2\0\0\0 more"));
    proto_count(run, 1);
    proto_has(run, 0, "\"amqp_method\":\"protocol-header\"");
    proto_has(run, 0, "\"summary\":\"AMQP 1.0 (SASL) → AMQP 1.0 (SASL)\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
    run = RUN(C(HEADER), CFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_run_free(run);
    run = RUN(C("AMQP\7\7\7\7"), S("?"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void synchronous_methods(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START), C(OPEN), S(OPEN_OK), C(DECLARE HEARTBEAT), S(HEARTBEAT DECLARE_OK),
            /* exchange.declare that wants no answer; queue.bind of two waiting calls */
            C("\x01\0\x01\0\0\0\x11\0\x28\0\x0a\0\0\x01x\x03"
              "fan\x12\0\0\0\0\xce"
              "\x01\0\x01\0\0\0\x12\0\x32\0\x14\0\0\x02q1\x01x\x01k\0\0\0\0\0\xce" DECLARE),
            S("\x01\0\x01\0\0\0\x04\0\x32\0\x15\xce" DECLARE_OK),
            S("\x01\0\x01\0\0\0\x04\0\x5a\0\x15\xce"));
    proto_count(run, 7);
    proto_has(run, 1,
              "\"amqp_method\":\"queue.declare\",\"amqp_response_method\":\"queue.declare-ok\"");
    proto_has(run, 1, "\"amqp_queue\":\"q1\"");
    proto_has(run, 1, "\"message-count\":\"5\",\"consumer-count\":\"1\"");
    proto_has(run, 2, "\"amqp_method\":\"exchange.declare\"");
    proto_has(run, 2, "\"durable\":\"true\"");
    proto_has(run, 2, "\"no-wait\":\"true\"");
    proto_lacks(run, 2, "amqp_response");
    proto_has(run, 3, "\"summary\":\"queue.bind queue q1 x/k → queue.bind-ok\"");
    proto_has(run, 4, "queue.declare-ok");
    /* tx.commit-ok that nobody asked for */
    proto_has(run, 5, "\"amqp_response_method\":\"tx.commit-ok\"");
    proto_has(run, 6, "\"amqp_method\":\"connection.start\"");
    proto_has(run, 6, "\"status\":\"no_response\"");
    proto_run_free(run);
}

static void messages(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START),
            C(PUBLISH "\x01\0\x02\0\0\0\x0d\0\x3c\0\x28\0\0\x02"
                      "ex\x02zz\0\xce"
                      "\x02\0\x02\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0\xce" CONTENT
                      "\x03\0\x01\0\0\0\x02he\xce"
                      "\x03\0\x01\0\0\0\0\xce" HEARTBEAT "\x03\0\x01\0\0\0\x03llo\xce"),
            S("\x01\0\x01\0\0\0\x16\0\x3c\0\x3c\x02"
              "c1\0\0\0\0\0\0\0\x09\1\x02"
              "ex\x02rk\xce" CONTENT BODY),
            C(HEARTBEAT));
    proto_count(run, 4);
    proto_has(run, 0, "\"amqp_routing_key\":\"zz\"");
    proto_has(run, 0, "\"body_size\":0");
    proto_has(run, 1, "\"summary\":\"basic.publish ex/rk (5 B)\"");
    proto_has(run, 1, "\"amqp_exchange\":\"ex\",\"amqp_routing_key\":\"rk\"");
    proto_has(run, 1,
              "\"content-type\":\"a/b\",\"priority\":\"7\"},\"body\":\"hello\",\"body_size\":5");
    proto_has(run, 2, "\"amqp_method\":\"basic.deliver\"");
    proto_has(run, 2, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 2, "\"amqp_consumer_tag\":\"c1\"");
    proto_has(run, 2, "\"amqp_delivery_tag\":9");
    proto_has(run, 2, "\"redelivered\":\"true\"");
    proto_has(run, 3, "connection.start");
    proto_run_free(run);
}

static void get_and_return(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START), C("\x01\0\x01\0\0\0\x0a\0\x3c\0\x46\0\0\x02q1\0\xce"),
            S("\x01\0\x01\0\0\0\x17\0\x3c\0\x47\0\0\0\0\0\0\0\x01\0\x02"
              "ex\x02rk\0\0\0\x03\xce" CONTENT BODY),
            C("\x01\0\x01\0\0\0\x0a\0\x3c\0\x46\0\0\x02q1\0\xce"),
            S("\x01\0\x01\0\0\0\x05\0\x3c\0\x48\0\xce"), C(PUBLISH CONTENT BODY),
            S("\x01\0\x01\0\0\0\x0f\0\x3c\0\x32\x01\x38\x02NR\x02"
              "ex\x02rk\xce" CONTENT BODY));
    proto_count(run, 5);
    proto_has(run, 0, "\"summary\":\"basic.get queue q1 ex/rk → basic.get-ok (5 B)\"");
    proto_has(run, 0, "\"body\":\"hello\"");
    proto_has(run, 1, "\"amqp_response_method\":\"basic.get-empty\"");
    proto_has(run, 3, "\"amqp_method\":\"basic.return\"");
    proto_has(run, 3, "\"status\":\"error\"");
    proto_has(run, 3, "\"amqp_reply_code\":312,\"amqp_reply_text\":\"NR\"");
    proto_run_free(run);
}

static void confirms(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START), C(SELECT), S(SELECT_OK), C(PUBLISH CONTENT BODY),
            C(PUBLISH CONTENT BODY), C(PUBLISH CONTENT BODY), C(PUBLISH CONTENT BODY),
            S(NACK("\x03")), S(ACK("\x02", "\x01")), SFIN, CFIN);
    proto_count(run, 6);
    proto_has(run, 1, "\"amqp_response_method\":\"basic.nack\"");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"amqp_delivery_tag\":3");
    proto_has(run, 2, "\"summary\":\"basic.publish ex/rk (5 B) → basic.ack\"");
    proto_has(
        run, 2,
        "\"response\":{\"headers\":{\"delivery-tag\":\"2\",\"multiple\":\"true\"},\"size\":21}");
    proto_has(
        run, 3,
        "\"response\":{\"headers\":{\"delivery-tag\":\"2\",\"multiple\":\"true\"},\"size\":21}");
    proto_has(run, 5, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_has(run, 5, "\"amqp_delivery_tag\":4");
    proto_run_free(run);
}

/* What one ack says of the publishes after a loss must not be told of others. */
static void confirms_after_losses(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C(HEADER), S(START), C(SELECT), S(SELECT_OK),
                                C(PUBLISH CONTENT BODY PUBLISH CONTENT BODY), SGAP(21),
                                S(ACK("\x02", "\x01")), CGAP(60), C(PUBLISH CONTENT BODY));
    proto_count(run, 5);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_lacks(run, 1, "basic.ack");
    proto_has(run, 2, "→ basic.ack");
    proto_lacks(run, 3, "delivery_tag"); /* its number is not known */
    proto_has(run, 3, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* a client that always waited for its confirms: the next one tells the number again */
    run = RUN(C(HEADER), S(START), C(SELECT), S(SELECT_OK), C(PUBLISH CONTENT BODY),
              S(ACK("\x01", "\0")), C(PUBLISH CONTENT BODY), S(ACK("\x02", "\0")), CGAP(60),
              S(ACK("\x03", "\0")), C(PUBLISH CONTENT BODY), S(ACK("\x04", "\0")),
              C(PUBLISH CONTENT BODY), S(ACK("\x05", "\0")), SFIN, CFIN);
    proto_count(run, 6);
    proto_has(run, 3, "\"summary\":\"basic.publish ex/rk (5 B) → basic.ack\",\"status\":\"ok\"");
    proto_has(run, 3, "\"amqp_delivery_tag\":4");
    proto_has(run, 4, "\"amqp_delivery_tag\":5");
    proto_run_free(run);
    /* a confirm of what nobody was seen to publish, and the answer to nothing */
    run = RUN(C(HEADER), S(START ACK("\x01", "\0") SELECT_OK), SFIN, CFIN);
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void errors(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START), C(OPEN), S(OPEN_OK), C(DECLARE), S(CLOSE_404), C(CLOSE_OK));
    proto_count(run, 4);
    proto_has(run, 1, "\"summary\":\"queue.declare queue q1 → channel.close no\"");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"amqp_reply_code\":404");
    proto_has(run, 2,
              "\"amqp_method\":\"channel.close\",\"amqp_response_method\":\"channel.close-ok\"");
    proto_has(run, 2, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_run_free(run);
}

static void tables(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C(HEADER), S(START),
            C("\x01\0\x01\0\0\0\x53\0\x32\0\x0a\0\0\x01q\0\0\0\0\x46"
              "\x01"
              "at\1\x01"
              "bb\xff\x01"
              "cs\xff\xfe\x01"
              "dI\0\0\0\7\x01"
              "el\xff\xff\xff\xff\xff\xff\xff\xff"
              "\x01"
              "fS\0\0\0\2hi\x01gA\0\0\0\4VB\5V\x01hF\0\0\0\4\x01it\0\x01jD\1\0\0\0\xf\xce"),
            S(DECLARE_OK));
    proto_count(run, 2);
    proto_has(
        run, 0,
        "{\\\"a\\\":true,\\\"b\\\":-1,\\\"c\\\":-2,\\\"d\\\":7,\\\"e\\\":-1,\\\"f\\\":\\\"hi\\\","
        "\\\"g\\\":[null,5,null],\\\"h\\\":{\\\"i\\\":false},\\\"j\\\":1.5}");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    /* The server's half of a message first; the sides are mixed up. */
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "amqp", .late_join = true), C(DECLARE_OK),
                       S(PUBLISH CONTENT BODY), S(DECLARE), C(DECLARE_OK));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "queue.declare queue q1 → queue.declare-ok");
    /* it was held: a confirm may have come */
    proto_has(run, 2, "\"amqp_method\":\"basic.publish\"");
    proto_has(run, 2, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "amqp", .late_join = true, .skip_probe = true),
                         C("lo\xce" CONTENT BODY HEARTBEAT PUBLISH CONTENT BODY));
    proto_count(run, 2);
    proto_has(run, 0, "\"status_reason\":\"window_start\"");
    proto_has(run, 0, "\"body\":\"hello\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    /* Inside a body: counted, and the message goes on. */
    struct proto_run *run = RUN(C(HEADER), S(START), C(PUBLISH CONTENT "\x03\0\x01\0\0\0\x05h"),
                                CGAP(2), C("lo\xce" PUBLISH CONTENT BODY));
    proto_count(run, 3);
    proto_has(run, 0, "\"gap_bytes\":2");
    proto_has(run, 0, "\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
    /* Over a frame's end: found again at a frame whose arguments fit. */
    run = RUN(C(HEADER), S(START), C(DECLARE), SGAP(40), S("\x01\0\x01 noise" DECLARE_OK),
              C(DECLARE), C(DECLARE), SGAP(23), S(DECLARE_OK));
    proto_count(run, 5);
    proto_has(run, 0, "queue.declare-ok"); /* the only one that waited */
    for (size_t i = 1; i < 3; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 3, "\"amqp_response_method\":\"queue.declare-ok\"");
    proto_has(run, 3, "\"incomplete\":true");
    proto_run_free(run);
    /* What was lost may be the answer, whatever ends the wait: the connection, its channel, or the
     * recording. */
    run = RUN(C(HEADER), S(START), C(DECLARE), SGAP(23), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    run = RUN(C(HEADER), S(START), C(DECLARE), SGAP(21), C(CLOSE_OK));
    proto_count(run, 3);
    for (size_t i = 0; i < 2; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    run = RUN(C(HEADER), S(START), C(DECLARE), SGAP(23));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* What was lost before the question cannot be its answer. */
    run = RUN(C(HEADER), S(START), SGAP(23), C(DECLARE), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void bad_peers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x01\0\x01\0\0\0\x04\0\x32\0\x63\xce",                     /* no such method */
        "\x01\0\x01\xff\xff\xff\xff\0\x32\0\x0a",                   /* 4 GiB of arguments */
        "\x01\0\x01\0\0\0\x05\0\x32\0\x0a\xff\xce",                 /* arguments that end early */
        "\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xcd",                   /* no end octet */
        "\x04\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce",                   /* no such frame */
        "\x03\0\x01\0\0\0\x01x\xcc",                                /* body without its end */
        "\x02\0\x01\0\0\0\x0e\0\x3c\0\x01\0\0\0\0\0\0\0\0\0\0\xce", /* weight 1 */
    };
    static const size_t sizes[] = {12, 11, 13, 13, 13, 9, 22};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proto_run *run = RUN(C(HEADER), S(START), C(OPEN), S(OPEN_OK), CB(bad[i], sizes[i]),
                                    C(DECLARE), S(DECLARE_OK));
        proto_has(run, 0, "channel.open");
        proto_run_free(run);
    }
    /* A table that nests beyond any use. */
    struct drive_step steps[200];
    size_t n = 0;
    steps[n++] = (struct drive_step)C(HEADER);
    steps[n++] = (struct drive_step)C("\x01\0\x01\0\0\3\0\0\x32\0\x0a\0\0\x01q\0\0\0\2\xf4");
    for (int i = 0; i < 90; i++)
        steps[n++] = (struct drive_step)C("\x01"
                                          "aF\0\0\0\x10");
    struct proto_run *run = proto_run_cut(&(struct drive_options){.dissector = "amqp"}, steps, n);
    proto_run_free(run);
}

static void not_amqp(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("AMQ"), CFIN);
    proto_count(run, 0);
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "amqp", .late_join = true),
                         C("\x01\0\0\0\0\0\0\0\0\0\0\0\0"), S("\x02\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    proto_count(run, 0);
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "amqp", .late_join = true), C("{\"AMQP\":1}\r\n"),
                         S("GET / HTTP/1.1"));
    proto_count(run, 0);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),
        cmocka_unit_test(versions),
        cmocka_unit_test(synchronous_methods),
        cmocka_unit_test(messages),
        cmocka_unit_test(get_and_return),
        cmocka_unit_test(confirms),
        cmocka_unit_test(confirms_after_losses),
        cmocka_unit_test(errors),
        cmocka_unit_test(tables),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(losses),
        cmocka_unit_test(bad_peers),
        cmocka_unit_test(not_amqp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
