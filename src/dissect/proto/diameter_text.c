/* AVPs of Diameter as text. */
#include "dissect/proto/diameter_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

enum {
    MAX_DEPTH = 8, /* of groups; what is deeper is shown as octets */
    MAX_HEX = 512  /* octets shown of a value */
};

static void put(struct diameter_text *text, struct slice s)
{
    gather_add(&text->out, text->arena, s, text->max);
}

static void put_str(struct diameter_text *text, const char *s)
{
    put(text, slice_str(s));
}

/* ── values ── */

static void put_hex(struct diameter_text *text, struct slice s)
{
    put_str(text, "0x");
    for (size_t i = 0; i < s.len && i < MAX_HEX; i++) {
        char hex[3];
        text_hex(s.data + i, 1, hex);
        put_str(text, hex);
    }
    if (s.len > MAX_HEX)
        put_str(text, "…");
}

/* One line; octets where it would be none. */
static void put_text(struct diameter_text *text, struct slice s)
{
    bool is_plain = text_is_utf8(s);
    for (size_t i = 0; is_plain && i < s.len; i++)
        is_plain = s.data[i] >= 0x20 && s.data[i] != 0x7f;
    if (is_plain)
        put(text, s);
    else
        put_hex(text, s);
}

static bool put_number(struct diameter_text *text, const struct diameter_avp *avp,
                       enum diameter_type type)
{
    struct cursor c = cursor_of(avp->value.data, avp->value.len);
    bool is_long = type == DIAMETER_UNSIGNED64 || type == DIAMETER_INTEGER64;
    if (avp->value.len != (is_long ? 8 : 4))
        return false;
    uint64_t v = is_long ? cursor_be64(&c) : cursor_be32(&c);
    char number[32];
    if (type == DIAMETER_INTEGER64)
        snprintf(number, sizeof number, "%" PRId64, (int64_t)v);
    else if (type == DIAMETER_INTEGER32)
        snprintf(number, sizeof number, "%" PRId32, (int32_t)(uint32_t)v);
    else
        snprintf(number, sizeof number, "%" PRIu64, v);
    const char *name = NULL;
    if (type == DIAMETER_ENUMERATED)
        name = diameter_value_name(avp->code, avp->vendor, (uint32_t)v);
    else if (avp->code == DIAMETER_RESULT_CODE && avp->vendor == 0)
        name = diameter_result_name((uint32_t)v);
    if (name) {
        put_str(text, name);
        put_str(text, " (");
    }
    put_str(text, number);
    if (name)
        put_str(text, ")");
    return true;
}

/* RFC 6733 section 4.3.1: the family in two octets (IANA "Address Family Numbers"), the address. */
static bool put_address(struct diameter_text *text, struct slice s)
{
    char shown[INET6_ADDRSTRLEN];
    struct cursor c = cursor_of(s.data, s.len);
    unsigned family = cursor_be16(&c);
    struct slice rest = slice_sub(s, 2, SIZE_MAX);
    bool is_ip4 = family == 1 && rest.len == 4, is_ip6 = family == 2 && rest.len == 16;
    if (is_ip4 || is_ip6) {
        if (!inet_ntop(is_ip4 ? AF_INET : AF_INET6, rest.data, shown, sizeof shown))
            return false;
        put_str(text, shown);
        return true;
    }
    if (family == 8) { /* E.164 */
        put_text(text, rest);
        return true;
    }
    return false;
}

/* Seconds since 1900 as in NTP; those without the highest bit are behind February 2036 (RFC 6733
 * section 4.3.1). */
static bool put_time(struct diameter_text *text, struct slice s)
{
    uint32_t seconds;
    if (!diameter_u32(s, &seconds))
        return false;
    time_t when = (time_t)seconds - INT64_C(2208988800);
    if (!(seconds & 0x80000000U))
        when += INT64_C(0x100000000);
    struct tm parts;
    char shown[40];
    if (!gmtime_r(&when, &parts) || !strftime(shown, sizeof shown, "%Y-%m-%dT%H:%M:%SZ", &parts))
        return false;
    put_str(text, shown);
    return true;
}

/* TBCD (TS 29.002): two digits an octet, the lower half first; 15 fills up. */
static void put_digits(struct diameter_text *text, struct slice s)
{
    static const char digits[] = "0123456789*#abc";
    for (size_t i = 0; i < s.len * 2; i++) {
        unsigned digit = i % 2 ? s.data[i / 2] >> 4 : s.data[i / 2] & 15;
        if (digit < 15)
            put(text, slice_of(&digits[digit], 1));
    }
}

static void put_value(struct diameter_text *text, const struct diameter_avp *avp,
                      enum diameter_type type)
{
    bool fits = true;
    size_t before = text->out.len;
    switch (type) {
    case DIAMETER_SECRET:
        put_str(text, "(hidden)");
        break;
    case DIAMETER_TEXT:
    case DIAMETER_OCTETS:
        put_text(text, avp->value);
        break;
    case DIAMETER_ADDRESS:
        fits = put_address(text, avp->value);
        break;
    case DIAMETER_TIME:
        fits = put_time(text, avp->value);
        break;
    case DIAMETER_IPV4: {
        char shown[INET_ADDRSTRLEN];
        fits = avp->value.len == 4 && inet_ntop(AF_INET, avp->value.data, shown, sizeof shown);
        if (fits)
            put_str(text, shown);
        break;
    }
    case DIAMETER_DIGITS:
        put_digits(text, avp->value);
        break;
    case DIAMETER_UNSIGNED32:
    case DIAMETER_UNSIGNED64:
    case DIAMETER_INTEGER32:
    case DIAMETER_INTEGER64:
    case DIAMETER_ENUMERATED:
        fits = put_number(text, avp, type);
        break;
    case DIAMETER_GROUPED:
        fits = false;
    }
    if (!fits && text->out.len == before) {
        text->is_malformed |= type != DIAMETER_GROUPED;
        put_hex(text, avp->value);
    }
}

/* ── lines ── */

static void put_name(struct diameter_text *text, const struct diameter_avp *avp,
                     const struct diameter_avp_def *def)
{
    char name[64];
    if (def)
        put_str(text, def->name);
    else if (avp->vendor) {
        snprintf(name, sizeof name, "AVP-%" PRIu32 "-%" PRIu32, avp->vendor, avp->code);
        put_str(text, name);
    } else {
        snprintf(name, sizeof name, "AVP-%" PRIu32, avp->code);
        put_str(text, name);
    }
}

static void put_list(struct diameter_text *text, struct slice avps, unsigned depth)
{
    struct diameter_avp avp;
    while (avps.len && !text->out.cut && diameter_next_avp(&avps, &avp)) {
        const struct diameter_avp_def *def = diameter_avp_find(avp.code, avp.vendor);
        bool is_group = def && def->type == DIAMETER_GROUPED && depth < MAX_DEPTH;
        if (avp.is_cut && !is_group)
            break;
        for (unsigned i = 0; i < depth; i++)
            put_str(text, "  ");
        put_name(text, &avp, def);
        if (is_group) {
            put_str(text, ":\n");
            put_list(text, avp.value, depth + 1);
            continue;
        }
        put_str(text, ": ");
        put_value(text, &avp, def ? def->type : DIAMETER_OCTETS);
        put_str(text, "\n");
    }
    text->is_malformed |= avps.len > 0 && !text->out.cut;
}

void diameter_put_avps(struct diameter_text *text, struct slice avps)
{
    put_list(text, avps, 0);
}
