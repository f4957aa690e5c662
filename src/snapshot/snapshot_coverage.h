/* Sets of time intervals: what of a window is covered, and why the rest is not. Private to
 * src/snapshot. Thread: owner. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_COVERAGE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_COVERAGE_H

#include "snapshot/snapshot.h"

struct ring_list;

struct snapshot_coverage {
    struct snapshot_interval *covered; /* sorted, disjoint */
    size_t covered_count;
    struct snapshot_gap *gaps; /* sorted, disjoint; with `covered` they fill the window */
    size_t gap_count;
};

/* What a ring says of a window, shifted to hub time and clipped; anything it says nothing of is a
 * gap "not_recording". −ENOMEM. */
int snapshot_coverage_from_ring(const struct ring_list *list, struct snapshot_interval window,
                                int64_t clock_offset_ns, struct snapshot_coverage *ret_coverage);
/* This part did not come after all. −ENOMEM. */
int snapshot_coverage_lose(struct snapshot_coverage *coverage, struct snapshot_gap lost);
void snapshot_coverage_done(struct snapshot_coverage *coverage);

#endif
