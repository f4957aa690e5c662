/* The wire format of one HTTP/1 message (RFC 9112): first line, header block, framing. Memory lives
 * in the arena that is given. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP1_MESSAGE_H
#define TRAWL_DISSECT_PROTO_HTTP1_MESSAGE_H

#include "dissect/proto/http_entry.h"

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH,
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE,
    HTTP1_BROKEN /* where the body ends cannot be known (RFC 9112 section 6.3) */
};

/* "METHOD SP target SP HTTP/x.y" with or without its line end. False when it is none.
 * HTTP/0.9's "GET /path" gives the version "0.9". */
bool http1_parse_request_line(struct slice line, struct http_message *ret_message);
bool http1_parse_status_line(struct slice line, struct http_message *ret_message);
bool http1_is_known_method(struct slice method);
bool http1_is_token_char(uint8_t c);

/* Splits the header block (`head`) into name and value, joins repeated names. */
void http1_parse_headers(struct http_message *message, struct arena *arena);
/* Splits `head`, which now holds trailer lines, and adds those whose names are not headers yet
 * (RFC 9110 section 6.5.1: a trailer never replaces a header). */
void http1_parse_trailers(struct http_message *message, struct arena *arena);
/* RFC 9112 section 6.3, in its order. `request` is the request that is answered, or NULL. */
enum http1_framing http1_request_framing(struct http_message *message);
enum http1_framing http1_response_framing(struct http_message *message,
                                          const struct http_message *request);

#endif
