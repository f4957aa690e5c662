#include "snapshot/snapshot_take_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_zst.h"

enum {
    COPY_BYTES = 1024 * 1024,
    MAX_FETCH_TRIES = 2
};

/* ── fetching ── */

struct fetch {
    struct take *take;
    int fd;                   /* plain target, or −1 */
    struct snapshot_zst *zst; /* or this */
    struct snapshot_hash hash;
    uint64_t got, expected;
    int disk; /* what the disk said */
    struct error error;
};

static int fetch_sink(void *ctx, const uint8_t *data, size_t n)
{
    struct fetch *f = ctx;
    if (take_stopped(f->take))
        return -ECANCELED;
    if (n > f->expected - f->got)
        return -EPROTO; /* more than it declared */
    snapshot_hash_add(&f->hash, data, n);
    f->got += n;
    f->disk = f->zst ? snapshot_zst_add(f->zst, data, n, &f->error)
                     : io_write(SNAPSHOT_PHASE_DATA, f->fd, data, n);
    if (f->disk < 0)
        return -ECANCELED;
    take_came(f->take, n);
    return 0;
}

/* The whole segment to a descriptor or compressor, compared with its SHA-256. */
static int fetch_bytes(struct take_node *n, const struct take_piece *p, struct fetch *fetch,
                       struct error *reterr)
{
    const struct snapshot_source *source = n->who->source;
    int r = snapshot_hash_begin(&fetch->hash);
    if (r < 0)
        return error_set(reterr, r, "There is no memory to fetch with.");
    fetch->take = n->take;
    fetch->expected = p->segment->size_bytes;
    r = source->fetch(source->ctx, p->segment->name, 0, fetch->expected, fetch_sink, fetch, reterr);
    if (fetch->disk < 0)
        r = fetch->zst ? error_set(reterr, fetch->disk, "%s", fetch->error.text)
                       : take_disk_error(fetch->disk, "Writing the segment failed", reterr);
    else if (take_stopped(n->take))
        r = error_set(reterr, -ECANCELED, "It was cancelled.");
    char got[SNAPSHOT_SHA256_SIZE], want[SNAPSHOT_SHA256_SIZE];
    if (r == 0 && fetch->got != fetch->expected)
        r = error_set(reterr, -EPROTO, "The segment ended early.");
    if (r == 0)
        r = snapshot_hash_end(&fetch->hash, got);
    text_hex(p->segment->sha256, RING_SHA256_SIZE, want);
    if (r == 0 && p->segment->has_sha256 && strcmp(got, want) != 0)
        r = error_set(reterr, -EBADMSG, "The segment does not match its SHA-256.");
    snapshot_hash_done(&fetch->hash);
    return r;
}

/* Remote and whole: compressed while it arrives. */
static int fetch_once(struct take_node *n, struct take_piece *p, struct error *reterr)
{
    char name[TAKE_FILE_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.zst", p->name);
    int fd = take_create(n->dir, name, reterr);
    if (fd < 0)
        return fd;
    struct snapshot_zst zst;
    int r = snapshot_zst_begin(&zst, SNAPSHOT_PHASE_DATA, fd, 0, reterr);
    struct fetch fetch = {.fd = -1, .zst = &zst};
    if (r == 0)
        r = fetch_bytes(n, p, &fetch, reterr);
    if (r == 0)
        r = snapshot_zst_end(&zst, p->file.sha256, reterr);
    if (r == 0) {
        r = io_fsync(SNAPSHOT_PHASE_DATA, fd);
        if (r < 0)
            take_disk_error(r, "Writing the segment failed", reterr);
    }
    p->file.size_bytes = zst.file_bytes;
    p->file.plain_bytes = zst.plain_bytes;
    p->file.compressed = true;
    snapshot_zst_done(&zst);
    close(fd);
    if (r < 0)
        (void)io_unlink(SNAPSHOT_PHASE_DATA, n->dir, name, 0);
    return r;
}

int take_segment_fetch(struct take_node *n, struct take_piece *p, struct error *reterr)
{
    int r = -EBADMSG;
    for (int i = 0; i < MAX_FETCH_TRIES && r == -EBADMSG; i++)
        r = fetch_once(n, p, reterr);
    if (r < 0)
        return r;
    p->file.packets = p->segment->packets;
    p->file.first_ns = p->segment->first_ns;
    p->file.last_ns = p->segment->last_ns;
    return 0;
}

/* ── linking ── */

/* 1 when it is linked, 0 when it has to be fetched. */
static int link_as(struct take_node *n, const struct take_piece *p, int dir, const char *name,
                   struct error *reterr)
{
    const struct snapshot_source *source = n->who->source;
    if (!source->link || !p->segment->sealed)
        return 0;
    int r = source->link(source->ctx, p->segment->name, dir, name, reterr);
    if (r == -EXDEV || r == -EPERM || r == -EOPNOTSUPP || r == -ENOSYS || r == -EACCES ||
        r == -EMLINK)
        return 0;
    if (r < 0)
        return r;
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        (p->want == TAKE_WHOLE && (uint64_t)st.st_size != p->segment->size_bytes)) {
        (void)io_unlink(SNAPSHOT_PHASE_LINK, dir, name, 0);
        return error_set(reterr, -EBADMSG, "The linked segment has another size than declared.");
    }
    return 1;
}

/* The segment's content may still be on its way to the disk. */
static int sync_file(int dir, const char *name, const char *phase, struct error *reterr)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 ? -errno : io_fsync(phase, fd);
    if (fd >= 0)
        close(fd);
    return r < 0 ? take_disk_error(r, "A file of the snapshot cannot be synced", reterr) : 0;
}

static int hash_file(int dir, const char *name, char out[SNAPSHOT_SHA256_SIZE],
                     struct error *reterr)
{
    struct snapshot_hash hash = {0};
    uint8_t *piece = malloc(COPY_BYTES);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 ? -errno : piece ? snapshot_hash_begin(&hash) : -ENOMEM;
    ssize_t n = 1;
    while (r == 0 && (n = io_read_full(fd, piece, COPY_BYTES)) > 0)
        snapshot_hash_add(&hash, piece, (size_t)n);
    if (r == 0)
        r = n < 0 ? (int)n : snapshot_hash_end(&hash, out);
    if (fd >= 0)
        close(fd);
    snapshot_hash_done(&hash);
    free(piece);
    return r < 0 ? take_disk_error(r, "A file of the snapshot cannot be read", reterr) : 0;
}

void take_segment_index_name(const struct take_piece *p, char name[TAKE_FILE_NAME_BYTES])
{
    snprintf(name, TAKE_FILE_NAME_BYTES, "%06llu.idx", (unsigned long long)p->sequence);
}

/* Without it a slice only takes longer. */
static void link_index(struct take_node *n, const struct take_piece *p)
{
    char name[TAKE_FILE_NAME_BYTES];
    const struct snapshot_source *source = n->who->source;
    take_segment_index_name(p, name);
    if (source->link_index)
        (void)source->link_index(source->ctx, p->segment->name, n->dir, name, NULL);
}

int take_segment_link(struct take_node *n, struct take_piece *p, struct error *reterr)
{
    int r = link_as(n, p, n->dir, p->name, reterr);
    if (r <= 0)
        return r;
    const struct ring_segment_info *s = p->segment;
    p->linked = p->file.linked = true;
    p->file.size_bytes = p->file.plain_bytes = s->size_bytes;
    p->file.packets = s->packets;
    p->file.first_ns = s->first_ns;
    p->file.last_ns = s->last_ns;
    r = sync_file(n->dir, p->name, SNAPSHOT_PHASE_LINK, reterr);
    if (r == 0 && s->has_sha256)
        text_hex(s->sha256, RING_SHA256_SIZE, p->file.sha256);
    else if (r == 0)
        r = hash_file(n->dir, p->name, p->file.sha256, reterr);
    if (r < 0)
        return r;
    link_index(n, p);
    take_came(n->take, s->size_bytes);
    return 1;
}

/* ── parts ── */

int take_segment_stage(struct take_node *n, struct take_piece *p, struct error *reterr)
{
    int r = link_as(n, p, n->staging, p->name, reterr);
    if (r < 0)
        return r;
    p->linked = r == 1;
    for (int i = 0; !p->linked && i < MAX_FETCH_TRIES; i++) {
        int fd = take_create(n->staging, p->name, reterr);
        if (fd < 0)
            return fd;
        struct fetch fetch = {.fd = fd};
        r = fetch_bytes(n, p, &fetch, reterr);
        close(fd);
        if (r != -EBADMSG)
            break;
    }
    if (r ==
        -EBADMSG) { /* it came whole, and is not what it was: what can be read of it is taken */
        p->changed = true;
        r = 0;
    }
    if (!p->linked && r < 0)
        return r;
    if (p->linked)
        take_came(n->take, p->segment->size_bytes);
    p->in_fd = openat(n->staging, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (p->in_fd < 0)
        return take_disk_error(-errno, "A staged segment cannot be opened", reterr);
    char out[TAKE_FILE_NAME_BYTES + 8];
    snprintf(out, sizeof out, "%s.part", p->name);
    p->out_fd =
        p->linked ? take_create(n->dir, p->name, reterr) : take_create(n->staging, out, reterr);
    if (p->linked && p->out_fd >= 0) {
        take_segment_index_name(p, out);
        p->index_fd = take_create(n->dir, out, reterr);
        return p->index_fd < 0 ? p->index_fd : 0;
    }
    return p->out_fd < 0 ? p->out_fd : 0;
}

/* The trimmed part of a fetched segment, compressed into the snapshot. */
int take_segment_compress(struct take_node *n, struct take_piece *p, struct error *reterr)
{
    char name[TAKE_FILE_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.zst", p->name);
    int fd = take_create(n->dir, name, reterr);
    if (fd < 0)
        return fd;
    struct snapshot_zst zst;
    uint8_t *data = malloc(COPY_BYTES);
    int r = snapshot_zst_begin(&zst, SNAPSHOT_PHASE_DATA, fd, 0, reterr);
    if (r == 0 && !data)
        r = error_set(reterr, -ENOMEM, "There is no memory to compress with.");
    off_t at = 0;
    while (r == 0) {
        ssize_t got = io_pread_full(p->out_fd, data, COPY_BYTES, at);
        if (got < 0)
            r = take_disk_error((int)got, "A trimmed segment cannot be read", reterr);
        if (got <= 0)
            break;
        at += got;
        r = snapshot_zst_add(&zst, data, (size_t)got, reterr);
    }
    if (r == 0)
        r = snapshot_zst_end(&zst, p->file.sha256, reterr);
    if (r == 0 && (r = io_fsync(SNAPSHOT_PHASE_DATA, fd)) < 0)
        take_disk_error(r, "Writing a trimmed segment failed", reterr);
    p->file.size_bytes = zst.file_bytes;
    p->file.compressed = true;
    snapshot_zst_done(&zst);
    free(data);
    close(fd);
    return r;
}
