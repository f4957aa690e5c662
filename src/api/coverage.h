/* What of a time some dissected snapshots cover: how long their nodes recorded in it, which nodes,
 * and what the recorders lost. Rates are per covered minute; that compared figures are of unequal
 * coverage is said. Thread: the call's. */
#ifndef TRAWL_API_COVERAGE_H
#define TRAWL_API_COVERAGE_H

#include "api/handlers.h"

struct coverage_node {
    const char *name;   /* of a snapshot that is held */
    int64_t covered_ns; /* each moment once, however many snapshots have it */
};

struct coverage {
    bool known; /* false: something among them keeps no account (live), or there is no memory */
    struct snapshot_interval window; /* from the first to the last moment that was asked for */
    int64_t window_ns;               /* of it what any of the snapshots was asked for */
    struct coverage_node *nodes;     /* by name */
    size_t node_count;
    double covered_ns;         /* a node, on average over those that were asked */
    uint64_t packets, dropped; /* of the whole snapshots */
    struct snapshot *held[API_MAX_SOURCES];
};

/* Of the part of the snapshots that lies in `range`. coverage_done always. */
void coverage_find(struct api_call *call, const struct handler_sources *sources,
                   struct snapshot_interval range, struct coverage *ret);
void coverage_done(struct coverage *coverage);
bool coverage_has_node(const struct coverage *coverage, const char *name);

#endif
