/* A snapshot as one file: a POSIX pax tar, manifest.json first, then the data files as they are
 * (docs/formats/archive.md). Its length is known beforehand. Thread: any. */
#ifndef TRAWL_SNAPSHOT_ARCHIVE_H
#define TRAWL_SNAPSHOT_ARCHIVE_H

#include "base/error.h"
#include "snapshot/snapshot_store.h"

/* Exact. −EBUSY when it is not Completed. */
int archive_length(struct snapshot_store *store, const struct snapshot *snapshot,
                   uint64_t *ret_bytes, struct error *reterr);

struct archive_output {
    /* Non-zero stops with that result. */
    int (*write)(void *ctx, const uint8_t *data, size_t n);
    void *ctx;
    uint64_t from;      /* leaves out the first bytes (Range); then nothing is verified */
    const bool *cancel; /* atomic; may be NULL */
};
/* Writes it. A file that does not match its SHA-256 ends it with −EBADMSG and the file's name: what
 * was sent is then shorter than announced. */
int archive_write(struct snapshot_store *store, const struct snapshot *snapshot,
                  const struct archive_output *output, struct error *reterr);

#endif
