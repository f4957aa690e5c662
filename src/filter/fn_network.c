/* Addresses and networks. */
#include <arpa/inet.h>
#include <stdio.h>

#include "filter/functions.h"
#include "filter/text_out.h"

static bool is_mapped(const uint8_t bytes[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(bytes, prefix, sizeof prefix) == 0;
}

/* NULL, or what is wrong. `fold`: ::ffff:a.b.c.d in hexadecimal is the IPv4 address it stands for.
 */
static const char *parse_address(struct slice text, bool fold, struct value *ret)
{
    char copy[INET6_ADDRSTRLEN + 1];
    *ret = (struct value){.kind = VALUE_IP};
    if (text.len && memchr(text.data, '%', text.len))
        return "an address with a zone is not allowed";
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, 0, text.len))
        return "this is not an address";
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (inet_pton(AF_INET, copy, ret->ip.bytes) == 1) {
        ret->error = 4;
        return NULL;
    }
    if (inet_pton(AF_INET6, copy, ret->ip.bytes) != 1)
        return "this is not an address";
    ret->error = 6;
    if (memchr(text.data, '.', text.len))
        return "an IPv4-mapped IPv6 address is not allowed";
    if (fold && is_mapped(ret->ip.bytes)) {
        memmove(ret->ip.bytes, ret->ip.bytes + 12, 4);
        memset(ret->ip.bytes + 4, 0, 12);
        ret->error = 4;
    }
    return NULL;
}

static const char *parse_network(struct slice text, struct value *ret)
{
    const uint8_t *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    if (!slash)
        return "this is not a network (10.0.0.0/8)";
    size_t at = (size_t)(slash - text.data);
    const char *problem = parse_address(slice_sub(text, 0, at), false, ret);
    struct slice bits = slice_sub(text, at + 1, text.len);
    if (problem)
        return problem;
    unsigned prefix = 0;
    for (size_t i = 0; i < bits.len; i++) {
        if (bits.data[i] < '0' || bits.data[i] > '9' || prefix > 128 || (i && prefix == 0))
            return "this is not a network (10.0.0.0/8)";
        prefix = prefix * 10 + bits.data[i] - '0';
    }
    if (bits.len == 0 || prefix > (ret->error == 4 ? 32u : 128u))
        return "this is not a network (10.0.0.0/8)";
    ret->kind = VALUE_CIDR;
    ret->prefix = (uint8_t)prefix;
    return NULL;
}

static void fail(struct filter_eval *eval, const char *problem, struct slice text,
                 struct value *ret)
{
    set_error_printf(eval, ret, ERROR_ARGUMENT, "%s: \"%.*s\"", problem,
                     (int)(text.len < 64 ? text.len : 64), (const char *)text.data);
}

void address_format(const struct value *v, char out[NUMBER_TEXT_SIZE])
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v->error == 4 ? AF_INET : AF_INET6, v->ip.bytes, text, sizeof text);
    if (v->kind == VALUE_CIDR)
        snprintf(out, NUMBER_TEXT_SIZE, "%s/%u", text, v->prefix);
    else
        snprintf(out, NUMBER_TEXT_SIZE, "%s", text);
}

FUNCTION_BODY(fn_to_ip)
{
    (void)node;
    if (args[0].kind == VALUE_IP) {
        *ret = args[0];
        return;
    }
    const char *problem = parse_address(args[0].text, true, ret);
    if (problem)
        fail(eval, problem, args[0].text, ret);
}

FUNCTION_BODY(fn_to_cidr)
{
    (void)node;
    if (args[0].kind == VALUE_CIDR) {
        *ret = args[0];
        return;
    }
    const char *problem = parse_network(args[0].text, ret);
    if (problem)
        fail(eval, problem, args[0].text, ret);
}

FUNCTION_BODY(fn_is_ip)
{
    (void)eval;
    (void)node;
    struct value v;
    set_bool(ret, !parse_address(args[0].text, true, &v));
}

FUNCTION_BODY(fn_is_cidr)
{
    (void)eval;
    (void)node;
    struct value v;
    set_bool(ret, !parse_network(args[0].text, &v));
}

FUNCTION_BODY(fn_ip_is_canonical)
{
    (void)node;
    struct value v;
    char text[NUMBER_TEXT_SIZE];
    const char *problem = parse_address(args[0].text, true, &v);
    if (problem) {
        fail(eval, problem, args[0].text, ret);
        return;
    }
    address_format(&v, text);
    set_bool(ret, slice_eq_str(args[0].text, text));
}

FUNCTION_BODY(fn_ip_family)
{
    (void)eval;
    (void)node;
    set_int(ret, args[0].error);
}

static bool is_all_zero(const struct value *v)
{
    static const uint8_t zero[16];
    return memcmp(v->ip.bytes, zero, sizeof zero) == 0;
}

static bool is_loopback(const struct value *v)
{
    static const uint8_t loopback[16] = {[15] = 1};
    if (v->error == 4)
        return v->ip.bytes[0] == 127;
    return memcmp(v->ip.bytes, loopback, sizeof loopback) == 0;
}

static bool is_multicast(const struct value *v)
{
    return v->error == 4 ? (v->ip.bytes[0] & 0xf0) == 0xe0 : v->ip.bytes[0] == 0xff;
}

static bool is_link_local(const struct value *v)
{
    if (v->error == 4)
        return v->ip.bytes[0] == 169 && v->ip.bytes[1] == 254;
    return v->ip.bytes[0] == 0xfe && (v->ip.bytes[1] & 0xc0) == 0x80;
}

static bool is_broadcast(const struct value *v)
{
    return v->error == 4 && memcmp(v->ip.bytes, "\xff\xff\xff\xff", 4) == 0;
}

#define ADDRESS_TEST(name, expression)    \
    FUNCTION_BODY(name)                   \
    {                                     \
        (void)eval;                       \
        (void)node;                       \
        const struct value *v = &args[0]; \
        const uint8_t *b = v->ip.bytes;   \
        (void)b;                          \
        set_bool(ret, (expression));      \
    }

ADDRESS_TEST(fn_ip_is_unspecified, is_all_zero(v))
ADDRESS_TEST(fn_ip_is_loopback, is_loopback(v))
ADDRESS_TEST(fn_ip_is_link_local_unicast, is_link_local(v))
ADDRESS_TEST(fn_ip_is_link_local_multicast, v->error == 4 ? b[0] == 224 && b[1] == 0 && b[2] == 0
                                                          : b[0] == 0xff && (b[1] & 0x0f) == 2)
ADDRESS_TEST(fn_ip_is_global_unicast, !is_all_zero(v) && !is_loopback(v) && !is_multicast(v) &&
                                          !is_link_local(v) && !is_broadcast(v))
/* RFC 1918, RFC 4193 */
ADDRESS_TEST(fn_ip_is_private, v->error == 4 ? b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
                                                   (b[0] == 192 && b[1] == 168)
                                             : (b[0] & 0xfe) == 0xfc)

static void mask(struct value *v, unsigned prefix)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;
        if (bits < 8)
            v->ip.bytes[i] &= (uint8_t)(0xff00 >> bits);
    }
}

/* Whether the first `prefix` bits agree. */
static bool same_network(const struct value *network, const struct value *other)
{
    struct value a = *network;
    struct value b = *other;
    mask(&a, network->prefix);
    mask(&b, network->prefix);
    return a.error == b.error && memcmp(a.ip.bytes, b.ip.bytes, sizeof a.ip.bytes) == 0;
}

FUNCTION_BODY(fn_contains_ip)
{
    (void)node;
    struct value other = args[1];
    if (other.kind == VALUE_STRING) {
        const char *problem = parse_address(args[1].text, true, &other);
        if (problem) {
            fail(eval, problem, args[1].text, ret);
            return;
        }
    }
    set_bool(ret, same_network(&args[0], &other));
}

FUNCTION_BODY(fn_contains_cidr)
{
    (void)node;
    struct value other = args[1];
    if (other.kind == VALUE_STRING) {
        const char *problem = parse_network(args[1].text, &other);
        if (problem) {
            fail(eval, problem, args[1].text, ret);
            return;
        }
    }
    set_bool(ret, other.prefix >= args[0].prefix && same_network(&args[0], &other));
}

FUNCTION_BODY(fn_cidr_ip)
{
    (void)eval;
    (void)node;
    *ret = args[0];
    ret->kind = VALUE_IP;
    ret->prefix = 0;
}

FUNCTION_BODY(fn_cidr_masked)
{
    (void)eval;
    (void)node;
    *ret = args[0];
    mask(ret, args[0].prefix);
}

FUNCTION_BODY(fn_cidr_prefix_length)
{
    (void)eval;
    (void)node;
    set_int(ret, args[0].prefix);
}
