#include "snapshot/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "snapshot/snapshot_model.h"

static const char *const gap_reasons[] = {
    [SNAPSHOT_GAP_CAPTURE_STOPPED] = "capture_stopped",
    [SNAPSHOT_GAP_NOT_RECORDING] = "not_recording",
    [SNAPSHOT_GAP_RECYCLED] = "recycled",
    [SNAPSHOT_GAP_CLOCK_STEP] = "clock_step",
    [SNAPSHOT_GAP_DISK] = "disk",
    [SNAPSHOT_GAP_CORRUPT] = "corrupt",
    [SNAPSHOT_GAP_NODE_UNREACHABLE] = "node_unreachable",
};

const char *snapshot_gap_reason_text(enum snapshot_gap_reason reason)
{
    return gap_reasons[reason];
}

bool snapshot_gap_reason_parse(struct slice text, enum snapshot_gap_reason *ret_reason)
{
    for (size_t i = 0; i < sizeof gap_reasons / sizeof *gap_reasons; i++)
        if (slice_eq_str(text, gap_reasons[i])) {
            *ret_reason = (enum snapshot_gap_reason)i;
            return true;
        }
    *ret_reason = SNAPSHOT_GAP_NOT_RECORDING;
    return false;
}

/* ── life ── */

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->refs = 1;
    arena_init(&s->arena, SNAPSHOT_MODEL_MAX_BYTES);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    if (snapshot)
        __atomic_add_fetch(&snapshot->refs, 1, __ATOMIC_RELAXED);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (!snapshot || __atomic_sub_fetch(&snapshot->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    snapshot_manifest_unref(snapshot->manifest);
    arena_done(&snapshot->arena);
    free(snapshot);
}

struct snapshot_manifest *snapshot_manifest_new(void)
{
    struct snapshot_manifest *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->refs = 1;
    arena_init(&m->arena, SNAPSHOT_MODEL_MAX_BYTES);
    return m;
}

struct snapshot_manifest *snapshot_manifest_ref(struct snapshot_manifest *manifest)
{
    if (manifest)
        __atomic_add_fetch(&manifest->refs, 1, __ATOMIC_RELAXED);
    return manifest;
}

void snapshot_manifest_unref(struct snapshot_manifest *manifest)
{
    if (!manifest || __atomic_sub_fetch(&manifest->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_done(&manifest->arena);
    free(manifest);
}

/* ── copies ── */

static char *copy_text(struct arena *arena, const char *text, int *r)
{
    if (!text)
        return NULL;
    char *copy = arena_strdup(arena, text);
    if (!copy)
        *r = -ENOMEM;
    return copy;
}

static char **copy_texts(struct arena *arena, char *const *from, size_t count, int *r)
{
    char **to = arena_calloc(arena, count ? count : 1, sizeof *to);
    if (!to) {
        *r = -ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        to[i] = copy_text(arena, from[i], r);
    return to;
}

static void *copy_array(struct arena *arena, const void *from, size_t count, size_t size, int *r)
{
    void *to = arena_calloc(arena, count ? count : 1, size);
    if (!to)
        *r = -ENOMEM;
    else if (count)
        memcpy(to, from, count * size);
    return to;
}

int snapshot_copy_request(struct arena *arena, const struct snapshot_request *from,
                          struct snapshot_request *to)
{
    int r = 0;
    *to = *from;
    to->name = copy_text(arena, from->name, &r);
    to->filter = copy_text(arena, from->filter, &r);
    to->created_by = copy_text(arena, from->created_by ? from->created_by : "", &r);
    to->nodes = copy_texts(arena, from->nodes, from->node_count, &r);
    return r;
}

int snapshot_copy_node(struct arena *arena, const struct snapshot_node *from,
                       struct snapshot_node *to)
{
    int r = 0;
    *to = *from;
    to->name = copy_text(arena, from->name, &r);
    to->clock_source = copy_text(arena, from->clock_source, &r);
    to->openings_problem = copy_text(arena, from->openings_problem, &r);
    to->covered = copy_array(arena, from->covered, from->covered_count, sizeof *to->covered, &r);
    to->gaps = copy_array(arena, from->gaps, from->gap_count, sizeof *to->gaps, &r);
    to->files = copy_array(arena, from->files, from->file_count, sizeof *to->files, &r);
    to->interfaces =
        copy_array(arena, from->interfaces, from->interface_count, sizeof *to->interfaces, &r);
    if (r < 0)
        return r;
    for (size_t i = 0; i < to->file_count; i++) {
        to->files[i].name = copy_text(arena, from->files[i].name, &r);
        to->files[i].source = copy_text(arena, from->files[i].source, &r);
        to->files[i].damaged = copy_text(arena, from->files[i].damaged, &r);
    }
    for (size_t i = 0; i < to->interface_count; i++) {
        to->interfaces[i].name = copy_text(arena, from->interfaces[i].name, &r);
        to->interfaces[i].filter = copy_text(arena, from->interfaces[i].filter, &r);
    }
    return r;
}

int snapshot_copy_dissection(struct arena *arena, const struct snapshot_dissection *from,
                             struct snapshot_dissection *to)
{
    int r = 0;
    *to = *from;
    to->name = copy_text(arena, from->name, &r);
    to->reason = copy_text(arena, from->reason, &r);
    to->redo.reason = copy_text(arena, from->redo.reason, &r);
    to->protocols =
        copy_array(arena, from->protocols, from->protocol_count, sizeof *to->protocols, &r);
    return r;
}

int snapshot_copy_verification(struct arena *arena, const struct snapshot_verification *from,
                               struct snapshot_verification *to)
{
    int r = 0;
    *to = *from;
    if (to->problem_count > SNAPSHOT_MAX_PROBLEMS)
        to->problem_count = SNAPSHOT_MAX_PROBLEMS;
    to->problems = copy_array(arena, from->problems, to->problem_count, sizeof *to->problems, &r);
    for (size_t i = 0; r == 0 && i < to->problem_count; i++) {
        to->problems[i].file = copy_text(arena, from->problems[i].file, &r);
        to->problems[i].text = copy_text(arena, from->problems[i].text, &r);
    }
    return r;
}

static int copy_history(struct arena *arena, const struct snapshot *from, struct snapshot *to)
{
    int r = 0;
    to->history = copy_array(arena, from->history, from->history_count, sizeof *to->history, &r);
    for (size_t i = 0; r == 0 && i < from->history_count; i++) {
        to->history[i].status = copy_text(arena, from->history[i].status, &r);
        to->history[i].text = copy_text(arena, from->history[i].text, &r);
    }
    return r;
}

struct snapshot *snapshot_clone(const struct snapshot *from)
{
    struct snapshot *to = snapshot_new();
    if (!to)
        return NULL;
    /* count and arena are each version's own; that of `from` is being counted by others meanwhile
     */
    const size_t values = offsetof(struct snapshot, id);
    memcpy((char *)to + values, (const char *)from + values, sizeof *to - values);
    to->manifest = snapshot_manifest_ref(from->manifest);
    int r = snapshot_copy_request(&to->arena, &from->request, &to->request);
    to->status_detail = copy_text(&to->arena, from->status_detail ? from->status_detail : "", &r);
    to->note = copy_text(&to->arena, from->note ? from->note : "", &r);
    to->tags = copy_texts(&to->arena, from->tags, from->tag_count, &r);
    to->dissections = copy_array(&to->arena, from->dissections, from->dissection_count,
                                 sizeof *to->dissections, &r);
    for (size_t i = 0; r == 0 && i < from->dissection_count; i++)
        r = snapshot_copy_dissection(&to->arena, &from->dissections[i], &to->dissections[i]);
    if (r == 0)
        r = snapshot_copy_verification(&to->arena, &from->verified, &to->verified);
    if (r == 0)
        r = copy_history(&to->arena, from, to);
    if (r == 0)
        return to;
    snapshot_unref(to);
    return NULL;
}

int snapshot_add_history(struct snapshot *snapshot, const char *status, const char *text)
{
    int r = 0;
    size_t keep = snapshot->history_count, skip = 0;
    if (keep >= SNAPSHOT_MAX_HISTORY)
        skip = keep - SNAPSHOT_MAX_HISTORY + 1;
    keep -= skip;
    struct snapshot_history *history = arena_calloc(&snapshot->arena, keep + 1, sizeof *history);
    if (!history)
        return -ENOMEM;
    for (size_t i = 0; i < keep; i++)
        history[i] = snapshot->history[skip + i];
    history[keep].at_ns = clock_now_ns();
    history[keep].status = copy_text(&snapshot->arena, status, &r);
    history[keep].text = copy_text(&snapshot->arena, text, &r);
    if (r < 0)
        return r;
    snapshot->history = history;
    snapshot->history_count = keep + 1;
    return 0;
}

void snapshot_manifest_total(struct snapshot_manifest *m)
{
    m->packets = m->captured_bytes = m->size_bytes = 0;
    m->drops = (struct snapshot_drops){0};
    for (size_t n = 0; n < m->node_count; n++) {
        const struct snapshot_node *node = &m->nodes[n];
        m->packets += node->packets;
        m->captured_bytes += node->captured_bytes;
        m->drops.kernel += node->drops.kernel;
        m->drops.ring += node->drops.ring;
        m->drops.disk += node->drops.disk;
        for (size_t f = 0; f < node->file_count; f++)
            m->size_bytes += node->files[f].size_bytes;
    }
    m->empty = m->packets == 0;
}

/* ── questions ── */

bool snapshot_dissection_runs(const struct snapshot_dissection *dissection)
{
    return dissection->state == SNAPSHOT_DISSECTION_RUNNING ||
           (dissection->redo.present && dissection->redo.state == SNAPSHOT_DISSECTION_RUNNING);
}

bool snapshot_is_dissected(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->dissection_count; i++)
        if (snapshot->dissections[i].state == SNAPSHOT_DISSECTION_DONE)
            return snapshot->status == SNAPSHOT_COMPLETED;
    return false;
}

const char *snapshot_status_text(const struct snapshot *snapshot)
{
    switch (snapshot->status) {
    case SNAPSHOT_PENDING:
        return "Pending";
    case SNAPSHOT_IN_PROGRESS:
        return "In Progress";
    case SNAPSHOT_COMPLETED:
        return snapshot_is_dissected(snapshot) ? "Dissected" : "Completed";
    case SNAPSHOT_FAILED:
        break;
    }
    return "Failed";
}

uint64_t snapshot_size_bytes(const struct snapshot *snapshot)
{
    uint64_t bytes = snapshot->manifest ? snapshot->manifest->size_bytes : 0;
    for (size_t i = 0; i < snapshot->dissection_count; i++)
        bytes += snapshot->dissections[i].size_bytes;
    return bytes;
}

static int64_t span(struct snapshot_interval at)
{
    return at.to_ns > at.from_ns ? at.to_ns - at.from_ns : 0;
}

double snapshot_coverage(const struct snapshot *snapshot)
{
    const struct snapshot_manifest *m = snapshot->manifest;
    if (!m || m->node_count == 0)
        return 0;
    double asked = (double)m->node_count * (double)(m->requested.to_ns - m->requested.from_ns);
    double covered = 0;
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t i = 0; i < m->nodes[n].covered_count; i++)
            covered += (double)span(m->nodes[n].covered[i]);
    if (asked <= 0)
        return 0;
    return covered >= asked ? 1 : covered / asked;
}

void snapshot_node_folder(const char *node, char out[3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 1])
{
    size_t o = 0;
    for (size_t i = 0; node[i] && i < SNAPSHOT_MAX_NODE_NAME_BYTES; i++) {
        unsigned char c = (unsigned char)node[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || (c == '.' && i > 0);
        if (plain) {
            out[o++] = (char)c;
        } else {
            out[o++] = '%';
            out[o++] = "0123456789ABCDEF"[c >> 4];
            out[o++] = "0123456789ABCDEF"[c & 15];
        }
    }
    if (o == 0)
        out[o++] = '%';
    out[o] = '\0';
}

size_t snapshot_damaged_files(const struct snapshot *snapshot)
{
    size_t count = 0;
    const struct snapshot_manifest *m = snapshot->manifest;
    for (size_t n = 0; m && n < m->node_count; n++)
        for (size_t i = 0; i < m->nodes[n].file_count; i++)
            count += m->nodes[n].files[i].damaged != NULL;
    return count;
}
