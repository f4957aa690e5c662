/* One run of a dissect job: opens the snapshot's files, starts the job, turns its messages into the
 * dissection's record. Thread: the dissection's. */
#ifndef TRAWL_HUB_DISSECTION_JOB_H
#define TRAWL_HUB_DISSECTION_JOB_H

#include <jansson.h>

#include "job/job.h"
#include "snapshot/snapshot_store.h"

struct dissection_run {
    struct snapshot_store *store;
    const struct snapshot *snapshot;
    struct snapshot_dissection *record; /* its progress and counts are kept up to date */
    json_t *protocols;                  /* array, or NULL */
    int keys_fd;                        /* a TLS key log for the job, or −1; borrowed */
    /* Told of the job while it runs (for cancelling); NULL when it has ended. */
    void (*on_job)(void *ctx, struct job *job);
    /* The record has changed. */
    void (*on_progress)(void *ctx);
    void *ctx;
};

/* 0, or a negative errno with the reason; *ret_crashed: another try may help. */
int dissection_run(struct dissection_run *run, bool *ret_crashed, struct error *reterr);

#endif
