/* WebSocket: RFC 6455, with permessage-deflate of RFC 7692.
 *
 * Entered behind the 101 of an HTTP Upgrade, or by content when the connection was joined late.
 * Every message is an entry: the client's stands in the request, the server's in the response.
 * Control frames may come between the frames of a message, so each direction has one of both in
 * hand at most. After a gap the next frame is found by a chain of plausible ones (ws_frame.h). */
#include "dissect/proto/ws_inflate.h"
#include "dissect/proto/ws_message.h"

enum {
    PIECE_BYTES = 4096
};

enum {
    DOUBTFUL_MESSAGES =
        2 /* a chain of frames is found by its form, which bytes of a message may have */
};

enum ws_phase {
    PHASE_HEADER,
    PHASE_PAYLOAD,
    PHASE_LOST /* looking for the next frame */
};

struct ws_side {
    enum ws_phase phase;
    struct ws_header frame;    /* in PHASE_PAYLOAD */
    uint64_t left;             /* of its payload */
    struct ws_message message; /* of data frames */
    struct ws_message control;
    struct ws_inflate inflate;
    bool any_loss;     /* bytes are missing somewhere before */
    unsigned doubtful; /* messages to come that only a guess behind a loss says are there */
};

struct ws_state {
    struct ws_side side[2]; /* by enum dissect_dir */
    struct ws_handshake handshake;
    bool is_upgraded;
    bool sides_judged;
};

/* ── handshake ── */

static struct slice next_line(struct slice *text)
{
    const uint8_t *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    struct slice line = slice_of(text->data, end ? (size_t)(end - text->data) : text->len);
    *text = slice_sub(*text, line.len + 1, SIZE_MAX);
    return line;
}

/* Four lines: host, path, subprotocol, extensions. */
static void ws_open(struct dissect_conn *conn, void *opaque)
{
    struct ws_state *state = opaque;
    struct slice told = dissect_params(conn);
    state->is_upgraded = told.len > 0;
    if (!state->is_upgraded) {
        state->side[DIR_CLIENT].phase = state->side[DIR_SERVER].phase = PHASE_LOST;
        return;
    }
    state->sides_judged = true;
    state->handshake.host = next_line(&told);
    state->handshake.path = next_line(&told);
    state->handshake.protocol = next_line(&told);
    state->handshake.extensions = next_line(&told);
}

static bool mentions(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

/* ── messages ── */

static const char *lost_reason(const struct ws_state *state, const struct ws_side *side)
{
    return side->any_loss || state->is_upgraded ? "capture_gap" : "window_start";
}

static void begin_message(struct dissect_conn *conn, struct ws_message *message, uint8_t opcode)
{
    *message = (struct ws_message){.is_open = true, .opcode = opcode};
    message->entry = dissect_entry_begin(conn);
}

static void end_message(struct dissect_conn *conn, struct ws_state *state, enum dissect_dir dir,
                        struct ws_message *message)
{
    struct ws_side *side = &state->side[dir];
    const char *status = "ok";
    const char *reason = NULL;
    if (message->has_gap) {
        status = "incomplete";
        reason = "capture_gap";
    } else if (message->opcode == WS_CONTINUATION ||
               (message->undecoded && strcmp(message->undecoded, "history") == 0)) {
        status = "incomplete";
        reason = lost_reason(state, side);
    } else if (message->undecoded && strcmp(message->undecoded, "damage") == 0) {
        status = "error";
    } else if (side->doubtful) {
        status = "incomplete";
        reason = "capture_gap";
    }
    side->doubtful -= side->doubtful > 0;
    ws_emit(conn, &state->handshake, message, dir, status, reason);
}

/* What is in hand leaves as it is. */
static void abandon(struct dissect_conn *conn, struct ws_state *state, enum dissect_dir dir,
                    const char *status, const char *reason)
{
    struct ws_side *side = &state->side[dir];
    if (side->message.is_open)
        ws_emit(conn, &state->handshake, &side->message, dir, status, reason);
    if (side->control.is_open)
        ws_emit(conn, &state->handshake, &side->control, dir, status, reason);
    ws_inflate_forget(&side->inflate);
}

static struct ws_message *in_hand(struct ws_side *side)
{
    return ws_is_control(side->frame.opcode) ? &side->control : &side->message;
}

static struct dissect_span *span_of(const struct ws_message *message, enum dissect_dir dir)
{
    if (!message->entry)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(message->entry)
                             : dissect_entry_response(message->entry);
}

static void take(struct dissect_conn *conn, struct dissect_stream *stream,
                 struct ws_message *message, size_t n)
{
    struct dissect_span *span = span_of(message, stream->dir);
    dissect_take(conn, stream, span ? dissect_entry_arena(message->entry) : NULL, span, n);
}

static const char *why_undecoded(enum ws_inflate_result result)
{
    switch (result) {
    case WS_INFLATED:
        break;
    case WS_NO_HISTORY:
        return "history";
    case WS_DAMAGED:
        return "damage";
    case WS_CAPPED:
        return "cap";
    }
    return NULL;
}

static void frame_done(struct dissect_conn *conn, struct ws_state *state, enum dissect_dir dir)
{
    struct ws_side *side = &state->side[dir];
    struct ws_message *message = in_hand(side);
    side->phase = PHASE_HEADER;
    if (!side->frame.fin)
        return;
    if (message->compressed && !message->has_gap && !message->undecoded && message->entry)
        message->undecoded =
            why_undecoded(ws_inflate_finish(&side->inflate, dissect_arena(conn), &message->body,
                                            dissect_entry_arena(message->entry)));
    end_message(conn, state, dir, message);
}

/* ── frames ── */

/* RSV1 is only allowed where an extension was agreed on (RFC 6455 section 5.2); what a handshake
 * that was not recorded said is not known. */
static bool may_compress(const struct ws_state *state)
{
    return !state->is_upgraded || state->handshake.extensions.len > 0;
}

static void begin_data(struct dissect_conn *conn, struct ws_state *state, struct ws_side *side,
                       const struct ws_header *h)
{
    begin_message(conn, &side->message, h->opcode);
    if (!h->rsv1)
        return;
    side->message.compressed = true;
    if (state->is_upgraded && !mentions(state->handshake.extensions, "permessage-deflate"))
        side->message.undecoded = "extension";
    if (!state->is_upgraded && !side->inflate.is_open)
        ws_inflate_forget(&side->inflate);
    ws_inflate_begin(&side->inflate);
}

/* False when no sound peer sends this here. */
static bool begin_frame(struct dissect_conn *conn, struct ws_state *state, struct ws_side *side,
                        const struct ws_header *h)
{
    bool goes_on = h->opcode == WS_CONTINUATION;
    if (h->rsv1 && !may_compress(state))
        return false;
    if (ws_is_control(h->opcode)) {
        begin_message(conn, &side->control, h->opcode);
    } else if (goes_on != side->message.is_open) {
        /* The beginning of a message may stand before the window or in a gap. */
        if (!goes_on || (state->is_upgraded && !side->any_loss))
            return false;
        begin_message(conn, &side->message, h->opcode);
    } else if (!goes_on) {
        begin_data(conn, state, side, h);
    }
    side->frame = *h;
    side->left = h->length;
    side->phase = PHASE_PAYLOAD;
    in_hand(side)->frames++;
    return true;
}

static enum dissect_result read_header(struct dissect_conn *conn, struct ws_state *state,
                                       struct dissect_stream *stream)
{
    struct ws_side *side = &state->side[stream->dir];
    struct ws_header h;
    enum ws_parse parsed = ws_header_parse(slice_of(stream->data, stream->len), &h);
    if (parsed == WS_SHORT)
        return DISSECT_MORE;
    if (parsed == WS_INVALID || !begin_frame(conn, state, side, &h)) {
        abandon(conn, state, stream->dir, "error", NULL);
        return DISSECT_BAD;
    }
    take(conn, stream, in_hand(side), h.size);
    if (side->left == 0)
        frame_done(conn, state, stream->dir);
    return DISSECT_OK;
}

static void keep(struct dissect_conn *conn, struct ws_side *side, struct ws_message *message,
                 struct slice bytes)
{
    struct arena *arena = dissect_entry_arena(message->entry);
    if (message->has_gap || message->undecoded)
        return;
    if (!message->compressed) {
        gather_add(&message->body, arena, bytes, DISSECT_BODY_CAP);
        return;
    }
    ws_inflate_add(&side->inflate, dissect_arena(conn), bytes, &message->body, arena);
    message->undecoded = why_undecoded(side->inflate.result);
}

static void read_payload(struct dissect_conn *conn, struct ws_state *state,
                         struct dissect_stream *stream)
{
    struct ws_side *side = &state->side[stream->dir];
    struct ws_message *message = in_hand(side);
    uint8_t piece[PIECE_BYTES];
    while (side->left && stream->len) {
        size_t n = stream->len < sizeof piece ? stream->len : sizeof piece;
        if (n > side->left)
            n = (size_t)side->left;
        if (message->entry) {
            ws_unmask(&side->frame, side->frame.length - side->left, slice_of(stream->data, n),
                      piece);
            keep(conn, side, message, slice_of(piece, n));
        }
        message->payload_bytes += n;
        side->left -= n;
        take(conn, stream, message, n);
    }
    if (side->left == 0)
        frame_done(conn, state, stream->dir);
}

/* ── late joins and gaps ── */

/* Looks for the next frame. Clients mask and servers do not: until that has told who is who, frames
 * of the other side are looked for as well, and swap the sides. */
static enum dissect_result read_lost(struct dissect_conn *conn, struct ws_state *state,
                                     struct dissect_stream *stream)
{
    struct ws_side *side = &state->side[stream->dir];
    bool masked = stream->dir == DIR_CLIENT;
    enum probe_result mine = PROBE_NO;
    enum probe_result other = PROBE_NO;
    size_t at = 0;
    while (at < stream->len) {
        struct slice view = slice_of(stream->data + at, stream->len - at);
        mine = ws_chain(view, masked, stream->ended);
        other = state->sides_judged ? PROBE_NO : ws_chain(view, !masked, stream->ended);
        if (mine != PROBE_NO || other != PROBE_NO)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    if (mine == PROBE_YES) {
        side->phase = PHASE_HEADER;
        side->doubtful = side->any_loss ? DOUBTFUL_MESSAGES : 0;
        state->sides_judged = true;
        return DISSECT_OK;
    }
    if (other == PROBE_YES && at == 0) {
        state->sides_judged = true;
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    return stream->len && other != PROBE_YES ? DISSECT_MORE : DISSECT_OK;
}

static enum probe_result ws_probe(const struct probe_input *in)
{
    /* A connection cannot begin with frames: its beginning is an HTTP Upgrade. */
    if (!in->is_late_join)
        return PROBE_NO;
    enum probe_result best = PROBE_NO;
    for (int swapped = 0; swapped < 2; swapped++) {
        enum probe_result answers[2] = {PROBE_NO, PROBE_NO};
        if (in->client.len)
            answers[0] = ws_chain(in->client, !swapped, in->client_ended);
        if (in->server.len)
            answers[1] = ws_chain(in->server, swapped, in->server_ended);
        for (int i = 0; i < 2; i++) {
            if (answers[i] == PROBE_YES)
                return PROBE_YES;
            if (answers[i] == PROBE_MAYBE)
                best = PROBE_MAYBE;
        }
    }
    return best;
}

/* ── what the engine calls ── */

static enum dissect_result ws_data(struct dissect_conn *conn, void *opaque,
                                   struct dissect_stream *stream)
{
    struct ws_state *state = opaque;
    struct ws_side *side = &state->side[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    if (side->phase == PHASE_LOST) {
        enum dissect_result result = read_lost(conn, state, stream);
        if (side->phase == PHASE_LOST || stream->len == 0)
            return result;
    }
    if (side->phase == PHASE_HEADER)
        return read_header(conn, state, stream);
    read_payload(conn, state, stream);
    return DISSECT_OK;
}

static void ws_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct ws_state *state = opaque;
    struct ws_side *side = &state->side[dir];
    struct ws_message *message = in_hand(side);
    side->any_loss = true;
    if (side->phase != PHASE_PAYLOAD) {
        abandon(conn, state, dir, "incomplete", "capture_gap");
        side->phase = PHASE_LOST;
        return;
    }
    uint64_t inside = bytes < side->left ? bytes : side->left;
    struct dissect_span *span = span_of(message, dir);
    if (span)
        span->gap_bytes += inside;
    message->has_gap = true;
    message->payload_bytes += inside;
    side->left -= inside;
    if (message->compressed)
        ws_inflate_forget(&side->inflate);
    if (bytes > inside) {
        abandon(conn, state, dir, "incomplete", "capture_gap");
        side->phase = PHASE_LOST;
    } else if (side->left == 0) {
        frame_done(conn, state, dir);
    }
}

static void ws_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    static const struct {
        const char *status, *reason;
    } by_end[] = {[END_CLOSED] = {"error", "closed"},
                  [END_RESET_BY_CLIENT] = {"error", "client_cancel"},
                  [END_RESET_BY_SERVER] = {"error", "server_reset"},
                  [END_TIMEOUT] = {"error", "timeout"},
                  [END_OF_DATA] = {"open", "window_end"}};
    for (int dir = 0; dir < 2; dir++)
        abandon(conn, opaque, (enum dissect_dir)dir, by_end[end].status, by_end[end].reason);
}

static const uint16_t ws_ports[] = {0};

const struct dissector dissector_ws = {
    .name = "ws",
    .spec = "RFC 6455, RFC 7692",
    .transports = DISSECT_TCP,
    .port_hints = ws_ports,
    .fields = ws_fields,
    .field_count = WS_FIELD_COUNT,
    .state_bytes = sizeof(struct ws_state),
    .probe = ws_probe,
    .open = ws_open,
    .data = ws_data,
    .gap = ws_gap,
    .close = ws_close,
};
