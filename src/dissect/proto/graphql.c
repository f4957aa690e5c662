/* Request and response objects of "GraphQL over HTTP" and of its batches. */
#include "dissect/proto/graphql.h"

/* ── requests ── */

struct request_parts {
    struct slice query, name;
    bool has_query, is_persisted;
};

static void scan_extensions(struct json_scan *scan, struct request_parts *parts)
{
    struct slice name;
    if (json_scan_peek(scan) != JSON_OBJECT) {
        json_scan_skip(scan);
        return;
    }
    json_scan_enter(scan);
    while (json_scan_member(scan, &name)) {
        parts->is_persisted |= slice_eq_str(name, "persistedQuery");
        json_scan_skip(scan);
    }
}

static bool scan_parts(struct arena *arena, struct json_scan *scan, struct request_parts *parts)
{
    struct slice name;
    if (json_scan_peek(scan) != JSON_OBJECT || !json_scan_enter(scan))
        return false;
    while (json_scan_member(scan, &name)) {
        bool is_string = json_scan_peek(scan) == JSON_STRING;
        if (is_string && slice_eq_str(name, "query"))
            parts->has_query = json_scan_string(scan, arena, &parts->query);
        else if (is_string && slice_eq_str(name, "operationName"))
            json_scan_string(scan, arena, &parts->name);
        else if (slice_eq_str(name, "extensions"))
            scan_extensions(scan, parts);
        else
            json_scan_skip(scan);
    }
    return parts->has_query || parts->is_persisted;
}

static bool read_parts(const struct request_parts *parts, bool expected, struct graphql_call *ret)
{
    struct graphql_operation operation = {0};
    bool is_document =
        parts->has_query && graphql_read_document(parts->query, parts->name, &operation);
    *ret = (struct graphql_call){.query = parts->query, .name = parts->name};
    if (!is_document)
        /* Faulty, or known to the server by its hash. */
        return expected ? parts->has_query || parts->is_persisted
                        : parts->is_persisted && !parts->has_query;
    if (operation.type) {
        ret->operation = slice_str(operation.type);
        ret->name = operation.name;
    }
    return true;
}

bool graphql_read_parts(struct slice query, struct slice name, bool expected,
                        struct graphql_call *ret)
{
    struct request_parts parts = {.query = query, .name = name, .has_query = query.data != NULL};
    return read_parts(&parts, expected, ret);
}

bool graphql_scan_request(struct arena *arena, struct json_scan *scan, bool expected,
                          struct graphql_call *ret)
{
    struct request_parts parts = {0};
    return scan_parts(arena, scan, &parts) && read_parts(&parts, expected, ret);
}

static bool has_part(struct slice joined, struct slice part)
{
    return part.len && joined.len >= part.len &&
           memmem(joined.data, joined.len, part.data, part.len);
}

static struct slice join(struct arena *arena, const struct slice *parts, size_t count,
                         const char *glue, bool once)
{
    size_t room = 0;
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        room += parts[i].len + strlen(glue);
    uint8_t *out = arena_alloc(arena, room);
    for (size_t i = 0; out && i < count; i++) {
        if (parts[i].len == 0 || (once && has_part(slice_of(out, len), parts[i])))
            continue;
        if (len) {
            memcpy(out + len, glue, strlen(glue));
            len += strlen(glue);
        }
        memcpy(out + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    return slice_of(out, out ? len : 0);
}

static bool read_batch(struct arena *arena, struct json_scan *scan, bool expected,
                       struct graphql_call *ret)
{
    struct slice types[GRAPHQL_MAX_BATCH];
    struct slice names[GRAPHQL_MAX_BATCH];
    struct slice queries[GRAPHQL_MAX_BATCH];
    size_t count = 0;
    json_scan_enter(scan);
    while (count < GRAPHQL_MAX_BATCH && json_scan_element(scan)) {
        struct graphql_call call;
        if (!graphql_scan_request(arena, scan, expected, &call))
            return false;
        types[count] = call.operation;
        names[count] = call.name;
        queries[count++] = call.query;
    }
    ret->operation = join(arena, types, count, ", ", true);
    ret->name = join(arena, names, count, ", ", false);
    ret->query = join(arena, queries, count, "\n\n", false);
    return count > 0;
}

bool graphql_read_request(struct arena *arena, struct slice json, bool expected,
                          struct graphql_call *ret)
{
    struct json_scan scan = json_scan_of(json);
    *ret = (struct graphql_call){0};
    if (json_scan_peek(&scan) == JSON_ARRAY)
        return read_batch(arena, &scan, expected, ret);
    return graphql_scan_request(arena, &scan, expected, ret);
}

/* ── responses ── */

static void scan_error(struct arena *arena, struct json_scan *scan, struct graphql_errors *ret)
{
    struct slice name;
    struct slice message = SLICE_NONE;
    if (json_scan_peek(scan) != JSON_OBJECT) {
        json_scan_skip(scan);
        return;
    }
    json_scan_enter(scan);
    while (json_scan_member(scan, &name)) {
        if (slice_eq_str(name, "message") && json_scan_peek(scan) == JSON_STRING)
            json_scan_string(scan, arena, &message);
        else
            json_scan_skip(scan);
    }
    if (message.len && ret->count < GRAPHQL_MAX_ERRORS)
        ret->messages[ret->count++] = message;
}

void graphql_scan_errors(struct arena *arena, struct json_scan *scan, struct graphql_errors *ret)
{
    if (json_scan_peek(scan) != JSON_ARRAY) {
        scan_error(arena, scan, ret);
        return;
    }
    json_scan_enter(scan);
    while (json_scan_element(scan))
        scan_error(arena, scan, ret);
}

void graphql_scan_response(struct arena *arena, struct json_scan *scan, struct graphql_errors *ret)
{
    struct slice name;
    if (json_scan_peek(scan) != JSON_OBJECT) {
        json_scan_skip(scan);
        return;
    }
    json_scan_enter(scan);
    while (json_scan_member(scan, &name)) {
        if (slice_eq_str(name, "errors"))
            graphql_scan_errors(arena, scan, ret);
        else
            json_scan_skip(scan);
    }
}

void graphql_read_errors(struct arena *arena, struct slice json, struct graphql_errors *ret)
{
    struct json_scan scan = json_scan_of(json);
    ret->count = 0;
    if (json_scan_peek(&scan) != JSON_ARRAY) {
        graphql_scan_response(arena, &scan, ret);
        return;
    }
    json_scan_enter(&scan);
    for (int i = 0; i < GRAPHQL_MAX_BATCH && json_scan_element(&scan); i++)
        graphql_scan_response(arena, &scan, ret);
}

/* ── fields ── */

void graphql_set_fields(struct dissect_entry *entry, const struct graphql_call *call,
                        const struct graphql_errors *errors)
{
    struct arena *arena = dissect_entry_arena(entry);
    if (call->operation.len)
        dissect_set_text(entry, FIELD_GQL_OPERATION_ID, call->operation);
    if (call->name.len)
        dissect_set_text(entry, FIELD_GQL_OPERATION_NAME_ID, call->name);
    if (call->query.len)
        dissect_set_text(entry, FIELD_GQL_QUERY_ID, call->query);
    struct slice *messages =
        errors->count ? arena_alloc(arena, errors->count * sizeof *messages) : NULL;
    if (!messages)
        return;
    memcpy(messages, errors->messages, errors->count * sizeof *messages);
    dissect_set_list(entry, FIELD_GQL_ERRORS_ID, messages, errors->count);
}
