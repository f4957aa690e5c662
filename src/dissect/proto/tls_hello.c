/* ClientHello and ServerHello, and their fingerprints: JA3 (github.com/salesforce/ja3), JA4
 * (github.com/FoxIO-LLC/ja4, technical_details/JA4.md). */
#include "dissect/proto/tls_hello.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dissect/proto/gather.h"

enum {
    EXT_SNI = 0,
    EXT_GROUPS = 10,
    EXT_POINTS = 11,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_TICKET = 35,
    EXT_PSK = 41,
    EXT_VERSIONS = 43,
    EXT_ECH = 0xfe0d,
    MAX_ALPN = 32,
    FINGERPRINT_TEXT_MAX = 32 * 1024
};

/* ── lists ── */

static bool take_numbers(struct arena *arena, struct slice bytes, size_t width,
                         struct tls_numbers *ret)
{
    size_t count = bytes.len / width;
    if (count > TLS_MAX_LIST)
        count = TLS_MAX_LIST;
    uint16_t *items = arena_alloc(arena, (count ? count : 1) * sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < count; i++)
        items[i] =
            (uint16_t)(width == 1 ? bytes.data[i] : bytes.data[i * 2] << 8 | bytes.data[i * 2 + 1]);
    *ret = (struct tls_numbers){.items = items, .count = count};
    return true;
}

static bool add_number(struct arena *arena, struct tls_numbers *list, uint16_t number)
{
    if (!list->items)
        list->items = arena_alloc(arena, TLS_MAX_LIST * sizeof *list->items);
    if (!list->items || list->count == TLS_MAX_LIST)
        return list->items != NULL;
    list->items[list->count++] = number;
    return true;
}

static void take_sni(struct arena *arena, struct slice value, struct tls_client_hello *hello)
{
    struct cursor c = cursor_of(value.data, value.len);
    cursor_skip(&c, 2);
    while (cursor_left(&c) >= 3 && !c.bad) {
        unsigned type = cursor_u8(&c);
        struct slice name = cursor_slice(&c, cursor_be16(&c));
        if (type == 0 && !c.bad && name.len) {
            hello->sni = arena_dup(arena, name);
            return;
        }
    }
}

static void take_alpn(struct arena *arena, struct slice value, struct tls_client_hello *hello)
{
    struct cursor c = cursor_of(value.data, value.len);
    struct slice names[MAX_ALPN];
    size_t count = 0;
    cursor_skip(&c, 2);
    while (cursor_left(&c) && !c.bad && count < MAX_ALPN) {
        struct slice name = cursor_slice(&c, cursor_u8(&c));
        if (!c.bad && name.len)
            names[count++] = arena_dup(arena, name);
    }
    struct slice *kept = count ? arena_alloc(arena, count * sizeof *kept) : NULL;
    if (!kept)
        return;
    memcpy(kept, names, count * sizeof *kept);
    hello->alpn = kept;
    hello->alpn_count = count;
}

static struct slice after_length(struct slice value, size_t length_bytes)
{
    struct cursor c = cursor_of(value.data, value.len);
    size_t len = length_bytes == 1 ? cursor_u8(&c) : cursor_be16(&c);
    return cursor_slice(&c, len < cursor_left(&c) ? len : cursor_left(&c));
}

static bool on_client_extension(struct arena *arena, unsigned type, struct slice value,
                                struct tls_client_hello *hello)
{
    switch (type) {
    case EXT_SNI:
        take_sni(arena, value, hello);
        return true;
    case EXT_GROUPS:
        return take_numbers(arena, after_length(value, 2), 2, &hello->groups);
    case EXT_POINTS:
        return take_numbers(arena, after_length(value, 1), 1, &hello->points);
    case EXT_SIGNATURES:
        return take_numbers(arena, after_length(value, 2), 2, &hello->signatures);
    case EXT_VERSIONS:
        return take_numbers(arena, after_length(value, 1), 2, &hello->versions);
    case EXT_ALPN:
        take_alpn(arena, value, hello);
        return true;
    case EXT_TICKET:
        hello->has_ticket = value.len > 0;
        return true;
    case EXT_ECH:
        hello->has_ech = true;
        return true;
    default:
        return true;
    }
}

/* DTLS counts downwards (0xfeff is 1.0, 0xfefd is 1.2). */
static uint16_t highest_version(const struct tls_client_hello *hello)
{
    uint16_t best = 0;
    for (size_t i = 0; i < hello->versions.count; i++) {
        uint16_t v = hello->versions.items[i];
        if (tls_is_grease(v))
            continue;
        if (best == 0 || (hello->is_dtls ? v < best : v > best))
            best = v;
    }
    return best ? best : hello->legacy_version;
}

bool tls_parse_client_hello(struct arena *arena, struct slice body, bool is_dtls,
                            struct tls_client_hello *ret_hello)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct tls_client_hello hello = {.is_dtls = is_dtls};
    hello.legacy_version = cursor_be16(&c);
    const uint8_t *random = cursor_take(&c, 32);
    if (random)
        memcpy(hello.random, random, sizeof hello.random);
    struct slice session = cursor_slice(&c, cursor_u8(&c));
    if (is_dtls)
        cursor_skip(&c, cursor_u8(&c)); /* cookie */
    struct slice ciphers = cursor_slice(&c, cursor_be16(&c));
    cursor_skip(&c, cursor_u8(&c)); /* compression */
    if (c.bad || !take_numbers(arena, ciphers, 2, &hello.ciphers))
        return false;
    hello.session_id = session.len ? arena_dup(arena, session) : SLICE_NONE;
    struct slice all =
        cursor_left(&c) >= 2 ? after_length(slice_of(c.pos, cursor_left(&c)), 2) : SLICE_NONE;
    struct cursor e = cursor_of(all.data, all.len);
    while (cursor_left(&e) >= 4) {
        unsigned type = cursor_be16(&e);
        struct slice value = cursor_slice(&e, cursor_be16(&e));
        if (e.bad)
            break;
        if (!add_number(arena, &hello.extensions, (uint16_t)type) ||
            !on_client_extension(arena, type, value, &hello))
            return false;
    }
    hello.version = highest_version(&hello);
    *ret_hello = hello;
    return true;
}

bool tls_parse_v2_hello(struct arena *arena, struct slice body, struct tls_client_hello *ret_hello)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct tls_client_hello hello = {.is_v2 = true};
    unsigned type = cursor_u8(&c);
    hello.legacy_version = hello.version = cursor_be16(&c);
    size_t specs_len = cursor_be16(&c);
    size_t session_len = cursor_be16(&c);
    size_t challenge_len = cursor_be16(&c);
    struct slice specs = cursor_slice(&c, specs_len);
    struct slice session = cursor_slice(&c, session_len);
    cursor_skip(&c, challenge_len);
    if (c.bad || type != 1 || specs_len % 3 || cursor_left(&c))
        return false;
    /* Kinds of SSL 2.0 alone have a first byte that is not zero. */
    for (size_t i = 0; i + 3 <= specs.len; i += 3)
        if (specs.data[i] == 0 &&
            !add_number(arena, &hello.ciphers,
                        (uint16_t)(specs.data[i + 1] << 8 | specs.data[i + 2])))
            return false;
    hello.session_id = session.len ? arena_dup(arena, session) : SLICE_NONE;
    *ret_hello = hello;
    return true;
}

/* RFC 8446 section 4.1.3: a ServerHello with this random is a HelloRetryRequest. */
static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static void on_server_extension(struct arena *arena, unsigned type, struct slice value,
                                struct tls_server_hello *hello)
{
    struct cursor c = cursor_of(value.data, value.len);
    if (type == EXT_VERSIONS && value.len == 2) {
        hello->version = cursor_be16(&c);
        hello->is_13 = true;
    } else if (type == EXT_PSK) {
        hello->has_psk = true;
    } else if (type == EXT_ALPN) {
        cursor_skip(&c, 2);
        struct slice name = cursor_slice(&c, cursor_u8(&c));
        if (!c.bad && name.len)
            hello->alpn = arena_dup(arena, name);
    }
}

bool tls_parse_server_hello(struct arena *arena, struct slice body,
                            struct tls_server_hello *ret_hello)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct tls_server_hello hello = {0};
    hello.version = hello.legacy_version = cursor_be16(&c);
    const uint8_t *random = cursor_take(&c, 32);
    /* Drafts 18 to 21 of TLS 1.3 had neither session id nor compression here. */
    bool is_draft = hello.version >> 8 == 0x7f;
    struct slice session = is_draft ? SLICE_NONE : cursor_slice(&c, cursor_u8(&c));
    hello.cipher = cursor_be16(&c);
    hello.is_13 = is_draft;
    if (!is_draft)
        cursor_skip(&c, 1);
    if (c.bad || !random)
        return false;
    memcpy(hello.random, random, sizeof hello.random);
    hello.is_retry = memcmp(random, retry_random, sizeof retry_random) == 0;
    hello.session_id = session.len ? arena_dup(arena, session) : SLICE_NONE;
    struct slice all =
        cursor_left(&c) >= 2 ? after_length(slice_of(c.pos, cursor_left(&c)), 2) : SLICE_NONE;
    struct cursor e = cursor_of(all.data, all.len);
    while (cursor_left(&e) >= 4) {
        unsigned type = cursor_be16(&e);
        struct slice value = cursor_slice(&e, cursor_be16(&e));
        if (e.bad)
            break;
        if (!add_number(arena, &hello.extensions, (uint16_t)type))
            return false;
        on_server_extension(arena, type, value, &hello);
    }
    *ret_hello = hello;
    return true;
}

/* ── fingerprints ── */

static void put(struct gather *g, struct arena *arena, const char *text)
{
    gather_add(g, arena, slice_str(text), FINGERPRINT_TEXT_MAX);
}

static void put_decimals(struct gather *g, struct arena *arena, const struct tls_numbers *list)
{
    char text[8];
    bool first = true;
    for (size_t i = 0; i < list->count; i++) {
        if (tls_is_grease(list->items[i]))
            continue;
        snprintf(text, sizeof text, "%s%u", first ? "" : "-", list->items[i]);
        put(g, arena, text);
        first = false;
    }
}

static struct slice digest(struct arena *arena, const EVP_MD *kind, struct slice text, size_t bytes)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(text.data ? text.data : (const uint8_t *)"", text.len, hash, &len, kind,
                    NULL) ||
        len < bytes)
        return SLICE_NONE;
    char *out = arena_alloc(arena, 2 * bytes + 1);
    if (!out)
        return SLICE_NONE;
    text_hex(hash, bytes, out);
    return slice_of(out, 2 * bytes);
}

struct slice tls_ja3(struct arena *arena, const struct tls_client_hello *hello)
{
    struct gather g = {0};
    char version[8];
    snprintf(version, sizeof version, "%u", hello->legacy_version);
    put(&g, arena, version);
    const struct tls_numbers *lists[] = {&hello->ciphers, &hello->extensions, &hello->groups,
                                         &hello->points};
    for (size_t i = 0; i < 4; i++) {
        put(&g, arena, ",");
        put_decimals(&g, arena, lists[i]);
    }
    return g.cut ? SLICE_NONE : digest(arena, EVP_md5(), gather_slice(&g), 16);
}

struct slice tls_ja3s(struct arena *arena, const struct tls_server_hello *hello)
{
    struct gather g = {0};
    char text[32];
    snprintf(text, sizeof text, "%u,%u,", hello->legacy_version, hello->cipher);
    put(&g, arena, text);
    put_decimals(&g, arena, &hello->extensions);
    return g.cut ? SLICE_NONE : digest(arena, EVP_md5(), gather_slice(&g), 16);
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Hex, comma-separated, without GREASE; sorted when asked, without SNI and ALPN when asked. */
static size_t put_hex_list(struct gather *g, struct arena *arena, const struct tls_numbers *list,
                           bool sorted, bool skip_names)
{
    uint16_t items[TLS_MAX_LIST];
    size_t count = 0;
    size_t all = 0;
    char text[8];
    for (size_t i = 0; i < list->count; i++) {
        uint16_t v = list->items[i];
        if (tls_is_grease(v))
            continue;
        all++;
        if (!skip_names || (v != EXT_SNI && v != EXT_ALPN))
            items[count++] = v;
    }
    if (sorted && count)
        qsort(items, count, sizeof *items, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s%04x", i ? "," : "", items[i]);
        put(g, arena, text);
    }
    return all;
}

static const char *ja4_version(unsigned version)
{
    switch (version) {
    case 0x0304:
        return "13";
    case 0x0303:
        return "12";
    case 0x0302:
        return "11";
    case 0x0301:
        return "10";
    case 0x0300:
        return "s3";
    case 0x0002:
        return "s2";
    case 0xfeff:
        return "d1";
    case 0xfefd:
        return "d2";
    case 0xfefc:
        return "d3";
    default:
        return "00";
    }
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void ja4_alpn(const struct tls_client_hello *hello, char out[3])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "00", 3);
    if (hello->alpn_count == 0)
        return;
    struct slice name = hello->alpn[0];
    uint8_t first = name.data[0];
    uint8_t last = name.data[name.len - 1];
    bool plain = is_alnum(first) && is_alnum(last);
    out[0] = plain ? (char)first : hex[first >> 4];
    out[1] = plain ? (char)last : hex[last & 15];
}

struct slice tls_ja4(struct arena *arena, const struct tls_client_hello *hello)
{
    struct gather ciphers = {0};
    struct gather extensions = {0};
    char alpn[3];
    size_t cipher_count = put_hex_list(&ciphers, arena, &hello->ciphers, true, false);
    size_t extension_count = put_hex_list(&extensions, arena, &hello->extensions, true, true);
    if (hello->signatures.count) {
        put(&extensions, arena, "_");
        put_hex_list(&extensions, arena, &hello->signatures, false, false);
    }
    ja4_alpn(hello, alpn);
    if (ciphers.cut || extensions.cut)
        return SLICE_NONE;
    struct slice zeros = SLICE_LITERAL("000000000000");
    struct slice a = ciphers.len ? digest(arena, EVP_sha256(), gather_slice(&ciphers), 6) : zeros;
    struct slice b =
        extensions.len ? digest(arena, EVP_sha256(), gather_slice(&extensions), 6) : zeros;
    return arena_printf(arena, "%c%s%c%02zu%02zu%s_%.*s_%.*s",
                        hello->is_quic   ? 'q'
                        : hello->is_dtls ? 'd'
                                         : 't',
                        ja4_version(hello->version), hello->sni.len ? 'd' : 'i',
                        cipher_count > 99 ? 99 : cipher_count,
                        extension_count > 99 ? 99 : extension_count, alpn, SLICE_ARGS(a),
                        SLICE_ARGS(b));
}
