/* DNS over UDP and TCP (RFC 1035, RFC 7766), EDNS (RFC 6891), UPDATE (RFC 2136), NOTIFY (RFC 1996),
 * zone transfers (RFC 5936, RFC 1995), multicast DNS (RFC 6762) and LLMNR (RFC 4795).
 *
 * A query waits for the response with its id and its questions; sent again it is counted, not
 * repeated. What is sent to a multicast group is an entry by itself: answers come on other
 * 5-tuples. */
#include "base/hash.h"
#include "dissect/proto/dns_call.h"

enum {
    MAX_WAITING = 1000, /* below the engine's limit of open entries */
    BUCKETS = 64,
    RECENT = 16,
    MDNS_PORT = 5353,
    LLMNR_PORT = 5355
};

#define WAIT_NS (INT64_C(30) * 1000000000) /* a resolver has long given up by then */

/* An answered question: its retransmissions may be answered as often, and the same answer may come
 * twice; another one is worth an entry. */
struct answered {
    uint16_t id;
    enum dissect_dir from;
    uint32_t spare;
    uint64_t question, response; /* hashes */
};

struct dns_state {
    struct dns_call *oldest, *newest;
    struct dns_call *buckets[BUCKETS];
    size_t waiting;
    struct answered recent[RECENT];
    unsigned recent_at;
    bool proven;   /* it was DNS once: what is not is skipped */
    bool seen_any; /* a message before this one */
    bool has_gap;
    bool resync[2];
};

/* ── who waits ── */

static uint64_t mix(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20; /* names compare without case; servers may change it */
        h = (h ^ c) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t question_hash(const struct dns_message *m)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ m->opcode;
    for (size_t i = 0; i < m->question_count; i++) {
        const struct dns_question *q = &m->questions[i];
        h = mix(h, q->name) ^ (uint64_t)q->type << 16 ^ q->klass;
    }
    return h;
}

static bool same_questions(const struct dns_message *a, const struct dns_message *b)
{
    if (a->opcode != b->opcode || a->question_count != b->question_count)
        return false;
    for (size_t i = 0; i < a->question_count; i++) {
        const struct dns_question *x = &a->questions[i];
        const struct dns_question *y = &b->questions[i];
        if (x->type != y->type || x->klass != y->klass || !slice_eq_nocase(x->name, y->name))
            return false;
    }
    return true;
}

/* A response may leave the question out (errors do, RFC 7873 section 5.3 and old servers). */
static bool answers_to(const struct dns_message *response, const struct dns_message *request)
{
    if (response->question_count == 0)
        return response->opcode == request->opcode;
    return same_questions(response, request);
}

static struct dns_call **bucket_of(struct dns_state *state, uint16_t id)
{
    return &state->buckets[(id ^ id >> 6) % BUCKETS];
}

static struct dns_call *find_call(struct dns_state *state, const struct dns_message *m,
                                  enum dissect_dir from)
{
    for (struct dns_call *call = *bucket_of(state, m->id); call; call = call->next_in_bucket)
        if (call->request.id == m->id && call->from == from &&
            (m->is_response ? answers_to(m, &call->request) : same_questions(m, &call->request)))
            return call;
    return NULL;
}

static void add_call(struct dns_state *state, struct dns_call *call)
{
    struct dns_call **bucket = bucket_of(state, call->request.id);
    call->next_in_bucket = *bucket;
    *bucket = call;
    call->before_waiting = state->newest;
    if (state->newest)
        state->newest->next_waiting = call;
    else
        state->oldest = call;
    state->newest = call;
    state->waiting++;
}

static void remove_call(struct dns_state *state, struct dns_call *call)
{
    struct dns_call **link = bucket_of(state, call->request.id);
    while (*link && *link != call)
        link = &(*link)->next_in_bucket;
    if (*link)
        *link = call->next_in_bucket;
    if (call->before_waiting)
        call->before_waiting->next_waiting = call->next_waiting;
    else
        state->oldest = call->next_waiting;
    if (call->next_waiting)
        call->next_waiting->before_waiting = call->before_waiting;
    else
        state->newest = call->before_waiting;
    state->waiting--;
}

/* ── one message ── */

static struct dns_call *begin_call(struct dissect_conn *conn)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct dns_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (call)
        call->entry = entry;
    return call;
}

static void give_up_oldest(struct dissect_conn *conn, struct dns_state *state, const char *reason)
{
    struct dns_call *call = state->oldest;
    remove_call(state, call);
    dns_emit(conn, call, "no_response", reason);
}

static bool is_multicast(const struct dissect_conn *conn)
{
    const struct dissect_tuple *t = dissect_tuple(conn);
    if (t->ip_version == 6)
        return t->server_ip[0] == 0xff || t->client_ip[0] == 0xff;
    return (t->server_ip[0] & 0xf0) == 0xe0 || (t->client_ip[0] & 0xf0) == 0xe0;
}

static bool is_link_local_protocol(const struct dissect_conn *conn)
{
    const struct dissect_tuple *t = dissect_tuple(conn);
    return t->server_port == MDNS_PORT || t->client_port == MDNS_PORT ||
           t->server_port == LLMNR_PORT || t->client_port == LLMNR_PORT;
}

static bool is_transfer(const struct dns_message *m)
{
    return m->opcode == DNS_QUERY && m->question_count == 1 &&
           (m->questions[0].type == DNS_TYPE_AXFR || m->questions[0].type == DNS_TYPE_IXFR);
}

/* The bytes of the message, TCP's length included, go to a span. */
struct piece {
    struct dissect_stream *stream;
    size_t len;    /* to consume */
    size_t prefix; /* before the message */
};

static void take_piece(struct dissect_conn *conn, const struct piece *piece, struct dns_call *call,
                       bool as_request)
{
    struct dissect_span *span =
        as_request ? dissect_entry_request(call->entry) : dissect_entry_response(call->entry);
    if (piece->prefix)
        dissect_take(conn, piece->stream, NULL, NULL, piece->prefix);
    dissect_take(conn, piece->stream, dissect_entry_arena(call->entry), span,
                 piece->len - piece->prefix);
}

static struct slice message_bytes(const struct piece *piece)
{
    return slice_of(piece->stream->data + piece->prefix, piece->len - piece->prefix);
}

static void on_query(struct dissect_conn *conn, struct dns_state *state, const struct piece *piece,
                     struct dns_call *call)
{
    enum dissect_dir from = piece->stream->dir;
    struct dns_call *same = is_multicast(conn) ? NULL : find_call(state, &call->request, from);
    if (same) { /* sent again */
        dissect_entry_drop(conn, call->entry);
        same->retries++;
        take_piece(conn, piece, same, true);
        return;
    }
    take_piece(conn, piece, call, true);
    call->from = from;
    call->asked_ns = dissect_now_ns(conn);
    call->is_transfer = is_transfer(&call->request);
    if (from == DIR_SERVER)
        dissect_entry_reverse(call->entry);
    if (is_multicast(conn)) {
        dns_emit(conn, call, "ok", NULL);
        return;
    }
    add_call(state, call);
    if (state->waiting > MAX_WAITING)
        give_up_oldest(conn, state, "timeout");
}

static void remember_answered(struct dns_state *state, const struct dns_call *call,
                              uint64_t response)
{
    state->recent[state->recent_at++ % RECENT] =
        (struct answered){.id = call->request.id,
                          .from = call->from,
                          .spare = call->retries,
                          .question = question_hash(&call->request),
                          .response = response};
}

/* The answer to a retransmission, after the question was answered. */
static bool is_repeated_answer(struct dns_state *state, const struct dns_message *m,
                               enum dissect_dir asker, uint64_t response)
{
    uint64_t question = question_hash(m);
    for (unsigned i = 0; i < RECENT; i++) {
        struct answered *a = &state->recent[i];
        if (a->id != m->id || a->from != asker || a->question != question)
            continue;
        if (a->response == response)
            return true;
        if (a->spare) {
            a->spare--;
            return true;
        }
    }
    return false;
}

/* A transfer is many messages; it ends with the SOA it began with (RFC 5936 section 2.2). */
static bool is_transfer_over(struct dns_call *call)
{
    const struct dns_message *m = &call->response;
    size_t n = m->record_count[DNS_ANSWER];
    if (m->rcode || n == 0)
        return true;
    const struct dns_record *first = &m->records[DNS_ANSWER][0];
    const struct dns_record *last = &m->records[DNS_ANSWER][n - 1];
    bool is_start = call->transfer_records == 0;
    if (is_start && first->type != DNS_TYPE_SOA)
        return true;
    if (is_start)
        call->transfer_serial = first->soa_serial;
    struct arena *arena = dissect_entry_arena(call->entry);
    if (call->transfer_records + n > call->transfer_cap) {
        size_t cap = (call->transfer_records + n) * 2;
        struct slice *more =
            cap <= DNS_MAX_RECORDS * 4 ? arena_alloc(arena, cap * sizeof *more) : NULL;
        if (!more) {
            call->response.cut = true;
            return last->type == DNS_TYPE_SOA && last->soa_serial == call->transfer_serial;
        }
        if (call->transfer_records)
            memcpy(more, call->transfer_answers, call->transfer_records * sizeof *more);
        call->transfer_answers = more;
        call->transfer_cap = cap;
    }
    for (size_t i = 0; i < n; i++)
        call->transfer_answers[call->transfer_records++] = m->records[DNS_ANSWER][i].rdata;
    bool is_single = is_start && n == 1 && call->request.questions[0].type == DNS_TYPE_IXFR;
    return is_single || (call->transfer_records > 1 && last->type == DNS_TYPE_SOA &&
                         last->soa_serial == call->transfer_serial);
}

static void lone_response(struct dissect_conn *conn, struct dns_state *state,
                          const struct piece *piece, struct dns_call *call)
{
    bool is_first = !state->seen_any, is_datagram = piece->stream->is_datagram;
    take_piece(conn, piece, call, false);
    bool own = is_multicast(conn) || is_link_local_protocol(conn);
    if (piece->stream->dir == DIR_CLIENT && !is_multicast(conn))
        dissect_entry_reverse(call->entry);
    if (own)
        dns_emit(conn, call, NULL, NULL);
    else if (state->has_gap)
        dns_emit(conn, call, "incomplete", "capture_gap");
    else if (is_first)
        dns_emit(conn, call, "incomplete", "window_start");
    else if (is_datagram) /* no hole shows there: its question may be lost */
        dns_emit(conn, call, "incomplete", "capture_gap");
    else
        dns_emit(conn, call, NULL, NULL);
}

static void on_response(struct dissect_conn *conn, struct dns_state *state,
                        const struct piece *piece, struct dns_call *fresh)
{
    const struct dns_message *m = &fresh->request;
    enum dissect_dir asker = piece->stream->dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    struct dns_call *call = is_multicast(conn) ? NULL : find_call(state, m, asker);
    uint64_t hash = hash_bytes(hash_fixed_key, message_bytes(piece).data, message_bytes(piece).len);
    bool is_repeat = !call && is_repeated_answer(state, m, asker, hash);
    if (call || is_repeat)
        dissect_entry_drop(conn, fresh->entry);
    if (is_repeat) {
        dissect_take(conn, piece->stream, NULL, NULL, piece->len);
        return;
    }
    if (!call) {
        fresh->request = (struct dns_message){0};
        (void)dns_parse(dissect_entry_arena(fresh->entry), message_bytes(piece), &fresh->response);
        lone_response(conn, state, piece, fresh);
        return;
    }
    (void)dns_parse(dissect_entry_arena(call->entry), message_bytes(piece), &call->response);
    take_piece(conn, piece, call, false);
    if (call->is_transfer && !is_transfer_over(call))
        return;
    remember_answered(state, call, hash);
    remove_call(state, call);
    dns_emit(conn, call, NULL, NULL);
}

static void expire(struct dissect_conn *conn, struct dns_state *state)
{
    int64_t now = dissect_now_ns(conn);
    while (state->oldest && !state->oldest->response.is_response &&
           now - state->oldest->asked_ns > WAIT_NS)
        give_up_oldest(conn, state, "timeout");
}

static void on_message(struct dissect_conn *conn, struct dns_state *state,
                       const struct piece *piece)
{
    struct slice bytes = message_bytes(piece);
    expire(conn, state);
    struct dns_call *call = begin_call(conn);
    if (!call) {
        dissect_take(conn, piece->stream, NULL, NULL, piece->len);
        return;
    }
    struct arena *arena = dissect_entry_arena(call->entry);
    bool is_response = bytes.data[2] & 0x80;
    state->proven = true;
    if (is_response) {
        (void)dns_parse_question(arena, bytes, &call->request);
        on_response(conn, state, piece, call);
    } else {
        (void)dns_parse(arena, bytes, &call->request);
        on_query(conn, state, piece, call);
    }
    state->seen_any = true;
}

/* ── streams ── */

/* A first message that is a response came from the server, whoever spoke first. */
static bool swaps_sides(struct dissect_conn *conn, const struct dns_state *state,
                        const struct piece *piece)
{
    struct slice bytes = message_bytes(piece);
    bool is_response = bytes.data[2] & 0x80;
    bool is_wrong = is_response == (piece->stream->dir == DIR_CLIENT);
    if (!is_wrong || state->proven || is_multicast(conn))
        return false;
    dissect_swap_sides(conn);
    return true;
}

static enum dissect_result read_datagram(struct dissect_conn *conn, struct dns_state *state,
                                         struct dissect_stream *stream)
{
    struct piece piece = {.stream = stream, .len = stream->len};
    enum dns_shape shape = dns_shape_of(message_bytes(&piece));
    if (shape == DNS_IS_NOT) {
        if (!state->proven)
            return DISSECT_NOT_MINE;
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    if (!swaps_sides(conn, state, &piece))
        on_message(conn, state, &piece);
    return DISSECT_OK;
}

/* After a loss: the next place where a length and a whole message stand. */
static enum dissect_result find_again(struct dissect_conn *conn, struct dns_state *state,
                                      struct dissect_stream *stream)
{
    for (size_t at = 0; at + 2 + DNS_HEADER_BYTES <= stream->len; at++) {
        const uint8_t *p = stream->data + at;
        size_t len = (size_t)p[0] << 8 | p[1];
        bool is_plausible = len >= DNS_HEADER_BYTES + 5 && p[6] == 0 && p[7] == 1 && p[8] == 0 &&
                            p[10] == 0 && p[12] == 0 && !(p[5] & 0x40);
        if (!is_plausible)
            continue;
        if (stream->len - at - 2 < len && !stream->ended) {
            if (at)
                dissect_take(conn, stream, NULL, NULL, at);
            return at ? DISSECT_OK : DISSECT_MORE;
        }
        if (stream->len - at - 2 < len || dns_shape_of(slice_of(p + 2, len)) != DNS_IS_EXACT)
            continue;
        state->resync[stream->dir] = false;
        if (at)
            dissect_take(conn, stream, NULL, NULL, at);
        return DISSECT_OK;
    }
    size_t keep = 1 + DNS_HEADER_BYTES;
    if (stream->len <= keep)
        return DISSECT_MORE;
    dissect_take(conn, stream, NULL, NULL, stream->len - keep);
    return DISSECT_OK;
}

static enum dissect_result read_stream(struct dissect_conn *conn, struct dns_state *state,
                                       struct dissect_stream *stream)
{
    if (stream->len < 2)
        return DISSECT_MORE;
    size_t len = (size_t)stream->data[0] << 8 | stream->data[1];
    if (stream->len - 2 < len)
        return DISSECT_MORE;
    struct piece piece = {.stream = stream, .len = len + 2, .prefix = 2};
    if (len < DNS_HEADER_BYTES || dns_shape_of(message_bytes(&piece)) == DNS_IS_NOT) {
        if (!state->proven)
            return DISSECT_NOT_MINE;
        dissect_take(conn, stream, NULL, NULL, len + 2);
        return DISSECT_OK;
    }
    if (!swaps_sides(conn, state, &piece))
        on_message(conn, state, &piece);
    return DISSECT_OK;
}

static enum dissect_result dns_data(struct dissect_conn *conn, void *opaque,
                                    struct dissect_stream *stream)
{
    struct dns_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (stream->is_datagram)
        return read_datagram(conn, state, stream);
    if (state->resync[stream->dir]) {
        size_t len = stream->len;
        enum dissect_result result = find_again(conn, state, stream);
        if (result != DISSECT_OK || stream->len != len || state->resync[stream->dir])
            return result;
    }
    return read_stream(conn, state, stream);
}

static void dns_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    (void)conn;
    (void)bytes;
    struct dns_state *state = opaque;
    state->has_gap = true;
    state->resync[dir] = true;
}

static void dns_open(struct dissect_conn *conn, void *opaque)
{
    struct dns_state *state = opaque;
    state->resync[DIR_CLIENT] = state->resync[DIR_SERVER] = dissect_is_late_join(conn);
}

static void dns_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct dns_state *state = opaque;
    while (state->oldest) {
        struct dns_call *call = state->oldest;
        bool half = call->response.is_response; /* a transfer that did not end */
        remove_call(state, call);
        if (state->has_gap)
            dns_emit(conn, call, "incomplete", "capture_gap");
        else if (end == END_OF_DATA)
            dns_emit(conn, call, "open", half ? "window_end" : NULL);
        else
            dns_emit(conn, call, half ? "error" : "no_response", dissect_end_reason(end));
    }
}

/* ── detection ── */

static bool has_dns_port(const struct probe_input *in)
{
    static const uint16_t ports[] = {53, MDNS_PORT, LLMNR_PORT};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        if (in->client_port == ports[i] || in->server_port == ports[i])
            return true;
    return false;
}

static enum probe_result probe_datagram(struct slice bytes, bool has_port)
{
    enum dns_shape shape = dns_shape_of(bytes);
    bool yes = shape == DNS_IS_EXACT || (has_port && shape >= DNS_IS_CUT) ||
               (shape >= DNS_IS_BROKEN && dns_is_plain_query(bytes));
    return yes ? PROBE_YES : PROBE_NO;
}

static enum probe_result probe_stream(struct slice s, bool ended, bool has_port)
{
    size_t len = s.len >= 2 ? (size_t)s.data[0] << 8 | s.data[1] : 0;
    if (s.len >= 2 && len < DNS_HEADER_BYTES)
        return PROBE_NO;
    if (s.len < 2 + DNS_HEADER_BYTES)
        return ended && s.len ? PROBE_NO : PROBE_MAYBE;
    if (!dns_may_begin(slice_sub(s, 2, len), len))
        return PROBE_NO;
    enum dns_shape shape = dns_shape_of(slice_sub(s, 2, len));
    if (s.len - 2 >= len)
        return shape == DNS_IS_EXACT || (has_port && shape > DNS_IS_CUT) ? PROBE_YES : PROBE_NO;
    if (s.len >= 4000)
        return shape >= DNS_IS_BROKEN ? PROBE_YES : PROBE_NO;
    return ended ? PROBE_NO : PROBE_MAYBE;
}

static enum probe_result dns_probe(const struct probe_input *in)
{
    bool has_port = has_dns_port(in);
    if (in->transport == DISSECT_UDP)
        return probe_datagram(in->client.len ? in->client : in->server, has_port);
    enum probe_result client = probe_stream(in->client, in->client_ended, has_port);
    enum probe_result server = probe_stream(in->server, in->server_ended, has_port);
    if (in->client.len == 0 || (in->is_late_join && client == PROBE_NO))
        return in->server.len ? server : client;
    return client;
}

static const uint16_t dns_ports[] = {53, MDNS_PORT, LLMNR_PORT, 0};

const struct dissector dissector_dns = {
    .name = "dns",
    .spec = "RFC 1035, RFC 6891, RFC 7766, RFC 2136, RFC 1996, RFC 6762, RFC 4795",
    .transports = DISSECT_TCP | DISSECT_UDP,
    .port_hints = dns_ports,
    .fields = dns_fields,
    .field_count = DNS_FIELD_COUNT,
    .state_bytes = sizeof(struct dns_state),
    .probe = dns_probe,
    .open = dns_open,
    .data = dns_data,
    .gap = dns_gap,
    .close = dns_close,
};
