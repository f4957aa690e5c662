#include "base/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

enum {
    STRING_STEP = 4096, /* bytes escaped between two looks at the buffer's room */
    SHORT_STRING = 256,
    STEP = 16,
    LONGEST_ESCAPE = 6, /* "\u0000", also more than any code point */
    AS_IT_IS = 0,
    AS_CONTROL = 1,
    AS_CODE_POINT = 2 /* anything else: the letter after the backslash */
};

/* How each byte is written inside a string. */
static const uint8_t escapes[256] = {
    [0x00 ... 0x07] = AS_CONTROL,
    ['\b'] = 'b',
    ['\t'] = 't',
    ['\n'] = 'n',
    [0x0b] = AS_CONTROL,
    ['\f'] = 'f',
    ['\r'] = 'r',
    [0x0e ... 0x1f] = AS_CONTROL,
    ['"'] = '"',
    ['\\'] = '\\',
    [0x7f] = AS_CONTROL,
    [0x80 ... 0xff] = AS_CODE_POINT,
};

/* A bit for each of the 16 bytes at p that does not stand as it is. */
static inline unsigned specials_of(const uint8_t *p)
{
#ifdef __SSE2__
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i found = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: 0x80 and more too */
    found = _mm_or_si128(found, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    return (unsigned)_mm_movemask_epi8(found);
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < STEP; i++)
        mask |= (unsigned)(escapes[p[i]] != AS_IT_IS) << i;
    return mask;
#endif
}

/* What would act on a terminal that the text is printed on: C1 controls, line and paragraph
 * separators, changes of direction. */
static inline bool is_unprintable(uint32_t c)
{
    return (c >= 0x80 && c <= 0x9f) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static uint8_t *put_code_point(uint8_t *out, uint32_t c)
{
    static const char digits[] = "0123456789abcdef";
    if (!is_unprintable(c))
        return out + text_put_code_point(c, out);
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = (uint8_t)digits[c >> shift & 15];
    return out;
}

static inline uint8_t *put_escape(uint8_t *out, struct slice text, size_t *at)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t c = text.data[*at];
    uint8_t how = escapes[c];
    if (how == AS_CODE_POINT)
        return put_code_point(out, text_next_code_point(text, at));
    (*at)++;
    if (how == AS_IT_IS) {
        *out++ = c;
    } else if (how == AS_CONTROL) {
        memcpy(out, "\\u00", 4);
        out[4] = (uint8_t)digits[c >> 4];
        out[5] = (uint8_t)digits[c & 15];
        out += LONGEST_ESCAPE;
    } else {
        *out++ = '\\';
        *out++ = how;
    }
    return out;
}

/* 16 bytes with the quotes and the like among them; 32 bytes can be read and written. False:
 * stopped at something rarer. The place of the next load does not hang on what this one finds. */
static inline bool escape_block(uint8_t **out, const uint8_t *p, size_t *at)
{
    unsigned mask = specials_of(p), from = 0;
    uint8_t *o = *out;
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint8_t how = escapes[p[i]];
        memcpy(o, p + from, STEP);
        o += i - from;
        from = i;
        if (how <= AS_CODE_POINT)
            break;
        o[0] = '\\';
        o[1] = how;
        o += 2;
        from = i + 1;
    }
    if (!mask) {
        memcpy(o, p + from, STEP);
        o += STEP - from;
        from = STEP;
    }
    *out = o;
    *at += from;
    return !mask;
}

/* Bytes [*pos, end) of text as string content; may read a code point beyond end. The room is there.
 */
static uint8_t *escape_step(uint8_t *out, struct slice text, size_t *pos, size_t end)
{
    size_t at = *pos;
    while (at + 2 * STEP <= end)
        if (!escape_block(&out, text.data + at, &at))
            out = put_escape(out, text, &at);
    while (at < end) {
        uint8_t few[STEP] = {0};
        unsigned n = end - at >= STEP ? STEP : (unsigned)(end - at);
        memcpy(few, text.data + at, n);
        unsigned clean = (unsigned)__builtin_ctz(specials_of(few) | 1u << n);
        memcpy(out, few, clean);
        out += clean;
        at += clean;
        if (clean < n)
            out = put_escape(out, text, &at);
    }
    *pos = at;
    return out;
}

/* The quotes and what follows the string (':' after a key; 0: nothing) are written in one go with a
 * short string. */
static bool put_short(struct buf *out, struct slice text, uint8_t after)
{
    size_t most = text.len * LONGEST_ESCAPE + 3;
    if (text.len > SHORT_STRING || buf_failed(out) || out->max - out->len < most + 4)
        return false;
    uint8_t *start = buf_reserve(out, most), *p = start;
    if (!p)
        return true;
    *p++ = '"';
    size_t pos = 0;
    p = escape_step(p, text, &pos, text.len);
    *p++ = '"';
    if (after)
        *p++ = after;
    out->len += (size_t)(p - start);
    return true;
}

static void put_string(struct buf *out, struct slice text, uint8_t after)
{
    if (put_short(out, text, after))
        return;
    buf_append_u8(out, '"');
    size_t pos = 0;
    while (pos < text.len) {
        size_t end = text.len - pos < STRING_STEP ? text.len : pos + STRING_STEP;
        /* A buffer near its maximum gets the exact answer byte by byte, not a refusal of the worst
         * case. */
        if (!buf_failed(out) && out->max - out->len < (end - pos) * LONGEST_ESCAPE + 4)
            end = pos + 1;
        uint8_t *p = buf_reserve(out, (end - pos) * LONGEST_ESCAPE);
        if (!p)
            return;
        out->len += (size_t)(escape_step(p, text, &pos, end) - p);
    }
    buf_append_u8(out, '"');
    if (after)
        buf_append_u8(out, after);
}

void json_key_slice(struct json_writer *w, struct slice key)
{
    separate(w);
    put_string(w->out, key, ':');
    w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_slice(w, slice_str(key));
}

void json_text(struct json_writer *w, struct slice text)
{
    separate(w);
    put_string(w->out, text, 0);
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
