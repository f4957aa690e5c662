/* Entries from their beginning to the sink: dissector.h's part about entries. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "dissect/body_tap.h"
#include "dissect/conn.h"
#include "dissect/conn_fields.h"
#include "dissect/registry.h"
#include "flow/flow.h"

enum {
    FREE_ENTRIES_KEPT = 64,
    ARENA_KEPT_BYTES = 16 * 1024,
    FIRST_VALUES = 32
};

struct dissect_entry {
    struct dissect_entry *prev, *next;
    struct dissect_conn *conn;
    struct arena arena;
    struct dissect_span request, response;
    struct entry_value *values; /* sorted by field */
    uint32_t count, cap;
    const char *protocol;
    field_id field_base;
    bool reversed;
    struct flow_health_counts health; /* when it was begun */
    struct dissect_packet packet;     /* the one that began it */
};

static struct dissect_entry *take_free(struct dissect_host *host)
{
    struct dissect_entry *entry = host->free_entries;
    if (entry) {
        host->free_entries = entry->next;
        host->free_count--;
        struct arena arena = entry->arena;
        *entry = (struct dissect_entry){.arena = arena};
        return entry;
    }
    entry = calloc(1, sizeof *entry);
    if (!entry) {
        memory_failed();
        return NULL;
    }
    arena_init(&entry->arena, CONN_ENTRY_CAP);
    return entry;
}

static void give_back(struct dissect_host *host, struct dissect_entry *entry)
{
    if (host->free_count >= FREE_ENTRIES_KEPT) {
        arena_done(&entry->arena);
        free(entry);
        return;
    }
    if (entry->arena.used_bytes > ARENA_KEPT_BYTES)
        arena_done(&entry->arena);
    else
        arena_reset(&entry->arena);
    entry->next = host->free_entries;
    host->free_entries = entry;
    host->free_count++;
}

void dissect_host_done(struct dissect_host *host)
{
    while (host->free_entries) {
        struct dissect_entry *entry = host->free_entries;
        host->free_entries = entry->next;
        arena_done(&entry->arena);
        free(entry);
    }
    host->free_count = 0;
    free(host->origin_refs);
    host->origin_refs = NULL;
}

static const struct dissect_conn *root_of(const struct dissect_conn *conn)
{
    while (conn->outer)
        conn = conn->outer;
    return conn;
}

struct dissect_entry *dissect_entry_begin(struct dissect_conn *conn)
{
    if (conn->open_entries >= CONN_MAX_OPEN_ENTRIES)
        return NULL;
    struct dissect_entry *entry = take_free(conn->host);
    if (!entry)
        return NULL;
    entry->conn = conn;
    if (conn->health)
        entry->health = *conn_health(conn);
    entry->packet = root_of(conn)->packet;
    entry->next = conn->entries;
    if (entry->next)
        entry->next->prev = entry;
    conn->entries = entry;
    conn->open_entries++;
    conn->sides_fixed = true;
    if (conn->dissector >= 0) {
        entry->protocol = conn_dissector(conn)->name;
        entry->field_base = registry_field_base((size_t)conn->dissector);
    }
    return entry;
}

static void unlink_entry(struct dissect_conn *conn, struct dissect_entry *entry)
{
    if (entry->prev)
        entry->prev->next = entry->next;
    else
        conn->entries = entry->next;
    if (entry->next)
        entry->next->prev = entry->prev;
    conn->open_entries--;
}

void dissect_entry_drop(struct dissect_conn *conn, struct dissect_entry *entry)
{
    if (!entry)
        return;
    unlink_entry(conn, entry);
    give_back(conn->host, entry);
}

void conn_drop_entries(struct dissect_conn *conn)
{
    while (conn->entries)
        dissect_entry_drop(conn, conn->entries);
}

size_t conn_entries_bytes(const struct dissect_conn *conn)
{
    size_t bytes = 0;
    for (const struct dissect_entry *entry = conn->entries; entry; entry = entry->next)
        bytes += sizeof *entry + entry->arena.used_bytes;
    return bytes;
}

struct arena *dissect_entry_arena(struct dissect_entry *entry)
{
    return &entry->arena;
}

struct dissect_span *dissect_entry_request(struct dissect_entry *entry)
{
    return &entry->request;
}

struct dissect_span *dissect_entry_response(struct dissect_entry *entry)
{
    return &entry->response;
}

void dissect_entry_protocol(struct dissect_entry *entry, const char *protocol)
{
    entry->protocol = protocol;
}

void dissect_entry_reverse(struct dissect_entry *entry)
{
    entry->reversed = !entry->reversed;
}

/* ── values ── */

static struct entry_value *place(struct dissect_entry *entry, unsigned field, enum field_type type)
{
    field_id id =
        field & 0x8000u ? (field_id)(entry->field_base + (field & 0x7fffu)) : (field_id)field;
    uint32_t at = entry->count;
    while (at && entry->values[at - 1].field > id)
        at--;
    if (at && entry->values[at - 1].field == id) {
        struct entry_value *old = &entry->values[at - 1];
        *old = (struct entry_value){.field = id, .type = (uint8_t)type};
        return old;
    }
    if (entry->count == entry->cap) {
        uint32_t cap = entry->cap ? entry->cap * 2 : FIRST_VALUES;
        struct entry_value *values = arena_calloc(&entry->arena, cap, sizeof *values);
        if (!values)
            return NULL;
        if (entry->count)
            memcpy(values, entry->values, entry->count * sizeof *values);
        entry->values = values;
        entry->cap = cap;
    }
    memmove(&entry->values[at + 1], &entry->values[at],
            (entry->count - at) * sizeof *entry->values);
    entry->count++;
    entry->values[at] = (struct entry_value){.field = id, .type = (uint8_t)type};
    return &entry->values[at];
}

void dissect_set_bool(struct dissect_entry *entry, unsigned field, bool v)
{
    struct entry_value *value = place(entry, field, FIELD_BOOL);
    if (value)
        value->boolean = v;
}

void dissect_set_int(struct dissect_entry *entry, unsigned field, int64_t v)
{
    struct entry_value *value = place(entry, field, FIELD_INT);
    if (!value)
        return;
    value->integer = v;
    enum field_type type = field_at(value->field)->type;
    if (type == FIELD_TIME || type == FIELD_DURATION)
        value->type = (uint8_t)type;
}

void dissect_set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    struct entry_value *value = place(entry, field, FIELD_TEXT);
    if (value)
        value->text = text;
}

void dissect_set_str(struct dissect_entry *entry, unsigned field, const char *text)
{
    dissect_set_text(entry, field, slice_str(text));
}

void dissect_set_list(struct dissect_entry *entry, unsigned field, const struct slice *items,
                      size_t count)
{
    struct entry_value *value = place(entry, field, FIELD_LIST);
    if (value) {
        value->items = items;
        value->count = (uint32_t)count;
    }
}

void dissect_set_int_list(struct dissect_entry *entry, unsigned field, const int64_t *items,
                          size_t count)
{
    struct entry_value *value = place(entry, field, FIELD_INT_LIST);
    if (value) {
        value->integers = items;
        value->count = (uint32_t)count;
    }
}

void dissect_set_map(struct dissect_entry *entry, unsigned field, const struct entry_pair *pairs,
                     size_t count)
{
    struct entry_value *value = place(entry, field, FIELD_MAP);
    if (value) {
        value->pairs = pairs;
        value->count = (uint32_t)count;
    }
}

static bool is_recorder_fault(const char *reason)
{
    return strcmp(reason, "window_start") == 0 || strcmp(reason, "window_end") == 0 ||
           strcmp(reason, "capture_gap") == 0;
}

void dissect_set_status(struct dissect_entry *entry, const char *status, const char *reason)
{
    dissect_set_str(entry, FIELD_STATUS_ID, status);
    if (!reason)
        return;
    dissect_set_str(entry, FIELD_STATUS_REASON_ID, reason);
    if (is_recorder_fault(reason))
        dissect_set_bool(entry, FIELD_INCOMPLETE_ID, true);
}

/* ── emitting ── */

static bool has_value(const struct dissect_entry *entry, field_id field)
{
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->values[i].field == field)
            return true;
    return false;
}

static void set_addresses(const struct dissect_conn *conn, struct dissect_entry *entry)
{
    const struct dissect_tuple *t = &conn->tuple;
    bool r = entry->reversed;
    dissect_set_str(entry, FIELD_SRC_IP_ID, r ? conn->server_ip : conn->client_ip);
    dissect_set_int(entry, FIELD_SRC_PORT_ID, r ? t->server_port : t->client_port);
    dissect_set_str(entry, FIELD_DST_IP_ID, r ? conn->client_ip : conn->server_ip);
    dissect_set_int(entry, FIELD_DST_PORT_ID, r ? t->client_port : t->server_port);
}

static void set_source(const struct dissect_conn *conn, struct dissect_entry *entry)
{
    struct slice source = conn->host->capture_source;
    if (source.len)
        dissect_set_text(entry, FIELD_CAPTURE_SOURCE_ID, source);
    if (slice_eq_str(source, "af_packet"))
        dissect_set_str(entry, FIELD_CAPTURE_BACKEND_ID, "tpacket_v3");
}

static void set_context(struct dissect_conn *conn, struct dissect_entry *entry)
{
    set_addresses(conn, entry);
    if (conn->node.len)
        dissect_set_text(entry, FIELD_NODE_NAME_ID, conn->node);
    set_source(conn, entry);
    dissect_set_str(entry, FIELD_CONN_ID_ID, conn->conn_id);
    dissect_set_str(entry, FIELD_FLOW_ID_ID, conn->flow_id);
    if (conn->tls)
        dissect_set_bool(entry, FIELD_TLS_ID, true);
    const struct dissect_conn *root = root_of(conn);
    if (root->before.opening)
        dissect_set_bool(entry, FIELD_FROM_OPENING_ID, true);
    if (root->before.lead_in)
        dissect_set_bool(entry, FIELD_FROM_LEAD_IN_ID, true);
    if (root->vantage_count)
        dissect_set_list(entry, FIELD_SEEN_AT_ID, root->vantages, root->vantage_count);
    dissect_set_list(entry, FIELD_IPS_ID, root->ips, root->ip_count);
    if (conn->transport != DISSECT_ICMP)
        dissect_set_int_list(entry, FIELD_PORTS_ID, root->ports, root->port_count);
    dissect_set_int(entry, FIELD_STREAM_ID, (int64_t)root->first_number);
    /* What speaks of the whole conversation shows its first datagram. */
    const struct dissect_packet *packet =
        conn->mode == CONN_CLOSED ? &root->first_packet : &entry->packet;
    if (root->transport == DISSECT_UDP && packet->length) {
        dissect_set_int(entry, FIELD_UDP_LENGTH_ID, packet->length);
        dissect_set_int(entry, FIELD_UDP_CHECKSUM_ID, packet->checksum);
    }
    if (!has_value(entry, FIELD_STATUS_ID))
        dissect_set_str(entry, FIELD_STATUS_ID, "ok");
    if (!has_value(entry, FIELD_INCOMPLETE_ID))
        dissect_set_bool(entry, FIELD_INCOMPLETE_ID, false);
}

static int64_t elapsed_us(int64_t from_ns, int64_t to_ns)
{
    return to_ns > from_ns ? (int64_t)(((uint64_t)to_ns - (uint64_t)from_ns) / 1000) : 0;
}

static void set_spans(struct dissect_entry *entry)
{
    const struct dissect_span *request = &entry->request, *response = &entry->response;
    if (request->bytes)
        dissect_set_int(entry, FIELD_REQUEST_SIZE_ID, (int64_t)request->bytes);
    if (response->bytes)
        dissect_set_int(entry, FIELD_RESPONSE_SIZE_ID, (int64_t)response->bytes);
    if (!has_value(entry, FIELD_GAP_BYTES_ID))
        dissect_set_int(entry, FIELD_GAP_BYTES_ID,
                        (int64_t)(request->gap_bytes + response->gap_bytes));
    if (!request->bytes || !response->bytes)
        return;
    if (!has_value(entry, FIELD_ELAPSED_TIME_ID))
        dissect_set_int(entry, FIELD_ELAPSED_TIME_ID,
                        elapsed_us(request->first_ns, response->last_ns));
    if (!has_value(entry, FIELD_TIME_TO_RESPONSE_US_ID))
        dissect_set_int(entry, FIELD_TIME_TO_RESPONSE_US_ID,
                        elapsed_us(request->last_ns, response->first_ns));
}

static void set_nonzero(struct dissect_entry *entry, field_id field, uint64_t value)
{
    if (value)
        dissect_set_int(entry, field, (int64_t)value);
}

/* What happened on the connection while the call was open. */
static void set_health(const struct dissect_conn *conn, struct dissect_entry *entry)
{
    const struct flow_health_counts *to = conn_health(conn), *from = &entry->health;
    set_nonzero(entry, FIELD_TCP_RETRANSMISSIONS_ID, to->retransmissions - from->retransmissions);
    set_nonzero(entry, FIELD_TCP_FAST_RETRANSMISSIONS_ID,
                to->fast_retransmissions - from->fast_retransmissions);
    set_nonzero(entry, FIELD_TCP_OUT_OF_ORDER_ID, to->out_of_order - from->out_of_order);
    set_nonzero(entry, FIELD_TCP_DUPLICATE_ACKS_ID, to->duplicate_acks - from->duplicate_acks);
    set_nonzero(entry, FIELD_TCP_ZERO_WINDOWS_ID, to->zero_windows - from->zero_windows);
    set_nonzero(entry, FIELD_TCP_RESETS_ID, to->resets - from->resets);
    set_nonzero(entry, FIELD_TCP_MISSING_SEGMENTS_ID,
                to->missing_segments - from->missing_segments);
    uint32_t samples = to->rtt_count - from->rtt_count;
    if (samples)
        dissect_set_int(entry, FIELD_TCP_RTT_AVG_US_ID,
                        (int64_t)((to->rtt_sum_us - from->rtt_sum_us) / samples));
    const struct dissect_span *request = &entry->request, *response = &entry->response;
    set_nonzero(entry, FIELD_TCP_GOODPUT_BYTES_ID, request->bytes + response->bytes);
    if (request->bytes && response->bytes)
        dissect_set_int(entry, FIELD_TCP_TIME_TO_FIRST_BYTE_US_ID,
                        elapsed_us(request->first_ns, response->first_ns));
}

static enum entry_transport transport_of(const struct dissect_conn *conn)
{
    switch (conn->transport) {
    case DISSECT_TCP:
        return ENTRY_TRANSPORT_TCP;
    case DISSECT_UDP:
        return ENTRY_TRANSPORT_UDP;
    case DISSECT_ICMP:
    case DISSECT_SCTP:
    case DISSECT_SCTP_PACKETS:
        break;
    }
    return ENTRY_TRANSPORT_NONE;
}

/* The summary is a line for people: bytes that are no text stand in it as \xNN. */
static void make_summary_readable(struct dissect_entry *entry)
{
    for (uint32_t i = 0; i < entry->count; i++) {
        struct entry_value *value = &entry->values[i];
        if (value->field != FIELD_SUMMARY_ID || text_is_utf8(value->text))
            continue;
        size_t size = value->text.len * 4 + 8;
        char *line = arena_alloc(&entry->arena, size);
        value->text = line ? slice_str(text_escape(value->text, line, size)) : SLICE_NONE;
    }
}

/* Something of the entry, or of what stood before it, may not be there for want of memory. False
 * when there is not even room to say so. */
static bool is_presentable(struct dissect_conn *conn, struct dissect_entry *entry)
{
    bool lacks_memory = false;
    for (const struct dissect_conn *c = conn; c; c = c->outer)
        lacks_memory |= conn_lacks_memory(c);
    if (lacks_memory)
        dissect_set_bool(entry, FIELD_INCOMPLETE_ID, true);
    return !lacks_memory || has_value(entry, FIELD_INCOMPLETE_ID);
}

/* The span that an entry's time and id come from. */
static const struct dissect_span *first_span(const struct dissect_conn *conn,
                                             const struct dissect_entry *entry, uint8_t *ret_side)
{
    bool lone_response = entry->request.bytes == 0 && entry->response.bytes != 0;
    *ret_side = conn->client_side ^ (uint8_t)(lone_response != entry->reversed);
    return lone_response ? &entry->response : &entry->request;
}

void dissect_body_piece(struct dissect_conn *conn, struct dissect_entry *entry, bool of_request,
                        struct slice piece)
{
    struct body_tap *tap = conn->host->tap;
    if (!tap || tap->result || tap->of_request != of_request || piece.len == 0)
        return;
    uint8_t side;
    char id[ENTRY_ID_TEXT_SIZE];
    const struct dissect_span *first = first_span(conn, entry, &side);
    struct entry key = {.timestamp_ns = first->first_ns,
                        .id_hash = conn_id_hash(conn, tap->protocol, side, first->first_sequence)};
    if (first->bytes == 0 || strcmp(entry_id_text(&key, id), tap->id) != 0)
        return;
    tap->result = tap->write(tap->ctx, piece.data, piece.len);
    if (!tap->result)
        tap->bytes += piece.len;
}

/* All its bytes are of before the window. */
static bool is_outside(const struct dissect_conn *conn, const struct dissect_entry *entry)
{
    conn = root_of(conn);
    const struct dissect_span *request = &entry->request, *response = &entry->response;
    if (conn->outside)
        return true;
    if (!conn->window_ns || (!request->bytes && !response->bytes))
        return false;
    return (!request->bytes || request->last_ns < conn->window_ns) &&
           (!response->bytes || response->last_ns < conn->window_ns);
}

void dissect_entry_emit(struct dissect_conn *conn, struct dissect_entry *entry)
{
    if (is_outside(conn, entry)) {
        dissect_entry_drop(conn, entry);
        return;
    }
    set_context(conn, entry);
    make_summary_readable(entry);
    set_spans(entry);
    if (conn->health && conn->mode != CONN_CLOSED) /* else it speaks of the whole connection */
        set_health(conn, entry);
    if (!is_presentable(conn, entry)) {
        conn->host->entries_lost++;
        dissect_entry_drop(conn, entry);
        return;
    }
    uint8_t side;
    const struct dissect_span *first = first_span(conn, entry, &side);
    bool has_bytes = first->bytes != 0;
    struct entry out = {
        .timestamp_ns = has_bytes         ? first->first_ns
                        : conn->window_ns ? conn->window_ns
                                          : conn->first_ns,
        .order_group = conn->id_hash,
        /* Offsets of the two directions cannot be compared. */
        .order = has_bytes ? first->first_offset | (uint64_t)(side != conn->client_side) << 63 : 0,
        .protocol = entry->protocol,
        .transport = transport_of(conn),
        .request = {entry->request.refs, entry->request.ref_count, entry->request.refs_truncated},
        .response = {entry->response.refs, entry->response.ref_count,
                     entry->response.refs_truncated},
        .values = entry->values,
        .value_count = entry->count};
    out.id_hash = conn_id_hash(conn, entry->protocol, has_bytes ? side : conn->first_side,
                               has_bytes ? first->first_sequence : conn->first_seq);
    conn->host->entries++;
    conn->host->emit(conn->host->ctx, &out);
    dissect_entry_drop(conn, entry);
}
