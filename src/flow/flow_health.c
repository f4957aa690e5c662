/* TCP health: what one observer can tell from the packets of a connection, packet by packet. The
 * terms are those of the Wireshark User's Guide, chapter "TCP Analysis", so that the counts can be
 * compared: a segment that does not move the highest sequence number on is a retransmission unless
 * it fills a hole soon after the segment behind it (out of order); it is a fast one when at least
 * two duplicate acknowledgements asked for it within 20 ms. Round trips: from a segment that was
 * sent once to the acknowledgement that covers it (Karn's rule, RFC 6298 section 3). */
#include "flow/flow.h"

#define FAST_RETRANSMISSION_NS (20 * NS_PER_MS)
#define REORDER_DEFAULT_NS     (3 * NS_PER_MS) /* while no round trip is known */

enum {
    NO_DATA = FRAME_TCP_SYN | FRAME_TCP_FIN | FRAME_TCP_RST
};

/* a − b over the wrap. */
static int32_t after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

/* Whole, as part of one of the latest segments: then it repeats what was seen and fills no hole. */
static bool was_sent(const struct flow_health_side *s, uint32_t seq, uint32_t end)
{
    for (int i = 0; i < FLOW_HEALTH_SEGMENTS; i++)
        if (s->sent[i].seq != s->sent[i].end && after(seq, s->sent[i].seq) >= 0 &&
            after(end, s->sent[i].end) <= 0)
            return true;
    return false;
}

static int64_t reorder_window_ns(const struct flow *flow)
{
    int64_t rtt_ns = flow->handshake_ns - flow->last_syn_ns;
    return flow->handshake_ns && flow->last_syn_ns && rtt_ns > 0 ? rtt_ns : REORDER_DEFAULT_NS;
}

/* A segment that begins before what was seen last. */
static void count_repeat(struct flow *flow, const struct flow_tcp_in *in, uint32_t end)
{
    struct flow_health *h = &flow->health;
    struct flow_health_side *s = &h->side[in->side];
    const struct flow_health_side *peer = &h->side[in->side ^ 1];
    const struct frame *f = in->frame;
    int64_t ts_ns = in->packet->ref.ts_ns;
    uint32_t len = f->payload_bytes;
    s->sample_pending = false;
    if (len && peer->known_ack && after(end, peer->last_ack) <= 0) {
        h->counts.retransmissions++; /* acknowledged already */
        return;
    }
    if (len > 1 && f->tcp_seq == s->next_seq - 1)
        return; /* behind a probe of one byte: new data */
    if (peer->duplicate_acks >= 2 && peer->last_ack == f->tcp_seq &&
        ts_ns - peer->last_ack_ns < FAST_RETRANSMISSION_NS) {
        h->counts.retransmissions++;
        h->counts.fast_retransmissions++;
    } else if (ts_ns - s->next_seq_ns < reorder_window_ns(flow) && s->next_seq != end &&
               !was_sent(s, f->tcp_seq, end)) {
        h->counts.out_of_order++;
    } else {
        h->counts.retransmissions++;
    }
}

enum kind {
    KIND_PLAIN,
    KIND_KEEP_ALIVE,
    KIND_WINDOW_PROBE
};

static enum kind kind_of(const struct flow_health_side *s, const struct flow_health_side *peer,
                         const struct frame *f)
{
    uint32_t len = f->payload_bytes;
    if (!s->known)
        return KIND_PLAIN;
    if (len == 1 && f->tcp_seq == s->next_seq && peer->known_ack && peer->last_window == 0)
        return KIND_WINDOW_PROBE;
    if (len <= 1 && f->tcp_seq == s->next_seq - 1 && !(f->tcp_flags & NO_DATA))
        return KIND_KEEP_ALIVE;
    return KIND_PLAIN;
}

static bool is_duplicate_ack(const struct flow_health_side *s, const struct flow_health_side *peer,
                             const struct frame *f)
{
    if (f->payload_bytes || f->tcp_flags & NO_DATA || f->tcp_window == 0 || !s->known_ack ||
        f->tcp_window != s->last_window || f->tcp_ack != s->last_ack || !s->known ||
        f->tcp_seq != s->next_seq)
        return false;
    return !peer->last_was_keep_alive; /* else it answers that */
}

/* Moves the side's highest number on and remembers the segment. */
static void note_segment(struct flow_health_side *s, const struct frame *f, uint32_t end,
                         int64_t ts_ns)
{
    if (end != f->tcp_seq) {
        s->sent[s->next_sent] = (struct flow_health_segment){f->tcp_seq, end};
        s->next_sent = (uint8_t)((s->next_sent + 1) % FLOW_HEALTH_SEGMENTS);
    }
    if (s->known && after(end, s->next_seq) <= 0)
        return;
    if (f->payload_bytes && s->known && !s->sample_pending) {
        s->sample_pending = true;
        s->sample_end = end;
        s->sample_ns = ts_ns;
    }
    s->known = true;
    s->next_seq = end;
    s->next_seq_ns = ts_ns;
}

static void note_ack(struct flow_health *h, uint8_t side, const struct frame *f, int64_t ts_ns)
{
    struct flow_health_side *s = &h->side[side], *peer = &h->side[side ^ 1];
    if (f->tcp_ack != s->last_ack || !s->known_ack)
        s->duplicate_acks = 0;
    s->last_ack = f->tcp_ack;
    s->last_window = f->tcp_window;
    s->last_ack_ns = ts_ns;
    s->known_ack = true;
    if (peer->sample_pending && after(f->tcp_ack, peer->sample_end) >= 0) {
        peer->sample_pending = false;
        if (ts_ns >= peer->sample_ns) {
            h->counts.rtt_sum_us += (uint64_t)(ts_ns - peer->sample_ns) / NS_PER_US;
            h->counts.rtt_count++;
        }
    }
}

void flow_health_packet(struct flow *flow, const struct flow_tcp_in *in)
{
    struct flow_health *h = &flow->health;
    struct flow_health_side *s = &h->side[in->side], *peer = &h->side[in->side ^ 1];
    const struct frame *f = in->frame;
    int64_t ts_ns = in->packet->ref.ts_ns;
    bool has_number = f->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_FIN);
    uint32_t end = f->tcp_seq + f->payload_bytes;
    enum kind kind = kind_of(s, peer, f);
    h->counts.resets += !!(f->tcp_flags & FRAME_TCP_RST);
    h->counts.zero_windows +=
        f->tcp_window == 0 && kind != KIND_WINDOW_PROBE && !(f->tcp_flags & NO_DATA);
    if (is_duplicate_ack(s, peer, f)) {
        s->duplicate_acks++;
        h->counts.duplicate_acks++;
    }
    if ((f->payload_bytes || has_number) && s->known && after(f->tcp_seq, s->next_seq) < 0 &&
        kind != KIND_KEEP_ALIVE)
        count_repeat(flow, in, end);
    if (kind != KIND_WINDOW_PROBE)
        note_segment(s, f, end + has_number, ts_ns);
    s->last_was_keep_alive = kind == KIND_KEEP_ALIVE;
    note_ack(h, in->side, f, ts_ns);
}
