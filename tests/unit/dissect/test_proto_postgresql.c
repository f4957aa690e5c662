/* PostgreSQL: the message flows of the protocol documentation (startup, simple and extended query,
 * COPY, errors, cancel), losses, late joins, hostile input; every script also cut in pieces. */
#include "support_proto.h"
#include "unit/unit_test.h"

/* "####" stands for the length of the message it is in: a message ends at the next one's type, or
 * with its step. */
static struct proto_run *run_with(const struct drive_options *options,
                                  const struct drive_step *steps, size_t count, bool cut)
{
    enum {
        MAX_STEPS = 32,
        MAX_BYTES = 1024
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
            if (len - at >= 4 && memcmp(bytes[i] + at, "####", 4) == 0) {
                size_t n = end - at;
                memcpy(bytes[i] + at, (uint8_t[]){0, 0, (uint8_t)(n >> 8), (uint8_t)n}, 4);
                end = at ? at - 1 : 0;
            }
    }
    return cut ? proto_run_cut(options, fixed, count) : proto_run(options, fixed, count);
}

#define STEPS(...)                            \
    (const struct drive_step[]){__VA_ARGS__}, \
        sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step)
#define RUN(...) \
    run_with(&(struct drive_options){.dissector = "postgresql"}, STEPS(__VA_ARGS__), true)
#define RUN_LATE(...)                                                               \
    run_with(&(struct drive_options){.dissector = "postgresql", .late_join = true}, \
             STEPS(__VA_ARGS__), true)

/* Messages. */
#define LOGIN    C("####\000\003\000\000user\000app\000database\000shop\000\000")
#define READY    "Z####I"
#define READY_T  "Z####T"
#define READY_E  "Z####E"
#define AUTH_OK  "R####\000\000\000\000"
#define WELCOME  S(AUTH_OK READY)
#define SELECT_1 "Q####SELECT 1\000"
/* name, table, attribute, type (int4), size, modifier, format */
#define COLUMNS_1                                                                        \
    "T####\000\001a\000\000\000\000\000\000\000\000\000\000\027\000\004\377\377\377\377" \
    "\000\000"
#define ROW_1          "D####\000\001\000\000\000\0011"
#define DONE_1         "C####SELECT 1\000"
#define PARSE_S1       "P####s1\000SELECT $1::int4\000\000\000"
#define PARSE_S1_TYPED "P####s1\000SELECT $1::int4\000\000\001\000\000\000\027"
#define BIND_S1_BINARY \
    "B####\000s1\000\000\001\000\001\000\001\000\000\000\004\000\000\000\052\000\001\000\001"
#define BIND_S1_TEXT    "B####\000s1\000\000\000\000\001\000\000\000\0017\000\000"
#define DESCRIBE_PORTAL "D####P\000"
#define DESCRIBE_S1     "D####Ss1\000"
#define TYPES_1         "t####\000\001\000\000\000\027"
#define EXECUTE         "E####\000\000\000\000\000"
#define SYNC            "S####"
#define PARSED          "1####"
#define BOUND           "2####"
#define NO_DATA         "n####"
#define ERROR_1         "E####SERROR\000VERROR\000C22012\000Mby zero\000Dno\000\000"

static void startup_and_simple_query(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, S("R####\000\000\000\005salt"), C("p####md5xyz\000"),
            S(AUTH_OK "S####TimeZone\000UTC\000K####\000\000\000\001\000\000\000\002" READY),
            C(SELECT_1), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 2);
    proto_has(run, 0, "\"postgresql_command\":\"Startup\"");
    proto_has(run, 0, "\"summary\":\"Startup app@shop md5 → ok\"");
    proto_has(run, 0, "\"headers\":{\"user\":\"app\",\"database\":\"shop\"}");
    proto_has(run, 0, "\"headers\":{\"TimeZone\":\"UTC\"}");
    proto_lacks(run, 0, "md5xyz");
    proto_has(run, 1, "\"postgresql_command\":\"SELECT\",\"postgresql_query\":\"SELECT 1\"");
    proto_has(run, 1, "\"postgresql_database\":\"shop\",\"postgresql_user\":\"app\"");
    proto_has(run, 1, "\"postgresql_success\":true");
    proto_has(run, 1, "\"postgresql_rows\":1");
    proto_has(run, 1, "\"postgresql_tx_state\":\"idle\"");
    proto_has(run, 1, "\"query_template\":\"SELECT ?\"");
    proto_has(run, 1, "\"summary\":\"SELECT 1 → SELECT 1\",\"status\":\"ok\"");
    proto_has(run, 1, "[{\\\"a\\\":\\\"1\\\"},\\n{\\\"tag\\\":\\\"SELECT 1\\\"}]");
    proto_run_free(run);
}

static void encryption(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("\000\000\000\010\004\322\026\060"), S("N"),
                                C("\000\000\000\010\004\322\026\057"), S("N"), LOGIN, WELCOME);
    proto_count(run, 3);
    proto_has(run, 0, "\"summary\":\"GSSENCRequest → refused\",\"status\":\"ok\"");
    proto_has(run, 1, "\"summary\":\"SSLRequest → refused\"");
    proto_has(run, 2, "\"postgresql_command\":\"Startup\"");
    proto_run_free(run);
    run = RUN(C("\000\000\000\010\004\322\026\060"), S("G"), C("\000\000\000\003abc"), S("xyz"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GSSENCRequest → accepted\"");
    proto_run_free(run);
    /* The TLS dissector takes over. */
    static const uint8_t hello[] = {
        0x16, 3,  1,  0,  0x37, 1,  0,    0,    0x33, 3,  3,  1,  2,  3,    4,  5,  6,  7,  8,  9,
        10,   11, 12, 13, 14,   15, 16,   17,   18,   19, 20, 21, 22, 23,   24, 25, 26, 27, 28, 29,
        30,   31, 32, 0,  0,    2,  0x13, 0x01, 1,    0,  0,  8,  0,  0x2b, 0,  4,  3,  3,  4,  3};
    run = proto_run(&(struct drive_options){0},
                    (const struct drive_step[]){C("\000\000\000\010\004\322\026\057"), S("S"),
                                                CB(hello, sizeof hello)},
                    3);
    proto_count(run, 2);
    proto_has(run, 0, "\"summary\":\"SSLRequest → accepted\"");
    proto_has(run, 1, "\"protocol\":\"tlsx\"");
    proto_run_free(run);
}

static void refused_login(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, S("R####\000\000\000\003"), C("p####secret\000"),
                                S("E####SFATAL\000C28P01\000Mpassword wrong\000\000"));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"error\"");
    proto_has(run, 0, "\"postgresql_error_code\":\"28P01\"");
    proto_has(run, 0, "Startup app@shop password → FATAL 28P01: password wrong");
    proto_lacks(run, 0, "secret");
    proto_run_free(run);
}

/* Prepare, then execute by name: binary and text parameters, the text is remembered. */
static void extended_query(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        LOGIN, WELCOME, C(PARSE_S1 "D####Ss1\000" SYNC),
        S(PARSED "t####\000\001\000\000\000\027" COLUMNS_1 READY), C(BIND_S1_BINARY EXECUTE SYNC),
        S(BOUND "D####\000\001\000\000\000\004\000\000\000\052" DONE_1 READY_T),
        C(BIND_S1_TEXT DESCRIBE_PORTAL EXECUTE SYNC), S(BOUND COLUMNS_1 ROW_1 DONE_1 READY),
        C("C####Ss1\000" SYNC), S("3####" READY), C(BIND_S1_TEXT EXECUTE SYNC), S(ERROR_1 READY));
    proto_count(run, 6);
    proto_has(run, 1, "\"summary\":\"Parse s1: SELECT $1::int4 → ok\"");
    proto_has(run, 2, "\"postgresql_query\":\"SELECT $1::int4\"");
    proto_has(run, 2, "\"postgresql_params\":[\"42\"]");
    proto_has(run, 2, "\"postgresql_tx_state\":\"transaction\"");
    proto_has(run, 2, "{\\\"a\\\":\\\"42\\\"}");
    proto_has(run, 2, "\"query_template\":\"SELECT ?::int4\"");
    proto_has(run, 3, "\"postgresql_params\":[\"7\"]");
    proto_has(run, 3, "\"postgresql_rows\":1");
    proto_has(run, 4, "\"postgresql_command\":\"Close\"");
    proto_has(run, 5, "\"status\":\"error\"");
    proto_lacks(run, 5, "postgresql_query"); /* it had been closed */
    proto_has(run, 5, "\"postgresql_statement\":\"s1\"");
    proto_run_free(run);
}

/* Three executions and one Sync; the second fails, the third is skipped. */
static void pipeline_with_error(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME,
            C(PARSE_S1_TYPED BIND_S1_TEXT EXECUTE BIND_S1_TEXT EXECUTE BIND_S1_TEXT EXECUTE SYNC),
            S(PARSED BOUND ROW_1 DONE_1 BOUND ERROR_1 READY_E), C(SELECT_1),
            S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 5);
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_has(run, 2, "\"status\":\"error\"");
    proto_has(run, 2, "→ ERROR 22012: by zero");
    proto_has(run, 3, "\"status\":\"no_response\"");
    proto_has(run, 3, "skipped after an error");
    proto_has(run, 3, "\"postgresql_success\":false");
    proto_has(run, 3, "\"postgresql_tx_state\":\"failed\"");
    proto_has(run, 4, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* Pipelined Syncs: each group has its own answers. */
static void pipelined_groups(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(PARSE_S1 BIND_S1_TEXT EXECUTE SYNC BIND_S1_TEXT EXECUTE SYNC SYNC),
            S(ERROR_1 READY BOUND ROW_1), S(DONE_1 READY READY));
    proto_count(run, 4);
    proto_has(run, 1, "\"status\":\"error\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_has(run, 3, "\"postgresql_command\":\"Sync\"");
    proto_run_free(run);
}

static void portals_and_flush(void **state)
{
    (void)state;
    struct proto_run *run = RUN(
        LOGIN, WELCOME,
        C("P####\000SELECT 1\000\000\000B####c1\000\000\000\000\000\000\000\000\000E####c1\000\000\000\000\001H####"),
        S(PARSED BOUND ROW_1 "s####"), C("E####c1\000\000\000\000\000" SYNC), S(DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"postgresql_rows\":1");
    proto_has(run, 2, "\"postgresql_query\":\"SELECT 1\"");
    proto_run_free(run);
}

static void several_statements_and_notices(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C("Q####SELECT 1;UPDATE \000"),
            S(COLUMNS_1 ROW_1 DONE_1
              "N####SNOTICE\000C00000\000Mcareful\000\000C####UPDATE 3\000" READY),
            C("Q####\000"), S("I####" READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"postgresql_rows\":4");
    proto_has(run, 1, "{\\\"notice\\\":\\\"careful\\\"}");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
}

static void copies(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, WELCOME, C("Q####COPY t FROM STDIN\000"),
                                S("G####\000\000\000"), C("d####1\tx\nd####2\ty\nc####"),
                                S("C####COPY 2\000" READY), C("Q####COPY t TO STDOUT\000"),
                                S("H####\000\000\000d####1\nc####C####COPY 1\000" READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"postgresql_rows\":2");
    proto_has(run, 1, "\"body\":\"COPY t FROM STDIN\\n1\\tx\\n2\\ty\\n\"");
    proto_has(run, 2, "{\\\"copy\\\":\\\"1\\\\n\\\"}");
    proto_has(run, 2, "\"postgresql_rows\":1");
    proto_run_free(run);
    /* With the extended protocol the first Sync is ignored, the one behind CopyDone is answered. */
    run = RUN(
        LOGIN, WELCOME,
        C("P####\000COPY t FROM STDIN\000\000\000B####\000\000\000\000\000\000\000\000" DESCRIBE_PORTAL
              EXECUTE SYNC),
        S(PARSED BOUND NO_DATA "G####\000\000\000"), C("d####1\nc####" SYNC),
        S("C####COPY 1\000" READY), C(SELECT_1), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"postgresql_rows\":1");
    proto_has(run, 2, "\"postgresql_query\":\"SELECT 1\"");
    proto_run_free(run);
}

static void cancel_notification_function(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(C("\000\000\000\020\004\322\026\056\000\000\000\001\000\000\000\002"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"CancelRequest\",\"status\":\"ok\"");
    proto_run_free(run);
    run =
        RUN(LOGIN, WELCOME, S("A####\000\000\000\007news\000hello\000"),
            C("F####\000\000\000\012\000\000\000\000\000\000"), S("V####\000\000\000\0019" READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"summary\":\"Notification news hello → ok\"");
    proto_has(run, 2, "\"postgresql_command\":\"FunctionCall\"");
    proto_has(run, 2, "{\\\"value\\\":\\\"9\\\"}");
    proto_run_free(run);
}

static void the_server_ends_it(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, WELCOME, S("E####SFATAL\000C57P01\000Madmin says\000\000"));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"Error → FATAL 57P01: admin says\",\"status\":\"error\"");
    proto_run_free(run);
    run = RUN(LOGIN, WELCOME, C(SELECT_1), S(COLUMNS_1 ROW_1), SFIN, CFIN);
    proto_count(run, 2);
    proto_has(run, 1, "\"status\":\"error\",\"status_reason\":\"closed\"");
    proto_run_free(run);
    run = RUN(LOGIN, WELCOME, C(SELECT_1), SFIN, CFIN);
    proto_has(run, 1, "\"status\":\"no_response\",\"status_reason\":\"closed\"");
    proto_run_free(run);
}

/* Passwords in statements stay out of the summary. */
static void secrets(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, WELCOME, C("Q####ALTER ROLE a PASSWORD 'pw'\000"),
                                S("C####ALTER ROLE\000" READY));
    proto_count(run, 2);
    proto_has(run, 1, "\"summary\":\"ALTER ROLE a PASSWORD ? → ALTER ROLE\"");
    proto_run_free(run);
}

/* ── losses ── */

/* Bytes missing inside a row of known length: the framing holds, the entry says what is missing. */
static void gap_inside_a_row(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(SELECT_1), S(COLUMNS_1 "D\000\000\000\013\000\001"), SGAP(5),
            S(DONE_1 READY), C(SELECT_1), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"incomplete\":true");
    proto_has(run, 1, "\"status_reason\":\"capture_gap\"");
    proto_has(run, 1, "\"postgresql_rows\":1");
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
}

/* An answer whose end is lost: the next question has its own answer. */
static void gap_of_an_answer(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(SELECT_1), S(COLUMNS_1), SGAP(40), C(SELECT_1),
            S(COLUMNS_1 ROW_1 DONE_1 READY), C(SELECT_1), S(COLUMNS_1 ROW_1 ROW_1 DONE_1 READY));
    proto_count(run, 4);
    proto_has(run, 1, "\"status\":\"incomplete\",\"status_reason\":\"capture_gap\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_has(run, 3, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* The middle of an answer is lost, its end is found by form. */
static void gap_found_again(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(SELECT_1), S(COLUMNS_1), SGAP(400), S("xxZ" DONE_1 READY),
            C(SELECT_1), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* A question that was not recorded: its answer stands alone, the next pair is right. */
static void gap_of_a_question(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, WELCOME, CGAP(14), S(COLUMNS_1 ROW_1 DONE_1 READY),
                                C("Q####SELECT 2\000"), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_lacks(run, 1, "postgresql_query");
    proto_has(run, 2, "\"postgresql_query\":\"SELECT 2\"");
    proto_has(run, 2, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* A pipeline with a hole among its questions: no answer is given to a wrong one. */
static void gap_in_a_pipeline(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(SELECT_1), CGAP(14), C("Q####SELECT 3\000"),
            S(COLUMNS_1 ROW_1 DONE_1 READY ROW_1 DONE_1 READY ROW_1 DONE_1 READY));
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

/* Statements that were prepared before the hole may mean something else behind it. */
static void names_are_forgotten_after_a_loss(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(PARSE_S1 SYNC), S(PARSED READY), CGAP(100), S(PARSED READY),
            C(BIND_S1_TEXT EXECUTE SYNC), S(BOUND ROW_1 DONE_1 READY));
    proto_count(run, 4);
    proto_lacks(run, 3, "postgresql_query");
    proto_has(run, 3, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_run_free(run);
}

/* How parameters read is told by the statement's description: where a part of it is lost the
 * executions say so, until it is told anew. */
static void description_lost_in_part(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C(PARSE_S1 SYNC), SGAP(11), C(DESCRIBE_S1 SYNC),
            S(TYPES_1 COLUMNS_1 READY), C(BIND_S1_BINARY EXECUTE SYNC),
            S(BOUND "D####\000\001\000\000\000\004\000\000\000\052" DONE_1 READY),
            C(DESCRIBE_S1 SYNC), S(TYPES_1 COLUMNS_1 READY), C(BIND_S1_BINARY EXECUTE SYNC),
            S(BOUND "D####\000\001\000\000\000\004\000\000\000\052" DONE_1 READY));
    proto_count(run, 6);
    proto_has(run, 3, "\"status\":\"ok\",\"status_reason\":\"capture_gap\",\"incomplete\":true");
    proto_has(run, 5, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 5, "\"postgresql_params\":[\"42\"]");
    proto_run_free(run);
    /* A statement without a result has no columns; its types were told before. */
    run = RUN(LOGIN, WELCOME, C(PARSE_S1 DESCRIBE_S1 SYNC), S(PARSED TYPES_1 NO_DATA READY),
              C(DESCRIBE_S1 SYNC), SGAP(22), C(BIND_S1_BINARY EXECUTE SYNC), S(BOUND DONE_1 READY));
    proto_count(run, 4);
    proto_has(run, 3, "\"status\":\"ok\",\"incomplete\":false");
    proto_has(run, 3, "\"postgresql_params\":[\"42\"]");
    proto_run_free(run);
}

/* More is asked before what was lost is answered: its answer comes next. */
static void gap_of_what_is_not_answered_yet(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, WELCOME, CGAP(14), C(SELECT_1), S(COLUMNS_1 DONE_1 READY),
                                S(COLUMNS_1 ROW_1 DONE_1 READY));
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
    /* The first of a batch, whose answer is there before its rest. */
    run = RUN(LOGIN, WELCOME, C(PARSE_S1 BIND_S1_TEXT EXECUTE PARSE_S1 BIND_S1_TEXT EXECUTE SYNC),
              S(PARSED BOUND ROW_1 DONE_1 PARSED BOUND ROW_1 DONE_1 READY), CGAP(60),
              S(PARSED BOUND ROW_1 ROW_1 DONE_1), C(PARSE_S1 BIND_S1_TEXT EXECUTE SYNC),
              S(PARSED BOUND ROW_1 DONE_1 READY));
    proto_has(run, 2, "\"incomplete\":false");
    for (size_t i = 3; i < run->count; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
    /* Nobody knew that it batches: the server has not come to the end of what was lost. */
    run = RUN(LOGIN, WELCOME, CGAP(200), S(PARSED BOUND ROW_1 DONE_1 PARSED BOUND ROW_1),
              C(EXECUTE PARSE_S1 BIND_S1_TEXT EXECUTE SYNC),
              S(DONE_1 PARSED BOUND ROW_1 DONE_1 PARSED BOUND ROW_1 DONE_1 READY));
    for (size_t i = 1; i < run->count; i++)
        proto_has(run, i, "\"incomplete\":true");
    proto_run_free(run);
    /* It has: what is asked now is answered next. */
    run = RUN(LOGIN, WELCOME, CGAP(200), S(PARSED BOUND ROW_1 DONE_1 READY),
              C(PARSE_S1 BIND_S1_TEXT EXECUTE SYNC), S(PARSED BOUND ROW_1 DONE_1 READY));
    proto_count(run, 3);
    proto_has(run, 2, "\"incomplete\":false");
    proto_run_free(run);
}

/* The password of a login, or the first messages of an answer. */
static void gap_beside_what_waits(void **state)
{
    (void)state;
    struct proto_run *run = RUN(LOGIN, CGAP(12), WELCOME);
    proto_has(run, 0, "\"incomplete\":true");
    proto_run_free(run);
    run = RUN(LOGIN, WELCOME, SGAP(9), C(SELECT_1), S("xx" DONE_1 READY));
    proto_has(run, 1, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

static void late_joins(void **state)
{
    (void)state;
    struct proto_run *run = RUN_LATE(C(SELECT_1), S(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 1);
    proto_has(run, 0, "\"status\":\"ok\"");
    proto_run_free(run);
    /* The server was taken for the client. */
    run = RUN_LATE(C(COLUMNS_1 ROW_1 DONE_1 READY), S(SELECT_1), C(COLUMNS_1 ROW_1 DONE_1 READY));
    proto_count(run, 2);
    proto_has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    proto_has(run, 1, "\"src\":{\"ip\":\"10.0.0.2\"");
    proto_has(run, 1, "\"status\":\"ok\"");
    proto_run_free(run);
}

/* ── others ── */

static void not_postgresql(void **state)
{
    (void)state;
    struct proto_run *run = RUN(C("GET / HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 OK\r\n\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN(C("\000\000\000\003\000\003\000\000user\000zeek\000\000"));
    proto_count(run, 0);
    proto_run_free(run);
    run = RUN_LATE(C("*1\r\n$4\r\nPING\r\n"), S("+PONG\r\n"));
    proto_count(run, 0);
    proto_run_free(run);
}

static void hostile(void **state)
{
    (void)state;
    /* Counts and lengths that name more than there is. */
    struct proto_run *run =
        RUN(LOGIN, WELCOME, C("B\000\000\000\014\000\000\377\377\377\377\000\000" EXECUTE SYNC),
            S(BOUND "D\000\000\000\012\377\377\177\377\377\377" DONE_1 READY),
            C("P\000\000\000\011\000a\000\377\377" SYNC), S("T\000\000\000\006\377\377" READY));
    assert_true(run->count >= 2);
    proto_run_free(run);
    /* A message of a gigabyte that never comes. */
    run = RUN(LOGIN, WELCOME, C("Q\077\377\377\377SELECT"), S(READY));
    proto_count(run, 2);
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startup_and_simple_query),
        cmocka_unit_test(encryption),
        cmocka_unit_test(refused_login),
        cmocka_unit_test(extended_query),
        cmocka_unit_test(pipeline_with_error),
        cmocka_unit_test(pipelined_groups),
        cmocka_unit_test(portals_and_flush),
        cmocka_unit_test(several_statements_and_notices),
        cmocka_unit_test(copies),
        cmocka_unit_test(cancel_notification_function),
        cmocka_unit_test(the_server_ends_it),
        cmocka_unit_test(secrets),
        cmocka_unit_test(gap_inside_a_row),
        cmocka_unit_test(gap_of_an_answer),
        cmocka_unit_test(gap_found_again),
        cmocka_unit_test(gap_of_a_question),
        cmocka_unit_test(gap_in_a_pipeline),
        cmocka_unit_test(names_are_forgotten_after_a_loss),
        cmocka_unit_test(description_lost_in_part),
        cmocka_unit_test(gap_of_what_is_not_answered_yet),
        cmocka_unit_test(gap_beside_what_waits),
        cmocka_unit_test(late_joins),
        cmocka_unit_test(not_postgresql),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
