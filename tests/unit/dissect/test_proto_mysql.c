/* MySQL and MariaDB: the packets of the protocol documentation (login, results, prepared
 * statements, local files, compression), losses, late joins, hostile input; every script also cut
 * in pieces. */
#include <stdio.h>
#include <zlib.h>

#include "support_proto.h"
#include "unit/unit_test.h"

/* "@@@" stands for the three bytes of a packet's length; its number follows. A packet ends at the
 * next one, or with its step. */
static struct proto_run *run_with(const struct drive_options *options,
                                  const struct drive_step *steps, size_t count, bool cut)
{
    enum {
        MAX_STEPS = 32,
        MAX_BYTES = 2048
    };
    static uint8_t bytes[MAX_STEPS][MAX_BYTES];
    struct drive_step fixed[MAX_STEPS];
    assert_true(count <= MAX_STEPS);
    for (size_t i = 0; i < count; i++) {
        fixed[i] = steps[i];
        size_t len = steps[i].bytes.len, end = len;
        assert_true(len <= MAX_BYTES);
        if (!len)
            continue;
        memcpy(bytes[i], steps[i].bytes.data, len);
        fixed[i].bytes.data = bytes[i];
        for (size_t at = len; at-- > 0;)
            if (len - at >= 4 && memcmp(bytes[i] + at, "@@@", 3) == 0) {
                size_t n = end - at - 4;
                memcpy(bytes[i] + at, (uint8_t[]){(uint8_t)n, (uint8_t)(n >> 8), 0}, 3);
                end = at;
            }
    }
    return cut ? proto_run_cut(options, fixed, count) : proto_run(options, fixed, count);
}

#define STEPS(...)                            \
    (const struct drive_step[]){__VA_ARGS__}, \
        sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step)
#define RUN(...) run_with(&(struct drive_options){.dissector = "mysql"}, STEPS(__VA_ARGS__), true)
#define RUN_LATE(...)                                                                              \
    run_with(&(struct drive_options){.dissector = "mysql", .late_join = true}, STEPS(__VA_ARGS__), \
             true)

/* Capabilities: 4.1, secure connection, plugins; the second greeting of a MySQL without EOF. */
#define GREETING(low, high)                                                       \
    S("@@@\000\0128.0.36\000\001\000\000\000saltsalt\000" low "\377\002\000" high \
      "\025\000\000\000\000\000\000\000\000\000\000moresaltmore\000mysql_native_password\000")
#define LOGIN(caps)                                                                              \
    C("@@@\001" caps                                                                             \
      "\000\000\000\001\377\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000" \
      "\000\000\000\000\000\000app\000\004hashshop\000mysql_native_password\000")
#define OLD    GREETING("\377\367", "\010\000"), LOGIN("\215\242\010\000"), OK_2
#define NEW    GREETING("\377\377", "\377\007"), LOGIN("\215\242\010\001"), OK_2
#define OK     "\000\000\000\002\000\000\000"
#define OK_1   S("@@@\001" OK)
#define OK_2   S("@@@\002" OK)
#define EOF_   "\376\000\000\002\000"
#define EOF_OK "\376\000\000\002\000\000\000"
#define COLUMN(name_with_length, type)                                                        \
    "\003def\000\000\000" name_with_length "\000\014\041\000\377\000\000\000" type "\000\000" \
    "\000\000\000"
#define SELECT_1 "@@@\000\003SELECT 1"
/* One column and one row, without the end. */
#define RESULT_OLD(name, value) \
    "@@@\001\001@@@\002" COLUMN("\001" name, "\003") "@@@\003" EOF_ "@@@\004\001" value

static void login_and_query(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        OLD, C(SELECT_1),
        S("@@@\001\001@@@\002" COLUMN("\0011", "\003") "@@@\003" EOF_ "@@@\004\0011@@@\005" EOF_),
        C("@@@\000\016"), OK_1, C("@@@\000\001"));
    proto_count(run, 4);
    proto_has(run, 0, "\"summary\":\"CONNECT app@shop mysql_native_password → ok\"");
    proto_has(run, 0, "\"headers\":{\"version\":\"8.0.36\"}");
    proto_has(run, 1, "\"mysql_command\":\"COM_QUERY\",\"mysql_query\":\"SELECT 1\"");
    proto_has(run, 1, "\"mysql_database\":\"shop\"");
    proto_has(run, 1, "\"mysql_success\":true");
    proto_has(run, 1, "\"mysql_rows\":1");
    proto_has(run, 1, "\"query_template\":\"SELECT ?\"");
    proto_has(run, 1, "\"body\":\"[{\\\"1\\\":\\\"1\\\"}]\"");
    proto_has(run, 1, "\"summary\":\"SELECT 1 → 1 row\",\"status\":\"ok\"");
    proto_has(run, 2, "\"mysql_command\":\"COM_PING\"");
    proto_has(run, 3, "\"mysql_command\":\"COM_QUIT\"");
    proto_run_free(run);
}

static void without_eof_packets(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(NEW, C(SELECT_1),
            S("@@@\001\002@@@\002" COLUMN("\001a", "\003") "@@@\003" COLUMN(
                "\001b", "\375") "@@@\004"
                                 "\0011\373@@@\005\0012\001x@@@\006" EOF_OK),
            C("@@@\000\003UPDATE t SET a=1"), S("@@@\001\000\007\000\002\000\001\000"));
    proto_count(run, 3);
    proto_has(
        run, 1,
        "[{\\\"a\\\":\\\"1\\\",\\\"b\\\":null},\\n{\\\"a\\\":\\\"2\\\",\\\"b\\\":\\\"x\\\"}]");
    proto_has(run, 1, "\"mysql_rows\":2");
    proto_has(run, 2, "\"mysql_rows\":7");
    proto_run_free(run);
}

static void errors_and_databases(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(OLD, C("@@@\000\003SELEC"), S("@@@\001\377\050\004#42000You have an error"),
            C("@@@\000\002other"), OK_1, C("@@@\000\003USE `third`"), OK_1, C(SELECT_1), OK_1);
    proto_count(run, 5);
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 1, "\"mysql_error_code\":1064,\"mysql_error_message\":\"You have an error\"");
    proto_has(run, 1, "\"mysql_success\":false");
    proto_has(run, 1, "→ 1064 42000: You have an error");
    proto_has(run, 2, "\"summary\":\"COM_INIT_DB other → ok\"");
    proto_has(run, 3, "\"mysql_database\":\"other\"");
    proto_has(run, 4, "\"mysql_database\":\"third\"");
    proto_run_free(run);
}

static void several_results(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(OLD, C("@@@\000\003CALL p()"),
            S("@@@\001\001@@@\002" COLUMN(
                "\001a", "\003") "@@@\003" EOF_
                                 "@@@\004\0011@@@\005\376\000\000\012\000@@@\006\001@@@\007" COLUMN(
                                     "\001b",
                                     "\003") "@@@\010" EOF_
                                             "@@@\011\0012@@@\012\376\000\000\012\000@@@\013" OK),
            C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "[{\\\"a\\\":\\\"1\\\"},\\n{\\\"b\\\":\\\"2\\\"}]");
    proto_has(run, 1, "\"mysql_rows\":2");
    proto_run_free(run);
}

#define PREPARE "@@@\000\026SELECT ?, ?"
#define PREPARED_OLD                                                                 \
    "@@@\001\000\007\000\000\000\001\000\002\000\000\000\000@@@\002" COLUMN(         \
        "\001?", "\375") "@@@\003" COLUMN("\001?", "\375") "@@@\004" EOF_            \
                                                           "@@@\005" COLUMN("\001n", \
                                                                            "\010") "@@@\006" EOF_
/* 42 as LONGLONG, "x" as VAR_STRING; the second time without types. */
#define EXECUTE                                                                                   \
    "@@@\000\027\007\000\000\000\000\001\000\000\000\000\001\010\000\375\000\052\000\000\000\000" \
    "\000\000\000\001x"
#define EXECUTE_AGAIN \
    "@@@\000\027\007\000\000\000\000\001\000\000\000\002\000\053\000\000\000\000\000\000\000"
#define BINARY_RESULT                                     \
    "@@@\001\001@@@\002" COLUMN(                          \
        "\001n", "\010") "@@@\003" EOF_ "@@@\004\000\000" \
                         "\052\000\000\000\000\000\000\000@@@\005\000\004@@@\006" EOF_

static void prepared_statements(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(OLD, C(PREPARE), S(PREPARED_OLD), C(EXECUTE), S(BINARY_RESULT), C(EXECUTE_AGAIN),
            S(BINARY_RESULT), C("@@@\000\030\007\000\000\000\001\000long"),
            C("@@@\000\031\007\000\000\000"), C(EXECUTE), S("@@@\001\377\333\004#HY000Unknown"));
    proto_count(run, 7);
    proto_has(run, 1, "\"mysql_command\":\"COM_STMT_PREPARE\",\"mysql_query\":\"SELECT ?, ?\"");
    proto_has(run, 1, "\"mysql_statement_id\":7");
    proto_has(run, 2, "\"mysql_query\":\"SELECT ?, ?\"");
    proto_has(run, 2, "\"mysql_params\":[\"42\",\"x\"]");
    proto_has(run, 2, "[{\\\"n\\\":\\\"42\\\"},\\n{\\\"n\\\":null}]");
    proto_has(run, 3, "\"mysql_params\":[\"43\",\"NULL\"]");
    proto_has(run, 4, "\"mysql_command\":\"COM_STMT_SEND_LONG_DATA\"");
    proto_has(run, 5, "\"mysql_command\":\"COM_STMT_CLOSE\"");
    proto_has(run, 6, "\"status\":\"error\"");
    proto_lacks(run, 6, "mysql_query"); /* it had been closed */
    proto_run_free(run);
}

/* MariaDB: many rows of parameters with one statement; how far a command is, told before its end.
 */
static void mariadb(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        OLD, C(PREPARE), S(PREPARED_OLD),
        C("@@@\000\372\007\000\000\000\200\000\010\000\375\000\000\052\000\000\000\000\000\000\000"
          "\000\001x\001\002"),
        S("@@@\001\377\377\377\001\002\003\000\000\000\000@@@\002\000\002\000\002\000\000\000"),
        C(SELECT_1), OK_1);
    proto_count(run, 4);
    proto_has(run, 2, "\"mysql_command\":\"COM_STMT_BULK_EXECUTE\"");
    proto_has(run, 2, "\"mysql_params\":[\"42\",\"x\",\"NULL\",\"DEFAULT\"]");
    proto_has(run, 2, "\"mysql_rows\":2");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void local_file(void **state)
{
    (void)state;
    struct proto_run *run = RUN(OLD, C("@@@\000\003LOAD DATA LOCAL INFILE 'f' INTO TABLE t"),
                                S("@@@\001\373f"), C("@@@\0021\tx\n@@@\0032\ty\n@@@\004"),
                                S("@@@\005\000\002\000\002\000\000\000"), C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"mysql_rows\":2");
    proto_has(run, 1, "INTO TABLE t\\n1\\tx\\n2\\ty\\n");
    proto_run_free(run);
    /* That the server asked for it is no answer. */
    run = RUN(OLD, C("@@@\000\003LOAD DATA LOCAL INFILE 'f' INTO TABLE t"), S("@@@\001\373f"),
              C("@@@\0021\tx\n@@@\003"), SGAP(11), C(SELECT_1), OK_1);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "info");
    proto_run_free(run);
}

static void logins(void **state)
{
    (void)state;
    /* Refused at once, refused by password, another plugin. */
    struct proto_run *run = RUN(S("@@@\000\377\020\004Too many connections"));
    proto_count(run, 1);
    proto_has(run, 0, "\"mysql_error_code\":1040");
    proto_has(run, 0, "\"status\":\"error\"");
    proto_run_free(run);
    run = RUN(GREETING("\377\367", "\010\000"), LOGIN("\215\242\010\000"),
              S("@@@\002\376caching_sha2_password\000saltsaltsalt"), C("@@@\003secrethash"),
              S("@@@\004\001\003@@@\005\377\025\004#28000Access denied"));
    proto_count(run, 1);
    proto_has(run, 0, "CONNECT app@shop caching_sha2_password → 1045 28000: Access denied");
    proto_lacks(run, 0, "secrethash");
    proto_run_free(run);
    run =
        RUN(GREETING("\377\377", "\010\000"),
            C("@@@\001\215\252\010\000\000\000\000\001\377\000\000\000\000\000\000\000\000\000\000"
              "\000\000\000\000\000\000\000\000\000\000\000\000\000"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"SSL_REQUEST\",\"status\":\"ok\"");
    proto_run_free(run);
}

static void secrets(void **state)
{
    (void)state;
    struct proto_run *run = RUN(OLD, C("@@@\000\003CREATE USER a IDENTIFIED BY 'pw'"), OK_1);
    proto_has(run, 1, "\"summary\":\"CREATE USER a IDENTIFIED BY ? → 0 rows\"");
    proto_run_free(run);
}

/* ── compression ── */

static size_t pack(uint8_t *out, const char *plain, size_t len, uint8_t number, bool deflated)
{
    uLongf n = 1024;
    if (deflated)
        assert_int_equal(compress(out + 7, &n, (const Bytef *)plain, len), Z_OK);
    else
        memcpy(out + 7, plain, n = len);
    size_t before = deflated ? len : 0;
    uint8_t head[7] = {(uint8_t)n,      (uint8_t)(n >> 8),      0, number,
                       (uint8_t)before, (uint8_t)(before >> 8), 0};
    memcpy(out, head, sizeof head);
    return n + 7;
}

static void compression(void **state)
{
    (void)state;
    static const char query[] = "\011\000\000\000\003SELECT 1";
    static const char answer[] = "\001\000\000\001\001\027\000\000\002" COLUMN(
        "\001a", "\003") "\005\000\000\003" EOF_ "\002\000\000\004\0011\005\000\000\005" EOF_;
    static uint8_t asked[256], told[1200];
    size_t asked_len = pack(asked, query, sizeof query - 1, 0, false);
    size_t told_len = pack(told, answer, sizeof answer - 1, 1, true);
    struct proto_run *run =
        RUN(GREETING("\377\377", "\010\000"), LOGIN("\255\242\010\000"), OK_2, CB(asked, asked_len),
            SB(told, told_len), CB(asked, asked_len), SB(told, told_len));
    proto_count(run, 3);
    proto_has(run, 1, "\"mysql_query\":\"SELECT 1\"");
    proto_has(run, 1, "\"body\":\"[{\\\"a\\\":\\\"1\\\"}]\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
    /* Damage: what was announced counts as missing. */
    told[12] ^= 0xff;
    run = RUN(GREETING("\377\377", "\010\000"), LOGIN("\255\242\010\000"), OK_2,
              CB(asked, asked_len), SB(told, told_len));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
    told[12] ^= 0xff;
    /* A whole answer is lost: those that follow came, but cannot be read. */
    run = RUN(GREETING("\377\377", "\010\000"), LOGIN("\255\242\010\000"), OK_2,
              CB(asked, asked_len), SGAP(told_len), CB(asked, asked_len), SB(told, told_len),
              CB(asked, asked_len), SGAP(told_len), CB(asked, asked_len), SB(told, told_len));
    proto_count(run, 5);
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
}

/* ── losses ── */

static void gaps(void **state)
{
    (void)state;
    /* Inside a row: the framing holds. */
    struct proto_run *run =
        RUN(OLD, C(SELECT_1), S("@@@\001\001@@@\002" COLUMN("\001a", "\003") "@@@\003" EOF_),
            S("\002\000\000\004"), SGAP(2), S("@@@\005" EOF_), C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 1, "\"mysql_rows\":1");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    /* The answer's end: the next command has its own. */
    run = RUN(OLD, C(SELECT_1), S("@@@\001\001"), SGAP(100), S("abc"), C(SELECT_1), OK_1,
              C(SELECT_1), OK_1);
    proto_count(run, 4);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_run_free(run);
    /* A command: its answer stands alone. */
    run = RUN(OLD, CGAP(20), OK_1, C("@@@\000\003SELECT 2"), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "mysql_query");
    proto_has(run, 2, "\"mysql_query\":\"SELECT 2\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
    /* One of several that were sent at once: no answer goes to a wrong one. */
    run = RUN(OLD, C(SELECT_1), CGAP(13), C("@@@\000\003SELECT 3"), OK_1, OK_1, OK_1);
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* The answer and the next command, where nobody knows in what order: rows of another query. */
    run = RUN(OLD, SGAP(96), C(SELECT_1), CGAP(22), S(RESULT_OLD("b", "2") "@@@\005" EOF_),
              C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"SELECT 1\",\"status\":\"incomplete\"");
    proto_lacks(run, 1, "mysql_rows");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    /* The server was found again since: what waits is answered first. */
    run = RUN(OLD, SGAP(11), C(SELECT_1), OK_1, C(SELECT_1), CGAP(5), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"incomplete\":false");
    proto_has(run, 2, "\"summary\":\"SELECT 1 → 0 rows\",\"status\":\"ok\"");
    proto_run_free(run);
}

/* A packet that is lost among rows may have been the end: numbers and forms tell. */
static void gap_of_an_end(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(OLD, C(SELECT_1), S(RESULT_OLD("a", "1")), S("\005\000\000\005"), SGAP(5),
            C("@@@\000\003SELECT 2"), S(RESULT_OLD("b", "2") "@@@\005" EOF_), C(SELECT_1), OK_1);
    proto_count(run, 4);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 1, "[{\\\"a\\\":\\\"1\\\"}]");
    proto_has(run, 2, "[{\\\"b\\\":\\\"2\\\"}]");
    proto_has(run, 2, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 3, "\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
    /* Both were asked at once: the number begins anew. */
    run = RUN(OLD, C(SELECT_1 "@@@\000\003SELECT 2"), S(RESULT_OLD("a", "1")),
              S("\005\000\000\005"), SGAP(5), S(RESULT_OLD("b", "2") "@@@\005" EOF_));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "\\\"b\\\"");
    proto_has(run, 2, "\"status\":\"incomplete\"");
    proto_run_free(run);
    /* Rows go on behind it; another result does not read as a row. */
    run = RUN(NEW, C(SELECT_1), S("@@@\001\001@@@\002" COLUMN("\001a", "\003")),
              S("\007\000\000\003"), SGAP(7), S("@@@\004\0012@@@\005" EOF_OK));
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"ok\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"mysql_rows\":2");
    proto_run_free(run);
    run = RUN(NEW, C(SELECT_1), S("@@@\001\001@@@\002" COLUMN("\001a", "\003")),
              S("\007\000\000\003"), SGAP(7), S("@@@\004\002"),
              S("@@@\005" COLUMN("\001b", "\003")), C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    /* It was the last that came. */
    run = RUN(OLD, C(SELECT_1), S(RESULT_OLD("a", "1")), S("\005\000\000\005"), SGAP(5));
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

/* What is missing may have changed the session: nothing is said of it any more. */
static void a_loss_forgets_the_session(void **state)
{
    (void)state;
    struct proto_run *run = RUN(OLD, C(SELECT_1), OK_1, CGAP(9), OK_1, C(SELECT_1), OK_1);
    proto_count(run, 4);
    proto_has(run, 1, "\"mysql_database\":\"shop\"");
    proto_lacks(run, 3, "mysql_database");
    proto_has(run, 3, "\"incomplete\":false");
    proto_run_free(run);
    /* Whether the database was changed was not seen. */
    run = RUN(OLD, C("@@@\000\002mysql"), SGAP(11), C(SELECT_1), OK_1);
    proto_count(run, 3);
    proto_lacks(run, 2, "mysql_database");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
    /* A statement that was prepared before. */
    run = RUN(OLD, C(PREPARE), S(PREPARED_OLD), CGAP(13), OK_1, C(EXECUTE), S(BINARY_RESULT));
    proto_count(run, 4);
    proto_lacks(run, 3, "mysql_query");
    proto_has(run, 3, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = RUN_LATE(
        C(SELECT_1),
        S("@@@\001\001@@@\002" COLUMN("\001a", "\003") "@@@\003" EOF_ "@@@\004\0011@@@\005" EOF_),
        C(PREPARE), S(PREPARED_OLD), C(EXECUTE), S(BINARY_RESULT));
    proto_count(run, 3);
    proto_has(run, 0, "\"mysql_rows\":1");
    proto_has(run, 2, "\"mysql_params\":[\"42\",\"x\"]");
    proto_run_free(run);
    /* Sides are mixed up; no EOF packets. */
    run = RUN_LATE(S(SELECT_1),
                   C("@@@\001\001@@@\002" COLUMN("\001a", "\003") "@@@\003\0011@@@\004"
                                                                  "\0012@@@\005" EOF_OK),
                   S("@@@\000\016"), C("@@@\001" OK));
    proto_count(run, 2);
    proto_has(run, 0, "\"mysql_rows\":2");
    proto_has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_run_free(run);
}

/* The first thing that was recorded is an answer, and others still wonder what it may be. */
static void joined_at_an_answer(void **state)
{
    (void)state;
    struct proto_run *run =
        run_with(&(struct drive_options){.late_join = true},
                 STEPS(OK_1, C("@@@\000\016"), OK_1, SGAP(11), C("@@@\000\016"), OK_1), true);
    proto_count(run, 3);
    proto_has(run, 0, "\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"summary\":\"COM_PING → ok\"");
    proto_has(run, 2, "\"protocol\":\"mysql\"");
    proto_run_free(run);
}

/* An answer that is not understood is not stepped over: the next one belongs to the next command.
 * OK packets that tell of a changed session are understood. */
static void late_joins_do_not_shift_answers(void **state)
{
    (void)state;
    static const char tracked[] = "@@@\001\0\0\0\0\100\0\0\0\021\0\017\012autocommit\003OFF";
    struct proto_run *run = RUN_LATE(
        C("@@@\000\003set autocommit=0"), SB(tracked, sizeof tracked - 1), C(SELECT_1),
        S("@@@\001\001@@@\002" COLUMN("\001a", "\003") "@@@\003" EOF_ "@@@\004\0011@@@\005" EOF_),
        C("@@@\000\003rollback"), S("@@@\001" OK));
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"set autocommit=0 → 0 rows\"");
    proto_has(run, 1, "\"mysql_rows\":1");
    proto_has(run, 2, "\"mysql_query\":\"rollback\"");
    for (size_t i = 0; i < 3; i++)
        proto_has(run, i, "\"status\":\"ok\"");
    proto_run_free(run);
    run = RUN_LATE(C("@@@\000\003set autocommit=0"), S("@@@\001\373file"), C(SELECT_1),
                   S("@@@\001" OK));
    proto_has(run, 0, "\"mysql_query\":\"set autocommit=0\"");
    proto_has(run, 0, "\"status\":\"incomplete\"");
    proto_has(run, 1, "\"mysql_query\":\"SELECT 1\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* Commands sent before their answers came (MariaDB's batches). */
static void pipelined(void **state)
{
    (void)state;
    struct proto_run *run = RUN(OLD, C(SELECT_1 "@@@\000\003SELECT 2@@@\000\016"),
                                S("@@@\001" OK "@@@\001\377\050\004#42000no"), OK_1);
    proto_count(run, 4);
    proto_has(run, 1, "\"mysql_query\":\"SELECT 1\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 3, "\"mysql_command\":\"COM_PING\"");
    proto_run_free(run);
}

static void not_mysql(void **state)
{
    (void)state;
    struct proto_run *run = RUN(S("220 mail ESMTP\r\n"), C("EHLO x\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\n\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "\376\377\377\377\377\377\377\377\377",     "\374\377", "\373",
        "\000\376\377\377\377\377\377\377\377\177", "\377",     "\376"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char packet[32];
        int n = snprintf(packet, sizeof packet, "@@@\001%s", bodies[i]);
        if (n <= 4)
            continue;
        struct proto_run *run = RUN(OLD, C(SELECT_1), SB(packet, (size_t)n), C(PREPARE),
                                    SB(packet, (size_t)n), C(EXECUTE), SB(packet, (size_t)n));
        assert_true(run->count >= 1);
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_and_query),
        cmocka_unit_test(without_eof_packets),
        cmocka_unit_test(errors_and_databases),
        cmocka_unit_test(several_results),
        cmocka_unit_test(prepared_statements),
        cmocka_unit_test(mariadb),
        cmocka_unit_test(local_file),
        cmocka_unit_test(logins),
        cmocka_unit_test(secrets),
        cmocka_unit_test(compression),
        cmocka_unit_test(gaps),
        cmocka_unit_test(gap_of_an_end),
        cmocka_unit_test(a_loss_forgets_the_session),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(joined_at_an_answer),
        cmocka_unit_test(late_joins_do_not_shift_answers),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(not_mysql),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
