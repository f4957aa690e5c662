#include "dissect/proto/http_graphql.h"

#include <stdio.h>

#include "dissect/proto/graphql.h"

enum {
    SUMMARY_TEXT_MAX = 120
};

static struct slice until(struct slice text, char stop)
{
    const uint8_t *p = text.len ? memchr(text.data, stop, text.len) : NULL;
    return p ? slice_of(text.data, (size_t)(p - text.data)) : text;
}

static bool mentions(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

static struct slice media_type(const struct http_message *message)
{
    return slice_trim(until(http_header(message, "content-type"), ';'));
}

static bool is_type(const struct http_message *message, const char *type)
{
    return slice_eq_nocase(media_type(message), slice_str(type));
}

/* Does the place it goes to, or a media type, say GraphQL? */
static bool is_expected(const struct http_message *request, const struct http_message *response)
{
    struct slice path = until(until(request->target, '?'), '#');
    while (path.len && path.data[path.len - 1] == '/')
        path.len--;
    struct slice last = path.len >= 8 ? slice_sub(path, path.len - 8, 8) : SLICE_NONE;
    return slice_eq_nocase(last, SLICE_LITERAL("/graphql")) ||
           is_type(request, "application/graphql") ||
           is_type(request, "application/graphql+json") ||
           is_type(response, "application/graphql-response+json");
}

/* ── requests ── */

/* A parameter of the query string, decoded; without data where it is missing. */
static struct slice parameter(struct arena *arena, struct slice query, const char *name)
{
    while (query.len) {
        struct slice item = until(query, '&');
        query = slice_sub(query, item.len + 1, SIZE_MAX);
        struct slice key = until(item, '=');
        if (slice_eq_str(key, name))
            return http_percent_decode(arena, slice_sub(item, key.len + 1, SIZE_MAX), true);
    }
    return SLICE_NONE;
}

static bool read_get(struct arena *arena, const struct http_message *request, bool expected,
                     struct graphql_call *ret)
{
    struct slice target = until(request->target, '#');
    struct slice query = slice_sub(target, until(target, '?').len + 1, SIZE_MAX);
    if (query.len == 0)
        return false;
    struct slice name = parameter(arena, query, "operationName");
    if (graphql_read_parts(parameter(arena, query, "query"), name, expected, ret))
        return true;
    struct slice extensions = parameter(arena, query, "extensions");
    *ret = (struct graphql_call){.name = name};
    return expected && mentions(extensions, "persistedQuery");
}

/* The part "operations" of a multipart form: the request that the files belong to. */
static struct slice operations_part(struct slice body)
{
    static const char name[] = "name=\"operations\"";
    const uint8_t *p = body.len ? memmem(body.data, body.len, name, sizeof name - 1) : NULL;
    if (!p)
        return SLICE_NONE;
    struct slice rest = slice_of(p, body.len - (size_t)(p - body.data));
    const uint8_t *begin = memmem(rest.data, rest.len, "\r\n\r\n", 4);
    if (!begin)
        return SLICE_NONE;
    rest = slice_of(begin + 4, rest.len - (size_t)(begin + 4 - rest.data));
    const uint8_t *end = rest.len ? memmem(rest.data, rest.len, "\r\n--", 4) : NULL;
    return end ? slice_of(rest.data, (size_t)(end - rest.data)) : rest;
}

/* Most bodies are none: a glance before they are read. */
static bool may_be_request(struct slice body)
{
    return mentions(body, "\"query\"") || mentions(body, "\"persistedQuery\"");
}

static bool read_post(struct arena *arena, const struct http_message *request, struct slice body,
                      bool expected, struct graphql_call *ret)
{
    if (is_type(request, "application/graphql"))
        return graphql_read_parts(body.len ? body : SLICE_LITERAL(""), SLICE_NONE, true, ret);
    if (is_type(request, "multipart/form-data"))
        body = operations_part(body);
    return body.len && may_be_request(body) && graphql_read_request(arena, body, expected, ret);
}

/* ── summary ── */

/* The document's beginning on one line, white space folded. */
static struct slice fold(struct arena *arena, struct slice text)
{
    uint8_t *out = arena_alloc(arena, SUMMARY_TEXT_MAX + 4);
    size_t len = 0;
    size_t at = 0;
    for (; out && at < text.len && len < SUMMARY_TEXT_MAX; at++) {
        uint8_t c = text.data[at] <= ' ' || text.data[at] == 0x7f ? ' ' : text.data[at];
        if (c != ' ' || (len && out[len - 1] != ' '))
            out[len++] = c;
    }
    if (!out)
        return SLICE_NONE;
    if (at < text.len) {
        while (len && (text.data[at] & 0xc0) == 0x80) { /* never inside a character */
            at--;
            len--;
        }
        memcpy(out + len, "…", sizeof "…" - 1);
        len += sizeof "…" - 1;
    }
    return slice_of(out, len);
}

static void set_summary(struct dissect_entry *entry, const struct graphql_call *call,
                        const struct http_message *response, const struct graphql_errors *errors)
{
    struct arena *arena = dissect_entry_arena(entry);
    struct slice asked = fold(arena, call->name.len ? call->name : call->query);
    bool has_type =
        call->operation.len && (call->name.len || asked.len == 0 || asked.data[0] == '{');
    struct slice failure = errors->count ? fold(arena, errors->messages[0]) : SLICE_NONE;
    char code[24] = "";
    if (response->status_code)
        snprintf(code, sizeof code, " → %d", response->status_code);
    struct slice type = has_type ? call->operation : SLICE_NONE;
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s%s%s%.*s", SLICE_ARGS(type),
                                  type.len && asked.len ? " " : "", SLICE_ARGS(asked), code,
                                  failure.len ? ": " : "", SLICE_ARGS(failure)));
}

bool http_graphql_fill(struct dissect_entry *entry, const struct http_message *request,
                       struct slice request_body, struct http_message *response,
                       struct slice response_body)
{
    struct arena *arena = dissect_entry_arena(entry);
    bool expected = is_expected(request, response);
    struct graphql_call call = {0};
    struct graphql_errors errors = {.count = 0};
    if (slice_starts_with(http_header(request, "content-type"), SLICE_LITERAL("application/grpc")))
        return false;
    if (slice_eq_str(request->method, "GET")) {
        if (!read_get(arena, request, expected, &call))
            return false;
    } else if (!read_post(arena, request, request_body, expected, &call)) {
        return false;
    }
    if (mentions(response_body, "\"errors\""))
        graphql_read_errors(arena, response_body, &errors);
    response->has_errors = errors.count > 0;
    dissect_entry_protocol(entry, "gql");
    graphql_set_fields(entry, &call, &errors);
    set_summary(entry, &call, response, &errors);
    return true;
}
