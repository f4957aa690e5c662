/* TLS hellos: built records (RFC 8446, RFC 5246), fingerprints against published vectors,
 * fragments, alerts, SSL 2.0 form, DTLS, late joins, hostile lengths; every script also cut in
 * pieces. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

struct bytes {
    uint8_t data[40000];
    size_t len;
};

static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->len + n <= sizeof b->data);
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
}

static void put_be(struct bytes *b, unsigned v, unsigned width)
{
    for (unsigned i = width; i > 0; i--) {
        uint8_t c = (uint8_t)(v >> (8 * (i - 1)));
        put(b, &c, 1);
    }
}

/* Fills a length field of `width` bytes at `at` with what was written behind it. */
static void close_length(struct bytes *b, size_t at, unsigned width)
{
    size_t n = b->len - at - width;
    for (unsigned i = 0; i < width; i++)
        b->data[at + i] = (uint8_t)(n >> (8 * (width - 1 - i)));
}

static void put_extension(struct bytes *b, unsigned type, const void *p, size_t n)
{
    put_be(b, type, 2);
    put_be(b, (unsigned)n, 2);
    put(b, p, n);
}

static size_t begin_record(struct bytes *b, unsigned type)
{
    put_be(b, type, 1);
    put_be(b, 0x0301, 2);
    put_be(b, 0, 2);
    return b->len - 2;
}

/* The ClientHello whose JA4 stands as the example in JA4.md: t13d1516h2_8daaf6152771_e5627efa2ab1.
 */
static void chrome_hello(struct bytes *b)
{
    static const unsigned ciphers[] = {0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
                                       0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
                                       0x009c, 0x009d, 0x002f, 0x0035};
    b->len = 0;
    size_t record = begin_record(b, 22);
    put_be(b, 1, 1);
    size_t message = b->len;
    put_be(b, 0, 3);
    put_be(b, 0x0303, 2);
    for (unsigned i = 0; i < 32; i++)
        put_be(b, i, 1);
    put_be(b, 0, 1);
    put_be(b, sizeof ciphers / sizeof ciphers[0] * 2, 2);
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
        put_be(b, ciphers[i], 2);
    put_be(b, 0x0100, 2);
    size_t extensions = b->len;
    put_be(b, 0, 2);
    put_extension(b, 0x1a1a, "", 0);
    put_extension(b, 0, "\0\x0e\0\0\013example.com", 16);
    put_extension(b, 0x17, "", 0);
    put_extension(b, 0xff01, "\0", 1);
    put_extension(b, 0x0a, "\0\x08\x0a\x0a\0\x1d\0\x17\0\x18", 10);
    put_extension(b, 0x0b, "\1\0", 2);
    put_extension(b, 0x23, "", 0);
    put_extension(b, 0x10, "\0\x0c\2h2\x08http/1.1", 14);
    put_extension(b, 0x05, "\1\0\0\0\0", 5);
    put_extension(b, 0x0d, "\0\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01",
                  18);
    put_extension(b, 0x12, "", 0);
    put_extension(b, 0x33, "\0\0", 2);
    put_extension(b, 0x2d, "\1\1", 2);
    put_extension(b, 0x2b, "\6\x2a\x2a\3\4\3\3", 7);
    put_extension(b, 0x1b, "\2\0\2", 3);
    put_extension(b, 0x4469, "\0\3\2h2", 5);
    put_extension(b, 0x15, "\0\0", 2);
    close_length(b, extensions, 2);
    close_length(b, message, 3);
    close_length(b, record, 2);
}

static void put_server_hello(struct bytes *b, unsigned version, unsigned cipher, bool is_13)
{
    put_be(b, 2, 1);
    size_t message = b->len;
    put_be(b, 0, 3);
    put_be(b, version, 2);
    for (unsigned i = 0; i < 32; i++)
        put_be(b, 0x80 + i, 1);
    put_be(b, 0, 1);
    put_be(b, cipher, 2);
    put_be(b, 0, 1);
    size_t extensions = b->len;
    put_be(b, 0, 2);
    if (is_13)
        put_extension(b, 0x2b, "\3\4", 2);
    else
        put_extension(b, 0x10, "\0\3\2h2", 5);
    close_length(b, extensions, 2);
    close_length(b, message, 3);
}

static void put_record(struct bytes *b, unsigned type, const char *payload, size_t n)
{
    size_t record = begin_record(b, type);
    put(b, payload, n);
    close_length(b, record, 2);
}

#define CBY(b)   CB((b).data, (b).len)
#define SBY(b)   SB((b).data, (b).len)
#define RUN(...) PROTO_RUN("tlsx", __VA_ARGS__)

static void tls13(void **state)
{
    (void)state;
    static struct bytes c, s, c2;
    chrome_hello(&c);
    s.len = c2.len = 0;
    size_t record = begin_record(&s, 22);
    put_server_hello(&s, 0x0303, 0x1301, true);
    close_length(&s, record, 2);
    put_record(&s, 20, "\1", 1);
    put_record(&s, 23, "encrypted extensions ...", 24);
    put_record(&c2, 20, "\1", 1);
    put_record(&c2, 23, "finished, encrypted ...", 23);
    put_record(&c2, 23, "GET / as nobody can read", 24);
    struct proto_run *run = RUN(CBY(c), SBY(s), CBY(c2));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_sni\":\"example.com\"");
    proto_has(run, 0, "\"tlsx_alpn\":[\"h2\",\"http/1.1\"]");
    proto_has(run, 0, "\"tlsx_version\":\"TLS 1.3\"");
    proto_has(run, 0, "\"tlsx_cipher_suite\":\"TLS_AES_128_GCM_SHA256\"");
    proto_has(run, 0, "\"tlsx_cipher_suites\":[\"GREASE_0x0A0A\",\"TLS_AES_128_GCM_SHA256\"");
    proto_has(run, 0, "\"tlsx_ja4\":\"t13d1516h2_8daaf6152771_e5627efa2ab1\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 0, "\"summary\":\"TLS example.com → TLS 1.3, TLS_AES_128_GCM_SHA256\"");
    proto_has(run, 0, "\"tlsx_resumed\":false");
    proto_run_free(run);
}

/* A certificate of nothing but what is read (RFC 5280 section 4.1). */
static void put_certificate(struct bytes *b)
{
    static const uint8_t name_c[] = {0x30, 0x19, 0x31, 0x17, 0x30, 0x15, 6,   3,   0x55,
                                     4,    3,    0x0c, 0x0e, 'a',  '.',  'e', 'x', 'a',
                                     'm',  'p',  'l',  'e',  ',',  'x',  'y', 'z', '!'};
    static const uint8_t name_i[] = {
        0x30, 0x1b, 0x31, 0x0b, 0x30, 9, 6,    3, 0x55, 4,    6, 0x13, 2, 'D', 'E',
        0x31, 0x0c, 0x30, 0x0a, 6,    3, 0x55, 4, 10,   0x0c, 3, 'O',  0, 'g'}; /* no end of it */
    put_be(b, 11, 1);
    size_t message = b->len;
    put_be(b, 0, 3);
    size_t list = b->len;
    put_be(b, 0, 3);
    size_t one = b->len;
    put_be(b, 0, 3);
    put(b, "\x30\x82\0\0", 4);
    size_t outer = b->len - 2;
    put(b, "\x30\x82\0\0", 4);
    size_t tbs = b->len - 2;
    put(b, "\xa0\3\2\1\2\2\1\7\x30\0", 10);
    put(b, name_i, sizeof name_i);
    put(b,
        "\x30\x1e\x17\x0d"
        "230101000000Z"
        "\x17\x0d"
        "331231235959Z",
        32);
    put(b, name_c, sizeof name_c);
    close_length(b, tbs, 2);
    close_length(b, outer, 2);
    close_length(b, one, 3);
    close_length(b, list, 3);
    close_length(b, message, 3);
}

static void tls12_in_fragments(void **state)
{
    (void)state;
    static struct bytes c, s, flight, c2;
    chrome_hello(&c);
    s.len = flight.len = c2.len = 0;
    put_server_hello(&flight, 0x0303, 0xc02f, false);
    put_certificate(&flight);
    put(&flight, "\x0c\0\0\3abc\x0e\0\0\0", 11);
    /* Messages lie across records, three bytes each. */
    for (size_t at = 0; at < flight.len; at += 3)
        put_record(&s, 22, (const char *)flight.data + at,
                   flight.len - at < 3 ? flight.len - at : 3);
    put_record(&c2, 22, "\x10\0\0\2xy", 6);
    put_record(&c2, 20, "\1", 1);
    put_record(&c2, 22, "finished", 8);
    static struct bytes s2;
    s2.len = 0;
    put_record(&s2, 20, "\1", 1);
    put_record(&s2, 22, "finished", 8);
    struct proto_run *run = RUN(CBY(c), SBY(s), CBY(c2), SBY(s2));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_version\":\"TLS 1.2\"");
    proto_has(run, 0, "\"tlsx_alpn\":[\"h2\"]");
    proto_has(run, 0, "\"tlsx_issuer\":\"O=O\\\\00g,C=DE\"");
    proto_has(run, 0, "\"tlsx_subject\":\"CN=a.example\\\\,xyz!\"");
    proto_has(run, 0, "\"tlsx_not_after\":\"2033-12-31T23:59:59.000000000Z\"");
    proto_has(run, 0, "\"tlsx_resumed\":false");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
    /* The abbreviated handshake of a resumed session. */
    s.len = 0;
    size_t record = begin_record(&s, 22);
    put_server_hello(&s, 0x0303, 0xc02f, false);
    close_length(&s, record, 2);
    put_record(&s, 20, "\1", 1);
    run = RUN(CBY(c), SBY(s), CBY(c2));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_resumed\":true");
    proto_run_free(run);
}

static void alerts_and_ends(void **state)
{
    (void)state;
    static struct bytes c, s;
    chrome_hello(&c);
    struct proto_run *run = RUN(CBY(c), S("\x15\3\3\0\2\2\x28"), SFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"tlsx_alert\":\"handshake_failure\"");
    proto_has(run, 0, "\"summary\":\"TLS example.com → alert handshake_failure\"");
    proto_has(run, 0, "\"response\":{\"size\":7}");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "tlsx", .end = END_RESET_BY_SERVER), CBY(c));
    proto_has(run, 0, "\"status\":\"no_response\",\"status_reason\":\"server_reset\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "tlsx", .end = END_OF_DATA), CBY(c));
    proto_has(run, 0, "\"status\":\"open\"");
    proto_run_free(run);
    s.len = 0;
    size_t record = begin_record(&s, 22);
    put_server_hello(&s, 0x0303, 0x1301, true);
    close_length(&s, record, 2);
    run = RUN(CBY(c), SBY(s));
    proto_has(run, 0, "\"status\":\"error\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void ssl2_form(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\x80\x28\1\3\1\0\x0f\0\0\0\x10\7\0\xc0\0\0\x39\0\0\x35\1\0\x80\0\0\x0a"
              "0123456789abcdef"),
            S("\x15\3\1\0\2\2\x28"));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_version\":\"TLS 1.0\"");
    proto_has(run, 0,
              "\"tlsx_cipher_suites\":[\"TLS_DHE_RSA_WITH_AES_256_CBC_SHA\","
              "\"TLS_RSA_WITH_AES_256_CBC_SHA\",\"TLS_RSA_WITH_3DES_EDE_CBC_SHA\"]");
    proto_has(run, 0, "SSL 2.0 form");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    static struct bytes s;
    s.len = 0;
    for (int i = 0; i < 4; i++)
        put_record(&s, 23, "application data of somebody", 28);
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "tlsx", .late_join = true), SBY(s), CBY(s));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"TLS, handshake not recorded\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_run_free(run);
    /* A hello that is the server's by its content. */
    static struct bytes c;
    chrome_hello(&c);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "tlsx", .late_join = true), SBY(c));
    proto_count(run, 1);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void gaps(void **state)
{
    (void)state;
    static struct bytes c;
    chrome_hello(&c);
    struct proto_run *run = RUN(CBY(c), SGAP(100), S("anything"));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_sni\":\"example.com\"");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void dtls(void **state)
{
    (void)state;
    static struct bytes c, m, parts[2];
    chrome_hello(&c);
    /* The body of a DTLS hello has a cookie behind the session id. */
    m.len = 0;
    put(&m, c.data + 9, 35);
    m.data[0] = 0xfe;
    m.data[1] = 0xfd;
    put(&m, "\0", 1);
    put(&m, c.data + 9 + 35, c.len - 9 - 35);
    for (unsigned i = 0; i < 2; i++) {
        size_t at = i ? 100 : 0;
        size_t n = i ? m.len - 100 : 100;
        parts[i].len = 0;
        put_be(&parts[i], 22, 1);
        put_be(&parts[i], 0xfeff, 2);
        put_be(&parts[i], 0, 4);
        put_be(&parts[i], i, 4);
        put_be(&parts[i], (unsigned)n + 12, 2);
        put_be(&parts[i], 1, 1);
        put_be(&parts[i], (unsigned)m.len, 3);
        put_be(&parts[i], 0, 2);
        put_be(&parts[i], (unsigned)at, 3);
        put_be(&parts[i], (unsigned)n, 3);
        put(&parts[i], m.data + at, n);
    }
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "tlsx", .transport = DISSECT_UDP, .end = END_OF_DATA),
                       CBY(parts[0]), CBY(parts[0]), CBY(parts[1]));
    proto_count(run, 1);
    proto_has(run, 0, "\"tlsx_sni\":\"example.com\"");
    proto_has(run, 0, "\"tlsx_ja4\":\"d");
    proto_has(run, 0, "\"summary\":\"DTLS example.com\"");
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static struct bytes c, s;
    /* Every length of the hello set to its maximum, one after the other. */
    for (size_t i = 0; i < 400; i++) {
        chrome_hello(&c);
        if (i >= c.len)
            break;
        c.data[i] = 0xff;
        struct proto_run *run = RUN(CBY(c), S("\x15\3\3\0\2\2\x28"));
        assert_in_range(run->count, 0, 1);
        proto_run_free(run);
    }
    /* A certificate message of 16 MiB that never ends: kept to its cap. */
    chrome_hello(&c);
    s.len = 0;
    size_t record = begin_record(&s, 22);
    put_server_hello(&s, 0x0303, 0xc02f, false);
    put(&s, "\x0b\xff\xff\xff", 4);
    close_length(&s, record, 2);
    static char zeros[16384];
    put_record(&s, 22, zeros, sizeof zeros);
    struct proto_run *run = RUN(CBY(c), SBY(s), SBY(s));
    proto_count(run, 1);
    proto_run_free(run);
}

static void not_tls(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n",
                                        "\x16\x03\x01\x02\x00\x02", "\x80\x2e\x01\x03\x01\xff\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct proto_run *run = RUN(CB(texts[i], strlen(texts[i])), S("x"));
        proto_count(run, 0);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls13),
        cmocka_unit_test(tls12_in_fragments),
        cmocka_unit_test(alerts_and_ends),
        cmocka_unit_test(ssl2_form),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(gaps),
        cmocka_unit_test(dtls),
        cmocka_unit_test(hostile),
        cmocka_unit_test(not_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
