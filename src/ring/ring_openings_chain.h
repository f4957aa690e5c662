/* Reading the blocks of `openings` back: which chains are whole, what is in them. Hostile input:
 * every number is checked. Internal to src/ring. Thread: any. */
#ifndef TRAWL_RING_RING_OPENINGS_CHAIN_H
#define TRAWL_RING_RING_OPENINGS_CHAIN_H

#include "base/slice.h"
#include "packet/packet.h"
#include "ring/ring_openings_format.h"

enum {
    RING_OPENING_STREAM_BYTES =
        RING_OPENING_MAX_BLOCKS * sizeof((struct ring_opening_block *)0)->content
};

/* One connection: its blocks in order, as far as they follow one another. */
struct opening_chain {
    uint64_t serial;
    uint32_t blocks[RING_OPENING_MAX_BLOCKS];
    unsigned count;
};

/* Calls on_chain for each, by serial. 0, -ENOMEM, or what on_chain returned. */
int ring_openings_chains(const struct ring_opening_block *blocks, uint32_t count,
                         int (*on_chain)(void *ctx, const struct opening_chain *chain), void *ctx);
/* The content of a chain, put together; `out` has RING_OPENING_STREAM_BYTES. */
size_t ring_opening_stream(const struct ring_opening_block *blocks,
                           const struct opening_chain *chain, uint8_t *out);
/* The head at the beginning of a stream; false: it is none. */
bool ring_opening_head_read(struct slice stream, struct ring_opening_head *ret_head);
/* The record at *offset and its bytes; moves *offset behind it. False at the end, or where the rest
 * is torn. */
bool ring_opening_next(struct slice stream, size_t *offset, struct ring_opening_record *ret_record,
                       struct slice *ret_bytes);

#endif
