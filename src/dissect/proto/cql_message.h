/* CQL native protocol, versions 3 to 5
 * (https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v5.spec): frames and bodies
 * without a connection. Slices borrow from what is read. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_CQL_MESSAGE_H
#define TRAWL_DISSECT_PROTO_CQL_MESSAGE_H

#include "base/cursor.h"

enum {
    CQL_HEADER_BYTES = 9,
    CQL_RESPONSE_BIT = 0x80,
    CQL_LENGTH_MAX = 256 << 20
};

enum cql_result_kind {
    CQL_VOID = 1,
    CQL_ROWS = 2,
    CQL_SET_KEYSPACE = 3,
    CQL_PREPARED = 4,
    CQL_SCHEMA_CHANGE = 5
};

enum cql_flag {
    CQL_COMPRESSED = 0x01,
    CQL_TRACING = 0x02,
    CQL_CUSTOM_PAYLOAD = 0x04,
    CQL_WARNING = 0x08
};

enum cql_opcode {
    CQL_ERROR = 0x00,
    CQL_STARTUP = 0x01,
    CQL_READY = 0x02,
    CQL_AUTHENTICATE = 0x03,
    CQL_OPTIONS = 0x05,
    CQL_QUERY = 0x07,
    CQL_RESULT = 0x08,
    CQL_PREPARE = 0x09,
    CQL_EXECUTE = 0x0a,
    CQL_EVENT = 0x0c,
    CQL_BATCH = 0x0d,
    CQL_AUTH_RESPONSE = 0x0f
};

struct cql_header {
    uint8_t version, flags, opcode;
    uint16_t stream;
    uint32_t length;
};
/* 1; 0: no frame of this direction; −1: more bytes are needed. */
int cql_parse_header(struct slice s, bool is_response, struct cql_header *ret);
const char *cql_opcode_name(uint8_t opcode);
const char *cql_consistency_name(uint16_t consistency);

struct slice cql_string(struct cursor *c);      /* [string] and [short bytes] */
struct slice cql_long_string(struct cursor *c); /* [long string] */

/* Values bound to one statement: [value] each, behind a [string] where they are named. */
struct cql_values {
    struct cursor at;
    unsigned left;
    bool named;
};
struct cql_value {
    struct slice name, bytes;
    bool is_null, is_unset;
};
bool cql_values_next(struct cql_values *values, struct cql_value *ret);

/* One statement of a BATCH. */
struct cql_item {
    struct slice query, id; /* one of them */
    struct cql_values values;
};
struct cql_batch {
    struct cursor at;
    unsigned left;
};
bool cql_batch_next(struct cql_batch *batch, struct cql_item *ret);

/* The body of a request. */
struct cql_request {
    struct slice query;       /* of QUERY and PREPARE */
    struct slice id;          /* of EXECUTE */
    struct slice compression; /* of STARTUP: "lz4", "snappy" */
    struct cql_values values;
    struct cql_batch batch;
    uint16_t consistency;
    bool has_consistency;
};
void cql_parse_request(const struct cql_header *header, struct slice body, struct cql_request *ret);

struct cql_response {
    uint32_t error_code;
    struct slice message; /* of an ERROR, the keyspace of a RESULT */
    struct slice id;      /* of a PREPARE's result */
    struct slice body;    /* of a RESULT, behind its kind and a prepared statement's ids */
    uint32_t kind;        /* of a RESULT */
};
void cql_parse_response(const struct cql_header *header, struct slice body,
                        struct cql_response *ret);

#endif
