/* The pcapng blocks of a segment, encoded straight into the big buffers. Section header and
 * interfaces come from packet/pcapng_writer.h; packets and statistics are here because they are the
 * hot path and carry our notes. Internal to src/ring. Thread: any. */
#ifndef TRAWL_RING_RING_BLOCKS_H
#define TRAWL_RING_RING_BLOCKS_H

#include "packet/packet.h"
#include "ring/ring_format.h"

/* Bytes of an Enhanced Packet Block with epb_flags. */
static inline size_t ring_epb_bytes(uint32_t captured_bytes)
{
    return RING_EPB_OVERHEAD + ((captured_bytes + 3u) & ~3u);
}

static inline uint32_t ring_epb_flags(uint8_t direction)
{
    return direction == PACKET_INBOUND ? 1 : direction == PACKET_OUTBOUND ? 2 : 0;
}

/* out has ring_epb_bytes() of room. */
static inline void ring_put_epb(uint8_t *out, const struct packet *packet, uint32_t idb)
{
    uint32_t total = (uint32_t)ring_epb_bytes(packet->captured_bytes);
    uint64_t ts = (uint64_t)packet->ts_ns;
    uint32_t head[7] = {RING_BLOCK_EPB,        total,        idb,
                        (uint32_t)(ts >> 32),  (uint32_t)ts, packet->captured_bytes,
                        packet->original_bytes};
    uint8_t *tail = out + total - 16;
    memset(tail - 4, 0, 4); /* the padding; what is not padding is filled below */
    memcpy(out, head, sizeof head);
    memcpy(out + 28, packet->data, packet->captured_bytes);
    uint32_t end[4] = {2 | 4u << 16, ring_epb_flags(packet->direction), 0, total};
    memcpy(tail, end, sizeof end);
}

struct ring_isb {
    uint32_t idb;
    int64_t ts_ns;
    int64_t start_ns, end_ns;     /* 0 = leave out */
    uint64_t received;            /* UINT64_MAX = leave out */
    uint64_t dropped_by_os;       /* UINT64_MAX = leave out */
    const struct ring_note *note; /* NULL = leave out */
};

enum {
    RING_ISB_MAX_BYTES = 24 + 4 * 12 + 8 + 64 + 8,
    RING_ISB_PAD_MIN = 24 + 4 + 8 + 64 /* with a note and the end time left out */
};

/* Returns the bytes written, at most RING_ISB_MAX_BYTES. */
size_t ring_put_isb(uint8_t *out, const struct ring_isb *isb);
/* Exactly `bytes` long (a multiple of 4, RING_ISB_PAD_MIN … 65,000): the note is filled with zeros.
 */
void ring_put_pad(uint8_t *out, size_t bytes, uint32_t idb, const struct ring_note *note);

/* Of an Interface Statistics Block's option area: the note, if it is one of ours, and all its bytes
 * (borrowed). */
bool ring_find_note(struct slice options, struct ring_note *ret_note, struct slice *ret_bytes);

#endif
