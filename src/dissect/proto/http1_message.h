/* One HTTP/1 message (RFC 9112) between its bytes and its entry: used by http1.c only. All memory
 * lives in the entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP1_MESSAGE_H
#define TRAWL_DISSECT_PROTO_HTTP1_MESSAGE_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH,
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE,
    HTTP1_BROKEN /* where the body ends cannot be known (RFC 9112 section 6.3) */
};

struct http1_message {
    /* first line */
    struct slice method, target; /* request */
    int status_code;             /* response; 0 = none (HTTP/0.9) */
    struct slice version;        /* "1.1", "0.9" */
    /* header block */
    struct gather head; /* header lines, without the first line; later: trailer lines */
    uint64_t head_size; /* on the wire, first and empty line included */
    struct entry_pair *headers;
    size_t header_count;
    /* body */
    struct gather body; /* as on the wire, chunk framing removed */
    uint64_t body_size;
    uint64_t content_length;
    enum http1_framing framing;
    bool begun, head_done, done;
    bool truncated; /* a cap was hit */
    bool has_gap;   /* bytes inside are missing: the body is kept up to there */
    bool cut_short; /* so many are missing that its end was not seen */
};

/* "METHOD SP target SP HTTP/x.y" with or without its line end. False when it is none.
 * HTTP/0.9's "GET /path" gives the version "0.9". */
bool http1_parse_request_line(struct slice line, struct http1_message *ret_message);
bool http1_parse_status_line(struct slice line, struct http1_message *ret_message);
bool http1_is_known_method(struct slice method);
bool http1_is_token_char(uint8_t c);

/* Splits the header block (`head`) into name and value, joins repeated names. */
void http1_parse_headers(struct http1_message *message, struct arena *arena);
/* Splits `head`, which now holds trailer lines, and adds those whose names are not headers yet
 * (RFC 9110 section 6.5.1: a trailer never replaces a header). */
void http1_parse_trailers(struct http1_message *message, struct arena *arena);
/* Pairs of the same key become one, values joined with ", " (set-cookie: a new line), in the place
 * of the first. Returns how many are left. */
size_t http1_join_repeats(struct arena *arena, struct entry_pair *pairs, size_t count);
/* An absent header gives SLICE_NONE. `name` is lower case. */
struct slice http1_header(const struct http1_message *message, const char *name);
/* True when the comma-separated list `value` has `token` (case ignored). */
bool http1_list_has(struct slice value, const char *token);

/* RFC 9112 section 6.3, in its order. `request` is the request that is answered, or NULL. */
enum http1_framing http1_request_framing(struct http1_message *message);
enum http1_framing http1_response_framing(struct http1_message *message,
                                          const struct http1_message *request);

/* Sets every field of the entry that follows from the two messages, but status. */
void http1_fill_entry(struct dissect_conn *conn, struct dissect_entry *entry,
                      struct http1_message *request, struct http1_message *response);

#endif
