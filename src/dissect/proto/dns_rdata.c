/* Record data of DNS in presentation form, each type after its own RFC: 1035 (A … TXT), 1183, 1876
 * (LOC), 2782 (SRV), 3403 (NAPTR), 3596 (AAAA), 3597 (unknown types), 4034 (DNSSEC), 4255 (SSHFP),
 * 5155 (NSEC3), 6698 (TLSA), 6891 (OPT), 7553 (URI), 8659 (CAA), 8945 (TSIG), 9460 (SVCB, HTTPS).
 */
#include <arpa/inet.h>
#include <time.h>

#include "dissect/proto/dns_message.h"

struct rdata {
    struct slice message;
    struct cursor c; /* over the record's data only */
    struct dns_text *out;
};

static size_t position(const struct rdata *r)
{
    return (size_t)(r->c.pos - r->message.data);
}

static void put_name(struct rdata *r)
{
    size_t pos = position(r);
    size_t before = pos;
    size_t end = pos + cursor_left(&r->c);
    if (r->c.bad || !dns_take_name(r->message, &pos, r->out) || pos > end) {
        r->c.bad = true;
        return;
    }
    cursor_skip(&r->c, pos - before);
}

static void put_string(struct rdata *r)
{
    size_t len = cursor_u8(&r->c);
    dns_put_quoted(r->out, cursor_slice(&r->c, len));
}

static struct slice rest(struct rdata *r)
{
    return cursor_slice(&r->c, cursor_left(&r->c));
}

static void put_u8(struct rdata *r)
{
    dns_put(r->out, "%u", cursor_u8(&r->c));
}

static void put_u16(struct rdata *r)
{
    dns_put(r->out, "%u", cursor_be16(&r->c));
}

static void put_u32(struct rdata *r)
{
    dns_put(r->out, "%u", cursor_be32(&r->c));
}

static void put_base64(struct rdata *r, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len && !r->out->cut; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        unsigned v = (unsigned)s.data[i] << 16;
        if (n > 1)
            v |= (unsigned)s.data[i + 1] << 8;
        if (n > 2)
            v |= s.data[i + 2];
        dns_put(r->out, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63],
                n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '=');
    }
}

static void put_base32hex(struct rdata *r, struct slice s)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    unsigned bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < s.len; i++) {
        bits = bits << 8 | s.data[i];
        for (held += 8; held >= 5; held -= 5)
            dns_put(r->out, "%c", digits[bits >> (held - 5) & 31]);
    }
    if (held)
        dns_put(r->out, "%c", digits[bits << (5 - held) & 31]);
}

/* YYYYMMDDHHmmSS (RFC 4034 section 3.2). */
static void put_time(struct rdata *r)
{
    time_t t = cursor_be32(&r->c);
    struct tm tm;
    if (gmtime_r(&t, &tm))
        dns_put(r->out, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Type bit maps (RFC 4034 section 4.1.2). */
static void put_type_bitmap(struct rdata *r)
{
    char scratch[16];
    while (cursor_left(&r->c)) {
        unsigned window = cursor_u8(&r->c);
        unsigned len = cursor_u8(&r->c);
        const uint8_t *map = cursor_take(&r->c, len);
        if (!map || len == 0 || len > 32) {
            r->c.bad = true;
            return;
        }
        for (unsigned i = 0; i < len * 8; i++)
            if (map[i / 8] & 0x80 >> i % 8)
                dns_put(r->out, " %s", dns_type_name(window * 256 + i, scratch));
    }
}

/* A run of fields, one letter each: 1 u8, 2 u16, 4 u32, t time, n name, s string, g bare
 * string, S strings to the end, T type, x hex to the end, b base64 to the end, A IPv4, 6 IPv6, Q
 * quoted to the end. */
static void put_fields(struct rdata *r, const char *fields)
{
    char scratch[INET6_ADDRSTRLEN];
    for (const char *f = fields; *f && !r->c.bad; f++) {
        if (f != fields)
            dns_put(r->out, " ");
        switch (*f) {
        case '1':
            put_u8(r);
            break;
        case '2':
            put_u16(r);
            break;
        case '4':
            put_u32(r);
            break;
        case 't':
            put_time(r);
            break;
        case 'n':
            put_name(r);
            break;
        case 's':
            put_string(r);
            break;
        case 'g': {
            struct slice tag = cursor_slice(&r->c, cursor_u8(&r->c));
            for (size_t i = 0; i < tag.len; i++)
                dns_put(r->out, tag.data[i] > ' ' && tag.data[i] < 0x7f ? "%c" : "\\%03u",
                        tag.data[i]);
            break;
        }
        case 'S':
            put_string(r);
            while (cursor_left(&r->c) && !r->c.bad) {
                dns_put(r->out, " ");
                put_string(r);
            }
            break;
        case 'T':
            dns_put(r->out, "%s", dns_type_name(cursor_be16(&r->c), scratch));
            break;
        case 'x':
            dns_put_hex(r->out, rest(r));
            break;
        case 'b':
            put_base64(r, rest(r));
            break;
        case 'Q':
            dns_put_quoted(r->out, rest(r));
            break;
        case 'A':
        case '6': {
            const uint8_t *a = cursor_take(&r->c, *f == 'A' ? 4 : 16);
            if (a)
                dns_put(r->out, "%s",
                        inet_ntop(*f == 'A' ? AF_INET : AF_INET6, a, scratch, sizeof scratch));
            break;
        }
        default:
            r->c.bad = true;
        }
    }
}

static void put_nsec3(struct rdata *r, bool is_param)
{
    put_fields(r, "112");
    size_t len = cursor_u8(&r->c);
    struct slice salt = cursor_slice(&r->c, len);
    dns_put(r->out, " ");
    if (len)
        dns_put_hex(r->out, salt);
    else
        dns_put(r->out, "-");
    if (is_param)
        return;
    len = cursor_u8(&r->c);
    struct slice hash = cursor_slice(&r->c, len);
    dns_put(r->out, " ");
    put_base32hex(r, hash);
    put_type_bitmap(r);
}

/* Sizes are 4-bit mantissa and 4-bit power of ten, in centimetres. */
static uint64_t loc_size(uint8_t v)
{
    uint64_t size = v >> 4;
    for (unsigned e = v & 15; e && e <= 9; e--)
        size *= 10;
    return size;
}

static void put_angle(struct rdata *r, uint32_t v, char positive, char negative)
{
    int64_t ms = (int64_t)v - INT64_C(0x80000000);
    char side = ms < 0 ? negative : positive;
    if (ms < 0)
        ms = -ms;
    dns_put(r->out, "%u %u %u.%03u %c ", (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60),
            (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000), side);
}

static void put_loc(struct rdata *r)
{
    uint8_t version = cursor_u8(&r->c);
    uint64_t sizes[3];
    for (int i = 0; i < 3; i++)
        sizes[i] = loc_size(cursor_u8(&r->c));
    uint32_t latitude = cursor_be32(&r->c);
    uint32_t longitude = cursor_be32(&r->c);
    int64_t altitude = (int64_t)cursor_be32(&r->c) - 10000000;
    if (r->c.bad || version != 0) {
        r->c.bad = true;
        return;
    }
    put_angle(r, latitude, 'N', 'S');
    put_angle(r, longitude, 'E', 'W');
    bool below = altitude < 0;
    if (below)
        altitude = -altitude;
    dns_put(r->out, "%s%u.%02um", below ? "-" : "", (unsigned)(altitude / 100),
            (unsigned)(altitude % 100));
    for (int i = 0; i < 3; i++)
        dns_put(r->out, " %u.%02um", (unsigned)(sizes[i] / 100), (unsigned)(sizes[i] % 100));
}

static void put_wks(struct rdata *r)
{
    put_fields(r, "A1");
    struct slice map = rest(r);
    for (size_t i = 0; i < map.len * 8; i++)
        if (map.data[i / 8] & 0x80 >> i % 8)
            dns_put(r->out, " %u", (unsigned)i);
}

static void put_apl(struct rdata *r)
{
    char text[INET6_ADDRSTRLEN];
    for (bool first = true; cursor_left(&r->c) && !r->c.bad; first = false) {
        uint8_t address[16] = {0};
        unsigned family = cursor_be16(&r->c);
        unsigned prefix = cursor_u8(&r->c);
        unsigned len = cursor_u8(&r->c);
        struct slice bytes = cursor_slice(&r->c, len & 0x7f);
        if (r->c.bad || bytes.len > sizeof address || (family != 1 && family != 2)) {
            r->c.bad = true;
            return;
        }
        if (bytes.len)
            memcpy(address, bytes.data, bytes.len);
        dns_put(r->out, "%s%s%u:%s/%u", first ? "" : " ", len & 0x80 ? "!" : "", family,
                inet_ntop(family == 1 ? AF_INET : AF_INET6, address, text, sizeof text), prefix);
    }
}

static void put_tsig(struct rdata *r)
{
    put_name(r);
    uint64_t time = (uint64_t)cursor_be16(&r->c) << 32;
    time |= cursor_be32(&r->c);
    dns_put(r->out, " %llu ", (unsigned long long)time);
    put_u16(r);
    size_t len = cursor_be16(&r->c);
    dns_put(r->out, " %u ", (unsigned)len);
    put_base64(r, cursor_slice(&r->c, len));
    unsigned id = cursor_be16(&r->c);
    unsigned error = cursor_be16(&r->c);
    size_t other = cursor_be16(&r->c);
    char scratch[16];
    dns_put(r->out, " %u %s %u", id, dns_rcode_name(error, scratch), (unsigned)other);
    if (other)
        dns_put(r->out, " ");
    put_base64(r, cursor_slice(&r->c, other));
}

/* ── SVCB and HTTPS (RFC 9460) ── */

static const char *const svc_keys[] = {"mandatory", "alpn",     "no-default-alpn",
                                       "port",      "ipv4hint", "ech",
                                       "ipv6hint",  "dohpath",  "ohttp"};

static void put_svc_key(struct rdata *r, unsigned key)
{
    if (key < sizeof svc_keys / sizeof svc_keys[0])
        dns_put(r->out, "%s", svc_keys[key]);
    else
        dns_put(r->out, "key%u", key);
}

static void put_svc_list(struct rdata *r, unsigned key, struct cursor *c)
{
    char text[INET6_ADDRSTRLEN];
    for (bool first = true; cursor_left(c) && !c->bad; first = false) {
        if (!first)
            dns_put(r->out, ",");
        if (key == 0) {
            put_svc_key(r, cursor_be16(c));
        } else if (key == 1) {
            struct slice id = cursor_slice(c, cursor_u8(c));
            for (size_t i = 0; i < id.len; i++)
                dns_put(r->out, id.data[i] > ' ' && id.data[i] < 0x7f ? "%c" : "\\%03u",
                        id.data[i]);
        } else {
            const uint8_t *a = cursor_take(c, key == 4 ? 4 : 16);
            if (a)
                dns_put(r->out, "%s",
                        inet_ntop(key == 4 ? AF_INET : AF_INET6, a, text, sizeof text));
        }
    }
    r->c.bad |= c->bad;
}

static void put_svcb(struct rdata *r)
{
    put_fields(r, "2n");
    while (cursor_left(&r->c) && !r->c.bad) {
        unsigned key = cursor_be16(&r->c);
        struct slice value = cursor_slice(&r->c, cursor_be16(&r->c));
        struct cursor c = cursor_of(value.data, value.len);
        if (r->c.bad)
            return;
        dns_put(r->out, " ");
        put_svc_key(r, key);
        if (key == 2 || value.len == 0)
            continue;
        dns_put(r->out, "=");
        if (key == 0 || key == 1 || key == 4 || key == 6) {
            put_svc_list(r, key, &c);
        } else if (key == 3) {
            dns_put(r->out, "%u", cursor_be16(&c));
            r->c.bad |= c.bad;
        } else if (key == 5) {
            put_base64(r, value);
        } else {
            dns_put_quoted(r->out, value);
        }
    }
}

/* ── OPT ── */

static void put_option(struct rdata *r, unsigned code, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    switch (code) {
    case 3: /* RFC 5001 */
        dns_put(r->out, "nsid ");
        dns_put_quoted(r->out, value);
        return;
    case 8: { /* RFC 7871 */
        uint8_t a[16] = {0};
        char text[INET6_ADDRSTRLEN];
        unsigned family = cursor_be16(&c);
        unsigned source = cursor_u8(&c);
        unsigned scope = cursor_u8(&c);
        struct slice address = cursor_slice(&c, cursor_left(&c));
        if (c.bad || address.len > sizeof a)
            break;
        if (address.len)
            memcpy(a, address.data, address.len);
        dns_put(r->out, "ecs %s/%u/%u",
                inet_ntop(family == 2 ? AF_INET6 : AF_INET, a, text, sizeof text), source, scope);
        return;
    }
    case 10: /* RFC 7873 */
        dns_put(r->out, "cookie ");
        dns_put_hex(r->out, value);
        return;
    case 11: /* RFC 7828 */
        dns_put(r->out, "tcp-keepalive %u", value.len ? cursor_be16(&c) : 0);
        return;
    case 12: /* RFC 7830 */
        dns_put(r->out, "padding %u", (unsigned)value.len);
        return;
    case 15: /* RFC 8914 */
        dns_put(r->out, "ede %u ", cursor_be16(&c));
        dns_put_quoted(r->out, cursor_slice(&c, cursor_left(&c)));
        return;
    default:
        break;
    }
    dns_put(r->out, "option%u ", code);
    dns_put_hex(r->out, value);
}

static void put_options(struct rdata *r)
{
    for (bool first = true; cursor_left(&r->c) && !r->c.bad; first = false) {
        unsigned code = cursor_be16(&r->c);
        struct slice value = cursor_slice(&r->c, cursor_be16(&r->c));
        if (r->c.bad)
            return;
        if (!first)
            dns_put(r->out, ", ");
        put_option(r, code, value);
    }
}

/* ── by type ── */

static const char *simple_fields(unsigned type)
{
    switch (type) {
    case DNS_TYPE_A:
        return "A";
    case DNS_TYPE_AAAA:
        return "6";
    case DNS_TYPE_NS:
    case DNS_TYPE_MD:
    case DNS_TYPE_MF:
    case DNS_TYPE_CNAME:
    case DNS_TYPE_MB:
    case DNS_TYPE_MG:
    case DNS_TYPE_MR:
    case DNS_TYPE_PTR:
    case DNS_TYPE_DNAME:
        return "n";
    case DNS_TYPE_SOA:
        return "nn44444";
    case DNS_TYPE_MINFO:
    case DNS_TYPE_RP:
        return "nn";
    case DNS_TYPE_MX:
    case DNS_TYPE_AFSDB:
    case DNS_TYPE_RT:
    case DNS_TYPE_KX:
        return "2n";
    case DNS_TYPE_PX:
        return "2nn";
    case DNS_TYPE_HINFO:
        return "ss";
    case DNS_TYPE_X25:
        return "s";
    case DNS_TYPE_TXT:
    case DNS_TYPE_SPF:
    case DNS_TYPE_ISDN:
    case 56:  /* NINFO */
    case 258: /* AVC */
    case 261: /* RESINFO */
        return "S";
    case DNS_TYPE_SRV:
        return "222n";
    case DNS_TYPE_NAPTR:
        return "22sssn";
    case DNS_TYPE_CERT:
        return "T21b";
    case DNS_TYPE_DS:
    case DNS_TYPE_CDS:
    case 32769: /* DLV */
    case 32768: /* TA */
        return "211x";
    case DNS_TYPE_SSHFP:
        return "11x";
    case DNS_TYPE_TLSA:
    case DNS_TYPE_SMIMEA:
        return "111x";
    case DNS_TYPE_DNSKEY:
    case DNS_TYPE_CDNSKEY:
    case DNS_TYPE_KEY:
        return "211b";
    case DNS_TYPE_RRSIG:
    case DNS_TYPE_SIG:
        return "T114tt2nb";
    case DNS_TYPE_ZONEMD:
        return "411x";
    case DNS_TYPE_DHCID:
    case DNS_TYPE_OPENPGPKEY:
        return "b";
    case DNS_TYPE_URI:
        return "22Q";
    case DNS_TYPE_CAA:
        return "1gQ";
    default:
        return NULL;
    }
}

static void put_eui(struct rdata *r)
{
    struct slice bytes = rest(r);
    for (size_t i = 0; i < bytes.len; i++)
        dns_put(r->out, "%s%02x", i ? "-" : "", bytes.data[i]);
}

static bool put_special(struct rdata *r, unsigned type)
{
    switch (type) {
    case DNS_TYPE_OPT:
        put_options(r);
        return true;
    case DNS_TYPE_SVCB:
    case DNS_TYPE_HTTPS:
        put_svcb(r);
        return true;
    case DNS_TYPE_NSEC:
        put_name(r);
        put_type_bitmap(r);
        return true;
    case DNS_TYPE_NSEC3:
    case DNS_TYPE_NSEC3PARAM:
        put_nsec3(r, type == DNS_TYPE_NSEC3PARAM);
        return true;
    case DNS_TYPE_CSYNC:
        put_fields(r, "42");
        put_type_bitmap(r);
        return true;
    case DNS_TYPE_LOC:
        put_loc(r);
        return true;
    case DNS_TYPE_WKS:
        put_wks(r);
        return true;
    case DNS_TYPE_APL:
        put_apl(r);
        return true;
    case DNS_TYPE_EUI48:
    case DNS_TYPE_EUI64:
        put_eui(r);
        return true;
    case DNS_TYPE_TSIG:
        put_tsig(r);
        return true;
    default:
        return false;
    }
}

bool dns_rdata_text(struct slice message, size_t pos, size_t len, unsigned type,
                    struct dns_text *out)
{
    struct rdata r = {.message = message, .out = out};
    size_t before = out->len;
    if (pos > message.len || len > message.len - pos)
        return false;
    r.c = cursor_of(message.data + pos, len);
    const char *fields = simple_fields(type);
    bool known = true;
    if (fields)
        put_fields(&r, fields);
    else
        known = put_special(&r, type);
    if (known && !r.c.bad && cursor_left(&r.c) == 0)
        return true;
    out->len = before;
    dns_put(out, "\\# %u ", (unsigned)len);
    dns_put_hex(out, slice_of(message.data + pos, len));
    return !known;
}
