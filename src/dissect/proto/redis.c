/* Redis: RESP2, RESP3, inline commands, pipelining, transactions, publish/subscribe, MONITOR and
 * replication streams (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 *
 * A command waits for its reply in the order of commands. What the server says unasked (pushes,
 * messages of subscriptions, MONITOR lines, replicated commands) are entries by themselves. After a
 * loss the order of replies is only trusted where it cannot be wrong: `unsure` ends pairing. */
#include "dissect/proto/redis_call.h"

enum {
    PEEK_MAX = 64,  /* of a push: enough for its kind */
    LATE_MAX = 4000 /* of a connection that was joined late: where a command is looked for */
};

enum redis_reply_mode {
    REPLY_ON,
    REPLY_OFF,
    REPLY_SKIP_NEXT, /* CLIENT REPLY SKIP was said: the next command has none */
};

enum server_mode {
    SERVER_REPLIES,
    SERVER_RDB_HEADER,  /* replication: "$len" of the snapshot comes */
    SERVER_RDB,         /* its bytes, without a line end behind them */
    SERVER_RDB_TO_MARK, /* its bytes up to a mark of 40 bytes */
    SERVER_COMMANDS     /* the server sends commands */
};

enum {
    MARK_BYTES = 40
};

struct redis_side {
    struct resp_parser parser;
    struct redis_call *at;
    bool lost;      /* looking for the next command or reply */
    bool lost_some; /* since the last one that was found again */
};

struct redis_state {
    struct redis_side side[2];
    struct redis_call *oldest, *newest;
    enum redis_reply_mode reply_mode;
    enum server_mode server_mode;
    uint64_t rdb_left;
    uint8_t mark[MARK_BYTES];
    int64_t db; /* −1: not known */
    bool subscribes, monitors, pipelines, unsure;
    bool any_command, any_entry, any_done;
    bool disowned;      /* it was another protocol */
    bool server_judged; /* late join: its first bytes are known to begin a reply, or not */
};

/* ── calls ── */

static struct redis_call *begin_call(struct dissect_conn *conn, struct redis_state *state)
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

/* Everything that waits leaves without a reply: whose replies come next cannot be told. */
static void give_up_waiting(struct dissect_conn *conn, struct redis_state *state)
{
    struct redis_side *server = &state->side[DIR_SERVER];
    while (state->oldest) {
        struct redis_call *call = state->oldest;
        if (server->at == call)
            server->at = NULL;
        remove_oldest(state);
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
    redis_emit(conn, call, reply_status(call), gap ? "capture_gap" : NULL);
}

/* ── commands ── */

static bool word_is(const struct redis_call *call, size_t i, const char *text)
{
    return slice_eq_nocase(gather_slice(&call->command.kept[i]), slice_str(text));
}

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
    if (state->oldest && lost_some) {
        /* A client that never pipelines had its answers before it went on. */
        state->unsure |= state->pipelines;
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
        side->at = begin_call(conn, state);
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
        *ret_unasked = !waits;
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
    if (!call) {
        call = begin_call(conn, state);
        if (!call)
            return DISSECT_MORE;
        call->is_push = unasked;
        call->after_loss = side->lost_some || state->side[DIR_CLIENT].lost_some || state->unsure;
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

static void reply_done(struct dissect_conn *conn, struct redis_state *state,
                       struct redis_call *call)
{
    state->side[DIR_SERVER].at = NULL;
    state->any_done = true;
    if (!call->command_done) {
        if (call->is_push)
            emit_answered(conn, call);
        else if (call->after_loss || call->window_start)
            redis_emit(conn, call, "incomplete",
                       call->window_start ? "window_start" : "capture_gap");
        else
            emit_answered(conn, call);
        return;
    }
    if (call->reply.type != '-' && --call->replies_due)
        return;
    remove_oldest(state);
    apply_reply(state, call);
    emit_answered(conn, call);
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

/* ── replication streams ── */

/* "$len" or "$EOF:<40 bytes>", after any number of line ends that keep the replica patient. */
static enum dissect_result read_rdb_header(struct dissect_conn *conn, struct redis_state *state,
                                           struct dissect_stream *stream)
{
    int64_t len;
    const uint8_t *lf = memchr(stream->data, '\n', stream->len);
    if (!lf)
        return stream->len > PEEK_MAX ? DISSECT_BAD : DISSECT_MORE;
    size_t n = (size_t)(lf - stream->data) + 1;
    struct slice line = slice_of(stream->data, n - 1);
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0) {
        dissect_take(conn, stream, NULL, NULL, n);
        return DISSECT_OK;
    }
    if (line.len == 5 + MARK_BYTES && slice_starts_with(line, SLICE_LITERAL("$EOF:"))) {
        memcpy(state->mark, line.data + 5, MARK_BYTES);
        state->server_mode = SERVER_RDB_TO_MARK;
    } else if (line.data[0] == '$' && resp_parse_number(slice_sub(line, 1, SIZE_MAX), &len) &&
               len >= 0) {
        state->rdb_left = (uint64_t)len;
        state->server_mode = len ? SERVER_RDB : SERVER_COMMANDS;
    } else {
        return DISSECT_BAD;
    }
    dissect_take(conn, stream, NULL, NULL, n);
    return DISSECT_OK;
}

static enum dissect_result read_rdb(struct dissect_conn *conn, struct redis_state *state,
                                    struct dissect_stream *stream)
{
    size_t n = stream->len;
    if (state->server_mode == SERVER_RDB) {
        if (n > state->rdb_left)
            n = (size_t)state->rdb_left;
        state->rdb_left -= n;
        if (state->rdb_left == 0)
            state->server_mode = SERVER_COMMANDS;
        dissect_take(conn, stream, NULL, NULL, n);
        return DISSECT_OK;
    }
    const uint8_t *mark = memmem(stream->data, n, state->mark, MARK_BYTES);
    if (mark) {
        state->server_mode = SERVER_COMMANDS;
        n = (size_t)(mark - stream->data) + MARK_BYTES;
    } else if (n < MARK_BYTES) {
        return DISSECT_MORE;
    } else {
        n -= MARK_BYTES - 1;
    }
    dissect_take(conn, stream, NULL, NULL, n);
    return DISSECT_OK;
}

/* The primary's commands: entries that want no reply, asked by the server side. */
static enum dissect_result read_replicated(struct dissect_conn *conn, struct redis_state *state,
                                           struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[DIR_SERVER];
    while (!side->at && stream->len && (stream->data[0] == '\r' || stream->data[0] == '\n'))
        dissect_take(conn, stream, NULL, NULL, 1);
    if (stream->len == 0)
        return DISSECT_OK;
    if (!side->at) {
        if (!resp_has_line(&side->parser, stream))
            return DISSECT_MORE;
        side->at = begin_call(conn, state);
        if (!side->at)
            return DISSECT_MORE;
        side->at->command.is_command = true;
        dissect_entry_reverse(side->at->entry);
    }
    struct redis_call *call = side->at;
    struct resp_target target = {.conn = conn,
                                 .arena = dissect_entry_arena(call->entry),
                                 .span = dissect_entry_request(call->entry),
                                 .value = &call->command};
    uint64_t before = stream->offset;
    enum resp_result result = resp_read(&side->parser, &target, stream, true);
    if (result == RESP_DONE) {
        call->known = redis_command_find(gather_slice(&call->command.kept[0]));
        call->command_done = true;
        side->at = NULL;
        redis_emit(conn, call, "ok", NULL);
    } else if (result == RESP_BAD) {
        side->at = NULL;
        dissect_entry_drop(conn, call->entry);
    }
    if (result == RESP_BAD)
        return DISSECT_BAD;
    return result == RESP_MORE && stream->offset == before ? DISSECT_MORE : DISSECT_OK;
}

/* ── found again after a loss ── */

/* "*2\r\n$3\r\nGET\r\n" at the front. MAYBE: more bytes are needed. */
static enum probe_result is_command_head(struct slice s, bool ended)
{
    struct slice lines[3];
    struct slice left = s;
    int64_t n;
    if (s.len && s.data[0] != '*')
        return PROBE_NO;
    for (int i = 0; i < 3; i++) {
        const uint8_t *lf = left.len ? memchr(left.data, '\n', left.len) : NULL;
        size_t most = i == 2 ? 64 : 16;
        if (!lf)
            return left.len > most || ended ? PROBE_NO : PROBE_MAYBE;
        size_t len = (size_t)(lf - left.data) + 1;
        if (len < 3 || len > most + 2 || left.data[len - 2] != '\r')
            return PROBE_NO;
        lines[i] = slice_of(left.data, len - 2);
        left = slice_sub(left, len, SIZE_MAX);
        uint8_t type = i == 0 ? '*' : '$';
        if (i < 2 &&
            (lines[i].data[0] != type || !resp_parse_number(slice_sub(lines[i], 1, SIZE_MAX), &n) ||
             n < 1 || (i == 1 && n > 64)))
            return PROBE_NO;
    }
    if ((int64_t)lines[2].len != n)
        return PROBE_NO;
    for (size_t i = 0; i < lines[2].len; i++) {
        uint8_t c = lines[2].data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool other = (c >= '0' && c <= '9') || (c && strchr("._-|", c));
        if (!letter && !other)
            return PROBE_NO;
    }
    return PROBE_YES;
}

static enum dissect_result find_command(struct dissect_conn *conn, struct redis_state *state,
                                        struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0;
    while (at < all.len) {
        enum probe_result found = is_command_head(slice_sub(all, at, SIZE_MAX), stream->ended);
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

/* The first reply has RESP's form; POP3 and others begin with "+OK" too, so the command must fit.
 */
static enum probe_result is_reply_head(struct slice s)
{
    int64_t n;
    if (s.len == 0)
        return PROBE_MAYBE;
    if (!resp_is_type(s.data[0]))
        return PROBE_NO;
    const uint8_t *lf = memchr(s.data, '\n', s.len);
    if (!lf)
        return s.len < 512 ? PROBE_MAYBE : PROBE_NO;
    size_t len = (size_t)(lf - s.data);
    if (len < 2 || s.data[len - 1] != '\r')
        return PROBE_NO;
    struct slice text = slice_of(s.data + 1, len - 2);
    if (strchr("$*:%~>", s.data[0]) && !resp_parse_number(text, &n))
        return PROBE_NO;
    return PROBE_YES;
}

static bool begins_with_known_command(struct slice s)
{
    const uint8_t *dollar = memchr(s.data, '$', s.len);
    const uint8_t *lf = dollar ? memchr(dollar, '\n', s.len - (size_t)(dollar - s.data)) : NULL;
    if (!lf)
        return false;
    struct slice name = slice_sub(s, (size_t)(lf - s.data) + 1, SIZE_MAX);
    const uint8_t *cr = name.len ? memchr(name.data, '\r', name.len) : NULL;
    return cr && redis_command_find(slice_of(name.data, (size_t)(cr - name.data)));
}

/* A late join may have taken the server for the client: YES when these bytes tell so. */
static enum probe_result is_other_side(const struct redis_state *state,
                                       const struct dissect_stream *stream)
{
    struct slice s = slice_of(stream->data, stream->len);
    if (state->any_entry)
        return PROBE_NO;
    if (stream->dir == DIR_CLIENT)
        return strchr("+-:", s.data[0]) && s.data[0] ? PROBE_YES : PROBE_NO;
    enum probe_result result = is_command_head(s, stream->ended);
    return result == PROBE_YES && !begins_with_known_command(s) ? PROBE_NO : result;
}

/* Does the server's side begin with a reply, or in the middle of one? */
static bool judge_server(struct redis_state *state, const struct dissect_stream *stream)
{
    enum probe_result head = is_reply_head(slice_of(stream->data, stream->len));
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
        return read_rdb_header(conn, state, stream);
    case SERVER_RDB:
    case SERVER_RDB_TO_MARK:
        return read_rdb(conn, state, stream);
    case SERVER_COMMANDS:
        return read_replicated(conn, state, stream);
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
        if (dir == DIR_SERVER && call == state->oldest)
            remove_oldest(state);
        if (dir == DIR_CLIENT)
            call->known = redis_command_find(gather_slice(&call->command.kept[0]));
        redis_emit(conn, call, "incomplete", "capture_gap");
    }
    side->lost = side->lost_some = true;
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
    state->side[DIR_CLIENT].lost = late;
}

static void redis_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    static const char *const reasons[] = {[END_CLOSED] = "closed",
                                          [END_RESET_BY_CLIENT] = "client_cancel",
                                          [END_RESET_BY_SERVER] = "server_reset",
                                          [END_TIMEOUT] = "timeout"};
    struct redis_state *state = opaque;
    struct redis_call *half = state->side[DIR_CLIENT].at;
    struct redis_call *alone = state->side[DIR_SERVER].at;
    if (alone && alone->command_done)
        alone = NULL; /* it waits in the queue */
    if (state->disowned)
        return;
    bool is_over = end != END_OF_DATA;
    bool lost = state->side[DIR_SERVER].lost_some;
    while (state->oldest) {
        struct redis_call *call = state->oldest;
        bool begun = call->reply.type || call->reply.elements;
        remove_oldest(state);
        if (lost)
            redis_emit(conn, call, "incomplete", "capture_gap");
        else if (!is_over)
            redis_emit(conn, call, "open", begun ? "window_end" : NULL);
        else
            redis_emit(conn, call, begun ? "error" : "no_response", reasons[end]);
    }
    if (half)
        redis_emit(conn, half, is_over ? "no_response" : "open",
                   is_over ? reasons[end] : "window_end");
    if (alone)
        redis_emit(conn, alone, is_over ? "error" : "open", is_over ? reasons[end] : "window_end");
}

/* ── detection ── */

/* A line of text that begins with a command and is nothing else we know. */
static bool is_inline_command(struct slice s)
{
    size_t n = 0;
    const uint8_t *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
    if (!lf)
        return false;
    size_t len = (size_t)(lf - s.data);
    while (n < len && s.data[n] > ' ')
        n++;
    for (size_t i = 0; i < len; i++)
        if (s.data[i] < ' ' && s.data[i] != '\r' && s.data[i] != '\t')
            return false;
    return redis_command_find(slice_of(s.data, n)) != NULL;
}

/* Bulk loading: all that probes are shown is lines of commands, and no other protocol's (memcached
 * has "get k" and "set k 0 0 5"), so there is no need to hear the server. */
static bool is_bulk_of_commands(struct slice s)
{
    bool sure = false;
    if (s.len < LATE_MAX)
        return false;
    for (size_t at = 0; at < s.len;) {
        struct slice line = slice_sub(s, at, SIZE_MAX);
        const uint8_t *lf = memchr(line.data, '\n', line.len);
        if (!lf)
            break;
        line.len = (size_t)(lf - line.data) + 1;
        at += line.len;
        size_t spaces = 0;
        for (size_t i = 0; i < line.len; i++)
            spaces += line.data[i] == ' ';
        if (!is_inline_command(line))
            return false;
        bool is_set = line.len > 4 && strncasecmp((const char *)line.data, "set ", 4) == 0;
        sure |= is_set ? spaces == 2 : spaces >= 2;
    }
    return sure;
}

/* What no other protocol says: an aggregate with a value in it, or an error as redis words it. */
static enum probe_result is_strong_reply(struct slice s)
{
    if (slice_starts_with(s, SLICE_LITERAL("-ERR unknown command")))
        return PROBE_YES;
    if (s.len && !strchr("*%~", s.data[0]))
        return PROBE_NO;
    enum probe_result first = is_reply_head(s);
    if (first != PROBE_YES)
        return first;
    const uint8_t *lf = memchr(s.data, '\n', s.len);
    return is_reply_head(slice_sub(s, (size_t)(lf - s.data) + 1, SIZE_MAX));
}

static enum probe_result probe_client(struct slice s, bool ended, struct slice server,
                                      bool server_ended)
{
    if (s.len == 0)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (s.data[0] == '*')
        return is_command_head(s, ended);
    if ((s.data[0] | 0x20) < 'a' || (s.data[0] | 0x20) > 'z')
        return PROBE_NO;
    if (!memchr(s.data, '\n', s.len))
        return s.len > 512 || ended ? PROBE_NO : PROBE_MAYBE;
    if (is_bulk_of_commands(s))
        return PROBE_YES;
    enum probe_result reply =
        is_inline_command(s) ? is_reply_head(server) : is_strong_reply(server);
    return reply == PROBE_MAYBE && server_ended ? PROBE_NO : reply;
}

static enum probe_result redis_probe(const struct probe_input *in)
{
    enum probe_result result =
        probe_client(in->client, in->client_ended, in->server, in->server_ended);
    /* A server speaks first only to refuse. */
    if (in->client.len == 0 && in->server.len && in->server.data[0] != '-')
        result = PROBE_NO;
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    /* Sides may be mixed up, and the first bytes may be the middle of something. */
    const struct slice sides[2] = {in->client, in->server};
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at < sides[i].len; at++) {
            const uint8_t *star = memchr(sides[i].data + at, '*', sides[i].len - at);
            if (!star)
                break;
            at = (size_t)(star - sides[i].data);
            struct slice found = slice_sub(sides[i], at, SIZE_MAX);
            if (is_command_head(found, true) == PROBE_YES && begins_with_known_command(found))
                return PROBE_YES;
        }
    bool more = (in->client.len < LATE_MAX && !in->client_ended) ||
                (in->server.len < LATE_MAX && !in->server_ended);
    more = more && !gather_is_binary(in->client) && !gather_is_binary(in->server);
    return more ? PROBE_MAYBE : result;
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
