/* From MQTT packets to the fields of an entry (filter.md, row MQTT). */
#include "base/text.h"
#include "dissect/proto/mqtt_call.h"

enum {
    SUMMARY_TOPIC_MAX = 120,
    SUMMARY_PAYLOAD_MAX = 80
};

enum mqtt_field {
    TYPE,
    TOPIC,
    QOS,
    CLIENT_ID,
    VERSION,
    RETAIN,
    DUP,
    PACKET_ID,
    USERNAME,
    REASON_CODE,
    REASON,
    FIELDS
};
_Static_assert(FIELDS == (int)MQTT_FIELD_COUNT, "the table is as long as its enum");

const struct field_def mqtt_fields[MQTT_FIELD_COUNT] = {
    [TYPE] = {"mqtt_type", FIELD_TEXT, 0, 0, "control packet: CONNECT, PUBLISH, SUBSCRIBE …",
              "mqtt_type == \"PUBLISH\""},
    [TOPIC] = {"mqtt_topic", FIELD_TEXT, 0, 0,
               "topic, or the filters of a subscription (joined by \", \")",
               "mqtt_topic.startsWith(\"sensors/\")"},
    [QOS] = {"mqtt_qos", FIELD_INT, FIELD_GUARD_ZERO, 0,
             "quality of service of a PUBLISH; of a SUBSCRIBE the highest asked for",
             "mqtt_qos == 2"},
    [CLIENT_ID] = {"mqtt_client_id", FIELD_TEXT, 0, 0, "client of the connection",
                   "mqtt_client_id == \"meter-7\""},
    [VERSION] = {"mqtt_version", FIELD_TEXT, 0, 0, "3.1, 3.1.1 or 5", "mqtt_version == \"5\""},
    [RETAIN] = {"mqtt_retain", FIELD_BOOL, 0, 0, "retained message", "mqtt_retain"},
    [DUP] = {"mqtt_dup", FIELD_BOOL, 0, 0, "sent again by the peer", "mqtt_dup"},
    [PACKET_ID] = {"mqtt_packet_id", FIELD_INT, 0, 0, "packet identifier", "mqtt_packet_id == 7"},
    [USERNAME] = {"mqtt_username", FIELD_TEXT, 0, 0, "user name of a CONNECT",
                  "mqtt_username == \"meter\""},
    [REASON_CODE] = {"mqtt_reason_code", FIELD_INT, 0, -1,
                     "return or reason code of the answer (of a DISCONNECT its own)",
                     "mqtt_reason_code >= 128"},
    [REASON] = {"mqtt_reason", FIELD_TEXT, 0, 0, "what that code, or the reason string, says",
                "mqtt_reason.contains(\"authorized\")"},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

/* One line, at most so long. */
static struct slice one_line(struct arena *arena, struct slice text, size_t most)
{
    size_t n = text.len < most ? text.len : most;
    while (n && n < text.len && (text.data[n] & 0xc0) == 0x80)
        n--;
    uint8_t *out = arena_alloc(arena, n + 4);
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        out[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? ' ' : text.data[i];
    if (n < text.len) {
        memcpy(out + n, "…", sizeof "…" - 1);
        n += sizeof "…" - 1;
    }
    return slice_of(out, n);
}

static struct slice join_topics(struct arena *arena, const struct mqtt_packet *packet)
{
    if (packet->topic_count < 2)
        return packet->topic_count ? packet->topics[0] : SLICE_NONE;
    size_t room = 0;
    for (size_t i = 0; i < packet->topic_count; i++)
        room += packet->topics[i].len + 2;
    uint8_t *out = arena_alloc(arena, room);
    size_t len = 0;
    for (size_t i = 0; out && i < packet->topic_count; i++) {
        if (i) {
            memcpy(out + len, ", ", 2);
            len += 2;
        }
        memcpy(out + len, packet->topics[i].data, packet->topics[i].len);
        len += packet->topics[i].len;
    }
    return slice_of(out, len);
}

static void set_user_properties(struct mqtt_call *call, const struct mqtt_properties *p,
                                unsigned field)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    size_t most = p->user_count + 1;
    struct entry_pair *pairs =
        p->user_count || p->content_type.len ? arena_calloc(arena, most, sizeof *pairs) : NULL;
    size_t n = 0;
    if (!pairs)
        return;
    if (p->content_type.len)
        pairs[n++] = (struct entry_pair){SLICE_LITERAL("content-type"), p->content_type};
    for (size_t i = 0; i < p->user_count; i++)
        pairs[n++] = p->user[i];
    dissect_set_map(call->entry, field, pairs, n);
}

static struct slice describe(struct mqtt_call *call, const struct mqtt_packet *packet,
                             struct slice topics)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const char *name = mqtt_type_name(call->header.type);
    struct slice what = one_line(
        arena, call->header.type == MQTT_CONNECT ? packet->client_id : topics, SUMMARY_TOPIC_MAX);
    if (call->header.type != MQTT_PUBLISH)
        return arena_printf(arena, "%s%s%.*s", name, what.len ? " " : "", SLICE_ARGS(what));
    struct slice payload = packet->payload;
    if (payload.len && !gather_is_binary(payload)) {
        payload = one_line(arena, payload, SUMMARY_PAYLOAD_MAX);
        return arena_printf(arena, "%s %.*s: %.*s", name, SLICE_ARGS(what), SLICE_ARGS(payload));
    }
    return arena_printf(arena, "%s %.*s (%zu bytes)", name, SLICE_ARGS(what), payload.len);
}

static void set_payload(struct mqtt_call *call, const struct mqtt_packet *packet)
{
    struct dissect_entry *entry = call->entry;
    struct slice payload = packet->payload;
    uint64_t missing = call->raw_bytes - call->raw.len; /* of the end, which is all payload */
    bool is_cut = missing > 0 || payload.len > DISSECT_BODY_CAP;
    dissect_set_int(entry, FIELD_REQUEST_BODY_SIZE_ID, (int64_t)(payload.len + missing));
    set_text(entry, FIELD_REQUEST_BODY_ID, slice_sub(payload, 0, DISSECT_BODY_CAP));
    if (is_cut) {
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    }
}

static void set_code(struct mqtt_call *call, uint8_t type, const struct mqtt_packet *packet)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (packet->reason_code < 0)
        return;
    const char *name = mqtt_reason_name(type, packet->version, packet->reason_code);
    struct slice told = packet->properties.reason.len ? arena_dup(arena, packet->properties.reason)
                                                      : slice_str(name);
    dissect_set_int(call->entry, OWN_FIELD(REASON_CODE), packet->reason_code);
    set_text(call->entry, OWN_FIELD(REASON), told);
    if (mqtt_is_failure(type, packet->version, packet->reason_code)) {
        call->is_failed = true;
        call->outcome = told.len ? one_line(arena, told, SUMMARY_PAYLOAD_MAX)
                                 : arena_printf(arena, "code %d", packet->reason_code);
    }
}

void mqtt_set_request(struct mqtt_call *call, const struct mqtt_packet *packet)
{
    struct dissect_entry *entry = call->entry;
    uint8_t type = call->header.type;
    struct slice topics = join_topics(dissect_entry_arena(entry), packet);
    call->packet_id = packet->packet_id;
    call->is_failed = packet->is_malformed;
    set_text(entry, OWN_FIELD(TOPIC), topics);
    if (type == MQTT_PUBLISH) {
        dissect_set_int(entry, OWN_FIELD(QOS), mqtt_qos(call->header.flags));
        if (call->header.flags & 1)
            dissect_set_bool(entry, OWN_FIELD(RETAIN), true);
        if (call->header.flags & 8)
            dissect_set_bool(entry, OWN_FIELD(DUP), true);
        set_payload(call, packet);
    }
    if (type == MQTT_SUBSCRIBE) {
        uint8_t most = 0;
        for (size_t i = 0; i < packet->topic_count; i++)
            most = packet->requested_qos[i] > most ? packet->requested_qos[i] : most;
        dissect_set_int(entry, OWN_FIELD(QOS), most);
    }
    if (type == MQTT_DISCONNECT || type == MQTT_AUTH)
        set_code(call, type, packet);
    set_text(entry, OWN_FIELD(USERNAME), packet->username);
    set_user_properties(call, &packet->properties, FIELD_REQUEST_HEADERS_ID);
    call->asked = describe(call, packet, topics);
}

void mqtt_set_answer(struct mqtt_call *call, const struct mqtt_header *header,
                     const struct mqtt_packet *packet)
{
    call->outcome = slice_str(mqtt_type_name(header->type));
    if (call->is_lone)
        call->packet_id = packet->packet_id;
    set_code(call, header->type, packet);
}

void mqtt_emit(struct dissect_conn *conn, const struct mqtt_session *session,
               struct mqtt_call *call, const char *status, const char *reason)
{
    static const char *const versions[6] = {[3] = "3.1", [4] = "3.1.1", [5] = "5"};
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const char *version = session->version < 6 ? versions[session->version] : NULL;
    dissect_set_str(entry, OWN_FIELD(TYPE), mqtt_type_name(call->header.type));
    set_text(entry, OWN_FIELD(CLIENT_ID), session->client_id);
    if (version)
        dissect_set_str(entry, OWN_FIELD(VERSION), version);
    if (call->packet_id >= 0)
        dissect_set_int(entry, OWN_FIELD(PACKET_ID), call->packet_id);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(call->asked),
                                  call->outcome.len ? (call->asked.len ? " → " : "→ ") : "",
                                  SLICE_ARGS(call->outcome)));
    if (!reason && call->is_failed)
        status = "error";
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
