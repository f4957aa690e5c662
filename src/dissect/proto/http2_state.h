/* What http2.c (frames), http2_stream.c (streams and their messages), http2_window.c (flow
 * control), http2_sides.c (who is the client), http2_tunnel.c, http2_emit.c (how calls end) and
 * http2_entry.c (fields) share about one connection.
 *
 * Memory: the state is the engine's, a stream lives in its entry's arena. Thread: that of the
 * connection. */
#ifndef TRAWL_DISSECT_PROTO_HTTP2_STATE_H
#define TRAWL_DISSECT_PROTO_HTTP2_STATE_H

#include "dissect/proto/grpc_entry.h"
#include "dissect/proto/hpack.h"
#include "dissect/proto/http2_frame.h"
#include "dissect/proto/http_entry.h"

enum {
    HTTP2_BUCKETS = 256,
    HTTP2_CLOSED_KEPT = 64, /* ids whose late frames are known to be late */
    HTTP2_DEFAULT_WINDOW = 65535
};

enum http2_error_code { /* RFC 9113 section 7 */
    HTTP2_NO_ERROR = 0,
    HTTP2_REFUSED_STREAM = 7,
    HTTP2_CANCEL = 8
};

/* Flow control of the DATA that one direction sends on one stream. */
struct http2_flow {
    int64_t window;
    int64_t zero_since_ns;   /* 0: it is not */
    int64_t waited_ns;       /* at zero, since the last DATA */
    int64_t connection_mark; /* http2_window.stalled_ns when it could last send */
    int64_t stalled_ns;
};

struct http2_stream {
    struct http2_stream *next_in_bucket;
    struct http2_stream *older, *newer;
    uint32_t id;
    struct dissect_entry *entry;
    struct http_message message[2]; /* by direction; a promised request is the client's */
    struct http2_flow flow[2];      /* by direction of DATA */
    struct slice connect_protocol;  /* RFC 8441 */
    bool pushed;
    bool window_start; /* it began before the recording */
    bool after_loss;   /* its beginning may have been lost */
    bool unknown_fields;
    bool is_lone; /* answered, but its request has not been read */
    bool goaway;
    bool is_lingering; /* answered and reset, but the rest of its request may be on its way */
    bool has_reset;
    enum dissect_dir reset_by;
    uint32_t reset_code;
    int64_t reset_ns;
};

/* A stream that carries a connection (http2_tunnel.c). In the connection's arena. */
struct http2_tunnel {
    struct http2_tunnel *next;
    uint32_t id;
    struct dissect_layer *layer;
    bool ended[2]; /* by direction */
    bool is_websocket;
};

/* Flow control of the DATA that one direction sends on the connection. */
struct http2_window {
    int64_t window, initial; /* of the connection; of new streams */
    int64_t zero_since_ns;
    int64_t stalled_ns; /* so far */
};

enum http2_phase {
    HTTP2_AT_PREFACE, /* client */
    HTTP2_AT_FRAME,
    HTTP2_IN_PAYLOAD,
    HTTP2_LOST /* looking for the next frame */
};

struct http2_side {
    enum http2_phase phase;
    struct http2_frame frame;
    uint32_t left, padding;      /* of its payload */
    struct http2_stream *at;     /* whose frame it is; NULL: nobody's, or the connection's */
    struct http2_tunnel *tunnel; /* or whose */
    struct hpack_decoder hpack;
    /* A header block (HEADERS or PUSH_PROMISE and its CONTINUATIONs). */
    bool in_block, block_ends_stream, block_is_promise;
    uint32_t block_stream_id;
    struct http2_stream *block_stream; /* NULL: decoded for the table's sake only */
    struct gather block;               /* in the connection's arena, used again and again */
    bool had_gap;                      /* since the last stream began */
    bool lost_some;                    /* ever */
    bool spoke;
    /* While it is not known who is the client (http2_sides.c). */
    uint64_t judged;   /* stream offset of the first frame that was not looked at */
    uint32_t last_id;  /* of its last HEADERS or DATA */
    int likely_client; /* frames that a client is likely to send, less those of a server */
    bool ended;
};

struct http2_state {
    struct http2_side side[2];     /* by direction */
    struct http2_window window[2]; /* by direction of DATA */
    bool windows_known;            /* every frame that counts was seen */
    struct http2_stream *buckets[HTTP2_BUCKETS];
    struct http2_stream *oldest, *newest;
    struct http2_tunnel *tunnels, *free_tunnels;
    uint32_t closed[HTTP2_CLOSED_KEPT];
    uint32_t closed_count;                 /* ever */
    uint32_t first_client_id;              /* seen; 0: none yet */
    uint32_t max_client_id, max_server_id; /* begun so far */
    uint32_t lost_from, lost_to;           /* client ids that may have begun in a gap */
    uint32_t lingering;
    uint32_t lone_done;   /* answered streams whose requests may still come */
    bool goaway;          /* by the server */
    uint32_t max_seen_id; /* of either side, while it is not known who is the client */
    bool sides_known;     /* until then no stream is begun */
    bool sides_guessed;
    bool released; /* in this call: the engine will call again */
};

/* ── http2_sides.c ── */
enum http2_sides {
    HTTP2_SIDES_KNOWN, /* released: return OK at once */
    HTTP2_SIDES_WAIT,  /* nothing tells yet: MORE */
    HTTP2_SIDES_FULL   /* no more is held: the frame in front is nobody's */
};
/* While sides are not known: looks at the frames of a direction that is at a frame. */
enum http2_sides http2_sides_look(struct dissect_conn *conn, struct http2_state *state,
                                  const struct dissect_stream *stream);
/* They are known; `swap`: the engine's server is the client. Gives what the callback returns. */
enum dissect_result http2_sides_release(struct dissect_conn *conn, struct http2_state *state,
                                        bool swap);
/* Both directions are over and nothing told. */
enum dissect_result http2_sides_guess(struct dissect_conn *conn, struct http2_state *state);

/* ── http2_stream.c ── */
struct http2_stream *http2_stream_find(const struct http2_state *state, uint32_t id);
/* The stream that this frame of DATA or HEADERS belongs to, begun when it is new; NULL: one that is
 * over, or none that can be told. */
struct http2_stream *http2_stream_of(struct dissect_conn *conn, struct http2_state *state,
                                     enum dissect_dir dir, const struct http2_frame *frame);
/* The stream that a PUSH_PROMISE announces; NULL when it cannot be. */
struct http2_stream *http2_stream_promised(struct dissect_conn *conn, struct http2_state *state,
                                           uint32_t id);
/* Stream 1 of an upgraded connection. */
struct http2_stream *http2_stream_upgraded(struct dissect_conn *conn, struct http2_state *state);
/* The span that a frame of this direction adds to. */
struct dissect_span *http2_span(struct http2_stream *s, enum dissect_dir dir);
/* The header block of the side is whole: it becomes headers, trailers, a promise, or nothing. */
void http2_block_done(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir);
/* Whether nothing is known of what this direction carries, because its header fields (or some of
 * them) are not; and that it is gRPC after all, as its first DATA frame shows. */
bool http2_may_be_grpc(const struct http2_stream *s, enum dissect_dir dir);
void http2_guess_grpc(struct http2_stream *s, enum dissect_dir dir);
void http2_body(struct dissect_conn *conn, struct http2_stream *s, enum dissect_dir dir,
                struct slice bytes);
/* The direction will not send on the stream any more; the call leaves when both will not. */
void http2_end_stream(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                      struct http2_stream *s);
void http2_reset(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                 uint32_t id, uint32_t code);
void http2_goaway(struct dissect_conn *conn, struct http2_state *state, enum dissect_dir dir,
                  uint32_t last_id);
/* Bytes of the direction are lost, and frames may be among them. */
void http2_mark_loss(struct http2_state *state, enum dissect_dir dir);
/* Takes the stream out of the table; its number counts as closed. */
void http2_stream_forget(struct http2_state *state, const struct http2_stream *s);

/* ── http2_tunnel.c ── */
/* The stream was answered. True: from here on it is a tunnel, its call has left. */
bool http2_tunnel_begin(struct dissect_conn *conn, struct http2_state *state,
                        struct http2_stream *s);
struct http2_tunnel *http2_tunnel_find(const struct http2_state *state, uint32_t id);
/* The direction sends no more into it. */
void http2_tunnel_end(struct http2_state *state, enum dissect_dir dir, struct http2_tunnel *t);
/* RST_STREAM from the direction. */
void http2_tunnel_reset(struct http2_state *state, enum dissect_dir dir, struct http2_tunnel *t);
/* Frames of the direction are missing, perhaps of every tunnel. */
void http2_tunnel_lose(struct http2_state *state, enum dissect_dir dir);

/* ── http2_emit.c ── */
/* Sends a call off. `over`: the connection ended as `end` says. */
void http2_emit(struct dissect_conn *conn, struct http2_state *state, struct http2_stream *s,
                bool over, enum dissect_end end);

/* ── http2_window.c (RFC 9113 section 5.2) ── */
void http2_window_init(struct http2_state *state, bool known);
void http2_window_begin(const struct http2_state *state, struct http2_stream *s);
void http2_window_data(struct http2_state *state, enum dissect_dir dir, struct http2_stream *s,
                       uint32_t len, int64_t now_ns);
/* WINDOW_UPDATE sent by `from`; s NULL: of the connection. */
void http2_window_update(struct http2_state *state, enum dissect_dir from, struct http2_stream *s,
                         uint32_t increment, int64_t now_ns);
/* SETTINGS_INITIAL_WINDOW_SIZE sent by `from`. */
void http2_window_initial(struct http2_state *state, enum dissect_dir from, uint32_t size,
                          int64_t now_ns);
/* How long DATA of the stream waited for a window, in ns. */
int64_t http2_window_stalled(const struct http2_state *state, const struct http2_stream *s,
                             int64_t now_ns);

/* ── http2_entry.c ── */
enum {
    HTTP2_FIELD_COUNT = 7
};
extern const struct field_def http2_fields[HTTP2_FIELD_COUNT];
/* gRPC's when the stream is gRPC's, else HTTP's: "ok" or "error". */
const char *http2_status(const struct http2_stream *s);
bool http2_deadline_exceeded(const struct http2_stream *s);
void http2_fill_entry(struct dissect_conn *conn, const struct http2_state *state,
                      struct http2_stream *s);

#endif
