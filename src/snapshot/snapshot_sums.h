/* sums.bin: a short sum of every 64 KiB of every file of a snapshot, so that damage can be named by
 * its offset. No evidence (the manifest's SHA-256 are that): missing or damaged, it is left out of
 * consideration. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_SUMS_H
#define TRAWL_SNAPSHOT_SNAPSHOT_SUMS_H

#include "base/error.h"
#include "snapshot/snapshot_store.h"

/* Reads all files once (nothing is parsed); writes nothing when one of them has another size.
 * Linked segments that no longer match their SHA-256 become the snapshot's verification.
 * −ECANCELED when *cancel became true. */
int snapshot_sums_write(struct snapshot_store *store, const char *id, const bool *cancel,
                        struct error *reterr);

#endif
