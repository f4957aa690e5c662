/* One MongoDB request with its reply between mongodb.c, which pairs, and mongodb_entry.c, which
 * fills the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_MONGODB_CALL_H
#define TRAWL_DISSECT_PROTO_MONGODB_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"
#include "dissect/proto/mongodb_message.h"
#include "dissect/proto/waiting.h"

/* What is known of a message once it was read: its bytes are gone by then. All in the arena. */
struct mongodb_part {
    uint32_t opcode, flags;
    const char *compressor;
    struct slice command, database, collection;
    struct slice json;
    int64_t error_code, returned, affected;
    uint32_t documents; /* OP_REPLY: numberReturned */
    struct slice error_name, error_message;
    bool is_read, truncated, has_gap, failed, has_cursor;
};

struct mongodb_call {
    struct waiting_call waiting; /* first: by responseTo of its reply */
    struct dissect_entry *entry;
    struct mongodb_part request, response;
    bool is_stream; /* a further reply of an exhaust request: it has no request of its own */
};

enum {
    MONGODB_FIELD_COUNT = 11
};

extern const struct field_def mongodb_fields[MONGODB_FIELD_COUNT];

/* Reads a whole (or cut) message into a part; everything that is kept goes to the arena. */
void mongodb_fill_part(struct mongodb_part *part, struct slice bytes, bool is_response,
                       struct arena *arena);
/* Fills the entry and sends it off. status NULL: from the reply. */
void mongodb_emit(struct dissect_conn *conn, struct mongodb_call *call, const char *status,
                  const char *reason);

#endif
