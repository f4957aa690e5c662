#include "dissect/proto/amqp_method.h"

#include "base/json_writer.h"

enum {
    MAX_DEPTH = 16,         /* of tables and arrays */
    VALUE_CAP = 256 * 1024, /* bytes of one value as text */
    BITS_PER_OCTET = 8
};

/* Types of arguments: b bit (neighbours share an octet), o octet, h short, r short that is reserved
 * and not shown, l long, L longlong,
 * s shortstr, S longstr, p longstr that is secret, t table, T timestamp. */
static const struct amqp_method methods[] = {
    {AMQP_ID(10, 10), "connection.start", AMQP_SERVER, AMQP_ID(10, 11), 0,
     "o:version-major o:version-minor t:server-properties S:mechanisms S:locales"},
    {AMQP_ID(10, 11), "connection.start-ok", AMQP_CLIENT | AMQP_REPLY, 0, 0,
     "t:client-properties s:mechanism p:response s:locale"},
    {AMQP_ID(10, 20), "connection.secure", AMQP_SERVER, AMQP_ID(10, 21), 0, "p:challenge"},
    {AMQP_ID(10, 21), "connection.secure-ok", AMQP_CLIENT | AMQP_REPLY, 0, 0, "p:response"},
    {AMQP_ID(10, 30), "connection.tune", AMQP_SERVER, AMQP_ID(10, 31), 0,
     "h:channel-max l:frame-max h:heartbeat"},
    {AMQP_ID(10, 31), "connection.tune-ok", AMQP_CLIENT | AMQP_REPLY, 0, 0,
     "h:channel-max l:frame-max h:heartbeat"},
    {AMQP_ID(10, 40), "connection.open", AMQP_CLIENT, AMQP_ID(10, 41), 0,
     "s:virtual-host s:capabilities b:insist"},
    {AMQP_ID(10, 41), "connection.open-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "s:known-hosts"},
    {AMQP_ID(10, 50), "connection.close", AMQP_BOTH, AMQP_ID(10, 51), 0,
     "h:reply-code s:reply-text h:class-id h:method-id"},
    {AMQP_ID(10, 51), "connection.close-ok", AMQP_BOTH | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(10, 60), "connection.blocked", AMQP_BOTH, 0, 0, "s:reason"},
    {AMQP_ID(10, 61), "connection.unblocked", AMQP_BOTH, 0, 0, ""},
    {AMQP_ID(10, 70), "connection.update-secret", AMQP_CLIENT, AMQP_ID(10, 71), 0,
     "p:new-secret s:reason"},
    {AMQP_ID(10, 71), "connection.update-secret-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(20, 10), "channel.open", AMQP_CLIENT, AMQP_ID(20, 11), 0, "s:out-of-band"},
    {AMQP_ID(20, 11), "channel.open-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "S:channel-id"},
    {AMQP_ID(20, 20), "channel.flow", AMQP_BOTH, AMQP_ID(20, 21), 0, "b:active"},
    {AMQP_ID(20, 21), "channel.flow-ok", AMQP_BOTH | AMQP_REPLY, 0, 0, "b:active"},
    {AMQP_ID(20, 40), "channel.close", AMQP_BOTH, AMQP_ID(20, 41), 0,
     "h:reply-code s:reply-text h:class-id h:method-id"},
    {AMQP_ID(20, 41), "channel.close-ok", AMQP_BOTH | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(30, 10), "access.request", AMQP_CLIENT, AMQP_ID(30, 11), 0,
     "s:realm b:exclusive b:passive b:active b:write b:read"},
    {AMQP_ID(30, 11), "access.request-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "h:ticket"},
    {AMQP_ID(40, 10), "exchange.declare", AMQP_CLIENT, AMQP_ID(40, 11), 0,
     "r:ticket s:exchange s:type b:passive b:durable b:auto-delete b:internal b:no-wait "
     "t:arguments"},
    {AMQP_ID(40, 11), "exchange.declare-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(40, 20), "exchange.delete", AMQP_CLIENT, AMQP_ID(40, 21), 0,
     "r:ticket s:exchange b:if-unused b:no-wait"},
    {AMQP_ID(40, 21), "exchange.delete-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(40, 30), "exchange.bind", AMQP_CLIENT, AMQP_ID(40, 31), 0,
     "r:ticket s:destination s:source s:routing-key b:no-wait t:arguments"},
    {AMQP_ID(40, 31), "exchange.bind-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(40, 40), "exchange.unbind", AMQP_CLIENT, AMQP_ID(40, 51), 0,
     "r:ticket s:destination s:source s:routing-key b:no-wait t:arguments"},
    {AMQP_ID(40, 51), "exchange.unbind-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(50, 10), "queue.declare", AMQP_CLIENT, AMQP_ID(50, 11), 0,
     "r:ticket s:queue b:passive b:durable b:exclusive b:auto-delete b:no-wait t:arguments"},
    {AMQP_ID(50, 11), "queue.declare-ok", AMQP_SERVER | AMQP_REPLY, 0, 0,
     "s:queue l:message-count l:consumer-count"},
    {AMQP_ID(50, 20), "queue.bind", AMQP_CLIENT, AMQP_ID(50, 21), 0,
     "r:ticket s:queue s:exchange s:routing-key b:no-wait t:arguments"},
    {AMQP_ID(50, 21), "queue.bind-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(50, 30), "queue.purge", AMQP_CLIENT, AMQP_ID(50, 31), 0, "r:ticket s:queue b:no-wait"},
    {AMQP_ID(50, 31), "queue.purge-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "l:message-count"},
    {AMQP_ID(50, 40), "queue.delete", AMQP_CLIENT, AMQP_ID(50, 41), 0,
     "r:ticket s:queue b:if-unused b:if-empty b:no-wait"},
    {AMQP_ID(50, 41), "queue.delete-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "l:message-count"},
    {AMQP_ID(50, 50), "queue.unbind", AMQP_CLIENT, AMQP_ID(50, 51), 0,
     "r:ticket s:queue s:exchange s:routing-key t:arguments"},
    {AMQP_ID(50, 51), "queue.unbind-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(60, 10), "basic.qos", AMQP_CLIENT, AMQP_ID(60, 11), 0,
     "l:prefetch-size h:prefetch-count b:global"},
    {AMQP_ID(60, 11), "basic.qos-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(60, 20), "basic.consume", AMQP_CLIENT, AMQP_ID(60, 21), 0,
     "r:ticket s:queue s:consumer-tag b:no-local b:no-ack b:exclusive b:no-wait t:arguments"},
    {AMQP_ID(60, 21), "basic.consume-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, "s:consumer-tag"},
    {AMQP_ID(60, 30), "basic.cancel", AMQP_BOTH, AMQP_ID(60, 31), 0, "s:consumer-tag b:no-wait"},
    {AMQP_ID(60, 31), "basic.cancel-ok", AMQP_BOTH | AMQP_REPLY, 0, 0, "s:consumer-tag"},
    {AMQP_ID(60, 40), "basic.publish", AMQP_CLIENT | AMQP_CONTENT, 0, 0,
     "r:ticket s:exchange s:routing-key b:mandatory b:immediate"},
    {AMQP_ID(60, 50), "basic.return", AMQP_SERVER | AMQP_CONTENT, 0, 0,
     "h:reply-code s:reply-text s:exchange s:routing-key"},
    {AMQP_ID(60, 60), "basic.deliver", AMQP_SERVER | AMQP_CONTENT, 0, 0,
     "s:consumer-tag L:delivery-tag b:redelivered s:exchange s:routing-key"},
    {AMQP_ID(60, 70), "basic.get", AMQP_CLIENT, AMQP_ID(60, 71), AMQP_ID(60, 72),
     "r:ticket s:queue b:no-ack"},
    {AMQP_ID(60, 71), "basic.get-ok", AMQP_SERVER | AMQP_REPLY | AMQP_CONTENT, 0, 0,
     "L:delivery-tag b:redelivered s:exchange s:routing-key l:message-count"},
    {AMQP_ID(60, 72), "basic.get-empty", AMQP_SERVER | AMQP_REPLY, 0, 0, "s:cluster-id"},
    {AMQP_ID(60, 80), "basic.ack", AMQP_BOTH, 0, 0, "L:delivery-tag b:multiple"},
    {AMQP_ID(60, 90), "basic.reject", AMQP_CLIENT, 0, 0, "L:delivery-tag b:requeue"},
    {AMQP_ID(60, 100), "basic.recover-async", AMQP_CLIENT, 0, 0, "b:requeue"},
    {AMQP_ID(60, 110), "basic.recover", AMQP_CLIENT, AMQP_ID(60, 111), 0, "b:requeue"},
    {AMQP_ID(60, 111), "basic.recover-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(60, 120), "basic.nack", AMQP_BOTH, 0, 0, "L:delivery-tag b:multiple b:requeue"},
    {AMQP_ID(85, 10), "confirm.select", AMQP_CLIENT, AMQP_ID(85, 11), 0, "b:no-wait"},
    {AMQP_ID(85, 11), "confirm.select-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(90, 10), "tx.select", AMQP_CLIENT, AMQP_ID(90, 11), 0, ""},
    {AMQP_ID(90, 11), "tx.select-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(90, 20), "tx.commit", AMQP_CLIENT, AMQP_ID(90, 21), 0, ""},
    {AMQP_ID(90, 21), "tx.commit-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
    {AMQP_ID(90, 30), "tx.rollback", AMQP_CLIENT, AMQP_ID(90, 31), 0, ""},
    {AMQP_ID(90, 31), "tx.rollback-ok", AMQP_SERVER | AMQP_REPLY, 0, 0, ""},
};

const struct amqp_method *amqp_method_find(uint32_t id)
{
    size_t low = 0, high = sizeof methods / sizeof methods[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (methods[middle].id == id)
            return &methods[middle];
        if (methods[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ── tables (section 4.2.5.5, types as RabbitMQ's errata and clients use them) ── */

static void write_value(struct cursor *c, struct json_writer *w, unsigned depth);

static void write_table(struct cursor *c, struct json_writer *w, unsigned depth)
{
    uint32_t size = cursor_be32(c);
    struct slice body = cursor_slice(c, size);
    struct cursor in = cursor_of(body.data, body.len);
    json_begin_object(w);
    while (cursor_left(&in) && !c->bad) {
        struct slice name = cursor_slice(&in, cursor_u8(&in));
        json_key_slice(w, name);
        write_value(&in, w, depth + 1);
        c->bad |= in.bad;
    }
    json_end_object(w);
}

static void write_array(struct cursor *c, struct json_writer *w, unsigned depth)
{
    uint32_t size = cursor_be32(c);
    struct slice body = cursor_slice(c, size);
    struct cursor in = cursor_of(body.data, body.len);
    json_begin_array(w);
    while (cursor_left(&in) && !c->bad) {
        write_value(&in, w, depth + 1);
        c->bad |= in.bad;
    }
    json_end_array(w);
}

static double float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void write_decimal(struct cursor *c, struct json_writer *w)
{
    uint8_t scale = cursor_u8(c);
    int32_t value = (int32_t)cursor_be32(c);
    double shown = value;
    for (int i = 0; i < scale; i++)
        shown /= 10;
    json_double(w, shown);
}

static void write_value(struct cursor *c, struct json_writer *w, unsigned depth)
{
    uint8_t type = cursor_u8(c);
    if (depth > MAX_DEPTH)
        c->bad = true;
    if (c->bad) {
        json_none(w);
        return;
    }
    switch (type) {
    case 't':
        json_bool(w, cursor_u8(c) != 0);
        break;
    case 'b':
        json_int(w, (int8_t)cursor_u8(c));
        break;
    case 'B':
        json_int(w, cursor_u8(c));
        break;
    case 's':
    case 'U':
        json_int(w, (int16_t)cursor_be16(c));
        break;
    case 'u':
        json_int(w, cursor_be16(c));
        break;
    case 'I':
        json_int(w, (int32_t)cursor_be32(c));
        break;
    case 'i':
        json_int(w, cursor_be32(c));
        break;
    case 'l':
    case 'L':
        json_int(w, (int64_t)cursor_be64(c));
        break;
    case 'T':
        json_uint(w, cursor_be64(c));
        break;
    case 'f':
        json_double(w, float_of(cursor_be32(c)));
        break;
    case 'd':
        json_double(w, double_of(cursor_be64(c)));
        break;
    case 'D':
        write_decimal(c, w);
        break;
    case 'S':
        json_text(w, cursor_slice(c, cursor_be32(c)));
        break;
    case 'x':
        json_base64(w, cursor_slice(c, cursor_be32(c)));
        break;
    case 'A':
        write_array(c, w, depth);
        break;
    case 'F':
        write_table(c, w, depth);
        break;
    case 'V':
        json_none(w);
        break;
    default:
        c->bad = true;
        json_none(w);
    }
}

/* ── arguments ── */

static void add_pair(struct amqp_arguments *out, struct slice name, struct slice value)
{
    if (out->count == AMQP_MAX_PAIRS) {
        out->more = true;
        return;
    }
    out->pairs[out->count++] = (struct entry_pair){.key = name, .value = value};
}

/* A table or a value of one as JSON text in the arena. Text values stand without quotes. */
static struct slice json_of(struct cursor *c, struct arena *arena, bool is_table)
{
    struct buf text;
    struct json_writer w;
    struct slice plain = SLICE_NONE, result = SLICE_NONE;
    if (!is_table && cursor_left(c) >= 5 && c->pos[0] == 'S') {
        cursor_skip(c, 1);
        plain = cursor_slice(c, cursor_be32(c));
        return arena ? arena_dup(arena, plain) : SLICE_NONE;
    }
    buf_init(&text, VALUE_CAP);
    json_init(&w, &text);
    if (is_table)
        write_table(c, &w, 0);
    else
        write_value(c, &w, 0);
    if (arena && !buf_failed(&text))
        result = arena_dup(arena, buf_slice(&text));
    buf_done(&text);
    return result;
}

/* A table's members as pairs of their own. */
static void read_headers(struct cursor *c, struct arena *arena, struct amqp_arguments *out)
{
    struct slice body = cursor_slice(c, cursor_be32(c));
    struct cursor in = cursor_of(body.data, body.len);
    while (cursor_left(&in) && !in.bad) {
        struct slice name = cursor_slice(&in, cursor_u8(&in));
        struct slice value = json_of(&in, arena, false);
        if (arena && !in.bad)
            add_pair(out, arena_printf(arena, "headers.%.*s", SLICE_ARGS(name)), value);
    }
    c->bad |= in.bad;
}

/* SASL PLAIN (RFC 4616) names its user; the password stays out. */
static struct slice secret_text(struct slice value, struct arena *arena)
{
    const uint8_t *end =
        value.len > 1 && value.data[0] == 0 ? memchr(value.data + 1, 0, value.len - 1) : NULL;
    if (end)
        return arena_printf(arena, "user %.*s, ***", (int)(end - value.data - 1),
                            (const char *)value.data + 1);
    return value.len ? SLICE_LITERAL("***") : SLICE_NONE;
}

static struct slice read_value(char type, struct cursor *c, struct arena *arena)
{
    uint64_t number = 0;
    struct slice text = SLICE_NONE;
    switch (type) {
    case 'o':
        number = cursor_u8(c);
        break;
    case 'h':
        number = cursor_be16(c);
        break;
    case 'l':
        number = cursor_be32(c);
        break;
    case 'L':
    case 'T':
        number = cursor_be64(c);
        break;
    case 's':
        text = cursor_slice(c, cursor_u8(c));
        return arena ? arena_dup(arena, text) : SLICE_NONE;
    case 'S':
        text = cursor_slice(c, cursor_be32(c));
        return arena ? arena_dup(arena, text) : SLICE_NONE;
    case 'p':
        text = cursor_slice(c, cursor_be32(c));
        return arena ? secret_text(text, arena) : SLICE_NONE;
    default:
        return json_of(c, arena, true);
    }
    return arena ? arena_printf(arena, "%llu", (unsigned long long)number) : SLICE_NONE;
}

bool amqp_read_arguments(const struct amqp_method *method, struct slice payload,
                         struct arena *arena, struct amqp_arguments *ret)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    const char *at = method->arguments;
    uint8_t bits = 0;
    int bit = BITS_PER_OCTET;
    ret->count = 0;
    ret->more = false;
    while (*at && !c.bad) {
        char type = *at;
        const char *name = at + 2;
        size_t len = strcspn(name, " ");
        struct slice value = SLICE_NONE;
        if (type == 'r') {
            cursor_skip(&c, 2);
        } else if (type == 'b') {
            if (bit == BITS_PER_OCTET) {
                bits = cursor_u8(&c);
                bit = 0;
            }
            value = bits >> bit++ & 1 ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
        } else {
            bit = BITS_PER_OCTET;
            value = read_value(type, &c, arena);
        }
        if (arena && !c.bad && type != 'r')
            add_pair(ret, slice_of(name, len), value);
        at = name + len + (name[len] == ' ');
    }
    return !c.bad && cursor_left(&c) == 0;
}

bool amqp_read_properties(struct slice properties, struct arena *arena, struct amqp_arguments *ret)
{
    static const struct {
        uint16_t flag;
        char type;
        const char *name;
    } known[] = {
        {0x8000, 's', "content-type"}, {0x4000, 's', "content-encoding"},
        {0x2000, 't', "headers"},      {0x1000, 'o', "delivery-mode"},
        {0x0800, 'o', "priority"},     {0x0400, 's', "correlation-id"},
        {0x0200, 's', "reply-to"},     {0x0100, 's', "expiration"},
        {0x0080, 's', "message-id"},   {0x0040, 'T', "timestamp"},
        {0x0020, 's', "type"},         {0x0010, 's', "user-id"},
        {0x0008, 's', "app-id"},       {0x0004, 's', "cluster-id"},
    };
    struct cursor c = cursor_of(properties.data, properties.len);
    uint16_t flags = cursor_be16(&c);
    for (uint16_t more = flags; more & 1 && !c.bad;)
        more = cursor_be16(&c);
    for (size_t i = 0; i < sizeof known / sizeof known[0] && !c.bad; i++) {
        if (!(flags & known[i].flag))
            continue;
        if (known[i].type == 't') {
            read_headers(&c, arena, ret);
            continue;
        }
        struct slice value = read_value(known[i].type, &c, arena);
        if (arena && !c.bad)
            add_pair(ret, slice_str(known[i].name), value);
    }
    return !c.bad && cursor_left(&c) == 0;
}

struct slice amqp_argument(const struct amqp_arguments *arguments, const char *name)
{
    for (uint32_t i = 0; i < arguments->count; i++)
        if (slice_eq_str(arguments->pairs[i].key, name))
            return arguments->pairs[i].value;
    return SLICE_NONE;
}

bool amqp_argument_is_true(const struct amqp_arguments *arguments, const char *name)
{
    return slice_eq_str(amqp_argument(arguments, name), "true");
}

uint64_t amqp_argument_number(const struct amqp_arguments *arguments, const char *name)
{
    struct slice text = amqp_argument(arguments, name);
    uint64_t number = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    return number;
}
