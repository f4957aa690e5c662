/* RADIUS over UDP: authentication (RFC 2865), accounting (RFC 2866), dynamic authorization (RFC
 * 5176), Status-Server (RFC 5997).
 *
 * A request waits for the response with its identifier; sent again (same identifier and
 * authenticator, RFC 5080 section 2.2.2) it is counted, not repeated. An answered call is kept a
 * while, since a retransmission may cross its answer. A client that uses an identifier again before
 * the call with it was answered leaves it open whose answer comes next: that answer is nobody's. */
#include "dissect/proto/radius_call.h"

enum {
    IDENTIFIERS = 256
};

#define KEEP_NS (INT64_C(30) * 1000000000) /* clients have given up by then */

struct radius_state {
    struct radius_call *oldest, *newest;
    struct radius_call *calls[2][IDENTIFIERS]; /* by who asked */
    bool is_proven;                            /* it was RADIUS once: what is not is skipped */
    bool seen_any;                             /* a message before this one */
};

/* ── calls in order of their last packet ── */

static void unlink_call(struct radius_state *state, struct radius_call *call)
{
    if (call->older)
        call->older->newer = call->newer;
    else
        state->oldest = call->newer;
    if (call->newer)
        call->newer->older = call->older;
    else
        state->newest = call->older;
}

static void link_newest(struct radius_state *state, struct radius_call *call)
{
    call->newer = NULL;
    call->older = state->newest;
    if (state->newest)
        state->newest->newer = call;
    else
        state->oldest = call;
    state->newest = call;
}

static void touch(struct dissect_conn *conn, struct radius_state *state, struct radius_call *call)
{
    unlink_call(state, call);
    link_newest(state, call);
    call->last_ns = dissect_now_ns(conn);
}

/* Out of the table and off; `status` is that of a call without an answer. */
static void release(struct dissect_conn *conn, struct radius_state *state, struct radius_call *call,
                    const char *status, const char *reason)
{
    unlink_call(state, call);
    state->calls[call->from][call->request.id] = NULL;
    if (call->response.length)
        radius_emit(conn, call, NULL, NULL);
    else if (call->is_doubtful)
        radius_emit(conn, call, "incomplete", "capture_gap");
    else
        radius_emit(conn, call, status, reason);
}

static void expire(struct dissect_conn *conn, struct radius_state *state)
{
    int64_t now = dissect_now_ns(conn);
    while (state->oldest && now - state->oldest->last_ns > KEEP_NS)
        release(conn, state, state->oldest, "no_response", "timeout");
}

/* ── one message ── */

static bool is_same(const struct radius_message *a, const struct radius_message *b)
{
    return a->code == b->code && a->length == b->length &&
           slice_eq(a->authenticator, b->authenticator) && slice_eq(a->attributes, b->attributes);
}

static struct radius_call *begin_call(struct dissect_conn *conn)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct radius_call *call =
        entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (call)
        call->entry = entry;
    return call;
}

/* Takes the datagram as the call's request or response: a copy that lives as long as the entry.
 * False without memory: the datagram is taken, an entry that holds nothing dropped. */
static bool take_message(struct dissect_conn *conn, struct dissect_stream *stream,
                         struct radius_call *call, bool is_request)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct radius_message *m = is_request ? &call->request : &call->response;
    struct dissect_span *span =
        is_request ? dissect_entry_request(call->entry) : dissect_entry_response(call->entry);
    struct slice copy = arena_dup(arena, slice_of(stream->data, stream->len));
    if (!radius_parse(copy, m)) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        if (call->request.length == 0)
            dissect_entry_drop(conn, call->entry);
        return false;
    }
    m->is_malformed |= m->is_cut && !dissect_packet(conn)->is_cut;
    dissect_take(conn, stream, arena, span, stream->len);
    return true;
}

static void on_request(struct dissect_conn *conn, struct radius_state *state,
                       struct dissect_stream *stream, const struct radius_message *m)
{
    struct radius_call *before = state->calls[stream->dir][m->id];
    if (before && is_same(&before->request, m)) {
        bool is_late = before->response.length > 0;
        before->retries++;
        dissect_take(conn, stream, dissect_entry_arena(before->entry),
                     is_late ? NULL : dissect_entry_request(before->entry), stream->len);
        touch(conn, state, before);
        return;
    }
    bool is_unsure = before && before->response.length == 0 && before->request.code == m->code;
    if (before)
        release(conn, state, before, "no_response", "timeout");
    struct radius_call *call = begin_call(conn);
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return;
    }
    call->is_unsure = is_unsure;
    call->from = stream->dir;
    call->last_ns = dissect_now_ns(conn);
    if (call->from == DIR_SERVER)
        dissect_entry_reverse(call->entry);
    if (!take_message(conn, stream, call, true))
        return;
    link_newest(state, call);
    state->calls[call->from][call->request.id] = call;
}

static void lone_response(struct dissect_conn *conn, struct radius_state *state,
                          struct dissect_stream *stream)
{
    struct radius_call *call = begin_call(conn);
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return;
    }
    if (stream->dir == DIR_CLIENT)
        dissect_entry_reverse(call->entry);
    if (take_message(conn, stream, call, false))
        radius_emit(conn, call, "incomplete", state->seen_any ? "capture_gap" : "window_start");
}

static void on_response(struct dissect_conn *conn, struct radius_state *state,
                        struct dissect_stream *stream, const struct radius_message *m)
{
    enum dissect_dir asker = stream->dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    struct radius_call *call = state->calls[asker][m->id];
    bool fits = call && radius_answers(m->code, call->request.code);
    if (fits && call->response.length && is_same(&call->response, m)) { /* sent again */
        dissect_take(conn, stream, NULL, NULL, stream->len);
        touch(conn, state, call);
        return;
    }
    if (!fits || call->response.length || call->is_unsure) {
        if (fits && call->response.length == 0)
            call->is_doubtful = true;
        lone_response(conn, state, stream);
        return;
    }
    (void)take_message(conn, stream, call, false);
    touch(conn, state, call);
}

/* ── the dissector ── */

static enum dissect_result radius_data(struct dissect_conn *conn, void *opaque,
                                       struct dissect_stream *stream)
{
    struct radius_state *state = opaque;
    struct radius_message m;
    if (stream->len == 0)
        return DISSECT_OK;
    if (!radius_parse(slice_of(stream->data, stream->len), &m)) {
        if (!state->is_proven)
            return DISSECT_NOT_MINE;
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    bool is_request = radius_is_request(m.code);
    if (!state->is_proven) {
        state->is_proven = true;
        if (is_request != (stream->dir == DIR_CLIENT)) { /* the answer came first */
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
    }
    expire(conn, state);
    if (is_request)
        on_request(conn, state, stream, &m);
    else
        on_response(conn, state, stream, &m);
    state->seen_any = true;
    return DISSECT_OK;
}

static void radius_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct radius_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    const char *reason = is_open ? NULL : end == END_TIMEOUT ? "timeout" : "closed";
    while (state->oldest)
        release(conn, state, state->oldest, is_open ? "open" : "no_response", reason);
}

static const uint16_t radius_ports[] = {1812, 1813, 1645, 1646, 3799, 1700, 0};

/* A header alone (an Accounting-Response, an Access-Reject), or a packet that the recorder cut: the
 * form shows too little, so a port has to agree. */
static bool is_likely(const struct radius_message *m, size_t len, const struct probe_input *in)
{
    bool is_bare = m->attributes.len == 0 && m->length == len;
    if (m->is_malformed || (!is_bare && !m->is_cut))
        return false;
    for (size_t i = 0; radius_ports[i]; i++)
        if (in->client_port == radius_ports[i] || in->server_port == radius_ports[i])
            return true;
    return false;
}

static enum probe_result radius_probe(const struct probe_input *in)
{
    struct slice s = in->client.len ? in->client : in->server;
    struct radius_message m;
    if (!radius_parse(s, &m))
        return PROBE_NO;
    return radius_is_exact(&m, s.len) || is_likely(&m, s.len, in) ? PROBE_YES : PROBE_NO;
}

const struct dissector dissector_radius = {
    .name = "radius",
    .spec = "RFC 2865, RFC 2866, RFC 5176, RFC 5997",
    .transports = DISSECT_UDP,
    .port_hints = radius_ports,
    .fields = radius_fields,
    .field_count = RADIUS_FIELD_COUNT,
    .state_bytes = sizeof(struct radius_state),
    .probe = radius_probe,
    .data = radius_data,
    .close = radius_close,
};
