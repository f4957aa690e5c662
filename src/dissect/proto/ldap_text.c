/* Filters and entries of LDAP as text. */
#include "dissect/proto/ldap_text.h"

#include "base/text.h"

enum {
    MAX_DEPTH = 32, /* of filters; deeper ones are shown in part */
    FILTER_AND = 0xa0,
    FILTER_OR = 0xa1,
    FILTER_NOT = 0xa2,
    FILTER_EQUAL = 0xa3,
    FILTER_SUBSTRINGS = 0xa4,
    FILTER_GREATER = 0xa5,
    FILTER_LESS = 0xa6,
    FILTER_PRESENT = 0x87,
    FILTER_APPROX = 0xa8,
    FILTER_EXTENSIBLE = 0xa9
};

static void put(struct ldap_text *text, struct slice s)
{
    gather_add(&text->out, text->arena, s, text->max);
}

static void put_str(struct ldap_text *text, const char *s)
{
    put(text, slice_str(s));
}

/* ── filters ── */

/* RFC 4515 section 3: ( ) * \ and NUL are escaped, so is what is no UTF-8; control characters may
 * be, and are. */
static void put_value(struct ldap_text *text, struct slice value)
{
    size_t at = 0;
    while (at < value.len && !text->out.cut) {
        size_t from = at;
        uint8_t c = value.data[at];
        uint32_t cp = text_next_code_point(value, &at);
        bool is_broken = at - from == 1 && c >= 0x80;
        if (cp >= 0x20 && cp != 0x7f && !is_broken &&
            !(cp < 0x80 && byte_is_in((uint8_t)cp, "()*\\"))) {
            put(text, slice_sub(value, from, at - from));
            continue;
        }
        char hex[3];
        text_hex(&c, 1, hex);
        put_str(text, "\\");
        put_str(text, hex);
    }
}

static void put_assertion(struct ldap_text *text, struct slice attribute, struct slice value)
{
    if (ldap_is_secret(attribute))
        put_str(text, "***");
    else
        put_value(text, value);
}

static void put_comparison(struct ldap_text *text, struct slice s, const char *sign)
{
    struct slice name = SLICE_NONE, value = SLICE_NONE;
    bool is_whole =
        ber_next_is(&s, BER_OCTET_STRING, &name) && ber_next_is(&s, BER_OCTET_STRING, &value);
    text->is_malformed |= !is_whole;
    put(text, name);
    put_str(text, sign);
    put_assertion(text, name, value);
}

static void put_substrings(struct ldap_text *text, struct slice s)
{
    struct slice name = SLICE_NONE, parts = SLICE_NONE;
    struct ber part = {.tag = 0};
    bool has_final = false;
    text->is_malformed |=
        !ber_next_is(&s, BER_OCTET_STRING, &name) || !ber_next_is(&s, BER_SEQUENCE, &parts);
    put(text, name);
    put_str(text, "=");
    while (!text->out.cut && ber_next(&parts, &part) && !part.is_cut) {
        if (part.tag != 0x80) /* any, final */
            put_str(text, "*");
        put_assertion(text, name, part.value);
        has_final = part.tag == 0x82;
    }
    if (!has_final)
        put_str(text, "*");
}

static void put_extensible(struct ldap_text *text, struct slice s)
{
    struct slice rule = SLICE_NONE, name = SLICE_NONE, value = SLICE_NONE, dn = SLICE_NONE;
    bool has_rule = ber_next_is(&s, 0x81, &rule);
    (void)ber_next_is(&s, 0x82, &name);
    text->is_malformed |= !ber_next_is(&s, 0x83, &value);
    (void)ber_next_is(&s, 0x84, &dn);
    put(text, name);
    if (dn.len && dn.data[0])
        put_str(text, ":dn");
    if (has_rule) {
        put_str(text, ":");
        put(text, rule);
    }
    put_str(text, ":=");
    put_assertion(text, name, value);
}

static void put_filter(struct ldap_text *text, struct slice *rest, unsigned depth);

static void put_nested(struct ldap_text *text, const struct ber *filter, unsigned depth)
{
    struct slice inner = filter->value;
    put_str(text, filter->tag == FILTER_AND ? "&" : filter->tag == FILTER_OR ? "|" : "!");
    if (depth >= MAX_DEPTH) {
        put_str(text, "…");
        text->out.cut = true;
        return;
    }
    while (inner.len && !text->out.cut)
        put_filter(text, &inner, depth + 1);
}

static void put_filter(struct ldap_text *text, struct slice *rest, unsigned depth)
{
    struct ber filter;
    if (!ber_next(rest, &filter)) {
        text->is_malformed = true;
        return;
    }
    put_str(text, "(");
    switch (filter.tag) {
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
        put_nested(text, &filter, depth);
        break;
    case FILTER_SUBSTRINGS:
        put_substrings(text, filter.value);
        break;
    case FILTER_PRESENT:
        put(text, filter.value);
        put_str(text, "=*");
        break;
    case FILTER_EXTENSIBLE:
        put_extensible(text, filter.value);
        break;
    case FILTER_EQUAL:
        put_comparison(text, filter.value, "=");
        break;
    case FILTER_GREATER:
        put_comparison(text, filter.value, ">=");
        break;
    case FILTER_LESS:
        put_comparison(text, filter.value, "<=");
        break;
    case FILTER_APPROX:
        put_comparison(text, filter.value, "~=");
        break;
    default:
        text->is_malformed = true;
        put_str(text, "?");
    }
    put_str(text, ")");
}

void ldap_put_filter(struct ldap_text *text, struct slice filter)
{
    put_filter(text, &filter, 1);
}

/* ── lines ── */

/* RFC 2849, SAFE-STRING, and what is not ASCII as long as it is UTF-8. */
static bool is_line_text(struct slice s)
{
    if (s.len && (s.data[0] == ' ' || s.data[0] == ':' || s.data[0] == '<'))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return text_is_utf8(s);
}

static void put_base64(struct ldap_text *text, struct slice s)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len && !text->out.cut; i += 3) {
        uint32_t v = 0;
        size_t n = s.len - i < 3 ? s.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? s.data[i + k] : 0);
        char four[4];
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
        put(text, slice_of(four, sizeof four));
    }
}

void ldap_put_line(struct ldap_text *text, struct slice name, struct slice value, bool is_secret)
{
    bool is_text = is_secret || is_line_text(value);
    put(text, name);
    put_str(text, value.len == 0 && !is_secret ? ":" : is_text ? ": " : ":: ");
    if (is_secret)
        put_str(text, "***");
    else if (is_text)
        put(text, value);
    else
        put_base64(text, value);
    put_str(text, "\n");
}

static void put_attribute(struct ldap_text *text, struct slice attribute)
{
    struct slice name = SLICE_NONE, values = SLICE_NONE;
    struct ber value;
    if (!ber_next_is(&attribute, BER_OCTET_STRING, &name) ||
        !ber_next_is(&attribute, BER_SET, &values)) {
        text->is_malformed = true;
        return;
    }
    bool is_secret = ldap_is_secret(name);
    if (values.len == 0)
        ldap_put_line(text, name, SLICE_NONE, false);
    while (!text->out.cut && ber_next(&values, &value) && !value.is_cut)
        ldap_put_line(text, name, value.value, is_secret);
}

void ldap_put_attributes(struct ldap_text *text, struct slice attributes)
{
    struct ber attribute;
    while (!text->out.cut && ber_next(&attributes, &attribute)) {
        text->is_malformed |= attribute.tag != BER_SEQUENCE;
        put_attribute(text, attribute.value);
    }
}

static void put_change(struct ldap_text *text, struct slice change)
{
    static const char *const kinds[] = {"add", "delete", "replace", "increment"};
    struct slice kind = SLICE_NONE, attribute = SLICE_NONE, name = SLICE_NONE, values = SLICE_NONE;
    struct ber value = {.is_cut = false};
    int64_t number = -1;
    if (!ber_next_is(&change, BER_ENUMERATED, &kind) || !ber_int(kind, &number) ||
        !ber_next_is(&change, BER_SEQUENCE, &attribute) ||
        !ber_next_is(&attribute, BER_OCTET_STRING, &name)) {
        text->is_malformed = true;
        return;
    }
    (void)ber_next_is(&attribute, BER_SET, &values); /* a deletion may have none */
    put_str(text, number >= 0 && number < 4 ? kinds[number] : "change");
    put_str(text, ": ");
    put(text, name);
    put_str(text, "\n");
    bool is_secret = ldap_is_secret(name);
    while (!text->out.cut && ber_next(&values, &value) && !value.is_cut)
        ldap_put_line(text, name, value.value, is_secret);
    if (!value.is_cut)
        put_str(text, "-\n");
}

void ldap_put_changes(struct ldap_text *text, struct slice changes)
{
    struct ber change;
    while (!text->out.cut && ber_next(&changes, &change))
        put_change(text, change.value);
}
