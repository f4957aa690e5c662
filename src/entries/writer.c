#include "entries/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "entries/part_merge.h"

static const char phase[] = "entries-part";

enum {
    DEFAULT_MEMORY_BYTES = 128 * 1000 * 1000,
    DEFAULT_PART_ROWS = 2000000,
    MERGE_PARTS = 8, /* of one size, at the end of the list, become one */
    KEEP_PARTS = 512 /* where they cannot be merged */
};

/* A part has the size of the first of these that its rows stay below; larger ones are left alone,
 * so that no merge takes longer than readers are to wait for what is new. */
static const uint64_t merge_sizes[] = {1024, 8192};
enum {
    MERGE_SIZES = sizeof merge_sizes / sizeof *merge_sizes
};

struct known_part {
    uint64_t rows, bytes;
};

struct entries_writer {
    struct entries_writer_options options;
    char dir[PART_PATH_SIZE];
    int dir_fd;
    unsigned last_number;     /* of all parts so far */
    struct part_list list;    /* sealed */
    struct known_part *known; /* of each of them */
    uint64_t next_index;
    struct part_description earlier; /* its files */
    struct part_writer *part;        /* that is being filled; NULL = none yet */
    size_t fixed;                    /* parts at the beginning whose files have other numbers */
    bool no_merge;                   /* it failed: what is sealed stays as it is */
};

static int open_part(struct entries_writer *w, struct part_writer **ret_part, struct error *reterr)
{
    struct part_writer_options options = {.dir_fd = w->dir_fd,
                                          .dir = w->dir,
                                          .number = ++w->last_number,
                                          .duckdb_memory_bytes = w->options.duckdb_memory_bytes,
                                          .threads = w->options.threads};
    return part_writer_open(&options, ret_part, reterr);
}

/* ── what is there already ── */

static unsigned number_of(const char *name)
{
    return (unsigned)strtoul(name + sizeof "part-" - 1, NULL, 10);
}

/* Leftovers of a writer that died: unsealed parts, and sealed ones that the list does not name (any
 * more). */
static int remove_leftovers(struct entries_writer *w, bool unsealed)
{
    struct part_list list = {0};
    int r = part_list_folder(w->dir_fd, unsealed, &list);
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (number_of(list.names[i]) > w->last_number)
            w->last_number = number_of(list.names[i]);
        if (unsealed || !part_list_has(&w->list, list.names[i]))
            r = io_remove_tree(phase, w->dir_fd, list.names[i]);
    }
    part_list_done(&list);
    return r;
}

static int read_description(const struct entries_writer *w, const char *name,
                            struct part_description *ret_description, struct error *reterr)
{
    int fd = openat(w->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "%s cannot be opened.", name);
    int r = part_read_summary(fd, ret_description, reterr);
    close(fd);
    return r;
}

/* Room for what is known of one more. */
static int make_room(struct entries_writer *w)
{
    struct known_part *all = realloc(w->known, (w->list.count + 1) * sizeof *all);
    if (!all)
        return -ENOMEM;
    w->known = all;
    return 0;
}

/* Rows, next index and files of the parts that are gone on with. */
static int learn_parts(struct entries_writer *w, struct error *reterr)
{
    w->known = calloc(w->list.count + 1, sizeof *w->known);
    int r = w->known ? 0 : error_set(reterr, -ENOMEM, "out of memory.");
    for (size_t i = 0; r == 0 && i < w->list.count; i++) {
        part_description_done(&w->earlier);
        r = read_description(w, w->list.names[i], &w->earlier, reterr);
        const struct part_summary *s = &w->earlier.summary;
        if (r == 0) {
            w->known[i] = (struct known_part){s->rows, s->payload_bytes};
            w->next_index = s->rows ? s->first_index + s->rows : w->next_index;
        }
    }
    if (w->options.max_earlier_files &&
        w->earlier.summary.files.count > w->options.max_earlier_files) {
        part_description_done(&w->earlier);
        w->fixed = w->list.count;
    }
    return r;
}

static int use_folder(struct entries_writer *w, struct error *reterr)
{
    int r = part_list_read(w->dir_fd, &w->list, reterr);
    if (r < 0)
        return r;
    if (w->list.count && !w->options.goes_on)
        return error_set(reterr, -EEXIST,
                         "%s holds a dissection already: name another folder, or remove it first.",
                         w->dir);
    r = remove_leftovers(w, true);
    if (r == 0)
        r = remove_leftovers(w, false);
    if (r < 0)
        return error_set(reterr, r, "the dissection's folder cannot be used: %s.",
                         strerrordesc_np(-r));
    return learn_parts(w, reterr);
}

int entries_writer_open(const struct entries_writer_options *options,
                        struct entries_writer **ret_writer, struct error *reterr)
{
    struct entries_writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(reterr, -ENOMEM, "out of memory.");
    w->options = *options;
    w->dir_fd = -1;
    if (!w->options.duckdb_memory_bytes)
        w->options.duckdb_memory_bytes = DEFAULT_MEMORY_BYTES;
    if (!w->options.part_rows)
        w->options.part_rows = DEFAULT_PART_ROWS;
    int n = snprintf(w->dir, sizeof w->dir, "%s", options->dir);
    int r = n < 0 || (size_t)n >= sizeof w->dir ? -ENAMETOOLONG : 0;
    if (r == 0 && (w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = -errno;
    /* Two at once would remove each other's parts; the lock goes with its process. */
    if (r == 0 && flock(w->dir_fd, LOCK_EX | LOCK_NB) < 0)
        r = -errno;
    if (r == -EWOULDBLOCK)
        error_set(reterr, r, "another dissection is being written into this folder.");
    else if (r < 0)
        error_set(reterr, r, "the dissection's folder cannot be used: %s.", strerrordesc_np(-r));
    else
        r = use_folder(w, reterr);
    if (r == 0)
        r = open_part(w, &w->part, reterr);
    if (r < 0)
        entries_writer_free(w);
    else
        *ret_writer = w;
    return r;
}

uint64_t entries_writer_next_index(const struct entries_writer *w)
{
    return w->next_index;
}

struct entry_files entries_writer_earlier_files(const struct entries_writer *w)
{
    return w->earlier.summary.files;
}

void entries_writer_set_files(struct entries_writer *w, struct entry_files files)
{
    w->options.files = files;
}

/* ── sealing ── */

/* The list with `by` (NULL: nothing) instead of `count` parts from `first` on; then they are
 * removed.
 */
static int replace_parts(struct entries_writer *w, size_t first, size_t count,
                         const struct part_writer *by)
{
    struct part_list list = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i <= w->list.count; i++) {
        if (i == first && by)
            r = part_list_add(&list, part_writer_name(by));
        if (r == 0 && i < w->list.count && (i < first || i >= first + count))
            r = part_list_add(&list, w->list.names[i]);
    }
    if (r == 0)
        r = part_list_write(w->dir_fd, &list);
    if (r < 0) {
        part_list_done(&list);
        return r;
    }
    struct part_list old = w->list;
    w->list = list;
    size_t added = by ? 1 : 0;
    memmove(w->known + first + added, w->known + first + count,
            (old.count - first - count) * sizeof *w->known);
    if (by)
        w->known[first] = (struct known_part){part_writer_rows(by), part_writer_bytes(by)};
    for (size_t i = first; i < first + count; i++)
        (void)io_remove_tree(phase, w->dir_fd, old.names[i]); /* else the next writer does it */
    part_list_done(&old);
    return 0;
}

static int seal_part(struct entries_writer *w, struct error *reterr)
{
    int r = make_room(w);
    if (r < 0)
        error_set(reterr, r, "out of memory.");
    else
        r = part_writer_seal(w->part, w->options.files, reterr);
    if (r == 0 && (r = replace_parts(w, w->list.count, 0, w->part)) < 0)
        error_set(reterr, r, "the part could not be added to the others: %s.", strerrordesc_np(-r));
    part_writer_free(w->part);
    w->part = NULL;
    return r;
}

static size_t size_of(uint64_t rows)
{
    size_t size = 0;
    while (size < MERGE_SIZES && rows >= merge_sizes[size])
        size++;
    return size;
}

/* The newest parts that are to become one: enough of one size, and all smaller ones behind them. */
static size_t count_mergeable(const struct entries_writer *w)
{
    for (size_t size = 0; size < MERGE_SIZES; size++) {
        size_t count = 0, same = 0;
        while (count < w->list.count - w->fixed &&
               size_of(w->known[w->list.count - 1 - count].rows) <= size)
            same += size_of(w->known[w->list.count - 1 - count++].rows) == size;
        if (same >= MERGE_PARTS)
            return count;
    }
    return 0;
}

static int merge(struct entries_writer *w, size_t count)
{
    struct part_writer *part = NULL;
    struct error ignored;
    size_t first = w->list.count - count;
    int r = open_part(w, &part, &ignored);
    if (r == 0)
        r = part_merge(w->dir_fd, &w->list, first, count, part, &ignored);
    if (r == 0)
        r = replace_parts(w, first, count, part);
    part_writer_free(part);
    return r;
}

static int give_up_oldest(struct entries_writer *w, struct error *reterr)
{
    struct known_part kept = {0};
    uint64_t max_bytes = w->options.keep_bytes ? w->options.keep_bytes : UINT64_MAX;
    size_t keep = 0;
    while (keep < w->list.count && keep < KEEP_PARTS &&
           (keep == 0 || kept.rows < w->options.keep_rows)) {
        const struct known_part *next = &w->known[w->list.count - 1 - keep];
        if (keep && next->bytes > max_bytes - kept.bytes)
            break;
        kept.rows += next->rows;
        kept.bytes = next->bytes < max_bytes - kept.bytes ? kept.bytes + next->bytes : max_bytes;
        keep++;
    }
    if (keep == w->list.count)
        return 0;
    size_t gone = w->list.count - keep;
    int r = replace_parts(w, 0, gone, NULL);
    if (r == 0)
        w->fixed -= gone < w->fixed ? gone : w->fixed;
    return r < 0 ? error_set(reterr, r, "the oldest calls could not be removed: %s.",
                             strerrordesc_np(-r))
                 : 0;
}

int entries_writer_seal(struct entries_writer *w, struct error *reterr)
{
    bool is_first = w->options.keep_rows && w->list.count == 0;
    if (!w->part || (part_writer_rows(w->part) == 0 && !is_first))
        return 0;
    int r = seal_part(w, reterr);
    if (r < 0 || !w->options.keep_rows)
        return r;
    size_t count;
    while (!w->no_merge && (count = count_mergeable(w)) > 0)
        w->no_merge = merge(w, count) < 0;
    return give_up_oldest(w, reterr);
}

int entries_writer_append(struct entries_writer *w, const struct entry *entry, struct error *reterr)
{
    int r = 0;
    if (w->part && part_writer_rows(w->part) == w->options.part_rows)
        r = entries_writer_seal(w, reterr);
    if (r == 0 && !w->part)
        r = open_part(w, &w->part, reterr);
    if (r == 0)
        r = part_writer_append(w->part, entry, reterr);
    if (r == 0)
        w->next_index = entry->index + 1;
    return r;
}

int entries_writer_close(struct entries_writer *w, struct error *reterr)
{
    bool is_empty = w->list.count == 0;
    return w->part && (is_empty || part_writer_rows(w->part)) ? seal_part(w, reterr) : 0;
}

void entries_writer_free(struct entries_writer *w)
{
    if (!w)
        return;
    part_writer_free(w->part);
    part_list_done(&w->list);
    part_description_done(&w->earlier);
    free(w->known);
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    free(w);
}
