/* TCP (RFC 9293): handshake, sequence numbers, ends, health counters. */
#include "flow/flow.h"

enum {
    FAR_BYTES = 16 * 1024 * 1024, /* beyond it a segment is outside any usual window */
    WILD_SEGMENTS = 3,            /* that follow one another: the connection went on elsewhere */
    RESET_WINDOW = 1024 * 1024,
    MAX_ACK_AHEAD = 1 << 30
};

/* Offset of a sequence number, next to the stream's present place. */
static int64_t offset_of(const struct flow_side *s, uint32_t seq)
{
    return s->next + (int32_t)(seq - (s->base_seq + (uint32_t)s->next));
}

bool flow_tcp_is_new(const struct flow *flow, const struct frame *f, uint8_t side)
{
    if (!(f->tcp_flags & FRAME_TCP_SYN))
        return false;
    const struct flow_side *s = &flow->side[side];
    bool same = s->known && s->base_seq == f->tcp_seq + 1;
    if (f->tcp_flags & FRAME_TCP_ACK) /* an answer belongs to what it answers */
        return flow->is_closed && !same;
    if (!s->known || same)
        return false;
    /* A SYN that was recorded late lies just before the bytes already seen. */
    int64_t offset = offset_of(s, f->tcp_seq + 1);
    bool late = flow->late_join && !flow->is_closed && offset <= 0 && offset > -FAR_BYTES;
    return !late;
}

static void learn(struct flow_side *s, uint32_t seq)
{
    if (s->known)
        return;
    s->known = true;
    s->base_seq = seq;
}

/* The first packet tells who asks and where the streams begin. */
static void begin(struct flow *flow, const struct frame *f, uint8_t side)
{
    bool syn = f->tcp_flags & FRAME_TCP_SYN, ack = f->tcp_flags & FRAME_TCP_ACK;
    if (syn) {
        flow->client_side = ack ? side ^ 1 : side;
    } else {
        flow->late_join = true;
        if (!(f->tcp_flags & FRAME_TCP_RST))
            flow->state = FLOW_ESTABLISHED;
        const uint16_t *port = flow->key.port;
        if (port[0] != port[1])
            flow->client_side = port[1] > port[0];
        else
            flow->client_side = side;
    }
}

static void handshake(struct flow *flow, const struct flow_tcp_in *in)
{
    const struct frame *f = in->frame;
    int64_t ts_ns = in->packet->ref.ts_ns;
    bool syn = f->tcp_flags & FRAME_TCP_SYN, ack = f->tcp_flags & FRAME_TCP_ACK;
    if (syn && !ack && flow->handshake_ns == 0) {
        flow->last_syn_ns = ts_ns;
        if (!flow->syn_seen)
            flow->syn_ns = ts_ns;
        flow->syn_seen = true;
    } else if (!syn && ack && !(f->tcp_flags & FRAME_TCP_RST) && in->side == flow->client_side &&
               flow->syn_seen && flow->handshake_ns == 0) {
        flow->handshake_ns = ts_ns; /* the SYN-ACK itself may not have been recorded */
    }
    if ((syn && ack) || flow->side[in->side ^ 1].packets) {
        bool reset = f->tcp_flags & FRAME_TCP_RST;
        if (!reset && flow->state == FLOW_ATTEMPTED && in->side != flow->client_side)
            flow->state = FLOW_ESTABLISHED;
    }
}

static void note_ack(struct flow *flow, const struct flow_tcp_in *in)
{
    struct flow_side *peer = &flow->side[in->side ^ 1];
    if (!(in->frame->tcp_flags & FRAME_TCP_ACK) || !peer->known)
        return;
    int64_t ack = offset_of(peer, in->frame->tcp_ack);
    if (peer->fin_seen && ack > peer->fin)
        ack = peer->fin;
    if (ack > peer->acked && ack - peer->next < MAX_ACK_AHEAD)
        peer->acked = ack;
}

/* After a long hole in the recording the numbers lie anywhere: believe them when a few segments
 * in a row agree. True when the segment is to be ignored. */
static bool is_wild(struct flow_table *table, struct flow *flow, const struct flow_tcp_in *in,
                    int64_t *offset)
{
    struct flow_side *s = &flow->side[in->side];
    if (*offset - s->next <= FAR_BYTES && *offset - s->next >= -FAR_BYTES) {
        s->wild_count = 0;
        return false;
    }
    const struct frame *f = in->frame;
    s->wild_count = s->wild_count && s->wild_seq == f->tcp_seq ? s->wild_count + 1 : 1;
    s->wild_seq = f->tcp_seq + f->payload_bytes;
    if (s->wild_count < WILD_SEGMENTS) {
        table->out_of_window++;
        return true;
    }
    s->wild_count = 0;
    flow_stream_flush(table, flow);
    uint32_t ahead = f->tcp_seq - (s->base_seq + (uint32_t)s->next);
    flow_stream_gap(table, flow, in->side, s->next + ahead);
    if (s->acked < s->next)
        s->acked = s->next;
    *offset = s->next;
    return false;
}

static void take_data(struct flow_table *table, struct flow *flow, const struct flow_tcp_in *in)
{
    const struct frame *f = in->frame;
    struct flow_side *s = &flow->side[in->side];
    struct flow_side *peer = &flow->side[in->side ^ 1];
    bool syn = f->tcp_flags & FRAME_TCP_SYN;
    int64_t offset = offset_of(s, f->tcp_seq + syn);
    if (f->payload_bytes && is_wild(table, flow, in, &offset))
        return;
    int64_t end = offset + f->payload_bytes;
    int64_t ack =
        f->tcp_flags & FRAME_TCP_ACK && peer->known ? offset_of(peer, f->tcp_ack) : INT64_MIN;
    if (ack != INT64_MIN && ack - peer->next > MAX_ACK_AHEAD)
        ack = INT64_MIN;
    if (f->tcp_flags & FRAME_TCP_FIN && !s->fin_seen && end - s->next <= FAR_BYTES &&
        end >= s->next) {
        s->fin_seen = true;
        s->fin = end;
        s->fin_ack = ack;
    }
    if (f->payload_bytes) {
        size_t kept = f->payload.len < f->payload_bytes ? f->payload.len : f->payload_bytes;
        struct flow_piece piece = {.offset = offset,
                                   .bytes = slice_of(f->payload.data, kept),
                                   .cut_bytes = f->payload_bytes - (uint32_t)kept,
                                   .ack = ack,
                                   .ref = in->packet->ref};
        if (s->fin_seen && end > s->fin)
            return;
        flow_stream_piece(table, flow, in->side, &piece);
    }
}

static bool is_valid_reset(const struct flow *flow, const struct flow_tcp_in *in)
{
    const struct flow_side *s = &flow->side[in->side];
    if (flow->state == FLOW_ATTEMPTED || !s->known)
        return true;
    int64_t apart = offset_of(s, in->frame->tcp_seq) - s->next;
    return apart >= -1 - (int64_t)RESET_WINDOW && apart <= RESET_WINDOW;
}

static void reset(struct flow_table *table, struct flow *flow, const struct flow_tcp_in *in)
{
    if (!is_valid_reset(flow, in))
        return;
    bool refused =
        flow->state == FLOW_ATTEMPTED && in->side != flow->client_side && !flow->late_join;
    flow->reset_side = in->side;
    flow_close(table, flow, FLOW_END_RESET);
    flow->state = refused ? FLOW_REFUSED : FLOW_RESET;
}

void flow_tcp_close_if_over(struct flow_table *table, struct flow *flow)
{
    if (flow->is_closed || !flow->side[0].ended || !flow->side[1].ended)
        return;
    flow_close(table, flow, FLOW_END_CLOSED);
    flow->state = FLOW_CLOSED;
}

void flow_tcp_packet(struct flow_table *table, struct flow *flow, const struct flow_tcp_in *in)
{
    const struct frame *f = in->frame;
    struct flow_side *s = &flow->side[in->side];
    if (flow->side[0].packets + flow->side[1].packets == 0 && !flow_has_before(flow))
        begin(flow, f, in->side);
    s->packets++;
    s->bytes += f->payload_bytes;
    handshake(flow, in);
    if (in->primary)
        flow_health_packet(flow, in);
    if (flow->is_closed)
        return;
    bool is_reset = f->tcp_flags & FRAME_TCP_RST;
    if (!is_reset || f->tcp_flags & FRAME_TCP_ACK)
        note_ack(flow, in);
    if (!is_reset) {
        learn(s, f->tcp_seq + !!(f->tcp_flags & FRAME_TCP_SYN));
        if (f->tcp_flags & FRAME_TCP_ACK)
            learn(&flow->side[in->side ^ 1], f->tcp_ack);
        take_data(table, flow, in);
    }
    if (is_reset)
        reset(table, flow, in);
    else if (s->fin_seen || flow->in_holes ||
             flow->side[in->side ^ 1].acked > flow->side[in->side ^ 1].next)
        flow_stream_advance(table, flow);
    flow_tcp_close_if_over(table, flow);
    if (!flow->is_closed && flow->place != FLOW_IN_OPENING && flow->state != FLOW_ATTEMPTED)
        flow_move_to(table, flow, FLOW_LIST_TCP);
}
