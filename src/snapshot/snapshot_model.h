/* Building and copying the values of snapshot.h. Everything of a snapshot or manifest lives in its
 * own arena. Private to src/snapshot. Thread: owner, until the value is handed to the store. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_MODEL_H
#define TRAWL_SNAPSHOT_SNAPSHOT_MODEL_H

#include "snapshot/snapshot.h"

enum {
    SNAPSHOT_MODEL_MAX_BYTES = 64 * 1024 * 1024,
    SNAPSHOT_MAX_HISTORY = 200,
    SNAPSHOT_MAX_TAGS = 32,
    SNAPSHOT_MAX_NOTE_BYTES = 4096
};

/* One reference for the caller; NULL without memory. */
struct snapshot *snapshot_new(void);
struct snapshot_manifest *snapshot_manifest_new(void);
struct snapshot_manifest *snapshot_manifest_ref(struct snapshot_manifest *manifest);
void snapshot_manifest_unref(struct snapshot_manifest *manifest);

/* A deep copy that shares the manifest; NULL without memory. */
struct snapshot *snapshot_clone(const struct snapshot *from);
/* Deep copies into an arena: 0 or −ENOMEM. */
int snapshot_copy_request(struct arena *arena, const struct snapshot_request *from,
                          struct snapshot_request *to);
int snapshot_copy_node(struct arena *arena, const struct snapshot_node *from,
                       struct snapshot_node *to);
int snapshot_copy_dissection(struct arena *arena, const struct snapshot_dissection *from,
                             struct snapshot_dissection *to);
int snapshot_copy_verification(struct arena *arena, const struct snapshot_verification *from,
                               struct snapshot_verification *to);
/* Appends to the history (the oldest goes when it is full). */
int snapshot_add_history(struct snapshot *snapshot, const char *status, const char *text);
/* Sums packets, bytes, drops, empty over the nodes. */
void snapshot_manifest_total(struct snapshot_manifest *manifest);

#endif
