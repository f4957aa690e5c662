#include "entries/part_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "entries/block.h"
#include "entries/columns.h"

static const char phase[] = "entries-part";

struct part_writer {
    int dir_fd, part_fd, payload_fd;
    bool sealed;
    char name[PART_NAME_SIZE - 4], unsealed_name[PART_NAME_SIZE];
    struct block_writer *blocks;
    struct columns_writer *columns;
    struct part_summary summary;
};

static int make_files(struct part_writer *w)
{
    int r = io_mkdir(phase, w->dir_fd, w->unsealed_name, 0700);
    if (r < 0)
        return r;
    w->part_fd = openat(w->dir_fd, w->unsealed_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->part_fd < 0)
        return -errno;
    w->payload_fd = io_create(phase, w->part_fd, "payload.blk", O_RDWR | O_CREAT | O_EXCL, 0600);
    return w->payload_fd < 0 ? w->payload_fd : 0;
}

static int open_writers(struct part_writer *w, const struct part_writer_options *options,
                        struct error *reterr)
{
    int r = make_files(w);
    if (r < 0)
        return error_set(reterr, r, "the dissection's folder cannot be written: %s.",
                         strerrordesc_np(-r));
    r = block_writer_new(w->payload_fd, &w->blocks);
    if (r < 0)
        return error_set(reterr, r, "the payload file cannot be written: %s.", strerrordesc_np(-r));
    char path[PART_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s/columns.duckdb", options->dir, w->unsealed_name);
    return columns_writer_open(path, options->duckdb_memory_bytes, options->threads, &w->columns,
                               reterr);
}

int part_writer_open(const struct part_writer_options *options, struct part_writer **ret_writer,
                     struct error *reterr)
{
    struct part_writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(reterr, -ENOMEM, "out of memory.");
    w->dir_fd = options->dir_fd;
    w->part_fd = w->payload_fd = -1;
    snprintf(w->name, sizeof w->name, "part-%06u", options->number);
    snprintf(w->unsealed_name, sizeof w->unsealed_name, "%s.tmp", w->name);
    int r = open_writers(w, options, reterr);
    if (r < 0)
        part_writer_free(w);
    else
        *ret_writer = w;
    return r;
}

int part_writer_append(struct part_writer *w, const struct entry *entry, struct error *reterr)
{
    int r = block_writer_append(w->blocks, entry);
    if (r < 0)
        return error_set(reterr, r, "an entry could not be stored: %s.", strerrordesc_np(-r));
    r = columns_writer_append(w->columns, entry, reterr);
    if (r < 0)
        return r;
    struct part_summary *s = &w->summary;
    if (s->rows == 0) {
        s->first_index = entry->index;
        s->first_ns = s->last_ns = entry->timestamp_ns;
    }
    s->first_ns = entry->timestamp_ns < s->first_ns ? entry->timestamp_ns : s->first_ns;
    s->last_ns = entry->timestamp_ns > s->last_ns ? entry->timestamp_ns : s->last_ns;
    s->rows++;
    return 0;
}

uint64_t part_writer_rows(const struct part_writer *w)
{
    return w->summary.rows;
}

uint64_t part_writer_bytes(const struct part_writer *w)
{
    return w->summary.payload_bytes;
}

const char *part_writer_name(const struct part_writer *w)
{
    return w->name;
}

static int sync_columns(const struct part_writer *w)
{
    int fd = openat(w->part_fd, "columns.duckdb", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = io_fsync(phase, fd);
    close(fd);
    return r;
}

int part_writer_seal(struct part_writer *w, struct entry_files files, struct error *reterr)
{
    int r = block_writer_flush(w->blocks);
    if (r == 0)
        r = io_fdatasync(phase, w->payload_fd);
    if (r < 0)
        return error_set(reterr, r, "the payload file cannot be written: %s.", strerrordesc_np(-r));
    w->summary.payload_bytes = block_writer_bytes(w->blocks);
    w->summary.files = files;
    r = columns_writer_close(w->columns, reterr);
    if (r < 0)
        return r;
    r = sync_columns(w);
    if (r == 0)
        r = part_write_summary(w->part_fd, &w->summary);
    if (r == 0)
        r = io_rename(phase, w->dir_fd, w->unsealed_name, w->dir_fd, w->name);
    w->sealed = r == 0;
    if (r == 0)
        r = io_fsync(phase, w->dir_fd);
    return r < 0 ? error_set(reterr, r, "the part could not be sealed: %s.", strerrordesc_np(-r))
                 : 0;
}

void part_writer_free(struct part_writer *w)
{
    if (!w)
        return;
    block_writer_free(w->blocks);
    columns_writer_free(w->columns);
    if (w->payload_fd >= 0)
        close(w->payload_fd);
    if (w->part_fd >= 0)
        close(w->part_fd);
    if (!w->sealed && w->part_fd >= 0)
        (void)io_remove_tree(phase, w->dir_fd, w->unsealed_name); /* else the next writer does it */
    free(w);
}
