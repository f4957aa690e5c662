/* Dissections of snapshots: a sandboxed job each (entries/query.h says what it is told and what it
 * says), at most two at once. A job that crashes is started again at most twice (promise P9).
 * Thread: any but dissections_new and dissections_free. */
#ifndef TRAWL_HUB_DISSECTIONS_H
#define TRAWL_HUB_DISSECTIONS_H

#include "snapshot/snapshot_store.h"

struct dissections;

struct dissections_options {
    struct snapshot_store *store;
    /* Before the parts of a dissection are removed. */
    void (*close_queries)(void *ctx, const char *id, const char *name);
    void *ctx;
};

int dissections_new(const struct dissections_options *options, struct dissections **ret);
/* As takes_free. */
bool dissections_free(struct dissections *dissections);
/* protocols ends with NULL; NULL = all. keys: a TLS key log, or empty; it is kept in memory until
 * the dissection has ended, never on a disk. The result of an earlier one of this name stays and is
 * read until the new one is whole, then it is replaced; it stays for good, with the reason beside
 * it, when the new one fails or is cancelled. −EBUSY: it is running, or the snapshot is not
 * completed. */
int dissections_start(struct dissections *dissections, const char *id, const char *name,
                      const char *const *protocols, struct slice keys, struct error *reterr);
int dissections_cancel(struct dissections *dissections, const char *id, const char *name,
                       struct error *reterr);

#endif
