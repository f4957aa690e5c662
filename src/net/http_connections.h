/* Who is connected to the HTTP server, and who has to go: the limits of connections in all and of
 * one address, and the deadline of those that say nothing.
 *
 * At a limit the newcomer gets the place of one that only waits: first of those that never sent a
 * request, then of those kept open between two requests, then of those whose request's body does
 * not come; the longest waiting first. A connection whose request is being handled is never cut for
 * another: when all are, the newcomer goes. So nobody is locked out by connections that are merely
 * held open. Private to src/net. Thread: any, the list has its own lock; a connection is given back
 * by http_connections_remove before its descriptor is closed.
 */
#ifndef TRAWL_NET_HTTP_CONNECTIONS_H
#define TRAWL_NET_HTTP_CONNECTIONS_H

#include <stdint.h>
#include <sys/socket.h>

enum {
    /* Connections that were cut live on for a moment, until their threads have noticed. */
    HTTP_CONNECTIONS_ENDING = 64
};

enum http_connection_state {
    HTTP_CONNECTION_NEW,  /* its first headers are awaited */
    HTTP_CONNECTION_KEPT, /* the next request's headers are awaited */
    HTTP_CONNECTION_BODY, /* a request's body is awaited */
    HTTP_CONNECTION_BUSY, /* a request is being handled or answered */
    HTTP_CONNECTION_CUT
};

struct http_connection;
struct http_connections;

struct http_connections_limits {
    unsigned all, per_address;
    int64_t new_ns, kept_ns; /* how long headers are awaited */
};

/* −ENOMEM or −EAGAIN. */
int http_connections_new(const struct http_connections_limits *limits,
                         struct http_connections **ret_connections);
/* Ends the watching of deadlines; the list remains usable. */
void http_connections_stop(struct http_connections *connections);
/* After stop, when nobody is connected any more. */
void http_connections_free(struct http_connections *connections);

/* A new connection, which may be cut at once. NULL without memory. */
struct http_connection *http_connections_add(struct http_connections *connections, int fd,
                                             const struct sockaddr *address);
void http_connections_remove(struct http_connections *connections,
                             struct http_connection *connection);
/* NULL is allowed. */
void http_connections_set(struct http_connections *connections, struct http_connection *connection,
                          enum http_connection_state state);

#endif
