/* What smtp.c (reading both directions) and smtp_pair.c (who answers whom) share about one
 * connection. Memory: the state is the engine's, a call lives in its entry's arena. Thread: that of
 * the connection. */
#ifndef TRAWL_DISSECT_PROTO_SMTP_STATE_H
#define TRAWL_DISSECT_PROTO_SMTP_STATE_H

#include "dissect/proto/smtp_call.h"

enum smtp_phase {
    PHASE_LINE,
    PHASE_WAIT,    /* client: the reply to DATA, AUTH or STARTTLS says what follows */
    PHASE_CONTENT, /* client: behind 354 */
    PHASE_CHUNK,   /* client: behind BDAT */
    PHASE_SECRET,  /* client: an answer to a challenge of AUTH */
    PHASE_SEEK     /* a line that cannot be anything else is looked for */
};

enum match { /* how much of CRLF "." CRLF was seen */
    IN_LINE,
    SEEN_CR,
    LINE_BEGIN,
    SEEN_DOT,
    SEEN_DOT_CR,
    CONTENT_END
};

struct smtp_side {
    enum smtp_phase phase;
    uint64_t scanned; /* no line end before this stream offset */
};

struct smtp_state {
    struct smtp_side side[2];
    struct smtp_call *oldest, *newest; /* not answered yet */
    size_t waiting;
    struct smtp_call *at; /* whose content the client is sending, or whose reply it waits for */
    struct smtp_call *answering; /* whose reply is being read: the oldest, or one of nobody */
    uint64_t chunk_left;
    enum match match;
    struct smtp_mail *mail;
    enum smtp_verb last_verb;
    bool is_judged, any_entry, any_command, is_heard;
    bool is_smtp, is_lmtp; /* the client's hello said so */
    bool may_pipeline;     /* offered by the server, done by the client, or not known */
    bool is_muted;         /* a loss: nobody knows what the next reply answers */
    bool is_lossy;         /* a loss, and no pair is certain since */
    bool is_hasty; /* the client sends more behind what ends a group (RFC 2920 section 3.1) */
    bool is_envelope_lost; /* sender and recipients are not all known */
};

/* ── smtp_pair.c ── */
/* `command` NULL: a reply that nobody asked for. NULL without room. */
struct smtp_call *smtp_begin_call(struct dissect_conn *conn, struct smtp_state *state,
                                  const struct smtp_command *command);
/* Consumes n bytes of the call's (NULL: nobody's). */
void smtp_take(struct dissect_conn *conn, struct dissect_stream *stream, struct smtp_call *call,
               size_t n);
/* Sends a call off that is not waiting any more; `reason` NULL: the code decides. */
void smtp_finish(struct dissect_conn *conn, struct smtp_state *state, struct smtp_call *call,
                 const char *status, const char *reason);
/* The oldest of those that wait; there MUST be one. */
struct smtp_call *smtp_pop(struct smtp_state *state);
/* What waits has lost its reply. */
void smtp_give_up_waiting(struct dissect_conn *conn, struct smtp_state *state);
/* After a loss nobody knows which reply answers what, until the client has certainly read them all.
 */
void smtp_stop_pairing(struct dissect_conn *conn, struct smtp_state *state);
/* A new command: what does it say about the replies to the ones before it? */
void smtp_settle_before_command(struct dissect_conn *conn, struct smtp_state *state);
/* The command waits for its reply. */
void smtp_append(struct smtp_state *state, struct smtp_call *call);
/* What the client sends next. */
void smtp_resume_client(struct smtp_state *state, enum smtp_phase phase);
/* A line of the server's, `size` bytes with its end. */
void smtp_reply_line(struct dissect_conn *conn, struct smtp_state *state,
                     struct dissect_stream *stream, size_t size);

#endif
