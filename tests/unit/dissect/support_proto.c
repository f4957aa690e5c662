#include "support_proto.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/unit_test.h"

enum {
    BYTE_BY_BYTE_MAX = 64 * 1024,
    RANDOM_CUTS = 12
};

struct proto_run *proto_run(const struct drive_options *options, const struct drive_step *steps,
                            size_t count)
{
    struct proto_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    buf_init(&run->text, 256 * 1024 * 1024);
    assert_int_equal(dissect_drive(options, steps, count, &run->text), 0);
    assert_int_equal(buf_append_u8(&run->text, 0), 0);
    for (char *p = (char *)run->text.data; *p;) {
        char *end = strchr(p, '\n');
        assert_non_null(end);
        assert_true(run->count < PROTO_MAX_LINES);
        run->lines[run->count++] = p;
        *end = 0;
        p = end + 1;
    }
    return run;
}

void proto_run_free(struct proto_run *run)
{
    if (!run)
        return;
    buf_done(&run->text);
    free(run);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void expect_same(const struct proto_run *whole, const struct proto_run *cut, uint64_t seed)
{
    char *a[PROTO_MAX_LINES];
    char *b[PROTO_MAX_LINES];
    for (size_t i = 0; whole->count != cut->count && i < whole->count; i++)
        print_error("whole: %.600s\n", strstr(whole->lines[i], "\"summary\""));
    for (size_t i = 0; whole->count != cut->count && i < cut->count; i++)
        print_error("cut: %.600s\n", strstr(cut->lines[i], "\"summary\""));
    if (whole->count != cut->count)
        print_error("cut with seed %llu: %zu entries instead of %zu\n", (unsigned long long)seed,
                    cut->count, whole->count);
    assert_int_equal(whole->count, cut->count);
    memcpy(a, whole->lines, whole->count * sizeof *a);
    memcpy(b, cut->lines, cut->count * sizeof *b);
    qsort(a, whole->count, sizeof *a, compare_lines);
    qsort(b, whole->count, sizeof *b, compare_lines);
    for (size_t i = 0; i < whole->count; i++) {
        if (strcmp(a[i], b[i]) != 0)
            print_error("cut with seed %llu\n", (unsigned long long)seed);
        assert_string_equal(a[i], b[i]);
    }
}

struct proto_run *proto_run_cut(const struct drive_options *options, const struct drive_step *steps,
                                size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += steps[i].bytes.len;
    struct drive_options with = *options;
    struct proto_run *whole = proto_run(options, steps, count);
    bool is_udp = options->transport > DISSECT_TCP;
    for (uint64_t seed = bytes > BYTE_BY_BYTE_MAX ? 2 : 1; seed < RANDOM_CUTS && !is_udp; seed++) {
        with.cut_seed = seed;
        struct proto_run *cut = proto_run(&with, steps, count);
        expect_same(whole, cut, seed);
        proto_run_free(cut);
    }
    return whole;
}

void proto_has(const struct proto_run *run, size_t i, const char *json_part)
{
    assert_true(i < run->count);
    if (!strstr(run->lines[i], json_part))
        print_error("entry %zu lacks %s:\n%s\n", i, json_part, run->lines[i]);
    assert_non_null(strstr(run->lines[i], json_part));
}

void proto_lacks(const struct proto_run *run, size_t i, const char *json_part)
{
    assert_true(i < run->count);
    if (strstr(run->lines[i], json_part))
        print_error("entry %zu has %s:\n%s\n", i, json_part, run->lines[i]);
    assert_null(strstr(run->lines[i], json_part));
}

void proto_count(const struct proto_run *run, size_t count)
{
    for (size_t i = 0; run->count != count && i < run->count; i++)
        print_error("%s\n", run->lines[i]);
    assert_int_equal(run->count, count);
}
