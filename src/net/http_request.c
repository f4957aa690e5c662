#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decoding (RFC 3986 section 2.1), once. NULL for a bad escape or an escaped NUL. */
static const char *decode(struct arena *arena, struct slice s, bool plus_is_space)
{
    char *out = arena_alloc(arena, s.len + 1);
    if (!out)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = (char)s.data[i];
        if (c == '%') {
            if (s.len - i < 3)
                return NULL;
            int high = hex_digit((char)s.data[i + 1]), low = hex_digit((char)s.data[i + 2]);
            if (high < 0 || low < 0 || high + low == 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = 0;
    return out;
}

static int parse_query(struct http_request *r, struct slice query, struct error *reterr)
{
    while (query.len) {
        const uint8_t *amp = memchr(query.data, '&', query.len);
        struct slice part = slice_of(query.data, amp ? (size_t)(amp - query.data) : query.len);
        query = amp ? slice_sub(query, part.len + 1, query.len) : SLICE_NONE;
        if (!part.len)
            continue;
        if (r->query_count == HTTP_MAX_QUERY)
            return error_set(reterr, -EINVAL, "The query has more than %d members.",
                             HTTP_MAX_QUERY);
        const uint8_t *eq = memchr(part.data, '=', part.len);
        struct slice name = slice_of(part.data, eq ? (size_t)(eq - part.data) : part.len);
        struct slice value = eq ? slice_sub(part, name.len + 1, part.len) : SLICE_NONE;
        struct http_pair *pair = &r->query[r->query_count];
        pair->name = decode(&r->arena, name, true);
        pair->value = decode(&r->arena, value, true);
        if (!pair->name || !pair->value)
            return error_set(reterr, -EINVAL, "The query holds a bad %% escape.");
        r->query_count++;
    }
    return 0;
}

int http_request_parse_uri(struct http_request *r, struct error *reterr)
{
    struct slice uri = slice_str(r->raw_uri);
    if (!uri.len || uri.data[0] != '/')
        return error_set(reterr, -EINVAL,
                         "The request target has to be a path that starts with /.");
    const uint8_t *mark = memchr(uri.data, '?', uri.len);
    struct slice path = slice_of(uri.data, mark ? (size_t)(mark - uri.data) : uri.len);
    r->path = decode(&r->arena, path, false);
    if (!r->path)
        return error_set(reterr, -EINVAL, "The path holds a bad %% escape.");
    return mark ? parse_query(r, slice_sub(uri, path.len + 1, uri.len), reterr) : 0;
}

size_t http_request_segments(struct http_request *r, const char **ret_segments, size_t max)
{
    struct slice rest = slice_str(r->raw_uri);
    const uint8_t *mark = memchr(rest.data, '?', rest.len);
    if (mark)
        rest.len = (size_t)(mark - rest.data);
    size_t count = 0;
    while (rest.len) { /* stands at a slash */
        rest = slice_sub(rest, 1, rest.len);
        const uint8_t *slash = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
        struct slice part = slice_of(rest.data, slash ? (size_t)(slash - rest.data) : rest.len);
        if (count == max)
            return max + 1;
        const char *text = decode(&r->arena, part, false);
        ret_segments[count++] = text ? text : "";
        rest = slice_sub(rest, part.len, rest.len);
    }
    return count;
}

const char *http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_request_path(const struct http_request *r)
{
    return r->path;
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

const char *http_request_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    return NULL;
}

bool http_request_query_at(const struct http_request *r, size_t i, const char **ret_name,
                           const char **ret_value)
{
    if (i >= r->query_count)
        return false;
    *ret_name = r->query[i].name;
    *ret_value = r->query[i].value;
    return true;
}

const char *http_request_cookie(const struct http_request *r, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t h = 0; h < r->header_count; h++) {
        if (strcasecmp(r->headers[h].name, "cookie") != 0)
            continue;
        struct slice rest = slice_str(r->headers[h].value);
        while (rest.len) {
            const uint8_t *end = memchr(rest.data, ';', rest.len);
            struct slice part = slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.len);
            rest = end ? slice_sub(rest, part.len + 1, rest.len) : SLICE_NONE;
            part = slice_trim(part);
            if (part.len > name_len && part.data[name_len] == '=' &&
                memcmp(part.data, name, name_len) == 0) {
                struct slice value = slice_sub(part, name_len + 1, part.len);
                /* The request owns the arena; a copy per asked cookie is bounded by the handler. */
                struct http_request *owner = (struct http_request *)(uintptr_t)r;
                return (const char *)arena_dup(&owner->arena, value).data;
            }
        }
    }
    return NULL;
}

const char *http_request_peer(const struct http_request *r)
{
    return r->peer;
}

int64_t http_request_content_length(const struct http_request *r)
{
    return r->content_length;
}

ssize_t http_request_read(struct http_request *r, void *data, size_t n)
{
    if (!r->has_body)
        return 0;
    pthread_mutex_lock(&r->lock);
    if (r->begun) {
        pthread_mutex_unlock(&r->lock);
        return -EINVAL;
    }
    r->wants_body = true;
    pthread_cond_signal(&r->to_connection);
    while (!r->in_len && !r->in_end && !r->gone)
        pthread_cond_wait(&r->to_handler, &r->lock);
    ssize_t got = r->gone ? -EPIPE : 0;
    if (!r->gone && r->in_len) {
        if (n > r->in_len)
            n = r->in_len;
        memcpy(data, r->in, n);
        r->in += n;
        r->in_len -= n;
        got = (ssize_t)n;
        if (!r->in_len)
            pthread_cond_signal(&r->to_connection);
    }
    pthread_mutex_unlock(&r->lock);
    return got;
}

int http_request_read_body(struct http_request *r, struct buf *out)
{
    if (r->content_length > 0 && (uint64_t)r->content_length > out->max - out->len)
        return -EFBIG;
    for (;;) {
        size_t room = out->max - out->len;
        uint8_t piece[16 * 1024];
        ssize_t n = http_request_read(r, piece, sizeof piece);
        if (n <= 0)
            return (int)n;
        if ((size_t)n > room)
            return -EFBIG;
        int e = buf_append(out, piece, (size_t)n);
        if (e)
            return e;
    }
}
