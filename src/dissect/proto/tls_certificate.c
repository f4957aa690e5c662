/* As much of X.509 (RFC 5280, DER as in X.690) as an entry shows: issuer, subject, end of validity.
 * Names as in RFC 4514: the most specific part first. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "dissect/proto/tls_hello.h"

enum {
    DER_INTEGER = 0x02,
    DER_OID = 0x06,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_BMP_STRING = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_VERSION = 0xa0,
    MAX_PARTS = 256,
    NAME_MAX_BYTES = 2048
};

/* The next element: its tag (0: none) and content. */
static unsigned take_element(struct cursor *c, struct slice *ret_content)
{
    if (cursor_left(c) < 2)
        return 0;
    unsigned tag = cursor_u8(c);
    size_t len = cursor_u8(c);
    if (len & 0x80) {
        size_t n = len & 0x7f;
        if (n == 0 || n > 4)
            c->bad = true;
        len = 0;
        for (size_t i = 0; i < n && !c->bad; i++)
            len = len << 8 | cursor_u8(c);
    }
    *ret_content = cursor_slice(c, len);
    return c->bad ? 0 : tag;
}

static bool expect(struct cursor *c, unsigned tag, struct slice *ret_content)
{
    return take_element(c, ret_content) == tag;
}

static const struct {
    uint8_t oid[10];
    uint8_t len;
    const char *name;
} attributes[] = {
    {{0x55, 4, 3}, 3, "CN"},
    {{0x55, 4, 4}, 3, "SN"},
    {{0x55, 4, 5}, 3, "serialNumber"},
    {{0x55, 4, 6}, 3, "C"},
    {{0x55, 4, 7}, 3, "L"},
    {{0x55, 4, 8}, 3, "ST"},
    {{0x55, 4, 9}, 3, "street"},
    {{0x55, 4, 10}, 3, "O"},
    {{0x55, 4, 11}, 3, "OU"},
    {{0x55, 4, 12}, 3, "title"},
    {{0x55, 4, 13}, 3, "description"},
    {{0x55, 4, 15}, 3, "businessCategory"},
    {{0x55, 4, 17}, 3, "postalCode"},
    {{0x55, 4, 42}, 3, "GN"},
    {{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, 10, "DC"},
    {{0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}, 10, "UID"},
    {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, "emailAddress"},
};

/* "2.5.4.97" of an OID that has no short name. */
static void oid_text(struct slice oid, char *out, size_t size)
{
    size_t at = 0;
    uint64_t v = 0;
    bool first = true;
    out[0] = 0;
    for (size_t i = 0; i < oid.len && at < size; i++) {
        if (v >> 56)
            return;
        v = v << 7 | (oid.data[i] & 0x7f);
        if (oid.data[i] & 0x80)
            continue;
        unsigned top = v < 80 ? (unsigned)v / 40 : 2;
        int n = first ? snprintf(out, size, "%u.%llu", top, (unsigned long long)(v - 40ULL * top))
                      : snprintf(out + at, size - at, ".%llu", (unsigned long long)v);
        at += n > 0 ? (size_t)n : 0;
        first = false;
        v = 0;
    }
}

static void put_value(char *out, size_t size, unsigned tag, struct slice value)
{
    size_t at = strlen(out);
    bool wide = tag == DER_BMP_STRING;
    for (size_t i = 0; i + wide < value.len; i += wide ? 2u : 1u) {
        uint32_t cp = wide ? (uint32_t)value.data[i] << 8 | value.data[i + 1] : value.data[i];
        uint8_t bytes[4] = {(uint8_t)cp};
        size_t n = wide ? text_put_code_point(cp, bytes) : 1;
        bool escape = n == 1 && cp < 0x80 && byte_is_in((uint8_t)cp, ",+\"\\<>;");
        if (at + n + 3 > size)
            break;
        if (escape || cp == 0)
            out[at++] = '\\';
        if (cp == 0) { /* RFC 4514 section 2.4: a name does not end before what follows it */
            memcpy(out + at, "00", 2);
            at += 2;
        } else {
            memcpy(out + at, bytes, n);
            at += n;
        }
    }
    out[at] = 0;
}

/* RelativeDistinguishedName: a SET of SEQUENCE { OID, value }. */
static struct slice rdn_text(struct arena *arena, struct slice rdn)
{
    char out[NAME_MAX_BYTES] = "";
    struct cursor c = cursor_of(rdn.data, rdn.len);
    struct slice pair;
    while (expect(&c, DER_SEQUENCE, &pair)) {
        struct cursor p = cursor_of(pair.data, pair.len);
        struct slice oid;
        struct slice value;
        char name[64] = "";
        if (!expect(&p, DER_OID, &oid))
            break;
        unsigned tag = take_element(&p, &value);
        if (tag == 0)
            break;
        for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
            if (slice_eq(oid, slice_of(attributes[i].oid, attributes[i].len)))
                snprintf(name, sizeof name, "%s", attributes[i].name);
        if (!name[0])
            oid_text(oid, name, sizeof name);
        size_t at = strlen(out);
        snprintf(out + at, sizeof out - at, "%s%s=", at ? "+" : "", name);
        put_value(out, sizeof out, tag, value);
    }
    return arena_dup(arena, slice_str(out));
}

static struct slice name_text(struct arena *arena, struct slice name)
{
    struct slice parts[MAX_PARTS];
    struct cursor c = cursor_of(name.data, name.len);
    struct slice rdn;
    size_t count = 0;
    size_t total = 0;
    while (count < MAX_PARTS && expect(&c, DER_SET, &rdn)) {
        parts[count] = rdn_text(arena, rdn);
        total += parts[count++].len + 1;
    }
    uint8_t *out = total ? arena_alloc(arena, total) : NULL;
    size_t len = 0;
    for (size_t i = count; out && i > 0; i--) {
        if (len)
            out[len++] = ',';
        if (parts[i - 1].len)
            memcpy(out + len, parts[i - 1].data, parts[i - 1].len);
        len += parts[i - 1].len;
    }
    return slice_of(out, len);
}

/* UTCTime YYMMDDHHMMSSZ, GeneralizedTime YYYYMMDDHHMMSSZ (RFC 5280 section 4.1.2.5). */
static int64_t time_ns(unsigned tag, struct slice text)
{
    size_t year_digits = tag == DER_UTC_TIME ? 2 : 4;
    int v[6] = {0};
    if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) || text.len < year_digits + 10)
        return 0;
    for (size_t i = 0; i < year_digits + 10; i++) {
        size_t field = i < year_digits ? 0 : 1 + (i - year_digits) / 2;
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        v[field] = v[field] * 10 + (text.data[i] - '0');
    }
    if (tag == DER_UTC_TIME)
        v[0] += v[0] < 50 ? 2000 : 1900;
    struct tm tm = {.tm_year = v[0] - 1900,
                    .tm_mon = v[1] - 1,
                    .tm_mday = v[2],
                    .tm_hour = v[3],
                    .tm_min = v[4],
                    .tm_sec = v[5]};
    int64_t seconds = timegm(&tm);
    int64_t ns;
    return __builtin_mul_overflow(seconds, NS_PER_S, &ns) ? 0 : ns; /* beyond the year 2262 */
}

static bool parse_certificate(struct arena *arena, struct slice der,
                              struct tls_certificate *ret_certificate)
{
    struct cursor c = cursor_of(der.data, der.len);
    struct slice outer;
    struct slice tbs;
    struct slice part;
    if (!expect(&c, DER_SEQUENCE, &outer))
        return false;
    c = cursor_of(outer.data, outer.len);
    if (!expect(&c, DER_SEQUENCE, &tbs))
        return false;
    c = cursor_of(tbs.data, tbs.len);
    unsigned tag = take_element(&c, &part);
    if (tag == DER_VERSION)
        tag = take_element(&c, &part);
    struct slice issuer;
    struct slice validity;
    struct slice subject;
    if (tag != DER_INTEGER || !expect(&c, DER_SEQUENCE, &part) ||
        !expect(&c, DER_SEQUENCE, &issuer) || !expect(&c, DER_SEQUENCE, &validity) ||
        !expect(&c, DER_SEQUENCE, &subject))
        return false;
    ret_certificate->issuer = name_text(arena, issuer);
    ret_certificate->subject = name_text(arena, subject);
    c = cursor_of(validity.data, validity.len);
    if (take_element(&c, &part)) {
        tag = take_element(&c, &part);
        ret_certificate->not_after_ns = time_ns(tag, part);
    }
    return true;
}

bool tls_parse_certificates(struct arena *arena, struct slice body,
                            struct tls_certificate *ret_certificate)
{
    struct cursor c = cursor_of(body.data, body.len);
    cursor_skip(&c, 3);
    struct slice first = cursor_slice(&c, cursor_be24(&c));
    return !c.bad && parse_certificate(arena, first, ret_certificate);
}
