/* Little-endian integers put one after the other: what both file writers are made of. Each returns
 * the place behind what it wrote. Thread: any. */
#ifndef TRAWL_PACKET_BLOCK_BYTES_H
#define TRAWL_PACKET_BLOCK_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    return p + 2;
}

static inline uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    p = put_u16(p, (uint16_t)v);
    return put_u16(p, (uint16_t)(v >> 16));
}

static inline uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    p = put_u32(p, (uint32_t)v);
    return put_u32(p, (uint32_t)(v >> 32));
}

/* pcapng's halves of a time stamp: the upper one first. */
static inline uint8_t *put_time(uint8_t *p, int64_t ts_ns)
{
    uint64_t v = ts_ns < 0 ? 0 : (uint64_t)ts_ns;
    p = put_u32(p, (uint32_t)(v >> 32));
    return put_u32(p, (uint32_t)v);
}

/* n bytes, then zeros up to a multiple of four. */
static inline uint8_t *put_padded(uint8_t *p, const void *data, size_t n)
{
    if (n)
        memcpy(p, data, n);
    size_t padding = -n & 3;
    memset(p + n, 0, padding);
    return p + n + padding;
}

#endif
