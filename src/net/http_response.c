#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "net/http_internal.h"

void http_response_header(struct http_request *r, const char *name, const char *value)
{
    if (r->begun || r->response_header_count == HTTP_MAX_RESPONSE_HEADERS)
        return;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return;
    struct http_pair *pair = &r->response_headers[r->response_header_count];
    pair->name = arena_strdup(&r->arena, name);
    pair->value = arena_strdup(&r->arena, value);
    if (pair->name && pair->value)
        r->response_header_count++;
}

int http_response_begin(struct http_request *r, int status, const char *content_type,
                        int64_t content_length)
{
    const char *type = content_type ? arena_strdup(&r->arena, content_type) : NULL;
    pthread_mutex_lock(&r->lock);
    int result = r->gone ? -EPIPE : r->begun ? -EALREADY : 0;
    if (!result) {
        r->begun = true;
        r->status = status;
        r->content_type = type;
        r->response_length = content_length;
        pthread_cond_signal(&r->to_connection);
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

static bool without_body(const struct http_request *r)
{
    return r->head || r->status == 204 || r->status == 304;
}

int http_response_write(struct http_request *r, const void *data, size_t n)
{
    pthread_mutex_lock(&r->lock);
    if (without_body(r)) {
        bool gone = r->gone;
        pthread_mutex_unlock(&r->lock);
        return gone ? -EPIPE : 0;
    }
    int result = r->gone ? -EPIPE : 0;
    if (!result && n) {
        if (r->response_length >= 0 && (int64_t)n > r->response_length - r->written_bytes) {
            pthread_mutex_unlock(&r->lock);
            return -EMSGSIZE;
        }
        r->written_bytes += (int64_t)n;
        r->out = data;
        r->out_len = n;
        pthread_cond_signal(&r->to_connection);
        while (r->out_len && !r->gone)
            pthread_cond_wait(&r->to_handler, &r->lock);
        if (r->out_len)
            result = -EPIPE;
        r->out = NULL;
        r->out_len = 0;
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

void http_response_abort(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    r->aborted = true;
    pthread_cond_signal(&r->to_connection);
    pthread_mutex_unlock(&r->lock);
}

bool http_response_client_gone(struct http_request *r)
{
    pthread_mutex_lock(&r->lock);
    bool gone = r->gone;
    pthread_mutex_unlock(&r->lock);
    if (gone)
        return true;
    struct pollfd p = {.fd = r->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

void http_response_send(struct http_request *r, int status, const char *content_type,
                        struct slice body)
{
    if (http_response_begin(r, status, content_type, (int64_t)body.len) == 0)
        (void)http_response_write(r, body.data, body.len);
}

/* One byte range (RFC 9110 section 14.1.2); several, or a unit we do not know, mean the whole. */
static enum http_range parse_range(const char *text, int64_t size, int64_t *ret_from,
                                   int64_t *ret_len)
{
    if (!text || strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return HTTP_RANGE_WHOLE;
    const char *first = text + 6, *dash = strchr(first, '-');
    char number[24];
    if (!dash || (size_t)(dash - first) >= sizeof number)
        return HTTP_RANGE_WHOLE;
    memcpy(number, first, (size_t)(dash - first));
    number[dash - first] = 0;
    int64_t from = -1, to = -1;
    if ((number[0] && text_parse_int(number, 0, INT64_MAX, &from) < 0) ||
        (dash[1] && text_parse_int(dash + 1, 0, INT64_MAX, &to) < 0) || (from < 0 && to < 0) ||
        (from >= 0 && to >= 0 && to < from))
        return HTTP_RANGE_WHOLE;
    if (from < 0) { /* the last `to` bytes */
        if (to == 0 || size == 0)
            return HTTP_RANGE_BAD;
        from = to > size ? 0 : size - to;
        to = size - 1;
    }
    if (from >= size)
        return HTTP_RANGE_BAD;
    if (to < 0 || to >= size)
        to = size - 1;
    *ret_from = from;
    *ret_len = to - from + 1;
    return HTTP_RANGE_PART;
}

enum http_range http_response_range(struct http_request *r, int64_t size, const char *etag,
                                    int64_t *ret_from, int64_t *ret_len)
{
    const char *if_range = http_request_header(r, "if-range");
    char text[80];
    bool allowed =
        strcmp(r->method, "GET") == 0 && (!if_range || (etag && strcmp(if_range, etag) == 0));
    *ret_from = 0;
    *ret_len = size;
    enum http_range kind =
        allowed ? parse_range(http_request_header(r, "range"), size, ret_from, ret_len)
                : HTTP_RANGE_WHOLE;
    http_response_header(r, "Accept-Ranges", "bytes");
    if (kind == HTTP_RANGE_BAD)
        snprintf(text, sizeof text, "bytes */%lld", (long long)size);
    else if (kind == HTTP_RANGE_PART)
        snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)*ret_from,
                 (long long)(*ret_from + *ret_len - 1), (long long)size);
    if (kind != HTTP_RANGE_WHOLE)
        http_response_header(r, "Content-Range", text);
    return kind;
}

static void send_part(struct http_request *r, int fd, int64_t from, int64_t len)
{
    uint8_t *piece = malloc(HTTP_PIECE_BYTES);
    if (!piece) {
        http_response_abort(r);
        return;
    }
    while (len > 0) {
        size_t want = len < HTTP_PIECE_BYTES ? (size_t)len : HTTP_PIECE_BYTES;
        ssize_t n = io_pread_full(fd, piece, want, from);
        if (n <= 0 || http_response_write(r, piece, (size_t)n) < 0)
            break;
        from += n;
        len -= n;
    }
    free(piece);
}

/* The list of If-None-Match, compared weakly (RFC 9110 section 13.1.2). */
static bool etag_matches(const char *list, const char *etag)
{
    return list && etag && (strcmp(list, "*") == 0 || strstr(list, etag));
}

void http_response_send_file_part(struct http_request *r, int fd, uint64_t length,
                                  const char *content_type, const char *etag)
{
    int64_t size = (int64_t)length;
    if (etag)
        http_response_header(r, "ETag", etag);
    if (etag_matches(http_request_header(r, "if-none-match"), etag)) {
        (void)http_response_begin(r, 304, NULL, 0);
        close(fd);
        return;
    }
    int64_t from, len;
    enum http_range kind = http_response_range(r, size, etag, &from, &len);
    if (kind == HTTP_RANGE_BAD)
        (void)http_response_begin(r, 416, NULL, 0);
    else if (http_response_begin(r, kind == HTTP_RANGE_PART ? 206 : 200, content_type, len) == 0)
        send_part(r, fd, from, len);
    close(fd);
}
