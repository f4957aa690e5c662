/* MQTT 3.1, 3.1.1 and 5.0 over TCP (OASIS MQTT Version 3.1.1 and 5.0).
 *
 * An entry is a PUBLISH of either side with its acknowledgements (by packet identifier, QoS 1 and
 * 2), or another request with its answer: CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ; DISCONNECT and
 * AUTH stand alone. What the broker publishes has it as the requester. The payload of a PUBLISH is
 * consumed as it comes; every other packet is read whole. */
#include "dissect/proto/mqtt_call.h"

enum {
    CONTROL_MAX_BYTES = 256 * 1024,                           /* of a packet that is no PUBLISH */
    RAW_MAX_BYTES = DISSECT_BODY_CAP + CONTROL_MAX_BYTES / 2, /* topic and properties come first */
    MAX_WAITING = 640,
    BUCKETS = 64,
    MAX_ALIASES = 64
};

enum mqtt_phase {
    PHASE_PACKET,
    PHASE_PAYLOAD, /* of a PUBLISH */
    PHASE_JOIN,    /* the first bytes of a connection that was joined late */
    PHASE_LOST     /* looking for the next packet */
};

struct mqtt_alias {
    uint16_t alias;
    struct slice topic;
};

struct mqtt_side {
    enum mqtt_phase phase;
    struct mqtt_call *at; /* PHASE_PAYLOAD; NULL: there was no room for it */
    uint32_t left;
    bool lost_some;
    int64_t lone_ns; /* when this side last gave an answer to nothing that was read */
    struct mqtt_call *waiting[BUCKETS]; /* what this side asked, by packet identifier */
    struct mqtt_alias *aliases;         /* MAX_ALIASES of them, once there is one */
};

struct mqtt_state {
    struct mqtt_side side[2];
    struct mqtt_session session;
    size_t waiting;
    bool any_entry, is_not_5;
};

/* ── calls ── */

static struct mqtt_call *begin_call(struct dissect_conn *conn, struct mqtt_state *state,
                                    const struct mqtt_header *header, enum dissect_dir from)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct mqtt_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (!call) {
        dissect_entry_drop(conn, entry);
        return NULL;
    }
    call->entry = entry;
    call->header = *header;
    call->from = from;
    call->packet_id = -1;
    state->any_entry = true;
    if (from == DIR_SERVER)
        dissect_entry_reverse(entry);
    return call;
}

static struct mqtt_call **bucket_of(struct mqtt_state *state, enum dissect_dir from,
                                    int64_t packet_id)
{
    return &state->side[from].waiting[(uint64_t)packet_id % BUCKETS];
}

static struct mqtt_call *find_waiting(struct mqtt_state *state, enum dissect_dir from, uint8_t type,
                                      int64_t packet_id)
{
    struct mqtt_call *call = *bucket_of(state, from, packet_id);
    while (call && (call->packet_id != packet_id || call->header.type != type))
        call = call->next;
    return call;
}

static void stop_waiting(struct mqtt_state *state, const struct mqtt_call *gone)
{
    struct mqtt_call **link = bucket_of(state, gone->from, gone->packet_id);
    for (; *link; link = &(*link)->next)
        if (*link == gone) {
            *link = gone->next;
            state->waiting--;
            return;
        }
}

/* Its answer may still come. */
static void wait_for_answer(struct dissect_conn *conn, struct mqtt_state *state,
                            struct mqtt_call *call)
{
    struct mqtt_call *same = find_waiting(state, call->from, call->header.type, call->packet_id);
    if (same) { /* the identifier is used again: nothing is awaited for the first any more */
        stop_waiting(state, same);
        bool lost = same->has_gap || same->is_unsure || state->side[!call->from].lost_some;
        mqtt_emit(conn, &state->session, same, lost ? "incomplete" : "no_response",
                  lost ? "capture_gap" : NULL);
    }
    if (state->waiting == MAX_WAITING) {
        mqtt_emit(conn, &state->session, call, "incomplete", "capture_gap");
        return;
    }
    /* Found again late, behind a loss: its answer may have been read before it. */
    if (dissect_entry_request(call->entry)->first_ns <= state->side[!call->from].lone_ns)
        call->is_unsure = true;
    struct mqtt_call **bucket = bucket_of(state, call->from, call->packet_id);
    call->next = *bucket;
    *bucket = call;
    state->waiting++;
}

/* A call is whole when every packet of it was seen. That something was lost may be known only
 * later: an answer without its request is never whole. */
static void emit_done(struct dissect_conn *conn, const struct mqtt_state *state,
                      struct mqtt_call *call)
{
    bool late =
        dissect_is_late_join(conn) && !state->side[0].lost_some && !state->side[1].lost_some;
    if (call->has_gap || call->is_unsure)
        mqtt_emit(conn, &state->session, call, "incomplete", "capture_gap");
    else if (call->has_unknown_version || call->is_lone)
        mqtt_emit(conn, &state->session, call, "incomplete", late ? "window_start" : "capture_gap");
    else
        mqtt_emit(conn, &state->session, call, "ok", NULL);
}

/* Packet identifiers are used again: behind a loss an answer may be that of another packet. */
static void doubt_waiting(struct mqtt_side *asked)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct mqtt_call *call = asked->waiting[i]; call; call = call->next)
            call->is_unsure = true;
}

/* ── topic aliases (5.0 section 3.3.2.3.4) ── */

static struct mqtt_alias *alias_slot(struct dissect_conn *conn, struct mqtt_side *side,
                                     int64_t alias)
{
    if (!side->aliases)
        side->aliases = arena_calloc(dissect_arena(conn), MAX_ALIASES, sizeof *side->aliases);
    return side->aliases ? &side->aliases[(uint64_t)alias % MAX_ALIASES] : NULL;
}

static void follow_alias(struct dissect_conn *conn, struct mqtt_side *side,
                         struct mqtt_packet *packet)
{
    int64_t alias = packet->properties.topic_alias;
    struct mqtt_alias *slot = alias > 0 ? alias_slot(conn, side, alias) : NULL;
    if (packet->topics[0].len == 0) {
        bool is_known = slot && slot->alias == alias && slot->topic.len;
        packet->topics[0] = is_known ? slot->topic : SLICE_LITERAL("<unknown>");
    } else if (slot && (slot->alias != alias || !slice_eq(slot->topic, packet->topics[0]))) {
        slot->alias = (uint16_t)alias;
        slot->topic = arena_dup(dissect_arena(conn), packet->topics[0]);
    }
}

/* After a loss an alias may have been given to another topic. */
static void forget_aliases(struct mqtt_side *side)
{
    if (side->aliases)
        memset(side->aliases, 0, MAX_ALIASES * sizeof *side->aliases);
}

/* ── packets ── */

static struct slice keep_text(struct dissect_conn *conn, struct slice text)
{
    return text.len ? arena_dup(dissect_arena(conn), text) : SLICE_NONE;
}

/* CONNECT was not recorded: a PUBLISH may tell whether it has properties. */
static void learn_version(struct mqtt_state *state, struct mqtt_call *call,
                          struct mqtt_packet *packet)
{
    uint8_t version = mqtt_guess_version(packet->payload);
    state->is_not_5 = version == 3;
    call->has_unknown_version = version == 0;
    if (version != 5)
        return;
    *packet = (struct mqtt_packet){.version = 5};
    mqtt_packet_parse(&call->header, gather_slice(&call->raw), packet);
    state->session.version = 5;
}

/* What there is of the PUBLISH in hand. False without memory. */
static bool parse_publish(struct dissect_conn *conn, struct mqtt_state *state,
                          struct mqtt_side *side)
{
    struct mqtt_call *call = side->at;
    struct mqtt_packet *packet = arena_zalloc(dissect_entry_arena(call->entry), sizeof *packet);
    if (!packet)
        return false;
    packet->version = state->session.version;
    call->raw_bytes += side->left;
    mqtt_packet_parse(&call->header, gather_slice(&call->raw), packet);
    if (packet->version == 0 && !packet->is_malformed && !state->is_not_5)
        learn_version(state, call, packet);
    if (!packet->is_malformed)
        follow_alias(conn, side, packet);
    mqtt_set_request(call, packet);
    return true;
}

static void publish_done(struct dissect_conn *conn, struct mqtt_state *state, enum dissect_dir dir)
{
    struct mqtt_side *side = &state->side[dir];
    struct mqtt_call *call = side->at;
    bool is_read = call && parse_publish(conn, state, side);
    side->at = NULL;
    side->phase = PHASE_PACKET;
    if (call && !is_read)
        dissect_entry_drop(conn, call->entry);
    if (!is_read)
        return;
    if (mqtt_qos(call->header.flags) == 0 || call->is_failed || call->has_gap)
        emit_done(conn, state, call);
    else
        wait_for_answer(conn, state, call);
}

static void read_payload(struct dissect_conn *conn, struct mqtt_state *state,
                         struct dissect_stream *stream)
{
    struct mqtt_side *side = &state->side[stream->dir];
    struct mqtt_call *call = side->at;
    size_t n = stream->len < side->left ? stream->len : side->left;
    side->left -= (uint32_t)n;
    if (call) {
        struct arena *arena = dissect_entry_arena(call->entry);
        if (!call->has_gap)
            gather_add(&call->raw, arena, slice_of(stream->data, n), RAW_MAX_BYTES);
        call->raw_bytes += n;
        dissect_take(conn, stream, arena, dissect_entry_request(call->entry), n);
    } else {
        dissect_take(conn, stream, NULL, NULL, n);
    }
    if (side->left == 0)
        publish_done(conn, state, stream->dir);
}

static void begin_publish(struct dissect_conn *conn, struct mqtt_state *state,
                          struct dissect_stream *stream, const struct mqtt_header *header)
{
    struct mqtt_side *side = &state->side[stream->dir];
    side->at = begin_call(conn, state, header, stream->dir);
    side->phase = PHASE_PAYLOAD;
    side->left = header->length;
    dissect_take(conn, stream, side->at ? dissect_entry_arena(side->at->entry) : NULL,
                 side->at ? dissect_entry_request(side->at->entry) : NULL, header->size);
    if (side->left == 0)
        publish_done(conn, state, stream->dir);
}

/* CONNECT, SUBSCRIBE, UNSUBSCRIBE and PINGREQ wait; DISCONNECT, AUTH and what is reserved do not.
 */
static void read_request(struct dissect_conn *conn, struct mqtt_state *state,
                         struct dissect_stream *stream, const struct mqtt_header *header)
{
    struct mqtt_call *call = begin_call(conn, state, header, stream->dir);
    size_t size = header->size + header->length;
    struct arena *arena = call ? dissect_entry_arena(call->entry) : NULL;
    struct mqtt_packet *packet = arena ? arena_zalloc(arena, sizeof *packet) : NULL;
    if (!packet) {
        dissect_entry_drop(conn, call ? call->entry : NULL);
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    struct slice body = arena_dup(arena, slice_of(stream->data + header->size, header->length));
    dissect_take(conn, stream, arena, dissect_entry_request(call->entry), size);
    packet->version = state->session.version;
    mqtt_packet_parse(header, body, packet);
    if (header->type == MQTT_CONNECT && !packet->is_malformed)
        state->session.client_id = keep_text(conn, packet->client_id);
    if (header->type == MQTT_CONNECT || !packet->is_malformed)
        state->session.version = packet->version;
    mqtt_set_request(call, packet);
    if (header->type == MQTT_DISCONNECT || header->type == MQTT_AUTH ||
        header->type == MQTT_RESERVED || (call->is_failed && header->type != MQTT_CONNECT))
        emit_done(conn, state, call);
    else
        wait_for_answer(conn, state, call);
}

static uint8_t request_of(uint8_t answer)
{
    switch (answer) {
    case MQTT_CONNACK:
        return MQTT_CONNECT;
    case MQTT_SUBACK:
        return MQTT_SUBSCRIBE;
    case MQTT_UNSUBACK:
        return MQTT_UNSUBSCRIBE;
    case MQTT_PINGRESP:
        return MQTT_PINGREQ;
    default:
        return MQTT_PUBLISH;
    }
}

/* The acknowledgements of QoS 1 and of QoS 2 are others. */
static bool answers(const struct mqtt_call *call, uint8_t answer)
{
    return call->header.type != MQTT_PUBLISH ||
           (mqtt_qos(call->header.flags) == 2) == (answer != MQTT_PUBACK);
}

/* QoS 2: the last answer, and one of those before it was not seen. */
static bool lacks_a_step(const struct mqtt_call *call, uint8_t answer)
{
    return answer == MQTT_PUBCOMP && !(call->is_received && call->is_released);
}

/* What is found again behind a loss may be older than the question that waits by now: identifiers
 * are used again, and pings have none. */
static bool is_older(struct dissect_conn *conn, const struct mqtt_state *state,
                     const struct dissect_stream *stream, const struct mqtt_call *call)
{
    return state->side[stream->dir].lost_some && call->from != stream->dir &&
           dissect_bytes_before(conn, stream, dissect_entry_request(call->entry)->first_ns) > 0;
}

static void read_answer(struct dissect_conn *conn, struct mqtt_state *state,
                        struct dissect_stream *stream, const struct mqtt_header *header)
{
    struct mqtt_packet packet = {.version = state->session.version};
    size_t size = header->size + header->length;
    bool is_release = header->type == MQTT_PUBREL; /* of the publisher, between both answers */
    enum dissect_dir from = is_release ? stream->dir : (enum dissect_dir) !stream->dir;
    mqtt_packet_parse(header, slice_of(stream->data + header->size, header->length), &packet);
    if (header->type == MQTT_CONNACK && packet.properties.assigned_client_id.len)
        state->session.client_id = keep_text(conn, packet.properties.assigned_client_id);
    struct mqtt_call *call = find_waiting(state, from, request_of(header->type), packet.packet_id);
    bool is_lone = !call || !answers(call, header->type) || is_older(conn, state, stream, call);
    if (is_lone)
        call = begin_call(conn, state, header, from);
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    call->is_lone = is_lone;
    call->is_received |= header->type == MQTT_PUBREC;
    call->is_released |= is_release;
    call->has_gap |= lacks_a_step(call, header->type);
    mqtt_set_answer(call, header, &packet);
    dissect_take(conn, stream, dissect_entry_arena(call->entry),
                 is_release ? dissect_entry_request(call->entry)
                            : dissect_entry_response(call->entry),
                 size);
    if (is_lone && !is_release)
        state->side[stream->dir].lone_ns = dissect_entry_response(call->entry)->first_ns;
    bool goes_on = header->type == MQTT_PUBREC || is_release;
    if (!is_lone && goes_on && !call->is_failed)
        return;
    if (!is_lone)
        stop_waiting(state, call);
    emit_done(conn, state, call);
}

static enum dissect_result read_packet(struct dissect_conn *conn, struct mqtt_state *state,
                                       struct dissect_stream *stream)
{
    struct mqtt_header h;
    enum mqtt_parse parsed = mqtt_header_parse(slice_of(stream->data, stream->len), &h);
    if (parsed == MQTT_SHORT)
        return DISSECT_MORE;
    if (parsed == MQTT_INVALID)
        return state->any_entry ? DISSECT_BAD : DISSECT_NOT_MINE;
    if (h.type == MQTT_PUBLISH) {
        begin_publish(conn, state, stream, &h);
        return DISSECT_OK;
    }
    if (h.length > CONTROL_MAX_BYTES)
        return DISSECT_BAD;
    if (stream->len - h.size < h.length)
        return DISSECT_MORE;
    switch (h.type) {
    case MQTT_CONNACK:
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        read_answer(conn, state, stream, &h);
        break;
    default:
        read_request(conn, state, stream, &h);
        break;
    }
    return DISSECT_OK;
}

/* ── late joins and gaps ── */

static enum dissect_result read_join(struct dissect_conn *conn, struct mqtt_state *state,
                                     struct dissect_stream *stream)
{
    struct slice view = slice_of(stream->data, stream->len);
    struct mqtt_header h;
    unsigned weight;
    enum probe_result mine = mqtt_weigh(view, stream->dir, &h, &weight);
    enum probe_result other = mqtt_weigh(view, (enum dissect_dir) !stream->dir, &h, &weight);
    if (mine == PROBE_MAYBE && !stream->ended)
        return DISSECT_MORE;
    if (mine != PROBE_YES && other == PROBE_YES && !state->any_entry) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    if (mine == PROBE_NO && other == PROBE_MAYBE && !stream->ended)
        return DISSECT_MORE;
    state->side[stream->dir].phase = mine == PROBE_YES ? PHASE_PACKET : PHASE_LOST;
    return DISSECT_OK;
}

/* An acknowledgement that somebody waits for can hardly be anything else. */
static bool is_awaited(struct mqtt_state *state, struct slice view, enum dissect_dir dir)
{
    struct mqtt_header h;
    if (view.len < 4 || mqtt_header_parse(view, &h) != MQTT_PARSED || h.length != 2 ||
        h.type < MQTT_PUBACK || h.type > MQTT_PUBCOMP || h.flags != (h.type == MQTT_PUBREL ? 2 : 0))
        return false;
    enum dissect_dir from = h.type == MQTT_PUBREL ? dir : (enum dissect_dir) !dir;
    return find_waiting(state, from, MQTT_PUBLISH, view.data[2] << 8 | view.data[3]);
}

static enum dissect_result read_lost(struct dissect_conn *conn, struct mqtt_state *state,
                                     struct dissect_stream *stream)
{
    enum probe_result answer = PROBE_NO;
    size_t at = 0;
    while (at < stream->len && answer == PROBE_NO) {
        struct slice view = slice_of(stream->data + at, stream->len - at);
        unsigned weight;
        answer = is_awaited(state, view, stream->dir)
                     ? PROBE_YES
                     : mqtt_chain(view, stream->dir, stream->ended, &weight);
        at += answer == PROBE_NO;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    if (answer == PROBE_YES)
        state->side[stream->dir].phase = PHASE_PACKET;
    return answer == PROBE_MAYBE ? DISSECT_MORE : DISSECT_OK;
}

static enum probe_result mqtt_probe(const struct probe_input *in)
{
    if (!in->is_late_join)
        return in->client.len   ? mqtt_is_connect(in->client)
               : in->server.len ? PROBE_NO
                                : PROBE_MAYBE;
    enum probe_result best = PROBE_NO;
    for (int swapped = 0; swapped < 2; swapped++) {
        unsigned a_weight = 0, b_weight = 0;
        enum probe_result a = PROBE_MAYBE, b = PROBE_MAYBE;
        if (in->client.len)
            a = mqtt_chain(in->client, swapped ? DIR_SERVER : DIR_CLIENT, in->client_ended,
                           &a_weight);
        if (in->server.len)
            b = mqtt_chain(in->server, swapped ? DIR_CLIENT : DIR_SERVER, in->server_ended,
                           &b_weight);
        bool is_alone = (a == PROBE_YES && a_weight >= MQTT_ENOUGH) ||
                        (b == PROBE_YES && b_weight >= MQTT_ENOUGH);
        bool both = a != PROBE_NO && b != PROBE_NO;
        if (is_alone || (both && a_weight + b_weight >= MQTT_ENOUGH))
            return PROBE_YES;
        if (both && (a == PROBE_MAYBE || b == PROBE_MAYBE))
            best = PROBE_MAYBE;
    }
    return best;
}

/* ── what the engine calls ── */

static void mqtt_open(struct dissect_conn *conn, void *opaque)
{
    struct mqtt_state *state = opaque;
    if (dissect_is_late_join(conn))
        state->side[0].phase = state->side[1].phase = PHASE_JOIN;
}

static enum dissect_result mqtt_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct mqtt_state *state = opaque;
    struct mqtt_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (side->phase == PHASE_JOIN) {
        enum dissect_result result = read_join(conn, state, stream);
        if (side->phase == PHASE_JOIN)
            return result;
    }
    if (side->phase == PHASE_LOST) {
        enum dissect_result result = read_lost(conn, state, stream);
        if (side->phase == PHASE_LOST || stream->len == 0)
            return result;
    }
    if (side->phase == PHASE_PACKET)
        return read_packet(conn, state, stream);
    read_payload(conn, state, stream);
    return DISSECT_OK;
}

static void mqtt_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct mqtt_state *state = opaque;
    struct mqtt_side *side = &state->side[dir];
    struct mqtt_call *call = side->at;
    side->lost_some = true;
    forget_aliases(side);
    doubt_waiting(&state->side[!dir]);
    if (side->phase != PHASE_PAYLOAD) {
        side->phase = PHASE_LOST;
        return;
    }
    uint64_t inside = bytes < side->left ? bytes : side->left;
    side->left -= (uint32_t)inside;
    if (call) {
        dissect_entry_request(call->entry)->gap_bytes += inside;
        call->raw_bytes += inside;
        call->has_gap = true;
    }
    if (side->left && bytes == inside)
        return;
    publish_done(conn, state, dir);
    if (bytes > inside)
        side->phase = PHASE_LOST;
}

static void mqtt_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct mqtt_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    for (int dir = 0; dir < 2; dir++) {
        struct mqtt_side *side = &state->side[dir];
        bool lost = state->side[!dir].lost_some;
        if (side->at && parse_publish(conn, state, side)) /* cut short: what came is shown */
            mqtt_emit(conn, &state->session, side->at, is_open ? "open" : "error",
                      is_open ? "window_end" : dissect_end_reason(end));
        for (int i = 0; i < BUCKETS; i++)
            for (struct mqtt_call *call = side->waiting[i], *next; call; call = next) {
                next = call->next;
                bool doubt = lost || call->is_unsure;
                mqtt_emit(conn, &state->session, call,
                          doubt     ? "incomplete"
                          : is_open ? "open"
                                    : "no_response",
                          doubt ? "capture_gap" : dissect_end_reason(end));
            }
    }
}

static const uint16_t mqtt_ports[] = {1883, 0};

const struct dissector dissector_mqtt = {
    .name = "mqtt",
    .spec = "MQTT 3.1, OASIS MQTT 3.1.1, OASIS MQTT 5.0",
    .transports = DISSECT_TCP,
    .port_hints = mqtt_ports,
    .fields = mqtt_fields,
    .field_count = MQTT_FIELD_COUNT,
    .state_bytes = sizeof(struct mqtt_state),
    .probe = mqtt_probe,
    .open = mqtt_open,
    .data = mqtt_data,
    .gap = mqtt_gap,
    .close = mqtt_close,
};
