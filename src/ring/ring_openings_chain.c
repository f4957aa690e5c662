#include "ring/ring_openings_chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

struct block_ref {
    uint64_t serial;
    uint32_t index, block;
};

static int compare(const void *a, const void *b)
{
    const struct block_ref *x = a, *y = b;
    if (x->serial != y->serial)
        return x->serial < y->serial ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return (x->block > y->block) - (x->block < y->block);
}

static bool is_good(const struct ring_opening_block *block)
{
    /* numbers go on from the highest one: it must leave room */
    return block->serial != 0 && block->serial <= INT64_MAX &&
           block->index < RING_OPENING_MAX_BLOCKS && block->used <= sizeof block->content &&
           hash_bytes(hash_fixed_key, &block->serial,
                      sizeof *block - offsetof(struct ring_opening_block, serial)) == block->sum;
}

int ring_openings_chains(const struct ring_opening_block *blocks, uint32_t count,
                         int (*on_chain)(void *ctx, const struct opening_chain *chain), void *ctx)
{
    struct block_ref *refs = calloc((size_t)count + 1, sizeof *refs);
    if (!refs)
        return -ENOMEM;
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (is_good(&blocks[i]))
            refs[n++] = (struct block_ref){blocks[i].serial, blocks[i].index, i};
    qsort(refs, n, sizeof *refs, compare);
    int r = 0;
    for (size_t i = 0; i < n && r == 0;) {
        struct opening_chain chain = {.serial = refs[i].serial};
        bool whole = true; /* up to here */
        for (; i < n && refs[i].serial == chain.serial; i++) {
            whole = whole && refs[i].index == chain.count;
            if (!whole)
                continue;
            chain.blocks[chain.count++] = refs[i].block;
            whole = blocks[refs[i].block].used == sizeof blocks[0].content;
        }
        if (chain.count)
            r = on_chain(ctx, &chain);
    }
    free(refs);
    return r;
}

size_t ring_opening_stream(const struct ring_opening_block *blocks,
                           const struct opening_chain *chain, uint8_t *out)
{
    size_t n = 0;
    for (unsigned i = 0; i < chain->count; i++) {
        const struct ring_opening_block *block = &blocks[chain->blocks[i]];
        memcpy(out + n, block->content, block->used);
        n += block->used;
    }
    return n;
}

bool ring_opening_head_read(struct slice stream, struct ring_opening_head *ret_head)
{
    if (stream.len < sizeof *ret_head)
        return false;
    memcpy(ret_head, stream.data, sizeof *ret_head);
    return (ret_head->ip_version == 4 || ret_head->ip_version == 6) && ret_head->client <= 1 &&
           ret_head->first_ns >= PACKET_TIME_MIN_NS && ret_head->first_ns <= PACKET_TIME_MAX_NS &&
           memchr(ret_head->interface, '\0', sizeof ret_head->interface) != NULL;
}

bool ring_opening_next(struct slice stream, size_t *offset, struct ring_opening_record *ret_record,
                       struct slice *ret_bytes)
{
    if (*offset > stream.len || stream.len - *offset < sizeof *ret_record)
        return false;
    memcpy(ret_record, stream.data + *offset, sizeof *ret_record);
    size_t left = stream.len - *offset - sizeof *ret_record;
    if (ret_record->captured_bytes > RING_OPENING_STREAM_BYTES ||
        ring_opening_padded(ret_record->captured_bytes) > left ||
        ret_record->captured_bytes > ret_record->original_bytes ||
        ret_record->ts_ns < PACKET_TIME_MIN_NS || ret_record->ts_ns > PACKET_TIME_MAX_NS)
        return false;
    *ret_bytes = slice_of(stream.data + *offset + sizeof *ret_record, ret_record->captured_bytes);
    *offset += sizeof *ret_record + ring_opening_padded(ret_record->captured_bytes);
    return true;
}
