/* SCTP (RFC 9260): what sctp.c, which reads chunks and pairs those of control, and sctp_data.c,
 * which puts user messages together, share. Everything is bounded; memory is that of entries. */
#ifndef TRAWL_DISSECT_PROTO_SCTP_STATE_H
#define TRAWL_DISSECT_PROTO_SCTP_STATE_H

#include "dissect/dissector.h"

enum {
    SCTP_FRAGMENTS = 256, /* waiting, per direction */
    SCTP_TSN_WINDOW = 1024,
    SCTP_HELD_CAP = DISSECT_BODY_CAP, /* bytes of waiting fragments, per direction */
    SCTP_PAIRS = 4
};

enum sctp_row {
    SCTP_ROW_CHUNK_TYPE,
    SCTP_ROW_CHUNK,
    SCTP_ROW_LENGTH,
    SCTP_ROW_CHECKSUM,
    SCTP_ROW_TAG,
    SCTP_ROW_TSN,
    SCTP_ROW_STREAM,
    SCTP_ROW_SSN,
    SCTP_ROW_PPID,
    SCTP_ROW_COUNT
};

enum sctp_chunk_type {
    SCTP_DATA = 0,
    SCTP_INIT = 1,
    SCTP_INIT_ACK = 2,
    SCTP_SACK = 3,
    SCTP_ABORT = 6,
    SCTP_ERROR = 9
};

struct sctp_chunk {
    uint8_t type, flags;
    struct slice value;  /* behind the four bytes of its header */
    size_t padded_bytes; /* in the packet */
    bool is_cut;         /* the recorder kept only its beginning */
};

/* A piece of a user message that waits for the others. */
struct sctp_fragment {
    struct dissect_entry *entry; /* NULL: free */
    uint32_t tsn, ppid;
    uint16_t stream, ssn;
    uint8_t flags;
    struct slice bytes; /* in the entry's arena */
};

struct sctp_dir {
    bool known; /* highest_tsn */
    uint32_t highest_tsn;
    uint64_t seen[SCTP_TSN_WINDOW / 64]; /* by TSN, of the last SCTP_TSN_WINDOW */
    size_t held_bytes;
    struct sctp_fragment fragments[SCTP_FRAGMENTS]; /* by TSN */
    struct sctp_request {
        struct dissect_entry *entry; /* NULL: none */
        uint64_t hash;               /* of the chunk's value */
        uint32_t tag;                /* INIT: the one its answer carries */
        struct slice summary;
    } requests[SCTP_PAIRS];
};

struct sctp_state {
    struct sctp_dir dir[2];
    struct dissect_layer *layer; /* the user messages; NULL: none yet, or at a limit */
    bool layer_tried;
};

/* An entry whose request is this chunk of the packet in hand, which is consumed with it. NULL: only
 * consumed. */
struct dissect_entry *sctp_begin(struct dissect_conn *conn, struct dissect_stream *stream,
                                 const struct sctp_chunk *chunk);

/* sctp_data.c */
void sctp_take_data(struct dissect_conn *conn, struct sctp_state *state,
                    struct dissect_stream *stream, const struct sctp_chunk *chunk);
/* The direction's numbers begin anew: what waits can get no more fragments. */
void sctp_restart(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir);
/* What waits leaves, incomplete. */
void sctp_flush(struct dissect_conn *conn, struct sctp_state *state, enum dissect_dir dir,
                const char *missing_end);

#endif
