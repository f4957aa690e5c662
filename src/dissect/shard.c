#include "dissect/shard.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"

static enum dissect_transport transport_of(const struct flow *flow)
{
    switch (flow->key.ip_protocol) {
    case FLOW_TCP:
        return DISSECT_TCP;
    case FLOW_SCTP:
        return DISSECT_SCTP_PACKETS;
    case FLOW_ICMP:
        return DISSECT_ICMP;
    default:
        return DISSECT_UDP;
    }
}

/* Nothing of a flow is shown as whole when some of it could not be kept. */
static struct dissect_conn *usable(struct flow *flow)
{
    struct dissect_conn *conn = flow->user;
    if (conn && flow->lacks_memory)
        dissect_conn_give_up(conn);
    return conn;
}

static void add_translation(struct dissect_conn *conn, const struct flow_key *key)
{
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t end = conn->client_side ^ i;
        dissect_conn_address(conn, key->ip_version, key->ip[end], key->port[end]);
    }
}

static void enter_window(struct dissect_conn *conn, const struct flow *flow)
{
    struct conn_before before = {.opening = flow->has_opening, .lead_in = flow->has_lead_in};
    dissect_conn_enter_window(conn, flow->first_ns, flow->first_number, before);
}

/* NULL without memory: the bytes are then lost, the flow goes on being counted. */
static struct dissect_conn *conn_of(struct shard *shard, struct flow *flow)
{
    if (flow->user)
        return usable(flow);
    struct conn_spec spec = {
        .transport = transport_of(flow),
        .ip_version = flow->key.ip_version,
        .port = {flow->key.port[0], flow->key.port[1]},
        .client_side = flow->client_side,
        .late_join = flow->late_join,
        .outside = flow->place != FLOW_IN_WINDOW,
        .base_seq = {flow->side[0].base_seq, flow->side[1].base_seq},
        .first_ns = flow->first_ns,
        /* Not the side of the first packet: the id must not depend on what was recorded first. */
        .first_side = flow->client_side,
        .first_number = flow->first_number,
        .node = shard->context.node_of(shard->context.names, flow->first_ref.file)};
    memcpy(spec.ip, flow->key.ip, sizeof spec.ip);
    struct dissect_conn *conn = dissect_conn_new(&shard->host, &spec);
    flow->user = conn;
    flow->lacks_memory |= !conn;
    if (conn && spec.transport == DISSECT_TCP)
        conn->health = &flow->health.counts;
    if (conn && flow->place == FLOW_IN_WINDOW && flow_has_before(flow))
        enter_window(conn, flow);
    for (uint8_t i = 0; conn && i < flow->vantage_count; i++)
        dissect_conn_vantage(conn,
                             shard->context.vantage_of(shard->context.names, flow->vantages[i]));
    for (uint8_t i = 0; conn && i < flow->translation_count; i++)
        add_translation(conn, &flow->translations[i]);
    return usable(flow);
}

static struct conn_packet packet_of(const struct flow_ref *ref, uint8_t side)
{
    return (struct conn_packet){
        .ref = {.file = ref->file, .offset = ref->offset, .ts_ns = ref->ts_ns}, .side = side};
}

static void on_bytes(void *ctx, struct flow *flow, uint8_t side, const struct flow_ref *ref,
                     struct slice bytes)
{
    struct dissect_conn *conn = conn_of(ctx, flow);
    struct conn_packet packet = packet_of(ref, side);
    if (conn)
        dissect_conn_bytes(conn, &packet, bytes);
}

static void on_datagram(void *ctx, struct flow *flow, uint8_t side, const struct flow_packet *in)
{
    struct dissect_conn *conn = conn_of(ctx, flow);
    const struct frame *f = in->frame;
    struct conn_packet packet = packet_of(&in->ref, side);
    packet.info = (struct dissect_packet){.length = f->l4_length,
                                          .checksum = f->l4_checksum,
                                          .tag = f->sctp_tag,
                                          .is_cut = f->payload.len < f->payload_bytes};
    if (conn)
        dissect_conn_datagram(conn, &packet, f->payload);
}

static void on_gap(void *ctx, struct flow *flow, uint8_t side, uint64_t bytes)
{
    struct dissect_conn *conn = conn_of(ctx, flow);
    if (conn)
        dissect_conn_gap(conn, side, bytes);
}

static void on_end_side(void *ctx, struct flow *flow, uint8_t side)
{
    (void)ctx;
    if (flow->user)
        dissect_conn_end_side(usable(flow), side);
}

static enum dissect_end end_of(const struct flow *flow, const struct dissect_conn *conn,
                               enum flow_end end)
{
    switch (end) {
    case FLOW_END_CLOSED:
        return END_CLOSED;
    case FLOW_END_RESET:
        return flow->reset_side == conn->client_side ? END_RESET_BY_CLIENT : END_RESET_BY_SERVER;
    case FLOW_END_TIMEOUT:
    case FLOW_END_REUSED:
        return END_TIMEOUT;
    case FLOW_END_EVICTED: /* nothing happened on the wire */
    case FLOW_END_OF_DATA:
        break;
    }
    return END_OF_DATA;
}

static void on_close(void *ctx, struct flow *flow, enum flow_end end)
{
    (void)ctx;
    if (flow->user)
        dissect_conn_close(usable(flow), end_of(flow, flow->user, end));
}

static void on_forget(void *ctx, struct flow *flow)
{
    bool reported = flow->place == FLOW_IN_WINDOW && flow_is_connection(flow);
    struct dissect_conn *conn = reported ? conn_of(ctx, flow) : flow->user;
    if (conn && reported)
        shard_report_conn(conn, flow);
    dissect_conn_free(conn);
    flow->user = NULL;
}

static void on_enter_window(void *ctx, struct flow *flow)
{
    struct shard *shard = ctx;
    if (!flow->user)
        return;
    enter_window(flow->user, flow);
    dissect_conn_vantage(flow->user,
                         shard->context.vantage_of(shard->context.names, flow->vantages[0]));
}

static void on_vantage(void *ctx, struct flow *flow, uint32_t vantage)
{
    struct shard *shard = ctx;
    if (flow->user)
        dissect_conn_vantage(flow->user, shard->context.vantage_of(shard->context.names, vantage));
}

static void on_translation(void *ctx, struct flow *flow)
{
    (void)ctx;
    if (flow->user)
        add_translation(flow->user, &flow->translations[flow->translation_count - 1]);
}

static void ignore_entry(void *ctx, const struct entry *entry)
{
    (void)ctx;
    (void)entry;
}

static void withdraw(struct shard *shard, const struct flow *flow, int64_t since_ns)
{
    if (shard->withdrawn_count == SHARD_MAX_WITHDRAWN)
        return;
    if (shard->withdrawn_count == shard->withdrawn_cap) {
        size_t cap = shard->withdrawn_cap ? shard->withdrawn_cap * 2 : 16;
        struct shard_withdrawn *grown = reallocarray(shard->withdrawn, cap, sizeof *grown);
        if (!grown) {
            memory_failed();
            return;
        }
        shard->withdrawn = grown;
        shard->withdrawn_cap = cap;
    }
    shard->withdrawn[shard->withdrawn_count++] = (struct shard_withdrawn){
        flow->first_number, since_ns, .is_whole = since_ns <= flow->first_ns};
}

/* What it had begun to say is said by the flow that it was a part of. */
static void on_absorbed(void *ctx, struct flow *flow, int64_t since_ns)
{
    struct shard *shard = ctx;
    if (!flow->user)
        return;
    withdraw(shard, flow, since_ns);
    shard->host.emit = ignore_entry;
    dissect_conn_close(flow->user, END_OF_DATA);
    shard->host.emit = shard->context.emit;
    dissect_conn_free(flow->user);
    flow->user = NULL;
}

int shard_init(struct shard *shard, const struct shard_context *context)
{
    *shard = (struct shard){.context = *context};
    shard->host = (struct dissect_host){
        .emit = context->emit,
        .ctx = context->ctx,
        .mask = UINT64_MAX,
        .keys = context->keys,
        .tap = context->tap,
        .keys_visible = context->keys ? key_store_counts(context->keys).secrets : 0,
        .capture_source = context->capture_source};
    struct flow_handler handler = {.bytes = on_bytes,
                                   .datagram = on_datagram,
                                   .gap = on_gap,
                                   .end_side = on_end_side,
                                   .close = on_close,
                                   .forget = on_forget,
                                   .enter_window = on_enter_window,
                                   .vantage = on_vantage,
                                   .translation = on_translation,
                                   .absorbed = on_absorbed,
                                   .ctx = shard};
    return flow_table_init(&shard->flows, &handler, context->memory_cap_bytes / 2);
}

void shard_done(struct shard *shard)
{
    for (int list = 0; list < FLOW_LIST_COUNT; list++)
        for (struct flow *flow = shard->flows.idle[list].oldest; flow; flow = flow->newer)
            dissect_conn_free(flow->user);
    flow_table_done(&shard->flows);
    free(shard->withdrawn);
    dissect_host_done(&shard->host);
}

int shard_packet(struct shard *shard, const struct flow_packet *packet)
{
    uint64_t failures = memory_failures();
    int r = flow_table_packet(&shard->flows, packet);
    while (r == -ENOMEM && flow_table_evict(&shard->flows)) {
        shard->evictions++;
        r = flow_table_packet(&shard->flows, packet);
    }
    while (shard->flows.memory_bytes + shard->host.memory_bytes > shard->context.memory_cap_bytes &&
           flow_table_evict(&shard->flows))
        shard->evictions++;
    shard->failed_allocations += memory_failures() - failures;
    return r;
}

void shard_absorb(struct shard *shard, const struct flow_packet *packet)
{
    uint64_t failures = memory_failures();
    flow_table_absorb(&shard->flows, packet);
    shard->failed_allocations += memory_failures() - failures;
}

void shard_tick(struct shard *shard, int64_t now_ns)
{
    uint64_t failures = memory_failures();
    flow_table_tick(&shard->flows, now_ns);
    shard->failed_allocations += memory_failures() - failures;
}

void shard_finish(struct shard *shard)
{
    uint64_t failures = memory_failures();
    flow_table_finish(&shard->flows);
    shard->failed_allocations += memory_failures() - failures;
}
