/* SHA-256 in pieces, for files as they come and go. Thread: owner. Source: FIPS 180-4 (libcrypto).
 */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_HASH_H
#define TRAWL_SNAPSHOT_SNAPSHOT_HASH_H

#include "base/slice.h"
#include "snapshot/snapshot.h"

struct snapshot_hash {
    void *ctx; /* EVP_MD_CTX */
    bool failed;
};

/* 0 or −ENOMEM; snapshot_hash_done frees (also after end). */
int snapshot_hash_begin(struct snapshot_hash *hash);
void snapshot_hash_add(struct snapshot_hash *hash, const void *data, size_t n);
/* Hex into out; may begin again afterwards. 0 or −EIO. */
int snapshot_hash_end(struct snapshot_hash *hash, char out[SNAPSHOT_SHA256_SIZE]);
void snapshot_hash_done(struct snapshot_hash *hash);

/* Lets libcrypto read its configuration now: afterwards nothing is opened any more (sandbox). */
void snapshot_hash_prepare(void);

int snapshot_hash_bytes(struct slice bytes, char out[SNAPSHOT_SHA256_SIZE]);

/* Gives back what libcrypto keeps for this thread: it would do so itself, but not where the process
 * ends at the same time as a thread of its own. */
void snapshot_hash_leave_thread(void);

#endif
