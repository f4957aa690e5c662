/* Writes a seekable Zstandard file: independent frames of at most 4 MiB of content, each with its
 * checksum, and a seek table in a skippable frame at the end. Any zstd reads it from the start.
 *
 * Memory: about 9 MiB while open. Thread: owner. Sources: RFC 8878; "Zstandard Seekable Format"
 * 0.1.0 (layout in docs/formats/snapshot.md). */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_ZST_H
#define TRAWL_SNAPSHOT_SNAPSHOT_ZST_H

#include "base/buf.h"
#include "base/error.h"
#include "snapshot/snapshot_hash.h"

enum {
    SNAPSHOT_ZST_FRAME_BYTES = 4 * 1024 * 1024
};

struct snapshot_zst {
    const char *phase;
    int fd;               /* borrowed */
    uint64_t plain_bytes; /* taken so far */
    uint64_t file_bytes;  /* written so far */
    uint64_t max_file_bytes;
    /* private */
    void *cctx;
    uint8_t *plain, *packed;
    size_t plain_len;
    struct buf table; /* seek table entries */
    uint32_t frames;
    struct snapshot_hash hash;
};

/* Writes to fd from its present position through base/io.h. max_file_bytes 0 = no limit. */
int snapshot_zst_begin(struct snapshot_zst *z, const char *phase, int fd, uint64_t max_file_bytes,
                       struct error *reterr);
/* −EDQUOT beyond max_file_bytes, or what the disk said. */
int snapshot_zst_add(struct snapshot_zst *z, const uint8_t *data, size_t n, struct error *reterr);
/* Last frame and seek table; the file's SHA-256. Does not sync. */
int snapshot_zst_end(struct snapshot_zst *z, char ret_sha256[SNAPSHOT_SHA256_SIZE],
                     struct error *reterr);
/* Frees; any time after begin, also when that failed. */
void snapshot_zst_done(struct snapshot_zst *z);

#endif
