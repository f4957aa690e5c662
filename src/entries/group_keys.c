#include "entries/group_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "entries/question_rows.h"

struct filling {
    struct question *q;
    struct group_keys *keys;
    const char *prefix;
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

/* ── the texts ── */

/* Its number, or negative with the problem filled. */
static int64_t number_of(struct filling *f, struct slice text)
{
    struct string_map *map = &f->keys->values;
    uintptr_t known = (uintptr_t)string_map_get(map, text);
    if (known)
        return (int64_t)known - 1;
    f->keys->value_bytes += text.len + sizeof(struct string_map_entry);
    if (map->count == GROUP_MAX_VALUES || f->keys->value_bytes > GROUP_MAX_VALUE_BYTES)
        return question_refuse_text(f->q, 400, "Too many values",
                                    "These fields have more different values than can be told "
                                    "apart (250,000, or 32 MiB of text): narrow the time or the "
                                    "filter, or group by another field.");
    int64_t number = (int64_t)map->count;
    return string_map_set(map, text, (void *)(uintptr_t)(number + 1), NULL) < 0
               ? question_no_memory(f->q)
               : number;
}

struct slice group_keys_text(const struct group_keys *keys, uint64_t number)
{
    if (number >= keys->values.used)
        return SLICE_NONE;
    const struct string_map_entry *entry = &keys->values.entries[number];
    return slice_of(entry->key, entry->key_len);
}

/* ── the table ── */

static int create_table(struct question *q, unsigned number, size_t count)
{
    struct buf sql;
    struct error error;
    buf_init(&sql, 1024);
    buf_printf(&sql, "CREATE TEMP TABLE g%u(row BIGINT", number);
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, ", k%zu BIGINT", i);
    buf_append(&sql, ")", 2);
    int r = duckdb_api_run(entries_reader_connection(q->session->reader), (const char *)sql.data,
                           &error);
    buf_done(&sql);
    return r < 0 ? question_store_failed(q, error.cause) : 0;
}

static int open_appender(struct filling *f)
{
    duckdb_logical_type types[1 + GROUP_MAX_FIELDS];
    char name[16];
    snprintf(name, sizeof name, "g%u", f->keys->number);
    for (size_t i = 0; i <= f->count; i++)
        types[i] = duckdb_api.create_logical_type(DUCKDB_TYPE_BIGINT);
    f->chunk = duckdb_api.create_data_chunk(types, f->count + 1);
    for (size_t i = 0; i <= f->count; i++)
        duckdb_api.destroy_logical_type(&types[i]);
    bool ok =
        f->chunk && duckdb_api.appender_create(entries_reader_connection(f->q->session->reader),
                                               NULL, name, &f->appender) == DuckDBSuccess;
    if (ok)
        duckdb_api.data_chunk_reset(f->chunk);
    return ok ? 0 : question_store_failed(f->q, "it takes no values");
}

static int send_chunk(struct filling *f)
{
    duckdb_api.data_chunk_set_size(f->chunk, f->row);
    bool ok = duckdb_api.append_data_chunk(f->appender, f->chunk) == DuckDBSuccess;
    duckdb_api.data_chunk_reset(f->chunk);
    f->row = 0;
    return ok ? 0 : question_too_much(f->q);
}

static void put_number(struct filling *f, size_t column, int64_t number)
{
    duckdb_vector vector = duckdb_api.data_chunk_get_vector(f->chunk, column);
    duckdb_api.vector_ensure_validity_writable(vector);
    if (number < 0)
        duckdb_api.validity_set_row_invalid(duckdb_api.vector_get_validity(vector), f->row);
    else
        ((int64_t *)duckdb_api.vector_get_data(vector))[f->row] = number;
}

static bool begins(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp((const char *)text.data, prefix, len) == 0;
}

static int put_row(struct filling *f, int64_t row, const struct entry *entry)
{
    char scratch[ENTRY_ID_TEXT_SIZE];
    for (size_t i = 0; i < f->count; i++) {
        struct entry_value value;
        int64_t number = -1;
        buf_reset(&f->text);
        bool known = entry_get(entry, f->fields[i], scratch, &value);
        if (known)
            put_value(&f->text, &value);
        if (i == 0 && f->prefix && !begins(buf_slice(&f->text), f->prefix))
            return 0;
        if (known && (number = number_of(f, buf_slice(&f->text))) < 0)
            return (int)number;
        put_number(f, i + 1, number);
    }
    put_number(f, 0, row);
    return ++f->row == duckdb_api.vector_size() ? send_chunk(f) : 0;
}

static int fill(struct filling *f, const struct row_list *rows)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < rows->count; i++) {
        struct entry entry;
        const struct entry_files *files;
        r = question_load_row(f->q, (uint64_t)rows->items[i][0], f->payload, &entry, &files);
        if (r == 0)
            r = put_row(f, rows->items[i][0], &entry);
    }
    if (r == 0 && f->row)
        r = send_chunk(f);
    if (r == 0 && duckdb_api.appender_close(f->appender) != DuckDBSuccess)
        r = question_too_much(f->q);
    return r;
}

static int fill_table(struct filling *f, const struct row_list *rows)
{
    int r = create_table(f->q, f->keys->number, f->count);
    if (r < 0)
        return r;
    f->keys->has_table = true;
    r = open_appender(f);
    if (r == 0)
        r = fill(f, rows);
    if (f->appender)
        duckdb_api.appender_destroy(&f->appender);
    if (f->chunk)
        duckdb_api.destroy_data_chunk(&f->chunk);
    return r;
}

int group_keys_make(struct question *q, const field_id *fields, size_t count, const char *prefix,
                    struct group_keys *ret_keys)
{
    enum {
        PAYLOAD = FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY
    };
    struct filling f = {
        .q = q, .keys = ret_keys, .prefix = prefix, .fields = fields, .count = count};
    struct row_list rows = {0};
    struct page_request page = {.order = &row_orders[0], .limit = -1};
    *ret_keys = (struct group_keys){.number = ++q->session->next_number};
    string_map_init(&ret_keys->values);
    for (size_t i = 0; i < count; i++)
        f.payload |= field_at(fields[i])->flags & PAYLOAD;
    buf_init(&f.text, 4 * GROUP_MAX_KEY_BYTES);
    int r = question_select_rows(q, &page, &rows);
    if (r == 0)
        r = fill_table(&f, &rows);
    free(rows.items);
    buf_done(&f.text);
    return r;
}

void group_keys_done(struct question *q, struct group_keys *keys)
{
    char sql[40];
    struct error ignored; /* a table that stays costs memory only */
    snprintf(sql, sizeof sql, "DROP TABLE g%u", keys->number);
    if (keys->has_table)
        (void)duckdb_api_run(entries_reader_connection(q->session->reader), sql, &ignored);
    string_map_done(&keys->values, NULL);
}
