/* LDAP: the operations of RFC 4511, filters of RFC 4515, pairing by message id, losses, StartTLS,
 * what is hidden, what is not LDAP. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

/* ── a message writer ── */

struct message {
    uint8_t data[8192];
    size_t len;
};

static size_t put_head(uint8_t *out, unsigned tag, size_t len)
{
    out[0] = (uint8_t)tag;
    if (len < 128) {
        out[1] = (uint8_t)len;
        return 2;
    }
    out[1] = 0x82;
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    return 4;
}

static struct message *make(struct message *m, unsigned id, unsigned op, const char *body,
                            size_t body_len, const char *controls, size_t controls_len)
{
    uint8_t inner[8000];
    size_t n = put_head(inner, 2, 1);
    inner[n++] = (uint8_t)id;
    n += put_head(inner + n, op, body_len);
    assert_true(n + body_len + controls_len < sizeof inner - 8);
    if (body_len)
        memcpy(inner + n, body, body_len);
    n += body_len;
    if (controls_len) {
        n += put_head(inner + n, 0xa0, controls_len);
        memcpy(inner + n, controls, controls_len);
        n += controls_len;
    }
    m->len = put_head(m->data, 0x30, n);
    memcpy(m->data + m->len, inner, n);
    m->len += n;
    return m;
}

#define MAKE(m, id, op, body) make(m, id, op, body, sizeof(body) - 1, "", 0)
#define CM(m)                 CB((m).data, (m).len)
#define SM(m)                 SB((m).data, (m).len)
#define TCP(...)              PROTO_RUN("ldap", __VA_ARGS__)
#define LATE(...) \
    PROTO_RUN_WITH(OPTIONS(.dissector = "ldap", .late_join = true, .end = END_OF_DATA), __VA_ARGS__)
#define UDP(...)     PROTO_RUN_WITH(OPTIONS(.dissector = "ldap", .transport = DISSECT_UDP), __VA_ARGS__)
#define RESULT(code) "\x0a\x01" code "\x04\x00\x04\x00"
#define BASE   \
    "\x04\x11" \
    "dc=example,dc=com"

static void request(struct message *m, unsigned id)
{
    MAKE(m, id, 0x63,
         BASE "\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00"
              "\xa3\x0a\x04\x03uid\x04\x03"
              "bob"
              "\x30\x04\x04\x02"
              "cn");
}

static void entry(struct message *m, unsigned id)
{
    MAKE(m, id, 0x64,
         "\x04\x05"
         "cn=ab"
         "\x30\x0d\x30\x0b\x04\x02"
         "cn"
         "\x31\x05\x04\x03"
         "bob");
}

static void done(struct message *m, unsigned id)
{
    MAKE(m, id, 0x65, RESULT("\x00"));
}

static void bind(struct message *m, unsigned id)
{
    MAKE(m, id, 0x60,
         "\x02\x01\x03\x04\x06"
         "cn=adm"
         "\x80\x06secret");
}

static void bound(struct message *m, unsigned id)
{
    MAKE(m, id, 0x61, RESULT("\x00"));
}

/* ── operations ── */

static void simple_bind_hides_the_password(void **state)
{
    (void)state;
    static struct message q, a;
    bind(&q, 1);
    bound(&a, 1);
    struct proto_run *run = TCP(CM(q), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"ldap_type\":\"bind\",\"ldap_summary\":\"bind cn=adm simple\"");
    proto_has(run, 0, "\"summary\":\"bind cn=adm simple → success\"");
    proto_has(run, 0, "\"ldap_result_code\":0,\"ldap_result\":\"success\"");
    proto_has(run, 0, "\"ldap_dn\":\"cn=adm\"");
    proto_has(run, 0, "\"ldap_mechanism\":\"simple\"");
    proto_has(run, 0, "\"ldap_request\":true,\"ldap_response\":true");
    proto_has(run, 0,
              "\"ldap_request_length\":26,\"ldap_response_length\":14,\"ldap_total_size\":40");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_lacks(run, 0, "secret");
    proto_lacks(run, 0, "malformed");
    proto_run_free(run);
    MAKE(&q, 1, 0x60, "\x02\x01\x03\x04\x00\x80\x00");
    MAKE(&a, 1, 0x61,
         "\x0a\x01\x31\x04\x00\x04\x03"
         "no\0");
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"bind anonymous → invalidCredentials: no\"");
    proto_has(run, 0, "\"ldap_error_message\":\"no\"");
    proto_has(run, 0, "\"ldap_result_code\":49");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
}

static void sasl_bind_in_steps(void **state)
{
    (void)state;
    static struct message q1, a1, q2, a2, q3, a3;
    MAKE(&q1, 1, 0x60, "\x02\x01\x03\x04\x00\xa3\x0f\x04\x06GSSAPI\x04\x05hush1");
    MAKE(&a1, 1, 0x61, RESULT("\x0e") "\x87\x05hush2");
    MAKE(&q2, 2, 0x60, "\x02\x01\x03\x04\x00\xa3\x0f\x04\x06GSSAPI\x04\x05hush3");
    bound(&a2, 2);
    request(&q3, 3);
    done(&a3, 3);
    struct proto_run *run = TCP(CM(q1), SM(a1), CM(q2), SM(a2), C("\0\0\0\x05seals"),
                                S("\0\0\0\x03\x30\x02\x02"), CM(q3), SM(a3));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"bind SASL GSSAPI → saslBindInProgress\"");
    proto_has(run, 0, "\"ldap_sasl_step\":1");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"ldap_sasl_step\":2");
    proto_lacks(run, 0, "hush");
    proto_lacks(run, 1, "hush");
    proto_has(run, 2, "→ 0 entries");
    proto_run_free(run);
}

/* Whether the bind went on or sealed the connection was not seen: no step is named, and what does
 * not read as a message is passed over. */
static void sasl_bind_without_its_result(void **state)
{
    (void)state;
    static struct message q1, a1, q2, a2, q3, a3;
    MAKE(&q1, 1, 0x60, "\x02\x01\x03\x04\x00\xa3\x0f\x04\x06GSSAPI\x04\x05hush1");
    MAKE(&a1, 1, 0x61, RESULT("\x0e") "\x87\x05hush2");
    MAKE(&q2, 2, 0x60, "\x02\x01\x03\x04\x00\xa3\x0f\x04\x06GSSAPI\x04\x05hush3");
    bound(&a2, 2);
    request(&q3, 3);
    done(&a3, 3);
    struct proto_run *run = TCP(CM(q1), SGAP(a1.len), CM(q2), SM(a2));
    proto_count(run, 2);
    proto_lacks(run, 0, "ldap_sasl_step");
    proto_has(run, 0, "\"ldap_result_code\":0");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
    run = TCP(CM(q1), SM(a1), CM(q2), SGAP(a2.len), C("\0\0\0\x05seals"),
              S("\0\0\0\x03\x30\x02\x02"), CM(q3), SM(a3));
    for (size_t i = 0; i < run->count; i++)
        proto_lacks(run, i, "seals");
    proto_count(run, 3);
    proto_has(run, 1, "→ 0 entries");
    proto_run_free(run);
}

static void search_counts_entries_and_references(void **state)
{
    (void)state;
    static struct message q, e, ref, a;
    make(&q, 7, 0x63,
         BASE "\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass"
              "\x30\x08\x04\x02"
              "cn"
              "\x04\x02sn",
         17 + 2 + 15 + 13 + 10,
         "\x30\x1b\x04\x16"
         "1.2.840.113556.1.4.319"
         "\x01\x01\xff",
         29);
    entry(&e, 7);
    MAKE(&ref, 7, 0x73, "\x04\x0bldap://a/b?");
    done(&a, 7);
    struct proto_run *run = TCP(CM(q), SM(e), SM(e), SM(ref), SM(a));
    proto_count(run, 1);
    proto_has(run, 0,
              "\"summary\":\"search dc=example,dc=com sub (objectClass=*) → 2 entries, 1 "
              "reference\"");
    proto_has(run, 0, "\"ldap_dn\":\"dc=example,dc=com\"");
    proto_has(run, 0, "\"ldap_scope\":\"sub\",\"ldap_filter\":\"(objectClass=*)\"");
    proto_has(run, 0, "\"ldap_attributes\":[\"cn\",\"sn\"]");
    proto_has(run, 0, "\"ldap_entries\":2,\"ldap_references\":1");
    proto_has(run, 0, "\"ldap_controls\":[\"paged results (critical)\"]");
    proto_has(
        run, 0,
        "\"body\":\"dn: cn=ab\\ncn: bob\\n\\ndn: cn=ab\\ncn: bob\\n\\nref: ldap://a/b?\\n\\n\"");
    proto_run_free(run);
}

static void writes(void **state)
{
    (void)state;
    static struct message q, a;
    MAKE(&q, 2, 0x66,
         "\x04\x04"
         "cn=a"
         "\x30\x39"
         "\x30\x11\x0a\x01\x02\x30\x0c\x04\x02sn\x31\x06\x04\x04Snow"
         "\x30\x24\x0a\x01\x00\x30\x1f\x04\x0cuserPassword\x31\x0f\x04\x06hushed\x04\x05hush2");
    MAKE(&a, 2, 0x67, RESULT("\x32"));
    struct proto_run *run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"modify cn=a → insufficientAccessRights\"");
    proto_has(run, 0,
              "\"body\":\"replace: sn\\nsn: Snow\\n-\\nadd: userPassword\\nuserPassword: "
              "***\\nuserPassword: ***\\n-\\n\"");
    proto_lacks(run, 0, "hush");
    proto_lacks(run, 0, "malformed");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
    MAKE(&q, 2, 0x68,
         "\x04\x04"
         "cn=a"
         "\x30\x11\x30\x0f\x04\x05photo\x31\x06\x04\x04\xff\xd8\xff\xe0");
    MAKE(&a, 2, 0x69, RESULT("\x44"));
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"add cn=a → entryAlreadyExists\"");
    proto_has(run, 0, "\"body\":\"photo:: /9j/4A==\\n\"");
    proto_run_free(run);
    MAKE(&q, 2, 0x4a, "cn=a");
    MAKE(&a, 2, 0x6b, RESULT("\x00"));
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"delete cn=a → success\"");
    proto_has(run, 0, "\"ldap_dn\":\"cn=a\"");
    proto_run_free(run);
    MAKE(&q, 2, 0x6c,
         "\x04\x04"
         "cn=a"
         "\x04\x04"
         "cn=b"
         "\x01\x01\xff\x80\x04ou=c");
    MAKE(&a, 2, 0x6d, RESULT("\x00"));
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"modifyDN cn=a to cn=b,ou=c → success\"");
    proto_has(run, 0, "\"body\":\"newrdn: cn=b\\ndeleteoldrdn: 1\\nnewsuperior: ou=c\\n\"");
    proto_run_free(run);
    MAKE(&q, 2, 0x6e,
         "\x04\x04"
         "cn=a"
         "\x30\x14\x04\x0cuserPassword\x04\x04hush");
    MAKE(&a, 2, 0x6f, RESULT("\x05"));
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"compare cn=a userPassword → compareFalse\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 0, "userPassword: ***");
    proto_lacks(run, 0, "hush");
    proto_run_free(run);
}

static void unanswered_operations(void **state)
{
    (void)state;
    static struct message q, abandon, q2, a2, unbind;
    request(&q, 1);
    MAKE(&abandon, 2, 0x50, "\x01");
    request(&q2, 3);
    done(&a2, 3);
    MAKE(&unbind, 4, 0x42, "");
    struct proto_run *run = TCP(CM(q), CM(abandon), CM(q2), SM(a2), CM(unbind));
    proto_count(run, 4);
    proto_has(run, 0, "\"summary\":\"abandon message 1\"");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"ldap_message_id\":3");
    proto_has(run, 2, "\"ldap_type\":\"unbind\"");
    proto_has(run, 3, "\"ldap_message_id\":1");
    proto_has(run, 3, "\"status\":\"no_response\",\"status_reason\":\"client_cancel\"");
    proto_lacks(run, 3, "ldap_result_code");
    proto_run_free(run);
}

static void extended_operations(void **state)
{
    (void)state;
    static struct message q, i, a, notice;
    MAKE(&q, 9, 0x77,
         "\x80\x17"
         "1.3.6.1.4.1.4203.1.11.3");
    MAKE(&i, 9, 0x79,
         "\x80\x03"
         "1.2");
    MAKE(&a, 9, 0x78,
         RESULT("\x00") "\x8b\x07"
                        "dn:cn=a");
    struct proto_run *run = TCP(CM(q), SM(i), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"extended who am I → success\"");
    proto_has(run, 0, "\"ldap_oid\":\"1.3.6.1.4.1.4203.1.11.3\"");
    proto_has(run, 0, "\"ldap_intermediates\":1");
    proto_has(run, 0, "\"body\":\"dn:cn=a\"");
    proto_run_free(run);
    /* RFC 3062: neither the old password, the new one, nor the one that was made. */
    MAKE(&q, 9, 0x77,
         "\x80\x17"
         "1.3.6.1.4.1.4203.1.11.1"
         "\x81\x09\x30\x07\x82\x05hush1");
    MAKE(&a, 9, 0x78, RESULT("\x00") "\x8b\x09\x30\x07\x80\x05hush2");
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"summary\":\"extended password modify → success\"");
    proto_lacks(run, 0, "hush");
    proto_run_free(run);
    request(&q, 1);
    MAKE(&notice, 0, 0x78,
         RESULT("\x34") "\x8a\x16"
                        "1.3.6.1.4.1.1466.20036");
    run = TCP(CM(q), SM(notice), SFIN, CFIN);
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"unsolicited notice of disconnection → unavailable\"");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\",\"port\":9999");
    proto_has(run, 0, "\"ldap_type\":\"unsolicited\"");
    proto_has(run, 1, "\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void start_tls_is_followed(void **state)
{
    (void)state;
    static struct message q, a, other;
    MAKE(&q, 1, 0x77,
         "\x80\x16"
         "1.3.6.1.4.1.1466.20037");
    MAKE(&a, 1, 0x78, RESULT("\x00"));
    request(&other, 2);
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = NULL, .server_port = 389), CM(q), SM(a),
                       C("\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03"
                         "0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x02"
                         "\x00\x00"));
    proto_has(run, 0, "\"summary\":\"extended StartTLS → success\"");
    proto_has(run, 1, "\"protocol\":\"tlsx\"");
    proto_run_free(run);
    MAKE(&a, 1, 0x78, RESULT("\x02"));
    run = TCP(CM(q), SM(a), CM(other));
    proto_count(run, 2);
    proto_has(run, 0, "→ protocolError");
    proto_has(run, 1, "\"ldap_type\":\"search\"");
    proto_run_free(run);
}

/* ── filters: the examples of RFC 4515, section 4 ── */

static void filters(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
#define F(bytes, text) {bytes, sizeof(bytes) - 1, text}
        F("\xa3\x0f\x04\x02"
          "cn"
          "\x04\x09"
          "Babs Jens",
          "(cn=Babs Jens)"),
        F("\xa2\x0d\xa3\x0b\x04\x02"
          "cn"
          "\x04\x05"
          "Tim H",
          "(!(cn=Tim H))"),
        F("\xa4\x0f\x04\x01o\x30\x0a\x80\x04univ\x81\x02of", "(o=univ*of*)"),
        F("\xa4\x14\x04\x01o\x30\x0f\x80\x04univ\x81\x02of\x82\x03mic", "(o=univ*of*mic)"),
        F("\xa4\x08\x04\x01o\x30\x03\x81\x01x", "(o=*x*)"),
        F("\xa5\x07\x04\x02"
          "cn"
          "\x04\x01"
          "a",
          "(cn>=a)"),
        F("\xa6\x07\x04\x02"
          "cn"
          "\x04\x01"
          "a",
          "(cn<=a)"),
        F("\xa8\x07\x04\x02"
          "cn"
          "\x04\x01"
          "a",
          "(cn~=a)"),
        F("\xa9\x10\x81\x05"
          "1.2.3"
          "\x82\x02"
          "cn"
          "\x83\x03"
          "Fre",
          "(cn:1.2.3:=Fre)"),
        F("\xa9\x0c\x82\x02"
          "cn"
          "\x83\x03"
          "Fre"
          "\x84\x01\xff",
          "(cn:dn:=Fre)"),
        F("\xa9\x0c\x81\x05"
          "1.2.3"
          "\x83\x03"
          "Fre",
          "(:1.2.3:=Fre)"),
        F("\xa3\x0d\x04\x01o\x04\x08"
          "P (x) *\\",
          "(o=P \\\\28x\\\\29 \\\\2a\\\\5c)"),
        F("\xa3\x09\x04\x03"
          "bin"
          "\x04\x02\x00\x04",
          "(bin=\\\\00\\\\04)"),
        F("\xa3\x0b\x04\x02sn\x04\x05"
          "Lu\xc4\x8di",
          "(sn=Luči)"),
        F("\xa3\x08\x04\x02sn\x04\x02"
          "L\xc4",
          "(sn=L\\\\c4)"),
        F("\xa3\x12\x04\x0cuserPassword\x04\x02hu", "(userPassword=***)"),
        F("\xa0\x00", "(&)"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static const char before[] =
            "\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00";
        static struct message q;
        char body[200], expected[200];
        size_t n = sizeof before - 1;
        memcpy(body, before, n);
        memcpy(body + n, cases[i].bytes, cases[i].len);
        memcpy(body + n + cases[i].len, "\x30", 2);
        make(&q, 1, 0x63, body, n + cases[i].len + 2, "", 0);
        struct proto_run *run = TCP(CM(q));
        snprintf(expected, sizeof expected, "\"ldap_filter\":\"%s\"", cases[i].text);
        proto_has(run, 0, expected);
        proto_lacks(run, 0, "malformed");
        proto_run_free(run);
    }
}

/* ── pairing, losses, late joins ── */

static void pairing_by_message_id(void **state)
{
    (void)state;
    static struct message q1, q2, a1, a2, e2, wrong;
    request(&q1, 1);
    request(&q2, 2);
    done(&a1, 1);
    entry(&e2, 2);
    done(&a2, 2);
    struct proto_run *run = TCP(CM(q1), CM(q2), SM(e2), SM(a1), SM(a2));
    proto_count(run, 2);
    proto_has(run, 0, "\"ldap_message_id\":1");
    proto_has(run, 0, "→ 0 entries");
    proto_has(run, 1, "→ 1 entry");
    proto_run_free(run);
    /* An answer of another kind is nobody's. */
    MAKE(&wrong, 1, 0x67, RESULT("\x00"));
    run = TCP(CM(q1), SM(wrong));
    proto_count(run, 2);
    proto_has(run, 0, "\"ldap_type\":\"modify\"");
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 1, "\"ldap_type\":\"search\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* The same id again, unanswered: whose answer is it? */
    run = TCP(CM(q1), CM(q1), SM(a1));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"no_response\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "ldap_result_code");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    static struct message q1, q2, e, a, b, ba;
    request(&q1, 1);
    request(&q2, 2);
    entry(&e, 1);
    done(&a, 1);
    bind(&b, 3);
    bound(&ba, 3);
    /* Between messages: entries may be missing. */
    struct proto_run *run = TCP(CM(q1), SM(e), SGAP(100), SM(e), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"ldap_entries\":2");
    proto_has(run, 0, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 0, "\"incomplete\":true");
    proto_has(run, 0, "\"body\":\"dn: cn=ab\\ncn: bob\\n\\n\"");
    proto_run_free(run);
    /* In a message. */
    struct drive_step begin = SB(e.data, 10);
    run = TCP(CM(q1), begin, SGAP(e.len - 10), SM(a));
    proto_count(run, 1);
    proto_has(run, 0, "\"ldap_entries\":1");
    proto_has(run, 0, "\"gap_bytes\":19");
    proto_has(run, 0, "\"incomplete\":true");
    proto_run_free(run);
    /* The answer is in the gap. */
    run = TCP(CM(b), SGAP(14), CM(q2), SM(e));
    proto_has(run, 0, "\"summary\":\"bind cn=adm simple\"");
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* Both an answer and a request with its id may be. */
    run = TCP(CM(b), SGAP(14), CGAP(26), SM(ba));
    proto_count(run, 2);
    proto_has(run, 0, "\"ldap_dn\":\"cn=adm\"");
    proto_lacks(run, 0, "ldap_result_code");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* Found again behind a gap that ends in a message. */
    struct drive_step tail = CB(q1.data + 20, q1.len - 20);
    run = TCP(CM(b), SM(ba), CGAP(60), tail, CM(q2));
    proto_count(run, 2);
    proto_has(run, 1, "\"ldap_message_id\":2");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    static struct message q, e, a, b, ba;
    request(&q, 2);
    entry(&e, 1);
    done(&a, 1);
    bind(&b, 3);
    bound(&ba, 3);
    struct proto_run *run = LATE(SM(e), SM(a), CM(b), SM(ba), CM(q));
    proto_count(run, 3);
    proto_has(run, 0, "\"ldap_entries\":1");
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "bind cn=adm simple → success");
    proto_lacks(run, 1, "ldap_sasl_step");
    proto_has(run, 2, "\"status\":\"open\"");
    proto_run_free(run);
    /* The sides are the other way round. */
    run = LATE(SM(b), CM(ba));
    proto_count(run, 1);
    proto_has(run, 0, "bind cn=adm simple → success");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void connectionless(void **state)
{
    (void)state;
    static struct message q, e, a, both;
    request(&q, 1);
    entry(&e, 1);
    done(&a, 1);
    both = e;
    memcpy(both.data + both.len, a.data, a.len);
    both.len += a.len;
    struct proto_run *run = UDP(CM(q), CM(q), SM(both));
    proto_count(run, 1);
    proto_has(run, 0, "→ 1 entry");
    proto_has(run, 0, "\"ldap_retries\":1");
    proto_has(run, 0, "\"ldap_request_length\":59");
    proto_run_free(run);
}

/* ── what is broken, what is something else ── */

static void hostile(void **state)
{
    (void)state;
    static struct message q, a;
    static uint8_t deep[4000];
    size_t n = sizeof deep;
    /* A filter 900 deep. */
    while (n > 400) {
        size_t len = sizeof deep - n;
        n -= 4;
        put_head(deep + n, 0xa0, len < 128 ? 200 : len);
    }
    static const char before[] =
        "\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00";
    memcpy(deep + n - 17, before, 17);
    make(&q, 1, 0x63, (const char *)deep + n - 17, sizeof deep - n + 17, "", 0);
    struct proto_run *run = TCP(CM(q));
    proto_count(run, 1);
    proto_has(run, 0, "…");
    proto_run_free(run);
    /* Elements that do not fit into what holds them. */
    MAKE(&q, 2, 0x66,
         "\x04\x04"
         "cn=a"
         "\x30\x07\x30\x11\x0a\x01\x02\x30\x0c");
    done(&a, 2);
    run = TCP(CM(q), SM(a));
    proto_has(run, 0, "\"ldap_type\":\"search\"");
    proto_has(run, 1, "\"ldap_malformed\":true");
    proto_run_free(run);
    /* A message of 4 GiB is not waited for to be kept: what is there is shown. */
    static struct message b, ba;
    bind(&b, 1);
    bound(&ba, 1);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "ldap", .end = END_OF_DATA), CM(b), SM(ba),
                         C("\x30\x84\xff\xff\xff\x00\x02\x01\x02\x4a\x84\xff\xff\xfe\xf7"
                           "cn=a"));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"open\"");
    proto_run_free(run);
    /* Nonsense behind a good message. */
    request(&q, 1);
    run = TCP(CM(q), C("\x30\x80nonsense, and much of it"), CM(q));
    proto_has(run, 0, "\"ldap_type\":\"search\"");
    proto_run_free(run);
}

static void many_calls_wait(void **state)
{
    (void)state;
    static struct message q;
    static struct drive_step steps[2000];
    static uint8_t bytes[2000][80];
    for (size_t i = 0; i < 2000; i++) {
        request(&q, 1);
        q.data[2] = 2;
        /* An id of two octets: the message grows by one. */
        memcpy(bytes[i], q.data, q.len);
        memmove(bytes[i] + 6, bytes[i] + 5, q.len - 5);
        bytes[i][1]++;
        bytes[i][3] = 2;
        bytes[i][4] = (uint8_t)(i >> 8);
        bytes[i][5] = (uint8_t)i;
        bytes[i][4] |= i < 256 ? 0x40 : 0;
        steps[i] = (struct drive_step)CB(bytes[i], q.len + 1);
    }
    struct proto_run *run =
        proto_run(&(struct drive_options){.dissector = "ldap", .end = END_OF_DATA}, steps, 2000);
    proto_count(run, 2000);
    proto_has(run, 0, "\"status\":\"open\"");
    proto_run_free(run);
}

static void not_ldap(void **state)
{
    (void)state;
    static const struct drive_step cases[] = {
        /* SNMP v2c get */
        C("\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e"),
        /* an RSA key, a certificate, a PKCS #8 key */
        C("\x30\x82\x02\x5c\x02\x01\x00\x02\x81\x81\x00\xc2"),
        C("\x30\x82\x03\x5c\x30\x82\x02\x44\xa0\x03\x02\x01"),
        C("\x30\x82\x02\x76\x02\x01\x00\x30\x0d\x06\x09\x2a"),
        C("0\r\nhello\r\n\r\n"),
        C("\x30\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07"), /* MongoDB */
        C("\x30\x0c\x02\x01\x01\x60\x08\x02\x01\x03\x04\x00\x80\x00"), /* too long inside */
        C("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x00\x04\x00\x80\x00"), /* version 0 */
        C("\x30\x0c\x02\x01\x00\x60\x07\x02\x01\x03\x04\x00\x80\x00"), /* id 0 */
        C("GET / HTTP/1.1\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct proto_run *run = TCP(cases[i]);
        proto_count(run, 0);
        proto_run_free(run);
        run = UDP(cases[i]);
        proto_count(run, 0);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_bind_hides_the_password),
        cmocka_unit_test(sasl_bind_in_steps),
        cmocka_unit_test(sasl_bind_without_its_result),
        cmocka_unit_test(search_counts_entries_and_references),
        cmocka_unit_test(writes),
        cmocka_unit_test(unanswered_operations),
        cmocka_unit_test(extended_operations),
        cmocka_unit_test(start_tls_is_followed),
        cmocka_unit_test(filters),
        cmocka_unit_test(pairing_by_message_id),
        cmocka_unit_test(losses),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(connectionless),
        cmocka_unit_test(hostile),
        cmocka_unit_test(many_calls_wait),
        cmocka_unit_test(not_ldap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
