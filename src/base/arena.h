/* Memory that is freed all at once, with a hard cap from birth.
 * Allocations are 16-byte aligned and not zeroed unless said. Thread: owner. */
#ifndef TRAWL_BASE_ARENA_H
#define TRAWL_BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset */
    size_t cap_bytes;           /* arena_alloc returns NULL beyond this */
};

/* No allocation happens until the first arena_alloc. */
void arena_init(struct arena *arena, size_t cap_bytes);
/* Frees everything; the arena may be used again (arena_init not needed). */
void arena_done(struct arena *arena);
/* Forgets all allocations but keeps one chunk for reuse. */
void arena_reset(struct arena *arena);

/* NULL when the cap or the memory is exhausted. A zero size gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* Checks count × size for overflow; zeroed. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
/* A copy with a NUL after it; the slice's len does not count the NUL. On failure data is NULL and
 * len 0. */
struct slice arena_dup(struct arena *arena, struct slice bytes);
char *arena_strdup(struct arena *arena, const char *text);
struct slice arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
