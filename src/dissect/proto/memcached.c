/* memcached: text protocol with meta commands; the binary protocol is in memcached_binary.c
 * (https://github.com/memcached/memcached/tree/master/doc). Datagrams are in memcached_udp.c.
 *
 * Replies come in the order of commands. Quiet commands have one only sometimes: what follows tells
 * (opaque values, repeated keys, mn, the next reply's opcode); where it does not, the reply is an
 * entry of its own. After a loss the order is trusted only where it cannot be wrong: `unsure` ends
 * pairing. */
#include "dissect/proto/memcached_state.h"

/* ── calls ── */

struct mc_call *mc_begin_call(struct dissect_conn *conn, struct mc_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct mc_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    state->any_entry = true;
    return call;
}

void mc_append(struct mc_state *state, struct mc_call *call)
{
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
}

static struct mc_call *take_oldest(struct mc_state *state)
{
    struct mc_call *call = state->oldest;
    state->oldest = call->next;
    if (!state->oldest)
        state->newest = NULL;
    if (state->side[DIR_SERVER].call == call)
        state->side[DIR_SERVER].call = NULL;
    return call;
}

static void emit(struct dissect_conn *conn, struct mc_call *call, const char *status,
                 const char *reason)
{
    bool unsure = call->is_unsure;
    memcached_emit(conn, call, unsure ? "incomplete" : status, unsure ? "capture_gap" : reason);
}

void mc_emit_oldest(struct dissect_conn *conn, struct mc_state *state, const char *status,
                    const char *reason)
{
    emit(conn, take_oldest(state), status, reason);
}

static void emit_answered(struct dissect_conn *conn, struct mc_call *call)
{
    emit(conn, call, call->failed ? "error" : "ok", call->has_gap ? "capture_gap" : NULL);
}

/* What came after its reply tells whether that was its own. */
static void release_held(struct dissect_conn *conn, struct mc_state *state, bool is_right)
{
    struct mc_call *call = state->held;
    state->held = NULL;
    if (!call)
        return;
    call->is_unsure |= !is_right;
    state->doubtful &= !is_right;
    emit_answered(conn, call);
}

static void give_up(struct dissect_conn *conn, struct mc_state *state)
{
    while (state->oldest)
        mc_emit_oldest(conn, state, "incomplete", "capture_gap");
}

void mc_before_command(struct dissect_conn *conn, struct mc_state *state)
{
    struct mc_side *client = &state->side[DIR_CLIENT], *server = &state->side[DIR_SERVER];
    bool lost_some = client->lost_some || server->lost;
    release_held(conn, state, !lost_some);
    if (state->oldest && (lost_some || state->doubtful)) {
        /* A client that never pipelines had its answers before it went on. */
        state->unsure |= state->pipelines || !server->lost;
        give_up(conn, state);
    } else if (state->oldest) {
        state->pipelines = true;
    } else if (client->lost_some && state->pipelines) {
        state->unsure = true;
    }
    client->lost_some = false;
    if (server->lost && !state->unsure) { /* what comes next answers this one */
        server->lost = server->in_data = false;
        server->scanned = 0;
    }
}

/* ── lines ── */

/* A whole line at the front, without its end; 1. 0: more is needed; −1: it is too long. */
static int line_at_front(struct mc_side *side, const struct dissect_stream *stream,
                         struct slice *ret_line, size_t *ret_len)
{
    const uint8_t *lf = NULL;
    if (side->scanned < stream->len)
        lf = memchr(stream->data + side->scanned, '\n', stream->len - side->scanned);
    if (!lf) {
        side->scanned = stream->len;
        return stream->len > MC_LINE_MAX ? -1 : 0;
    }
    *ret_len = (size_t)(lf - stream->data) + 1;
    *ret_line = slice_of(stream->data, *ret_len - 1);
    if (ret_line->len && ret_line->data[ret_line->len - 1] == '\r')
        ret_line->len--;
    return 1;
}

void mc_take(struct dissect_conn *conn, struct mc_state *state, struct dissect_stream *stream,
             size_t n)
{
    struct mc_side *side = &state->side[stream->dir];
    struct mc_call *call = side->call;
    struct dissect_span *span = NULL;
    if (n == 0)
        return;
    if (call)
        span = stream->dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                         : dissect_entry_response(call->entry);
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL, span, n);
    side->scanned = 0;
}

void mc_take_data(struct dissect_conn *conn, struct mc_state *state, struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[stream->dir];
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    size_t tail = side->left - n < side->tail ? (size_t)(side->tail - (side->left - n)) : 0;
    if (side->call && n > tail) {
        struct gather *to = stream->dir == DIR_CLIENT ? &side->call->sent : &side->call->values;
        gather_add(to, dissect_entry_arena(side->call->entry), slice_of(stream->data, n - tail),
                   DISSECT_BODY_CAP);
    }
    side->left -= n;
    mc_take(conn, state, stream, n);
}

void mc_begin_data(struct mc_side *side, uint64_t bytes, unsigned tail)
{
    side->left = bytes + tail;
    side->tail = tail;
    side->in_data = side->left != 0;
}

void mc_copy_command(struct mc_call *call, struct slice line)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    call->line = arena_dup(arena, line);
    if (!mc_parse_command(call->line, &call->command))
        call->command = (struct mc_command){.name = call->line};
}

void mc_command_done(struct dissect_conn *conn, struct mc_state *state, struct mc_call *call)
{
    state->side[DIR_CLIENT].call = NULL;
    state->any_done = true;
    if (state->unsure)
        memcached_emit(conn, call, "incomplete", "capture_gap");
    else if (call->command.no_reply || call->command.is_quit)
        memcached_emit(conn, call, "ok", call->has_gap ? "capture_gap" : NULL);
    else
        mc_append(state, call);
}

/* ── text ── */

static enum dissect_result read_command(struct dissect_conn *conn, struct mc_state *state,
                                        struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[DIR_CLIENT];
    struct mc_command command;
    struct slice line;
    size_t len;
    int found = line_at_front(side, stream, &line, &len);
    if (found <= 0)
        return found ? DISSECT_BAD : DISSECT_MORE;
    if (!mc_parse_command(line, &command)) {
        if (!state->any_done && !state->any_entry && !dissect_is_late_join(conn))
            return DISSECT_NOT_MINE;
        side->lost_some |= side->lost;
        /* A line that the server will refuse, or the middle of something. */
        if (side->lost || !line.len) {
            dissect_take(conn, stream, NULL, NULL, len);
            side->scanned = 0;
            return DISSECT_OK;
        }
    }
    side->lost = false;
    mc_before_command(conn, state);
    struct mc_call *call = mc_begin_call(conn, state);
    if (!call)
        return DISSECT_MORE;
    side->call = call;
    mc_copy_command(call, line);
    mc_take(conn, state, stream, len);
    if (call->command.has_data)
        mc_begin_data(side, call->command.data_bytes, 2);
    if (!side->in_data)
        mc_command_done(conn, state, call);
    return DISSECT_OK;
}

/* Whose reply is this? NULL: nobody's that can be told. */
static struct mc_call *answered_by(struct dissect_conn *conn, struct mc_state *state,
                                   const struct mc_reply *reply)
{
    while (state->oldest && state->oldest->command.is_quiet) {
        const struct mc_command *head = &state->oldest->command;
        bool is_noop = slice_eq_str(reply->word, "MN");
        if (!is_noop && (reply->opaque.len || head->opaque.len)) {
            if (slice_eq(reply->opaque, head->opaque))
                return state->oldest;
        } else if (!is_noop && reply->key.len) {
            if (slice_eq(reply->key, head->key))
                return state->oldest;
        } else if (!is_noop) {
            return state->oldest->next ? NULL : state->oldest;
        }
        mc_emit_oldest(conn, state, "ok", NULL); /* it had nothing to say */
    }
    return state->oldest;
}

void mc_reply_done(struct dissect_conn *conn, struct mc_state *state, struct mc_call *call)
{
    state->side[DIR_SERVER].call = NULL;
    state->any_done = true;
    if (call->is_alone) {
        memcached_emit(conn, call, "incomplete",
                       call->window_start ? "window_start" : "capture_gap");
        return;
    }
    state->watches |= call->command.form == MC_STREAM && !call->failed;
    take_oldest(state);
    if (!state->doubtful) {
        emit_answered(conn, call);
        return;
    }
    release_held(conn, state, false);
    state->held = call;
}

struct mc_call *mc_begin_alone(struct dissect_conn *conn, struct mc_state *state)
{
    release_held(conn, state, false);
    struct mc_call *call = mc_begin_call(conn, state);
    if (!call)
        return NULL;
    call->is_alone = true;
    call->window_start = dissect_is_late_join(conn) && !state->any_done;
    return call;
}

static bool is_last_line(const struct mc_call *call, const struct mc_reply *reply, bool known)
{
    if (call->is_alone && known)
        return !reply->has_data && !slice_eq_str(reply->word, "STAT");
    if (call->command.form == MC_VALUES)
        return known && !reply->has_data;
    if (call->command.form == MC_STATS)
        return known && (reply->is_error || slice_eq_str(reply->word, "END") ||
                         slice_eq_str(reply->word, "OK") || slice_eq_str(reply->word, "RESET"));
    return !known || !reply->has_data;
}

static void note_line(struct mc_call *call, struct slice line, const struct mc_reply *reply,
                      bool known)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (!call->answered) {
        call->first_line = arena_dup(arena, slice_sub(line, 0, 256));
        call->status = arena_dup(arena, reply->word);
    }
    call->answered = true;
    call->failed |= known && reply->is_error;
    call->value_count += known && reply->has_data;
    bool is_text = call->command.form == MC_STATS && !slice_eq_str(reply->word, "END");
    if (is_text) {
        gather_add(&call->values, arena, line, DISSECT_BODY_CAP);
        gather_add(&call->values, arena, SLICE_LITERAL("\n"), DISSECT_BODY_CAP);
    } else if (known && reply->has_data && call->values.len) {
        gather_add(&call->values, arena, SLICE_LITERAL("\n"), DISSECT_BODY_CAP);
    }
}

static enum dissect_result read_reply(struct dissect_conn *conn, struct mc_state *state,
                                      struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[DIR_SERVER];
    struct mc_reply reply;
    struct slice line;
    size_t len;
    int found = line_at_front(side, stream, &line, &len);
    if (found <= 0)
        return found ? DISSECT_BAD : DISSECT_MORE;
    bool known = mc_parse_reply(line, &reply);
    struct mc_call *call = side->call;
    bool in_list = call || (state->oldest && state->oldest->command.form == MC_STATS);
    if (!known && !in_list) {
        if (!state->any_done)
            return DISSECT_NOT_MINE;
        side->lost = true;
        return DISSECT_OK;
    }
    if (!call)
        call = known && !state->unsure ? answered_by(conn, state, &reply) : state->oldest;
    if (!call)
        call = mc_begin_alone(conn, state);
    if (!call)
        return DISSECT_MORE;
    side->call = call;
    note_line(call, line, &reply, known);
    mc_take(conn, state, stream, len);
    bool last = is_last_line(call, &reply, known);
    if (known && reply.has_data) {
        mc_begin_data(side, reply.data_bytes, 2);
        side->ends_reply = !call->is_alone && call->command.form == MC_META;
    } else if (last) {
        mc_reply_done(conn, state, call);
    }
    return DISSECT_OK;
}

/* ── the dissector ── */

/* After a loss: the next command, by its form. */
static enum dissect_result find_command(struct dissect_conn *conn, struct mc_state *state,
                                        struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[DIR_CLIENT];
    if (!state->is_binary)
        return read_command(conn, state, stream);
    size_t at = 0;
    struct mc_header header;
    for (; at < stream->len; at++) {
        int found = mc_parse_header(slice_of(stream->data + at, stream->len - at), MC_REQUEST_MAGIC,
                                    &header);
        if (found > 0)
            side->lost = false;
        if (found)
            break;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !side->lost ? DISSECT_OK : DISSECT_MORE;
}

static enum dissect_result read_text_data(struct dissect_conn *conn, struct mc_state *state,
                                          struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[stream->dir];
    struct mc_call *call = side->call;
    mc_take_data(conn, state, stream);
    if (side->left)
        return DISSECT_OK;
    side->in_data = false;
    if (call && stream->dir == DIR_CLIENT)
        mc_command_done(conn, state, call);
    else if (call && side->ends_reply)
        mc_reply_done(conn, state, call);
    side->ends_reply = false;
    return DISSECT_OK;
}

/* A late join may have taken the server for the client. */
static bool is_other_side(struct mc_state *state, const struct dissect_stream *stream,
                          bool *ret_more)
{
    struct slice s = slice_of(stream->data, stream->len);
    struct mc_command command;
    struct mc_reply reply;
    const uint8_t *lf = memchr(s.data, '\n', s.len);
    *ret_more = false;
    if (state->is_binary)
        return s.data[0] == (stream->dir == DIR_CLIENT ? MC_REPLY_MAGIC : MC_REQUEST_MAGIC);
    if (!lf) {
        *ret_more = s.len < MC_LINE_MAX && !stream->ended;
        return false;
    }
    size_t n = (size_t)(lf - s.data);
    struct slice line = slice_of(s.data, n && s.data[n - 1] == '\r' ? n - 1 : n);
    return stream->dir == DIR_CLIENT ? mc_parse_reply(line, &reply)
                                     : mc_parse_command(line, &command);
}

static enum dissect_result mc_data(struct dissect_conn *conn, void *opaque,
                                   struct dissect_stream *stream)
{
    struct mc_state *state = opaque;
    struct mc_side *side = &state->side[stream->dir];
    if (stream->is_datagram)
        return mc_datagram(conn, state, stream);
    if (stream->len == 0)
        return DISSECT_OK;
    if (!state->is_judged) {
        state->is_binary = stream->data[0] == MC_REQUEST_MAGIC || stream->data[0] == MC_REPLY_MAGIC;
        bool more = false;
        bool swapped =
            dissect_is_late_join(conn) && !state->any_entry && is_other_side(state, stream, &more);
        if (more)
            return DISSECT_MORE;
        if (swapped) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        state->is_judged = true;
        state->doubtful |= dissect_is_late_join(conn);
    }
    if (stream->dir == DIR_SERVER && (side->lost || state->watches)) {
        /* Replies cannot be told from data: the next command finds them again. */
        dissect_take(conn, stream, NULL, NULL, stream->len);
        side->scanned = 0;
        return DISSECT_OK;
    }
    if (stream->dir == DIR_CLIENT && side->lost) {
        enum dissect_result found = find_command(conn, state, stream);
        if (found != DISSECT_OK || side->lost || !state->is_binary || !stream->len)
            return found;
    }
    enum dissect_result result;
    if (state->is_binary)
        result = mc_read_binary(conn, state, stream);
    else if (side->in_data)
        result = read_text_data(conn, state, stream);
    else
        result = stream->dir == DIR_CLIENT ? read_command(conn, state, stream)
                                           : read_reply(conn, state, stream);
    if (result == DISSECT_OK && side->lost && stream->len)
        return mc_data(conn, opaque, stream);
    return result;
}

static void mc_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct mc_state *state = opaque;
    struct mc_side *side = &state->side[dir];
    struct mc_call *call = side->call;
    side->scanned = 0;
    if (call) {
        struct dissect_span *span = dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                                      : dissect_entry_response(call->entry);
        span->gap_bytes += bytes < side->left ? bytes : side->left;
        call->has_gap = call->truncated = true;
    }
    if (side->in_data && bytes < side->left) {
        side->left -= bytes;
        side->has_names = true;
        return;
    }
    side->call = NULL;
    if (dir == DIR_SERVER && call && call == state->oldest)
        mc_emit_oldest(conn, state, "incomplete", "capture_gap");
    else if (call)
        memcached_emit(conn, call, "incomplete", "capture_gap");
    side->in_data = side->has_names = side->ends_reply = false;
    side->lost = side->lost_some = state->doubtful = true;
    release_held(conn, state, false);
    for (call = state->oldest; call && dir == DIR_SERVER; call = call->next)
        call->is_unsure = true;
    if (dir == DIR_CLIENT && state->pipelines && state->oldest) {
        state->unsure = true;
        give_up(conn, state);
    }
}

static void mc_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct mc_state *state = opaque;
    struct mc_call *half = state->side[DIR_CLIENT].call;
    struct mc_call *alone = state->side[DIR_SERVER].call;
    bool is_over = end != END_OF_DATA, lost = state->side[DIR_SERVER].lost_some;
    if (alone && !alone->is_alone)
        alone = NULL; /* it waits in the list */
    release_held(conn, state, is_over);
    while (state->oldest) {
        struct mc_call *call = state->oldest;
        bool quiet = call->command.is_quiet && !call->answered;
        if (lost)
            mc_emit_oldest(conn, state, "incomplete", "capture_gap");
        else if (!is_over)
            mc_emit_oldest(conn, state, "open", call->answered ? "window_end" : NULL);
        else if (quiet)
            mc_emit_oldest(conn, state, "ok", NULL);
        else
            mc_emit_oldest(conn, state, call->answered ? "error" : "no_response",
                           dissect_end_reason(end));
    }
    if (half)
        memcached_emit(conn, half, is_over ? "no_response" : "open",
                       is_over ? dissect_end_reason(end) : "window_end");
    if (alone)
        memcached_emit(conn, alone, "incomplete",
                       alone->window_start ? "window_start" : "capture_gap");
}

static const uint16_t mc_ports[] = {11211, 0};

const struct dissector dissector_memcached = {
    .name = "memcached",
    .spec = "memcached text, meta and binary protocols",
    .transports = DISSECT_TCP | DISSECT_UDP,
    .port_hints = mc_ports,
    .fields = memcached_fields,
    .field_count = MC_FIELD_COUNT,
    .state_bytes = sizeof(struct mc_state),
    .probe = mc_probe,
    .data = mc_data,
    .gap = mc_gap,
    .close = mc_close,
};
