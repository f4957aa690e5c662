#include "dissect/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dissect/registry.h"

enum {
    CHARGE_STEP_BYTES = 4096
};

/* ── identity ── */

static int compare_ends(const struct dissect_tuple *t)
{
    int c = memcmp(t->client_ip, t->server_ip, sizeof t->client_ip);
    return c ? c : (t->client_port > t->server_port) - (t->client_port < t->server_port);
}

uint64_t conn_id_hash(const struct dissect_conn *conn, const char *protocol, uint8_t side,
                      uint32_t sequence)
{
    const struct dissect_tuple *t = &conn->tuple;
    bool client_first = compare_ends(t) <= 0;
    bool from_client = side == conn->client_side;
    uint8_t bytes[96];
    size_t n = 0;
    size_t name_len = strlen(protocol);
    if (name_len > 40)
        name_len = 40;
    memcpy(bytes, protocol, name_len);
    n += name_len;
    bytes[n++] = (uint8_t)conn->transport;
    bytes[n++] = t->ip_version;
    bytes[n++] = client_first == from_client;
    memcpy(bytes + n, client_first ? t->client_ip : t->server_ip, 16);
    memcpy(bytes + n + 16, client_first ? t->server_ip : t->client_ip, 16);
    n += 32;
    uint16_t low = client_first ? t->client_port : t->server_port;
    uint16_t high = client_first ? t->server_port : t->client_port;
    bytes[n++] = (uint8_t)(low >> 8);
    bytes[n++] = (uint8_t)low;
    bytes[n++] = (uint8_t)(high >> 8);
    bytes[n++] = (uint8_t)high;
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes[n++] = (uint8_t)(sequence >> shift);
    return hash_bytes(hash_fixed_key, bytes, n);
}

void conn_name_sides(struct dissect_conn *conn)
{
    int family = conn->tuple.ip_version == 6 ? AF_INET6 : AF_INET;
    inet_ntop(family, conn->tuple.client_ip, conn->client_ip, sizeof conn->client_ip);
    inet_ntop(family, conn->tuple.server_ip, conn->server_ip, sizeof conn->server_ip);
    conn->ips[0] = slice_str(conn->client_ip);
    conn->ips[1] = slice_str(conn->server_ip);
    if (conn->ip_count < 2)
        conn->ip_count = conn->port_count = 2;
    conn->ports[0] = conn->tuple.client_port;
    conn->ports[1] = conn->tuple.server_port;
}

static void add_port(struct dissect_conn *conn, uint16_t port)
{
    for (uint8_t i = 0; i < conn->port_count; i++)
        if (conn->ports[i] == port)
            return;
    if (conn->port_count < CONN_MAX_ADDRESSES)
        conn->ports[conn->port_count++] = port;
}

void dissect_conn_address(struct dissect_conn *conn, uint8_t ip_version, const uint8_t ip[16],
                          uint16_t port)
{
    add_port(conn, port);
    if (conn->ip_count == CONN_MAX_ADDRESSES)
        return;
    char *text = conn->more_ips[conn->ip_count - 2];
    if (!inet_ntop(ip_version == 6 ? AF_INET6 : AF_INET, ip, text, sizeof conn->more_ips[0]))
        return;
    for (uint8_t i = 0; i < conn->ip_count; i++)
        if (slice_eq_str(conn->ips[i], text))
            return;
    conn->ips[conn->ip_count++] = slice_str(text);
}

static void name_conn(struct dissect_conn *conn, uint8_t first_side, uint32_t sequence)
{
    static const struct {
        enum dissect_transport transport;
        const char *flow, *conn;
    } names[] = {{DISSECT_TCP, "tcp_flow", "tcp_conn"},
                 {DISSECT_UDP, "udp_flow", "udp_conn"},
                 {DISSECT_ICMP, "icmp_flow", "icmp_conn"},
                 {DISSECT_SCTP_PACKETS, "sctp_flow", "sctp_conn"}};
    size_t i = 0;
    while (i + 1 < sizeof names / sizeof names[0] && names[i].transport != conn->transport)
        i++;
    struct entry entry = {.timestamp_ns = conn->first_ns};
    entry.id_hash = conn_id_hash(conn, names[i].flow, first_side, sequence);
    entry_id_text(&entry, conn->flow_id);
    entry.id_hash = conn_id_hash(conn, names[i].conn, first_side, sequence);
    entry_id_text(&entry, conn->conn_id);
    conn->id_hash = entry.id_hash;
    conn->first_seq = sequence;
    conn->first_side = first_side;
}

struct dissect_conn *dissect_conn_new(struct dissect_host *host, const struct conn_spec *spec)
{
    struct dissect_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        memory_failed();
        return NULL;
    }
    uint8_t client = spec->client_side, server = client ^ 1;
    conn->host = host;
    conn->transport = spec->transport;
    conn->client_side = client;
    conn->late_join = spec->late_join;
    conn->outside = spec->outside;
    conn->tuple.ip_version = spec->ip_version;
    memcpy(conn->tuple.client_ip, spec->ip[client], 16);
    memcpy(conn->tuple.server_ip, spec->ip[server], 16);
    conn->tuple.client_port = spec->port[client];
    conn->tuple.server_port = spec->port[server];
    conn->first_ns = conn->now_ns = spec->first_ns;
    conn->first_number = spec->first_number;
    conn->node = spec->node;
    conn->dissector = conn->switch_to = -1;
    conn->last_side = 2;
    arena_init(&conn->arena, CONN_ARENA_CAP);
    for (int i = 0; i < 2; i++) {
        struct conn_side *side = &conn->side[i];
        buf_init(&side->pending, DISSECT_PENDING_CAP + 2 * 1024 * 1024);
        side->base_seq = spec->base_seq[i];
        side->limit = UINT64_MAX;
        side->marks = side->inline_marks;
        side->mark_cap = sizeof side->inline_marks / sizeof side->inline_marks[0];
    }
    conn_name_sides(conn);
    name_conn(conn, spec->first_side, spec->base_seq[spec->first_side & 1]);
    conn->charged_bytes = sizeof *conn;
    host->memory_bytes += conn->charged_bytes;
    return conn;
}

void dissect_conn_free(struct dissect_conn *conn)
{
    if (!conn)
        return;
    conn_close_layers(conn, END_OF_DATA);
    conn_drop_entries(conn);
    conn->host->memory_bytes -= conn->charged_bytes;
    for (int i = 0; i < 2; i++) {
        buf_done(&conn->side[i].pending);
        if (conn->side[i].marks != conn->side[i].inline_marks)
            free(conn->side[i].marks);
        free(conn->side[i].refs);
    }
    arena_done(&conn->arena);
    free(conn->payload);
    free(conn);
}

static void charge(struct dissect_conn *conn)
{
    size_t held = sizeof *conn + (conn->payload ? CONN_PAYLOAD_BYTES : 0) + conn->arena.used_bytes +
                  conn_entries_bytes(conn);
    for (int i = 0; i < 2; i++)
        held += conn->side[i].pending.cap + conn->side[i].mark_cap * sizeof(struct conn_mark) +
                conn->side[i].ref_cap * sizeof(struct packet_ref);
    conn->host->memory_bytes += held - conn->charged_bytes;
    conn->charged_bytes = held;
    conn->uncharged_bytes = 0;
}

void dissect_conn_enter_window(struct dissect_conn *conn, int64_t at_ns, uint64_t number,
                               struct conn_before before)
{
    conn->first_number = number;
    conn->outside = false;
    conn->window_ns = at_ns;
    conn->before = before;
    conn->vantage_count = 0;
    conn->first_packet = (struct dissect_packet){0};
}

void dissect_conn_vantage(struct dissect_conn *conn, struct slice name)
{
    for (uint32_t i = 0; i < conn->vantage_count; i++)
        if (slice_eq(conn->vantages[i], name))
            return;
    if (conn->vantage_count < CONN_MAX_VANTAGES)
        conn->vantages[conn->vantage_count++] = name;
}

/* ── what dissectors ask ── */

const struct dissector *conn_dissector(const struct dissect_conn *conn)
{
    return registry_at((size_t)conn->dissector);
}

enum dissect_dir conn_dir(const struct dissect_conn *conn, uint8_t side)
{
    return side == conn->client_side ? DIR_CLIENT : DIR_SERVER;
}

const struct dissect_tuple *dissect_tuple(const struct dissect_conn *conn)
{
    return &conn->tuple;
}

bool dissect_is_tls(const struct dissect_conn *conn)
{
    return conn->tls;
}

bool dissect_is_late_join(const struct dissect_conn *conn)
{
    return conn->late_join;
}

struct arena *dissect_arena(struct dissect_conn *conn)
{
    return &conn->arena;
}

int64_t dissect_now_ns(const struct dissect_conn *conn)
{
    return conn->now_ns;
}

void dissect_swap_sides(struct dissect_conn *conn)
{
    if (!conn->sides_fixed)
        conn->swap_wanted = true;
}

bool dissect_hold(struct dissect_conn *conn)
{
    conn->holding = conn->late_join && !conn->sides_fixed;
    return conn->holding;
}

void dissect_release(struct dissect_conn *conn, bool swap)
{
    if (swap)
        dissect_swap_sides(conn);
    conn->release_wanted = conn->holding;
    conn->holding = false;
}

void dissect_switch_with(struct dissect_conn *conn, const char *dissector_name, struct slice params)
{
    conn->switch_to = dissector_name ? registry_find(slice_str(dissector_name)) : -1;
    if (conn->switch_to >= 0 && !(conn->host->mask >> conn->switch_to & 1))
        conn->switch_to = -1;
    conn->switch_params = params.len ? arena_dup(&conn->arena, params) : SLICE_NONE;
    conn->switch_wanted = true;
}

void dissect_switch(struct dissect_conn *conn, const char *dissector_name)
{
    dissect_switch_with(conn, dissector_name, SLICE_NONE);
}

struct slice dissect_params(const struct dissect_conn *conn)
{
    return conn->params;
}

const struct dissect_packet *dissect_packet(const struct dissect_conn *conn)
{
    return &conn->packet;
}

const struct dissect_message *dissect_message(const struct dissect_conn *conn)
{
    return &conn->message;
}

bool dissect_secret(const struct dissect_conn *conn, const char *label, struct slice client_random,
                    struct slice *ret_secret)
{
    const struct dissect_host *host = conn->host;
    return host->keys && key_store_find(host->keys, host->keys_visible, slice_str(label),
                                        client_random, ret_secret);
}

/* ── want of memory ── */

void conn_begin_work(struct dissect_conn *conn)
{
    conn->failures_seen = memory_failures();
}

bool conn_lacks_memory(const struct dissect_conn *conn)
{
    return conn->lacks_memory || memory_failures() != conn->failures_seen;
}

static void give_up(struct dissect_conn *conn)
{
    conn->lacks_memory = true;
    conn->host->given_up++;
    if (conn->mode == CONN_DISSECTING)
        conn_close_dissector(conn, END_OF_DATA);
    if (conn->mode != CONN_CLOSED)
        conn->mode = CONN_UNKNOWN;
    conn->detections = CONN_MAX_DETECTIONS;
    conn->switch_wanted = conn->swap_wanted = false;
    conn_discard(conn, 0);
    conn_discard(conn, 1);
}

void conn_end_work(struct dissect_conn *conn)
{
    uint64_t before = conn->failures_seen;
    if (!conn->lacks_memory && conn_lacks_memory(conn))
        give_up(conn);
    conn->failures_seen = memory_failures();
    for (struct dissect_conn *outer = conn->outer; outer; outer = outer->outer)
        outer->failures_seen += conn->failures_seen - before;
}

void dissect_conn_give_up(struct dissect_conn *conn)
{
    conn_begin_work(conn);
    if (!conn->lacks_memory)
        give_up(conn);
    conn_end_work(conn);
}

/* ── what the flow stage brings ── */

/* Goes on until everything that can be read has been read. */
static void run(struct dissect_conn *conn, uint8_t index, bool final)
{
    if (conn->mode == CONN_DISSECTING)
        conn_pump(conn, index);
    while (conn->mode == CONN_DETECTING && conn_detect(conn, final))
        conn_replay(conn);
}

static void take_unknown(struct dissect_conn *conn, uint8_t index)
{
    /* After a late start or a hole the next change of direction is a likely start of a message. */
    bool turn = conn->last_side != index;
    if (turn && (conn->late_join || conn->had_gap) && conn->detections < CONN_MAX_DETECTIONS) {
        conn_discard(conn, index ^ 1);
        conn->excluded = 0;
        conn_detect_anew(conn);
        run(conn, index, false);
        return;
    }
    conn_discard(conn, index);
}

/* What nobody knows is shown by its first bytes, as many as there are however they were cut. */
static void add_to_payload(struct dissect_conn *conn, uint8_t index, struct slice bytes)
{
    const struct conn_side *side = &conn->side[index];
    uint64_t at = side->offset + (side->pending.len - side->start);
    if (index != conn->payload_side || at != conn->payload_len)
        return;
    size_t room = CONN_PAYLOAD_BYTES - conn->payload_len, n = bytes.len < room ? bytes.len : room;
    if (n)
        memcpy(conn->payload + conn->payload_len, bytes.data, n);
    conn->payload_len += (uint32_t)n;
}

static void take_bytes(struct dissect_conn *conn, const struct conn_packet *packet,
                       struct slice bytes)
{
    uint8_t index = packet->side;
    struct conn_side *side = &conn->side[index];
    conn->now_ns = packet->ref.ts_ns;
    /* The other side's bytes came first: a call that was put off must happen before these. */
    struct conn_side *other = &conn->side[index ^ 1];
    if (conn->mode == CONN_DISSECTING && other->retry_len > CONN_RETRY_FREE_BYTES)
        conn_call_side(conn, index ^ 1, true);
    conn_mark_add(conn, packet, bytes.len);
    if (conn->payload)
        add_to_payload(conn, index, bytes);
    if (!conn_join(conn, index, bytes)) {
        side->broken = true;
        side->offset += bytes.len;
        conn_discard(conn, index);
    }
    if (side->broken)
        conn_discard(conn, index);
    else if (conn->mode == CONN_UNKNOWN)
        take_unknown(conn, index);
    else
        run(conn, index, false);
    conn_health_note(conn);
    conn->last_side = index;
    conn_settle(conn, index);
    conn_settle(conn, index ^ 1);
    conn->uncharged_bytes += bytes.len;
    if (conn->uncharged_bytes >= CHARGE_STEP_BYTES)
        charge(conn);
}

void dissect_conn_bytes(struct dissect_conn *conn, const struct conn_packet *packet,
                        struct slice bytes)
{
    if (conn->mode == CONN_CLOSED || bytes.len == 0)
        return;
    conn_begin_work(conn);
    take_bytes(conn, packet, bytes);
    conn_end_work(conn);
}

static void take_datagram(struct dissect_conn *conn, const struct conn_packet *packet,
                          struct slice bytes)
{
    uint8_t index = packet->side;
    struct conn_side *side = &conn->side[index];
    conn->now_ns = packet->ref.ts_ns;
    if (conn->next_ordinal == 0)
        conn->first_packet = packet->info;
    conn->packet = packet->info;
    side->broken = false;
    side->retry_len = 0;
    /* No sequence numbers here: what the datagram says stands in for one in ids. */
    size_t sample = bytes.len < 64 ? bytes.len : 64;
    side->base_seq =
        (uint32_t)hash_bytes(hash_fixed_key, bytes.data, sample) - (uint32_t)side->offset;
    conn_mark_add(conn, packet, bytes.len);
    side->borrowed = bytes;
    if (conn->mode == CONN_UNKNOWN && conn->detections < CONN_MAX_DETECTIONS) {
        conn->excluded = 0;
        conn->mode = CONN_DETECTING;
    }
    run(conn, index, true);
    conn_discard(conn, index);
    conn->last_side = index;
    conn->uncharged_bytes += bytes.len;
    if (conn->uncharged_bytes >= CHARGE_STEP_BYTES)
        charge(conn);
}

void dissect_conn_datagram(struct dissect_conn *conn, const struct conn_packet *packet,
                           struct slice bytes)
{
    if (conn->mode == CONN_CLOSED || bytes.len == 0)
        return;
    conn_begin_work(conn);
    take_datagram(conn, packet, bytes);
    conn_end_work(conn);
}

/* Where begins what a gap here takes with it? Of a side of which nothing was seen yet, anywhere:
 * the other side's bytes do not wait for it. */
static uint32_t first_lost(const struct dissect_conn *conn, uint8_t index)
{
    const struct conn_side *side = &conn->side[index];
    if (side->mark_count)
        return conn_mark_at(side, 0)->ordinal;
    return side->offset == conn->detect_from[index] ? 0 : conn->next_ordinal;
}

static void take_gap(struct dissect_conn *conn, uint8_t index, uint64_t bytes)
{
    struct conn_side *side = &conn->side[index];
    if (conn->mode == CONN_DETECTING && conn_detect_before_gap(conn)) {
        conn_replay(conn);
        run(conn, index, false);
    }
    if (conn->mode == CONN_DISSECTING && side->retry_len > CONN_RETRY_FREE_BYTES)
        conn_call_side(conn, index, true);
    uint64_t lost = conn_view(side).len + bytes;
    uint32_t first = first_lost(conn, index);
    conn_discard(conn, index);
    side->offset += bytes;
    conn->had_gap = true;
    if (conn->mode == CONN_DISSECTING && conn_dissector(conn)->gap) {
        side->broken = false;
        conn_dissector(conn)->gap(conn, conn->state, conn_dir(conn, index), lost);
        if (conn->switch_wanted && !conn_lacks_memory(conn))
            conn_do_switch(conn);
        run(conn, index ^ 1, false);
        conn_settle(conn, index ^ 1);
    } else if (conn->mode == CONN_DISSECTING) {
        side->broken = true;
    } else {
        side->broken = false;
        side->lost_from = side->lost_bytes ? side->lost_from : first;
        side->lost_to = conn->next_ordinal;
        side->lost_bytes += lost;
        conn->probed[index] = 0;
        if (conn->mode == CONN_UNKNOWN)
            conn->last_side = 2;
    }
}

void dissect_conn_gap(struct dissect_conn *conn, uint8_t index, uint64_t bytes)
{
    if (conn->mode == CONN_CLOSED || bytes == 0)
        return;
    conn_begin_work(conn);
    take_gap(conn, index, bytes);
    conn_end_work(conn);
}

void dissect_conn_end_side(struct dissect_conn *conn, uint8_t index)
{
    struct conn_side *side = &conn->side[index];
    if (conn->mode == CONN_CLOSED || side->ended)
        return;
    conn_begin_work(conn);
    side->ended = true;
    conn->probed[index] = 0;
    run(conn, index, conn->side[0].ended && conn->side[1].ended);
    conn_end_layers(conn, index);
    conn_settle(conn, index);
    conn_settle(conn, index ^ 1);
    conn_end_work(conn);
}

void dissect_conn_close(struct dissect_conn *conn, enum dissect_end end)
{
    if (conn->mode == CONN_CLOSED)
        return;
    if (!conn_is_datagram(conn)) {
        uint8_t first = conn->client_side;
        bool cut = end == END_OF_DATA || end == END_TIMEOUT;
        conn->side[0].cut = cut && !conn->side[0].ended;
        conn->side[1].cut = cut && !conn->side[1].ended;
        dissect_conn_end_side(conn, first);
        dissect_conn_end_side(conn, first ^ 1);
    }
    conn_begin_work(conn);
    conn_close_layers(conn, end);
    if (conn->mode == CONN_DISSECTING)
        conn_close_dissector(conn, end);
    conn->mode = CONN_CLOSED;
    conn_end_work(conn);
    conn_drop_entries(conn);
    for (uint8_t i = 0; i < 2; i++) {
        conn_discard(conn, i);
        buf_done(&conn->side[i].pending);
    }
    arena_done(&conn->arena);
    charge(conn);
}
