/* A memcached connection, between memcached.c (TCP, text), memcached_binary.c, memcached_udp.c
 * (datagrams) and memcached_probe.c (detection). Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_MEMCACHED_STATE_H
#define TRAWL_DISSECT_PROTO_MEMCACHED_STATE_H

#include "dissect/proto/memcached_call.h"

struct mc_side {
    struct mc_call *call;
    struct mc_header header; /* binary */
    uint64_t left;           /* of the data or body in hand */
    unsigned tail;           /* bytes at its end that are no data */
    size_t scanned;          /* no line end before */
    bool in_data;
    bool has_names;  /* binary: extras and key have been read */
    bool ends_reply; /* text: nothing follows the data */
    bool lost, lost_some;
};

struct mc_state {
    struct mc_side side[2];
    struct mc_call *oldest, *newest; /* wait for their replies */
    struct mc_call *held;            /* answered, while `doubtful` */
    bool is_judged, is_binary;
    bool pipelines, unsure, watches;
    bool doubtful; /* commands from before a loss may still have their replies to come: a call is
                      believed once the client goes on after exactly one reply */
    bool any_entry, any_done;
};

struct mc_call *mc_begin_call(struct dissect_conn *conn, struct mc_state *state);
void mc_append(struct mc_state *state, struct mc_call *call);
/* Keeps the line and what it says in the call. */
void mc_copy_command(struct mc_call *call, struct slice line);

/* ── memcached.c ── */
/* A new command tells what became of those before it. */
void mc_before_command(struct dissect_conn *conn, struct mc_state *state);
/* The command in hand is whole: it waits for its reply, or leaves. */
void mc_command_done(struct dissect_conn *conn, struct mc_state *state, struct mc_call *call);
void mc_reply_done(struct dissect_conn *conn, struct mc_state *state, struct mc_call *call);
/* Sends off the one that has waited longest; there MUST be one. */
void mc_emit_oldest(struct dissect_conn *conn, struct mc_state *state, const char *status,
                    const char *reason);
/* A reply that answers nothing we know. NULL without room. */
struct mc_call *mc_begin_alone(struct dissect_conn *conn, struct mc_state *state);
/* Consumes n bytes of the call in hand. */
void mc_take(struct dissect_conn *conn, struct mc_state *state, struct dissect_stream *stream,
             size_t n);
/* So many bytes of data follow, and `tail` ones that are no data. */
void mc_begin_data(struct mc_side *side, uint64_t bytes, unsigned tail);
/* Part of a value; its tail is not kept. */
void mc_take_data(struct dissect_conn *conn, struct mc_state *state, struct dissect_stream *stream);

/* ── memcached_binary.c ── */
enum dissect_result mc_read_binary(struct dissect_conn *conn, struct mc_state *state,
                                   struct dissect_stream *stream);

/* ── memcached_udp.c, memcached_probe.c ── */
enum dissect_result mc_datagram(struct dissect_conn *conn, struct mc_state *state,
                                struct dissect_stream *stream);
enum probe_result mc_probe(const struct probe_input *in);

#endif
