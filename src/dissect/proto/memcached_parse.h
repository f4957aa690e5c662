/* memcached: command lines, reply lines and binary headers, without a connection
 * (https://github.com/memcached/memcached/blob/master/doc/protocol.txt and protocol-binary.txt).
 * Slices borrow from what is read. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_MEMCACHED_PARSE_H
#define TRAWL_DISSECT_PROTO_MEMCACHED_PARSE_H

#include "base/cursor.h"

enum {
    MC_LINE_MAX = 64 * 1024, /* get with many keys */
    MC_KEY_MAX = 250,
    MC_HEADER_BYTES = 24,
    MC_FRAME_BYTES = 8, /* before each datagram */
    MC_REQUEST_MAGIC = 0x80,
    MC_REPLY_MAGIC = 0x81
};

enum mc_reply_form {
    MC_LINE,   /* one line */
    MC_VALUES, /* VALUE …, data, …, END */
    MC_STATS,  /* lines up to END, RESET or OK */
    MC_META,   /* one line; VA with data behind it */
    MC_STREAM  /* watch: lines without an end */
};

struct mc_command {
    struct slice name;   /* as written */
    struct slice key;    /* the first */
    struct slice opaque; /* of meta commands */
    enum mc_reply_form form;
    bool has_data;
    uint64_t data_bytes; /* without the line end */
    bool no_reply;       /* none comes */
    bool is_quiet;       /* one may come */
    bool is_noop;        /* mn */
    bool is_quit;
    bool is_strong; /* no other protocol has such a line */
};
/* A line without its end; false when it is no command. */
bool mc_parse_command(struct slice line, struct mc_command *ret);

struct mc_reply {
    struct slice word;
    struct slice key, opaque; /* of VALUE, and of meta replies that repeat them */
    bool is_error;
    bool has_data;
    uint64_t data_bytes;
};
/* A line of a reply without its end; false when no server says so. A number (incr) is one. */
bool mc_parse_reply(struct slice line, struct mc_reply *ret);

struct mc_header {
    uint8_t magic, opcode, extras_len;
    uint16_t key_len, status;
    uint32_t body_len, opaque;
};
/* 1: *ret is filled; 0: not of this magic or impossible; −1: more bytes are needed. */
int mc_parse_header(struct slice s, uint8_t magic, struct mc_header *ret);
/* "Get", "SetQ" …; NULL: no such opcode. */
const char *mc_opcode_name(uint8_t opcode);
bool mc_opcode_is_quiet(uint8_t opcode);
/* "SUCCESS", "NOT_FOUND" …; *ret_error: it is a failure, not an answer. */
const char *mc_status_name(uint16_t status, bool *ret_error);

#endif
