/* RADIUS packets without connections: header, attributes, judged and as text. */
#include "dissect/proto/radius_message.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/text.h"
#include "dissect/proto/radius_attribute.h"

enum {
    VENDOR_SPECIFIC = 26,
    VENDOR_MICROSOFT = 311,
    TEXT_PER_BYTE = 24, /* an attribute of three bytes has a name too */
    MAX_TAG = 0x1f
};

struct code_def {
    uint8_t code;
    uint8_t request; /* that it answers; 0: it is a request itself */
    const char *name;
};

static const struct code_def codes[] = {
    {RADIUS_ACCESS_REQUEST, 0, "Access-Request"},
    {RADIUS_ACCESS_ACCEPT, RADIUS_ACCESS_REQUEST, "Access-Accept"},
    {RADIUS_ACCESS_REJECT, RADIUS_ACCESS_REQUEST, "Access-Reject"},
    {RADIUS_ACCOUNTING_REQUEST, 0, "Accounting-Request"},
    {RADIUS_ACCOUNTING_RESPONSE, RADIUS_ACCOUNTING_REQUEST, "Accounting-Response"},
    {RADIUS_ACCESS_CHALLENGE, RADIUS_ACCESS_REQUEST, "Access-Challenge"},
    {RADIUS_STATUS_SERVER, 0, "Status-Server"},
    {RADIUS_DISCONNECT_REQUEST, 0, "Disconnect-Request"},
    {RADIUS_DISCONNECT_ACK, RADIUS_DISCONNECT_REQUEST, "Disconnect-ACK"},
    {RADIUS_DISCONNECT_NAK, RADIUS_DISCONNECT_REQUEST, "Disconnect-NAK"},
    {RADIUS_COA_REQUEST, 0, "CoA-Request"},
    {RADIUS_COA_ACK, RADIUS_COA_REQUEST, "CoA-ACK"},
    {RADIUS_COA_NAK, RADIUS_COA_REQUEST, "CoA-NAK"},
};

static const struct code_def *code_def(uint8_t code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

const char *radius_code_name(uint8_t code)
{
    const struct code_def *def = code_def(code);
    return def ? def->name : NULL;
}

bool radius_is_request(uint8_t code)
{
    const struct code_def *def = code_def(code);
    return def && def->request == 0;
}

bool radius_answers(uint8_t response_code, uint8_t request_code)
{
    const struct code_def *def = code_def(response_code);
    if (request_code == RADIUS_STATUS_SERVER) /* RFC 5997 section 3 */
        return response_code == RADIUS_ACCESS_ACCEPT || response_code == RADIUS_ACCOUNTING_RESPONSE;
    return def && def->request && def->request == request_code;
}

/* ── attributes ── */

struct attribute {
    uint8_t type;
    struct slice value;
};

/* False at the end, and (*ret_bad) where one does not fit. */
static bool next_attribute(struct cursor *c, struct attribute *ret, bool *ret_bad)
{
    if (cursor_left(c) == 0)
        return false;
    ret->type = cursor_u8(c);
    uint8_t length = cursor_u8(c);
    if (c->bad || length < 2) {
        *ret_bad = true;
        return false;
    }
    ret->value = cursor_slice(c, length - 2u);
    *ret_bad = c->bad;
    return !c->bad;
}

static bool fits_type(const struct attribute *a)
{
    const struct radius_attribute *def = radius_attribute(a->type);
    switch (def ? def->type : RADIUS_OCTETS) {
    case RADIUS_INT:
    case RADIUS_IPV4:
    case RADIUS_TAGGED_INT:
        return a->value.len == 4;
    case RADIUS_IPV6:
        return a->value.len == 16;
    case RADIUS_IPV6_PREFIX:
        return a->value.len >= 2 && a->value.len <= 18 && a->value.data[1] <= 128;
    case RADIUS_VENDOR:
        return a->value.len >= 4;
    case RADIUS_OCTETS:
    case RADIUS_TEXT:
    case RADIUS_TAGGED_TEXT:
    case RADIUS_EAP:
    case RADIUS_SECRET:
        break;
    }
    return true;
}

bool radius_parse(struct slice bytes, struct radius_message *ret)
{
    *ret = (struct radius_message){0};
    struct cursor c = cursor_of(bytes.data, bytes.len);
    ret->code = cursor_u8(&c);
    ret->id = cursor_u8(&c);
    ret->length = cursor_be16(&c);
    ret->authenticator = cursor_slice(&c, RADIUS_AUTHENTICATOR_BYTES);
    if (c.bad || !code_def(ret->code) || ret->length < RADIUS_HEADER_BYTES ||
        ret->length > RADIUS_MAX_BYTES)
        return false;
    size_t wanted = ret->length - (size_t)RADIUS_HEADER_BYTES;
    ret->attributes = slice_sub(bytes, RADIUS_HEADER_BYTES, wanted);
    ret->is_cut = ret->attributes.len < wanted;
    struct attribute a;
    c = cursor_of(ret->attributes.data, ret->attributes.len);
    bool is_bad = false;
    while (next_attribute(&c, &a, &is_bad))
        ret->is_malformed |= !fits_type(&a);
    ret->is_malformed |= is_bad && !ret->is_cut;
    return true;
}

bool radius_is_exact(const struct radius_message *m, size_t datagram_bytes)
{
    if (m->length != datagram_bytes || m->is_malformed || m->is_cut || m->attributes.len == 0)
        return false;
    struct attribute a;
    struct cursor c = cursor_of(m->attributes.data, m->attributes.len);
    bool is_bad = false;
    while (next_attribute(&c, &a, &is_bad))
        if (a.type == 0 || a.value.len == 0) /* RFC 2865 section 5: one byte or more */
            return false;
    return true;
}

struct slice radius_find(const struct radius_message *m, uint8_t type)
{
    struct attribute a;
    struct cursor c = cursor_of(m->attributes.data, m->attributes.len);
    bool is_bad = false;
    while (next_attribute(&c, &a, &is_bad))
        if (a.type == type)
            return a.value;
    return SLICE_NONE;
}

const char *radius_value_name(uint8_t type, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    uint32_t number = cursor_be32(&c);
    return c.bad ? NULL : radius_enum_name(type, number);
}

/* ── text ── */

struct text {
    char *data;
    size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->data + t->len, t->cap - t->len, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

static void put_hex(struct text *t, struct slice bytes)
{
    char hex[2 * 255 + 1];
    bytes = slice_sub(bytes, 0, 255);
    text_hex(bytes.data, bytes.len, hex);
    put(t, "%s%s", bytes.len ? "0x" : "", hex);
}

static bool is_readable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return s.len && text_is_utf8(s);
}

static void put_text(struct text *t, struct slice value)
{
    if (is_readable(value))
        put(t, "%.*s", SLICE_ARGS(value));
    else
        put_hex(t, value);
}

static void put_number(struct text *t, uint8_t type, uint32_t number)
{
    const char *name = radius_enum_name(type, number);
    if (name)
        put(t, "%s (%u)", name, number);
    else
        put(t, "%u", number);
}

static void put_address(struct text *t, int family, const uint8_t *address)
{
    char text[INET6_ADDRSTRLEN];
    put(t, "%s", inet_ntop(family, address, text, sizeof text) ? text : "?");
}

static void put_prefix(struct text *t, struct slice value)
{
    uint8_t address[16] = {0};
    memcpy(address, value.data + 2, value.len - 2);
    put_address(t, AF_INET6, address);
    put(t, "/%u", value.data[1]);
}

/* Its header only: what is inside may be an answer to a challenge. */
static void put_eap(struct text *t, struct slice value)
{
    static const char *const names[] = {"", "Request", "Response", "Success", "Failure"};
    struct cursor c = cursor_of(value.data, value.len);
    uint8_t code = cursor_u8(&c), id = cursor_u8(&c);
    uint16_t length = cursor_be16(&c);
    if (!c.bad && code >= 1 && code <= 4 && length >= value.len)
        put(t, "EAP %s, id %u, %u bytes", names[code], id, length);
    else
        put(t, "%zu bytes of EAP", value.len); /* a later fragment */
}

static bool names_secret(struct slice s)
{
    static const char *const words[] = {"passw", "secret", "psk", "key"};
    for (size_t i = 0; i < s.len; i++)
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if (slice_eq_nocase(slice_sub(s, i, strlen(words[w])), slice_str(words[w])))
                return true;
    return false;
}

/* RFC 2865 section 5.26: most vendors have a type, a length and a value of their own inside. */
static void put_vendor(struct text *t, struct slice value)
{
    struct cursor c = cursor_of(value.data, value.len);
    uint32_t vendor = cursor_be32(&c);
    struct slice inside = slice_of(c.pos, cursor_left(&c));
    struct attribute a;
    bool is_bad = false, is_chain = inside.len > 0;
    struct cursor check = cursor_of(inside.data, inside.len);
    while (next_attribute(&check, &a, &is_bad))
        continue;
    is_chain = is_chain && !is_bad;
    put(t, "vendor %u", vendor);
    if (vendor == VENDOR_MICROSOFT) { /* RFC 2548: hashes of passwords, and keys */
        put(t, " (hidden)");
        return;
    }
    if (!is_chain) {
        put(t, " %s", names_secret(inside) ? "(hidden)" : "");
        if (!names_secret(inside))
            put_hex(t, inside);
        return;
    }
    for (c = cursor_of(inside.data, inside.len); next_attribute(&c, &a, &is_bad);) {
        put(t, ", %u: ", a.type);
        if (names_secret(a.value))
            put(t, "(hidden)");
        else
            put_text(t, a.value);
    }
}

static void put_tagged(struct text *t, const struct attribute *a, enum radius_type type)
{
    uint8_t tag = a->value.len ? a->value.data[0] : 0;
    bool has_tag = a->value.len && tag <= MAX_TAG;
    if (type == RADIUS_TAGGED_INT) {
        struct cursor c = cursor_of(a->value.data + 1, 3);
        put_number(t, a->type, cursor_be24(&c));
    } else {
        put_text(t, has_tag ? slice_sub(a->value, 1, SIZE_MAX) : a->value);
    }
    if (has_tag && tag)
        put(t, " (tag %u)", tag);
}

static void put_value(struct text *t, const struct attribute *a, enum radius_type type)
{
    struct cursor c = cursor_of(a->value.data, a->value.len);
    switch (fits_type(a) ? type : RADIUS_OCTETS) {
    case RADIUS_TEXT:
        put_text(t, a->value);
        break;
    case RADIUS_INT:
        put_number(t, a->type, cursor_be32(&c));
        break;
    case RADIUS_IPV4:
        put_address(t, AF_INET, a->value.data);
        break;
    case RADIUS_IPV6:
        put_address(t, AF_INET6, a->value.data);
        break;
    case RADIUS_IPV6_PREFIX:
        put_prefix(t, a->value);
        break;
    case RADIUS_TAGGED_INT:
    case RADIUS_TAGGED_TEXT:
        put_tagged(t, a, type);
        break;
    case RADIUS_EAP:
        put_eap(t, a->value);
        break;
    case RADIUS_VENDOR:
        put_vendor(t, a->value);
        break;
    case RADIUS_SECRET:
        put(t, "(hidden)");
        break;
    case RADIUS_OCTETS:
        put_hex(t, a->value);
        break;
    }
}

struct slice radius_attributes_text(struct arena *arena, const struct radius_message *m)
{
    struct text t = {.cap = m->attributes.len * TEXT_PER_BYTE + 1};
    t.data = arena_alloc(arena, t.cap);
    if (!t.data)
        return SLICE_NONE;
    struct attribute a;
    struct cursor c = cursor_of(m->attributes.data, m->attributes.len);
    bool is_bad = false;
    while (next_attribute(&c, &a, &is_bad)) {
        const struct radius_attribute *def = radius_attribute(a.type);
        if (def)
            put(&t, "%s: ", def->name);
        else
            put(&t, "Attribute-%u: ", a.type);
        put_value(&t, &a, def ? def->type : RADIUS_OCTETS);
        put(&t, "\n");
    }
    return slice_of(t.data, t.len);
}
