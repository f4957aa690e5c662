/* HTTP/2 joined late, where ports say nothing of who is the client: every script is run with the
 * sides as they are and the other way round, and gives the same calls. Each of the two runs also
 * byte by byte and in random pieces (support_proto.h). */
#include <stdio.h>

#include "support_http2.h"
#include "unit/unit_test.h"

enum {
    MAX_STEPS = 64,
    LINE_BYTES = 256 * 1024
};

/* What names no address: from the summary on, without the url. Their number. */
static size_t told(const char *line, char *out, size_t size)
{
    const char *from = strstr(line, "\"summary\""), *url = strstr(line, "\"url\":\"");
    assert_non_null(from);
    const char *behind = url ? strchr(url + 7, '"') : NULL;
    int n = behind ? snprintf(out, size, "%.*s%s", (int)(url - from), from, behind)
                   : snprintf(out, size, "%s", from);
    assert_in_range(n, 1, size - 1);
    return (size_t)n;
}

/* The entries of the script as it is; with its sides changed they are the same, but for src and
 * dst. */
static struct proto_run *run_both(const struct drive_step *steps, size_t count)
{
    struct drive_options options = {.dissector = "http2", .late_join = true, .end = END_OF_DATA};
    struct drive_step turned[MAX_STEPS];
    assert_true(count <= MAX_STEPS);
    for (size_t i = 0; i < count; i++) {
        turned[i] = steps[i];
        turned[i].dir = steps[i].dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    }
    struct proto_run *run = proto_run_cut(&options, steps, count);
    struct proto_run *other = proto_run_cut(&options, turned, count);
    assert_int_equal(run->count, other->count);
    for (size_t i = 0; i < run->count; i++) {
        static char a[LINE_BYTES], b[LINE_BYTES];
        assert_int_equal(told(run->lines[i], a, sizeof a), told(other->lines[i], b, sizeof b));
        assert_string_equal(a, b);
        proto_has(run, i, "\"src\":{\"ip\":\"10.0.0.1\"");
        proto_has(other, i, "\"src\":{\"ip\":\"10.0.0.2\"");
    }
    proto_run_free(other);
    return run;
}

#define BOTH(...)                                      \
    run_both((const struct drive_step[]){__VA_ARGS__}, \
             sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step))

#define UPDATE(dir, id) FR(dir, T_WINDOW, 0, id, "\0\0\0\x05")
#define HOST            ":authority: h"

/* As grpcio writes it: the path and what else was inserted before is an index into a table that
 * nobody recorded, and comes first. */
#define ASK_GRPC(id, text)                                               \
    FR(DIR_CLIENT, T_HEADERS, WHOLE, id,                                 \
       "\xc9\xc8\x83\x86\xc7\xc6\xc5\xc4\x00\x0cx-request-id\x02" text), \
        UPDATE(DIR_CLIENT, id), FR(DIR_CLIENT, T_DATA, END, id, "\0\0\0\0\x04\x0a\x02" text)
#define TRAILERS_GRPC(id) FR(DIR_SERVER, T_HEADERS, WHOLE | END, id, "\xc1")
#define ANSWER_GRPC(id, text)                                                          \
    FR(DIR_SERVER, T_HEADERS, WHOLE, id, "\x88\xc3\xc2"),                              \
        FR(DIR_SERVER, T_DATA, 0, id, "\0\0\0\0\x04\x0a\x02" text), TRAILERS_GRPC(id), \
        UPDATE(DIR_SERVER, 0)

static void grpc_with_a_table_from_before(void **state)
{
    (void)state;
    struct proto_run *run =
        BOTH(ASK_GRPC(9, "a1"), ASK_GRPC(11, "b1"), ANSWER_GRPC(11, "b1"), ANSWER_GRPC(9, "a1"));
    proto_count(run, 2);
    proto_has(run, 0, "\"h2_stream_id\":11");
    proto_has(run, 0, "\"x-request-id\":\"b1\"},\"body\":\"[[{\\\"field\\\":1");
    proto_has(run, 0, "\"status_code\":200");
    proto_has(run, 0, "\"incomplete\":true");
    proto_has(run, 1, "\"h2_stream_id\":9");
    proto_run_free(run);
}

/* The server's trailers say nothing that is known here; the request behind them does. */
static void the_other_side_tells(void **state)
{
    (void)state;
    struct proto_run *run =
        BOTH(FR(DIR_SERVER, T_DATA, 0, 7, "\0\0\0\0\x04\x0a\x02zz"), TRAILERS_GRPC(7),
             UPDATE(DIR_SERVER, 0), ASK_GRPC(9, "a1"), ANSWER_GRPC(9, "a1"));
    proto_count(run, 2);
    proto_has(run, 0, "\"h2_stream_id\":7");
    proto_has(run, 0, "\"response\":{\"headers\":{\"<unknown>\":\"<unknown>\"},\"body\":\"[[{");
    proto_has(run, 1, "\"x-request-id\":\"a1\"");
    proto_run_free(run);
}

/* What was held is read in the order in which it came: the request before its answer, so nothing of
 * it counts as missing. */
static void held_bytes_keep_their_order(void **state)
{
    (void)state;
    struct proto_run *run = BOTH(
        FR(DIR_CLIENT, T_DATA, 0, 7, "abc"), UPDATE(DIR_CLIENT, 0), UPDATE(DIR_CLIENT, 7),
        FR(DIR_CLIENT, T_HEADERS, WHOLE | END, 9, "\x00\x01x\x01y"),
        FR(DIR_SERVER, T_HEADERS, WHOLE, 9, "\x88"), FR(DIR_SERVER, T_DATA, END, 9, "nine"),
        FR(DIR_CLIENT, T_DATA, END, 7, "def"), FR(DIR_SERVER, T_HEADERS, WHOLE | END, 7, "\x89"));
    proto_count(run, 2);
    proto_has(run, 0, "\"h2_stream_id\":9");
    proto_has(run, 0, "\"request\":{\"headers\":{\"x\":\"y\"}");
    proto_has(run, 0, "\"elapsed_time\":2000");
    proto_has(run, 1, "\"body\":\"abcdef\"");
    proto_has(run, 1, "\"status_code\":204");
    proto_has(run, 1, "\"status_reason\":\"window_start\",\"incomplete\":true");
    proto_run_free(run);
}

/* A stream whose sides nothing tells but this one step. */
static void tells(struct drive_step step)
{
    struct proto_run *run =
        BOTH(FR(DIR_CLIENT, T_DATA, 0, 7, "from the client"), UPDATE(DIR_CLIENT, 7),
             UPDATE(DIR_CLIENT, 0), FR(DIR_SERVER, T_DATA, 0, 7, "from the server"),
             UPDATE(DIR_SERVER, 7), UPDATE(DIR_SERVER, 0), step);
    for (size_t i = 0; i < run->count; i++)
        if (strstr(run->lines[i], "\"h2_stream_id\":7")) {
            const char *request = strstr(run->lines[i], "\"request\":{");
            const char *response = strstr(run->lines[i], "\"response\":{");
            const char *client = strstr(run->lines[i], "\"body\":\"from the client\"");
            const char *server = strstr(run->lines[i], "\"body\":\"from the server\"");
            assert_true(request && client && response && server);
            assert_true(request < client && client < response && response < server);
            proto_run_free(run);
            return;
        }
    fail_msg("stream 7 is missing");
}

static void one_field_tells(void **state)
{
    (void)state;
    struct slice requests[] = {
        SLICE_LITERAL("\x82"),                              /* :method GET */
        SLICE_LITERAL("\xc1\x3f\xe1\x1f\x04\x02/x"),        /* a change of size, :path /x */
        SLICE_LITERAL("\xc1\x00\x05:path\x01/"),            /* as text */
        SLICE_LITERAL("\x40\x85\xb9\x49\x53\x39\xe4\x01s"), /* :method in Huffman's code */
        SLICE_LITERAL("\xc1\xbf\x7a\x01z"),                 /* user-agent */
        SLICE_LITERAL("\x10\x02te\x08trailers"),
    };
    struct slice responses[] = {
        SLICE_LITERAL("\xc1\x88"),                 /* :status 200 */
        SLICE_LITERAL("\xc1\x08\x03\x32\x30\x31"), /* :status 201 as text */
        SLICE_LITERAL("\xc1\x76\x01n"),            /* server */
        SLICE_LITERAL("\x00\x0bgrpc-status\x01\x30"),
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        tells(http2_frame(DIR_CLIENT, T_HEADERS, WHOLE, 9, requests[i]));
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++)
        tells(http2_frame(DIR_SERVER, T_HEADERS, WHOLE, 9, responses[i]));
    tells(http2_frame(DIR_SERVER, T_HEADERS, WHOLE | PAD | PRIO, 9,
                      SLICE_LITERAL("\x02\0\0\0\0\x10\x88\0\0")));
}

static void one_frame_tells(void **state)
{
    (void)state;
    tells(FR(DIR_SERVER, T_PUSH, WHOLE, 7, "\0\0\0\x04\xc1"));
    tells(FR(DIR_SERVER, T_DATA, END, 4, "pushed"));
    tells(FR(DIR_SERVER, T_HEADERS, WHOLE, 4, "\xc1"));
    tells(FR(DIR_SERVER, T_GOAWAY, 0, 0, "\0\0\0\x07\0\0\0\0"));
    tells(FR(DIR_CLIENT, T_GOAWAY, 0, 0, "\0\0\0\x06\0\0\0\0"));
    tells(FR(DIR_CLIENT, 16, 0, 0, "\0\0\0\x07u=1"));
    tells(FR(DIR_SERVER, 10, 0, 0, "\0\x01oclear"));
    /* Likely only: at the end of the data it decides all the same. */
    tells(FR(DIR_SERVER, T_HEADERS, WHOLE | END, 7, "\xc1"));
    tells(FR(DIR_CLIENT, T_HEADERS, WHOLE, 9, "\xc1"));
    tells(FR(DIR_CLIENT, T_PRIORITY, 0, 7, "\0\0\0\0\x10"));
    tells(FR(DIR_CLIENT, T_SETTINGS, 0, 0, "\0\x02\0\0\0\0"));
}

/* Nothing ever tells: what is shown may be the wrong way round, and says that it is not whole. */
static void never_told(void **state)
{
    (void)state;
    struct proto_run *run =
        PROTO_RUN_WITH(OPTIONS(.dissector = "http2", .late_join = true, .end = END_OF_DATA),
                       FR(DIR_CLIENT, T_DATA, 0, 7, "abc"), UPDATE(DIR_CLIENT, 7),
                       UPDATE(DIR_CLIENT, 0), FR(DIR_SERVER, T_DATA, END, 7, "defg"),
                       FR(DIR_SERVER, T_GOAWAY, 0, 0, "\x7f\xff\xff\xff\0\0\0\0"),
                       FR(DIR_CLIENT, T_DATA, END, 7, "h"));
    proto_count(run, 1);
    proto_has(run, 0, "\"incomplete\":true");
    proto_has(run, 0, "\"body\":\"abch\"");
    proto_has(run, 0, "\"body\":\"defg\"");
    proto_run_free(run);
}

/* A block that is answered and read to its end, so only the guess makes it incomplete. */
static void a_guess_is_incomplete(void **state)
{
    (void)state;
    struct proto_run *run = BOTH(FR(DIR_CLIENT, T_HEADERS, WHOLE, 9, "\x00\x01x\x01y"),
                                 FR(DIR_CLIENT, T_DATA, END, 9, "q"), UPDATE(DIR_CLIENT, 0),
                                 FR(DIR_SERVER, T_HEADERS, WHOLE, 9, "\x00\x01z\x01y"),
                                 FR(DIR_SERVER, T_DATA, 0, 9, "a"),
                                 FR(DIR_SERVER, T_HEADERS, WHOLE | END, 9, "\x00\x01t\x01y"));
    proto_count(run, 1);
    proto_has(run, 0, "\"incomplete\":true");
    proto_run_free(run);
}

/* More than is held comes before it is known: what goes by is nobody's, the rest is right. */
static void more_than_is_held(void **state)
{
    (void)state;
    static uint8_t data[16000];
    memset(data, 'u', sizeof data);
    struct drive_step steps[MAX_STEPS];
    size_t n = 0;
    steps[n++] = UPDATE(DIR_SERVER, 0);
    steps[n++] = UPDATE(DIR_SERVER, 7);
    steps[n++] = UPDATE(DIR_SERVER, 0);
    for (int i = 0; i < 20; i++)
        steps[n++] = http2_frame(DIR_CLIENT, T_DATA, 0, 7, slice_of(data, sizeof data));
    steps[n++] = CD(END, 7, "the end");
    steps[n++] = FR(DIR_SERVER, T_HEADERS, WHOLE | END, 7, "\x88");
    steps[n++] = CH(WHOLE | END, 9, ASK("/nine"));
    steps[n++] = SH(WHOLE | END, 9, ":status: 204");
    struct proto_run *run = run_both(steps, n);
    proto_count(run, 2);
    proto_has(run, 0, "\"status_reason\":\"window_start\",\"incomplete\":true");
    proto_has(run, 0, "\"summary\":\"stream 7 → 200\"");
    proto_has(run, 0, "\"body_size\":64007");
    proto_has(run, 0, "\"truncated\":true");
    proto_has(run, 0, "\"status_code\":200");
    proto_has(run, 1, "\"summary\":\"GET /nine → 204\",\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
}

static void a_gap_before_it_is_known(void **state)
{
    (void)state;
    struct drive_step gap = {.dir = DIR_SERVER, .kind = DRIVE_GAP, .gap_bytes = 100};
    struct proto_run *run = BOTH(
        FR(DIR_SERVER, T_DATA, 0, 7, "abc"), UPDATE(DIR_SERVER, 0), UPDATE(DIR_SERVER, 7), gap,
        UPDATE(DIR_SERVER, 0), UPDATE(DIR_SERVER, 7), FR(DIR_SERVER, T_DATA, END, 7, "def"),
        CH(WHOLE | END, 9, ASK("/a")), UPDATE(DIR_CLIENT, 0), SH(WHOLE | END, 9, ":status: 204"));
    proto_count(run, 2);
    proto_has(run, 0, "\"body\":\"def\"");
    proto_has(run, 0, "\"incomplete\":true");
    proto_has(run, 1, "\"summary\":\"GET /a → 204\"");
    proto_run_free(run);
}

static void the_preface_tells(void **state)
{
    (void)state;
    struct proto_run *run =
        BOTH(SSET, FR(DIR_SERVER, T_SETTINGS, 1, 0, ""), UPDATE(DIR_SERVER, 0), PREFACE, CSET,
             CH(WHOLE | END, 1, ASK("/a")), SH(WHOLE, 1, ":status: 200"), SD(END, 1, "x"));
    proto_count(run, 1);
    proto_has(run, 0, "\"summary\":\"GET /a → 200\",\"status\":\"ok\",\"incomplete\":false");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpc_with_a_table_from_before),
        cmocka_unit_test(the_other_side_tells),
        cmocka_unit_test(held_bytes_keep_their_order),
        cmocka_unit_test(one_field_tells),
        cmocka_unit_test(one_frame_tells),
        cmocka_unit_test(never_told),
        cmocka_unit_test(a_guess_is_incomplete),
        cmocka_unit_test(more_than_is_held),
        cmocka_unit_test(a_gap_before_it_is_known),
        cmocka_unit_test(the_preface_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
