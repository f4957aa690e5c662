/* BSON (bsonspec.org, version 1.1) to relaxed Extended JSON (MongoDB Extended JSON v2), and looking
 * into documents. Bounded in depth; a document that is cut or broken gives what can be read.
 * Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_MONGODB_BSON_H
#define TRAWL_DISSECT_PROTO_MONGODB_BSON_H

#include "base/cursor.h"
#include "base/json_writer.h"

enum bson_type {
    BSON_DOUBLE = 0x01,
    BSON_STRING = 0x02,
    BSON_DOCUMENT = 0x03,
    BSON_ARRAY = 0x04,
    BSON_BINARY = 0x05,
    BSON_UNDEFINED = 0x06,
    BSON_OID = 0x07,
    BSON_BOOL = 0x08,
    BSON_DATE = 0x09,
    BSON_NULL = 0x0a,
    BSON_REGEX = 0x0b,
    BSON_DB_POINTER = 0x0c,
    BSON_CODE = 0x0d,
    BSON_SYMBOL = 0x0e,
    BSON_CODE_SCOPE = 0x0f,
    BSON_INT32 = 0x10,
    BSON_TIMESTAMP = 0x11,
    BSON_INT64 = 0x12,
    BSON_DECIMAL = 0x13,
    BSON_MAX_KEY = 0x7f,
    BSON_MIN_KEY = 0xff
};

/* One element; all borrow from the document. */
struct bson_element {
    uint8_t type;
    struct slice name;
    struct slice value; /* its bytes as they are on the wire */
};

/* The document at the cursor, moved over: its elements without length and final NUL. With less
 * bytes than it says: what is there, and c->bad. */
struct slice bson_document(struct cursor *c);
/* The next element of a document's elements; false at the end or when broken (c->bad). */
bool bson_next(struct cursor *c, struct bson_element *ret);
/* The element of that name; false when there is none. */
bool bson_find(struct slice elements, const char *name, struct bson_element *ret);
/* Text of a string or symbol; empty for other types. */
struct slice bson_text(const struct bson_element *element);
/* Elements of a document or array. */
struct slice bson_inside(const struct bson_element *element);
/* Of a number or bool; 0 for other types. */
int64_t bson_number(const struct bson_element *element);
uint32_t bson_count(struct slice elements);
bool bson_is_type(uint8_t type);

/* Members of a document into the object that is open. False: something could not be read. */
bool bson_write_members(struct json_writer *w, struct slice elements, unsigned depth);

#endif
