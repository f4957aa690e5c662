/* SMTP and LMTP (RFC 5321, RFC 2033; pipelining RFC 2920, BDAT RFC 3030, STARTTLS RFC 3207, AUTH
 * RFC 4954).
 *
 * An entry a command with its reply, in order; the greeting is one of its own. DATA has its 354,
 * the content and the final reply in one entry, AUTH its challenges. What the client sends behind
 * DATA, AUTH and STARTTLS means what the reply says, so it is not read before that. Content is
 * consumed as it comes. */
#include "dissect/proto/smtp_state.h"

enum {
    LINE_MAX_BYTES = 64 * 1024,
    TLS_HANDSHAKE = 0x16
};

/* ── commands and content ── */

/* The length of the line that starts the stream, its end included; 0: not whole. */
static size_t whole_line(struct smtp_side *side, const struct dissect_stream *stream)
{
    size_t from = side->scanned > stream->offset ? (size_t)(side->scanned - stream->offset) : 0;
    from = from < stream->len ? from : stream->len;
    const uint8_t *lf = memchr(stream->data + from, '\n', stream->len - from);
    side->scanned = stream->offset + stream->len;
    if (!lf)
        return 0;
    side->scanned = 0;
    return (size_t)(lf - stream->data) + 1;
}

static void read_command(struct dissect_conn *conn, struct smtp_state *state,
                         struct dissect_stream *stream, size_t size)
{
    struct smtp_command command;
    smtp_command_parse(slice_of(stream->data, size), &command);
    if (command.verb == SMTP_UNKNOWN && state->is_lossy) { /* rather content whose DATA was lost */
        smtp_stop_pairing(conn, state);
        state->side[DIR_CLIENT].phase = PHASE_SEEK;
        state->last_verb = SMTP_UNKNOWN;
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    smtp_settle_before_command(conn, state);
    state->may_pipeline |= state->waiting > 0;
    struct smtp_call *call = smtp_begin_call(conn, state, &command);
    smtp_take(conn, stream, call, size);
    state->last_verb = command.verb;
    state->any_command = true;
    state->is_lmtp |= command.verb == SMTP_LHLO;
    state->is_smtp |= command.verb == SMTP_EHLO || command.verb == SMTP_HELO;
    state->at = NULL;
    state->chunk_left = 0;
    if (call)
        smtp_append(state, call);
    if (command.has_chunk && command.chunk) {
        state->at = call;
        state->chunk_left = command.chunk;
        state->side[DIR_CLIENT].phase = PHASE_CHUNK;
    } else if (command.verb == SMTP_DATA || command.verb == SMTP_AUTH ||
               command.verb == SMTP_STARTTLS) {
        state->at = call;
        state->side[DIR_CLIENT].phase = PHASE_WAIT;
    }
    if (call)
        call->has_content = command.has_chunk;
    if (call && state->is_muted && state->side[DIR_CLIENT].phase == PHASE_LINE)
        smtp_give_up_waiting(conn, state);
}

static enum dissect_result read_client(struct dissect_conn *conn, struct smtp_state *state,
                                       struct dissect_stream *stream);

/* The reply is not to be had: the line itself says whether it is a command. */
static enum dissect_result guess(struct dissect_conn *conn, struct smtp_state *state,
                                 struct dissect_stream *stream)
{
    struct smtp_side *side = &state->side[DIR_CLIENT];
    enum smtp_verb verb = state->last_verb;
    if (stream->data[0] == TLS_HANDSHAKE) {
        smtp_give_up_waiting(conn, state);
        dissect_switch(conn, "tlsx");
        return DISSECT_OK;
    }
    size_t size = whole_line(side, stream);
    if (size == 0 && stream->len < LINE_MAX_BYTES && !stream->ended)
        return DISSECT_MORE;
    bool is_command = size && smtp_is_command(slice_of(stream->data, size));
    if (verb == SMTP_DATA && !is_command) {
        if (state->at)
            state->at->has_content = state->at->has_gap = true;
        smtp_resume_client(state, PHASE_CONTENT);
    } else {
        state->at = NULL;
        smtp_resume_client(state, is_command ? PHASE_LINE : PHASE_SEEK);
    }
    side->scanned = 0;
    return read_client(conn, state, stream);
}

static void content_done(struct dissect_conn *conn, struct smtp_state *state)
{
    state->at = NULL;
    state->last_verb = SMTP_UNKNOWN; /* RFC 2920, 3.1: a group may follow it at once */
    smtp_resume_client(state, PHASE_LINE);
    if (state->is_muted)
        smtp_give_up_waiting(conn, state);
}

static void keep_content(struct smtp_call *call, struct slice bytes)
{
    if (call && !call->has_gap)
        gather_add(&call->content, dissect_entry_arena(call->entry), bytes, DISSECT_BODY_CAP);
}

/* RFC 5321, 4.5.2: the dot that begins a line is not part of the content; a line of a dot alone
 * ends it. Strictly CRLF: what else servers take for an end is for them to say. */
static void read_content(struct dissect_conn *conn, struct smtp_state *state,
                         struct dissect_stream *stream)
{
    struct smtp_call *call = state->at;
    const uint8_t *data = stream->data;
    size_t kept = 0, i = 0; /* data[0 … kept) was given to keep_content or left out */
    while (i < stream->len && state->match != CONTENT_END) {
        uint8_t c = data[i++];
        enum match was = state->match;
        if (was == LINE_BEGIN && c == '.') {
            keep_content(call, slice_of(data + kept, i - 1 - kept));
            kept = i;
            state->match = SEEN_DOT;
        } else if (was == SEEN_DOT && c == '\r') {
            kept = i;
            state->match = SEEN_DOT_CR;
        } else if (was == SEEN_DOT_CR && c == '\n') {
            kept = i;
            state->match = CONTENT_END;
        } else {
            if (was == SEEN_DOT_CR) /* not the end: the CR belongs to the line */
                keep_content(call, SLICE_LITERAL("\r"));
            state->match = c == '\r' ? SEEN_CR : was == SEEN_CR && c == '\n' ? LINE_BEGIN : IN_LINE;
        }
    }
    keep_content(call, slice_of(data + kept, i - kept));
    if (call) {
        call->content_size += i;
        if (state->match == CONTENT_END && call->content_size >= 3)
            call->content_size -= 3;
    }
    smtp_take(conn, stream, call, i);
    if (state->match == CONTENT_END)
        content_done(conn, state);
}

static void read_chunk(struct dissect_conn *conn, struct smtp_state *state,
                       struct dissect_stream *stream)
{
    struct smtp_call *call = state->at;
    size_t n = stream->len < state->chunk_left ? stream->len : (size_t)state->chunk_left;
    keep_content(call, slice_of(stream->data, n));
    if (call)
        call->content_size += n;
    state->chunk_left -= n;
    smtp_take(conn, stream, call, n);
    if (state->chunk_left == 0)
        content_done(conn, state);
}

/* A line that nobody can read (too long, or its end never comes). */
static enum dissect_result no_line(struct dissect_conn *conn, struct smtp_state *state,
                                   struct dissect_stream *stream)
{
    if (stream->len < LINE_MAX_BYTES && !stream->ended)
        return DISSECT_MORE;
    if (!state->any_entry)
        return DISSECT_NOT_MINE;
    state->side[stream->dir].phase = PHASE_SEEK;
    state->side[stream->dir].scanned = 0;
    dissect_take(conn, stream, NULL, NULL,
                 stream->len < LINE_MAX_BYTES ? stream->len : LINE_MAX_BYTES);
    return DISSECT_OK;
}

static void read_found(struct dissect_conn *conn, struct smtp_state *state,
                       struct dissect_stream *stream, size_t size)
{
    state->side[stream->dir].phase = PHASE_LINE;
    if (stream->dir == DIR_CLIENT)
        read_command(conn, state, stream, size);
    else
        smtp_reply_line(conn, state, stream, size);
}

static enum dissect_result seek(struct dissect_conn *conn, struct smtp_state *state,
                                struct dissect_stream *stream)
{
    struct smtp_side *side = &state->side[stream->dir];
    struct smtp_reply_line reply;
    size_t size = whole_line(side, stream);
    if (size == 0) {
        bool is_hopeless = stream->len >= LINE_MAX_BYTES || stream->ended;
        if (is_hopeless) {
            side->scanned = 0;
            dissect_take(conn, stream, NULL, NULL,
                         stream->len < LINE_MAX_BYTES ? stream->len : LINE_MAX_BYTES);
        }
        return is_hopeless ? DISSECT_OK : DISSECT_MORE;
    }
    struct slice line = slice_of(stream->data, size);
    if (stream->dir == DIR_CLIENT ? smtp_is_command(line) : smtp_reply_parse(line, &reply)) {
        read_found(conn, state, stream, size);
        return DISSECT_OK;
    }
    if (stream->dir == DIR_CLIENT && slice_eq(line, SLICE_LITERAL(".\r\n"))) /* a mail ends */
        side->phase = PHASE_LINE;
    dissect_take(conn, stream, NULL, NULL, size);
    return DISSECT_OK;
}

static enum dissect_result read_line(struct dissect_conn *conn, struct smtp_state *state,
                                     struct dissect_stream *stream)
{
    struct smtp_side *side = &state->side[stream->dir];
    size_t size = whole_line(side, stream);
    if (size == 0)
        return no_line(conn, state, stream);
    read_found(conn, state, stream, size);
    return DISSECT_OK;
}

static enum dissect_result read_secret(struct dissect_conn *conn, struct smtp_state *state,
                                       struct dissect_stream *stream)
{
    size_t size = whole_line(&state->side[DIR_CLIENT], stream);
    if (size == 0)
        return no_line(conn, state, stream);
    smtp_take(conn, stream, state->at, size);
    state->side[DIR_CLIENT].phase = PHASE_WAIT;
    return DISSECT_OK;
}

/* ── what the engine calls ── */

static void smtp_open(struct dissect_conn *conn, void *opaque)
{
    struct smtp_state *state = opaque;
    state->is_judged = !dissect_is_late_join(conn);
    if (dissect_is_late_join(conn)) {
        state->side[0].phase = state->side[1].phase = PHASE_SEEK;
        state->may_pipeline = state->is_lossy = state->is_envelope_lost = true;
    }
}

static enum dissect_result read_client(struct dissect_conn *conn, struct smtp_state *state,
                                       struct dissect_stream *stream)
{
    bool is_quiet = state->is_muted || !state->is_heard || stream->ended ||
                    (state->oldest && state->oldest->is_reply_lost);
    if (stream->data[0] == TLS_HANDSHAKE && state->side[DIR_CLIENT].phase != PHASE_CONTENT &&
        state->side[DIR_CLIENT].phase != PHASE_CHUNK &&
        state->side[DIR_CLIENT].phase != PHASE_WAIT) {
        dissect_switch(conn, "tlsx"); /* STARTTLS was not recorded */
        return DISSECT_OK;
    }
    switch (state->side[DIR_CLIENT].phase) {
    case PHASE_LINE:
        return read_line(conn, state, stream);
    case PHASE_WAIT:
        return is_quiet ? guess(conn, state, stream) : DISSECT_MORE;
    case PHASE_CONTENT:
        read_content(conn, state, stream);
        return DISSECT_OK;
    case PHASE_CHUNK:
        read_chunk(conn, state, stream);
        return DISSECT_OK;
    case PHASE_SECRET:
        return read_secret(conn, state, stream);
    case PHASE_SEEK:
        return seek(conn, state, stream);
    }
    return DISSECT_BAD;
}

static enum dissect_result smtp_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct smtp_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (!state->is_judged) {
        int is_other = smtp_is_other_side(stream);
        if (is_other < 0)
            return DISSECT_MORE;
        state->is_judged = true;
        if (is_other) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
    }
    if (stream->dir == DIR_CLIENT)
        return read_client(conn, state, stream);
    return state->side[DIR_SERVER].phase == PHASE_SEEK ? seek(conn, state, stream)
                                                       : read_line(conn, state, stream);
}

static void client_gap(struct dissect_conn *conn, struct smtp_state *state, uint64_t bytes)
{
    struct smtp_side *side = &state->side[DIR_CLIENT];
    struct smtp_call *call = state->at;
    if (call)
        call->has_gap = true;
    if (side->phase == PHASE_CONTENT) { /* its end may be in the gap: then the reply says so */
        state->match = IN_LINE;
        state->last_verb = SMTP_UNKNOWN;
        if (call)
            dissect_entry_request(call->entry)->gap_bytes += bytes;
        return;
    }
    if (side->phase == PHASE_CHUNK) {
        uint64_t inside = bytes < state->chunk_left ? bytes : state->chunk_left;
        if (call)
            dissect_entry_request(call->entry)->gap_bytes += inside;
        state->chunk_left -= inside;
        if (state->chunk_left)
            return;
        content_done(conn, state);
        if (inside == bytes)
            return;
    }
    state->at = NULL;
    state->chunk_left = 0;
    side->phase = PHASE_SEEK;
    state->last_verb = SMTP_UNKNOWN;
    if (state->may_pipeline)
        smtp_stop_pairing(conn, state);
}

static void smtp_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct smtp_state *state = opaque;
    state->side[dir].scanned = 0;
    state->is_lossy = state->is_judged = state->is_envelope_lost = true;
    if (dir == DIR_CLIENT) {
        client_gap(conn, state, bytes);
        return;
    }
    state->side[DIR_SERVER].phase = PHASE_SEEK;
    struct smtp_call *call = state->answering ? state->answering : state->oldest;
    if (call) {
        call->has_gap = call->is_reply_lost = true;
        dissect_entry_response(call->entry)->gap_bytes += bytes;
    }
    bool is_cut = state->answering != NULL;
    if (is_cut && call->is_unasked)
        smtp_finish(conn, state, call, "incomplete", "capture_gap");
    state->answering = NULL;
    if (is_cut || state->waiting > 1 || !state->is_heard)
        smtp_stop_pairing(conn, state);
}

static void smtp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct smtp_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    if (state->answering && state->answering->is_unasked)
        smtp_emit(conn, state->answering, NULL, is_open ? "open" : "error",
                  dissect_end_reason(end));
    while (state->oldest)
        smtp_finish(conn, state, smtp_pop(state), is_open ? "open" : "no_response",
                    dissect_end_reason(end));
}

static const uint16_t smtp_ports[] = {25, 587, 24, 2525, 0};

const struct dissector dissector_smtp = {
    .name = "smtp",
    .spec = "RFC 5321, RFC 2033, RFC 2920, RFC 3030, RFC 3207, RFC 4954",
    .transports = DISSECT_TCP,
    .port_hints = smtp_ports,
    .fields = smtp_fields,
    .field_count = SMTP_FIELD_COUNT,
    .state_bytes = sizeof(struct smtp_state),
    .probe = smtp_probe,
    .open = smtp_open,
    .data = smtp_data,
    .gap = smtp_gap,
    .close = smtp_close,
};
