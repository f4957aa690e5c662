/* Reassembly of one connection: what waits, what may be handed on, what is given up. */
#include <stdlib.h>

#include "base/memory.h"
#include "flow/flow.h"

struct flow_segment {
    struct flow_segment *next, *prev;
    int64_t offset;
    int64_t ack;
    uint32_t len;
    uint32_t cut_bytes;
    uint32_t arrival;
    struct flow_ref ref;
    uint8_t data[];
};

/* ── waiting segments ── */

static void unlink_segment(struct flow_side *s, struct flow_segment *segment)
{
    if (segment->prev)
        segment->prev->next = segment->next;
    else
        s->first = segment->next;
    if (segment->next)
        segment->next->prev = segment->prev;
    else
        s->last = segment->prev;
}

static void drop_segment(struct flow_table *table, struct flow_side *s,
                         struct flow_segment *segment)
{
    size_t size = sizeof *segment + segment->len;
    unlink_segment(s, segment);
    s->waiting_segments--;
    s->waiting_bytes -= segment->len;
    table->waiting_bytes -= size;
    table->memory_bytes -= size;
    free(segment);
}

void flow_stream_free(struct flow_table *table, struct flow *flow)
{
    for (int i = 0; i < 2; i++)
        while (flow->side[i].first)
            drop_segment(table, &flow->side[i], flow->side[i].first);
}

/* Puts [from, to) of the piece behind `after` (NULL: in front); NULL without memory. */
static struct flow_segment *insert(struct flow_table *table, struct flow *flow, struct flow_side *s,
                                   struct flow_segment *after, const struct flow_piece *piece,
                                   int64_t from, int64_t to)
{
    size_t len = (size_t)(to - from);
    struct flow_segment *segment = malloc(sizeof *segment + len);
    if (!segment) {
        memory_failed();
        flow->lacks_memory = true;
        return NULL;
    }
    int64_t end = piece->offset + (int64_t)piece->bytes.len;
    *segment = (struct flow_segment){.offset = from,
                                     .ack = piece->ack,
                                     .len = (uint32_t)len,
                                     .cut_bytes = to == end ? piece->cut_bytes : 0,
                                     .arrival = flow->arrivals++,
                                     .ref = piece->ref,
                                     .prev = after,
                                     .next = after ? after->next : s->first};
    if (len)
        memcpy(segment->data, piece->bytes.data + (from - piece->offset), len);
    if (segment->next)
        segment->next->prev = segment;
    else
        s->last = segment;
    if (after)
        after->next = segment;
    else
        s->first = segment;
    s->waiting_segments++;
    s->waiting_bytes += segment->len;
    table->waiting_bytes += sizeof *segment + len;
    table->memory_bytes += sizeof *segment + len;
    return segment;
}

/* Keeps the bytes of the piece that nobody brought before: the first copy wins. */
static void keep(struct flow_table *table, struct flow *flow, struct flow_side *s,
                 const struct flow_piece *piece)
{
    int64_t from = piece->offset > s->next ? piece->offset : s->next;
    int64_t end = piece->offset + (int64_t)piece->bytes.len;
    struct flow_segment *after = s->last;
    while (after && after->offset > from)
        after = after->prev;
    if (after && after->offset + (int64_t)after->len > from)
        from = after->offset + (int64_t)after->len;
    while (from < end) {
        struct flow_segment *next = after ? after->next : s->first;
        int64_t to = next && next->offset < end ? next->offset : end;
        if (to > from) {
            struct flow_segment *segment = insert(table, flow, s, after, piece, from, to);
            after = segment ? segment : after;
        }
        if (!next || to == end)
            break;
        from = next->offset + (int64_t)next->len;
        after = next;
    }
}

/* ── handing on ── */

/* An acknowledgement of `ack` speaks of the bytes up to here: a FIN is none of them. */
static int64_t acked_bytes(const struct flow_side *peer, int64_t ack)
{
    return peer->fin_seen && ack > peer->fin ? peer->fin : ack;
}

/* Bytes of the other side that this one answers have been handed on, or will never come. */
static bool is_answerable(const struct flow *flow, uint8_t side, int64_t ack)
{
    const struct flow_side *peer = &flow->side[side ^ 1];
    if (ack == INT64_MIN || !peer->known || peer->packets == 0)
        return true;
    ack = acked_bytes(peer, ack);
    /* One more than expected may be a FIN that was not recorded. */
    return ack <= peer->next || (ack == peer->next + 1 && !peer->first);
}

static void hand_on(struct flow_table *table, struct flow *flow, uint8_t side,
                    const struct flow_ref *ref, struct slice bytes)
{
    struct flow_side *s = &flow->side[side];
    s->next += (int64_t)bytes.len;
    if (side != flow->client_side && flow->first_response_ns == 0)
        flow->first_response_ns = ref->ts_ns;
    if (!flow->is_closed && bytes.len)
        table->handler.bytes(table->handler.ctx, flow, side, ref, bytes);
}

void flow_stream_gap(struct flow_table *table, struct flow *flow, uint8_t side, int64_t to)
{
    struct flow_side *s = &flow->side[side];
    if (to <= s->next)
        return;
    uint64_t bytes = (uint64_t)(to - s->next);
    s->gap_bytes += bytes;
    flow->health.counts.missing_segments++;
    s->next = to;
    s->hole_ns = s->acked_hole_ns = 0;
    if (!flow->is_closed)
        table->handler.gap(table->handler.ctx, flow, side, bytes);
}

/* Hands on the first waiting segment (it begins at or before `next`). */
static void hand_on_first(struct flow_table *table, struct flow *flow, uint8_t side)
{
    struct flow_side *s = &flow->side[side];
    struct flow_segment *segment = s->first;
    size_t skip = (size_t)(s->next - segment->offset);
    unlink_segment(s, segment);
    if (skip < segment->len)
        hand_on(table, flow, side, &segment->ref,
                slice_of(segment->data + skip, segment->len - skip));
    if (segment->cut_bytes)
        flow_stream_gap(table, flow, side, s->next + segment->cut_bytes);
    size_t size = sizeof *segment + segment->len;
    s->waiting_segments--;
    s->waiting_bytes -= segment->len;
    table->waiting_bytes -= size;
    table->memory_bytes -= size;
    free(segment);
}

static bool is_contiguous(const struct flow_side *s)
{
    return s->first && s->first->offset <= s->next;
}

static bool end_if_over(struct flow_table *table, struct flow *flow, uint8_t side)
{
    struct flow_side *s = &flow->side[side];
    if (!s->fin_seen || s->ended || s->next < s->fin || !is_answerable(flow, side, s->fin_ack))
        return false;
    s->ended = true;
    while (s->first)
        drop_segment(table, s, s->first);
    if (!flow->is_closed)
        table->handler.end_side(table->handler.ctx, flow, side);
    return true;
}

static bool advance_side(struct flow_table *table, struct flow *flow, uint8_t side)
{
    struct flow_side *s = &flow->side[side];
    bool progress = false;
    while (is_contiguous(s) && is_answerable(flow, side, s->first->ack)) {
        hand_on_first(table, flow, side);
        progress = true;
    }
    return end_if_over(table, flow, side) || progress;
}

/* Hands on all that waits for nothing any more. */
static void hand_on_ready(struct flow_table *table, struct flow *flow)
{
    for (;;) {
        bool progress = advance_side(table, flow, 0);
        progress |= advance_side(table, flow, 1);
        if (progress)
            continue;
        /* Each waits for the other: one of them is a retransmission, which acknowledges more than
         * its bytes depend on. That is the one that came later; it goes first. */
        if (!is_contiguous(&flow->side[0]) || !is_contiguous(&flow->side[1]))
            break;
        uint8_t later = flow->side[1].first->arrival > flow->side[0].first->arrival;
        hand_on_first(table, flow, later);
    }
}

void flow_stream_advance(struct flow_table *table, struct flow *flow)
{
    hand_on_ready(table, flow);
    flow_stream_watch(table, flow);
}

/* Of a hole up to `to`, what was before the other side's next bytes: these acknowledge it, so they
 * go between it and the rest. */
static int64_t hole_piece(const struct flow *flow, uint8_t side, int64_t to)
{
    const struct flow_side *peer = &flow->side[side ^ 1];
    int64_t ack = is_contiguous(peer) ? peer->first->ack : INT64_MIN;
    return ack > flow->side[side].next && ack < to ? ack : to;
}

/* No more comes: what the first of the waiting segments waits for is given up, then what it let go
 * is handed on, so that the order of the two directions holds to the end. */
static void flush_waiting(struct flow_table *table, struct flow *flow)
{
    for (;;) {
        hand_on_ready(table, flow);
        const struct flow_segment *a = flow->side[0].first, *b = flow->side[1].first;
        if (!a && !b)
            return;
        uint8_t side = !a || (b && b->arrival < a->arrival);
        const struct flow_segment *first = flow->side[side].first;
        struct flow_side *peer = &flow->side[side ^ 1];
        if (!is_contiguous(&flow->side[side])) {
            flow_stream_gap(table, flow, side, hole_piece(flow, side, first->offset));
            continue;
        }
        int64_t to = acked_bytes(peer, first->ack);
        if (peer->first && peer->first->offset < to)
            to = peer->first->offset;
        if (to > peer->next)
            flow_stream_gap(table, flow, side ^ 1, to);
        else
            hand_on_first(table, flow, side);
    }
}

void flow_stream_flush(struct flow_table *table, struct flow *flow)
{
    flush_waiting(table, flow);
    for (uint8_t side = 0; side < 2; side++) {
        struct flow_side *s = &flow->side[side];
        if (s->fin_seen && s->next < s->fin)
            flow_stream_gap(table, flow, side, s->fin);
        else if (s->known && !s->fin_seen && s->acked > s->next + 1)
            flow_stream_gap(table, flow, side, s->acked);
    }
    hand_on_ready(table, flow);
}

/* ── holes ── */

/* Where the hole in front of this side's bytes ends; 0 or less when there is none. */
static int64_t hole_bytes(const struct flow_side *s)
{
    if (!s->known || s->ended)
        return 0;
    if (s->first)
        return s->first->offset - s->next;
    if (s->fin_seen && s->next < s->fin)
        return s->fin - s->next;
    return s->acked > s->next + 1 ? s->acked - s->next : 0;
}

void flow_stream_watch(struct flow_table *table, struct flow *flow)
{
    bool has_hole = false;
    int64_t now_ns = flow->active_ns > table->clock_ns ? flow->active_ns : table->clock_ns;
    for (int i = 0; i < 2; i++) {
        struct flow_side *s = &flow->side[i];
        bool hole = hole_bytes(s) > 0;
        has_hole |= hole;
        if (!hole)
            s->hole_ns = s->acked_hole_ns = 0;
        else if (s->hole_ns == 0)
            s->hole_ns = now_ns + 1;
        if (hole && s->acked > s->next && s->acked_hole_ns == 0)
            s->acked_hole_ns = now_ns + 1;
    }
    if (has_hole && !flow->in_holes) {
        flow->in_holes = true;
        flow->prev_hole = NULL;
        flow->next_hole = table->holes;
        if (table->holes)
            table->holes->prev_hole = flow;
        table->holes = flow;
    } else if (!has_hole && flow->in_holes) {
        flow_stream_unwatch(table, flow);
    }
}

void flow_stream_unwatch(struct flow_table *table, struct flow *flow)
{
    if (!flow->in_holes)
        return;
    flow->in_holes = false;
    if (flow->prev_hole)
        flow->prev_hole->next_hole = flow->next_hole;
    else
        table->holes = flow->next_hole;
    if (flow->next_hole)
        flow->next_hole->prev_hole = flow->prev_hole;
}

/* Gives up the hole of a side as far as it is known to be lost. */
static void give_up(struct flow_table *table, struct flow *flow, uint8_t side, bool only_acked)
{
    struct flow_side *s = &flow->side[side];
    int64_t to = s->next + hole_bytes(s);
    if (only_acked && s->acked < to)
        to = s->acked;
    while (s->next < to) {
        flow_stream_gap(table, flow, side, hole_piece(flow, side, to));
        if (s->next < to)
            flow_stream_advance(table, flow);
    }
}

void flow_stream_check_holes(struct flow_table *table, struct flow *flow)
{
    bool changed = false;
    for (uint8_t side = 0; side < 2; side++) {
        struct flow_side *s = &flow->side[side];
        if (s->acked_hole_ns && table->clock_ns - s->acked_hole_ns >= FLOW_ACKED_HOLE_NS) {
            give_up(table, flow, side, true);
            changed = true;
        } else if (s->hole_ns && table->clock_ns - s->hole_ns >= FLOW_OPEN_HOLE_NS) {
            give_up(table, flow, side, false);
            changed = true;
        }
    }
    if (changed)
        flow_stream_advance(table, flow);
}

static bool is_over_cap(const struct flow_table *table, const struct flow_side *s)
{
    return s->waiting_bytes > FLOW_OUT_OF_ORDER_CAP || s->waiting_segments > FLOW_MAX_SEGMENTS ||
           table->waiting_bytes > table->waiting_cap_bytes;
}

static void relieve(struct flow_table *table, struct flow *flow, uint8_t side)
{
    struct flow_side *s = &flow->side[side];
    while (is_over_cap(table, s) && s->first) {
        /* What it waits for on the other side is given up first, then its own hole. */
        if (is_contiguous(s) && hole_bytes(&flow->side[side ^ 1]) > 0)
            give_up(table, flow, side ^ 1, false);
        else if (hole_bytes(s) > 0)
            give_up(table, flow, side, false);
        else
            hand_on_first(table, flow, side);
        flow_stream_advance(table, flow);
    }
}

void flow_stream_piece(struct flow_table *table, struct flow *flow, uint8_t side,
                       const struct flow_piece *piece)
{
    struct flow_side *s = &flow->side[side];
    int64_t end = piece->offset + (int64_t)piece->bytes.len;
    if (end <= s->next && piece->cut_bytes == 0)
        return;
    if (!s->first && piece->offset <= s->next && is_answerable(flow, side, piece->ack)) {
        size_t skip = (size_t)(s->next - piece->offset);
        if (skip < piece->bytes.len)
            hand_on(table, flow, side, &piece->ref,
                    slice_sub(piece->bytes, skip, piece->bytes.len));
        if (piece->cut_bytes && end + piece->cut_bytes > s->next)
            flow_stream_gap(table, flow, side, end + piece->cut_bytes);
        if (flow->in_holes || flow->side[side ^ 1].first || s->fin_seen)
            flow_stream_advance(table, flow);
        return;
    }
    keep(table, flow, s, piece);
    flow_stream_advance(table, flow);
    if (is_over_cap(table, s))
        relieve(table, flow, side);
}
