/* What the parts of snapshot_take share. Private to src/snapshot. Thread: each `struct take_node`
 * belongs to its thread, but for the pin; `struct take` is guarded by its mutex. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_TAKE_PRIVATE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_TAKE_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "snapshot/snapshot_coverage.h"
#include "snapshot/snapshot_source.h"

enum {
    TAKE_MAX_OPENINGS = 4 /* files of them: one a link type */
};

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
 * of their own, numbered from `sequence` on (snapshot_take_openings.c). */
int take_openings(struct take_node *n, const struct ring_list *list, uint64_t sequence,
                  struct error *reterr);

/* A new file below `dir`, in the phase of data. */
int take_create(int dir, const char *name, struct error *reterr);
/* r, with "WHAT: why." */
int take_disk_error(int r, const char *what, struct error *reterr);

/* What the ring still has of just before the window becomes files of their own too, numbered from
 * `sequence` on (snapshot_take_lead_in.c). */
int take_lead_in(struct take_node *n, uint64_t sequence, struct error *reterr);
/* One more file of the node, with packets of before the window; `name` below nodes/<folder>/. */
int take_add_outside(struct take_node *n, const struct snapshot_file *file, const char *name,
                     struct error *reterr);
/* Failures of a source that cost only what was asked of it. */
bool take_is_source_failure(int r);

bool take_stopped(const struct take *take);
/* Adds to what is there; shows it at most ten times a second. */
void take_came(struct take *take, uint64_t bytes);
/* More is needed than was thought: −EDQUOT. */
int take_need(struct take *take, uint64_t bytes, struct error *reterr);
/* The same for what may be left out: whether there is room. */
bool take_has_room(struct take *take, uint64_t bytes);
void take_show(struct take *take, bool always);
/* The node lacks this part of the window (hub time). `reason`: a sentence or a gap's reason. */
int take_missing(struct take_node *n, struct snapshot_interval at, const char *reason);

#endif
