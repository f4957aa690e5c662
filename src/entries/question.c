#include "entries/question.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_MAX_BYTES = 16 * 1024 * 1024,
    ROW_ARENA_BYTES = 64 * 1024 * 1024,
    WARNINGS_MAX_BYTES = 64 * 1024
};

int query_session_open(struct query_session *session, const char *const *dirs, struct error *reterr)
{
    arena_init(&session->arena, ROW_ARENA_BYTES);
    struct entries_reader_options options = {.dirs = dirs};
    return entries_reader_open(&options, &session->reader, reterr);
}

void query_session_done(struct query_session *session)
{
    for (size_t i = 0; i < QUERY_CACHED_FILTERS; i++)
        free(session->tables[i].filter_text);
    entries_reader_free(session->reader);
    arena_done(&session->arena);
}

int question_refuse(struct question *q, int status, const char *title, const struct error *error)
{
    q->problem.status = status;
    snprintf(q->problem.title, sizeof q->problem.title, "%s", title);
    q->problem.error = *error;
    return -EINVAL;
}

static int store_failed(struct question *q, const char *detail)
{
    struct error error;
    error_set(&error, -EIO, "the entry store could not answer: %s", detail);
    return question_refuse(q, 500, "The entry store failed", &error);
}

/* ── matches ── */

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
        return store_failed(q, error.text);
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
    return ok ? 0 : store_failed(q, "the matches do not fit in its memory");
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

static int judge_all(struct question *q, const char *text, const struct filter *filter)
{
    struct match_table *table = find_table(q, text);
    if (table->filter_text) {
        q->matches = table;
        return 0;
    }
    struct entries_matches m = {0};
    struct error error;
    int r = entries_reader_match(q->session->reader, filter, q->from_ns, q->to_ns, &m, &error);
    if (r < 0)
        return question_refuse(q, 500, "The entries cannot be read", &error);
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

int question_apply_filter(struct question *q)
{
    const char *text = json_string_value(json_object_get(q->json, "filter"));
    if (!text || !*text)
        return 0;
    struct filter *filter = NULL;
    struct filter_diagnostic diagnostic;
    if (filter_compile(slice_str(text), NULL, &filter, &diagnostic) < 0)
        return refuse_filter(q, &diagnostic);
    int r = filter_root(filter) ? judge_all(q, text, filter) : 0;
    if (r == 0)
        warn_of_matches(q, filter);
    filter_free(filter);
    return r;
}

/* ── SQL ── */

void question_put_from(const struct question *q, struct buf *sql)
{
    buf_append_str(sql, "rows r");
    if (q->matches)
        buf_printf(sql, " JOIN m%u USING (row)", q->matches->number);
    buf_printf(sql, " WHERE r.\"timestamp\" >= %" PRId64 " AND r.\"timestamp\" < %" PRId64,
               q->from_ns, q->to_ns);
}

enum {
    MAX_SELECT_COLUMNS = 16
};

static int read_chunk(duckdb_data_chunk chunk, size_t columns,
                      int (*on_row)(void *ctx, const int64_t *values), void *ctx)
{
    const int64_t *data[MAX_SELECT_COLUMNS];
    uint64_t *validity[MAX_SELECT_COLUMNS];
    for (size_t i = 0; i < columns; i++) {
        duckdb_vector vector = duckdb_api.data_chunk_get_vector(chunk, i);
        data[i] = duckdb_api.vector_get_data(vector);
        validity[i] = duckdb_api.vector_get_validity(vector);
    }
    idx_t count = duckdb_api.data_chunk_get_size(chunk);
    int r = 0;
    for (idx_t row = 0; r == 0 && row < count; row++) {
        int64_t values[MAX_SELECT_COLUMNS];
        for (size_t i = 0; i < columns; i++)
            values[i] = !validity[i] || duckdb_api.validity_row_is_valid(validity[i], row)
                            ? data[i][row]
                            : INT64_MIN;
        r = on_row(ctx, values);
    }
    return r;
}

int question_select(struct question *q, const char *sql, size_t columns,
                    int (*on_row)(void *ctx, const int64_t *values), void *ctx)
{
    duckdb_result result;
    if (columns > MAX_SELECT_COLUMNS)
        return -EINVAL;
    if (duckdb_api.query(entries_reader_connection(q->session->reader), sql, &result) !=
        DuckDBSuccess) {
        int failed = store_failed(q, duckdb_api.result_error(&result));
        duckdb_api.destroy_result(&result);
        return failed;
    }
    int r = 0;
    duckdb_data_chunk chunk;
    while (r == 0 && (chunk = duckdb_api.fetch_chunk(result)) != NULL) {
        r = read_chunk(chunk, columns, on_row, ctx);
        duckdb_api.destroy_data_chunk(&chunk);
    }
    duckdb_api.destroy_result(&result);
    return r < 0 ? r : 0;
}

/* ── lines ── */

void question_begin_item(const struct question *q, struct buf *line, struct json_writer *w)
{
    buf_init(line, LINE_MAX_BYTES);
    json_init(w, line);
    json_begin_object(w);
    json_member_int(w, "q", q->number);
    json_key(w, "item");
}

int question_end_item(const struct question *q, struct buf *line, struct json_writer *w)
{
    json_end_object(w);
    int r = buf_failed(line) ? 0 : q->session->send(q->session->send_ctx, buf_slice(line));
    buf_done(line);
    return r;
}

static int send_problem(const struct question *q)
{
    const struct problem *p = &q->problem;
    struct buf line;
    struct json_writer w;
    buf_init(&line, LINE_MAX_BYTES);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_int(&w, "q", q->number);
    json_key(&w, "problem");
    json_begin_object(&w);
    json_member_int(&w, "status", p->status ? p->status : 500);
    json_member_str(&w, "title", p->title[0] ? p->title : "The question could not be answered");
    json_member_str(&w, "detail", p->error.text);
    if (p->status == 400 && p->error.offset != ERROR_NO_OFFSET)
        json_member_uint(&w, "offset", p->error.offset);
    if (p->token[0])
        json_member_str(&w, "token", p->token);
    if (p->suggestion[0])
        json_member_str(&w, "suggestion", p->suggestion);
    json_end_object(&w);
    json_end_object(&w);
    int r = q->session->send(q->session->send_ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int64_t time_member(const json_t *json, const char *name, int64_t absent)
{
    const json_t *v = json_object_get(json, name);
    return json_is_integer(v) ? json_integer_value(v) : absent;
}

static int run_op(struct question *q, struct json_writer *w)
{
    const char *name = json_string_value(json_object_get(q->json, "op"));
    for (const struct query_op *op = query_ops; name && op->name; op++)
        if (strcmp(op->name, name) == 0)
            return op->run(q, w);
    struct error error;
    error_set(&error, -EINVAL, "there is no such question.");
    return question_refuse(q, 400, "Unknown question", &error);
}

int query_session_answer(struct query_session *session, struct slice text)
{
    json_t *json = json_loadb((const char *)text.data, text.len, 0, NULL);
    struct question q = {.session = session,
                         .json = json,
                         .number = json_integer_value(json_object_get(json, "q")),
                         .from_ns = time_member(json, "from_ns", INT64_MIN),
                         .to_ns = time_member(json, "to_ns", INT64_MAX)};
    buf_init(&q.warnings, WARNINGS_MAX_BYTES);
    struct buf line;
    struct json_writer w;
    buf_init(&line, LINE_MAX_BYTES);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_int(&w, "q", q.number);
    json_key(&w, "result");
    int r = run_op(&q, &w);
    json_end_object(&w);
    if (r == 0 && buf_failed(&line)) {
        struct error error;
        error_set(&error, -ENOBUFS, "the answer is larger than 16 MiB: ask for less.");
        r = question_refuse(&q, 413, "The answer is too large", &error);
    }
    r = r < 0 ? send_problem(&q) : session->send(session->send_ctx, buf_slice(&line));
    buf_done(&line);
    buf_done(&q.warnings);
    json_decref(json);
    return r;
}
