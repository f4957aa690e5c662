/* The same packet seen at several vantage points. A fingerprint of each recent packet is kept with
 * the places it was seen at; another sight of it matches at most once per place. */
#include "flow/flow.h"

static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

uint64_t flow_packet_print(const struct frame *f)
{
    uint64_t h = flow_mix((uint64_t)f->ip_id << 32 | f->payload_bytes,
                          (uint64_t)f->tcp_seq << 32 | f->tcp_ack);
    h = flow_mix(h, (uint64_t)f->tcp_flags << 16 | f->tcp_window);
    struct slice p = f->payload;
    size_t n = p.len < 8 ? p.len : 8;
    if (n) {
        h = flow_mix(h, load(p.data, n));
        h = flow_mix(h, load(p.data + p.len - n, n));
        h = flow_mix(h, load(p.data + (p.len - n) / 2, n));
    }
    return h | 1;
}

static void add_vantage(struct flow_table *table, struct flow *flow, uint32_t vantage)
{
    for (uint8_t i = 0; i < flow->vantage_count; i++)
        if (flow->vantages[i] == vantage)
            return;
    if (flow->vantage_count == FLOW_MAX_VANTAGES)
        return;
    flow->vantages[flow->vantage_count++] = vantage;
    if (table->handler.vantage)
        table->handler.vantage(table->handler.ctx, flow, vantage);
}

/* How far apart the same bytes at the same place may be and still be one packet: not at all where a
 * place is one interface (a sender that repeats itself is a fact), but where it stands for many. */
static int64_t repeat_window_ns(const struct flow_packet *packet)
{
    if (!packet->vantage_uncertain)
        return -1;
    return packet->frame->ip_id > 1 ? FLOW_COPY_WINDOW_NS : NS_PER_MS;
}

bool flow_is_copy(struct flow_table *table, struct flow *flow, const struct flow_packet *packet,
                  uint8_t side)
{
    uint64_t sight = packet->print ? packet->print : flow_packet_print(packet->frame);
    uint64_t hash = flow_mix(sight, side) | 1;
    /* Where one interface sees a packet before and after its translation, it is two places. */
    uint64_t bit = UINT64_C(1) << ((packet->vantage & 31) + packet->is_translated * 32U);
    int64_t ts_ns = packet->ref.ts_ns;
    add_vantage(table, flow, packet->vantage);
    for (int i = 0; i < FLOW_FINGERPRINTS; i++) {
        struct flow_fingerprint *print = &flow->fingerprints[i];
        if (print->hash != hash)
            continue;
        int64_t apart = ts_ns > print->ts_ns ? ts_ns - print->ts_ns : print->ts_ns - ts_ns;
        if (apart > (print->vantage_bits & bit ? repeat_window_ns(packet) : FLOW_COPY_WINDOW_NS))
            continue;
        print->vantage_bits |= bit;
        flow->copies++;
        table->copies++;
        return true;
    }
    flow->fingerprints[flow->next_fingerprint] =
        (struct flow_fingerprint){.hash = hash, .ts_ns = ts_ns, .vantage_bits = bit};
    flow->next_fingerprint = (uint8_t)((flow->next_fingerprint + 1) % FLOW_FINGERPRINTS);
    return false;
}
