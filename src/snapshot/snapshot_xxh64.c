#include "snapshot/snapshot_xxh64.h"

#include <endian.h>
#include <string.h>

#define P1 0x9E3779B185EBCA87ULL
#define P2 0xC2B2AE3D27D4EB4FULL
#define P3 0x165667B19E3779F9ULL
#define P4 0x85EBCA77C2B2AE63ULL
#define P5 0x27D4EB2F165667C5ULL

static uint64_t rotl(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint32_t read32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t round64(uint64_t lane, uint64_t input)
{
    return rotl(lane + input * P2, 31) * P1;
}

static uint64_t merge(uint64_t hash, uint64_t lane)
{
    return (hash ^ round64(0, lane)) * P1 + P4;
}

static uint64_t long_part(const uint8_t **data, const uint8_t *end)
{
    uint64_t a = P1 + P2, b = P2, c = 0, d = 0 - P1;
    const uint8_t *p = *data;
    for (; end - p >= 32; p += 32) {
        a = round64(a, read64(p));
        b = round64(b, read64(p + 8));
        c = round64(c, read64(p + 16));
        d = round64(d, read64(p + 24));
    }
    *data = p;
    uint64_t hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
    return merge(merge(merge(merge(hash, a), b), c), d);
}

uint64_t snapshot_xxh64(const void *data, size_t len)
{
    const uint8_t *p = data;
    if (len == 0)
        p = (const uint8_t *)"";
    const uint8_t *end = p + len;
    uint64_t hash = len >= 32 ? long_part(&p, end) : P5;
    hash += len;
    for (; end - p >= 8; p += 8)
        hash = rotl(hash ^ round64(0, read64(p)), 27) * P1 + P4;
    if (end - p >= 4) {
        hash = rotl(hash ^ read32(p) * P1, 23) * P2 + P3;
        p += 4;
    }
    for (; p < end; p++)
        hash = rotl(hash ^ *p * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}
