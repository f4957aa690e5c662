/* Who of the two is the client, when the connection's beginning was not recorded. Ports cannot tell
 * (gRPC's 50051 lies among the ports that clients use), content can: pseudo-header fields (RFC 9113
 * section 8.3), fields that only one side sends, streams that only a server begins, frames that
 * only one side may send.
 *
 * Until a frame tells, whole frames are held back: the engine shows them again once the sides are
 * known. HOLD_BYTES of a direction are held at most; in front of them frames are read as nobody's.
 * What a frame says counts only when all of it lies within that many bytes behind the first one
 * that is held, so that the answer does not depend on how the bytes were cut. Where nothing ever
 * tells, what is only likely decides, and every entry is incomplete. */
#include "dissect/proto/http2_state.h"

enum {
    HOLD_BYTES = 64 * 1024,
    MAX_NAME_BYTES = 24, /* encoded: no name in `names` is longer */
    SETTINGS_ENABLE_PUSH = 2,
    GRACEFUL_LAST_ID = 0x7fffffff /* a GOAWAY that refuses nothing yet, from either side */
};

enum sender {
    SENDER_UNKNOWN,
    SENDER_CLIENT,
    SENDER_SERVER
};

/* ── header blocks ── */

static enum sender name_sender(struct slice name)
{
    static const struct {
        const char *name;
        enum sender sender;
    } names[] = {{":method", SENDER_CLIENT},       {":path", SENDER_CLIENT},
                 {":scheme", SENDER_CLIENT},       {":authority", SENDER_CLIENT},
                 {":protocol", SENDER_CLIENT},     {":status", SENDER_SERVER},
                 {"user-agent", SENDER_CLIENT},    {"cookie", SENDER_CLIENT},
                 {"authorization", SENDER_CLIENT}, {"te", SENDER_CLIENT},
                 {"grpc-timeout", SENDER_CLIENT},  {"set-cookie", SENDER_SERVER},
                 {"server", SENDER_SERVER},        {"www-authenticate", SENDER_SERVER},
                 {"grpc-status", SENDER_SERVER},   {"grpc-message", SENDER_SERVER}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_eq_str(name, names[i].name))
            return names[i].sender;
    return SENDER_UNKNOWN;
}

/* A string literal (RFC 7541 section 5.2) as it stands in the block. */
static bool string_at(struct slice block, size_t *at, struct slice *ret_raw, bool *ret_huffman)
{
    uint64_t len;
    *ret_huffman = *at < block.len && block.data[*at] & 0x80;
    if (!hpack_integer(block, at, 7, &len) || len > block.len - *at)
        return false;
    *ret_raw = slice_of(block.data + *at, (size_t)len);
    *at += (size_t)len;
    return true;
}

static enum sender text_sender(struct slice raw, bool huffman)
{
    uint8_t text[MAX_NAME_BYTES / 5 * 8 + 16];
    if (raw.len > MAX_NAME_BYTES || hpack_huffman_max(raw.len) > sizeof text)
        return SENDER_UNKNOWN;
    if (!huffman)
        return name_sender(raw);
    size_t len = hpack_huffman_decode(raw, text);
    return len == SIZE_MAX ? SENDER_UNKNOWN : name_sender(slice_of(text, len));
}

/* Field by field (RFC 7541 section 6) without a dynamic table: what refers to it tells nothing. */
static enum sender block_sender(struct slice block)
{
    enum sender sender = SENDER_UNKNOWN;
    size_t at = 0;
    while (at < block.len && sender == SENDER_UNKNOWN) {
        uint8_t c = block.data[at];
        bool is_resize = (c & 0xe0) == 0x20, is_indexed = c & 0x80;
        unsigned bits = is_indexed ? 7 : c & 0x40 ? 6 : is_resize ? 5 : 4;
        uint64_t index;
        struct slice raw;
        bool huffman;
        if (!hpack_integer(block, &at, bits, &index))
            return SENDER_UNKNOWN;
        if (is_resize)
            continue;
        if (index) {
            sender = name_sender(hpack_static_name(index));
        } else {
            if (is_indexed || !string_at(block, &at, &raw, &huffman))
                return SENDER_UNKNOWN;
            sender = text_sender(raw, huffman);
        }
        if (!is_indexed && !string_at(block, &at, &raw, &huffman))
            return sender;
    }
    return sender;
}

/* ── frames ── */

static enum sender goaway_sender(struct slice payload)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    uint32_t last_id = cursor_be32(&c) & 0x7fffffffu;
    if (last_id == 0 || last_id == GRACEFUL_LAST_ID)
        return SENDER_UNKNOWN;
    return last_id & 1 ? SENDER_SERVER : SENDER_CLIENT; /* the last stream of the peer */
}

static enum sender headers_sender(const struct http2_frame *frame, struct slice payload)
{
    uint32_t before = http2_fixed_bytes(frame);
    uint32_t padding = frame->flags & HTTP2_PADDED ? payload.data[0] : 0;
    if (padding > frame->len - before)
        return SENDER_UNKNOWN;
    return block_sender(slice_sub(payload, before, frame->len - before - padding));
}

/* Who alone may send this frame. */
static enum sender frame_sender(const struct http2_frame *frame, struct slice payload)
{
    bool is_pushed = frame->stream_id && !(frame->stream_id & 1);
    switch (frame->type) {
    case HTTP2_DATA:
        return is_pushed ? SENDER_SERVER : SENDER_UNKNOWN;
    case HTTP2_HEADERS:
        return is_pushed ? SENDER_SERVER : headers_sender(frame, payload);
    case HTTP2_PUSH_PROMISE:
    case HTTP2_ALTSVC:
    case HTTP2_ORIGIN:
        return SENDER_SERVER;
    case HTTP2_PRIORITY_UPDATE:
        return SENDER_CLIENT;
    case HTTP2_GOAWAY:
        return goaway_sender(payload);
    default:
        return SENDER_UNKNOWN;
    }
}

static bool sets_push(struct slice settings)
{
    struct cursor c = cursor_of(settings.data, settings.len);
    while (cursor_left(&c) >= 6) {
        uint16_t id = cursor_be16(&c);
        cursor_skip(&c, 4);
        if (id == SETTINGS_ENABLE_PUSH)
            return true;
    }
    return false;
}

/* What the other side might send too, but seldom does. */
static enum sender likely_sender(struct http2_state *state, struct http2_side *side,
                                 const struct http2_frame *frame, struct slice payload)
{
    enum sender sender = SENDER_UNKNOWN;
    bool is_headers = frame->type == HTTP2_HEADERS;
    if (frame->type == HTTP2_PRIORITY || (is_headers && frame->flags & HTTP2_HAS_PRIORITY) ||
        (frame->type == HTTP2_SETTINGS && sets_push(payload)))
        sender = SENDER_CLIENT;
    else if (is_headers && frame->flags & HTTP2_END_STREAM && frame->stream_id == side->last_id)
        sender = SENDER_SERVER; /* trailers */
    else if (is_headers && state->max_seen_id && frame->stream_id > state->max_seen_id)
        sender = SENDER_CLIENT; /* begins a stream */
    if (is_headers || frame->type == HTTP2_DATA) {
        side->last_id = frame->stream_id;
        if (frame->stream_id > state->max_seen_id)
            state->max_seen_id = frame->stream_id;
    }
    return sender;
}

/* ── the decision ── */

enum dissect_result http2_sides_release(struct dissect_conn *conn, struct http2_state *state,
                                        bool swap)
{
    if (swap) {
        struct http2_side side = state->side[DIR_SERVER];
        state->side[DIR_SERVER] = state->side[DIR_CLIENT];
        state->side[DIR_CLIENT] = side;
    }
    state->sides_known = state->released = true;
    dissect_release(conn, swap);
    return DISSECT_OK;
}

enum http2_sides http2_sides_look(struct dissect_conn *conn, struct http2_state *state,
                                  const struct dissect_stream *stream)
{
    struct http2_side *side = &state->side[stream->dir];
    uint64_t end = stream->offset + (stream->len < HOLD_BYTES ? stream->len : HOLD_BYTES);
    if (side->judged < stream->offset)
        side->judged = stream->offset;
    while (side->judged + HTTP2_HEADER_BYTES <= end) {
        const uint8_t *at = stream->data + (side->judged - stream->offset);
        struct http2_frame frame = http2_frame_parse(at);
        uint64_t next = side->judged + HTTP2_HEADER_BYTES + frame.len;
        if (!http2_frame_is_valid(&frame) || next > end)
            break;
        struct slice payload = slice_of(at + HTTP2_HEADER_BYTES, frame.len);
        enum sender sender = frame_sender(&frame, payload);
        if (sender != SENDER_UNKNOWN) {
            bool swap = (sender == SENDER_CLIENT) != (stream->dir == DIR_CLIENT);
            http2_sides_release(conn, state, swap);
            return HTTP2_SIDES_KNOWN;
        }
        sender = likely_sender(state, side, &frame, payload);
        if (sender != SENDER_UNKNOWN)
            side->likely_client += sender == SENDER_CLIENT ? 1 : -1;
        side->judged = next;
    }
    return stream->len < HOLD_BYTES ? HTTP2_SIDES_WAIT : HTTP2_SIDES_FULL;
}

enum dissect_result http2_sides_guess(struct dissect_conn *conn, struct http2_state *state)
{
    state->sides_guessed = true;
    return http2_sides_release(
        conn, state, state->side[DIR_SERVER].likely_client > state->side[DIR_CLIENT].likely_client);
}
