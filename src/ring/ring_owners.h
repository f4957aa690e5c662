/* The processes that own the local ends of a segment's flows: while it is open, and while its index
 * is made anew from its notes. Internal to src/ring. Thread: owner. */
#ifndef TRAWL_RING_RING_OWNERS_H
#define TRAWL_RING_RING_OWNERS_H

#include "packet/owner_note.h"
#include "ring/ring_flows.h"

struct ring_owners {
    struct buf processes; /* owner notes without ends, one after the other: as in the index */
    uint32_t count;
};

void ring_owners_init(struct ring_owners *owners);
void ring_owners_done(struct ring_owners *owners);
void ring_owners_reset(struct ring_owners *owners);
/* Writes the note's process to those of its ends whose flows are in the table; of two owners of one
 * end the later note counts. Returns how many ends had a flow there. */
unsigned ring_owners_apply(struct ring_owners *owners, struct ring_flows *flows,
                           const uint64_t secret[2], const struct owner_note *note);

#endif
