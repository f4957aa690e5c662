/* One RADIUS call between radius.c, which pairs, and radius_entry.c, which fills the entry. It
 * lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_RADIUS_CALL_H
#define TRAWL_DISSECT_PROTO_RADIUS_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/radius_message.h"

struct radius_call {
    struct radius_call *older, *newer; /* in order of their last packet */
    struct dissect_entry *entry;
    struct radius_message request, response; /* length 0: not seen; bytes in the entry's arena */
    int64_t last_ns;                         /* time of the latest packet of it */
    uint32_t retries;
    enum dissect_dir from;
    bool is_unsure;   /* a call before it with its identifier may be the one that is answered */
    bool is_doubtful; /* and an answer came that fits both */
};

enum {
    RADIUS_FIELD_COUNT = 13
};

extern const struct field_def radius_fields[RADIUS_FIELD_COUNT];

/* Fills the entry and sends it off; status NULL: by the response's code. */
void radius_emit(struct dissect_conn *conn, struct radius_call *call, const char *status,
                 const char *reason);

#endif
