/* A dissection that grows: sealed part by part, merged, cut at its old end, followed by a reader,
 * killed at any moment. ROUNDS=n and SEED=n for the kills. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "entries/part.h"
#include "entries/question.h"
#include "entries/writer.h"
#include "unit/unit_test.h"

enum {
    SMALL_CALLS = 500, /* in small parts, then some in larger ones: merges of both sizes */
    CALLS = 10000,
    SEAL_EVERY = 19,
    SEAL_EVERY_LARGE = 1100,
    KEEP_ALL = 1000000
};
static const int64_t start_ns = INT64_C(1767225600000000000); /* 2026-01-01T00:00:00Z */
static const struct entry_file file_rows[] = {{"n1", 7}, {"n2", 9}, {"n1", 8}};
static const struct entry_files files = {.files = file_rows, .count = 2};

/* Call i; times run back and forth, as those of a live dissection do. */
static void append_call(struct entries_writer *writer, uint64_t i)
{
    char path[32], conn[8], body[64];
    struct error error = {0};
    snprintf(path, sizeof path, "/carts/%u", (unsigned)i % 50);
    snprintf(conn, sizeof conn, "c%u", (unsigned)i % 3);
    snprintf(body, sizeof body, "{\"number\":%u,\"text\":\"x\xff\"}", (unsigned)i);
    struct entry_pair header = {slice_str("content-type"), slice_str("application/json")};
    struct packet_ref ref = {.file = (uint32_t)(i % 2), .offset = 100 + i};
    struct entry_value values[] = {
        {.field = FIELD_ELAPSED_TIME_ID, .type = FIELD_INT, .integer = (int64_t)(i * 7919 % 1000)},
        {.field = FIELD_SRC_IP_ID, .type = FIELD_TEXT, .text = slice_str("10.0.0.1")},
        {.field = FIELD_CONN_ID_ID, .type = FIELD_TEXT, .text = slice_str(conn)},
        {.field = FIELD_STATUS_ID, .type = FIELD_TEXT, .text = slice_str(i % 10 ? "ok" : "error")},
        {.field = FIELD_METHOD_ID, .type = FIELD_TEXT, .text = slice_str(i % 3 ? "GET" : "POST")},
        {.field = FIELD_PATH_ID, .type = FIELD_TEXT, .text = slice_str(path)},
        {.field = FIELD_STATUS_CODE_ID, .type = FIELD_INT, .integer = i % 10 ? 200 : 500},
        {.field = FIELD_RESPONSE_HEADERS_ID, .type = FIELD_MAP, .count = 1, .pairs = &header},
        {.field = FIELD_RESPONSE_BODY_ID, .type = FIELD_TEXT, .text = slice_str(body)},
    };
    struct entry entry = {.timestamp_ns = start_ns + (int64_t)(i ^ 5) * NS_PER_MS,
                          .id_hash = i * 1000003,
                          .index = i,
                          .protocol = "http",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .request = {.refs = &ref, .count = 1},
                          .values = values,
                          .value_count = sizeof values / sizeof *values};
    if (entries_writer_append(writer, &entry, &error) < 0)
        fail_msg("%s", error.text);
}

static struct entries_writer *open_writer(const char *dir, bool goes_on, uint64_t keep_rows)
{
    struct error error = {0};
    struct entries_writer *writer;
    struct entries_writer_options options = {
        .dir = dir, .files = files, .goes_on = goes_on, .keep_rows = keep_rows};
    if (entries_writer_open(&options, &writer, &error) < 0)
        fail_msg("%s", error.text);
    return writer;
}

static void seal(struct entries_writer *writer)
{
    struct error error = {0};
    if (entries_writer_seal(writer, &error) < 0)
        fail_msg("%s", error.text);
}

static void close_writer(struct entries_writer *writer)
{
    struct error error = {0};
    if (entries_writer_close(writer, &error) < 0)
        fail_msg("%s", error.text);
    entries_writer_free(writer);
}

static void write_calls(struct entries_writer *writer, uint64_t from, uint64_t to, uint64_t every)
{
    for (uint64_t i = from; i < to; i++) {
        append_call(writer, i);
        if (every && i % every == every - 1)
            seal(writer);
    }
}

/* ── questions ── */

struct asker {
    struct query_session session;
    struct buf all; /* the answer's lines */
    json_t *json;
};

static int keep_line(void *ctx, struct slice line)
{
    struct asker *asker = ctx;
    buf_append_slice(&asker->all, line);
    return buf_append_u8(&asker->all, '\n');
}

static void open_asker(struct asker *asker, const char *dir, bool follows)
{
    struct error error = {0};
    *asker = (struct asker){.session = {.source = "s", .send = keep_line, .follows = follows}};
    asker->session.send_ctx = asker;
    buf_init(&asker->all, 256 << 20);
    if (query_session_open(&asker->session, (const char *[]){dir, NULL}, &error) < 0)
        fail_msg("%s", error.text);
}

static void close_asker(struct asker *asker)
{
    query_session_done(&asker->session);
    buf_done(&asker->all);
    json_decref(asker->json);
}

/* The last line's result, without the time it took; a problem fails. Borrowed until the next one.
 */
static json_t *ask(struct asker *asker, const char *question)
{
    buf_reset(&asker->all);
    assert_int_equal(query_session_answer(&asker->session, slice_str(question)), 0);
    size_t at = asker->all.len - 1;
    while (at && asker->all.data[at - 1] != '\n')
        at--;
    json_decref(asker->json);
    asker->json = json_loadb((const char *)asker->all.data + at, asker->all.len - at, 0, NULL);
    json_t *result = json_object_get(asker->json, "result");
    if (!result)
        fail_msg("%s: %.*s", question, (int)asker->all.len, (const char *)asker->all.data);
    json_object_del(result, "took_ms");
    return result;
}

static json_int_t number(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static json_int_t count(struct asker *asker, const char *filter)
{
    char question[256];
    snprintf(question, sizeof question, "{\"q\":7,\"op\":\"count\",\"filter\":\"%s\"}", filter);
    return number(ask(asker, question), "total");
}

static size_t count_parts(const char *dir)
{
    struct part_list list, folder;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(part_list_read(fd, &list, NULL), 0);
    assert_int_equal(part_list_folder(fd, false, &folder), 0);
    size_t parts = list.count;
    assert_int_equal(folder.count, parts); /* nothing that is no longer needed stays */
    part_list_done(&list);
    part_list_done(&folder);
    close(fd);
    return parts;
}

static int make_dir(void **state)
{
    char dir[] = "/tmp/trawl_parts_XXXXXX";
    assert_non_null(mkdtemp(dir));
    *state = strdup(dir);
    return 0;
}

static int remove_dir(void **state)
{
    io_remove_tree("test", AT_FDCWD, *state);
    free(*state);
    return 0;
}

/* ── tests ── */

static void test_many_merged_parts_answer_as_one(void **state)
{
    static const char *const questions[] = {
        "{\"q\":7,\"op\":\"lines\",\"order\":\"+time\"}",
        "{\"q\":7,\"op\":\"page\",\"limit\":1000}",
        "{\"q\":7,\"op\":\"page\",\"limit\":9,\"order\":\"-elapsed_time\",\"cursor\":\"900:1234\"}",
        "{\"q\":7,\"op\":\"lines\",\"filter\":\"response.body.contains('777')\"}",
        "{\"q\":7,\"op\":\"page\",\"filter\":\"status_code >= 500 && method == 'GET'\"}",
        "{\"q\":7,\"op\":\"count\",\"filter\":\"request.headers.size() == 0\"}",
        "{\"q\":7,\"op\":\"top\",\"by\":[\"path\",\"status\"],\"limit\":100}",
        "{\"q\":7,\"op\":\"top\",\"by\":[\"response.body\"],\"limit\":100,\"order\":\"elapsed_time\"}",
        "{\"q\":7,\"op\":\"timeline\",\"buckets\":10}",
        "{\"q\":7,\"op\":\"conn\",\"conn_id\":\"c1\"}"};
    char one[128], many[128];
    snprintf(one, sizeof one, "%s/one", (char *)*state);
    snprintf(many, sizeof many, "%s/many", (char *)*state);
    assert_int_equal(mkdir(one, 0700) | mkdir(many, 0700), 0);
    struct entries_writer *writer = open_writer(one, false, 0);
    write_calls(writer, 0, CALLS, 0);
    close_writer(writer);
    writer = open_writer(many, false, KEEP_ALL);
    write_calls(writer, 0, SMALL_CALLS, SEAL_EVERY);
    write_calls(writer, SMALL_CALLS, CALLS, SEAL_EVERY_LARGE);
    close_writer(writer);
    assert_int_equal(count_parts(one), 1);
    assert_int_equal(count_parts(many), 2); /* 27 small ones and 8 large ones, and the last */
    struct asker a, b;
    open_asker(&a, one, false);
    open_asker(&b, many, false);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        json_t *expected = ask(&a, questions[i]), *got = ask(&b, questions[i]);
        if (!json_equal(expected, got))
            fail_msg("%s is answered differently", questions[i]);
        assert_true(a.all.len > 50);
        if (strstr(questions[i], "lines")) { /* every byte of every entry */
            assert_int_equal(a.all.len, b.all.len);
            assert_memory_equal(a.all.data, b.all.data, a.all.len);
        }
    }
    close_asker(&a);
    close_asker(&b);
}

/* A page turned while calls arrive and parts are merged goes on where it was. */
static void test_a_reader_follows(void **state)
{
    struct entries_writer *writer = open_writer(*state, false, KEEP_ALL);
    struct asker asker, still;
    open_asker(&asker, *state, true);
    assert_int_equal(count(&asker, ""), 0);
    write_calls(writer, 0, 100, SEAL_EVERY);
    seal(writer);
    open_asker(&still, *state, false);
    uint64_t written = 100;
    char question[256] = "{\"q\":7,\"op\":\"page\",\"limit\":10,\"order\":\"+time\"}";
    for (uint64_t seen = 0; seen < 100; seen += 10) {
        json_t *page = ask(&asker, question);
        json_t *entries = json_object_get(page, "entries");
        assert_int_equal(json_array_size(entries), 10);
        assert_int_equal(number(page, "total"), written);
        for (uint64_t i = 0; i < 10; i++) /* in the order of time */
            assert_int_equal(number(json_array_get(entries, i), "index"), (seen + i) ^ 5);
        snprintf(question, sizeof question,
                 "{\"q\":7,\"op\":\"page\",\"limit\":10,\"order\":\"+time\",\"cursor\":\"%s\"}",
                 json_string_value(json_object_get(page, "next_cursor")));
        assert_int_equal(count(&asker, "response.body.contains('number')"), written);
        append_call(writer, written++);
        seal(writer);
        assert_int_equal(count(&asker, "response.body.contains('number')"), written);
        assert_int_equal(count(&still, "response.body.contains('number')"), 100);
    }
    close_asker(&asker);
    close_asker(&still);
    close_writer(writer);
}

static void test_the_oldest_are_given_up(void **state)
{
    struct entries_writer *writer = open_writer(*state, false, 200);
    struct asker asker;
    open_asker(&asker, *state, true);
    write_calls(writer, 0, 3000, 97);
    seal(writer);
    json_t *page = ask(&asker, "{\"q\":7,\"op\":\"page\",\"limit\":1000,\"order\":\"-time\"}");
    json_int_t total = number(page, "total");
    assert_in_range(total, 200, 1500);
    assert_int_equal(number(json_array_get(json_object_get(page, "entries"), 0), "index"),
                     2999 ^ 5);
    close_writer(writer);
    /* gone on with: indexes and files behind the earlier ones */
    writer = open_writer(*state, true, 200);
    assert_int_equal(entries_writer_next_index(writer), 3000);
    struct entry_files earlier = entries_writer_earlier_files(writer);
    assert_int_equal(earlier.count, 2);
    assert_string_equal(earlier.files[1].node, "n2");
    entries_writer_set_files(writer, (struct entry_files){.files = file_rows, .count = 3});
    append_call(writer, 3000);
    close_writer(writer);
    assert_int_equal(count(&asker, "index == 3000"), 1);
    close_asker(&asker);
}

static bool says(const struct asker *asker, const char *text)
{
    return memmem(asker->all.data, asker->all.len, text, strlen(text)) != NULL;
}

/* What was stored since, once each; what the store gave up, or the asker did not keep up with, is
 * counted. */
static void test_the_tail_is_given_once_and_what_is_missed_is_said(void **state)
{
    struct entries_writer *writer = open_writer(*state, false, 200);
    struct asker asker;
    open_asker(&asker, *state, true);
    json_t *tail = ask(&asker, "{\"q\":7,\"op\":\"tail\"}");
    assert_int_equal(number(tail, "next"), 0);
    write_calls(writer, 0, 60, SEAL_EVERY);
    seal(writer);
    uint64_t seen = 0, next = 0;
    char question[160];
    do { /* five at a time */
        snprintf(question, sizeof question,
                 "{\"q\":7,\"op\":\"tail\",\"next\":%u,\"limit\":5,\"whole\":true}",
                 (unsigned)next);
        tail = ask(&asker, question);
        json_t *entries = json_object_get(tail, "entries");
        for (size_t i = 0; i < json_array_size(entries); i++, seen++)
            assert_int_equal(number(json_array_get(entries, i), "index"), seen);
        assert_true(says(&asker, "application/json") || json_array_size(entries) == 0);
        next = (uint64_t)number(tail, "next");
        assert_int_equal(number(tail, "missed"), 0);
        assert_int_equal(number(tail, "behind"), 60 - next);
    } while (number(tail, "behind"));
    assert_int_equal(seen, 60);
    tail = ask(&asker, "{\"q\":7,\"op\":\"tail\",\"next\":0,\"filter\":\"status_code == 500\"}");
    assert_int_equal(json_array_size(json_object_get(tail, "entries")), 6);
    assert_int_equal(number(tail, "next"), 60);
    assert_int_equal(number(json_array_get(json_object_get(tail, "entries"), 5), "index"), 50);
    tail = ask(&asker, "{\"q\":7,\"op\":\"tail\",\"next\":10,\"max_behind\":20}");
    assert_int_equal(number(tail, "missed"), 30);
    assert_int_equal(json_array_size(json_object_get(tail, "entries")), 20);
    write_calls(writer, 60, 3000, 97);
    seal(writer);
    tail = ask(&asker, "{\"q\":7,\"op\":\"tail\",\"next\":60,\"limit\":1}"); /* given up */
    assert_in_range(number(tail, "missed"), 1000, 2800);
    assert_int_equal(number(json_array_get(json_object_get(tail, "entries"), 0), "index"),
                     60 + number(tail, "missed"));
    tail = ask(&asker, "{\"q\":7,\"op\":\"tail\",\"next\":99999}"); /* of another store */
    assert_int_equal(number(tail, "next"), 3000);
    close_asker(&asker);
    close_writer(writer);
}

/* Beyond so many files numbers begin anew; parts of before keep theirs, and are not merged. */
static void test_the_list_of_files_has_an_end(void **state)
{
    struct entries_writer *writer = open_writer(*state, false, KEEP_ALL);
    write_calls(writer, 0, 3, 1);
    close_writer(writer);
    struct error error = {0};
    struct entries_writer_options options = {
        .dir = *state, .goes_on = true, .keep_rows = KEEP_ALL, .max_earlier_files = 1};
    assert_int_equal(entries_writer_open(&options, &writer, &error), 0);
    assert_int_equal(entries_writer_next_index(writer), 3);
    assert_int_equal(entries_writer_earlier_files(writer).count, 0);
    static const struct entry_file newer[] = {{"n3", 11}, {"n3", 12}};
    entries_writer_set_files(writer, (struct entry_files){.files = newer, .count = 2});
    write_calls(writer, 3, 30, 1); /* merged more than once */
    close_writer(writer);
    assert_in_range(count_parts(*state), 4, 14);
    struct asker asker;
    open_asker(&asker, *state, false);
    assert_int_equal(count(&asker, ""), 30);
    json_t *lines = ask(&asker, "{\"q\":7,\"op\":\"lines\",\"filter\":\"index == 2\"}");
    assert_int_equal(number(lines, "count"), 1);
    assert_true(says(&asker, "\"n1\""));
    ask(&asker, "{\"q\":7,\"op\":\"lines\",\"filter\":\"index == 3 || index == 29\"}");
    assert_true(says(&asker, "\"n3\""));
    assert_false(says(&asker, "\"n1\""));
    close_asker(&asker);
}

static void test_the_oldest_are_given_up_by_their_bytes_too(void **state)
{
    struct error error = {0};
    struct entries_writer *writer;
    struct entries_writer_options options = {
        .dir = *state, .files = files, .keep_rows = KEEP_ALL, .keep_bytes = 40000};
    assert_int_equal(entries_writer_open(&options, &writer, &error), 0);
    write_calls(writer, 0, 9000, 1500);
    struct asker asker;
    open_asker(&asker, *state, false);
    assert_in_range(count(&asker, ""), 1500, 6000);
    assert_int_equal(count(&asker, "index == 8999"), 1);
    assert_int_equal(count(&asker, "index == 0"), 0);
    close_asker(&asker);
    close_writer(writer);
}

static void test_a_list_that_is_wrong_is_refused(void **state)
{
    static const char *const lists[] = {"",
                                        "{}",
                                        "{\"format\":1,\"parts\":[\"../part-000001\"]}",
                                        "{\"format\":1,\"parts\":[\"part-000001.tmp\"]}",
                                        "{\"format\":1,\"parts\":[7]}",
                                        "{\"format\":2,\"parts\":[]}",
                                        "{\"format\":1,\"parts\":[\"part-000077\"]}",
                                        ("{\"format\":1,\"parts\":[\"part-000002\","
                                         "\"part-000001\",\"part-000002\"]}")};
    close_writer(open_writer(*state, false, 0));
    int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct error error = {0};
        struct query_session session = {0};
        assert_int_equal(io_replace_file("test", fd, "parts.json", slice_str(lists[i]), 0600), 0);
        assert_true(query_session_open(&session, (const char *[]){*state, NULL}, &error) < 0);
        assert_true(error.text[0]);
        if (strstr(lists[i], "000002")) /* it comes twice; not: it cannot be opened */
            assert_non_null(strstr(error.text, "is damaged"));
        query_session_done(&session);
    }
    close(fd);
}

/* ── kill -9 ── */

/* In the child: goes on, and says after each seal how many are safe. */
static _Noreturn void write_until_killed(const char *dir, int acknowledge_fd)
{
    struct entries_writer *writer = open_writer(dir, true, KEEP_ALL);
    for (;;) {
        uint64_t next = entries_writer_next_index(writer);
        append_call(writer, next++);
        if (next % SEAL_EVERY == 0) {
            seal(writer);
            if (write(acknowledge_fd, &next, sizeof next) != sizeof next)
                _exit(2);
        }
    }
}

/* Lets it write for that long after its first acknowledgement; the last one that was given, or
 * `before` when it was killed before any. */
static uint64_t kill_after(const char *dir, int64_t delay_us, uint64_t before)
{
    int ends[2];
    uint64_t safe = before, next;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(dir, ends[1]);
    close(ends[1]);
    if (delay_us >= 0 && read(ends[0], &next, sizeof next) == sizeof next)
        safe = next;
    usleep((useconds_t)(delay_us < 0 ? -delay_us : delay_us));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    while (read(ends[0], &next, sizeof next) == sizeof next)
        safe = next;
    close(ends[0]);
    return safe;
}

static void expect_all(const char *dir, uint64_t safe)
{
    struct asker asker;
    open_asker(&asker, dir, false);
    json_t *answer = ask(&asker, "{\"q\":7,\"op\":\"lines\",\"order\":\"+time\"}");
    assert_true((uint64_t)number(answer, "count") >= safe);
    assert_int_equal(count(&asker, "response.body.contains('number')"),
                     (json_int_t)entries_reader_rows(asker.session.reader));
    close_asker(&asker);
}

static void test_what_was_acknowledged_survives_kill_9(void **state)
{
    const char *rounds_text = getenv("ROUNDS"), *seed_text = getenv("SEED");
    int rounds = rounds_text ? (int)strtol(rounds_text, NULL, 10) : 6;
    unsigned seed = seed_text ? (unsigned)strtoul(seed_text, NULL, 10) : (unsigned)clock_now_ns();
    printf("SEED=%u\n", seed);
    uint64_t safe = 0;
    for (int i = 0; i < rounds; i++) {
        int64_t delay_us = rand_r(&seed) % 150000;
        safe = kill_after(*state, i % 5 == 4 ? -delay_us : delay_us, safe);
        expect_all(*state, safe);
    }
    assert_true(safe > (uint64_t)rounds);
    close_writer(open_writer(*state, true, KEEP_ALL)); /* leftovers are removed */
    count_parts(*state);
    expect_all(*state, safe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_merged_parts_answer_as_one, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_reader_follows, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_the_oldest_are_given_up, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_the_oldest_are_given_up_by_their_bytes_too, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(test_the_list_of_files_has_an_end, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_the_tail_is_given_once_and_what_is_missed_is_said,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_list_that_is_wrong_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_what_was_acknowledged_survives_kill_9, make_dir,
                                        remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
