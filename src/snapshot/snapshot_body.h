/* The whole body of a call whose entry keeps only its beginning, read back from the packets. Two
 * sandboxed jobs: one exports the packets of the call's connection, the other (kind "body")
 * dissects them again and gives out the one body as it comes, its content coding undone. Nothing is
 * kept on disk, memory does not depend on the body's size. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_BODY_H
#define TRAWL_SNAPSHOT_SNAPSHOT_BODY_H

#include "job/job.h"
#include "snapshot/selection.h"
#include "snapshot/snapshot_store.h"

struct snapshot_body_request {
    const struct selection *connection; /* sealed, one flow */
    const char *protocol, *id;          /* of the entry */
    bool of_request;
    uint64_t bytes;      /* of the body on the wire: what has to be found */
    const char *codings; /* content codings and transfer codings in the order applied; "" = none */
    int64_t end_ns;      /* of the call, hub time: later packets are not looked at */
};

/* Blocks. `write` gets the body in order; anything but 0 from it ends the call with that result.
 * −ESTALE with a sentence when files of the snapshot are gone, −ENODATA when the packets that are
 * there do not hold the whole body; what was written before is then only its beginning. */
int snapshot_body(struct snapshot_store *store, const struct snapshot *snapshot,
                  const struct snapshot_body_request *request,
                  int (*write)(void *ctx, const void *data, size_t n), void *ctx,
                  struct error *reterr);

/* Row of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_body;

#endif
