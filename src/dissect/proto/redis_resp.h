/* The Redis serialization protocol, RESP2 and RESP3, read a piece at a time: nothing is scanned
 * twice, a value of any size needs no more memory than what is kept of it. Used by redis.c.
 * Specification: https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP3:
 * github.com/redis/redis-specifications). Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_REDIS_RESP_H
#define TRAWL_DISSECT_PROTO_REDIS_RESP_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"

enum {
    RESP_MAX_DEPTH = 32,
    RESP_LINE_MAX = 64 * 1024,
    RESP_KEPT = 4,              /* first scalars of a value that are kept by themselves */
    RESP_KEPT_BYTES = 16 * 1024 /* of each */
};

enum resp_result {
    RESP_MORE, /* bytes are missing */
    RESP_ON,   /* something was consumed, the value goes on */
    RESP_DONE,
    RESP_BAD
};

/* What is kept of one value (a command or a reply). Lives in an entry's arena. */
struct resp_value {
    uint8_t type;      /* of the outermost value: '*', '+', … */
    bool is_nil;       /* $-1, *-1 or _ */
    bool has_gap;      /* bytes inside are missing */
    bool is_command;   /* rendered as a command line, else as JSON with the bare outermost string */
    uint64_t elements; /* scalars in it */
    struct gather text;
    struct gather kept[RESP_KEPT];
};

struct resp_level {
    uint64_t left; /* elements */
    uint64_t read;
    uint8_t type;
    bool is_streamed;
};

struct resp_parser {
    enum resp_phase {
        RESP_TYPE,
        RESP_BULK,
        RESP_BULK_END,
        RESP_CHUNK /* of a streamed string */
    } phase;
    uint64_t scanned; /* no line end before this stream offset */
    uint64_t left;    /* bytes of the string */
    unsigned depth;
    bool in_streamed_string;
    size_t string_start; /* in the text that is kept */
    struct resp_level levels[RESP_MAX_DEPTH];
};

/* Where the bytes go. */
struct resp_target {
    struct dissect_conn *conn;
    struct arena *arena;
    struct dissect_span *span;
    struct resp_value *value;
};

/* The first line of a value is whole (or too long to ever be one). */
bool resp_has_line(struct resp_parser *parser, const struct dissect_stream *stream);
/* Reads on. `allow_inline`: a line that begins with no type is a command (client side). */
enum resp_result resp_read(struct resp_parser *parser, const struct resp_target *target,
                           struct dissect_stream *stream, bool allow_inline);
/* `bytes` are missing. True: they lay inside a string, reading goes on. */
bool resp_gap(struct resp_parser *parser, const struct resp_target *target, uint64_t bytes);

/* The words of an inline command as redis splits them (quotes and escapes); at most `max`. */
size_t resp_split_inline(struct arena *arena, struct slice line, struct slice *words, size_t max);
/* "array", "bulk", … of a type byte. */
const char *resp_type_name(uint8_t type);
bool resp_is_type(uint8_t byte);
/* The decimal number between the type byte and the line end. */
bool resp_parse_number(struct slice line, int64_t *ret_v);

#endif
