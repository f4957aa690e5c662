/* One NATS operation between nats.c (reading, pairing) and nats_entry.c (fields). It lives in its
 * entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_NATS_CALL_H
#define TRAWL_DISSECT_PROTO_NATS_CALL_H

#include "dissect/proto/gather.h"
#include "dissect/proto/nats_line.h"

enum {
    NATS_FIELD_COUNT = 7
};
extern const struct field_def nats_fields[NATS_FIELD_COUNT];

struct nats_call {
    struct nats_call *next; /* in the order in which answers are awaited */
    struct dissect_entry *entry;
    struct nats_line line; /* its text in the entry's arena */
    struct gather raw;     /* headers and payload */
    uint64_t raw_bytes;    /* on the wire */
    bool is_answer;        /* what the server says of itself: it stands in the response */
    bool has_gap;
    struct slice answer; /* "+OK", "PONG", "-ERR …"; in the entry's arena or static */
    struct slice error;
};

/* Fills the entry and sends it off. */
void nats_emit(struct dissect_conn *conn, struct nats_call *call, const char *status,
               const char *reason);

#endif
