/* MongoDB wire protocol (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and
 * MongoDB's specifications of OP_MSG and OP_COMPRESSED): messages, pairing by requestID and
 * responseTo, exhaust replies (each answers the one before it).
 *
 * A message is gathered as it comes, up to the body cap, and read when it is whole. After a loss
 * the next place is taken where a head and the beginning of its document fit together. */
#include "dissect/proto/mongodb_call.h"

enum {
    FIND_STEP = 64 * 1024 /* bytes that may be looked through for one call */
};

struct mongodb_side {
    struct gather bytes; /* of the message that is being read; reused */
    struct mongodb_head head;
    uint64_t left;
    struct mongodb_call *call;
    bool in_message, has_gap, lost;
};

struct mongodb_state {
    struct mongodb_side side[2];
    struct waiting waiting;
    bool any_entry, any_done, any_gap;
};

/* ── calls ── */

static struct mongodb_call *begin_call(struct dissect_conn *conn, struct mongodb_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct mongodb_call *call =
        entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    state->any_entry = true;
    return call;
}

/* Stands first in the call. */
static struct mongodb_call *call_of(struct waiting_call *waiting)
{
    return (struct mongodb_call *)waiting;
}

static void request_done(struct dissect_conn *conn, struct mongodb_state *state,
                         struct mongodb_side *side, struct mongodb_call *call)
{
    const struct mongodb_part *part = &call->request;
    if (!mongodb_wants_reply(part->opcode, part->flags)) {
        mongodb_emit(conn, call, part->has_gap ? "incomplete" : "ok",
                     part->has_gap ? "capture_gap" : NULL);
        return;
    }
    struct waiting_call *same = waiting_take(&state->waiting, side->head.request_id);
    if (same) /* the same number twice: nobody can tell whose answer comes */
        mongodb_emit(conn, call_of(same), "no_response", NULL);
    if (waiting_is_full(&state->waiting))
        mongodb_emit(conn, call, "open", NULL);
    else
        waiting_put(&state->waiting, &call->waiting, side->head.request_id);
}

static void reply_done(struct dissect_conn *conn, struct mongodb_state *state,
                       struct mongodb_side *side, struct mongodb_call *call)
{
    bool alone = !call->request.is_read && !call->is_stream;
    bool gap = call->request.has_gap || call->response.has_gap;
    bool goes_on = call->response.opcode == OP_MSG && call->response.flags & MSG_MORE_TO_COME;
    struct mongodb_call *next = goes_on ? begin_call(conn, state) : NULL;
    if (next) {
        struct arena *arena = dissect_entry_arena(next->entry);
        next->request.command = arena_dup(arena, call->request.command);
        next->request.database = arena_dup(arena, call->request.database);
        next->request.collection = arena_dup(arena, call->request.collection);
        next->is_stream = true;
        waiting_put(&state->waiting, &next->waiting, side->head.request_id);
    }
    if (alone && state->any_gap)
        mongodb_emit(conn, call, "incomplete", "capture_gap");
    else if (alone && dissect_is_late_join(conn))
        mongodb_emit(conn, call, "incomplete", "window_start");
    else
        mongodb_emit(conn, call, gap ? "incomplete" : NULL, gap ? "capture_gap" : NULL);
}

/* ── messages ── */

static struct dissect_span *span_of(const struct mongodb_side *side, enum dissect_dir dir)
{
    if (!side->call)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(side->call->entry)
                             : dissect_entry_response(side->call->entry);
}

static void message_done(struct dissect_conn *conn, struct mongodb_state *state,
                         enum dissect_dir dir)
{
    struct mongodb_side *side = &state->side[dir];
    struct mongodb_call *call = side->call;
    side->in_message = false;
    side->call = NULL;
    state->any_done = true;
    if (!call)
        return;
    struct mongodb_part *part = dir == DIR_CLIENT ? &call->request : &call->response;
    part->has_gap = side->has_gap;
    mongodb_fill_part(part, gather_slice(&side->bytes), dir == DIR_SERVER,
                      dissect_entry_arena(call->entry));
    if (dir == DIR_CLIENT)
        request_done(conn, state, side, call);
    else
        reply_done(conn, state, side, call);
}

static void begin_message(struct dissect_conn *conn, struct mongodb_state *state,
                          struct dissect_stream *stream)
{
    struct mongodb_side *side = &state->side[stream->dir];
    side->head = mongodb_read_head(slice_of(stream->data, stream->len));
    side->left = side->head.length;
    side->bytes.len = 0;
    side->bytes.cut = false;
    side->in_message = true;
    side->has_gap = false;
    if (stream->dir == DIR_SERVER)
        side->call = call_of(waiting_take(&state->waiting, side->head.response_to));
    else
        side->call = NULL;
    if (!side->call)
        side->call = begin_call(conn, state);
}

static enum dissect_result read_message(struct dissect_conn *conn, struct mongodb_state *state,
                                        struct dissect_stream *stream)
{
    struct mongodb_side *side = &state->side[stream->dir];
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    if (!side->has_gap)
        gather_add(&side->bytes, dissect_arena(conn), slice_of(stream->data, n), DISSECT_BODY_CAP);
    side->left -= n;
    dissect_take(conn, stream, side->call ? dissect_entry_arena(side->call->entry) : NULL,
                 span_of(side, stream->dir), n);
    if (side->left == 0)
        message_done(conn, state, stream->dir);
    return DISSECT_OK;
}

/* YES, NO, or MAYBE when more bytes are needed. */
static enum probe_result judge(struct slice s, bool ended)
{
    static const uint8_t longest[4] = {0xff, 0xff, 0xff, 0x02};
    if (s.len < 4 && !ended)
        return PROBE_MAYBE;
    if (s.len >= 4 && (s.data[3] > longest[3]))
        return PROBE_NO;
    if (s.len >= MONGODB_HEAD_BYTES && !mongodb_opcode_name(mongodb_read_head(s).opcode))
        return PROBE_NO;
    if (s.len < mongodb_bytes_to_judge(s) && (!ended || s.len < MONGODB_HEAD_BYTES + 5))
        return ended ? PROBE_NO : PROBE_MAYBE;
    return mongodb_is_plausible(s) ? PROBE_YES : PROBE_NO;
}

static enum dissect_result find_message(struct dissect_conn *conn, struct mongodb_state *state,
                                        struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0, most = all.len < FIND_STEP ? all.len : FIND_STEP;
    while (at < most) {
        enum probe_result found = judge(slice_sub(all, at, SIZE_MAX), stream->ended);
        if (found == PROBE_YES)
            state->side[stream->dir].lost = false;
        if (found != PROBE_NO)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !state->side[stream->dir].lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── the dissector ── */

/* Replies name what they answer; a late join may have mixed up the sides. */
static bool is_other_side(const struct mongodb_state *state, const struct dissect_stream *stream)
{
    struct mongodb_head head = mongodb_read_head(slice_of(stream->data, stream->len));
    bool is_reply = head.opcode == OP_REPLY || head.opcode == OP_COMMANDREPLY ||
                    ((head.opcode == OP_MSG || head.opcode == OP_COMPRESSED) && head.response_to);
    return !state->any_entry && is_reply == (stream->dir == DIR_CLIENT);
}

static enum dissect_result mongodb_data(struct dissect_conn *conn, void *opaque,
                                        struct dissect_stream *stream)
{
    struct mongodb_state *state = opaque;
    struct mongodb_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (side->in_message)
        return read_message(conn, state, stream);
    if (side->lost) {
        enum dissect_result found = find_message(conn, state, stream);
        if (found != DISSECT_OK || side->lost)
            return found;
    }
    switch (judge(slice_of(stream->data, stream->len), stream->ended)) {
    case PROBE_MAYBE:
        return DISSECT_MORE;
    case PROBE_NO:
        return state->any_done ? DISSECT_BAD : DISSECT_NOT_MINE;
    case PROBE_YES:
        break;
    }
    if (dissect_is_late_join(conn) && is_other_side(state, stream)) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    begin_message(conn, state, stream);
    return read_message(conn, state, stream);
}

static void mongodb_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir,
                        uint64_t bytes)
{
    struct mongodb_state *state = opaque;
    struct mongodb_side *side = &state->side[dir];
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

static void mongodb_open(struct dissect_conn *conn, void *opaque)
{
    struct mongodb_state *state = opaque;
    if (dissect_is_late_join(conn))
        state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = true;
}

static void end_call(struct dissect_conn *conn, struct mongodb_call *call, enum dissect_end end,
                     bool half)
{
    if (call->is_stream && !half)
        dissect_entry_drop(conn, call->entry);
    else if (call->waiting.unsure)
        mongodb_emit(conn, call, "incomplete", "capture_gap");
    else if (end == END_OF_DATA)
        mongodb_emit(conn, call, "open", half ? "window_end" : NULL);
    else
        mongodb_emit(conn, call, half && call->request.is_read ? "error" : "no_response",
                     dissect_end_reason(end));
}

static void mongodb_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct mongodb_state *state = opaque;
    for (int dir = 0; dir < 2; dir++) {
        struct mongodb_side *side = &state->side[dir];
        if (!side->in_message || !side->call)
            continue;
        struct mongodb_call *call = side->call;
        side->call = NULL;
        struct mongodb_part *part = dir == DIR_CLIENT ? &call->request : &call->response;
        mongodb_fill_part(part, gather_slice(&side->bytes), dir == DIR_SERVER,
                          dissect_entry_arena(call->entry));
        end_call(conn, call, end, true);
    }
    for (struct waiting_call *call; (call = waiting_take_any(&state->waiting));)
        end_call(conn, call_of(call), end, false);
}

/* ── detection ── */

static enum probe_result mongodb_probe(const struct probe_input *in)
{
    enum probe_result client = in->client.len ? judge(in->client, in->client_ended) : PROBE_MAYBE;
    if (in->client.len == 0 && in->client_ended)
        client = PROBE_NO;
    if (!in->is_late_join) {
        bool speaks_first = in->client.len == 0 && in->server.len;
        bool is_reply = client == PROBE_YES && mongodb_read_head(in->client).response_to != 0;
        return speaks_first || is_reply ? PROBE_NO : client;
    }
    enum probe_result server = in->server.len ? judge(in->server, in->server_ended) : PROBE_NO;
    if (client == PROBE_YES || server == PROBE_YES)
        return PROBE_YES;
    return client == PROBE_NO && server == PROBE_NO ? PROBE_NO : PROBE_MAYBE;
}

static const uint16_t mongodb_ports[] = {27017, 27018, 27019, 0};

const struct dissector dissector_mongodb = {
    .name = "mongodb",
    .spec = "MongoDB wire protocol",
    .transports = DISSECT_TCP,
    .port_hints = mongodb_ports,
    .fields = mongodb_fields,
    .field_count = MONGODB_FIELD_COUNT,
    .state_bytes = sizeof(struct mongodb_state),
    .probe = mongodb_probe,
    .open = mongodb_open,
    .data = mongodb_data,
    .gap = mongodb_gap,
    .close = mongodb_close,
};
