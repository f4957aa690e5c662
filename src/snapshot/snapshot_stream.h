/* Both directions of one connection of a snapshot, in order, as JSON. Two sandboxed jobs: one
 * exports the packets of the connection, the other (kind "stream") puts them in order. Nothing is
 * kept on disk. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_STREAM_H
#define TRAWL_SNAPSHOT_SNAPSHOT_STREAM_H

#include "job/job.h"
#include "snapshot/selection.h"
#include "snapshot/snapshot_store.h"

enum {
    SNAPSHOT_STREAM_MAX_BYTES = 4 * 1024 * 1024
};

struct snapshot_stream_request {
    const struct selection *connection; /* sealed, one flow */
    const char *client_ip;              /* whose bytes are "client" */
    uint16_t client_port;
    size_t max_bytes; /* 0 = SNAPSHOT_STREAM_MAX_BYTES */
};

/* Appends the `StreamResponse` of types.ts; what goes beyond max_bytes is left out (`truncated`).
 */
int snapshot_stream(struct snapshot_store *store, const struct snapshot *snapshot,
                    const struct snapshot_stream_request *request, struct buf *out,
                    struct error *reterr);

/* Row of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_stream;

#endif
