/* Frames of RFC 6455: header, mask, and the evidence that bytes are frames at all. A header alone
 * proves little (one random byte pair in forty passes for one), so chains are weighed. */
#include "dissect/proto/ws_frame.h"

enum {
    CHAIN_BYTES = 256 * 1024,
    CHAIN_FRAME_BYTES = 64 * 1024,
    CHAIN_FRAMES = 16,
    CHAIN_TEXT_BYTES = 32, /* of a text, looked at as characters */
    /* In bits: how seldom other bytes would look the same. */
    ENOUGH_ALONE = 32,
    ENOUGH_OF_TWO = 22,
    ENOUGH_AT_END = 10,
    WEIGHT_HEADER = 4,
    WEIGHT_PLAIN_TEXT = 6,
    WEIGHT_CLOSE_CODE = 6
};

/* ── header ── */

enum ws_parse ws_header_parse(struct slice bytes, struct ws_header *ret_header)
{
    struct cursor c = cursor_of(bytes.data, bytes.len);
    struct ws_header h = {.is_minimal = true};
    if (bytes.len == 0)
        return WS_SHORT;
    uint8_t first = cursor_u8(&c);
    h.fin = first & 0x80;
    h.rsv1 = first & 0x40;
    h.opcode = first & 0x0f;
    bool is_known = h.opcode <= WS_BINARY || (h.opcode >= WS_CLOSE && h.opcode <= WS_PONG);
    if (!is_known || first & 0x30)
        return WS_INVALID;
    if (h.rsv1 && h.opcode != WS_TEXT && h.opcode != WS_BINARY)
        return WS_INVALID;
    uint8_t second = cursor_u8(&c);
    if (c.bad)
        return ws_is_control(h.opcode) && !h.fin ? WS_INVALID : WS_SHORT;
    h.masked = second & 0x80;
    h.length = second & 0x7f;
    if (ws_is_control(h.opcode) && (!h.fin || h.length > WS_CONTROL_MAX))
        return WS_INVALID;
    if (h.length == 126) {
        h.length = cursor_be16(&c);
        h.is_minimal = h.length >= 126;
    } else if (h.length == 127) {
        h.length = cursor_be64(&c);
        h.is_minimal = h.length > UINT16_MAX;
    }
    const uint8_t *mask = h.masked ? cursor_take(&c, sizeof h.mask) : NULL;
    if (c.bad)
        return WS_SHORT;
    if (h.length > INT64_MAX)
        return WS_INVALID;
    if (mask)
        memcpy(h.mask, mask, sizeof h.mask);
    h.size = (size_t)(c.pos - bytes.data);
    *ret_header = h;
    return WS_PARSED;
}

const char *ws_opcode_name(uint8_t opcode)
{
    static const char *const names[16] = {[WS_CONTINUATION] = "continuation",
                                          [WS_TEXT] = "text",
                                          [WS_BINARY] = "binary",
                                          [WS_CLOSE] = "close",
                                          [WS_PING] = "ping",
                                          [WS_PONG] = "pong"};
    const char *name = names[opcode & 15];
    return name ? name : "reserved";
}

void ws_unmask(const struct ws_header *header, uint64_t at, struct slice in, uint8_t *out)
{
    if (!header->masked) {
        if (in.len && out != in.data)
            memcpy(out, in.data, in.len);
        return;
    }
    for (size_t i = 0; i < in.len; i++)
        out[i] = in.data[i] ^ header->mask[(at + i) & 3];
}

/* ── chains ── */

/* Characters as people and programs write them: no control characters, UTF-8 in order. */
static bool is_plain_text(struct slice text)
{
    unsigned due = 0; /* bytes of a character that are still to come */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (due) {
            if ((c & 0xc0) != 0x80)
                return false;
            due--;
        } else if (c < 0x80) {
            if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
                return false;
        } else if (c >= 0xc2 && c <= 0xf4) {
            due = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        } else {
            return false;
        }
    }
    return true;
}

struct chain {
    unsigned weight, frames;
    bool masked;
    bool any_data;    /* a data frame was passed: whether a message is in parts is known */
    bool in_parts;    /* it is, and goes on */
    size_t at, bytes; /* of the view */
};

/* What the payload's first bytes say. MAYBE: they are not there. */
static enum probe_result weigh_payload(struct chain *chain, const struct ws_header *h,
                                       struct slice rest, bool ended)
{
    size_t want = h->length < CHAIN_TEXT_BYTES ? (size_t)h->length : CHAIN_TEXT_BYTES;
    struct slice seen = slice_sub(rest, 0, want);
    uint8_t text[CHAIN_TEXT_BYTES];
    bool is_text = h->opcode == WS_TEXT && !h->rsv1;
    if ((!is_text && h->opcode != WS_CLOSE) || want == 0)
        return PROBE_YES;
    if (seen.len < want && !ended)
        return PROBE_MAYBE;
    ws_unmask(h, 0, seen, text);
    if (h->opcode == WS_CLOSE) {
        unsigned code = seen.len >= 2 ? (unsigned)(text[0] << 8 | text[1]) : 0;
        if (code < 1000 || code > 4999)
            return PROBE_NO;
        chain->weight += WEIGHT_CLOSE_CODE;
        return PROBE_YES;
    }
    if (!is_plain_text(slice_of(text, seen.len)))
        return PROBE_NO;
    if (h->masked)
        chain->weight += (unsigned)seen.len;
    else if (seen.len >= 8)
        chain->weight += WEIGHT_PLAIN_TEXT;
    return PROBE_YES;
}

/* The order of frames of one message (RFC 6455 section 5.4). */
static bool is_in_order(struct chain *chain, const struct ws_header *h)
{
    if (ws_is_control(h->opcode))
        return true;
    bool goes_on = h->opcode == WS_CONTINUATION;
    if (chain->any_data && goes_on != chain->in_parts)
        return false;
    chain->any_data = true;
    chain->in_parts = !h->fin;
    return true;
}

static enum probe_result weigh_frame(struct chain *chain, struct slice rest, bool ended)
{
    struct ws_header h;
    enum ws_parse parsed = ws_header_parse(rest, &h);
    if (rest.len >= 2 && (bool)(rest.data[1] & 0x80) != chain->masked)
        return PROBE_NO;
    if (parsed == WS_SHORT)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (parsed == WS_INVALID || !h.is_minimal || !is_in_order(chain, &h))
        return PROBE_NO;
    enum probe_result payload = weigh_payload(chain, &h, slice_sub(rest, h.size, SIZE_MAX), ended);
    if (payload != PROBE_YES)
        return payload;
    if (h.opcode != WS_CONTINUATION && (h.fin || h.length))
        chain->weight += h.length || ws_is_control(h.opcode) ? WEIGHT_HEADER : 1;
    else if (h.length) /* zeros would pass for continuations without end */
        chain->weight += 2;
    chain->frames++;
    chain->at += h.size;
    if (h.length > CHAIN_FRAME_BYTES)
        chain->at = CHAIN_BYTES + 1;
    else
        chain->at += (size_t)h.length;
    return PROBE_YES;
}

enum probe_result ws_chain(struct slice bytes, bool masked, bool ended)
{
    struct chain chain = {.masked = masked};
    while (chain.frames < CHAIN_FRAMES) {
        if (chain.at >= bytes.len && chain.frames) {
            if (chain.at > CHAIN_BYTES)
                return PROBE_NO;
            if (!ended)
                return PROBE_MAYBE;
            return chain.at == bytes.len && chain.weight >= ENOUGH_AT_END ? PROBE_YES : PROBE_NO;
        }
        struct slice rest = slice_sub(bytes, chain.at, SIZE_MAX);
        enum probe_result frame = weigh_frame(&chain, rest, ended);
        if (frame != PROBE_YES)
            return frame;
        if (chain.weight >= ENOUGH_ALONE || (chain.frames >= 2 && chain.weight >= ENOUGH_OF_TWO))
            return PROBE_YES;
    }
    return PROBE_NO;
}
