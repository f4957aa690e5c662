#include "snapshot/snapshot_read.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

json_t *snapshot_read_document(struct slice text, const char *format, int max_version,
                               const char *what, struct error *reterr)
{
    json_error_t e;
    json_t *root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!root || !json_is_object(root)) {
        error_set_at(reterr, -EBADMSG, root || e.position < 0 ? 0 : (uint64_t)e.position,
                     "%s is damaged: it is not a JSON object.", what);
        json_decref(root);
        return NULL;
    }
    const json_t *f = json_object_get(root, "format"), *v = json_object_get(root, "version");
    if (!json_is_string(f) || strcmp(json_string_value(f), format) != 0 || !json_is_integer(v) ||
        json_integer_value(v) < 1) {
        error_set(reterr, -EBADMSG, "%s is not of the format \"%s\".", what, format);
    } else if (json_integer_value(v) > max_version) {
        error_set(reterr, -EPROTONOSUPPORT,
                  "%s has version %lld of its format; this trawl reads up to %d: use a newer one.",
                  what, (long long)json_integer_value(v), max_version);
    } else {
        return root;
    }
    json_decref(root);
    return NULL;
}

int snapshot_read_result(const struct snapshot_read *r, const char *what, struct error *reterr)
{
    if (!r->bad)
        return 0;
    return error_set(reterr, -EBADMSG, "%s is damaged: \"%s\" is missing or wrong.", what,
                     r->where);
}

void snapshot_read_fail(struct snapshot_read *r, const char *key)
{
    if (!r->bad)
        snprintf(r->where, sizeof r->where, "%s", key);
    r->bad = true;
}

char *snapshot_read_optional(struct snapshot_read *r, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v))
        return NULL;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)) {
        snapshot_read_fail(r, key);
        return NULL;
    }
    char *text = arena_strdup(r->arena, json_string_value(v));
    if (!text)
        snapshot_read_fail(r, key);
    return text;
}

char *snapshot_read_text(struct snapshot_read *r, const json_t *object, const char *key)
{
    char *text = snapshot_read_optional(r, object, key);
    if (text)
        return text;
    static char empty[1];
    snapshot_read_fail(r, key);
    return empty;
}

int64_t snapshot_read_int(struct snapshot_read *r, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v)) {
        snapshot_read_fail(r, key);
        return 0;
    }
    return json_integer_value(v);
}

uint64_t snapshot_read_uint(struct snapshot_read *r, const json_t *object, const char *key)
{
    int64_t v = snapshot_read_int(r, object, key);
    if (v < 0) {
        snapshot_read_fail(r, key);
        return 0;
    }
    return (uint64_t)v;
}

bool snapshot_read_bool(struct snapshot_read *r, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_boolean(v))
        snapshot_read_fail(r, key);
    return json_is_true(v);
}

bool snapshot_read_time_or_null(struct snapshot_read *r, const json_t *object, const char *key,
                                int64_t *ret_ns)
{
    const json_t *v = json_object_get(object, key);
    *ret_ns = 0;
    if (!v || json_is_null(v))
        return false;
    if (!json_is_string(v) || clock_parse_rfc3339(json_string_value(v), ret_ns) < 0) {
        snapshot_read_fail(r, key);
        return false;
    }
    return true;
}

int64_t snapshot_read_time(struct snapshot_read *r, const json_t *object, const char *key)
{
    int64_t ns;
    if (!snapshot_read_time_or_null(r, object, key, &ns))
        snapshot_read_fail(r, key);
    return ns;
}

void snapshot_read_sha256(struct snapshot_read *r, const json_t *object, const char *key,
                          char out[SNAPSHOT_SHA256_SIZE])
{
    const json_t *v = json_object_get(object, key);
    uint8_t bytes[32];
    if (!json_is_string(v) || json_string_length(v) != 64 ||
        text_unhex(json_string_value(v), bytes, sizeof bytes) != 32) {
        snapshot_read_fail(r, key);
        out[0] = '\0';
        return;
    }
    text_hex(bytes, sizeof bytes, out);
}

struct snapshot_interval snapshot_read_interval(struct snapshot_read *r, const json_t *object)
{
    struct snapshot_interval at = {.from_ns = snapshot_read_time(r, object, "from"),
                                   .to_ns = snapshot_read_time(r, object, "to")};
    if (at.to_ns < at.from_ns)
        snapshot_read_fail(r, "to");
    return at;
}

struct snapshot_drops snapshot_read_drops(struct snapshot_read *r, const json_t *object,
                                          const char *key)
{
    const json_t *d = snapshot_read_object(r, object, key);
    return (struct snapshot_drops){.kernel = snapshot_read_uint(r, d, "kernel"),
                                   .ring = snapshot_read_uint(r, d, "ring"),
                                   .disk = snapshot_read_uint(r, d, "disk")};
}

const json_t *snapshot_read_object(struct snapshot_read *r, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_object(v)) {
        snapshot_read_fail(r, key);
        return NULL;
    }
    return v;
}

const json_t *snapshot_read_array(struct snapshot_read *r, const json_t *object, const char *key,
                                  size_t max, size_t *ret_count)
{
    const json_t *v = json_object_get(object, key);
    *ret_count = 0;
    if (!json_is_array(v) || json_array_size(v) > max) {
        snapshot_read_fail(r, key);
        return NULL;
    }
    *ret_count = json_array_size(v);
    return v;
}

void *snapshot_read_alloc(struct snapshot_read *r, size_t count, size_t size)
{
    void *p = arena_calloc(r->arena, count ? count : 1, size);
    if (!p)
        snapshot_read_fail(r, "(memory)");
    return p;
}

char **snapshot_read_texts(struct snapshot_read *r, const json_t *object, const char *key,
                           size_t max, size_t *ret_count)
{
    const json_t *list = snapshot_read_array(r, object, key, max, ret_count);
    char **texts = snapshot_read_alloc(r, *ret_count, sizeof *texts);
    for (size_t i = 0; texts && i < *ret_count; i++) {
        const json_t *v = json_array_get(list, i);
        texts[i] = json_is_string(v) ? arena_strdup(r->arena, json_string_value(v)) : NULL;
        if (!texts[i])
            snapshot_read_fail(r, key);
    }
    if (!texts || r->bad)
        *ret_count = 0;
    return texts;
}
