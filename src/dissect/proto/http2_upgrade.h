/* The request that asked for h2c (RFC 7540 section 3.2) on its way from HTTP/1 to stream 1: what
 * http1_exchange.c gives to dissect_switch_with and http2.c reads again. Made and read by one
 * process, never by a peer. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP2_UPGRADE_H
#define TRAWL_DISSECT_PROTO_HTTP2_UPGRADE_H

#include "dissect/proto/http_entry.h"

/* Whether this is an upgrade to h2c that the server took. */
bool http2_is_upgrade(const struct http_message *request, const struct http_message *response);
/* In the arena; empty without memory. */
struct slice http2_upgrade_pack(struct arena *arena, const struct http_message *request,
                                const struct dissect_span *span);
/* False when there is none. Copies all into the arena. */
bool http2_upgrade_unpack(struct slice packed, struct arena *arena,
                          struct http_message *ret_request, struct dissect_span *ret_span);
/* SETTINGS_INITIAL_WINDOW_SIZE of the HTTP2-Settings header, or -1. */
int64_t http2_upgrade_window(const struct http_message *request);

#endif
