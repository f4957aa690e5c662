/* The segments of one node become files of the snapshot: which are wanted, what is cut out of those
 * at the window's edges, and what is missing when one does not come. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_take_segment.h"

struct files {
    struct take_node *n;
    struct take_piece *pieces;
    size_t count;
    int64_t from_ns, to_ns; /* the window in the node's clock */
};

/* ── what is wanted ── */

static enum take_want judge(const struct files *f, const struct ring_segment_info *s)
{
    if (s->packets == 0 && s->sealed)
        return TAKE_NOTHING;
    const char *filter = f->n->take->snapshot->request.filter;
    bool known = s->sealed && s->packets;
    if (known && (s->last_ns < f->from_ns || s->first_ns >= f->to_ns))
        return TAKE_NOTHING;
    if (s->sealed_bytes > s->size_bytes) /* cut short: the rest of it is read, never linked */
        return TAKE_PART;
    bool inside = known && s->first_ns >= f->from_ns && s->last_ns < f->to_ns;
    return inside && !(filter && filter[0]) ? TAKE_WHOLE : TAKE_PART;
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
        struct take_piece *p = &f->pieces[f->count];
        p->segment = &list->segments[i];
        p->want = judge(f, p->segment);
        int r = declare_cut(f, p->segment, reterr);
        if (r < 0)
            return r;
        if (p->want == TAKE_NOTHING)
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

static int lose(struct files *f, struct take_piece *p, enum snapshot_gap_reason reason,
                const char *text, struct error *reterr)
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

bool take_is_source_failure(int r)
{
    static const int failures[] = {-ENOENT,    -ESTALE, -EHOSTUNREACH, -ECONNREFUSED, -ECONNRESET,
                                   -ETIMEDOUT, -EPIPE,  -ENETUNREACH,  -EPROTO};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i] == r)
            return true;
    return false;
}

static int judge_failure(struct files *f, struct take_piece *p, int r, struct error *reterr)
{
    if (!take_is_source_failure(r))
        return r;
    if (r == -ENOENT || r == -ESTALE)
        return lose(f, p, SNAPSHOT_GAP_RECYCLED, "recycled while extracting", reterr);
    return lose(f, p, SNAPSHOT_GAP_NODE_UNREACHABLE, "the node went away while extracting", reterr);
}

/* ── parts ── */

/* The file that is cut now gets a SHA-256 of its own: whatever was wrong with its source has to be
 * said here or nobody will ever know. */
static int judge_source(struct files *f, struct take_piece *p,
                        const struct snapshot_extract_file *cut, struct error *reterr)
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

static int settle_part(struct files *f, struct take_piece *p,
                       const struct snapshot_extract_file *cut, struct error *reterr)
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
        char name[TAKE_FILE_NAME_BYTES];
        take_segment_index_name(p, name);
        (void)io_unlink(SNAPSHOT_PHASE_DATA, f->n->dir, name, 0);
    }
    if (cut->packets == 0) {
        if (p->linked)
            (void)io_unlink(SNAPSHOT_PHASE_DATA, f->n->dir, p->name, 0);
        return 0;
    }
    if (!p->linked)
        return take_segment_compress(f->n, p, reterr);
    r = io_fsync(SNAPSHOT_PHASE_DATA, p->out_fd);
    return r < 0 ? take_disk_error(r, "Writing a trimmed segment failed", reterr) : 0;
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
    struct take_piece **batch = calloc(BATCH, sizeof(struct take_piece *));
    int r = extract.files && batch ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < f->count;) {
        extract.file_count = 0;
        for (; i < f->count && extract.file_count < BATCH; i++) {
            struct take_piece *p = &f->pieces[i];
            if (p->want != TAKE_PART || p->lost)
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
        const struct take_piece *p = &f->pieces[i];
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

static int bring(struct files *f, struct take_piece *p, struct error *reterr)
{
    if (take_stopped(f->n->take))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    int r = p->want == TAKE_PART ? take_segment_stage(f->n, p, reterr)
                                 : take_segment_link(f->n, p, reterr);
    if (r == 0 && p->want == TAKE_WHOLE)
        r = take_segment_fetch(f->n, p, reterr);
    if (r == -EBADMSG && p->want == TAKE_WHOLE) { /* damaged: what can be read of it is cut out */
        p->want = TAKE_PART;
        p->file = (struct snapshot_file){0};
        r = take_segment_stage(f->n, p, reterr);
    }
    return r < 0 ? judge_failure(f, p, r, reterr) : 0;
}

/* Files with packets of before the window stand behind the others. */
int take_add_outside(struct take_node *n, const struct snapshot_file *file, const char *name,
                     struct error *reterr)
{
    struct snapshot_node *node = &n->node;
    struct snapshot_file *files =
        arena_calloc(&n->arena, node->file_count + 2, sizeof *node->files);
    struct slice path = arena_printf(&n->arena, "nodes/%s/%s", n->folder, name);
    union {
        const uint8_t *in;
        char *out;
    } text = {.in = path.data};
    if (!files || !path.data || !file->source)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    if (node->file_count)
        memcpy(files, node->files, node->file_count * sizeof *files);
    files[node->file_count] = *file;
    files[node->file_count].name = text.out;
    node->files = files;
    node->file_count++;
    return 0;
}

static int take_outside(const struct files *f, const struct ring_list *list, struct error *reterr)
{
    int r = take_openings(f->n, list, list->segment_count + 1, reterr);
    return r < 0 ? r : take_lead_in(f->n, list->segment_count + 1 + TAKE_MAX_OPENINGS, reterr);
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
        r = take_outside(&f, list, reterr);
    if (r == 0 && (r = io_fsync(SNAPSHOT_PHASE_DATA, n->dir)) < 0)
        take_disk_error(r, "A folder of the snapshot cannot be synced", reterr);
    free(f.pieces);
    return r;
}
