/* The openings store as the capture thread sees it: the first 16 KiB a direction of every TCP
 * connection whose SYN was recorded, kept while the connection lives, however short the ring is.
 * No byte of L7 is looked at. Internal to src/ring (docs/decisions/0007).
 *
 * Bounds, all fixed at the start: the file is a 64th of the ring's budget, at most 32 MiB, counted
 * in it; memory is the same again, and 1 % for the table. A connection takes at most 48 KiB. When
 * there is no room, the connection goes that closed first, then the one of which no data was seen
 * (a SYN flood evicts itself), then one that was silent for long.
 *
 * Kept of a connection are the SYN, the SYN-ACK and the packets with payload, of the interface that
 * showed the SYN, each direction until it has 16 KiB; the packet in which that is reached is cut.
 * A connection that closes within 10 s is dropped at once, a longer one is the first to be evicted:
 * until then a window in which it lived still finds it. A SYN with another sequence number begins
 * anew. Time that was not recorded may hide an end and another beginning under the same ports: more
 * than 60 s of it drop everything.
 *
 * Thread: the capture thread. It only fills memory; what changed is copied into a buffer at each
 * flush (five times a second, at most 510 blocks) and written by the disk thread. No allocation
 * after ring_openings_new. */
#ifndef TRAWL_RING_RING_OPENINGS_H
#define TRAWL_RING_RING_OPENINGS_H

#include "base/error.h"
#include "ring/ring_flows.h"
#include "ring/ring_openings_format.h"

struct ring_openings;

enum {
    RING_OPENINGS_MAX_BYTES = 32 * 1024 * 1024,
    RING_OPENINGS_SHARE = 64, /* of the budget */
    RING_OPENINGS_GATHER_BLOCKS = (RING_BUFFER_BYTES - RING_SECTOR_BYTES) / RING_OPENING_BLOCK_BYTES
};

#define RING_OPENINGS_MAX_GAP_NS (60 * INT64_C(1000000000))

/* Size of the file for a budget. */
uint64_t ring_openings_file_bytes(uint64_t budget_bytes);

/* -ENOMEM. */
int ring_openings_new(uint64_t file_bytes, struct ring_openings **ret_openings);
void ring_openings_free(struct ring_openings *openings);

/* Takes over what a file of exactly this geometry holds; anything else in it is left out. Returns
 * the number of connections. fd: borrowed. */
int ring_openings_load(struct ring_openings *openings, int fd, const uint64_t secret[2]);

/* A packet that is being recorded, unless ring_openings_passes. interface: its name. record: of its
 * flow in the open segment, where the sides are marked of which nothing more will be kept. */
void ring_openings_packet(struct ring_openings *openings, const struct packet *packet,
                          const struct ring_flow_key *key, const char *interface,
                          struct ring_flow_record *record);

/* The mark that counts now, 1 … 255; to be asked for at each flush. It changes when connections
 * have to show again that they are used. */
uint8_t ring_openings_mark(struct ring_openings *openings);

/* Nearly all packets, told from what the flow index has in its hands anyway: of sides of which all
 * is kept, or of connections whose beginning was not seen; and acknowledgements without payload. */
static inline bool ring_openings_passes(const struct ring_flow_key *key,
                                        const struct ring_flow_record *record,
                                        const struct packet *packet, uint8_t mark)
{
    enum {
        FIN_SYN_RST = 7,
        DATA_OFFSET = 12
    };
    if (key->tcp_flags & FIN_SYN_RST)
        return false;
    if (record->openings_mark[key->side] == mark)
        return true;
    if (key->tcp_flags == 0) /* no TCP, or a probe: its header may not have been captured */
        return false;
    const uint8_t *tcp = packet->data + key->l4_offset;
    return key->l4_offset &&
           packet->original_bytes <= key->l4_offset + (uint32_t)(tcp[DATA_OFFSET] >> 4) * 4;
}
/* [from, to) was not recorded. */
void ring_openings_missed(struct ring_openings *openings, int64_t from_ns, int64_t to_ns);

bool ring_openings_changed(const struct ring_openings *openings);
/* Copies blocks that changed since they were gathered last: `out` (RING_BUFFER_BYTES) gets their
 * count and numbers (uint32_t each), and the blocks at RING_SECTOR_BYTES. Returns the count. */
uint32_t ring_openings_gather(struct ring_openings *openings, uint8_t *out);
/* What was gathered did not reach the disk: all is to be written again. */
void ring_openings_unwritten(struct ring_openings *openings);

/* Disk thread: writes what was gathered. 0 or a negative errno. */
int ring_openings_store(int fd, uint8_t *gathered);

struct ring_openings_figures {
    uint32_t connections, blocks, free_blocks;
    uint64_t evicted;
};
struct ring_openings_figures ring_openings_figures(const struct ring_openings *openings);

#endif
