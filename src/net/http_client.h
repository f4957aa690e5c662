/* HTTP client (libcurl behind it) for the hub → worker, worker → hub and CLI → hub. No redirects
 * are followed; http and https only. Thread: a struct http_client belongs to one thread at a time
 * and reuses its connection. */
#ifndef TRAWL_NET_HTTP_CLIENT_H
#define TRAWL_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"

struct http_client;

struct http_client_options {
    const char *base_url;       /* "http://127.0.0.1:8899", no slash at the end; copied */
    const char *bearer_token;   /* or NULL; copied */
    int64_t connect_timeout_ns; /* 0 = 5 s */
    int64_t
        idle_timeout_ns; /* nothing received for this long; 0 = 30 s; −1 = never (event streams) */
    /* For an answer that goes to memory, from the first byte sent to the last received; 0 = none.
     * A peer that drips is not idle. */
    int64_t answer_timeout_ns;
    long min_bytes_per_s; /* slower for idle_timeout_ns = given up; 0 = 1 */
};

struct http_exchange {
    const char *method;
    const char *path_and_query;
    const char *content_type; /* of body, or NULL */
    struct slice body;        /* whole body in memory */
    int body_fd;              /* or streamed from this descriptor when > 0 */
    const char *range;        /* "0-1023", or NULL */
    /* For the whole of it, connecting included; 0 = as the client's options say. */
    int64_t timeout_ns;
    /* Called with each piece of a 2xx body; returning non-zero stops with −ECANCELED. NULL: the
     * body goes to `response`. */
    int (*on_data)(void *ctx, const uint8_t *data, size_t n);
    void *ctx;
    struct buf *response; /* whole body; problem documents of errors always land here */
    int ret_status;
    int64_t ret_content_length; /* −1 = unknown */
    /* Of the answer's head, also when the exchange broke off later; "" = none. */
    char ret_request_id[64]; /* X-Request-Id */
    char ret_note[512];      /* X-Note */
};

int http_client_new(const struct http_client_options *options, struct http_client **ret_client,
                    struct error *reterr);
void http_client_free(struct http_client *client);
/* 0 whenever an answer came (see ret_status); −ECONNREFUSED, −ETIMEDOUT … with a sentence
 * otherwise. */
int http_client_do(struct http_client *client, struct http_exchange *exchange,
                   struct error *reterr);

#endif
