/* A dissection of segments while they are written: what run.h does, but entries go out as soon as
 * they are whole, in the order in which they become so, and nothing has to end for it.
 *
 * Packets of the segments are merged by time; dissect_live_until says up to which time all of them
 * are there. What depends on the whole of a capture is different here: `stream` is the number of
 * the connection's first packet, not its ordinal among connections, and a call that was given out
 * before its connection turned out to be the other side of an address translation stays. Memory: as
 * run.h, without the sorting. Thread: owner; calls come from the owner's thread. */
#ifndef TRAWL_DISSECT_LIVE_H
#define TRAWL_DISSECT_LIVE_H

#include "dissect/run.h"

struct dissect_live;

/* options: threads, sorting and tap have no meaning here; inputs is an array of the caller's for
 * input_count segments at most, each filled in before dissect_live_grow first speaks of it. sink:
 * progress has no meaning. Both are borrowed until the end. first_index: of the first entry. */
int dissect_live_new(const struct dissect_run_options *options, const struct dissect_sink *sink,
                     uint64_t first_index, struct dissect_live **ret_live, struct error *reterr);
/* Packets captured before this (ns, the clock of dissect_live_until) are passed by: an earlier
 * dissection had them. Before the first packet. */
void dissect_live_begin_at(struct dissect_live *live, int64_t begin_ns);
/* Segment `input` can be read up to `length` bytes, where a block ends (end_offset of the input
 * before the first call); `last`: it is complete. */
int dissect_live_grow(struct dissect_live *live, size_t input, uint64_t length, bool last,
                      struct error *reterr);
/* Everything captured before this is there: packets of before it are dissected, and the clock is
 * moved to it (calls without an answer), by the clock that is furthest behind. INT64_MAX: all
 * packets there are, and the clock stays. 0, or what the sink returned, or -ENOMEM. */
int dissect_live_until(struct dissect_live *live, int64_t until_ns, struct error *reterr);
/* The latest time of a packet that was taken; INT64_MIN: none was. */
int64_t dissect_live_latest_ns(const struct dissect_live *live);
/* Nothing before this offset of the segment is read again; UINT64_MAX: none of it is. */
uint64_t dissect_live_behind(const struct dissect_live *live, size_t input);
/* What was read, entries given out, counts by protocol. Borrowed. */
const struct dissect_statistics *dissect_live_statistics(struct dissect_live *live);
/* Takes what is left of the packets and gives out what is still open. */
int dissect_live_finish(struct dissect_live *live, struct error *reterr);
void dissect_live_free(struct dissect_live *live);

#endif
