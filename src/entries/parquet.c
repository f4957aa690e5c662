#include "entries/parquet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "entries/parquet_row.h"
#include "job/job.h"

enum {
    MEMORY_BYTES = 256 * 1000 * 1000,
    READ_BYTES = 256 * 1024,
    CHUNK_BYTES = 4 * 1024 * 1024 /* of lines in one chunk: bodies are large, a chunk is not */
};

int parquet_find_field(const char *name, field_id *ret_field, struct error *reterr)
{
    field_id field = field_find(slice_str(name));
    if (field == FIELD_NONE)
        return error_set(reterr, -EINVAL,
                         "There is no variable \"%.64s\"; `trawl filter fields` lists them.", name);
    if (field_at(field)->flags & FIELD_DERIVED)
        return error_set(reterr, -EINVAL,
                         "\"%.64s\" is made from other variables and is no column of entries.",
                         name);
    *ret_field = field;
    return 0;
}

/* ── lines ── */

struct source {
    int fd;
    struct buf text;       /* what was read; [begin, scanned) has no line end */
    size_t begin, scanned; /* of the line that comes next */
    bool at_end;
    const field_id *fields;
    size_t count;
};

static int read_more(struct source *s)
{
    if (s->begin)
        buf_drop_front(&s->text, s->begin);
    s->scanned -= s->begin;
    s->begin = 0;
    uint8_t *room = buf_reserve(&s->text, READ_BYTES);
    if (!room)
        return -EMSGSIZE;
    ssize_t n;
    do
        n = read(s->fd, room, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    s->text.len += (size_t)n;
    s->at_end = n == 0;
    return 0;
}

/* 1: a line, borrowed until the next call; 0: there are no more. */
static int next_line(struct source *s, struct slice *ret_line)
{
    for (;;) {
        size_t left = s->text.len - s->scanned;
        const uint8_t *end = left ? memchr(s->text.data + s->scanned, '\n', left) : NULL;
        if (end || (s->at_end && s->text.len > s->begin)) {
            size_t stop = end ? (size_t)(end - s->text.data) : s->text.len;
            *ret_line = slice_of(s->text.data + s->begin, stop - s->begin);
            s->begin = s->scanned = end ? stop + 1 : stop;
            return 1;
        }
        s->scanned = s->text.len;
        if (s->at_end)
            return 0;
        int r = read_more(s);
        if (r < 0)
            return r;
    }
}

static int put_line(const struct source *s, struct slice line, duckdb_data_chunk chunk, idx_t row)
{
    int r = 0;
    json_t *entry = json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(entry))
        r = -EBADMSG;
    for (size_t i = 0; i < s->count && r == 0; i++)
        r = parquet_row_put(duckdb_api.data_chunk_get_vector(chunk, i), row, field_at(s->fields[i]),
                            entry);
    json_decref(entry);
    return r;
}

/* ── a table function whose rows are the lines ── */

static void bind_columns(duckdb_bind_info info)
{
    const struct source *s = duckdb_api.bind_get_extra_info(info);
    for (size_t i = 0; i < s->count; i++) {
        const struct field_def *def = field_at(s->fields[i]);
        duckdb_logical_type type = parquet_row_type(def);
        duckdb_api.bind_add_result_column(info, def->name, type);
        duckdb_api.destroy_logical_type(&type);
    }
}

static void begin_rows(duckdb_init_info info)
{
    duckdb_api.init_set_max_threads(info, 1);
}

static void give_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    struct source *s = duckdb_api.function_get_extra_info(info);
    struct slice line;
    size_t bytes = 0;
    idx_t rows = 0;
    int r = 1;
    while (rows < duckdb_api.vector_size() && bytes < CHUNK_BYTES) {
        r = next_line(s, &line);
        if (r == 1 && put_line(s, line, chunk, rows) < 0)
            r = -EBADMSG;
        if (r != 1)
            break;
        bytes += line.len;
        rows++;
    }
    if (r < 0)
        duckdb_api.function_set_error(info, "the hub's lines are no entries");
    duckdb_api.data_chunk_set_size(chunk, r < 0 ? 0 : rows);
}

static int offer_lines(duckdb_connection connection, struct source *s, struct error *reterr)
{
    duckdb_table_function function = duckdb_api.create_table_function();
    duckdb_api.table_function_set_name(function, "lines");
    duckdb_api.table_function_set_extra_info(function, s, NULL);
    duckdb_api.table_function_set_bind(function, bind_columns);
    duckdb_api.table_function_set_init(function, begin_rows);
    duckdb_api.table_function_set_function(function, give_rows);
    duckdb_state state = duckdb_api.register_table_function(connection, function);
    duckdb_api.destroy_table_function(&function);
    return state == DuckDBSuccess ? 0 : error_set(reterr, -EIO, "DuckDB takes no table function.");
}

/* The file is named by its descriptor: nothing that a person typed stands in a statement. */
static int copy_lines(duckdb_connection connection, int file_fd, struct error *reterr)
{
    char sql[240];
    duckdb_result result;
    int r = 0;
    snprintf(
        sql, sizeof sql,
        "COPY (SELECT * FROM lines()) TO '/proc/self/fd/%d' (FORMAT parquet, COMPRESSION zstd, "
        "ROW_GROUP_SIZE_BYTES '32MB', USE_TMP_FILE false)",
        file_fd);
    if (duckdb_api.query(connection, sql, &result) != DuckDBSuccess)
        r = duckdb_api_error(reterr, "write the Parquet file", duckdb_api.result_error(&result));
    duckdb_api.destroy_result(&result);
    return r;
}

int parquet_write(int lines_fd, int file_fd, const field_id *fields, size_t count,
                  struct error *reterr)
{
    duckdb_database database = NULL;
    duckdb_connection connection = NULL;
    struct source source = {.fd = lines_fd, .fields = fields, .count = count};
    /* One thread: rows keep their order, although row groups are cut by their size in bytes, which
     * DuckDB only does where it need not promise it. */
    int r = duckdb_api_open(NULL, MEMORY_BYTES, 1, &database, &connection, reterr);
    if (r < 0)
        return r;
    buf_init(&source.text, JOB_MAX_LINE_BYTES + READ_BYTES);
    r = duckdb_api_run(connection, "SET preserve_insertion_order = false", reterr);
    if (r == 0)
        r = offer_lines(connection, &source, reterr);
    if (r == 0)
        r = copy_lines(connection, file_fd, reterr);
    duckdb_api_close(&database, &connection);
    buf_done(&source.text);
    return r;
}
