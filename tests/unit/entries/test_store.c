/* Entries go in, are sealed, and come back through the query protocol: pages, filters, orders,
 * totals, payload, damage. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "entries/part.h"
#include "entries/question.h"
#include "entries/writer.h"
#include "unit/unit_test.h"

enum {
    CALLS = 1000
};
static const int64_t start_ns = INT64_C(1767225600000000000); /* 2026-01-01T00:00:00Z */

struct world {
    char dir[64];
    struct query_session session;
    struct buf answer; /* last line */
    struct buf all;    /* all lines of the last question, one a line */
    json_t *json;
};

static int64_t step_ns = NS_PER_MS; /* between two calls */
static const struct entry_file file_rows[] = {{"n1", 7}, {"n2", 9}};
static const struct entry_files files = {.files = file_rows, .count = 2};

/* Call i: every tenth is a 500, every third a POST with a body; one a millisecond; three
 * connections. */
static int append_call(struct entries_writer *writer, uint64_t i, struct error *error)
{
    char path[32];
    char conn[8];
    char body[64];
    snprintf(path, sizeof path, "/carts/%u", (unsigned)i);
    snprintf(conn, sizeof conn, "c%u", (unsigned)i % 3);
    snprintf(body, sizeof body, "{\"number\":%u,\"text\":\"x\xff\"}", (unsigned)i);
    struct entry_pair header = {slice_str("content-type"), slice_str("application/json")};
    struct packet_ref refs[] = {{.file = (uint32_t)(i % 2), .offset = 100 + i},
                                {.file = (uint32_t)(i % 2), .offset = 5000 + i}};
    bool failed = i % 10 == 0;
    struct entry_value values[] = {
        {.field = FIELD_ELAPSED_TIME_ID, .type = FIELD_INT, .integer = (int64_t)(i * 7919 % 1000)},
        {.field = FIELD_SRC_IP_ID, .type = FIELD_TEXT, .text = slice_str("10.0.0.1")},
        {.field = FIELD_SRC_PORT_ID, .type = FIELD_INT, .integer = 40000 + (int64_t)(i % 3)},
        {.field = FIELD_DST_IP_ID, .type = FIELD_TEXT, .text = slice_str("10.0.0.2")},
        {.field = FIELD_DST_PORT_ID, .type = FIELD_INT, .integer = 80},
        {.field = FIELD_CONN_ID_ID, .type = FIELD_TEXT, .text = slice_str(conn)},
        {.field = FIELD_STATUS_ID, .type = FIELD_TEXT, .text = slice_str(failed ? "error" : "ok")},
        {.field = FIELD_METHOD_ID, .type = FIELD_TEXT, .text = slice_str(i % 3 ? "GET" : "POST")},
        {.field = FIELD_PATH_ID, .type = FIELD_TEXT, .text = slice_str(path)},
        {.field = FIELD_STATUS_CODE_ID, .type = FIELD_INT, .integer = failed ? 500 : 200},
        {.field = FIELD_RESPONSE_HEADERS_ID, .type = FIELD_MAP, .count = 1, .pairs = &header},
        {.field = FIELD_RESPONSE_BODY_ID, .type = FIELD_TEXT, .text = slice_str(body)},
    };
    struct entry entry = {.timestamp_ns = start_ns + (int64_t)i * step_ns,
                          .id_hash = i * 1000003,
                          .index = i,
                          .protocol = "http",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .request = {.refs = &refs[0], .count = 1},
                          .response = {.refs = &refs[1], .count = 1},
                          .values = values,
                          .value_count = sizeof values / sizeof *values};
    return entries_writer_append(writer, &entry, error);
}

static void write_store(const char *dir, uint64_t part_rows)
{
    struct error error = {0};
    struct entries_writer *writer;
    struct entries_writer_options options = {.dir = dir, .files = files, .part_rows = part_rows};
    if (entries_writer_open(&options, &writer, &error) < 0)
        fail_msg("%s", error.text);
    for (uint64_t i = 0; i < CALLS; i++)
        if (append_call(writer, i, &error) < 0)
            fail_msg("%s", error.text);
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
    snprintf(world->dir, sizeof world->dir, "/tmp/trawl_entries_XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    write_store(world->dir, 300); /* four parts */
    buf_init(&world->answer, 32 << 20);
    buf_init(&world->all, 64 << 20);
    world->session = (struct query_session){.source = "s/d", .send = keep_line, .send_ctx = world};
    struct error error = {0};
    if (query_session_open(&world->session, (const char *[]){world->dir, NULL}, &error) < 0)
        fail_msg("%s", error.text);
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
    io_remove_tree("test", AT_FDCWD, world->dir);
    free(world);
    return 0;
}

/* The result of a question, or its problem. Borrowed until the next one. */
static const json_t *ask(struct world *world, const char *question)
{
    buf_reset(&world->all);
    assert_int_equal(query_session_answer(&world->session, slice_str(question)), 0);
    json_decref(world->json);
    world->json = json_loadb((const char *)world->answer.data, world->answer.len, 0, NULL);
    assert_non_null(world->json);
    assert_int_equal(json_integer_value(json_object_get(world->json, "q")), 7);
    const json_t *result = json_object_get(world->json, "result");
    return result ? result : json_object_get(world->json, "problem");
}

static json_int_t number(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static void test_newest_page_first_and_cursor_walks_all(void **state)
{
    struct world *world = *state;
    char question[256] = "{\"q\":7,\"op\":\"page\",\"limit\":300}";
    json_int_t expected = CALLS - 1;
    for (;;) {
        const json_t *page = ask(world, question);
        const json_t *entries = json_object_get(page, "entries");
        assert_int_equal(number(page, "total"), CALLS);
        for (size_t i = 0; i < json_array_size(entries); i++)
            assert_int_equal(number(json_array_get(entries, i), "index"), expected--);
        const char *cursor = json_string_value(json_object_get(page, "next_cursor"));
        if (!cursor)
            break;
        snprintf(question, sizeof question,
                 "{\"q\":7,\"op\":\"page\",\"limit\":300,\"cursor\":\"%s\"}", cursor);
    }
    assert_int_equal(expected, -1);
}

static void test_filter_counts_and_pages_what_the_evaluator_says(void **state)
{
    struct world *world = *state;
    const json_t *page = ask(
        world,
        "{\"q\":7,\"op\":\"page\",\"filter\":\"http && status_code >= 500\",\"limit\":10,\"order\":\"+time\"}");
    assert_int_equal(number(page, "total"), CALLS / 10);
    assert_int_equal(number(page, "matched_of"), CALLS);
    const json_t *entries = json_object_get(page, "entries");
    assert_int_equal(json_array_size(entries), 10);
    assert_int_equal(number(json_array_get(entries, 1), "index"), 10);
    assert_null(json_object_get(json_object_get(json_array_get(entries, 0), "response"), "body"));
    /* a filter that needs payload */
    const json_t *count = ask(
        world,
        "{\"q\":7,\"op\":\"count\",\"filter\":\"response.body.contains('\\\"number\\\":77,')\"}");
    assert_int_equal(number(count, "total"), 1);
    /* and a time range on top, twice, so that the second answer comes from the kept matches */
    char question[256];
    snprintf(
        question, sizeof question,
        "{\"q\":7,\"op\":\"count\",\"filter\":\"status_code == 500\",\"from_ns\":%lld,\"to_ns\":%lld}",
        (long long)(start_ns + 100 * NS_PER_MS), (long long)(start_ns + 200 * NS_PER_MS));
    assert_int_equal(number(ask(world, question), "total"), 10);
    assert_int_equal(number(ask(world, question), "total"), 10);
}

static void test_order_by_elapsed_time(void **state)
{
    struct world *world = *state;
    const json_t *entries = json_object_get(
        ask(world, "{\"q\":7,\"op\":\"page\",\"limit\":1000,\"order\":\"-elapsed_time\"}"),
        "entries");
    assert_int_equal(json_array_size(entries), CALLS);
    for (size_t i = 1; i < CALLS; i++)
        assert_true(number(json_array_get(entries, i - 1), "elapsed_time") >=
                    number(json_array_get(entries, i), "elapsed_time"));
}

static void test_one_entry_with_its_payload_and_packets(void **state)
{
    struct world *world = *state;
    char id[64];
    char question[256];
    const json_t *page =
        ask(world, "{\"q\":7,\"op\":\"page\",\"filter\":\"path == '/carts/421'\"}");
    const json_t *entry = json_array_get(json_object_get(page, "entries"), 0);
    assert_non_null(json_string_value(json_object_get(entry, "id")));
    snprintf(id, sizeof id, "%s", json_string_value(json_object_get(entry, "id")));
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"entry\",\"id\":\"%s\"}", id);
    const json_t *response = json_object_get(ask(world, question), "response");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(response, "headers"), "content-type")),
        "application/json");
    assert_non_null(json_object_get(json_object_get(response, "body"), "base64")); /* not UTF-8 */
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"refs\",\"id\":\"%s\"}", id);
    const json_t *refs = json_object_get(ask(world, question), "refs");
    assert_int_equal(json_array_size(refs), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(refs, 1), "node")), "n2");
    assert_int_equal(number(json_array_get(refs, 1), "offset"), 5421);
    snprintf(question, sizeof question,
             "{\"q\":7,\"op\":\"body\",\"id\":\"%s\",\"half\":\"request\"}", id);
    assert_int_equal(number(ask(world, question), "status"), 404);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"entry\",\"id\":\"nothing' OR '1'='1\"}"), "status"),
        404);
}

static void expect_plan(struct world *world, const char *filter, const char *answers,
                        const json_int_t numbers[4])
{
    static const char *const members[] = {"entries", "entries_judged", "blocks_read", "parts_read"};
    char question[512], got[100] = "";
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"explain\",\"filter\":\"%s\"}", filter);
    const json_t *plan = ask(world, question), *clause;
    size_t i;
    json_array_foreach(json_object_get(plan, "clauses"), i, clause)
    {
        size_t len = strlen(got);
        const char *answer = json_string_value(json_object_get(clause, "answer"));
        bool has_sql = json_is_string(json_object_get(clause, "sql"));
        assert_int_equal(has_sql, strcmp(answer, "entries") != 0);
        snprintf(got + len, sizeof got - len, "%s%s", i ? " " : "", answer);
    }
    assert_string_equal(got, answers);
    for (i = 0; i < 4; i++)
        assert_int_equal(number(plan, members[i]), numbers[i]);
    assert_int_equal(json_is_true(json_object_get(plan, "judged")), numbers[1] > 0);
}

/* Four parts of at most 300 calls, a block each. */
static void test_a_plan_says_what_is_read(void **state)
{
    struct world *world = *state;
    expect_plan(world, "", "", (json_int_t[]){CALLS, 0, 0, 0});
    expect_plan(world, "status_code == 500 && method == 'GET'", "columns columns",
                (json_int_t[]){CALLS, 0, 0, 0});
    expect_plan(world, "response.body.contains('7')", "entries",
                (json_int_t[]){CALLS, CALLS, 4, 4});
    /* wherever the clause stands */
    expect_plan(world, "response.body.contains('7') && status_code == 500", "entries columns",
                (json_int_t[]){CALLS, CALLS / 10, 4, 4});
    expect_plan(world, "response.body.contains('7') && path == '/carts/421'", "entries columns",
                (json_int_t[]){CALLS, 1, 1, 1});
    expect_plan(world,
                "(path == '/carts/421' && response.body.contains('7')) || path == '/carts/1'",
                "narrowed", (json_int_t[]){CALLS, 2, 2, 2});
    const json_t *plan = ask(
        world, "{\"q\":7,\"op\":\"explain\",\"filter\":\"response.body == '' && path == 'x'\"}");
    assert_string_equal(json_string_value(json_array_get(json_object_get(plan, "reads"), 1)),
                        "response bodies");
    assert_string_equal(json_string_value(json_array_get(json_object_get(plan, "parameters"), 0)),
                        "x");
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"explain\",\"filter\":\"nonsense\"}"), "status"), 400);
}

static const json_t *top(struct world *world, const char *members)
{
    char question[512];
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"top\",%s}", members);
    return ask(world, question);
}

static void expect_group(const json_t *top, size_t i, const char *key, json_int_t calls,
                         json_int_t errors)
{
    const json_t *group = json_array_get(json_object_get(top, "groups"), i);
    const char *got = json_string_value(json_array_get(json_object_get(group, "keys"), 0));
    if (key)
        assert_string_equal(got, key);
    else
        assert_null(got);
    assert_int_equal(number(group, "calls"), calls);
    assert_int_equal(number(group, "errors"), errors);
}

/* What is typed so far, whether columns answer the filter, or it is judged, or there is none. */
static void test_values_that_begin_alike(void **state)
{
    static const char *const filters[] = {"", "status_code == 500", "response.body.contains('0')"};
    static const json_int_t counts[] = {111, 11, 20};
    struct world *world = *state;
    char members[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(members, sizeof members,
                 "\"by\":[\"path\"],\"prefix\":\"/CARTS/9\",\"filter\":\"%s\"", filters[i]);
        assert_int_equal(number(top(world, members), "groups_total"), counts[i]);
    }
    assert_int_equal(
        number(top(world, "\"by\":[\"response.body\"],\"prefix\":\"{\\\"number\\\":42\""), "calls"),
        11);
    assert_int_equal(number(top(world, "\"by\":[\"path\"],\"prefix\":\"%' OR 1=1 --\""), "calls"),
                     0);
}

/* Every tenth call fails, every third is a POST. */
static void test_calls_in_groups(void **state)
{
    struct world *world = *state;
    const json_t *answer = top(world, "\"by\":[\"method\"]");
    assert_int_equal(json_array_size(json_object_get(answer, "groups")), 2);
    expect_group(answer, 0, "GET", 666, 66);
    expect_group(answer, 1, "POST", 334, 34);
    answer = top(world, "\"by\":[\"method\",\"status_code\"],\"limit\":1,\"order\":\"errors\"");
    expect_group(answer, 0, "GET", 66, 66);
    assert_int_equal(number(answer, "groups_total"), 4);
    assert_int_equal(number(answer, "calls"), CALLS);
    assert_int_equal(number(answer, "other_calls"), CALLS - 66);
    /* the elapsed times are 0 … 999, each once */
    const json_t *all =
        json_array_get(json_object_get(top(world, "\"by\":[\"src\",\"dst\"]"), "groups"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(all, "keys"), 1)),
                        "10.0.0.2");
    assert_int_equal(number(all, "p50_us"), 499);
    assert_int_equal(number(all, "p95_us"), 949);
    assert_int_equal(number(all, "p99_us"), 989);
    assert_int_equal(number(all, "elapsed_us"), 999 * 1000 / 2);
}

static void test_groups_of_what_is_no_column(void **state)
{
    struct world *world = *state;
    const json_t *answer = top(world, "\"by\":[\"response.body\",\"method\"],\"limit\":3,"
                                      "\"filter\":\"path in ['/carts/30', '/carts/31']\"");
    assert_int_equal(json_array_size(json_object_get(answer, "groups")), 2);
    expect_group(answer, 0, "{\"number\":30,\"text\":\"x\xef\xbf\xbd\"}", 1, 1);
    expect_group(answer, 1, "{\"number\":31,\"text\":\"x\xef\xbf\xbd\"}", 1, 0);
    /* the filter is judged one by one */
    answer = top(world, "\"by\":[\"url\",\"tcp\"],\"filter\":\"response.body.contains('99')\"");
    expect_group(answer, 0, NULL, 19, 1);
    const json_t *keys =
        json_object_get(json_array_get(json_object_get(answer, "groups"), 0), "keys");
    assert_string_equal(json_string_value(json_array_get(keys, 1)), "true");
    assert_int_equal(number(answer, "groups_total"), 1);
    /* again: its tables are gone */
    answer = top(world, "\"by\":[\"url\"],\"from_ns\":1767225600000000000,"
                        "\"to_ns\":1767225600007000000");
    expect_group(answer, 0, NULL, 7, 1);
}

static void test_groups_that_cannot_be(void **state)
{
    static const char *const bad[] = {"\"by\":[]",
                                      "\"by\":\"method\"",
                                      "\"by\":[\"a\",\"b\",\"c\",\"d\",\"e\"]",
                                      "\"by\":[\"nonsense\"]",
                                      "\"by\":[\"x\\\") --\"]",
                                      "\"by\":[\"request.headers\"]",
                                      "\"by\":[7]",
                                      "\"by\":[\"method\"],\"limit\":0",
                                      "\"by\":[\"method\"],\"limit\":5001",
                                      "\"by\":[\"method\"],\"order\":\"nonsense\"",
                                      "\"by\":[\"method\"],\"filter\":\"nonsense\"",
                                      NULL};
    for (size_t i = 0; bad[i]; i++)
        assert_int_equal(number(top(*state, bad[i]), "status"), 400);
}

/* The calls 421 ± 3·n are in its connection. */
static void expect_neighbours(struct world *world, const char *path, json_int_t limit,
                              json_int_t position, size_t count, const char *first)
{
    char question[256], id[64];
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"page\",\"filter\":\"path == '%s'\"}",
             path);
    snprintf(id, sizeof id, "%s",
             json_string_value(json_object_get(
                 json_array_get(json_object_get(ask(world, question), "entries"), 0), "id")));
    snprintf(question, sizeof question,
             "{\"q\":7,\"op\":\"neighbours\",\"id\":\"%s\",\"limit\":%" JSON_INTEGER_FORMAT "}", id,
             limit);
    const json_t *answer = ask(world, question), *entries = json_object_get(answer, "entries");
    assert_int_equal(json_array_size(entries), count);
    assert_int_equal(number(answer, "position"), position);
    assert_string_equal(json_string_value(json_object_get(json_array_get(entries, 0), "path")),
                        first);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(entries, (size_t)position), "path")),
        path);
    assert_int_equal(json_is_true(json_object_get(answer, "more_before")), position == limit);
}

static void test_neighbours_in_the_connection(void **state)
{
    struct world *world = *state;
    expect_neighbours(world, "/carts/421", 2, 2, 5, "/carts/415");
    expect_neighbours(world, "/carts/1", 3, 0, 4, "/carts/1");
    expect_neighbours(world, "/carts/998", 3, 3, 4, "/carts/989");
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"neighbours\",\"id\":\"nothing\"}"), "status"), 404);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"neighbours\",\"id\":\"x\",\"limit\":201}"), "status"),
        400);
}

/* Every bucket of a timeline against the calls themselves: call i is at i ms, every tenth a 500. */
static void expect_buckets(const json_t *timeline, int64_t from, int64_t to, int64_t buckets)
{
    int64_t step = (to - from + buckets - 1) / buckets, calls = 0;
    size_t at = 0;
    for (int64_t begin = from; begin < to; begin += step) {
        json_int_t count = 0, errors = 0;
        for (int64_t i = 0; i < CALLS; i++)
            if (i * NS_PER_MS >= begin && i * NS_PER_MS < begin + step && i * NS_PER_MS < to) {
                count++;
                errors += i % 10 == 0;
            }
        if (count == 0)
            continue;
        const json_t *bucket = json_array_get(json_object_get(timeline, "buckets"), at++);
        int64_t ns;
        assert_int_equal(clock_parse_rfc3339(json_string_value(json_object_get(bucket, "at")), &ns),
                         0);
        assert_int_equal(ns, start_ns + begin);
        assert_int_equal(number(bucket, "ok"), count - errors);
        assert_int_equal(number(bucket, "error"), errors);
        assert_int_equal(number(bucket, "no_response") + number(bucket, "client_error"), 0);
        assert_true(number(bucket, "p50_us") <= number(bucket, "p95_us"));
        assert_true(number(bucket, "p95_us") <= number(bucket, "p99_us"));
        calls += count;
    }
    assert_int_equal(json_array_size(json_object_get(timeline, "buckets")), at);
    assert_int_equal(number(timeline, "calls"), calls);
}

static void test_calls_over_time(void **state)
{
    struct world *world = *state;
    static const int64_t ranges[][3] = {/* ns behind the first call, buckets */
                                        {0, (CALLS - 1) * NS_PER_MS + 1, 10},
                                        {-5 * NS_PER_S, 5 * NS_PER_S, 100},
                                        {100 * NS_PER_MS, 103 * NS_PER_MS, 7},
                                        {500 * NS_PER_MS + 1, 500 * NS_PER_MS + 2, 3},
                                        {0, 1, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        char question[200];
        snprintf(question, sizeof question,
                 "{\"q\":7,\"op\":\"timeline\",\"from_ns\":%lld,\"to_ns\":%lld,\"buckets\":%lld}",
                 (long long)(start_ns + ranges[i][0]), (long long)(start_ns + ranges[i][1]),
                 (long long)ranges[i][2]);
        expect_buckets(ask(world, question), ranges[i][0], ranges[i][1], ranges[i][2]);
    }
    const json_t *series =
        ask(world, "{\"q\":7,\"op\":\"timeline\",\"buckets\":2,\"series\":\"protocol\"}");
    const json_t *bucket = json_array_get(json_object_get(series, "buckets"), 1);
    assert_string_equal(json_string_value(json_object_get(bucket, "protocol")), "http");
    assert_int_equal(number(series, "calls"), CALLS);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"timeline\",\"series\":\"path\"}"), "status"), 400);
    /* Ranges whose length has no number, and the ends of what a time can be. */
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"timeline\",\"from_ns\":-9000000000000000000,"
                          "\"to_ns\":9000000000000000000}"),
               "status"),
        400);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"timeline\",\"from_ns\":9223372036854775807}"),
               "calls"),
        0);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"timeline\",\"to_ns\":-9223372036854775807}"), "calls"),
        0);
}

static void test_aggregates(void **state)
{
    struct world *world = *state;
    const json_t *timeline = ask(world, "{\"q\":7,\"op\":\"timeline\",\"buckets\":10}");
    const json_t *buckets = json_object_get(timeline, "buckets");
    assert_int_equal(json_array_size(buckets), 10);
    json_int_t ok = 0;
    json_int_t errors = 0;
    for (size_t i = 0; i < 10; i++) {
        ok += number(json_array_get(buckets, i), "ok");
        errors += number(json_array_get(buckets, i), "error");
    }
    assert_int_equal(errors, CALLS / 10);
    assert_int_equal(ok, CALLS - CALLS / 10);
    const json_t *flows =
        ask(world, "{\"q\":7,\"op\":\"flows\",\"filter\":\"status_code == 500\"}");
    assert_int_equal(json_array_size(json_object_get(flows, "flows")), 3);
    assert_int_equal(number(flows, "calls"), CALLS / 10);
    const json_t *packets =
        ask(world, "{\"q\":7,\"op\":\"packets\",\"filter\":\"status_code == 500\"}");
    assert_int_equal(number(packets, "packets"), CALLS / 10 * 2);
    assert_int_equal(json_array_size(json_object_get(
                         ask(world, "{\"q\":7,\"op\":\"conn\",\"conn_id\":\"c1\"}"), "entries")),
                     333);
}

static void test_bad_questions_are_problems(void **state)
{
    struct world *world = *state;
    const json_t *problem =
        ask(world, "{\"q\":7,\"op\":\"page\",\"filter\":\"status_cod == 500\"}");
    assert_int_equal(number(problem, "status"), 400);
    assert_int_equal(number(problem, "offset"), 0);
    assert_string_equal(json_string_value(json_object_get(problem, "suggestion")), "status_code");
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"page\",\"order\":\"; DROP TABLE\"}"), "status"), 400);
    assert_int_equal(
        number(ask(world, "{\"q\":7,\"op\":\"page\",\"cursor\":\"1:2;--\"}"), "status"), 400);
    assert_int_equal(number(ask(world, "{\"q\":7,\"op\":\"page\",\"limit\":0}"), "status"), 400);
    assert_int_equal(number(ask(world, "{\"q\":7,\"op\":\"explode\"}"), "status"), 400);
}

static void test_a_flipped_bit_is_named_and_the_rest_stays_readable(void **state)
{
    struct world *world = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/part-000001/payload.blk", world->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, 200), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    const json_t *problem =
        ask(world, "{\"q\":7,\"op\":\"count\",\"filter\":\"http_version == '9'\"}");
    assert_non_null(strstr(json_string_value(json_object_get(problem, "detail")), "offset 16"));
    assert_int_equal(json_array_size(json_object_get(
                         ask(world, "{\"q\":7,\"op\":\"page\",\"limit\":5}"), "entries")),
                     5);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
}

static void test_unsealed_parts_are_not_seen_and_are_removed(void **state)
{
    struct world *world = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/part-000009.tmp", world->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    struct query_session other = {.source = "", .send = keep_line, .send_ctx = world};
    assert_int_equal(query_session_open(&other, (const char *[]){world->dir, NULL}, NULL), 0);
    assert_int_equal(entries_reader_rows(other.reader), CALLS);
    query_session_done(&other);
    char empty[] = "/tmp/trawl_entries_XXXXXX";
    assert_non_null(mkdtemp(empty));
    snprintf(path, sizeof path, "%s/part-000001.tmp", empty);
    assert_int_equal(mkdir(path, 0700), 0);
    write_store(empty, 0);
    struct part_list list;
    int fd = open(empty, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(part_list_folder(fd, true, &list), 0);
    assert_int_equal(list.count, 0);
    part_list_done(&list);
    close(fd);
    io_remove_tree("test", AT_FDCWD, empty);
}

/* Nothing of the machine's and nothing in DuckDB's words. */
static void assert_is_ours(const char *text)
{
    assert_null(strchr(text, '/'));
    assert_null(strstr(text, "Error"));
    assert_null(strstr(text, "duckdb"));
}

static void test_the_store_s_own_words_are_for_the_log(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(
        duckdb_api_error(&error, "be written",
                         "IO Error: Could not write file \"/data/x/columns.duckdb\": No space left "
                         "on device"),
        -ENOSPC);
    assert_string_equal(error.text, "the entry store could not be written: the disk is full; make "
                                    "room.");
    assert_non_null(strstr(error.cause, "/data/x/columns.duckdb"));
    assert_int_equal(duckdb_api_error(&error, "be written", "IO Error: /x: Disk quota exceeded"),
                     -EDQUOT);
    assert_is_ours(error.text);
    assert_int_equal(duckdb_api_error(&error, "be written", "Out of Memory Error: /x"), -ENOMEM);
    assert_is_ours(error.text);
    assert_int_equal(duckdb_api_error(&error, "be opened", NULL), -EIO);
    assert_string_equal(error.text, "the entry store could not be opened.");
    assert_string_equal(error.cause, "");
}

/* A store of its own whose columns are zeros. */
static void write_damaged_store(char dir[32])
{
    char path[64], zeros[4096] = {0};
    snprintf(dir, 32, "/tmp/trawl_entries_XXXXXX");
    assert_non_null(mkdtemp(dir));
    write_store(dir, 0);
    snprintf(path, sizeof path, "%s/part-000001/columns.duckdb", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t end = lseek(fd, 0, SEEK_END);
    for (off_t offset = 0; offset + (off_t)sizeof zeros <= end; offset += (off_t)sizeof zeros)
        assert_int_equal(pwrite(fd, zeros, sizeof zeros, offset), sizeof zeros);
    close(fd);
}

static void test_damaged_columns_show_no_paths(void **state)
{
    struct world *world = *state;
    char dir[32];
    struct query_session other = {.source = "", .send = keep_line, .send_ctx = world};
    struct error error;
    write_damaged_store(dir);
    assert_true(query_session_open(&other, (const char *[]){dir, NULL}, &error) < 0);
    query_session_done(&other);
    assert_string_equal(error.text, "a part of the dissection cannot be opened: dissect again.");
    assert_non_null(strstr(error.cause, dir));
    io_remove_tree("test", AT_FDCWD, dir);
}

/* The numbers of the paths, page by page. */
static void walk_pages(struct world *world, const char *order, const char *filter, uint64_t *ret)
{
    char question[400], cursor[80] = "";
    size_t count = 0;
    do {
        snprintf(question, sizeof question,
                 "{\"q\":7,\"op\":\"page\",\"order\":\"%s\",\"limit\":7,\"filter\":\"%s\","
                 "\"cursor\":\"%s\"}",
                 order, filter, cursor);
        const json_t *answer = ask(world, question), *entry;
        size_t i;
        json_array_foreach(json_object_get(answer, "entries"), i, entry)
        {
            assert_true(count < CALLS);
            ret[count++] = (uint64_t)number(entry, "index");
        }
        const char *next = json_string_value(json_object_get(answer, "next_cursor"));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "");
    } while (cursor[0]);
    assert_int_equal(count, CALLS);
}

/* All at one time: every question gives them in the order of their rows. */
static void test_equal_times_keep_their_order(void **state)
{
    (void)state;
    struct world *world;
    static uint64_t got[CALLS];
    step_ns = 0;
    set_up((void **)&world);
    step_ns = NS_PER_MS;
    const char *const filters[] = {"", "http", "path.startsWith('/carts/')",
                                   "response.body.contains('number')"};
    for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        walk_pages(world, "+time", filters[f], got);
        for (uint64_t i = 0; i < CALLS; i++)
            assert_int_equal(got[i], i);
        walk_pages(world, "-time", filters[f], got);
        for (uint64_t i = 0; i < CALLS; i++)
            assert_int_equal(got[i], CALLS - 1 - i);
    }
    tear_down((void **)&world);
}

static void test_two_writers_are_refused(void **state)
{
    (void)state;
    char dir[] = "/tmp/trawl_entries_XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct error error = {0};
    struct entries_writer *first = NULL, *second = NULL;
    struct entries_writer_options options = {.dir = dir, .files = files, .part_rows = 25};
    assert_int_equal(entries_writer_open(&options, &first, &error), 0);
    for (uint64_t i = 0; i < 60; i++)
        assert_int_equal(append_call(first, i, &error), 0);
    assert_int_equal(entries_writer_open(&options, &second, &error), -EWOULDBLOCK);
    assert_null(second);
    assert_string_equal(error.text, "another dissection is being written into this folder.");
    for (uint64_t i = 60; i < 80; i++)
        assert_int_equal(append_call(first, i, &error), 0);
    assert_int_equal(entries_writer_close(first, &error), 0);
    entries_writer_free(first);
    struct entries_reader *reader = NULL;
    struct entries_reader_options all = {.dirs = (const char *[]){dir, NULL}};
    assert_int_equal(entries_reader_open(&all, &reader, &error), 0);
    assert_int_equal(entries_reader_rows(reader), 80);
    entries_reader_free(reader);
    assert_int_equal(entries_writer_open(&options, &second, &error), -EEXIST); /* and no lock */
    io_remove_tree("test", AT_FDCWD, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_store_s_own_words_are_for_the_log),
        cmocka_unit_test(test_damaged_columns_show_no_paths),
        cmocka_unit_test(test_two_writers_are_refused),
        cmocka_unit_test(test_equal_times_keep_their_order),
        cmocka_unit_test(test_newest_page_first_and_cursor_walks_all),
        cmocka_unit_test(test_filter_counts_and_pages_what_the_evaluator_says),
        cmocka_unit_test(test_order_by_elapsed_time),
        cmocka_unit_test(test_one_entry_with_its_payload_and_packets),
        cmocka_unit_test(test_a_plan_says_what_is_read),
        cmocka_unit_test(test_calls_in_groups),
        cmocka_unit_test(test_neighbours_in_the_connection),
        cmocka_unit_test(test_values_that_begin_alike),
        cmocka_unit_test(test_groups_of_what_is_no_column),
        cmocka_unit_test(test_groups_that_cannot_be),
        cmocka_unit_test(test_calls_over_time),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_bad_questions_are_problems),
        cmocka_unit_test(test_a_flipped_bit_is_named_and_the_rest_stays_readable),
        cmocka_unit_test(test_unsealed_parts_are_not_seen_and_are_removed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
