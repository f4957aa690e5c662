#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "entries/reader_internal.h"

static int open_payload(struct part *part, int part_fd, struct error *reterr)
{
    part->payload_fd = openat(part_fd, "payload.blk", O_RDONLY | O_CLOEXEC);
    if (part->payload_fd < 0)
        return error_set(reterr, -errno, "payload.blk is missing: dissect again.");
    int r = block_list(part->payload_fd, &part->blocks, &part->block_count, reterr);
    if (r < 0)
        return r;
    uint64_t rows = 0;
    for (size_t i = 0; i < part->block_count; i++)
        rows += part->blocks[i].row_count;
    if (rows != part->description.summary.rows)
        return error_set(reterr, -EBADMSG,
                         "payload.blk holds %" PRIu64 " of %" PRIu64 " entries: dissect again.",
                         rows, part->description.summary.rows);
    return block_reader_new(part->payload_fd, part->description.field_map,
                            part->description.field_map_count, &part->reader);
}

/* ATTACH 'path' AS pN (READ_ONLY), the quote doubled. */
static int attach_columns(struct entries_reader *r, unsigned number, const char *path,
                          struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 3 * PART_PATH_SIZE);
    buf_append_str(&sql, "ATTACH '");
    for (const char *c = path; *c; c++)
        buf_append(&sql, *c == '\'' ? "''" : c, *c == '\'' ? 2 : 1);
    buf_printf(&sql, "' AS p%u (READ_ONLY)", number);
    buf_append_u8(&sql, 0);
    int result = buf_failed(&sql);
    if (result == 0)
        result = duckdb_api_run(r->connection, (const char *)sql.data, reterr);
    buf_done(&sql);
    if (result == -EIO && reterr) { /* no paths in what people read */
        struct error store = *reterr;
        error_set(reterr, result, "a part of the dissection cannot be opened: dissect again.");
        error_set_cause(reterr, store.cause);
    }
    return result;
}

void reader_close_part(struct part *part)
{
    part_description_done(&part->description);
    block_reader_free(part->reader);
    free(part->blocks);
    if (part->payload_fd >= 0)
        close(part->payload_fd);
}

static int open_part(struct entries_reader *r, const char *dir, struct part *part,
                     struct error *reterr)
{
    char path[PART_PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s/%s", dir, part->name);
    if (n < 0 || (size_t)n + sizeof "/columns.duckdb" > sizeof path)
        return error_set(reterr, -ENAMETOOLONG, "the dissection's path is too long.");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "a part of the dissection cannot be opened.");
    int result = part_read_summary(fd, &part->description, reterr);
    if (result == 0)
        result = open_payload(part, fd, reterr);
    close(fd);
    if (result < 0)
        return result;
    snprintf(path + n, sizeof path - (size_t)n, "/columns.duckdb");
    part->number = r->next_number++;
    return attach_columns(r, part->number, path, reterr);
}

/* ── which parts there are ── */

/* The parts of all folders, in order. */
struct wanted {
    struct part_list *lists; /* of each folder */
    size_t count;
};

static void wanted_done(struct wanted *wanted, size_t dir_count)
{
    for (size_t i = 0; wanted->lists && i < dir_count; i++)
        part_list_done(&wanted->lists[i]);
    free(wanted->lists);
}

static int find_wanted(const struct entries_reader *r, struct wanted *ret, struct error *reterr)
{
    ret->lists = calloc(r->dir_count + 1, sizeof *ret->lists);
    if (!ret->lists)
        return error_set(reterr, -ENOMEM, "out of memory.");
    int result = 0;
    for (size_t i = 0; result == 0 && i < r->dir_count; i++) {
        int fd = open(r->dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = fd < 0 ? error_set(reterr, -errno, "the dissection's folder cannot be read.")
                        : part_list_read(fd, &ret->lists[i], reterr);
        if (fd >= 0)
            close(fd);
        ret->count += ret->lists[i].count;
    }
    return result;
}

static struct part *find_open(struct entries_reader *r, size_t folder, const char *name)
{
    for (size_t i = 0; i < r->part_count; i++)
        if (r->parts[i].folder == folder && strcmp(r->parts[i].name, name) == 0)
            return &r->parts[i];
    return NULL;
}

static bool is_same(const struct entries_reader *r, const struct wanted *wanted)
{
    size_t at = 0;
    for (size_t folder = 0; folder < r->dir_count; folder++)
        for (size_t i = 0; i < wanted->lists[folder].count; i++, at++)
            if (at >= r->part_count || r->parts[at].folder != folder ||
                strcmp(r->parts[at].name, wanted->lists[folder].names[i]) != 0)
                return false;
    return at == r->part_count;
}

/* An index is an entry's place in its folder for good; the folders follow one another. */
static void count_rows(struct entries_reader *r)
{
    uint64_t base = 0, end = 0;
    r->rows = 0;
    for (size_t i = 0; i < r->part_count; i++) {
        struct part *part = &r->parts[i];
        const struct part_summary *s = &part->description.summary;
        if (i && part->folder != r->parts[i - 1].folder)
            base = end;
        part->first_row = base + s->first_index;
        if (s->rows)
            end = part->first_row + s->rows;
        r->rows += s->rows;
    }
}

/* One view over the tables of all parts: `rows`, of several folders `every_row` with the number of
 * the folder. */
static int create_view(struct entries_reader *r, struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 1 << 20);
    bool several = r->dir_count > 1;
    buf_printf(&sql, "CREATE OR REPLACE VIEW %s AS ", several ? "every_row" : "rows");
    if (r->part_count == 0)
        buf_append_str(&sql,
                       "SELECT NULL::BIGINT AS row, NULL::BIGINT AS \"index\", NULL::BIGINT AS "
                       "\"timestamp\" WHERE false");
    for (size_t i = 0; i < r->part_count; i++) {
        const struct part *part = &r->parts[i];
        int64_t shift = (int64_t)(part->first_row - part->description.summary.first_index);
        buf_printf(&sql, "%sSELECT \"index\" + (%" PRId64 ") AS row, ",
                   i ? " UNION ALL BY NAME " : "", shift);
        if (several)
            buf_printf(&sql, "%zu::BIGINT AS folder, ", part->folder);
        buf_printf(&sql, "* FROM p%u.entries", part->number);
    }
    buf_append_u8(&sql, 0);
    int result = buf_failed(&sql);
    if (result == 0)
        result = duckdb_api_run(r->connection, (const char *)sql.data, reterr);
    if (result == 0 && several)
        result = reader_leave_out_doubles(r, reterr);
    buf_done(&sql);
    return result;
}

/* Parts of older versions have no such column: each hop counts there. */
static void look_for_hops(struct entries_reader *r)
{
    duckdb_result result;
    r->has_hops = false;
    if (duckdb_api.query(r->connection, "SELECT 1 FROM rows WHERE hop_call IS NOT NULL LIMIT 1",
                         &result) == DuckDBSuccess) {
        duckdb_data_chunk chunk = duckdb_api.fetch_chunk(result);
        r->has_hops = chunk && duckdb_api.data_chunk_get_size(chunk) > 0;
        if (chunk)
            duckdb_api.destroy_data_chunk(&chunk);
    }
    duckdb_api.destroy_result(&result);
}

static void detach_columns(struct entries_reader *r, unsigned number)
{
    char sql[40];
    struct error ignored; /* what stays attached costs memory only */
    snprintf(sql, sizeof sql, "DETACH p%u", number);
    duckdb_api_run(r->connection, sql, &ignored);
}

/* Parts that are in neither list are closed; NULL: none is kept. */
static void close_others(struct entries_reader *r, struct part *parts, size_t count,
                         const struct part *kept, size_t kept_count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_kept = false;
        for (size_t k = 0; k < kept_count && !is_kept; k++)
            is_kept = kept[k].number == parts[i].number;
        if (is_kept)
            continue;
        reader_close_part(&parts[i]);
        detach_columns(r, parts[i].number);
    }
    free(parts);
}

static int open_wanted(struct entries_reader *r, const struct wanted *wanted, struct error *reterr)
{
    struct part *parts = calloc(wanted->count + 1, sizeof *parts);
    if (!parts)
        return error_set(reterr, -ENOMEM, "out of memory.");
    size_t n = 0;
    int result = 0;
    for (size_t folder = 0; result == 0 && folder < r->dir_count; folder++)
        for (size_t i = 0; result == 0 && i < wanted->lists[folder].count; i++) {
            const char *name = wanted->lists[folder].names[i];
            const struct part *open = find_open(r, folder, name);
            struct part *part = &parts[n++];
            *part = open ? *open : (struct part){.payload_fd = -1, .folder = folder};
            snprintf(part->name, sizeof part->name, "%s", name);
            result = open ? 0 : open_part(r, r->dirs[folder], part, reterr);
        }
    if (result < 0) {
        close_others(r, parts, n, r->parts, r->part_count);
        return result;
    }
    struct part *old = r->parts;
    size_t old_count = r->part_count;
    r->parts = parts;
    r->part_count = n;
    count_rows(r);
    result = create_view(r, reterr);
    r->has_view = result == 0;
    if (result == 0)
        look_for_hops(r);
    close_others(r, old, old_count, parts, n);
    return result;
}

int reader_open_parts(struct entries_reader *r, bool *ret_changed, struct error *reterr)
{
    enum {
        ATTEMPTS = 20 /* a part may be merged with others between the list and its opening */
    };
    int result = -ENOENT;
    for (int i = 0; result == -ENOENT && i < ATTEMPTS; i++) {
        struct wanted wanted = {0};
        result = find_wanted(r, &wanted, reterr);
        *ret_changed = result == 0 && !(is_same(r, &wanted) && r->has_view);
        if (*ret_changed)
            result = open_wanted(r, &wanted, reterr);
        wanted_done(&wanted, r->dir_count);
    }
    return result;
}
