/* Two sources or times compared, endpoint by endpoint: each is asked for its groups in the query
 * job of its source, and the differences are found here. */
#include <stdio.h>
#include <stdlib.h>

#include "api/coverage.h"
#include "api/handlers.h"
#include "api/question.h"
#include "base/clock.h"

enum {
    MAX_GROUPS = 5000,
    COMPARED_ENDPOINTS = 200,
    NAMED_NODES = 5 /* in one warning */
};

static const char *const endpoint[] = {"protocol", "dst", "method", "path_template", NULL};

struct side {
    const char *source;
    json_t *answer; /* TopResponse */
    json_t *by_key; /* its groups by their keys as text */
    struct coverage coverage;
    double minutes; /* that the rates are of: covered ones, where that is known */
    bool complete;  /* every group is there */
};

struct pair {
    const json_t *keys, *a, *b; /* groups; NULL: not there */
    double errors, p95, volume; /* how much worse b is */
};

static double value(const json_t *group, const char *name)
{
    return group ? json_number_value(json_object_get(group, name)) : 0;
}

/* The time of its calls. */
static double minutes_of(const json_t *top)
{
    int64_t from = 0, to = 0;
    const char *from_text = json_string_value(json_object_get(top, "from")),
               *to_text = json_string_value(json_object_get(top, "to"));
    if (!from_text || !to_text || clock_parse_rfc3339(from_text, &from) < 0 ||
        clock_parse_rfc3339(to_text, &to) < 0 || to <= from)
        return 0;
    return (double)(to - from) / (60.0 * (double)NS_PER_S);
}

/* Owned text of the keys: what two groups of one endpoint have in common. */
static char *key_text(const json_t *group)
{
    return json_dumps(json_object_get(group, "keys"), JSON_COMPACT);
}

static bool index_groups(struct side *side)
{
    size_t i;
    const json_t *group, *groups = json_object_get(side->answer, "groups");
    if (json_array_size(groups) > MAX_GROUPS) /* as many as were asked for */
        return false;
    side->by_key = json_object();
    json_array_foreach(groups, i, group)
    {
        char *key = key_text(group);
        int e = key ? json_object_set(side->by_key, key, (json_t *)(uintptr_t)group) : -1;
        free(key);
        if (e)
            return false;
    }
    side->minutes = side->coverage.known ? side->coverage.covered_ns / (60.0 * (double)NS_PER_S)
                                         : minutes_of(side->answer);
    side->complete = (json_int_t)json_array_size(groups) ==
                     json_integer_value(json_object_get(side->answer, "groups_total"));
    return side->by_key != NULL;
}

/* The source is found once, for the question and for what it covers. */
static bool put_question(struct api_call *call, struct side *side, const struct question *g,
                         struct buf *ret_result)
{
    struct handler_sources sources;
    if (!question_range(call, g) || !handler_sources(call, side->source, &sources))
        return false;
    coverage_find(call, &sources,
                  (struct snapshot_interval){.from_ns = g->from_ns, .to_ns = g->to_ns},
                  &side->coverage);
    struct buf question;
    buf_init(&question, QUESTION_MAX_BYTES);
    question_write(g, &question);
    bool answered =
        question_put(call, sources.items, sources.count, buf_slice(&question), ret_result);
    buf_done(&question);
    return answered;
}

static bool ask_side(struct api_call *call, struct side *side, const char *from, const char *to)
{
    struct question g = {.op = "top",
                         .source = side->source,
                         .filter = call_query(call, "filter"),
                         .by = endpoint,
                         .from_ns = call_query_time(call, from, INT64_MIN),
                         .to_ns = call_query_time(call, to, INT64_MAX),
                         .limit = MAX_GROUPS};
    struct buf result;
    buf_init(&result, API_MAX_ANSWER_BYTES);
    bool asked = put_question(call, side, &g, &result);
    if (asked)
        side->answer = json_loadb((const char *)result.data, result.len, 0, NULL);
    buf_done(&result);
    if (asked && (!side->answer || !index_groups(side))) {
        call_fail(call, 502, "The query process gave an answer that makes no sense.");
        return false;
    }
    return asked;
}

static double per_minute(const struct side *side, double n)
{
    return side->minutes > 0 ? n / side->minutes : 0;
}

static struct pair make_pair(const struct side *a, const struct side *b, const json_t *in_a,
                             const json_t *in_b)
{
    return (struct pair){
        .keys = json_object_get(in_b ? in_b : in_a, "keys"),
        .a = in_a,
        .b = in_b,
        .errors = per_minute(b, value(in_b, "errors")) - per_minute(a, value(in_a, "errors")),
        .p95 = in_a && in_b ? value(in_b, "p95_us") - value(in_a, "p95_us") : 0,
        .volume = per_minute(b, value(in_b, "calls")) - per_minute(a, value(in_a, "calls")),
    };
}

/* The worst first: more errors, slower, more calls. */
static int by_worst(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    if (a->errors < b->errors || a->errors > b->errors)
        return a->errors < b->errors ? 1 : -1;
    if (a->p95 < b->p95 || a->p95 > b->p95)
        return a->p95 < b->p95 ? 1 : -1;
    return (a->volume < b->volume) - (a->volume > b->volume);
}

static size_t make_pairs(const struct side *a, const struct side *b, struct pair *pairs)
{
    size_t n = 0, i;
    const json_t *group;
    json_array_foreach(json_object_get(b->answer, "groups"), i, group)
    {
        char *key = key_text(group);
        pairs[n++] = make_pair(a, b, key ? json_object_get(a->by_key, key) : NULL, group);
        free(key);
    }
    json_array_foreach(json_object_get(a->answer, "groups"), i, group)
    {
        char *key = key_text(group);
        if (key && !json_object_get(b->by_key, key))
            pairs[n++] = make_pair(a, b, group, NULL);
        free(key);
    }
    qsort(pairs, n, sizeof *pairs, by_worst);
    return n;
}

static void write_calls(struct json_writer *w, const char *name, const struct side *side,
                        const json_t *group)
{
    static const char *const same[] = {"calls", "errors", "p50_us", "p95_us", "p99_us"};
    json_key(w, name);
    if (!group) {
        json_none(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        json_member_int(w, same[i], json_integer_value(json_object_get(group, same[i])));
    json_key(w, "calls_per_min");
    json_double(w, per_minute(side, value(group, "calls")));
    json_key(w, "error_share");
    json_double(w, value(group, "calls") > 0 ? value(group, "errors") / value(group, "calls") : 0);
    json_end_object(w);
}

/* What it does not have was not called. */
static bool is_judge(const struct side *side)
{
    return side->complete && !(side->coverage.known && side->coverage.covered_ns <= 0);
}

static void write_pair(struct json_writer *w, const struct pair *p, const struct side *a,
                       const struct side *b)
{
    size_t i;
    const json_t *key;
    const char *state = p->a && p->b ? "both"
                        : p->b       ? (is_judge(a) ? "new" : "unknown")
                                     : (is_judge(b) ? "vanished" : "unknown");
    json_begin_object(w);
    json_key(w, "keys");
    json_begin_array(w);
    json_array_foreach(p->keys, i, key)
    {
        json_str(w, json_string_value(key));
    }
    json_end_array(w);
    json_member_str(w, "state", state);
    write_calls(w, "a", a, p->a);
    write_calls(w, "b", b, p->b);
    json_end_object(w);
}

static double seconds(double ns)
{
    return ns / (double)NS_PER_S;
}

/* What was asked for; where nothing says so, the time of its calls. */
static void write_range(struct json_writer *w, const struct side *side)
{
    const struct coverage *c = &side->coverage;
    if (c->known && c->window_ns > 0) {
        json_member_time(w, "from", c->window.from_ns);
        json_member_time(w, "to", c->window.to_ns);
    } else {
        json_member_str(w, "from", json_string_value(json_object_get(side->answer, "from")));
        json_member_str(w, "to", json_string_value(json_object_get(side->answer, "to")));
    }
}

static void write_side(struct json_writer *w, const char *name, const struct side *side)
{
    const struct coverage *c = &side->coverage;
    json_key(w, name);
    json_begin_object(w);
    json_member_str(w, "source", side->source);
    write_range(w, side);
    json_member_int(w, "calls", json_integer_value(json_object_get(side->answer, "calls")));
    json_member_bool(w, "complete", side->complete);
    if (c->known) {
        json_key(w, "window_s");
        json_double(w, seconds((double)c->window_ns));
        json_key(w, "covered_s");
        json_double(w, seconds(c->covered_ns));
        json_member_uint(w, "packets", c->packets);
        json_member_uint(w, "dropped", c->dropped);
        json_key(w, "nodes");
        json_begin_array(w);
        for (size_t i = 0; i < c->node_count; i++)
            json_str(w, c->nodes[i].name);
        json_end_array(w);
    }
    json_end_object(w);
}

/* ── what has to be said beside the figures ── */

static const char *const letters[] = {"a", "b"};

static void warn(struct json_writer *w, const struct buf *text)
{
    if (!buf_failed(text))
        json_text(w, buf_slice(text));
}

/* "a covers 6 min 30 s of 10 min (node-7 lacks 7 min): its rates are per covered minute." */
static void warn_of_coverage(struct json_writer *w, const struct side *side, const char *letter)
{
    const struct coverage *c = &side->coverage;
    double missing = (double)c->window_ns - c->covered_ns;
    char covered[CLOCK_TEXT_SIZE], window[CLOCK_TEXT_SIZE], lacks[CLOCK_TEXT_SIZE];
    struct buf text;
    unsigned named = 0;
    if (c->covered_ns <= 0) {
        buf_init(&text, 200);
        buf_printf(&text, "%s covers nothing of the time that was asked for.", letter);
        warn(w, &text);
        buf_done(&text);
        return;
    }
    if (missing < (double)NS_PER_MS || missing < (double)c->window_ns / 1000)
        return;
    buf_init(&text, 4096);
    buf_printf(&text, "%s covers %s of %s (", letter,
               clock_format_duration((int64_t)c->covered_ns, covered),
               clock_format_duration(c->window_ns, window));
    for (size_t i = 0; i < c->node_count && named <= NAMED_NODES; i++) {
        int64_t gap = c->window_ns - c->nodes[i].covered_ns;
        if (gap < NS_PER_MS)
            continue;
        if (named++ == NAMED_NODES)
            buf_append_str(&text, ", …");
        else
            buf_printf(&text, "%s%s lacks %s", named > 1 ? ", " : "", c->nodes[i].name,
                       clock_format_duration(gap, lacks));
    }
    buf_append_str(&text, "): its rates are per covered minute, its counts are of what it covers.");
    warn(w, &text);
    buf_done(&text);
}

static void warn_of_losses(struct json_writer *w, const struct side *side, const char *letter)
{
    const struct coverage *c = &side->coverage;
    struct buf text;
    if (!c->dropped)
        return;
    buf_init(&text, 400);
    buf_printf(&text, "%s lost %llu packets while recording and has %llu: calls may be missing.",
               letter, (unsigned long long)c->dropped, (unsigned long long)c->packets);
    warn(w, &text);
    buf_done(&text);
}

/* Nodes that the other side has and this one has not. */
static void warn_of_nodes(struct json_writer *w, const struct side sides[2], size_t at)
{
    const struct coverage *mine = &sides[at].coverage, *other = &sides[1 - at].coverage;
    struct buf text;
    unsigned named = 0;
    buf_init(&text, 4096);
    for (size_t i = 0; i < other->node_count && named <= NAMED_NODES; i++) {
        const char *name = other->nodes[i].name;
        if (!coverage_has_node(other, name) || coverage_has_node(mine, name))
            continue;
        if (named++ == NAMED_NODES)
            buf_append_str(&text, ", …");
        else
            buf_printf(&text, "%s%s", named > 1 ? ", " : "", name);
    }
    if (named) {
        struct buf whole;
        buf_init(&whole, 4400);
        buf_printf(&whole, "%s has nothing of ", letters[at]);
        buf_append_slice(&whole, buf_slice(&text));
        buf_printf(&whole, ", which %s has.", letters[1 - at]);
        warn(w, &whole);
        buf_done(&whole);
    }
    buf_done(&text);
}

static void write_own_warnings(struct json_writer *w, const struct side *side, const char *letter)
{
    char text[400];
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(side->answer, "warnings"), i, warning)
    {
        snprintf(text, sizeof text, "%s: %.300s", letter,
                 json_string_value(warning) ? json_string_value(warning) : "");
        json_str(w, text);
    }
    if (!side->complete) {
        snprintf(text, sizeof text,
                 "%s has more than 5,000 endpoints: the rarer ones are not compared.", letter);
        json_str(w, text);
    }
    if (!side->coverage.known) {
        snprintf(text, sizeof text,
                 "%s keeps no account of what it covers: its rates are per minute of its calls' "
                 "time.",
                 letter);
        json_str(w, text);
    }
}

static void write_warnings(struct json_writer *w, const struct side sides[2])
{
    json_key(w, "warnings");
    json_begin_array(w);
    for (size_t s = 0; s < 2; s++) {
        write_own_warnings(w, &sides[s], letters[s]);
        if (!sides[s].coverage.known)
            continue;
        warn_of_coverage(w, &sides[s], letters[s]);
        warn_of_losses(w, &sides[s], letters[s]);
        if (sides[1 - s].coverage.known)
            warn_of_nodes(w, sides, s);
    }
    json_end_array(w);
}

static void send_comparison(struct api_call *call, const struct side sides[2], int64_t limit)
{
    struct buf out;
    struct json_writer w;
    struct pair *pairs = calloc(2 * MAX_GROUPS + 1, sizeof *pairs);
    if (!pairs) {
        call_fail(call, 503, "There is no memory to compare.");
        return;
    }
    size_t count = make_pairs(&sides[0], &sides[1], pairs);
    buf_init(&out, API_MAX_ANSWER_BYTES);
    json_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "by");
    json_begin_array(&w);
    for (size_t i = 0; endpoint[i]; i++)
        json_str(&w, endpoint[i]);
    json_end_array(&w);
    write_side(&w, "a", &sides[0]);
    write_side(&w, "b", &sides[1]);
    json_key(&w, "endpoints");
    json_begin_array(&w);
    for (size_t i = 0; i < count && (int64_t)i < limit; i++)
        write_pair(&w, &pairs[i], &sides[0], &sides[1]);
    json_end_array(&w);
    json_member_uint(&w, "endpoints_total", count);
    write_warnings(&w, sides);
    json_end_object(&w);
    call_send_json(call, 200, &out);
    buf_done(&out);
    free(pairs);
}

void handle_compare(struct api_call *call)
{
    struct side sides[2] = {{.source = call_query(call, "a")}, {.source = call_query(call, "b")}};
    int64_t limit = call_query_int(call, "limit", COMPARED_ENDPOINTS);
    if (!sides[0].source || !sides[1].source || limit < 1 || limit > MAX_GROUPS)
        call_fail(call, 400,
                  "\"a\" and \"b\" are needed, and \"limit\" has to lie between 1 and 5,000.");
    else if (ask_side(call, &sides[0], "a_from", "a_to") &&
             ask_side(call, &sides[1], "b_from", "b_to"))
        send_comparison(call, sides, limit);
    for (size_t i = 0; i < 2; i++) {
        json_decref(sides[i].by_key);
        json_decref(sides[i].answer);
        coverage_done(&sides[i].coverage);
    }
}
