/* One protocol line of NATS (NATS Client Protocol, docs.nats.io), without connections: which
 * operation, and its arguments. Text is borrowed. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_NATS_LINE_H
#define TRAWL_DISSECT_PROTO_NATS_LINE_H

#include "dissect/dissector.h"

enum nats_op {
    NATS_UNKNOWN,
    NATS_INFO,
    NATS_CONNECT,
    NATS_PUB,
    NATS_HPUB,
    NATS_SUB,
    NATS_UNSUB,
    NATS_MSG,
    NATS_HMSG,
    NATS_PING,
    NATS_PONG,
    NATS_OK,
    NATS_ERR
};

enum {
    NATS_PAYLOAD_MAX = 64 * 1024 * 1024 /* what servers allow at most (max_payload) */
};

struct nats_line {
    enum nats_op op;
    struct slice word; /* the operation as it was sent */
    struct slice rest; /* behind it: JSON of INFO and CONNECT, text of -ERR */
    struct slice subject, reply_to, queue, sid;
    uint32_t header_size; /* HPUB, HMSG */
    uint32_t total_size;  /* of headers and payload */
    bool has_payload;
};

/* `line` with its line end. False: no line of the protocol; *ret_line then has its first word. */
bool nats_line_parse(struct slice line, struct nats_line *ret_line);
const char *nats_op_name(enum nats_op op);
/* Who may send it. */
bool nats_is_sent_by(enum nats_op op, enum dissect_dir dir);

#endif
