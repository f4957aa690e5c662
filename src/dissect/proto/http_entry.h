/* What all HTTP versions share: one message as RFC 9110 sees it, its header fields, and the way
 * from two messages to the fields of an entry (filter.md, row HTTP): URL, query, cookies, trace
 * ids, decoded bodies, summary. Used by http1*.c and http2*.c, which read their own framing.
 *
 * All memory lives in the entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP_ENTRY_H
#define TRAWL_DISSECT_PROTO_HTTP_ENTRY_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"

struct grpc_reader;

struct http_message {
    struct slice method, target;    /* request; the target as RFC 9112 section 3.2 has it */
    struct slice scheme, authority; /* request, HTTP/2: the pseudo-header fields */
    int status_code;                /* response; 0 = none (HTTP/0.9) */
    struct slice version;           /* "1.1", "0.9", "2" */
    struct gather head;             /* HTTP/1: header lines, without the first; later: trailers */
    uint64_t head_size;             /* on the wire, all of it */
    struct entry_pair *headers;     /* lower-case names, each once */
    size_t header_count;
    struct gather body;       /* as on the wire, without framing */
    struct grpc_reader *grpc; /* reads the body instead; NULL: it is not gRPC */
    uint64_t body_size;
    uint64_t content_length;
    unsigned framing; /* HTTP/1: enum http1_framing */
    bool begun, head_done, done;
    bool truncated;    /* a cap was hit */
    bool lacks_fields; /* HTTP/2: of some only the index is known */
    bool has_gap;      /* bytes inside are missing: the body is kept up to there */
    bool cut_short;    /* so many are missing that its end was not seen */
    bool has_errors;   /* response: it says so itself, whatever its status code (GraphQL) */
    bool body_is_text; /* body is what to show, whatever content-encoding says */
};

/* Pairs of the same key become one, values joined with ", " (set-cookie: a new line), in the place
 * of the first. Returns how many are left. */
size_t http_join_repeats(struct arena *arena, struct entry_pair *pairs, size_t count);
/* Adds those trailers whose names are not headers yet (RFC 9110 section 6.5.1: a trailer never
 * replaces a header). */
void http_add_trailers(struct http_message *message, struct arena *arena,
                       const struct entry_pair *trailers, size_t count);
/* An absent header gives SLICE_NONE. `name` is lower case. */
struct slice http_header(const struct http_message *message, const char *name);
/* Cuts the next element off a comma-separated list; false at its end. */
bool http_next_element(struct slice *list, struct slice *ret_element);
/* True when the comma-separated list `value` has `token` (case ignored). */
bool http_list_has(struct slice value, const char *token);
/* Percent-decoding; '+' becomes a space where `form` says that it is one. Borrows the text when
 * there is nothing to decode. */
struct slice http_percent_decode(struct arena *arena, struct slice text, bool form);

/* "ok" or "error" (dissection.md): 5xx is an error, and so are the errors of GraphQL. */
const char *http_status_by_code(const struct http_message *response);
/* Sets every field of the entry that follows from the two messages, but status. */
void http_fill_entry(struct dissect_conn *conn, struct dissect_entry *entry,
                     struct http_message *request, struct http_message *response);

#endif
