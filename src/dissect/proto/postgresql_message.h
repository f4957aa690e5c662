/* PostgreSQL frontend/backend protocol, version 3
 * (https://www.postgresql.org/docs/current/protocol.html): messages without a connection. All
 * slices borrow from the bytes that are read. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_POSTGRESQL_MESSAGE_H
#define TRAWL_DISSECT_PROTO_POSTGRESQL_MESSAGE_H

#include "base/arena.h"
#include "base/cursor.h"

enum {
    PG_HEADER_BYTES = 5, /* type and length; the length counts itself */
    PG_STARTUP_BYTES = 8,
    PG_CODE_CANCEL = 80877102,
    PG_CODE_SSL = 80877103,
    PG_CODE_GSSENC = 80877104,
    PG_TEXT_MAX = 1024 /* a rendered value */
};

/* Text up to its NUL; false (and bad) when none comes. */
bool pg_cstring(struct cursor *c, struct slice *ret);

/* What the first four bytes behind the length of a startup packet may be: protocol 3.x or one of
 * the PG_CODE_s. */
bool pg_is_startup_code(uint32_t code);

/* May a message of this type have this length (the length field's value)? */
bool pg_client_length_fits(uint8_t type, uint32_t length);
bool pg_server_length_fits(uint8_t type, uint32_t length);

/* A whole message of an exact form at the front of s: 1; 0: not one; −1: more bytes are needed.
 * *ret_weight: how unlikely it is that other bytes look like this: 2 strong, 1 weak. *ret_len: its
 * bytes. */
int pg_client_message(struct slice s, unsigned *ret_weight, size_t *ret_len);
int pg_server_message(struct slice s, unsigned *ret_weight, size_t *ret_len);

struct pg_error {
    struct slice severity, code, message, detail, hint;
};
/* Body of an ErrorResponse or NoticeResponse. */
struct pg_error pg_parse_error(struct slice body);

struct pg_bind {
    struct slice portal, statement;
    struct slice formats, result_formats; /* be16 each: 0 text, 1 binary; one stands for all */
    struct slice values;                  /* be32 length (−1: null) and bytes, each */
    unsigned value_count;
};
/* Body of a Bind; false when it is cut or damaged: what came before is filled. */
bool pg_parse_bind(struct slice body, struct pg_bind *ret);

/* A parameter's or column's value as text. Format 0 is text already; of the binary forms the common
 * types are known by their OID (0: not known), others are shown in hexadecimal. Borrows `raw` or
 * lies in `scratch` (PG_TEXT_MAX bytes). */
struct slice pg_value_text(uint32_t oid, bool is_binary, struct slice raw, char *scratch);

/* Column i of a RowDescription's body; false behind the last. Walk with a cursor behind the count.
 */
struct pg_column {
    struct slice name;
    uint32_t oid;
    bool is_binary;
};
bool pg_next_column(struct cursor *c, struct pg_column *ret);

/* Rows that a command tag counts ("INSERT 0 5", "SELECT 3", "COPY 7"); −1: none. */
int64_t pg_tag_rows(struct slice tag);

#endif
