/* What is said about a text that is no filter: place, token, suggestion; limits; hostile input. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/filter/support_entry.h"
#include "unit/unit_test.h"

struct bad {
    const char *text;
    size_t offset;
    const char *token;
    const char *says; /* part of the sentence */
    const char *suggestion;
};

static const struct bad bads[] = {
    {"statuscode == 5", 0, "statuscode", "no variable \"statuscode\"", "status_code"},
    {"http && src.ipp == ''", 8, "src.ipp", "no variable", "src.ip"},
    {"request.header.accept == ''", 0, "request.header.accept", "no variable", "request.headers"},
    {"src == ''", 0, "src", "no variable", "src.ip"},
    {"xyzzy_plugh", 0, "xyzzy_plugh", "no variable", ""},
    {"path.contain('x')", 5, "contain", "no function contain()", "contains"},
    {"contains(path, 'x')", 0, "contains(path, 'x')", "called on its first argument", ""},
    {"path.cidr()", 0, "path.cidr()", "write cidr(a", ""},
    {"path.contains(5)", 0, "path.contains(5)", "no contains() for (string, int)", ""},
    {"status_code == '500'", 15, "'500'", "int cannot be compared with string", "500"},
    {"500 == method", 0, "500", "cannot be compared", "\"500\""},
    {"latency > '1s'", 10, "'1s'", "cannot be compared", "duration('1s')"},
    {"seen_at < ['a']", 0, "seen_at < ['a']", "have no order", ""},
    {"'x' in path", 7, "path", "wants a list or a map", "text.contains(…)"},
    {"5 in seen_at", 0, "5", "cannot be an element", "\"5\""},
    {"request.headers[1] == ''", 16, "1", "keys of this map are string", ""},
    {"seen_at['a'] == ''", 8, "'a'", "indexed by int", ""},
    {"path[0] == ''", 0, "path", "cannot be indexed", ""},
    {"path.x == ''", 0, "path", "string has no members", ""},
    {"http && path", 8, "path", "must be true or false", "has(path)"},
    {"status_code", 0, "status_code", "a filter must be true or false", "has(status_code)"},
    {"path + 1 == ''", 0, "path + 1", "+ cannot be applied to (string, int)", ""},
    {"-path == ''", 0, "-path", "- cannot be applied", ""},
    {"http ? path : 5", 14, "5", "same type", ""},
    {"seen_at.all(path)", 8, "all", "all() is a macro", ""},
    {"seen_at.all(a.b, true)", 12, "a.b", "wants the name of a variable", ""},
    {"path.exists(x, x == '')", 0, "path", "wants a list or a map", ""},
    {"seen_at.exists(x, x)", 18, "x", "must be true or false", ""},
    {"has(path == '')", 4, "path == ''", "has() wants", ""},
    {"has(statuscode)", 4, "statuscode", "no variable", "status_code"},
    {"http &&", 7, "", "not the end of the filter", ""},
    {"(http", 5, "", "\")\" is expected", ""},
    {"http)", 4, ")", "operator or the end", ""},
    {"path == 'a", 8, "'a", "not closed", ""},
    {"path == '\\q'", 9, "\\q", "escape is not known", ""},
    {"path == '\\ud800'", 9, "\\u", "escape is not known", ""},
    {"status_code = 5", 12, "=", "write ==", ""},
    {"http & tcp", 5, "&", "write &&", ""},
    {"http | tcp", 5, "|", "write ||", ""},
    {"status_code == 99999999999999999999", 15, "99999999999999999999", "64 bits", ""},
    {"status_code == 9223372036854775808", 15, "9223372036854775808", "does not fit into int", ""},
    {"status_code == 0x", 15, "0x", "hexadecimal digits", ""},
    {"status_code == 1e", 15, "1e", "exponent", ""},
    {"if == 5", 0, "if", "reserved", ""},
    {"http{a: 1}", 0, "http", "messages are not part", ""},
    {"path.matches('(a')", 13, "'(a'", "regular expression", ""},
    {"path.matches('a{1000000}')", 13, "'a{1000000}'", "regular expression", ""},
    {"cidr('10.0.0.0/99').containsIP(src.ip)", 0, "cidr('10.0.0.0/99')", "not a network", ""},
    {"timestamp > timestamp('2026-02-30T00:00:00Z')", 12, "timestamp('2026-02-30T00:00:00Z')",
     "conversion", ""},
    {"timestamp.getHours('Mars/Phobos') == 1", 19, "'Mars/Phobos'", "time zone", ""},
    {"status_code / 0 == 1 || 1 / 0 == 1", 24, "1 / 0", "divide by zero", ""},
    {"{'a': 1, 'a': 2} == {}", 0, "{'a': 1, 'a': 2}", "twice", ""},
    {"{[1]: 2} == {}", 1, "[1]", "key must be", ""},
};

static void test_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        const struct bad *bad = &bads[i];
        struct filter *filter = NULL;
        struct filter_diagnostic d;
        struct error error;
        if (filter_compile(slice_str(bad->text), NULL, &filter, &d) == 0)
            fail_msg("%s was compiled", bad->text);
        if (d.offset != bad->offset || strcmp(d.token, bad->token) != 0 ||
            !strstr(d.text, bad->says) || strcmp(d.suggestion, bad->suggestion) != 0)
            fail_msg("%s: \"%s\" at %zu, token \"%s\", suggestion \"%s\"", bad->text, d.text,
                     d.offset, d.token, d.suggestion);
        filter_diagnostic_error(&d, &error);
        assert_int_equal(error.offset, bad->offset);
    }
}

static int compile(struct slice text)
{
    struct filter *filter = NULL;
    struct filter_diagnostic d;
    int result = filter_compile(text, NULL, &filter, &d);
    if (result < 0)
        assert_true(d.text[0] != 0);
    filter_free(filter);
    return result;
}

/* `part` n times between the two ends. */
static int compile_repeated(const char *begin, const char *part, size_t n, const char *end)
{
    struct buf buf;
    buf_init(&buf, 1 << 22);
    buf_append_str(&buf, begin);
    for (size_t i = 0; i < n; i++)
        buf_append_str(&buf, part);
    buf_append_str(&buf, end);
    int result = compile(buf_slice(&buf));
    buf_done(&buf);
    return result;
}

/* As much stack as a thread of the hub has for a filter, and half of it left. */
static void *compile_long_chain(void *arg)
{
    struct filter *filter = NULL;
    struct filter_scratch *scratch = filter_scratch_new();
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_append_str(&text, "src.port");
    for (int i = 0; i < 498; i++)
        buf_append_str(&text, "+1");
    buf_append_str(&text, " == 498");
    struct entry entry = {.protocol = "tcp"};
    bool *matches = arg;
    *matches = filter_compile(buf_slice(&text), NULL, &filter, NULL) == 0 &&
               filter_match(filter, &entry, scratch) == FILTER_YES;
    filter_free(filter);
    filter_scratch_free(scratch);
    buf_done(&text);
    return NULL;
}

static void test_a_long_chain_needs_little_stack(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_attr_t attr;
    bool matches = false;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, 512 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, compile_long_chain, &matches), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    assert_true(matches);
}

static void test_limits(void **state)
{
    (void)state;
    /* text */
    assert_int_equal(compile_repeated("http", " ", FILTER_MAX_TEXT - 4, ""), 0);
    assert_int_equal(compile_repeated("http", " ", FILTER_MAX_TEXT - 3, ""), -EINVAL);
    assert_int_equal(compile_repeated("http", " ", 1 << 20, ""), -EINVAL);
    struct filter_diagnostic d;
    struct buf long_text;
    struct filter *none = NULL;
    buf_init(&long_text, 1 << 20);
    for (size_t i = 0; i < 20000; i++)
        buf_append_u8(&long_text, 'a');
    assert_int_equal(filter_compile(buf_slice(&long_text), NULL, &none, &d), -EINVAL);
    assert_string_equal(d.text, "the filter is too long: 20000 bytes, at most 16384 are allowed");
    buf_done(&long_text);
    /* nodes: a list of n numbers, an index, a comparison */
    assert_int_equal(compile_repeated("1 in [1", ",1", FILTER_MAX_NODES - 4, "]"), 0);
    assert_int_equal(compile_repeated("1 in [1", ",1", FILTER_MAX_NODES - 3, "]"), -EINVAL);
    /* && and || do not nest */
    assert_int_equal(compile_repeated("http", " && http", 900, ""), 0);
    assert_int_equal(compile_repeated("http", " || http", 900, ""), 0);
    /* depth */
    assert_int_equal(compile_repeated("1 == 1", "+(1", FILTER_MAX_DEPTH - 2, ""), -EINVAL);
    assert_int_equal(compile_repeated("\"a\"", ".trim()", FILTER_MAX_DEPTH - 2, " == \"a\""), 0);
    assert_int_equal(compile_repeated("\"a\"", ".trim()", FILTER_MAX_DEPTH - 1, " == \"a\""),
                     -EINVAL);
    /* a chain of operators is no depth; it ends with the nodes */
    assert_int_equal(compile_repeated("1", "+1", 498, " == 499"), 0);
    assert_int_equal(compile_repeated("1", "-1", 498, " == 1"), 0);
    assert_int_equal(compile_repeated("src.port", "*1", 498, " == 1"), 0);
    assert_int_equal(compile_repeated("true", " == http", 499, ""), 0);
    assert_int_equal(compile_repeated("1", "+1", 499, " == 1"), -EINVAL);
    assert_int_equal(compile_repeated("", "(", 32, "http))))))))))))))))))))))))))))))))"), 0);
    static const char *const open[] = {"(",    "[",  "{1:",  "!",          "-",
                                       "a.b(", "a[", "a?b:", "[1].map(x,", "not "};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(compile_repeated("", open[i], 100, "1"), -EINVAL);
        assert_int_equal(compile_repeated("", open[i], 3000, "1"), -EINVAL);
    }
    assert_int_equal(compile_repeated("a", ".b", 5000, ""), -EINVAL);
    assert_int_equal(compile_repeated("path.matches('a')", " && path.matches('a')", 31, ""), 0);
    assert_int_equal(compile_repeated("path.matches('a')", " && path.matches('a')", 32, ""),
                     -EINVAL);
}

static void test_not_utf8(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    struct filter_diagnostic d;
    assert_int_equal(filter_compile(SLICE_LITERAL("path == '\xff'"), NULL, &filter, &d), -EINVAL);
    assert_int_equal(d.offset, 9);
    assert_int_equal(filter_compile(SLICE_LITERAL("path == 'a\0b'"), NULL, &filter, &d), 0);
    filter_free(filter);
    assert_int_equal(compile(SLICE_LITERAL("http\0")), -EINVAL);
}

static void assert_budget(const char *text)
{
    struct filter *filter = NULL;
    struct filter_diagnostic d;
    struct filter_scratch *scratch = filter_scratch_new();
    if (filter_compile(slice_str(text), NULL, &filter, &d) < 0)
        fail_msg("%s: %s", text, d.text);
    enum filter_result result = filter_match(filter, support_http_entry(), scratch);
    filter_scratch_error(filter, scratch, &d);
    if (result != FILTER_ERROR ||
        (!strstr(d.text, "too many steps") && !strstr(d.text, "too much memory")))
        fail_msg("%s gave %d, %s", text, result, d.text);
    filter_scratch_free(scratch);
    filter_free(filter);
}

#define TEN     "[path,path,path,path,path,path,path,path,path,path]"
#define NESTED3 TEN ".all(a, " TEN ".all(b, " TEN ".all(c, "

/* Each would take minutes or gigabytes. */
static void test_budget(void **state)
{
    (void)state;
    assert_budget(NESTED3 NESTED3 "a != 'x'))))))");
    assert_budget("size(" TEN ".map(a, " TEN ".map(b, " TEN ".map(c, " TEN ".map(d, " TEN
                  ".map(e, " TEN ".map(f, a + b))))))) > 0");
    /* doubling */
    char doubling[8192];
    size_t n = (size_t)snprintf(doubling, sizeof doubling, "size(");
    for (int i = 0; i < 40; i++) {
        if (i == 0)
            n += (size_t)snprintf(doubling + n, sizeof doubling - n, "cel.bind(x0, path, ");
        else
            n += (size_t)snprintf(doubling + n, sizeof doubling - n, "cel.bind(x%d, x%d + x%d, ", i,
                                  i - 1, i - 1);
    }
    n += (size_t)snprintf(doubling + n, sizeof doubling - n, "x39");
    for (int i = 0; i < 41; i++)
        n += (size_t)snprintf(doubling + n, sizeof doubling - n, ")");
    snprintf(doubling + n, sizeof doubling - n, " > 0");
    assert_budget(doubling);
    /* a value that holds the one before it twice: 2^40 parts, compared */
    n = 0;
    doubling[0] = 0;
    for (int i = 0; i < 40; i++) {
        if (i == 0)
            n += (size_t)snprintf(doubling + n, sizeof doubling - n, "cel.bind(x0, [path], ");
        else
            n += (size_t)snprintf(doubling + n, sizeof doubling - n,
                                  "cel.bind(x%d, [dyn(x%d), dyn(x%d)], ", i, i - 1, i - 1);
    }
    n += (size_t)snprintf(doubling + n, sizeof doubling - n, "x39 == x39");
    for (int i = 0; i < 40; i++)
        n += (size_t)snprintf(doubling + n, sizeof doubling - n, ")");
    assert_budget(doubling);
}

/* Patterns that a backtracking matcher never finishes. */
static void test_patterns_are_linear(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(a+)+$", "(a|aa)+$", "(.*a){25}", "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(a*)*b", "(x+x+)+y", "(a|a?)+c",  "([a-zA-Z]+)*[0-9]",
    };
    static char body[200000];
    memset(body, 'a', sizeof body - 1);
    struct entry_value value = {.field = FIELD_REQUEST_BODY_ID,
                                .type = FIELD_TEXT,
                                .text = slice_of(body, sizeof body - 1)};
    struct entry entry = {.protocol = "http", .values = &value, .value_count = 1};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char text[200];
        snprintf(text, sizeof text, "request.body.matches(r'%s')", patterns[i]);
        enum filter_result result = support_match(text, &entry);
        assert_true(result == FILTER_YES || result == FILTER_NO);
        /* the pattern computed while the filter runs */
        snprintf(text, sizeof text, "request.body.matches(r'%s' + path)", patterns[i]);
        assert_int_equal(support_match(text, &entry), result);
    }
    assert_int_equal(support_match("glob(request.body, '*a*a*a*a*a*a*a*a*b')", &entry), FILTER_NO);
    char many[10000];
    size_t n = (size_t)snprintf(many, sizeof many, "glob(request.body, '*");
    memset(many + n, 'a', 8000);
    snprintf(many + n + 8000, sizeof many - n - 8000, "b')");
    assert_int_equal(support_match(many, &entry), FILTER_ERROR); /* the budget ends it */
    assert_int_equal(support_match("request.body.lastIndexOf('aaaa') == 199995", &entry),
                     FILTER_YES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_long_chain_needs_little_stack),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_patterns_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
