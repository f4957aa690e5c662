/* One Diameter call between diameter.c, which reads and pairs, and diameter_entry.c, which fills
 * the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_DIAMETER_CALL_H
#define TRAWL_DISSECT_PROTO_DIAMETER_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/diameter_text.h"

enum {
    DIAMETER_FIELD_COUNT = 25,
    DIAMETER_MESSAGE_MAX = 512 * 1024 /* kept of one */
};

struct diameter_part {
    struct diameter_head head;
    struct gather bytes;
    bool is_there, has_gap;
};

struct diameter_call {
    struct diameter_call *next;          /* of its bucket */
    struct diameter_call *older, *newer; /* of those that wait */
    struct dissect_entry *entry;
    struct diameter_part request, answer;
    enum dissect_dir from; /* who asked, or would have */
    unsigned gaps;         /* of the answering direction when it began */
    unsigned asker_gaps;
    bool is_unsure; /* the answer may be that to another request with its ids */
    bool is_waiting;
};

extern const struct field_def diameter_fields[DIAMETER_FIELD_COUNT];

/* Fills the entry and sends it off; status NULL: by the answer's result. */
void diameter_emit(struct dissect_conn *conn, struct diameter_call *call, const char *status,
                   const char *reason);

#endif
