#include "api/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum {
    MAX_TEXT_BYTES = 64 * 1024,
    MAX_ITEMS = 10000,
    MAX_MEMBERS = 64
};

const struct schema *schema_find(const char *name)
{
    for (const struct schema *s = schemas; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static const struct schema *find_slice(struct slice name)
{
    for (const struct schema *s = schemas; s->name; s++)
        if (slice_eq_str(name, s->name))
            return s;
    return NULL;
}

bool schema_next(struct slice *rest, struct schema_member *ret_member)
{
    *rest = slice_trim(*rest);
    if (!rest->len)
        return false;
    const uint8_t *end = memchr(rest->data, ';', rest->len);
    struct slice part = slice_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = slice_sub(*rest, part.len + 1, rest->len);
    const uint8_t *colon = memchr(part.data, ':', part.len);
    if (!colon)
        return false;
    struct schema_member m = {
        .name = slice_of(part.data, (size_t)(colon - part.data)),
        .type = slice_trim(slice_sub(part, (size_t)(colon - part.data) + 1, part.len))};
    if (slice_ends_with(m.name, SLICE_LITERAL("?"))) {
        m.optional = true;
        m.name.len--;
    }
    if (slice_ends_with(m.type, SLICE_LITERAL("~"))) {
        m.nullable = true;
        m.type.len--;
    }
    *ret_member = m;
    return true;
}

/* ── checking ── */

static int wrong(struct error *reterr, struct slice name, const char *what)
{
    return error_set(reterr, -EINVAL, "\"%.*s\" has to be %s.", SLICE_ARGS(name), what);
}

static int check_text(struct slice name, const json_t *value, struct error *reterr)
{
    if (!json_is_string(value))
        return wrong(reterr, name, "a text");
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len > MAX_TEXT_BYTES)
        return wrong(reterr, name, "at most 64 KiB long");
    bool lines = slice_eq_str(name, "note") || slice_eq_str(name, "filter");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && !(lines && (c == '\n' || c == '\t'))) || c == 0x7f)
            return wrong(reterr, name, "free of control characters");
    }
    return 0;
}

static int check_choice(struct slice name, struct slice type, const json_t *value,
                        struct error *reterr)
{
    int e = check_text(name, value, reterr);
    if (e)
        return e;
    struct slice rest = type;
    while (rest.len) {
        const uint8_t *bar = memchr(rest.data, '|', rest.len);
        struct slice one = slice_of(rest.data, bar ? (size_t)(bar - rest.data) : rest.len);
        if (slice_eq_str(one, json_string_value(value)))
            return 0;
        rest = slice_sub(rest, one.len + 1, rest.len);
    }
    return error_set(reterr, -EINVAL, "\"%.*s\" has to be one of %.*s.", SLICE_ARGS(name),
                     SLICE_ARGS(type));
}

static int check_value(struct slice name, struct slice type, const json_t *value,
                       struct error *reterr);

static int check_list(struct slice name, struct slice type, const json_t *value,
                      struct error *reterr)
{
    if (!json_is_array(value))
        return wrong(reterr, name, "a list");
    if (json_array_size(value) > MAX_ITEMS)
        return wrong(reterr, name, "a list of at most 10,000");
    size_t i;
    json_t *item;
    struct slice of = slice_sub(type, 0, type.len - 2);
    json_array_foreach(value, i, item)
    {
        int e = check_value(name, of, item, reterr);
        if (e)
            return e;
    }
    return 0;
}

static int check_value(struct slice name, struct slice type, const json_t *value,
                       struct error *reterr)
{
    if (slice_ends_with(type, SLICE_LITERAL("[]")))
        return check_list(name, type, value, reterr);
    if (slice_eq_str(type, "text"))
        return check_text(name, value, reterr);
    if (slice_eq_str(type, "document")) /* its reader judges the content */
        return json_is_string(value) ? 0 : wrong(reterr, name, "a text");
    if (slice_eq_str(type, "int"))
        return json_is_integer(value) ? 0 : wrong(reterr, name, "a whole number");
    if (slice_eq_str(type, "number"))
        return json_is_number(value) ? 0 : wrong(reterr, name, "a number");
    if (slice_eq_str(type, "bool"))
        return json_is_boolean(value) ? 0 : wrong(reterr, name, "true or false");
    if (slice_eq_str(type, "time")) {
        int64_t ns;
        if (!json_is_string(value) || clock_parse_rfc3339(json_string_value(value), &ns) < 0)
            return wrong(reterr, name, "a time like 2026-03-03T14:02:00Z");
        return 0;
    }
    const struct schema *other = find_slice(type);
    if (other)
        return json_is_object(value) ? schema_check(other, value, reterr)
                                     : wrong(reterr, name, "an object");
    if (memchr(type.data, '|', type.len))
        return check_choice(name, type, value, reterr);
    return 0; /* any, maps: not used in requests */
}

/* The member names of a schema, for the suggestion. */
static int unknown_member(const struct schema *schema, const char *name, struct error *reterr)
{
    char texts[MAX_MEMBERS][48], shown[60];
    const char *names[MAX_MEMBERS + 1];
    size_t n = 0;
    struct slice rest = slice_str(schema->members);
    struct schema_member m;
    while (n < MAX_MEMBERS && schema_next(&rest, &m)) {
        snprintf(texts[n], sizeof texts[n], "%.*s", SLICE_ARGS(m.name));
        names[n] = texts[n];
        n++;
    }
    names[n] = NULL;
    text_escape(slice_str(name), shown, sizeof shown);
    const char *close = text_suggest(slice_str(name), names);
    return close ? error_set(reterr, -EINVAL, "\"%s\" is not known here; did you mean \"%s\"?",
                             shown, close)
                 : error_set(reterr, -EINVAL, "\"%s\" is not known here.", shown);
}

int schema_check(const struct schema *schema, const json_t *object, struct error *reterr)
{
    if (!json_is_object(object))
        return error_set(reterr, -EINVAL, "The body has to be a JSON object.");
    size_t found = 0;
    struct slice rest = slice_str(schema->members);
    struct schema_member m;
    while (schema_next(&rest, &m)) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", SLICE_ARGS(m.name));
        const json_t *value = json_object_get(object, key);
        if (!value) {
            if (!m.optional)
                return error_set(reterr, -EINVAL, "\"%s\" is missing.", key);
            continue;
        }
        found++;
        if (m.nullable && json_is_null(value))
            continue;
        int e = check_value(m.name, m.type, value, reterr);
        if (e)
            return e;
    }
    if (found == json_object_size(object))
        return 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool known = false;
        rest = slice_str(schema->members);
        while (!known && schema_next(&rest, &m))
            known = slice_eq_str(m.name, key);
        if (!known)
            return unknown_member(schema, key, reterr);
    }
    return 0;
}

/* ── OpenAPI ── */

static void write_ref(struct slice name, struct json_writer *w)
{
    char ref[100];
    snprintf(ref, sizeof ref, "#/components/schemas/%.*s", SLICE_ARGS(name));
    json_member_str(w, "$ref", ref);
}

static void write_choices(struct slice type, bool nullable, struct json_writer *w)
{
    json_key(w, "enum");
    json_begin_array(w);
    while (type.len) {
        const uint8_t *bar = memchr(type.data, '|', type.len);
        struct slice one = slice_of(type.data, bar ? (size_t)(bar - type.data) : type.len);
        json_text(w, one);
        type = slice_sub(type, one.len + 1, type.len);
    }
    if (nullable)
        json_none(w);
    json_end_array(w);
}

static void write_simple(const char *type, const char *format, bool nullable, struct json_writer *w)
{
    json_key(w, "type");
    if (nullable) {
        json_begin_array(w);
        json_str(w, type);
        json_str(w, "null");
        json_end_array(w);
    } else {
        json_str(w, type);
    }
    if (format)
        json_member_str(w, "format", format);
}

void schema_write_type(struct slice type, bool nullable, struct json_writer *w)
{
    json_begin_object(w);
    if (slice_ends_with(type, SLICE_LITERAL("[]"))) {
        json_member_str(w, "type", "array");
        json_key(w, "items");
        schema_write_type(slice_sub(type, 0, type.len - 2), false, w);
    } else if (slice_starts_with(type, SLICE_LITERAL("{"))) {
        json_member_str(w, "type", "object");
        json_key(w, "additionalProperties");
        schema_write_type(slice_sub(type, 1, type.len - 2), false, w);
    } else if (slice_eq_str(type, "text") || slice_eq_str(type, "document")) {
        write_simple("string", NULL, nullable, w);
    } else if (slice_eq_str(type, "time")) {
        write_simple("string", "date-time", nullable, w);
    } else if (slice_eq_str(type, "int")) {
        write_simple("integer", "int64", nullable, w);
    } else if (slice_eq_str(type, "number")) {
        write_simple("number", NULL, nullable, w);
    } else if (slice_eq_str(type, "bool")) {
        write_simple("boolean", NULL, nullable, w);
    } else if (find_slice(type) && nullable) {
        json_key(w, "oneOf");
        json_begin_array(w);
        schema_write_type(type, false, w);
        json_begin_object(w);
        json_member_str(w, "type", "null");
        json_end_object(w);
        json_end_array(w);
    } else if (find_slice(type)) {
        write_ref(type, w);
    } else if (memchr(type.data, '|', type.len)) {
        write_choices(type, nullable, w);
    }
    json_end_object(w);
}

void schema_write(const struct schema *schema, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "type", "object");
    json_key(w, "properties");
    json_begin_object(w);
    struct slice rest = slice_str(schema->members);
    struct schema_member m;
    while (schema_next(&rest, &m)) {
        json_key_slice(w, m.name);
        schema_write_type(m.type, m.nullable, w);
    }
    json_end_object(w);
    json_key(w, "required");
    json_begin_array(w);
    rest = slice_str(schema->members);
    while (schema_next(&rest, &m))
        if (!m.optional)
            json_text(w, m.name);
    json_end_array(w);
    json_end_object(w);
}
