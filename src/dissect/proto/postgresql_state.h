/* A PostgreSQL connection, between postgresql.c (streams, detection), postgresql_exchange.c (what
 * the client asks) and postgresql_answer.c (what the server answers to whom). Thread: that of the
 * connection. */
#ifndef TRAWL_DISSECT_PROTO_POSTGRESQL_STATE_H
#define TRAWL_DISSECT_PROTO_POSTGRESQL_STATE_H

#include "dissect/proto/postgresql_call.h"

/* What a statement's param_count says of its description. */
enum pg_told {
    PG_TYPES_TOLD = 1,
    PG_COLUMNS_TOLD = 2,
    PG_DESCRIPTION_LOST = 4 /* some of it was sent and not seen */
};

struct pg_side {
    struct pg_call *call; /* whose message is read; NULL: nobody's */
    uint32_t left;        /* bytes of the message that have not come */
    uint8_t type;
    bool in_message;
    bool content_done; /* its content has been looked at, the rest is passed over */
    bool lost;         /* looking for the next message */
    bool lost_some;    /* since the last message that was found again */
};

struct pg_state {
    struct pg_side side[2];
    struct pg_call *oldest, *newest; /* calls that wait for their answers, in order */
    struct pg_call *building;        /* the client may still add to it */
    struct pg_call *alone;           /* an answer whose request was not seen */
    struct sql_statements statements;
    struct pg_identity who;
    uint32_t startup_code;
    bool client_judged;    /* its first bytes are known to be a startup packet, or not */
    bool in_startup;       /* the client's next packet has no type */
    bool encrypted;        /* by GSSAPI: nothing can be read */
    bool pipelines;        /* the client once asked before it had its answer */
    bool batches;          /* … before a Sync */
    bool is_ready;         /* the server's last message was ReadyForQuery */
    bool unsure;           /* whose answer is whose cannot be told any more */
    bool skipping;         /* after an error the server ignores all up to Sync */
    bool names_lost;       /* statements may have been named that were not seen */
    bool silent_since_gap; /* the server said nothing since some of the client's bytes were lost */
    bool any_request, any_entry;
};

/* Whose message of this type begins? False: wait (too many entries are open). *ret_call NULL:
 * nobody's. */
bool pg_client_begins(struct dissect_conn *conn, struct pg_state *state, uint8_t type,
                      struct pg_call **ret_call);
bool pg_server_begins(struct dissect_conn *conn, struct pg_state *state, uint8_t type,
                      struct pg_call **ret_call);
/* A startup packet; type 0. */
bool pg_startup_begins(struct dissect_conn *conn, struct pg_state *state, uint32_t code,
                       struct pg_call **ret_call);

/* The content of the message, whole or its beginning (`cut`). */
void pg_client_content(struct dissect_conn *conn, struct pg_state *state, struct slice body,
                       bool cut);
void pg_server_content(struct dissect_conn *conn, struct pg_state *state, struct slice body,
                       bool cut);
/* The message has ended: what follows from it. */
void pg_client_ends(struct dissect_conn *conn, struct pg_state *state);
void pg_server_ends(struct dissect_conn *conn, struct pg_state *state);

/* The one byte that answers SSLRequest and GSSENCRequest. */
void pg_encryption_answered(struct dissect_conn *conn, struct pg_state *state, uint8_t answer);

/* ── calls ── */

/* NULL: too many entries are open. command: static, or NULL for the statement's verb. */
struct pg_call *pg_begin_call(struct dissect_conn *conn, struct pg_state *state,
                              const char *command);
/* The call leaves; nothing refers to it afterwards. It stands in no list any more. */
void pg_send_off(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call,
                 const char *status, const char *reason);
void pg_emit_oldest(struct dissect_conn *conn, struct pg_state *state);
void pg_emit_alone(struct dissect_conn *conn, struct pg_state *state);
bool pg_has_step(const struct pg_call *call, enum pg_step step);
/* Emits the call when it is the oldest and all its steps are answered. */
void pg_finish_if_done(struct dissect_conn *conn, struct pg_state *state, struct pg_call *call);
/* Everything that waits leaves without its answer. */
void pg_give_up(struct dissect_conn *conn, struct pg_state *state);
/* The answers to all that waits lack something. */
void pg_damage_waiting(struct pg_state *state);
/* Names may mean something else by now. */
void pg_forget_names(struct pg_state *state);
/* A direction lost its place: what waits cannot be trusted. */
void pg_lost(struct dissect_conn *conn, struct pg_state *state, enum dissect_dir dir);

#endif
