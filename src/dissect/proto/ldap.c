/* LDAP (RFC 4511) over TCP and, connectionless ([MS-ADTS] section 6.3.3), UDP: requests and
 * responses by message id, searches with all their entries, StartTLS, unsolicited notifications.
 *
 * A message is gathered as it comes and read when it is whole. It is believed by its head, which
 * has to add up, and by the first elements of its operation; that is also how messages are found
 * again after a loss. What a SASL mechanism protects (RFC 4513 section 5.2.1.4) is stepped over. */
#include "dissect/proto/ldap_state.h"

enum {
    MAX_BUFFER = 0x1000000,
    SASL_HEADER_BYTES = 4,
    FIND_STEP = 64 * 1024,
    TLS_HANDSHAKE = 22,
    TLS_HELLO_BYTES = 9
};

/* ── messages ── */

static struct dissect_span *span_of(const struct ldap_side *side, enum dissect_dir dir)
{
    if (!side->call)
        return NULL;
    return dir == DIR_CLIENT || side->call->is_unasked ? dissect_entry_request(side->call->entry)
                                                       : dissect_entry_response(side->call->entry);
}

static void message_done(struct dissect_conn *conn, struct ldap_state *state, enum dissect_dir dir)
{
    struct ldap_side *side = &state->side[dir];
    struct ldap_call *call = side->call;
    side->in_message = side->is_sealed = false;
    side->call = NULL;
    if (!call)
        return;
    if (dir == DIR_SERVER) {
        ldap_response_done(conn, state, call);
        return;
    }
    call->has_gap |= side->has_gap;
    ldap_request_done(conn, state, call);
}

static void begin_message(struct ldap_side *side, uint64_t bytes)
{
    side->left = bytes;
    side->bytes.len = 0;
    side->bytes.cut = false;
    side->in_message = true;
    side->has_gap = false;
    side->call = NULL;
}

static enum dissect_result read_message(struct dissect_conn *conn, struct ldap_state *state,
                                        struct dissect_stream *stream)
{
    struct ldap_side *side = &state->side[stream->dir];
    struct ldap_call *call = side->call;
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    struct slice bytes = slice_of(stream->data, n);
    if (call && !side->has_gap && stream->dir == DIR_CLIENT)
        gather_add(&call->request, dissect_entry_arena(call->entry), bytes, LDAP_MESSAGE_MAX);
    else if (call && !side->has_gap)
        gather_add(&side->bytes, dissect_arena(conn), bytes, LDAP_MESSAGE_MAX);
    side->left -= n;
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL,
                 span_of(side, stream->dir), n);
    if (state->gap_ends && stream->dir == DIR_SERVER) {
        state->gap_ns = call ? span_of(side, DIR_SERVER)->last_ns : dissect_now_ns(conn);
        state->gap_ends = false;
    }
    if (side->left == 0)
        message_done(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_operation(struct dissect_conn *conn, struct ldap_state *state,
                                           struct dissect_stream *stream,
                                           const struct ldap_head *head)
{
    struct ldap_side *side = &state->side[stream->dir];
    bool is_request = ldap_is_request(head->op);
    if (is_request != (stream->dir == DIR_CLIENT)) {
        if (!state->any_entry) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        begin_message(side, head->bytes); /* nobody can have meant it */
        return read_message(conn, state, stream);
    }
    begin_message(side, head->bytes);
    side->head = *head;
    side->call =
        is_request ? ldap_begin_call(conn, state, head) : ldap_call_of_response(conn, state, head);
    if (side->call && is_request)
        side->call->has_request = true;
    return read_message(conn, state, stream);
}

/* ── TLS and SASL ── */

/* A ClientHello or ServerHello alone in its record. */
static enum ldap_judgement is_hello(struct slice s, bool ended)
{
    static const uint8_t begin[] = {TLS_HANDSHAKE, 3};
    size_t n = s.len < 2 ? s.len : 2;
    if (n == 0 || memcmp(s.data, begin, n) != 0 || (s.len > 2 && s.data[2] > 4))
        return LDAP_IS_NOT;
    if (s.len < TLS_HELLO_BYTES)
        return ended ? LDAP_IS_NOT : LDAP_MAYBE;
    size_t record = (size_t)s.data[3] << 8 | s.data[4];
    size_t hello = (size_t)s.data[6] << 16 | (size_t)s.data[7] << 8 | s.data[8];
    bool is_one = (s.data[5] == 1 || s.data[5] == 2) && record >= hello + 4 && record < 1 << 14;
    return is_one ? LDAP_IS : LDAP_IS_NOT;
}

/* Handshake bytes where a message should begin: they wait for the answer to StartTLS. */
static enum dissect_result on_tls(struct dissect_conn *conn, struct ldap_state *state,
                                  const struct dissect_stream *stream)
{
    bool may_come = state->start_tls && !ldap_lost_since(state, state->start_tls, DIR_SERVER) &&
                    !stream->ended && stream->dir == DIR_CLIENT;
    if (may_come)
        return DISSECT_MORE;
    dissect_switch(conn, "tlsx");
    return DISSECT_OK;
}

/* RFC 4422 section 3.7: four octets of length, then what only the peers can read. */
static enum dissect_result begin_sealed(struct dissect_conn *conn, struct ldap_state *state,
                                        struct dissect_stream *stream)
{
    struct cursor c = cursor_of(stream->data, stream->len);
    uint32_t size = cursor_be32(&c);
    if (c.bad)
        return DISSECT_MORE;
    if (size == 0 || size > MAX_BUFFER)
        return DISSECT_BAD;
    begin_message(&state->side[stream->dir], (uint64_t)size + SASL_HEADER_BYTES);
    state->side[stream->dir].is_sealed = true;
    return read_message(conn, state, stream);
}

/* ── found again after a loss ── */

static enum dissect_result find_message(struct dissect_conn *conn, struct ldap_state *state,
                                        struct dissect_stream *stream)
{
    struct ldap_side *side = &state->side[stream->dir];
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0, most = all.len < FIND_STEP ? all.len : FIND_STEP;
    while (at < most) {
        struct slice here = slice_sub(all, at, SIZE_MAX);
        enum ldap_judgement hello = is_hello(here, stream->ended);
        if (hello == LDAP_IS && at == 0) {
            dissect_switch(conn, "tlsx"); /* StartTLS was lost */
            return DISSECT_OK;
        }
        enum ldap_judgement found = ldap_judge(here, stream->ended);
        if (found == LDAP_IS)
            side->lost = false;
        if (found != LDAP_IS_NOT || hello != LDAP_IS_NOT)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !side->lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── the dissector ── */

/* The same request again, as clients of UDP send it. */
static bool is_repeated(const struct ldap_call *before, const struct dissect_stream *stream)
{
    return before && before->has_request &&
           slice_eq(gather_slice(&before->request), slice_of(stream->data, stream->len));
}

static enum dissect_result read_datagram(struct dissect_conn *conn, struct ldap_state *state,
                                         struct dissect_stream *stream)
{
    struct ldap_side *side = &state->side[stream->dir];
    struct ldap_head head;
    if (ldap_read_head(slice_of(stream->data, stream->len), &head) != BER_OK) {
        if (!state->any_entry)
            return DISSECT_NOT_MINE;
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    struct ldap_call *before = stream->dir == DIR_CLIENT ? ldap_find_waiting(state, head.id) : NULL;
    if (is_repeated(before, stream)) {
        before->retries++;
        dissect_take(conn, stream, dissect_entry_arena(before->entry),
                     dissect_entry_request(before->entry), stream->len);
        return DISSECT_OK;
    }
    enum dissect_result result = begin_operation(conn, state, stream, &head);
    if (side->in_message) { /* the recorder cut it */
        side->has_gap = true;
        message_done(conn, state, stream->dir);
    }
    return result;
}

static enum dissect_result read_begin(struct dissect_conn *conn, struct ldap_state *state,
                                      struct dissect_stream *stream)
{
    struct ldap_head head;
    if (stream->data[0] == TLS_HANDSHAKE && state->start_tls)
        return on_tls(conn, state, stream);
    if (stream->data[0] == 0 && state->may_be_sealed)
        return begin_sealed(conn, state, stream);
    switch (ldap_read_head(slice_of(stream->data, stream->len), &head)) {
    case BER_MORE:
        return DISSECT_MORE;
    case BER_BAD:
        if (!state->any_entry)
            return DISSECT_NOT_MINE;
        state->side[stream->dir].lost = true;
        ldap_note_loss(state, stream->dir); /* what stands between here and there */
        return find_message(conn, state, stream);
    case BER_OK:
        break;
    }
    return begin_operation(conn, state, stream, &head);
}

static enum dissect_result ldap_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct ldap_state *state = opaque;
    struct ldap_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (stream->is_datagram)
        return read_datagram(conn, state, stream);
    if (side->in_message)
        return read_message(conn, state, stream);
    if (side->lost) {
        enum dissect_result found = find_message(conn, state, stream);
        if (found != DISSECT_OK || side->lost)
            return found;
    }
    return stream->len ? read_begin(conn, state, stream) : DISSECT_OK;
}

static void ldap_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct ldap_state *state = opaque;
    struct ldap_side *side = &state->side[dir];
    bool is_inside = side->in_message && bytes <= side->left;
    if (!(is_inside && side->is_sealed))
        ldap_note_loss(state, dir);
    state->sasl_step = 0;
    if (!side->in_message) {
        side->lost = true;
        return;
    }
    uint64_t inside = bytes < side->left ? bytes : side->left;
    struct dissect_span *span = span_of(side, dir);
    if (span)
        span->gap_bytes += inside;
    side->has_gap = true;
    side->left -= inside;
    side->lost = inside < bytes;
    if (side->left == 0)
        message_done(conn, state, dir);
}

static void ldap_open(struct dissect_conn *conn, void *opaque)
{
    struct ldap_state *state = opaque;
    bool is_late = dissect_is_late_join(conn);
    state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = is_late;
    state->sasl_step = is_late ? 0 : 1;
}

static void ldap_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct ldap_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    for (int dir = 0; dir < 2; dir++) {
        struct ldap_call *call = state->side[dir].call;
        if (!call)
            continue;
        call->is_cut = true;
        if (dir == DIR_CLIENT)
            ldap_fill_request(call);
        else
            ldap_fill_response(call, gather_slice(&state->side[dir].bytes));
        if (call->is_unasked || !call->has_request)
            ldap_release(conn, state, call, "incomplete", is_open ? "window_end" : "capture_gap");
        else if (dir == DIR_CLIENT)
            ldap_give_up(conn, state, call, is_open ? "open" : "no_response",
                         is_open ? "window_end" : dissect_end_reason(end));
        else
            ldap_give_up(conn, state, call, is_open ? "open" : "error",
                         is_open ? "window_end" : dissect_end_reason(end));
    }
    while (state->oldest)
        ldap_give_up(conn, state, state->oldest, is_open ? "open" : "no_response",
                     dissect_end_reason(end));
}

/* ── detection ── */

static enum probe_result probe_side(struct slice s, bool ended)
{
    switch (ldap_judge(s, ended)) {
    case LDAP_IS:
        return PROBE_YES;
    case LDAP_MAYBE:
        return PROBE_MAYBE;
    case LDAP_IS_NOT:
        break;
    }
    return PROBE_NO;
}

static enum probe_result probe_datagram(struct slice s)
{
    struct ldap_head head;
    bool is_whole = ldap_read_head(s, &head) == BER_OK && head.bytes == s.len;
    return is_whole && ldap_judge(s, true) == LDAP_IS ? PROBE_YES : PROBE_NO;
}

static enum probe_result ldap_probe(const struct probe_input *in)
{
    if (in->transport == DISSECT_UDP)
        return probe_datagram(in->client.len ? in->client : in->server);
    enum probe_result client = probe_side(in->client, in->client_ended);
    enum probe_result server = probe_side(in->server, in->server_ended);
    if (in->client.len && !in->is_late_join)
        return client;
    if (client == PROBE_YES || server == PROBE_YES)
        return PROBE_YES;
    bool may_be =
        (in->client.len && client == PROBE_MAYBE) || (in->server.len && server == PROBE_MAYBE);
    return may_be || (in->client.len == 0 && in->server.len == 0) ? PROBE_MAYBE : PROBE_NO;
}

static const uint16_t ldap_ports[] = {389, 3268, 0};

const struct dissector dissector_ldap = {
    .name = "ldap",
    .spec = "RFC 4511",
    .transports = DISSECT_TCP | DISSECT_UDP,
    .port_hints = ldap_ports,
    .fields = ldap_fields,
    .field_count = LDAP_FIELD_COUNT,
    .state_bytes = sizeof(struct ldap_state),
    .probe = ldap_probe,
    .open = ldap_open,
    .data = ldap_data,
    .gap = ldap_gap,
    .close = ldap_close,
};
