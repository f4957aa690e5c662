/* SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012).
 * With a random key where an attacker chooses the inputs of a table, with the fixed key where the
 * same input must give the same number in every run (entry ids). Thread: any. */
#ifndef TRAWL_BASE_HASH_H
#define TRAWL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t k0, k1;
};

extern const struct hash_key hash_fixed_key;

/* From getrandom(2). */
struct hash_key hash_random_key(void);
uint64_t hash_bytes(struct hash_key key, const void *data, size_t len);

#endif
