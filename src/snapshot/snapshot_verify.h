/* Checks a snapshot as it lies on disk: the manifest against its recorded SHA-256 and signature,
 * every file against size and SHA-256. Hashing only, nothing is parsed. Promise P3: an error names
 * the file and, where sums.bin allows, the offset; the rest is checked all the same. Thread: any.
 */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_VERIFY_H
#define TRAWL_SNAPSHOT_SNAPSHOT_VERIFY_H

#include "base/error.h"
#include "snapshot/snapshot_store.h"

enum {
    SNAPSHOT_VERIFY_MAX_PROBLEMS = 256
};

struct snapshot_verify {
    bool ok;
    uint64_t files, bytes;
    bool own_signature; /* signed by this hub */
    char signer[48];    /* base64 public key */
    struct snapshot_problem *problems;
    size_t problem_count; /* at most SNAPSHOT_VERIFY_MAX_PROBLEMS are kept */
    struct arena arena;
    /* in */
    const bool *cancel; /* atomic; may be NULL */
    void (*on_progress)(void *ctx, uint64_t bytes_done, uint64_t bytes_total); /* may be NULL */
    void *ctx;
};

/* Zero the struct, set the inputs. A damaged snapshot is 0 with ok = false; negative: it could not
 * be checked at all. snapshot_verify_done frees the result. */
int snapshot_verify(struct snapshot_store *store, const char *id, struct snapshot_verify *verify,
                    struct error *reterr);
/* Exactly the `VerifyResponse` of types.ts. */
void snapshot_verify_write_json(const struct snapshot_verify *verify, struct json_writer *w);
void snapshot_verify_done(struct snapshot_verify *verify);
/* Keeps the result in the snapshot's state, where lists show it until the next verification. */
int snapshot_verify_keep(struct snapshot_store *store, const char *id,
                         const struct snapshot_verify *verify, struct error *reterr);

#endif
