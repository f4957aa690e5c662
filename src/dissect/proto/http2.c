/* HTTP/2: RFC 9113, with RFC 9218 (priorities), RFC 8441 (extended CONNECT) and the h2c upgrade of
 * RFC 7540 section 3.2, which peers still do. gRPC over it is in grpc*.c.
 *
 * This file reads frames. Every byte is consumed as it comes but those of a frame's header and of
 * small frames, which are taken whole. A connection that began before the recording, or lost bytes,
 * is read from the next place that cannot be anything but frames; what its header blocks refer to
 * from before stays `<unknown>` (hpack.h). */
#include "dissect/proto/http2_state.h"
#include "dissect/proto/http2_upgrade.h"

enum {
    SETTINGS_INITIAL_WINDOW_SIZE = 4
};

/* ── frames ── */

static void take(struct dissect_conn *conn, struct http2_side *side, struct dissect_stream *stream,
                 size_t n)
{
    struct http2_stream *s = side->at;
    bool promise = side->frame.type == HTTP2_PUSH_PROMISE ||
                   (side->frame.type == HTTP2_CONTINUATION && side->block_is_promise);
    struct dissect_span *span = s ? http2_span(s, promise ? DIR_CLIENT : stream->dir) : NULL;
    dissect_take(conn, stream, s ? dissect_entry_arena(s->entry) : NULL, span, n);
}

/* What follows cannot be read: frames are looked for, earlier header fields are forgotten. */
static void lose_side(struct http2_state *state, enum dissect_dir dir)
{
    struct http2_side *side = &state->side[dir];
    side->phase = HTTP2_LOST;
    side->at = side->block_stream = NULL;
    side->tunnel = NULL;
    side->in_block = false;
    hpack_forget(&side->hpack);
    http2_mark_loss(state, dir);
}

static void read_settings(struct dissect_conn *conn, struct http2_state *state,
                          enum dissect_dir dir, struct slice payload)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    uint32_t window = UINT32_MAX;
    while (cursor_left(&c) >= 6) {
        uint16_t id = cursor_be16(&c);
        uint32_t value = cursor_be32(&c);
        if (id == SETTINGS_INITIAL_WINDOW_SIZE && value <= INT32_MAX)
            window = value;
    }
    if (window != UINT32_MAX) /* once a frame: every open stream is looked at */
        http2_window_initial(state, dir, window, dissect_now_ns(conn));
}

/* Frames that are read whole at their header; `fixed` is what http2_fixed_bytes says. */
static void control_frame(struct dissect_conn *conn, struct http2_state *state,
                          enum dissect_dir dir, const struct http2_frame *frame, struct slice fixed)
{
    struct cursor c = cursor_of(fixed.data, fixed.len);
    uint32_t value = cursor_be32(&c);
    switch (frame->type) {
    case HTTP2_RST_STREAM:
        http2_reset(conn, state, dir, frame->stream_id, value);
        break;
    case HTTP2_SETTINGS:
        if (!(frame->flags & HTTP2_ACK))
            read_settings(conn, state, dir, fixed);
        break;
    case HTTP2_GOAWAY:
        http2_goaway(conn, state, dir, value & 0x7fffffffu);
        break;
    case HTTP2_WINDOW_UPDATE: {
        struct http2_stream *s = http2_stream_find(state, frame->stream_id);
        if (s || frame->stream_id == 0)
            http2_window_update(state, dir, s, value & 0x7fffffffu, dissect_now_ns(conn));
        break;
    }
    default:
        break;
    }
}

/* A header block begins, or goes on in a CONTINUATION. */
static void begin_block(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                        struct slice fixed)
{
    struct http2_side *side = &state->side[dir];
    const struct http2_frame *frame = &side->frame;
    if (frame->type == HTTP2_CONTINUATION) {
        side->at = side->block_stream;
        return;
    }
    side->in_block = true;
    side->block_stream_id = frame->stream_id;
    side->block_is_promise = frame->type == HTTP2_PUSH_PROMISE;
    side->block_ends_stream = !side->block_is_promise && frame->flags & HTTP2_END_STREAM;
    side->block.len = 0;
    side->block.cut = false;
    if (side->block_is_promise) {
        struct cursor c = cursor_of(fixed.data + fixed.len - 4, 4);
        uint32_t id = cursor_be32(&c) & 0x7fffffffu;
        side->at = dir == DIR_SERVER ? http2_stream_promised(conn, state, id) : NULL;
        if (side->at)
            side->at->message[DIR_CLIENT].begun = true;
    } else {
        side->at = http2_stream_of(conn, state, dir, frame);
        if (side->at)
            side->at->message[dir].begun = true;
    }
    side->block_stream = side->at;
}

/* `begin`: the first bytes of its data, GRPC_PREFIX_BYTES of them where the frame has so many. */
static void begin_data(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                       struct slice begin)
{
    struct http2_side *side = &state->side[dir];
    side->at = http2_stream_of(conn, state, dir, &side->frame);
    side->tunnel = side->at ? NULL : http2_tunnel_find(state, side->frame.stream_id);
    if (side->at) {
        /* Without its header fields before it, what precedes it is not here either. */
        side->at->message[dir].truncated |= !side->at->message[dir].begun;
        if (http2_may_be_grpc(side->at, dir) && grpc_fills_frame(begin, side->left))
            http2_guess_grpc(side->at, dir);
        side->at->message[dir].begun = true;
        if (side->at->message[dir].grpc)
            grpc_reader_frame(side->at->message[dir].grpc, side->left);
    }
    http2_window_data(state, dir, side->at, side->frame.len, dissect_now_ns(conn));
}

static void end_frame(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir)
{
    struct http2_side *side = &state->side[dir];
    struct http2_frame frame = side->frame;
    struct http2_stream *s = side->at;
    struct http2_tunnel *tunnel = side->tunnel;
    side->phase = HTTP2_AT_FRAME;
    side->at = NULL;
    side->tunnel = NULL;
    if (frame.type == HTTP2_DATA) {
        if (s && frame.flags & HTTP2_END_STREAM)
            http2_end_stream(conn, state, dir, s);
        else if (tunnel && frame.flags & HTTP2_END_STREAM)
            http2_tunnel_end(state, dir, tunnel);
    } else if (side->in_block && frame.flags & HTTP2_END_HEADERS &&
               (frame.type == HTTP2_HEADERS || frame.type == HTTP2_PUSH_PROMISE ||
                frame.type == HTTP2_CONTINUATION)) {
        http2_block_done(conn, state, dir);
    }
}

/* Section 6.10: behind a block that is not whole, its CONTINUATION follows and nothing else. */
static bool breaks_block(const struct http2_side *side, const struct http2_frame *frame)
{
    if (!side->in_block)
        return frame->type == HTTP2_CONTINUATION;
    return frame->type != HTTP2_CONTINUATION || frame->stream_id != side->block_stream_id;
}

/* Whether the first bytes of this DATA frame decide what the stream carries, and are not here. */
static bool waits_for_prefix(const struct http2_state *state, const struct dissect_stream *stream,
                             const struct http2_frame *frame, uint32_t before)
{
    if (frame->type != HTTP2_DATA || frame->len - before < GRPC_PREFIX_BYTES || stream->ended)
        return false;
    const struct http2_stream *s = http2_stream_find(state, frame->stream_id);
    return (!s || http2_may_be_grpc(s, stream->dir)) &&
           stream->len < HTTP2_HEADER_BYTES + before + GRPC_PREFIX_BYTES;
}

static void start_frame(struct dissect_conn *conn, struct http2_state *state,
                        struct dissect_stream *stream, uint32_t fixed_len)
{
    struct http2_side *side = &state->side[stream->dir];
    struct http2_frame frame = side->frame;
    uint8_t bytes[HTTP2_SETTINGS_MAX]; /* taking moves the stream on */
    struct slice fixed = slice_of(bytes, fixed_len);
    if (fixed_len)
        memcpy(bytes, stream->data + HTTP2_HEADER_BYTES, fixed_len);
    side->at = NULL;
    side->left = frame.len - fixed_len - side->padding;
    if (frame.type == HTTP2_DATA)
        begin_data(conn, state, stream->dir,
                   slice_sub(slice_of(stream->data, stream->len), HTTP2_HEADER_BYTES + fixed_len,
                             GRPC_PREFIX_BYTES));
    else if (frame.type == HTTP2_HEADERS || frame.type == HTTP2_PUSH_PROMISE ||
             frame.type == HTTP2_CONTINUATION)
        begin_block(conn, state, stream->dir, fixed);
    side->phase = HTTP2_IN_PAYLOAD;
    take(conn, side, stream, HTTP2_HEADER_BYTES + fixed_len);
    if (state->sides_known)
        control_frame(conn, state, stream->dir, &frame, fixed);
    if (side->left == 0 && side->padding == 0)
        end_frame(conn, state, stream->dir);
}

static enum dissect_result read_frame(struct dissect_conn *conn, struct http2_state *state,
                                      struct dissect_stream *stream)
{
    struct http2_side *side = &state->side[stream->dir];
    if (stream->len < HTTP2_HEADER_BYTES)
        return DISSECT_MORE;
    struct http2_frame frame = http2_frame_parse(stream->data);
    if (!http2_frame_is_valid(&frame)) {
        lose_side(state, stream->dir);
        return DISSECT_OK;
    }
    uint32_t fixed = http2_fixed_bytes(&frame);
    if (stream->len < HTTP2_HEADER_BYTES + fixed)
        return DISSECT_MORE;
    bool padded =
        frame.flags & HTTP2_PADDED && (frame.type == HTTP2_DATA || frame.type == HTTP2_HEADERS ||
                                       frame.type == HTTP2_PUSH_PROMISE);
    uint32_t padding = padded ? stream->data[HTTP2_HEADER_BYTES] : 0;
    if (padding > frame.len - fixed) {
        lose_side(state, stream->dir);
        return DISSECT_OK;
    }
    if (waits_for_prefix(state, stream, &frame, fixed))
        return DISSECT_MORE;
    if (breaks_block(side, &frame)) {
        side->in_block = false;
        side->block_stream = NULL;
        hpack_forget(&side->hpack);
    }
    side->frame = frame;
    side->padding = padding;
    side->spoke = true;
    start_frame(conn, state, stream, fixed);
    return DISSECT_OK;
}

static enum dissect_result read_payload(struct dissect_conn *conn, struct http2_state *state,
                                        struct dissect_stream *stream)
{
    struct http2_side *side = &state->side[stream->dir];
    size_t n = side->left < stream->len ? side->left : stream->len;
    struct slice bytes = slice_of(stream->data, n);
    if (n && side->frame.type == HTTP2_DATA) {
        if (side->at)
            http2_body(conn, side->at, stream->dir, bytes);
    } else if (n && side->in_block && side->frame.type <= HTTP2_CONTINUATION) {
        gather_add(&side->block, dissect_arena(conn), bytes, DISSECT_HEADER_CAP);
        if (side->at)
            side->at->message[side->block_is_promise ? DIR_CLIENT : stream->dir].head_size += n;
    }
    side->left -= (uint32_t)n;
    if (n && side->tunnel)
        dissect_layer_take(side->tunnel->layer, stream, n, bytes);
    else if (n)
        take(conn, side, stream, n);
    n = side->left == 0 && side->padding < stream->len ? side->padding : stream->len;
    if (side->left == 0 && n) {
        take(conn, side, stream, n);
        side->padding -= (uint32_t)n;
    }
    if (side->left == 0 && side->padding == 0)
        end_frame(conn, state, stream->dir);
    return DISSECT_OK;
}

/* ── beginnings ── */

static enum probe_result probe_preface(struct slice s, bool ended)
{
    struct slice preface = HTTP2_PREFACE;
    size_t n = s.len < preface.len ? s.len : preface.len;
    if (n == 0 || memcmp(s.data, preface.data, n) != 0)
        return PROBE_NO;
    if (n == preface.len)
        return PROBE_YES;
    return ended ? PROBE_NO : PROBE_MAYBE;
}

/* The direction begins with its preface, so nothing of it is missing. */
static void begin_whole(struct dissect_conn *conn, struct http2_state *state)
{
    hpack_init(&state->side[DIR_CLIENT].hpack, dissect_arena(conn), false);
    state->side[DIR_CLIENT].phase = HTTP2_AT_PREFACE;
    if (state->side[DIR_SERVER].spoke)
        return;
    hpack_init(&state->side[DIR_SERVER].hpack, dissect_arena(conn), false);
    http2_window_init(state, true);
}

static enum dissect_result read_preface(struct dissect_conn *conn, struct http2_state *state,
                                        struct dissect_stream *stream)
{
    struct http2_side *side = &state->side[stream->dir];
    struct slice preface = HTTP2_PREFACE;
    size_t n = stream->len < preface.len ? stream->len : preface.len;
    if (memcmp(stream->data, preface.data, n) != 0) {
        lose_side(state, stream->dir);
        return DISSECT_OK;
    }
    if (n < preface.len)
        return DISSECT_MORE;
    dissect_take(conn, stream, NULL, NULL, n);
    side->phase = HTTP2_AT_FRAME;
    return DISSECT_OK;
}

static enum dissect_result read_lost(struct dissect_conn *conn, struct http2_state *state,
                                     struct dissect_stream *stream)
{
    struct slice bytes = slice_of(stream->data, stream->len);
    size_t at;
    bool is_first = stream->offset == 0 && (stream->dir == DIR_CLIENT || !state->sides_known);
    enum probe_result preface = is_first ? probe_preface(bytes, stream->ended) : PROBE_NO;
    if (preface == PROBE_MAYBE)
        return DISSECT_MORE;
    if (preface == PROBE_YES && !state->sides_known)
        return http2_sides_release(conn, state, stream->dir == DIR_SERVER);
    if (preface == PROBE_YES) {
        begin_whole(conn, state); /* only the handshake is missing */
        return DISSECT_OK;
    }
    enum probe_result found = http2_frame_find(bytes, stream->ended, false, &at);
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    if (found == PROBE_MAYBE)
        return at ? DISSECT_OK : DISSECT_MORE;
    if (found == PROBE_YES)
        state->side[stream->dir].phase = HTTP2_AT_FRAME;
    return DISSECT_OK;
}

/* ── the dissector ── */

/* While it is not known who is the client. */
static enum dissect_result read_held(struct dissect_conn *conn, struct http2_state *state,
                                     struct dissect_stream *stream)
{
    switch (http2_sides_look(conn, state, stream)) {
    case HTTP2_SIDES_KNOWN:
        return DISSECT_OK;
    case HTTP2_SIDES_WAIT:
        return DISSECT_MORE;
    case HTTP2_SIDES_FULL:
        break;
    }
    return read_frame(conn, state, stream);
}

static enum dissect_result read_phase(struct dissect_conn *conn, struct http2_state *state,
                                      struct dissect_stream *stream)
{
    switch (state->side[stream->dir].phase) {
    case HTTP2_AT_PREFACE:
        return read_preface(conn, state, stream);
    case HTTP2_AT_FRAME:
        return state->sides_known ? read_frame(conn, state, stream)
                                  : read_held(conn, state, stream);
    case HTTP2_IN_PAYLOAD:
        return read_payload(conn, state, stream);
    case HTTP2_LOST:
        return read_lost(conn, state, stream);
    }
    return DISSECT_BAD;
}

static enum dissect_result read_stream(struct dissect_conn *conn, struct http2_state *state,
                                       struct dissect_stream *stream)
{
    uint64_t begin = stream->offset;
    /* A direction leaves HTTP2_LOST without consuming; only one change of phase does. */
    while (stream->len) {
        enum dissect_result result = read_phase(conn, state, stream);
        if (state->released || result == DISSECT_BAD)
            return result;
        if (result == DISSECT_MORE)
            return stream->offset != begin ? DISSECT_OK : DISSECT_MORE;
    }
    return DISSECT_OK;
}

static enum dissect_result http2_data(struct dissect_conn *conn, void *opaque,
                                      struct dissect_stream *stream)
{
    struct http2_state *state = opaque;
    state->released = false;
    enum dissect_result result = read_stream(conn, state, stream);
    if (state->sides_known)
        return result;
    state->side[stream->dir].ended |= stream->ended;
    if (state->side[DIR_CLIENT].ended && state->side[DIR_SERVER].ended)
        return http2_sides_guess(conn, state);
    return result;
}

/* Missing bytes of a payload whose end is known: no other frame is among them. */
static bool is_inside(const struct http2_side *side, uint64_t bytes)
{
    return side->phase == HTTP2_IN_PAYLOAD && !side->in_block &&
           side->frame.type != HTTP2_CONTINUATION && bytes <= (uint64_t)side->left + side->padding;
}

static void http2_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct http2_state *state = opaque;
    struct http2_side *side = &state->side[dir];
    struct http2_stream *s = side->at;
    uint64_t in_frame = side->phase == HTTP2_IN_PAYLOAD ? (uint64_t)side->left + side->padding : 0;
    uint64_t own = bytes < in_frame ? bytes : in_frame;
    uint64_t body = own < side->left ? own : side->left;
    if (s) {
        struct http_message *m = &s->message[dir];
        m->has_gap = true;
        http2_span(s, dir)->gap_bytes += own;
        if (side->frame.type == HTTP2_DATA && body) {
            m->body_size += body;
            m->truncated = true;
            if (s->message[dir].grpc)
                grpc_reader_gap(s->message[dir].grpc, body);
        }
    }
    if (!is_inside(side, bytes)) {
        lose_side(state, dir);
        return;
    }
    if (side->tunnel && body)
        dissect_layer_gap(side->tunnel->layer, dir, body);
    side->left -= (uint32_t)body;
    side->padding -= (uint32_t)(own - body);
    if (side->left == 0 && side->padding == 0)
        end_frame(conn, state, dir);
}

/* h2c (RFC 7540 section 3.2): stream 1 is the request that asked for the upgrade. */
static void begin_upgraded(struct dissect_conn *conn, struct http2_state *state)
{
    struct slice packed = dissect_params(conn);
    struct http2_stream *s = packed.len ? http2_stream_upgraded(conn, state) : NULL;
    if (!s)
        return;
    struct http_message *request = &s->message[DIR_CLIENT];
    if (!http2_upgrade_unpack(packed, dissect_entry_arena(s->entry), request,
                              http2_span(s, DIR_CLIENT)))
        return;
    /* Its bytes are those of the Upgrade, which is a call of its own: the id tells them apart. */
    http2_span(s, DIR_CLIENT)->first_sequence = s->id;
    int64_t window = http2_upgrade_window(request);
    if (window >= 0)
        http2_window_initial(state, DIR_CLIENT, (uint32_t)window, dissect_now_ns(conn));
}

static void http2_open(struct dissect_conn *conn, void *opaque)
{
    struct http2_state *state = opaque;
    bool late = dissect_is_late_join(conn);
    state->sides_known = !dissect_hold(conn);
    for (int dir = 0; dir < 2; dir++) {
        hpack_init(&state->side[dir].hpack, dissect_arena(conn), late);
        state->side[dir].phase = late ? HTTP2_LOST : HTTP2_AT_FRAME;
    }
    if (!late)
        state->side[DIR_CLIENT].phase = HTTP2_AT_PREFACE;
    http2_window_init(state, !late);
    begin_upgraded(conn, state);
}

static void http2_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct http2_state *state = opaque;
    while (state->oldest)
        http2_emit(conn, state, state->oldest, true, end);
}

/* ── detection ── */

/* A server may speak first: its SETTINGS (section 3.4). */
static enum probe_result probe_settings(struct slice s)
{
    static const uint8_t rest[] = {HTTP2_SETTINGS, 0, 0, 0, 0, 0};
    if (s.len && s.data[0] != 0)
        return PROBE_NO;
    if (s.len < HTTP2_HEADER_BYTES)
        return PROBE_MAYBE;
    struct http2_frame frame = http2_frame_parse(s.data);
    bool is_settings = memcmp(s.data + 3, rest, sizeof rest) == 0 && frame.len % 6 == 0 &&
                       frame.len <= HTTP2_SETTINGS_MAX;
    return is_settings ? PROBE_MAYBE : PROBE_NO;
}

static enum probe_result http2_probe(const struct probe_input *in)
{
    enum probe_result client = probe_preface(in->client, in->client_ended);
    if (client != PROBE_NO)
        return client;
    if (in->is_late_join) {
        size_t at;
        enum probe_result a = http2_frame_find(in->client, in->client_ended, true, &at);
        enum probe_result b = http2_frame_find(in->server, in->server_ended, true, &at);
        if (a == PROBE_NO && probe_preface(in->server, false) == PROBE_YES)
            a = PROBE_YES;
        return a > b ? a : b;
    }
    if (in->client.len)
        return PROBE_NO;
    enum probe_result server = probe_settings(in->server);
    /* Only the server was recorded. */
    if (server == PROBE_MAYBE && in->client_ended)
        return http2_frame_chain(in->server, in->server_ended, true);
    return server;
}

static const uint16_t http2_ports[] = {50051, 0};
static const char *const http2_protocols[] = {"http", "grpc", NULL};

const struct dissector dissector_http2 = {
    .name = "http2",
    .spec = "RFC 9113, RFC 7541, RFC 9218, RFC 8441, gRPC over HTTP/2",
    .transports = DISSECT_TCP,
    .port_hints = http2_ports,
    .fields = http2_fields,
    .field_count = HTTP2_FIELD_COUNT,
    .more_protocols = http2_protocols,
    .state_bytes = sizeof(struct http2_state),
    .probe = http2_probe,
    .open = http2_open,
    .data = http2_data,
    .gap = http2_gap,
    .close = http2_close,
};
