/* One Redis command with its reply (or one push) between redis.c, which pairs, and redis_entry.c,
 * which fills the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_REDIS_CALL_H
#define TRAWL_DISSECT_PROTO_REDIS_CALL_H

#include "dissect/proto/redis_command.h"
#include "dissect/proto/redis_resp.h"

struct redis_call {
    struct redis_call *next;
    struct dissect_entry *entry;
    const struct redis_command *known;
    struct resp_value command, reply;
    uint64_t replies_due;
    int64_t db; /* −1: not known */
    bool command_done;
    bool is_push;
    bool window_start;
    bool is_unsure; /* its reply may be among what was lost */
};

enum {
    REDIS_FIELD_COUNT = 9
};

extern const struct field_def redis_fields[REDIS_FIELD_COUNT];

/* Fills the entry and sends it off. */
void redis_emit(struct dissect_conn *conn, struct redis_call *call, const char *status,
                const char *reason);

#endif
