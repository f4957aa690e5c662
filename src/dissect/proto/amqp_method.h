/* AMQP 0-9-1 methods and the values they carry (AMQP 0-9-1 specification sections 1.4 to 1.8
 * and 4.2; RabbitMQ's errata for field tables and its methods: confirm.select, basic.nack,
 * exchange.bind, connection.blocked, connection.update-secret). Without connections. Thread: any.
 */
#ifndef TRAWL_DISSECT_PROTO_AMQP_METHOD_H
#define TRAWL_DISSECT_PROTO_AMQP_METHOD_H

#include "base/arena.h"
#include "base/cursor.h"
#include "dissect/dissector.h"

enum amqp_frame {
    AMQP_FRAME_METHOD = 1,
    AMQP_FRAME_HEADER = 2,
    AMQP_FRAME_BODY = 3,
    AMQP_FRAME_HEARTBEAT = 8,
    AMQP_FRAME_HEAD = 7, /* bytes before the payload */
    AMQP_FRAME_END = 0xce,
    AMQP_MAX_PAYLOAD = 256 * 1024 /* of a method or content header; bodies are read as they come */
};

enum amqp_traits {
    AMQP_CLIENT = 1, /* sent by the client */
    AMQP_SERVER = 2,
    AMQP_BOTH = 3,
    AMQP_CONTENT = 4, /* a content header and bodies follow */
    AMQP_REPLY = 8    /* answers a synchronous method */
};

#define AMQP_ID(class_id, method_id) ((uint32_t)(class_id) << 16 | (uint32_t)(method_id))

enum amqp_known {
    AMQP_CONNECTION_CLOSE = AMQP_ID(10, 50),
    AMQP_CHANNEL_OPEN = AMQP_ID(20, 10),
    AMQP_CHANNEL_CLOSE = AMQP_ID(20, 40),
    AMQP_CHANNEL_CLOSE_OK = AMQP_ID(20, 41),
    AMQP_BASIC_PUBLISH = AMQP_ID(60, 40),
    AMQP_BASIC_RETURN = AMQP_ID(60, 50),
    AMQP_BASIC_ACK = AMQP_ID(60, 80),
    AMQP_BASIC_NACK = AMQP_ID(60, 120),
    AMQP_CONFIRM_SELECT = AMQP_ID(85, 10),
    AMQP_CONFIRM_SELECT_OK = AMQP_ID(85, 11)
};

struct amqp_method {
    uint32_t id; /* AMQP_ID */
    const char *name;
    unsigned traits;
    uint32_t reply, other_reply; /* ids that answer it; 0 = it is not answered */
    const char *arguments;       /* "s:queue b:passive …": a letter a type, see amqp_method.c */
};

/* NULL when there is none. */
const struct amqp_method *amqp_method_find(uint32_t id);

enum {
    AMQP_MAX_PAIRS = 64
};

/* Arguments of a method, or properties of a content header: name and value as text. */
struct amqp_arguments {
    struct entry_pair pairs[AMQP_MAX_PAIRS];
    uint32_t count;
    bool more; /* there were more than fit */
};

/* Reads the arguments behind the class and method ids; true when they end exactly with the payload.
 * With arena NULL nothing is kept, only judged. Names are static or borrow from `payload`; values
 * live in the arena. */
bool amqp_read_arguments(const struct amqp_method *method, struct slice payload,
                         struct arena *arena, struct amqp_arguments *ret);
/* The same for the property flags and properties of class basic. Entries of the headers table are
 * pairs "headers.NAME". */
bool amqp_read_properties(struct slice properties, struct arena *arena, struct amqp_arguments *ret);
/* Empty when there is none of that name. */
struct slice amqp_argument(const struct amqp_arguments *arguments, const char *name);
bool amqp_argument_is_true(const struct amqp_arguments *arguments, const char *name);
uint64_t amqp_argument_number(const struct amqp_arguments *arguments, const char *name);

#endif
