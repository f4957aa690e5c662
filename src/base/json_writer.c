#include "base/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"

void json_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    uint64_t bit = UINT64_C(1) << (w->depth & 63);
    if (w->depth > 0 && (w->has_members & bit))
        buf_append_u8(w->out, ',');
    w->has_members |= bit;
}

static void open_level(struct json_writer *w, uint8_t bracket)
{
    separate(w);
    buf_append_u8(w->out, bracket);
    w->depth++;
    if (w->depth >= JSON_MAX_DEPTH)
        w->out->error =
            w->out->error ? w->out->error : -75; /* EOVERFLOW: our own nesting is far below */
    w->has_members &= ~(UINT64_C(1) << (w->depth & 63));
}

static void close_level(struct json_writer *w, uint8_t bracket)
{
    w->depth--;
    buf_append_u8(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
    open_level(w, '{');
}

void json_end_object(struct json_writer *w)
{
    close_level(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    open_level(w, '[');
}

void json_end_array(struct json_writer *w)
{
    close_level(w, ']');
}

/* Bytes that a JSON string may hold as they are: printable ASCII but for the quote and the
 * backslash. */
static inline bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escaped(struct buf *out, uint32_t cp)
{
    static const char *const short_forms[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    if (cp == '"')
        buf_append_str(out, "\\\"");
    else if (cp == '\\')
        buf_append_str(out, "\\\\");
    else if (cp < sizeof short_forms / sizeof *short_forms && short_forms[cp])
        buf_append_str(out, short_forms[cp]);
    else if (cp < 0x20 || cp == 0x7f)
        buf_printf(out, "\\u%04x", cp);
    else {
        uint8_t bytes[4];
        buf_append(out, bytes, text_put_code_point(cp, bytes));
    }
}

static void put_string(struct buf *out, struct slice text)
{
    buf_append_u8(out, '"');
    size_t pos = 0;
    while (pos < text.len) {
        size_t run = pos;
        while (run < text.len && is_plain(text.data[run]))
            run++;
        if (run > pos) {
            buf_append(out, text.data + pos, run - pos);
            pos = run;
        } else {
            put_escaped(out, text_next_code_point(text, &pos));
        }
    }
    buf_append_u8(out, '"');
}

void json_key_slice(struct json_writer *w, struct slice key)
{
    separate(w);
    put_string(w->out, key);
    buf_append_u8(w->out, ':');
    w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_slice(w, slice_str(key));
}

void json_text(struct json_writer *w, struct slice text)
{
    separate(w);
    put_string(w->out, text);
}

void json_none(struct json_writer *w)
{
    json_raw(w, SLICE_LITERAL("null"));
}

void json_str(struct json_writer *w, const char *text)
{
    if (text)
        json_text(w, slice_str(text));
    else
        json_none(w);
}

void json_raw(struct json_writer *w, struct slice json)
{
    separate(w);
    buf_append_slice(w->out, json);
}

void json_uint(struct json_writer *w, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    json_raw(w, slice_of(digits + at, sizeof digits - at));
}

void json_int(struct json_writer *w, int64_t v)
{
    if (v >= 0) {
        json_uint(w, (uint64_t)v);
        return;
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, v);
    json_raw(w, slice_of(text, (size_t)n));
}

void json_double(struct json_writer *w, double v)
{
    if (isnan(v)) {
        json_str(w, "NaN");
        return;
    }
    if (isinf(v)) {
        json_str(w, v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, v);
        if (strtod(text, NULL) == v) // NOLINT(cert-err34-c): we wrote the text ourselves
            break;
    }
    json_raw(w, slice_str(text));
}

void json_bool(struct json_writer *w, bool v)
{
    json_raw(w, v ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
}

void json_base64(struct json_writer *w, struct slice bytes)
{
    separate(w);
    buf_append_u8(w->out, '"');
    text_base64_encode(bytes, w->out);
    buf_append_u8(w->out, '"');
}

void json_time(struct json_writer *w, int64_t ns)
{
    char text[CLOCK_TEXT_SIZE];
    json_str(w, clock_format(ns, text));
}

void json_member_str(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_str(w, text);
}

void json_member_string(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, key);
    json_text(w, text);
}

void json_member_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_int(w, v);
}

void json_member_uint(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_uint(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

void json_member_time(struct json_writer *w, const char *key, int64_t ns)
{
    json_key(w, key);
    json_time(w, ns);
}
