/* Messages of the MongoDB wire protocol: OP_MSG, OP_COMPRESSED, and the older OP_QUERY, OP_REPLY,
 * OP_INSERT, OP_UPDATE, OP_DELETE, OP_GET_MORE, OP_KILL_CURSORS, OP_COMMAND, OP_COMMANDREPLY.
 * Without connections. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_MONGODB_MESSAGE_H
#define TRAWL_DISSECT_PROTO_MONGODB_MESSAGE_H

#include "base/arena.h"
#include "dissect/proto/mongodb_bson.h"

enum mongodb_opcode {
    OP_REPLY = 1,
    OP_UPDATE = 2001,
    OP_INSERT = 2002,
    OP_QUERY = 2004,
    OP_GET_MORE = 2005,
    OP_DELETE = 2006,
    OP_KILL_CURSORS = 2007,
    OP_COMMAND = 2010,
    OP_COMMANDREPLY = 2011,
    OP_COMPRESSED = 2012,
    OP_MSG = 2013
};

enum {
    MONGODB_HEAD_BYTES = 16,
    MONGODB_JUDGED_BYTES = 44,              /* a message is believed or not by that much of it */
    MONGODB_MAX_MESSAGE = 48000000 + 16384, /* what servers and drivers accept */
    MSG_CHECKSUM = 1,
    MSG_MORE_TO_COME = 2,
    MSG_EXHAUST = 1 << 16,
    REPLY_CURSOR_NOT_FOUND = 1,
    REPLY_QUERY_FAILURE = 2
};

struct mongodb_head {
    uint32_t length;
    int32_t request_id, response_to;
    uint32_t opcode;
};

struct mongodb_message {
    struct mongodb_head head;
    uint32_t opcode; /* inside OP_COMPRESSED */
    uint32_t flags;
    const char *compressor; /* NULL: none */
    struct slice name;      /* namespace, or database of OP_COMMAND */
    struct slice command;   /* name of OP_COMMAND */
    struct slice document;  /* elements: command, query, selector; the first document of replies */
    struct slice rest;      /* documents and sections behind it, as on the wire */
    struct slice before;    /* document sequences in front of the command */
    uint32_t documents;     /* OP_REPLY: numberReturned */
    int64_t cursor_id;
    bool cut; /* not all of it could be read */
};

struct mongodb_head mongodb_read_head(struct slice s);
/* The first bytes of a message: can it be one? `s` holds min(length, MONGODB_JUDGED_BYTES) bytes of
 * it, or at least the head. */
bool mongodb_is_plausible(struct slice s);
/* Is that many bytes enough to judge it? */
size_t mongodb_bytes_to_judge(struct slice s);
bool mongodb_wants_reply(uint32_t opcode, uint32_t flags);
const char *mongodb_opcode_name(uint32_t opcode);
/* `bytes` begins with the head and may be cut. Borrows from it and, decompressed, from the arena.
 */
void mongodb_read(struct slice bytes, struct arena *arena, struct mongodb_message *ret);
/* As relaxed Extended JSON: a command with its document sequences as members, or a document, or an
 * array of them. False: cut or broken. */
bool mongodb_write_json(const struct mongodb_message *message, struct json_writer *w);

#endif
