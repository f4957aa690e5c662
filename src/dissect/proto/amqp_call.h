/* One AMQP method with its answer (or one message) between amqp.c, which reads frames, amqp_pair.c
 * and amqp_confirm.c, which pair them, and amqp_entry.c, which fills the entry. It lives in its
 * entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_AMQP_CALL_H
#define TRAWL_DISSECT_PROTO_AMQP_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/amqp_method.h"
#include "dissect/proto/gather.h"

/* What one side said of a call: a method and, perhaps, content. */
struct amqp_part {
    const struct amqp_method *method; /* NULL: not seen */
    struct amqp_arguments arguments;  /* with the properties of the content */
    struct gather body;
    uint64_t body_size, body_seen, body_missing;
    bool has_header;
};

struct amqp_call {
    struct amqp_call *next;
    struct dissect_entry *entry;
    struct amqp_part request, response;
    uint64_t publish_tag; /* 0: no confirm is awaited */
    uint16_t channel;
    bool reversed; /* the server asked */
    bool unsure;   /* its answer may be among what was lost */
};

struct amqp_queue {
    struct amqp_call *oldest, *newest;
};

/* What is known of a channel's confirm mode. */
enum amqp_confirms {
    AMQP_CONFIRMS_NONE,
    AMQP_CONFIRMS_NUMBERED,   /* the number of every publish is known */
    AMQP_CONFIRMS_UNNUMBERED, /* publishes were lost: numbers are not known */
    AMQP_CONFIRMS_UNKNOWN     /* confirm.select may be among what was lost */
};

struct amqp_channel {
    struct amqp_channel *next;    /* in its bucket */
    struct amqp_queue waiting[2]; /* by the side that asked */
    struct amqp_call *content[2]; /* whose content a side is sending */
    bool content_is_response[2];
    struct amqp_queue publishes; /* wait for their confirm, by rising publish_tag */
    uint64_t next_tag;
    uint32_t held;  /* publishes, while nobody knows whether they are confirmed */
    uint32_t alone; /* publishes that were confirmed before the next one */
    uint16_t number;
    enum amqp_confirms confirms;
    bool pipelines; /* publishes before the last one is confirmed */
};

enum {
    AMQP_BUCKETS = 64,
    AMQP_MAX_CHANNELS = 2048,
    AMQP_MAX_WAITING = 256, /* synchronous methods of a connection */
    AMQP_MAX_UNCONFIRMED =
        640 /* publishes of a connection; the oldest then leaves without confirm */
};

struct amqp_side {
    bool lost;                         /* looking for a frame */
    struct amqp_channel *body_channel; /* of the body frame that is being read */
    uint32_t body_left;
    bool in_body;
};

struct amqp_state {
    struct amqp_side side[2];
    struct amqp_channel *buckets[AMQP_BUCKETS];
    struct amqp_call *header; /* protocol header that waits for the server */
    uint32_t channels, waiting, unconfirmed;
    bool is_other; /* AMQP 1.0 or 0-10: recognised, not read */
    bool any_entry, any_method, any_gap, lost_requests;
};

/* ── amqp_pair.c ── */

struct amqp_frame_in {
    enum dissect_dir dir;
    uint16_t channel;
    struct slice payload; /* borrowed from the stream */
    size_t bytes;         /* of the whole frame */
};

/* A whole method or content header frame; takes it from the stream. */
void amqp_on_method(struct dissect_conn *conn, struct amqp_state *state,
                    struct dissect_stream *stream, const struct amqp_frame_in *frame,
                    const struct amqp_method *method);
void amqp_on_header(struct dissect_conn *conn, struct amqp_state *state,
                    struct dissect_stream *stream, const struct amqp_frame_in *frame);
/* Bytes of body frames, their heads and ends included (`is_payload` tells the body itself). */
void amqp_on_body(struct dissect_conn *conn, struct amqp_state *state,
                  struct dissect_stream *stream, struct amqp_channel *channel, size_t n,
                  bool is_payload);
/* The end of a body frame: perhaps of the message. */
void amqp_body_ends(struct dissect_conn *conn, struct amqp_state *state,
                    struct amqp_channel *channel, enum dissect_dir dir);
/* NULL when there are too many. */
struct amqp_channel *amqp_channel_at(struct dissect_conn *conn, struct amqp_state *state,
                                     uint16_t number);
/* `missing` bytes inside a body of `channel` were not recorded. */
void amqp_body_gap(struct amqp_channel *channel, enum dissect_dir dir, uint64_t missing);
/* Bytes of a side are missing somewhere. */
void amqp_on_gap(struct dissect_conn *conn, struct amqp_state *state, enum dissect_dir dir);
void amqp_on_close(struct dissect_conn *conn, struct amqp_state *state, enum dissect_end end);
struct amqp_call *amqp_begin(struct dissect_conn *conn, struct amqp_state *state, uint16_t channel,
                             bool reversed);

void amqp_append(struct amqp_queue *queue, struct amqp_call *call);
/* Takes `call`, which stands behind `before` (NULL: first). */
void amqp_unlink(struct amqp_queue *queue, struct amqp_call *before, struct amqp_call *call);
/* The same frame answers more than one call: the copy's packets are in `arena`. */
void amqp_copy_span(struct dissect_span *from, struct dissect_span *to, struct arena *arena);

/* ── amqp_confirm.c ── */

/* confirm.select, or its answer (`is_numbered`: and the request was seen). */
void amqp_confirm_select(struct amqp_channel *channel, bool is_numbered);
/* A whole message of the client: it waits for its confirm or leaves. */
void amqp_published(struct dissect_conn *conn, struct amqp_state *state,
                    struct amqp_channel *channel, struct amqp_call *call);
/* basic.ack or basic.nack of the server; takes it from the stream. False, nothing taken: the
 * channel confirms nothing. */
bool amqp_confirm(struct dissect_conn *conn, struct amqp_state *state,
                  struct dissect_stream *stream, const struct amqp_frame_in *frame,
                  const struct amqp_method *method);
void amqp_confirms_gap(struct amqp_channel *channel, enum dissect_dir dir);
/* Nothing will be confirmed any more: what waits leaves with this status. */
void amqp_confirms_end(struct dissect_conn *conn, struct amqp_state *state,
                       struct amqp_channel *channel, const char *status, const char *reason);

/* ── amqp_entry.c ── */

enum {
    AMQP_FIELD_COUNT = 16
};

extern const struct field_def amqp_fields[AMQP_FIELD_COUNT];

/* Fills the entry and sends it off. status NULL: from what was said. */
void amqp_emit(struct dissect_conn *conn, struct amqp_call *call, const char *status,
               const char *reason);
/* The protocol header of `version` ("AMQP 1.0") and what the server answered with. */
void amqp_emit_header(struct dissect_conn *conn, struct amqp_call *call, struct slice asked,
                      struct slice answered, const char *status, const char *reason);

#endif
