/* Flows: every TCP connection of one shard, its bytes in order, and every conversation by UDP, SCTP
 * or ICMP, its datagrams as they came.
 *
 * In: decoded packets in capture order, and ticks of capture time. Out: calls of a handler: bytes
 * of each direction in stream order, holes in it, ends. Reassembly follows RFC 9293: sequence
 * numbers wrap, the first copy of a byte wins, segments out of order wait (1 MiB a direction). A
 * hole is declared lost when the other side has acknowledged it and it did not turn up within 100
 * ms, when it stays open for 30 s, or when a cap is reached. A segment that acknowledges bytes of
 * the other side that have not been seen yet waits for them as well, so the order in which the two
 * directions were recorded does not matter.
 *
 * The same packet seen at several places (interfaces, nodes) counts once: the first copy is used,
 * later ones match in direction, sequence, length, a sample of the payload and IP id within 100 ms.
 *
 * Results depend only on the packets and ticks given, never on the random key of the table. Thread:
 * owner. Memory: no allocation per packet once warm; in-order bytes are handed on where they lie.
 */
#ifndef TRAWL_FLOW_FLOW_H
#define TRAWL_FLOW_FLOW_H

#include "base/clock.h"
#include "base/hash.h"
#include "packet/frame.h"

enum {
    FLOW_OUT_OF_ORDER_CAP = 1024 * 1024, /* bytes waiting, per direction */
    FLOW_MAX_SEGMENTS = 1024,            /* segments waiting, per direction */
    FLOW_FINGERPRINTS = 8,
    FLOW_MAX_VANTAGES = 8,
    FLOW_MAX_TRANSLATIONS = 3
};

#define FLOW_COPY_WINDOW_NS   (100 * NS_PER_MS)
#define FLOW_ACKED_HOLE_NS    (100 * NS_PER_MS)
#define FLOW_OPEN_HOLE_NS     (30 * NS_PER_S)
#define FLOW_TCP_IDLE_NS      (24 * 3600 * NS_PER_S) /* memory gives out long before */
#define FLOW_ATTEMPT_IDLE_NS  (75 * NS_PER_S)        /* an unanswered SYN */
#define FLOW_UDP_IDLE_NS      (120 * NS_PER_S)
#define FLOW_CLOSED_LINGER_NS (120 * NS_PER_S) /* late packets of a closed connection */

/* Innermost addresses and ports; end 0 is the smaller one, bytewise. */
struct flow_key {
    uint8_t ip[2][16];
    uint16_t port[2];
    uint8_t ip_version;
    uint8_t ip_protocol; /* 6, 17, 132; 1 for ICMP of either version, which has no ports */
};

enum {
    FLOW_ICMP = 1,
    FLOW_TCP = 6,
    FLOW_UDP = 17,
    FLOW_SCTP = 132
};

/* The key of a frame of one of these kinds; *ret_side is the end that sent it. */
void flow_key_of(const struct frame *frame, struct flow_key *ret_key, uint8_t *ret_side);
/* The same number for both directions, in every run: for spreading flows over shards. */
uint32_t flow_key_hash(const struct flow_key *key);
uint32_t flow_shard_hash(const struct frame *frame);

/* Where a packet's block stands. */
struct flow_ref {
    int64_t ts_ns;
    uint64_t offset;
    uint32_t file;
};

enum flow_state {
    FLOW_ATTEMPTED,   /* SYN without an answer; UDP with packets of one side only */
    FLOW_REFUSED,     /* SYN answered by RST */
    FLOW_ESTABLISHED, /* both sides spoke */
    FLOW_RESET,
    FLOW_CLOSED,
    FLOW_TIMED_OUT
};

enum flow_end {
    FLOW_END_CLOSED,
    FLOW_END_RESET,   /* flow->reset_side sent it */
    FLOW_END_TIMEOUT, /* idle */
    FLOW_END_EVICTED, /* pushed out by the memory cap: what came after is another flow */
    FLOW_END_REUSED,  /* the same ports begin a new connection */
    FLOW_END_OF_DATA
};

struct flow_segment;
struct flow_packet;

/* TCP health, of the place that saw the connection first; counted by flow_health.c. */
enum {
    FLOW_HEALTH_SEGMENTS = 16
};

struct flow_health_side {
    bool known, known_ack; /* next_seq; last_ack and last_window */
    bool last_was_keep_alive;
    bool sample_pending; /* a segment whose round trip is being measured */
    uint8_t next_sent;
    uint32_t next_seq; /* behind the highest byte, SYN and FIN included */
    uint32_t last_ack, last_window;
    uint32_t duplicate_acks; /* of last_ack */
    uint32_t sample_end;
    int64_t next_seq_ns, last_ack_ns, sample_ns;
    struct flow_health_segment {
        uint32_t seq, end;
    } sent[FLOW_HEALTH_SEGMENTS]; /* the latest ones */
};

struct flow_health_counts {
    uint32_t retransmissions; /* the fast ones among them */
    uint32_t fast_retransmissions, out_of_order, duplicate_acks, zero_windows, resets;
    uint32_t missing_segments; /* holes that were given up */
    uint32_t rtt_count;
    uint64_t rtt_sum_us;
};

struct flow_health {
    struct flow_health_counts counts;
    struct flow_health_side side[2];
};

struct flow_side {
    bool known; /* base_seq and next are valid */
    bool fin_seen;
    bool ended;        /* the handler was told */
    uint32_t base_seq; /* sequence number of offset 0 */
    int64_t next;      /* offset of the next byte to hand on */
    int64_t acked;     /* the other side has acknowledged up to here */
    int64_t fin;       /* offset of the end, when fin_seen */
    int64_t fin_ack;   /* what the FIN acknowledged, as an offset of the other side */
    struct flow_segment *first, *last; /* waiting, by offset, not overlapping */
    uint32_t waiting_segments;
    uint32_t waiting_bytes;
    int64_t hole_ns, acked_hole_ns; /* since when, by the table's clock; 0 = none */
    uint32_t wild_seq, wild_count;  /* segments far outside the window that follow one another */
    uint32_t vantage;               /* the first one */
    /* counters: copies from other vantage points are left out */
    uint64_t packets, bytes;
    uint64_t gap_bytes;
    int64_t window; /* offset where the window's bytes begin: 0 without an opening */
};

struct flow_fingerprint {
    uint64_t hash; /* 0 = free */
    int64_t ts_ns;
    uint64_t vantage_bits;
};

/* Where a packet stands; those of before the window help to read what goes on in it. */
enum flow_place {
    FLOW_IN_WINDOW,
    FLOW_IN_LEAD_IN, /* just before it: nothing is missing between the two */
    FLOW_IN_OPENING  /* TCP: the connection's first bytes; between them and the rest is a hole */
};

struct flow {
    struct flow_key key;
    uint64_t hash;
    struct flow *next_in_bucket;
    struct flow *older, *newer; /* in its idle list */
    struct flow *prev_hole, *next_hole;
    bool in_holes;
    bool is_closed; /* close() was called: packets only count */
    bool late_join; /* its beginning was not seen */
    bool syn_seen;
    bool has_opening;  /* there were packets of an opening, … */
    bool has_lead_in;  /* of the lead-in */
    bool lacks_memory; /* some of its bytes are not handed on, or the handler has nowhere to put
                          them */
    uint8_t idle_list;
    uint8_t client_side;
    uint8_t reset_side;
    enum flow_state state;
    enum flow_place place;     /* of its last packet; it only moves forward */
    int64_t first_ns, last_ns; /* packet times */
    int64_t active_ns;         /* last packet's time, or the table's clock if later */
    int64_t syn_ns, last_syn_ns, handshake_ns, first_response_ns;
    struct flow_health health;
    struct flow_ref first_ref;
    struct flow_side side[2];
    uint32_t arrivals; /* numbers waiting segments */
    uint32_t vantages[FLOW_MAX_VANTAGES];
    uint8_t vantage_count;
    uint8_t translation_count;
    /* What stood in packets of it that were translated; ends as in `key`. */
    struct flow_key translations[FLOW_MAX_TRANSLATIONS];
    uint64_t first_number; /* flow_packet.number of its first packet */
    uint8_t next_fingerprint;
    uint32_t copies;
    struct flow_fingerprint fingerprints[FLOW_FINGERPRINTS];
    void *user; /* the handler's */
};

/* What is counted as a connection, and reported when it is forgotten. */
static inline bool flow_is_connection(const struct flow *flow)
{
    return flow->key.ip_protocol == FLOW_TCP || flow->key.ip_protocol == FLOW_UDP;
}

/* Packets of before the window helped to read it. */
static inline bool flow_has_before(const struct flow *flow)
{
    return flow->has_opening || flow->has_lead_in;
}

/* All calls come from within flow_table_packet, _absorb, _tick, _evict and _finish. Bytes are
 * borrowed for the call. */
struct flow_handler {
    void (*bytes)(void *ctx, struct flow *flow, uint8_t side, const struct flow_ref *ref,
                  struct slice bytes);
    /* Not empty. SCTP: the chunks; ICMP: from the type on. */
    void (*datagram)(void *ctx, struct flow *flow, uint8_t side, const struct flow_packet *packet);
    void (*gap)(void *ctx, struct flow *flow, uint8_t side, uint64_t bytes);
    void (*end_side)(void *ctx, struct flow *flow, uint8_t side);
    /* No more bytes will come. */
    void (*close)(void *ctx, struct flow *flow, enum flow_end end);
    /* The flow leaves the table: its counters are final. Always after close. */
    void (*forget)(void *ctx, struct flow *flow);
    /* A flow with an opening or lead-in came into the window: everything called before was of the
     * time before. MAY be NULL. */
    void (*enter_window)(void *ctx, struct flow *flow);
    /* Seen at one more place; MAY be NULL. */
    void (*vantage)(void *ctx, struct flow *flow, uint32_t vantage);
    /* flow->translations has one more; MAY be NULL. */
    void (*translation)(void *ctx, struct flow *flow);
    /* Instead of close and forget: it was a part of another flow (flow_table_absorb), which has
     * its packets from since_ns on too. MAY be NULL where that is not called. */
    void (*absorbed)(void *ctx, struct flow *flow, int64_t since_ns);
    void *ctx;
};

enum flow_idle_list {
    FLOW_LIST_CLOSED,
    FLOW_LIST_ATTEMPTED,
    FLOW_LIST_UDP,
    FLOW_LIST_TCP,
    FLOW_LIST_OPENING, /* nothing but an opening so far */
    FLOW_LIST_COUNT
};

struct flow_table {
    struct flow_handler handler;
    struct hash_key key;
    struct flow **buckets;
    size_t bucket_count, count;
    struct flow *free_flows;
    struct flow_slab *slabs;
    struct {
        struct flow *oldest, *newest;
    } idle[FLOW_LIST_COUNT];
    struct flow *holes;
    int64_t clock_ns;
    size_t memory_bytes;      /* flows and waiting segments */
    size_t waiting_bytes;     /* of memory_bytes: waiting segments */
    size_t waiting_cap_bytes; /* beyond it the flow in hand gives up its holes */
    uint64_t total_flows;     /* TCP and UDP */
    uint64_t copies, out_of_window;
};

struct flow_packet {
    const struct frame *frame;
    struct flow_ref ref;
    uint32_t vantage;        /* number of the place (file's interface) */
    enum flow_place place;   /* before the window nothing counts */
    bool vantage_uncertain;  /* one "interface" that stands for many (Linux cooked "any") */
    bool is_translated;      /* frame has the addresses of the other half (flow_nat.h) … */
    uint32_t tuple_hash;     /* flow_shard_hash of the packet as it was; for flow_nat.c */
    uint64_t number;         /* ordinal in the capture */
    uint64_t print;          /* flow_packet_print, or 0: not known yet */
    struct flow_key own_key; /* … and these stood in the packet, src first */
};

/* 0 or -ENOMEM. */
int flow_table_init(struct flow_table *table, const struct flow_handler *handler,
                    size_t waiting_cap_bytes);
/* Frees without calling the handler. */
void flow_table_done(struct flow_table *table);

/* A TCP, UDP, SCTP or ICMP packet. -ENOMEM: a new flow has no place and nothing was done; giving
 * one up (flow_table_evict) makes room. */
int flow_table_packet(struct flow_table *table, const struct flow_packet *packet);
/* The flow that has this packet's addresses turned out to be a part of another one, which has
 * whatever comes from packet->ref.ts_ns on: it goes without a word. Where it is an earlier
 * connection of these addresses it ends as ever. The packet itself is not taken. */
void flow_table_absorb(struct flow_table *table, const struct flow_packet *packet);
/* Capture time has come to now_ns (never goes back). */
void flow_table_tick(struct flow_table *table, int64_t now_ns);
/* Ends (FLOW_END_EVICTED) and forgets a closed flow, else the one that was silent for longest.
 * False when the table is empty. */
bool flow_table_evict(struct flow_table *table);
/* The capture ends: closes and forgets all, oldest first. */
void flow_table_finish(struct flow_table *table);

const char *flow_state_name(enum flow_state state);

/* ── between the files of this folder ── */
struct flow_tcp_in {
    const struct flow_packet *packet;
    const struct frame *frame;
    uint8_t side;
    bool primary; /* counts for health */
};
void flow_tcp_packet(struct flow_table *table, struct flow *flow, const struct flow_tcp_in *in);
void flow_health_packet(struct flow *flow, const struct flow_tcp_in *in);
/* True when this packet begins another connection than the one in the table. */
bool flow_tcp_is_new(const struct flow *flow, const struct frame *frame, uint8_t side);
/* Both directions have ended. */
void flow_tcp_close_if_over(struct flow_table *table, struct flow *flow);
void flow_close(struct flow_table *table, struct flow *flow, enum flow_end end);
void flow_move_to(struct flow_table *table, struct flow *flow, enum flow_idle_list list);

/* flow_window.c: the first packet behind an opening, or the first of the window behind either. */
void flow_move_on(struct flow_table *table, struct flow *flow, const struct flow_packet *packet,
                  uint8_t side);

/* flow_stream.c */
struct flow_piece {
    int64_t offset;
    struct slice bytes;
    uint32_t cut_bytes; /* missing behind them: the recorder kept only a part */
    int64_t ack;        /* offset of the other side it acknowledges; INT64_MIN = none */
    struct flow_ref ref;
};
void flow_stream_piece(struct flow_table *table, struct flow *flow, uint8_t side,
                       const struct flow_piece *piece);
/* Hands on whatever became possible. */
void flow_stream_advance(struct flow_table *table, struct flow *flow);
/* Gives up all holes. */
void flow_stream_flush(struct flow_table *table, struct flow *flow);
void flow_stream_check_holes(struct flow_table *table, struct flow *flow);
void flow_stream_watch(struct flow_table *table, struct flow *flow);
void flow_stream_unwatch(struct flow_table *table, struct flow *flow);
void flow_stream_gap(struct flow_table *table, struct flow *flow, uint8_t side, int64_t to);
void flow_stream_free(struct flow_table *table, struct flow *flow);

/* flow_copy.c */
/* A step of a print's hash: not keyed, the same in every run. */
static inline uint64_t flow_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9fb21c651e98df25ULL;
    return h ^ h >> 32;
}
/* What stays of a packet wherever it is seen, translated or not; never 0. */
uint64_t flow_packet_print(const struct frame *frame);
/* True when the packet is another sight of one that was counted. */
bool flow_is_copy(struct flow_table *table, struct flow *flow, const struct flow_packet *packet,
                  uint8_t side);

#endif
