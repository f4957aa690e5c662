/* Hash map from byte strings to pointers (SipHash with a random key, open addressing). Copies keys,
 * never touches values. Thread: owner. Iteration order is that of insertion as long as nothing was
 * removed. */
#ifndef TRAWL_BASE_STRING_MAP_H
#define TRAWL_BASE_STRING_MAP_H

#include "base/hash.h"
#include "base/slice.h"

struct string_map_entry {
    char *key; /* NUL-terminated copy; NULL = removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct string_map {
    struct hash_key hash_key;
    struct string_map_entry *entries; /* in order of insertion */
    uint32_t *slots;                  /* index + 1, 0 = free */
    size_t used;                      /* entries incl. removed ones */
    size_t count;
    size_t cap; /* entries */
    size_t slot_count;
};

void string_map_init(struct string_map *map);
/* Frees keys and tables; free_value may be NULL. */
void string_map_done(struct string_map *map, void (*free_value)(void *));
void *string_map_get(const struct string_map *map, struct slice key);
/* Replaces; the old value (or NULL) through ret_old, which may be NULL. 0 or -ENOMEM. */
int string_map_set(struct string_map *map, struct slice key, void *value, void **ret_old);
/* The value that was there, or NULL. */
void *string_map_remove(struct string_map *map, struct slice key);
/* Walks: *pos starts at 0; NULL at the end. */
const struct string_map_entry *string_map_next(const struct string_map *map, size_t *pos);

#endif
