/* The flow index while a segment is open: a table of 5-tuples with a fixed size from birth. The
 * slots hold 16 bits of the hash and 16 bits of record number, so that a probe rarely touches a
 * record that is not the right one. Internal to src/ring. Thread: owner. */
#ifndef TRAWL_RING_RING_FLOWS_H
#define TRAWL_RING_RING_FLOWS_H

#include "packet/owner_note.h"
#include "packet/packet.h"
#include "ring/ring_format.h"

struct ring_flow_key {
    uint64_t words[4]; /* ip_a, ip_b */
    uint16_t port_a, port_b;
    uint8_t ip_version, ip_protocol;
    bool is_flow;      /* an IP packet */
    uint8_t l4_offset; /* of the L4 header in an Ethernet frame; 0 = frame_decode knows */
    uint8_t side;      /* who sent it: 0 = a, 1 = b */
    uint8_t tcp_flags; /* 255: cut off before them; 0 when it is not TCP */
    uint64_t hash;
};

struct ring_flows {
    struct ring_flow_record *records;
    uint32_t *slots;
    uint32_t count;
};

int ring_flows_init(struct ring_flows *flows);
void ring_flows_done(struct ring_flows *flows);
void ring_flows_reset(struct ring_flows *flows);

/* The 5-tuple of the innermost IP packet, ends in order; is_flow false for anything else. secret:
 * random words, the same for all keys of a table: who chooses addresses must not choose collisions.
 */
void ring_flow_key_of(const uint64_t secret[2], const struct packet *packet,
                      struct ring_flow_key *ret_key);

static inline uint32_t ring_flows_slot_of(uint64_t hash)
{
    return (uint32_t)hash & (2 * (RING_MAX_FLOWS + 1) - 1);
}

static inline void ring_flows_prefetch(const struct ring_flows *flows,
                                       const struct ring_flow_key *key)
{
    __builtin_prefetch(&flows->slots[ring_flows_slot_of(key->hash)], 1);
}

/* The second step, once the slot is in the cache: fetches the record the slot speaks of. */
static inline void ring_flows_prefetch_record(const struct ring_flows *flows,
                                              const struct ring_flow_key *key)
{
    uint32_t slot = flows->slots[ring_flows_slot_of(key->hash)];
    if (slot) {
        const char *record = (const char *)&flows->records[(slot & 0xffff) - 1];
        __builtin_prefetch(record, 1);
        __builtin_prefetch(record + 64, 1);
    }
}

/* False when the table is full and the flow is new: seal the segment. ret_record: where it was
 * counted, valid until the table is sorted or reset; NULL for what is no flow. */
bool ring_flows_add(struct ring_flows *flows, const struct ring_flow_key *key,
                    const struct packet *packet, uint64_t offset,
                    struct ring_flow_record **ret_record);

/* The flow of such an end; true: the local end is the record's a. */
bool ring_flow_key_of_end(const uint64_t secret[2], const struct owner_end *end,
                          struct ring_flow_key *ret_key);
/* NULL when it is not in the table; not after ring_flows_sort. */
struct ring_flow_record *ring_flows_find(const struct ring_flows *flows,
                                         const struct ring_flow_key *key);

/* By ring_flow_record_cmp, as they go to the disk; the table takes no more after this until it is
 * reset. */
void ring_flows_sort(struct ring_flows *flows);

#endif
