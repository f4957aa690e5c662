/* HTTP/0.9 (as far as sensible), HTTP/1.0 and HTTP/1.1: RFC 9110 (semantics), RFC 9112 (messages),
 * RFC 1945 for the simple requests of old.
 *
 * Every byte is consumed as it comes, so nothing is ever scanned twice. A call ("exchange") is
 * begun by its request line, is answered by the first final response that begins while it is the
 * oldest one without an answer, and leaves when both messages are whole. After a loss the order of
 * answers is only trusted where it cannot be wrong: `unsure` ends pairing on that connection. */
#include "dissect/proto/http1_state.h"

enum {
    FIRST_LINE_MAX = 128 * 1024,         /* a longer request line is none */
    MOST_HELD = DISSECT_PENDING_CAP / 2, /* of requests beyond the calls that can be open */
    MAX_TURNS = 8                        /* changes of phase that consume nothing, in a row */
};

/* ── header block and trailers ── */

/* Reads header lines up to and including the empty one. True when that one was read. */
static bool take_head(struct dissect_conn *conn, struct side *side, struct dissect_stream *stream)
{
    struct http_message *message = http1_message_of(side->at, stream->dir);
    while (stream->len) {
        const uint8_t *lf = memchr(stream->data, '\n', stream->len);
        size_t n = lf ? (size_t)(lf - stream->data) + 1 : stream->len;
        if (side->line_len == 0)
            side->line_start = stream->data[0];
        side->line_len += n;
        bool is_empty =
            lf && (side->line_len == 1 || (side->line_len == 2 && side->line_start == '\r'));
        if (!is_empty && !side->interim)
            gather_add(&message->head, http1_arena_of(side), slice_of(stream->data, n),
                       DISSECT_HEADER_CAP);
        message->truncated |= message->head.cut;
        message->head_size += n;
        http1_take(conn, side, stream, n);
        if (lf)
            side->line_len = 0;
        if (is_empty)
            return true;
    }
    return false;
}

static void begin_body(struct dissect_conn *conn, struct http1_state *state, struct side *side,
                       enum dissect_dir dir, enum http1_framing framing)
{
    struct http_message *message = http1_message_of(side->at, dir);
    message->framing = framing;
    switch (framing) {
    case HTTP1_NO_BODY:
        http1_message_done(conn, state, dir);
        break;
    case HTTP1_LENGTH:
        side->left = message->content_length;
        side->phase = PHASE_LENGTH;
        break;
    case HTTP1_CHUNKED:
        side->phase = PHASE_CHUNK_SIZE;
        break;
    case HTTP1_UNTIL_CLOSE:
        side->phase = PHASE_UNTIL_CLOSE;
        break;
    case HTTP1_BROKEN:
        http1_lose_side(conn, state, dir, false);
        break;
    }
}

static bool wants_switch(const struct http_message *request)
{
    return slice_eq_str(request->method, "CONNECT") ||
           (http_header(request, "upgrade").len &&
            http_list_has(http_header(request, "connection"), "upgrade"));
}

/* gRPC-Web; a body that is compressed as a whole is shown as any other. */
static void find_grpc(struct http_message *message, struct arena *arena)
{
    struct slice type = http_header(message, "content-type");
    if (type.len && grpc_is_web_content_type(type) && !http_header(message, "content-encoding").len)
        message->grpc = grpc_reader_new(arena, type, http_header(message, "grpc-encoding"));
}

static void head_done(struct dissect_conn *conn, struct http1_state *state, enum dissect_dir dir)
{
    struct side *side = &state->side[dir];
    struct exchange *x = side->at;
    struct http_message *message = http1_message_of(x, dir);
    if (side->interim) {
        http1_message_done(conn, state, dir);
        return;
    }
    http1_parse_headers(message, http1_arena_of(side));
    message->head_done = true;
    find_grpc(message, http1_arena_of(side));
    enum http1_framing framing;
    if (dir == DIR_CLIENT) {
        x->wants_switch = wants_switch(message);
        x->expects_continue = http_list_has(http_header(message, "expect"), "100-continue");
        framing = http1_request_framing(message);
    } else {
        framing = http1_response_framing(message, x->request.begun ? &x->request : NULL);
    }
    begin_body(conn, state, side, dir, framing);
}

static enum dissect_result read_head(struct dissect_conn *conn, struct http1_state *state,
                                     struct dissect_stream *stream)
{
    if (take_head(conn, &state->side[stream->dir], stream))
        head_done(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result read_trailers(struct dissect_conn *conn, struct http1_state *state,
                                         struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    struct http_message *message = http1_message_of(side->at, stream->dir);
    uint64_t head_size = message->head_size;
    bool is_end = take_head(conn, side, stream);
    message->head_size = head_size; /* trailers are no part of the header block */
    if (is_end) {
        if (message->head.len)
            http1_parse_trailers(message, http1_arena_of(side));
        http1_message_done(conn, state, stream->dir);
    }
    return DISSECT_OK;
}

/* ── first lines ── */

/* Begins the message whose first line (n bytes) has been parsed. MORE: no room for another call. */
static enum dissect_result begin_message(struct dissect_conn *conn, struct http1_state *state,
                                         struct dissect_stream *stream,
                                         const struct http_message *line, size_t n)
{
    struct side *side = &state->side[stream->dir];
    bool is_request = stream->dir == DIR_CLIENT;
    bool may_wait = stream->len < MOST_HELD && !stream->ended;
    bool begun = is_request ? http1_begin_request(conn, state, line, may_wait)
                            : http1_begin_response(conn, state, line);
    if (!begun)
        return DISSECT_MORE;
    http1_message_of(side->at, stream->dir)->head_size = n;
    http1_take(conn, side, stream, n);
    side->line_len = 0;
    side->phase = PHASE_HEAD;
    if (is_request && slice_eq_str(side->at->request.version, "0.9"))
        head_done(conn, state, stream->dir);
    return DISSECT_OK;
}

/* An answer without a status line: HTTP/0.9, or a server that speaks something else. It is the
 * answer when it is the first thing the server says to the first request. */
static enum dissect_result begin_simple_response(struct dissect_conn *conn,
                                                 struct http1_state *state,
                                                 const struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    struct exchange *x = http1_oldest_unanswered(state);
    if (stream->dir != DIR_SERVER || !x || x != state->oldest || x->next || stream->offset != 0 ||
        dissect_is_late_join(conn)) {
        http1_lose_side(conn, state, stream->dir, false);
        return DISSECT_OK;
    }
    struct http_message none = {0};
    if (!http1_begin_response(conn, state, &none))
        return DISSECT_BAD;
    side->at->response.head_done = true;
    begin_body(conn, state, side, stream->dir, HTTP1_UNTIL_CLOSE);
    return DISSECT_OK;
}

/* Could these bytes still become a first line of this direction? */
static bool may_be_first_line(const struct dissect_stream *stream)
{
    if (stream->dir == DIR_SERVER) {
        size_t n = stream->len < 5 ? stream->len : 5;
        return strncasecmp((const char *)stream->data, "HTTP/", n) == 0;
    }
    size_t n = 0;
    while (n < stream->len && n < 64 && http1_is_token_char(stream->data[n]))
        n++;
    return n && n < 64 && (n == stream->len || stream->data[n] == ' ' || stream->data[n] == '\t');
}

static bool parse_first_line(enum dissect_dir dir, struct slice line,
                             struct http_message *ret_message)
{
    return dir == DIR_CLIENT ? http1_parse_request_line(line, ret_message)
                             : http1_parse_status_line(line, ret_message);
}

/* A late join may have taken the server for the client: the first line tells. */
static bool is_other_side(struct dissect_conn *conn, const struct http1_state *state,
                          enum dissect_dir dir, struct slice line)
{
    struct http_message other = {0};
    enum dissect_dir wrong = dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    return !state->any_entry && dissect_is_late_join(conn) &&
           parse_first_line(wrong, line, &other) && !slice_eq_str(other.version, "0.9");
}

static enum dissect_result swap_sides(struct dissect_conn *conn, struct http1_state *state)
{
    struct side server = state->side[DIR_SERVER];
    state->side[DIR_SERVER] = state->side[DIR_CLIENT];
    state->side[DIR_CLIENT] = server;
    dissect_swap_sides(conn);
    state->swapped = true;
    return DISSECT_OK;
}

static enum dissect_result read_start(struct dissect_conn *conn, struct http1_state *state,
                                      struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    size_t blank = 0;
    while (blank < stream->len && (stream->data[blank] == '\r' || stream->data[blank] == '\n'))
        blank++;
    if (blank)
        dissect_take(conn, stream, NULL, NULL, blank);
    if (stream->len == 0)
        return DISSECT_OK;
    /* The client's next request was held back and is read before its answer. */
    bool client_waits = state->client_held && state->side[DIR_CLIENT].phase == PHASE_START;
    if (stream->dir == DIR_SERVER && ((client_waits && !stream->ended) || state->client_next))
        return DISSECT_MORE;
    size_t n = http1_whole_line(side, stream);
    struct http_message line = {0};
    struct slice text = slice_of(stream->data, n);
    if (n && is_other_side(conn, state, stream->dir, text))
        return swap_sides(conn, state);
    if (!may_be_first_line(stream) || (n && !parse_first_line(stream->dir, text, &line)) ||
        (n == 0 && stream->len > FIRST_LINE_MAX) || n > FIRST_LINE_MAX)
        return begin_simple_response(conn, state, stream);
    if (n == 0)
        return DISSECT_MORE;
    return begin_message(conn, state, stream, &line, n);
}

/* ── found again after a loss ── */

static void skip(struct dissect_conn *conn, struct dissect_stream *stream, size_t n)
{
    dissect_take(conn, stream, NULL, NULL, n);
}

static enum dissect_result read_lost(struct dissect_conn *conn, struct http1_state *state,
                                     struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    size_t n = http1_whole_line(side, stream);
    if (n == 0) {
        if (stream->len <= HTTP1_SEARCH_WINDOW * 2)
            return DISSECT_MORE;
        skip(conn, stream, stream->len - HTTP1_SEARCH_WINDOW);
        return DISSECT_OK;
    }
    struct slice line = slice_of(stream->data, n);
    bool is_client = stream->dir == DIR_CLIENT;
    size_t at = is_client ? http1_find_request_line(line) : http1_find_status_line(line);
    bool is_other = false;
    if (at == SIZE_MAX && !state->any_entry && dissect_is_late_join(conn)) {
        at = is_client ? http1_find_status_line(line) : http1_find_request_line(line);
        is_other = at != SIZE_MAX;
    }
    enum probe_result found = PROBE_NO;
    if (at != SIZE_MAX)
        found = http1_confirm(slice_sub(slice_of(stream->data, stream->len), n, SIZE_MAX),
                              stream->ended);
    if (found == PROBE_MAYBE)
        return DISSECT_MORE;
    if (found == PROBE_NO) {
        skip(conn, stream, n);
        return DISSECT_OK;
    }
    if (is_other)
        return swap_sides(conn, state);
    if (at)
        skip(conn, stream, at);
    struct http_message message = {0};
    (void)parse_first_line(stream->dir, slice_of(stream->data, n - at), &message);
    return begin_message(conn, state, stream, &message, n - at);
}

/* ── the dissector ── */

static enum dissect_result read_phase(struct dissect_conn *conn, struct http1_state *state,
                                      struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    switch (side->phase) {
    case PHASE_START:
        return read_start(conn, state, stream);
    case PHASE_HEAD:
        return read_head(conn, state, stream);
    case PHASE_LENGTH:
    case PHASE_CHUNK_SIZE:
    case PHASE_CHUNK_DATA:
    case PHASE_CHUNK_END:
    case PHASE_UNTIL_CLOSE:
        return http1_read_body(conn, state, stream);
    case PHASE_TRAILERS:
        return read_trailers(conn, state, stream);
    case PHASE_WAIT:
        state->client_held = true;
        if (!stream->ended)
            return DISSECT_MORE;
        side->phase = PHASE_START;
        return DISSECT_OK;
    case PHASE_LOST:
        return read_lost(conn, state, stream);
    case PHASE_BROKEN:
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    return DISSECT_BAD;
}

static enum dissect_result http1_data(struct dissect_conn *conn, void *opaque,
                                      struct dissect_stream *stream)
{
    struct http1_state *state = opaque;
    struct side *side = &state->side[stream->dir];
    size_t len = stream->len;
    state->swapped = false;
    if (stream->dir == DIR_CLIENT)
        state->client_held = state->client_full = state->client_next = false;
    if (stream->ended && !stream->cut)
        side->ended_by_peer = true;
    for (int turn = 0; len && turn < MAX_TURNS; turn++) {
        enum phase phase = side->phase;
        enum dissect_result result = read_phase(conn, state, stream);
        if (result != DISSECT_OK || stream->len != len || side->phase == phase || state->swapped)
            return result;
    }
    return DISSECT_OK;
}

static void http1_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct http1_state *state = opaque;
    struct side *side = &state->side[dir];
    struct exchange *x = side->at;
    if (!x) {
        http1_lose_side(conn, state, dir, true);
        return;
    }
    struct http_message *message = http1_message_of(x, dir);
    struct dissect_span *span = http1_span_of(side, dir);
    bool in_body = side->phase == PHASE_LENGTH || side->phase == PHASE_CHUNK_DATA ||
                   side->phase == PHASE_UNTIL_CLOSE;
    bool is_known = side->phase == PHASE_UNTIL_CLOSE || (in_body && bytes <= side->left);
    uint64_t inside = in_body && !is_known ? side->left : bytes;
    message->has_gap = true;
    if (span)
        span->gap_bytes += inside;
    message->truncated |= in_body;
    if (in_body)
        message->body_size += inside;
    if (in_body && message->grpc && is_known)
        grpc_reader_gap(message->grpc, inside);
    else if (message->grpc)
        grpc_reader_lose(message->grpc);
    if (!is_known) {
        http1_lose_side(conn, state, dir, true);
        return;
    }
    if (side->phase == PHASE_UNTIL_CLOSE)
        return;
    side->left -= bytes;
    if (side->left)
        return;
    if (side->phase == PHASE_LENGTH)
        http1_message_done(conn, state, dir);
    else
        side->phase = PHASE_CHUNK_END;
}

static void http1_open(struct dissect_conn *conn, void *opaque)
{
    struct http1_state *state = opaque;
    if (!dissect_is_late_join(conn))
        return;
    state->side[DIR_CLIENT].phase = PHASE_LOST;
    state->side[DIR_SERVER].phase = PHASE_LOST;
    state->any_request_lost = true;
}

static void http1_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct http1_state *state = opaque;
    const struct side *server = &state->side[DIR_SERVER];
    if (server->phase == PHASE_UNTIL_CLOSE && server->at && server->ended_by_peer &&
        end != END_RESET_BY_SERVER)
        server->at->response.done = true;
    while (state->oldest)
        http1_emit(conn, state, state->oldest, true, end);
}

static const uint16_t http1_ports[] = {80, 8080, 8000, 3000, 3128, 0};

static const char *const http1_more_protocols[] = {"gql", "grpc", NULL};

const struct dissector dissector_http1 = {
    .name = "http",
    .spec = "RFC 9110, RFC 9112, RFC 1945, gRPC-Web",
    .transports = DISSECT_TCP,
    .port_hints = http1_ports,
    .more_protocols = http1_more_protocols,
    .state_bytes = sizeof(struct http1_state),
    .probe = http1_probe,
    .open = http1_open,
    .data = http1_data,
    .gap = http1_gap,
    .close = http1_close,
};
