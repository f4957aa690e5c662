#include "entries/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "entries/block.h"
#include "entries/columns.h"
#include "entries/part.h"

static const char phase[] = "entries-part";

enum {
    DEFAULT_MEMORY_BYTES = 128 * 1000 * 1000,
    DEFAULT_PART_ROWS = 2000000
};

struct entries_writer {
    struct entries_writer_options options;
    char dir[PART_PATH_SIZE];
    int dir_fd;
    unsigned part_number;
    char part_name[PART_NAME_SIZE];
    int part_fd, payload_fd;
    struct block_writer *blocks;
    struct columns_writer *columns;
    struct part_summary summary;
};

static int open_part(struct entries_writer *w, struct error *reterr)
{
    w->part_number++;
    snprintf(w->part_name, sizeof w->part_name, "part-%06u.tmp", w->part_number);
    int r = io_mkdir(phase, w->dir_fd, w->part_name, 0700);
    if (r == 0)
        r = w->part_fd = openat(w->dir_fd, w->part_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r >= 0)
        r = w->payload_fd =
            io_create(phase, w->part_fd, "payload.blk", O_RDWR | O_CREAT | O_EXCL, 0600);
    if (r < 0) {
        r = r == -1 ? -errno : r;
        return error_set(reterr, r, "the dissection's folder cannot be written: %s.",
                         strerrordesc_np(-r));
    }
    r = block_writer_new(w->payload_fd, &w->blocks);
    if (r < 0)
        return error_set(reterr, r, "the payload file cannot be written: %s.", strerrordesc_np(-r));
    char path[PART_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s/columns.duckdb", w->dir, w->part_name);
    w->summary = (struct part_summary){.files = w->options.files};
    return columns_writer_open(path, w->options.duckdb_memory_bytes, w->options.threads,
                               &w->columns, reterr);
}

/* Leftovers of a writer that died. */
static int remove_unsealed(int dir_fd)
{
    struct part_list list = {0};
    int r = part_list_folder(dir_fd, true, &list);
    for (size_t i = 0; r == 0 && i < list.count; i++)
        r = io_remove_tree(phase, dir_fd, list.names[i]);
    part_list_done(&list);
    return r;
}

/* A dissection is written once; what another one sealed is never added to. */
static int refuse_sealed(int dir_fd)
{
    struct part_list list = {0};
    int r = part_list_folder(dir_fd, false, &list);
    if (r == 0 && list.count)
        r = -EEXIST;
    part_list_done(&list);
    return r;
}

int entries_writer_open(const struct entries_writer_options *options,
                        struct entries_writer **ret_writer, struct error *reterr)
{
    struct entries_writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(reterr, -ENOMEM, "out of memory.");
    w->options = *options;
    w->part_fd = w->payload_fd = w->dir_fd = -1;
    if (!w->options.duckdb_memory_bytes)
        w->options.duckdb_memory_bytes = DEFAULT_MEMORY_BYTES;
    if (!w->options.part_rows)
        w->options.part_rows = DEFAULT_PART_ROWS;
    int n = snprintf(w->dir, sizeof w->dir, "%s", options->dir);
    int r = n < 0 || (size_t)n >= sizeof w->dir ? -ENAMETOOLONG : 0;
    if (r == 0 && (w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    if (r == 0)
        r = refuse_sealed(w->dir_fd);
    if (r == 0)
        r = remove_unsealed(w->dir_fd);
    if (r == -EEXIST)
        error_set(reterr, r,
                  "%s holds a dissection already: name another folder, or remove it first.",
                  options->dir);
    else if (r < 0)
        error_set(reterr, r, "the dissection's folder cannot be used: %s.", strerrordesc_np(-r));
    else
        r = open_part(w, reterr);
    if (r < 0) {
        entries_writer_free(w);
        return r;
    }
    *ret_writer = w;
    return 0;
}

static int sync_columns(struct entries_writer *w)
{
    int fd = openat(w->part_fd, "columns.duckdb", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = io_fsync(phase, fd);
    close(fd);
    return r;
}

/* From .tmp to a part that readers see. */
static int seal_part(struct entries_writer *w, struct error *reterr)
{
    int r = block_writer_flush(w->blocks);
    if (r == 0)
        r = io_fdatasync(phase, w->payload_fd);
    if (r < 0)
        return error_set(reterr, r, "the payload file cannot be written: %s.", strerrordesc_np(-r));
    w->summary.payload_bytes = block_writer_bytes(w->blocks);
    r = columns_writer_close(w->columns, reterr);
    if (r < 0)
        return r;
    r = sync_columns(w);
    if (r == 0)
        r = part_write_summary(w->part_fd, &w->summary);
    char sealed[PART_NAME_SIZE];
    snprintf(sealed, sizeof sealed, "part-%06u", w->part_number);
    if (r == 0)
        r = io_rename(phase, w->dir_fd, w->part_name, w->dir_fd, sealed);
    if (r == 0)
        r = io_fsync(phase, w->dir_fd);
    return r < 0 ? error_set(reterr, r, "the part could not be sealed: %s.", strerrordesc_np(-r))
                 : 0;
}

static void drop_part(struct entries_writer *w)
{
    block_writer_free(w->blocks);
    columns_writer_free(w->columns);
    w->blocks = NULL;
    w->columns = NULL;
    if (w->payload_fd >= 0)
        close(w->payload_fd);
    if (w->part_fd >= 0)
        close(w->part_fd);
    w->payload_fd = w->part_fd = -1;
}

int entries_writer_append(struct entries_writer *w, const struct entry *entry, struct error *reterr)
{
    if (w->summary.rows == w->options.part_rows) {
        int r = seal_part(w, reterr);
        drop_part(w);
        if (r == 0)
            r = open_part(w, reterr);
        if (r < 0)
            return r;
    }
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

int entries_writer_close(struct entries_writer *w, struct error *reterr)
{
    int r = seal_part(w, reterr);
    drop_part(w);
    if (r < 0) /* not renamed, or renamed and whole: then this name is gone */
        (void)io_remove_tree(phase, w->dir_fd, w->part_name);
    return r;
}

void entries_writer_free(struct entries_writer *w)
{
    if (!w)
        return;
    bool unsealed = w->part_fd >= 0;
    drop_part(w);
    if (unsealed)
        (void)io_remove_tree(phase, w->dir_fd, w->part_name); /* else the next writer does it */
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    free(w);
}
