/* Several dissections asked as one: every call once, whole where one has it whole, with its own
 * source; whatever is asked, columns and evaluator agree. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "entries/question.h"
#include "entries/writer.h"
#include "unit/unit_test.h"

enum {
    FOLDERS = 3,
    CALLS = 1500,
    A_END = 600,    /* the first has [0, A_END), the last of them cut off */
    B_BEGIN = 400,  /* the second [B_BEGIN, B_END), its first cut off */
    B_END = 1000,   /* the third [C_BEGIN, CALLS): nobody else has them */
    C_BEGIN = 1200, /* and nobody those between */
    IN_ALL = B_END + CALLS - C_BEGIN
};
static const int64_t start_ns = INT64_C(1767225600000000000);

struct world {
    char dirs[FOLDERS][64];
    struct query_session session;
    struct buf answer, all;
    json_t *json;
};

/* Call i, three to a time; every seventh an error. A call that is cut has no end. */
static void append_call(struct entries_writer *writer, uint64_t i, uint64_t index, bool cut)
{
    char path[32], body[40];
    struct error error;
    snprintf(path, sizeof path, "/calls/%u", (unsigned)i);
    snprintf(body, sizeof body, "{\"n\":%u}", (unsigned)i);
    bool failed = i % 7 == 0;
    struct entry_value values[] = {
        {.field = FIELD_ELAPSED_TIME_ID, .type = FIELD_INT, .integer = (int64_t)(i * 7919 % 1000)},
        {.field = FIELD_CONN_ID_ID, .type = FIELD_TEXT, .text = slice_str("c")},
        {.field = FIELD_STATUS_ID,
         .type = FIELD_TEXT,
         .text = slice_str(cut      ? "incomplete"
                           : failed ? "error"
                                    : "ok")},
        {.field = FIELD_INCOMPLETE_ID, .type = FIELD_BOOL, .boolean = cut},
        {.field = FIELD_PATH_ID, .type = FIELD_TEXT, .text = slice_str(path)},
        {.field = FIELD_RESPONSE_BODY_ID, .type = FIELD_TEXT, .text = slice_str(body)},
    };
    struct entry entry = {.timestamp_ns = start_ns + (int64_t)(i / 3) * NS_PER_MS,
                          .id_hash = i * 1000003,
                          .index = index,
                          .protocol = "http",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .values = values,
                          .value_count = sizeof values / sizeof *values};
    if (entries_writer_append(writer, &entry, &error) < 0)
        fail_msg("%s", error.text);
}

static void write_store(char dir[64], uint64_t begin, uint64_t end, uint64_t cut)
{
    struct error error = {0};
    struct entries_writer *writer;
    snprintf(dir, 64, "/tmp/trawl_sources_XXXXXX");
    assert_non_null(mkdtemp(dir));
    struct entries_writer_options options = {.dir = dir, .part_rows = 250};
    if (entries_writer_open(&options, &writer, &error) < 0)
        fail_msg("%s", error.text);
    for (uint64_t i = begin; i < end; i++)
        append_call(writer, i, i - begin, i == cut);
    if (entries_writer_close(writer, &error) < 0)
        fail_msg("%s", error.text);
    entries_writer_free(writer);
}

static int keep_line(void *ctx, struct slice line)
{
    struct world *world = ctx;
    buf_reset(&world->answer);
    buf_append_slice(&world->answer, line);
    buf_append_slice(&world->all, line);
    return buf_append_u8(&world->all, '\n');
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct error error = {0};
    write_store(world->dirs[0], 0, A_END, A_END - 1);
    write_store(world->dirs[1], B_BEGIN, B_END, B_BEGIN);
    write_store(world->dirs[2], C_BEGIN, CALLS, CALLS);
    buf_init(&world->answer, 32 << 20);
    buf_init(&world->all, 64 << 20);
    world->session = (struct query_session){
        .source = "a,b,c", .sources = {"a", "b", "c"}, .send = keep_line, .send_ctx = world};
    const char *const dirs[] = {world->dirs[0], world->dirs[1], world->dirs[2], NULL};
    if (query_session_open(&world->session, dirs, &error) < 0)
        fail_msg("%s %s", error.text, error.cause);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    query_session_done(&world->session);
    buf_done(&world->answer);
    buf_done(&world->all);
    json_decref(world->json);
    for (size_t i = 0; i < FOLDERS; i++)
        io_remove_tree("test", AT_FDCWD, world->dirs[i]);
    free(world);
    return 0;
}

static const json_t *ask(struct world *world, const char *question)
{
    buf_reset(&world->all);
    assert_int_equal(query_session_answer(&world->session, slice_str(question)), 0);
    json_decref(world->json);
    world->json = json_loadb((const char *)world->answer.data, world->answer.len, 0, NULL);
    const json_t *result = json_object_get(world->json, "result");
    if (!result)
        fail_msg("%s: %.*s", question, (int)world->answer.len, world->answer.data);
    return result;
}

static json_int_t number(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    assert_non_null(value);
    return value;
}

/* The first that has it; those that are cut in one stand in the other. */
static const char *source_of(unsigned call)
{
    return call < A_END - 1 ? "a" : call < B_END ? "b" : "c";
}

/* Walks the pages; counts[i]: how often call i was there. */
static uint64_t walk(struct world *world, const char *order, const char *filter,
                     unsigned counts[CALLS])
{
    char question[400], cursor[80] = "";
    uint64_t pages = 0;
    memset(counts, 0, CALLS * sizeof *counts);
    do {
        size_t i;
        const json_t *entry;
        snprintf(
            question, sizeof question,
            "{\"q\":1,\"op\":\"page\",\"limit\":97,\"order\":\"%s\",\"filter\":\"%s\",\"cursor\":\"%s\"}",
            order, filter, cursor);
        const json_t *page = ask(world, question);
        json_array_foreach(json_object_get(page, "entries"), i, entry)
        {
            unsigned call = 0;
            assert_int_equal(sscanf(text(entry, "path"), "/calls/%u", &call), 1);
            assert_true(call < CALLS);
            counts[call]++;
            assert_string_equal(text(entry, "source"), source_of(call));
            assert_false(json_is_true(json_object_get(entry, "incomplete")));
        }
        const char *next = json_string_value(json_object_get(page, "next_cursor"));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "");
        pages++;
    } while (*cursor && pages < 100);
    return pages;
}

static void test_every_call_once(void **state)
{
    struct world *world = *state;
    static const char *const orders[] = {"-time", "+time", "-elapsed_time", "+elapsed_time"};
    /* all; by columns; by the evaluator */
    static const char *const filters[] = {"", "path != '/calls/7'",
                                          "response.body.contains('n') && path != '/calls/7'"};
    unsigned counts[CALLS];
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++)
        for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
            (void)walk(world, orders[o], filters[f], counts);
            for (unsigned i = 0; i < CALLS; i++)
                assert_int_equal(counts[i],
                                 (i < B_END || i >= C_BEGIN) && (f == 0 || i != 7) ? 1 : 0);
        }
    const json_t *page = ask(world, "{\"q\":1,\"op\":\"page\",\"limit\":1}");
    assert_int_equal(number(page, "total"), IN_ALL);
    assert_int_equal(number(page, "matched_of"), IN_ALL);
    assert_string_equal(text(page, "source"), "a,b,c");
}

/* The same by columns, by columns and evaluator, by the evaluator alone. */
static json_int_t count(struct world *world, const char *filter, bool judge_all)
{
    char question[300];
    snprintf(question, sizeof question, "{\"q\":1,\"op\":\"count\",\"filter\":\"%s\"}", filter);
    world->session.judge_all = judge_all;
    const json_t *answer = ask(world, question);
    assert_int_equal(number(answer, "matched_of"), IN_ALL);
    json_int_t total = number(answer, "total");
    world->session.judge_all = false;
    return total;
}

static void test_counts_agree(void **state)
{
    struct world *world = *state;
    json_int_t errors = 0;
    for (unsigned i = 0; i < CALLS; i++)
        errors += i % 7 == 0 && (i < B_END || i >= C_BEGIN);
    static const char *const same[] = {"status == 'error'",
                                       "status == 'error' && response.body.contains('n')",
                                       "response.body.contains('n') ? status == 'error' : false"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(count(world, same[i], false), errors);
        char other[200]; /* a text of its own: not the rows that were found before */
        snprintf(other, sizeof other, " %s", same[i]);
        assert_int_equal(count(world, other, true), errors);
    }
    assert_int_equal(count(world, "incomplete", false), 0);
    assert_int_equal(count(world, "path == '/calls/500'", false), 1);
    /* What cannot be judged is counted once too. */
    const json_t *answer =
        ask(world, "{\"q\":1,\"op\":\"count\",\"filter\":\"int(path) == 1 || json(path).x == 1\"}");
    assert_int_equal(number(answer, "unjudged"), IN_ALL);
}

static void test_aggregates_count_once(void **state)
{
    struct world *world = *state;
    const json_t *top = ask(world, "{\"q\":1,\"op\":\"top\",\"by\":[\"status\"]}");
    assert_int_equal(number(top, "groups_total"), 2);
    assert_int_equal(number(top, "calls"), IN_ALL);
    const json_t *paths =
        ask(world, "{\"q\":1,\"op\":\"top\",\"by\":[\"path\",\"response.body\"],\"limit\":5000}");
    assert_int_equal(number(paths, "groups_total"), IN_ALL);
    const json_t *timeline = ask(world, "{\"q\":1,\"op\":\"timeline\",\"buckets\":10}");
    assert_int_equal(number(timeline, "calls"), IN_ALL);
    assert_int_equal(json_array_size(json_object_get(timeline, "buckets")), 9);
    assert_int_equal(number(ask(world, "{\"q\":1,\"op\":\"lines\"}"), "count"), IN_ALL);
    size_t lines = 0;
    for (size_t i = 0; i < world->all.len; i++)
        lines += world->all.data[i] == '\n';
    assert_int_equal(lines, IN_ALL + 1);
}

/* An entry by its id is the whole one. */
static void test_one_entry(void **state)
{
    struct world *world = *state;
    static const unsigned calls[] = {0, B_BEGIN, 500, A_END - 1, CALLS - 1};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char question[200];
        snprintf(question, sizeof question,
                 "{\"q\":1,\"op\":\"page\",\"filter\":\"path == '/calls/%u'\"}", calls[i]);
        const json_t *page = ask(world, question);
        assert_int_equal(number(page, "total"), 1);
        snprintf(question, sizeof question, "{\"q\":1,\"op\":\"entry\",\"id\":\"%s\"}",
                 text(json_array_get(json_object_get(page, "entries"), 0), "id"));
        const json_t *entry = ask(world, question);
        assert_false(json_is_true(json_object_get(entry, "incomplete")));
        assert_non_null(json_object_get(json_object_get(entry, "response"), "body"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_once),
        cmocka_unit_test(test_counts_agree),
        cmocka_unit_test(test_aggregates_count_once),
        cmocka_unit_test(test_one_entry),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
