#include "dissect/proto/mysql_packet.h"

#include <inttypes.h>
#include <stdio.h>

const char *mysql_command_name(uint8_t command)
{
    static const char *const names[] = {"COM_SLEEP",
                                        "COM_QUIT",
                                        "COM_INIT_DB",
                                        "COM_QUERY",
                                        "COM_FIELD_LIST",
                                        "COM_CREATE_DB",
                                        "COM_DROP_DB",
                                        "COM_REFRESH",
                                        "COM_SHUTDOWN",
                                        "COM_STATISTICS",
                                        "COM_PROCESS_INFO",
                                        "COM_CONNECT",
                                        "COM_PROCESS_KILL",
                                        "COM_DEBUG",
                                        "COM_PING",
                                        "COM_TIME",
                                        "COM_DELAYED_INSERT",
                                        "COM_CHANGE_USER",
                                        "COM_BINLOG_DUMP",
                                        "COM_TABLE_DUMP",
                                        "COM_CONNECT_OUT",
                                        "COM_REGISTER_SLAVE",
                                        "COM_STMT_PREPARE",
                                        "COM_STMT_EXECUTE",
                                        "COM_STMT_SEND_LONG_DATA",
                                        "COM_STMT_CLOSE",
                                        "COM_STMT_RESET",
                                        "COM_SET_OPTION",
                                        "COM_STMT_FETCH",
                                        "COM_DAEMON",
                                        "COM_BINLOG_DUMP_GTID",
                                        "COM_RESET_CONNECTION",
                                        "COM_CLONE",
                                        "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM"};
    if (command == COM_STMT_BULK_EXECUTE)
        return "COM_STMT_BULK_EXECUTE";
    return command < sizeof names / sizeof names[0] ? names[command] : NULL;
}

uint64_t my_lenenc(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    if (first < 0xfb)
        return first;
    if (first == 0xfc)
        return cursor_le16(c);
    if (first == 0xfd) {
        uint64_t low = cursor_le16(c);
        return low | (uint64_t)cursor_u8(c) << 16;
    }
    if (first == 0xfe)
        return cursor_le64(c);
    c->bad = true;
    return 0;
}

struct slice my_lenenc_text(struct cursor *c, bool *ret_null)
{
    bool is_null = cursor_left(c) && c->pos[0] == 0xfb;
    if (ret_null)
        *ret_null = is_null;
    if (is_null) {
        cursor_skip(c, 1);
        return SLICE_NONE;
    }
    uint64_t len = my_lenenc(c);
    if (len > cursor_left(c)) {
        c->bad = true;
        return SLICE_NONE;
    }
    return cursor_slice(c, (size_t)len);
}

struct slice my_cstring(struct cursor *c)
{
    size_t left = cursor_left(c);
    const uint8_t *nul = left ? memchr(c->pos, 0, left) : NULL;
    struct slice text = slice_of(c->pos, nul ? (size_t)(nul - c->pos) : left);
    cursor_skip(c, nul ? text.len + 1 : left);
    return text;
}

bool my_parse_greeting(struct slice body, struct my_greeting *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct my_greeting){0};
    if (cursor_u8(&c) != 10)
        return false;
    ret->version = my_cstring(&c);
    ret->thread_id = cursor_le32(&c);
    cursor_skip(&c, 8 + 1);
    ret->capabilities = cursor_le16(&c);
    if (c.bad)
        return false;
    cursor_skip(&c, 1 + 2); /* character set, status */
    ret->capabilities |= (uint32_t)cursor_le16(&c) << 16;
    cursor_skip(&c, 1 + 6);
    uint32_t maria = cursor_le32(&c);
    if (!c.bad && !(ret->capabilities & MY_LONG_PASSWORD))
        ret->maria_capabilities = maria;
    return true;
}

static void skip_auth_data(struct cursor *c, uint32_t capabilities)
{
    if (capabilities & MY_AUTH_LENENC)
        my_lenenc_text(c, NULL);
    else if (capabilities & MY_SECURE_CONNECTION)
        cursor_skip(c, cursor_u8(c));
    else
        my_cstring(c);
}

bool my_parse_login(struct slice body, struct my_login *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct my_login){0};
    uint32_t caps = cursor_le16(&c);
    if (!(caps & MY_PROTOCOL_41)) { /* before 4.1: capabilities 2, largest packet 3 */
        cursor_skip(&c, 3);
        ret->capabilities = caps;
        ret->is_ssl_request = caps & MY_SSL && cursor_left(&c) == 0;
        ret->user = my_cstring(&c);
        my_cstring(&c);
        if (caps & MY_CONNECT_WITH_DB)
            ret->database = my_cstring(&c);
        return !c.bad;
    }
    caps |= (uint32_t)cursor_le16(&c) << 16;
    cursor_skip(&c, 4 + 1 + 19); /* largest packet, character set, reserved */
    uint32_t maria = cursor_le32(&c);
    ret->capabilities = caps;
    if (!(caps & MY_LONG_PASSWORD))
        ret->maria_capabilities = maria;
    ret->is_ssl_request = caps & MY_SSL && cursor_left(&c) == 0;
    if (c.bad || ret->is_ssl_request)
        return !c.bad;
    ret->user = my_cstring(&c);
    skip_auth_data(&c, caps);
    if (caps & MY_CONNECT_WITH_DB)
        ret->database = my_cstring(&c);
    if (caps & MY_PLUGIN_AUTH)
        ret->plugin = my_cstring(&c);
    if (caps & MY_CONNECT_ATTRS)
        ret->attributes = my_lenenc_text(&c, NULL);
    return true;
}

/* Session state: type and length, then by type; 1 is a changed schema. */
static struct slice tracked_schema(struct slice changes)
{
    struct cursor c = cursor_of(changes.data, changes.len);
    while (cursor_left(&c)) {
        uint8_t type = cursor_u8(&c);
        struct slice data = my_lenenc_text(&c, NULL);
        if (type == 1) {
            struct cursor d = cursor_of(data.data, data.len);
            return my_lenenc_text(&d, NULL);
        }
    }
    return SLICE_NONE;
}

bool my_parse_ok(struct slice body, uint32_t capabilities, struct my_ok *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct my_ok){0};
    cursor_skip(&c, 1);
    ret->affected_rows = my_lenenc(&c);
    ret->insert_id = my_lenenc(&c);
    ret->status = cursor_le16(&c);
    ret->warnings = cursor_le16(&c);
    if (c.bad)
        return false;
    /* only who asked for it is told that its session changed */
    bool is_tracked = capabilities & MY_SESSION_TRACK || ret->status & MY_STATE_CHANGED;
    /* servers write its length although nothing follows */
    if (!is_tracked) {
        ret->info = slice_of(c.pos, cursor_left(&c));
        struct slice text = cursor_left(&c) ? my_lenenc_text(&c, NULL) : SLICE_NONE;
        if (!c.bad && cursor_left(&c) == 0)
            ret->info = text;
        return true;
    }
    if (cursor_left(&c))
        ret->info = my_lenenc_text(&c, NULL);
    if (ret->status & MY_STATE_CHANGED && cursor_left(&c))
        ret->schema = tracked_schema(my_lenenc_text(&c, NULL));
    return true;
}

bool my_parse_error(struct slice body, struct my_error *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct my_error){0};
    cursor_skip(&c, 1);
    ret->code = cursor_le16(&c);
    if (cursor_left(&c) >= 6 && c.pos[0] == '#') {
        cursor_skip(&c, 1);
        ret->state = cursor_slice(&c, 5);
    }
    ret->message = slice_of(c.pos, cursor_left(&c));
    return !c.bad;
}

bool my_parse_column(struct slice body, uint32_t maria_capabilities, struct my_column *ret)
{
    enum {
        UNSIGNED_FLAG = 0x20,
        BINARY_CHARSET = 63
    };
    struct cursor c = cursor_of(body.data, body.len);
    *ret = (struct my_column){0};
    for (int i = 0; i < 4; i++) /* catalog, schema, table, original table */
        my_lenenc_text(&c, NULL);
    ret->name = my_lenenc_text(&c, NULL);
    my_lenenc_text(&c, NULL);
    if (maria_capabilities & MARIA_EXTENDED_METADATA)
        my_lenenc_text(&c, NULL);
    my_lenenc(&c); /* of what follows */
    ret->is_bytes = cursor_le16(&c) == BINARY_CHARSET;
    cursor_skip(&c, 4);
    ret->type = cursor_u8(&c);
    ret->is_unsigned = cursor_le16(&c) & UNSIGNED_FLAG;
    return !c.bad;
}

/* ── binary values ── */

enum my_type {
    TYPE_DECIMAL = 0,
    TYPE_TINY = 1,
    TYPE_SHORT = 2,
    TYPE_LONG = 3,
    TYPE_FLOAT = 4,
    TYPE_DOUBLE = 5,
    TYPE_NULL = 6,
    TYPE_TIMESTAMP = 7,
    TYPE_LONGLONG = 8,
    TYPE_INT24 = 9,
    TYPE_DATE = 10,
    TYPE_TIME = 11,
    TYPE_DATETIME = 12,
    TYPE_YEAR = 13
};

static int put_integer(struct cursor *c, unsigned bytes, bool is_unsigned, char *out)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)cursor_u8(c) << (8 * i);
    if (is_unsigned)
        return snprintf(out, MY_TEXT_MAX, "%" PRIu64, v);
    if (bytes < 8 && v >> (8 * bytes - 1) & 1)
        v |= UINT64_MAX << (8 * bytes);
    return snprintf(out, MY_TEXT_MAX, "%" PRId64, (int64_t)v);
}

static int put_real(struct cursor *c, bool is_double, char *out)
{
    if (is_double) {
        uint64_t bits = cursor_le64(c);
        double v;
        memcpy(&v, &bits, sizeof v);
        return snprintf(out, MY_TEXT_MAX, "%.17g", v);
    }
    uint32_t bits = cursor_le32(c);
    float v;
    memcpy(&v, &bits, sizeof v);
    return snprintf(out, MY_TEXT_MAX, "%.9g", (double)v);
}

static int put_date(struct cursor *c, bool with_time, char *out)
{
    unsigned len = cursor_u8(c);
    struct slice raw = cursor_slice(c, len);
    struct cursor d = cursor_of(raw.data, raw.len);
    unsigned year = len >= 4 ? cursor_le16(&d) : 0;
    unsigned month = cursor_u8(&d), day = cursor_u8(&d);
    unsigned hour = cursor_u8(&d), minute = cursor_u8(&d), second = cursor_u8(&d);
    uint32_t us = cursor_le32(&d);
    int n = snprintf(out, MY_TEXT_MAX, "%04u-%02u-%02u", year, month, day);
    if (with_time)
        n += snprintf(out + n, MY_TEXT_MAX - (size_t)n, " %02u:%02u:%02u", hour, minute, second);
    if (with_time && len >= 11)
        n += snprintf(out + n, MY_TEXT_MAX - (size_t)n, ".%06" PRIu32, us);
    return n;
}

static int put_time(struct cursor *c, char *out)
{
    unsigned len = cursor_u8(c);
    struct slice raw = cursor_slice(c, len);
    struct cursor d = cursor_of(raw.data, raw.len);
    bool negative = cursor_u8(&d);
    uint64_t days = cursor_le32(&d);
    unsigned hour = cursor_u8(&d), minute = cursor_u8(&d), second = cursor_u8(&d);
    uint32_t us = cursor_le32(&d);
    int n = snprintf(out, MY_TEXT_MAX, "%s%02" PRIu64 ":%02u:%02u", negative ? "-" : "",
                     days * 24 + hour, minute, second);
    if (len >= 12)
        n += snprintf(out + n, MY_TEXT_MAX - (size_t)n, ".%06" PRIu32, us);
    return n;
}

bool my_binary_value(struct cursor *c, uint8_t type, bool is_unsigned, char *scratch,
                     struct slice *ret)
{
    int n;
    switch (type) {
    case TYPE_TINY:
        n = put_integer(c, 1, is_unsigned, scratch);
        break;
    case TYPE_SHORT:
    case TYPE_YEAR:
        n = put_integer(c, 2, is_unsigned || type == TYPE_YEAR, scratch);
        break;
    case TYPE_LONG:
    case TYPE_INT24:
        n = put_integer(c, 4, is_unsigned, scratch);
        break;
    case TYPE_LONGLONG:
        n = put_integer(c, 8, is_unsigned, scratch);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        n = put_real(c, type == TYPE_DOUBLE, scratch);
        break;
    case TYPE_DATE:
        n = put_date(c, false, scratch);
        break;
    case TYPE_DATETIME:
    case TYPE_TIMESTAMP:
        n = put_date(c, true, scratch);
        break;
    case TYPE_TIME:
        n = put_time(c, scratch);
        break;
    case TYPE_NULL:
        *ret = SLICE_NONE;
        return true;
    default: /* decimals, texts, blobs, JSON, geometry: as they are */
        *ret = my_lenenc_text(c, NULL);
        return !c->bad;
    }
    *ret = slice_of(scratch, (size_t)n);
    return !c->bad;
}
