#include "entries/columns.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"

struct column {
    const char *name;
    field_id field;
    enum field_type type;
    bool hashed; /* of the field's text */
    void *data;
    uint64_t *validity;
};

struct columns_writer {
    duckdb_database database;
    duckdb_connection connection;
    duckdb_appender appender;
    duckdb_data_chunk chunk;
    struct column columns[COLUMNS_MAX];
    size_t column_count;
    idx_t row, chunk_rows;
    struct buf clean; /* text made valid UTF-8 */
};

static duckdb_type duckdb_type_of(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
        return DUCKDB_TYPE_BOOLEAN;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DURATION:
        return DUCKDB_TYPE_BIGINT;
    case FIELD_TEXT:
    case FIELD_LIST:
    case FIELD_MAP:
    case FIELD_INT_LIST:
        break;
    }
    return DUCKDB_TYPE_VARCHAR;
}

static const char *sql_type_of(enum field_type type)
{
    duckdb_type t = duckdb_type_of(type);
    return t == DUCKDB_TYPE_BOOLEAN ? "BOOLEAN" : t == DUCKDB_TYPE_BIGINT ? "BIGINT" : "VARCHAR";
}

static void choose_columns(struct columns_writer *w)
{
    for (size_t i = 0; i < field_count() && w->column_count < COLUMNS_MAX; i++) {
        const struct field_def *def = field_at((field_id)i);
        if (def->flags & FIELD_COLUMN)
            w->columns[w->column_count++] =
                (struct column){.name = def->name, .field = (field_id)i, .type = def->type};
    }
    if (w->column_count < COLUMNS_MAX)
        w->columns[w->column_count++] = (struct column){
            .name = "hop_call", .field = FIELD_HOP_OF_ID, .type = FIELD_INT, .hashed = true};
}

static int create_table(struct columns_writer *w, struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 16384);
    buf_append_str(&sql, "CREATE TABLE entries(");
    for (size_t i = 0; i < w->column_count; i++)
        buf_printf(&sql, "%s\"%s\" %s", i ? ", " : "", w->columns[i].name,
                   sql_type_of(w->columns[i].type));
    buf_append(&sql, ")", 2);
    int r = buf_failed(&sql) ? buf_failed(&sql)
                             : duckdb_api_run(w->connection, (const char *)sql.data, reterr);
    buf_done(&sql);
    return r;
}

static int create_chunk(struct columns_writer *w)
{
    duckdb_logical_type types[COLUMNS_MAX];
    for (size_t i = 0; i < w->column_count; i++)
        types[i] = duckdb_api.create_logical_type(duckdb_type_of(w->columns[i].type));
    w->chunk = duckdb_api.create_data_chunk(types, w->column_count);
    for (size_t i = 0; i < w->column_count; i++)
        duckdb_api.destroy_logical_type(&types[i]);
    w->chunk_rows = duckdb_api.vector_size();
    return w->chunk ? 0 : -ENOMEM;
}

static void begin_chunk(struct columns_writer *w)
{
    duckdb_api.data_chunk_reset(w->chunk);
    for (size_t i = 0; i < w->column_count; i++) {
        duckdb_vector vector = duckdb_api.data_chunk_get_vector(w->chunk, i);
        duckdb_api.vector_ensure_validity_writable(vector);
        w->columns[i].data = duckdb_api.vector_get_data(vector);
        w->columns[i].validity = duckdb_api.vector_get_validity(vector);
    }
    w->row = 0;
}

int columns_writer_open(const char *path, uint64_t memory_bytes, unsigned threads,
                        struct columns_writer **ret_writer, struct error *reterr)
{
    struct columns_writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(reterr, -ENOMEM, "out of memory.");
    buf_init(&w->clean, 4 << 20);
    choose_columns(w);
    int r = duckdb_api_open(path, memory_bytes, threads, &w->database, &w->connection, reterr);
    if (r == 0)
        r = create_table(w, reterr);
    if (r == 0 &&
        duckdb_api.appender_create(w->connection, NULL, "entries", &w->appender) != DuckDBSuccess)
        r = error_set(reterr, -EIO, "the entry store gave no appender.");
    if (r == 0)
        r = create_chunk(w);
    if (r < 0) {
        columns_writer_free(w);
        return r;
    }
    begin_chunk(w);
    *ret_writer = w;
    return 0;
}

static int send_chunk(struct columns_writer *w, struct error *reterr)
{
    if (w->row == 0)
        return 0;
    duckdb_api.data_chunk_set_size(w->chunk, w->row);
    if (duckdb_api.append_data_chunk(w->appender, w->chunk) != DuckDBSuccess)
        return duckdb_api_error(reterr, "be written", duckdb_api.appender_error(w->appender));
    begin_chunk(w);
    return 0;
}

/* DuckDB's VARCHAR is UTF-8: what is not becomes U+FFFD here; the payload keeps the bytes. */
static void put_text(struct columns_writer *w, size_t column, struct slice text)
{
    if (!text_is_utf8(text)) {
        buf_reset(&w->clean);
        for (size_t pos = 0; pos < text.len;) {
            uint8_t bytes[4];
            buf_append(&w->clean, bytes,
                       text_put_code_point(text_next_code_point(text, &pos), bytes));
        }
        text = buf_slice(&w->clean);
    }
    duckdb_api.vector_assign_string_element_len(duckdb_api.data_chunk_get_vector(w->chunk, column),
                                                w->row, (const char *)text.data, text.len);
}

int columns_writer_append(struct columns_writer *w, const struct entry *entry, struct error *reterr)
{
    char scratch[ENTRY_ID_TEXT_SIZE];
    for (size_t i = 0; i < w->column_count; i++) {
        const struct column *column = &w->columns[i];
        struct entry_value value;
        if (!entry_get(entry, column->field, scratch, &value))
            duckdb_api.validity_set_row_invalid(w->columns[i].validity, w->row);
        else if (column->hashed)
            ((int64_t *)column->data)[w->row] =
                (int64_t)hash_bytes(hash_fixed_key, value.text.data, value.text.len);
        else if (column->type == FIELD_BOOL)
            ((bool *)column->data)[w->row] = value.boolean;
        else if (duckdb_type_of(column->type) == DUCKDB_TYPE_BIGINT)
            ((int64_t *)column->data)[w->row] = value.integer;
        else
            put_text(w, i, value.text);
    }
    return ++w->row == w->chunk_rows ? send_chunk(w, reterr) : 0;
}

int columns_writer_close(struct columns_writer *w, struct error *reterr)
{
    int r = send_chunk(w, reterr);
    if (r == 0 && duckdb_api.appender_close(w->appender) != DuckDBSuccess)
        r = duckdb_api_error(reterr, "be written", duckdb_api.appender_error(w->appender));
    if (r == 0)
        r = duckdb_api_run(w->connection, "CHECKPOINT", reterr);
    duckdb_api.appender_destroy(&w->appender);
    duckdb_api.destroy_data_chunk(&w->chunk);
    duckdb_api_close(&w->database, &w->connection);
    return r;
}

void columns_writer_free(struct columns_writer *w)
{
    if (!w)
        return;
    if (w->appender)
        duckdb_api.appender_destroy(&w->appender);
    if (w->chunk)
        duckdb_api.destroy_data_chunk(&w->chunk);
    duckdb_api_close(&w->database, &w->connection);
    buf_done(&w->clean);
    free(w);
}
