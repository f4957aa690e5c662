#include "entries/group_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "entries/question_rows.h"

struct keys {
    struct question *q;
    const field_id *fields;
    size_t count;
    unsigned payload;
    duckdb_appender appender;
    duckdb_data_chunk chunk;
    idx_t row;
    struct buf text;
};

/* ── a value as text ── */

/* DuckDB's VARCHAR is UTF-8: what is not becomes U+FFFD, as in the columns. */
static void put_clean(struct buf *out, struct slice text)
{
    for (size_t pos = 0; pos < text.len && out->len < GROUP_MAX_KEY_BYTES;) {
        uint8_t bytes[4];
        buf_append(out, bytes, text_put_code_point(text_next_code_point(text, &pos), bytes));
    }
}

static void put_value(struct buf *out, const struct entry_value *v)
{
    switch ((enum field_type)v->type) {
    case FIELD_BOOL:
        buf_append_str(out, v->boolean ? "true" : "false");
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DURATION:
        buf_printf(out, "%" PRId64, v->integer);
        break;
    case FIELD_TEXT:
        put_clean(out, v->text);
        break;
    case FIELD_LIST:
        for (uint32_t i = 0; i < v->count && out->len < GROUP_MAX_KEY_BYTES; i++) {
            buf_append_str(out, i ? ", " : "");
            put_clean(out, v->items[i]);
        }
        break;
    case FIELD_INT_LIST:
        for (uint32_t i = 0; i < v->count && out->len < GROUP_MAX_KEY_BYTES; i++)
            buf_printf(out, "%s%" PRId64, i ? ", " : "", v->integers[i]);
        break;
    case FIELD_MAP:
        break;
    }
}

/* ── the table ── */

static int create_table(struct question *q, unsigned number, size_t count)
{
    struct buf sql;
    struct error error;
    buf_init(&sql, 1024);
    buf_printf(&sql, "CREATE TEMP TABLE g%u(row BIGINT", number);
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, ", k%zu VARCHAR", i);
    buf_append(&sql, ")", 2);
    int r = duckdb_api_run(entries_reader_connection(q->session->reader), (const char *)sql.data,
                           &error);
    buf_done(&sql);
    return r < 0 ? question_store_failed(q, error.text) : 0;
}

static bool open_appender(struct keys *k, unsigned number)
{
    duckdb_logical_type types[1 + GROUP_MAX_FIELDS];
    char name[16];
    snprintf(name, sizeof name, "g%u", number);
    for (size_t i = 0; i <= k->count; i++)
        types[i] = duckdb_api.create_logical_type(i ? DUCKDB_TYPE_VARCHAR : DUCKDB_TYPE_BIGINT);
    k->chunk = duckdb_api.create_data_chunk(types, k->count + 1);
    for (size_t i = 0; i <= k->count; i++)
        duckdb_api.destroy_logical_type(&types[i]);
    return k->chunk && duckdb_api.appender_create(entries_reader_connection(k->q->session->reader),
                                                  NULL, name, &k->appender) == DuckDBSuccess;
}

static bool send_chunk(struct keys *k)
{
    duckdb_api.data_chunk_set_size(k->chunk, k->row);
    bool ok = duckdb_api.append_data_chunk(k->appender, k->chunk) == DuckDBSuccess;
    duckdb_api.data_chunk_reset(k->chunk);
    k->row = 0;
    return ok;
}

static void put_row(struct keys *k, int64_t row, const struct entry *entry)
{
    char scratch[ENTRY_ID_TEXT_SIZE];
    ((int64_t *)duckdb_api.vector_get_data(duckdb_api.data_chunk_get_vector(k->chunk, 0)))[k->row] =
        row;
    for (size_t i = 0; i < k->count; i++) {
        struct entry_value value;
        duckdb_vector vector = duckdb_api.data_chunk_get_vector(k->chunk, i + 1);
        duckdb_api.vector_ensure_validity_writable(vector);
        if (!entry_get(entry, k->fields[i], scratch, &value)) {
            duckdb_api.validity_set_row_invalid(duckdb_api.vector_get_validity(vector), k->row);
            continue;
        }
        buf_reset(&k->text);
        put_value(&k->text, &value);
        duckdb_api.vector_assign_string_element_len(vector, k->row, (const char *)k->text.data,
                                                    k->text.len);
    }
    k->row++;
}

static int fill(struct keys *k, const struct row_list *rows)
{
    idx_t step = duckdb_api.vector_size();
    duckdb_api.data_chunk_reset(k->chunk);
    for (size_t i = 0; i < rows->count; i++) {
        struct entry entry;
        const struct entry_files *files;
        int r = question_load_row(k->q, (uint64_t)rows->items[i][0], k->payload, &entry, &files);
        if (r < 0)
            return r;
        put_row(k, rows->items[i][0], &entry);
        if ((k->row == step || i + 1 == rows->count) && !send_chunk(k))
            return question_store_failed(k->q, "the values do not fit in its memory");
    }
    return duckdb_api.appender_close(k->appender) == DuckDBSuccess
               ? 0
               : question_store_failed(k->q, "the values do not fit in its memory");
}

int group_keys_make(struct question *q, const field_id *fields, size_t count, unsigned *ret_number)
{
    enum {
        PAYLOAD = FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY
    };
    struct keys k = {.q = q, .fields = fields, .count = count};
    struct row_list rows = {0};
    struct page_request page = {.order = &row_orders[0], .limit = -1};
    unsigned number = ++q->session->next_number;
    for (size_t i = 0; i < count; i++)
        k.payload |= field_at(fields[i])->flags & PAYLOAD;
    buf_init(&k.text, 4 * GROUP_MAX_KEY_BYTES);
    int r = question_select_rows(q, &page, &rows);
    if (r == 0)
        r = create_table(q, number, count);
    if (r == 0) {
        r = open_appender(&k, number) ? fill(&k, &rows)
                                      : question_store_failed(q, "it takes no values");
        if (k.appender)
            duckdb_api.appender_destroy(&k.appender);
        if (k.chunk)
            duckdb_api.destroy_data_chunk(&k.chunk);
        if (r < 0)
            group_keys_drop(q, number);
    }
    free(rows.items);
    buf_done(&k.text);
    *ret_number = number;
    return r;
}

void group_keys_drop(struct question *q, unsigned number)
{
    char sql[40];
    struct error ignored; /* a table that stays costs memory only */
    snprintf(sql, sizeof sql, "DROP TABLE g%u", number);
    (void)duckdb_api_run(entries_reader_connection(q->session->reader), sql, &ignored);
}
