/* What the store holds after a start: the chains that are whole stay where they are. */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "packet/frame.h"
#include "ring/ring_openings_chain.h"
#include "ring/ring_openings_internal.h"

struct load {
    struct ring_openings *openings;
    const uint64_t *secret;
    uint8_t *stream;
    uint8_t *taken; /* one a block */
    int count;
};

/* How much each side has, from the packets themselves. The length of what is whole. */
static size_t count_sides(struct slice stream, const struct ring_opening_head *head,
                          struct opening *e)
{
    size_t offset = sizeof *head;
    struct ring_opening_record record;
    struct slice bytes;
    while (ring_opening_next(stream, &offset, &record, &bytes)) {
        struct packet packet = {.data = bytes.data,
                                .captured_bytes = record.captured_bytes,
                                .original_bytes = record.original_bytes,
                                .link_type = head->link_type};
        struct frame f;
        frame_decode(&packet, &f);
        if (f.kind != FRAME_TCP)
            continue;
        bool from_b = head->port_a != head->port_b ? f.src_port != head->port_a
                                                   : memcmp(f.src_ip, head->ip_a, 16) != 0;
        uint64_t sum = e->side_bytes[from_b] + (uint64_t)f.payload.len;
        e->side_bytes[from_b] =
            sum < RING_OPENING_SIDE_BYTES ? (uint32_t)sum : RING_OPENING_SIDE_BYTES;
        if (f.tcp_flags & FRAME_TCP_FIN)
            e->ended |= (uint8_t)(1u << from_b);
    }
    return offset;
}

static struct ring_flow_key key_of(const struct ring_opening_head *head, const uint64_t *secret)
{
    struct owner_end end = {.local_port = head->port_a,
                            .remote_port = head->port_b,
                            .ip_version = head->ip_version,
                            .ip_protocol = 6};
    memcpy(end.local_ip, head->ip_a, sizeof end.local_ip);
    memcpy(end.remote_ip, head->ip_b, sizeof end.remote_ip);
    struct ring_flow_key key;
    (void)ring_flow_key_of_end(secret, &end, &key);
    return key;
}

static int take_chain(void *ctx, const struct opening_chain *chain)
{
    struct load *load = ctx;
    struct ring_openings *o = load->openings;
    struct ring_opening_head head;
    struct slice stream =
        slice_of(load->stream, ring_opening_stream(o->blocks, chain, load->stream));
    if (chain->serial >= o->next_serial && chain->serial != UINT64_MAX)
        o->next_serial = chain->serial + 1;
    if (!ring_opening_head_read(stream, &head))
        return 0;
    struct ring_flow_key key = key_of(&head, load->secret);
    struct opening *old = ring_openings_find(o, &key);
    if (old) { /* chains come by serial: this one is younger */
        for (uint32_t at = old->first_block, left = old->block_count; left > 0; left--) {
            load->taken[at] = 0;
            at = o->next_block[at];
        }
        old->block_count = 0; /* its blocks are freed with the rest */
        ring_openings_drop(o, old);
        load->count--;
    }
    struct opening *e = ring_openings_add(o, &key, chain->serial);
    e->isn = head.isn;
    e->first_ns = head.first_ns;
    size_t left = count_sides(stream, &head, e);
    for (unsigned i = 0; i < chain->count && left > 0; i++) {
        struct ring_opening_block *block = &o->blocks[chain->blocks[i]];
        size_t used = block->used < left ? block->used : left;
        ring_openings_grow(o, e, chain->blocks[i]);
        block->used = (uint16_t)used;
        load->taken[chain->blocks[i]] = 1;
        left -= used;
    }
    ring_openings_move(o, e,
                       head.closed_ns                            ? OPENING_CLOSED
                       : e->side_bytes[0] + e->side_bytes[1] > 0 ? OPENING_LIVE
                                                                 : OPENING_EMBRYONIC);
    load->count++;
    return 0;
}

/* Everything that is in no chain is free, also on disk. */
static void free_rest(struct ring_openings *o, const uint8_t *taken)
{
    o->free_block_count = 0;
    for (uint32_t i = o->block_count; i-- > 0;) {
        o->stored[i / 64] |= UINT64_C(1) << i % 64;
        if (taken[i])
            continue;
        if (o->blocks[i].serial)
            o->dirty[i / 64] |= UINT64_C(1) << i % 64;
        o->blocks[i].serial = 0;
        o->blocks[i].index = o->blocks[i].used = 0;
        o->free_blocks[o->free_block_count++] = i;
    }
}

int ring_openings_load(struct ring_openings *o, int fd, const uint64_t secret[2])
{
    struct load load = {.openings = o,
                        .secret = secret,
                        .stream = malloc(RING_OPENING_STREAM_BYTES),
                        .taken = calloc((size_t)o->block_count + 1, 1)};
    int r = load.stream && load.taken ? 0 : -ENOMEM;
    ssize_t n =
        r == 0 ? io_pread_full(fd, o->blocks, o->blocks_bytes, RING_OPENINGS_HEADER_BYTES) : 0;
    if (n < 0)
        r = (int)n;
    if (r == 0)
        r = ring_openings_chains(o->blocks, o->block_count, take_chain, &load);
    if (r == 0)
        free_rest(o, load.taken);
    free(load.stream);
    free(load.taken);
    return r < 0 ? r : load.count;
}
