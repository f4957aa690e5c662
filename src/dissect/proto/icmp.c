/* ICMP (RFC 792, RFC 950, RFC 1256, RFC 1812) and ICMPv6 (RFC 4443, RFC 4861, RFC 3810): a query
 * with its reply by identifier and sequence number, or one message. An error message names the
 * packet it speaks of: addresses and ports of the original are in its summary and fields. */
#include <arpa/inet.h>

#include "dissect/dissector.h"

enum {
    MAX_PENDING = 64,  /* queries waiting for their reply */
    MAX_ANSWERED = 16, /* remembered, so that a reply that comes twice is known as such */
    PAIR_BYTES = 8,    /* type, code, checksum, identifier, sequence number */
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_SCTP = 132
};

#define REPLY_WAIT_NS (INT64_C(30) * 1000000000)

enum row {
    ROW_TYPE,
    ROW_CODE,
    ROW_VERSION,
    ROW_LENGTH,
    ROW_ORIGINAL_PROTOCOL,
    ROW_ORIGINAL_SRC,
    ROW_ORIGINAL_DST
};

static const struct field_def rows[] = {
    [ROW_TYPE] = {"icmp_type", FIELD_INT, FIELD_GUARD_ZERO, 0, "type of the message or the query",
                  "icmp && icmp_type == 3"},
    [ROW_CODE] = {"icmp_code", FIELD_INT, FIELD_GUARD_ZERO, 0, "code of the message or the query",
                  "icmp_type == 3 && icmp_code == 1"},
    [ROW_VERSION] = {"icmp_version", FIELD_INT, 0, 0, "4 for ICMP, 6 for ICMPv6",
                     "icmp_version == 6"},
    [ROW_LENGTH] = {"icmp_length", FIELD_INT, 0, 0, "bytes of the message, its header included",
                    "icmp_length > 1000"},
    [ROW_ORIGINAL_PROTOCOL] = {"icmp_original_protocol", FIELD_TEXT, 0, 0,
                               "protocol of the packet that an error speaks of",
                               "icmp_original_protocol == \"UDP\""},
    [ROW_ORIGINAL_SRC] = {"icmp_original_src", FIELD_TEXT, 0, 0,
                          "where the packet came from that an error speaks of",
                          "icmp_original_src.startsWith(\"10.0.0.7\")"},
    [ROW_ORIGINAL_DST] = {"icmp_original_dst", FIELD_TEXT, 0, 0,
                          "where the packet went that an error speaks of",
                          "icmp_original_dst == \"10.0.0.2:53\""},
};

struct type_def {
    uint8_t type;
    uint8_t reply; /* of a query; 0 = none (an echo reply of ICMP is 0: see is_reply_to) */
    bool is_query, is_reply;
    bool is_error; /* holds the packet it speaks of, behind 8 bytes */
    const char *name;
};

static const struct type_def types_v4[] = {
    {0, 0, false, true, false, "Echo reply"},
    {3, 0, false, false, true, "Destination unreachable"},
    {4, 0, false, false, true, "Source quench"},
    {5, 0, false, false, true, "Redirect"},
    {8, 0, true, false, false, "Echo request"},
    {9, 0, false, false, false, "Router advertisement"},
    {10, 0, false, false, false, "Router solicitation"},
    {11, 0, false, false, true, "Time exceeded"},
    {12, 0, false, false, true, "Parameter problem"},
    {13, 14, true, false, false, "Timestamp request"},
    {14, 0, false, true, false, "Timestamp reply"},
    {15, 16, true, false, false, "Information request"},
    {16, 0, false, true, false, "Information reply"},
    {17, 18, true, false, false, "Address mask request"},
    {18, 0, false, true, false, "Address mask reply"},
    {0, 0, false, false, false, NULL},
};

static const struct type_def types_v6[] = {
    {1, 0, false, false, true, "Destination unreachable"},
    {2, 0, false, false, true, "Packet too big"},
    {3, 0, false, false, true, "Time exceeded"},
    {4, 0, false, false, true, "Parameter problem"},
    {128, 129, true, false, false, "Echo request"},
    {129, 0, false, true, false, "Echo reply"},
    {130, 0, false, false, false, "Multicast listener query"},
    {131, 0, false, false, false, "Multicast listener report"},
    {132, 0, false, false, false, "Multicast listener done"},
    {133, 0, false, false, false, "Router solicitation"},
    {134, 0, false, false, false, "Router advertisement"},
    {135, 0, false, false, false, "Neighbor solicitation"},
    {136, 0, false, false, false, "Neighbor advertisement"},
    {137, 0, false, false, false, "Redirect"},
    {143, 0, false, false, false, "Multicast listener report"},
    {0, 0, false, false, false, NULL},
};

static const struct type_def *find_type(uint8_t version, uint8_t type)
{
    const struct type_def *list = version == 6 ? types_v6 : types_v4;
    while (list->name && list->type != type)
        list++;
    return list->name ? list : NULL;
}

static const char *const unreachable_v4[] = {
    "network",
    "host",
    "protocol",
    "port",
    "fragmentation needed",
    "source route failed",
    "network unknown",
    "host unknown",
    "source isolated",
    "network prohibited",
    "host prohibited",
    "network for this service",
    "host for this service",
    "communication prohibited",
    "host precedence",
    "precedence cutoff",
};
static const char *const unreachable_v6[] = {
    "no route",      "communication prohibited", "beyond scope", "address", "port", "source policy",
    "route rejected"};

static const char *code_name(uint8_t version, uint8_t type, uint8_t code)
{
    if (version == 4 && type == 3)
        return code < sizeof unreachable_v4 / sizeof unreachable_v4[0] ? unreachable_v4[code]
                                                                       : NULL;
    if (version == 6 && type == 1)
        return code < sizeof unreachable_v6 / sizeof unreachable_v6[0] ? unreachable_v6[code]
                                                                       : NULL;
    if (type == (version == 6 ? 3 : 11))
        return code == 0 ? "hop limit" : code == 1 ? "fragment reassembly" : NULL;
    return NULL;
}

struct query {
    struct dissect_entry *entry; /* NULL: free */
    uint8_t reply_type;
    uint16_t id, sequence;
    enum dissect_dir dir;
    struct slice summary;
};

struct icmp_state {
    struct query pending[MAX_PENDING];
    uint32_t next; /* the oldest one, or a free one */
    struct query answered[MAX_ANSWERED];
    uint32_t next_answered;
};

struct message {
    uint8_t version, type, code;
    const struct type_def *def; /* NULL: unknown type */
    uint16_t id, sequence;
    bool has_id;
    struct slice bytes;
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool read_message(const struct dissect_conn *conn, struct slice bytes, struct message *m)
{
    if (bytes.len < 4)
        return false;
    uint8_t version = dissect_tuple(conn)->ip_version;
    *m = (struct message){.version = version,
                          .type = bytes.data[0],
                          .code = bytes.data[1],
                          .def = find_type(version, bytes.data[0]),
                          .bytes = bytes};
    if (m->def && (m->def->is_query || m->def->is_reply) && bytes.len >= PAIR_BYTES) {
        m->has_id = true;
        m->id = be16(bytes.data + 4);
        m->sequence = be16(bytes.data + 6);
    }
    return true;
}

/* ── the packet inside an error ── */

struct original {
    const char *protocol;
    struct slice src, dst;
};

static struct slice end_text(struct arena *arena, int family, const uint8_t *ip,
                             const uint8_t *port)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, ip, text, sizeof text);
    if (!port)
        return arena_printf(arena, "%s", text);
    return arena_printf(arena, family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, be16(port));
}

static bool read_original(struct arena *arena, const struct message *m, struct original *ret)
{
    struct slice ip = slice_sub(m->bytes, PAIR_BYTES, SIZE_MAX);
    size_t fixed = m->version == 6 ? IPV6_BYTES : IPV4_BYTES;
    if (ip.len < fixed || ip.data[0] >> 4 != m->version)
        return false;
    size_t header = m->version == 6 ? IPV6_BYTES : (ip.data[0] & 15U) * 4;
    uint8_t protocol = m->version == 6 ? ip.data[6] : ip.data[9];
    bool first = m->version == 6 || (be16(ip.data + 6) & 0x1fff) == 0;
    bool has_ports =
        protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
    const uint8_t *ports = NULL;
    if (has_ports && first && header >= fixed && ip.len >= header + 4)
        ports = ip.data + header;
    int family = m->version == 6 ? AF_INET6 : AF_INET;
    const uint8_t *addresses = ip.data + (m->version == 6 ? 8 : 12);
    size_t address_bytes = m->version == 6 ? 16 : 4;
    ret->src = end_text(arena, family, addresses, ports);
    ret->dst = end_text(arena, family, addresses + address_bytes, ports ? ports + 2 : NULL);
    ret->protocol = protocol == PROTOCOL_TCP          ? "TCP"
                    : protocol == PROTOCOL_UDP        ? "UDP"
                    : protocol == PROTOCOL_SCTP       ? "SCTP"
                    : protocol == 1 || protocol == 58 ? "ICMP"
                                                      : "IP";
    return true;
}

/* ── entries ── */

static struct slice describe(struct arena *arena, const struct message *m)
{
    if (!m->def)
        return arena_printf(arena, "%s type %u code %u", m->version == 6 ? "ICMPv6" : "ICMP",
                            m->type, m->code);
    if (m->has_id)
        return arena_printf(arena, "%s id %u seq %u", m->def->name, m->id, m->sequence);
    const char *why = code_name(m->version, m->type, m->code);
    if (why)
        return arena_printf(arena, "%s (%s)", m->def->name, why);
    return arena_printf(arena, m->code ? "%s code %u" : "%s", m->def->name, m->code);
}

static void set_original(struct dissect_entry *entry, const struct message *m, struct slice *text)
{
    struct arena *arena = dissect_entry_arena(entry);
    struct original original;
    if (!read_original(arena, m, &original))
        return;
    dissect_set_str(entry, OWN_FIELD(ROW_ORIGINAL_PROTOCOL), original.protocol);
    dissect_set_text(entry, OWN_FIELD(ROW_ORIGINAL_SRC), original.src);
    dissect_set_text(entry, OWN_FIELD(ROW_ORIGINAL_DST), original.dst);
    *text = arena_printf(arena, "%.*s: %s %.*s → %.*s", SLICE_ARGS(*text), original.protocol,
                         SLICE_ARGS(original.src), SLICE_ARGS(original.dst));
}

/* An entry whose request is the message in hand, from whichever side. */
static struct dissect_entry *begin(struct dissect_conn *conn, struct dissect_stream *stream,
                                   const struct message *m, struct slice *ret_summary)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    if (!entry)
        return NULL;
    struct arena *arena = dissect_entry_arena(entry);
    if (stream->dir == DIR_SERVER)
        dissect_entry_reverse(entry);
    dissect_set_int(entry, OWN_FIELD(ROW_TYPE), m->type);
    dissect_set_int(entry, OWN_FIELD(ROW_CODE), m->code);
    dissect_set_int(entry, OWN_FIELD(ROW_VERSION), m->version);
    dissect_set_int(entry, OWN_FIELD(ROW_LENGTH), dissect_packet(conn)->length);
    *ret_summary = describe(arena, m);
    if (m->def && m->def->is_error)
        set_original(entry, m, ret_summary);
    dissect_take(conn, stream, arena, dissect_entry_request(entry), stream->len);
    return entry;
}

static void emit(struct dissect_conn *conn, struct dissect_entry *entry, struct slice summary,
                 const char *status, const char *reason)
{
    dissect_set_text(entry, FIELD_SUMMARY_ID, summary);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}

static void give_up(struct dissect_conn *conn, struct query *query, const char *status,
                    const char *reason)
{
    if (query->entry)
        emit(conn, query->entry, query->summary, status, reason);
    query->entry = NULL;
}

static void take_query(struct dissect_conn *conn, struct icmp_state *state,
                       struct dissect_stream *stream, const struct message *m)
{
    struct query *query = &state->pending[state->next];
    state->next = (state->next + 1) % MAX_PENDING;
    give_up(conn, query, "no_response", "timeout");
    enum dissect_dir dir = stream->dir;
    struct slice summary = SLICE_NONE;
    struct dissect_entry *entry = begin(conn, stream, m, &summary);
    *query = (struct query){.entry = entry,
                            .reply_type = m->def->reply,
                            .id = m->id,
                            .sequence = m->sequence,
                            .dir = dir,
                            .summary = summary};
}

static bool is_reply_to(const struct query *query, const struct message *m, enum dissect_dir dir)
{
    return query->dir != dir && query->reply_type == m->type && query->id == m->id &&
           query->sequence == m->sequence;
}

/* The latest query that this message answers. */
static struct query *find_query(struct icmp_state *state, const struct message *m,
                                enum dissect_dir dir)
{
    for (uint32_t i = 1; i <= MAX_PENDING; i++) {
        struct query *query = &state->pending[(state->next + MAX_PENDING - i) % MAX_PENDING];
        if (query->entry && is_reply_to(query, m, dir))
            return query;
    }
    return NULL;
}

static bool was_answered(const struct icmp_state *state, const struct message *m,
                         enum dissect_dir dir)
{
    for (uint32_t i = 0; i < MAX_ANSWERED; i++)
        if (state->answered[i].summary.len && is_reply_to(&state->answered[i], m, dir))
            return true;
    return false;
}

static bool take_reply(struct dissect_conn *conn, struct icmp_state *state,
                       struct dissect_stream *stream, const struct message *m)
{
    struct query *query = find_query(state, m, stream->dir);
    if (!query)
        return false;
    struct dissect_entry *entry = query->entry;
    struct arena *arena = dissect_entry_arena(entry);
    dissect_take(conn, stream, arena, dissect_entry_response(entry), stream->len);
    state->answered[state->next_answered] = *query;
    state->answered[state->next_answered].summary = slice_str("answered");
    state->next_answered = (state->next_answered + 1) % MAX_ANSWERED;
    query->entry = NULL;
    emit(conn, entry, arena_printf(arena, "%.*s → reply", SLICE_ARGS(query->summary)), "ok", NULL);
    return true;
}

/* Queries that have waited long enough; they stand in order of their times. */
static void expire(struct dissect_conn *conn, struct icmp_state *state)
{
    for (uint32_t i = 0; i < MAX_PENDING; i++) {
        struct query *query = &state->pending[(state->next + i) % MAX_PENDING];
        if (!query->entry)
            continue;
        if (dissect_now_ns(conn) - dissect_entry_request(query->entry)->last_ns <= REPLY_WAIT_NS)
            return;
        give_up(conn, query, "no_response", "timeout");
    }
}

static enum probe_result icmp_probe(const struct probe_input *in)
{
    return in->client.len >= 4 || in->server.len >= 4 ? PROBE_YES : PROBE_NO;
}

static enum dissect_result icmp_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct icmp_state *state = opaque;
    struct message m;
    expire(conn, state);
    if (!read_message(conn, slice_of(stream->data, stream->len), &m))
        return DISSECT_NOT_MINE;
    if (m.has_id && m.def->is_query) {
        take_query(conn, state, stream, &m);
        return DISSECT_OK;
    }
    enum dissect_dir dir = stream->dir;
    if (m.has_id && m.def->is_reply && take_reply(conn, state, stream, &m))
        return DISSECT_OK;
    struct slice summary;
    struct dissect_entry *entry = begin(conn, stream, &m, &summary);
    if (!entry)
        return DISSECT_BAD;
    bool lone_reply = m.has_id && m.def->is_reply;
    if (lone_reply && was_answered(state, &m, dir))
        emit(conn, entry,
             arena_printf(dissect_entry_arena(entry), "%.*s (again)", SLICE_ARGS(summary)), "ok",
             NULL);
    else if (lone_reply)
        emit(conn, entry, summary, "incomplete", "window_start");
    else
        emit(conn, entry, summary, m.def && m.def->is_error ? "error" : "ok", NULL);
    return DISSECT_OK;
}

static void icmp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct icmp_state *state = opaque;
    for (uint32_t i = 0; i < MAX_PENDING; i++) {
        struct query *query = &state->pending[(state->next + i) % MAX_PENDING];
        if (end == END_OF_DATA)
            give_up(conn, query, "open", NULL);
        else
            give_up(conn, query, "no_response", "timeout");
    }
}

const struct dissector dissector_icmp = {.name = "icmp",
                                         .spec = "RFC 792, RFC 4443, RFC 4861",
                                         .transports = DISSECT_ICMP,
                                         .fields = rows,
                                         .field_count = sizeof rows / sizeof rows[0],
                                         .state_bytes = sizeof(struct icmp_state),
                                         .probe = icmp_probe,
                                         .data = icmp_data,
                                         .close = icmp_close};
