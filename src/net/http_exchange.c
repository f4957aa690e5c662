/* One request and its answer between libmicrohttpd, which pulls on the connection's thread, and the
 * handler, which pushes on its own: the two meet at a hand-over without a queue. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/http_internal.h"

enum {
    HANDLER_STACK_BYTES = 1024 * 1024,
    /* An answer that comes while the body is still arriving can be sent only after the body: this
     * much of it is thrown away before the connection is cut instead. */
    MAX_DRAINED_BYTES = 256 * 1024 * 1024
};

/* ── the handler's thread ── */

static void *handler_main(void *arg)
{
    struct http_request *r = arg;
    r->server->options.handler(r->server->options.ctx, r);
    if (!r->begun)
        http_response_send(r, 500, "application/problem+json",
                           SLICE_LITERAL("{\"type\":\"about:blank\",\"title\":\"Internal error\","
                                         "\"status\":500,\"detail\":\"No answer was made.\"}"));
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_signal(&r->to_connection);
    pthread_mutex_unlock(&r->lock);
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    s->active--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_handler(struct http_request *r)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return -ENOMEM;
    pthread_attr_setstacksize(&attr, HANDLER_STACK_BYTES);
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    s->active++;
    pthread_mutex_unlock(&s->lock);
    int e = pthread_create(&r->thread, &attr, handler_main, r);
    pthread_attr_destroy(&attr);
    if (e) {
        pthread_mutex_lock(&s->lock);
        s->active--;
        pthread_mutex_unlock(&s->lock);
        return -e;
    }
    r->thread_started = true;
    return 0;
}

/* ── what libmicrohttpd refuses itself ── */

/* The request whose head this connection's thread is reading. */
static _Thread_local struct http_request *reading;

static void drain(int fd)
{
    char piece[4096];
    /* What is unread when a socket is closed takes the answer away from the client. */
    for (int i = 0; i < 16; i++)
        if (recv(fd, piece, sizeof piece, MSG_DONTWAIT) <= 0)
            return;
}

static void send_refusal(const struct http_request *r, unsigned status)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char body[200], date[40];
    time_t now = time(NULL);
    struct tm utc;
    struct buf answer;
    if (!info || !gmtime_r(&now, &utc))
        return;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    int n = snprintf(body, sizeof body,
                     "{\"type\":\"about:blank\",\"title\":\"Refused\",\"status\":%u,"
                     "\"detail\":\"%s\"}",
                     status,
                     status == MHD_HTTP_BAD_REQUEST ? "The request's head is malformed."
                                                    : "The request's head cannot be served.");
    buf_init(&answer, 8192);
    buf_printf(&answer,
               "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: application/problem+json\r\n"
               "Content-Length: %d\r\nConnection: close\r\n",
               status, MHD_get_reason_phrase_for(status), date, n);
    for (const char *const *p = r->server->options.defaults; p && p[0] && p[1]; p += 2)
        buf_printf(&answer, "%s: %s\r\n", p[0], p[1]);
    if (buf_printf(&answer, "\r\n%s", body) == 0)
        (void)send(info->connect_fd, answer.data, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_done(&answer);
    (void)shutdown(info->connect_fd, SHUT_WR);
    drain(info->connect_fd);
}

/* libmicrohttpd 0.9.75 refuses a Content-Length that is no number before any callback, and sends
 * the head of its answer twice. It tells its log beforehand, on the connection's thread: the answer
 * is made here instead, and what comes after finds the socket shut. */
void http_exchange_on_log(void *cls, const char *format, va_list arguments)
{
    (void)cls;
    struct http_request *r = reading;
    if (!r || strncmp(format, "Error processing request (HTTP response code is %u",
                      sizeof "Error processing request (HTTP response code is %u" - 1) != 0)
        return;
    reading = NULL;
    send_refusal(r, va_arg(arguments, unsigned));
}

/* ── libmicrohttpd's side; all of it runs on the connection's thread ── */

void *http_exchange_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_request *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->server = cls;
    r->connection = connection;
    r->fd = -1;
    arena_init(&r->arena, HTTP_REQUEST_MEMORY);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->to_handler, NULL);
    pthread_cond_init(&r->to_connection, NULL);
    r->raw_uri = arena_strdup(&r->arena, uri);
    pthread_mutex_lock(&r->server->lock);
    r->next = r->server->requests;
    if (r->next)
        r->next->prev = r;
    r->server->requests = r;
    pthread_mutex_unlock(&r->server->lock);
    reading = r;
    return r;
}

size_t http_exchange_keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text); /* http_request_parse_uri decodes, and knows of NUL */
}

static void set_state(struct MHD_Connection *connection, struct http_server *s,
                      enum http_connection_state state)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    http_connections_set(s->connections, info ? info->socket_context : NULL, state);
}

void http_exchange_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                                enum MHD_RequestTerminationCode why)
{
    (void)why;
    struct http_server *s = cls;
    struct http_request *r = *con_cls;
    reading = NULL;
    set_state(connection, s, HTTP_CONNECTION_KEPT);
    if (!r)
        return;
    *con_cls = NULL;
    if (r->thread_started) {
        pthread_mutex_lock(&r->lock);
        r->gone = true;
        pthread_cond_broadcast(&r->to_handler);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    pthread_mutex_lock(&s->lock);
    if (r->prev)
        r->prev->next = r->next;
    else
        s->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&r->to_connection);
    pthread_cond_destroy(&r->to_handler);
    pthread_mutex_destroy(&r->lock);
    arena_done(&r->arena);
    free(r);
}

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    struct http_request *r = cls;
    if (r->header_count == HTTP_MAX_HEADERS)
        return MHD_NO;
    struct http_pair *pair = &r->headers[r->header_count++];
    pair->name = arena_strdup(&r->arena, name);
    pair->value = arena_strdup(&r->arena, value ? value : "");
    if (!pair->name || !pair->value) {
        r->header_count = HTTP_MAX_HEADERS;
        return MHD_NO;
    }
    return MHD_YES;
}

/* RFC 9112 section 5.1: what stands before the colon is a token; "Content-Length :" is not one. */
static bool has_odd_name(const struct http_request *r)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (!r->headers[i].name[0] || strpbrk(r->headers[i].name, " \t"))
            return true;
    return false;
}

static unsigned count_header(const struct http_request *r, const char *name)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->header_count; i++)
        n += strcasecmp(r->headers[i].name, name) == 0;
    return n;
}

static void take_peer(struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[64] = "?", port[8] = "0";
    if (info && info->client_addr)
        (void)getnameinfo(info->client_addr,
                          info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                   : sizeof(struct sockaddr_in),
                          host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(r->peer, sizeof r->peer, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    r->fd = info ? info->connect_fd : -1;
}

static bool has_blanks(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= ' ' || *p == 0x7f)
            return true;
    return false;
}

/* Where the body ends (RFC 9112 section 6.3): one Content-Length of digits, or chunked alone, which
 * HTTP/1.0 does not know. The HTTP status to refuse it with, or 0. */
static int take_framing(struct http_request *r, const char *version, struct error *reterr)
{
    const char *length = http_request_header(r, "content-length"),
               *coding = http_request_header(r, "transfer-encoding");
    r->content_length = -1;
    if (count_header(r, "host") > 1 || count_header(r, "content-length") > 1 ||
        count_header(r, "transfer-encoding") > 1 || (length && coding) ||
        (length && text_parse_int(length, 0, INT64_MAX, &r->content_length) < 0) ||
        (coding && strcmp(version, "HTTP/1.0") == 0)) {
        error_set(reterr, -EINVAL, "Host or the length of the body is ambiguous.");
        return 400;
    }
    if (coding && strcasecmp(coding, "chunked") != 0) {
        error_set(reterr, -EINVAL, "No transfer coding but chunked is known here.");
        return 400;
    }
    r->has_body = coding || r->content_length > 0;
    return 0;
}

/* Fills the request from what libmicrohttpd has parsed. The HTTP status to refuse it with, or 0. */
static int take_request(struct http_request *r, const char *method, const char *version,
                        struct error *reterr)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, collect_header, r);
    if ((info && info->header_size > HTTP_MAX_HEADER_BYTES) ||
        r->header_count == HTTP_MAX_HEADERS) {
        error_set(reterr, -EFBIG, "The header block is larger than 32 KiB or has too many lines.");
        return 431;
    }
    r->method = arena_strdup(&r->arena, method);
    if (!r->method || !r->raw_uri) {
        error_set(reterr, -ENOMEM, "There is no memory for this request.");
        return 503;
    }
    if (has_odd_name(r)) {
        error_set(reterr, -EINVAL, "A header's name holds a blank.");
        return 400;
    }
    if (has_blanks(r->raw_uri)) {
        error_set(reterr, -EINVAL, "The request line holds blanks or control characters.");
        return 400;
    }
    /* RFC 9112 section 3.2 */
    if (count_header(r, "host") == 0 && strcmp(version, "HTTP/1.0") != 0) {
        error_set(reterr, -EINVAL, "The request has no Host header.");
        return 400;
    }
    r->head = strcmp(method, "HEAD") == 0;
    if (http_request_parse_uri(r, reterr) < 0)
        return 400;
    int status = take_framing(r, version, reterr);
    if (!status)
        take_peer(r);
    return status;
}

static void add_defaults(const struct http_server *s, struct MHD_Response *response)
{
    for (const char *const *p = s->options.defaults; p && p[0] && p[1]; p += 2)
        (void)MHD_add_response_header(response, p[0], p[1]);
}

static enum MHD_Result refuse(struct http_request *r, int status, const char *detail)
{
    char body[700];
    int n = snprintf(body, sizeof body,
                     "{\"type\":\"about:blank\",\"title\":\"Refused\",\"status\":%d,"
                     "\"detail\":\"%s\"}",
                     status, detail);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)n, body, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", "application/problem+json");
    (void)MHD_add_response_header(response, "Connection", "close");
    add_defaults(r->server, response);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

/* While a handler thinks, libmicrohttpd's idle timeout must not run. */
static void pause_timeout(struct http_request *r, bool paused)
{
    (void)MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    paused ? 0U : r->server->options.idle_timeout_s);
}

static ssize_t pull(void *cls, uint64_t pos, char *buf, size_t max)
{
    (void)pos;
    struct http_request *r = cls;
    pthread_mutex_lock(&r->lock);
    if (!r->out_len && !r->done && !r->aborted) {
        pause_timeout(r, true);
        while (!r->out_len && !r->done && !r->aborted)
            pthread_cond_wait(&r->to_connection, &r->lock);
        pause_timeout(r, false);
    }
    ssize_t result;
    if (r->out_len && !r->aborted) {
        size_t n = r->out_len < max ? r->out_len : max;
        memcpy(buf, r->out, n);
        r->out += n;
        r->out_len -= n;
        if (!r->out_len)
            pthread_cond_signal(&r->to_handler);
        result = (ssize_t)n;
    } else {
        bool whole = !r->aborted && !r->gone && r->response_length < 0;
        result = whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

static enum MHD_Result queue_response(struct http_request *r)
{
    bool empty = r->head || r->status == 204 || r->status == 304;
    uint64_t size = r->response_length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)r->response_length;
    if (empty && size == MHD_SIZE_UNKNOWN)
        size = 0;
    struct MHD_Response *response =
        MHD_create_response_from_callback(size, HTTP_PIECE_BYTES, pull, r, NULL);
    if (!response)
        return MHD_NO;
    if (r->content_type)
        (void)MHD_add_response_header(response, "Content-Type", r->content_type);
    for (size_t i = 0; i < r->response_header_count; i++)
        (void)MHD_add_response_header(response, r->response_headers[i].name,
                                      r->response_headers[i].value);
    add_defaults(r->server, response);
    enum MHD_Result result = MHD_queue_response(r->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

/* First call: the headers are here. Waits until the handler answers or asks for the body; an
 * answer without reading the body goes out at once. */
static enum MHD_Result begin_request(struct http_request *r, const char *method,
                                     const char *version)
{
    struct error err = {0};
    set_state(r->connection, r->server, HTTP_CONNECTION_BUSY);
    int status = take_request(r, method, version, &err);
    if (status)
        return refuse(r, status, err.text);
    pthread_mutex_lock(&r->server->lock);
    bool stopping = r->server->stopping;
    pthread_mutex_unlock(&r->server->lock);
    if (stopping || start_handler(r) < 0)
        return refuse(r, 503, stopping ? "The server is stopping." : "There is no thread left.");
    pause_timeout(r, true);
    pthread_mutex_lock(&r->lock);
    while (!r->wants_body && !r->begun && !r->done)
        pthread_cond_wait(&r->to_connection, &r->lock);
    bool answer = r->begun;
    pthread_mutex_unlock(&r->lock);
    pause_timeout(r, false);
    if (answer)
        return queue_response(r);
    set_state(r->connection, r->server, HTTP_CONNECTION_BODY);
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t *size)
{
    set_state(r->connection, r->server, HTTP_CONNECTION_BUSY);
    pthread_mutex_lock(&r->lock);
    pause_timeout(r, true);
    if (*size) {
        r->in = (const uint8_t *)data;
        r->in_len = *size;
    } else {
        r->in_end = true;
    }
    pthread_cond_signal(&r->to_handler);
    while ((r->in_len || r->in_end) && !r->begun && !r->done)
        pthread_cond_wait(&r->to_connection, &r->lock);
    bool answered = r->begun;
    if (answered)
        r->drained_bytes += (int64_t)r->in_len;
    bool too_much = r->drained_bytes > MAX_DRAINED_BYTES || r->gone;
    r->in_len = 0;
    pause_timeout(r, false);
    bool end = r->in_end;
    pthread_mutex_unlock(&r->lock);
    *size = 0;
    if (too_much)
        return MHD_NO;
    if (end && answered)
        return queue_response(r);
    set_state(r->connection, r->server, HTTP_CONNECTION_BODY);
    return MHD_YES;
}

enum MHD_Result http_exchange_on_request(void *cls, struct MHD_Connection *connection,
                                         const char *url, const char *method, const char *version,
                                         const char *upload_data, size_t *upload_size,
                                         void **con_cls)
{
    (void)cls;
    (void)connection;
    (void)url;
    struct http_request *r = *con_cls;
    reading = NULL;
    if (!r)
        return MHD_NO;
    if (!r->thread_started)
        return begin_request(r, method, version);
    return take_body(r, upload_data, upload_size);
}
