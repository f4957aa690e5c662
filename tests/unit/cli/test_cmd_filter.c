/* `trawl filter`: exit codes, what goes to stdout and what to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "unit/unit_test.h"

extern const struct command cmd_filter;

enum {
    MAX_TEXT = 1 << 20
};

struct outcome {
    int code;
    char *out, *err;
};

static char *read_back(FILE *file)
{
    char *text = calloc(1, MAX_TEXT);
    assert_non_null(text);
    rewind(file);
    (void)!fread(text, 1, MAX_TEXT - 1, file);
    fclose(file);
    return text;
}

static struct outcome run(int argc, const char *const *args)
{
    char *argv[8] = {NULL};
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    for (int i = 0; i < argc; i++)
        argv[i] = strdup(args[i]);
    fflush(NULL);
    int old_out = dup(1);
    int old_err = dup(2);
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    int code = cmd_filter.run(argc, argv);
    fflush(NULL);
    dup2(old_out, 1);
    dup2(old_err, 2);
    close(old_out);
    close(old_err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return (struct outcome){code, read_back(out), read_back(err)};
}

static void assert_run(const char *const *args, int code, const char *out, const char *err)
{
    int argc = 0;
    while (args[argc])
        argc++;
    struct outcome o = run(argc, args);
    if (o.code != code || !strstr(o.out, out) || !strstr(o.err, err) || (!*out && *o.out) ||
        (!*err && *o.err))
        fail_msg("%s %s: code %d, stdout %s, stderr %s", args[1] ? args[1] : "",
                 argc > 2 ? args[2] : "", o.code, o.out, o.err);
    free(o.out);
    free(o.err);
}

#define ARGS(...) ((const char *const[]){"filter", __VA_ARGS__, NULL})

static void test_check(void **state)
{
    (void)state;
    assert_run(ARGS("check", "http && status_code >= 500"), 0, "The filter is fine.", "");
    assert_run(ARGS("check", "status_code == 0"), 0, "(http && status_code == 0)", "");
    assert_run(ARGS("check", "statuscode == 5"), 1, "", "did you mean status_code?");
    assert_run(ARGS("check", "http &&\nstatuscode"), 1, "", "\n  statuscode\n  ^^^^^^^^^^\n");
    assert_run(ARGS("check", "--json", "statuscode == 5"), 1,
               "{\"ok\":false,\"error\":\"there is no variable \\\"statuscode\\\"\",\"offset\":0,"
               "\"length\":10,\"token\":\"statuscode\",\"suggestion\":\"status_code\"}\n",
               "");
    assert_run(ARGS("check", "http && tcp", "--json"), 0,
               "{\"ok\":true,\"warnings\":[],\"clauses\":[\"http\",\"tcp\"]}\n", "");
    assert_run(ARGS("check", ""), 0, "fine", "");
}

static void test_eval(void **state)
{
    (void)state;
    assert_run(ARGS("eval", "x", "--bindings", "{\"x\":1}"), 0, "{\"type\":\"int\",\"value\":1}\n",
               "");
    assert_run(ARGS("eval", "x", "--bindings={\"x\":1}"), 0, "{\"type\":\"int\",\"value\":1}\n",
               "");
    assert_run(ARGS("eval", "1/0"), 1, "{\"error\":\"divide by zero\",\"offset\":1}\n", "");
    assert_run(ARGS("eval", "--", "-1"), 0, "{\"type\":\"int\",\"value\":-1}\n", "");
    assert_run(ARGS("eval", "-1"), 0, "{\"type\":\"int\",\"value\":-1}\n", "");
}

static void test_fields(void **state)
{
    (void)state;
    assert_run(ARGS("fields"), 0, "status_code >= 500", "");
    assert_run(ARGS("fields", "--json"), 0,
               "{\"name\":\"src.port\",\"type\":\"int\",\"protocol\":\"\",", "");
}

static void test_usage(void **state)
{
    (void)state;
    assert_run((const char *const[]){"filter", NULL}, 2, "", "check EXPR");
    assert_run(ARGS("check"), 2, "", "check EXPR");
    assert_run(ARGS("check", "a", "b"), 2, "", "check EXPR");
    assert_run(ARGS("fields", "x"), 2, "", "check EXPR");
    assert_run(ARGS("eval", "x", "--bindings"), 2, "", "check EXPR");
    assert_run(ARGS("--help"), 0, "Examples:", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
