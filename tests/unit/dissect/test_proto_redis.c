/* Redis: the examples of the protocol specification (RESP2, RESP3), pipelines, publish/subscribe,
 * transactions, replication, losses, hostile input; every script also cut in pieces. */
#include <stdio.h>

#include "support_proto.h"
#include "unit/unit_test.h"

#define RUN(...) PROTO_RUN("redis", __VA_ARGS__)

static void commands_and_replies(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n"), S(":48293\r\n"),
                                C("*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"), S("+OK\r\n"),
                                C("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), S("$5\r\nvalue\r\n"),
                                C("*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n"), S("$-1\r\n"));
    proto_count(run, 4);
    proto_has(run, 0,
              "\"redis_type\":\"integer\",\"redis_command\":\"LLEN\",\"redis_key\":\"mylist\"");
    proto_has(run, 0, "\"summary\":\"LLEN mylist → 48293\"");
    proto_has(run, 0,
              "\"redis_request_size\":26,\"redis_response_size\":8,\"redis_total_size\":34");
    proto_has(run, 1, "\"redis_command\":\"SET\"");
    proto_has(run, 1, "\"redis_value\":\"value\"");
    proto_has(run, 2, "\"summary\":\"GET key → value\"");
    proto_has(run, 2, "\"redis_value\":\"value\"");
    proto_has(run, 3, "\"redis_type\":\"nil\"");
    proto_lacks(run, 3, "redis_value");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void errors(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("*1\r\n$6\r\nFOOBAR\r\n"), S("-ERR unknown command 'foobar'\r\n"),
                                C("*1\r\n$3\r\nFOO\r\n"), S("!21\r\nSYNTAX invalid syntax\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"redis_error\":\"ERR unknown command 'foobar'\"");
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"redis_error\":\"SYNTAX invalid syntax\"");
    proto_run_free(run);
}

/* Every type of the specification, nested, in one pipeline. */
static void resp3_types(void **state)
{
    (void)state;
    static const char *const replies[][2] = {
        {"*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n", "\"body\":\"[\\\"hello\\\",\\\"world\\\"]\""},
        {"*3\r\n:1\r\n:2\r\n:-3\r\n", "\"body\":\"[1,2,-3]\""},
        {"*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n",
         "[[1,2,3],[\\\"Hello\\\",\\\"World\\\"]]"},
        {"*-1\r\n", "\"redis_type\":\"nil\""},
        {"*0\r\n", "\"body\":\"[]\""},
        {"_\r\n", "\"redis_type\":\"nil\""},
        {"#t\r\n", "\"redis_type\":\"boolean\""},
        {",1.23\r\n", "\"body\":\"1.23\""},
        {",-inf\r\n", "\"redis_type\":\"double\""},
        {"(3492890328409238509324850943850943825024385\r\n", "\"redis_type\":\"bignum\""},
        {"=15\r\ntxt:Some string\r\n", "\"redis_type\":\"verbatim\""},
        {"%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n", "{\\\"first\\\":1,\\\"second\\\":2}"},
        {"~2\r\n+orange\r\n+apple\r\n", "\"redis_type\":\"set\""},
        {"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n"
         "*2\r\n:2039123\r\n:9543892\r\n",
         "[2039123,9543892]"},
        {"*3\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n:2\r\n:3\r\n", "[1,{\\\"ttl\\\":3600},2,3]"},
        {"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;2\r\nld\r\n;0\r\n", "\"body\":\"Hello world\""},
        {"*?\r\n:1\r\n:2\r\n.\r\n", "\"body\":\"[1,2]\""},
        {"%?\r\n+a\r\n:1\r\n.\r\n", "\"body\":\"{\\\"a\\\":1}\""},
        {"$0\r\n\r\n", "\"redis_type\":\"bulk\""},
    };
    enum {
        COUNT = sizeof replies / sizeof replies[0]
    };
    struct drive_step steps[2 * COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        steps[i] = (struct drive_step)C("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        steps[COUNT + i] = (struct drive_step)SB(replies[i][0], strlen(replies[i][0]));
    }
    struct proto_run *run =
        proto_run_cut(&(struct drive_options){.dissector = "redis"}, steps, 2 * (size_t)COUNT);
    proto_count(run, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        proto_has(run, i, replies[i][1]);
    proto_run_free(run);
}

static void inline_commands(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("PING\r\n"), S("+PONG\r\n"),
                                C("set \"a key\" 'x y'\nEXISTS somekey\r\n"), S("+OK\r\n:0\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"PING → PONG\"");
    proto_has(run, 1, "\"redis_key\":\"a key\"");
    proto_has(run, 1, "\"redis_value\":\"x y\"");
    proto_has(run, 2, "\"redis_key\":\"somekey\"");
    proto_run_free(run);
    /* POP3 says "+OK" too. */
    run = RUN(C("USER bob\r\n"), S("+OK\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void words_are_quoted_where_they_must(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("*6\r\n$4\r\nMSET\r\n$1\r\na\r\n$0\r\n\r\n$3\r\nb c\r\n$1\r\n\"\r\n$2\r\n\r\n\r\n"),
            S("+OK\r\n"));
    proto_count(run, 1);
    proto_has(run, 0,
              "\"body\":\"MSET a \\\"\\\" \\\"b c\\\" \\\"\\\\\\\"\\\" \\\"\\\\r\\\\n\\\"\"");
    proto_run_free(run);
}

static void publish_and_subscribe(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("*3\r\n$9\r\nSUBSCRIBE\r\n$5\r\nfirst\r\n$6\r\nsecond\r\n"),
                                S("*3\r\n$9\r\nsubscribe\r\n$5\r\nfirst\r\n:1\r\n"
                                  "*3\r\n$9\r\nsubscribe\r\n$6\r\nsecond\r\n:2\r\n"),
                                S("*3\r\n$7\r\nmessage\r\n$6\r\nsecond\r\n$5\r\nHello\r\n"),
                                C("*1\r\n$4\r\nPING\r\n"), S("*2\r\n$4\r\npong\r\n$0\r\n\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"redis_command\":\"SUBSCRIBE\",\"redis_key\":\"first\"");
    proto_has(run, 1, "\"redis_command\":\"MESSAGE\",\"redis_key\":\"second\"");
    proto_has(run, 1, "\"redis_value\":\"Hello\"");
    proto_has(run, 2, "\"redis_command\":\"PING\"");
    proto_run_free(run);
    /* RESP3: the push stands between a command and its reply. */
    run = RUN(C("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"),
              S(">3\r\n+message\r\n+somechannel\r\n+this is the message\r\n"
                ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nfoo\r\n$9\r\nGet-Reply\r\n"));
    proto_count(run, 3);
    proto_has(run, 0, "\"redis_type\":\"push\"");
    proto_has(run, 1, "\"redis_command\":\"INVALIDATE\"");
    proto_has(run, 2, "\"summary\":\"GET key → Get-Reply\"");
    proto_run_free(run);
}

static void transactions_and_databases(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$3\r\nfoo\r\n*1\r\n$4\r\nEXEC\r\n"
              "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$6\r\nDBSIZE\r\n"),
            S("+OK\r\n+QUEUED\r\n*1\r\n:1\r\n+OK\r\n:7\r\n"), C("*1\r\n$4\r\nPING\r\n"),
            S("+PONG\r\n"));
    proto_count(run, 6);
    proto_has(run, 1, "\"summary\":\"INCR foo → QUEUED\"");
    proto_has(run, 2, "\"summary\":\"EXEC → array (1)\"");
    proto_has(run, 0, "\"redis_db\":0");
    proto_has(run, 5, "\"redis_db\":3");
    proto_run_free(run);
}

static void silent_replies(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"
              "*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"
              "*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"),
            S(":5\r\n+OK\r\n"));
    proto_count(run, 6);
    proto_has(run, 4, "\"summary\":\"INCR b → 5\"");
    proto_has(run, 5, "\"summary\":\"CLIENT REPLY ON → OK\"");
    for (size_t i = 0; i < 6; i++)
        proto_has(run, i, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void secrets_stay_out_of_the_summary(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("*3\r\n$4\r\nauth\r\n$3\r\nbob\r\n$6\r\nhunter\r\n"), S("+OK\r\n"));
    proto_has(run, 0, "\"summary\":\"AUTH *** → OK\"");
    proto_lacks(run, 0, "\"redis_key\"");
    proto_run_free(run);
}

static void replication(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"), S("+FULLRESYNC 8371 1\r\n"),
            S("\n\n$9\r\nREDIS\r\n01*1\r\n$4\r\nPING\r\n"),
            C("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n"),
            S("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"));
    proto_count(run, 4);
    proto_has(run, 0, "\"redis_command\":\"PSYNC\"");
    proto_has(run, 1, "\"redis_command\":\"PING\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 2, "\"summary\":\"REPLCONF ACK 0\"");
    proto_has(run, 3, "\"summary\":\"SET a b\"");
    proto_run_free(run);
    run = RUN(C("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"), S("+FULLRESYNC 8371 1\r\n"),
              S("$EOF:0123456789012345678901234567890123456789\r\nanything\r\n*1\r\n"
                "0123456789012345678901234567890123456789*1\r\n$4\r\nPING\r\n"));
    proto_count(run, 2);
    proto_run_free(run);
}

static void monitor(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("*1\r\n$7\r\nMONITOR\r\n"), S("+OK\r\n"),
                                S("+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_lacks(run, 1, "\"incomplete\":true");
    proto_run_free(run);
}

static void without_reply(void **state)
{
    (void)state;
    struct proto_run *run = PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .end = END_OF_DATA),
                                           C("*2\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"open\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .end = END_RESET_BY_SERVER),
                         C("*2\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n*2\r\n$3\r\nGET\r\n$1\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"no_response\",\"status_reason\":\"server_reset\"");
    proto_run_free(run);
    run = RUN(C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n-ERR too many\r\n"),
              S("-ERR max number of clients reached\r\n"));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\""); /* to something that was lost */
    proto_has(run, 2, "\"status\":\"error\"");
    proto_run_free(run);
}

/* Commands that were lost still have their replies to come: a call behind a loss is believed once
 * the client goes on after exactly one reply. */
static void doubts(void **state)
{
    (void)state;
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .late_join = true),
                       C("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), S("$1\r\n1\r\n$1\r\n2\r\n"),
                       C("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"), S("$1\r\n3\r\n"), CFIN, SFIN);
    proto_count(run, 3);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .late_join = true),
                         C("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), S("$1\r\n1\r\n"),
                         C("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"), S("$1\r\n3\r\n"), CFIN, SFIN);
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
    /* a reply behind a hole may be that of a later command; the database is not known any more */
    run = RUN(C("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"), SGAP(5), S("+OK\r\n"),
              C("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"), S("$1\r\n3\r\n"), CFIN, SFIN);
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_lacks(run, run->count - 1, "redis_db");
    proto_run_free(run);
}

static void gaps(void **state)
{
    (void)state;
    /* Inside a string: reading goes on. */
    struct proto_run *run = RUN(C("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), S("$10\r\nabc"), SGAP(4),
                                S("hij\r\n"), C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"gap_bytes\":4");
    proto_has(run, 0, "\"status\":\"ok\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"summary\":\"PING → PONG\"");
    proto_run_free(run);
    /* A lost reply. */
    run = RUN(C("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), SGAP(7), C("*1\r\n$4\r\nPING\r\n"),
              S("+PONG\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"summary\":\"PING → PONG\"");
    proto_run_free(run);
    /* A lost command: its reply stands alone. */
    run = RUN(C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n"), CGAP(20), S(":1\r\n"),
              C("!!*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n"));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"→ 1\"");
    proto_has(run, 1, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"summary\":\"PING → PONG\"");
    proto_run_free(run);
    /* Lost replies in a pipeline: nothing is glued. */
    run = RUN(C("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"),
              SGAP(20), S("$1\r\nx\r\n"), C("*2\r\n$3\r\nGET\r\n$1\r\nc\r\n"), S("$1\r\ny\r\n"));
    proto_count(run, 4);
    for (size_t i = 0; i < 4; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

static void late_join(void **state)
{
    (void)state;
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .late_join = true),
                       C("alue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), S("$1\r\nv\r\n"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET k → v\"");
    proto_run_free(run);
    run = PROTO_RUN_WITH(OPTIONS(.dissector = "redis", .late_join = true), C("+PONG\r\n"),
                         S("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), C("$1\r\nv\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"summary\":\"GET k → v\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "$18446744073709551616\r\n",
        "$9223372036854775807\r\nabc",
        "*9223372036854775807\r\n:1\r\n",
        "*2305843009213693951\r\n*2305843009213693951\r\n",
        "$-2\r\n",
        "*x\r\n",
        "$3\r\nabcde\r\n",
        ".\r\n",
        "@nothing\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct proto_run *run = RUN(C("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
                                    SB(replies[i], strlen(replies[i])), C("*1\r\n$4\r\nPING\r\n"));
        proto_count(run, 2);
        proto_run_free(run);
    }
    struct buf b;
    buf_init(&b, 8 * 1024 * 1024);
    for (int i = 0; i < 100000; i++)
        buf_append_str(&b, "*1\r\n");
    struct proto_run *run = RUN(C("*1\r\n$4\r\nPING\r\n"), SB(b.data, b.len));
    proto_count(run, 1);
    proto_run_free(run);
    /* 2 MB in one value: kept to the cap, in sync behind it. */
    buf_reset(&b);
    buf_append_str(&b, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n");
    buf_append_fill(&b, 'v', 2000000);
    buf_append_str(&b, "\r\n*1\r\n$4\r\nPING\r\n");
    run = RUN(CB(b.data, b.len), S("+OK\r\n+PONG\r\n"));
    proto_count(run, 2);
    proto_has(run, 0, "\"truncated\":true");
    proto_has(run, 0, "\"redis_request_size\":2000032");
    proto_has(run, 1, "\"summary\":\"PING → PONG\"");
    assert_in_range(strlen(run->lines[0]), 1000000, 1100000);
    proto_run_free(run);
    buf_done(&b);
}

/* Inline commands by the thousand before the server says anything. */
static void bulk_loading(void **state)
{
    (void)state;
    struct buf in, out;
    buf_init(&in, 1024 * 1024);
    buf_init(&out, 1024 * 1024);
    for (int i = 0; i < 900; i++) {
        buf_printf(&in, "SET key:%d value:%d%0100d\r\n", i, i, i);
        buf_append_str(&out, "+OK\r\n");
    }
    struct proto_run *run = RUN(CB(in.data, in.len), SB(out.data, out.len));
    proto_count(run, 900);
    proto_has(run, 899, "\"redis_key\":\"key:899\"");
    proto_has(run, 899, "\"status\":\"ok\"");
    proto_run_free(run);
    buf_done(&in);
    buf_done(&out);
}

static void not_redis(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "*hello\r\n",
                                        "EHLO x\r\n", "* OK IMAP4rev1\r\n", "get key\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct proto_run *run = RUN(CB(texts[i], strlen(texts[i])), S("VALUE k 0 1\r\n"));
        proto_count(run, 0);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_replies),
        cmocka_unit_test(errors),
        cmocka_unit_test(resp3_types),
        cmocka_unit_test(inline_commands),
        cmocka_unit_test(words_are_quoted_where_they_must),
        cmocka_unit_test(publish_and_subscribe),
        cmocka_unit_test(transactions_and_databases),
        cmocka_unit_test(silent_replies),
        cmocka_unit_test(secrets_stay_out_of_the_summary),
        cmocka_unit_test(replication),
        cmocka_unit_test(monitor),
        cmocka_unit_test(without_reply),
        cmocka_unit_test(gaps),
        cmocka_unit_test(doubts),
        cmocka_unit_test(late_join),
        cmocka_unit_test(hostile),
        cmocka_unit_test(bulk_loading),
        cmocka_unit_test(not_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
