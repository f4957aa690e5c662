/* `trawl entries` and `trawl entry`: the API calls of a dissected snapshot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/entries_explain.h"
#include "cli/entries_follow.h"
#include "cli/entries_parquet.h"

enum {
    PAGE = 500,
    MAX_FIELDS = 64,
    MAX_TRACE_CALLS = 10000
};

struct entries_flags {
    struct client_flags client;
    char *source, *filter, *from, *to, *order, *body, *output;
    struct option_list fields, sources;
    int64_t limit;
    bool count, jsonl, csv, har, parquet, explain, follow;
    int64_t max_behind;
};

#define FLAG(member) .offset = offsetof(struct entries_flags, member)
static const struct option_def defs[] = {
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
    {.name = "order",
     .type = OPTION_TEXT,
     FLAG(order),
     .value_name = "ORDER",
     .doc = "time, elapsed_time or size, with + or - before it; default: -time, for files +time"},
    {.name = "fields",
     .type = OPTION_LIST,
     FLAG(fields),
     .value_name = "A,B",
     .doc = "columns of the table, CSV or Parquet"},
    {.name = "limit",
     .type = OPTION_INT,
     FLAG(limit),
     .min = 1,
     .max = INT64_MAX,
     .value_name = "N",
     .doc = "at most so many; default: 100 in a table, all in files"},
    {.name = "count", .type = OPTION_BOOL, FLAG(count), .doc = "print only how many match"},
    {.name = "explain",
     .type = OPTION_BOOL,
     FLAG(explain),
     .doc = "print how the filter is answered, not what it finds"},
    {.name = "jsonl", .type = OPTION_BOOL, FLAG(jsonl), .doc = "whole entries, one a line"},
    {.name = "csv", .type = OPTION_BOOL, FLAG(csv), .doc = "comma-separated values"},
    {.name = "har", .type = OPTION_BOOL, FLAG(har), .doc = "the HTTP calls as an HTTP Archive"},
    {.name = "parquet",
     .type = OPTION_BOOL,
     FLAG(parquet),
     .doc = "an Apache Parquet file; wants -o"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     FLAG(output),
     .value_name = "FILE",
     .doc = "where to write --jsonl, --har or --parquet; default: standard output"},
    {.name = "follow",
     .type = OPTION_BOOL,
     FLAG(follow),
     .doc = "print live calls as they come, until ^C or --limit"},
    {.name = "max-behind",
     .type = OPTION_INT,
     FLAG(max_behind),
     .min = 0,
     .max = 1000000,
     .default_value = "100000",
     .value_name = "N",
     .doc = "with --follow: pass calls over, and say so, when this many wait to be read"},
    CLIENT_OPTIONS(struct entries_flags),
    {0},
};
static const struct option_spec spec = {
    .usage =
        "trawl entries [--source live|ID[/NAME],…] [--filter EXPR] [--count | --explain | --jsonl | --csv | --har | --parquet] [-o FILE] [--follow]",
    .summary = "Lists the API calls of a dissected snapshot.",
    .example = "trawl entries --source @latest --filter 'http && status_code >= 500'",
    .defs = defs,
};

static json_t *make_question(const struct entries_flags *f, const char *default_order,
                             int64_t limit)
{
    char from[40], to[40];
    json_t *q = json_object();
    if ((f->from && !client_time("entries", "from", f->from, from)) ||
        (f->to && !client_time("entries", "to", f->to, to))) {
        json_decref(q);
        return NULL;
    }
    (void)json_object_set_new(q, "source", client_string(f->source));
    (void)json_object_set_new(q, "order", client_string(f->order ? f->order : default_order));
    if (f->filter)
        (void)json_object_set_new(q, "filter", client_string(f->filter));
    if (f->from)
        (void)json_object_set_new(q, "from", json_string(from));
    if (f->to)
        (void)json_object_set_new(q, "to", json_string(to));
    if (limit > 0)
        (void)json_object_set_new(q, "limit", json_integer(limit));
    return q;
}

/* The caller's (free), or NULL. */
static char *value_text(const json_t *value)
{
    if (json_is_string(value))
        return strdup(json_string_value(value));
    return value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("");
}

/* ── count, explain, lines ── */

static int count(struct client *client, const struct entries_flags *f)
{
    json_t *q = make_question(f, "-time", 0);
    json_t *answer = q ? client_json(client, "POST", "/api/v1/entries/count", q) : NULL;
    int code = answer ? 0 : 1;
    if (answer && f->client.json)
        client_print_json(answer);
    else if (answer)
        printf("%lld\n", (long long)client_int(answer, "total"));
    if (answer && client_int(answer, "unjudged"))
        fprintf(stderr, "%lld more could not be judged by this filter.\n",
                (long long)client_int(answer, "unjudged"));
    json_decref(answer);
    json_decref(q);
    return code;
}

static int explain(struct client *client, const struct entries_flags *f)
{
    json_t *q = make_question(f, "-time", 0);
    json_t *answer = q ? client_json(client, "POST", "/api/v1/entries/explain", q) : NULL;
    int code = answer ? 0 : 1;
    if (answer && f->client.json)
        client_print_json(answer);
    else if (answer)
        entries_explain_print(answer);
    json_decref(answer);
    json_decref(q);
    return code;
}

static int lines(struct client *client, const struct entries_flags *f)
{
    json_t *q = make_question(f, "+time", f->limit);
    char *body = q ? json_dumps(q, JSON_COMPACT) : NULL;
    int code = !body ? 2
               : f->parquet
                   ? entries_parquet(client, body, &f->fields, f->output)
                   : client_download(client, "POST",
                                     f->har ? "/api/v1/entries/har" : "/api/v1/entries/lines", body,
                                     f->output);
    free(body);
    json_decref(q);
    return code;
}

/* ── tables ── */

/* "src.ip" is the member ip of the member src. */
static const json_t *member(const json_t *entry, const char *name)
{
    const json_t *direct = json_object_get(entry, name);
    const char *dot = strchr(name, '.');
    if (direct || !dot)
        return direct;
    char head[64];
    snprintf(head, sizeof head, "%.*s", (int)(dot - name < 63 ? dot - name : 63), name);
    return member(json_object_get(entry, head), dot + 1); // NOLINT(misc-no-recursion): per dot
}

/* What a spreadsheet would take for a formula; the wide forms count too in some. */
static bool is_formula(const char *text)
{
    static const char *const wide[] = {"\uff1d", "\uff0b", "\uff0d", "\uff20"};
    bool formula = byte_is_in((uint8_t)text[0], "=+-@\t\r\n");
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        formula |= strncmp(text, wide[i], strlen(wide[i])) == 0;
    return formula;
}

/* RFC 4180. Captured bytes are inert: a value that would be a formula gets an apostrophe in front,
 * control characters are written as \xNN. */
static void print_csv(const char *text)
{
    size_t room = strlen(text) * 5 + 16; /* an escaped character is at most five times as long */
    char *shown = malloc(room);
    if (!shown)
        return;
    text_escape(slice_str(text), shown, room);
    (void)putchar('"');
    if (is_formula(text))
        (void)putchar('\'');
    for (const char *p = shown; *p; p++) {
        if (*p == '"')
            (void)putchar('"');
        (void)putchar(*p);
    }
    (void)putchar('"');
    free(shown);
}

static void print_chosen(const json_t *entry, const struct entries_flags *f)
{
    for (size_t i = 0; i < f->fields.count && i < MAX_FIELDS; i++) {
        char *text = value_text(member(entry, f->fields.items[i]));
        if (i)
            (void)putchar(f->csv ? ',' : '\t');
        if (text && f->csv)
            print_csv(text);
        else if (text)
            client_print_text(text, 0);
        free(text);
    }
    printf(f->csv ? "\r\n" : "\n");
}

static void endpoint_text(const json_t *end, char out[120])
{
    const char *ip = client_text(end, "ip"), *name = client_text(end, "name");
    bool v6 = strchr(ip, ':') != NULL;
    snprintf(out, 120, "%s%.60s%s:%lld", v6 && !name[0] ? "[" : "", name[0] ? name : ip,
             v6 && !name[0] ? "]" : "", (long long)client_int(end, "port"));
}

static void print_row(const json_t *entry)
{
    char src[120], dst[120], elapsed[CLOCK_TEXT_SIZE] = "-";
    const json_t *us = json_object_get(entry, "elapsed_time");
    endpoint_text(json_object_get(entry, "src"), src);
    endpoint_text(json_object_get(entry, "dst"), dst);
    if (us)
        snprintf(elapsed, sizeof elapsed, "%.2f ms", json_number_value(us) / 1000);
    printf("%-23.23s ", client_text(entry, "timestamp"));
    client_print_text(client_text(entry, "protocol"), 8);
    (void)putchar(' ');
    client_print_text(client_text(entry, "status"), 11);
    (void)putchar(' ');
    client_print_text(src, 21);
    (void)putchar(' ');
    client_print_text(dst, 21);
    (void)putchar(' ');
    client_print_text(elapsed, -11);
    (void)putchar(' ');
    client_print_text(client_text(entry, "summary"), 0);
    if (client_text(entry, "source")[0]) { /* of several */
        printf("  (");
        client_print_text(client_text(entry, "source"), 0);
        (void)putchar(')');
    }
    (void)putchar('\n');
}

static void print_head(const struct entries_flags *f)
{
    if (!f->fields.count) {
        printf("%-23s %-8s %-11s %-21s %-21s %11s %s\n", "TIME (UTC)", "PROTOCOL", "STATUS", "FROM",
               "TO", "ELAPSED", "SUMMARY");
        return;
    }
    for (size_t i = 0; f->csv && i < f->fields.count; i++) {
        if (i)
            (void)putchar(',');
        print_csv(f->fields.items[i]);
    }
    if (f->csv)
        printf("\r\n");
}

static void print_page(const json_t *answer, const struct entries_flags *f)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(answer, "entries"), i, entry)
    {
        if (f->fields.count)
            print_chosen(entry, f);
        else
            print_row(entry);
    }
}

static void print_warnings(const json_t *answer)
{
    size_t i;
    const json_t *text;
    char shown[400];
    json_array_foreach(json_object_get(answer, "warnings"), i, text)
    {
        if (json_is_string(text))
            fprintf(stderr, "%s\n",
                    text_escape(slice_str(json_string_value(text)), shown, sizeof shown));
    }
}

static int table(struct client *client, const struct entries_flags *f)
{
    int64_t left = f->limit > 0 ? f->limit : f->csv ? INT64_MAX : 100;
    json_t *q = make_question(f, f->csv ? "+time" : "-time", left < PAGE ? left : PAGE);
    int code = q ? 0 : 2;
    bool first = true;
    while (!code && left > 0) {
        json_t *answer = client_json(client, "POST", "/api/v1/entries/query", q);
        if (!answer) {
            code = 1;
            break;
        }
        if (f->client.json) {
            client_print_json(answer);
        } else {
            if (first)
                print_head(f);
            print_page(answer, f);
        }
        if (first)
            print_warnings(answer);
        first = false;
        left -= (int64_t)json_array_size(json_object_get(answer, "entries"));
        json_t *cursor = json_object_get(answer, "next_cursor");
        bool more = json_is_string(cursor) && left > 0 && !f->client.json;
        if (more) {
            (void)json_object_set(q, "cursor", cursor);
            (void)json_object_set_new(q, "limit", json_integer(left < PAGE ? left : PAGE));
        }
        json_decref(answer);
        if (!more)
            break;
    }
    json_decref(q);
    return code;
}

/* The columns of CSV and Parquet where none are named. */
static void choose_fields(struct entries_flags *f)
{
    static const char *const names[] = {"timestamp", "protocol", "status",       "status_code",
                                        "method",    "url",      "src.ip",       "src.port",
                                        "dst.ip",    "dst.port", "elapsed_time", "summary"};
    size_t n = sizeof names / sizeof names[0];
    f->fields.items = calloc(n + 1, sizeof(char *));
    for (size_t i = 0; f->fields.items && i < n; i++)
        f->fields.items[f->fields.count++] = strdup(names[i]);
}

static int check_output(const struct entries_flags *f)
{
    if (f->count + f->explain + f->jsonl + f->csv + f->har + f->parquet > 1)
        return cli_fail("entries", 2,
                        "Choose one of --count, --explain, --jsonl, --csv, --har and --parquet.");
    if (f->parquet && (!f->output || strcmp(f->output, "-") == 0))
        return cli_fail("entries", 2, "Parquet goes into a file: name it with -o FILE.");
    if (f->output && !f->jsonl && !f->har && !f->parquet)
        return cli_fail("entries", 2, "-o is for --jsonl, --har and --parquet.");
    return 0;
}

/* ── as they come ── */

static void print_followed(void *ctx, const json_t *entry, bool first)
{
    const struct entries_flags *f = ctx;
    if (first && !f->jsonl && !f->client.json)
        print_head(f);
    if (f->jsonl || f->client.json)
        client_print_json(entry);
    else if (f->fields.count)
        print_chosen(entry, f);
    else
        print_row(entry);
}

static int follow(struct entries_flags *f)
{
    if (f->count || f->explain || f->har || f->parquet || f->output || f->from || f->to || f->order)
        return cli_fail("entries", 2,
                        "--follow goes with --filter, --fields, --limit, --csv and --jsonl only.");
    const char *source = f->sources.count == 1 ? f->sources.items[0] : "";
    if (strcmp(source, defs[0].default_value) != 0 && strcmp(source, "live") != 0)
        return cli_fail("entries", 2, "Only live calls can be followed: say --source live.");
    if (f->csv && !f->fields.count)
        choose_fields(f);
    struct entries_follow what = {.filter = f->filter,
                                  .whole = f->jsonl,
                                  .limit = f->limit,
                                  .max_behind = f->max_behind,
                                  .print = print_followed,
                                  .ctx = f};
    struct client *client = client_open("entries", &f->client);
    int code = client ? entries_follow(client, &what) : 1;
    client_close(client);
    return code;
}

static int list(void *given, const struct option_operands *operands)
{
    struct entries_flags *f = given;
    int wrong = check_output(f);
    (void)operands;
    if (wrong)
        return wrong;
    if (f->follow)
        return follow(f);
    if ((f->csv || f->parquet) && !f->fields.count)
        choose_fields(f);
    char *source = client_sources(&f->sources), *one = f->source;
    f->source = source;
    struct client *client = source ? client_open("entries", &f->client) : NULL;
    int code = !client                            ? 1
               : f->count                         ? count(client, f)
               : f->explain                       ? explain(client, f)
               : f->jsonl || f->har || f->parquet ? lines(client, f)
                                                  : table(client, f);
    client_close(client);
    f->source = one;
    free(source);
    return code;
}

static int run(int argc, char **argv)
{
    struct entries_flags flags = {0};
    return cli_run("entries", &spec, argc, argv, &flags, list);
}

const struct command cmd_entries = {
    .name = "entries", .summary = "the API calls of a dissected snapshot", .run = run};

/* ── trawl entry ID ── */

static const struct option_def entry_defs[] = {
    {.name = "neighbours",
     .type = OPTION_INT,
     FLAG(limit),
     .min = 1,
     .max = 200,
     .value_name = "N",
     .doc = "list the N calls before and after it in its connection instead"},
    {.name = "source",
     .type = OPTION_TEXT,
     FLAG(source),
     .default_value = "@latest",
     .value_name = "live|ID[/NAME]",
     .doc = "the dissected snapshot that has it"},
    {.name = "body",
     .type = OPTION_TEXT,
     FLAG(body),
     .value_name = "request|response",
     .doc = "only this body, whole: what an entry does not keep comes from the packets"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     FLAG(output),
     .value_name = "FILE",
     .doc =
         "with --body: where to write it; - or nothing: standard output, when it is no terminal"},
    CLIENT_OPTIONS(struct entries_flags),
    {0},
};
static const struct option_spec entry_spec = {
    .usage =
        "trawl entry ID [--source live|ID[/NAME]] [--neighbours N | --body request|response [-o FILE]]",
    .summary = "Shows one API call whole: headers, bodies, timing, packets.",
    .example = "trawl entry 33LB70IHK0Q84M5LDNMN7J9DB8 --source @latest",
    .defs = entry_defs,
    .operands = 1,
    .wanted = "Say which entry: trawl entry ID --source SNAPSHOT",
};

/* The calls of the connection around this one, which is marked. */
static void print_neighbours(const json_t *answer)
{
    size_t i;
    const json_t *entry;
    if (json_is_true(json_object_get(answer, "more_before")))
        printf("  …\n");
    json_array_foreach(json_object_get(answer, "entries"), i, entry)
    {
        printf("%s ", (json_int_t)i == client_int(answer, "position") ? ">" : " ");
        print_row(entry);
    }
    if (json_is_true(json_object_get(answer, "more_after")))
        printf("  …\n");
}

static int show_entry(void *given, const struct option_operands *operands)
{
    const struct entries_flags *f = given;
    const char *id = operands->items[0];
    if (f->body && strcmp(f->body, "request") != 0 && strcmp(f->body, "response") != 0)
        return cli_fail("entry", 2, "--body is request or response.");
    if (f->output && !f->body)
        return cli_fail("entry", 2, "-o is for --body: an entry goes to standard output.");
    struct client *client = client_open("entry", &f->client);
    char limit[24];
    struct buf path;
    buf_init(&path, 4096);
    buf_append_str(&path, "/api/v1/entries/");
    client_escape(&path, f->source);
    buf_append_str(&path, "/");
    client_escape(&path, id);
    snprintf(limit, sizeof limit, "%lld", (long long)f->limit);
    if (f->body) {
        buf_printf(&path, "/body/%s", f->body);
    } else if (f->limit) {
        buf_append_str(&path, "/neighbours");
        client_query(&path, "limit", limit);
    }
    buf_append_u8(&path, 0);
    bool ready = client && !buf_failed(&path);
    json_t *answer =
        ready && !f->body ? client_json(client, "GET", (const char *)path.data, NULL) : NULL;
    int code = answer ? 0 : 1;
    if (ready && f->body)
        code = client_download(client, "GET", (const char *)path.data, NULL, f->output);
    if (answer && f->limit && !f->client.json) {
        print_neighbours(answer);
    } else if (answer) { /* ASCII only: what was captured must not move the cursor */
        (void)json_dumpf(answer, stdout,
                         JSON_ENSURE_ASCII | (f->client.json ? JSON_COMPACT : JSON_INDENT(2)));
        (void)putchar('\n');
    }
    json_decref(answer);
    buf_done(&path);
    client_close(client);
    return code;
}

static int run_entry(int argc, char **argv)
{
    struct entries_flags flags = {0};
    return cli_run("entry", &entry_spec, argc, argv, &flags, show_entry);
}

const struct command cmd_entry = {
    .name = "entry", .summary = "one API call with headers and bodies", .run = run_entry};

/* ── trawl trace ID ── */

static const struct option_def trace_defs[] = {
    {.name = "source",
     .type = OPTION_LIST,
     FLAG(sources),
     .default_value = "@latest",
     .value_name = "live|ID[/NAME],…",
     .doc = "dissected snapshots, and which of their dissections; several are asked as one"},
    CLIENT_OPTIONS(struct entries_flags),
    {0},
};
static const struct option_spec trace_spec = {
    .usage = "trawl trace ID [--source ID[/NAME],…]",
    .summary = "Lists the API calls of one trace in the order of time.",
    .example = "trawl trace 4bf92f3577b34da6a3ce929d0e0e4736 --source @latest",
    .defs = trace_defs,
    .operands = 1,
    .wanted = "Say which trace: trawl trace ID --source SNAPSHOT",
};

/* trace_id == "…": what was typed is a literal, whatever stands in it. */
static char *trace_filter(const char *id)
{
    struct buf text;
    buf_init(&text, 16 * 1024);
    buf_append_str(&text, "trace_id == \"");
    for (const char *c = id; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_append_u8(&text, '\\');
        buf_append_u8(&text, (uint8_t)*c);
    }
    buf_append(&text, "\"", 2);
    char *filter = buf_failed(&text) ? NULL : strdup((const char *)text.data);
    buf_done(&text);
    return filter;
}

static int list_trace(void *given, const struct option_operands *operands)
{
    struct entries_flags *flags = given;
    char order[] = "+time";
    flags->filter = trace_filter(operands->items[0]);
    flags->order = order;
    flags->limit = MAX_TRACE_CALLS;
    int code = flags->filter ? list(flags, operands) : cli_fail("trace", 2, "The id is too long.");
    flags->order = NULL;
    free(flags->filter);
    flags->filter = NULL;
    return code;
}

static int run_trace(int argc, char **argv)
{
    struct entries_flags flags = {0};
    return cli_run("trace", &trace_spec, argc, argv, &flags, list_trace);
}

const struct command cmd_trace = {
    .name = "trace", .summary = "the API calls of one trace", .run = run_trace};
