/* XXH64 with seed 0: a fast sum to find accidental damage with. Not for strangers' input (use
 * base/hash.h) and no evidence (SHA-256 is). Thread: any. Source: xxHash specification 0.1.1. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_XXH64_H
#define TRAWL_SNAPSHOT_SNAPSHOT_XXH64_H

#include <stddef.h>
#include <stdint.h>

uint64_t snapshot_xxh64(const void *data, size_t len);

#endif
