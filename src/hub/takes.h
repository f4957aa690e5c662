/* Snapshots being taken, a thread each (at most four at once; the others stay Pending). Thread: any
 * but takes_new and takes_free. */
#ifndef TRAWL_HUB_TAKES_H
#define TRAWL_HUB_TAKES_H

#include "hub/fleet.h"
#include "snapshot/snapshot_store.h"

struct takes;

struct takes_options {
    struct fleet *fleet;
    struct snapshot_store *store;
    /* After each end, on the take's thread. */
    void (*on_end)(void *ctx, const char *id, int result);
    void *ctx;
};

int takes_new(const struct takes_options *options, struct takes **ret_takes);
/* No snapshot is begun any more. True and freed when none is being taken (after at most 0.3 s);
 * false: some are, the process has to end as it is. They are Pending again at the next start. */
bool takes_free(struct takes *takes);
/* The snapshot is Pending. */
int takes_start(struct takes *takes, const char *id, struct error *reterr);
/* −EBUSY when it is not being taken. */
int takes_cancel(struct takes *takes, const char *id, struct error *reterr);
/* Starts every Pending snapshot of the store (after a restart). */
int takes_resume(struct takes *takes, struct error *reterr);

#endif
