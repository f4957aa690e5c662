/* The segments of one node become files of the snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_take_private.h"
#include "snapshot/snapshot_zst.h"

enum {
    FILE_NAME_BYTES = 32,
    COPY_BYTES = 1024 * 1024,
    MAX_FETCH_TRIES = 2
};

enum want {
    WANT_NOTHING, /* no packet of the window in it */
    WANT_WHOLE,
    WANT_PART
};

struct piece {
    const struct ring_segment_info *segment;
    enum want want;
    uint64_t sequence;          /* of the snapshot's file */
    char name[FILE_NAME_BYTES]; /* "000001.pcapng", below nodes/<folder>/ */
    bool linked;                /* a local one */
    bool lost;
    bool changed; /* what came does not match the segment's SHA-256 */
    int in_fd;    /* WANT_PART: the staged segment */
    int out_fd;   /* and where it goes */
    int index_fd; /* linked: what slices of it are read by; or −1 */
    struct snapshot_file file;
};

struct files {
    struct take_node *n;
    struct piece *pieces;
    size_t count;
    int64_t from_ns, to_ns; /* the window in the node's clock */
};

static int disk_error(int r, const char *what, struct error *reterr)
{
    return error_set(reterr, r, "%s: %s.", what, strerrordesc_np(-r));
}

/* ── what is wanted ── */

static enum want judge(const struct files *f, const struct ring_segment_info *s)
{
    if (s->packets == 0 && s->sealed)
        return WANT_NOTHING;
    const char *filter = f->n->take->snapshot->request.filter;
    bool known = s->sealed && s->packets;
    if (known && (s->last_ns < f->from_ns || s->first_ns >= f->to_ns))
        return WANT_NOTHING;
    if (s->sealed_bytes > s->size_bytes) /* cut short: the rest of it is read, never linked */
        return WANT_PART;
    bool inside = known && s->first_ns >= f->from_ns && s->last_ns < f->to_ns;
    return inside && !(filter && filter[0]) ? WANT_WHOLE : WANT_PART;
}

/* Of the node's time, within the window. */
static struct snapshot_interval in_window(const struct files *f, int64_t from_ns, int64_t to_ns)
{
    const struct snapshot_node *node = &f->n->node;
    struct snapshot_interval at = {from_ns - node->clock_offset_ns, to_ns - node->clock_offset_ns};
    if (at.from_ns < node->window.from_ns)
        at.from_ns = node->window.from_ns;
    if (at.to_ns > node->window.to_ns)
        at.to_ns = node->window.to_ns;
    return at;
}

/* The node's list says itself that a segment lost its end: the gap gets its reason. */
static int declare_cut(struct files *f, const struct ring_segment_info *s, struct error *reterr)
{
    struct snapshot_interval at = in_window(f, s->covered_to_ns, s->sealed_to_ns);
    if (s->sealed_bytes <= s->size_bytes || at.from_ns >= at.to_ns)
        return 0;
    char text[200];
    snprintf(text, sizeof text,
             "damaged: segment %s was cut short: %llu of its %llu bytes are left", s->name,
             (unsigned long long)s->size_bytes, (unsigned long long)s->sealed_bytes);
    int r =
        snapshot_coverage_lose(&f->n->coverage, (struct snapshot_gap){at, SNAPSHOT_GAP_CORRUPT});
    if (r == 0)
        r = take_missing(f->n, at, text);
    return r < 0 ? error_set(reterr, r, "There is no memory for a gap.") : 0;
}

static int choose(struct files *f, const struct ring_list *list, struct error *reterr)
{
    f->pieces = calloc(list->segment_count + 1, sizeof *f->pieces);
    if (!f->pieces)
        return error_set(reterr, -ENOMEM, "There is no memory for the list of segments.");
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->segment_count; i++) {
        struct piece *p = &f->pieces[f->count];
        p->segment = &list->segments[i];
        p->want = judge(f, p->segment);
        int r = declare_cut(f, p->segment, reterr);
        if (r < 0)
            return r;
        if (p->want == WANT_NOTHING)
            continue;
        p->in_fd = p->out_fd = p->index_fd = -1;
        p->sequence = ++f->count;
        snprintf(p->name, sizeof p->name, "%06llu.pcapng", (unsigned long long)p->sequence);
        bytes += p->segment->size_bytes;
        if (bytes > INT64_MAX || p->segment->size_bytes > INT64_MAX)
            return error_set(reterr, -EPROTO, "The node declares segments of impossible size.");
    }
    return take_need(f->n->take, bytes, reterr);
}

/* ── a segment that did not come ── */

static int lose(struct files *f, struct piece *p, enum snapshot_gap_reason reason, const char *text,
                struct error *reterr)
{
    struct take_node *n = f->n;
    struct snapshot_interval at =
        in_window(f, p->segment->covered_from_ns, p->segment->covered_to_ns);
    p->lost = true;
    int r = snapshot_coverage_lose(&n->coverage, (struct snapshot_gap){at, reason});
    if (r == 0)
        r = take_missing(n, at, text);
    return r < 0 ? error_set(reterr, r, "There is no memory for a gap.") : 0;
}

/* Which failures of a source cost only the segment. */
static int judge_failure(struct files *f, struct piece *p, int r, struct error *reterr)
{
    switch (r) {
    case -ENOENT:
    case -ESTALE:
        return lose(f, p, SNAPSHOT_GAP_RECYCLED, "recycled while extracting", reterr);
    case -EHOSTUNREACH:
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EPIPE:
    case -ENETUNREACH:
    case -EPROTO:
        return lose(f, p, SNAPSHOT_GAP_NODE_UNREACHABLE, "the node went away while extracting",
                    reterr);
    default:
        return r;
    }
}

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
static int fetch_segment(struct files *f, const struct piece *p, struct fetch *fetch,
                         struct error *reterr)
{
    const struct snapshot_source *source = f->n->who->source;
    int r = snapshot_hash_begin(&fetch->hash);
    if (r < 0)
        return error_set(reterr, r, "There is no memory to fetch with.");
    fetch->take = f->n->take;
    fetch->expected = p->segment->size_bytes;
    r = source->fetch(source->ctx, p->segment->name, 0, fetch->expected, fetch_sink, fetch, reterr);
    if (fetch->disk < 0)
        r = fetch->zst ? error_set(reterr, fetch->disk, "%s", fetch->error.text)
                       : disk_error(fetch->disk, "Writing the segment failed", reterr);
    else if (take_stopped(f->n->take))
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

static int create(int dir, const char *name, struct error *reterr)
{
    int fd =
        io_create(SNAPSHOT_PHASE_DATA, dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    return fd < 0 ? disk_error(fd, "A file of the snapshot cannot be made", reterr) : fd;
}

/* Remote and whole: compressed while it arrives. */
static int fetch_whole_once(struct files *f, struct piece *p, struct error *reterr)
{
    char name[FILE_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.zst", p->name);
    int fd = create(f->n->dir, name, reterr);
    if (fd < 0)
        return fd;
    struct snapshot_zst zst;
    int r = snapshot_zst_begin(&zst, SNAPSHOT_PHASE_DATA, fd, 0, reterr);
    struct fetch fetch = {.fd = -1, .zst = &zst};
    if (r == 0)
        r = fetch_segment(f, p, &fetch, reterr);
    if (r == 0)
        r = snapshot_zst_end(&zst, p->file.sha256, reterr);
    if (r == 0) {
        r = io_fsync(SNAPSHOT_PHASE_DATA, fd);
        if (r < 0)
            disk_error(r, "Writing the segment failed", reterr);
    }
    p->file.size_bytes = zst.file_bytes;
    p->file.plain_bytes = zst.plain_bytes;
    p->file.compressed = true;
    snapshot_zst_done(&zst);
    close(fd);
    if (r < 0)
        (void)io_unlink(SNAPSHOT_PHASE_DATA, f->n->dir, name, 0);
    return r;
}

static int fetch_whole(struct files *f, struct piece *p, struct error *reterr)
{
    int r = -EBADMSG;
    for (int i = 0; i < MAX_FETCH_TRIES && r == -EBADMSG; i++)
        r = fetch_whole_once(f, p, reterr);
    if (r < 0)
        return r;
    p->file.packets = p->segment->packets;
    p->file.first_ns = p->segment->first_ns;
    p->file.last_ns = p->segment->last_ns;
    return 0;
}

/* ── linking ── */

/* 1 when it is linked, 0 when it has to be fetched. */
static int link_as(struct files *f, const struct piece *p, int dir, const char *name,
                   struct error *reterr)
{
    const struct snapshot_source *source = f->n->who->source;
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
        (p->want == WANT_WHOLE && (uint64_t)st.st_size != p->segment->size_bytes)) {
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
    return r < 0 ? disk_error(r, "A file of the snapshot cannot be synced", reterr) : 0;
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
    return r < 0 ? disk_error(r, "A file of the snapshot cannot be read", reterr) : 0;
}

static void index_name_of(const struct piece *p, char name[FILE_NAME_BYTES])
{
    snprintf(name, FILE_NAME_BYTES, "%06llu.idx", (unsigned long long)p->sequence);
}

/* Without it a slice only takes longer. */
static void link_index(struct files *f, const struct piece *p)
{
    char name[FILE_NAME_BYTES];
    const struct snapshot_source *source = f->n->who->source;
    index_name_of(p, name);
    if (source->link_index)
        (void)source->link_index(source->ctx, p->segment->name, f->n->dir, name, NULL);
}

static int link_whole(struct files *f, struct piece *p, struct error *reterr)
{
    int r = link_as(f, p, f->n->dir, p->name, reterr);
    if (r <= 0)
        return r;
    const struct ring_segment_info *s = p->segment;
    p->linked = p->file.linked = true;
    p->file.size_bytes = p->file.plain_bytes = s->size_bytes;
    p->file.packets = s->packets;
    p->file.first_ns = s->first_ns;
    p->file.last_ns = s->last_ns;
    r = sync_file(f->n->dir, p->name, SNAPSHOT_PHASE_LINK, reterr);
    if (r == 0 && s->has_sha256)
        text_hex(s->sha256, RING_SHA256_SIZE, p->file.sha256);
    else if (r == 0)
        r = hash_file(f->n->dir, p->name, p->file.sha256, reterr);
    if (r < 0)
        return r;
    link_index(f, p);
    take_came(f->n->take, s->size_bytes);
    return 1;
}

/* ── parts ── */

static int stage_part(struct files *f, struct piece *p, struct error *reterr)
{
    struct take_node *n = f->n;
    int r = link_as(f, p, n->staging, p->name, reterr);
    if (r < 0)
        return r;
    p->linked = r == 1;
    for (int i = 0; !p->linked && i < MAX_FETCH_TRIES; i++) {
        int fd = create(n->staging, p->name, reterr);
        if (fd < 0)
            return fd;
        struct fetch fetch = {.fd = fd};
        r = fetch_segment(f, p, &fetch, reterr);
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
        return disk_error(-errno, "A staged segment cannot be opened", reterr);
    char out[FILE_NAME_BYTES + 8];
    snprintf(out, sizeof out, "%s.part", p->name);
    p->out_fd = p->linked ? create(n->dir, p->name, reterr) : create(n->staging, out, reterr);
    if (p->linked && p->out_fd >= 0) {
        index_name_of(p, out);
        p->index_fd = create(n->dir, out, reterr);
        return p->index_fd < 0 ? p->index_fd : 0;
    }
    return p->out_fd < 0 ? p->out_fd : 0;
}

/* The trimmed part of a fetched segment, compressed into the snapshot. */
static int compress_part(struct files *f, struct piece *p, struct error *reterr)
{
    char name[FILE_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.zst", p->name);
    int fd = create(f->n->dir, name, reterr);
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
            r = disk_error((int)got, "A trimmed segment cannot be read", reterr);
        if (got <= 0)
            break;
        at += got;
        r = snapshot_zst_add(&zst, data, (size_t)got, reterr);
    }
    if (r == 0)
        r = snapshot_zst_end(&zst, p->file.sha256, reterr);
    if (r == 0 && (r = io_fsync(SNAPSHOT_PHASE_DATA, fd)) < 0)
        disk_error(r, "Writing a trimmed segment failed", reterr);
    p->file.size_bytes = zst.file_bytes;
    p->file.compressed = true;
    snapshot_zst_done(&zst);
    free(data);
    close(fd);
    return r;
}

/* The file that is cut now gets a SHA-256 of its own: whatever was wrong with its source has to be
 * said here or nobody will ever know. */
static int judge_source(struct files *f, struct piece *p, const struct snapshot_extract_file *cut,
                        struct error *reterr)
{
    const struct ring_segment_info *s = p->segment;
    char want[SNAPSHOT_SHA256_SIZE], text[400];
    text_hex(s->sha256, RING_SHA256_SIZE, want);
    bool changed = p->changed || (cut->source_sha256[0] && strcmp(cut->source_sha256, want) != 0);
    if (!changed && !cut->damage)
        return 0;
    int n = snprintf(text, sizeof text, "damaged: segment %s", s->name);
    if (changed)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      " does not match the SHA-256 it was sealed with");
    if (cut->damage)
        (void)snprintf(text + n, sizeof text - (size_t)n,
                       "%s %llu of its places could not be read, the first at byte %llu",
                       changed ? "," : ":", (unsigned long long)cut->damage,
                       (unsigned long long)cut->damage_at);
    if (cut->packets == 0 && cut->damage)
        return lose(f, p, SNAPSHOT_GAP_CORRUPT, text, reterr);
    p->file.damaged = arena_strdup(&f->n->arena, text);
    if (!p->file.damaged ||
        take_missing(f->n, in_window(f, s->covered_from_ns, s->covered_to_ns), text) < 0)
        return error_set(reterr, -ENOMEM, "There is no memory for a gap.");
    return 0;
}

static int settle_part(struct files *f, struct piece *p, const struct snapshot_extract_file *cut,
                       struct error *reterr)
{
    p->file.packets = cut->packets;
    p->file.first_ns = cut->first_ns;
    p->file.last_ns = cut->last_ns;
    p->file.size_bytes = p->file.plain_bytes = cut->bytes;
    p->file.trimmed = true;
    memcpy(p->file.sha256, cut->sha256, sizeof p->file.sha256);
    int r = judge_source(f, p, cut, reterr);
    if (r < 0)
        return r;
    if (p->index_fd >= 0 && (cut->packets == 0 || !cut->indexed)) {
        char name[FILE_NAME_BYTES];
        index_name_of(p, name);
        (void)io_unlink(SNAPSHOT_PHASE_DATA, f->n->dir, name, 0);
    }
    if (cut->packets == 0) {
        if (p->linked)
            (void)io_unlink(SNAPSHOT_PHASE_DATA, f->n->dir, p->name, 0);
        return 0;
    }
    if (!p->linked)
        return compress_part(f, p, reterr);
    r = io_fsync(SNAPSHOT_PHASE_DATA, p->out_fd);
    return r < 0 ? disk_error(r, "Writing a trimmed segment failed", reterr) : 0;
}

/* All parts of the node in one job. */
static int trim_parts(struct files *f, struct error *reterr)
{
    struct take *take = f->n->take;
    struct snapshot_extract extract = {.from_ns = f->from_ns,
                                       .to_ns = f->to_ns,
                                       .bpf = take->snapshot->request.filter,
                                       .cancel = &take->stop,
                                       .in_process = take->options->in_process};
    enum {
        BATCH = 512
    };
    extract.files = calloc(BATCH, sizeof *extract.files);
    struct piece **batch = calloc(BATCH, sizeof(struct piece *));
    int r = extract.files && batch ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < f->count;) {
        extract.file_count = 0;
        for (; i < f->count && extract.file_count < BATCH; i++) {
            struct piece *p = &f->pieces[i];
            if (p->want != WANT_PART || p->lost)
                continue;
            extract.files[extract.file_count] =
                (struct snapshot_extract_file){.in_fd = p->in_fd,
                                               .out_fd = p->out_fd,
                                               .index_fd = p->index_fd,
                                               .end_offset = p->segment->size_bytes,
                                               .hash_source = p->linked && p->segment->has_sha256};
            batch[extract.file_count++] = p;
        }
        r = snapshot_extract_run(&extract, reterr);
        for (size_t k = 0; r == 0 && k < extract.file_count; k++)
            r = settle_part(f, batch[k], &extract.files[k], reterr);
    }
    if (!extract.files || !batch)
        error_set(reterr, r, "There is no memory for the parts.");
    free(extract.files);
    free(batch);
    return r;
}

/* ── the result ── */

static int record(struct files *f, struct error *reterr)
{
    struct take_node *n = f->n;
    struct snapshot_node *node = &n->node;
    node->files = arena_calloc(&n->arena, f->count + 1, sizeof *node->files);
    if (!node->files)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    for (size_t i = 0; i < f->count; i++) {
        const struct piece *p = &f->pieces[i];
        if (p->lost || p->file.packets == 0)
            continue;
        struct snapshot_file *file = &node->files[node->file_count++];
        *file = p->file;
        file->sequence = p->sequence;
        struct slice name = arena_printf(&n->arena, "nodes/%s/%s%s", n->folder, p->name,
                                         p->file.compressed ? ".zst" : "");
        file->source = arena_strdup(&n->arena, p->segment->name);
        union {
            const uint8_t *in;
            char *out;
        } text = {.in = name.data};
        file->name = text.out;
        if (!file->name || !file->source)
            return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
        node->packets += file->packets;
        node->captured_bytes += file->plain_bytes;
        if (file->first_ns - node->clock_offset_ns < node->first_ns)
            node->first_ns = file->first_ns - node->clock_offset_ns;
        if (file->last_ns - node->clock_offset_ns > node->last_ns)
            node->last_ns = file->last_ns - node->clock_offset_ns;
    }
    return 0;
}

static int bring(struct files *f, struct piece *p, struct error *reterr)
{
    if (take_stopped(f->n->take))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    int r = p->want == WANT_PART ? stage_part(f, p, reterr) : link_whole(f, p, reterr);
    if (r == 0 && p->want == WANT_WHOLE)
        r = fetch_whole(f, p, reterr);
    if (r == -EBADMSG && p->want == WANT_WHOLE) { /* damaged: what can be read of it is cut out */
        p->want = WANT_PART;
        p->file = (struct snapshot_file){0};
        r = stage_part(f, p, reterr);
    }
    return r < 0 ? judge_failure(f, p, r, reterr) : 0;
}

int take_files(struct take_node *n, const struct ring_list *list, struct error *reterr)
{
    struct files f = {.n = n,
                      .from_ns = n->node.window.from_ns + n->node.clock_offset_ns,
                      .to_ns = n->node.window.to_ns + n->node.clock_offset_ns};
    int r = choose(&f, list, reterr);
    for (size_t i = 0; r == 0 && i < f.count; i++)
        r = bring(&f, &f.pieces[i], reterr);
    if (r == 0)
        r = trim_parts(&f, reterr);
    for (size_t i = 0; i < f.count; i++) {
        if (f.pieces[i].in_fd >= 0)
            close(f.pieces[i].in_fd);
        if (f.pieces[i].out_fd >= 0)
            close(f.pieces[i].out_fd);
        if (f.pieces[i].index_fd >= 0)
            close(f.pieces[i].index_fd);
    }
    if (r == 0)
        r = record(&f, reterr);
    if (r == 0 && n->node.packets)
        r = take_openings(n, list, reterr);
    if (r == 0 && (r = io_fsync(SNAPSHOT_PHASE_DATA, n->dir)) < 0)
        disk_error(r, "A folder of the snapshot cannot be synced", reterr);
    free(f.pieces);
    return r;
}
