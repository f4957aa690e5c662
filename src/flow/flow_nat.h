/* Address translation: which two 5-tuples are one connection, seen before and after DNAT or SNAT.
 *
 * It stands in front of the sharding, where all packets pass in the order of capture: no hash of a
 * 5-tuple would send both halves of a translated connection to one shard. A packet of the second
 * half is given the addresses of the first (frame) and goes on as another sight of its packet, so
 * everything behind (copies, gaps filled from the other place, TCP health of the first place) is
 * what it is for one packet seen at two places. docs/decisions/0006-translated-connections.md says
 * why it is done here.
 *
 * Evidence. A translator changes addresses and ports and nothing else of what is compared: sequence
 * and acknowledgement number, flags, window, IP id, length and a sample of the payload (of a SYN:
 * its options). Packets that carry bytes or a SYN leave a print; another 5-tuple's packet with the
 * same print within the window is its translation when
 *   - both numbers agree (64 bits that two machines chose), and it was routed on (a smaller time to
 *     live) or was seen at another place: FLOW_COPY_WINDOW_NS; or
 *   - it is a SYN or a datagram that was routed on, within FLOW_NAT_WEAK_WINDOW_NS; a datagram of
 *     12 bytes or more that shares an address or a non-zero IP id.
 * The same print from two 5-tuples that is no translation (a query sent to two servers at once, a
 * scan with one sequence number) proves that it identifies nothing: it pairs nobody from then on.
 *
 * A pair holds until a SYN of the second half is no translation, or, for datagrams, until 30 s have
 * passed without an agreement. Which half is the first: the one whose packets came first.
 *
 * Cost: one slot of a table per packet with bytes, and a look-up per packet once there are pairs.
 * Memory: fixed, FLOW_NAT_BYTES at most, all of it allocated at once; what does not fit is
 * forgotten, oldest of its place first, never searched for. The outcome depends on the packets
 * alone. Thread: owner. */
#ifndef TRAWL_FLOW_FLOW_NAT_H
#define TRAWL_FLOW_FLOW_NAT_H

#include "flow/flow.h"

enum {
    FLOW_NAT_PRINTS = 1 << 15,
    FLOW_NAT_TUPLES = 1 << 14,
    FLOW_NAT_PAIR_SETS = 1 << 11,
    FLOW_NAT_PAIR_WAYS = 4,
    FLOW_NAT_MIN_DATAGRAM = 12,
    FLOW_NAT_BYTES = 4 * 1024 * 1024
};

#define FLOW_NAT_WEAK_WINDOW_NS (20 * NS_PER_MS)
#define FLOW_NAT_IDLE_NS        (30 * NS_PER_S)

struct flow_nat;

enum flow_nat_result {
    FLOW_NAT_AS_IT_IS,
    FLOW_NAT_TRANSLATED, /* verdict->frame has the addresses of the first half */
    /* The same, and from this packet on: the flow that *packet's own addresses may have by now is
     * no connection of its own (flow_table_absorb). */
    FLOW_NAT_NEWLY_TRANSLATED,
    /* This packet's connection is the first half, and the half that was seen before it is the
     * second: that one's flow (verdict->absorbed) is no connection of its own. */
    FLOW_NAT_FIRST_HALF
};

struct flow_nat_verdict {
    struct frame frame; /* of TRANSLATED and NEWLY_TRANSLATED: what goes on */
    /* of FIRST_HALF: addresses of the other half's packet, no payload; and when it came, from when
     * on both halves showed the same */
    struct frame absorbed;
    int64_t since_ns;
};

/* NULL without memory. */
struct flow_nat *flow_nat_new(void);
void flow_nat_free(struct flow_nat *nat);
/* A packet in capture order, with its tuple_hash and print; frames other than TCP and UDP are as
 * they are. `verdict` is written only where the result says so. Borrows what packet->frame borrows.
 */
enum flow_nat_result flow_nat_packet(struct flow_nat *nat, const struct flow_packet *packet,
                                     struct flow_nat_verdict *verdict);
/* Pairs found so far. */
uint64_t flow_nat_pairs(const struct flow_nat *nat);

#endif
