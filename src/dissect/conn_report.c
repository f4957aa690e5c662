/* Entries that speak of a connection as a whole. */
#include "base/hash.h"
#include "dissect/registry.h"
#include "dissect/shard.h"

struct report_fields {
    field_id state, local_pkts, remote_pkts, local_bytes, remote_bytes, group_id;
};

static const struct report_fields conn_fields = {
    FIELD_CONN_STATE_ID,       FIELD_CONN_LOCAL_PKTS_ID,   FIELD_CONN_REMOTE_PKTS_ID,
    FIELD_CONN_LOCAL_BYTES_ID, FIELD_CONN_REMOTE_BYTES_ID, FIELD_CONN_GROUP_ID_ID};
static const struct report_fields flow_fields = {
    FIELD_FLOW_STATE_ID,       FIELD_FLOW_LOCAL_PKTS_ID,   FIELD_FLOW_REMOTE_PKTS_ID,
    FIELD_FLOW_LOCAL_BYTES_ID, FIELD_FLOW_REMOTE_BYTES_ID, FIELD_FLOW_GROUP_ID_ID};

/* Requester, responder, its port and the transport: what stays when only the requester's port is
 * another. */
static void set_group(struct dissect_entry *entry, field_id field, const struct dissect_conn *conn)
{
    const struct dissect_tuple *t = &conn->tuple;
    uint8_t bytes[36];
    memcpy(bytes, t->client_ip, 16);
    memcpy(bytes + 16, t->server_ip, 16);
    bytes[32] = (uint8_t)(t->server_port >> 8);
    bytes[33] = (uint8_t)t->server_port;
    bytes[34] = t->ip_version;
    bytes[35] = (uint8_t)conn->transport;
    uint64_t hash = hash_bytes(hash_fixed_key, bytes, sizeof bytes);
    dissect_set_text(entry, field,
                     arena_printf(dissect_entry_arena(entry), "%016llX", (unsigned long long)hash));
}

static void set_counts(struct dissect_entry *entry, const struct report_fields *f,
                       const struct flow *flow, uint8_t client)
{
    const struct flow_side *local = &flow->side[client], *remote = &flow->side[client ^ 1];
    dissect_set_str(entry, f->state, flow_state_name(flow->state));
    dissect_set_int(entry, f->local_pkts, (int64_t)local->packets);
    dissect_set_int(entry, f->remote_pkts, (int64_t)remote->packets);
    dissect_set_int(entry, f->local_bytes, (int64_t)local->bytes);
    dissect_set_int(entry, f->remote_bytes, (int64_t)remote->bytes);
}

static void set_status(struct dissect_entry *entry, const struct flow *flow, uint8_t client)
{
    bool tcp = flow->key.ip_protocol == 6;
    const char *late = flow->late_join || (tcp && flow_has_before(flow)) ? "window_start" : NULL;
    switch (flow->state) {
    case FLOW_ATTEMPTED:
        dissect_set_status(entry, tcp ? "no_response" : "ok", tcp ? "timeout" : NULL);
        break;
    case FLOW_REFUSED:
        dissect_set_status(entry, "error", "refused");
        break;
    case FLOW_ESTABLISHED:
        dissect_set_status(entry, tcp ? "open" : "ok", late);
        break;
    case FLOW_RESET:
        dissect_set_status(entry, "error",
                           flow->reset_side == client ? "client_cancel" : "server_reset");
        break;
    case FLOW_CLOSED:
        dissect_set_status(entry, "ok", late);
        break;
    case FLOW_TIMED_OUT:
        dissect_set_status(entry, "ok", late ? late : "timeout");
        break;
    }
    uint64_t gap_bytes = flow->side[0].gap_bytes + flow->side[1].gap_bytes;
    dissect_set_int(entry, FIELD_GAP_BYTES_ID, (int64_t)gap_bytes);
    if (gap_bytes)
        dissect_set_bool(entry, FIELD_INCOMPLETE_ID, true);
}

static void set_l7(struct dissect_entry *entry, const struct dissect_conn *conn)
{
    struct slice *names =
        arena_calloc(dissect_entry_arena(entry), registry_count() + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; names && i < registry_count(); i++)
        if (conn->detected >> i & 1)
            names[count++] = slice_str(registry_at(i)->name);
    if (count)
        dissect_set_list(entry, FIELD_CONN_L7_DETECTED_ID, names, count);
}

/* Which sides sent bytes. */
static const char *method_of(const struct flow *flow, uint8_t client)
{
    static const char *const names[] = {"connect", "send", "receive", "exchange"};
    return names[(flow->side[client].bytes != 0) | (flow->side[client ^ 1].bytes != 0) << 1];
}

static void set_error(struct dissect_entry *entry, const struct dissect_conn *conn,
                      const struct flow *flow)
{
    const struct dissect_tuple *t = &conn->tuple;
    bool from_client = flow->state == FLOW_RESET && flow->reset_side == conn->client_side;
    const char *type, *what;
    switch (flow->state) {
    case FLOW_ATTEMPTED:
        type = "timeout";
        what = "did not answer";
        break;
    case FLOW_REFUSED:
        type = "refused";
        what = "refused the connection";
        break;
    case FLOW_RESET:
        type = "reset";
        what = "reset the connection";
        break;
    case FLOW_ESTABLISHED:
    case FLOW_CLOSED:
    case FLOW_TIMED_OUT:
    default:
        return;
    }
    dissect_set_str(entry, FIELD_TCP_ERROR_TYPE_ID, type);
    dissect_set_text(entry, FIELD_TCP_ERROR_MESSAGE_ID,
                     arena_printf(dissect_entry_arena(entry),
                                  t->ip_version == 6 ? "[%s]:%u %s" : "%s:%u %s",
                                  from_client ? conn->client_ip : conn->server_ip,
                                  from_client ? t->client_port : t->server_port, what));
}

static int64_t between_us(int64_t from_ns, int64_t to_ns)
{
    return to_ns > from_ns ? (to_ns - from_ns) / NS_PER_US : 0;
}

static void set_health(struct dissect_entry *entry, const struct flow *flow)
{
    const struct flow_health_counts *h = &flow->health.counts;
    const struct flow_side *a = &flow->side[0], *b = &flow->side[1];
    dissect_set_int(entry, FIELD_TCP_RETRANSMISSIONS_ID, h->retransmissions);
    dissect_set_int(entry, FIELD_TCP_FAST_RETRANSMISSIONS_ID, h->fast_retransmissions);
    dissect_set_int(entry, FIELD_TCP_OUT_OF_ORDER_ID, h->out_of_order);
    dissect_set_int(entry, FIELD_TCP_DUPLICATE_ACKS_ID, h->duplicate_acks);
    dissect_set_int(entry, FIELD_TCP_ZERO_WINDOWS_ID, h->zero_windows);
    dissect_set_int(entry, FIELD_TCP_RESETS_ID, h->resets);
    dissect_set_int(entry, FIELD_TCP_MISSING_SEGMENTS_ID, h->missing_segments);
    dissect_set_int(entry, FIELD_TCP_GOODPUT_BYTES_ID,
                    a->next - a->window + b->next - b->window -
                        (int64_t)(a->gap_bytes + b->gap_bytes));
    if (h->rtt_count)
        dissect_set_int(entry, FIELD_TCP_RTT_AVG_US_ID, (int64_t)(h->rtt_sum_us / h->rtt_count));
    if (flow->last_syn_ns && flow->handshake_ns)
        dissect_set_int(entry, FIELD_TCP_INITIAL_RTT_US_ID,
                        between_us(flow->last_syn_ns, flow->handshake_ns));
    if (flow->syn_ns && flow->handshake_ns)
        dissect_set_int(entry, FIELD_TCP_HANDSHAKE_US_ID,
                        between_us(flow->syn_ns, flow->handshake_ns));
    if (flow->first_response_ns)
        dissect_set_int(entry, FIELD_TCP_TIME_TO_FIRST_BYTE_US_ID,
                        between_us(flow->first_ns, flow->first_response_ns));
}

static void set_rates(struct dissect_entry *entry, const struct flow *flow, uint8_t client)
{
    const struct flow_side *local = &flow->side[client], *remote = &flow->side[client ^ 1];
    int64_t us = between_us(flow->first_ns, flow->last_ns);
    if (us <= 0)
        return;
    double seconds = (double)us / 1e6;
    dissect_set_int(entry, FIELD_FLOW_LOCAL_PPS_ID, (int64_t)((double)local->packets / seconds));
    dissect_set_int(entry, FIELD_FLOW_REMOTE_PPS_ID, (int64_t)((double)remote->packets / seconds));
    dissect_set_int(entry, FIELD_FLOW_LOCAL_BPS_ID, (int64_t)((double)local->bytes / seconds));
    dissect_set_int(entry, FIELD_FLOW_REMOTE_BPS_ID, (int64_t)((double)remote->bytes / seconds));
}

/* The reference of the first packet. */
static void set_first_packet(struct dissect_entry *entry, const struct flow *flow)
{
    struct dissect_span *span = dissect_entry_request(entry);
    struct packet_ref *ref = arena_alloc(dissect_entry_arena(entry), sizeof *ref);
    if (!ref)
        return;
    *ref = (struct packet_ref){.file = flow->first_ref.file,
                               .offset = flow->first_ref.offset,
                               .ts_ns = flow->first_ref.ts_ns};
    span->refs = ref;
    span->ref_count = span->ref_cap = 1;
    span->refs_truncated = flow->side[0].packets + flow->side[1].packets > 1;
}

static struct dissect_entry *begin(struct dissect_conn *conn, const struct flow *flow,
                                   const char *protocol)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    if (!entry)
        return NULL;
    uint8_t client = conn->client_side;
    const struct dissect_tuple *t = &conn->tuple;
    bool v6 = t->ip_version == 6;
    dissect_entry_protocol(entry, protocol);
    set_status(entry, flow, client);
    set_first_packet(entry, flow);
    dissect_set_int(entry, FIELD_ELAPSED_TIME_ID, between_us(flow->first_ns, flow->last_ns));
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(dissect_entry_arena(entry),
                                  v6 ? "%s [%s]:%u → [%s]:%u %s" : "%s %s:%u → %s:%u %s",
                                  flow->key.ip_protocol == 6 ? "TCP" : "UDP", conn->client_ip,
                                  t->client_port, conn->server_ip, t->server_port,
                                  flow_state_name(flow->state)));
    return entry;
}

static void report(struct dissect_conn *conn, const struct flow *flow)
{
    bool tcp = flow->key.ip_protocol == 6;
    struct dissect_entry *entry = begin(conn, flow, tcp ? "tcp_conn" : "udp_conn");
    if (entry) {
        set_counts(entry, &conn_fields, flow, conn->client_side);
        set_group(entry, conn_fields.group_id, conn);
        set_l7(entry, conn);
        if (tcp) {
            set_health(entry, flow);
            dissect_set_str(entry, FIELD_TCP_METHOD_ID, method_of(flow, conn->client_side));
            set_error(entry, conn, flow);
        }
        dissect_entry_emit(conn, entry);
    }
    if (conn->detected || flow->side[0].bytes + flow->side[1].bytes == 0)
        return;
    entry = begin(conn, flow, tcp ? "tcp_flow" : "udp_flow");
    if (!entry)
        return;
    set_counts(entry, &flow_fields, flow, conn->client_side);
    set_group(entry, flow_fields.group_id, conn);
    set_rates(entry, flow, conn->client_side);
    if (tcp)
        dissect_set_str(entry, FIELD_TCP_METHOD_ID, method_of(flow, conn->client_side));
    if (conn->payload)
        dissect_set_text(entry, tcp ? FIELD_TCP_PAYLOAD_ID : FIELD_UDP_PAYLOAD_ID,
                         slice_of(conn->payload, conn->payload_len));
    dissect_entry_emit(conn, entry);
}

void shard_report_conn(struct dissect_conn *conn, const struct flow *flow)
{
    conn_begin_work(conn);
    report(conn, flow);
    conn_end_work(conn);
}
