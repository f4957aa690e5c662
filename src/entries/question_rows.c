#include "entries/question_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int question_refuse_text(struct question *q, int status, const char *title, const char *detail)
{
    struct error error;
    error_set(&error, -EINVAL, "%s", detail);
    return question_refuse(q, status, title, &error);
}

int question_no_memory(struct question *q)
{
    return question_refuse_text(q, 500, "Out of memory", "The query process has no memory left.");
}

int row_list_add(void *ctx, const int64_t *values)
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

const struct row_order row_orders[] = {
    {"time", "r.\"timestamp\""},
    {"elapsed_time", "coalesce(r.\"elapsed_time\", -1)"},
    {"size", "coalesce(r.\"response.size\", -1)"},
};

static int parse_order(struct question *q, struct page_request *page)
{
    const char *text = json_string_value(json_object_get(q->json, "order"));
    if (!text || !*text)
        text = "-time";
    page->descending = text[0] == '-';
    const char *name = text[0] == '-' || text[0] == '+' || text[0] == ' ' ? text + 1 : text;
    for (size_t i = 0; i < sizeof row_orders / sizeof *row_orders; i++)
        if (strcmp(row_orders[i].name, name) == 0)
            page->order = &row_orders[i];
    return page->order
               ? 0
               : question_refuse_text(
                     q, 400, "Unknown order",
                     "order is one of -time, +time, -elapsed_time, +elapsed_time, -size, +size.");
}

int question_parse_page(struct question *q, struct page_request *page)
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
    return question_refuse_text(
        q, 400, "Unknown cursor",
        "The cursor is not one that this list gave: begin again without it.");
}

int question_select_rows(struct question *q, const struct page_request *page,
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
    int r = question_select(q, (const char *)sql.data, 2, row_list_add, ret_rows);
    buf_done(&sql);
    return r == -ENOMEM ? question_no_memory(q) : r;
}

int question_load_row(struct question *q, uint64_t row, unsigned payload, struct entry *ret_entry,
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

void question_write_entry(const struct question *q, uint64_t row, const struct entry *entry,
                          const struct entry_files *files, struct json_writer *w)
{
    size_t folder = entries_reader_folder(q->session->reader, row);
    const char *source = folder < QUERY_MAX_SOURCES ? q->session->sources[folder] : NULL;
    json_begin_object(w);
    entry_write_members(entry, files, w);
    if (source)
        json_member_str(w, "source", source);
    json_end_object(w);
}

static int take_count(void *ctx, const int64_t *values)
{
    *(int64_t *)ctx = values[0];
    return 0;
}

/* Rows in the time range: of the filter, or all. */
int question_count_rows(struct question *q, bool of_filter, int64_t *ret_count)
{
    struct buf sql;
    buf_init(&sql, QUERY_MAX_SQL);
    struct question all = *q;
    if (!of_filter)
        all.matches = NULL;
    if (!of_filter)
        all.condition = NULL;
    buf_append_str(&sql, "SELECT count(*)::BIGINT FROM ");
    question_put_from(&all, &sql);
    buf_append_u8(&sql, 0);
    int r = question_select(q, (const char *)sql.data, 1, take_count, ret_count);
    buf_done(&sql);
    return r;
}

/* A statement with one text parameter. */
int question_select_by_text(struct question *q, const char *sql, const char *text,
                            struct row_list *ret_rows)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    if (duckdb_api.prepare(entries_reader_connection(q->session->reader), sql, &statement) !=
            DuckDBSuccess ||
        duckdb_api.bind_varchar_length(statement, 1, text, strlen(text)) != DuckDBSuccess) {
        duckdb_api.destroy_prepare(&statement);
        return question_refuse_text(q, 500, "The entry store failed",
                                    "The entry store did not take the question.");
    }
    int r = 0;
    if (duckdb_api.execute_prepared(statement, &result) != DuckDBSuccess)
        r = question_refuse_text(q, 500, "The entry store failed",
                                 "The entry store could not answer.");
    duckdb_data_chunk chunk;
    while (r == 0 && (chunk = duckdb_api.fetch_chunk(result)) != NULL) {
        const int64_t *rows =
            duckdb_api.vector_get_data(duckdb_api.data_chunk_get_vector(chunk, 0));
        for (idx_t i = 0; r == 0 && i < duckdb_api.data_chunk_get_size(chunk); i++)
            r = row_list_add(ret_rows, (int64_t[]){rows[i], 0});
        duckdb_api.destroy_data_chunk(&chunk);
    }
    duckdb_api.destroy_result(&result);
    duckdb_api.destroy_prepare(&statement);
    return r == -ENOMEM ? question_no_memory(q) : r;
}
