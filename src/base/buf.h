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

/* Room for n more bytes: a pointer to fill (then add to len), or NULL. */
uint8_t *buf_reserve(struct buf *buf, size_t n);
/* All appends: 0, or the sticky error; nothing is appended on failure. */
int buf_append(struct buf *buf, const void *data, size_t n);
int buf_append_slice(struct buf *buf, struct slice s);
int buf_append_str(struct buf *buf, const char *text);
int buf_append_u8(struct buf *buf, uint8_t v);
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
