#include "snapshot/snapshot_coverage.h"

#include <errno.h>
#include <stdlib.h>

#include "ring/ring_reader.h"

static enum snapshot_gap_reason reason_of(enum ring_gap_reason reason)
{
    enum snapshot_gap_reason ours;
    (void)snapshot_gap_reason_parse(slice_str(ring_gap_reason_name(reason)), &ours);
    return ours;
}

/* A stretch between two neighbouring edges, judged by its own. */
struct claims {
    const struct snapshot_interval *covered;
    size_t covered_count;
    const struct snapshot_gap *gaps;
    size_t gap_count;
};

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool holds(struct snapshot_interval at, int64_t from, int64_t to)
{
    return at.from_ns <= from && at.to_ns >= to;
}

/* A declared gap wins over coverage; what nobody speaks of was not recorded. */
static bool judge(const struct claims *c, int64_t from, int64_t to,
                  enum snapshot_gap_reason *ret_reason)
{
    for (size_t i = 0; i < c->gap_count; i++)
        if (holds(c->gaps[i].at, from, to)) {
            *ret_reason = c->gaps[i].reason;
            return false;
        }
    for (size_t i = 0; i < c->covered_count; i++)
        if (holds(c->covered[i], from, to))
            return true;
    *ret_reason = SNAPSHOT_GAP_NOT_RECORDING;
    return false;
}

static void put(struct snapshot_coverage *out, int64_t from, int64_t to, bool covered,
                enum snapshot_gap_reason reason)
{
    if (covered) {
        struct snapshot_interval *last =
            out->covered_count ? &out->covered[out->covered_count - 1] : NULL;
        if (last && last->to_ns == from)
            last->to_ns = to;
        else
            out->covered[out->covered_count++] = (struct snapshot_interval){from, to};
        return;
    }
    struct snapshot_gap *last = out->gap_count ? &out->gaps[out->gap_count - 1] : NULL;
    if (last && last->at.to_ns == from && last->reason == reason)
        last->at.to_ns = to;
    else
        out->gaps[out->gap_count++] = (struct snapshot_gap){{from, to}, reason};
}

static int sweep(const struct claims *c, struct snapshot_interval window,
                 struct snapshot_coverage *ret)
{
    size_t count = 2 * (c->covered_count + c->gap_count) + 2, n = 0;
    int64_t *edges = calloc(count, sizeof *edges);
    struct snapshot_coverage out = {.covered = calloc(count, sizeof *out.covered),
                                    .gaps = calloc(count, sizeof *out.gaps)};
    if (!edges || !out.covered || !out.gaps) {
        free(edges);
        snapshot_coverage_done(&out);
        return -ENOMEM;
    }
    edges[n++] = window.from_ns;
    edges[n++] = window.to_ns;
    for (size_t i = 0; i < c->covered_count; i++) {
        edges[n++] = c->covered[i].from_ns;
        edges[n++] = c->covered[i].to_ns;
    }
    for (size_t i = 0; i < c->gap_count; i++) {
        edges[n++] = c->gaps[i].at.from_ns;
        edges[n++] = c->gaps[i].at.to_ns;
    }
    qsort(edges, n, sizeof *edges, by_time);
    for (size_t i = 1; i < n; i++) {
        if (edges[i] == edges[i - 1] || edges[i - 1] < window.from_ns || edges[i] > window.to_ns)
            continue;
        enum snapshot_gap_reason reason = SNAPSHOT_GAP_NOT_RECORDING;
        bool covered = judge(c, edges[i - 1], edges[i], &reason);
        put(&out, edges[i - 1], edges[i], covered, reason);
    }
    free(edges);
    *ret = out;
    return 0;
}

int snapshot_coverage_from_ring(const struct ring_list *list, struct snapshot_interval window,
                                int64_t offset, struct snapshot_coverage *ret_coverage)
{
    struct snapshot_interval *covered = calloc(list->covered_count + 1, sizeof *covered);
    struct snapshot_gap *gaps = calloc(list->gap_count + 1, sizeof *gaps);
    int r = covered && gaps ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < list->covered_count; i++)
        covered[i] = (struct snapshot_interval){list->covered[i].from_ns - offset,
                                                list->covered[i].to_ns - offset};
    for (size_t i = 0; r == 0 && i < list->gap_count; i++)
        gaps[i] =
            (struct snapshot_gap){{list->gaps[i].from_ns - offset, list->gaps[i].to_ns - offset},
                                  reason_of(list->gaps[i].reason)};
    struct claims claims = {covered, list->covered_count, gaps, list->gap_count};
    if (r == 0)
        r = sweep(&claims, window, ret_coverage);
    free(covered);
    free(gaps);
    return r;
}

int snapshot_coverage_lose(struct snapshot_coverage *coverage, struct snapshot_gap lost)
{
    struct snapshot_coverage old = *coverage;
    if (old.covered_count + old.gap_count == 0 || lost.at.to_ns <= lost.at.from_ns)
        return 0;
    int64_t from = INT64_MAX, to = INT64_MIN;
    if (old.covered_count) {
        from = old.covered[0].from_ns;
        to = old.covered[old.covered_count - 1].to_ns;
    }
    if (old.gap_count && old.gaps[0].at.from_ns < from)
        from = old.gaps[0].at.from_ns;
    if (old.gap_count && old.gaps[old.gap_count - 1].at.to_ns > to)
        to = old.gaps[old.gap_count - 1].at.to_ns;
    struct snapshot_gap *gaps = calloc(old.gap_count + 1, sizeof *gaps);
    if (!gaps)
        return -ENOMEM;
    /* the gaps that were known keep their reasons */
    if (old.gap_count)
        memcpy(gaps, old.gaps, old.gap_count * sizeof *gaps);
    gaps[old.gap_count] = lost;
    struct claims claims = {old.covered, old.covered_count, gaps, old.gap_count + 1};
    int r = sweep(&claims, (struct snapshot_interval){from, to}, coverage);
    free(gaps);
    if (r == 0)
        snapshot_coverage_done(&old);
    return r;
}

void snapshot_coverage_done(struct snapshot_coverage *coverage)
{
    free(coverage->covered);
    free(coverage->gaps);
    *coverage = (struct snapshot_coverage){0};
}
