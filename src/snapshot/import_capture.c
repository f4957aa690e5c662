/* A bare capture becomes a one-node snapshot: rewritten as pcapng with nanoseconds, in seekable
 * Zstandard files of at most 64 MiB of content. The manifest keeps the original's SHA-256. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "packet/capture_reader.h"
#include "packet/pcapng_writer.h"
#include "snapshot/import_private.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_zst.h"

enum {
    FILE_BYTES = 64 * 1024 * 1024, /* content of one file */
    FLUSH_BYTES = 1024 * 1024,
    BUFFER_BYTES = 24 * 1024 * 1024,
    MAX_FILES = 1 << 20
};

struct intake {
    struct import_work *work;
    struct capture_reader *reader;
    struct snapshot_manifest *manifest;
    struct snapshot_node *node;
    char folder[3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 1];
    int dir;
    size_t file_cap;
    uint64_t written;
    struct snapshot_file *files; /* malloc'ed until the end */
    size_t file_count;
    /* the file being written */
    int fd;
    struct snapshot_zst zst;
    struct buf out;
    struct snapshot_drops *drops; /* last statistics of each interface */
    size_t drops_count;
};

static int flush(struct intake *in, struct error *reterr)
{
    if (buf_failed(&in->out))
        return error_set(reterr, buf_failed(&in->out), "There is no memory to import.");
    int r = snapshot_zst_add(&in->zst, in->out.data, in->out.len, reterr);
    buf_reset(&in->out);
    return r;
}

static int open_file(struct intake *in, struct error *reterr)
{
    if (in->file_count == in->file_cap) {
        size_t cap = in->file_cap ? in->file_cap * 2 : 16;
        void *grown = cap <= MAX_FILES ? reallocarray(in->files, cap, sizeof *in->files) : NULL;
        if (!grown)
            return error_set(reterr, -ENOMEM, "There is no memory to import.");
        in->files = grown;
        in->file_cap = cap;
    }
    struct snapshot_file *file = &in->files[in->file_count];
    *file = (struct snapshot_file){.sequence = in->file_count + 1,
                                   .first_ns = INT64_MAX,
                                   .last_ns = INT64_MIN,
                                   .compressed = true};
    char name[40];
    snprintf(name, sizeof name, "%06zu.pcapng.zst", in->file_count + 1);
    in->fd = io_create(SNAPSHOT_PHASE_IMPORT, in->dir, name,
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (in->fd < 0)
        return error_set(reterr, in->fd, "A file of the import cannot be made: %s.",
                         strerrordesc_np(-in->fd));
    uint64_t left = in->work->max_bytes > in->written ? in->work->max_bytes - in->written : 1;
    int r = snapshot_zst_begin(&in->zst, SNAPSHOT_PHASE_IMPORT, in->fd, left, reterr);
    in->file_count++;
    pcapng_put_section(&in->out, NULL, "trawl " TRAWL_VERSION, NULL);
    for (uint32_t i = 0; i < capture_reader_interface_count(in->reader); i++)
        pcapng_put_interface(&in->out, capture_reader_interface(in->reader, i));
    return r;
}

static int close_file(struct intake *in, struct error *reterr)
{
    if (in->fd < 0)
        return 0;
    struct snapshot_file *file = &in->files[in->file_count - 1];
    int r = flush(in, reterr);
    if (r == 0)
        r = snapshot_zst_end(&in->zst, file->sha256, reterr);
    if (r == 0 && (r = io_fsync(SNAPSHOT_PHASE_IMPORT, in->fd)) < 0)
        error_set(reterr, r, "The import cannot be synced: %s.", strerrordesc_np(-r));
    file->size_bytes = in->zst.file_bytes;
    file->plain_bytes = in->zst.plain_bytes;
    in->written += file->size_bytes;
    snapshot_zst_done(&in->zst);
    close(in->fd);
    in->fd = -1;
    return r;
}

static int take_packet(struct intake *in, const struct packet *packet, struct error *reterr)
{
    int r = 0;
    if (in->fd >= 0 && in->zst.plain_bytes + in->out.len >= FILE_BYTES)
        r = close_file(in, reterr);
    if (r == 0 && in->fd < 0)
        r = open_file(in, reterr);
    if (r < 0)
        return r;
    struct snapshot_file *file = &in->files[in->file_count - 1];
    pcapng_put_packet(&in->out, packet, NULL);
    file->packets++;
    if (packet->ts_ns < file->first_ns)
        file->first_ns = packet->ts_ns;
    if (packet->ts_ns > file->last_ns)
        file->last_ns = packet->ts_ns;
    return in->out.len >= FLUSH_BYTES ? flush(in, reterr) : 0;
}

/* Counters run on: the last block of an interface says it all. */
static void take_statistics(struct intake *in)
{
    const struct capture_statistics *s = capture_reader_statistics(in->reader);
    if (s->interface >= in->drops_count) {
        size_t count = capture_reader_interface_count(in->reader);
        if (s->interface >= count)
            return;
        void *grown = reallocarray(in->drops, count, sizeof *in->drops);
        if (!grown)
            return;
        in->drops = grown;
        memset(in->drops + in->drops_count, 0, (count - in->drops_count) * sizeof *in->drops);
        in->drops_count = count;
    }
    if (s->dropped_by_interface != UINT64_MAX)
        in->drops[s->interface].kernel = s->dropped_by_interface;
    if (s->dropped_by_os != UINT64_MAX)
        in->drops[s->interface].ring = s->dropped_by_os;
}

static int take_secrets(struct intake *in, struct error *reterr)
{
    /* they stand before the packets they open, so they open the next file when none is open */
    int r = in->fd < 0 ? open_file(in, reterr) : 0;
    if (r < 0)
        return r;
    pcapng_put_secrets(&in->out, capture_reader_secrets(in->reader));
    return flush(in, reterr);
}

static int take_events(struct intake *in, struct error *reterr)
{
    for (uint64_t n = 0;; n++) {
        struct packet packet;
        int event = capture_reader_next(in->reader, &packet, reterr);
        int r = event < 0 ? event : 0;
        if (event == CAPTURE_END)
            return close_file(in, reterr);
        if (event == CAPTURE_PACKET)
            r = take_packet(in, &packet, reterr);
        else if (event == CAPTURE_INTERFACE && in->fd >= 0)
            pcapng_put_interface(&in->out, capture_reader_interface(in->reader, packet.interface));
        else if (event == CAPTURE_DAMAGE)
            in->manifest->origin.damage++;
        else if (event == CAPTURE_STATISTICS)
            take_statistics(in);
        else if (event == CAPTURE_SECRETS)
            r = take_secrets(in, reterr);
        if (r == 0 && n % 4096 == 0 && in->work->cancel &&
            __atomic_load_n(in->work->cancel, __ATOMIC_RELAXED))
            r = error_set(reterr, -ECANCELED, "It was cancelled.");
        if (r < 0)
            return r;
    }
}

/* ── the manifest ── */

static int fill_interfaces(struct intake *in)
{
    struct arena *arena = &in->manifest->arena;
    size_t count = capture_reader_interface_count(in->reader);
    in->node->interfaces = arena_calloc(arena, count + 1, sizeof *in->node->interfaces);
    for (uint32_t i = 0; in->node->interfaces && i < count; i++) {
        const struct packet_interface *from = capture_reader_interface(in->reader, i);
        struct snapshot_interface *to = &in->node->interfaces[in->node->interface_count++];
        to->link_type = from->link_type;
        to->snaplen_bytes = from->snaplen_bytes;
        to->name = arena_strdup(arena, from->name ? from->name : "");
        to->filter = from->filter ? arena_strdup(arena, from->filter) : NULL;
        if (!to->name || (from->filter && !to->filter))
            return -ENOMEM;
    }
    return in->node->interfaces ? 0 : -ENOMEM;
}

static int fill_files(struct intake *in)
{
    struct arena *arena = &in->manifest->arena;
    struct snapshot_node *node = in->node;
    node->files = arena_calloc(arena, in->file_count + 1, sizeof *node->files);
    node->first_ns = INT64_MAX;
    node->last_ns = INT64_MIN;
    for (size_t i = 0; node->files && i < in->file_count; i++) {
        struct snapshot_file *file = &node->files[i];
        char name[sizeof in->folder + 64];
        *file = in->files[i];
        snprintf(name, sizeof name, "nodes/%s/%06zu.pcapng.zst", in->folder, i + 1);
        file->name = arena_strdup(arena, name);
        file->source = arena_strdup(arena, in->work->file_name);
        if (!file->name || !file->source)
            return -ENOMEM;
        node->packets += file->packets;
        node->captured_bytes += file->plain_bytes;
        if (file->packets && file->first_ns < node->first_ns)
            node->first_ns = file->first_ns;
        if (file->packets && file->last_ns > node->last_ns)
            node->last_ns = file->last_ns;
    }
    node->file_count = in->file_count;
    return node->files ? 0 : -ENOMEM;
}

static int fill_manifest(struct intake *in, struct error *reterr)
{
    struct snapshot_manifest *m = in->manifest;
    struct snapshot_node *node = in->node;
    int r = fill_files(in);
    if (r == 0)
        r = fill_interfaces(in);
    if (r < 0)
        return error_set(reterr, r, "There is no memory for the manifest.");
    if (node->packets == 0)
        return error_set(reterr, -ENODATA, "The file holds no packets.");
    for (size_t i = 0; i < in->drops_count; i++)
        node->drops.kernel += in->drops[i].kernel + in->drops[i].ring;
    node->covered[0] = (struct snapshot_interval){
        node->first_ns, node->last_ns < INT64_MAX ? node->last_ns + 1 : INT64_MAX};
    node->covered_count = 1;
    node->window = node->covered[0];
    node->has_window = true;
    m->requested.from_ns = node->window.from_ns;
    m->requested.to_ns = node->window.to_ns;
    m->imported = true;
    if (m->origin.damage) {
        char text[80];
        snprintf(text, sizeof text, "corrupt: %llu places of the file could not be read",
                 (unsigned long long)m->origin.damage);
        m->missing = arena_calloc(&m->arena, 1, sizeof *m->missing);
        if (!m->missing || !(m->missing[0].reason = arena_strdup(&m->arena, text)))
            return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
        m->missing[0].node = node->name;
        m->missing[0].at = node->window;
        m->missing_count = 1;
        m->partial = true;
    }
    snapshot_manifest_total(m);
    return 0;
}

static int begin_manifest(struct intake *in, struct error *reterr)
{
    in->manifest = snapshot_manifest_new();
    if (!in->manifest)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    struct snapshot_manifest *m = in->manifest;
    struct arena *arena = &m->arena;
    memset(m->id, '0', SNAPSHOT_ID_SIZE - 1); /* the parent gives it one */
    m->tool_version = arena_strdup(arena, "trawl " TRAWL_VERSION);
    m->nodes = arena_calloc(arena, 1, sizeof *m->nodes);
    m->node_count = 1;
    m->origin.name = arena_strdup(arena, in->work->file_name);
    m->requested.name = m->origin.name;
    m->requested.created_by = arena_strdup(arena, "");
    m->requested.nodes = arena_calloc(arena, 1, sizeof *m->requested.nodes);
    if (!m->nodes || !m->origin.name || !m->requested.created_by || !m->requested.nodes)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    in->node = &m->nodes[0];
    in->node->name = arena_strdup(arena, in->work->node);
    in->node->clock_source = arena_strdup(arena, "file");
    in->node->covered = arena_calloc(arena, 1, sizeof *in->node->covered);
    m->requested.nodes[0] = in->node->name;
    m->requested.node_count = 1;
    return in->node->name && in->node->clock_source && in->node->covered
               ? 0
               : error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
}

static int sync_folders(struct intake *in, struct error *reterr)
{
    int nodes = openat(in->work->dir, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = io_fsync(SNAPSHOT_PHASE_IMPORT, in->dir);
    if (r == 0)
        r = nodes < 0 ? -errno : io_fsync(SNAPSHOT_PHASE_IMPORT, nodes);
    if (nodes >= 0)
        close(nodes);
    return r < 0 ? error_set(reterr, r, "The import cannot be synced: %s.", strerrordesc_np(-r))
                 : 0;
}

int import_capture(struct import_work *work, int in_fd, struct error *reterr)
{
    struct intake in = {.work = work, .dir = -1, .fd = -1};
    buf_init(&in.out, BUFFER_BYTES);
    snapshot_node_folder(work->node, in.folder);
    int r = begin_manifest(&in, reterr);
    if (r == 0) {
        struct capture_reader_options options = {0};
        r = capture_reader_open(in_fd, &options, &in.reader, reterr);
    }
    if (r == 0) {
        in.dir = import_open_folder(work->dir, in.folder, reterr);
        r = in.dir < 0 ? in.dir : take_events(&in, reterr);
    }
    if (in.fd >= 0) {
        snapshot_zst_done(&in.zst);
        close(in.fd);
    }
    if (r == 0)
        r = fill_manifest(&in, reterr);
    if (r == 0)
        r = sync_folders(&in, reterr);
    if (in.dir >= 0)
        close(in.dir);
    capture_reader_free(in.reader);
    buf_done(&in.out);
    free(in.files);
    free(in.drops);
    if (r < 0)
        snapshot_manifest_unref(in.manifest);
    else
        work->manifest = in.manifest;
    return r;
}
