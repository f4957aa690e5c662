/* Kafka (https://kafka.apache.org/protocol.html): requests and responses by correlation id, produce
 * requests that want no response, SASL tokens without a header behind SaslHandshake v0.
 *
 * A message is gathered as it comes, up to the body cap, and read when it is whole. A request is
 * believed by its header and, where it is short enough to be seen whole, by fields that end exactly
 * with it; a response only by the request it answers. */
#include "dissect/proto/kafka_call.h"

enum {
    MIN_PRODUCE = 64,         /* bytes: one record batch alone has 61 */
    MAX_MESSAGE = 0x10000000, /* 256 MiB: beyond any broker's limit in use */
    MAX_FOUND = 256 * 1024,   /* after a loss only messages up to that size are looked at whole */
    MAX_PROBED = 4000,        /* a request up to that size is judged whole */
    MAX_CLIENT_ID = 255,
    FIND_STEP = 64 * 1024
};

struct kafka_side {
    struct gather bytes; /* of the message that is being read; reused */
    uint64_t left;
    struct kafka_call *call;
    bool in_message, has_gap, lost;
};

struct kafka_state {
    struct kafka_side side[2];
    struct waiting waiting;
    bool raw_sasl; /* tokens without a header may come */
    bool any_entry, any_done, any_gap;
};

/* ── calls ── */

/* Stands first in the call. */
static struct kafka_call *call_of(struct waiting_call *waiting)
{
    return (struct kafka_call *)waiting;
}

static struct kafka_call *begin_call(struct dissect_conn *conn, struct kafka_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct kafka_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    state->any_entry = true;
    return call;
}

static void request_done(struct dissect_conn *conn, struct kafka_state *state,
                         struct kafka_call *call)
{
    bool silent = call->head.key == KAFKA_PRODUCE && call->asked.has_acks && call->asked.acks == 0;
    state->raw_sasl |= call->head.key == KAFKA_SASL_HANDSHAKE && call->head.version == 0;
    if (silent) {
        kafka_emit(conn, call, call->request.has_gap ? "incomplete" : "ok",
                   call->request.has_gap ? "capture_gap" : NULL);
        return;
    }
    struct waiting_call *same = waiting_take(&state->waiting, call->head.correlation);
    if (same) /* the same number twice: nobody can tell whose answer comes */
        kafka_emit(conn, call_of(same), "no_response", NULL);
    if (waiting_is_full(&state->waiting))
        kafka_emit(conn, call, "open", NULL);
    else
        waiting_put(&state->waiting, &call->waiting, call->head.correlation);
}

/* ── messages ── */

static struct dissect_span *span_of(const struct kafka_side *side, enum dissect_dir dir)
{
    if (!side->call)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(side->call->entry)
                             : dissect_entry_response(side->call->entry);
}

static void message_done(struct dissect_conn *conn, struct kafka_state *state, enum dissect_dir dir)
{
    struct kafka_side *side = &state->side[dir];
    struct kafka_call *call = side->call;
    side->in_message = false;
    side->call = NULL;
    state->any_done = true;
    if (!call)
        return;
    if (dir == DIR_CLIENT) {
        call->request.has_gap = side->has_gap;
        kafka_fill_request(call, gather_slice(&side->bytes));
        request_done(conn, state, call);
        return;
    }
    call->response.has_gap = side->has_gap;
    if (!call->head.api) { /* its request was not recorded, and only that says what it is */
        kafka_emit(conn, call, "incomplete", state->any_gap ? "capture_gap" : "window_start");
        return;
    }
    kafka_fill_response(call, gather_slice(&side->bytes));
    bool gap = call->request.has_gap || call->response.has_gap;
    kafka_emit(conn, call, gap ? "incomplete" : NULL, gap ? "capture_gap" : NULL);
}

static void begin_message(struct kafka_side *side, uint32_t size, struct kafka_call *call)
{
    side->left = (uint64_t)size + KAFKA_SIZE_BYTES;
    side->bytes.len = 0;
    side->bytes.cut = false;
    side->in_message = true;
    side->has_gap = false;
    side->call = call;
}

static enum dissect_result read_message(struct dissect_conn *conn, struct kafka_state *state,
                                        struct dissect_stream *stream)
{
    struct kafka_side *side = &state->side[stream->dir];
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    if (!side->has_gap && side->call)
        gather_add(&side->bytes, dissect_arena(conn), slice_of(stream->data, n), DISSECT_BODY_CAP);
    side->left -= n;
    dissect_take(conn, stream, side->call ? dissect_entry_arena(side->call->entry) : NULL,
                 span_of(side, stream->dir), n);
    if (side->left == 0)
        message_done(conn, state, stream->dir);
    return DISSECT_OK;
}

static uint32_t size_at(struct slice s)
{
    struct cursor c = cursor_of(s.data, s.len);
    return cursor_be32(&c);
}

/* ── judging ── */

/* Printable, as names of clients are. */
static bool is_client_id(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return true;
}

/* Is it a request? `most`: one up to that size is judged by all of its fields. */
static enum probe_result judge_request(struct slice s, bool ended, size_t most)
{
    struct kafka_head head;
    if (s.len < KAFKA_HEAD_BYTES) {
        bool hopeless = (s.len && s.data[0] > 0x0f) || (s.len > 4 && s.data[4] != 0) ||
                        (s.len > 6 && s.data[6] != 0);
        return ended || hopeless ? PROBE_NO : PROBE_MAYBE;
    }
    if (!kafka_read_head(s, &head) || head.size > MAX_MESSAGE || head.client_len > MAX_CLIENT_ID)
        return PROBE_NO;
    size_t client_len = head.client_len > 0 ? (size_t)head.client_len : 0;
    size_t need = KAFKA_HEAD_BYTES + client_len, whole = (size_t)head.size + KAFKA_SIZE_BYTES;
    if (need > whole || !is_client_id(slice_sub(s, KAFKA_HEAD_BYTES, client_len)))
        return PROBE_NO;
    bool described = head.api->request && head.version <= head.api->max_version;
    if (whole <= most && described) {
        if (s.len < whole)
            return ended ? PROBE_NO : PROBE_MAYBE;
        return kafka_judge_request(slice_sub(s, 0, whole), &head) ? PROBE_YES : PROBE_NO;
    }
    if (s.len < need)
        return ended ? PROBE_NO : PROBE_MAYBE;
    return client_len ? PROBE_YES : PROBE_NO;
}

/* In the middle of a connection an answer looks like a request: the upper half of a small
 * correlation id is Produce's key, the lower half some version, and an empty text or the first
 * topic stands for the client. A Produce without records is none. */
static bool may_be_answer(struct slice s)
{
    struct kafka_head head;
    return !kafka_read_head(s, &head) || head.client_len == 0 ||
           (head.api->key == 0 && head.size < MIN_PRODUCE);
}

static enum dissect_result skip_token(struct dissect_conn *conn, struct kafka_state *state,
                                      struct dissect_stream *stream)
{
    uint32_t size = size_at(slice_of(stream->data, stream->len));
    if (!state->raw_sasl || size > MAX_FOUND)
        return state->any_done ? DISSECT_BAD : DISSECT_NOT_MINE;
    begin_message(&state->side[stream->dir], size, NULL);
    return read_message(conn, state, stream);
}

static enum dissect_result read_request(struct dissect_conn *conn, struct kafka_state *state,
                                        struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    struct kafka_head head;
    if (all.len < KAFKA_SIZE_BYTES)
        return DISSECT_MORE;
    bool short_token = state->raw_sasl && size_at(all) < KAFKA_HEAD_BYTES - KAFKA_SIZE_BYTES;
    if (!short_token && all.len < KAFKA_HEAD_BYTES && !stream->ended)
        return DISSECT_MORE;
    if (short_token || !kafka_read_head(all, &head) || head.size > MAX_MESSAGE)
        return skip_token(conn, state, stream);
    struct kafka_call *call = begin_call(conn, state);
    if (call)
        call->head = head;
    begin_message(&state->side[DIR_CLIENT], head.size, call);
    return read_message(conn, state, stream);
}

static enum dissect_result read_response(struct dissect_conn *conn, struct kafka_state *state,
                                         struct dissect_stream *stream)
{
    struct cursor c = cursor_of(stream->data, stream->len);
    uint32_t size = cursor_be32(&c);
    int32_t id = (int32_t)cursor_be32(&c);
    if (c.bad)
        return stream->ended && state->any_done ? DISSECT_BAD : DISSECT_MORE;
    struct kafka_call *call = call_of(waiting_find(&state->waiting, id));
    bool is_sane = size >= KAFKA_SIZE_BYTES && size <= MAX_MESSAGE;
    bool lost_some = dissect_is_late_join(conn) || state->any_gap;
    if (!is_sane || (!call && (state->raw_sasl || !lost_some)))
        return skip_token(conn, state, stream);
    if (call) {
        waiting_take(&state->waiting, id);
    } else {
        call = begin_call(conn, state);
        if (call)
            call->head.correlation = id;
    }
    begin_message(&state->side[DIR_SERVER], size, call);
    return read_message(conn, state, stream);
}

/* ── found again after a loss ── */

static enum probe_result judge_response(struct kafka_state *state, struct slice s, bool ended)
{
    struct cursor c = cursor_of(s.data, s.len);
    uint32_t size = cursor_be32(&c);
    int32_t id = (int32_t)cursor_be32(&c);
    if (c.bad)
        return ended ? PROBE_NO : PROBE_MAYBE;
    struct kafka_call *call = call_of(waiting_find(&state->waiting, id));
    /* any run of zeros names the first request of a connection */
    if (!call || id == 0 || size < 4 || size > MAX_FOUND)
        return PROBE_NO;
    if (s.len < (size_t)size + KAFKA_SIZE_BYTES)
        return ended ? PROBE_NO : PROBE_MAYBE;
    return kafka_judge_response(slice_sub(s, 0, (size_t)size + KAFKA_SIZE_BYTES), &call->head)
               ? PROBE_YES
               : PROBE_NO;
}

static enum dissect_result find_message(struct dissect_conn *conn, struct kafka_state *state,
                                        struct dissect_stream *stream)
{
    struct kafka_side *side = &state->side[stream->dir];
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0, most = all.len < FIND_STEP ? all.len : FIND_STEP;
    while (at < most) {
        struct slice here = slice_sub(all, at, SIZE_MAX);
        enum probe_result found = stream->dir == DIR_CLIENT
                                      ? judge_request(here, stream->ended, MAX_FOUND)
                                      : judge_response(state, here, stream->ended);
        if (found == PROBE_YES && !state->any_entry && may_be_answer(here))
            found = PROBE_NO;
        if (found == PROBE_YES)
            side->lost = false;
        if (found != PROBE_NO)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !side->lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── the dissector ── */

static enum dissect_result kafka_data(struct dissect_conn *conn, void *opaque,
                                      struct dissect_stream *stream)
{
    struct kafka_state *state = opaque;
    struct kafka_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (side->in_message)
        return read_message(conn, state, stream);
    if (dissect_is_late_join(conn) && !state->any_entry && stream->dir == DIR_SERVER) {
        enum probe_result request =
            judge_request(slice_of(stream->data, stream->len), stream->ended, MAX_FOUND);
        if (request == PROBE_MAYBE)
            return DISSECT_MORE;
        if (request == PROBE_YES && !may_be_answer(slice_of(stream->data, stream->len))) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
    }
    if (side->lost) {
        enum dissect_result found = find_message(conn, state, stream);
        if (found != DISSECT_OK || side->lost)
            return found;
    }
    return stream->dir == DIR_CLIENT ? read_request(conn, state, stream)
                                     : read_response(conn, state, stream);
}

static void kafka_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct kafka_state *state = opaque;
    struct kafka_side *side = &state->side[dir];
    state->any_gap = true;
    if (dir == DIR_SERVER)
        waiting_doubt_all(&state->waiting);
    if (!side->in_message) {
        side->lost = true;
        return;
    }
    uint64_t inside = bytes < side->left ? bytes : side->left;
    struct dissect_span *span = span_of(side, dir);
    if (span)
        span->gap_bytes += inside;
    side->has_gap = true;
    side->left -= inside;
    side->lost = inside < bytes;
    if (side->left == 0)
        message_done(conn, state, dir);
}

static void kafka_open(struct dissect_conn *conn, void *opaque)
{
    struct kafka_state *state = opaque;
    if (dissect_is_late_join(conn))
        state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = true;
}

static void end_call(struct dissect_conn *conn, struct kafka_call *call, enum dissect_end end,
                     bool half_response)
{
    if (call->waiting.unsure)
        kafka_emit(conn, call, "incomplete", "capture_gap");
    else if (end == END_OF_DATA)
        kafka_emit(conn, call, "open",
                   half_response || !call->request.is_read ? "window_end" : NULL);
    else
        kafka_emit(conn, call, half_response ? "error" : "no_response", dissect_end_reason(end));
}

static void kafka_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct kafka_state *state = opaque;
    struct kafka_side *client = &state->side[DIR_CLIENT], *server = &state->side[DIR_SERVER];
    if (client->in_message && client->call) {
        kafka_fill_request(client->call, gather_slice(&client->bytes));
        client->call->request.is_read = false;
        end_call(conn, client->call, end, false);
    }
    if (server->in_message && server->call) {
        if (server->call->head.api)
            kafka_fill_response(server->call, gather_slice(&server->bytes));
        end_call(conn, server->call, end, true);
    }
    for (struct waiting_call *call; (call = waiting_take_any(&state->waiting));)
        end_call(conn, call_of(call), end, false);
}

/* ── detection ── */

static enum probe_result kafka_probe(const struct probe_input *in)
{
    enum probe_result client = judge_request(in->client, in->client_ended, MAX_PROBED);
    if (!in->is_late_join)
        return in->client.len == 0 && in->server.len ? PROBE_NO : client;
    enum probe_result server =
        in->server.len ? judge_request(in->server, in->server_ended, MAX_PROBED) : PROBE_NO;
    if (client == PROBE_YES || server == PROBE_YES)
        return PROBE_YES;
    return client == PROBE_NO && server == PROBE_NO ? PROBE_NO : PROBE_MAYBE;
}

static const uint16_t kafka_ports[] = {9092, 9093, 9094, 0};

const struct dissector dissector_kafka = {
    .name = "kafka",
    .spec = "Kafka protocol",
    .transports = DISSECT_TCP,
    .port_hints = kafka_ports,
    .fields = kafka_fields,
    .field_count = KAFKA_FIELD_COUNT,
    .state_bytes = sizeof(struct kafka_state),
    .probe = kafka_probe,
    .open = kafka_open,
    .data = kafka_data,
    .gap = kafka_gap,
    .close = kafka_close,
};
