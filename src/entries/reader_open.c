#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
static int attach_columns(struct entries_reader *r, size_t number, const char *path,
                          struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 3 * PART_PATH_SIZE);
    buf_append_str(&sql, "ATTACH '");
    for (const char *c = path; *c; c++)
        buf_append(&sql, *c == '\'' ? "''" : c, *c == '\'' ? 2 : 1);
    buf_printf(&sql, "' AS p%zu (READ_ONLY)", number);
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

static int open_part(struct entries_reader *r, const char *dir, const char *name,
                     struct error *reterr)
{
    struct part *parts = realloc(r->parts, (r->part_count + 1) * sizeof *parts);
    if (!parts)
        return error_set(reterr, -ENOMEM, "out of memory.");
    r->parts = parts;
    struct part *part = &parts[r->part_count];
    *part = (struct part){.payload_fd = -1, .first_row = r->rows};
    r->part_count++;
    char path[PART_PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = n < 0 || (size_t)n + sizeof "/columns.duckdb" > sizeof path
                 ? -1
                 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -ENOENT, "a part of the dissection cannot be opened.");
    int result = part_read_summary(fd, &part->description, reterr);
    if (result == 0)
        result = open_payload(part, fd, reterr);
    close(fd);
    if (result < 0)
        return result;
    r->rows += part->description.summary.rows;
    snprintf(path + n, sizeof path - (size_t)n, "/columns.duckdb");
    return attach_columns(r, r->part_count - 1, path, reterr);
}

int reader_open_folder(struct entries_reader *r, const char *dir, struct error *reterr)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct part_list list = {0};
    int result = fd < 0 ? -errno : part_list_folder(fd, false, &list);
    if (fd >= 0)
        close(fd);
    if (result < 0)
        return error_set(reterr, result, "the dissection's folder cannot be read.");
    for (size_t i = 0; result == 0 && i < list.count; i++)
        result = open_part(r, dir, list.names[i], reterr);
    part_list_done(&list);
    return result;
}

int reader_create_view(struct entries_reader *r, struct error *reterr)
{
    struct buf sql;
    buf_init(&sql, 1 << 20);
    buf_append_str(&sql, "CREATE VIEW rows AS ");
    if (r->part_count == 0)
        buf_append_str(&sql,
                       "SELECT NULL::BIGINT AS row, NULL::BIGINT AS \"index\", NULL::BIGINT AS "
                       "\"timestamp\" WHERE false");
    for (size_t i = 0; i < r->part_count; i++) {
        const struct part *part = &r->parts[i];
        int64_t shift = (int64_t)(part->first_row - part->description.summary.first_index);
        buf_printf(&sql, "%sSELECT \"index\" + (%" PRId64 ") AS row, * FROM p%zu.entries",
                   i ? " UNION ALL BY NAME " : "", shift, i);
    }
    buf_append_u8(&sql, 0);
    int result = buf_failed(&sql);
    if (result == 0)
        result = duckdb_api_run(r->connection, (const char *)sql.data, reterr);
    buf_done(&sql);
    return result;
}
