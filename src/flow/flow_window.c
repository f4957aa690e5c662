/* From before the window into it. What was sent between a connection's opening and what comes next
 * is a hole of unknown length (sequence numbers tell it modulo 2^32); between the lead-in and the
 * window nothing is missing. What was counted before is not of the window. */
#include "flow/flow.h"

/* In less time nobody sends 4 GiB. */
#define SURE_NS NS_PER_S

enum {
    MAX_WINDOW_BYTES = 1 << 30 /* RFC 7323, 2.3: nothing older is under way */
};

/* The stream goes on at `seq`. One less is a keep-alive probe (RFC 9293, 3.8.4); while nobody can
 * have gone round the numbers, any less is of before: sent again, or acknowledged late. */
static void go_on_at(struct flow_table *table, struct flow *flow, uint8_t side, uint32_t seq,
                     bool sure)
{
    struct flow_side *s = &flow->side[side];
    uint32_t ahead = seq - (s->base_seq + (uint32_t)s->next), behind = -ahead;
    if (!s->known || behind <= (sure ? MAX_WINDOW_BYTES : 1U))
        return;
    s->next += ahead;
    s->wild_count = 0;
    /* Nobody may believe that a message that was begun goes on behind it. */
    uint64_t bytes = sure ? ahead : ahead + (UINT64_C(1) << 32);
    if (!flow->is_closed)
        table->handler.gap(table->handler.ctx, flow, side, bytes);
}

static void leave_opening(struct flow_table *table, struct flow *flow,
                          const struct flow_packet *packet, uint8_t side)
{
    const struct frame *f = packet->frame;
    bool sure = packet->ref.ts_ns - flow->last_ns < SURE_NS;
    flow_stream_flush(table, flow);
    flow_stream_unwatch(table, flow);
    /* What answers first: a request that is known to be lost takes no answer of another. */
    for (int i = 0; i < 2; i++) {
        bool server = i == 0;
        bool own = (side != flow->client_side) == server;
        if (own && !(f->tcp_flags & FRAME_TCP_RST))
            go_on_at(table, flow, side, f->tcp_seq + !!(f->tcp_flags & FRAME_TCP_SYN), sure);
        else if (!own && f->tcp_flags & FRAME_TCP_ACK)
            go_on_at(table, flow, side ^ 1, f->tcp_ack, sure);
    }
    flow->has_opening = true;
    if (flow->state == FLOW_ATTEMPTED)
        flow->state = FLOW_ESTABLISHED;
    if (!flow->is_closed)
        flow_move_to(table, flow, FLOW_LIST_TCP);
}

static void count_from_here(struct flow *flow, const struct flow_packet *packet)
{
    if (flow->state != FLOW_ATTEMPTED) { /* else its handshake is still under way */
        flow->syn_seen = false;
        flow->syn_ns = flow->last_syn_ns = flow->handshake_ns = 0;
    }
    flow->first_ns = flow->last_ns = packet->ref.ts_ns;
    flow->first_ref = packet->ref;
    flow->first_number = packet->number;
    flow->first_response_ns = 0;
    flow->health = (struct flow_health){0};
    flow->vantages[0] = packet->vantage;
    flow->vantage_count = 1;
    for (int i = 0; i < 2; i++) {
        struct flow_side *s = &flow->side[i];
        s->vantage = UINT32_MAX;
        s->packets = s->bytes = s->gap_bytes = 0;
        s->window = s->next;
        if (s->acked < s->next)
            s->acked = s->next;
    }
}

static void enter_window(struct flow_table *table, struct flow *flow,
                         const struct flow_packet *packet, uint8_t side)
{
    count_from_here(flow, packet);
    /* Datagrams have no handshake: an answer to what came before is enough. */
    if (flow->key.ip_protocol != FLOW_TCP && side != flow->client_side &&
        flow->state == FLOW_ATTEMPTED)
        flow->state = FLOW_ESTABLISHED;
    table->total_flows += flow_is_connection(flow);
    if (table->handler.enter_window)
        table->handler.enter_window(table->handler.ctx, flow);
}

void flow_move_on(struct flow_table *table, struct flow *flow, const struct flow_packet *packet,
                  uint8_t side)
{
    if (flow->place == FLOW_IN_OPENING && flow->key.ip_protocol == FLOW_TCP)
        leave_opening(table, flow, packet, side);
    flow->has_lead_in |= flow->place == FLOW_IN_LEAD_IN || packet->place == FLOW_IN_LEAD_IN;
    flow->place = packet->place;
    if (packet->place == FLOW_IN_WINDOW)
        enter_window(table, flow, packet, side);
}
