/* What http1.c (reading), http1_body.c (bodies), http1_exchange.c (pairing) and http1_find.c
 * (recognising) share about one connection. Memory: the state is the engine's, exchanges live in
 * their entry's arena. */
#ifndef TRAWL_DISSECT_PROTO_HTTP1_STATE_H
#define TRAWL_DISSECT_PROTO_HTTP1_STATE_H

#include "dissect/proto/grpc_entry.h"
#include "dissect/proto/http1_message.h"

enum {
    /* A first line that follows other bytes on its line: looked for in that many bytes before its
     * end. */
    HTTP1_SEARCH_WINDOW = 16 * 1024
};

enum phase {
    PHASE_START, /* between messages */
    PHASE_HEAD,
    PHASE_LENGTH,
    PHASE_CHUNK_SIZE,
    PHASE_CHUNK_DATA,
    PHASE_CHUNK_END,
    PHASE_TRAILERS,
    PHASE_UNTIL_CLOSE,
    PHASE_WAIT,  /* client: the answer decides what the next bytes are (CONNECT, Upgrade) */
    PHASE_LOST,  /* looking for the next first line */
    PHASE_BROKEN /* framing that cannot be read: the rest is no message (RFC 9112 section 6.3) */
};

struct exchange {
    struct exchange *next;
    struct dissect_entry *entry;
    struct http_message request, response;
    bool expects_continue, wants_switch;
    bool after_loss; /* a response whose request may have been lost */
    bool window_start;
    bool unpaired;    /* its answer cannot be told from others */
    bool answer_lost; /* it may be in a gap */
};

struct side {
    enum phase phase;
    uint64_t scanned;    /* no line end before this stream offset */
    uint64_t left;       /* of the body or chunk */
    size_t line_len;     /* of the header line being read */
    uint8_t line_start;  /* its first byte */
    struct exchange *at; /* whose message is being read */
    bool interim;        /* it is a 1xx */
    bool ended_by_peer;
    bool lost_some; /* since the last message that was found again */
};

struct http1_state {
    struct side side[2]; /* by enum dissect_dir */
    struct exchange *oldest, *newest;
    bool any_entry;
    bool pipelines;
    bool unsure;
    bool any_request;
    bool request_lost;     /* it may be in a gap, and no answer has come since */
    bool any_request_lost; /* or was before the recording */
    bool client_held;      /* it has bytes behind a CONNECT or Upgrade */
    bool client_full;      /* its next request waits until a call is answered */
    bool client_next;      /* one was: it can be read now */
    bool swapped;          /* in this call: the engine will call again */
};

struct http_message *http1_message_of(struct exchange *x, enum dissect_dir dir);
struct exchange *http1_oldest_unanswered(const struct http1_state *state);
/* The message whose first line was parsed begins. False: no room for another call now. may_wait:
 * there is room when calls are answered; else those that wait for an answer leave without one. */
bool http1_begin_request(struct dissect_conn *conn, struct http1_state *state,
                         const struct http_message *line, bool may_wait);
bool http1_begin_response(struct dissect_conn *conn, struct http1_state *state,
                          const struct http_message *line);
/* The message that this direction reads is over; the call leaves when both are. */
void http1_message_done(struct dissect_conn *conn, struct http1_state *state, enum dissect_dir dir);
/* What comes next cannot be known: a message in hand ends here. After a gap, and between messages,
 * the next first line is looked for; behind broken framing nothing is trusted any more. */
void http1_lose_side(struct dissect_conn *conn, struct http1_state *state, enum dissect_dir dir,
                     bool is_gap);
void http1_check(struct dissect_conn *conn, struct http1_state *state, struct exchange *x);
/* Sends the call off. `over`: the connection ended as `end` says. */
void http1_emit(struct dissect_conn *conn, struct http1_state *state, struct exchange *x, bool over,
                enum dissect_end end);

/* ── http1_body.c ── */
/* The span of the message in hand; NULL: none, or one that is not kept. */
struct dissect_span *http1_span_of(const struct side *side, enum dissect_dir dir);
struct arena *http1_arena_of(const struct side *side);
/* The length of the line that starts the stream, its end included; 0 when it is not whole. */
size_t http1_whole_line(struct side *side, const struct dissect_stream *stream);
/* Consumes n bytes into the message in hand. */
void http1_take(struct dissect_conn *conn, struct side *side, struct dissect_stream *stream,
                size_t n);
/* What stands in the stream belongs to a body: PHASE_LENGTH, PHASE_CHUNK_…, PHASE_UNTIL_CLOSE. */
enum dissect_result http1_read_body(struct dissect_conn *conn, struct http1_state *state,
                                    struct dissect_stream *stream);

/* Where in the line (its end included) a first line begins; SIZE_MAX: nowhere. */
size_t http1_find_request_line(struct slice line);
size_t http1_find_status_line(struct slice line);
/* A first line found by search counts when a header line or an empty line follows. */
enum probe_result http1_confirm(struct slice next, bool ended);
enum probe_result http1_probe(const struct probe_input *in);

#endif
