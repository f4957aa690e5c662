/* The openings of connections that were alive in the window become files of the snapshot, marked as
 * outside of it. They only help to read what is inside: a node that cannot give them costs nothing
 * but that, and the manifest says why. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_take_private.h"

enum {
    FILE_NAME_BYTES = 32,
    MAX_BYTES = 64 * 1024 * 1024 /* of one: a store holds at most 32 MiB */
};

static const char comment[] =
    "outside the window: the opening of a connection that was alive in the window";

struct arrival {
    struct take *take;
    int fd;
    uint64_t bytes;
    int disk; /* what the disk said */
};

static int keep(void *ctx, const uint8_t *data, size_t n)
{
    struct arrival *a = ctx;
    if (take_stopped(a->take))
        return -ECANCELED;
    if (n > MAX_BYTES - a->bytes)
        return -EPROTO;
    a->bytes += n;
    a->disk = io_write(SNAPSHOT_PHASE_DATA, a->fd, data, n);
    return a->disk;
}

static int declare_problem(struct take_node *n, int r, const struct error *why,
                           struct error *reterr)
{
    const char *text = r == -EPROTO && !why->text[0] ? "The node sends more than a store can hold."
                       : why->text[0]                ? why->text
                                                     : strerrordesc_np(-r);
    n->node.openings_problem = arena_strdup(&n->arena, text);
    return n->node.openings_problem
               ? 0
               : error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
}

/* 1 when something came into the staging file. */
static int stage(struct take_node *n, const struct ring_openings_window *window, int fd,
                 struct error *reterr)
{
    const struct snapshot_source *source = n->who->source;
    struct arrival arrival = {.take = n->take, .fd = fd};
    struct error why = {.text = ""};
    int r = source->openings(source->ctx, window, keep, &arrival, &why);
    if (arrival.disk < 0)
        return take_disk_error(arrival.disk, "Writing the openings failed", reterr);
    if (take_stopped(n->take))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    if (r < 0)
        return declare_problem(n, r, &why, reterr);
    if (arrival.bytes == 0)
        return 0;
    if (!take_has_room(n->take, arrival.bytes))
        return 0;
    take_came(n->take, arrival.bytes);
    return 1;
}

static int record(struct take_node *n, const struct snapshot_extract_file *cut, const char *name,
                  uint64_t sequence, struct error *reterr)
{
    struct snapshot_file file = {.source = arena_strdup(&n->arena, "openings"),
                                 .sequence = sequence,
                                 .size_bytes = cut->bytes,
                                 .packets = cut->packets,
                                 .first_ns = cut->first_ns,
                                 .last_ns = cut->last_ns,
                                 .plain_bytes = cut->bytes,
                                 .trimmed = true,
                                 .outside = true};
    memcpy(file.sha256, cut->sha256, sizeof file.sha256);
    return take_add_outside(n, &file, name, reterr);
}

/* What came is hostile: the job reads it, keeps what is older than the window, and says so in each
 * packet. */
static int cut(struct take_node *n, const struct ring_openings_window *window, int in_fd,
               uint64_t sequence, struct error *reterr)
{
    char name[FILE_NAME_BYTES];
    snprintf(name, sizeof name, "%06llu.pcapng", (unsigned long long)sequence);
    int fd = take_create(n->dir, name, reterr);
    if (fd < 0)
        return fd;
    struct snapshot_extract_file file = {.in_fd = in_fd, .out_fd = fd, .index_fd = -1};
    struct snapshot_extract extract = {.from_ns = PACKET_TIME_MIN_NS,
                                       .to_ns = window->from_ns,
                                       .bpf = n->take->snapshot->request.filter,
                                       .comment = comment,
                                       .files = &file,
                                       .file_count = 1,
                                       .cancel = &n->take->stop,
                                       .in_process = n->take->options->in_process};
    int r = snapshot_extract_run(&extract, reterr);
    if (r == 0 && file.packets) {
        r = io_fsync(SNAPSHOT_PHASE_DATA, fd);
        r = r < 0 ? take_disk_error(r, "Writing the openings failed", reterr)
                  : record(n, &file, name, sequence, reterr);
    }
    close(fd);
    if (r < 0 || file.packets == 0)
        (void)io_unlink(SNAPSHOT_PHASE_DATA, n->dir, name, 0);
    return r;
}

static int take_link_type(struct take_node *n, const struct ring_openings_window *window,
                          uint64_t sequence, struct error *reterr)
{
    char name[FILE_NAME_BYTES];
    snprintf(name, sizeof name, "%06llu.pcapng", (unsigned long long)sequence);
    int fd = take_create(n->staging, name, reterr);
    if (fd < 0)
        return fd;
    int r = stage(n, window, fd, reterr);
    if (r > 0)
        r = cut(n, window, fd, sequence, reterr);
    close(fd);
    return r;
}

int take_openings(struct take_node *n, const struct ring_list *list, uint64_t sequence,
                  struct error *reterr)
{
    int64_t offset_ns = n->node.clock_offset_ns;
    uint16_t seen[TAKE_MAX_OPENINGS];
    size_t seen_count = 0;
    int r = 0;
    if (!n->who->source->openings)
        return 0;
    for (size_t i = 0; i < list->segment_count && r == 0; i++) {
        uint16_t link_type = list->segments[i].link_type;
        bool known = list->segments[i].packets == 0 || seen_count == TAKE_MAX_OPENINGS;
        for (size_t k = 0; k < seen_count; k++)
            known |= seen[k] == link_type;
        if (known)
            continue;
        seen[seen_count++] = link_type;
        struct ring_openings_window window = {.from_ns = n->node.window.from_ns + offset_ns,
                                              .to_ns = n->node.window.to_ns + offset_ns,
                                              .link_type = link_type};
        r = take_link_type(n, &window, sequence++, reterr);
    }
    return r;
}
