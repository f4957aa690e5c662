/* Shared by http_server.c (start, stop), http_exchange.c (libmicrohttpd's side of a
 * request), http_request.c and http_response.c (the handler's side). Private to src/net. */
#ifndef TRAWL_NET_HTTP_INTERNAL_H
#define TRAWL_NET_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>

#include "base/arena.h"
#include "net/http_connections.h"
#include "net/http_server.h"

enum {
    HTTP_MAX_HEADERS = 100,
    HTTP_MAX_QUERY = 100,
    HTTP_MAX_RESPONSE_HEADERS = 32,
    HTTP_MAX_HEADER_BYTES = 32 * 1024,
    HTTP_REQUEST_MEMORY = 256 * 1024,
    HTTP_PIECE_BYTES = 64 * 1024
};

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
    struct http_connections *connections;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct http_request *requests;
    unsigned active; /* handlers running */
    bool stopping;
};

struct http_pair {
    const char *name, *value;
};

struct http_request {
    struct http_server *server;
    struct http_request *next, *prev; /* of the server's list */
    struct MHD_Connection *connection;
    int fd; /* the connection's, for asking whether the client is gone */
    struct arena arena;
    const char *method, *path, *raw_uri;
    struct http_pair headers[HTTP_MAX_HEADERS];
    size_t header_count;
    struct http_pair query[HTTP_MAX_QUERY];
    size_t query_count;
    int64_t content_length; /* −1 = none given */
    bool has_body, head;
    char peer[80];

    pthread_t thread;
    bool thread_started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t to_handler, to_connection;
    bool wants_body, in_end;
    const uint8_t *in;
    size_t in_len;
    const uint8_t *out;
    size_t out_len;
    bool begun, done, aborted, gone;
    int64_t drained_bytes;

    /* response */
    int status;
    const char *content_type;
    int64_t response_length, written_bytes;
    struct http_pair response_headers[HTTP_MAX_RESPONSE_HEADERS];
    size_t response_header_count;
};

/* Splits and decodes raw_uri into path and query. -EINVAL with a sentence: bad escapes, NUL, too
 * many members. */
int http_request_parse_uri(struct http_request *r, struct error *reterr);

/* ── http_listen.c ── */

/* "host:port" or "[host]:port", numeric or localhost. -EINVAL, -EADDRINUSE … with a sentence. */
int http_listen_open(const char *listen_at, int *ret_fd, uint16_t *ret_port, struct error *reterr);

/* ── http_exchange.c: what libmicrohttpd calls, with the server as cls, on the connection's thread
 * ── */

void http_exchange_on_log(void *cls, const char *format, va_list arguments);
void *http_exchange_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
size_t http_exchange_keep_escapes(void *cls, struct MHD_Connection *connection, char *text);
void http_exchange_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                                enum MHD_RequestTerminationCode why);
enum MHD_Result http_exchange_on_request(void *cls, struct MHD_Connection *connection,
                                         const char *url, const char *method, const char *version,
                                         const char *upload_data, size_t *upload_size,
                                         void **con_cls);

#endif
