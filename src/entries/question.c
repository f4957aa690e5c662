#include "entries/question.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int question_too_much(struct question *q)
{
    struct error error;
    error_set(&error, -ENOMEM,
              "this takes more memory than a question may have: narrow the time or the filter, "
              "or group by fields with fewer values.");
    return question_refuse(q, 503, "Too much for one question", &error);
}

int question_store_failed(struct question *q, const char *raw)
{
    struct error error;
    if (duckdb_api_error(&error, "answer", raw) == -ENOMEM)
        return question_too_much(q);
    error_set(&error, -EIO,
              "the entry store could not answer: ask again, and if that fails too dissect the "
              "snapshot again (the hub's log says more).");
    error_set_cause(&error, raw);
    return question_refuse(q, 500, "The entry store failed", &error);
}

/* ── SQL ── */

void question_put_from(const struct question *q, struct buf *sql)
{
    buf_append_str(sql, "rows r");
    if (q->matches)
        buf_printf(sql, " JOIN m%u USING (row)", q->matches->number);
    buf_printf(sql, " WHERE r.\"timestamp\" >= %" PRId64 " AND r.\"timestamp\" < %" PRId64,
               q->from_ns, q->to_ns);
    if (q->condition) {
        buf_append_str(sql, " AND (");
        buf_append_slice(sql, buf_slice(&q->condition->condition));
        buf_append_str(sql, ")");
    }
}

enum {
    MAX_SELECT_COLUMNS = 16
};

/* How a row of a result is taken: by its numbers, or by its texts and numbers. */
struct row_taker {
    size_t keys, numbers;
    int (*on_numbers)(void *ctx, const int64_t *values);
    int (*on_keyed)(void *ctx, const struct slice *texts, const int64_t *values);
    void *ctx;
};

static struct slice text_of(const duckdb_string_t *text)
{
    const char *data = text->value.inlined.length <= sizeof text->value.inlined.inlined
                           ? text->value.inlined.inlined
                           : text->value.pointer.ptr;
    return slice_of(data, text->value.inlined.length);
}

static int take_row(const struct row_taker *taker, void *const *data, uint64_t *const *validity,
                    idx_t row)
{
    struct slice texts[MAX_SELECT_COLUMNS] = {SLICE_NONE};
    int64_t values[MAX_SELECT_COLUMNS];
    for (size_t i = 0; i < taker->keys + taker->numbers; i++) {
        bool known = !validity[i] || duckdb_api.validity_row_is_valid(validity[i], row);
        if (i < taker->keys)
            texts[i] = known ? text_of((const duckdb_string_t *)data[i] + row) : SLICE_NONE;
        else
            values[i - taker->keys] = known ? ((const int64_t *)data[i])[row] : INT64_MIN;
    }
    return taker->on_keyed ? taker->on_keyed(taker->ctx, texts, values)
                           : taker->on_numbers(taker->ctx, values);
}

static int read_chunk(duckdb_data_chunk chunk, const struct row_taker *taker)
{
    void *data[MAX_SELECT_COLUMNS];
    uint64_t *validity[MAX_SELECT_COLUMNS];
    for (size_t i = 0; i < taker->keys + taker->numbers; i++) {
        duckdb_vector vector = duckdb_api.data_chunk_get_vector(chunk, i);
        data[i] = duckdb_api.vector_get_data(vector);
        validity[i] = duckdb_api.vector_get_validity(vector);
    }
    idx_t count = duckdb_api.data_chunk_get_size(chunk);
    int r = 0;
    for (idx_t row = 0; r == 0 && row < count; row++)
        r = take_row(taker, data, validity, row);
    return r;
}

static bool bind(duckdb_prepared_statement statement, const struct filter_push_down *p)
{
    idx_t count = duckdb_api.nparams(statement);
    bool ok = count <= (p ? p->parameter_count : 0);
    for (idx_t i = 0; ok && i < count; i++) {
        const struct filter_parameter *v = &p->parameters[i];
        ok = (v->is_text ? duckdb_api.bind_varchar_length(statement, i + 1,
                                                          (const char *)v->text.data, v->text.len)
                         : duckdb_api.bind_int64(statement, i + 1, v->integer)) == DuckDBSuccess;
    }
    return ok;
}

static int read_result(duckdb_result result, const struct row_taker *taker)
{
    int r = 0;
    duckdb_data_chunk chunk;
    while (r == 0 && (chunk = duckdb_api.fetch_chunk(result)) != NULL) {
        r = read_chunk(chunk, taker);
        duckdb_api.destroy_data_chunk(&chunk);
    }
    return r < 0 ? r : 0;
}

static int select_rows(struct question *q, const char *sql, const struct row_taker *taker)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    if (taker->keys + taker->numbers > MAX_SELECT_COLUMNS)
        return -EINVAL;
    int r = 0;
    if (duckdb_api.prepare(entries_reader_connection(q->session->reader), sql, &statement) !=
        DuckDBSuccess)
        r = question_store_failed(q, duckdb_api.prepare_error(statement));
    else if (!bind(statement, &q->push_down))
        r = question_store_failed(q, "it did not take the values of the filter");
    if (r == 0) {
        r = duckdb_api.execute_prepared(statement, &result) == DuckDBSuccess
                ? read_result(result, taker)
                : question_store_failed(q, duckdb_api.result_error(&result));
        duckdb_api.destroy_result(&result);
    }
    duckdb_api.destroy_prepare(&statement);
    return r;
}

int question_select(struct question *q, const char *sql, size_t columns,
                    int (*on_row)(void *ctx, const int64_t *values), void *ctx)
{
    return select_rows(q, sql,
                       &(struct row_taker){.numbers = columns, .on_numbers = on_row, .ctx = ctx});
}

int question_select_keyed(struct question *q, const char *sql, size_t keys, size_t numbers,
                          int (*on_row)(void *ctx, const struct slice *texts,
                                        const int64_t *values),
                          void *ctx)
{
    return select_rows(
        q, sql,
        &(struct row_taker){.keys = keys, .numbers = numbers, .on_keyed = on_row, .ctx = ctx});
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

void question_write_warnings(const struct question *q, struct json_writer *w)
{
    json_key(w, "warnings");
    json_begin_array(w);
    if (q->warnings.len)
        json_raw(w, buf_slice(&q->warnings));
    json_end_array(w);
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
    if (p->error.cause[0])
        json_member_str(&w, "cause", p->error.cause);
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

/* What was learned from the rows as they were. */
static void forget_matches(struct query_session *session)
{
    for (size_t i = 0; i < QUERY_CACHED_FILTERS; i++) {
        struct match_table *t = &session->tables[i];
        if (!t->filter_text)
            continue;
        char sql[64];
        struct error ignored; /* a table that stays costs memory only */
        snprintf(sql, sizeof sql, "DROP TABLE m%u", t->number);
        duckdb_api_run(entries_reader_connection(session->reader), sql, &ignored);
        free(t->filter_text);
        t->filter_text = NULL;
    }
}

static int refresh(struct question *q)
{
    bool changed = false;
    struct error error;
    if (!q->session->follows)
        return 0;
    int r = entries_reader_refresh(q->session->reader, &changed, &error);
    if (changed)
        forget_matches(q->session);
    return r < 0 ? question_refuse(q, 500, "The entry store failed", &error) : 0;
}

static int run_op(struct question *q, struct json_writer *w)
{
    int r = refresh(q);
    if (r < 0)
        return r;
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
    question_filter_done(&q);
    json_decref(json);
    return r;
}
