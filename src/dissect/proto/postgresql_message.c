#include "dissect/proto/postgresql_message.h"

#include "dissect/proto/gather.h"

enum {
    PLAUSIBLE_MAX = 1 << 30, /* 1 GiB: MaxAllocSize of the server */
    FIND_MAX = 64 * 1024,    /* longer messages are no anchor after a loss */
    FIND_ITEMS_MAX = 1700    /* 1,600 columns are the most a table has */
};

bool pg_cstring(struct cursor *c, struct slice *ret)
{
    size_t left = cursor_left(c);
    const uint8_t *nul = left ? memchr(c->pos, 0, left) : NULL;
    *ret = SLICE_NONE;
    if (!nul) {
        c->bad = true;
        return false;
    }
    *ret = slice_of(c->pos, (size_t)(nul - c->pos));
    cursor_skip(c, ret->len + 1);
    return true;
}

bool pg_is_startup_code(uint32_t code)
{
    /* 3.9999 is what clients ask for to keep servers tolerant of minor versions. */
    return code == PG_CODE_SSL || code == PG_CODE_GSSENC || code == PG_CODE_CANCEL ||
           (code >> 16 == 3 && (code & 0xffff) <= 9999);
}

bool pg_client_length_fits(uint8_t type, uint32_t length)
{
    switch (type) {
    case 'S': /* Sync */
    case 'H': /* Flush */
    case 'X': /* Terminate */
    case 'c': /* CopyDone */
        return length == 4;
    case 'Q': /* Query */
    case 'f': /* CopyFail */
        return length >= 5 && length < PLAUSIBLE_MAX;
    case 'P': /* Parse */
    case 'B': /* Bind */
        return length >= 8 && length < PLAUSIBLE_MAX;
    case 'E': /* Execute */
        return length >= 9 && length < FIND_MAX;
    case 'D': /* Describe */
    case 'C': /* Close */
        return length >= 6 && length < FIND_MAX;
    case 'F': /* FunctionCall */
        return length >= 14 && length < PLAUSIBLE_MAX;
    case 'p': /* password, SASL or GSS */
        return length >= 4 && length < FIND_MAX;
    case 'd': /* CopyData */
        return length >= 4 && length < PLAUSIBLE_MAX;
    default:
        return false;
    }
}

bool pg_server_length_fits(uint8_t type, uint32_t length)
{
    switch (type) {
    case '1': /* ParseComplete */
    case '2': /* BindComplete */
    case '3': /* CloseComplete */
    case 'n': /* NoData */
    case 's': /* PortalSuspended */
    case 'I': /* EmptyQueryResponse */
    case 'c': /* CopyDone */
        return length == 4;
    case 'Z': /* ReadyForQuery */
        return length == 5;
    case 'C': /* CommandComplete */
        return length >= 5 && length < 1024;
    case 'K': /* BackendKeyData; longer keys since 3.2 */
        return length >= 12 && length <= 4 + 4 + 256;
    case 'R': /* Authentication */
        return length >= 8 && length < FIND_MAX;
    case 'S': /* ParameterStatus */
    case 'A': /* NotificationResponse */
    case 'v': /* NegotiateProtocolVersion */
        return length >= 6 && length < FIND_MAX;
    case 'E': /* ErrorResponse */
    case 'N': /* NoticeResponse */
        return length >= 5 && length < PLAUSIBLE_MAX;
    case 'G': /* CopyInResponse */
    case 'H': /* CopyOutResponse */
    case 'W': /* CopyBothResponse */
        return length >= 7 && length < FIND_MAX;
    case 'T': /* RowDescription */
    case 't': /* ParameterDescription */
        return length >= 6 && length < (16 << 20);
    case 'D': /* DataRow */
    case 'V': /* FunctionCallResponse */
    case 'd': /* CopyData */
        return length >= 4 && length < PLAUSIBLE_MAX;
    default:
        return false;
    }
}

/* ── exact forms ── */

static bool is_whole(const struct cursor *c)
{
    return !c->bad && cursor_left(c) == 0;
}

static bool is_bind(struct cursor *c)
{
    struct slice text;
    if (!pg_cstring(c, &text) || !pg_cstring(c, &text))
        return false;
    unsigned formats = cursor_be16(c);
    if (formats > FIND_ITEMS_MAX)
        return false;
    cursor_skip(c, 2u * formats);
    unsigned values = cursor_be16(c);
    if (values > FIND_ITEMS_MAX)
        return false;
    for (unsigned i = 0; i < values && !c->bad; i++) {
        uint32_t n = cursor_be32(c);
        if (n != UINT32_MAX)
            cursor_skip(c, n);
    }
    formats = cursor_be16(c);
    cursor_skip(c, 2u * formats);
    return is_whole(c);
}

static bool is_client_body(uint8_t type, struct slice body, unsigned *ret_weight)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct slice text;
    *ret_weight = 2;
    switch (type) {
    case 'Q':
        return pg_cstring(&c, &text) && is_whole(&c) && text.len >= 3 && !gather_is_binary(text);
    case 'P':
        if (!pg_cstring(&c, &text) || !pg_cstring(&c, &text) || text.len < 3 ||
            gather_is_binary(text))
            return false;
        cursor_skip(&c, 4u * cursor_be16(&c));
        return is_whole(&c);
    case 'B':
        return is_bind(&c);
    case 'E':
        *ret_weight = 1;
        if (!pg_cstring(&c, &text))
            return false;
        cursor_skip(&c, 4);
        return is_whole(&c);
    case 'D':
    case 'C':
        *ret_weight = 1;
        if (!body.len || (body.data[0] != 'S' && body.data[0] != 'P'))
            return false;
        cursor_skip(&c, 1);
        return pg_cstring(&c, &text) && is_whole(&c);
    case 'S':
        *ret_weight = 1;
        return body.len == 0;
    default:
        return false;
    }
}

static bool is_tag(struct slice body)
{
    size_t n = 0;
    while (n < body.len && body.data[n] >= 'A' && body.data[n] <= 'Z')
        n++;
    if (n < 2 || body.data[body.len - 1])
        return false;
    for (; n + 1 < body.len; n++)
        if (body.data[n] < ' ' || body.data[n] > 'Z')
            return false;
    return true;
}

static bool is_error(struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct slice text;
    unsigned seen = 0;
    while (cursor_left(&c) > 1) {
        uint8_t code = cursor_u8(&c);
        if (!((code | 0x20) >= 'a' && (code | 0x20) <= 'z') || !pg_cstring(&c, &text))
            return false;
        seen |= code == 'S' ? 1u : code == 'C' && text.len == 5 ? 2u : code == 'M' ? 4u : 0u;
    }
    return cursor_left(&c) == 1 && c.pos[0] == 0 && seen == 7;
}

static bool is_row_description(struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    unsigned count = cursor_be16(&c);
    struct pg_column column;
    if (!count || count > FIND_ITEMS_MAX)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!pg_next_column(&c, &column))
            return false;
    return is_whole(&c);
}

static bool is_data_row(struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    unsigned count = cursor_be16(&c);
    if (!count || count > FIND_ITEMS_MAX)
        return false;
    for (unsigned i = 0; i < count && !c.bad; i++) {
        uint32_t n = cursor_be32(&c);
        if (n != UINT32_MAX)
            cursor_skip(&c, n);
    }
    return is_whole(&c);
}

static bool is_server_body(uint8_t type, struct slice body, unsigned *ret_weight)
{
    *ret_weight = 2;
    switch (type) {
    case 'C':
        return is_tag(body);
    case 'E':
    case 'N':
        return is_error(body);
    case 'T':
        return is_row_description(body);
    case 'Z':
        *ret_weight = 1;
        return body.len == 1 && byte_is_in(body.data[0], "ITE");
    case 'D':
        *ret_weight = 1;
        return is_data_row(body);
    case '1':
    case '2':
    case '3':
    case 'n':
    case 's':
    case 'I':
        *ret_weight = 1;
        return true;
    default:
        return false;
    }
}

static int is_message(struct slice s, bool (*fits)(uint8_t, uint32_t),
                      bool (*is_body)(uint8_t, struct slice, unsigned *), unsigned *ret_weight,
                      size_t *ret_len)
{
    struct cursor c = cursor_of(s.data, s.len);
    uint8_t type = cursor_u8(&c);
    if (s.len < PG_HEADER_BYTES) /* the length's first byte is 0 in all that is looked for */
        return s.len > 1 && s.data[1] ? 0 : -1;
    uint32_t length = cursor_be32(&c);
    if (length >= FIND_MAX || !fits(type, length))
        return 0;
    if (cursor_left(&c) < length - 4)
        return -1;
    *ret_len = length + 1;
    return is_body(type, cursor_slice(&c, length - 4), ret_weight);
}

int pg_client_message(struct slice s, unsigned *ret_weight, size_t *ret_len)
{
    return is_message(s, pg_client_length_fits, is_client_body, ret_weight, ret_len);
}

int pg_server_message(struct slice s, unsigned *ret_weight, size_t *ret_len)
{
    return is_message(s, pg_server_length_fits, is_server_body, ret_weight, ret_len);
}

/* ── contents ── */

struct pg_error pg_parse_error(struct slice body)
{
    struct pg_error error = {0};
    struct cursor c = cursor_of(body.data, body.len);
    struct slice text;
    struct slice local = SLICE_NONE;
    while (cursor_left(&c) > 1) {
        uint8_t code = cursor_u8(&c);
        if (!pg_cstring(&c, &text))
            break;
        switch (code) {
        case 'S':
            local = text;
            break;
        case 'V': /* the same, never translated */
            error.severity = text;
            break;
        case 'C':
            error.code = text;
            break;
        case 'M':
            error.message = text;
            break;
        case 'D':
            error.detail = text;
            break;
        case 'H':
            error.hint = text;
            break;
        default:
            break;
        }
    }
    if (!error.severity.len)
        error.severity = local;
    return error;
}

bool pg_parse_bind(struct slice body, struct pg_bind *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct pg_bind){0};
    if (!pg_cstring(&c, &ret->portal) || !pg_cstring(&c, &ret->statement))
        return false;
    ret->formats = cursor_slice(&c, 2u * cursor_be16(&c));
    ret->value_count = cursor_be16(&c);
    const uint8_t *from = c.pos;
    for (unsigned i = 0; i < ret->value_count && !c.bad; i++) {
        uint32_t n = cursor_be32(&c);
        if (n != UINT32_MAX)
            cursor_skip(&c, n);
    }
    ret->values = slice_of(from, (size_t)(c.pos - from));
    ret->result_formats = cursor_slice(&c, 2u * cursor_be16(&c));
    return !c.bad;
}

bool pg_next_column(struct cursor *c, struct pg_column *ret)
{
    if (!pg_cstring(c, &ret->name))
        return false;
    cursor_skip(c, 4 + 2); /* table, attribute */
    ret->oid = cursor_be32(c);
    cursor_skip(c, 2 + 4); /* size, modifier */
    unsigned format = cursor_be16(c);
    ret->is_binary = format == 1;
    return !c->bad && format <= 1;
}

int64_t pg_tag_rows(struct slice tag)
{
    size_t from = tag.len;
    while (from && tag.data[from - 1] >= '0' && tag.data[from - 1] <= '9')
        from--;
    if (from == tag.len || tag.len - from > 18 || !from || tag.data[from - 1] != ' ')
        return -1;
    int64_t n = 0;
    for (size_t i = from; i < tag.len; i++)
        n = n * 10 + (tag.data[i] - '0');
    return n;
}
