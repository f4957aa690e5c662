#include "dissect/proto/cql_value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "dissect/proto/cql_message.h"
#include "dissect/proto/gather.h"

enum {
    TYPE_DEPTH_MAX = 8,
    FLAG_GLOBAL_TABLE = 1,
    FLAG_MORE_PAGES = 2,
    FLAG_NO_METADATA = 4,
    FLAG_CHANGED = 8,
    INTEGER_BYTES_MAX = 16,
    DECIMAL_SCALE_MAX = 40
};

enum type_id {
    TYPE_CUSTOM = 0x00,
    TYPE_ASCII = 0x01,
    TYPE_BIGINT = 0x02,
    TYPE_BLOB = 0x03,
    TYPE_BOOLEAN = 0x04,
    TYPE_COUNTER = 0x05,
    TYPE_DECIMAL = 0x06,
    TYPE_DOUBLE = 0x07,
    TYPE_FLOAT = 0x08,
    TYPE_INT = 0x09,
    TYPE_TIMESTAMP = 0x0b,
    TYPE_UUID = 0x0c,
    TYPE_VARCHAR = 0x0d,
    TYPE_VARINT = 0x0e,
    TYPE_TIMEUUID = 0x0f,
    TYPE_INET = 0x10,
    TYPE_DATE = 0x11,
    TYPE_TIME = 0x12,
    TYPE_SMALLINT = 0x13,
    TYPE_TINYINT = 0x14,
    TYPE_DURATION = 0x15,
    TYPE_LIST = 0x20,
    TYPE_MAP = 0x21,
    TYPE_SET = 0x22,
    TYPE_USER = 0x30,
    TYPE_TUPLE = 0x31
};

/* ── types ── */

static void skip_type(struct cursor *c, unsigned depth)
{
    if (depth == TYPE_DEPTH_MAX) {
        c->bad = true;
        return;
    }
    uint16_t id = cursor_be16(c);
    unsigned inner = id == TYPE_LIST || id == TYPE_SET ? 1 : id == TYPE_MAP ? 2 : 0;
    if (id == TYPE_CUSTOM)
        cql_string(c); /* the name of a class */
    if (id == TYPE_TUPLE)
        inner = cursor_be16(c);
    if (id == TYPE_USER) {
        cql_string(c);
        cql_string(c);
        for (unsigned n = cursor_be16(c); n && !c->bad; n--) {
            cql_string(c);
            skip_type(c, depth + 1); // NOLINT(misc-no-recursion): at most TYPE_DEPTH_MAX
        }
    }
    for (; inner && !c->bad; inner--)
        skip_type(c, depth + 1); // NOLINT(misc-no-recursion): at most TYPE_DEPTH_MAX
}

static struct slice take_type(struct cursor *c)
{
    const uint8_t *from = c->pos;
    skip_type(c, 0);
    return c->bad ? SLICE_NONE : slice_of(from, (size_t)(c->pos - from));
}

bool cql_columns_begin(struct cursor *c, uint8_t version, bool is_prepared, struct cql_columns *ret)
{
    uint32_t flags = cursor_be32(c), count = cursor_be32(c);
    if (is_prepared && version >= 4)
        for (uint32_t keys = cursor_be32(c); keys && !c->bad; keys--)
            cursor_skip(c, 2);
    if (!is_prepared && flags & FLAG_MORE_PAGES) {
        uint32_t n = cursor_be32(c);
        cursor_skip(c, n < 0x80000000u ? n : 0);
    }
    if (!is_prepared && flags & FLAG_CHANGED)
        cql_string(c);
    bool described = is_prepared || !(flags & FLAG_NO_METADATA);
    if (described && flags & FLAG_GLOBAL_TABLE && count) {
        cql_string(c);
        cql_string(c);
    }
    if (c->bad || count > CQL_COLUMNS_MAX)
        return false;
    *ret = (struct cql_columns){.at = *c,
                                .left = described ? count : 0,
                                .flags = flags,
                                .has_table = flags & FLAG_GLOBAL_TABLE};
    return true;
}

bool cql_columns_next(struct cql_columns *columns, struct cql_column *ret)
{
    struct cursor *c = &columns->at;
    if (!columns->left || c->bad)
        return false;
    columns->left--;
    if (!columns->has_table) {
        cql_string(c);
        cql_string(c);
    }
    ret->name = cql_string(c);
    ret->type = take_type(c);
    return !c->bad;
}

bool cql_columns_end(struct cql_columns *columns, struct cursor *c)
{
    struct cql_column column;
    while (cql_columns_next(columns, &column))
        ;
    *c = columns->at;
    return !c->bad && !columns->left;
}

/* ── values ── */

struct text_out {
    char *p;
    size_t len;
    size_t type_bytes; /* of types that may still be passed over: a small value does not pay for
                        * walking a huge type again and again */
    bool cut;
};

static void put(struct text_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct text_out *out, const char *format, ...)
{
    va_list args;
    size_t room = CQL_TEXT_MAX - out->len;
    va_start(args, format);
    int n = vsnprintf(out->p + out->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        out->cut = true;
        return;
    }
    out->len += (size_t)n;
}

static void put_blob(struct text_out *out, struct slice value)
{
    size_t room = (CQL_TEXT_MAX - out->len) / 2 - 2;
    if (out->len + 8 > CQL_TEXT_MAX) {
        out->cut = true;
        return;
    }
    if (value.len > room) {
        value.len = room;
        out->cut = true;
    }
    put(out, "0x");
    text_hex(value.data, value.len, out->p + out->len);
    out->len += 2 * value.len;
}

static void put_quoted(struct text_out *out, struct slice text)
{
    put(out, "'");
    while (text.len && !out->cut) {
        const uint8_t *quote = memchr(text.data, '\'', text.len);
        size_t run = quote ? (size_t)(quote - text.data) : text.len;
        size_t room = CQL_TEXT_MAX - out->len, n = run < room ? run : room;
        memcpy(out->p + out->len, text.data, n);
        out->len += n;
        out->cut |= n < run;
        if (quote)
            put(out, "''");
        text = slice_sub(text, run + (quote != NULL), SIZE_MAX);
    }
    put(out, "'");
}

static int64_t signed_of(struct slice value)
{
    uint64_t v = value.len && value.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < value.len; i++)
        v = v << 8 | value.data[i];
    return (int64_t)v;
}

/* Digits of an integer of up to 16 bytes into text[48]; the sign apart. */
static const char *digits_of(struct slice value, char text[48], bool *ret_negative)
{
    unsigned __int128 v = value.len && value.data[0] & 0x80 ? ~(unsigned __int128)0 : 0;
    for (size_t i = 0; i < value.len; i++)
        v = v << 8 | value.data[i];
    *ret_negative = value.len && value.data[0] & 0x80;
    if (*ret_negative)
        v = -v;
    char *p = text + 47;
    *p = 0;
    do {
        *--p = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v);
    return p;
}

static void put_varint(struct text_out *out, struct slice value)
{
    char text[48];
    bool negative;
    if (!value.len || value.len > INTEGER_BYTES_MAX) {
        put_blob(out, value);
        return;
    }
    const char *digits = digits_of(value, text, &negative);
    put(out, "%s%s", negative ? "-" : "", digits);
}

/* Scale, then the unscaled integer. */
static void put_decimal(struct text_out *out, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    int32_t scale = (int32_t)cursor_be32(&c);
    struct slice unscaled = slice_of(c.pos, cursor_left(&c));
    char text[48];
    bool negative;
    if (c.bad || !unscaled.len || unscaled.len > INTEGER_BYTES_MAX) {
        put_blob(out, value);
        return;
    }
    const char *digits = digits_of(unscaled, text, &negative);
    size_t n = strlen(digits);
    put(out, "%s", negative ? "-" : "");
    if (scale <= 0 || scale > DECIMAL_SCALE_MAX)
        put(out, scale ? "%sE%" PRId64 : "%s", digits, -(int64_t)scale);
    else if ((size_t)scale < n)
        put(out, "%.*s.%s", (int)(n - (size_t)scale), digits, digits + n - (size_t)scale);
    else
        put(out, "0.%.*d%s", (int)((size_t)scale - n), 0, digits);
}

static void put_date(struct text_out *out, int64_t seconds, bool with_time)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (!gmtime_r(&t, &tm)) {
        put(out, "%" PRId64, seconds);
        return;
    }
    put(out, "%04lld-%02d-%02d", tm.tm_year + 1900ll, tm.tm_mon + 1, tm.tm_mday);
    if (with_time)
        put(out, "T%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_timestamp(struct text_out *out, struct slice value)
{
    int64_t ms = signed_of(value);
    int64_t seconds = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    put_date(out, seconds, true);
    put(out, ".%03dZ", (int)rest);
}

static void put_time(struct text_out *out, struct slice value)
{
    uint64_t ns = (uint64_t)signed_of(value), s = ns / 1000000000u;
    if (s >= 86400)
        put_blob(out, value);
    else
        put(out, "%02u:%02u:%02u.%09u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
            (unsigned)(s % 60), (unsigned)(ns % 1000000000u));
}

static void put_uuid(struct text_out *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        put(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", value.data[i]);
}

static void put_inet(struct text_out *out, struct slice value)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(value.len == 16 ? AF_INET6 : AF_INET, value.data, text, sizeof text);
    put(out, "%s", text);
}

/* [vint], zigzag: the leading ones of the first byte count the bytes that follow. */
static int64_t take_vint(struct cursor *c)
{
    uint8_t head = cursor_u8(c);
    unsigned more = 0;
    while (more < 8 && head & (0x80u >> more))
        more++;
    uint64_t v = more < 8 ? head & (0xffu >> more) : 0;
    for (unsigned i = 0; i < more; i++)
        v = v << 8 | cursor_u8(c);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void put_duration(struct text_out *out, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    int64_t months = take_vint(&c), days = take_vint(&c), ns = take_vint(&c);
    if (c.bad)
        put_blob(out, value);
    else
        put(out, "%" PRId64 "mo%" PRId64 "d%" PRId64 "ns", months, days, ns);
}

static void put_real(struct text_out *out, struct slice value)
{
    uint64_t bits = (uint64_t)signed_of(value);
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    for (int digits = 6; digits <= 17; digits++) { /* the shortest that reads back */
        char text[40];
        snprintf(text, sizeof text, "%.*g", digits, value.len == 4 ? (double)f : d);
        double back = strtod(text, NULL);
        bool same = value.len == 4 ? (double)(float)back == (double)f : back == d;
        if (same || digits == 17) {
            put(out, "%s", text);
            break;
        }
    }
}

/* Moves `type` behind one; beyond what may be walked the value is cut. */
static void pass_type(struct text_out *out, struct cursor *type, unsigned depth)
{
    size_t left = cursor_left(type), room = out->type_bytes < left ? out->type_bytes : left;
    struct cursor part = cursor_of(type->pos, room);
    skip_type(&part, depth);
    size_t passed = room - cursor_left(&part);
    out->type_bytes -= passed;
    cursor_skip(type, passed);
    if (part.bad) {
        out->cut |= room < left;
        type->bad = true;
    }
}

static void put_value(struct text_out *out, struct cursor *type, struct slice value,
                      unsigned depth);

/* [bytes] of a collection. */
static void put_element(struct text_out *out, struct cursor *type, struct cursor *c, unsigned depth)
{
    uint32_t n = cursor_be32(c);
    if (n >= 0x80000000u && !c->bad) {
        put(out, "null");
        pass_type(out, type, depth);
        return;
    }
    put_value(out, type, cursor_slice(c, n), depth); // NOLINT(misc-no-recursion): capped
}

static void put_collection(struct text_out *out, struct cursor *type, struct slice value,
                           unsigned depth)
{
    struct cursor c = cursor_of(value.data, value.len);
    struct cursor element = *type, after = *type;
    uint16_t id = cursor_be16(&element);
    if (depth) /* nothing follows the outermost */
        pass_type(out, &after, depth);
    put(out, id == TYPE_LIST ? "[" : "{");
    uint32_t count = cursor_be32(&c);
    for (uint32_t i = 0; i < count && !c.bad && !out->cut && cursor_left(&c); i++) {
        struct cursor inner = element;
        put(out, "%s", i ? ", " : "");
        put_element(out, &inner, &c, depth + 1); // NOLINT(misc-no-recursion): capped
        if (id != TYPE_MAP)
            continue;
        put(out, ": ");
        put_element(out, &inner, &c, depth + 1); // NOLINT(misc-no-recursion): capped
    }
    put(out, id == TYPE_LIST ? "]" : "}");
    *type = after;
}

static void put_tuple(struct text_out *out, struct cursor *type, struct slice value, unsigned depth)
{
    struct cursor c = cursor_of(value.data, value.len);
    bool named = cursor_be16(type) == TYPE_USER;
    if (named) {
        cql_string(type);
        cql_string(type);
    }
    unsigned count = cursor_be16(type);
    put(out, named ? "{" : "(");
    for (unsigned i = 0; i < count && !type->bad && !c.bad; i++) {
        struct slice name = named ? cql_string(type) : SLICE_NONE;
        if (!cursor_left(&c) || out->cut) { /* fields that were added later */
            if (!depth)
                break;
            pass_type(out, type, depth + 1);
            continue;
        }
        put(out, "%s%.*s%s", i ? ", " : "", SLICE_ARGS(name), named ? ": " : "");
        put_element(out, type, &c, depth + 1); // NOLINT(misc-no-recursion): capped
    }
    put(out, named ? "}" : ")");
}

static size_t fixed_size(uint16_t id)
{
    switch (id) {
    case TYPE_BIGINT:
    case TYPE_COUNTER:
    case TYPE_DOUBLE:
    case TYPE_TIMESTAMP:
    case TYPE_TIME:
        return 8;
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_DATE:
        return 4;
    case TYPE_UUID:
    case TYPE_TIMEUUID:
        return 16;
    case TYPE_SMALLINT:
        return 2;
    case TYPE_TINYINT:
    case TYPE_BOOLEAN:
        return 1;
    default:
        return 0;
    }
}

static void put_scalar(struct text_out *out, uint16_t id, struct slice value)
{
    size_t size = fixed_size(id);
    if (size && value.len != size) {
        put_blob(out, value);
        return;
    }
    switch (id) {
    case TYPE_BIGINT:
    case TYPE_COUNTER:
    case TYPE_INT:
    case TYPE_SMALLINT:
    case TYPE_TINYINT:
        put(out, "%" PRId64, signed_of(value));
        break;
    case TYPE_BOOLEAN:
        put(out, "%s", value.data[0] ? "true" : "false");
        break;
    case TYPE_DOUBLE:
    case TYPE_FLOAT:
        put_real(out, value);
        break;
    case TYPE_DATE: /* days, the epoch in the middle */
        put_date(out, ((int64_t)(uint32_t)signed_of(value) - INT64_C(0x80000000)) * 86400, false);
        break;
    case TYPE_TIMESTAMP:
        put_timestamp(out, value);
        break;
    case TYPE_TIME:
        put_time(out, value);
        break;
    case TYPE_UUID:
    case TYPE_TIMEUUID:
        put_uuid(out, value);
        break;
    case TYPE_VARINT:
        put_varint(out, value);
        break;
    case TYPE_DECIMAL:
        put_decimal(out, value);
        break;
    case TYPE_DURATION:
        put_duration(out, value);
        break;
    case TYPE_INET:
        if (value.len == 4 || value.len == 16)
            put_inet(out, value);
        else
            put_blob(out, value);
        break;
    case TYPE_ASCII:
    case TYPE_VARCHAR:
        if (text_is_utf8(value))
            put_quoted(out, value);
        else
            put_blob(out, value);
        break;
    default:
        put_blob(out, value);
    }
}

/* Moves `type` behind what it describes. */
static void put_value(struct text_out *out, struct cursor *type, struct slice value, unsigned depth)
{
    struct cursor look = *type;
    uint16_t id = cursor_be16(&look);
    if (depth >= TYPE_DEPTH_MAX || look.bad) {
        out->cut = type->bad = true;
        return;
    }
    if (id == TYPE_LIST || id == TYPE_SET || id == TYPE_MAP) {
        put_collection(out, type, value, depth); // NOLINT(misc-no-recursion): capped
    } else if (id == TYPE_TUPLE || id == TYPE_USER) {
        put_tuple(out, type, value, depth); // NOLINT(misc-no-recursion): capped
    } else {
        if (depth)
            pass_type(out, type, depth);
        put_scalar(out, id, value);
    }
}

struct slice cql_value_text(struct slice type, struct slice value, char scratch[CQL_TEXT_MAX],
                            bool *ret_cut)
{
    struct cursor c = cursor_of(type.data, type.len);
    uint16_t id = cursor_be16(&c);
    bool is_text = c.bad ? !gather_is_binary(value) : id == TYPE_ASCII || id == TYPE_VARCHAR;
    *ret_cut = false;
    if (is_text && text_is_utf8(value))
        return value;
    struct text_out out = {.p = scratch, .type_bytes = 1024 + 8 * value.len};
    struct cursor whole = cursor_of(type.data, type.len);
    if (c.bad)
        put_blob(&out, value);
    else
        put_value(&out, &whole, value, 0);
    *ret_cut = out.cut;
    return slice_of(scratch, out.len);
}
