#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    FIRST_CAP = 256
};

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->error = 0;
}

uint8_t *buf_grow(struct buf *buf, size_t n)
{
    if (buf->error)
        return NULL;
    if (n > buf->max || buf->len > buf->max - n) {
        buf->error = -ENOBUFS;
        return NULL;
    }
    if (n > buf->cap - buf->len || !buf->data) {
        size_t cap = buf->cap ? buf->cap : FIRST_CAP;
        while (cap < buf->len + n)
            cap = cap > SIZE_MAX / 2 ? buf->len + n : cap * 2;
        if (cap > buf->max)
            cap = buf->max; /* room in hand is always room allowed */
        uint8_t *data = realloc(buf->data, cap);
        if (!data) {
            memory_failed();
            buf->error = -ENOMEM;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

int buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_fill(struct buf *buf, uint8_t v, size_t n)
{
    uint8_t *p = buf_reserve(buf, n);
    if (!p)
        return buf->error;
    memset(p, v, n);
    buf->len += n;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *p = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (p) {
        vsnprintf((char *)p, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return buf->error;
}

void buf_drop_front(struct buf *buf, size_t n)
{
    memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
}
