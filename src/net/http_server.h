/* HTTP/1.1 server facade (libmicrohttpd behind it). One thread a connection (bounded), so a handler
 * may block: producers of long bodies and event streams simply write.
 *
 * In: a handler called once a request, after the headers. Out: the response. Memory: the request
 * lives until the handler returns; strings got from it are borrowed until then. Limits: 256
 * connections, 64 a client address (at a limit one that only waits is closed for the newcomer),
 * header block 32 KiB, 5 s to send the headers, 30 s idle, request bodies only as the handler reads
 * them. Thread: the handler runs on a thread of its own
 * for the time of the request (libmicrohttpd pulls, handlers push: the two meet at a hand-over
 * without a queue, so a slow client slows its producer and nothing piles up). All calls on a
 * request are made by its handler's thread. */
#ifndef TRAWL_NET_HTTP_SERVER_H
#define TRAWL_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct http_server;
struct http_request; /* request and its response, during the handler */

typedef void (*http_handler)(void *ctx, struct http_request *request);

struct http_server_options {
    const char *listen; /* "127.0.0.1:8899", "[::1]:0", "localhost:80" */
    http_handler handler;
    void *ctx;
    unsigned max_connections;    /* 0 = 256 */
    unsigned max_per_address;    /* 0 = 64 */
    int64_t header_timeout_ns;   /* to send the headers; 0 = 5 s */
    unsigned idle_timeout_s;     /* 0 = 30 s */
    const char *const *defaults; /* name, value, name, value …, NULL: headers of every answer,
                                    also of those that never reach the handler; borrowed */
};

/* -EADDRINUSE and the like with a sentence. */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *reterr);
/* The port in use (for port 0). */
uint16_t http_server_port(const struct http_server *server);
/* Refuses new connections, tells producers to end (http_response_write fails), waits at most 5 s
 * for handlers; one that hangs longer is left behind with its memory (the process is about to end).
 */
void http_server_stop(struct http_server *server);

/* ── request ── */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(
    const struct http_request *r); /* decoded once, without query; never contains NUL */
/* The path cut at its slashes before decoding ("/a/b%2Fc" → "a", "b/c"): their number, at most
 * max; more segments than max give max + 1. */
size_t http_request_segments(struct http_request *r, const char **ret_segments, size_t max);
const char *http_request_header(const struct http_request *r, const char *name); /* or NULL */
const char *http_request_query(const struct http_request *r,
                               const char *name); /* decoded, first value, or NULL */
/* The query as pairs, in order: false past the end. */
bool http_request_query_at(const struct http_request *r, size_t i, const char **ret_name,
                           const char **ret_value);
const char *http_request_cookie(const struct http_request *r, const char *name); /* or NULL */
const char *http_request_peer(const struct http_request *r); /* "127.0.0.1:4711" */
/* Whole body, at most out->max (−EFBIG: answer 413). */
int http_request_read_body(struct http_request *r, struct buf *out);
/* Streams the body: the count, 0 at the end, or a negative errno. Only before the response began.
 */
ssize_t http_request_read(struct http_request *r, void *data, size_t n);
/* Content-Length, or −1. */
int64_t http_request_content_length(const struct http_request *r);

/* ── response: begin once, then write; or send a whole one ── */
void http_response_header(struct http_request *r, const char *name,
                          const char *value); /* before begin/send; copied; an injected line end
                                                 drops the header */
/* content_length −1 = chunked. */
int http_response_begin(struct http_request *r, int status, const char *content_type,
                        int64_t content_length);
/* Blocks while the client is slow. −EPIPE when it went away or the server stops. */
int http_response_write(struct http_request *r, const void *data, size_t n);
/* The producer failed half-way: the connection is cut, so that the client sees an incomplete body.
 */
void http_response_abort(struct http_request *r);
/* True once the client is gone (for producers that have nothing to write just now). */
bool http_response_client_gone(struct http_request *r);
void http_response_send(struct http_request *r, int status, const char *content_type,
                        struct slice body);
/* What the request wants of a body of `size` bytes with that ETag (or NULL): Range and If-Range of
 * a GET (RFC 9110 section 14). Several ranges, or an unknown unit, mean the whole. Says so in
 * Accept-Ranges and Content-Range: the answer's status is 200, 206 or 416. */
enum http_range {
    HTTP_RANGE_WHOLE,
    HTTP_RANGE_PART,
    HTTP_RANGE_BAD
};
enum http_range http_response_range(struct http_request *r, int64_t size, const char *etag,
                                    int64_t *ret_from, int64_t *ret_len);
/* The first `length` bytes of a file, honouring Range and If-None-Match; takes over fd. */
void http_response_send_file_part(struct http_request *r, int fd, uint64_t length,
                                  const char *content_type, const char *etag);

#endif
