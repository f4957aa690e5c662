/* The operations of the query protocol (query.h), one function each. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "entries/question.h"

static int refuse_text(struct question *q, int status, const char *title, const char *detail)
{
    struct error error;
    error_set(&error, -EINVAL, "%s", detail);
    return question_refuse(q, status, title, &error);
}

static int no_memory(struct question *q)
{
    return refuse_text(q, 500, "Out of memory", "The query process has no memory left.");
}

/* ── rows of a result, gathered before their payload is read ── */

struct row_list {
    int64_t (*items)[2]; /* row, key of the order */
    size_t count, cap;
};

static int add_row(void *ctx, const int64_t *values)
{
    struct row_list *list = ctx;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 128;
        int64_t(*items)[2] = realloc(list->items, cap * sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count][0] = values[0];
    list->items[list->count++][1] = values[1];
    return 0;
}

struct order {
    const char *name;
    const char *key; /* SQL, never NULL */
};
static const struct order orders[] = {
    {"time", "r.\"timestamp\""},
    {"elapsed_time", "coalesce(r.\"elapsed_time\", -1)"},
    {"size", "coalesce(r.\"response.size\", -1)"},
};

struct page_request {
    const struct order *order;
    bool descending;
    int64_t limit; /* -1 = all */
    bool has_cursor;
    int64_t cursor_key, cursor_row;
};

static int parse_order(struct question *q, struct page_request *page)
{
    const char *text = json_string_value(json_object_get(q->json, "order"));
    if (!text || !*text)
        text = "-time";
    page->descending = text[0] == '-';
    const char *name = text[0] == '-' || text[0] == '+' || text[0] == ' ' ? text + 1 : text;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(orders[i].name, name) == 0)
            page->order = &orders[i];
    return page->order
               ? 0
               : refuse_text(
                     q, 400, "Unknown order",
                     "order is one of -time, +time, -elapsed_time, +elapsed_time, -size, +size.");
}

static int parse_page(struct question *q, struct page_request *page)
{
    int r = parse_order(q, page);
    if (r < 0)
        return r;
    const char *cursor = json_string_value(json_object_get(q->json, "cursor"));
    if (!cursor || !*cursor)
        return 0;
    page->has_cursor = true;
    char *end;
    errno = 0;
    page->cursor_key = strtoll(cursor, &end, 10);
    if (*end == ':') {
        const char *row = end + 1;
        page->cursor_row = strtoll(row, &end, 10);
        if (!errno && end != row && !*end)
            return 0;
    }
    return refuse_text(q, 400, "Unknown cursor",
                       "The cursor is not one that this list gave: begin again without it.");
}

static int select_rows(struct question *q, const struct page_request *page,
                       struct row_list *ret_rows)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_printf(&sql, "SELECT row, %s AS k FROM ", page->order->key);
    question_put_from(q, &sql);
    const char *direction = page->descending ? "DESC" : "ASC";
    if (page->has_cursor)
        buf_printf(&sql, " AND (%s, row) %c (%" PRId64 ", %" PRId64 ")", page->order->key,
                   page->descending ? '<' : '>', page->cursor_key, page->cursor_row);
    buf_printf(&sql, " ORDER BY k %s, row %s", direction, direction);
    if (page->limit >= 0)
        buf_printf(&sql, " LIMIT %" PRId64, page->limit);
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 2, add_row, ret_rows);
    buf_done(&sql);
    return r == -ENOMEM ? no_memory(q) : r;
}

static int load_row(struct question *q, uint64_t row, unsigned payload, struct entry *ret_entry,
                    const struct entry_files **ret_files)
{
    struct error error;
    arena_reset(&q->session->arena);
    int r = entries_reader_entry(q->session->reader, row, payload, &q->session->arena, ret_entry,
                                 ret_files, &error);
    if (r == -ENOENT)
        return question_refuse(q, 404, "No such entry", &error);
    return r < 0 ? question_refuse(q, 500, "The entry cannot be read", &error) : 0;
}

static int take_count(void *ctx, const int64_t *values)
{
    *(int64_t *)ctx = values[0];
    return 0;
}

/* Rows in the time range: of the filter, or all. */
static int count_rows(struct question *q, bool of_filter, int64_t *ret_count)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    struct question all = *q;
    if (!of_filter)
        all.matches = NULL;
    buf_append_str(&sql, "SELECT count(*)::BIGINT FROM ");
    question_put_from(&all, &sql);
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 1, take_count, ret_count);
    buf_done(&sql);
    return r;
}

static int write_rows(struct question *q, const struct row_list *rows, size_t count,
                      struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        struct entry entry;
        const struct entry_files *files;
        int r = load_row(q, (uint64_t)rows->items[i][0], 0, &entry, &files);
        if (r < 0)
            return r;
        entry_write_json(&entry, NULL, w);
    }
    json_end_array(w);
    return 0;
}

static void write_page_end(struct question *q, const struct row_list *rows, int64_t limit,
                           const int64_t totals[2], int64_t started_ns, struct json_writer *w)
{
    json_key(w, "next_cursor");
    if (rows->count > (size_t)limit) {
        char cursor[64];
        const int64_t *last = rows->items[limit - 1];
        snprintf(cursor, sizeof cursor, "%" PRId64 ":%" PRId64, last[1], last[0]);
        json_str(w, cursor);
    } else {
        json_none(w);
    }
    json_member_int(w, "total", totals[0]);
    json_member_bool(w, "total_is_lower_bound", false);
    json_member_int(w, "matched_of", totals[1]);
    json_member_str(w, "source", q->session->source);
    json_key(w, "warnings");
    json_begin_array(w);
    if (q->warnings.len)
        json_raw(w, buf_slice(&q->warnings));
    json_end_array(w);
    json_member_int(w, "took_ms", (clock_mono_ns() - started_ns) / NS_PER_MS);
}

static int write_page(struct question *q, struct page_request *page, int64_t limit,
                      struct json_writer *w)
{
    int64_t started_ns = clock_mono_ns();
    struct row_list rows = {0};
    int64_t totals[2] = {0, 0};
    page->limit = limit + 1;
    int r = select_rows(q, page, &rows);
    if (r == 0)
        r = count_rows(q, true, &totals[0]);
    if (r == 0)
        r = count_rows(q, false, &totals[1]);
    json_begin_object(w);
    json_key(w, "entries");
    if (r == 0)
        r = write_rows(q, &rows, rows.count < (size_t)limit ? rows.count : (size_t)limit, w);
    if (r == 0)
        write_page_end(q, &rows, limit, totals, started_ns, w);
    json_end_object(w);
    free(rows.items);
    return r;
}

static int op_page(struct question *q, struct json_writer *w)
{
    struct page_request page = {0};
    const json_t *limit = json_object_get(q->json, "limit");
    int64_t n = json_is_integer(limit) ? json_integer_value(limit) : 100;
    if (n < 1 || n > QUERY_MAX_PAGE)
        return refuse_text(q, 400, "Wrong limit", "limit is a whole number from 1 to 1,000.");
    int r = parse_page(q, &page);
    if (r == 0)
        r = question_apply_filter(q);
    return r < 0 ? r : write_page(q, &page, n, w);
}

static int op_lines(struct question *q, struct json_writer *w)
{
    struct page_request page = {.limit = -1};
    const json_t *limit = json_object_get(q->json, "limit");
    if (json_is_integer(limit) && json_integer_value(limit) >= 0)
        page.limit = json_integer_value(limit);
    struct row_list rows = {0};
    int r = parse_page(q, &page);
    if (r == 0)
        r = question_apply_filter(q);
    if (r == 0)
        r = select_rows(q, &page, &rows);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = load_row(q, (uint64_t)rows.items[i][0],
                     FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY, &entry, &files);
        if (r < 0)
            break;
        struct buf line;
        struct json_writer item;
        question_begin_item(q, &line, &item);
        entry_write_json(&entry, files, &item);
        r = question_end_item(q, &line, &item);
    }
    json_begin_object(w);
    json_member_uint(w, "count", rows.count);
    json_end_object(w);
    free(rows.items);
    return r;
}

static int op_count(struct question *q, struct json_writer *w)
{
    int64_t total = 0;
    int64_t all = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = count_rows(q, true, &total);
    if (r == 0)
        r = count_rows(q, false, &all);
    json_begin_object(w);
    json_member_int(w, "total", total);
    json_member_int(w, "matched_of", all);
    json_member_uint(w, "unjudged", q->matches ? q->matches->unjudged : 0);
    json_end_object(w);
    return r;
}

/* ── one entry ── */

/* A statement with one text parameter. */
static int select_by_text(struct question *q, const char *sql, const char *text,
                          struct row_list *ret_rows)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    if (duckdb_api.prepare(entries_reader_connection(q->session->reader), sql, &statement) !=
            DuckDBSuccess ||
        duckdb_api.bind_varchar_length(statement, 1, text, strlen(text)) != DuckDBSuccess) {
        duckdb_api.destroy_prepare(&statement);
        return refuse_text(q, 500, "The entry store failed",
                           "The entry store did not take the question.");
    }
    int r = 0;
    if (duckdb_api.execute_prepared(statement, &result) != DuckDBSuccess)
        r = refuse_text(q, 500, "The entry store failed", "The entry store could not answer.");
    duckdb_data_chunk chunk;
    while (r == 0 && (chunk = duckdb_api.fetch_chunk(result)) != NULL) {
        const int64_t *rows =
            duckdb_api.vector_get_data(duckdb_api.data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; r == 0 && i < duckdb_api.data_chunk_get_size(chunk); i++)
            r = add_row(ret_rows, (int64_t[]){rows[i], 0});
        duckdb_api.destroy_data_chunk(&chunk);
    }
    duckdb_api.destroy_result(&result);
    duckdb_api.destroy_prepare(&statement);
    return r == -ENOMEM ? no_memory(q) : r;
}

static int find_entry(struct question *q, unsigned payload, struct entry *ret_entry,
                      const struct entry_files **ret_files)
{
    const char *id = json_string_value(json_object_get(q->json, "id"));
    struct row_list rows = {0};
    int r = select_by_text(q, "SELECT row FROM rows WHERE \"id\" = ? ORDER BY row LIMIT 1",
                           id ? id : "", &rows);
    if (r == 0 && rows.count == 0)
        r = refuse_text(q, 404, "No such entry", "This dissection has no entry with that id.");
    if (r == 0)
        r = load_row(q, (uint64_t)rows.items[0][0], payload, ret_entry, ret_files);
    free(rows.items);
    return r;
}

static int op_entry(struct question *q, struct json_writer *w)
{
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY, &entry, &files);
    if (r == 0)
        entry_write_json(&entry, files, w);
    return r;
}

static struct slice header_value(const struct entry *entry, field_id headers, const char *name)
{
    const struct entry_value *v = entry_find(entry, headers);
    for (uint32_t i = 0; v && i < v->count; i++)
        if (slice_eq_str(v->pairs[i].key, name))
            return v->pairs[i].value;
    return SLICE_NONE;
}

static int op_body(struct question *q, struct json_writer *w)
{
    const char *half = json_string_value(json_object_get(q->json, "half"));
    bool is_request = half && strcmp(half, "request") == 0;
    if (!is_request && (!half || strcmp(half, "response") != 0))
        return refuse_text(q, 400, "Which half", "half is request or response.");
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, FIELD_HEADERS | (is_request ? FIELD_REQUEST_BODY : FIELD_RESPONSE_BODY),
                       &entry, &files);
    if (r < 0)
        return r;
    const struct entry_value *body =
        entry_find(&entry, is_request ? FIELD_REQUEST_BODY_ID : FIELD_RESPONSE_BODY_ID);
    if (!body)
        return refuse_text(q, 404, "No body", "This half of the call has no body.");
    const struct entry_value *truncated =
        entry_find(&entry, is_request ? FIELD_REQUEST_TRUNCATED_ID : FIELD_RESPONSE_TRUNCATED_ID);
    json_begin_object(w);
    json_member_string(
        w, "content_type",
        header_value(&entry, is_request ? FIELD_REQUEST_HEADERS_ID : FIELD_RESPONSE_HEADERS_ID,
                     "content-type"));
    json_key(w, "base64");
    json_base64(w, body->text);
    json_member_bool(w, "truncated", truncated && truncated->boolean);
    json_end_object(w);
    return 0;
}

static void write_refs(const struct entry_packets *packets, const struct entry_files *files,
                       const char *direction, struct json_writer *w)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        if (packets->refs[i].file >= files->count)
            continue;
        const struct entry_file *file = &files->files[packets->refs[i].file];
        json_begin_object(w);
        json_member_str(w, "node", file->node);
        json_member_uint(w, "seq", file->sequence);
        json_member_uint(w, "offset", packets->refs[i].offset);
        json_member_str(w, "direction", direction);
        json_end_object(w);
    }
}

static int op_refs(struct question *q, struct json_writer *w)
{
    struct entry entry;
    const struct entry_files *files;
    int r = find_entry(q, 0, &entry, &files);
    if (r < 0)
        return r;
    json_begin_object(w);
    json_key(w, "refs");
    json_begin_array(w);
    write_refs(&entry.request, files, "client", w);
    write_refs(&entry.response, files, "server", w);
    json_end_array(w);
    json_member_bool(w, "truncated", entry.request.truncated || entry.response.truncated);
    json_end_object(w);
    return 0;
}

static int op_conn(struct question *q, struct json_writer *w)
{
    const char *conn_id = json_string_value(json_object_get(q->json, "conn_id"));
    struct row_list rows = {0};
    int r = select_by_text(
        q, "SELECT row FROM rows WHERE conn_id = ? ORDER BY \"timestamp\", row LIMIT 1001",
        conn_id ? conn_id : "", &rows);
    int64_t total = (int64_t)rows.count;
    json_begin_object(w);
    json_key(w, "entries");
    if (r == 0)
        r = write_rows(q, &rows, rows.count < QUERY_MAX_PAGE ? rows.count : QUERY_MAX_PAGE, w);
    if (r == 0) {
        int64_t totals[2] = {total, total};
        rows.count = 0; /* no further page */
        write_page_end(q, &rows, QUERY_MAX_PAGE, totals, clock_mono_ns(), w);
    }
    json_end_object(w);
    free(rows.items);
    return r;
}

/* ── for exports ── */

static void write_flow(const struct entry *entry, struct json_writer *w)
{
    static const field_id ends[2][2] = {{FIELD_SRC_IP_ID, FIELD_SRC_PORT_ID},
                                        {FIELD_DST_IP_ID, FIELD_DST_PORT_ID}};
    static const char *const names[2][2] = {{"a", "a_port"}, {"b", "b_port"}};
    json_begin_object(w);
    json_member_str(w, "protocol",
                    entry->transport == ENTRY_TRANSPORT_UDP   ? "udp"
                    : entry->transport == ENTRY_TRANSPORT_TCP ? "tcp"
                                                              : "ip");
    for (int i = 0; i < 2; i++) {
        const struct entry_value *ip = entry_find(entry, ends[i][0]);
        const struct entry_value *port = entry_find(entry, ends[i][1]);
        json_member_string(w, names[i][0], ip ? ip->text : SLICE_NONE);
        json_member_int(w, names[i][1], port ? port->integer : 0);
    }
    json_end_object(w);
}

/* One row a connection, so that each flow is named once. */
static int op_flows(struct question *q, struct json_writer *w)
{
    struct row_list rows = {0};
    int64_t calls = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = count_rows(q, true, &calls);
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_append_str(&sql, "SELECT min(row)::BIGINT, 0::BIGINT FROM ");
    question_put_from(q, &sql);
    buf_append_str(
        &sql,
        " GROUP BY r.conn_id, r.\"src.ip\", r.\"src.port\", r.\"dst.ip\", r.\"dst.port\" ORDER BY 1");
    buf_append_u8(&sql, 0);
    if (r == 0)
        r = question_select(q, (const char *)sql.data, 2, add_row, &rows);
    buf_done(&sql);
    json_begin_object(w);
    json_key(w, "flows");
    json_begin_array(w);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = load_row(q, (uint64_t)rows.items[i][0], 0, &entry, &files);
        if (r == 0)
            write_flow(&entry, w);
    }
    json_end_array(w);
    json_member_int(w, "calls", calls);
    json_end_object(w);
    free(rows.items);
    return r == -ENOMEM ? no_memory(q) : r;
}

/* The refs of one entry, grouped by file; they mostly are of one. */
static int send_offsets(struct question *q, const struct entry_packets *packets,
                        const struct entry_files *files)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < packets->count;) {
        uint32_t file = packets->refs[i].file;
        if (file >= files->count) {
            i++;
            continue;
        }
        struct buf line;
        struct json_writer item;
        question_begin_item(q, &line, &item);
        json_begin_object(&item);
        json_member_str(&item, "node", files->files[file].node);
        json_member_uint(&item, "seq", files->files[file].sequence);
        json_key(&item, "offsets");
        json_begin_array(&item);
        for (; i < packets->count && packets->refs[i].file == file; i++)
            json_uint(&item, packets->refs[i].offset);
        json_end_array(&item);
        json_end_object(&item);
        r = question_end_item(q, &line, &item);
    }
    return r;
}

static int op_packets(struct question *q, struct json_writer *w)
{
    struct row_list rows = {0};
    struct page_request page = {.order = &orders[0], .limit = -1};
    uint64_t packets = 0;
    int r = question_apply_filter(q);
    if (r == 0)
        r = select_rows(q, &page, &rows);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = load_row(q, (uint64_t)rows.items[i][0], 0, &entry, &files);
        if (r < 0)
            break;
        packets += entry.request.count + entry.response.count;
        r = send_offsets(q, &entry.request, files);
        if (r == 0)
            r = send_offsets(q, &entry.response, files);
    }
    json_begin_object(w);
    json_member_uint(w, "calls", rows.count);
    json_member_uint(w, "packets", packets);
    json_end_object(w);
    free(rows.items);
    return r;
}

/* ── timeline ── */

enum {
    MAX_BUCKETS = 2000
};

struct timeline {
    struct json_writer *w;
    int64_t from_ns, bucket_ns;
};

static int write_bucket(void *ctx, const int64_t *v)
{
    const struct timeline *t = ctx;
    static const char *const names[] = {"ok",          "client_error", "error",
                                        "no_response", "p50_us",       "p95_us"};
    json_begin_object(t->w);
    json_member_time(t->w, "at", t->from_ns + v[0] * t->bucket_ns);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_member_int(t->w, names[i], v[i + 1] == INT64_MIN ? 0 : v[i + 1]);
    json_end_object(t->w);
    return 0;
}

static int select_buckets(struct question *q, struct timeline *t)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    buf_printf(
        &sql,
        "SELECT ((r.\"timestamp\" - (%" PRId64 ")) // %" PRId64 ")::BIGINT AS b,"
        " count(*) FILTER (status = 'ok' AND NOT client)::BIGINT, count(*) FILTER (status = 'ok' AND client)::BIGINT,"
        " count(*) FILTER (status = 'error')::BIGINT, count(*) FILTER (status NOT IN ('ok', 'error'))::BIGINT,"
        " quantile_disc(elapsed_time, 0.5)::BIGINT, quantile_disc(elapsed_time, 0.95)::BIGINT"
        " FROM (SELECT r.\"timestamp\", coalesce(r.status, 'ok') AS status, r.elapsed_time,"
        " coalesce(r.status_code BETWEEN 400 AND 499, false) AS client FROM ",
        t->from_ns, t->bucket_ns);
    question_put_from(q, &sql);
    buf_append_str(&sql, ") r GROUP BY b ORDER BY b");
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 7, write_bucket, t);
    buf_done(&sql);
    return r;
}

static int op_timeline(struct question *q, struct json_writer *w)
{
    const json_t *wanted = json_object_get(q->json, "buckets");
    int64_t buckets = json_is_integer(wanted) ? json_integer_value(wanted) : 120;
    if (buckets < 1 || buckets > MAX_BUCKETS)
        return refuse_text(q, 400, "Wrong number of buckets",
                           "buckets is a whole number from 1 to 2,000.");
    int r = question_apply_filter(q);
    if (r < 0)
        return r;
    int64_t first;
    int64_t last;
    entries_reader_range(q->session->reader, &first, &last);
    int64_t from = q->from_ns == INT64_MIN ? first : q->from_ns;
    int64_t to = q->to_ns == INT64_MAX ? last + 1 : q->to_ns;
    if (to <= from)
        to = from + 1;
    struct timeline t = {
        .w = w, .from_ns = from, .bucket_ns = (to - from) / buckets + ((to - from) % buckets != 0)};
    json_begin_object(w);
    json_member_time(w, "from", from);
    json_member_time(w, "to", to);
    json_member_int(w, "bucket_ns", t.bucket_ns);
    json_key(w, "buckets");
    json_begin_array(w);
    r = select_buckets(q, &t);
    json_end_array(w);
    json_end_object(w);
    return r;
}

const struct query_op query_ops[] = {
    {"page", op_page},       {"lines", op_lines},       {"count", op_count}, {"entry", op_entry},
    {"body", op_body},       {"refs", op_refs},         {"conn", op_conn},   {"flows", op_flows},
    {"packets", op_packets}, {"timeline", op_timeline}, {NULL, NULL},
};
