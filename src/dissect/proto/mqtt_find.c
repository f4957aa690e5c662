/* Is it MQTT? A packet's first two bytes prove little, so evidence is added up over the packets of
 * a side: flags that are fixed, lengths that fit, topics that are text. */
#include "base/text.h"
#include "dissect/proto/mqtt_packet.h"

enum {
    CHAIN_BYTES = 256 * 1024,
    CHAIN_PACKETS = 16,
    WEIGHT_FIXED = 12, /* two bytes and more that can hardly be otherwise */
    WEIGHT_TEXT = 8,   /* a length that fits, before its characters are counted */
    TOPIC_LOOKED_AT = 64
};

static bool has_fixed_flags(const struct mqtt_header *h)
{
    if (h->type == MQTT_PUBLISH)
        return mqtt_qos(h->flags) != 3 && (mqtt_qos(h->flags) || !(h->flags & 8));
    bool has_two =
        h->type == MQTT_PUBREL || h->type == MQTT_SUBSCRIBE || h->type == MQTT_UNSUBSCRIBE;
    return h->flags == (has_two ? 2 : 0);
}

static bool is_sent_by(uint8_t type, enum dissect_dir dir)
{
    if (type == MQTT_CONNECT || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE ||
        type == MQTT_PINGREQ)
        return dir == DIR_CLIENT;
    if (type == MQTT_CONNACK || type == MQTT_SUBACK || type == MQTT_UNSUBACK ||
        type == MQTT_PINGRESP)
        return dir == DIR_SERVER;
    return type != MQTT_RESERVED;
}

/* A text that is not whole may end inside a character. */
static bool is_plain(struct slice text, bool is_whole)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return !is_whole || text_is_utf8(text);
}

/* A length and that much text; MAYBE when it is not all there. */
static enum probe_result weigh_text(struct slice rest, uint32_t within, unsigned *ret_weight)
{
    if (rest.len < 2)
        return PROBE_MAYBE;
    size_t len = (size_t)(rest.data[0] << 8 | rest.data[1]);
    if (len == 0 || len + 2 > within)
        return PROBE_NO;
    struct slice text = slice_sub(rest, 2, len < TOPIC_LOOKED_AT ? len : TOPIC_LOOKED_AT);
    if (text.len < len && text.len < TOPIC_LOOKED_AT)
        return PROBE_MAYBE;
    if (!is_plain(text, text.len == len))
        return PROBE_NO;
    *ret_weight = WEIGHT_TEXT + (unsigned)(len < 20 ? len : 20);
    return PROBE_YES;
}

/* Reason codes of 5.0, return codes of 3.1.1. */
static bool is_reason(uint8_t code)
{
    return code <= 5 || code == 0x10 || code == 0x11 || code == 0x18 || code == 0x19 ||
           (code >= 0x80 && code <= 0xa2);
}

/* A reason code at `at`, and behind it properties to the packet's end, or nothing. */
static enum probe_result weigh_reason(const struct mqtt_header *h, struct slice rest, uint32_t at)
{
    if (h->length <= at)
        return PROBE_YES;
    if (rest.len <= at || (h->length > at + 1 && rest.len <= at + 1))
        return PROBE_MAYBE;
    if (!is_reason(rest.data[at]))
        return PROBE_NO;
    if (h->length == at + 1)
        return PROBE_YES;
    bool is_long = rest.data[at + 1] & 0x80; /* a length of two bytes: not looked into */
    return is_long || rest.data[at + 1] == h->length - at - 2 ? PROBE_YES : PROBE_NO;
}

static enum probe_result weigh_filters(const struct mqtt_header *h, struct slice rest,
                                       unsigned *ret_weight)
{
    if (h->length < 5)
        return PROBE_NO;
    enum probe_result plain = weigh_text(slice_sub(rest, 2, SIZE_MAX), h->length - 2, ret_weight);
    if (plain != PROBE_NO)
        return plain;
    /* 5.0 without properties has one byte more */
    return weigh_text(slice_sub(rest, 3, SIZE_MAX), h->length - 3, ret_weight);
}

static enum probe_result weigh_body(const struct mqtt_header *h, struct slice rest,
                                    unsigned *ret_weight)
{
    *ret_weight = h->length <= 2 ? WEIGHT_FIXED : WEIGHT_FIXED / 2;
    switch (h->type) {
    case MQTT_PUBLISH:
        return weigh_text(rest, h->length, ret_weight);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return weigh_filters(h, rest, ret_weight);
    case MQTT_CONNACK:
        if (h->length < 2 || (rest.len && rest.data[0] > 1))
            return PROBE_NO;
        return weigh_reason(h, rest, 1);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return h->length >= 2 ? weigh_reason(h, rest, 2) : PROBE_NO;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        if (h->length < 2 || h->length >= 1024)
            return PROBE_NO;
        if (h->length > 2 && rest.len < h->length)
            return PROBE_MAYBE;
        return h->length == 2 ? (h->type == MQTT_UNSUBACK ? PROBE_YES : PROBE_NO)
               : is_reason(rest.data[h->length - 1]) ? PROBE_YES
                                                     : PROBE_NO;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return h->length == 0 ? PROBE_YES : PROBE_NO;
    default: /* DISCONNECT, AUTH */
        return weigh_reason(h, rest, 0);
    }
}

enum probe_result mqtt_weigh(struct slice bytes, enum dissect_dir dir,
                             struct mqtt_header *ret_header, unsigned *ret_weight)
{
    *ret_weight = 0;
    if (bytes.len == 0)
        return PROBE_MAYBE;
    enum mqtt_parse parsed = mqtt_header_parse(bytes, ret_header);
    if (parsed == MQTT_INVALID || !has_fixed_flags(ret_header) ||
        !is_sent_by(ret_header->type, dir))
        return PROBE_NO;
    if (parsed == MQTT_SHORT)
        return PROBE_MAYBE;
    if (ret_header->type == MQTT_CONNECT) {
        *ret_weight = MQTT_ENOUGH;
        return mqtt_is_connect(bytes);
    }
    return weigh_body(ret_header, slice_sub(bytes, ret_header->size, SIZE_MAX), ret_weight);
}

enum probe_result mqtt_chain(struct slice bytes, enum dissect_dir dir, bool ended,
                             unsigned *ret_weight)
{
    size_t at = 0;
    *ret_weight = 0;
    for (int packets = 0; packets < CHAIN_PACKETS && *ret_weight < MQTT_ENOUGH; packets++) {
        struct mqtt_header h;
        unsigned weight = 0;
        if (at > CHAIN_BYTES)
            return PROBE_NO;
        enum probe_result one = mqtt_weigh(slice_sub(bytes, at, SIZE_MAX), dir, &h, &weight);
        if (one == PROBE_MAYBE && ended) /* a last packet that ends with the stream */
            return at == bytes.len && *ret_weight >= WEIGHT_FIXED ? PROBE_YES : PROBE_NO;
        if (one != PROBE_YES)
            return one;
        *ret_weight += weight;
        at += h.size + h.length;
    }
    return *ret_weight >= MQTT_ENOUGH ? PROBE_YES : PROBE_NO;
}

enum probe_result mqtt_is_connect(struct slice bytes)
{
    static const struct slice names[] = {SLICE_LITERAL("\0\4MQTT"), SLICE_LITERAL("\0\6MQIsdp")};
    struct mqtt_header h;
    if (bytes.len == 0)
        return PROBE_MAYBE;
    if (bytes.data[0] != 0x10)
        return PROBE_NO;
    enum mqtt_parse parsed = mqtt_header_parse(bytes, &h);
    if (parsed != MQTT_PARSED)
        return parsed == MQTT_SHORT ? PROBE_MAYBE : PROBE_NO;
    struct slice rest = slice_sub(bytes, h.size, SIZE_MAX);
    for (int i = 0; i < 2; i++) {
        size_t len = names[i].len;
        size_t n = rest.len < len ? rest.len : len;
        if (h.length < len + 6 || (n && memcmp(rest.data, names[i].data, n) != 0))
            continue;
        if (rest.len <= len)
            return PROBE_MAYBE;
        uint8_t level = rest.data[len] & 0x7f; /* the first bit marks bridges */
        return level >= 3 && level <= 5 ? PROBE_YES : PROBE_NO;
    }
    return PROBE_NO;
}
