/* AMQP 0-9-1 (AMQP 0-9-1 specification, 13 November 2008; RabbitMQ's extensions): frames,
 * detection, finding frames again after a loss. AMQP 1.0 and 0-10 are recognised by their protocol
 * header.
 *
 * A method or content header frame is read when it is whole, a body as it comes. A frame is
 * believed where its arguments end exactly with it and the end octet stands behind: that is also
 * how frames are found again. amqp_pair.c knows what answers what. */
#include "dissect/proto/amqp_call.h"

enum {
    PROTOCOL_HEADER_BYTES = 8,
    METHOD_ID_BYTES = 4,
    CONTENT_HEADER_BYTES = 12,
    CLASS_BASIC = 60,
    FIND_STEP = 64 * 1024 /* bytes that may be looked through for one call */
};

enum frame_result {
    FRAME_OK,
    FRAME_MORE,
    FRAME_BAD
};

struct amqp_head {
    uint8_t type;
    uint16_t channel;
    uint32_t size;
};

/* ── frames ── */

static struct amqp_head read_head(struct slice s)
{
    struct cursor c = cursor_of(s.data, s.len);
    struct amqp_head head = {.type = cursor_u8(&c)};
    head.channel = cursor_be16(&c);
    head.size = cursor_be32(&c);
    return head;
}

static bool is_known_type(uint8_t type)
{
    return (type >= AMQP_FRAME_METHOD && type <= AMQP_FRAME_BODY) || type == AMQP_FRAME_HEARTBEAT;
}

static bool is_content_header(struct slice payload)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    struct amqp_arguments none = {.count = 0};
    bool basic = cursor_be16(&c) == CLASS_BASIC && cursor_be16(&c) == 0;
    cursor_skip(&c, CONTENT_HEADER_BYTES - METHOD_ID_BYTES);
    return basic && !c.bad && amqp_read_properties(slice_of(c.pos, cursor_left(&c)), NULL, &none);
}

static const struct amqp_method *method_of(struct slice payload)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    uint32_t id = cursor_be32(&c);
    struct amqp_arguments none;
    const struct amqp_method *method = c.bad ? NULL : amqp_method_find(id);
    if (method && amqp_read_arguments(method, slice_of(c.pos, cursor_left(&c)), NULL, &none))
        return method;
    return NULL;
}

/* Judges the frame at the front. Body frames are bad here: nothing in them can be believed. */
static enum frame_result judge(struct slice s, bool ended, const struct amqp_method **ret_method)
{
    *ret_method = NULL;
    if (s.len == 0 || !is_known_type(s.data[0]) || s.data[0] == AMQP_FRAME_BODY)
        return FRAME_BAD;
    if (s.len < AMQP_FRAME_HEAD + METHOD_ID_BYTES + 1) {
        bool more = !ended && (s.len < 4 || s.data[3] == 0);
        bool heartbeat = s.len >= 8 && s.data[0] == AMQP_FRAME_HEARTBEAT;
        if (!heartbeat)
            return more ? FRAME_MORE : FRAME_BAD;
    }
    struct amqp_head head = read_head(s);
    if (head.type == AMQP_FRAME_HEARTBEAT)
        return head.size == 0 && head.channel == 0 && s.data[AMQP_FRAME_HEAD] == AMQP_FRAME_END
                   ? FRAME_OK
                   : FRAME_BAD;
    if (head.size > AMQP_MAX_PAYLOAD || head.size < METHOD_ID_BYTES)
        return FRAME_BAD;
    struct cursor c = cursor_of(s.data + AMQP_FRAME_HEAD, METHOD_ID_BYTES);
    uint32_t id = cursor_be32(&c);
    bool is_method = head.type == AMQP_FRAME_METHOD;
    if (is_method ? !amqp_method_find(id) : id != (uint32_t)CLASS_BASIC << 16)
        return FRAME_BAD;
    if (s.len < AMQP_FRAME_HEAD + (size_t)head.size + 1)
        return ended ? FRAME_BAD : FRAME_MORE;
    struct slice payload = slice_of(s.data + AMQP_FRAME_HEAD, head.size);
    if (s.data[AMQP_FRAME_HEAD + head.size] != AMQP_FRAME_END)
        return FRAME_BAD;
    *ret_method = is_method ? method_of(payload) : NULL;
    return (is_method ? *ret_method != NULL : is_content_header(payload)) ? FRAME_OK : FRAME_BAD;
}

/* ── protocol headers ── */

/* "AMQP" and four octets that some version has. */
static enum probe_result is_protocol_header(struct slice s)
{
    static const uint8_t versions[][4] = {
        {0, 0, 9, 1}, {1, 1, 0, 9},  {1, 1, 9, 1}, {1, 1, 8, 0}, {0, 0, 8, 0},
        {1, 1, 0, 8}, {1, 1, 0, 10}, {0, 1, 0, 0}, {2, 1, 0, 0}, {3, 1, 0, 0},
    };
    size_t n = s.len < 4 ? s.len : 4;
    if (n == 0 || memcmp(s.data, "AMQP", n) != 0)
        return n ? PROBE_NO : PROBE_MAYBE;
    if (s.len < PROTOCOL_HEADER_BYTES)
        return PROBE_MAYBE;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (memcmp(s.data + 4, versions[i], 4) == 0)
            return PROBE_YES;
    return PROBE_NO;
}

static bool is_framed_version(const uint8_t *version)
{
    return version[3] != 10 && !(version[1] == 1 && version[2] == 0 && version[3] == 0);
}

static struct slice version_text(struct arena *arena, const uint8_t *header)
{
    const uint8_t *v = header + 4;
    if (v[1] == 1 && v[2] == 0 && v[3] == 0)
        return v[0] == 3   ? SLICE_LITERAL("AMQP 1.0 (SASL)")
               : v[0] == 2 ? SLICE_LITERAL("AMQP 1.0 (TLS)")
                           : SLICE_LITERAL("AMQP 1.0");
    if (v[0] == 1 && v[2] == 0)
        return arena_printf(arena, "AMQP 0-%u", v[3]);
    return v[3] ? arena_printf(arena, "AMQP 0-%u-%u", v[2], v[3])
                : arena_printf(arena, "AMQP 0-%u", v[2]);
}

static enum dissect_result read_protocol_header(struct dissect_conn *conn, struct amqp_state *state,
                                                struct dissect_stream *stream)
{
    bool from_client = stream->dir == DIR_CLIENT;
    if (stream->len < PROTOCOL_HEADER_BYTES)
        return DISSECT_MORE;
    bool framed = is_framed_version(stream->data + 4);
    if (from_client && !state->header) {
        struct amqp_call *call = amqp_begin(conn, state, 0, false);
        if (!call)
            return DISSECT_BAD;
        struct arena *arena = dissect_entry_arena(call->entry);
        state->header = call;
        call->request.body.data = arena_alloc(arena, PROTOCOL_HEADER_BYTES);
        if (call->request.body.data)
            memcpy(call->request.body.data, stream->data, PROTOCOL_HEADER_BYTES);
        call->request.body.len = call->request.body.data ? PROTOCOL_HEADER_BYTES : 0;
        dissect_take(conn, stream, arena, dissect_entry_request(call->entry),
                     PROTOCOL_HEADER_BYTES);
        state->is_other = !framed;
        return DISSECT_OK;
    }
    struct amqp_call *call = from_client ? NULL : state->header;
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, PROTOCOL_HEADER_BYTES);
        return DISSECT_OK;
    }
    /* 1.0 answers with the same header; who does not speak the version answers with another. */
    struct arena *arena = dissect_entry_arena(call->entry);
    const uint8_t *asked_bytes = call->request.body.data;
    bool same = asked_bytes && memcmp(asked_bytes, stream->data, PROTOCOL_HEADER_BYTES) == 0;
    struct slice asked = asked_bytes ? version_text(arena, asked_bytes) : SLICE_NONE;
    struct slice answered = version_text(arena, stream->data);
    dissect_take(conn, stream, arena, dissect_entry_response(call->entry), PROTOCOL_HEADER_BYTES);
    state->header = NULL;
    state->is_other = true;
    amqp_emit_header(conn, call, asked, answered, same ? "ok" : "error", NULL);
    return DISSECT_OK;
}

/* The first frame of the server: connection.start answers the header, and is an entry itself. */
static void header_was_accepted(struct dissect_conn *conn, struct amqp_state *state)
{
    if (state->header)
        dissect_entry_drop(conn, state->header->entry);
    state->header = NULL;
}

/* ── reading ── */

static enum dissect_result read_body(struct dissect_conn *conn, struct amqp_state *state,
                                     struct dissect_stream *stream)
{
    struct amqp_side *side = &state->side[stream->dir];
    if (side->body_left) {
        size_t n = stream->len < side->body_left ? stream->len : side->body_left;
        side->body_left -= (uint32_t)n;
        amqp_on_body(conn, state, stream, side->body_channel, n, true);
        return DISSECT_OK;
    }
    if (stream->data[0] != AMQP_FRAME_END)
        return DISSECT_BAD;
    amqp_on_body(conn, state, stream, side->body_channel, 1, false);
    side->in_body = false;
    amqp_body_ends(conn, state, side->body_channel, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_body(struct dissect_conn *conn, struct amqp_state *state,
                                      struct dissect_stream *stream)
{
    struct amqp_side *side = &state->side[stream->dir];
    if (stream->len < AMQP_FRAME_HEAD)
        return DISSECT_MORE;
    struct amqp_head head = read_head(slice_of(stream->data, stream->len));
    side->body_channel = amqp_channel_at(conn, state, head.channel);
    side->body_left = head.size;
    side->in_body = true;
    amqp_on_body(conn, state, stream, side->body_channel, AMQP_FRAME_HEAD, false);
    return DISSECT_OK;
}

static enum dissect_result read_frame(struct dissect_conn *conn, struct amqp_state *state,
                                      struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    const struct amqp_method *method;
    if (stream->data[0] == 'A')
        return is_protocol_header(all) == PROBE_NO ? DISSECT_BAD
                                                   : read_protocol_header(conn, state, stream);
    if (stream->data[0] == AMQP_FRAME_BODY)
        return begin_body(conn, state, stream);
    switch (judge(all, stream->ended, &method)) {
    case FRAME_MORE:
        return DISSECT_MORE;
    case FRAME_BAD:
        return state->any_method ? DISSECT_BAD : DISSECT_NOT_MINE;
    case FRAME_OK:
        break;
    }
    struct amqp_head head = read_head(all);
    struct amqp_frame_in frame = {.dir = stream->dir,
                                  .channel = head.channel,
                                  .payload = slice_of(all.data + AMQP_FRAME_HEAD, head.size),
                                  .bytes = AMQP_FRAME_HEAD + (size_t)head.size + 1};
    if (stream->dir == DIR_SERVER)
        header_was_accepted(conn, state);
    if (head.type == AMQP_FRAME_HEARTBEAT)
        dissect_take(conn, stream, NULL, NULL, frame.bytes);
    else if (head.type == AMQP_FRAME_HEADER)
        amqp_on_header(conn, state, stream, &frame);
    else
        amqp_on_method(conn, state, stream, &frame, method);
    return DISSECT_OK;
}

/* ── found again after a loss ── */

static enum dissect_result find_frame(struct dissect_conn *conn, struct amqp_state *state,
                                      struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0, most = all.len < FIND_STEP ? all.len : FIND_STEP;
    const struct amqp_method *method;
    while (at < most) {
        enum frame_result found = judge(slice_sub(all, at, SIZE_MAX), stream->ended, &method);
        if (found == FRAME_OK)
            state->side[stream->dir].lost = false;
        if (found != FRAME_BAD)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !state->side[stream->dir].lost ? DISSECT_OK : DISSECT_MORE;
}

/* A late join may have taken the server for the client: the first method that only one of them
 * sends tells. */
static bool is_other_side(const struct amqp_state *state, const struct dissect_stream *stream)
{
    const struct amqp_method *method;
    if (state->any_entry ||
        judge(slice_of(stream->data, stream->len), stream->ended, &method) != FRAME_OK || !method)
        return false;
    unsigned sender = stream->dir == DIR_CLIENT ? AMQP_CLIENT : AMQP_SERVER;
    return !(method->traits & sender);
}

static enum dissect_result amqp_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct amqp_state *state = opaque;
    struct amqp_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (state->is_other && !(state->header && stream->dir == DIR_SERVER)) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    if (side->lost) {
        enum dissect_result found = find_frame(conn, state, stream);
        if (found != DISSECT_OK || side->lost)
            return found;
    }
    if (side->in_body)
        return read_body(conn, state, stream);
    if (dissect_is_late_join(conn) && is_other_side(state, stream)) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    return read_frame(conn, state, stream);
}

static void amqp_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct amqp_state *state = opaque;
    struct amqp_side *side = &state->side[dir];
    if (side->in_body && !side->lost && bytes <= side->body_left) {
        side->body_left -= (uint32_t)bytes;
        amqp_body_gap(side->body_channel, dir, bytes);
        return;
    }
    side->in_body = false;
    side->lost = true;
    amqp_on_gap(conn, state, dir);
}

static void amqp_open(struct dissect_conn *conn, void *opaque)
{
    struct amqp_state *state = opaque;
    if (dissect_is_late_join(conn))
        state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = true;
}

static void amqp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct amqp_state *state = opaque;
    if (state->header) {
        struct amqp_call *call = state->header;
        struct slice asked =
            call->request.body.data
                ? version_text(dissect_entry_arena(call->entry), call->request.body.data)
                : SLICE_NONE;
        state->header = NULL;
        amqp_emit_header(conn, call, asked, SLICE_NONE, end == END_OF_DATA ? "open" : "no_response",
                         NULL);
    }
    amqp_on_close(conn, state, end);
}

/* ── detection ── */

static enum probe_result probe_frame(struct slice s, bool ended)
{
    const struct amqp_method *method;
    switch (judge(s, ended, &method)) {
    case FRAME_OK:
        return PROBE_YES;
    case FRAME_MORE:
        return PROBE_MAYBE;
    case FRAME_BAD:
        break;
    }
    return PROBE_NO;
}

static enum probe_result amqp_probe(const struct probe_input *in)
{
    enum probe_result header = is_protocol_header(in->client);
    if (header == PROBE_MAYBE && in->client_ended)
        header = PROBE_NO;
    if (!in->is_late_join || header == PROBE_YES)
        return in->client.len == 0 && in->server.len ? PROBE_NO : header;
    enum probe_result client = probe_frame(in->client, in->client_ended);
    enum probe_result server = probe_frame(in->server, in->server_ended);
    if (client == PROBE_YES || server == PROBE_YES)
        return PROBE_YES;
    return header == PROBE_MAYBE || client == PROBE_MAYBE || server == PROBE_MAYBE ? PROBE_MAYBE
                                                                                   : PROBE_NO;
}

static const uint16_t amqp_ports[] = {5672, 0};

const struct dissector dissector_amqp = {
    .name = "amqp",
    .spec = "AMQP 0-9-1",
    .transports = DISSECT_TCP,
    .port_hints = amqp_ports,
    .fields = amqp_fields,
    .field_count = AMQP_FIELD_COUNT,
    .state_bytes = sizeof(struct amqp_state),
    .probe = amqp_probe,
    .open = amqp_open,
    .data = amqp_data,
    .gap = amqp_gap,
    .close = amqp_close,
};
