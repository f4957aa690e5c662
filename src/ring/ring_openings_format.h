/* What `openings` looks like inside (docs/formats/ring.md has the byte tables): a header of one
 * sector, then blocks of 2 KiB. A connection's stream is cut into a chain of blocks; each block
 * names its connection and its place, and has a checksum of its own, so that whatever was torn by a
 * crash or is read while it is being written is cut off, never misread. Internal to src/ring.
 * Little endian. Thread: any. */
#ifndef TRAWL_RING_RING_OPENINGS_FORMAT_H
#define TRAWL_RING_RING_OPENINGS_FORMAT_H

#include "ring/ring_format.h"

#define RING_OPENINGS_FILE  "openings"
#define RING_OPENINGS_MAGIC "TRWLOPN1"

enum {
    RING_OPENINGS_VERSION = 1,
    RING_OPENINGS_HEADER_BYTES = RING_SECTOR_BYTES,
    RING_OPENING_BLOCK_BYTES = 2048,
    RING_OPENING_MAX_BLOCKS = 24, /* of one connection */
    RING_OPENING_SIDE_BYTES = 16 * 1024
};

struct ring_openings_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t block_bytes, block_count, reserved;
};

struct ring_opening_block {
    uint64_t sum;    /* SipHash-2-4 with the fixed key of all that follows, to the block's end */
    uint64_t serial; /* of the connection; never used twice in a file; 0 = free */
    uint16_t index;  /* in the connection's chain */
    uint16_t used;   /* bytes of content */
    uint32_t reserved;
    uint8_t content[RING_OPENING_BLOCK_BYTES - 24];
};
_Static_assert(sizeof(struct ring_opening_block) == RING_OPENING_BLOCK_BYTES, "layout on disk");

/* The stream: this, then packets. */
struct ring_opening_head {
    uint8_t ip_a[16], ip_b[16]; /* as in the flow index */
    uint16_t port_a, port_b;
    uint8_t ip_version, client; /* 0 = a, 1 = b */
    uint16_t link_type;
    uint32_t isn; /* the client's initial sequence number */
    uint32_t reserved;
    int64_t first_ns, closed_ns; /* closed_ns 0 = open */
    char interface[RING_INTERFACE_NAME_SIZE];
};
_Static_assert(sizeof(struct ring_opening_head) == 80, "layout on disk");

/* A packet; its bytes follow, and zeros up to a multiple of 8. */
struct ring_opening_record {
    int64_t ts_ns;
    uint32_t captured_bytes, original_bytes;
    uint8_t direction, reserved[7];
};
_Static_assert(sizeof(struct ring_opening_record) == 24, "layout on disk");

static inline size_t ring_opening_padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* What n bytes at the beginning of the file say: a store that this version can use. */
static inline bool ring_openings_header_fits(const struct ring_openings_header *header, ssize_t n)
{
    return n == (ssize_t)sizeof *header &&
           memcmp(header->magic, RING_OPENINGS_MAGIC, sizeof header->magic) == 0 &&
           header->version == RING_OPENINGS_VERSION &&
           header->block_bytes == RING_OPENING_BLOCK_BYTES &&
           header->block_count <= 32u * 1024 * 1024 / RING_OPENING_BLOCK_BYTES;
}

#endif
