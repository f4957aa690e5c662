/* DNS: messages of RFC 1035 and its successors, pairing, retransmissions, TCP, multicast,
 * transfers, record types to text, broken and hostile messages. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

/* ── a message writer ── */

struct message {
    uint8_t data[70000];
    size_t len;
};

static void put(struct message *m, const void *bytes, size_t n)
{
    assert_true(m->len + n <= sizeof m->data);
    if (n)
        memcpy(m->data + m->len, bytes, n);
    m->len += n;
}

static void put16(struct message *m, unsigned v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    put(m, b, 2);
}

static void put_name(struct message *m, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        uint8_t len = (uint8_t)n;
        put(m, &len, 1);
        put(m, name, n);
        name += n + (name[n] == '.');
    }
    put(m, "", 1);
}

static void header(struct message *m, unsigned id, unsigned flags, const unsigned counts[4])
{
    m->len = 0;
    put16(m, id);
    put16(m, flags);
    for (int i = 0; i < 4; i++)
        put16(m, counts[i]);
}

static void question(struct message *m, const char *name, unsigned type)
{
    put_name(m, name);
    put16(m, type);
    put16(m, 1);
}

static void query(struct message *m, unsigned id, const char *name, unsigned type)
{
    header(m, id, 0x0100, (const unsigned[]){1, 0, 0, 0});
    question(m, name, type);
}

/* A record whose owner is the name of the question. */
static void record(struct message *m, unsigned type, const void *rdata, size_t len)
{
    put16(m, 0xc00c);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, 300);
    put16(m, (unsigned)len);
    put(m, rdata, len);
}

static void answer(struct message *m, unsigned id, const char *name, unsigned type,
                   const void *rdata, size_t len)
{
    header(m, id, 0x8180, (const unsigned[]){1, 1, 0, 0});
    question(m, name, type);
    record(m, type, rdata, len);
}

#define CM(m)    CB((m).data, (m).len)
#define SM(m)    SB((m).data, (m).len)
#define UDP(...) PROTO_RUN_WITH(OPTIONS(.dissector = "dns", .transport = DISSECT_UDP), __VA_ARGS__)

static void query_and_answer(void **state)
{
    (void)state;
    static struct message q, a;
    query(&q, 0x1234, "www.Example.com", 1);
    answer(&a, 0x1234, "www.example.com", 1, "\x5d\xb8\xd8\x22", 4);
    a.data[2] |= 4; /* authoritative */
    struct proto_run *run = UDP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_questions\":[\"www.Example.com\"]");
    proto_has(run, 0, "\"dns_question_types\":[\"A\"]");
    proto_has(run, 0, "\"dns_answers\":[\"93.184.216.34\"]");
    proto_has(run, 0, "\"dns_rcode\":0,\"dns_rcode_name\":\"NOERROR\",\"dns_ttl_min\":300");
    proto_has(run, 0, "\"dns_authoritative\":true");
    proto_has(run, 0, "\"dns_request\":true,\"dns_response\":true");
    proto_has(run, 0, "\"dns_request_length\":33,\"dns_response_length\":49,\"dns_total_size\":82");
    proto_has(run, 0, "\"status_code\":0");
    proto_has(run, 0, "\"summary\":\"A www.Example.com → 93.184.216.34\"");
    proto_has(run, 0, "\"dns_id\":4660");
    proto_run_free(run);
}

static void rcodes(void **state)
{
    (void)state;
    static const struct {
        unsigned rcode;
        const char *name, *status;
    } cases[] = {{1, "FORMERR", "error"},
                 {2, "SERVFAIL", "error"},
                 {3, "NXDOMAIN", "ok"},
                 {4, "NOTIMP", "error"},
                 {5, "REFUSED", "error"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct message q, a;
        char expected[80];
        query(&q, 7, "x.example", 28);
        a = q;
        a.data[2] |= 0x80;
        a.data[3] = (uint8_t)(0x80 | cases[i].rcode);
        struct proto_run *run = UDP(CM(q), SM(a));
        proto_count(run, 1);
        snprintf(expected, sizeof expected, "\"summary\":\"AAAA x.example → %s\"", cases[i].name);
        proto_has(run, 0, expected);
        snprintf(expected, sizeof expected, "\"status\":\"%s\"", cases[i].status);
        proto_has(run, 0, expected);
        proto_run_free(run);
    }
}

static void pairing_by_id_and_question(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2;
    query(&q1, 5, "one.example", 1);
    query(&q2, 5, "two.example", 1);
    answer(&a1, 5, "one.example", 1, "\1\1\1\1", 4);
    answer(&a2, 5, "two.example", 1, "\2\2\2\2", 4);
    struct proto_run *run = UDP(CM(q1), CM(q2), SM(a2), SM(a1));
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"A two.example → 2.2.2.2\"");
    proto_has(run, 1, "\"summary\":\"A one.example → 1.1.1.1\"");
    proto_run_free(run);
    /* Another id answers nobody. */
    a1.data[1] = 6;
    run = UDP(CM(q1), SM(a1));
    proto_count(run, 2);
    proto_lacks(run, 0, "dns_request\"");
    proto_has(run, 1, "\"status\":\"no_response\"");
    proto_run_free(run);
}

static void retransmissions_are_counted(void **state)
{
    (void)state;
    static struct message q, a;
    query(&q, 5, "one.example", 1);
    answer(&a, 5, "one.example", 1, "\1\1\1\1", 4);
    struct proto_run *run = UDP(CM(q), CM(q), CM(q), SM(a), SM(a), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_retries\":2");
    proto_has(run, 0, "\"elapsed_time\":3000");
    proto_run_free(run);
    run = UDP(CM(q), SM(a), SM(a));
    proto_count(run, 1);
    proto_run_free(run);
    /* Two different answers to one question are worth seeing. */
    static struct message other;
    answer(&other, 5, "one.example", 1, "\6\6\6\6", 4);
    run = UDP(CM(q), SM(a), SM(other));
    proto_count(run, 2);
    proto_run_free(run);
}

static void unanswered(void **state)
{
    (void)state;
    static struct message q, q2;
    query(&q, 5, "one.example", 1);
    query(&q2, 6, "two.example", 1);
    struct drive_step late = CM(q2);
    late.ts_ns = DRIVE_START_NS + INT64_C(31000000000);
    struct drive_options options = {
        .dissector = "dns", .transport = DISSECT_UDP, .end = END_OF_DATA};
    struct proto_run *run = proto_run(&options, (struct drive_step[]){CM(q), late}, 2);
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"no_response\",\"status_reason\":\"timeout\"");
    proto_has(run, 1, "\"status\":\"open\"");
    proto_run_free(run);
}

static void response_alone(void **state)
{
    (void)state;
    static struct message q, a;
    query(&q, 6, "two.example", 1);
    answer(&a, 5, "one.example", 1, "\1\1\1\1", 4);
    /* The flow stage took the answer's sender for the client. */
    struct proto_run *run = UDP(CM(a), SM(q), CM(a));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 0, "\"dns_questions\":[\"one.example\"]");
    proto_run_free(run);
}

/* Between others: no datagram says whether its question was lost, so it is half a call. */
static void response_alone_later(void **state)
{
    (void)state;
    static struct message q, a, b;
    query(&q, 5, "one.example", 1);
    answer(&a, 5, "one.example", 1, "\1\1\1\1", 4);
    answer(&b, 6, "two.example", 1, "\1\1\1\1", 4);
    struct proto_run *run = UDP(CM(q), SM(a), SM(b));
    proto_count(run, 2);
    proto_has(run, 0, "\"incomplete\":false");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void both_sides_ask(void **state)
{
    (void)state;
    static struct message q, a, n, na;
    query(&q, 5, "one.example", 1);
    answer(&a, 5, "one.example", 1, "\1\1\1\1", 4);
    header(&n, 9, 0x2400, (const unsigned[]){1, 0, 0, 0});
    question(&n, "zone.example", 6);
    na = n;
    na.data[2] |= 0x80;
    struct proto_run *run = UDP(CM(q), SM(n), SM(a), CM(na));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"NOTIFY SOA zone.example → NOERROR\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void over_tcp(void **state)
{
    (void)state;
    static struct message q, a, qs, as;
    qs.len = as.len = 0;
    for (unsigned i = 0; i < 3; i++) {
        query(&q, i, "one.example", 1);
        answer(&a, 2 - i, "one.example", 1, "\1\1\1\1", 4);
        put16(&qs, (unsigned)q.len);
        put(&qs, q.data, q.len);
        put16(&as, (unsigned)a.len);
        put(&as, a.data, a.len);
    }
    struct proto_run *run = PROTO_RUN("dns", CM(qs), SM(as));
    proto_count(run, 3);
    for (size_t i = 0; i < 3; i++)
        proto_has(run, i, "\"summary\":\"A one.example → 1.1.1.1\"");
    proto_has(run, 0, "\"dns_request_length\":29");
    proto_run_free(run);
    /* A gap: the next whole message is found again. */
    static struct message tail;
    tail.len = 0;
    put(&tail, "garbage!", 8);
    put16(&tail, (unsigned)a.len);
    put(&tail, a.data, a.len);
    run = PROTO_RUN("dns", CM(qs), SGAP(70), SM(tail));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void zone_transfer(void **state)
{
    (void)state;
    static struct message q, a, qs, as;
    static const uint8_t soa[] = {1, 'n', 0, 1, 'h', 0, 0, 0, 0, 42, 0, 0, 0,
                                  1, 0,   0, 0, 2,   0, 0, 0, 3, 0,  0, 0, 4};
    qs.len = as.len = 0;
    query(&q, 3, "zone.example", 252);
    put16(&qs, (unsigned)q.len);
    put(&qs, q.data, q.len);
    for (int i = 0; i < 3; i++) {
        header(&a, 3, 0x8400, (const unsigned[]){i == 0, 1, 0, 0});
        if (i == 0) {
            question(&a, "zone.example", 252);
            record(&a, 6, soa, sizeof soa);
        } else {
            put_name(&a, "zone.example");
            put16(&a, i == 1 ? 1 : 6);
            put16(&a, 1);
            put16(&a, 0);
            put16(&a, 60);
            put16(&a, i == 1 ? 4 : sizeof soa);
            put(&a, i == 1 ? (const uint8_t *)"\1\2\3\4" : soa, i == 1 ? 4 : sizeof soa);
        }
        put16(&as, (unsigned)a.len);
        put(&as, a.data, a.len);
    }
    struct proto_run *run = PROTO_RUN("dns", CM(qs), SM(as));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_answers\":[\"n h 42 1 2 3 4\",\"1.2.3.4\",\"n h 42 1 2 3 4\"]");
    proto_run_free(run);
}

static void edns(void **state)
{
    (void)state;
    static struct message q;
    static const uint8_t opt[] = {0, 0, 41, 0x10, 0,   1,   0,  0x80, 0, 0, 39, /* BADVERS */
                                  0, 8, 0,  7,    0,   1,   24, 0,    1, 2, 3,  /* client subnet */
                                  0, 3, 0,  2,    'n', 's', 0,  10,   0, 8, 1,  2,   3,
                                  4, 5, 6,  7,    8,   0,   15, 0,    4, 0, 9,  'n', 'o'};
    header(&q, 1, 0x8180, (const unsigned[]){1, 0, 0, 1});
    question(&q, "one.example", 1);
    put(&q, opt, sizeof opt);
    q.data[q.len - sizeof opt + 10] = (uint8_t)(sizeof opt - 11);
    struct proto_run *run = UDP(SM(q));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_rcode\":16,\"dns_rcode_name\":\"BADVERS\"");
    proto_has(run, 0, "\"dns_client_subnet\":\"1.2.3.0/24/0\"");
    proto_has(run, 0,
              "; EDNS: version 0, udp 4096, do; ecs 1.2.3.0/24/0, nsid \\\"ns\\\", cookie "
              "0102030405060708, ede 9 \\\"no\\\"");
    proto_run_free(run);
}

#define RDATA(type, text, expected)            \
    {                                          \
        type, text, sizeof(text) - 1, expected \
    }

static void record_types(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        const char *rdata;
        size_t len;
        const char *expected;
    } cases[] = {
        RDATA(28, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2001:db8::1"),
        RDATA(5, "\3www\xc0\x0c", "www.a.example"),
        RDATA(15, "\0\12\4mail\xc0\x0c", "10 mail.a.example"),
        RDATA(16, "\3a\"b\0", "\"a\\\"b\" \"\""),
        RDATA(33, "\0\1\0\2\x1f\x90\1t\0", "1 2 8080 t"),
        RDATA(35, "\0\12\0\24\1s\3SIP\0\1r\0", "10 20 \"s\" \"SIP\" \"\" r"),
        RDATA(257, "\0\5issueca.example", "0 issue \"ca.example\""),
        RDATA(43, "\x04\xd2\x0d\2\xab\xcd", "1234 13 2 ABCD"),
        RDATA(48,
              "\1\1\3\x0d"
              "abc",
              "257 3 13 YWJj"),
        RDATA(46, "\0\1\x0d\2\0\0\x0e\x10\x65\x53\xf1\0\x65\x41\x7c\0\x30\x39\1e\0xyz",
              "A 13 2 3600 20231114221320 20231031221320 12345 e eHl6"),
        RDATA(47, "\1n\0\0\6\x40\1\0\0\0\3", "n A MX RRSIG NSEC"),
        RDATA(50, "\1\0\0\12\2\xaa\xbb\5\1\2\3\4\5\0\1\x40", "1 0 10 AABB 04106105 A"),
        RDATA(51, "\1\0\0\0\0", "1 0 0 -"),
        RDATA(52, "\3\1\1\xde\xad", "3 1 1 DEAD"),
        RDATA(44, "\4\2\xbe\xef", "4 2 BEEF"),
        RDATA(13, "\3x86\5Linux", "\"x86\" \"Linux\""),
        RDATA(29, "\0\x33\x16\x13\x89\x17\x2d\xd0\x70\xbe\x15\xf0\0\x98\x8d\x20",
              "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m"),
        RDATA(65, "\0\1\0\0\1\0\6\2h2\2h3\0\3\0\2\1\xbb\0\4\0\4\1\2\3\4",
              "1 . alpn=h2,h3 port=443 ipv4hint=1.2.3.4"),
        RDATA(256, "\0\12\0\1http://a", "10 1 \"http://a\""),
        RDATA(39, "\1d\0", "d"),
        RDATA(18, "\0\1\1d\0", "1 d"),
        RDATA(108, "\0\x11\x22\x33\x44\x55", "00-11-22-33-44-55"),
        RDATA(11, "\1\2\3\4\6\x40", "1.2.3.4 6 1"),
        RDATA(42, "\0\1\x18\3\xc0\0\2", "1:192.0.2.0/24"),
        RDATA(1234, "\1\2", "\\# 2 0102"),
        RDATA(1, "\1\2\3", "\\# 3 010203"), /* broken */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct message a;
        char quoted[512] = "\"dns_answers\":[\"";
        size_t n = strlen(quoted);
        for (const char *p = cases[i].expected; *p; p++) {
            if (*p == '"' || *p == '\\')
                quoted[n++] = '\\';
            quoted[n++] = *p;
        }
        memcpy(quoted + n, "\"]", 3);
        answer(&a, 1, "a.example", cases[i].type, cases[i].rdata, cases[i].len);
        struct proto_run *run = UDP(SM(a));
        proto_count(run, 1);
        proto_has(run, 0, quoted);
        proto_run_free(run);
    }
}

static void multicast(void **state)
{
    (void)state;
    static struct message q, a;
    header(&q, 0, 0, (const unsigned[]){2, 0, 0, 0});
    question(&q, "_http._tcp.local", 12);
    question(&q, "Living Room.local", 1);
    answer(&a, 0, "Living Room.local", 1, "\1\1\1\1", 4);
    struct drive_options options = {
        .dissector = "dns", .transport = DISSECT_UDP, .client_port = 5353, .server_port = 5353};
    struct proto_run *run = proto_run(&options, (struct drive_step[]){CM(q), SM(a)}, 2);
    proto_count(run, 2);
    proto_has(run, 0, "Living Room.local");
    proto_run_free(run);
}

static void broken_messages(void **state)
{
    (void)state;
    static struct message q, a;
    /* A pointer to itself, and a chain of them. */
    header(&a, 1, 0x8180, (const unsigned[]){1, 1, 0, 0});
    question(&a, "a.example", 1);
    put16(&a, 0xc000 | (unsigned)a.len);
    put(&a, "\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 14);
    query(&q, 1, "a.example", 1);
    struct proto_run *run = UDP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_malformed\":true");
    proto_run_free(run);
    /* Counts that the message cannot hold. */
    query(&q, 1, "a.example", 1);
    a = q;
    a.data[2] = 0x81;
    memset(a.data + 6, 0xff, 6);
    run = UDP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"dns_malformed\":true");
    proto_run_free(run);
    /* 5,000 records of a maximal name in one TCP message. */
    static struct message big, framed;
    header(&big, 1, 0x8180, (const unsigned[]){1, 5000, 0, 0});
    question(&big,
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
             "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
             "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc."
             "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
             2);
    for (int i = 0; i < 5000; i++)
        put(&big, "\xc0\x0c\0\2\0\1\0\0\0\1\0\0", 12);
    framed.len = 0;
    put16(&framed, (unsigned)big.len);
    put(&framed, big.data, big.len);
    run = PROTO_RUN("dns", SM(framed));
    proto_count(run, 1);
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
}

static void not_dns(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n",
        "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello hello hello",
        "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct proto_run *run = UDP(CB(texts[i], strlen(texts[i])));
        proto_count(run, 0);
        proto_run_free(run);
        run = PROTO_RUN("dns", CB(texts[i], strlen(texts[i])));
        proto_count(run, 0);
        proto_run_free(run);
    }
    /* NTP, all zero but its mode; NetBIOS name service. */
    uint8_t ntp[48] = {0x23};
    struct proto_run *run = UDP(CB(ntp, sizeof ntp));
    proto_count(run, 0);
    proto_run_free(run);
    static struct message q;
    header(&q, 1, 0x0110, (const unsigned[]){1, 0, 0, 0});
    question(&q, "CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 33);
    run = UDP(CM(q));
    proto_count(run, 0);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_and_answer),
        cmocka_unit_test(rcodes),
        cmocka_unit_test(pairing_by_id_and_question),
        cmocka_unit_test(retransmissions_are_counted),
        cmocka_unit_test(unanswered),
        cmocka_unit_test(response_alone),
        cmocka_unit_test(response_alone_later),
        cmocka_unit_test(both_sides_ask),
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(zone_transfer),
        cmocka_unit_test(edns),
        cmocka_unit_test(record_types),
        cmocka_unit_test(multicast),
        cmocka_unit_test(broken_messages),
        cmocka_unit_test(not_dns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
