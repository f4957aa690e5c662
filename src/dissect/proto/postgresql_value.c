/* Binary forms of PostgreSQL's common types as text (the send functions of its backend; the forms
 * of psql). */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "dissect/proto/postgresql_message.h"

enum pg_oid { /* pg_type.dat */
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_JSON = 114,
    OID_XML = 142,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_UNKNOWN = 705,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700,
    OID_UUID = 2950,
    OID_JSONB = 3802
};

enum {
    EPOCH_2000_S = 946684800,
    DAY_S = 86400,
    US = 1000000,
    HEX_MAX = 64,
    NUMERIC_DIGITS_MAX = 128
};

static int64_t signed_be(struct slice raw)
{
    uint64_t v = raw.len && raw.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < raw.len; i++)
        v = v << 8 | raw.data[i];
    return (int64_t)v;
}

static int put_float(struct slice raw, char *out)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < raw.len; i++)
        bits = bits << 8 | raw.data[i];
    double v;
    if (raw.len == 4) {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, sizeof f);
        v = (double)f;
        return snprintf(out, PG_TEXT_MAX, "%.9g", v);
    }
    memcpy(&v, &bits, sizeof v);
    return snprintf(out, PG_TEXT_MAX, "%.17g", v);
}

static int put_date(int64_t seconds_since_2000, char *out, bool with_time, int64_t us)
{
    struct tm tm;
    time_t t = (time_t)(seconds_since_2000 + EPOCH_2000_S);
    if (!gmtime_r(&t, &tm))
        return -1;
    int n =
        snprintf(out, PG_TEXT_MAX, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (with_time)
        n += snprintf(out + n, PG_TEXT_MAX - (size_t)n, " %02d:%02d:%02d", tm.tm_hour, tm.tm_min,
                      tm.tm_sec);
    if (with_time && us)
        n += snprintf(out + n, PG_TEXT_MAX - (size_t)n, ".%06" PRId64, us);
    return n;
}

static int put_timestamp(struct slice raw, bool zone, char *out)
{
    int64_t v = signed_be(raw);
    if (v == INT64_MAX || v == INT64_MIN)
        return snprintf(out, PG_TEXT_MAX, "%s", v > 0 ? "infinity" : "-infinity");
    int64_t us = v % US, seconds = v / US;
    if (us < 0) {
        us += US;
        seconds--;
    }
    int n = put_date(seconds, out, true, us);
    if (n > 0 && zone)
        n += snprintf(out + n, PG_TEXT_MAX - (size_t)n, "+00");
    return n;
}

static int put_time(struct slice raw, char *out)
{
    int64_t v = signed_be(raw);
    if (v < 0 || v > (int64_t)DAY_S * US)
        return -1;
    int64_t s = v / US;
    int n = snprintf(out, PG_TEXT_MAX, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
                     (int)(s % 60));
    if (v % US)
        n += snprintf(out + n, PG_TEXT_MAX - (size_t)n, ".%06" PRId64, v % US);
    return n;
}

/* Digits of base 10,000 with a weight and the number of decimals to show. */
static int put_numeric(struct slice raw, char *out)
{
    struct cursor c = cursor_of(raw.data, raw.len);
    int count = cursor_be16(&c), weight = (int16_t)cursor_be16(&c);
    unsigned sign = cursor_be16(&c), scale = cursor_be16(&c);
    if (c.bad || (size_t)count * 2 != cursor_left(&c) || count > NUMERIC_DIGITS_MAX ||
        scale > 400 || weight > NUMERIC_DIGITS_MAX || weight < -NUMERIC_DIGITS_MAX)
        return -1;
    if (sign >= 0xC000)
        return snprintf(out, PG_TEXT_MAX, "%s",
                        sign == 0xC000   ? "NaN"
                        : sign == 0xD000 ? "Infinity"
                                         : "-Infinity");
    int n = snprintf(out, PG_TEXT_MAX, "%s", sign ? "-" : "");
    int first = weight > 0 ? weight : 0;
    unsigned decimals = 0;
    int skipped = 0;
    for (int place = first; place >= 0 || decimals < scale; place--) {
        unsigned digit = 0;
        if (place <= weight && skipped < count) {
            digit = cursor_be16(&c);
            skipped++;
        }
        char group[8];
        snprintf(group, sizeof group, place == first ? "%u" : "%04u", digit % 10000);
        if (place == -1)
            out[n++] = '.';
        if (place >= 0) {
            n += snprintf(out + n, PG_TEXT_MAX - (size_t)n, "%s", group);
            continue;
        }
        snprintf(group, sizeof group, "%04u", digit % 10000);
        for (int i = 0; i < 4 && decimals < scale; i++, decimals++)
            out[n++] = group[i];
    }
    return n;
}

static int put_uuid(struct slice raw, char *out)
{
    char hex[33];
    text_hex(raw.data, 16, hex);
    return snprintf(out, PG_TEXT_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                    hex + 20);
}

static struct slice hex_text(struct slice raw, char *scratch)
{
    struct slice part = slice_sub(raw, 0, HEX_MAX);
    scratch[0] = '\\';
    scratch[1] = 'x';
    text_hex(part.data, part.len, scratch + 2);
    size_t n = 2 + 2 * part.len;
    if (part.len < raw.len) {
        memcpy(scratch + n, "…", 3);
        n += 3;
    }
    return slice_of(scratch, n);
}

static bool is_text_type(uint32_t oid)
{
    return oid == OID_TEXT || oid == OID_VARCHAR || oid == OID_BPCHAR || oid == OID_NAME ||
           oid == OID_JSON || oid == OID_XML || oid == OID_CHAR || oid == OID_UNKNOWN;
}

struct slice pg_value_text(uint32_t oid, bool is_binary, struct slice raw, char *scratch)
{
    int n = -1;
    size_t len = raw.len;
    if (!is_binary || is_text_type(oid))
        return raw;
    if (oid == OID_JSONB && len && raw.data[0] == 1) /* the version of its form */
        return slice_sub(raw, 1, SIZE_MAX);
    if (oid == OID_BOOL && len == 1)
        return raw.data[0] ? SLICE_LITERAL("t") : SLICE_LITERAL("f");
    if ((oid == OID_INT2 && len == 2) || (oid == OID_INT4 && len == 4) ||
        (oid == OID_INT8 && len == 8))
        n = snprintf(scratch, PG_TEXT_MAX, "%" PRId64, signed_be(raw));
    else if (oid == OID_OID && len == 4)
        n = snprintf(scratch, PG_TEXT_MAX, "%" PRIu32, (uint32_t)signed_be(raw));
    else if ((oid == OID_FLOAT4 && len == 4) || (oid == OID_FLOAT8 && len == 8))
        n = put_float(raw, scratch);
    else if (oid == OID_DATE && len == 4)
        n = put_date(signed_be(raw) * DAY_S, scratch, false, 0);
    else if ((oid == OID_TIMESTAMP || oid == OID_TIMESTAMPTZ) && len == 8)
        n = put_timestamp(raw, oid == OID_TIMESTAMPTZ, scratch);
    else if (oid == OID_TIME && len == 8)
        n = put_time(raw, scratch);
    else if (oid == OID_NUMERIC && len >= 8)
        n = put_numeric(raw, scratch);
    else if (oid == OID_UUID && len == 16)
        n = put_uuid(raw, scratch);
    if (n >= 0)
        return slice_of(scratch, (size_t)n);
    return hex_text(raw, scratch);
}
