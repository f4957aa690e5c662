/* What ldap.c (reading) and ldap_pair.c (who answers whom) share about one connection. Memory: the
 * state is the engine's, calls live in their entries' arenas. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_LDAP_STATE_H
#define TRAWL_DISSECT_PROTO_LDAP_STATE_H

#include "dissect/proto/ldap_call.h"

enum {
    LDAP_BUCKETS = 256
};

struct ldap_side {
    struct gather bytes; /* of the response that is being read; reused */
    uint64_t left;       /* of the message */
    struct ldap_call *call;
    struct ldap_head head;
    bool in_message, is_sealed, has_gap, lost;
};

struct ldap_state {
    struct ldap_side side[2];
    struct ldap_call *buckets[LDAP_BUCKETS];
    struct ldap_call *oldest, *newest;
    struct ldap_call *start_tls; /* waits for its answer */
    unsigned waiting, gaps[2];
    /* When the server's first bytes behind its last loss came; 0: not yet, or none. */
    int64_t gap_ns;
    bool gap_ends;      /* those are to come */
    unsigned sasl_step; /* of the bind that comes next; 0: not known */
    bool may_be_sealed; /* a SASL bind succeeded */
    bool any_entry;
};

/* ── ldap_pair.c ── */
/* The call with this message id that waits for its answer; NULL: none. */
struct ldap_call *ldap_find_waiting(struct ldap_state *state, uint32_t id);
/* A call that waits for nothing yet; NULL at a limit. */
struct ldap_call *ldap_begin_call(struct dissect_conn *conn, struct ldap_state *state,
                                  const struct ldap_head *head);
/* The call that a response belongs to; one of its own where its request was not recorded. NULL at a
 * limit. */
struct ldap_call *ldap_call_of_response(struct dissect_conn *conn, struct ldap_state *state,
                                        const struct ldap_head *head);
/* The message in hand is over; the call leaves when it was its last one. */
void ldap_request_done(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call);
void ldap_response_done(struct dissect_conn *conn, struct ldap_state *state,
                        struct ldap_call *call);
/* Bytes of a direction are missing, or cannot be read. */
void ldap_note_loss(struct ldap_state *state, enum dissect_dir dir);
bool ldap_lost_since(const struct ldap_state *state, const struct ldap_call *call,
                     enum dissect_dir dir);
/* Off it goes; nothing points to it any more. Status NULL: by the result. */
void ldap_release(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call,
                  const char *status, const char *reason);
/* Without its last answer; `status` is what it has when nothing was lost. */
void ldap_give_up(struct dissect_conn *conn, struct ldap_state *state, struct ldap_call *call,
                  const char *status, const char *reason);

#endif
