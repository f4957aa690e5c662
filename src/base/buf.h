/* A byte buffer that grows up to a maximum it is born with. Owns its memory. Failure is sticky: a
 * series of appends may be checked once at the end with buf_failed(). Thread: owner. */
#ifndef TRAWL_BASE_BUF_H
#define TRAWL_BASE_BUF_H

#include "base/slice.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    int error; /* 0, -ENOBUFS (maximum reached) or -ENOMEM */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_done(struct buf *buf);
/* Empties it, clears the error, keeps the memory. */
void buf_reset(struct buf *buf);

/* The way of buf_reserve when the memory in hand is too small. */
uint8_t *buf_grow(struct buf *buf, size_t n);

/* Room for n more bytes: a pointer to fill (then add to len), or NULL. */
static inline uint8_t *buf_reserve(struct buf *buf, size_t n)
{
    if (__builtin_expect(!buf->error && buf->data && n <= buf->cap - buf->len, 1))
        return buf->data + buf->len;
    return buf_grow(buf, n);
}

/* All appends: 0, or the sticky error; nothing is appended on failure. */
static inline int buf_append(struct buf *buf, const void *data, size_t n)
{
    uint8_t *p = buf_reserve(buf, n);
    if (!p)
        return buf->error;
    if (n)
        memcpy(p, data, n);
    buf->len += n;
    return 0;
}

static inline int buf_append_slice(struct buf *buf, struct slice s)
{
    return buf_append(buf, s.data, s.len);
}

static inline int buf_append_u8(struct buf *buf, uint8_t v)
{
    uint8_t *p = buf_reserve(buf, 1);
    if (!p)
        return buf->error;
    *p = v;
    buf->len++;
    return 0;
}

int buf_append_str(struct buf *buf, const char *text);
int buf_append_fill(struct buf *buf, uint8_t v, size_t n);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes (n ≤ len) by moving the rest. */
void buf_drop_front(struct buf *buf, size_t n);

static inline int buf_failed(const struct buf *buf)
{
    return buf->error;
}

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data, buf->len);
}

#endif
