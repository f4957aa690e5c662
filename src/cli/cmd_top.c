/* `trawl top` and `trawl map`: the calls of a dissected snapshot in groups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"

struct top_flags {
    struct client_flags client;
    char *filter, *from, *to, *order;
    struct option_list by, sources;
    int64_t limit;
};

#define FLAG(member) .offset = offsetof(struct top_flags, member)
#define COMMON_OPTIONS                                                                        \
    {.name = "source",                                                                        \
     .type = OPTION_LIST,                                                                     \
     FLAG(sources),                                                                           \
     .default_value = "@latest",                                                              \
     .value_name = "live|ID[/NAME],…",                                                        \
     .doc = "dissected snapshots, and which of their dissections; several are asked as one"}, \
        {.name = "filter",                                                                    \
         .type = OPTION_TEXT,                                                                 \
         FLAG(filter),                                                                        \
         .value_name = "EXPR",                                                                \
         .doc = "display filter; `trawl filter fields` lists the variables"},                 \
        {.name = "from",                                                                      \
         .type = OPTION_TEXT,                                                                 \
         FLAG(from),                                                                          \
         .value_name = "TIME",                                                                \
         .doc = "from this time on"},                                                         \
        {.name = "to",                                                                        \
         .type = OPTION_TEXT,                                                                 \
         FLAG(to),                                                                            \
         .value_name = "TIME",                                                                \
         .doc = "before this time"},                                                          \
    {                                                                                         \
        .name = "limit", .type = OPTION_INT, FLAG(limit), .min = 1, .max = 5000,              \
        .value_name = "N", .doc = "at most so many groups"                                    \
    }

static const struct option_def top_defs[] = {
    {.name = "by",
     .type = OPTION_LIST,
     FLAG(by),
     .value_name = "A,B",
     .doc = "one to four fields; src and dst are the ends by name, else address; default: "
            "protocol,dst,method,path_template"},
    {.name = "order",
     .type = OPTION_TEXT,
     FLAG(order),
     .value_name = "ORDER",
     .doc = "calls, errors, elapsed_time (in sum) or size; default: calls"},
    COMMON_OPTIONS,
    CLIENT_OPTIONS(struct top_flags),
    {0},
};
static const struct option_spec top_spec = {
    .usage = "trawl top [--by A,B] [--source live|ID[/NAME],…] [--filter EXPR] [--order ORDER]",
    .summary = "Counts the API calls of a dissected snapshot in groups, with errors and latency.",
    .example = "trawl top --by path_template,status_code --filter 'http && status_code >= 500'",
    .defs = top_defs,
};

static const struct option_def map_defs[] = {
    COMMON_OPTIONS,
    CLIENT_OPTIONS(struct top_flags),
    {0},
};
static const struct option_spec map_spec = {
    .usage = "trawl map [--source live|ID[/NAME],…] [--filter EXPR]",
    .summary = "Shows who calls whom in a dissected snapshot, with errors and latency.",
    .example = "trawl map --filter 'status == \"error\"'",
    .defs = map_defs,
};

/* The answer of an aggregate route, or NULL after a message. */
static json_t *ask(const char *command, struct client *client, const struct top_flags *f,
                   const char *path)
{
    char from[40], to[40], limit[24];
    struct buf url, by;
    if ((f->from && !client_time(command, "from", f->from, from)) ||
        (f->to && !client_time(command, "to", f->to, to)))
        return NULL;
    buf_init(&url, 128 * 1024);
    buf_init(&by, 4096);
    for (size_t i = 0; i < f->by.count; i++)
        buf_printf(&by, "%s%s", i ? "," : "", f->by.items[i]);
    buf_append_u8(&by, 0);
    snprintf(limit, sizeof limit, "%lld", (long long)f->limit);
    buf_append_str(&url, path);
    char *source = client_sources(&f->sources);
    client_query(&url, "source", source);
    free(source);
    client_query(&url, "filter", f->filter);
    client_query(&url, "from", f->from ? from : NULL);
    client_query(&url, "to", f->to ? to : NULL);
    client_query(&url, "by", f->by.count && !buf_failed(&by) ? (const char *)by.data : NULL);
    client_query(&url, "order", f->order);
    client_query(&url, "limit", f->limit ? limit : NULL);
    buf_append_u8(&url, 0);
    json_t *answer =
        buf_failed(&url) ? NULL : client_json(client, "GET", (const char *)url.data, NULL);
    buf_done(&by);
    buf_done(&url);
    return answer;
}

/* ── printing ── */

static void print_numbers(const json_t *group)
{
    printf("%9lld %8lld %9.2f %9.2f %9.2f  ", (long long)client_int(group, "calls"),
           (long long)client_int(group, "errors"), client_number(group, "p50_us") / 1000,
           client_number(group, "p95_us") / 1000, client_number(group, "p99_us") / 1000);
}

static void print_size(int64_t bytes)
{
    char text[24];
    client_print_text(text_format_size(bytes > 0 ? (uint64_t)bytes : 0, text), -10);
}

static const char *key(const json_t *group, size_t i)
{
    const char *text = json_string_value(json_array_get(json_object_get(group, "keys"), i));
    return text ? text : "-";
}

static void print_rest(const json_t *answer)
{
    size_t i;
    const json_t *warning;
    char shown[400];
    size_t groups = json_array_size(json_object_get(answer, "groups"));
    if (client_int(answer, "other_calls") > 0)
        printf("%9lld in %lld groups that are not shown\n",
               (long long)client_int(answer, "other_calls"),
               (long long)client_int(answer, "groups_total") - (long long)groups);
    json_array_foreach(json_object_get(answer, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        fprintf(stderr, "%s\n", text_escape(slice_str(text ? text : ""), shown, sizeof shown));
    }
}

static void print_groups(const json_t *answer)
{
    size_t i, k;
    const json_t *group, *name, *by = json_object_get(answer, "by");
    printf("%9s %8s %9s %9s %9s  ", "CALLS", "ERRORS", "P50 MS", "P95 MS", "P99 MS");
    json_array_foreach(by, k, name)
    {
        printf("%s%s", k ? " · " : "", json_string_value(name) ? json_string_value(name) : "");
    }
    (void)putchar('\n');
    json_array_foreach(json_object_get(answer, "groups"), i, group)
    {
        print_numbers(group);
        for (k = 0; k < json_array_size(by); k++) {
            printf("%s", k ? " · " : "");
            client_print_text(key(group, k), 0);
        }
        (void)putchar('\n');
    }
    print_rest(answer);
}

static void print_edges(const json_t *answer)
{
    size_t i;
    const json_t *edge;
    char to[400];
    printf("%9s %8s %9s %9s %9s  %10s %-8s %-28s %s\n", "CALLS", "ERRORS", "P50 MS", "P95 MS",
           "P99 MS", "BYTES", "PROTOCOL", "FROM", "TO");
    json_array_foreach(json_object_get(answer, "groups"), i, edge)
    {
        print_numbers(edge);
        print_size(client_int(edge, "request_bytes") + client_int(edge, "response_bytes"));
        (void)putchar(' ');
        client_print_text(key(edge, 3), 8);
        (void)putchar(' ');
        client_print_text(key(edge, 0), 28);
        (void)putchar(' ');
        snprintf(to, sizeof to, strchr(key(edge, 1), ':') ? "[%.300s]:%.20s" : "%.300s:%.20s",
                 key(edge, 1), key(edge, 2));
        client_print_text(to, 0);
        (void)putchar('\n');
    }
    print_rest(answer);
}

/* ── the commands ── */

static int show(const char *command, const struct top_flags *f, const char *path,
                void (*print)(const json_t *answer))
{
    struct client *client = client_open(command, &f->client);
    json_t *answer = client ? ask(command, client, f, path) : NULL;
    int code = answer ? 0 : 1;
    if (answer && f->client.json)
        client_print_json(answer);
    else if (answer)
        print(answer);
    json_decref(answer);
    client_close(client);
    return code;
}

static bool name_default_fields(struct top_flags *f)
{
    static const char *const names[] = {"protocol", "dst", "method", "path_template"};
    size_t n = sizeof names / sizeof *names;
    if (f->by.count)
        return true;
    f->by.items = calloc(n + 1, sizeof(char *));
    for (size_t i = 0; f->by.items && i < n; i++)
        if ((f->by.items[i] = strdup(names[i])))
            f->by.count++;
    return f->by.count == n;
}

static int show_groups(void *given, const struct option_operands *operands)
{
    struct top_flags *flags = given;
    (void)operands;
    if (!name_default_fields(flags))
        return cli_fail("top", 1, "There is no memory.");
    return show("top", flags, "/api/v1/aggregate/top", print_groups);
}

static int run_top(int argc, char **argv)
{
    struct top_flags flags = {0};
    return cli_run("top", &top_spec, argc, argv, &flags, show_groups);
}

static int show_edges(void *given, const struct option_operands *operands)
{
    (void)operands;
    return show("map", given, "/api/v1/aggregate/map", print_edges);
}

static int run_map(int argc, char **argv)
{
    struct top_flags flags = {0};
    return cli_run("map", &map_spec, argc, argv, &flags, show_edges);
}

const struct command cmd_top = {
    .name = "top", .summary = "calls in groups: counts, errors, latency", .run = run_top};
const struct command cmd_map = {.name = "map", .summary = "who calls whom", .run = run_map};
