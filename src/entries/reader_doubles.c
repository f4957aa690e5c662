/* What several folders have: recordings that overlap in time hold the same calls, under the same
 * ids. Each is one row: of the folder that has it whole, else of the first.
 *
 * The times at which folders overlap are looked through a piece at a time, so that memory does not
 * grow with the number of entries. */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "entries/reader_internal.h"

enum {
    PIECE_ROWS = 65536, /* were all rows at equal distances */
    MAX_PIECES = 512
};

/* False: no entry. */
static bool range_of(const struct entries_reader *r, size_t folder, int64_t *first, int64_t *last)
{
    *first = INT64_MAX;
    *last = INT64_MIN;
    for (size_t i = 0; i < r->part_count; i++) {
        const struct part_summary *s = &r->parts[i].description.summary;
        if (r->parts[i].folder != folder || s->rows == 0)
            continue;
        *first = s->first_ns < *first ? s->first_ns : *first;
        *last = s->last_ns > *last ? s->last_ns : *last;
    }
    return *first <= *last;
}

/* From the first to the last time at which two folders may have the same entry. */
static bool find_overlap(const struct entries_reader *r, int64_t *ret_low, int64_t *ret_high)
{
    *ret_low = INT64_MAX;
    *ret_high = INT64_MIN;
    for (size_t a = 0; a < r->dir_count; a++)
        for (size_t b = a + 1; b < r->dir_count; b++) {
            int64_t first[2], last[2];
            if (!range_of(r, a, &first[0], &last[0]) || !range_of(r, b, &first[1], &last[1]))
                continue;
            int64_t low = first[0] > first[1] ? first[0] : first[1];
            int64_t high = last[0] < last[1] ? last[0] : last[1];
            if (low > high)
                continue;
            *ret_low = low < *ret_low ? low : *ret_low;
            *ret_high = high > *ret_high ? high : *ret_high;
        }
    return *ret_low <= *ret_high;
}

/* Times are rarely the same but of the same entry: most rows are passed over by them. */
static int find_in(struct entries_reader *r, int64_t low, int64_t high, struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(&sql,
               "INSERT INTO doubles WITH w AS (SELECT row, folder, \"timestamp\" AS t, id,"
               " coalesce(incomplete, false) AS cut, coalesce(status, '') = 'open' AS open"
               " FROM every_row WHERE \"timestamp\" >= %" PRId64 " AND \"timestamp\" <= %" PRId64
               ") SELECT row FROM (SELECT row, folder, first_value(folder) OVER (PARTITION BY t, id"
               " ORDER BY cut, open, folder, row) AS best FROM w WHERE t IN"
               " (SELECT t FROM w GROUP BY t HAVING count(*) > 1)) WHERE folder <> best",
               low, high);
    buf_append_u8(&sql, 0);
    int result = buf_failed(&sql);
    if (result == 0)
        result = duckdb_api_run(r->connection, (const char *)sql.data, reterr);
    buf_done(&sql);
    return result;
}

static int find_doubles(struct entries_reader *r, int64_t low, int64_t high, struct error *reterr)
{
    uint64_t span = (uint64_t)high - (uint64_t)low, pieces = r->rows / PIECE_ROWS + 1;
    uint64_t step = span / (pieces < MAX_PIECES ? pieces : MAX_PIECES) + 1;
    int result =
        duckdb_api_run(r->connection, "CREATE OR REPLACE TEMP TABLE doubles(row BIGINT)", reterr);
    for (uint64_t at = 0; result == 0; at += step) {
        uint64_t end = span - at < step ? span : at + step - 1;
        result = find_in(r, (int64_t)((uint64_t)low + at), (int64_t)((uint64_t)low + end), reterr);
        if (end == span)
            break;
    }
    return result;
}

static int any_double(struct entries_reader *r, struct error *reterr)
{
    duckdb_result result;
    const char *sql = "SELECT row FROM doubles LIMIT 1";
    if (duckdb_api.query(r->connection, sql, &result) != DuckDBSuccess) {
        int e = duckdb_api_error(reterr, "answer", duckdb_api.result_error(&result));
        duckdb_api.destroy_result(&result);
        return e;
    }
    duckdb_data_chunk chunk = duckdb_api.fetch_chunk(result);
    r->has_doubles = chunk && duckdb_api.data_chunk_get_size(chunk) > 0;
    if (chunk)
        duckdb_api.destroy_data_chunk(&chunk);
    duckdb_api.destroy_result(&result);
    return 0;
}

int reader_leave_out_doubles(struct entries_reader *r, struct error *reterr)
{
    int64_t low, high;
    int result = 0;
    r->has_doubles = false;
    if (find_overlap(r, &low, &high)) {
        result = find_doubles(r, low, high, reterr);
        if (result == 0)
            result = any_double(r, reterr);
    }
    return result < 0
               ? result
               : duckdb_api_run(r->connection,
                                r->has_doubles ? "CREATE OR REPLACE VIEW rows AS SELECT * FROM "
                                                 "every_row ANTI JOIN temp.doubles USING (row)"
                                               : "CREATE OR REPLACE VIEW rows AS SELECT * FROM "
                                                 "every_row",
                                reterr);
}
