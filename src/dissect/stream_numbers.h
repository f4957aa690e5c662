/* Ordinals of connections: how many began before it in the capture. Connections begin in several
 * threads, so each notes the number of its first packet, and the ordinals are counted at the end:
 * one bit a packet, and the same answer for any number of threads. */
#ifndef TRAWL_DISSECT_STREAM_NUMBERS_H
#define TRAWL_DISSECT_STREAM_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

struct stream_numbers;

/* NULL without memory. */
struct stream_numbers *stream_numbers_new(void);
void stream_numbers_free(struct stream_numbers *numbers);
/* Makes room for a packet's number before anybody is given it; what is beyond 2^32 packets has no
 * room and no ordinal. Thread: one. -ENOMEM. */
int stream_numbers_reserve(struct stream_numbers *numbers, uint64_t packet);
/* A connection begins with this packet. Thread: any. */
void stream_numbers_begin(struct stream_numbers *numbers, uint64_t packet);
/* It was none. Thread: one, after the last begin. */
void stream_numbers_forget(struct stream_numbers *numbers, uint64_t packet);
/* After the last begin and before the first question. */
void stream_numbers_count(struct stream_numbers *numbers);
/* False when nothing is known of a connection that began with it. */
bool stream_numbers_ordinal(const struct stream_numbers *numbers, uint64_t packet,
                            uint64_t *ret_ordinal);

#endif
