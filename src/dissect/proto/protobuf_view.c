#include "dissect/proto/protobuf_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/text.h"

enum wire_type { /* of the encoding guide */
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5
};

struct proto_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;
    struct slice bytes;
};

/* ── reading ── */

static bool varint(struct cursor *c, uint64_t *ret_value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (c->bad)
            return false;
        v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80)) {
            *ret_value = v;
            return true;
        }
    }
    return false;
}

static bool next_field(struct cursor *c, struct proto_field *ret)
{
    uint64_t tag;
    *ret = (struct proto_field){0};
    if (!varint(c, &tag) || tag >> 3 == 0 || tag >> 3 >= UINT64_C(1) << 29)
        return false;
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (enum wire_type)(tag & 7);
    switch (ret->type) {
    case WIRE_VARINT:
        return varint(c, &ret->value);
    case WIRE_FIXED64:
        ret->value = cursor_le64(c);
        return !c->bad;
    case WIRE_FIXED32:
        ret->value = cursor_le32(c);
        return !c->bad;
    case WIRE_BYTES: {
        uint64_t len;
        if (!varint(c, &len) || len > cursor_left(c))
            return false;
        ret->bytes = cursor_slice(c, (size_t)len);
        return true;
    }
    case WIRE_GROUP: /* deprecated since long, and never seen in gRPC */
    case WIRE_GROUP_END:
        break;
    }
    return false;
}

bool protobuf_is_message(struct slice bytes)
{
    struct cursor c = cursor_of(bytes.data, bytes.len);
    struct proto_field field;
    while (cursor_left(&c))
        if (!next_field(&c, &field))
            return false;
    return true;
}

/* Printable: what people write, and no control characters but white space. */
static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return false;
    }
    return text_is_utf8(s);
}

/* ── writing ── */

static bool add(struct view *v, const void *data, size_t len, size_t reserve)
{
    size_t limit = v->max_bytes > reserve ? v->max_bytes - reserve : 0;
    if (v->text.len + len > limit) {
        v->full = true;
        return false;
    }
    gather_add(&v->text, v->arena, slice_of(data, len), v->max_bytes);
    v->full |= v->text.cut;
    return !v->text.cut;
}

bool view_put(struct view *v, const char *text)
{
    return add(v, text, strlen(text), PROTOBUF_CLOSERS);
}

void view_close(struct view *v, const char *text)
{
    (void)add(v, text, strlen(text), 0);
}

/* A cut string still ends in its quote. */
static void put_escaped(struct view *v, struct slice s)
{
    size_t from = 0;
    size_t at = 0;
    while (at < s.len) {
        uint8_t c = s.data[at];
        char escape[8];
        if (c >= 0x20 && c != '"' && c != '\\') {
            at++;
            if (at - from < 1024 || (at < s.len && (s.data[at] & 0xc0) == 0x80))
                continue; /* in pieces that end with a character */
            if (!add(v, s.data + from, at - from, PROTOBUF_CLOSERS))
                return;
            from = at;
            continue;
        }
        snprintf(escape, sizeof escape, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        if ((at > from && !add(v, s.data + from, at - from, PROTOBUF_CLOSERS)) ||
            !view_put(v, escape))
            return;
        from = ++at;
    }
    if (at > from)
        (void)add(v, s.data + from, at - from, PROTOBUF_CLOSERS);
}

void view_string(struct view *v, struct slice text)
{
    if (!view_put(v, "\""))
        return;
    put_escaped(v, text);
    view_close(v, "\"");
}

void view_base64(struct view *v, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!view_put(v, "\""))
        return;
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t n = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t bits = (uint32_t)bytes.data[at] << 16;
        bits |= n > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        bits |= n > 2 ? bytes.data[at + 2] : 0;
        char quad[5] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        n > 1 ? digits[bits >> 6 & 63] : '=', n > 2 ? digits[bits & 63] : '=', 0};
        if (!view_put(v, quad))
            break;
    }
    view_close(v, "\"");
}

/* A number that would be one of everyday life; bits of anything else seldom are. */
static bool is_everyday(double d)
{
    double a = fabs(d);
    return isfinite(d) && (a == 0 || (a > 1e-9 && a < 1e15));
}

static void put_number(struct view *v, const struct proto_field *field)
{
    char text[96];
    double d = 0;
    const char *name = "double";
    if (field->type == WIRE_FIXED64) {
        memcpy(&d, &field->value, sizeof d);
    } else if (field->type == WIRE_FIXED32) {
        uint32_t bits = (uint32_t)field->value;
        float f;
        memcpy(&f, &bits, sizeof f);
        d = (double)f;
        name = "float";
    }
    if (field->type != WIRE_VARINT && is_everyday(d))
        snprintf(text, sizeof text, "%" PRIu64 ",\"%s\":%.*g", field->value, name,
                 field->type == WIRE_FIXED32 ? 7 : 15, d);
    else
        snprintf(text, sizeof text, "%" PRIu64, field->value);
    (void)view_put(v, text);
}

static void put_message(struct view *v, struct slice message, int depth);

static void put_bytes(struct view *v, struct slice bytes, int depth)
{
    if (is_text(bytes)) {
        (void)view_put(v, "\"string\",\"value\":");
        view_string(v, bytes);
    } else if (depth < PROTOBUF_MAX_DEPTH && protobuf_is_message(bytes)) {
        (void)view_put(v, "\"message\",\"value\":");
        put_message(v, bytes, depth + 1);
    } else {
        (void)view_put(v, "\"bytes\",\"value\":");
        view_base64(v, bytes);
    }
}

/* Room for the longest field without its text. */
enum {
    FIELD_ROOM = 128
};

static void put_field(struct view *v, const struct proto_field *field, int depth)
{
    static const char *const names[] = {
        [WIRE_VARINT] = "varint", [WIRE_FIXED64] = "fixed64", [WIRE_FIXED32] = "fixed32"};
    char head[64];
    snprintf(head, sizeof head, "{\"field\":%" PRIu32 ",\"type\":", field->number);
    (void)view_put(v, head);
    if (field->type == WIRE_BYTES) {
        put_bytes(v, field->bytes, depth);
    } else {
        snprintf(head, sizeof head, "\"%s\",\"value\":", names[field->type]);
        (void)view_put(v, head);
        put_number(v, field);
    }
    view_close(v, "}");
}

static void put_message(struct view *v, struct slice message, int depth)
{
    struct cursor c = cursor_of(message.data, message.len);
    struct proto_field field;
    bool first = true;
    (void)view_put(v, "[");
    while (cursor_left(&c) && next_field(&c, &field)) {
        if (v->full || v->text.len + FIELD_ROOM + PROTOBUF_CLOSERS > v->max_bytes) {
            v->full = true;
            break;
        }
        if (!first)
            (void)view_put(v, ",");
        first = false;
        put_field(v, &field, depth);
    }
    view_close(v, "]");
}

void protobuf_view(struct view *view, struct slice message)
{
    put_message(view, message, 0);
}
