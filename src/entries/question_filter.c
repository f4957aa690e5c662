/* The filter of a question: answered by the columns where they can, else by the evaluator over the
 * entries that the columns leave. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "entries/question.h"

static void warn(struct question *q, const char *text)
{
    struct json_writer w;
    json_init(&w, &q->warnings);
    if (q->warnings.len)
        buf_append_u8(&q->warnings, ',');
    json_str(&w, text);
}

static void warn_of_matches(struct question *q, const struct filter *filter)
{
    char text[160];
    if (filter) {
        size_t count = 0;
        const struct filter_warning *warnings = filter_warnings(filter, &count);
        for (size_t i = 0; i < count; i++)
            warn(q, warnings[i].text);
    }
    if (q->matches && q->matches->unjudged) {
        snprintf(
            text, sizeof text,
            "%" PRIu64
            " calls could not be judged: part of what the filter asks for is not known of them.",
            q->matches->unjudged);
        warn(q, text);
    }
}

static struct match_table *find_table(struct question *q, const char *text)
{
    struct query_session *s = q->session;
    struct match_table *oldest = &s->tables[0];
    for (size_t i = 0; i < QUERY_CACHED_FILTERS; i++) {
        struct match_table *t = &s->tables[i];
        if (t->filter_text && strcmp(t->filter_text, text) == 0 && t->from_ns == q->from_ns &&
            t->to_ns == q->to_ns) {
            t->last_use = ++s->uses;
            return t;
        }
        if (!t->filter_text || (oldest->filter_text && t->last_use < oldest->last_use))
            oldest = t;
    }
    if (oldest->filter_text) {
        char sql[64];
        snprintf(sql, sizeof sql, "DROP TABLE m%u", oldest->number);
        struct error ignored; /* a table that stays costs memory only */
        duckdb_api_run(entries_reader_connection(s->reader), sql, &ignored);
        free(oldest->filter_text);
        oldest->filter_text = NULL;
    }
    oldest->last_use = ++s->uses;
    return oldest;
}

/* The rows into table m<number>, a chunk at a time. */
static int fill_table(struct question *q, unsigned number, const struct entries_matches *m)
{
    duckdb_connection connection = entries_reader_connection(q->session->reader);
    char sql[64];
    char name[16];
    struct error error;
    snprintf(name, sizeof name, "m%u", number);
    snprintf(sql, sizeof sql, "CREATE TEMP TABLE m%u(row BIGINT)", number);
    if (duckdb_api_run(connection, sql, &error) < 0)
        return question_store_failed(q, error.cause);
    duckdb_appender appender = NULL;
    duckdb_logical_type type = duckdb_api.create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_data_chunk chunk = duckdb_api.create_data_chunk(&type, 1);
    duckdb_api.destroy_logical_type(&type);
    bool ok =
        chunk && duckdb_api.appender_create(connection, NULL, name, &appender) == DuckDBSuccess;
    uint64_t step = duckdb_api.vector_size();
    for (uint64_t at = 0; ok && at < m->count; at += step) {
        uint64_t n = m->count - at < step ? m->count - at : step;
        duckdb_api.data_chunk_reset(chunk);
        memcpy(duckdb_api.vector_get_data(duckdb_api.data_chunk_get_vector(chunk, 0)), m->rows + at,
               n * sizeof *m->rows);
        duckdb_api.data_chunk_set_size(chunk, n);
        ok = duckdb_api.append_data_chunk(appender, chunk) == DuckDBSuccess;
    }
    ok = ok && duckdb_api.appender_close(appender) == DuckDBSuccess;
    if (appender)
        duckdb_api.appender_destroy(&appender);
    if (chunk)
        duckdb_api.destroy_data_chunk(&chunk);
    return ok ? 0 : question_too_much(q);
}

static int refuse_filter(struct question *q, const struct filter_diagnostic *d)
{
    struct error error;
    filter_diagnostic_error(d, &error);
    error.offset = d->offset;
    snprintf(q->problem.token, sizeof q->problem.token, "%s", d->token);
    snprintf(q->problem.suggestion, sizeof q->problem.suggestion, "%s", d->suggestion);
    return question_refuse(q, 400, "The filter is not valid", &error);
}

/* ── push-down ── */

static int add_row(void *ctx, const int64_t *values)
{
    struct candidate_rows *rows = ctx;
    if (rows->count == rows->cap) {
        uint64_t cap = rows->cap ? rows->cap * 2 : 1024;
        uint64_t *list = realloc(rows->list, cap * sizeof *list);
        if (!list)
            return -ENOMEM;
        rows->list = list;
        rows->cap = cap;
    }
    rows->list[rows->count++] = (uint64_t)values[0];
    return 0;
}

/* Rows of the time range for which the columns say `where`, ascending. */
static int select_rows(struct question *q, const char *where, const char *rest,
                       struct candidate_rows *ret)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_append_str(&sql, "SELECT r.row::BIGINT FROM ");
    question_put_from(q, &sql);
    buf_printf(&sql, " AND (%s) ORDER BY r.row%s", where, rest);
    buf_append_u8(&sql, 0);
    int r = buf_failed(&sql) ? buf_failed(&sql)
                             : question_select(q, (const char *)sql.data, 1, add_row, ret);
    buf_done(&sql);
    return r;
}

bool question_is_answered_by_columns(struct question *q)
{
    struct filter_push_down *p = &q->push_down;
    if (!p->is_whole || !p->condition.len)
        return false;
    struct candidate_rows doubtful = {0};
    int r =
        p->unknown.len ? select_rows(q, (const char *)p->unknown.data, " LIMIT 1", &doubtful) : 0;
    /* the condition itself, on nothing: a store of an older version may lack a column */
    if (r == 0)
        r = select_rows(q, (const char *)p->condition.data, " LIMIT 0", &doubtful);
    free(doubtful.list);
    q->problem.status = 0;
    return r == 0 && doubtful.count == 0;
}

bool question_find_candidates(struct question *q, struct candidate_rows *ret)
{
    const struct filter_push_down *p = &q->push_down;
    struct buf where;
    if (!p->condition.len && !entries_reader_has_doubles(q->session->reader))
        return false;
    buf_init(&where, QUERY_MAX_SQL);
    buf_printf(&where, "(%s)", p->condition.len ? (const char *)p->condition.data : "true");
    if (p->unknown.len)
        buf_printf(&where, " OR %s", (const char *)p->unknown.data);
    buf_append_u8(&where, 0);
    bool found = !buf_failed(&where) && select_rows(q, (const char *)where.data, "", ret) == 0;
    if (!found)
        q->problem.status = 0;
    buf_done(&where);
    return found;
}

static int judge(struct question *q, const struct filter *filter, struct entries_matches *ret)
{
    struct candidate_rows candidates = {0};
    struct entries_range range = {.from_ns = q->from_ns, .to_ns = q->to_ns};
    struct error error;
    if (question_find_candidates(q, &candidates)) {
        static const uint64_t none;
        range.only = candidates.count ? candidates.list : &none;
        range.only_count = candidates.count;
    }
    int r = entries_reader_match(q->session->reader, filter, &range, ret, &error);
    free(candidates.list);
    return r < 0 ? question_refuse(q, 500, "The entries cannot be read", &error) : 0;
}

static int judge_all(struct question *q, const char *text, const struct filter *filter)
{
    struct match_table *table = find_table(q, text);
    if (table->filter_text) {
        q->matches = table;
        return 0;
    }
    struct entries_matches m = {0};
    int r = judge(q, filter, &m);
    if (r < 0)
        return r;
    unsigned number = ++q->session->next_number;
    r = fill_table(q, number, &m);
    if (r == 0) {
        *table = (struct match_table){.filter_text = strdup(text),
                                      .from_ns = q->from_ns,
                                      .to_ns = q->to_ns,
                                      .number = number,
                                      .count = m.count,
                                      .unjudged = m.unjudged,
                                      .last_use = table->last_use};
        q->matches = table;
    }
    free(m.rows);
    return r;
}

int question_compile_filter(struct question *q)
{
    const char *text = json_string_value(json_object_get(q->json, "filter"));
    struct filter_diagnostic diagnostic;
    if (!text || !*text)
        return 0;
    if (filter_compile(slice_str(text), NULL, &q->filter, &diagnostic) < 0)
        return refuse_filter(q, &diagnostic);
    if (filter_root(q->filter) && !q->session->judge_all)
        filter_push_down(q->filter, &q->push_down);
    return 0;
}

int question_apply_filter(struct question *q)
{
    int r = question_compile_filter(q);
    if (r < 0 || !q->filter)
        return r;
    if (filter_root(q->filter)) {
        if (question_is_answered_by_columns(q))
            q->condition = &q->push_down;
        else
            r = judge_all(q, json_string_value(json_object_get(q->json, "filter")), q->filter);
    }
    if (r == 0)
        warn_of_matches(q, q->filter);
    return r;
}

void question_filter_done(struct question *q)
{
    filter_push_down_done(&q->push_down);
    filter_free(q->filter);
}
