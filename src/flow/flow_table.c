#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "flow/flow.h"

enum {
    SLAB_FLOWS = 32,
    FIRST_BUCKETS = 256,
    MAX_MOVED_PER_TICK = 8,
    ABSORBED_DATAGRAMS = 16 /* a conversation longer than that was one of its own */
};

struct flow_slab {
    struct flow_slab *next;
    struct flow flows[SLAB_FLOWS];
};

const char *flow_state_name(enum flow_state state)
{
    switch (state) {
    case FLOW_ATTEMPTED:
        return "attempted";
    case FLOW_REFUSED:
        return "refused";
    case FLOW_ESTABLISHED:
        return "established";
    case FLOW_RESET:
        return "reset";
    case FLOW_CLOSED:
        return "closed";
    case FLOW_TIMED_OUT:
        return "timed_out";
    }
    return "";
}

/* ── keys ── */

static uint8_t protocol_of(enum frame_kind kind)
{
    if (kind == FRAME_TCP)
        return FLOW_TCP;
    if (kind == FRAME_UDP)
        return FLOW_UDP;
    return kind == FRAME_SCTP ? FLOW_SCTP : FLOW_ICMP;
}

void flow_key_of(const struct frame *f, struct flow_key *ret_key, uint8_t *ret_side)
{
    int c = memcmp(f->src_ip, f->dst_ip, 16);
    if (c == 0)
        c = (f->src_port > f->dst_port) - (f->src_port < f->dst_port);
    uint8_t side = c > 0;
    memcpy(ret_key->ip[side], f->src_ip, 16);
    memcpy(ret_key->ip[side ^ 1], f->dst_ip, 16);
    ret_key->port[side] = f->src_port;
    ret_key->port[side ^ 1] = f->dst_port;
    ret_key->ip_version = f->ip_version;
    ret_key->ip_protocol = protocol_of(f->kind);
    *ret_side = side;
}

static uint64_t half(const uint8_t *ip, uint16_t port)
{
    uint64_t a, b;
    memcpy(&a, ip, 8);
    memcpy(&b, ip + 8, 8);
    uint64_t h = (a + 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
    h = (h ^ h >> 33 ^ b ^ port) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

static uint32_t join_halves(uint64_t a, uint64_t b, uint8_t ip_protocol)
{
    uint64_t h = (a + b) ^ ip_protocol;
    return (uint32_t)(h * 0xff51afd7ed558ccdULL >> 32);
}

uint32_t flow_key_hash(const struct flow_key *key)
{
    return join_halves(half(key->ip[0], key->port[0]), half(key->ip[1], key->port[1]),
                       key->ip_protocol);
}

uint32_t flow_shard_hash(const struct frame *f)
{
    return join_halves(half(f->src_ip, f->src_port), half(f->dst_ip, f->dst_port),
                       protocol_of(f->kind));
}

/* SipHash with the table's random key; IPv4 takes a third of the bytes. */
static uint64_t hash_key_bytes(const struct flow_table *table, const struct flow_key *key)
{
    uint8_t bytes[40];
    size_t n = key->ip_version == 6 ? 16 : 4;
    memcpy(bytes, key->ip[0], n);
    memcpy(bytes + n, key->ip[1], n);
    memcpy(bytes + 2 * n, key->port, 4);
    bytes[2 * n + 4] = key->ip_protocol;
    return hash_bytes(table->key, bytes, 2 * n + 5);
}

static bool same_key(const struct flow_key *a, const struct flow_key *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->port[0] == b->port[0] &&
           a->port[1] == b->port[1] && a->ip_version == b->ip_version &&
           a->ip_protocol == b->ip_protocol;
}

/* ── table ── */

static int add_slab(struct flow_table *table)
{
    struct flow_slab *slab = malloc(sizeof *slab);
    if (!slab) {
        memory_failed();
        return -ENOMEM;
    }
    slab->next = table->slabs;
    table->slabs = slab;
    for (int i = SLAB_FLOWS - 1; i >= 0; i--) {
        slab->flows[i].next_in_bucket = table->free_flows;
        table->free_flows = &slab->flows[i];
    }
    return 0;
}

int flow_table_init(struct flow_table *table, const struct flow_handler *handler,
                    size_t waiting_cap_bytes)
{
    *table = (struct flow_table){
        .handler = *handler, .key = hash_random_key(), .waiting_cap_bytes = waiting_cap_bytes};
    table->buckets = calloc(FIRST_BUCKETS, sizeof *table->buckets);
    if (!table->buckets)
        return -ENOMEM;
    table->bucket_count = FIRST_BUCKETS;
    /* From here on giving a flow up always makes room for another. */
    int r = add_slab(table);
    if (r < 0)
        flow_table_done(table);
    return r;
}

void flow_table_done(struct flow_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct flow *flow = table->buckets[i]; flow; flow = flow->next_in_bucket)
            flow_stream_free(table, flow);
    free(table->buckets);
    while (table->slabs) {
        struct flow_slab *next = table->slabs->next;
        free(table->slabs);
        table->slabs = next;
    }
    *table = (struct flow_table){0};
}

/* Without memory the chains become longer. */
static void grow_buckets(struct flow_table *table)
{
    size_t count = table->bucket_count * 2;
    struct flow **buckets = calloc(count, sizeof *buckets);
    if (!buckets)
        return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct flow *flow = table->buckets[i];
        while (flow) {
            struct flow *next = flow->next_in_bucket;
            flow->next_in_bucket = buckets[flow->hash & (count - 1)];
            buckets[flow->hash & (count - 1)] = flow;
            flow = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

static struct flow *find(const struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
    struct flow *flow = table->buckets[hash & (table->bucket_count - 1)];
    while (flow && (flow->hash != hash || !same_key(&flow->key, key)))
        flow = flow->next_in_bucket;
    return flow;
}

static struct flow *take_flow(struct flow_table *table)
{
    if (!table->free_flows && add_slab(table) < 0)
        return NULL;
    struct flow *flow = table->free_flows;
    table->free_flows = flow->next_in_bucket;
    memset(flow, 0, sizeof *flow);
    table->memory_bytes += sizeof *flow;
    return flow;
}

/* ── idle lists: the least recently active first ── */

static void leave_list(struct flow_table *table, struct flow *flow)
{
    if (flow->older)
        flow->older->newer = flow->newer;
    else
        table->idle[flow->idle_list].oldest = flow->newer;
    if (flow->newer)
        flow->newer->older = flow->older;
    else
        table->idle[flow->idle_list].newest = flow->older;
}

static void join_list(struct flow_table *table, struct flow *flow, enum flow_idle_list list)
{
    flow->idle_list = (uint8_t)list;
    flow->older = table->idle[list].newest;
    flow->newer = NULL;
    if (flow->older)
        flow->older->newer = flow;
    else
        table->idle[list].oldest = flow;
    table->idle[list].newest = flow;
}

void flow_move_to(struct flow_table *table, struct flow *flow, enum flow_idle_list list)
{
    if (flow->idle_list == list && !flow->newer)
        return;
    leave_list(table, flow);
    join_list(table, flow, list);
}

static void touch(struct flow_table *table, struct flow *flow, int64_t ts_ns)
{
    /* The clock follows the packets by one: it may be far behind after a silence. */
    flow->active_ns = ts_ns > table->clock_ns ? ts_ns : table->clock_ns;
    if (ts_ns > flow->last_ns)
        flow->last_ns = ts_ns;
    if (ts_ns < flow->first_ns)
        flow->first_ns = ts_ns;
    flow_move_to(table, flow, flow->idle_list);
}

/* ── life of a flow ── */

static struct flow *add(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                        const struct flow_packet *packet, uint8_t side)
{
    if (table->count >= table->bucket_count)
        grow_buckets(table);
    struct flow *flow = take_flow(table);
    if (!flow)
        return NULL;
    flow->key = *key;
    flow->hash = hash;
    struct flow **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    flow->next_in_bucket = *bucket;
    *bucket = flow;
    flow->client_side = side;
    flow->first_ns = flow->last_ns = packet->ref.ts_ns;
    flow->first_ref = packet->ref;
    flow->first_number = packet->number;
    flow->side[0].vantage = flow->side[1].vantage = UINT32_MAX;
    flow->place = packet->place;
    join_list(table, flow,
              packet->place == FLOW_IN_OPENING ? FLOW_LIST_OPENING
              : key->ip_protocol == FLOW_TCP   ? FLOW_LIST_ATTEMPTED
                                               : FLOW_LIST_UDP);
    table->count++;
    table->total_flows += packet->place == FLOW_IN_WINDOW && flow_is_connection(flow);
    return flow;
}

void flow_close(struct flow_table *table, struct flow *flow, enum flow_end end)
{
    if (flow->is_closed)
        return;
    if (flow->key.ip_protocol == FLOW_TCP) {
        flow_stream_flush(table, flow);
        flow_stream_unwatch(table, flow);
        /* Both had said their last behind holes. */
        if (end != FLOW_END_RESET && flow->side[0].ended && flow->side[1].ended) {
            end = FLOW_END_CLOSED;
            flow->state = FLOW_CLOSED;
        }
    }
    table->handler.close(table->handler.ctx, flow, end);
    flow->is_closed = true;
    flow_stream_free(table, flow);
    flow_move_to(table, flow, FLOW_LIST_CLOSED);
}

static void take_out(struct flow_table *table, struct flow *flow)
{
    leave_list(table, flow);
    struct flow **link = &table->buckets[flow->hash & (table->bucket_count - 1)];
    while (*link != flow)
        link = &(*link)->next_in_bucket;
    *link = flow->next_in_bucket;
    flow->next_in_bucket = table->free_flows;
    table->free_flows = flow;
    table->memory_bytes -= sizeof *flow;
    table->count--;
}

static void forget(struct flow_table *table, struct flow *flow, enum flow_end end)
{
    if (!flow->is_closed && end == FLOW_END_TIMEOUT && flow->state == FLOW_ESTABLISHED)
        flow->state = flow->key.ip_protocol == FLOW_TCP ? FLOW_TIMED_OUT : FLOW_CLOSED;
    flow_close(table, flow, end);
    table->handler.forget(table->handler.ctx, flow);
    take_out(table, flow);
}

void flow_table_absorb(struct flow_table *table, const struct flow_packet *packet)
{
    struct flow_key key;
    uint8_t side;
    flow_key_of(packet->frame, &key, &side);
    struct flow *flow = find(table, &key, hash_key_bytes(table, &key));
    if (!flow)
        return;
    bool tcp = key.ip_protocol == FLOW_TCP;
    bool is_earlier = tcp ? flow_tcp_is_new(flow, packet->frame, side)
                          : flow->side[0].packets + flow->side[1].packets > ABSORBED_DATAGRAMS;
    if (is_earlier) {
        forget(table, flow, FLOW_END_REUSED);
        return;
    }
    table->handler.absorbed(table->handler.ctx, flow, packet->ref.ts_ns);
    flow_stream_unwatch(table, flow);
    flow_stream_free(table, flow);
    table->total_flows -= flow->place == FLOW_IN_WINDOW && flow_is_connection(flow);
    take_out(table, flow);
}

/* Ends are numbered by address: in the translation's order they may be the other way round. */
static void note_translation(struct flow_table *table, struct flow *flow,
                             const struct flow_packet *packet, uint8_t side)
{
    const struct flow_key *own = &packet->own_key;
    struct flow_key key = *own;
    for (int end = 0; end < 2; end++) {
        memcpy(key.ip[end], own->ip[end ^ side], sizeof key.ip[end]);
        key.port[end] = own->port[end ^ side];
    }
    for (uint8_t i = 0; i < flow->translation_count; i++)
        if (same_key(&flow->translations[i], &key))
            return;
    if (flow->translation_count == FLOW_MAX_TRANSLATIONS)
        return;
    flow->translations[flow->translation_count++] = key;
    if (table->handler.translation)
        table->handler.translation(table->handler.ctx, flow);
}

static void datagram(struct flow_table *table, struct flow *flow, const struct flow_packet *packet,
                     uint8_t side)
{
    struct flow_side *s = &flow->side[side];
    s->packets++;
    s->bytes += packet->frame->payload_bytes;
    if (flow->side[side ^ 1].packets && flow->state == FLOW_ATTEMPTED)
        flow->state = FLOW_ESTABLISHED;
    if (side != flow->client_side && flow->first_response_ns == 0)
        flow->first_response_ns = packet->ref.ts_ns;
    if (packet->frame->payload.len)
        table->handler.datagram(table->handler.ctx, flow, side, packet);
}

int flow_table_packet(struct flow_table *table, const struct flow_packet *packet)
{
    struct flow_key key;
    uint8_t side;
    flow_key_of(packet->frame, &key, &side);
    uint64_t hash = hash_key_bytes(table, &key);
    struct flow *flow = find(table, &key, hash);
    bool tcp = key.ip_protocol == FLOW_TCP;
    if (flow && packet->place > flow->place)
        return 0; /* another vantage has shown that it has gone on */
    if (flow && flow_is_copy(table, flow, packet, side)) {
        if (packet->is_translated)
            note_translation(table, flow, packet, side);
        return 0;
    }
    if (flow && tcp && flow_tcp_is_new(flow, packet->frame, side)) {
        forget(table, flow, FLOW_END_REUSED);
        flow = NULL;
    }
    if (!flow) {
        flow = add(table, &key, hash, packet, side);
        if (!flow)
            return -ENOMEM;
        (void)flow_is_copy(table, flow, packet, side);
    }
    if (packet->place < flow->place)
        flow_move_on(table, flow, packet, side);
    if (packet->is_translated)
        note_translation(table, flow, packet, side);
    touch(table, flow, packet->ref.ts_ns);
    struct flow_side *s = &flow->side[side];
    uint32_t place = packet->vantage | (uint32_t)packet->is_translated << 31;
    if (s->vantage == UINT32_MAX)
        s->vantage = place;
    if (tcp) {
        struct flow_tcp_in in = {
            .packet = packet, .frame = packet->frame, .side = side, .primary = s->vantage == place};
        flow_tcp_packet(table, flow, &in);
    } else {
        datagram(table, flow, packet, side);
    }
    return 0;
}

static int64_t idle_limit(enum flow_idle_list list)
{
    switch (list) {
    case FLOW_LIST_CLOSED:
        return FLOW_CLOSED_LINGER_NS;
    case FLOW_LIST_ATTEMPTED:
        return FLOW_ATTEMPT_IDLE_NS;
    case FLOW_LIST_UDP:
        return FLOW_UDP_IDLE_NS;
    case FLOW_LIST_OPENING:
        return INT64_MAX;
    case FLOW_LIST_TCP:
    case FLOW_LIST_COUNT:
        break;
    }
    return FLOW_TCP_IDLE_NS;
}

/* Lists are in order of activity, but for packets with a wrong stamp far ahead: those must not hold
 * up the others. */
static void expire(struct flow_table *table, enum flow_idle_list list)
{
    int64_t limit = idle_limit(list);
    struct flow *flow;
    for (int moved = 0; (flow = table->idle[list].oldest) && moved < MAX_MOVED_PER_TICK;) {
        if (table->clock_ns - flow->active_ns > limit) {
            forget(table, flow, FLOW_END_TIMEOUT);
        } else if (flow->active_ns - table->clock_ns > limit && flow->newer) {
            flow_move_to(table, flow, list);
            moved++;
        } else {
            break;
        }
    }
}

void flow_table_tick(struct flow_table *table, int64_t now_ns)
{
    if (now_ns <= table->clock_ns)
        return;
    table->clock_ns = now_ns;
    for (struct flow *flow = table->holes, *next; flow; flow = next) {
        next = flow->next_hole;
        flow_stream_check_holes(table, flow);
        flow_tcp_close_if_over(table, flow);
    }
    for (int list = 0; list < FLOW_LIST_COUNT; list++)
        expire(table, (enum flow_idle_list)list);
}

/* The one that has been silent for longest, whatever it is: never the newcomer that needs the room.
 */
bool flow_table_evict(struct flow_table *table)
{
    struct flow *victim = table->idle[FLOW_LIST_CLOSED].oldest;
    for (int list = 0; list < FLOW_LIST_COUNT && !table->idle[FLOW_LIST_CLOSED].oldest; list++) {
        struct flow *oldest = table->idle[list].oldest;
        if (oldest && (!victim || oldest->last_ns < victim->last_ns))
            victim = oldest;
    }
    if (!victim)
        return false;
    forget(table, victim, FLOW_END_EVICTED);
    return true;
}

void flow_table_finish(struct flow_table *table)
{
    for (int list = 0; list < FLOW_LIST_COUNT; list++)
        while (table->idle[list].oldest)
            forget(table, table->idle[list].oldest, FLOW_END_OF_DATA);
}
