#include "dissect/proto/cql_message.h"

enum query_flag {
    QUERY_VALUES = 0x01,
    QUERY_NAMES = 0x40
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

bool cql_values_next(struct cql_values *values, struct cql_value *ret)
{
    struct cursor *c = &values->at;
    if (!values->left || c->bad)
        return false;
    values->left--;
    *ret = (struct cql_value){.name = values->named ? cql_string(c) : SLICE_NONE};
    int32_t n = (int32_t)cursor_be32(c);
    ret->is_null = n == -1;
    ret->is_unset = n == -2;
    if (n >= 0)
        ret->bytes = cursor_slice(c, (size_t)n);
    return !c->bad;
}

static struct cql_values values_at(struct cursor *c, bool named)
{
    struct cql_values values = {.named = named};
    values.left = cursor_be16(c);
    values.at = *c;
    return values;
}

bool cql_batch_next(struct cql_batch *batch, struct cql_item *ret)
{
    struct cursor *c = &batch->at;
    if (!batch->left || c->bad)
        return false;
    batch->left--;
    *ret = (struct cql_item){0};
    if (cursor_u8(c))
        ret->id = cql_string(c);
    else
        ret->query = cql_long_string(c);
    ret->values = values_at(c, false);
    struct cql_values skipped = ret->values;
    struct cql_value value;
    while (cql_values_next(&skipped, &value))
        ;
    *c = skipped.at;
    return !c->bad;
}

static void parse_batch(struct cursor *c, struct cql_request *ret)
{
    struct cql_item item;
    cursor_skip(c, 1); /* logged, unlogged, counter */
    ret->batch.left = cursor_be16(c);
    ret->batch.at = *c;
    struct cql_batch batch = ret->batch;
    while (cql_batch_next(&batch, &item))
        ;
    *c = batch.at;
}

static void parse_startup(struct cursor *c, struct cql_request *ret)
{
    for (unsigned n = cursor_be16(c); n && !c->bad; n--) {
        struct slice key = cql_string(c), value = cql_string(c);
        if (slice_eq(key, SLICE_LITERAL("COMPRESSION")))
            ret->compression = value;
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
    case CQL_STARTUP:
        parse_startup(&c, ret);
        return;
    default:
        return;
    }
    if (header->opcode == CQL_PREPARE)
        return;
    ret->consistency = cursor_be16(&c);
    ret->has_consistency = !c.bad;
    if (header->opcode == CQL_BATCH)
        return;
    uint32_t flags = header->version >= 5 ? cursor_be32(&c) : cursor_u8(&c);
    if (!c.bad && flags & QUERY_VALUES)
        ret->values = values_at(&c, flags & QUERY_NAMES);
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
    if (ret->kind == CQL_PREPARED) {
        ret->id = cql_string(&c);
        if (header->version >= 5)
            cql_string(&c); /* of the result's columns */
    } else if (ret->kind == CQL_SET_KEYSPACE) {
        ret->message = cql_string(&c);
    }
    ret->body = slice_of(c.pos, cursor_left(&c));
}
