#include "dissect/proto/snappy.h"

#include <errno.h>

#include "base/cursor.h"

enum {
    LENGTH_BYTES_MAX = 5,
    RATIO_MAX = 64 /* a copy of 64 bytes takes at least one byte and a half */
};

struct snappy_out {
    uint8_t *data;
    size_t len, cap;
    bool cut;
};

static uint32_t read_varint(struct cursor *c)
{
    uint32_t value = 0;
    for (int i = 0; i < LENGTH_BYTES_MAX; i++) {
        uint8_t b = cursor_u8(c);
        value |= (uint32_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80))
            return value;
    }
    c->bad = true;
    return 0;
}

static size_t room(struct snappy_out *out, size_t n)
{
    if (n > out->cap - out->len) {
        out->cut = true;
        return out->cap - out->len;
    }
    return n;
}

static void put_literal(struct cursor *c, struct snappy_out *out, uint8_t tag)
{
    size_t n = tag >> 2;
    if (n >= 60) {
        unsigned bytes = (unsigned)n - 59;
        n = 0;
        for (unsigned i = 0; i < bytes; i++)
            n |= (size_t)cursor_u8(c) << (8 * i);
    }
    const uint8_t *from = cursor_take(c, n + 1);
    if (!from)
        return;
    n = room(out, n + 1);
    if (n)
        memcpy(out->data + out->len, from, n);
    out->len += n;
}

static void put_copy(struct cursor *c, struct snappy_out *out, uint8_t tag)
{
    size_t n, offset;
    switch (tag & 3) {
    case 1:
        n = 4 + (size_t)(tag >> 2 & 7);
        offset = (size_t)(tag >> 5) << 8 | cursor_u8(c);
        break;
    case 2:
        n = 1 + (size_t)(tag >> 2);
        offset = cursor_le16(c);
        break;
    default:
        n = 1 + (size_t)(tag >> 2);
        offset = cursor_le32(c);
    }
    if (offset == 0 || offset > out->len) {
        c->bad = true;
        return;
    }
    n = room(out, n);
    for (size_t i = 0; i < n; i++) /* the two may overlap */
        out->data[out->len + i] = out->data[out->len + i - offset];
    out->len += n;
}

int snappy_decode(struct arena *arena, struct slice block, size_t max_bytes, struct slice *ret_out,
                  bool *ret_cut)
{
    struct cursor c = cursor_of(block.data, block.len);
    size_t whole = read_varint(&c);
    struct snappy_out out = {.cap = whole < max_bytes ? whole : max_bytes};
    *ret_out = SLICE_NONE;
    *ret_cut = false;
    if (c.bad)
        return -EBADMSG;
    if (out.cap / RATIO_MAX > block.len) /* more than these bytes can say */
        out.cap = block.len * RATIO_MAX;
    out.data = arena_alloc(arena, out.cap);
    if (!out.data)
        return -ENOMEM;
    while (cursor_left(&c) && !c.bad && !out.cut) {
        uint8_t tag = cursor_u8(&c);
        if ((tag & 3) == 0)
            put_literal(&c, &out, tag);
        else
            put_copy(&c, &out, tag);
    }
    *ret_out = slice_of(out.data, out.len);
    *ret_cut = out.cut && out.len == max_bytes;
    bool damaged = c.bad || (!*ret_cut && out.len != whole);
    return damaged ? -EBADMSG : 0;
}
