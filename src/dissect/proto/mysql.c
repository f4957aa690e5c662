/* MySQL and MariaDB, protocol version 10: login with TLS and authentication switches, all commands,
 * text and binary results, prepared statements, local files, compression
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html).
 *
 * Every packet has a length and a number, so a loss inside a packet costs nothing but its content.
 * After a loss of framing a command is found by its form, and its answer by number 1 and its form.
 * Here stand streams and detection. */
#include "dissect/proto/mysql_call.h"
#include "dissect/proto/sql_template.h"

enum {
    KEEP_BYTES = 256 * 1024, /* of a packet, for its content */
    GREETING_MAX = 1024,
    FIND_MAX = 64 * 1024,
    PROBE_BYTES = 4096
};

static uint32_t le24_at(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

/* ── forms ── */

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < ' ' || s.data[i] == 0x7f)
            return false;
    return s.len > 0;
}

/* The packet at the front: 1 with its body; 0: none of this number; −1: more bytes are needed. */
static int packet_at(struct slice s, uint8_t seq, size_t max, struct slice *ret_body)
{
    if (s.len >= 4 && s.data[3] != seq)
        return 0;
    if (s.len >= 3 && (le24_at(s.data) == 0 || le24_at(s.data) > max))
        return 0;
    if (s.len < MY_HEADER_BYTES || s.len - MY_HEADER_BYTES < le24_at(s.data))
        return -1;
    *ret_body = slice_of(s.data + MY_HEADER_BYTES, le24_at(s.data));
    return 1;
}

static enum probe_result maybe(bool ended)
{
    return ended ? PROBE_NO : PROBE_MAYBE;
}

/* The server speaks first: its greeting, or why it does not want to. */
static enum probe_result is_greeting(struct slice s, bool ended)
{
    struct slice body;
    if (s.len > 4 && s.data[4] != 10 && s.data[4] != 0xff)
        return PROBE_NO;
    int found = packet_at(s, 0, GREETING_MAX, &body);
    if (found <= 0)
        return found < 0 ? maybe(ended) : PROBE_NO;
    struct my_greeting greeting;
    struct my_error error;
    if (my_parse_greeting(body, &greeting)) {
        struct slice v = greeting.version;
        bool fits = v.len >= 3 && v.len < 64 && v.len + 1 + 4 + 8 + 1 + 2 < body.len;
        return fits && v.data[0] >= '0' && v.data[0] <= '9' && is_printable(v) ? PROBE_YES
                                                                               : PROBE_NO;
    }
    if (!my_parse_error(body, &error) || body.data[0] != 0xff)
        return PROBE_NO;
    bool known = error.code >= 1000 && error.code < 2000;
    return known && error.message.len >= 8 && is_printable(error.message) ? PROBE_YES : PROBE_NO;
}

/* A login of protocol 4.1: the reserved bytes are zero. */
static enum probe_result is_login(struct slice s, bool ended)
{
    struct slice body;
    struct my_login login;
    int found = packet_at(s, 1, GREETING_MAX, &body);
    if (found <= 0)
        return found < 0 ? maybe(ended) : PROBE_NO;
    if (body.len < 32 || !my_parse_login(body, &login) || !(login.capabilities & MY_PROTOCOL_41))
        return PROBE_NO;
    for (size_t i = 9; i < 28; i++)
        if (body.data[i])
            return PROBE_NO;
    return login.is_ssl_request || is_printable(login.user) ? PROBE_YES : PROBE_NO;
}

/* A command that nothing else looks like. */
static enum probe_result is_command(struct slice s, bool ended)
{
    struct slice body;
    if (s.len > 4 && s.data[4] != COM_QUERY && s.data[4] != COM_STMT_PREPARE &&
        s.data[4] != COM_STMT_EXECUTE && s.data[4] != COM_PING)
        return PROBE_NO;
    int found = packet_at(s, 0, FIND_MAX, &body);
    if (found <= 0)
        return found < 0 ? maybe(ended) : PROBE_NO;
    struct slice rest = slice_sub(body, 1, SIZE_MAX);
    if (body.data[0] == COM_PING)
        return body.len == 1 ? PROBE_YES : PROBE_NO;
    if (body.data[0] == COM_STMT_EXECUTE) {
        static const uint8_t once[4] = {1};
        return rest.len >= 9 && rest.data[3] == 0 && (rest.data[4] & ~0x0fu) == 0 &&
                       memcmp(rest.data + 5, once, sizeof once) == 0
                   ? PROBE_YES
                   : PROBE_NO;
    }
    if (body.data[0] == COM_QUERY && rest.len > 2 && rest.data[0] == 0 && rest.data[1] == 1)
        rest = slice_sub(rest, 2, SIZE_MAX);
    return sql_looks_like_statement(rest) ? PROBE_YES : PROBE_NO;
}

/* The same inside the compressed protocol, as short packets are: not compressed. */
static enum probe_result is_packed_command(struct slice s, bool ended)
{
    enum {
        PACKED_HEADER_BYTES = 7
    };
    static const uint8_t zero[4];
    size_t n = s.len < PACKED_HEADER_BYTES ? s.len : PACKED_HEADER_BYTES;
    if (n > 3 && memcmp(s.data + 3, zero, n - 3) != 0) /* number and length before compression */
        return PROBE_NO;
    if (s.len < PACKED_HEADER_BYTES)
        return maybe(ended);
    struct slice inner = slice_sub(s, PACKED_HEADER_BYTES, SIZE_MAX);
    if (inner.len >= 3 && le24_at(s.data) != le24_at(inner.data) + MY_HEADER_BYTES)
        return PROBE_NO;
    return is_command(inner, ended);
}

/* An OK packet that nothing else looks like: short, or its texts fill it exactly. */
static bool is_ok(struct slice body)
{
    struct my_ok ok;
    if (!my_parse_ok(body, 0, &ok))
        return false;
    if (body.len == 7)
        return ok.status < 0x100;
    if (!(ok.status & MY_STATE_CHANGED) || ok.status >= 0x8000)
        return false;
    struct cursor c = cursor_of(body.data, body.len);
    cursor_skip(&c, 1);
    (void)my_lenenc(&c);
    (void)my_lenenc(&c);
    cursor_skip(&c, 4);
    (void)my_lenenc_text(&c, NULL);
    (void)my_lenenc_text(&c, NULL);
    return !c.bad && cursor_left(&c) == 0;
}

/* The first packet of an answer: OK, error, or the number of columns with the first of them. */
static enum probe_result is_answer(struct slice s, bool ended)
{
    struct slice body, column;
    int found = packet_at(s, 1, FIND_MAX, &body);
    if (found <= 0)
        return found < 0 ? maybe(ended) : PROBE_NO;
    if (body.data[0] == 0xff)
        return body.len > 9 && body.data[3] == '#' ? PROBE_YES : PROBE_NO;
    if (body.data[0] == 0)
        return is_ok(body) ? PROBE_YES : PROBE_NO;
    if (body.len > 2)
        return PROBE_NO;
    found = packet_at(slice_sub(s, MY_HEADER_BYTES + body.len, SIZE_MAX), 2, FIND_MAX, &column);
    if (found <= 0)
        return found < 0 ? maybe(ended) : PROBE_NO;
    return slice_starts_with(column, SLICE_LITERAL("\003def")) ? PROBE_YES : PROBE_NO;
}

/* The login was not seen, and what follows it is compressed. */
static enum dissect_result go_on_compressed(struct dissect_conn *conn, struct my_state *state,
                                            struct dissect_stream *stream, size_t at)
{
    const struct my_side *server = &state->side[DIR_SERVER];
    bool knows_place = !server->lost && !server->in_packet;
    dissect_take(conn, stream, NULL, NULL, at);
    my_give_up(conn, state);
    if (!my_unpack_open(conn, state))
        return DISSECT_BAD;
    if (!knows_place)
        my_unpack_gap(state->unpack, DIR_SERVER, 1);
    return my_unpack_data(conn, state->unpack, stream);
}

static enum dissect_result find_again(struct dissect_conn *conn, struct my_state *state,
                                      struct dissect_stream *stream)
{
    struct my_side *side = &state->side[stream->dir];
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0;
    if (stream->dir == DIR_SERVER && state->oldest)
        at = dissect_bytes_before(conn, stream,
                                  dissect_entry_request(state->oldest->entry)->first_ns);
    /* An answer is found again only when the one that was lost is given up. */
    if (stream->dir == DIR_SERVER && state->oldest && state->oldest->damaged)
        at = all.len;
    for (; at < all.len; at++) {
        struct slice rest = slice_sub(all, at, SIZE_MAX);
        if (stream->dir == DIR_CLIENT && !state->session.knows_capabilities &&
            is_packed_command(rest, stream->ended) == PROBE_YES)
            return go_on_compressed(conn, state, stream, at);
        enum probe_result found = stream->dir == DIR_CLIENT ? is_command(rest, stream->ended)
                                                            : is_answer(rest, stream->ended);
        if (found == PROBE_YES)
            side->lost = false;
        if (found != PROBE_NO)
            break;
        if (stream->dir == DIR_SERVER && state->oldest) {
            my_damage_waiting(state); /* these bytes belong to its answer */
            at = all.len;
            break;
        }
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !side->lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── packets ── */

static void take(struct dissect_conn *conn, struct my_state *state, struct dissect_stream *stream,
                 size_t n)
{
    struct my_call *call = state->side[stream->dir].call;
    struct dissect_span *span = NULL;
    if (call)
        span = stream->dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                         : dissect_entry_response(call->entry);
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL, span, n);
}

static void packet_ends(struct dissect_conn *conn, struct my_state *state, enum dissect_dir dir)
{
    struct my_side *side = &state->side[dir];
    side->in_packet = false;
    side->goes_on = side->is_full;
    if (dir == DIR_CLIENT)
        my_client_ends(conn, state);
    else
        my_server_ends(conn, state);
    if (state->wants_compression) {
        state->wants_compression = false;
        (void)my_unpack_open(conn, state);
    }
}

static enum dissect_result read_body(struct dissect_conn *conn, struct my_state *state,
                                     struct dissect_stream *stream)
{
    struct my_side *side = &state->side[stream->dir];
    if (!side->content_done) {
        size_t keep = side->left < KEEP_BYTES ? side->left : KEEP_BYTES;
        if (stream->len < keep && !stream->ended)
            return DISSECT_MORE;
        struct slice body = slice_of(stream->data, keep);
        bool cut = keep < side->left;
        if (stream->len >= keep && stream->dir == DIR_CLIENT)
            my_client_content(conn, state, body, cut);
        else if (stream->len >= keep)
            my_server_content(conn, state, body, cut);
        side->content_done = true;
    }
    size_t n = stream->len < side->left ? stream->len : side->left;
    side->left -= (uint32_t)n;
    take(conn, state, stream, n);
    if (side->left == 0)
        packet_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_packet(struct dissect_conn *conn, struct my_state *state,
                                        struct dissect_stream *stream)
{
    struct my_side *side = &state->side[stream->dir];
    if (stream->len < MY_HEADER_BYTES)
        return DISSECT_MORE;
    uint8_t seq = stream->data[3];
    bool room = stream->dir == DIR_CLIENT ? my_client_begins(conn, state, seq)
                                          : my_server_begins(conn, state, seq);
    if (!room)
        return DISSECT_MORE;
    side->left = le24_at(stream->data);
    side->is_full = side->left == MY_PACKET_MAX;
    side->seq = seq;
    side->in_packet = true;
    side->content_done = side->left == 0;
    take(conn, state, stream, MY_HEADER_BYTES);
    if (side->left == 0)
        packet_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

/* ── the dissector ── */

/* A connection whose beginning is missing: which side is which, and what was agreed, is not known.
 */
static enum dissect_result join(struct dissect_conn *conn, struct my_state *state,
                                struct dissect_stream *stream)
{
    struct slice s = slice_sub(slice_of(stream->data, stream->len), 0, PROBE_BYTES);
    bool ended = stream->ended || stream->len >= PROBE_BYTES;
    bool is_client = stream->dir == DIR_CLIENT;
    enum probe_result greeting = is_greeting(s, ended), login = is_login(s, ended);
    enum probe_result command = is_command(s, ended), answer = is_answer(s, ended);
    enum probe_result packed = is_packed_command(s, ended);
    if (packed == PROBE_YES && is_client) {
        state->side_judged = true;
        (void)my_unpack_open(conn, state);
        return DISSECT_OK;
    }
    bool own = is_client ? command == PROBE_YES || login == PROBE_YES
                         : answer == PROBE_YES || greeting == PROBE_YES;
    bool other = is_client ? answer == PROBE_YES || greeting == PROBE_YES
                           : command == PROBE_YES || login == PROBE_YES || packed == PROBE_YES;
    bool open = greeting == PROBE_MAYBE || login == PROBE_MAYBE || command == PROBE_MAYBE ||
                answer == PROBE_MAYBE || packed == PROBE_MAYBE;
    if (!own && !other && open)
        return DISSECT_MORE;
    if (other && !own && dissect_is_late_join(conn) && !state->any_entry) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    state->side_judged = true;
    if (is_client ? login == PROBE_YES : greeting == PROBE_YES)
        return DISSECT_OK;
    if (dissect_is_late_join(conn) || !own || is_client) {
        state->phase = MY_COMMANDS;
        state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = true;
    }
    return DISSECT_OK;
}

static enum dissect_result my_data(struct dissect_conn *conn, void *opaque,
                                   struct dissect_stream *stream)
{
    struct my_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (!state->side_judged) {
        enum dissect_result joined = join(conn, state, stream);
        if (joined != DISSECT_OK || !state->side_judged)
            return joined;
    }
    if (state->unpack)
        return my_unpack_data(conn, state->unpack, stream);
    uint64_t before = stream->offset;
    for (int turn = 0; turn < 3; turn++) {
        struct my_side *side = &state->side[stream->dir];
        bool was_lost = side->lost;
        enum dissect_result result = side->in_packet ? read_body(conn, state, stream)
                                     : side->lost    ? find_again(conn, state, stream)
                                                     : begin_packet(conn, state, stream);
        if (result != DISSECT_OK || stream->offset != before || stream->len == 0 ||
            was_lost == side->lost)
            return result;
    }
    return DISSECT_OK;
}

static void my_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct my_state *state = opaque;
    struct my_side *side = &state->side[dir];
    struct my_call *call = side->call;
    if (state->unpack) {
        my_unpack_gap(state->unpack, dir, bytes);
        return;
    }
    state->side_judged = true;
    if (call) {
        struct dissect_span *span = dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                                      : dissect_entry_response(call->entry);
        span->gap_bytes += side->in_packet && bytes <= side->left ? bytes : side->left;
        call->has_gap = true;
    }
    if (!side->in_packet || bytes > side->left) {
        state->phase = MY_COMMANDS;
        my_lost(conn, state, dir);
        return;
    }
    side->left -= (uint32_t)bytes;
    if (call && !side->content_done) {
        call->truncated = true;
        if (dir == DIR_SERVER && call->expect == MY_ROWS && !side->goes_on && !side->is_full) {
            call->end_unsure = true;
            call->next_seq = (uint8_t)(side->seq + 1);
        } else {
            call->damaged = true; /* what it said decides what comes next */
        }
        if (dir == DIR_CLIENT)
            my_forget_session(state);
    }
    side->content_done = true;
    if (side->left == 0)
        packet_ends(conn, state, dir);
}

static void my_open(struct dissect_conn *conn, void *opaque)
{
    struct my_state *state = opaque;
    struct slice params = dissect_params(conn);
    if (params.len != sizeof state->session)
        return;
    memcpy(&state->session, params.data, sizeof state->session); /* inside compression */
    state->phase = MY_COMMANDS;
    state->side_judged = true;
}

static void my_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct my_state *state = opaque;
    bool is_over = end != END_OF_DATA;
    if (state->unpack)
        my_unpack_close(state->unpack);
    if (state->alone)
        mysql_emit(conn, state->alone, "incomplete",
                   state->alone->window_start ? "window_start" : "capture_gap");
    while (state->oldest) {
        struct my_call *call = state->oldest;
        state->oldest = call->next;
        const char *status = call->answered ? "error" : "no_response";
        const char *reason = dissect_end_reason(end);
        if (call->damaged || call->end_unsure) {
            status = "incomplete";
            reason = "capture_gap";
        } else if (!is_over) {
            status = "open";
            reason = call->answered ? "window_end" : NULL;
        }
        mysql_emit(conn, call, status, reason);
    }
}

/* ── detection ── */

static enum probe_result best_of(enum probe_result a, enum probe_result b)
{
    return a > b ? a : b;
}

static enum probe_result my_probe(const struct probe_input *in)
{
    bool server_ended = in->server_ended || in->server.len >= PROBE_BYTES;
    enum probe_result result = in->server.len ? is_greeting(in->server, server_ended)
                               : in->client.len || in->server_ended ? PROBE_NO
                                                                    : PROBE_MAYBE;
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    const struct slice sides[2] = {in->client, in->server};
    const bool ended[2] = {in->client_ended, in->server_ended};
    for (int i = 0; i < 2; i++) {
        bool all = ended[i] || sides[i].len >= PROBE_BYTES;
        if (!sides[i].len)
            continue;
        enum probe_result command = is_command(sides[i], all);
        bool is_ping = command == PROBE_YES && sides[i].data[4] == COM_PING;
        if (is_ping) /* five bytes: the answer must fit too */
            command =
                sides[1 - i].len ? is_answer(sides[1 - i], ended[1 - i]) : maybe(ended[1 - i]);
        /* It began with an answer: the next command tells. */
        if (command == PROBE_NO && !sides[1 - i].len && is_answer(sides[i], all) != PROBE_NO)
            command = maybe(ended[1 - i]);
        result = best_of(result, best_of(command, is_login(sides[i], all)));
        result = best_of(result, is_packed_command(sides[i], all));
        if (i == 0)
            result = best_of(result, is_greeting(sides[i], all));
    }
    return result;
}

static const uint16_t my_ports[] = {3306, 33060, 0};

const struct dissector dissector_mysql = {
    .name = "mysql",
    .spec = "MySQL client/server protocol 10, MariaDB extensions",
    .transports = DISSECT_TCP,
    .port_hints = my_ports,
    .fields = mysql_fields,
    .field_count = MY_FIELD_COUNT,
    .state_bytes = sizeof(struct my_state),
    .probe = my_probe,
    .open = my_open,
    .data = my_data,
    .gap = my_gap,
    .close = my_close,
};
