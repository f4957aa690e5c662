/* One memcached command with its reply, between memcached.c, which pairs, and memcached_entry.c,
 * which fills the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_MEMCACHED_CALL_H
#define TRAWL_DISSECT_PROTO_MEMCACHED_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"
#include "dissect/proto/memcached_parse.h"

enum {
    MC_FIELD_COUNT = 3
};

struct mc_call {
    struct mc_call *next;
    struct dissect_entry *entry;
    struct mc_command command; /* texts in the arena */
    const char *binary_name;   /* "Get" …; NULL for text */
    uint8_t opcode;
    uint32_t opaque;
    uint16_t request_id;   /* UDP */
    uint32_t datagrams[2]; /* UDP: by direction, so far */
    struct slice line;
    struct slice first_line;    /* of the reply */
    struct slice status;        /* "STORED", "HD" … */
    struct gather sent, values; /* data of the command and of the reply */
    uint32_t value_count;
    bool is_alone, window_start, answered, failed, has_gap, truncated;
    bool is_unsure; /* its reply may be among what was lost */
};

extern const struct field_def memcached_fields[MC_FIELD_COUNT];

/* Fills the entry and sends it off. */
void memcached_emit(struct dissect_conn *conn, struct mc_call *call, const char *status,
                    const char *reason);

#endif
