/* What the ring still has of just before the window, so that calls which straddle its start are
 * whole: files of their own, marked as outside of it. They only help to read what is inside: what
 * of them is gone, damaged or has no room is left out, and nothing of the window is missing then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_take_segment.h"

#define USUAL_NS (10 * NS_PER_S)

enum {
    MAX_BYTES = 16 * 1024 * 1024, /* of a node: the newest are kept */
    MAX_SEGMENTS = 4              /* each is brought whole and read */
};

static const char comment[] =
    "outside the window: shortly before it, so that what goes on in the window is whole";

static bool is_as_sealed(const struct take_piece *p, const struct snapshot_extract_file *cut)
{
    char want[SNAPSHOT_SHA256_SIZE];
    text_hex(p->segment->sha256, RING_SHA256_SIZE, want);
    return !p->changed && !cut->damage &&
           (!cut->source_sha256[0] || strcmp(cut->source_sha256, want) == 0);
}

/* The cut file stays, or goes with its index. */
static int keep_cut(struct take_node *n, struct take_piece *p,
                    const struct snapshot_extract_file *cut, struct error *reterr)
{
    bool wanted = cut->packets && is_as_sealed(p, cut) && take_has_room(n->take, cut->bytes);
    char name[TAKE_FILE_NAME_BYTES + 8];
    if (p->index_fd >= 0 && (!wanted || !cut->indexed)) {
        take_segment_index_name(p, name);
        (void)io_unlink(SNAPSHOT_PHASE_DATA, n->dir, name, 0);
    }
    if (!wanted) {
        if (p->linked)
            (void)io_unlink(SNAPSHOT_PHASE_DATA, n->dir, p->name, 0);
        return 0;
    }
    p->file = (struct snapshot_file){.source = arena_strdup(&n->arena, p->segment->name),
                                     .sequence = p->sequence,
                                     .size_bytes = cut->bytes,
                                     .packets = cut->packets,
                                     .first_ns = cut->first_ns,
                                     .last_ns = cut->last_ns,
                                     .plain_bytes = cut->bytes,
                                     .trimmed = true,
                                     .outside = true,
                                     .lead_in = true};
    memcpy(p->file.sha256, cut->sha256, sizeof p->file.sha256);
    int r = p->linked ? io_fsync(SNAPSHOT_PHASE_DATA, p->out_fd) : 0;
    if (r < 0)
        return take_disk_error(r, "Writing the lead-in failed", reterr);
    if (!p->linked)
        r = take_segment_compress(n, p, reterr);
    snprintf(name, sizeof name, "%s%s", p->name, p->linked ? "" : ".zst");
    return r < 0 ? r : take_add_outside(n, &p->file, name, reterr);
}

static int cut_segment(struct take_node *n, struct take_piece *p, int64_t from_ns, int64_t to_ns,
                       uint64_t *left_bytes, struct error *reterr)
{
    struct snapshot_extract_file file = {.in_fd = p->in_fd,
                                         .out_fd = p->out_fd,
                                         .index_fd = p->index_fd,
                                         .end_offset = p->segment->size_bytes,
                                         .newest_bytes = *left_bytes,
                                         .hash_source = p->linked && p->segment->has_sha256};
    struct snapshot_extract extract = {.from_ns = from_ns,
                                       .to_ns = to_ns,
                                       .bpf = n->take->snapshot->request.filter,
                                       .comment = comment,
                                       .files = &file,
                                       .file_count = 1,
                                       .cancel = &n->take->stop,
                                       .in_process = n->take->options->in_process};
    int r = snapshot_extract_run(&extract, reterr);
    if (r == 0)
        r = keep_cut(n, p, &file, reterr);
    *left_bytes -= file.bytes < *left_bytes ? file.bytes : *left_bytes;
    return r;
}

static int take_segment(struct take_node *n, struct take_piece *p, int64_t from_ns, int64_t to_ns,
                        uint64_t *left_bytes, struct error *reterr)
{
    if (take_stopped(n->take))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    struct error why = {.offset = ERROR_NO_OFFSET};
    p->in_fd = p->out_fd = p->index_fd = -1;
    snprintf(p->name, sizeof p->name, "%06llu.pcapng", (unsigned long long)p->sequence);
    int r = take_segment_stage(n, p, &why);
    if (r == 0)
        r = cut_segment(n, p, from_ns, to_ns, left_bytes, &why);
    else if (take_is_source_failure(r))
        r = 0;
    if (p->in_fd >= 0)
        close(p->in_fd);
    if (p->out_fd >= 0)
        close(p->out_fd);
    if (p->index_fd >= 0)
        close(p->index_fd);
    if (r < 0 && reterr)
        *reterr = why;
    return r;
}

static int newest_first(const void *a, const void *b)
{
    const struct ring_segment_info *x = a, *y = b;
    return (x->last_ns < y->last_ns) - (x->last_ns > y->last_ns);
}

int take_lead_in(struct take_node *n, uint64_t sequence, struct error *reterr)
{
    const struct snapshot_source *source = n->who->source;
    int64_t lead_in_ns = n->take->options->lead_in_ns ? n->take->options->lead_in_ns : USUAL_NS;
    int64_t to_ns = n->node.window.from_ns + n->node.clock_offset_ns, from_ns = to_ns - lead_in_ns;
    uint64_t left_bytes = MAX_BYTES;
    struct ring_list list = {0};
    int r = 0;
    if (lead_in_ns < 0 || source->list(source->ctx, from_ns, to_ns, &list, NULL) < 0)
        return 0;
    if (list.segment_count)
        qsort(list.segments, list.segment_count, sizeof *list.segments, newest_first);
    unsigned brought = 0;
    for (size_t i = 0; i < list.segment_count && r == 0 && left_bytes; i++) {
        const struct ring_segment_info *s = &list.segments[i];
        if (!s->sealed || s->packets == 0 || s->last_ns < from_ns || s->first_ns >= to_ns ||
            brought == MAX_SEGMENTS)
            continue;
        brought++;
        struct take_piece piece = {.segment = s, .want = TAKE_PART, .sequence = sequence++};
        r = take_segment(n, &piece, from_ns, to_ns, &left_bytes, reterr);
    }
    ring_list_done(&list);
    return r;
}
