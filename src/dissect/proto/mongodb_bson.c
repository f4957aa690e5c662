#include "dissect/proto/mongodb_bson.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"

enum {
    MAX_DEPTH = 56, /* of documents in documents; the JSON writer bears 64 */
    OID_BYTES = 12,
    DECIMAL_BIAS = 6176,
    DECIMAL_DIGITS = 34
};

bool bson_is_type(uint8_t type)
{
    return (type >= BSON_DOUBLE && type <= BSON_DECIMAL) || type == BSON_MAX_KEY ||
           type == BSON_MIN_KEY;
}

struct slice bson_document(struct cursor *c)
{
    uint32_t length = cursor_le32(c);
    if (c->bad || length < 5) {
        c->bad = true;
        c->pos = c->end;
        return SLICE_NONE;
    }
    size_t there = cursor_left(c);
    if (length - 4 > there) {
        struct slice part = cursor_slice(c, there);
        c->bad = true;
        return part;
    }
    struct slice body = cursor_slice(c, length - 4);
    return slice_of(body.data, body.len - 1);
}

static struct slice take_cstring(struct cursor *c)
{
    const uint8_t *nul = cursor_left(c) ? memchr(c->pos, 0, cursor_left(c)) : NULL;
    if (!nul) {
        c->bad = true;
        c->pos = c->end;
        return SLICE_NONE;
    }
    struct slice text = cursor_slice(c, (size_t)(nul - c->pos));
    cursor_skip(c, 1);
    return text;
}

/* Length of the value at the cursor. */
static size_t value_bytes(const struct cursor *at, uint8_t type)
{
    struct cursor c = *at;
    switch (type) {
    case BSON_DOUBLE:
    case BSON_DATE:
    case BSON_TIMESTAMP:
    case BSON_INT64:
        return 8;
    case BSON_STRING:
    case BSON_CODE:
    case BSON_SYMBOL:
        return 4 + (size_t)cursor_le32(&c);
    case BSON_DOCUMENT:
    case BSON_ARRAY:
    case BSON_CODE_SCOPE: {
        uint32_t n = cursor_le32(&c); /* counts itself */
        return c.bad || n < 5 ? SIZE_MAX : n;
    }
    case BSON_BINARY:
        return 5 + (size_t)cursor_le32(&c);
    case BSON_OID:
        return OID_BYTES;
    case BSON_BOOL:
        return 1;
    case BSON_INT32:
        return 4;
    case BSON_DECIMAL:
        return 16;
    case BSON_DB_POINTER:
        return 4 + (size_t)cursor_le32(&c) + OID_BYTES;
    case BSON_REGEX:
        take_cstring(&c);
        take_cstring(&c);
        return c.bad ? SIZE_MAX : (size_t)(c.pos - at->pos); /* an end is not there */
    default:
        return 0;
    }
}

bool bson_next(struct cursor *c, struct bson_element *ret)
{
    if (!cursor_left(c) || c->bad)
        return false;
    ret->type = cursor_u8(c);
    ret->name = take_cstring(c);
    if (!bson_is_type(ret->type))
        c->bad = true;
    if (c->bad)
        return false;
    size_t n = value_bytes(c, ret->type);
    if (n > cursor_left(c)) {
        /* The part that is there may still tell something of a document. */
        ret->value = slice_of(c->pos, cursor_left(c));
        c->pos = c->end;
        c->bad = true;
        return ret->type == BSON_DOCUMENT || ret->type == BSON_ARRAY;
    }
    ret->value = cursor_slice(c, n);
    return true;
}

bool bson_find(struct slice elements, const char *name, struct bson_element *ret)
{
    struct cursor c = cursor_of(elements.data, elements.len);
    while (bson_next(&c, ret))
        if (slice_eq_str(ret->name, name))
            return true;
    return false;
}

struct slice bson_text(const struct bson_element *element)
{
    bool is_text = element->type == BSON_STRING || element->type == BSON_SYMBOL;
    if (!is_text || element->value.len < 5)
        return SLICE_NONE;
    return slice_of(element->value.data + 4, element->value.len - 5);
}

struct slice bson_inside(const struct bson_element *element)
{
    if (element->type != BSON_DOCUMENT && element->type != BSON_ARRAY)
        return SLICE_NONE;
    struct cursor c = cursor_of(element->value.data, element->value.len);
    return bson_document(&c);
}

static double double_at(struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    uint64_t bits = cursor_le64(&c);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

int64_t bson_number(const struct bson_element *element)
{
    struct cursor c = cursor_of(element->value.data, element->value.len);
    double number;
    switch (element->type) {
    case BSON_INT32:
        return (int32_t)cursor_le32(&c);
    case BSON_INT64:
        return (int64_t)cursor_le64(&c);
    case BSON_BOOL:
        return cursor_u8(&c) != 0;
    case BSON_DOUBLE:
        number = double_at(element->value);
        return number > -1e18 && number < 1e18 ? (int64_t)number : 0;
    default:
        return 0;
    }
}

uint32_t bson_count(struct slice elements)
{
    struct cursor c = cursor_of(elements.data, elements.len);
    struct bson_element element;
    uint32_t count = 0;
    while (bson_next(&c, &element))
        count++;
    return count;
}

/* ── relaxed Extended JSON ── */

static void write_double(struct json_writer *w, double number)
{
    char text[40];
    if (!isfinite(number)) {
        json_begin_object(w);
        json_member_str(w, "$numberDouble",
                        isnan(number) ? "NaN"
                        : number > 0  ? "Infinity"
                                      : "-Infinity");
        json_end_object(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    size_t n = strlen(text);
    if (!strpbrk(text, ".e") && n + 3 < sizeof text)
        memcpy(text + n, ".0", 3);
    json_raw(w, slice_str(text));
}

static void write_date(struct json_writer *w, int64_t ms)
{
    char text[48];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    json_begin_object(w);
    if (ms >= 0 && ms < INT64_C(253402300800000) && gmtime_r(&seconds, &tm)) {
        size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        if (ms % 1000)
            snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
        else
            snprintf(text + n, sizeof text - n, "Z");
        json_member_str(w, "$date", text);
    } else {
        snprintf(text, sizeof text, "%lld", (long long)ms);
        json_key(w, "$date");
        json_begin_object(w);
        json_member_str(w, "$numberLong", text);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_binary(struct json_writer *w, struct slice value)
{
    char sub_type[3];
    text_hex(value.data + 4, 1, sub_type);
    json_begin_object(w);
    json_key(w, "$binary");
    json_begin_object(w);
    json_key(w, "base64");
    json_base64(w, slice_sub(value, 5, SIZE_MAX));
    json_member_str(w, "subType", sub_type);
    json_end_object(w);
    json_end_object(w);
}

static void write_oid(struct json_writer *w, const uint8_t *oid)
{
    char hex[2 * OID_BYTES + 1];
    text_hex(oid, OID_BYTES, hex);
    json_begin_object(w);
    json_member_str(w, "$oid", hex);
    json_end_object(w);
}

static void write_regex(struct json_writer *w, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    json_begin_object(w);
    json_key(w, "$regularExpression");
    json_begin_object(w);
    json_member_string(w, "pattern", take_cstring(&c));
    json_member_string(w, "options", take_cstring(&c));
    json_end_object(w);
    json_end_object(w);
}

static void write_db_pointer(struct json_writer *w, struct slice value)
{
    size_t text = value.len - OID_BYTES - 4;
    json_begin_object(w);
    json_key(w, "$dbPointer");
    json_begin_object(w);
    json_member_string(w, "$ref", slice_sub(value, 4, text ? text - 1 : 0));
    json_key(w, "$id");
    write_oid(w, value.data + value.len - OID_BYTES);
    json_end_object(w);
    json_end_object(w);
}

static void write_timestamp(struct json_writer *w, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    uint32_t increment = cursor_le32(&c), seconds = cursor_le32(&c);
    json_begin_object(w);
    json_key(w, "$timestamp");
    json_begin_object(w);
    json_member_uint(w, "t", seconds);
    json_member_uint(w, "i", increment);
    json_end_object(w);
    json_end_object(w);
}

/* Digits of the 113-bit coefficient; returns their number. */
static int coefficient_digits(uint64_t high, uint64_t low, char digits[DECIMAL_DIGITS + 8])
{
    unsigned __int128 left = (unsigned __int128)high << 64 | low;
    char reversed[DECIMAL_DIGITS + 8];
    int n = 0;
    do {
        reversed[n++] = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left && n < DECIMAL_DIGITS + 6);
    for (int i = 0; i < n; i++)
        digits[i] = reversed[n - 1 - i];
    digits[n] = 0;
    return n;
}

/* IEEE 754-2008 decimal128, binary coefficient, to its scientific string. */
static void decimal_text(uint64_t high, uint64_t low, char *out, size_t size)
{
    char digits[DECIMAL_DIGITS + 8];
    const char *sign = high >> 63 ? "-" : "";
    unsigned combination = (unsigned)(high >> 58 & 0x1f);
    if (combination == 0x1f || combination == 0x1e) {
        snprintf(out, size, "%s%s", combination == 0x1f ? "" : sign,
                 combination == 0x1f ? "NaN" : "Infinity");
        return;
    }
    bool is_large = combination >> 3 == 3; /* its coefficient is beyond 34 digits: zero */
    int exponent = (int)(is_large ? high >> 47 & 0x3fff : high >> 49 & 0x3fff) - DECIMAL_BIAS;
    int n = is_large ? coefficient_digits(0, 0, digits)
                     : coefficient_digits(high & UINT64_C(0x1ffffffffffff), low, digits);
    if (n > DECIMAL_DIGITS)
        n = coefficient_digits(0, 0, digits);
    int scientific = exponent + n - 1;
    if (exponent > 0 || scientific < -6)
        snprintf(out, size, "%s%c%s%s%s%+d", sign, digits[0], n > 1 ? "." : "", digits + 1, "E",
                 scientific);
    else if (exponent == 0)
        snprintf(out, size, "%s%s", sign, digits);
    else if (n + exponent > 0)
        snprintf(out, size, "%s%.*s.%s", sign, n + exponent, digits, digits + n + exponent);
    else
        snprintf(out, size, "%s0.%.*s%s", sign, -(n + exponent), "0000000", digits);
}

static void write_decimal(struct json_writer *w, struct slice value)
{
    char text[64];
    struct cursor c = cursor_of(value.data, value.len);
    uint64_t low = cursor_le64(&c), high = cursor_le64(&c);
    decimal_text(high, low, text, sizeof text);
    json_begin_object(w);
    json_member_str(w, "$numberDecimal", text);
    json_end_object(w);
}

static bool write_value(struct json_writer *w, const struct bson_element *element, unsigned depth);

static bool write_array(struct json_writer *w, struct slice elements, unsigned depth)
{
    struct cursor c = cursor_of(elements.data, elements.len);
    struct bson_element element;
    bool whole = true;
    json_begin_array(w);
    while (!buf_failed(w->out) && bson_next(&c, &element))
        whole &= write_value(w, &element, depth + 1);
    json_end_array(w);
    return whole && !c.bad;
}

static bool write_code(struct json_writer *w, const struct bson_element *element, unsigned depth)
{
    struct cursor c = cursor_of(element->value.data, element->value.len);
    bool has_scope = element->type == BSON_CODE_SCOPE, whole = true;
    if (has_scope)
        cursor_skip(&c, 4);
    uint32_t n = cursor_le32(&c);
    struct slice code = cursor_slice(&c, n);
    json_begin_object(w);
    json_member_string(w, "$code", slice_sub(code, 0, code.len ? code.len - 1 : 0));
    if (has_scope) {
        json_key(w, "$scope");
        json_begin_object(w);
        whole = bson_write_members(w, bson_document(&c), depth + 1);
        json_end_object(w);
    }
    json_end_object(w);
    return whole && !c.bad;
}

static void write_marker(struct json_writer *w, const char *name, bool as_number)
{
    json_begin_object(w);
    if (as_number)
        json_member_int(w, name, 1);
    else
        json_member_bool(w, name, true);
    json_end_object(w);
}

static bool write_nested(struct json_writer *w, const struct bson_element *element, unsigned depth)
{
    bool whole;
    if (depth >= MAX_DEPTH) {
        json_none(w);
        return false;
    }
    struct cursor c = cursor_of(element->value.data, element->value.len);
    struct slice inside = bson_document(&c);
    if (element->type == BSON_ARRAY)
        return write_array(w, inside, depth) && !c.bad;
    json_begin_object(w);
    whole = bson_write_members(w, inside, depth + 1);
    json_end_object(w);
    return whole && !c.bad;
}

static bool write_value(struct json_writer *w, const struct bson_element *element, unsigned depth)
{
    struct cursor c = cursor_of(element->value.data, element->value.len);
    switch (element->type) {
    case BSON_DOUBLE:
        write_double(w, double_at(element->value));
        return true;
    case BSON_STRING:
        json_text(w, bson_text(element));
        return element->value.len >= 5;
    case BSON_SYMBOL:
        json_begin_object(w);
        json_member_string(w, "$symbol", bson_text(element));
        json_end_object(w);
        return true;
    case BSON_DOCUMENT:
    case BSON_ARRAY:
        return write_nested(w, element, depth);
    case BSON_CODE:
    case BSON_CODE_SCOPE:
        if (depth < MAX_DEPTH)
            return write_code(w, element, depth);
        json_none(w);
        return false;
    case BSON_BINARY:
        write_binary(w, element->value);
        return true;
    case BSON_OID:
        write_oid(w, element->value.data);
        return true;
    case BSON_BOOL:
        json_bool(w, cursor_u8(&c) != 0);
        return true;
    case BSON_DATE:
        write_date(w, (int64_t)cursor_le64(&c));
        return true;
    case BSON_REGEX:
        write_regex(w, element->value);
        return true;
    case BSON_DB_POINTER:
        write_db_pointer(w, element->value);
        return true;
    case BSON_INT32:
    case BSON_INT64:
        json_int(w, bson_number(element));
        return true;
    case BSON_TIMESTAMP:
        write_timestamp(w, element->value);
        return true;
    case BSON_DECIMAL:
        write_decimal(w, element->value);
        return true;
    case BSON_UNDEFINED:
        write_marker(w, "$undefined", false);
        return true;
    case BSON_MIN_KEY:
        write_marker(w, "$minKey", true);
        return true;
    case BSON_MAX_KEY:
        write_marker(w, "$maxKey", true);
        return true;
    default:
        json_none(w);
        return true;
    }
}

bool bson_write_members(struct json_writer *w, struct slice elements, unsigned depth)
{
    struct cursor c = cursor_of(elements.data, elements.len);
    struct bson_element element;
    bool whole = true;
    while (!buf_failed(w->out) && bson_next(&c, &element)) {
        json_key_slice(w, element.name);
        whole &= write_value(w, &element, depth);
    }
    return whole && !c.bad;
}
