/* SMTP and LMTP: the scenarios of RFC 5321 appendix D, pipelining, BDAT, AUTH, STARTTLS, losses,
 * late joins, neighbours' greetings, hostile input; every script also cut in pieces. */
#include <stdio.h>
#include <stdlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...)      PROTO_RUN("smtp", __VA_ARGS__)
#define RUN_LATE(...) PROTO_RUN_WITH(OPTIONS(.dissector = "smtp", .late_join = true), __VA_ARGS__)
#define RUN_OPEN(...) PROTO_RUN_WITH(OPTIONS(.dissector = "smtp", .end = END_OF_DATA), __VA_ARGS__)

#define GREETING S("220 foo.com Simple Mail Transfer Service Ready\r\n")
#define HELLO              \
    C("EHLO bar.com\r\n"), \
        S("250-foo.com greets bar.com\r\n250-8BITMIME\r\n250-SIZE\r\n250 HELP\r\n")
#define PIPELINING C("EHLO bar.com\r\n"), S("250-foo.com\r\n250 PIPELINING\r\n")

/* Appendix D.1 */
static void typical(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(GREETING, HELLO, C("MAIL FROM:<Smith@bar.com>\r\n"), S("250 OK\r\n"),
            C("RCPT TO:<Jones@foo.com>\r\n"), S("250 OK\r\n"), C("RCPT TO:<Green@foo.com>\r\n"),
            S("550 No such user here\r\n"), C("RCPT TO:<Brown@foo.com>\r\n"), S("250 OK\r\n"),
            C("DATA\r\n"), S("354 Start mail input; end with <CRLF>.<CRLF>\r\n"),
            C("Blah blah blah...\r\n..\r\n.x\r\n...etc. etc. etc.\r\n.\r\n"), S("250 2.0.0 OK\r\n"),
            C("QUIT\r\n"), S("221 foo.com Service closing transmission channel\r\n"));
    proto_count(run, 8);
    proto_has(run, 0, "\"summary\":\"→ 220 foo.com Simple Mail Transfer Service Ready\"");
    proto_lacks(run, 0, "smtp_command");
    proto_has(run, 1, "\"smtp_command\":\"EHLO\",\"smtp_code\":250");
    proto_has(run, 1, "\"body\":\"foo.com greets bar.com\\n8BITMIME\\nSIZE\\nHELP\"");
    proto_has(run, 2, "\"smtp_command\":\"MAIL\",\"smtp_from\":\"Smith@bar.com\"");
    proto_has(run, 3, "\"smtp_to\":\"Jones@foo.com\"");
    proto_has(
        run, 4,
        "\"summary\":\"RCPT TO:<Green@foo.com> → 550 No such user here\",\"status\":\"error\"");
    proto_has(run, 6,
              "\"smtp_from\":\"Smith@bar.com\",\"smtp_to\":\"Jones@foo.com, Brown@foo.com\"");
    proto_has(run, 6, "\"body\":\"Blah blah blah...\\r\\n.\\r\\nx\\r\\n..etc. etc. etc.\\r\\n\"");
    proto_has(run, 6, "\"smtp_enhanced_code\":\"2.0.0\"");
    proto_has(run, 6, "\"status_code\":250");
    proto_has(run, 7, "\"summary\":\"QUIT → 221");
    proto_run_free(run);
}

/* RFC 2920, 4: groups; the replies come in order. */
static void pipelined(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(GREETING, PIPELINING,
            C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<\"x>y\"@d> NOTIFY=NEVER\r\nDATA\r\n"),
            S("250 sender ok\r\n250 recipient ok\r\n451 4.7.1 later\r\n354 enter mail\r\n"),
            C(".\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO: c@d\r\nDATA\r\n"),
            S("250 sent\r\n250 reset\r\n250 ok\r\n550 no\r\n503 no recipients\r\n"), C("QUIT\r\n"),
            S("221 bye\r\n"));
    proto_count(run, 11);
    proto_has(run, 4,
              "\"smtp_to\":\"\\\"x>y\\\"@d\",\"smtp_code\":451,\"smtp_enhanced_code\":\"4.7.1\"");
    proto_has(run, 4, "\"status\":\"error\"");
    proto_has(run, 5, "\"summary\":\"DATA (0 bytes) → 250 sent\"");
    proto_has(run, 5, "\"smtp_to\":\"c@d\"");
    proto_has(run, 7, "\"smtp_from\":\"<>\"");
    proto_has(run, 8, "\"smtp_to\":\"c@d\",\"smtp_code\":550");
    proto_has(run, 9, "\"summary\":\"DATA → 503 no recipients\"");
    proto_lacks(run, 9, "\"body_size\"");
    proto_has(run, 10, "\"summary\":\"QUIT → 221 bye\"");
    proto_run_free(run);
}

/* RFC 3030, 4.2 */
static void chunks(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(GREETING, PIPELINING,
            C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 7\r\n.\r\nQUITBDAT 3 LAST\r\n\r\nx"),
            S("250 1\r\n250 2\r\n250 3\r\n250 4\r\n"), C("BDAT 5x\r\n"), S("501 what\r\n"));
    proto_count(run, 7);
    proto_has(run, 4, "\"summary\":\"BDAT (7 bytes) → 250 3\"");
    proto_has(run, 4, "\"body\":\".\\r\\nQUIT\"");
    proto_has(run, 5, "\"summary\":\"BDAT (3 bytes, last) → 250 4\"");
    proto_has(run, 5, "\"smtp_from\":\"a@b\",\"smtp_to\":\"c@d\"");
    proto_has(run, 6, "\"status\":\"error\"");
    proto_lacks(run, 6, "smtp_from");
    proto_run_free(run);
}

static void secrets(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(GREETING, HELLO, C("AUTH PLAIN AGEAc2VjcmV0\r\n"), S("535 5.7.8 wrong\r\n"),
            C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("QUxJQ0U=\r\n"),
            S("334 UGFzc3dvcmQ6\r\n"), C("c2VjcmV0\r\n"), S("235 2.7.0 in\r\n"), C("c2VjcmV0\r\n"),
            S("500 what\r\n"));
    proto_count(run, 5);
    proto_has(run, 2, "\"summary\":\"AUTH PLAIN → 535 5.7.8 wrong\",\"status\":\"error\"");
    proto_has(run, 3, "\"summary\":\"AUTH LOGIN → 235 2.7.0 in\",\"status\":\"ok\"");
    proto_has(run, 4, "\"summary\":\"unknown command → 500 what\"");
    for (size_t i = 0; i < run->count; i++) {
        proto_lacks(run, i, "c2Vjc");
        proto_lacks(run, i, "QUxJ");
    }
    proto_run_free(run);
}

static void lmtp(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        S("220 foo.edu LMTP server ready\r\n"), C("LHLO foo.edu\r\n"), S("250 PIPELINING\r\n"),
        C("MAIL FROM:<c@b>\r\nRCPT TO:<p@f>\r\nRCPT TO:<j@f>\r\nRCPT TO:<g@f>\r\nDATA\r\n"),
        S("250 OK\r\n250 OK\r\n550 No such user here\r\n250 OK\r\n354 go\r\n"), C("x\r\n.\r\n"),
        S("250 OK\r\n452 <g@f> is temporarily over quota\r\n"), C("QUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 8);
    proto_has(run, 6, "\"smtp_to\":\"p@f, g@f\",\"smtp_code\":452");
    proto_has(run, 6, "\"status\":\"error\"");
    proto_has(run, 6, "\"body\":\"OK\\n<g@f> is temporarily over quota\"");
    proto_has(run, 7, "\"summary\":\"QUIT → 221 bye\"");
    proto_run_free(run);
}

static void starttls(void **state)
{
    (void)state;
    struct proto_run *run = RUN(GREETING, HELLO, C("STARTTLS\r\n"), S("454 4.7.0 not now\r\n"),
                                C("STARTTLS\r\n"), S("220 go ahead\r\n"), C("\x16\x03\x01"));
    proto_count(run, 4);
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 3, "\"summary\":\"STARTTLS → 220 go ahead\"");
    proto_run_free(run);
}

static void rejections(void **state)
{
    (void)state;
    struct proto_run *run = RUN(S("554-mail ESMTP\r\n554 5.7.1 go away\r\n"), SFIN, CFIN);
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"→ 554 mail ESMTP 5.7.1 go away\",\"status\":\"error\"");
    proto_run_free(run);
    /* in the middle of a mail, and the rest is not taken for commands */
    run = RUN(GREETING, HELLO, C("DATA\r\n"), S("354 go\r\n"), C("QUOTE\r\n"),
              S("421 shutting down\r\n"), C("NOOP x\r\n.\r\nQUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 4);
    proto_has(run, 2, "\"summary\":\"DATA (7 bytes) → 421 shutting down\",\"status\":\"error\"");
    proto_has(run, 2, "\"truncated\":true");
    proto_has(run, 3, "\"summary\":\"QUIT → 221 bye\"");
    proto_run_free(run);
    run = RUN_OPEN(GREETING, HELLO, C("MAIL FROM:<a@b>\r\n"));
    proto_count(run, 3);
    proto_has(run, 2, "\"status\":\"open\"");
    proto_run_free(run);
}

static void losses(void **state)
{
    (void)state;
    /* A reply is lost: behind it no pair is called certain. */
    struct proto_run *run =
        RUN(GREETING, HELLO, C("MAIL FROM:<a@b>\r\n"), SGAP(8), C("RCPT TO:<c@d>\r\n"),
            S("550 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 5);
    proto_has(run, 2, "\"smtp_command\":\"MAIL\"");
    proto_has(run, 2, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 3, "\"summary\":\"RCPT TO:<c@d> → 550 no\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* One that does: nobody knows whose the 250 is. */
    run = RUN(GREETING, PIPELINING, C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"), SGAP(8),
              S("250 ok\r\n354 go\r\n"), C("x\r\n.\r\n"), S("250 sent\r\n"), C("NOOP\r\n"),
              S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 8);
    for (size_t i = 2; i < 6; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    /* But nothing else is answered by 354; only the envelope is not certain. */
    proto_has(run, 5, "\"summary\":\"DATA (3 bytes) → 250 sent\"");
    proto_has(run, 6, "\"summary\":\"NOOP → 250 ok\",\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 7, "\"summary\":\"QUIT → 221 bye\",\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
    /* The end of a mail is lost. */
    run = RUN(GREETING, HELLO, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n"), CGAP(100),
              S("250 sent\r\n"), C("QUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 4);
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"gap_bytes\":100");
    proto_has(run, 3, "\"summary\":\"QUIT → 221 bye\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* 354 is lost: what follows is no command. */
    run = RUN(GREETING, HELLO, C("DATA\r\n"), SGAP(8), C("From: x\r\n.\r\n"), S("250 sent\r\n"));
    proto_count(run, 3);
    proto_has(run, 2, "\"summary\":\"DATA (9 bytes) → 250 sent\",\"status\":\"incomplete\"");
    proto_run_free(run);
    /* Inside a chunk. */
    run = RUN(GREETING, HELLO, C("BDAT 10\r\nabc"), CGAP(5), C("xyQUIT\r\n"),
              S("250 ok\r\n221 bye\r\n"));
    proto_count(run, 4);
    proto_has(run, 2, "\"gap_bytes\":5");
    proto_has(run, 3, "\"summary\":\"QUIT → 221 bye\"");
    proto_run_free(run);
}

/* Only what a loss touched is incomplete: 354, and what a client waits behind, show where replies
 * are in step again. */
static void after_losses_the_way_is_found_again(void **state)
{
    (void)state;
#define MAIL_2                                                                              \
    C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"), S("250 ok\r\n250 ok\r\n354 go\r\n"), \
        C("two\r\n.\r\n"), S("250 second\r\n")
    struct proto_run *run =
        RUN(GREETING, PIPELINING, C("MAIL FROM:<a@b>\r\n"), SGAP(8), C("RCPT TO:<x@d>\r\n"),
            S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n"), C("one\r\n.\r\n"), S("250 first\r\n"),
            MAIL_2, C("QUIT\r\n"), S("221 bye\r\n"));
    proto_count(run, 10);
    for (size_t i = 2; i < 6; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_has(run, 5, "\"summary\":\"DATA (5 bytes) → 250 first\"");
    for (size_t i = 6; i < 10; i++)
        proto_has(run, i, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 8, "\"smtp_from\":\"a@b\",\"smtp_to\":\"c@d\"");
    proto_run_free(run);
    /* A lost command; the next thing that the client waits behind is certain again. */
    run = RUN(GREETING, HELLO, CGAP(6), S("250 ok\r\n"), C("RSET\r\n"), S("250 ok\r\n"),
              C("NOOP\r\n"), S("250 ok\r\n"), C("VRFY x\r\n"), S("252 perhaps\r\n"), MAIL_2);
    for (size_t i = 0; i < run->count; i++)
        if (strstr(run->lines[i], "RSET") || strstr(run->lines[i], "NOOP"))
            proto_has(run, i, "\"incomplete\":true");
        else if (strstr(run->lines[i], "VRFY") || strstr(run->lines[i], "MAIL") ||
                 strstr(run->lines[i], "DATA"))
            proto_has(run, i, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, run->count - 1, "\"summary\":\"DATA (5 bytes) → 250 second\"");
    proto_run_free(run);
    /* LMTP: how many replies the content has is not known, until a mail is known from its
     * beginning. */
    run =
        RUN(S("220 lmtp\r\n"), C("LHLO a\r\n"), S("250 lmtp\r\n"), C("MAIL FROM:<a@b>\r\n"),
            S("250 ok\r\n"), CGAP(16), S("250 ok\r\n"), C("RCPT TO:<c@d>\r\n"), S("250 ok\r\n"),
            C("DATA\r\n"), S("354 go\r\n"), C("one\r\n.\r\n"), S("250 for one\r\n250 for two\r\n"),
            C("NOOP\r\n"), S("250 none\r\n"), C("NOOP\r\n"), S("250 last\r\n"));
    for (size_t i = 3; i + 1 < run->count; i++) {
        proto_has(run, i, "\"incomplete\":true");
        proto_lacks(run, i, "for one\\nfor two");
    }
    proto_has(run, run->count - 1,
              "\"summary\":\"NOOP → 250 last\",\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
    /* A client that waits for nothing: only a 354 helps. */
    run = RUN(GREETING, HELLO, C("NOOP\r\nNOOP\r\n"), S("250 1\r\n250 2\r\n"),
              C("NOOP\r\nVRFY x\r\n"), SGAP(8), S("252 perhaps\r\n"), C("NOOP\r\nVRFY y\r\n"),
              S("250 ok\r\n252 no\r\n"));
    for (size_t i = 4; i < run->count; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = RUN_LATE(S("250 2.0.0 sent\r\n"), C("MAIL FROM:<a@b>\r\n"),
                                     S("250 2.1.0 ok\r\n"), C("QUIT\r\n"), S("221 2.0.0 bye\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"summary\":\"MAIL FROM:<a@b> → 250 2.1.0 ok\"");
    proto_has(run, 2, "\"summary\":\"QUIT → 221 2.0.0 bye\"");
    proto_run_free(run);
    run = RUN_LATE(C("250 2.1.0 ok\r\n"), S("RCPT TO:<a@b>\r\n"), C("250 2.1.5 ok\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 1, "\"summary\":\"RCPT TO:<a@b> → 250 2.1.5 ok\"");
    proto_run_free(run);
}

/* Also where others are still undecided when it ends: no port hints here. */
static void a_short_talk_on_any_port(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN(NULL, S("220 mx.example ESMTP q8 - x\r\n"), C("ehlo\r\n"),
                                      S("250-mx.example at your service\r\n250 PIPELINING\r\n"),
                                      C("quit\r\n"), S("221 2.0.0 closing\r\n"), SFIN, CFIN);
    proto_count(run, 3);
    proto_has(run, 1, "\"smtp_command\":\"EHLO\"");
    proto_has(run, 2, "\"smtp_command\":\"QUIT\"");
    proto_run_free(run);
}

static void not_of_neighbours(void **state)
{
    (void)state;
    struct proto_run *run = RUN(S("220 ProFTPD Server ready\r\n"), C("USER anonymous\r\n"),
                                S("331 Password\r\n"), C("QUIT\r\n"), S("221 Goodbye.\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(S("220 FTP over SMTP\r\n"), C("AUTH TLS\r\n"), S("234 ok\r\n"));
    proto_run_free(run);
    run = RUN(S("+OK POP3 ready\r\n"), C("QUIT\r\n"), S("+OK\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(S("200 news ready\r\n"), C("MODE READER\r\n"), S("200 ok\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN_LATE(S("226 Transfer complete\r\n"), C("QUIT\r\n"), S("221 Goodbye.\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

/* A line without end, and more commands than replies will ever come. */
static void hostile(void **state)
{
    (void)state;
    size_t n = 200 * 1024, commands = 2000;
    uint8_t *line = malloc(n);
    assert_non_null(line);
    memset(line, 'x', n);
    struct proto_run *run = RUN(GREETING, HELLO, CB(line, n), C("\r\nQUIT\r\n"), S("221 bye\r\n"));
    proto_has(run, run->count - 1, "\"summary\":\"QUIT → 221 bye\"");
    proto_run_free(run);
    for (size_t i = 0; i < commands; i++)
        memcpy(line + i * 6, "NOOP\r\n", 6);
    run = RUN(GREETING, HELLO, CB(line, commands * 6));
    proto_count(run, commands + 2);
    proto_run_free(run);
    free(line);
}

extern const struct dissector dissector_smtp;

/* Of a talk joined late a beginning of a line may be a reply or a command; a NUL begins neither. */
static void a_nul_begins_nothing(void **state)
{
    (void)state;
    struct probe_input in = {
        .server = SLICE_LITERAL("2"), .is_late_join = true, .transport = DISSECT_TCP};
    assert_int_equal(dissector_smtp.probe(&in), PROBE_MAYBE);
    in.server = SLICE_LITERAL("\0");
    assert_int_equal(dissector_smtp.probe(&in), PROBE_NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typical),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(chunks),
        cmocka_unit_test(secrets),
        cmocka_unit_test(lmtp),
        cmocka_unit_test(starttls),
        cmocka_unit_test(rejections),
        cmocka_unit_test(losses),
        cmocka_unit_test(after_losses_the_way_is_found_again),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_of_neighbours),
        cmocka_unit_test(a_short_talk_on_any_port),
        cmocka_unit_test(hostile),
        cmocka_unit_test(a_nul_begins_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
