#include "dissect/proto/cql_message.h"

enum {
    TYPE_DEPTH_MAX = 8,
    COLUMNS_MAX = 4096,
    BATCH_MAX = 65535,
    KIND_ROWS = 2,
    KIND_KEYSPACE = 3,
    KIND_PREPARED = 4,
    META_GLOBAL = 1,
    META_MORE_PAGES = 2,
    META_NONE = 4,
    META_CHANGED = 8
};

static const char *const names[] = {
    "ERROR",     "STARTUP", "READY",          "AUTHENTICATE",  NULL,          "OPTIONS",
    "SUPPORTED", "QUERY",   "RESULT",         "PREPARE",       "EXECUTE",     "REGISTER",
    "EVENT",     "BATCH",   "AUTH_CHALLENGE", "AUTH_RESPONSE", "AUTH_SUCCESS"};

const char *cql_opcode_name(uint8_t opcode)
{
    return opcode < sizeof names / sizeof names[0] ? names[opcode] : NULL;
}

const char *cql_consistency_name(uint16_t consistency)
{
    static const char *const levels[] = {"ANY",    "ONE",          "TWO",          "THREE",
                                         "QUORUM", "ALL",          "LOCAL_QUORUM", "EACH_QUORUM",
                                         "SERIAL", "LOCAL_SERIAL", "LOCAL_ONE"};
    return consistency < sizeof levels / sizeof levels[0] ? levels[consistency] : NULL;
}

int cql_parse_header(struct slice s, bool is_response, struct cql_header *ret)
{
    static const uint32_t responses =
        1u << 0 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 8 | 1u << 12 | 1u << 14 | 1u << 16;
    struct cursor c = cursor_of(s.data, s.len);
    uint8_t version = cursor_u8(&c);
    uint8_t number = version & 0x7f;
    if (s.len && (number < 3 || number > 5 || (version >> 7) != is_response))
        return 0;
    if (s.len > 1 && s.data[1] > 0x1f)
        return 0;
    if (s.len > 4 &&
        (!cql_opcode_name(s.data[4]) || (responses >> s.data[4] & 1) != (unsigned)is_response))
        return 0;
    if (s.len > 5 && s.data[5] > CQL_LENGTH_MAX >> 24)
        return 0;
    if (s.len < CQL_HEADER_BYTES)
        return -1;
    *ret = (struct cql_header){.version = number, .flags = cursor_u8(&c)};
    ret->stream = cursor_be16(&c);
    ret->opcode = cursor_u8(&c);
    ret->length = cursor_be32(&c);
    return ret->length <= CQL_LENGTH_MAX;
}

struct slice cql_string(struct cursor *c)
{
    return cursor_slice(c, cursor_be16(c));
}

struct slice cql_long_string(struct cursor *c)
{
    return cursor_slice(c, cursor_be32(c));
}

/* [bytes]: a negative length is null. */
static void skip_bytes(struct cursor *c)
{
    uint32_t n = cursor_be32(c);
    if (n < 0x80000000u)
        cursor_skip(c, n);
}

static void skip_custom_payload(struct cursor *c)
{
    for (unsigned n = cursor_be16(c); n && !c->bad; n--) {
        cql_string(c);
        skip_bytes(c);
    }
}

static void parse_batch(struct cursor *c, struct cql_request *ret)
{
    cursor_skip(c, 1); /* logged, unlogged, counter */
    ret->statements = cursor_be16(c);
    for (unsigned i = 0; i < ret->statements && !c->bad; i++) {
        uint8_t kind = cursor_u8(c);
        struct slice what = kind ? cql_string(c) : cql_long_string(c);
        if (i == 0)
            *(kind ? &ret->id : &ret->query) = what;
        for (unsigned values = cursor_be16(c); values && !c->bad; values--)
            skip_bytes(c);
    }
}

void cql_parse_request(const struct cql_header *header, struct slice body, struct cql_request *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct cql_request){0};
    if (header->flags & CQL_CUSTOM_PAYLOAD)
        skip_custom_payload(&c);
    switch (header->opcode) {
    case CQL_QUERY:
    case CQL_PREPARE: {
        uint32_t n = cursor_be32(&c);
        if (n > cursor_left(&c)) { /* longer than what is kept */
            ret->query = slice_of(c.pos, cursor_left(&c));
            return;
        }
        ret->query = cursor_slice(&c, n);
        break;
    }
    case CQL_EXECUTE:
        ret->id = cql_string(&c);
        if (header->version >= 5)
            cql_string(&c); /* of the result's columns */
        break;
    case CQL_BATCH:
        parse_batch(&c, ret);
        break;
    default:
        return;
    }
    if (header->opcode == CQL_PREPARE)
        return;
    ret->consistency = cursor_be16(&c);
    ret->has_consistency = !c.bad;
}

/* [option]: a type, with what it is made of. */
static void skip_type(struct cursor *c, unsigned depth)
{
    if (depth == TYPE_DEPTH_MAX) {
        c->bad = true;
        return;
    }
    uint16_t id = cursor_be16(c);
    unsigned inner = 0;
    switch (id) {
    case 0x00: /* custom: the name of a class */
        cql_string(c);
        return;
    case 0x20: /* list */
    case 0x22: /* set */
        inner = 1;
        break;
    case 0x21: /* map */
        inner = 2;
        break;
    case 0x30: /* user type: names and types */
        cql_string(c);
        cql_string(c);
        for (unsigned n = cursor_be16(c); n && !c->bad; n--) {
            cql_string(c);
            skip_type(c, depth + 1);
        }
        return;
    case 0x31: /* tuple */
        inner = cursor_be16(c);
        break;
    default:
        return;
    }
    for (; inner && !c->bad; inner--)
        skip_type(c, depth + 1);
}

static void parse_rows(struct cursor *c, struct cql_response *ret)
{
    uint32_t flags = cursor_be32(c), columns = cursor_be32(c);
    if (columns > COLUMNS_MAX)
        return;
    if (flags & META_MORE_PAGES)
        skip_bytes(c);
    if (flags & META_CHANGED)
        cql_string(c);
    if (!(flags & META_NONE)) {
        if (flags & META_GLOBAL) {
            cql_string(c);
            cql_string(c);
        }
        for (; columns && !c->bad; columns--) {
            if (!(flags & META_GLOBAL)) {
                cql_string(c);
                cql_string(c);
            }
            cql_string(c);
            skip_type(c, 0);
        }
    }
    ret->rows = cursor_be32(c);
    ret->has_rows = !c->bad;
}

void cql_parse_response(const struct cql_header *header, struct slice body,
                        struct cql_response *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct cql_response){0};
    if (header->flags & CQL_TRACING)
        cursor_skip(&c, 16);
    if (header->flags & CQL_WARNING)
        for (unsigned n = cursor_be16(&c); n && !c.bad; n--)
            cql_string(&c);
    if (header->flags & CQL_CUSTOM_PAYLOAD)
        skip_custom_payload(&c);
    if (header->opcode == CQL_ERROR) {
        ret->error_code = cursor_be32(&c);
        ret->message = cql_string(&c);
        return;
    }
    if (header->opcode != CQL_RESULT)
        return;
    ret->kind = cursor_be32(&c);
    if (ret->kind == KIND_ROWS)
        parse_rows(&c, ret);
    else if (ret->kind == KIND_KEYSPACE)
        ret->message = cql_string(&c);
    else if (ret->kind == KIND_PREPARED)
        ret->id = cql_string(&c);
}
