/* Diameter: the header and AVPs of RFC 6733, results of every class, types of values, pairing by
 * the two identifiers, both peers asking, losses, late joins, SCTP, what is hidden, what is not
 * Diameter. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

/* ── a message writer ── */

struct message {
    uint8_t data[8192];
    size_t len;
};

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void begin(struct message *m, unsigned flags, uint32_t command, uint32_t application,
                  uint32_t id)
{
    memset(m, 0, sizeof *m);
    put32(m->data, 20);
    m->data[0] = 1;
    put32(m->data + 4, flags << 24 | command);
    put32(m->data + 8, application);
    put32(m->data + 12, id);
    put32(m->data + 16, 0x1000 + id);
    m->len = 20;
}

static void add_from(struct message *m, uint32_t code, uint32_t vendor, const void *value,
                     size_t len)
{
    uint32_t header = vendor ? 12 : 8;
    assert_true(m->len + header + len + 3 <= sizeof m->data);
    put32(m->data + m->len, code);
    put32(m->data + m->len + 4, (vendor ? 0xc0U : 0x40U) << 24 | (header + (uint32_t)len));
    if (vendor)
        put32(m->data + m->len + 8, vendor);
    if (len)
        memcpy(m->data + m->len + header, value, len);
    m->len += (header + len + 3) / 4 * 4;
    put32(m->data, 1U << 24 | (uint32_t)m->len);
}

#define ADD(m, code, text)                add_from(m, code, 0, text, sizeof(text) - 1)
#define ADD_VENDOR(m, code, vendor, text) add_from(m, code, vendor, text, sizeof(text) - 1)
#define CM(m)                             CB((m).data, (m).len)
#define SM(m)                             SB((m).data, (m).len)
#define TCP(...)                          PROTO_RUN("diameter", __VA_ARGS__)
#define LATE(...)                                                                           \
    PROTO_RUN_WITH(OPTIONS(.dissector = "diameter", .late_join = true, .end = END_OF_DATA), \
                   __VA_ARGS__)
#define SCTP(...) \
    PROTO_RUN_WITH(OPTIONS(.dissector = "diameter", .transport = DISSECT_SCTP), __VA_ARGS__)

static void request(struct message *m, uint32_t command, uint32_t id)
{
    begin(m, 0xc0, command, 4, id);
    ADD(m, 263, "a;1;2");
    ADD(m, 264, "a.example");
    ADD(m, 296, "example");
}

static void answer(struct message *m, uint32_t command, uint32_t id, uint32_t result)
{
    uint8_t code[4];
    put32(code, result);
    begin(m, result / 1000 == 3 ? 0x60 : 0x40, command, 4, id);
    ADD(m, 263, "a;1;2");
    add_from(m, 268, 0, code, 4);
    ADD(m, 264, "b.example");
}

/* ── messages ── */

static void capabilities_exchange(void **state)
{
    (void)state;
    static struct message q, a;
    begin(&q, 0x80, 257, 0, 7);
    ADD(&q, 264, "a.example");
    ADD(&q, 296, "example");
    ADD(&q, 257, "\x00\x01\xc0\x00\x02\x01");
    ADD(&q, 257, "\x00\x02\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
    ADD(&q, 266, "\0\0\0\0");
    ADD(&q, 269, "Peer");
    ADD(&q, 260,
        "\x00\x00\x01\x0a\x40\x00\x00\x0c\x00\x00\x28\xaf"
        "\x00\x00\x01\x02\x40\x00\x00\x0c\x01\x00\x00\x23");
    answer(&a, 257, 7, 2001);
    put32(a.data + 8, 0);
    struct proto_run *run = TCP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"diameter_method\":\"Capabilities-Exchange\"");
    proto_has(run, 0, "\"diameter_summary\":\"Capabilities-Exchange a.example\"");
    proto_has(run, 0, "\"summary\":\"Capabilities-Exchange a.example → DIAMETER_SUCCESS\"");
    proto_has(run, 0, "\"diameter_application\":\"Diameter common messages\"");
    proto_has(run, 0, "\"diameter_result_code\":2001,\"diameter_result\":\"DIAMETER_SUCCESS\"");
    proto_has(run, 0, "\"diameter_hop_by_hop_id\":7,\"diameter_end_to_end_id\":4103");
    proto_has(run, 0, "\"diameter_request\":true,\"diameter_response\":true");
    proto_has(run, 0,
              "\"body\":\"Origin-Host: a.example\\nOrigin-Realm: example\\nHost-IP-Address: "
              "192.0.2.1\\nHost-IP-Address: 2001:db8::1\\nVendor-Id: 0\\nProduct-Name: Peer\\n"
              "Vendor-Specific-Application-Id:\\n  Vendor-Id: 10415\\n  Auth-Application-Id: "
              "16777251\\n\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_lacks(run, 0, "malformed");
    proto_run_free(run);
}

static void results(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *name, *status;
    } cases[] = {{1001, "DIAMETER_MULTI_ROUND_AUTH", "ok"},
                 {2002, "DIAMETER_LIMITED_SUCCESS", "ok"},
                 {3002, "DIAMETER_UNABLE_TO_DELIVER", "error"},
                 {4012, "DIAMETER_CREDIT_LIMIT_REACHED", "error"},
                 {5030, "DIAMETER_USER_UNKNOWN", "error"},
                 {5999, "result 5999", "error"}};
    static struct message q, a;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[120];
        request(&q, 272, 1);
        ADD(&q, 416, "\0\0\0\x02");
        answer(&a, 272, 1, cases[i].code);
        struct proto_run *run = TCP(CM(q), SM(a));
        proto_count(run, 1);
        snprintf(expected, sizeof expected,
                 "\"summary\":\"Credit-Control UPDATE_REQUEST a;1;2 → %s\"", cases[i].name);
        proto_has(run, 0, expected);
        snprintf(expected, sizeof expected, "\"status\":\"%s\"", cases[i].status);
        proto_has(run, 0, expected);
        proto_has(run, 0, "\"diameter_session_id\":\"a;1;2\"");
        proto_has(run, 0, "\"diameter_request_type\":\"UPDATE_REQUEST\"");
        proto_run_free(run);
    }
    /* Experimental-Result of 3GPP; an error without any result. */
    request(&q, 316, 1);
    begin(&a, 0x40, 316, 4, 1);
    ADD(&a, 264, "b.example");
    ADD(&a, 297,
        "\x00\x00\x01\x0a\x40\x00\x00\x0c\x00\x00\x28\xaf"
        "\x00\x00\x01\x2a\x40\x00\x00\x0c\x00\x00\x15\x2c");
    struct proto_run *run = TCP(CM(q), SM(a));
    proto_has(run, 0, "→ DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION");
    proto_has(run, 0, "\"diameter_result_code\":5420");
    proto_has(run, 0, "\"diameter_result_vendor\":10415");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
    begin(&a, 0x20, 316, 4, 1);
    ADD(&a, 264, "b.example");
    ADD(&a, 281, "no way");
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"diameter_error_message\":\"no way\"");
    proto_lacks(run, 0, "diameter_result_code");
    proto_run_free(run);
}

static void values(void **state)
{
    (void)state;
    static struct message q;
    static const char *const lines[] = {
        "Event-Timestamp: 2010-01-12T06:47:58Z\\n",
        "Event-Timestamp: 2036-02-07T06:28:16Z\\n",
        "User-Password: (hidden)\\n",
        "Framed-IP-Address: 192.0.2.9\\n",
        "CC-Total-Octets: 4294967296\\n",
        "Value-Digits: -5\\n",
        "Exponent: -2\\n",
        "State: 0x00ff\\n",
        "Reply-Message: héllo\\n",
        "Subscription-Id:\\n  Subscription-Id-Type: END_USER_IMSI (1)\\n",
        "MSISDN: 49151234567\\n",
        "3GPP-IMSI: 00101\\n",
        "AVP-9-77: ab\\n",
        "AVP-70000: ab\\n",
        "Authentication-Info:\\n  E-UTRAN-Vector:\\n    KASME: (hidden)\\n",
    };
    request(&q, 272, 1);
    ADD(&q, 55, "\xce\xf6\x99\x9e");
    ADD(&q, 55, "\0\0\0\0");
    ADD(&q, 2, "hush");
    ADD(&q, 8, "\xc0\x00\x02\x09");
    ADD(&q, 421, "\0\0\0\x01\0\0\0\0");
    ADD(&q, 447, "\xff\xff\xff\xff\xff\xff\xff\xfb");
    ADD(&q, 429, "\xff\xff\xff\xfe");
    ADD(&q, 24, "\x00\xff");
    ADD(&q, 18, "h\xc3\xa9llo");
    ADD(&q, 443, "\0\0\x01\xc2\x40\0\0\x0c\0\0\0\x01");
    ADD_VENDOR(&q, 701, 10415, "\x94\x51\x21\x43\x65\xf7");
    ADD_VENDOR(&q, 1, 10415, "00101");
    ADD_VENDOR(&q, 77, 9, "ab");
    ADD(&q, 70000, "ab");
    ADD_VENDOR(&q, 1413, 10415,
               "\0\0\x05\x86\xc0\0\0\x1c\0\0\x28\xaf"
               "\0\0\x05\xaa\xc0\0\0\x10\0\0\x28\xafhush");
    struct proto_run *run = TCP(CM(q));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        proto_has(run, 0, lines[i]);
    proto_lacks(run, 0, "hush");
    proto_lacks(run, 0, "malformed");
    proto_run_free(run);
    /* Not the size of its type. */
    request(&q, 272, 1);
    ADD(&q, 415, "\x01\x02");
    run = TCP(CM(q));
    proto_has(run, 0, "CC-Request-Number: 0x0102\\n");
    proto_has(run, 0, "\"diameter_malformed\":true");
    proto_run_free(run);
}

/* ── pairing ── */

static void pairing_by_identifiers(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2, wrong;
    request(&q1, 272, 1);
    request(&q2, 272, 2);
    answer(&a1, 272, 1, 2001);
    answer(&a2, 272, 2, 4012);
    answer(&wrong, 275, 1, 2001);
    struct proto_run *run = TCP(CM(q1), CM(q2), SM(a2), SM(wrong), SM(a1));
    proto_count(run, 3);
    proto_has(run, 0, "\"diameter_hop_by_hop_id\":2");
    proto_has(run, 0, "→ DIAMETER_CREDIT_LIMIT_REACHED");
    proto_has(run, 1, "\"diameter_method\":\"Session-Termination\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"diameter_hop_by_hop_id\":1");
    proto_run_free(run);
    /* The end-to-end identifier has to agree too. */
    put32(a1.data + 16, 99);
    run = TCP(CM(q1), SM(a1));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 1, "\"status\":\"no_response\"");
    proto_run_free(run);
    /* The same identifiers, unanswered: whose answer is it? */
    answer(&a1, 272, 1, 2001);
    run = TCP(CM(q1), CM(q1), SM(a1));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "diameter_result_code");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void both_peers_ask(void **state)
{
    (void)state;
    static struct message q, a, watchdog, watched;
    request(&q, 272, 5);
    answer(&a, 272, 5, 2001);
    request(&watchdog, 280, 5);
    answer(&watched, 280, 5, 2001);
    struct proto_run *run = TCP(CM(q), SM(watchdog), CM(watched), SM(a));
    proto_count(run, 2);
    proto_has(run, 0, "\"diameter_method\":\"Device-Watchdog\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\",\"port\":9999}");
    proto_has(run, 0, "→ DIAMETER_SUCCESS");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.1\"");
    proto_run_free(run);
}

/* ── losses, late joins, SCTP ── */

static void losses(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2;
    request(&q1, 272, 1);
    request(&q2, 272, 2);
    answer(&a1, 272, 1, 2001);
    answer(&a2, 272, 2, 2001);
    struct proto_run *run = TCP(CM(q1), SGAP(a1.len), CM(q2), SM(a2));
    proto_count(run, 2);
    proto_has(run, 0, "\"diameter_hop_by_hop_id\":2");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    /* In a message: its beginning is read, what is behind the hole is not. */
    struct drive_step head = SB(a1.data, 36);
    struct drive_step tail = SB(a1.data + 50, a1.len - 50);
    run = TCP(CM(q1), head, SGAP(14), tail, CM(q2), SM(a2));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 0, "\"gap_bytes\":14");
    proto_has(run, 0, "\"truncated\":true");
    proto_has(run, 0, "\"body\":\"Session-Id: a;1;2\\n\"");
    proto_lacks(run, 0, "malformed");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
    /* Found again in the middle of a message. */
    struct drive_step rest = CB(q1.data + 30, q1.len - 30);
    run = TCP(CM(q1), SM(a1), CGAP(130), rest, CM(q2), SM(a2));
    proto_count(run, 2);
    proto_has(run, 1, "\"diameter_hop_by_hop_id\":2");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2, cer, cea;
    request(&q1, 272, 1);
    request(&q2, 272, 2);
    answer(&a1, 272, 1, 2001);
    answer(&a2, 272, 2, 2001);
    struct proto_run *run = LATE(SM(a1), CM(q2), SM(a2), CM(q1));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"Credit-Control a;1;2 → DIAMETER_SUCCESS\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_lacks(run, 0, "\"diameter_request\":true");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"status\":\"open\"");
    proto_run_free(run);
    /* Who connected is the client. */
    request(&cer, 257, 3);
    answer(&cea, 257, 3, 2001);
    run = LATE(SM(cer), CM(cea));
    proto_count(run, 1);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void over_sctp(void **state)
{
    (void)state;
    static struct message q, a, cut;
    request(&q, 316, 1);
    answer(&a, 316, 1, 2001);
    cut = q;
    cut.len -= 6;
    put32(cut.data + 12, 9);
    struct proto_run *run = SCTP(CM(q), SM(a), CM(cut), C("\x01\x02"));
    proto_count(run, 2);
    proto_has(run, 0, "\"diameter_method\":\"Update-Location\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"truncated\":true");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

/* ── what is broken, what is something else ── */

static void hostile(void **state)
{
    (void)state;
    static struct message q, deep;
    request(&q, 272, 1);
    begin(&deep, 0xc0, 272, 4, 2);
    ADD(&deep, 264, "a.example");
    /* Groups in groups: Failed-AVP, a thousand deep. */
    for (uint32_t left = 900; left > 0; left--) {
        put32(deep.data + deep.len, 279);
        put32(deep.data + deep.len + 4, 0x40000000U | left * 8);
        deep.len += 8;
    }
    put32(deep.data, 1U << 24 | (uint32_t)deep.len);
    struct proto_run *run = TCP(CM(deep), CM(q));
    proto_has(run, 0, "Failed-AVP:\\n  Failed-AVP:\\n");
    proto_run_free(run);
    /* An AVP longer than its message, one shorter than its header. */
    q.data[20 + 7] = 200;
    run = TCP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
    request(&q, 272, 1);
    q.data[36 + 7] = 3;
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "diameter", .skip_probe = true), CM(q));
    proto_count(run, 1);
    proto_has(run, 0, "\"diameter_malformed\":true");
    proto_run_free(run);
    /* Nonsense between messages. */
    request(&q, 272, 1);
    run = TCP(CM(q), C("nonsense, nonsense, nonsense"), CM(q));
    proto_count(run, 2);
    proto_run_free(run);
}

static void many_calls_wait(void **state)
{
    (void)state;
    static struct message q;
    static uint8_t bytes[2000][100];
    static struct drive_step steps[2000];
    for (uint32_t i = 0; i < 2000; i++) {
        request(&q, 272, i + 1);
        memcpy(bytes[i], q.data, q.len);
        steps[i] = (struct drive_step)CB(bytes[i], q.len);
    }
    struct proto_run *run = proto_run(
        &(struct drive_options){.dissector = "diameter", .end = END_OF_DATA}, steps, 2000);
    proto_count(run, 2000);
    proto_has(run, 0, "\"status\":\"open\"");
    proto_run_free(run);
}

static void not_diameter(void **state)
{
    (void)state;
    static struct message q;
    const struct drive_step cases[] = {
        C("\x01\x00\x00\x14\x80\x00\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\x01"), /* no AVPs */
        C("\x02\x00\x00\x30\x80\x00\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\x01"),
        C("\x01\x00\x00\x30\x85\x00\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\x01"),
        C("\x01\x00\x00\x08\x80\x00\x01\x01"),
        C("\x01\x01\x00\x08\x00\x00\x00\x00"), /* STUN */
        C("\x01\x00\x00\x2c\x80\x00\x01\x10\0\0\0\0\0\0\0\x01\0\0\0\x01"
          "\0\0\x01\x07\x40\0\x10\x00"
          "0123456789abcdef"), /* an AVP that does not fit */
        C("GET / HTTP/1.1\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct proto_run *run = TCP(cases[i]);
        proto_count(run, 0);
        proto_run_free(run);
        run = SCTP(cases[i]);
        proto_count(run, 0);
        proto_run_free(run);
    }
    begin(&q, 0xc0, 272, 4, 1);
    ADD(&q, 9999, "nobody knows it"); /* a chain alone proves little */
    struct proto_run *run = TCP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capabilities_exchange),
        cmocka_unit_test(results),
        cmocka_unit_test(values),
        cmocka_unit_test(pairing_by_identifiers),
        cmocka_unit_test(both_peers_ask),
        cmocka_unit_test(losses),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(over_sctp),
        cmocka_unit_test(hostile),
        cmocka_unit_test(many_calls_wait),
        cmocka_unit_test(not_diameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
