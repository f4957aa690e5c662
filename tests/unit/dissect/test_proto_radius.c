/* RADIUS: the examples of RFC 2865 section 7, pairing, retransmissions, refusals, late joins, what
 * is hidden, what is not RADIUS. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

/* ── a message writer ── */

struct message {
    uint8_t data[4200];
    size_t len;
};

static void begin(struct message *m, unsigned code, unsigned id, int authenticator)
{
    memset(m, 0, sizeof *m);
    m->data[0] = (uint8_t)code;
    m->data[1] = (uint8_t)id;
    m->data[3] = 20;
    memset(m->data + 4, authenticator, 16);
    m->len = 20;
}

static void add(struct message *m, unsigned type, const void *value, size_t len)
{
    assert_true(m->len + 2 + len <= sizeof m->data && len <= 253);
    m->data[m->len++] = (uint8_t)type;
    m->data[m->len++] = (uint8_t)(len + 2);
    memcpy(m->data + m->len, value, len);
    m->len += len;
    m->data[2] = (uint8_t)(m->len >> 8);
    m->data[3] = (uint8_t)m->len;
}

#define ADD(m, type, text) add(m, type, text, sizeof(text) - 1)
#define CM(m)              CB((m).data, (m).len)
#define SM(m)              SB((m).data, (m).len)
#define UDP(...) \
    PROTO_RUN_WITH(OPTIONS(.dissector = "radius", .transport = DISSECT_UDP), __VA_ARGS__)
#define RADIUS_PORT(...)                                                                          \
    PROTO_RUN_WITH(OPTIONS(.dissector = "radius", .transport = DISSECT_UDP, .server_port = 1813), \
                   __VA_ARGS__)

static void request(struct message *m, unsigned code, unsigned id, int authenticator)
{
    begin(m, code, id, authenticator);
    ADD(m, 1, "bob");
}

static void response(struct message *m, unsigned code, unsigned id, int authenticator)
{
    begin(m, code, id, authenticator);
    ADD(m, 18, "hello");
}

/* RFC 2865 section 7.1: User Telnet to Specified Host. */
static void telnet_example(void **state)
{
    (void)state;
    static const uint8_t asked[] =
        "\x01\x00\x00\x38\x0f\x40\x3f\x94\x73\x97\x80\x57\xbd\x83\xd5\xcb\x98\xf4\x22\x7a\x01\x06"
        "\x6e\x65\x6d\x6f\x02\x12\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee"
        "\x04\x06\xc0\xa8\x01\x10\x05\x06\x00\x00\x00\x03";
    static const uint8_t told[] =
        "\x02\x00\x00\x26\x86\xfe\x22\x0e\x76\x24\xba\x2a\x10\x05\xf6\xbf\x9b\x55\xe0\xb2\x06\x06"
        "\x00\x00\x00\x01\x0f\x06\x00\x00\x00\x00\x0e\x06\xc0\xa8\x01\x03";
    struct proto_run *run = UDP(CB(asked, 56), SB(told, 38));
    proto_count(run, 1);
    proto_has(run, 0, "\"radius_code\":1,\"radius_code_name\":\"Access-Request\"");
    proto_has(run, 0, "\"radius_username\":\"nemo\"");
    proto_has(run, 0, "\"radius_request\":true,\"radius_response\":true");
    proto_has(run, 0, "\"radius_request_length\":56,\"radius_response_length\":38");
    proto_has(run, 0, "\"radius_total_size\":94");
    proto_has(run, 0, "\"radius_response_code\":2,\"radius_response_code_name\":\"Access-Accept\"");
    proto_has(run, 0, "\"summary\":\"Access-Request nemo → Access-Accept\"");
    proto_has(run, 0,
              "\"body\":\"User-Name: nemo\\nUser-Password: (hidden)\\nNAS-IP-Address: "
              "192.168.1.16\\nNAS-Port: 3\\n\"");
    proto_has(run, 0,
              "\"body\":\"Service-Type: Login (1)\\nLogin-Service: 0\\nLogin-IP-Host: "
              "192.168.1.3\\n\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_lacks(run, 0, "radius_malformed");
    proto_lacks(run, 0, "radius_retries");
    proto_run_free(run);
}

static void codes(void **state)
{
    (void)state;
    static const struct {
        unsigned asked, told;
        const char *summary, *status;
    } cases[] = {{1, 3, "Access-Request bob → Access-Reject", "error"},
                 {1, 11, "Access-Request bob → Access-Challenge", "ok"},
                 {4, 5, "Accounting-Request bob → Accounting-Response", "ok"},
                 {12, 2, "Status-Server bob → Access-Accept", "ok"},
                 {12, 5, "Status-Server bob → Accounting-Response", "ok"},
                 {40, 41, "Disconnect-Request bob → Disconnect-ACK", "ok"},
                 {40, 42, "Disconnect-Request bob → Disconnect-NAK", "error"},
                 {43, 44, "CoA-Request bob → CoA-ACK", "ok"},
                 {43, 45, "CoA-Request bob → CoA-NAK", "error"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct message q, a;
        char expected[100];
        request(&q, cases[i].asked, 7, 1);
        response(&a, cases[i].told, 7, 2);
        struct proto_run *run = UDP(CM(q), SM(a));
        proto_count(run, 1);
        snprintf(expected, sizeof expected, "\"summary\":\"%s\"", cases[i].summary);
        proto_has(run, 0, expected);
        snprintf(expected, sizeof expected, "\"status\":\"%s\"", cases[i].status);
        proto_has(run, 0, expected);
        proto_run_free(run);
    }
}

static void pairing_by_identifier_and_code(void **state)
{
    (void)state;
    static struct message q1, q2, q3, a1, a2, wrong;
    request(&q1, 1, 1, 1);
    request(&q2, 1, 2, 2);
    request(&q3, 4, 3, 3);
    response(&a1, 2, 1, 4);
    response(&a2, 3, 2, 5);
    response(&wrong, 2, 3, 6); /* an accept answers no accounting */
    struct proto_run *run = UDP(CM(q1), CM(q2), CM(q3), SM(a2), SM(a1), SM(wrong));
    proto_count(run, 4);
    proto_has(run, 0, "\"summary\":\"Access-Accept\"");
    proto_has(run, 0, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 0, "\"radius_id\":3");
    proto_has(run, 1, "\"summary\":\"Accounting-Request bob\"");
    proto_has(run, 1, "\"status\":\"no_response\"");
    proto_has(run, 2, "\"radius_id\":2");
    proto_has(run, 2, "→ Access-Reject");
    proto_has(run, 3, "\"radius_id\":1");
    proto_has(run, 3, "→ Access-Accept");
    proto_run_free(run);
}

static void retransmissions_are_counted(void **state)
{
    (void)state;
    static struct message q, a;
    request(&q, 1, 9, 1);
    response(&a, 2, 9, 2);
    struct proto_run *run = UDP(CM(q), CM(q), CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"radius_retries\":2");
    proto_has(run, 0, "\"radius_request_length\":25");
    proto_run_free(run);
    /* The third crosses the answer, which comes again. */
    run = UDP(CM(q), CM(q), SM(a), CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"radius_retries\":2");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
    run = UDP(CM(q), CM(q));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_has(run, 0, "\"radius_retries\":1");
    proto_lacks(run, 0, "radius_response_code");
    proto_run_free(run);
}

static void an_identifier_used_again(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2;
    request(&q1, 1, 9, 1);
    request(&q2, 1, 9, 2);
    response(&a1, 2, 9, 3);
    response(&a2, 3, 9, 4);
    struct proto_run *run = UDP(CM(q1), SM(a1), CM(q2), SM(a2));
    proto_count(run, 2);
    proto_has(run, 0, "→ Access-Accept");
    proto_has(run, 1, "→ Access-Reject");
    proto_run_free(run);
    /* Whose answer is it? Nobody's. */
    run = UDP(CM(q1), CM(q2), SM(a2));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_has(run, 1, "\"summary\":\"Access-Reject\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_lacks(run, 2, "radius_response_code");
    proto_run_free(run);
}

static void a_call_expires(void **state)
{
    (void)state;
    static struct message q, a;
    request(&q, 1, 9, 1);
    response(&a, 2, 9, 3);
    struct drive_step late = SM(a);
    late.ts_ns = DRIVE_START_NS + INT64_C(31000000000);
    struct proto_run *run = UDP(CM(q), late);
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_has(run, 0, "\"status_reason\":\"timeout\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void who_asks(void **state)
{
    (void)state;
    static struct message q, a;
    request(&q, 43, 9, 1);
    response(&a, 44, 9, 3);
    /* A lone answer comes from the server, whoever spoke first. */
    struct proto_run *run = UDP(CM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"status_reason\":\"window_start\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"radius_code_name\":\"CoA-ACK\"");
    proto_run_free(run);
    /* Both sides ask. */
    static struct message own;
    request(&own, 1, 9, 5);
    run = UDP(CM(own), SM(q), CM(a));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"Access-Request bob\"");
    proto_has(run, 1, "\"summary\":\"CoA-Request bob → CoA-ACK\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void attributes_as_text(void **state)
{
    (void)state;
    static struct message q, a;
    begin(&q, 4, 1, 1);
    ADD(&q, 40, "\0\0\0\2");
    ADD(&q, 49, "\0\0\0\1");
    ADD(&q, 64, "\1\0\0\15");
    ADD(&q, 81, "\1vlan");
    ADD(&q, 97, "\0\40\x20\1\xd\xb8");
    ADD(&q, 95, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
    ADD(&q, 26, "\0\0\0\11\1\5abc");
    ADD(&q, 26, "\0\0\0\11\1\16password=xyz");
    ADD(&q, 26, "\0\0\1\x37\31\4\1\2");
    ADD(&q, 79, "\2\1\0\6\1x");
    ADD(&q, 3, "\1chap");
    ADD(&q, 69, "\1tunnel");
    ADD(&q, 11, "a\nb");
    ADD(&q, 200, "\1\2");
    begin(&a, 5, 1, 2);
    struct proto_run *run = UDP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"Accounting-Request Stop → Accounting-Response\"");
    proto_has(run, 0,
              "Acct-Status-Type: Stop (2)\\nAcct-Terminate-Cause: User-Request (1)\\n"
              "Tunnel-Type: VLAN (13) (tag 1)\\nTunnel-Private-Group-ID: vlan (tag 1)\\n"
              "Framed-IPv6-Prefix: 2001:db8::/32\\nNAS-IPv6-Address: 2001:db8::1\\n"
              "Vendor-Specific: vendor 9, 1: abc\\nVendor-Specific: vendor 9, 1: (hidden)\\n"
              "Vendor-Specific: vendor 311 (hidden)\\nEAP-Message: EAP Response, id 1, 6 bytes\\n"
              "CHAP-Password: (hidden)\\nTunnel-Password: (hidden)\\nFilter-Id: 0x610a62\\n"
              "Attribute-200: 0x0102\\n");
    proto_lacks(run, 0, "xyz");
    proto_lacks(run, 0, "chap\"");
    proto_run_free(run);
}

static void the_cause_of_a_refusal(void **state)
{
    (void)state;
    static struct message q, a;
    request(&q, 43, 1, 1);
    begin(&a, 45, 1, 2);
    ADD(&a, 101, "\0\0\1\xf7");
    struct proto_run *run = UDP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"CoA-Request bob → CoA-NAK Session-Context-Not-Found\"");
    proto_run_free(run);
}

static void broken_messages(void **state)
{
    (void)state;
    static struct message good, q;
    request(&good, 1, 1, 1);
    /* An attribute that reaches beyond the end, one of length 0, a number of three bytes. */
    static const char *const bad[] = {"\1\12abc", "\1\0abc", "\5\5abc"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(&q, 1, 2, 2);
        memcpy(q.data + 20, bad[i], 5);
        q.len = 25;
        q.data[3] = 25;
        struct proto_run *run = UDP(CM(q));
        proto_count(run, 0);
        proto_run_free(run);
        run = UDP(CM(good), CM(q));
        proto_count(run, 2);
        proto_lacks(run, 0, "radius_malformed");
        proto_has(run, 1, "\"radius_malformed\":true");
        proto_run_free(run);
    }
    /* Padding behind the length is none of it; a datagram that is too short is said. */
    request(&q, 1, 2, 2);
    q.len += 5;
    struct proto_run *run = UDP(CM(good), CM(q));
    proto_count(run, 2);
    proto_has(run, 1, "\"radius_request_length\":25");
    proto_lacks(run, 1, "radius_malformed");
    proto_run_free(run);
    q.len = 24;
    run = UDP(CM(good), CM(q), C("\1"), C("\0\1\0\24aaaaaaaaaaaaaaaa"));
    proto_count(run, 2);
    proto_has(run, 1, "\"radius_malformed\":true");
    proto_has(run, 1, "\"truncated\":true");
    proto_run_free(run);
}

static void not_radius(void **state)
{
    (void)state;
    static struct message q;
    request(&q, 1, 1, 1);
    q.data[0] = 13; /* an unknown code */
    struct proto_run *run = UDP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
    request(&q, 1, 1, 1);
    q.data[3]++; /* not the datagram's length */
    run = UDP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
    request(&q, 1, 1, 1);
    q.data[20] = 0; /* no attribute has this type */
    run = UDP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
    /* A STUN binding response (RFC 8489): its length leaves the header out. */
    run = UDP(C("\1\1\0\14\x21\x12\xa4\x42nnnnnnnnnnnn\0\40\0\10\0\1\x11\x2b\x5e\x12\xa4\x43"));
    proto_count(run, 0);
    proto_run_free(run);
    /* A header alone shows too little without a port of RADIUS. */
    begin(&q, 5, 1, 1);
    run = UDP(SM(q));
    proto_count(run, 0);
    proto_run_free(run);
    run = RADIUS_PORT(SM(q));
    proto_count(run, 1);
    proto_run_free(run);
}

static void a_whole_packet_of_attributes(void **state)
{
    (void)state;
    static struct message q;
    begin(&q, 1, 1, 1);
    while (q.len + 3 <= 4096)
        ADD(&q, 89, "\1"); /* the longest name, the shortest value */
    struct proto_run *run = UDP(CM(q));
    proto_count(run, 1);
    proto_has(run, 0, "Chargeable-User-Identity: 0x01\\n\"");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(telnet_example),
        cmocka_unit_test(codes),
        cmocka_unit_test(pairing_by_identifier_and_code),
        cmocka_unit_test(retransmissions_are_counted),
        cmocka_unit_test(an_identifier_used_again),
        cmocka_unit_test(a_call_expires),
        cmocka_unit_test(who_asks),
        cmocka_unit_test(attributes_as_text),
        cmocka_unit_test(the_cause_of_a_refusal),
        cmocka_unit_test(broken_messages),
        cmocka_unit_test(not_radius),
        cmocka_unit_test(a_whole_packet_of_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
