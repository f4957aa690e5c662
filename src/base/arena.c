#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    FIRST_CHUNK_BYTES = 2048,
    MAX_CHUNK_BYTES = 256 * 1024,
    ALIGNMENT = 16
};

struct arena_chunk {
    struct arena_chunk *next;
    size_t size_bytes;
    size_t used_bytes;
    _Alignas(ALIGNMENT) uint8_t data[];
};

void arena_init(struct arena *arena, size_t cap_bytes)
{
    *arena = (struct arena){.cap_bytes = cap_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_done(struct arena *arena)
{
    if (!arena)
        return;
    free_chunks(arena->chunks);
    arena->chunks = NULL;
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    if (arena->chunks) {
        free_chunks(arena->chunks->next);
        arena->chunks->next = NULL;
        arena->chunks->used_bytes = 0;
    }
    arena->used_bytes = 0;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t need)
{
    size_t size = arena->chunks ? arena->chunks->size_bytes * 2 : FIRST_CHUNK_BYTES;
    if (size > MAX_CHUNK_BYTES)
        size = MAX_CHUNK_BYTES;
    if (size < need)
        size = need;
    struct arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk) {
        memory_failed();
        return NULL;
    }
    chunk->next = arena->chunks;
    chunk->size_bytes = size;
    chunk->used_bytes = 0;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t need = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (need == 0)
        need = ALIGNMENT;
    if (need > arena->cap_bytes || arena->used_bytes > arena->cap_bytes - need)
        return NULL;
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || need > chunk->size_bytes - chunk->used_bytes)
        chunk = add_chunk(arena, need);
    if (!chunk)
        return NULL;
    void *p = chunk->data + chunk->used_bytes;
    chunk->used_bytes += need;
    arena->used_bytes += need;
    return p;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *p = arena_alloc(arena, size);
    if (p)
        memset(p, 0, size);
    return p;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_zalloc(arena, total);
}

struct slice arena_dup(struct arena *arena, struct slice bytes)
{
    if (bytes.len == SIZE_MAX)
        return SLICE_NONE;
    uint8_t *p = arena_alloc(arena, bytes.len + 1);
    if (!p)
        return SLICE_NONE;
    if (bytes.len)
        memcpy(p, bytes.data, bytes.len);
    p[bytes.len] = 0;
    return slice_of(p, bytes.len);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *p = arena_alloc(arena, size);
    if (p)
        memcpy(p, text, size);
    return p;
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (p)
        vsnprintf(p, (size_t)len + 1, format, again);
    va_end(again);
    return p ? slice_of(p, (size_t)len) : SLICE_NONE;
}
