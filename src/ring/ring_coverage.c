/* Which time the ring holds, and why the rest is missing. Every segment says what time it covers
 * and where coverage of its series ended before it: what lies between was never captured, what lies
 * before that and is in no segment was recycled. */
#include <errno.h>
#include <stdlib.h>

#include "ring/ring_reader_internal.h"

struct spans {
    struct ring_gap *items; /* intervals with a reason */
    size_t count, cap;
};

static int add(struct spans *spans, int64_t from_ns, int64_t to_ns, enum ring_gap_reason reason)
{
    if (from_ns >= to_ns)
        return 0;
    if (spans->count == spans->cap) {
        size_t cap = spans->cap ? spans->cap * 2 : 64;
        struct ring_gap *items = realloc(spans->items, cap * sizeof *items);
        if (!items)
            return -ENOMEM;
        spans->items = items;
        spans->cap = cap;
    }
    spans->items[spans->count++] = (struct ring_gap){from_ns, to_ns, reason};
    return 0;
}

static int by_from(const void *a, const void *b)
{
    const struct ring_gap *x = a;
    const struct ring_gap *y = b;
    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static const struct ring_cached *before_in_series(const struct ring_look *look, size_t at)
{
    for (size_t i = at; i > 0; i--)
        if (look->segments[i - 1].info.series == look->segments[at].info.series)
            return &look->segments[i - 1];
    return NULL;
}

/* known: stretches with a reason; lost: those of them that no other series can make good. */
static int explain(const struct ring_look *look, struct spans *known, struct spans *lost)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < look->count; i++) {
        const struct ring_cached *segment = &look->segments[i];
        const struct ring_cached *before = before_in_series(look, i);
        int64_t previous = segment->previous_covered_to_ns;
        /* first of all: nothing else explains what a segment has lost since it was sealed */
        r = add(known, segment->info.covered_to_ns, segment->info.sealed_to_ns, RING_GAP_CORRUPT);
        if (r == 0)
            r = add(lost, segment->info.covered_to_ns, segment->info.sealed_to_ns,
                    RING_GAP_CORRUPT);
        if (r < 0)
            break;
        if (previous)
            r = add(known, previous, segment->info.covered_from_ns, segment->gap_reason);
        int64_t hole_to = lesser(previous, segment->info.covered_from_ns);
        int64_t hole_from = before ? before->info.covered_to_ns : INT64_MIN;
        if (!previous || hole_from >= hole_to || r < 0)
            continue;
        if (before && (before->end_reason || before->torn)) {
            enum ring_gap_reason why =
                before->torn ? RING_GAP_CORRUPT : (enum ring_gap_reason)(before->end_reason - 1);
            r = add(known, hole_from, hole_to, why);
        } else {
            r = add(lost, hole_from, hole_to, RING_GAP_RECYCLED);
            if (!before && look->has_state) /* nothing was there before the ring began */
                hole_from = look->state.first_recorded_ns;
            if (r == 0)
                r = add(known, hole_from, hole_to, RING_GAP_RECYCLED);
        }
    }
    return r;
}

/* Sorted and disjoint, in place. */
static void unite(struct spans *spans)
{
    if (spans->count)
        qsort(spans->items, spans->count, sizeof *spans->items, by_from);
    size_t kept = 0;
    for (size_t i = 0; i < spans->count; i++) {
        if (kept && spans->items[i].from_ns <= spans->items[kept - 1].to_ns) {
            if (spans->items[i].to_ns > spans->items[kept - 1].to_ns)
                spans->items[kept - 1].to_ns = spans->items[i].to_ns;
        } else {
            spans->items[kept++] = spans->items[i];
        }
    }
    spans->count = kept;
}

/* held without what is in `without` (both united), into ret. */
static int subtract(const struct spans *held, const struct spans *without, struct spans *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < held->count; i++) {
        int64_t at = held->items[i].from_ns, end = held->items[i].to_ns;
        for (size_t k = 0; r == 0 && k < without->count && at < end; k++) {
            const struct ring_gap *hole = &without->items[k];
            if (hole->to_ns <= at || hole->from_ns >= end)
                continue;
            r = add(ret, at, hole->from_ns, 0);
            at = hole->to_ns;
        }
        if (r == 0)
            r = add(ret, at, end, 0);
    }
    return r;
}

struct outside {
    const struct ring_look *look;
    int64_t newest_ns;
    bool has_any;
};

/* Why a moment that nothing explains is missing. */
static enum ring_gap_reason default_reason(const struct outside *outside, int64_t at_ns)
{
    const struct ring_look *look = outside->look;
    if (!look->has_state)
        return RING_GAP_NOT_RECORDING;
    if (!outside->has_any || at_ns >= outside->newest_ns) {
        if (look->alive && look->state.flags & RING_STATE_PAUSED)
            return RING_GAP_CAPTURE_STOPPED;
        if (look->alive && look->state.flags & RING_STATE_DISK_FULL)
            return RING_GAP_DISK;
    }
    return at_ns >= look->state.first_recorded_ns && at_ns < look->state.recycled_until_ns
               ? RING_GAP_RECYCLED
               : RING_GAP_NOT_RECORDING;
}

/* Moments at which the default changes. */
static int64_t default_until(const struct outside *outside, int64_t at_ns, int64_t to_ns)
{
    const struct ring_state_body *state = &outside->look->state;
    int64_t edges[3] = {state->first_recorded_ns, state->recycled_until_ns, outside->newest_ns};
    for (size_t i = 0; i < 3; i++)
        if (edges[i] > at_ns && edges[i] < to_ns)
            to_ns = edges[i];
    return to_ns;
}

static int add_gap(struct spans *gaps, int64_t from_ns, int64_t to_ns, enum ring_gap_reason reason)
{
    struct ring_gap *last = gaps->count ? &gaps->items[gaps->count - 1] : NULL;
    if (last && last->reason == reason && last->to_ns == from_ns) {
        last->to_ns = to_ns;
        return 0;
    }
    return add(gaps, from_ns, to_ns, reason);
}

/* The missing stretch [from, to), cut where its reason changes. */
static int name_gap(const struct outside *outside, const struct spans *known, int64_t from_ns,
                    int64_t to_ns, struct spans *gaps)
{
    int r = 0;
    while (r == 0 && from_ns < to_ns) {
        int64_t until = to_ns;
        const struct ring_gap *reason = NULL;
        for (size_t i = 0; i < known->count; i++) {
            const struct ring_gap *span = &known->items[i];
            if (span->from_ns <= from_ns && span->to_ns > from_ns)
                reason = reason ? reason : span;
            else if (span->from_ns > from_ns && span->from_ns < until)
                until = span->from_ns;
        }
        enum ring_gap_reason why = reason ? reason->reason : default_reason(outside, from_ns);
        if (reason)
            until = lesser(until, reason->to_ns);
        else
            until = default_until(outside, from_ns, until);
        r = add_gap(gaps, from_ns, until, why);
        from_ns = until;
    }
    return r;
}

static int name_gaps(const struct outside *outside, const struct spans *known,
                     const struct ring_list *list, struct ring_interval window, struct spans *gaps)
{
    int64_t at = window.from_ns;
    int r = 0;
    for (size_t i = 0; r == 0 && i < list->covered_count; i++) {
        r = name_gap(outside, known, at, list->covered[i].from_ns, gaps);
        at = list->covered[i].to_ns;
    }
    return r < 0 ? r : name_gap(outside, known, at, window.to_ns, gaps);
}

static int clip(const struct spans *covered, struct ring_interval window, struct ring_list *list)
{
    list->covered = calloc(covered->count + 1, sizeof *list->covered);
    if (!list->covered)
        return -ENOMEM;
    for (size_t i = 0; i < covered->count; i++) {
        struct ring_interval part = {covered->items[i].from_ns, covered->items[i].to_ns};
        if (part.from_ns < window.from_ns)
            part.from_ns = window.from_ns;
        if (part.to_ns > window.to_ns)
            part.to_ns = window.to_ns;
        if (part.from_ns < part.to_ns)
            list->covered[list->covered_count++] = part;
    }
    return 0;
}

/* Where a list without an end ends: with what is covered, or where a running capturer begins to
 * cover: so the gap after a crash shows before anything is in the new segment. A stretch that is
 * not covered by intention goes on until now. */
static int64_t open_end(const struct ring_look *look, int64_t newest_ns)
{
    int64_t end_ns = newest_ns;
    if (!look->alive || !newest_ns)
        return end_ns;
    if (look->state.started_ns > end_ns)
        end_ns = look->state.started_ns;
    for (size_t i = 0; i < look->count; i++)
        if (look->segments[i].info.covered_from_ns > end_ns)
            end_ns = look->segments[i].info.covered_from_ns;
    if (look->state.flags & (RING_STATE_PAUSED | RING_STATE_WAITING) &&
        look->state.heartbeat_ns > end_ns)
        end_ns = look->state.heartbeat_ns;
    return end_ns;
}

int ring_coverage(const struct ring_look *look, int64_t from_ns, int64_t to_ns,
                  struct ring_list *list)
{
    struct spans held = {0}, known = {0}, lost = {0}, covered = {0}, gaps = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < look->count; i++)
        r = add(&held, look->segments[i].info.covered_from_ns, look->segments[i].info.covered_to_ns,
                0);
    if (r == 0)
        r = explain(look, &known, &lost);
    unite(&held);
    unite(&lost);
    if (r == 0)
        r = subtract(&held, &lost, &covered);
    struct outside outside = {.look = look, .has_any = covered.count > 0};
    if (outside.has_any)
        outside.newest_ns = covered.items[covered.count - 1].to_ns;
    struct ring_interval window = {from_ns, to_ns};
    if (from_ns == INT64_MIN)
        window.from_ns = outside.has_any ? covered.items[0].from_ns : 0;
    if (to_ns == INT64_MAX)
        window.to_ns = open_end(look, outside.newest_ns);
    if (r == 0)
        r = clip(&covered, window, list);
    if (r == 0)
        r = name_gaps(&outside, &known, list, window, &gaps);
    free(held.items);
    free(known.items);
    free(lost.items);
    free(covered.items);
    list->gaps = gaps.items;
    list->gap_count = gaps.count;
    return r;
}
