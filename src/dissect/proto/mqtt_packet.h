/* One MQTT control packet: MQTT 3.1 (IBM), 3.1.1 and 5.0 (OASIS), without connections: framed,
 * parsed, named. Text is borrowed from the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_MQTT_PACKET_H
#define TRAWL_DISSECT_PROTO_MQTT_PACKET_H

#include "dissect/dissector.h"

enum mqtt_type {
    MQTT_RESERVED = 0,
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH /* 5.0 */
};

enum {
    MQTT_MAX_TOPICS = 64, /* of one SUBSCRIBE that are shown */
    MQTT_MAX_USER_PROPERTIES = 64
};

struct mqtt_header {
    uint8_t type, flags;
    uint32_t length; /* remaining length */
    size_t size;     /* of the fixed header */
};

enum mqtt_parse {
    MQTT_PARSED,
    MQTT_SHORT, /* more bytes are needed */
    MQTT_INVALID
};

enum mqtt_parse mqtt_header_parse(struct slice bytes, struct mqtt_header *ret_header);
const char *mqtt_type_name(uint8_t type);
static inline uint8_t mqtt_qos(uint8_t flags)
{
    return flags >> 1 & 3;
}

struct mqtt_properties {
    struct slice content_type, assigned_client_id, response_topic, reason;
    int64_t topic_alias; /* −1: none */
    struct entry_pair user[MQTT_MAX_USER_PROPERTIES];
    size_t user_count;
};

struct mqtt_packet {
    uint8_t version; /* 3, 4, 5; 0: not known. In: that of the connection; out: CONNECT's own */
    bool is_malformed;
    int64_t packet_id; /* −1: none */
    /* CONNECT */
    struct slice client_id, username, will_topic;
    uint16_t keep_alive;
    bool clean_start;
    /* PUBLISH; also the filters of SUBSCRIBE and UNSUBSCRIBE */
    struct slice topics[MQTT_MAX_TOPICS];
    uint8_t requested_qos[MQTT_MAX_TOPICS];
    size_t topic_count;
    struct slice payload;
    /* CONNACK, acknowledgements, DISCONNECT; −1: none */
    int reason_code;
    bool session_present;
    struct slice codes; /* SUBACK, UNSUBACK: one a filter */
    struct mqtt_properties properties;
};

/* `body`: the bytes behind the fixed header, as far as they are kept (of a PUBLISH perhaps not
 * all). The packet's `version` MUST be set. */
void mqtt_packet_parse(const struct mqtt_header *header, struct slice body,
                       struct mqtt_packet *packet);
/* Of a PUBLISH whose version was not seen, parsed as one of 3.1.1: 5 when what looks like its
 * payload begins with properties, 3 when it cannot, 0 when both may be. */
uint8_t mqtt_guess_version(struct slice payload);
/* What the code says, or NULL. */
const char *mqtt_reason_name(uint8_t type, uint8_t version, int code);
bool mqtt_is_failure(uint8_t type, uint8_t version, int code);

/* Does the side speak MQTT from the first byte on? The evidence in bits goes to *ret_weight. NO is
 * certain; MAYBE: more bytes are needed to say more. */
enum probe_result mqtt_chain(struct slice bytes, enum dissect_dir dir, bool ended,
                             unsigned *ret_weight);
/* The same of one packet: YES when it may be sent by that side. */
enum probe_result mqtt_weigh(struct slice bytes, enum dissect_dir dir,
                             struct mqtt_header *ret_header, unsigned *ret_weight);
/* The beginning of a connection: CONNECT with its protocol name. */
enum probe_result mqtt_is_connect(struct slice bytes);

enum {
    MQTT_ENOUGH = 24 /* bits */
};

#endif
