/* The table behind ring_openings.h, between ring_openings.c and ring_openings_load.c. Thread: the
 * capture thread. */
#ifndef TRAWL_RING_RING_OPENINGS_INTERNAL_H
#define TRAWL_RING_RING_OPENINGS_INTERNAL_H

#include "ring/ring_openings.h"

#define OPENING_NONE UINT32_MAX

/* In the order in which they are evicted. */
enum opening_state {
    OPENING_CLOSED,
    OPENING_EMBRYONIC, /* no payload yet */
    OPENING_LIVE,
    OPENING_LISTS
};

struct opening {
    struct ring_flow_key key;
    uint64_t serial;
    uint32_t prev, next; /* in its list; next: also in the list of free ones */
    uint32_t first_block, last_block;
    uint16_t block_count;
    uint8_t list;    /* enum opening_state */
    uint8_t ended;   /* bit per side: its FIN was seen */
    bool referenced; /* a packet came since it was looked at last */
    uint32_t side_bytes[2];
    uint32_t interface; /* slot that showed the SYN; UINT32_MAX: loaded, not known yet */
    uint32_t isn;
    int64_t first_ns;
};

struct opening_slot {
    uint32_t tag, entry; /* tag 0 = empty */
};

struct opening_list {
    uint32_t oldest, newest, count;
};

struct ring_openings {
    uint32_t block_count, slot_count, count;
    struct ring_opening_block *blocks;
    size_t blocks_bytes;
    struct opening *entries; /* one a block at most */
    uint32_t *next_block, *free_blocks;
    uint32_t free_block_count, free_entry;
    struct opening_slot *slots;
    struct opening_list lists[OPENING_LISTS];
    uint64_t *dirty, *stored; /* bits: changed since gathered; was gathered once */
    uint32_t cursor;          /* word of `dirty` where gathering goes on */
    uint64_t next_serial, evicted;
    uint8_t mark;    /* ring_openings_mark */
    bool forgot_use; /* `referenced` was taken back since the mark changed */
};

struct opening *ring_openings_find(const struct ring_openings *o, const struct ring_flow_key *key);
/* A free entry there is. In the list of embryonic ones, without blocks. */
struct opening *ring_openings_add(struct ring_openings *o, const struct ring_flow_key *key,
                                  uint64_t serial);
void ring_openings_drop(struct ring_openings *o, struct opening *e);
/* `block` becomes the end of its chain. */
void ring_openings_grow(struct ring_openings *o, struct opening *e, uint32_t block);

void ring_openings_move(struct ring_openings *o, struct opening *e, enum opening_state state);

#endif
