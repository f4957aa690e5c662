/* One MQTT packet with its acknowledgement, between mqtt.c (reading, pairing) and mqtt_entry.c
 * (fields). It lives in its entry's arena. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_MQTT_CALL_H
#define TRAWL_DISSECT_PROTO_MQTT_CALL_H

#include "dissect/proto/gather.h"
#include "dissect/proto/mqtt_packet.h"

enum {
    MQTT_FIELD_COUNT = 11
};
extern const struct field_def mqtt_fields[MQTT_FIELD_COUNT];

struct mqtt_call {
    struct mqtt_call *next; /* in its bucket */
    struct dissect_entry *entry;
    struct mqtt_header header; /* of the request, or of a lone answer */
    enum dissect_dir from;     /* who asked */
    int64_t packet_id;
    struct slice asked; /* for the summary */
    struct slice outcome;
    struct gather raw;  /* PUBLISH: behind the fixed header */
    uint64_t raw_bytes; /* on the wire */
    bool is_lone;       /* an answer whose request was not seen */
    bool is_failed, has_gap;
    bool is_unsure;                /* what was lost may have held its answer */
    bool is_received, is_released; /* QoS 2: PUBREC and PUBREL were seen */
    bool has_unknown_version;      /* its payload may begin with properties of 5.0 */
};

/* What is known of the connection. */
struct mqtt_session {
    struct slice client_id;
    uint8_t version; /* 0: not known */
};

/* The packet's fields; text of `packet` MUST live as long as the entry. */
void mqtt_set_request(struct mqtt_call *call, const struct mqtt_packet *packet);
/* An answer of any kind; copies what it keeps. */
void mqtt_set_answer(struct mqtt_call *call, const struct mqtt_header *header,
                     const struct mqtt_packet *packet);
/* Session fields and summary, then the entry leaves. */
void mqtt_emit(struct dissect_conn *conn, const struct mqtt_session *session,
               struct mqtt_call *call, const char *status, const char *reason);

#endif
