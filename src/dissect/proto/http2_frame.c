#include "dissect/proto/http2_frame.h"

#include "dissect/proto/hpack.h"

enum {
    MAX_ID_STEP = 1 << 24, /* ids of streams that are open together are close to one another */
    START_BYTES = 18       /* of a payload: enough for is_plausible_start */
};

struct http2_frame http2_frame_parse(const uint8_t *b)
{
    return (struct http2_frame){
        .len = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2],
        .type = b[3],
        .flags = b[4],
        .stream_id = ((uint32_t)b[5] << 24 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 8 | b[8]) &
                     0x7fffffffu};
}

static uint32_t prefix_bytes(const struct http2_frame *f)
{
    uint32_t padded = f->flags & HTTP2_PADDED ? 1 : 0;
    if (f->type == HTTP2_DATA)
        return padded;
    if (f->type == HTTP2_HEADERS)
        return padded + (f->flags & HTTP2_HAS_PRIORITY ? 5 : 0);
    if (f->type == HTTP2_PUSH_PROMISE)
        return padded + 4;
    return 0;
}

bool http2_frame_is_valid(const struct http2_frame *f)
{
    bool has_stream = f->stream_id != 0;
    switch (f->type) {
    case HTTP2_DATA:
    case HTTP2_HEADERS:
    case HTTP2_PUSH_PROMISE:
    case HTTP2_CONTINUATION:
        return has_stream && f->len >= prefix_bytes(f);
    case HTTP2_PRIORITY:
        return has_stream && f->len == 5;
    case HTTP2_RST_STREAM:
        return has_stream && f->len == 4;
    case HTTP2_SETTINGS:
        return !has_stream && f->len % 6 == 0 && (!(f->flags & HTTP2_ACK) || f->len == 0);
    case HTTP2_PING:
        return !has_stream && f->len == 8;
    case HTTP2_GOAWAY:
        return !has_stream && f->len >= 8;
    case HTTP2_WINDOW_UPDATE:
        return f->len == 4;
    default: /* section 4.1: unknown types are ignored */
        return true;
    }
}

uint32_t http2_fixed_bytes(const struct http2_frame *f)
{
    switch (f->type) {
    case HTTP2_RST_STREAM:
    case HTTP2_WINDOW_UPDATE:
        return 4;
    case HTTP2_GOAWAY:
        return 8;
    case HTTP2_SETTINGS:
        return f->len <= HTTP2_SETTINGS_MAX ? f->len : 0;
    default:
        return prefix_bytes(f);
    }
}

/* ── finding ── */

/* Stricter than valid: what peers do, not all that they might. */
static bool is_plausible(const struct http2_frame *f, uint8_t reserved)
{
    static const uint8_t flags_of[] = {[HTTP2_DATA] = HTTP2_END_STREAM | HTTP2_PADDED,
                                       [HTTP2_HEADERS] = HTTP2_END_STREAM | HTTP2_END_HEADERS |
                                                         HTTP2_PADDED | HTTP2_HAS_PRIORITY,
                                       [HTTP2_PRIORITY] = 0,
                                       [HTTP2_RST_STREAM] = 0,
                                       [HTTP2_SETTINGS] = HTTP2_ACK,
                                       [HTTP2_PUSH_PROMISE] = HTTP2_END_HEADERS | HTTP2_PADDED,
                                       [HTTP2_PING] = HTTP2_ACK,
                                       [HTTP2_GOAWAY] = 0,
                                       [HTTP2_WINDOW_UPDATE] = 0,
                                       [HTTP2_CONTINUATION] = HTTP2_END_HEADERS};
    if (f->type > HTTP2_CONTINUATION || reserved & 0x80 || f->len > HTTP2_DEFAULT_MAX_FRAME ||
        f->flags & ~flags_of[f->type])
        return false;
    if (f->type == HTTP2_DATA && f->len == 0 && !(f->flags & HTTP2_END_STREAM))
        return false;
    if (f->type == HTTP2_HEADERS && f->len == 0)
        return false;
    if (f->type == HTTP2_SETTINGS && f->len > HTTP2_SETTINGS_MAX)
        return false;
    return http2_frame_is_valid(f);
}

/* What the first bytes behind the header may be, as far as they are there. */
static bool is_plausible_start(const struct http2_frame *f, struct slice payload)
{
    uint32_t prefix = prefix_bytes(f);
    if (f->flags & HTTP2_PADDED && f->type != HTTP2_PING && f->type != HTTP2_SETTINGS &&
        payload.len && payload.data[0] > f->len - prefix)
        return false;
    if (f->type == HTTP2_HEADERS && payload.len > prefix)
        return http2_block_sender(slice_sub(payload, prefix, SIZE_MAX)) >= 0;
    if (f->type == HTTP2_WINDOW_UPDATE && payload.len >= 4)
        return (payload.data[0] & 0x80) == 0 && memcmp(payload.data, "\0\0\0\0", 4) != 0;
    if (f->type == HTTP2_SETTINGS)
        for (size_t at = 0; at + 2 <= payload.len && at < f->len; at += 6)
            if (payload.data[at] != 0 || payload.data[at + 1] == 0)
                return false;
    return true;
}

static bool ids_are_close(uint32_t a, uint32_t b)
{
    return a == 0 || b == 0 || (a > b ? a - b : b - a) < MAX_ID_STEP;
}

int http2_block_sender(struct slice block)
{
    uint64_t index;
    size_t at = 0;
    while (at < block.len && (block.data[at] & 0xe0) == 0x20) /* a change of size comes first */
        if (!hpack_integer(block, &at, 5, &index))
            return 0;
    if (at >= block.len)
        return 0;
    uint8_t c = block.data[at];
    unsigned bits = c & 0x80 ? 7 : c & 0x40 ? 6 : 4;
    if (!hpack_integer(block, &at, bits, &index))
        return 0;
    if (c & 0x80 && index == 0)
        return -1;
    struct slice name = hpack_static_name(index);
    if (name.len == 0 || name.data[0] != ':')
        return 0;
    return slice_eq_str(name, ":status") ? 2 : 1;
}

/* A header block whose first field is a pseudo-header field of the static table. */
static bool begins_message(const struct http2_frame *f, struct slice payload)
{
    return f->type == HTTP2_HEADERS &&
           http2_block_sender(slice_sub(payload, prefix_bytes(f), SIZE_MAX)) > 0;
}

/* What a run of plausible frames is worth. */
struct chain {
    int frames;
    bool has_message, only_data;
};

static bool is_enough(const struct chain *c, bool strict)
{
    if (strict && c->only_data)
        return c->frames >= HTTP2_CHAIN * 4;
    return c->frames >= HTTP2_CHAIN || (c->has_message && c->frames >= HTTP2_CHAIN - 1);
}

enum probe_result http2_frame_chain(struct slice bytes, bool ended, bool strict)
{
    struct chain chain = {.only_data = true};
    size_t at = 0;
    uint32_t id = 0;
    while (!is_enough(&chain, strict)) {
        if (at == bytes.len && ended && chain.frames)
            return chain.has_message || !strict ? PROBE_YES : PROBE_NO;
        if (at > bytes.len || bytes.len - at < HTTP2_HEADER_BYTES)
            return ended ? PROBE_NO : PROBE_MAYBE;
        struct http2_frame frame = http2_frame_parse(bytes.data + at);
        struct slice payload = slice_sub(bytes, at + HTTP2_HEADER_BYTES, frame.len);
        if (!is_plausible(&frame, bytes.data[at + 5]) || !ids_are_close(id, frame.stream_id))
            return PROBE_NO;
        size_t shown = payload.len < START_BYTES ? payload.len : START_BYTES;
        if (payload.len < frame.len && payload.len < START_BYTES && !ended)
            return PROBE_MAYBE;
        if (!is_plausible_start(&frame, slice_of(payload.data, shown)))
            return PROBE_NO;
        chain.frames++;
        chain.has_message |= begins_message(&frame, slice_of(payload.data, shown));
        chain.only_data &= frame.type == HTTP2_DATA;
        if (frame.stream_id)
            id = frame.stream_id;
        at += HTTP2_HEADER_BYTES + frame.len;
    }
    return PROBE_YES;
}

enum probe_result http2_frame_find(struct slice bytes, bool ended, bool strict, size_t *ret_at)
{
    for (size_t at = 0; at < bytes.len; at++) {
        struct slice rest = slice_sub(bytes, at, SIZE_MAX);
        /* Cheap: the length is at most 0x4000, the type at most 9. */
        if (rest.data[0] != 0 || (rest.len > 1 && rest.data[1] > 0x40) ||
            (rest.len > 3 && rest.data[3] > HTTP2_CONTINUATION))
            continue;
        enum probe_result found = http2_frame_chain(rest, ended, strict);
        if (found != PROBE_NO) {
            *ret_at = at;
            return found;
        }
    }
    *ret_at = bytes.len;
    return PROBE_NO;
}
