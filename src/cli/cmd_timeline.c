/* `trawl timeline`: the calls of a dissected snapshot over time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"

enum {
    BAR_WIDTH = 24,
    MAX_BUCKETS = 1000
};

struct timeline_flags {
    struct client_flags client;
    char *filter, *from, *to, *by;
    struct option_list sources;
    int64_t buckets;
};

#define FLAG(member) .offset = offsetof(struct timeline_flags, member)
static const struct option_def defs[] = {
    {.name = "by",
     .type = OPTION_TEXT,
     FLAG(by),
     .value_name = "SERIES",
     .doc = "status, or protocol: a row for each protocol; default: status"},
    {.name = "buckets",
     .type = OPTION_INT,
     FLAG(buckets),
     .default_value = "30",
     .min = 1,
     .max = MAX_BUCKETS,
     .value_name = "N",
     .doc = "so many equal pieces of the time"},
    {.name = "source",
     .type = OPTION_LIST,
     FLAG(sources),
     .default_value = "@latest",
     .value_name = "live|ID[/NAME],…",
     .doc = "dissected snapshots, and which of their dissections; several are asked as one"},
    {.name = "filter",
     .type = OPTION_TEXT,
     FLAG(filter),
     .value_name = "EXPR",
     .doc = "display filter; `trawl filter fields` lists the variables"},
    {.name = "from",
     .type = OPTION_TEXT,
     FLAG(from),
     .value_name = "TIME",
     .doc = "from this time on"},
    {.name = "to", .type = OPTION_TEXT, FLAG(to), .value_name = "TIME", .doc = "before this time"},
    CLIENT_OPTIONS(struct timeline_flags),
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl timeline [--by status|protocol] [--buckets N] [--source live|ID[/NAME],…] "
             "[--filter EXPR]",
    .summary = "Counts the API calls of a dissected snapshot over time, with errors and latency.",
    .example = "trawl timeline --filter 'dst.name == \"payments\"' --from -10m",
    .defs = defs,
};

static json_t *ask(struct client *client, const struct timeline_flags *f)
{
    char from[40], to[40], buckets[24];
    struct buf url;
    if ((f->from && !client_time("timeline", "from", f->from, from)) ||
        (f->to && !client_time("timeline", "to", f->to, to)))
        return NULL;
    buf_init(&url, 128 * 1024);
    snprintf(buckets, sizeof buckets, "%lld", (long long)f->buckets);
    buf_append_str(&url, "/api/v1/aggregate/timeline");
    char *source = client_sources(&f->sources);
    client_query(&url, "source", source);
    free(source);
    client_query(&url, "filter", f->filter);
    client_query(&url, "from", f->from ? from : NULL);
    client_query(&url, "to", f->to ? to : NULL);
    client_query(&url, "by", f->by);
    client_query(&url, "buckets", buckets);
    buf_append_u8(&url, 0);
    json_t *answer =
        buf_failed(&url) ? NULL : client_json(client, "GET", (const char *)url.data, NULL);
    buf_done(&url);
    return answer;
}

static int64_t time_of(const json_t *object, const char *member)
{
    int64_t ns = 0;
    (void)clock_parse_rfc3339(client_text(object, member), &ns);
    return ns;
}

static int64_t calls_of(const json_t *bucket)
{
    return client_int(bucket, "ok") + client_int(bucket, "client_error") +
           client_int(bucket, "error") + client_int(bucket, "no_response");
}

static void print_time(int64_t ns)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(ns, text);
    printf("%-23.23s ", text);
}

/* '#' = calls, the errors among them '!' and in front. */
static void print_bar(int64_t calls, int64_t errors, int64_t most)
{
    int width = most > 0 ? (int)((double)calls / (double)most * BAR_WIDTH) : 0;
    int wrong = most > 0 ? (int)((double)errors / (double)most * BAR_WIDTH) : 0;
    width += calls > 0 && width == 0;
    wrong += errors > 0 && wrong == 0;
    for (int i = 0; i < width; i++)
        (void)putchar(i < wrong ? '!' : '#');
    (void)putchar('\n');
}

static void print_bucket(const json_t *bucket, int64_t most)
{
    print_time(time_of(bucket, "at"));
    if (client_text(bucket, "protocol")[0])
        client_print_text(client_text(bucket, "protocol"), 10);
    printf("%9lld %8lld %8lld %9lld %9.2f %9.2f %9.2f  ", (long long)calls_of(bucket),
           (long long)client_int(bucket, "client_error"), (long long)client_int(bucket, "error"),
           (long long)client_int(bucket, "no_response"), client_number(bucket, "p50_us") / 1000,
           client_number(bucket, "p95_us") / 1000, client_number(bucket, "p99_us") / 1000);
    print_bar(calls_of(bucket), client_int(bucket, "error"), most);
}

/* The hub leaves empty buckets out: nothing was called then, which is shown too. */
static void print_empty(int64_t at, int64_t to, int64_t step, bool by_protocol)
{
    for (int n = 0; step > 0 && at < to && n < MAX_BUCKETS; n++) {
        print_time(at);
        printf("%*s%9d\n", by_protocol ? 10 : 0, "", 0);
        if (__builtin_add_overflow(at, step, &at))
            break;
    }
}

static void print_warnings(const json_t *answer)
{
    size_t i;
    const json_t *warning;
    char shown[500];
    json_array_foreach(json_object_get(answer, "warnings"), i, warning)
    {
        const char *text = json_string_value(warning);
        fprintf(stderr, "%s\n", text_escape(slice_str(text ? text : ""), shown, sizeof shown));
    }
}

static void print_timeline(const json_t *answer)
{
    size_t i;
    const json_t *bucket, *buckets = json_object_get(answer, "buckets");
    bool by_protocol = strcmp(client_text(answer, "by"), "protocol") == 0;
    int64_t step = client_int(answer, "bucket_ns"), most = 0;
    json_array_foreach(buckets, i, bucket)
    {
        most = calls_of(bucket) > most ? calls_of(bucket) : most;
    }
    printf("%-23s %-*s%9s %8s %8s %9s %9s %9s %9s\n", "TIME (UTC)", by_protocol ? 10 : 0,
           by_protocol ? "PROTOCOL" : "", "CALLS", "4XX", "ERRORS", "NO ANSWER", "P50 MS", "P95 MS",
           "P99 MS");
    int64_t next = time_of(answer, "from");
    json_array_foreach(buckets, i, bucket)
    {
        int64_t at = time_of(bucket, "at");
        print_empty(next, at, step, by_protocol);
        print_bucket(bucket, most);
        if (__builtin_add_overflow(at, step, &next))
            next = INT64_MAX;
    }
    print_empty(next, time_of(answer, "to"), step, by_protocol);
    printf("%lld calls\n", (long long)client_int(answer, "calls"));
    print_warnings(answer);
}

static int show(void *given, const struct option_operands *operands)
{
    const struct timeline_flags *f = given;
    (void)operands;
    struct client *client = client_open("timeline", &f->client);
    json_t *answer = client ? ask(client, f) : NULL;
    int code = answer ? 0 : 1;
    if (answer && f->client.json)
        client_print_json(answer);
    else if (answer)
        print_timeline(answer);
    json_decref(answer);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct timeline_flags flags = {0};
    return cli_run("timeline", &spec, argc, argv, &flags, show);
}

const struct command cmd_timeline = {
    .name = "timeline", .summary = "calls over time: counts, errors, latency", .run = run};
