/* PostgreSQL, frontend/backend protocol 3.0 to 3.2
 * (https://www.postgresql.org/docs/current/protocol.html): startup, encryption requests,
 * authentication, simple and extended query, COPY, function calls, notifications, cancel requests.
 *
 * Every message but the startup packet has a type and a length, so a loss inside a message costs
 * nothing but its content. After a loss of framing, messages are found again by forms that leave
 * nothing over (postgresql_message.c). Here stand streams and detection. */
#include "dissect/proto/postgresql_state.h"
#include "dissect/proto/sql_template.h"

enum {
    KEEP_BYTES = 256 * 1024, /* of a message, for its content */
    STARTUP_MAX = 10000,     /* MAX_STARTUP_PACKET_LENGTH of the server */
    PROBE_BYTES = 4096,
    STRONG = 2,
    TLS_HANDSHAKE = 0x16
};

static uint32_t be32_at(const uint8_t *p)
{
    struct cursor c = cursor_of(p, 4);
    return cursor_be32(&c);
}

/* ── finding messages by their form ── */

static int message_of(enum dissect_dir dir, struct slice s, unsigned *ret_weight, size_t *ret_len)
{
    return dir == DIR_CLIENT ? pg_client_message(s, ret_weight, ret_len)
                             : pg_server_message(s, ret_weight, ret_len);
}

/* One message that nothing else looks like, or two that few things look like. */
static enum probe_result is_chain(enum dissect_dir dir, struct slice s, bool ended)
{
    unsigned score = 0;
    while (score < STRONG) {
        unsigned weight = 0;
        size_t len = 0;
        int found = message_of(dir, s, &weight, &len);
        if (found < 0)
            return ended ? PROBE_NO : PROBE_MAYBE;
        if (found == 0)
            return PROBE_NO;
        score += weight;
        s = slice_sub(s, len, SIZE_MAX);
    }
    return PROBE_YES;
}

static enum probe_result is_startup(struct slice s, bool ended)
{
    if (s.len && s.data[0])
        return PROBE_NO;
    if (s.len < PG_STARTUP_BYTES)
        return ended ? PROBE_NO : PROBE_MAYBE;
    uint32_t len = be32_at(s.data), code = be32_at(s.data + 4);
    if (!pg_is_startup_code(code) || len > STARTUP_MAX)
        return PROBE_NO;
    if (code == PG_CODE_SSL || code == PG_CODE_GSSENC)
        return len == PG_STARTUP_BYTES ? PROBE_YES : PROBE_NO;
    if (code == PG_CODE_CANCEL)
        return len >= 16 && len <= 8 + 4 + 256 ? PROBE_YES : PROBE_NO;
    struct slice body = slice_sub(s, PG_STARTUP_BYTES, SIZE_MAX); /* names follow */
    for (size_t i = 0; i < body.len && i < 4; i++)
        if (body.data[i] < 'a' || body.data[i] > 'z')
            return PROBE_NO;
    return len < 4 + 4 + 5 ? PROBE_NO : body.len >= 4 ? PROBE_YES : ended ? PROBE_NO : PROBE_MAYBE;
}

/* Moves to where the direction can be read again. */
static enum dissect_result find_again(struct dissect_conn *conn, struct pg_state *state,
                                      struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0;
    if (stream->dir == DIR_SERVER && state->oldest)
        at = dissect_bytes_before(conn, stream,
                                  dissect_entry_request(state->oldest->entry)->first_ns);
    size_t before = at;
    for (; at < all.len; at++) {
        enum probe_result found =
            is_chain(stream->dir, slice_sub(all, at, SIZE_MAX), stream->ended);
        if (found == PROBE_YES)
            state->side[stream->dir].lost = false;
        if (found != PROBE_NO)
            break;
    }
    /* What is passed over while somebody waits belongs to the answer. */
    if (stream->dir == DIR_SERVER && at > before)
        pg_damage_waiting(state);
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !state->side[stream->dir].lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── messages ── */

static struct dissect_span *span_of(struct pg_call *call, enum dissect_dir dir)
{
    if (!call)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                             : dissect_entry_response(call->entry);
}

static void take(struct dissect_conn *conn, struct pg_state *state, struct dissect_stream *stream,
                 size_t n)
{
    struct pg_call *call = state->side[stream->dir].call;
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL,
                 span_of(call, stream->dir), n);
}

static void content(struct dissect_conn *conn, struct pg_state *state, enum dissect_dir dir,
                    struct slice body, bool cut)
{
    if (dir == DIR_CLIENT)
        pg_client_content(conn, state, body, cut);
    else
        pg_server_content(conn, state, body, cut);
}

static void message_ends(struct dissect_conn *conn, struct pg_state *state, enum dissect_dir dir)
{
    state->side[dir].in_message = false;
    if (dir == DIR_CLIENT)
        pg_client_ends(conn, state);
    else
        pg_server_ends(conn, state);
}

/* The rest of the message in hand. */
static enum dissect_result read_body(struct dissect_conn *conn, struct pg_state *state,
                                     struct dissect_stream *stream)
{
    struct pg_side *side = &state->side[stream->dir];
    if (!side->content_done) {
        size_t keep = side->left < KEEP_BYTES ? side->left : KEEP_BYTES;
        if (stream->len < keep && !stream->ended)
            return DISSECT_MORE;
        if (stream->len >= keep)
            content(conn, state, stream->dir, slice_of(stream->data, keep), keep < side->left);
        side->content_done = true;
    }
    size_t n = stream->len < side->left ? stream->len : side->left;
    side->left -= (uint32_t)n;
    take(conn, state, stream, n);
    if (side->left == 0)
        message_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_message(struct dissect_conn *conn, struct pg_state *state,
                                         struct dissect_stream *stream)
{
    struct pg_side *side = &state->side[stream->dir];
    bool from_client = stream->dir == DIR_CLIENT;
    if (stream->len < PG_HEADER_BYTES)
        return DISSECT_MORE;
    uint8_t type = stream->data[0];
    uint32_t length = be32_at(stream->data + 1);
    if (!(from_client ? pg_client_length_fits : pg_server_length_fits)(type, length)) {
        if (!state->any_entry)
            return DISSECT_NOT_MINE;
        pg_lost(conn, state, stream->dir);
        return DISSECT_OK;
    }
    struct pg_call *call;
    bool room = from_client ? pg_client_begins(conn, state, type, &call)
                            : pg_server_begins(conn, state, type, &call);
    if (!room)
        return DISSECT_MORE;
    *side = (struct pg_side){.call = call,
                             .left = length - 4,
                             .type = type,
                             .in_message = true,
                             .lost_some = side->lost_some};
    take(conn, state, stream, PG_HEADER_BYTES);
    if (side->left == 0)
        message_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

/* ── startup ── */

static bool waits_for_encryption(const struct pg_state *state)
{
    const struct pg_call *call = state->oldest;
    return call && call->step_count && call->steps[0] == PG_ENCRYPT;
}

static enum dissect_result read_startup(struct dissect_conn *conn, struct pg_state *state,
                                        struct dissect_stream *stream)
{
    struct pg_side *side = &state->side[DIR_CLIENT];
    if (waits_for_encryption(state) && stream->data[0] == TLS_HANDSHAKE) {
        pg_give_up(conn, state); /* the byte that allowed it was not recorded */
        dissect_switch(conn, "tlsx");
        return DISSECT_OK;
    }
    enum probe_result is = is_startup(slice_of(stream->data, stream->len), stream->ended);
    if (is == PROBE_MAYBE)
        return DISSECT_MORE;
    if (is == PROBE_NO) { /* somewhere inside a connection */
        state->in_startup = false;
        pg_lost(conn, state, DIR_CLIENT);
        return DISSECT_OK;
    }
    uint32_t length = be32_at(stream->data), code = be32_at(stream->data + 4);
    struct pg_call *call;
    if (!pg_startup_begins(conn, state, code, &call))
        return DISSECT_MORE;
    *side = (struct pg_side){.call = call, .left = length - PG_STARTUP_BYTES, .in_message = true};
    state->in_startup = code == PG_CODE_SSL || code == PG_CODE_GSSENC;
    state->side[DIR_SERVER].lost = false;
    take(conn, state, stream, PG_STARTUP_BYTES);
    if (side->left == 0)
        message_ends(conn, state, DIR_CLIENT);
    return DISSECT_OK;
}

/* One byte answers a request for encryption; an old server sends an error instead. */
static enum dissect_result read_encryption_answer(struct dissect_conn *conn, struct pg_state *state,
                                                  struct dissect_stream *stream)
{
    uint8_t answer = stream->data[0];
    bool is_tls = state->startup_code == PG_CODE_SSL;
    if (answer != 'N' && answer != (is_tls ? 'S' : 'G')) {
        pg_lost(conn, state, DIR_SERVER);
        return DISSECT_OK;
    }
    struct pg_call *call = state->oldest;
    dissect_take(conn, stream, dissect_entry_arena(call->entry),
                 dissect_entry_response(call->entry), 1);
    pg_encryption_answered(conn, state, answer);
    if (answer == 'S')
        dissect_switch(conn, "tlsx");
    state->encrypted = answer == 'G';
    return DISSECT_OK;
}

/* ── the dissector ── */

/* A late join may have taken the server for the client. */
static enum probe_result is_other_side(const struct pg_state *state,
                                       const struct dissect_stream *stream)
{
    struct slice s = slice_sub(slice_of(stream->data, stream->len), 0, PROBE_BYTES);
    bool ended = stream->ended || stream->len >= PROBE_BYTES;
    enum dissect_dir other = stream->dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    if (state->any_entry || state->client_judged)
        return PROBE_NO;
    enum probe_result own = is_chain(stream->dir, s, ended);
    if (own != PROBE_NO)
        return own == PROBE_YES ? PROBE_NO : PROBE_MAYBE;
    enum probe_result swapped = is_chain(other, s, ended);
    if (swapped == PROBE_NO && other == DIR_CLIENT)
        swapped = is_startup(s, ended);
    return swapped;
}

static enum dissect_result read_side(struct dissect_conn *conn, struct pg_state *state,
                                     struct dissect_stream *stream)
{
    struct pg_side *side = &state->side[stream->dir];
    if (side->in_message)
        return read_body(conn, state, stream);
    if (stream->dir == DIR_CLIENT && state->in_startup)
        return read_startup(conn, state, stream);
    if (side->lost)
        return find_again(conn, state, stream);
    if (stream->dir == DIR_SERVER && waits_for_encryption(state) && stream->data[0] != 'E')
        return read_encryption_answer(conn, state, stream);
    return begin_message(conn, state, stream);
}

static enum dissect_result pg_data(struct dissect_conn *conn, void *opaque,
                                   struct dissect_stream *stream)
{
    struct pg_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (stream->dir == DIR_SERVER)
        state->silent_since_gap = false;
    if (state->encrypted) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    if (dissect_is_late_join(conn)) {
        enum probe_result other = is_other_side(state, stream);
        if (other == PROBE_MAYBE)
            return DISSECT_MORE;
        if (other == PROBE_YES) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        state->client_judged = true;
    }
    uint64_t before = stream->offset;
    for (int turn = 0; turn < 4; turn++) {
        bool was_lost = state->side[stream->dir].lost, was_startup = state->in_startup;
        enum dissect_result result = read_side(conn, state, stream);
        bool moved = was_lost != state->side[stream->dir].lost || was_startup != state->in_startup;
        if (result != DISSECT_OK || stream->offset != before || stream->len == 0 || !moved)
            return result;
    }
    return DISSECT_OK;
}

static void pg_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct pg_state *state = opaque;
    struct pg_side *side = &state->side[dir];
    if (state->encrypted)
        return;
    state->silent_since_gap = dir == DIR_CLIENT;
    state->is_ready &= dir == DIR_CLIENT;
    if (!side->in_message || bytes > side->left) {
        if (side->call) {
            span_of(side->call, dir)->gap_bytes += side->in_message ? side->left : 0;
            side->call->has_gap = true;
        }
        if (dir == DIR_CLIENT)
            state->in_startup = false;
        pg_lost(conn, state, dir);
        return;
    }
    side->left -= (uint32_t)bytes;
    if (side->call) {
        span_of(side->call, dir)->gap_bytes += bytes;
        side->call->has_gap = true;
        side->call->truncated |= !side->content_done;
        /* Half a statement is no statement. */
        if (dir == DIR_CLIENT && !side->content_done && side->type != 'd')
            pg_forget_names(state);
    }
    if (!side->content_done && dir == DIR_SERVER && side->type == 'D' && side->call) {
        side->call->rows++;
        side->call->has_rows = true;
    }
    side->content_done = true;
    if (side->left == 0)
        message_ends(conn, state, dir);
}

static void pg_open(struct dissect_conn *conn, void *opaque)
{
    struct pg_state *state = opaque;
    state->in_startup = true;
    state->side[DIR_SERVER].lost = state->names_lost = dissect_is_late_join(conn);
}

static void pg_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct pg_state *state = opaque;
    bool is_over = end != END_OF_DATA;
    struct pg_call *alone = state->alone;
    if (alone)
        postgresql_emit(conn, alone, &state->who, "incomplete",
                        alone->window_start ? "window_start" : "capture_gap");
    while (state->oldest) {
        struct pg_call *call = state->oldest;
        state->oldest = call->next;
        const char *status = call->failed || call->answered ? "error" : "no_response";
        const char *reason = dissect_end_reason(end);
        if (call->damaged) {
            status = "incomplete";
            reason = "capture_gap";
        } else if (!is_over && !call->failed) {
            status = "open";
            reason = call->answered ? "window_end" : NULL;
        }
        postgresql_emit(conn, call, &state->who, status, reason);
    }
}

static enum probe_result pg_probe(const struct probe_input *in)
{
    enum probe_result client = in->client.len ? is_startup(in->client, in->client_ended) : PROBE_NO;
    if (client == PROBE_YES)
        return PROBE_YES;
    if (!in->is_late_join)
        return in->client.len || in->server.len ? client : PROBE_MAYBE;
    const struct slice sides[2] = {in->client, in->server};
    const bool ended[2] = {in->client_ended, in->server_ended};
    enum probe_result best = client;
    for (int i = 0; i < 2; i++)
        for (int dir = 0; sides[i].len && dir < 2; dir++) {
            bool all = ended[i] || sides[i].len >= PROBE_BYTES;
            enum probe_result found = is_chain((enum dissect_dir)dir, sides[i], all);
            if (found == PROBE_NO && i == 1 && dir == 0)
                found = is_startup(sides[i], all);
            if (found == PROBE_YES)
                return PROBE_YES;
            if (found == PROBE_MAYBE)
                best = PROBE_MAYBE;
        }
    return best;
}

static const uint16_t pg_ports[] = {5432, 5433, 6432, 0};

const struct dissector dissector_postgresql = {
    .name = "postgresql",
    .spec = "PostgreSQL frontend/backend protocol 3.0 to 3.2",
    .transports = DISSECT_TCP,
    .port_hints = pg_ports,
    .fields = postgresql_fields,
    .field_count = PG_FIELD_COUNT,
    .state_bytes = sizeof(struct pg_state),
    .probe = pg_probe,
    .open = pg_open,
    .data = pg_data,
    .gap = pg_gap,
    .close = pg_close,
};
