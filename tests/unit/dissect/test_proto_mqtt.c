/* MQTT: packets of the specifications (3.1.1 and 5.0), every quality of service, aliases, refusals,
 * losses, late joins, hostile input; every script also cut in pieces. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...)      PROTO_RUN("mqtt", __VA_ARGS__)
#define RUN_LATE(...) PROTO_RUN_WITH(OPTIONS(.dissector = "mqtt", .late_join = true), __VA_ARGS__)

#define CONNECT   C("\x10\x13\0\4MQTT\4\2\0\x3c\0\7meter-1")
#define CONNACK   S("\x20\2\0\0")
#define CONNECT_5 C("\x10\x14\0\4MQTT\5\2\0\x3c\0\0\7meter-1")
#define CONNACK_5 S("\x20\3\0\0\0")

static void connections(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CONNECT, CONNACK, C("\xc0\0"), S("\xd0\0"), C("\xe0\0"), CFIN, SFIN);
    proto_count(run, 3);
    proto_has(
        run, 0,
        "\"mqtt_type\":\"CONNECT\",\"mqtt_client_id\":\"meter-1\",\"mqtt_version\":\"3.1.1\"");
    proto_has(run, 0, "\"mqtt_reason_code\":0,\"mqtt_reason\":\"accepted\"");
    proto_has(run, 0, "\"summary\":\"CONNECT meter-1 → CONNACK\",\"status\":\"ok\"");
    proto_has(run, 1, "\"summary\":\"PINGREQ → PINGRESP\"");
    proto_has(run, 2, "\"mqtt_type\":\"DISCONNECT\",\"mqtt_client_id\":\"meter-1\"");
    proto_run_free(run);
    /* will, user name, password: the last is never shown */
    run = RUN(C("\x10\x27\0\4MQTT\4\xee\0\x0a\0\1x\0\4will\0\4gone\0\4user\0\6secret"),
              S("\x20\2\0\5"));
    proto_count(run, 1);
    proto_has(run, 0, "\"mqtt_username\":\"user\"");
    proto_has(run, 0, "\"summary\":\"CONNECT x → not authorized\",\"status\":\"error\"");
    proto_lacks(run, 0, "secret");
    proto_run_free(run);
    run = RUN(C("\x10\x0f\0\6MQIsdp\3\2\0\x3c\0\1a"), CONNACK);
    proto_has(run, 0, "\"mqtt_version\":\"3.1\"");
    proto_run_free(run);
}

static void publishes(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CONNECT, CONNACK,
                                C("\x30\x07\0\3a/b"
                                  "hi"),
                                C("\x33\x08\0\3a/b\0\x0a"
                                  "x"),
                                S("\x40\2\0\x0a"),
                                C("\x34\x08\0\3a/b\0\x0b"
                                  "y"),
                                S("\x50\2\0\x0b"), C("\x62\2\0\x0b"), S("\x70\2\0\x0b"),
                                S("\x32\x08\0\3c/d\0\x01"
                                  "z"),
                                C("\x40\2\0\1"), C("\x3a\x07\0\3a/b\0\x0c"), CFIN);
    proto_count(run, 6);
    proto_has(run, 1, "\"summary\":\"PUBLISH a/b: hi\",\"status\":\"ok\"");
    proto_has(run, 1, "\"mqtt_topic\":\"a/b\",\"mqtt_qos\":0,\"mqtt_client_id\":\"meter-1\"");
    proto_has(run, 1, "\"request\":{\"body\":\"hi\",\"body_size\":2,\"size\":9}");
    proto_has(run, 2, "\"mqtt_qos\":1");
    proto_has(run, 2, "\"mqtt_retain\":true,\"mqtt_packet_id\":10");
    proto_has(run, 2, "\"summary\":\"PUBLISH a/b: x → PUBACK\"");
    proto_has(run, 3, "\"summary\":\"PUBLISH a/b: y → PUBCOMP\"");
    proto_has(run, 3, "\"size\":14}");
    proto_has(run, 4, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 4, "\"mqtt_topic\":\"c/d\"");
    proto_has(run, 5, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_has(run, 5, "\"mqtt_dup\":true");
    proto_run_free(run);
}

static void subscriptions(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CONNECT, CONNACK, C("\x82\x0e\0\1\0\3a/b\1\0\3c/#\2"),
                                S("\x90\4\0\1\1\2"), C("\x82\x08\0\2\0\3x/y\0"),
                                S("\x90\3\0\2\x80"), C("\xa2\x07\0\3\0\3a/b"), S("\xb0\2\0\3"));
    proto_count(run, 4);
    proto_has(run, 1, "\"mqtt_topic\":\"a/b, c/#\",\"mqtt_qos\":2");
    proto_has(run, 1, "\"summary\":\"SUBSCRIBE a/b, c/# → SUBACK\",\"status\":\"ok\"");
    proto_has(run, 2, "\"summary\":\"SUBSCRIBE x/y → failure\",\"status\":\"error\"");
    proto_has(run, 3, "\"summary\":\"UNSUBSCRIBE a/b → UNSUBACK\"");
    proto_run_free(run);
}

static void version_5(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(CONNECT_5, CONNACK_5,
            /* content type, user property, alias 1 */
            C("\x30\x1d\0\3a/b\x12\x03\0\4text\x26\0\1k\0\2vv\x23\0\1 body"),
            C("\x30\x0a\0\0\3\x23\0\1"
              "more"),
            C("\x30\x0a\0\0\3\x23\0\2"
              "else"),
            C("\x32\x07\0\1t\0\7\0!"), S("\x40\x04\0\7\x87\0"), S("\xe0\x0a\x8e\x08\x1f\0\5taken"));
    proto_count(run, 6);
    proto_has(
        run, 1,
        "\"request\":{\"headers\":{\"content-type\":\"text\",\"k\":\"vv\"},\"body\":\" body\"");
    proto_has(run, 1, "\"mqtt_version\":\"5\"");
    proto_has(run, 2, "\"mqtt_topic\":\"a/b\"");
    proto_has(run, 2, "\"body\":\"more\"");
    proto_has(run, 3, "\"mqtt_topic\":\"<unknown>\"");
    proto_has(run, 4, "\"summary\":\"PUBLISH t: ! → not authorized\",\"status\":\"error\"");
    proto_has(run, 4, "\"mqtt_reason_code\":135");
    proto_has(run, 5, "\"mqtt_reason\":\"taken\"");
    proto_has(run, 5, "\"status\":\"error\"");
    proto_has(run, 5, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
    /* the client id that the server gave */
    run = RUN(C("\x10\x0d\0\4MQTT\5\2\0\x3c\0\0\0"), S("\x20\x08\0\0\5\x12\0\2id"), C("\xe0\0"));
    proto_has(run, 0, "\"mqtt_client_id\":\"id\"");
    proto_run_free(run);
}

static void gaps(void **state)
{
    (void)state;
    struct proto_run *run = RUN(CONNECT, CONNACK,
                                C("\x30\x0f\0\3a/b"
                                  "ab"),
                                CGAP(5),
                                C("cde\x30\x07\0\3a/b"
                                  "hi"));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"body\":\"ab\",\"body_size\":10");
    proto_has(run, 1, "\"gap_bytes\":5");
    proto_has(run, 2, "\"body\":\"hi\"");
    proto_run_free(run);
    /* beyond its end: packets that fit show where they begin again */
    run = RUN(CONNECT, CONNACK,
              C("\x30\x0f\0\3a/b"
                "ab"),
              CGAP(500), C("rest\x30\x0f\0\x0bsensors/one99\x30\x0f\0\x0bsensors/two98"), CFIN);
    proto_count(run, 4);
    proto_has(run, 2, "\"mqtt_topic\":\"sensors/one\"");
    proto_has(run, 3, "\"mqtt_topic\":\"sensors/two\"");
    proto_run_free(run);
    /* an acknowledgement that is awaited is found by its identifier */
    run = RUN(CONNECT, CONNACK,
              C("\x32\x08\0\3a/b\x12\x34"
                "x"),
              SGAP(100), S("zz\x40\2\x12\x34"),
              C("\x32\x08\0\3a/b\x12\x35"
                "y"),
              CFIN, SFIN);
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"PUBLISH a/b: x → PUBACK\",\"status\":\"incomplete\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

/* Little proves where packets begin again, so they may be read late: after what was asked next. */
static void found_again_late(void **state)
{
    (void)state;
    /* a PINGRESP of before does not answer the PINGREQ that waits by now */
    struct proto_run *run = RUN(CONNECT, CONNACK, C("\xc0\0"), SGAP(2), C("\xc0\0"), S("\xd0\0"),
                                C("\xc0\0"), S("\xd0\0"), C("\xe0\0"), CFIN, SFIN);
    proto_count(run, 6);
    for (size_t i = 1; i < 4; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* CONNECT is missing: the PUBLISH is read when its PUBACK was */
    run = RUN(C("\x10"), CGAP(48), S("\x20\6\0\0\3\x22\0\x0a"), C("\x32\x0a\0\1t\0\1\0sheep"),
              S("\x40\3\0\1\x10"), C("\xe0\0"), CFIN, SFIN);
    for (size_t i = 0; i + 1 < run->count; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

/* A call is whole when every packet of it was seen, and whose answer it is stands beyond doubt. */
static void losses_of_acknowledgements(void **state)
{
    (void)state;
    /* PUBREC of what the server had sent: its PUBLISH is behind the hole that shows later */
    struct proto_run *run = RUN(CONNECT, CONNACK, C("\x50\2\0\1"), SGAP(40), SFIN, CFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"→ PUBREC\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* QoS 2 without its PUBREC, and without its PUBREL */
    run = RUN(CONNECT, CONNACK,
              C("\x34\x08\0\3a/b\0\x0b"
                "y"),
              SGAP(4), C("\x62\2\0\x0b"), S("\x70\2\0\x0b"),
              C("\x34\x08\0\3a/b\0\x0c"
                "z"),
              S("\x50\2\0\x0c"), CGAP(4), S("\x70\2\0\x0c"), CFIN);
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"PUBLISH a/b: y → PUBCOMP\",\"status\":\"incomplete\"");
    proto_has(run, 2, "\"summary\":\"PUBLISH a/b: z → PUBCOMP\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* the identifier may have been used again, by something of another quality */
    run = RUN(CONNECT, CONNACK,
              C("\x34\x08\0\3a/b\0\x0b"
                "y"),
              CGAP(9), S("\x40\2\0\x0b"), CFIN, SFIN);
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"→ PUBACK\",\"status\":\"incomplete\"");
    proto_has(run, 2, "\"summary\":\"PUBLISH a/b: y\",\"status\":\"no_response\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = RUN_LATE(C("\x30\x17\0\x13sensors/temperature24"), S("\x40\2\0\7"),
                                     C("\xc0\0"), S("\xd0\0"));
    proto_count(run, 3);
    proto_has(run, 0, "\"mqtt_topic\":\"sensors/temperature\"");
    proto_has(
        run, 1,
        "\"summary\":\"→ PUBACK\",\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 2, "\"summary\":\"PINGREQ → PINGRESP\"");
    proto_run_free(run);
    /* sides guessed wrong, and 5.0 told by what only fits it */
    run = RUN_LATE(S("\x82\x0d\0\1\0\0\7sensors\0\x82\x0d\0\2\0\0\7actuals\1"),
                   C("\x90\4\0\1\0\0\x90\4\0\2\0\1"));
    proto_count(run, 2);
    proto_has(run, 0, "\"mqtt_topic\":\"sensors\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"mqtt_version\":\"5\"");
    proto_has(run, 1, "\"summary\":\"SUBSCRIBE actuals → SUBACK\"");
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {
        {"\x30\xff\xff\xff\xff\x01", 6}, /* five bytes of length */
        {"\x82\xff\xff\xff\x7f", 5},     /* 256 MiB of SUBSCRIBE */
        {"\x36\x08\0\3a/b\0\1x", 10},    /* QoS 3 */
        {"\x00\0", 2},                   /* reserved */
        {"\x82\x05\0\1\0\xffx", 7},      /* a filter beyond the packet */
        {"\x30\x02\xff\xff", 4},         /* a topic beyond the packet */
        {"\x30\0", 2},                   /* no topic at all */
        {"\x40\1\0", 3},                 /* no identifier */
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct proto_run *run = RUN(CONNECT_5, CONNACK_5, CB(broken[i].bytes, broken[i].len),
                                    C("\x30\x08\0\3a/b\0hi"), S("\x30\x08\0\3c/d\0hi"));
        proto_has(run, 0, "\"mqtt_type\":\"CONNECT\"");
        bool is_lost = i < 2;
        proto_count(run, i == 0 || i == 1 ? 2 : 4);
        if (!is_lost)
            proto_has(run, 2, "\"mqtt_topic\":\"a/b\"");
        proto_run_free(run);
    }
    /* more identifiers than anybody answers */
    struct buf out;
    buf_init(&out, 1024 * 1024);
    for (int i = 1; i <= 2000; i++) {
        buf_append(&out, "\x32\x08\0\3a/b", 7);
        buf_append_u8(&out, (uint8_t)(i >> 8));
        buf_append_u8(&out, (uint8_t)i);
        buf_append_u8(&out, 'x');
    }
    struct proto_run *run = RUN(CONNECT, CONNACK, CB(out.data, out.len), CFIN);
    proto_count(run, 2001);
    proto_run_free(run);
    buf_done(&out);
}

static void big_payload(void **state)
{
    (void)state;
    size_t len = 2 * 1024 * 1024;
    uint8_t *bytes = calloc(1, len + 10);
    assert_non_null(bytes);
    memcpy(bytes, "\x30\x85\x80\x80\x01\0\3a/b", 10);
    struct drive_step steps[] = {CONNECT, CONNACK, CB(bytes, len + 10),
                                 C("\x30\x07\0\3a/b"
                                   "hi")};
    struct proto_run *run = proto_run(&(struct drive_options){.dissector = "mqtt"}, steps, 4);
    proto_count(run, 3);
    proto_has(run, 1, "\"body_size\":2097152");
    proto_has(run, 1, "\"truncated\":true");
    proto_has(run, 2, "\"body\":\"hi\"");
    proto_run_free(run);
    free(bytes);
}

static void not_mqtt(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } texts[] = {{"\x10\x13\0\4HTTP\4\2\0\x3c\0\7meter-1", 21},
                 {"0123456789 some text", 20},
                 {"\x30\x82\x01\x0a\x02\x01\x01", 7}, /* LDAP */
                 {"@\2", 2},
                 {"\x16\x03\x01\x02\x00\x01\x00", 7},
                 {"GET / HTTP/1.1\r\n\r\n", 18}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (int late = 0; late < 2; late++) {
            struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "mqtt", .late_join = late),
                                                   CB(texts[i].bytes, texts[i].len),
                                                   SB(texts[i].bytes, texts[i].len), CFIN, SFIN);
            proto_count(run, 0);
            proto_run_free(run);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections),
        cmocka_unit_test(publishes),
        cmocka_unit_test(subscriptions),
        cmocka_unit_test(version_5),
        cmocka_unit_test(gaps),
        cmocka_unit_test(found_again_late),
        cmocka_unit_test(losses_of_acknowledgements),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(hostile),
        cmocka_unit_test(big_payload),
        cmocka_unit_test(not_mqtt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
