/* Entries as a Parquet file: values of every type, what is missing or of another type, lines that
 * are none, sizes. The file is read back with DuckDB's reader (tests/e2e/parquet.sh has an
 * independent one). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "entries/duckdb_api.h"
#include "entries/parquet.h"
#include "unit/unit_test.h"

enum {
    MAX_FIELDS = 16
};

static size_t find_all(const char *const *names, field_id *ret_fields)
{
    struct error error;
    size_t n = 0;
    for (; names[n]; n++)
        assert_int_equal(parquet_find_field(names[n], &ret_fields[n], &error), 0);
    return n;
}

/* A descriptor of memory with that text. */
static int memory_file(const char *text)
{
    int fd = memfd_create("trawl test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The only value of a question to the file. */
static void expect(int file, const char *question, const char *answer)
{
    duckdb_database database;
    duckdb_connection connection;
    duckdb_result result;
    struct error error;
    char sql[600];
    snprintf(sql, sizeof sql, "SELECT CAST((%s) AS VARCHAR) FROM read_parquet('/proc/self/fd/%d')",
             question, file);
    assert_int_equal(duckdb_api_open(NULL, 200000000, 1, &database, &connection, &error), 0);
    if (duckdb_api.query(connection, sql, &result) != DuckDBSuccess)
        fail_msg("%s: %s", sql, duckdb_api.result_error(&result));
    duckdb_data_chunk chunk = duckdb_api.fetch_chunk(result);
    assert_non_null(chunk);
    assert_int_equal(duckdb_api.data_chunk_get_size(chunk), 1);
    duckdb_string_t *text = duckdb_api.vector_get_data(duckdb_api.data_chunk_get_vector(chunk, 0));
    bool is_inlined = text->value.inlined.length <= sizeof text->value.inlined.inlined;
    const char *found = is_inlined ? text->value.inlined.inlined : text->value.pointer.ptr;
    if (text->value.inlined.length != strlen(answer) || memcmp(found, answer, strlen(answer)) != 0)
        fail_msg("%s is \"%.*s\", not \"%s\"", question, (int)text->value.inlined.length, found,
                 answer);
    duckdb_api.destroy_data_chunk(&chunk);
    duckdb_api.destroy_result(&result);
    duckdb_api_close(&database, &connection);
}

static void every_type(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"id\":\"a\",\"timestamp\":\"2026-01-01T00:00:00.123456789Z\",\"incomplete\":true,"
        "\"src\":{\"ip\":\"10.0.0.1\",\"port\":65535},\"ips\":[\"x\",{\"base64\":\"/w==\"}],"
        "\"ports\":[1,2],\"request\":{\"headers\":{\"A\":\"b\",\"C\":{\"base64\":\"/w==\"}},"
        "\"body\":\"nul \\u0000 'quoted' \\\"ü\\\"\"},\"unknown\":[[{}]]}\n"
        "{}\n"
        "{\"id\":7,\"timestamp\":\"soon\",\"incomplete\":1,\"src\":[],\"ips\":{},\"ports\":\"1\","
        "\"request\":{\"headers\":[],\"body\":null}}"; /* no end of line */
    field_id fields[MAX_FIELDS];
    struct error error = {0};
    size_t count =
        find_all((const char *const[]){"id", "timestamp", "incomplete", "src.ip", "src.port", "ips",
                                       "ports", "request.headers", "request.body", NULL},
                 fields);
    int from = memory_file(lines), file = memory_file("");
    if (parquet_write(from, file, fields, count, &error) < 0)
        fail_msg("%s (%s)", error.text, error.cause);
    expect(file, "count(*)", "3");
    expect(file, "epoch_ns(min(timestamp))", "1767225600123456789");
    expect(file, "count(timestamp)", "1");
    expect(file, "list(incomplete)", "[true, NULL, NULL]");
    expect(file, "list(\"src.ip\")", "[10.0.0.1, NULL, NULL]");
    expect(file, "list(\"src.port\")", "[65535, NULL, NULL]");
    expect(file, "list(id)", "[a, NULL, 7]");
    expect(file, "first(ips[2])", "{\"base64\":\"/w==\"}");
    expect(file, "list(len(ips))", "[2, NULL, NULL]");
    expect(file, "list(ports)", "[[1, 2], NULL, NULL]");
    expect(file, "first(\"request.headers\"['A'])", "b");
    expect(file, "list(cardinality(\"request.headers\"))", "[2, NULL, NULL]");
    expect(file, "first(length(\"request.body\"))", "18");
    expect(file, "first(right(\"request.body\", 3))", "\"ü\"");
    close(from);
    close(file);
}

static void lines_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"id\":\"a\"}\nno JSON\n", "[]\n", "{\"id\":\"\xff\"}\n",
                                      "{\"id\":\"cut", "\n"};
    field_id field;
    struct error error = {0};
    assert_int_equal(parquet_find_field("id", &field, &error), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int from = memory_file(bad[i]), file = memory_file("");
        assert_true(parquet_write(from, file, &field, 1, &error) < 0);
        assert_string_equal(error.text, "the entry store could not write the Parquet file.");
        close(from);
        close(file);
    }
    int from = memory_file(""), file = memory_file("");
    assert_int_equal(parquet_write(from, file, &field, 1, &error), 0);
    expect(file, "count(*)", "0");
    close(from);
    close(file);
    assert_int_equal(parquet_find_field("nothing", &field, &error), -EINVAL);
    assert_int_equal(parquet_find_field("http", &field, &error), -EINVAL);
    assert_int_equal(parquet_find_field("src.ns", &field, &error), 0); /* an alias */
    assert_string_equal(field_at(field)->name, "src.namespace");
}

enum {
    LARGE_ROWS = 300,
    LARGE_BYTES = 1000000
};

static void *feed_large(void *arg)
{
    int fd = *(int *)arg;
    uint8_t *pattern = malloc(2 * LARGE_BYTES), *line = malloc(LARGE_BYTES + 100);
    for (unsigned i = 0; pattern && i < 2 * LARGE_BYTES; i++)
        pattern[i] = (uint8_t)('A' + (i * 2654435761u >> 13) % 26);
    for (int i = 0; pattern && line && i < LARGE_ROWS; i++) {
        int head = snprintf((char *)line, 100, "{\"id\":\"%d\",\"response\":{\"body\":\"", i);
        memcpy(line + head, pattern + (size_t)i * 997, LARGE_BYTES);
        memcpy(line + head + LARGE_BYTES, "\"}}\n", 4);
        size_t all = (size_t)head + LARGE_BYTES + 4;
        ssize_t n = 1;
        for (size_t sent = 0; sent < all && n > 0; sent += (size_t)n)
            n = write(fd, line + sent, all - sent);
    }
    free(pattern);
    free(line);
    close(fd);
    return NULL;
}

/* 300 MB of bodies pass a limit of 256 MB, in their order. */
static void larger_than_memory(void **state)
{
    (void)state;
    int ends[2], file = memory_file("");
    pthread_t thread;
    field_id fields[MAX_FIELDS];
    struct error error = {0};
    size_t count = find_all((const char *const[]){"id", "response.body", NULL}, fields);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_large, &ends[1]), 0);
    int r = parquet_write(ends[0], file, fields, count, &error);
    close(ends[0]);
    pthread_join(thread, NULL);
    if (r < 0)
        fail_msg("%s (%s)", error.text, error.cause);
    expect(file, "count(*)", "300");
    expect(file, "list(CAST(id AS BIGINT)) = range(300)", "true");
    close(file);
}

int main(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
