/* Bounded reading of wire data. A read beyond the end gives zero and sets `bad`, which stays set: a
 * parser may read a whole header and ask once. Borrows the bytes. Thread: owner. */
#ifndef TRAWL_BASE_CURSOR_H
#define TRAWL_BASE_CURSOR_H

#include "base/slice.h"

struct cursor {
    const uint8_t *pos;
    const uint8_t *end;
    bool bad; /* something was read that is not there */
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (struct cursor){.pos = p, .end = len ? p + len : p};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->pos);
}

/* The next n bytes, moved over; NULL (and bad) when they are not there. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
    if (c->bad || n > cursor_left(c)) {
        /* Nothing is left either: a loop over what is left ends. */
        c->bad = true;
        c->pos = c->end;
        return NULL;
    }
    const uint8_t *p = c->pos;
    if (n)
        c->pos += n;
    return p;
}

static inline struct slice cursor_slice(struct cursor *c, size_t n)
{
    const uint8_t *p = cursor_take(c, n);
    return p ? slice_of(p, n) : SLICE_NONE;
}

static inline void cursor_skip(struct cursor *c, size_t n)
{
    (void)cursor_take(c, n);
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 1);
    return p ? p[0] : 0;
}

static inline uint16_t cursor_be16(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 2);
    return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

static inline uint32_t cursor_be24(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 3);
    return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t cursor_be32(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 4);
    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t cursor_be64(struct cursor *c)
{
    uint64_t high = cursor_be32(c);
    return high << 32 | cursor_be32(c);
}

static inline uint16_t cursor_le16(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 2);
    return (uint16_t)(p ? p[1] << 8 | p[0] : 0);
}

static inline uint32_t cursor_le32(struct cursor *c)
{
    const uint8_t *p = cursor_take(c, 4);
    return p ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0] : 0;
}

static inline uint64_t cursor_le64(struct cursor *c)
{
    uint64_t low = cursor_le32(c);
    return (uint64_t)cursor_le32(c) << 32 | low;
}

#endif
