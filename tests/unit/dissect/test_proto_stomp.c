/* STOMP: the examples of the specification, errors, losses, late joins, hostile input; every
 * script also cut in pieces. */
#include <string.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...)  PROTO_RUN("stomp", __VA_ARGS__)
#define LATE(...) PROTO_RUN_WITH(OPTIONS(.dissector = "stomp", .late_join = true), __VA_ARGS__)

#define LOGIN                                                                                     \
    C("CONNECT\naccept-version:1.0,1.1,2.0\nhost:stomp.github.org\nlogin:me\npasscode:secret\n\n" \
      "\0"),                                                                                      \
        S("CONNECTED\nversion:1.1\nsession:77\n\n\0\n")

static void connect_and_its_answer(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"CONNECT → CONNECTED 1.1\"");
    proto_has(run, 0, "\"stomp_version\":\"1.1\"");
    proto_has(run, 0, "\"stomp_response\":\"CONNECTED\"");
    proto_has(run, 0, "\"passcode\":\"***\"");
    proto_has(run, 0, "\"session\":\"77\"");
    proto_lacks(run, 0, "secret");
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void connect_refused(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("STOMP\r\naccept-version:9\r\n\r\n\0"),
            S("ERROR\nversion:1.2,2.1\ncontent-type:text/plain\n\nSupported protocol versions are "
              "1.2 2.1\0"));
    proto_count(run, 1);
    proto_has(run, 0, "\"stomp_command\":\"STOMP\"");
    proto_has(run, 0, "\"stomp_response\":\"ERROR\"");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"body\":\"Supported protocol versions are 1.2 2.1\"");
    proto_run_free(run);
}

/* "RECEIPT" and "ERROR" of the specification. */
static void receipts_by_their_id(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        LOGIN, C("SEND\ndestination:/queue/a\nreceipt:1\n\none\0"),
        C("SEND\ndestination:/queue/b\nreceipt:2\n\ntwo\0SEND\ndestination:/queue/c\n\nthree\0"),
        S("RECEIPT\nreceipt-id:2\n\n\0"), S("RECEIPT\nreceipt-id:1\n\n\0"));
    proto_count(run, 4);
    proto_has(run, 1, "\"summary\":\"SEND /queue/c\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_lacks(run, 1, "\"stomp_response\"");
    proto_has(run, 2, "\"summary\":\"SEND /queue/b → RECEIPT\"");
    proto_has(run, 2, "\"stomp_receipt\":\"2\"");
    proto_has(run, 2, "\"body\":\"two\"");
    proto_has(run, 3, "\"summary\":\"SEND /queue/a → RECEIPT\"");
    proto_run_free(run);
}

static void an_error_names_the_frame(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, C("MESSAGE\ndestined:/queue/a\nreceipt:message-12345\n\nHello queue a!\0"),
            C("SEND\ndestined:/queue/a\nreceipt:m2\n\nHello queue a!\0"),
            S("ERROR\nreceipt-id:m2\ncontent-type:text/plain\ncontent-length:5\nmessage:malformed "
              "frame received\n\nThe m\0"));
    proto_count(run, 3);
    proto_has(run, 2, "\"summary\":\"SEND → ERROR: malformed frame received\"");
    proto_has(run, 2, "\"stomp_error\":\"malformed frame received\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_run_free(run);
}

static void an_error_that_names_nobody(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, C("SUBSCRIBE\nid:0\ndestination:/q\nack:client\n\n\0"),
                                S("ERROR\nmessage:no\n\nbecause\0"));
    proto_count(run, 3);
    proto_has(run, 1, "\"stomp_subscription\":\"0\"");
    proto_has(run, 2, "\"summary\":\"ERROR: no\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 2, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void no_receipt_came(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, C("DISCONNECT\nreceipt:77\n\n\0"), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

static void messages_with_nuls_and_heart_beats(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN,
            S("\n\n\r\nMESSAGE\nsubscription:0\nmessage-id:007\ndestination:/queue/"
              "a\ncontent-length:5\n\na\0b\0c\0\n\n"),
            C("\n\nACK\nid:12345\ntransaction:tx1\n\n\0\n"), S("MESSAGE\nmessage-id:8\n\n\0"));
    proto_count(run, 4);
    proto_has(run, 1, "\"summary\":\"MESSAGE /queue/a\"");
    proto_has(run, 1, "\"stomp_message_id\":\"007\"");
    proto_has(run, 1, "\"body\":\"a\\u0000b\\u0000c\"");
    proto_has(run, 1, "\"body_size\":5");
    proto_has(run, 1, "\"port\":9999},\"dst\"");
    proto_has(run, 2, "\"stomp_message_id\":\"12345\"");
    proto_has(run, 2, "\"stomp_transaction\":\"tx1\"");
    proto_has(run, 3, "\"stomp_message_id\":\"8\"");
    proto_run_free(run);
}

/* "Value Encoding" and "Repeated Header Entries". */
static void escapes_and_repeated_headers(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        LOGIN, C("SEND\r\ndestination:/q\\ca\\\\b\\nc\\rd\\t\r\nfoo:World\r\nfoo:Hello\r\n\r\n\0"));
    proto_count(run, 2);
    proto_has(run, 1, "\"stomp_destination\":\"/q:a\\\\b\\nc\\rd\\\\t\"");
    proto_has(run, 1, "\"foo\":\"World\"");
    proto_lacks(run, 1, "Hello");
    proto_run_free(run);
}

static void version_1_0_knows_no_escapes(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("CONNECT\nlogin: a\npasscode: geheim\n\n\0"), S("CONNECTED\nsession: 7\n\n\0"),
            C("SEND\ndestination: /queue/a\\nb\n\nx\0"));
    proto_count(run, 2);
    proto_lacks(run, 0, "geheim");
    proto_has(run, 1, "\"stomp_destination\":\"/queue/a\\\\nb\"");
    proto_run_free(run);
}

static void a_loss_inside_a_body_of_known_length(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, C("SEND\ndestination:/a\ncontent-length:10\nreceipt:1\n\nabc"), CGAP(4),
            C("hij\0SEND\ndestination:/b\nreceipt:2\n\n\0"), S("RECEIPT\nreceipt-id:1\n\n\0"),
            S("RECEIPT\nreceipt-id:2\n\n\0"));
    proto_count(run, 4);
    proto_has(run, 1, "\"gap_bytes\":4");
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"summary\":\"RECEIPT\"");
    proto_has(run, 2, "\"incomplete\":true");
    proto_has(run, 3, "\"summary\":\"SEND /b → RECEIPT\"");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void a_loss_in_a_header_ends_the_frame(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, S("MESSAGE\ndestina"), SGAP(9),
            S("SEND\nlost\n\nbody\0\nERROR\nmessage:x\n\n\0"), S("RECEIPT\nreceipt-id:2\n\n\0"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"ERROR: x\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

/* A client whose receipts all have one id: behind a loss nobody knows whose it is. */
static void never_a_wrong_pair_after_a_loss(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        LOGIN, C("SEND\ndestination:/a\nreceipt:r\n\n1\0SEND\ndestination:/b\nreceipt:r\n\n2\0"),
        SGAP(30), S("RECEIPT\nreceipt-id:r\n\n\0"));
    proto_count(run, 4);
    for (size_t i = 1; i < 4; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void an_answer_that_was_lost(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, C("BEGIN\ntransaction:t\nreceipt:1\n\n\0COMMIT\ntransaction:t\nreceipt:2\n\n\0"),
            SGAP(25), S("RECEIPT\nreceipt-id:2\n\n\0"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"COMMIT → RECEIPT\"");
    proto_has(run, 2, "\"stomp_command\":\"BEGIN\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void joined_late(void **state)
{
    (void)state;
    struct proto_run *run =
        LATE(C("\nACK\nid:1\n\n\0"), S("of a body\0\nMESSAGE\nmessage-id:2\n\nx\0"),
             S("RECEIPT\nreceipt-id:5\n\n\0"));
    proto_count(run, 3);
    proto_has(run, 0, "\"stomp_command\":\"ACK\"");
    proto_has(run, 1, "\"stomp_message_id\":\"2\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_run_free(run);
    /* Here the side that seems to be the client is the server. */
    run = LATE(C("MESSAGE\nmessage-id:2\n\nx\0"), S("ACK\nid:1\n\n\0"));
    proto_count(run, 2);
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.1\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static const char hello[] = "CONNECT\nhost:a\n\n\0";
    /* A length that no memory has; a length that is none; no blank line; no NUL behind the body. */
    struct proto_run *run =
        RUN(CB(hello, sizeof hello - 1), S("CONNECTED\nversion:1.2\n\n\0"),
            C("SEND\ndestination:/a\ncontent-length:999999999999999\n\nx"), CFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"no_response\"");
    proto_run_free(run);
    run = RUN(CB(hello, sizeof hello - 1), C("SEND\ncontent-length:-1\n\nx\0SEND\na:b\0"),
              C("SEND\ncontent-length:1\n\nxyz\0\nBEGIN\ntransaction:t\n\n\0"));
    proto_count(run, 5);
    proto_has(run, 0, "\"body\":\"x\"");
    proto_has(run, 1, "\"a\":\"b\"");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_has(run, 3, "\"stomp_transaction\":\"t\"");
    proto_has(run, 4, "\"status\":\"no_response\"");
    proto_run_free(run);
    /* 2,000 headers: what is cut says so. */
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append(&text, "SEND\n", 5);
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "h%d:v\n", i);
    buf_append(&text, "\n", 2);
    run = RUN(CB(hello, sizeof hello - 1), CB(text.data, text.len));
    proto_count(run, 2);
    proto_has(run, 0, "\"truncated\":true");
    proto_run_free(run);
    buf_done(&text);
}

static void not_a_neighbours(void **state)
{
    (void)state;
    static const char *const others[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT {\"verbose\":false}\r\n",   "SEND\ndestination:/a\n\n",
        "CONNECT\nno header here\n",         "\nCONNECT\nhost:a\n\n",
        "MESSAGE sip:a@b SIP/2.0\r\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct proto_run *run =
            RUN(CB(others[i], strlen(others[i])), S("HTTP/1.1 200 OK\r\n\r\n\0"));
        proto_count(run, 0);
        proto_run_free(run);
    }
}

/* Whose answer it is was lost: perhaps that shows only later. */
static void lone_answers(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, S("RECEIPT\nreceipt-id:9\n\n\0"), S("ERROR\nreceipt-id:8\nmessage:no\n\n\0"),
            S("ERROR\nmessage:going down\n\n\0"), SFIN, CFIN);
    proto_count(run, 4);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_has(run, 3, "\"status\":\"error\"");
    proto_run_free(run);
    run = LATE(S("ERROR\nmessage:Bad CONNECT\n\n\0"), SFIN, CFIN);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_answers),
        cmocka_unit_test(connect_and_its_answer),
        cmocka_unit_test(connect_refused),
        cmocka_unit_test(receipts_by_their_id),
        cmocka_unit_test(an_error_names_the_frame),
        cmocka_unit_test(an_error_that_names_nobody),
        cmocka_unit_test(no_receipt_came),
        cmocka_unit_test(messages_with_nuls_and_heart_beats),
        cmocka_unit_test(escapes_and_repeated_headers),
        cmocka_unit_test(version_1_0_knows_no_escapes),
        cmocka_unit_test(a_loss_inside_a_body_of_known_length),
        cmocka_unit_test(a_loss_in_a_header_ends_the_frame),
        cmocka_unit_test(never_a_wrong_pair_after_a_loss),
        cmocka_unit_test(an_answer_that_was_lost),
        cmocka_unit_test(joined_late),
        cmocka_unit_test(hostile),
        cmocka_unit_test(not_a_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
