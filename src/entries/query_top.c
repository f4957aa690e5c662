/* Calls in groups: the most frequent, failing, slowest in sum or largest by up to four fields, with
 * latency percentiles. Columns are grouped where they are, other fields are read first
 * (group_keys.h). Everything that groups is made of it: top lists, values for completion, the edges
 * of the service map, the endpoints that are compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "entries/group_keys.h"
#include "entries/query_ops.h"
#include "entries/question_rows.h"

enum {
    MAX_GROUPS = 5000,
    DEFAULT_GROUPS = 20,
    NUMBERS = 9
};

/* What a person calls an end of a call: its name, else its address. */
static const struct {
    const char *name, *sql;
} ends[] = {
    {"src", "coalesce(nullif(r.\"src.name\", ''), r.\"src.ip\")"},
    {"dst", "coalesce(nullif(r.\"dst.name\", ''), r.\"dst.ip\")"},
};

static const struct {
    const char *name, *sql;
} orders[] = {
    {"calls", "calls"},
    {"errors", "errors"},
    {"elapsed_time", "coalesce(try_cast(sum(us) AS BIGINT), 0)"},
    {"size", "coalesce(try_cast(sum(a) AS BIGINT), 0) + coalesce(try_cast(sum(b) AS BIGINT), 0)"},
};

struct top {
    size_t count;
    const char *names[GROUP_MAX_FIELDS];
    const char *sql[GROUP_MAX_FIELDS]; /* NULL: a key of the table */
    char column[GROUP_MAX_FIELDS][100];
    field_id read[GROUP_MAX_FIELDS];
    size_t read_count;
    struct group_keys keys;
    const char *order;
    const char *prefix; /* of the first key, letters of either case; NULL: any */
    size_t prefix_parameter;
    int64_t limit;
    struct json_writer *w;
    int64_t shown_calls;
};

/* ── what is asked ── */

static int add_field(struct question *q, struct top *t, const char *name)
{
    size_t i = t->count++;
    t->names[i] = name;
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
        if (strcmp(name, ends[e].name) == 0) {
            t->sql[i] = ends[e].sql;
            return 0;
        }
    field_id field = field_find(slice_str(name));
    const struct field_def *def = field == FIELD_NONE ? NULL : field_at(field);
    if (!def || def->type == FIELD_MAP)
        return question_refuse_text(q, 400, "Unknown field",
                                    def ? "A map cannot be grouped by."
                                        : "by names a field that there is not; `trawl filter "
                                          "fields` lists them, src and dst are the ends.");
    if (def->flags & FIELD_COLUMN) {
        snprintf(t->column[i], sizeof t->column[i], "CAST(r.\"%.60s\" AS VARCHAR)", def->name);
        t->sql[i] = t->column[i];
    } else {
        t->read[t->read_count++] = field;
    }
    return 0;
}

static int parse(struct question *q, struct top *t)
{
    const json_t *by = json_object_get(q->json, "by"), *limit = json_object_get(q->json, "limit");
    const char *order = json_string_value(json_object_get(q->json, "order"));
    size_t i;
    const json_t *name;
    if (json_array_size(by) < 1 || json_array_size(by) > GROUP_MAX_FIELDS)
        return question_refuse_text(q, 400, "Wrong fields", "by names one to four fields.");
    t->prefix = json_string_value(json_object_get(q->json, "prefix"));
    json_array_foreach(by, i, name)
    {
        int r = add_field(q, t, json_string_value(name) ? json_string_value(name) : "");
        if (r < 0)
            return r;
    }
    t->limit = json_is_integer(limit) ? json_integer_value(limit) : DEFAULT_GROUPS;
    if (t->limit < 1 || t->limit > MAX_GROUPS)
        return question_refuse_text(q, 400, "Wrong limit",
                                    "limit is a whole number from 1 to 5,000.");
    for (i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(order ? order : "calls", orders[i].name) == 0)
            t->order = orders[i].sql;
    return t->order ? 0
                    : question_refuse_text(q, 400, "Unknown order",
                                           "order is calls, errors, elapsed_time or size.");
}

/* ── the statement ── */

static void put_keys(const struct top *t, const char *before, struct buf *sql)
{
    for (size_t i = 0; i < t->count; i++)
        buf_printf(sql, "%s%sk%zu", i ? ", " : "", before, i);
}

/* What was typed so far is a parameter like those of the filter. Where the filter was judged, or
 * there is none, the statement has no others. */
static int bind_prefix(struct question *q, struct top *t)
{
    struct filter_push_down *p = &q->push_down;
    if (!t->prefix || !t->sql[0])
        return 0; /* of a field that is read, the others are left out */
    if (!q->condition)
        p->parameter_count = 0;
    if (p->parameter_count == FILTER_MAX_PARAMETERS)
        return question_refuse_text(q, 400, "Too long", "The filter has too many values.");
    p->parameters[p->parameter_count++] =
        (struct filter_parameter){.is_text = true, .text = slice_str(t->prefix)};
    t->prefix_parameter = p->parameter_count;
    return 0;
}

/* Of the hops of a call the first of each group stays: the outermost one began first. */
static void put_calls(const struct top *t, struct buf *sql)
{
    buf_append_str(sql, ", e AS (SELECT * FROM f WHERE hop IS NULL UNION ALL SELECT * FROM f WHERE"
                        " hop IS NOT NULL QUALIFY row_number() OVER (PARTITION BY hop, ");
    put_keys(t, "", sql);
    buf_append_str(sql, " ORDER BY began, place) = 1)");
}

/* e: a call's keys and numbers, narrow: it is kept for both uses. s: 0 ok, 1 error, 2 neither. */
static void put_entries(const struct question *q, const struct top *t, struct buf *sql)
{
    size_t read = 0;
    bool hops = entries_reader_has_hops(q->session->reader);
    buf_append_str(
        sql, hops
                 ? "WITH f AS (SELECT r.hop_call AS hop, r.\"timestamp\" AS began, r.row AS place, "
                 : "WITH e AS (SELECT ");
    for (size_t i = 0; i < t->count; i++)
        if (t->sql[i])
            buf_printf(sql, "%s AS k%zu, ", t->sql[i], i);
        else
            buf_printf(sql, "CAST(g.k%zu AS INTEGER) AS k%zu, ", read++, i);
    buf_append_str(
        sql,
        "r.elapsed_time AS us, CAST(CASE coalesce(r.status, 'ok') WHEN 'ok' THEN 0 WHEN 'error'"
        " THEN 1 ELSE 2 END AS TINYINT) AS s,"
        " coalesce(r.\"request.size\", 0) AS a,"
        " coalesce(r.\"response.size\", 0) AS b FROM (SELECT r.* FROM ");
    question_put_from(q, sql);
    buf_append_str(sql, ") r");
    if (t->read_count)
        buf_printf(sql, " JOIN g%u g USING (row)", t->keys.number);
    if (t->prefix_parameter)
        buf_printf(sql, " WHERE starts_with(lower(%s), lower($%zu))", t->sql[0],
                   t->prefix_parameter);
    buf_append_str(sql, ")");
    if (hops)
        put_calls(t, sql);
}

/* The groups that are shown are found first: percentiles of all would take three times as long. */
static void put_statement(const struct question *q, const struct top *t, struct buf *sql)
{
    put_entries(q, t, sql);
    buf_append_str(sql, ", t AS (SELECT ");
    put_keys(t, "", sql);
    buf_printf(sql, ", count(*) AS calls, count(*) FILTER (s = 1) AS errors, %s AS w FROM e",
               t->order);
    buf_append_str(sql, " GROUP BY ");
    put_keys(t, "", sql);
    buf_append_str(sql, " ORDER BY w DESC, calls DESC, ");
    put_keys(t, "", sql);
    buf_printf(sql, " LIMIT %" PRId64 ") SELECT ", t->limit);
    for (size_t i = 0; i < t->count; i++)
        buf_printf(sql, t->sql[i] ? "k%zu, " : "CAST(k%zu AS VARCHAR), ", i);
    buf_append_str(sql, "calls, errors, neither, p[1]::BIGINT, p[2]::BIGINT, p[3]::BIGINT,"
                        " elapsed, request, response FROM (SELECT ");
    for (size_t i = 0; i < t->count; i++)
        buf_printf(sql, "e.k%zu AS k%zu, ", i, i);
    buf_append_str(
        sql, "count(*)::BIGINT AS calls, count(*) FILTER (s = 1)::BIGINT AS errors,"
             " count(*) FILTER (s = 2)::BIGINT AS neither,"
             " quantile_disc(us, [0.5, 0.95, 0.99]) AS p,"
             " coalesce(try_cast(sum(us) AS BIGINT), 0) AS elapsed,"
             " coalesce(try_cast(sum(a) AS BIGINT), 0) AS request,"
             " coalesce(try_cast(sum(b) AS BIGINT), 0) AS response, t.w AS w FROM e JOIN t ON ");
    for (size_t i = 0; i < t->count; i++)
        buf_printf(sql, "%se.k%zu IS NOT DISTINCT FROM t.k%zu", i ? " AND " : "", i, i);
    buf_append_str(sql, " GROUP BY ");
    put_keys(t, "e.", sql);
    buf_append_str(sql, ", t.w) ORDER BY w DESC, calls DESC, ");
    put_keys(t, "", sql);
}

/* ── the answer ── */

/* The text itself, or of a field that was read the number of the text. */
static void write_key(const struct top *t, size_t i, struct slice text)
{
    char digits[24];
    int64_t number;
    if (text.data && !t->sql[i]) {
        snprintf(digits, sizeof digits, "%.*s", SLICE_ARGS(text));
        text = text_parse_int(digits, 0, INT64_MAX, &number) == 0
                   ? group_keys_text(&t->keys, (uint64_t)number)
                   : SLICE_NONE;
    }
    if (text.data)
        json_text(t->w, text);
    else
        json_none(t->w);
}

static int write_group(void *ctx, const struct slice *texts, const int64_t *v)
{
    static const char *const names[NUMBERS] = {"calls",      "errors",        "no_response",
                                               "p50_us",     "p95_us",        "p99_us",
                                               "elapsed_us", "request_bytes", "response_bytes"};
    struct top *t = ctx;
    json_begin_object(t->w);
    json_key(t->w, "keys");
    json_begin_array(t->w);
    for (size_t i = 0; i < t->count; i++)
        write_key(t, i, texts[i]);
    json_end_array(t->w);
    for (size_t i = 0; i < NUMBERS; i++)
        json_member_int(t->w, names[i], v[i] == INT64_MIN ? 0 : v[i]);
    json_end_object(t->w);
    t->shown_calls += v[0];
    return 0;
}

static int take_totals(void *ctx, const int64_t *values)
{
    memcpy(ctx, values, 2 * sizeof *values);
    return 0;
}

static int count_groups(struct question *q, const struct top *t, int64_t totals[2])
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    put_entries(q, t, &sql);
    buf_append_str(&sql, " SELECT count(*)::BIGINT, coalesce(sum(n), 0)::BIGINT FROM"
                         " (SELECT count(*) AS n FROM e GROUP BY ");
    put_keys(t, "", &sql);
    buf_append(&sql, ")", 2);
    int r = buf_failed(&sql) ? question_no_memory(q)
                             : question_select(q, (const char *)sql.data, 2, take_totals, totals);
    buf_done(&sql);
    return r;
}

static int write_groups(struct question *q, struct top *t)
{
    struct buf sql;
    int64_t totals[2] = {0, 0};
    buf_init(&sql, QUERY_MAX_SQL);
    put_statement(q, t, &sql);
    buf_append_u8(&sql, 0);
    json_key(t->w, "by");
    json_begin_array(t->w);
    for (size_t i = 0; i < t->count; i++)
        json_str(t->w, t->names[i]);
    json_end_array(t->w);
    json_key(t->w, "groups");
    json_begin_array(t->w);
    int r = buf_failed(&sql) ? question_no_memory(q)
                             : question_select_keyed(q, (const char *)sql.data, t->count, NUMBERS,
                                                     write_group, t);
    json_end_array(t->w);
    buf_done(&sql);
    if (r == 0)
        r = count_groups(q, t, totals);
    json_member_int(t->w, "groups_total", totals[0]);
    json_member_int(t->w, "calls", totals[1]);
    json_member_int(t->w, "other_calls", totals[1] - t->shown_calls);
    int64_t first, last;
    entries_reader_range(q->session->reader, &first, &last);
    json_member_time(t->w, "from", q->from_ns > first ? q->from_ns : first);
    json_member_time(t->w, "to", q->to_ns <= last ? q->to_ns : last + 1);
    question_write_warnings(q, t->w);
    return r;
}

int query_op_top(struct question *q, struct json_writer *w)
{
    struct top t = {.w = w};
    int r = parse(q, &t);
    if (r == 0)
        r = question_apply_filter(q);
    if (r == 0)
        r = bind_prefix(q, &t);
    if (r < 0)
        return r;
    if (t.read_count)
        r = group_keys_make(q, t.read, t.read_count, t.sql[0] ? NULL : t.prefix, &t.keys);
    json_begin_object(w);
    if (r == 0)
        r = write_groups(q, &t);
    json_end_object(w);
    if (t.read_count)
        group_keys_done(q, &t.keys);
    return r;
}
