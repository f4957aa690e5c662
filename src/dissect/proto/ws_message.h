/* One WebSocket message between its frames and its entry: shared by ws.c (reading) and ws_entry.c
 * (fields). Memory: the entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_WS_MESSAGE_H
#define TRAWL_DISSECT_PROTO_WS_MESSAGE_H

#include "dissect/proto/gather.h"
#include "dissect/proto/ws_frame.h"

enum {
    WS_FIELD_COUNT = 11
};
extern const struct field_def ws_fields[WS_FIELD_COUNT];

struct ws_message {
    bool is_open;                /* frames of it were seen, its end was not */
    struct dissect_entry *entry; /* NULL: no room for it, it is only passed over */
    uint8_t opcode;              /* of the first frame; WS_CONTINUATION: that one was not seen */
    bool compressed;
    bool has_gap;
    struct gather body; /* unmasked, inflated */
    uint64_t payload_bytes;
    unsigned frames;
    const char *undecoded; /* why the body is not whole; NULL: it is */
};

/* What the Upgrade told of the whole connection; empty where it was not seen. */
struct ws_handshake {
    struct slice host, path, protocol, extensions;
};

/* Fills the entry, gives it the status and sends it off; the message is empty after that. */
void ws_emit(struct dissect_conn *conn, const struct ws_handshake *handshake,
             struct ws_message *message, enum dissect_dir dir, const char *status,
             const char *reason);

/* Sets the fields of GraphQL where the message (a text) is one of its subprotocols. True when it
 * brings errors. */
bool ws_graphql_fill(struct dissect_entry *entry, struct slice protocol, struct slice body,
                     enum dissect_dir dir);

#endif
