/* How the hub feeds the live job: one pipe with frames, a header and `length` bytes each. The job
 * reads a file of its own for each segment, so that references to packets are those of the ring.
 *
 *   SEGMENT  segment = the next number from 0 on, value = its sequence in the ring, ahead_ns = how
 * far the node's clock is before the hub's; bytes: the node BYTES    value = offset in the segment,
 * where the bytes before it end; at most FEED_MAX_BYTES READY    value = how much of the segment
 * may be read: a block ends there LAST     the segment is complete, or the rest of it cannot be had
 *   UNTIL    value = time (ns, the hub's): what was captured before it has been sent
 *
 * The end of the pipe ends the job: it gives out what is open, seals and reports. */
#ifndef TRAWL_ENTRIES_LIVE_FEED_H
#define TRAWL_ENTRIES_LIVE_FEED_H

#include <stdint.h>

enum {
    FEED_MAX_BYTES = 1 << 20,
    FEED_MAX_SEGMENTS = 20000 /* of one job; the next one goes on */
};

enum feed_kind {
    FEED_SEGMENT = 1,
    FEED_BYTES,
    FEED_READY,
    FEED_LAST,
    FEED_UNTIL
};

/* Between processes of one program on one machine: native byte order. */
struct feed_header {
    uint32_t kind, segment;
    int64_t value, ahead_ns;
    uint64_t length;
};

#endif
