/* Redis: RESP2, RESP3, inline commands, pipelining, transactions, publish/subscribe, MONITOR and
 * replication streams (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 *
 * A command waits for its reply in the order of commands. What the server says unasked (pushes,
 * messages of subscriptions, MONITOR lines, replicated commands) are entries by themselves. After a
 * loss the order of replies is only trusted where it cannot be wrong: `unsure` ends pairing. */
#include "dissect/proto/redis_state.h"

enum {
    PEEK_MAX = 64 /* of a push: enough for its kind */
};

/* ── calls ── */

struct redis_call *redis_begin_call(struct dissect_conn *conn, struct redis_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct redis_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->db = state->db;
    call->replies_due = 1;
    state->any_entry = true;
    return call;
}

static void append(struct redis_state *state, struct redis_call *call)
{
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
}

static void remove_oldest(struct redis_state *state)
{
    state->oldest = state->oldest->next;
    if (!state->oldest)
        state->newest = NULL;
}

static bool word_is(const struct redis_call *call, size_t i, const char *text)
{
    return slice_eq_nocase(gather_slice(&call->command.kept[i]), slice_str(text));
}

/* Its reply will not be known: what it would have changed neither. */
static void lose_reply(struct redis_state *state, const struct redis_call *call)
{
    if (word_is(call, 0, "SELECT"))
        state->db = -1;
}

/* Everything that waits leaves without a reply: whose replies come next cannot be told. */
static void give_up_waiting(struct dissect_conn *conn, struct redis_state *state)
{
    struct redis_side *server = &state->side[DIR_SERVER];
    while (state->oldest) {
        struct redis_call *call = state->oldest;
        if (server->at == call)
            server->at = NULL;
        remove_oldest(state);
        lose_reply(state, call);
        redis_emit(conn, call, "incomplete", "capture_gap");
    }
}

static const char *reply_status(const struct redis_call *call)
{
    return call->reply.type == '-' || call->reply.type == '!' ? "error" : "ok";
}

static void emit_answered(struct dissect_conn *conn, struct redis_call *call)
{
    bool gap = call->command.has_gap || call->reply.has_gap;
    if (call->is_unsure)
        redis_emit(conn, call, "incomplete", "capture_gap");
    else
        redis_emit(conn, call, reply_status(call), gap ? "capture_gap" : NULL);
}

/* What came after its reply tells whether that was its own. */
static void release_held(struct dissect_conn *conn, struct redis_state *state, bool is_right)
{
    struct redis_call *call = state->held;
    state->held = NULL;
    if (!call)
        return;
    call->is_unsure |= !is_right;
    state->doubtful &= !is_right;
    emit_answered(conn, call);
}

/* ── commands ── */

/* CLIENT REPLY OFF, SKIP and ON: true when this command itself has no reply. */
static bool is_silent(struct redis_state *state, const struct redis_call *call)
{
    bool silent = state->reply_mode != REPLY_ON;
    bool was_off = state->reply_mode == REPLY_OFF;
    if (state->reply_mode == REPLY_SKIP_NEXT)
        state->reply_mode = REPLY_ON;
    if (!word_is(call, 0, "CLIENT") || !word_is(call, 1, "REPLY"))
        return silent;
    if (word_is(call, 2, "ON")) {
        state->reply_mode = REPLY_ON;
        return false;
    }
    if (word_is(call, 2, "OFF"))
        state->reply_mode = REPLY_OFF;
    else if (word_is(call, 2, "SKIP") && !was_off)
        state->reply_mode = REPLY_SKIP_NEXT;
    else
        return silent;
    return true;
}

static void command_done(struct dissect_conn *conn, struct redis_state *state,
                         struct redis_call *call)
{
    state->side[DIR_CLIENT].at = NULL;
    state->any_command = state->any_done = true;
    call->known = redis_command_find(gather_slice(&call->command.kept[0]));
    call->command_done = true;
    unsigned traits = call->known ? call->known->traits : 0;
    bool silent = is_silent(state, call);
    if (traits & REDIS_PUBSUB) {
        state->subscribes = true;
        call->replies_due = call->command.elements > 1 ? call->command.elements - 1 : 1;
    }
    if (state->unsure) {
        redis_emit(conn, call, "incomplete", "capture_gap");
        return;
    }
    if (silent || (word_is(call, 0, "REPLCONF") && word_is(call, 1, "ACK"))) {
        redis_emit(conn, call, "ok", NULL);
        return;
    }
    append(state, call);
}

/* What is neither RESP nor a line of text. */
static enum dissect_result broken(struct redis_state *state)
{
    state->disowned = !state->any_done;
    return state->disowned ? DISSECT_NOT_MINE : DISSECT_BAD;
}

/* A new command tells what became of those before it. */
static void before_command(struct dissect_conn *conn, struct redis_state *state)
{
    struct redis_side *client = &state->side[DIR_CLIENT];
    struct redis_side *server = &state->side[DIR_SERVER];
    bool lost_some = client->lost_some || server->lost;
    release_held(conn, state, !lost_some);
    if (state->oldest && (lost_some || state->doubtful)) {
        /* A client that never pipelines had its answers before it went on. */
        state->unsure |= state->pipelines || !lost_some;
        give_up_waiting(conn, state);
    } else if (state->oldest) {
        state->pipelines = true;
    }
    client->lost_some = false;
    if (server->lost && !state->unsure) /* what comes next answers this one */
        server->lost = false;
}

static enum dissect_result read_command(struct dissect_conn *conn, struct redis_state *state,
                                        struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[DIR_CLIENT];
    bool is_new = !side->at;
    while (is_new && stream->len && (stream->data[0] == '\r' || stream->data[0] == '\n'))
        dissect_take(conn, stream, NULL, NULL, 1);
    if (stream->len == 0)
        return DISSECT_OK;
    if (is_new) {
        if (!resp_has_line(&side->parser, stream))
            return DISSECT_MORE;
        before_command(conn, state);
        side->at = redis_begin_call(conn, state);
        if (!side->at)
            return DISSECT_MORE;
        side->at->command.is_command = true;
    }
    struct redis_call *call = side->at;
    struct resp_target target = {.conn = conn,
                                 .arena = dissect_entry_arena(call->entry),
                                 .span = dissect_entry_request(call->entry),
                                 .value = &call->command};
    uint64_t before = stream->offset;
    enum resp_result result = resp_read(&side->parser, &target, stream, true);
    if (result == RESP_DONE) {
        command_done(conn, state, call);
    } else if (result == RESP_BAD) {
        side->at = NULL;
        dissect_entry_drop(conn, call->entry);
        return broken(state);
    }
    return result == RESP_MORE && stream->offset == before ? DISSECT_MORE : DISSECT_OK;
}

/* ── replies ── */

/* The first word of an array or push, as far as it is there. MORE: not yet. */
static enum resp_result peek_kind(const struct dissect_stream *stream, struct slice *ret_kind)
{
    struct slice s = slice_sub(slice_of(stream->data, stream->len), 0, PEEK_MAX);
    struct slice lines[3] = {SLICE_NONE};
    *ret_kind = SLICE_NONE;
    for (int i = 0; i < 3; i++) {
        const uint8_t *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
        if (!lf)
            return stream->len >= PEEK_MAX || stream->ended ? RESP_DONE : RESP_MORE;
        size_t n = (size_t)(lf - s.data) + 1;
        lines[i] = slice_of(s.data, n >= 2 ? n - 2 : 0);
        s = slice_sub(s, n, SIZE_MAX);
        if (i == 1 && (lines[1].len == 0 || lines[1].data[0] != '$'))
            return RESP_DONE;
    }
    *ret_kind = lines[2];
    return RESP_DONE;
}

static bool is_message(struct slice kind)
{
    return slice_eq_str(kind, "message") || slice_eq_str(kind, "pmessage") ||
           slice_eq_str(kind, "smessage");
}

static bool is_confirmation(struct slice kind)
{
    const struct redis_command *command = redis_command_find(kind);
    return command && command->traits & REDIS_PUBSUB;
}

/* Servers do that by themselves when a slot leaves them. */
static bool is_ended_by_server(struct slice kind)
{
    return slice_eq_str(kind, "sunsubscribe");
}

/* Is what comes no reply to a command? MORE: not decided yet. */
static enum resp_result is_unasked(const struct redis_state *state,
                                   const struct dissect_stream *stream, bool *ret_unasked)
{
    uint8_t type = stream->data[0];
    struct slice kind;
    *ret_unasked = false;
    if (type == '+' && state->monitors && !state->oldest)
        *ret_unasked = true;
    if (type != '>' && !(type == '*' && state->subscribes))
        return RESP_DONE;
    if (peek_kind(stream, &kind) == RESP_MORE)
        return RESP_MORE;
    bool waits =
        state->oldest && state->oldest->known && state->oldest->known->traits & REDIS_PUBSUB;
    if (is_message(kind))
        *ret_unasked = true;
    else if (is_confirmation(kind))
        *ret_unasked = !waits && is_ended_by_server(kind);
    else
        *ret_unasked = type == '>';
    return RESP_DONE;
}

static enum dissect_result begin_reply(struct dissect_conn *conn, struct redis_state *state,
                                       const struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[DIR_SERVER];
    bool unasked;
    if (is_unasked(state, stream, &unasked) == RESP_MORE)
        return DISSECT_MORE;
    struct redis_call *call = unasked ? NULL : state->oldest;
    if (call && side->lost_some && call->next) {
        /* Several commands wait and some replies are lost: nobody knows whose this is. */
        state->unsure = true;
        give_up_waiting(conn, state);
        call = NULL;
    }
    if (!call && !unasked)
        release_held(conn, state, false);
    if (!call) {
        call = redis_begin_call(conn, state);
        if (!call)
            return DISSECT_MORE;
        call->is_push = unasked;
        call->window_start = dissect_is_late_join(conn) && !state->any_command;
    }
    if (call->reply.type) /* a further confirmation of the same command */
        call->reply = (struct resp_value){.has_gap = call->reply.has_gap};
    side->at = call;
    side->lost_some = false;
    return DISSECT_OK;
}

static void follow_replication(struct redis_state *state, const struct redis_call *call)
{
    struct slice said = gather_slice(&call->reply.kept[0]);
    bool is_sync = word_is(call, 0, "SYNC");
    if (is_sync || slice_starts_with(said, SLICE_LITERAL("FULLRESYNC")))
        state->server_mode = SERVER_RDB_HEADER;
    else if (slice_starts_with(said, SLICE_LITERAL("CONTINUE")))
        state->server_mode = SERVER_COMMANDS;
}

/* What a successful reply changes on the connection. */
static void apply_reply(struct redis_state *state, const struct redis_call *call)
{
    bool ok = call->reply.type == '+';
    unsigned traits = call->known ? call->known->traits : 0;
    int64_t db;
    if (ok && word_is(call, 0, "SELECT") &&
        resp_parse_number(gather_slice(&call->command.kept[1]), &db))
        state->db = db;
    if (ok && word_is(call, 0, "RESET"))
        state->subscribes = state->monitors = false;
    if (ok && traits & REDIS_MONITOR)
        state->monitors = true;
    if (traits & REDIS_REPLICA && reply_status(call)[0] == 'o')
        follow_replication(state, call);
}

/* Servers say so before any command, then close. */
static bool is_refusal(const struct redis_call *call)
{
    struct slice said = gather_slice(&call->reply.kept[0]);
    return call->reply.type == '-' &&
           (slice_starts_with(said, SLICE_LITERAL("ERR max number of clients")) ||
            slice_starts_with(said, SLICE_LITERAL("DENIED ")));
}

static void reply_done(struct dissect_conn *conn, struct redis_state *state,
                       struct redis_call *call)
{
    state->side[DIR_SERVER].at = NULL;
    state->any_done = true;
    if (!call->command_done) {
        if (call->is_push || is_refusal(call))
            emit_answered(conn, call);
        else /* its command was lost: perhaps that shows only later */
            redis_emit(conn, call, "incomplete",
                       call->window_start ? "window_start" : "capture_gap");
        return;
    }
    if (call->reply.type != '-' && --call->replies_due)
        return;
    remove_oldest(state);
    if (call->is_unsure)
        lose_reply(state, call);
    else
        apply_reply(state, call);
    if (!state->doubtful) {
        emit_answered(conn, call);
        return;
    }
    release_held(conn, state, false);
    state->held = call;
}

static enum dissect_result read_reply(struct dissect_conn *conn, struct redis_state *state,
                                      struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[DIR_SERVER];
    if (side->lost) { /* replies cannot be told from data: the next command finds them again */
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    if (!side->at) {
        if (!resp_has_line(&side->parser, stream))
            return DISSECT_MORE;
        enum dissect_result begun = begin_reply(conn, state, stream);
        if (begun != DISSECT_OK)
            return begun;
    }
    struct redis_call *call = side->at;
    struct resp_target target = {.conn = conn,
                                 .arena = dissect_entry_arena(call->entry),
                                 .span = dissect_entry_response(call->entry),
                                 .value = &call->reply};
    uint64_t before = stream->offset;
    enum resp_result result = resp_read(&side->parser, &target, stream, false);
    if (result == RESP_DONE)
        reply_done(conn, state, call);
    if (result == RESP_BAD) {
        side->at = NULL;
        if (!call->command_done)
            dissect_entry_drop(conn, call->entry);
        return broken(state);
    }
    if (result == RESP_MORE && stream->offset == before)
        return DISSECT_MORE;
    return DISSECT_OK;
}

/* ── found again after a loss ── */

static enum dissect_result find_command(struct dissect_conn *conn, struct redis_state *state,
                                        struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0;
    while (at < all.len) {
        enum probe_result found = redis_command_head(slice_sub(all, at, SIZE_MAX), stream->ended);
        if (found == PROBE_YES)
            state->side[DIR_CLIENT].lost = false;
        if (found != PROBE_NO)
            break;
        const uint8_t *star = memchr(all.data + at + 1, '*', all.len - at - 1);
        at = star ? (size_t)(star - all.data) : all.len;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !state->side[DIR_CLIENT].lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── the dissector ── */

/* A late join may have taken the server for the client: YES when these bytes tell so. */
static enum probe_result is_other_side(const struct redis_state *state,
                                       const struct dissect_stream *stream)
{
    struct slice s = slice_of(stream->data, stream->len);
    if (state->any_entry)
        return PROBE_NO;
    if (stream->dir == DIR_CLIENT)
        return byte_is_in(s.data[0], "+-:") ? PROBE_YES : PROBE_NO;
    enum probe_result result = redis_command_head(s, stream->ended);
    return result == PROBE_YES && !redis_names_command(s) ? PROBE_NO : result;
}

/* Does the server's side begin with a reply, or in the middle of one? */
static bool judge_server(struct redis_state *state, const struct dissect_stream *stream)
{
    enum probe_result head = redis_reply_head(slice_of(stream->data, stream->len));
    if (head == PROBE_MAYBE && !stream->ended)
        return false;
    state->server_judged = true;
    state->side[DIR_SERVER].lost = head != PROBE_YES;
    return true;
}

static enum dissect_result read_side(struct dissect_conn *conn, struct redis_state *state,
                                     struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[stream->dir];
    if (stream->dir == DIR_CLIENT) {
        if (side->lost) {
            enum dissect_result found = find_command(conn, state, stream);
            if (found != DISSECT_OK || side->lost)
                return found;
        }
        return read_command(conn, state, stream);
    }
    switch (state->server_mode) {
    case SERVER_REPLIES:
        return read_reply(conn, state, stream);
    case SERVER_RDB_HEADER:
        return redis_read_rdb_header(conn, state, stream);
    case SERVER_RDB:
    case SERVER_RDB_TO_MARK:
        return redis_read_rdb(conn, state, stream);
    case SERVER_COMMANDS:
        return redis_read_replicated(conn, state, stream);
    }
    return DISSECT_BAD;
}

static enum dissect_result redis_data(struct dissect_conn *conn, void *opaque,
                                      struct dissect_stream *stream)
{
    struct redis_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (dissect_is_late_join(conn)) {
        enum probe_result other = is_other_side(state, stream);
        if (other == PROBE_MAYBE)
            return DISSECT_MORE;
        if (other == PROBE_YES) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        if (stream->dir == DIR_SERVER && !state->server_judged && !judge_server(state, stream))
            return DISSECT_MORE;
    }
    uint64_t before = stream->offset;
    for (int turn = 0; turn < 4; turn++) {
        bool lost = state->side[stream->dir].lost;
        enum dissect_result result = read_side(conn, state, stream);
        if (result != DISSECT_OK || stream->offset != before || stream->len == 0 ||
            lost == state->side[stream->dir].lost)
            return result;
    }
    return DISSECT_OK;
}

static void redis_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct redis_state *state = opaque;
    struct redis_side *side = &state->side[dir];
    struct redis_call *call = side->at;
    if (dir == DIR_SERVER && state->server_mode == SERVER_RDB && bytes < state->rdb_left) {
        state->rdb_left -= bytes;
        return;
    }
    if (call) {
        bool is_command = dir == DIR_CLIENT || state->server_mode == SERVER_COMMANDS;
        struct resp_target target = {.conn = conn,
                                     .arena = dissect_entry_arena(call->entry),
                                     .span = is_command ? dissect_entry_request(call->entry)
                                                        : dissect_entry_response(call->entry),
                                     .value = is_command ? &call->command : &call->reply};
        if (resp_gap(&side->parser, &target, bytes))
            return;
        side->at = NULL;
        if (dir == DIR_SERVER && call == state->oldest) {
            remove_oldest(state);
            lose_reply(state, call);
        }
        if (dir == DIR_CLIENT)
            call->known = redis_command_find(gather_slice(&call->command.kept[0]));
        redis_emit(conn, call, "incomplete", "capture_gap");
    }
    side->lost = side->lost_some = state->doubtful = true;
    release_held(conn, state, false);
    if (dir == DIR_CLIENT)
        state->db = -1;
    for (call = state->oldest; call && dir == DIR_SERVER; call = call->next)
        call->is_unsure = true;
    if (dir == DIR_CLIENT && state->pipelines && state->oldest) {
        state->unsure = true;
        give_up_waiting(conn, state);
    }
}

static void redis_open(struct dissect_conn *conn, void *opaque)
{
    struct redis_state *state = opaque;
    bool late = dissect_is_late_join(conn);
    state->db = late ? -1 : 0;
    state->side[DIR_CLIENT].lost = state->doubtful = late;
}

static void redis_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct redis_state *state = opaque;
    struct redis_call *half = state->side[DIR_CLIENT].at;
    struct redis_call *alone = state->side[DIR_SERVER].at;
    if (alone && alone->command_done)
        alone = NULL; /* it waits in the queue */
    if (state->disowned)
        return;
    bool is_over = end != END_OF_DATA;
    bool lost = state->side[DIR_SERVER].lost_some;
    release_held(conn, state, is_over);
    while (state->oldest) {
        struct redis_call *call = state->oldest;
        bool begun = call->reply.type || call->reply.elements;
        remove_oldest(state);
        if (lost)
            redis_emit(conn, call, "incomplete", "capture_gap");
        else if (!is_over)
            redis_emit(conn, call, "open", begun ? "window_end" : NULL);
        else
            redis_emit(conn, call, begun ? "error" : "no_response", dissect_end_reason(end));
    }
    if (half)
        redis_emit(conn, half, is_over ? "no_response" : "open",
                   is_over ? dissect_end_reason(end) : "window_end");
    if (alone)
        redis_emit(conn, alone, is_over ? "error" : "open",
                   is_over ? dissect_end_reason(end) : "window_end");
}

static const uint16_t redis_ports[] = {6379, 6380, 26379, 0};

const struct dissector dissector_redis = {
    .name = "redis",
    .spec = "Redis serialization protocol, RESP2 and RESP3",
    .transports = DISSECT_TCP,
    .port_hints = redis_ports,
    .fields = redis_fields,
    .field_count = REDIS_FIELD_COUNT,
    .state_bytes = sizeof(struct redis_state),
    .probe = redis_probe,
    .open = redis_open,
    .data = redis_data,
    .gap = redis_gap,
    .close = redis_close,
};
