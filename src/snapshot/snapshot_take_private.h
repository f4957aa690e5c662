/* What the parts of snapshot_take share. Private to src/snapshot. Thread: each `struct take_node`
 * belongs to its thread, but for the pin; `struct take` is guarded by its mutex. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_TAKE_PRIVATE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_TAKE_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "snapshot/snapshot_coverage.h"
#include "snapshot/snapshot_source.h"

#define TAKE_POLL_NS (100 * 1000 * 1000)

struct take_node;

struct take {
    const struct snapshot_take_options *options;
    struct snapshot *snapshot; /* a reference */
    struct snapshot_interval window;
    int dir; /* the snapshot's folder */
    sem_t transfers;
    bool stop; /* atomic: one node failed for good, or the person cancelled */
    pthread_mutex_t mutex;
    struct snapshot_progress progress;
    uint64_t need_bytes;
    int64_t began_ns, shown_ns; /* monotonic */
    struct take_node *nodes;
    size_t next; /* node to be taken by a free thread */
    int failed;  /* first failure that fails the whole */
    struct error failure;
    bool renewing;
    pthread_cond_t wake_renewer;
};

struct take_node {
    struct take *take;
    const struct snapshot_take_node *who;
    char folder[3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 1];
    int dir, staging; /* nodes/<folder>, staging/<folder>; −1 = not made */
    struct arena arena;
    struct snapshot_node node;
    struct snapshot_coverage coverage;
    struct snapshot_missing *missing;
    size_t missing_count, missing_cap;
    bool unreachable, recording;
    int64_t oldest_ns, newest_ns; /* hub time, of all it holds */
    /* with take->mutex */
    char pin[SNAPSHOT_PIN_SIZE]; /* "" = none */
    bool pin_broken;
};

/* Everything of one node but the totals: 0, or what fails the whole snapshot. */
int take_node_run(struct take_node *n, struct error *reterr);
/* Its segments into files (snapshot_take_files.c). The list is sorted by sequence. */
int take_files(struct take_node *n, const struct ring_list *list, struct error *reterr);

/* What the node's openings store knows of connections that were alive in the window becomes files
 * of their own, behind those of the segments (snapshot_take_openings.c). */
int take_openings(struct take_node *n, const struct ring_list *list, struct error *reterr);

/* A new file below `dir`, in the phase of data. */
int take_create(int dir, const char *name, struct error *reterr);
/* r, with "WHAT: why." */
int take_disk_error(int r, const char *what, struct error *reterr);

bool take_stopped(const struct take *take);
/* Adds to what is there; shows it at most ten times a second. */
void take_came(struct take *take, uint64_t bytes);
/* More is needed than was thought: −EDQUOT. */
int take_need(struct take *take, uint64_t bytes, struct error *reterr);
void take_show(struct take *take, bool always);
/* The node lacks this part of the window (hub time). `reason`: a sentence or a gap's reason. */
int take_missing(struct take_node *n, struct snapshot_interval at, const char *reason);

#endif
