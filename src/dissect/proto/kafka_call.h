/* One Kafka request with its response between kafka.c, which pairs, and kafka_entry.c, which fills
 * the entry. It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_KAFKA_CALL_H
#define TRAWL_DISSECT_PROTO_KAFKA_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"
#include "dissect/proto/kafka_api.h"
#include "dissect/proto/waiting.h"

enum {
    KAFKA_SIZE_BYTES = 4,
    KAFKA_HEAD_BYTES = 14 /* size, key, version, correlation id, length of the client id */
};

struct kafka_head {
    uint32_t size;
    int16_t key, version;
    int32_t correlation;
    int16_t client_len;
    const struct kafka_api *api;
};

/* All in the arena. */
struct kafka_part {
    struct slice json;
    bool is_read, truncated, has_gap;
};

struct kafka_call {
    struct waiting_call waiting; /* first: by correlation id */
    struct dissect_entry *entry;
    struct kafka_head head;
    struct slice client;
    struct kafka_part request, response;
    struct kafka_facts asked, told;
};

enum {
    KAFKA_FIELD_COUNT = 19
};

extern const struct field_def kafka_fields[KAFKA_FIELD_COUNT];

/* False when the first KAFKA_HEAD_BYTES cannot be a request's. */
bool kafka_read_head(struct slice s, struct kafka_head *ret);
/* Reads a request or response that is whole or cut. With w NULL nothing is kept, only judged: true
 * when it is described and ends exactly where it says. */
bool kafka_judge_request(struct slice bytes, const struct kafka_head *head);
bool kafka_judge_response(struct slice bytes, const struct kafka_head *head);
void kafka_fill_request(struct kafka_call *call, struct slice bytes);
void kafka_fill_response(struct kafka_call *call, struct slice bytes);
/* Fills the entry and sends it off. status NULL: from the response. */
void kafka_emit(struct dissect_conn *conn, struct kafka_call *call, const char *status,
                const char *reason);

#endif
