#include "ring/ring_blocks.h"

#include "base/cursor.h"

enum {
    OPT_END = 0,
    OPT_ISB_START = 2,
    OPT_ISB_END = 3,
    OPT_ISB_RECEIVED = 4,
    OPT_ISB_DROPPED_BY_OS = 7
};

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
    return p + 4;
}

static uint8_t *put_time(uint8_t *p, int64_t ns)
{
    uint64_t ts = (uint64_t)ns;
    return put_u32(put_u32(p, (uint32_t)(ts >> 32)), (uint32_t)ts);
}

static uint8_t *put_option(uint8_t *p, uint32_t code, uint32_t bytes)
{
    return put_u32(p, code | bytes << 16);
}

static uint8_t *put_count(uint8_t *p, uint32_t code, uint64_t v)
{
    p = put_option(p, code, 8);
    memcpy(p, &v, 8);
    return p + 8;
}

static uint8_t *put_note(uint8_t *p, const struct ring_note *note, size_t fill)
{
    p = put_option(p, RING_OPT_CUSTOM_BINARY, (uint32_t)(4 + sizeof *note + fill));
    p = put_u32(p, RING_PEN);
    memcpy(p, note, sizeof *note);
    memset(p + sizeof *note, 0, fill);
    return p + sizeof *note + fill;
}

size_t ring_put_isb(uint8_t *out, const struct ring_isb *isb)
{
    uint8_t *p = put_u32(out, RING_BLOCK_ISB);
    p = put_u32(p + 4, isb->idb);
    p = put_time(p, isb->ts_ns);
    if (isb->start_ns)
        p = put_time(put_option(p, OPT_ISB_START, 8), isb->start_ns);
    if (isb->end_ns)
        p = put_time(put_option(p, OPT_ISB_END, 8), isb->end_ns);
    if (isb->received != UINT64_MAX)
        p = put_count(p, OPT_ISB_RECEIVED, isb->received);
    if (isb->dropped_by_os != UINT64_MAX)
        p = put_count(p, OPT_ISB_DROPPED_BY_OS, isb->dropped_by_os);
    if (isb->note)
        p = put_note(p, isb->note, 0);
    p = put_option(p, OPT_END, 0);
    uint32_t total = (uint32_t)(p - out) + 4;
    put_u32(p, total);
    put_u32(out + 4, total);
    return total;
}

void ring_put_pad(uint8_t *out, size_t bytes, uint32_t idb, const struct ring_note *note)
{
    uint8_t *p = put_u32(out, RING_BLOCK_ISB);
    p = put_u32(p, (uint32_t)bytes);
    p = put_u32(p, idb);
    p = put_time(p, note->to_ns);
    p = put_note(p, note, bytes - RING_ISB_PAD_MIN);
    p = put_option(p, OPT_END, 0);
    put_u32(p, (uint32_t)bytes);
}

bool ring_find_note(struct slice options, struct ring_note *ret_note, struct slice *ret_bytes)
{
    struct cursor c = cursor_of(options.data, options.len);
    while (cursor_left(&c) >= 4) {
        uint16_t code = cursor_le16(&c);
        uint16_t len = cursor_le16(&c);
        struct slice value = cursor_slice(&c, len);
        cursor_skip(&c, (4 - len % 4) % 4);
        if (c.bad || code == OPT_END)
            return false;
        if (code != RING_OPT_CUSTOM_BINARY || len < 4 + sizeof *ret_note)
            continue;
        struct cursor v = cursor_of(value.data, value.len);
        if (cursor_le32(&v) != RING_PEN)
            continue;
        memcpy(ret_note, v.pos, sizeof *ret_note);
        *ret_bytes = slice_of(v.pos, cursor_left(&v));
        if (ret_note->magic == RING_NOTE_MAGIC)
            return true;
    }
    return false;
}
