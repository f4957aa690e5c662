/* `trawl filter check|eval|fields`: the filter language without a hub. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "dissect/field.h"
#include "filter/filter.h"

enum {
    MAX_OUTPUT = 64 * 1024 * 1024
};

static const char usage[] =
    "usage: trawl filter check EXPR [--json]\n"
    "       trawl filter eval EXPR [--bindings JSON]\n"
    "       trawl filter fields [--json]\n"
    "\n"
    "check   says whether EXPR is a filter, where it is wrong, and where it may surprise\n"
    "eval    prints the value of any expression as JSON\n"
    "fields  lists the variables\n"
    "\n"
    "Examples:\n"
    "  trawl filter check 'http && status_code >= 500'\n"
    "  trawl filter eval 'x.size() + 1' --bindings '{\"x\": \"abc\"}'\n";

static int print_buf(struct buf *out)
{
    bool ok = !buf_failed(out) && fwrite(out->data, 1, out->len, stdout) == out->len &&
              putchar('\n') != EOF && fflush(stdout) == 0;
    buf_done(out);
    return ok ? 0 : cli_fail("filter", 1, "The output cannot be written.");
}

/* ── check ── */

static void write_warnings(struct json_writer *w, const struct filter *filter)
{
    size_t count;
    const struct filter_warning *warnings = filter_warnings(filter, &count);
    json_key(w, "warnings");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        json_member_str(w, "text", warnings[i].text);
        json_member_uint(w, "offset", warnings[i].offset);
        json_member_uint(w, "length", warnings[i].length);
        json_member_str(w, "guarded", warnings[i].guarded);
        json_end_object(w);
    }
    json_end_array(w);
    const struct filter_clause *clauses = filter_clauses(filter, &count);
    json_key(w, "clauses");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_text(w, clauses[i].text);
    json_end_array(w);
}

static int check_json(const struct filter *filter, const struct filter_diagnostic *diagnostic)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MAX_OUTPUT);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_bool(&w, "ok", filter);
    if (filter) {
        write_warnings(&w, filter);
    } else {
        json_member_str(&w, "error", diagnostic->text);
        json_member_uint(&w, "offset", diagnostic->offset);
        json_member_uint(&w, "length", diagnostic->length);
        json_member_str(&w, "token", diagnostic->token);
        if (diagnostic->suggestion[0])
            json_member_str(&w, "suggestion", diagnostic->suggestion);
    }
    json_end_object(&w);
    int result = print_buf(&out);
    return filter ? result : 1;
}

/* The line with the mistake and a mark under it, when it is short enough to be of help. */
static void show_place(const char *text, const struct filter_diagnostic *diagnostic)
{
    struct slice line = slice_str(text);
    size_t column = diagnostic->offset;
    for (size_t i = 0; i < diagnostic->offset && i < line.len; i++)
        if (line.data[i] == '\n')
            column = diagnostic->offset - i - 1;
    line = slice_sub(line, diagnostic->offset - column, line.len);
    const uint8_t *end = line.len ? memchr(line.data, '\n', line.len) : NULL;
    if (end)
        line.len = (size_t)(end - line.data);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] < ' ' || line.data[i] > '~')
            return;
    if (line.len > 120 || column > line.len)
        return;
    size_t length = diagnostic->length ? diagnostic->length : 1;
    if (length > line.len - column)
        length = line.len > column ? line.len - column : 1;
    fprintf(stderr, "  %.*s\n  %*s", SLICE_ARGS(line), (int)column, "");
    for (size_t i = 0; i < length; i++)
        fputc('^', stderr);
    fputc('\n', stderr);
}

static int check(const char *text, bool as_json)
{
    struct filter_diagnostic diagnostic = {0};
    struct filter *filter = NULL;
    size_t count;
    int result = filter_compile(slice_str(text), NULL, &filter, &diagnostic);
    if (as_json) {
        int code = check_json(filter, &diagnostic);
        filter_free(filter);
        return code;
    }
    if (result < 0) {
        struct error error;
        filter_diagnostic_error(&diagnostic, &error);
        cli_fail_error("filter", 1, &error);
        show_place(text, &diagnostic);
        return 1;
    }
    const struct filter_warning *warnings = filter_warnings(filter, &count);
    puts("The filter is fine.");
    for (size_t i = 0; i < count; i++)
        printf("At byte %zu: %s; with its guard: %s\n", warnings[i].offset, warnings[i].text,
               warnings[i].guarded);
    filter_free(filter);
    return 0;
}

/* ── eval ── */

static int eval(const char *text, const char *bindings)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MAX_OUTPUT);
    json_init(&w, &out);
    int result = filter_eval_expression(slice_str(text), slice_str(bindings), &w);
    if (buf_failed(&out)) {
        buf_done(&out);
        return cli_fail("filter", 1, "The value is too big to be printed.");
    }
    if (out.len == 0) {
        buf_done(&out);
        return cli_fail("filter", 1, "There is not enough memory.");
    }
    int printed = print_buf(&out);
    return result < 0 ? 1 : printed;
}

/* ── fields ── */

static const char *const type_names[] = {
    [FIELD_BOOL] = "bool",
    [FIELD_INT] = "int",
    [FIELD_TEXT] = "string",
    [FIELD_LIST] = "list(string)",
    [FIELD_MAP] = "map(string, string)",
    [FIELD_TIME] = "timestamp",
    [FIELD_DURATION] = "duration",
    [FIELD_INT_LIST] = "list(int)",
};

static int fields_json(void)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MAX_OUTPUT);
    json_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < field_count(); i++) {
        const struct field_def *def = field_at((field_id)i);
        json_begin_object(&w);
        json_member_str(&w, "name", def->name);
        json_member_str(&w, "type", type_names[def->type]);
        json_member_str(&w, "protocol", field_protocol((field_id)i));
        json_member_str(&w, "doc", def->doc);
        json_member_str(&w, "example", def->example);
        json_end_object(&w);
    }
    json_end_array(&w);
    return print_buf(&out);
}

static int fields_table(void)
{
    printf("%-26s %-20s %-10s %s\n", "NAME", "TYPE", "PROTOCOL", "WHAT IT IS · EXAMPLE");
    for (size_t i = 0; i < field_count(); i++) {
        const struct field_def *def = field_at((field_id)i);
        const char *protocol = field_protocol((field_id)i);
        printf("%-26s %-20s %-10s %s · %s\n", def->name, type_names[def->type],
               protocol[0] ? protocol : "-", def->doc, def->example);
    }
    return fflush(stdout) == 0 ? 0 : cli_fail("filter", 1, "The output cannot be written.");
}

static int wrong_usage(void)
{
    return cli_fail("filter", 2,
                    "It takes check EXPR, eval EXPR or fields; `trawl filter --help` says more.");
}

static int run(int argc, char **argv)
{
    const char *expression = NULL;
    const char *bindings = "";
    bool as_json = false;
    bool is_plain = false; /* after "--" */
    if (argc < 2)
        return wrong_usage();
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout) < 0;
    bool is_eval = strcmp(argv[1], "eval") == 0;
    for (int i = 2; i < argc; i++) {
        if (!is_plain && strcmp(argv[i], "--") == 0)
            is_plain = true;
        else if (!is_plain && !is_eval && strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (!is_plain && is_eval && strncmp(argv[i], "--bindings=", 11) == 0)
            bindings = argv[i] + 11;
        else if (!is_plain && is_eval && strcmp(argv[i], "--bindings") == 0 && i + 1 < argc)
            bindings = argv[++i];
        else if (expression)
            return wrong_usage();
        else
            expression = argv[i];
    }
    if (is_eval && expression)
        return eval(expression, bindings);
    if (strcmp(argv[1], "check") == 0 && expression)
        return check(expression, as_json);
    if (strcmp(argv[1], "fields") == 0 && !expression)
        return as_json ? fields_json() : fields_table();
    return wrong_usage();
}

const struct command cmd_filter = {.name = "filter",
                                   .summary =
                                       "check a filter, evaluate an expression, list the variables",
                                   .run = run};
