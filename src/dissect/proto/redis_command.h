/* What redis.c knows of Redis commands: https://redis.io/docs/latest/commands/. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_REDIS_COMMAND_H
#define TRAWL_DISSECT_PROTO_REDIS_COMMAND_H

#include "base/slice.h"

enum redis_trait {
    REDIS_PUBSUB = 1 << 0,  /* answered by one confirmation for each channel */
    REDIS_SECRET = 1 << 1,  /* its words are passwords */
    REDIS_REPLICA = 1 << 2, /* the connection becomes a replication stream */
    REDIS_MONITOR = 1 << 3
};

struct redis_command {
    const char *name;
    int8_t key; /* word that is the key; 0 none, −1: after STREAMS, −2: after the count at 2 */
    int8_t value; /* word that is the value written; 0 none (the reply is the value) */
    uint8_t traits;
};

/* Case is ignored. NULL for a command that is not known (modules): its first word is the key. */
const struct redis_command *redis_command_find(struct slice name);

#endif
