/* MQTT control packets (MQTT 3.1.1 and 5.0, sections 2 and 3). */
#include "dissect/proto/mqtt_packet.h"

static const char *const type_names[16] = {"RESERVED",  "CONNECT",  "CONNACK",     "PUBLISH",
                                           "PUBACK",    "PUBREC",   "PUBREL",      "PUBCOMP",
                                           "SUBSCRIBE", "SUBACK",   "UNSUBSCRIBE", "UNSUBACK",
                                           "PINGREQ",   "PINGRESP", "DISCONNECT",  "AUTH"};

const char *mqtt_type_name(uint8_t type)
{
    return type_names[type & 15];
}

/* Variable byte integer (5.0 section 1.5.5): 7 bits a byte, at most four. */
static enum mqtt_parse parse_varint(struct slice bytes, uint32_t *ret_value, size_t *ret_size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i == bytes.len)
            return MQTT_SHORT;
        value |= (uint32_t)(bytes.data[i] & 0x7f) << (7 * i);
        if (bytes.data[i] & 0x80)
            continue;
        *ret_value = value;
        *ret_size = i + 1;
        return MQTT_PARSED;
    }
    return MQTT_INVALID;
}

enum mqtt_parse mqtt_header_parse(struct slice bytes, struct mqtt_header *ret_header)
{
    size_t n = 0;
    if (bytes.len == 0)
        return MQTT_SHORT;
    ret_header->type = bytes.data[0] >> 4;
    ret_header->flags = bytes.data[0] & 15;
    enum mqtt_parse r = parse_varint(slice_sub(bytes, 1, SIZE_MAX), &ret_header->length, &n);
    ret_header->size = 1 + n;
    return r;
}

static struct slice take_text(struct cursor *c)
{
    uint16_t len = cursor_be16(c);
    return cursor_slice(c, len);
}

static uint32_t take_varint(struct cursor *c)
{
    uint32_t value = 0;
    size_t n = 0;
    if (parse_varint(slice_of(c->pos, cursor_left(c)), &value, &n) != MQTT_PARSED) {
        c->bad = true;
        return 0;
    }
    cursor_skip(c, n);
    return value;
}

/* ── properties (5.0 section 2.2.2.2) ── */

enum {
    PROPERTY_CONTENT_TYPE = 3,
    PROPERTY_RESPONSE_TOPIC = 8,
    PROPERTY_ASSIGNED_CLIENT_ID = 18,
    PROPERTY_REASON_STRING = 31,
    PROPERTY_TOPIC_ALIAS = 35,
    PROPERTY_USER = 38
};

/* Bytes of a number; 'v' a variable byte integer, 's' text or binary, 'p' a pair of texts. */
static char property_kind(uint32_t id)
{
    static const char kinds[43] = {
        [1] = 1,    [2] = 4,    [3] = 's',  [8] = 's',  [9] = 's', [11] = 'v', [17] = 4,
        [18] = 's', [19] = 2,   [21] = 's', [22] = 's', [23] = 1,  [24] = 4,   [25] = 1,
        [26] = 's', [28] = 's', [31] = 's', [33] = 2,   [34] = 2,  [35] = 2,   [36] = 1,
        [37] = 1,   [38] = 'p', [39] = 4,   [40] = 1,   [41] = 1,  [42] = 1};
    return id < sizeof kinds ? kinds[id] : 0;
}

static void keep_text(struct mqtt_properties *p, uint32_t id, struct slice text)
{
    if (id == PROPERTY_CONTENT_TYPE)
        p->content_type = text;
    else if (id == PROPERTY_RESPONSE_TOPIC)
        p->response_topic = text;
    else if (id == PROPERTY_ASSIGNED_CLIENT_ID)
        p->assigned_client_id = text;
    else if (id == PROPERTY_REASON_STRING)
        p->reason = text;
}

static void take_property(struct cursor *c, struct mqtt_properties *p)
{
    uint32_t id = take_varint(c);
    char kind = property_kind(id);
    if (kind == 's') {
        keep_text(p, id, take_text(c));
    } else if (kind == 'v') {
        take_varint(c);
    } else if (kind == 'p') {
        struct entry_pair pair = {.key = take_text(c), .value = take_text(c)};
        if (!c->bad && p->user_count < MQTT_MAX_USER_PROPERTIES)
            p->user[p->user_count++] = pair;
    } else if (id == PROPERTY_TOPIC_ALIAS) {
        p->topic_alias = cursor_be16(c);
    } else if (kind) {
        cursor_skip(c, (size_t)kind);
    } else {
        c->bad = true;
    }
}

static void take_properties(struct cursor *c, struct mqtt_properties *p)
{
    uint32_t len = take_varint(c);
    struct slice bytes = cursor_slice(c, len);
    struct cursor inside = cursor_of(bytes.data, bytes.len);
    while (!inside.bad && cursor_left(&inside))
        take_property(&inside, p);
    c->bad |= inside.bad;
}

/* ── packets ── */

static void parse_connect(struct cursor *c, struct mqtt_packet *packet)
{
    struct mqtt_properties of_will = {.topic_alias = -1};
    take_text(c);                          /* protocol name */
    packet->version = cursor_u8(c) & 0x7f; /* the first bit marks bridges */
    uint8_t flags = cursor_u8(c);
    packet->keep_alive = cursor_be16(c);
    packet->clean_start = flags & 2;
    if (packet->version == 5)
        take_properties(c, &packet->properties);
    packet->client_id = take_text(c);
    if (flags & 4) {
        if (packet->version == 5)
            take_properties(c, &of_will);
        packet->will_topic = take_text(c);
        take_text(c);
    }
    if (flags & 0x80 && !c->bad)
        packet->username = take_text(c);
}

static void parse_connack(struct cursor *c, struct mqtt_packet *packet)
{
    packet->session_present = cursor_u8(c) & 1;
    packet->reason_code = cursor_u8(c);
    if (packet->version == 5 || (packet->version == 0 && cursor_left(c)))
        take_properties(c, &packet->properties);
}

static void parse_publish(const struct mqtt_header *header, struct cursor *c,
                          struct mqtt_packet *packet)
{
    packet->topics[0] = take_text(c);
    packet->topic_count = 1;
    if (mqtt_qos(header->flags))
        packet->packet_id = cursor_be16(c);
    if (packet->version == 5)
        take_properties(c, &packet->properties);
    packet->payload = slice_of(c->pos, cursor_left(c));
}

uint8_t mqtt_guess_version(struct slice payload)
{
    struct cursor c = cursor_of(payload.data, payload.len);
    struct mqtt_properties properties = {.topic_alias = -1};
    take_properties(&c, &properties);
    if (c.bad)
        return 3;
    if (payload.data[0])
        return 5;
    for (size_t i = 1; i < payload.len && i < 32; i++) /* a NUL, and then text? */
        if (payload.data[i] < 0x08 || (payload.data[i] > 0x0d && payload.data[i] < 0x20))
            return 0;
    return payload.len > 1 ? 5 : 0;
}

/* PUBACK, PUBREC, PUBREL, PUBCOMP: 5.0 may leave reason and properties out. */
static void parse_ack(struct cursor *c, struct mqtt_packet *packet)
{
    packet->packet_id = cursor_be16(c);
    if (cursor_left(c))
        packet->reason_code = cursor_u8(c);
    if (cursor_left(c))
        take_properties(c, &packet->properties);
}

static bool take_filters(struct cursor *c, struct mqtt_packet *packet, bool with_qos)
{
    while (!c->bad && cursor_left(c)) {
        struct slice filter = take_text(c);
        uint8_t options = with_qos ? cursor_u8(c) : 0;
        if (c->bad || filter.len == 0)
            return false;
        if (packet->topic_count < MQTT_MAX_TOPICS) {
            packet->requested_qos[packet->topic_count] = options & 3;
            packet->topics[packet->topic_count++] = filter;
        }
    }
    return packet->topic_count > 0;
}

static void parse_subscribe(const struct mqtt_header *header, struct cursor *c,
                            struct mqtt_packet *packet)
{
    bool with_qos = header->type == MQTT_SUBSCRIBE;
    packet->packet_id = cursor_be16(c);
    struct cursor start = *c;
    if (packet->version == 5)
        take_properties(c, &packet->properties);
    if (take_filters(c, packet, with_qos) || packet->version != 0)
        return;
    /* A version that was not seen: what does not fit 3.1.1 fits 5.0. */
    *c = start;
    packet->topic_count = 0;
    take_properties(c, &packet->properties);
    if (take_filters(c, packet, with_qos))
        packet->version = 5;
}

static void parse_suback(struct cursor *c, struct mqtt_packet *packet)
{
    packet->packet_id = cursor_be16(c);
    if (packet->version == 5)
        take_properties(c, &packet->properties);
    packet->codes = slice_of(c->pos, cursor_left(c));
    for (size_t i = 0; i < packet->codes.len; i++)
        if (packet->codes.data[i] > packet->reason_code)
            packet->reason_code = packet->codes.data[i];
}

void mqtt_packet_parse(const struct mqtt_header *header, struct slice body,
                       struct mqtt_packet *packet)
{
    struct cursor c = cursor_of(body.data, body.len);
    packet->packet_id = packet->reason_code = -1;
    packet->properties.topic_alias = -1;
    switch (header->type) {
    case MQTT_CONNECT:
        parse_connect(&c, packet);
        break;
    case MQTT_CONNACK:
        parse_connack(&c, packet);
        break;
    case MQTT_PUBLISH:
        parse_publish(header, &c, packet);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        parse_ack(&c, packet);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        parse_subscribe(header, &c, packet);
        break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        parse_suback(&c, packet);
        break;
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        if (cursor_left(&c))
            packet->reason_code = cursor_u8(&c);
        if (cursor_left(&c))
            take_properties(&c, &packet->properties);
        break;
    case MQTT_RESERVED:
        packet->is_malformed = true;
        break;
    default:
        break;
    }
    packet->is_malformed |= c.bad;
    if (header->type == MQTT_PUBLISH && mqtt_qos(header->flags) == 3)
        packet->is_malformed = true; /* 3.3.1.2: both bits MUST NOT be set */
}

/* ── reason codes ── */

static const char *connack_name(int code)
{
    static const char *const names[] = {
        "accepted",           "unacceptable protocol version", "identifier rejected",
        "server unavailable", "bad user name or password",     "not authorized"};
    return code >= 0 && code < 6 ? names[code] : NULL;
}

const char *mqtt_reason_name(uint8_t type, uint8_t version, int code)
{
    static const struct {
        uint8_t code;
        const char *name;
    } names[] = {{0x04, "disconnect with will message"},
                 {0x10, "no matching subscribers"},
                 {0x11, "no subscription existed"},
                 {0x18, "continue authentication"},
                 {0x19, "re-authenticate"},
                 {0x80, "unspecified error"},
                 {0x81, "malformed packet"},
                 {0x82, "protocol error"},
                 {0x83, "implementation specific error"},
                 {0x84, "unsupported protocol version"},
                 {0x85, "client identifier not valid"},
                 {0x86, "bad user name or password"},
                 {0x87, "not authorized"},
                 {0x88, "server unavailable"},
                 {0x89, "server busy"},
                 {0x8a, "banned"},
                 {0x8b, "server shutting down"},
                 {0x8c, "bad authentication method"},
                 {0x8d, "keep alive timeout"},
                 {0x8e, "session taken over"},
                 {0x8f, "topic filter invalid"},
                 {0x90, "topic name invalid"},
                 {0x91, "packet identifier in use"},
                 {0x92, "packet identifier not found"},
                 {0x93, "receive maximum exceeded"},
                 {0x94, "topic alias invalid"},
                 {0x95, "packet too large"},
                 {0x96, "message rate too high"},
                 {0x97, "quota exceeded"},
                 {0x98, "administrative action"},
                 {0x99, "payload format invalid"},
                 {0x9a, "retain not supported"},
                 {0x9b, "QoS not supported"},
                 {0x9c, "use another server"},
                 {0x9d, "server moved"},
                 {0x9e, "shared subscriptions not supported"},
                 {0x9f, "connection rate exceeded"},
                 {0xa0, "maximum connect time"},
                 {0xa1, "subscription identifiers not supported"},
                 {0xa2, "wildcard subscriptions not supported"}};
    if (type == MQTT_CONNACK && (version < 5 || code == 0) && connack_name(code))
        return connack_name(code);
    if (type == MQTT_SUBACK && version < 5 && code == 0x80)
        return "failure";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            return names[i].name;
    return NULL;
}

bool mqtt_is_failure(uint8_t type, uint8_t version, int code)
{
    if (type == MQTT_CONNACK && version < 5)
        return code > 0;
    return code >= 0x80;
}
