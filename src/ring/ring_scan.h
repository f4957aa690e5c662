/* Reads a segment's bytes and makes its index anew: for recovery, for verification, and where an
 * index is missing. Stops at the first block that is not whole. Internal to src/ring. Thread: any.
 */
#ifndef TRAWL_RING_RING_SCAN_H
#define TRAWL_RING_RING_SCAN_H

#include "ring/ring_flows.h"
#include "ring/ring_index_file.h"
#include "ring/ring_owners.h"

struct ring_scan {
    struct ring_index_parts parts; /* arrays owned by the scan; header.size_bytes = good bytes */
    struct ring_flows flows;
    struct ring_owners owners;
    bool damaged;     /* something follows the good bytes, within the limit */
    char damage[160]; /* a sentence about it */
    bool has_begin;   /* a BEGIN note was found */
};

/* Reads at most limit_bytes (0 = whole file). -EBADMSG when not even the section header is good
 * (sentence), -ENOMEM, or an I/O error. */
int ring_scan_file(int fd, uint64_t limit_bytes, struct ring_scan *ret_scan, struct error *reterr);
void ring_scan_done(struct ring_scan *scan);

#endif
