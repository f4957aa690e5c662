#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/options.h"
#include "unit/unit_test.h"

struct settings {
    bool wide;
    int64_t threads;
    uint64_t ring_bytes;
    int64_t last_ns;
    char *name;
    struct option_list nodes;
};

static const struct option_def defs[] = {
    {.name = "wide", .type = OPTION_BOOL, .offset = offsetof(struct settings, wide), .doc = "wide"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = offsetof(struct settings, threads),
     .default_value = "2",
     .min = 1,
     .max = 64,
     .doc = "threads"},
    {.name = "ring-size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct settings, ring_bytes),
     .default_value = "1GiB",
     .doc = "size"},
    {.name = "last",
     .letter = 'l',
     .type = OPTION_DURATION,
     .offset = offsetof(struct settings, last_ns),
     .doc = "window"},
    {.name = "name", .type = OPTION_TEXT, .offset = offsetof(struct settings, name), .doc = "name"},
    {.name = "nodes",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, nodes),
     .doc = "nodes"},
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl x", .summary = "x", .defs = defs, .operands = OPERANDS_ANY};

#define PARSE(s, err, ...)                                                             \
    options_parse(&spec, (int)(sizeof((char *[]){"x", __VA_ARGS__}) / sizeof(char *)), \
                  (char *[]){"x", __VA_ARGS__}, s, NULL, err)

static void test_flags_of_every_type(void **state)
{
    (void)state;
    struct settings s = {0};
    assert_int_equal(PARSE(&s, NULL, "--wide", "--threads=7", "--ring-size", "64MiB", "-l", "1h30m",
                           "--name=a=b", "--nodes", "a,b", "--nodes", "c"),
                     0);
    assert_true(s.wide);
    assert_int_equal(s.threads, 7);
    assert_int_equal(s.ring_bytes, 64 << 20);
    assert_int_equal(s.last_ns, INT64_C(5400000000000));
    assert_string_equal(s.name, "a=b");
    assert_int_equal(s.nodes.count, 3);
    assert_string_equal(s.nodes.items[2], "c");
    options_done(&spec, &s);
}

static void test_wrong_usage_is_one_sentence(void **state)
{
    (void)state;
    struct settings s = {0};
    struct error e;
    assert_int_equal(PARSE(&s, &e, "--ring-sise", "1"), -EINVAL);
    assert_string_equal(e.text, "there is no option --ring-sise; did you mean --ring-size?");
    assert_int_equal(PARSE(&s, &e, "--threads", "65"), -EINVAL);
    assert_string_equal(e.text, "--threads: \"65\" is not a whole number from 1 to 64.");
    assert_int_equal(PARSE(&s, &e, "--last", "5 apples"), -EINVAL);
    assert_int_equal(PARSE(&s, &e, "--name"), -EINVAL);
    options_done(&spec, &s);
}

static void test_the_number_of_operands_is_kept(void **state)
{
    (void)state;
    struct settings s = {0};
    struct error e;
    struct option_operands operands = {0};
    struct option_spec two = {.usage = "trawl x A B", .defs = defs, .operands = 2};
    assert_int_equal(options_parse(&two, 2, (char *[]){"x", "a"}, &s, &operands, &e), -EINVAL);
    assert_string_equal(e.text, "usage: trawl x A B");
    two.wanted = "Say which two.";
    assert_int_equal(options_parse(&two, 4, (char *[]){"x", "a", "b", "c"}, &s, &operands, &e),
                     -EINVAL);
    assert_string_equal(e.text, "Say which two.");
    assert_int_equal(options_parse(&two, 4, (char *[]){"x", "a", "--", "-b"}, &s, &operands, &e),
                     0);
    assert_int_equal(operands.count, 2);
    assert_string_equal(operands.items[1], "-b");
    two.operands = 0;
    assert_int_equal(options_parse(&two, 2, (char *[]){"x", "a"}, &s, &operands, &e), -EINVAL);
    assert_string_equal(e.text, "\"a\" is one argument too many; --help shows the usage.");
    options_done(&two, &s);
}

static void test_flag_beats_environment_beats_file_beats_default(void **state)
{
    (void)state;
    char path[] = "/tmp/trawl_options_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char text[] = "ring_size: 2GiB\nthreads: 3\nname: from-file\nnodes: [n1, n2]\n";
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    setenv("TRAWL_THREADS", "4", 1);
    setenv("TRAWL_NAME", "from-env", 1);
    struct settings s = {0};
    char config[64];
    snprintf(config, sizeof config, "--config=%s", path);
    assert_int_equal(PARSE(&s, NULL, config, "--threads", "5"), 0);
    unsetenv("TRAWL_THREADS");
    unsetenv("TRAWL_NAME");
    unlink(path);
    assert_int_equal(s.threads, 5);
    assert_string_equal(s.name, "from-env");
    assert_int_equal(s.ring_bytes, UINT64_C(2) << 30);
    assert_int_equal(s.nodes.count, 2);
    options_done(&spec, &s);
}

static void test_unknown_key_in_file_names_line_and_suggests(void **state)
{
    (void)state;
    char path[] = "/tmp/trawl_options_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "threads: 3\nring_sizes: 1\n", 25), 25);
    close(fd);
    struct settings s = {0};
    struct error e;
    assert_int_equal(PARSE(&s, &e, "--config", path), -EINVAL);
    unlink(path);
    assert_non_null(strstr(e.text, "line 2"));
    assert_non_null(strstr(e.text, "did you mean --ring-size?"));
    options_done(&spec, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_of_every_type),
        cmocka_unit_test(test_wrong_usage_is_one_sentence),
        cmocka_unit_test(test_the_number_of_operands_is_kept),
        cmocka_unit_test(test_flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(test_unknown_key_in_file_names_line_and_suggests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
