/* `trawl compare A B`: a baseline against an incident, endpoint by endpoint, the worst first. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/client.h"

struct compare_flags {
    struct client_flags client;
    char *filter, *a_from, *a_to, *b_from, *b_to;
    int64_t limit;
};

#define FLAG(member) .offset = offsetof(struct compare_flags, member)
#define TIME_OPTION(flag, member, text)                                                    \
    {                                                                                      \
        .name = flag, .type = OPTION_TEXT, FLAG(member), .value_name = "TIME", .doc = text \
    }
static const struct option_def defs[] = {
    {.name = "filter",
     .type = OPTION_TEXT,
     FLAG(filter),
     .value_name = "EXPR",
     .doc = "display filter, of both"},
    TIME_OPTION("a-from", a_from, "of A only what is from this time on"),
    TIME_OPTION("a-to", a_to, "of A only what is before this time"),
    TIME_OPTION("b-from", b_from, "of B only what is from this time on"),
    TIME_OPTION("b-to", b_to, "of B only what is before this time"),
    {.name = "limit",
     .type = OPTION_INT,
     FLAG(limit),
     .default_value = "30",
     .min = 1,
     .max = 5000,
     .value_name = "N",
     .doc = "at most so many endpoints"},
    CLIENT_OPTIONS(struct compare_flags),
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl compare A[/NAME],… B[/NAME],… [--filter EXPR] [--a-from TIME] [--a-to TIME] …",
    .summary = "Compares two dissected snapshots, or two times of one, endpoint by endpoint; what "
               "got worst comes first.",
    .example = "trawl compare before incident --filter http",
    .defs = defs,
    .operands = 2,
    .wanted = "Say which two: trawl compare BASELINE INCIDENT",
};

static bool add_time(struct buf *url, const char *option, const char *member, const char *text)
{
    char time[40];
    if (text && !client_time("compare", option, text, time))
        return false;
    client_query(url, member, text ? time : NULL);
    return true;
}

static json_t *ask(struct client *client, const struct compare_flags *f, char *const *sources)
{
    char limit[24];
    struct buf url;
    buf_init(&url, 128 * 1024);
    snprintf(limit, sizeof limit, "%lld", (long long)f->limit);
    buf_append_str(&url, "/api/v1/aggregate/compare");
    client_query(&url, "a", sources[0]);
    client_query(&url, "b", sources[1]);
    client_query(&url, "filter", f->filter);
    client_query(&url, "limit", limit);
    bool good =
        add_time(&url, "a-from", "a_from", f->a_from) && add_time(&url, "a-to", "a_to", f->a_to) &&
        add_time(&url, "b-from", "b_from", f->b_from) && add_time(&url, "b-to", "b_to", f->b_to);
    buf_append_u8(&url, 0);
    json_t *answer =
        good && !buf_failed(&url) ? client_json(client, "GET", (const char *)url.data, NULL) : NULL;
    buf_done(&url);
    return answer;
}

static void print_side(const char *name, const json_t *side)
{
    char from[24], to[24];
    printf("%s  ", name);
    client_print_text(client_text(side, "source"), 0);
    printf(": %lld calls, %s to %s", (long long)client_int(side, "calls"),
           client_short_time(side, "from", from), client_short_time(side, "to", to));
    if (json_object_get(side, "covered_s"))
        printf(", covers %.1f of %.1f s", client_number(side, "covered_s"),
               client_number(side, "window_s"));
    (void)putchar('\n');
}

static void print_change(const json_t *a, const json_t *b, const char *member, double factor)
{
    char before[24] = "-", after[24] = "-";
    if (a)
        snprintf(before, sizeof before, "%.2f", client_number(a, member) * factor);
    if (b)
        snprintf(after, sizeof after, "%.2f", client_number(b, member) * factor);
    printf("%9s %9s  ", before, after);
}

static void print_endpoint(const json_t *endpoint)
{
    size_t i;
    const json_t *k, *a = json_object_get(endpoint, "a"), *b = json_object_get(endpoint, "b");
    a = json_is_object(a) ? a : NULL;
    b = json_is_object(b) ? b : NULL;
    const char *state = client_text(endpoint, "state");
    client_print_text(strcmp(state, "both") == 0 ? "" : state, 8);
    (void)putchar(' ');
    print_change(a, b, "calls_per_min", 1);
    print_change(a, b, "error_share", 100);
    print_change(a, b, "p95_us", 0.001);
    json_array_foreach(json_object_get(endpoint, "keys"), i, k)
    {
        const char *text = json_string_value(k);
        printf("%s", i ? " " : "");
        client_print_text(text ? text : "-", 0);
    }
    (void)putchar('\n');
}

static void print_comparison(const json_t *answer)
{
    size_t i;
    const json_t *item, *endpoints = json_object_get(answer, "endpoints");
    char shown[500];
    print_side("A", json_object_get(answer, "a"));
    print_side("B", json_object_get(answer, "b"));
    printf("%-8s %20s %20s %20s\n", "", "CALLS/MIN A → B ", "ERRORS % A → B ", "P95 MS A → B ");
    json_array_foreach(endpoints, i, item)
    {
        print_endpoint(item);
    }
    long long more =
        (long long)client_int(answer, "endpoints_total") - (long long)json_array_size(endpoints);
    if (more > 0)
        printf("%lld more endpoints (--limit)\n", more);
    json_array_foreach(json_object_get(answer, "warnings"), i, item)
    {
        const char *text = json_string_value(item);
        fprintf(stderr, "%s\n", text_escape(slice_str(text ? text : ""), shown, sizeof shown));
    }
}

static int show(void *given, const struct option_operands *operands)
{
    const struct compare_flags *f = given;
    char *const *sources = operands->items;
    struct client *client = client_open("compare", &f->client);
    json_t *answer = client ? ask(client, f, sources) : NULL;
    int code = answer ? 0 : 1;
    if (answer && f->client.json)
        client_print_json(answer);
    else if (answer)
        print_comparison(answer);
    json_decref(answer);
    client_close(client);
    return code;
}

static int run(int argc, char **argv)
{
    struct compare_flags flags = {0};
    return cli_run("compare", &spec, argc, argv, &flags, show);
}

const struct command cmd_compare = {
    .name = "compare", .summary = "two snapshots or times, endpoint by endpoint", .run = run};
