/* What a WebSocket's handshake over HTTP/1 (RFC 6455) or HTTP/2 (RFC 8441) tells ws.c of the whole
 * connection. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_HTTP_WEBSOCKET_H
#define TRAWL_DISSECT_PROTO_HTTP_WEBSOCKET_H

#include "dissect/proto/http_entry.h"

/* A line each: host, path, subprotocol, extensions; in the arena. Empty without memory. */
struct slice http_websocket_params(struct arena *arena, const struct http_message *request,
                                   const struct http_message *response);

#endif
