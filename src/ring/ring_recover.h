/* What a capturer does before it begins: sees what is on disk, cuts torn tails, rebuilds missing
 * indexes, removes leftovers. Internal to src/ring. Thread: init-only. */
#ifndef TRAWL_RING_RING_RECOVER_H
#define TRAWL_RING_RING_RECOVER_H

#include "ring/ring_state.h"
#include "ring/ring_store.h"

struct ring_recovered {
    uint64_t next_sequence;
    int64_t covered_to_ns; /* the latest; 0 = nothing is there */
    /* of the oldest segment; sequence 0 = there is none */
    uint64_t oldest_sequence;
    int64_t oldest_from_ns, oldest_previous_ns;
    unsigned rebuilt; /* indexes */
    unsigned cut;     /* segments with a torn tail */
    unsigned removed; /* files with nothing readable */
    unsigned left;    /* files that cannot be opened: not touched, as if not there */
};

/* old: the state as the last capturer left it. Fills the store. */
int ring_recover(struct ring_store *store, const struct ring_state_body *old,
                 struct ring_recovered *ret_recovered, struct error *reterr);

#endif
