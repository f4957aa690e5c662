/* HTTP/1.1 server facade (libmicrohttpd behind it). One thread a connection (bounded), so a handler
 * may block: producers of long bodies and event streams simply write.
 *
 * In: a handler called once a request, after the headers. Out: the response. Memory: the request
 * lives until the handler returns; strings got from it are borrowed until then. Limits: 256
 * connections, 64 a client address, header block 32 KiB, 10 s to send the headers, 30 s idle,
 * request bodies only as the handler reads them. Thread: the handler runs on the connection's
 * thread. */
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
    const char *listen; /* "127.0.0.1:8899", "[::1]:0" */
    http_handler handler;
    void *ctx;
    unsigned max_connections; /* 0 = 256 */
};

/* -EADDRINUSE and the like with a sentence. */
int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *reterr);
/* The port in use (for port 0). */
uint16_t http_server_port(const struct http_server *server);
/* Refuses new connections, tells producers to end (http_response_write fails), waits at most 5 s.
 */
void http_server_stop(struct http_server *server);

/* ── request ── */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(
    const struct http_request *r); /* decoded once, without query; never contains NUL */
const char *http_request_header(const struct http_request *r, const char *name); /* or NULL */
const char *http_request_query(const struct http_request *r,
                               const char *name); /* decoded, first value, or NULL */
const char *http_request_cookie(const struct http_request *r, const char *name); /* or NULL */
const char *http_request_peer(const struct http_request *r); /* "127.0.0.1:4711" */
/* Whole body, at most out->max (−EFBIG: answer 413). */
int http_request_read_body(struct http_request *r, struct buf *out);
/* Streams the body: the count, 0 at the end, or a negative errno. */
ssize_t http_request_read(struct http_request *r, void *data, size_t n);
/* Content-Length, or −1. */
int64_t http_request_content_length(const struct http_request *r);

/* ── response: begin once, then write; or send a whole one ── */
void http_response_header(struct http_request *r, const char *name,
                          const char *value); /* before begin/send */
/* content_length −1 = chunked. */
int http_response_begin(struct http_request *r, int status, const char *content_type,
                        int64_t content_length);
/* Blocks while the client is slow. −EPIPE when it went away or the server stops. */
int http_response_write(struct http_request *r, const void *data, size_t n);
/* True once the client is gone (for producers that have nothing to write just now). */
bool http_response_client_gone(struct http_request *r);
void http_response_send(struct http_request *r, int status, const char *content_type,
                        struct slice body);
/* A file, honouring Range and If-None-Match; takes over fd. */
void http_response_send_file(struct http_request *r, int fd, const char *content_type,
                             const char *etag);

#endif
