/* SMTP and LMTP (RFC 5321, RFC 2033; pipelining RFC 2920, BDAT RFC 3030, STARTTLS RFC 3207, AUTH
 * RFC 4954).
 *
 * An entry a command with its reply, in order; the greeting is one of its own. DATA has its 354,
 * the content and the final reply in one entry, AUTH its challenges. What the client sends behind
 * DATA, AUTH and STARTTLS means what the reply says, so it is not read before that. Content is
 * consumed as it comes. */
#include "dissect/proto/smtp_call.h"

enum {
    LINE_MAX_BYTES = 64 * 1024,
    TEXT_MAX_BYTES = 64 * 1024, /* of a reply */
    MAX_WAITING = 512,
    TLS_HANDSHAKE = 0x16
};

enum smtp_phase {
    PHASE_LINE,
    PHASE_WAIT,    /* client: the reply to DATA, AUTH or STARTTLS says what follows */
    PHASE_CONTENT, /* client: behind 354 */
    PHASE_CHUNK,   /* client: behind BDAT */
    PHASE_SECRET,  /* client: an answer to a challenge of AUTH */
    PHASE_SEEK     /* a line that cannot be anything else is looked for */
};

enum match { /* how much of CRLF "." CRLF was seen */
    IN_LINE,
    SEEN_CR,
    LINE_BEGIN,
    SEEN_DOT,
    SEEN_DOT_CR,
    CONTENT_END
};

struct smtp_side {
    enum smtp_phase phase;
    uint64_t scanned; /* no line end before this stream offset */
};

struct smtp_state {
    struct smtp_side side[2];
    struct smtp_call *oldest, *newest; /* not answered yet */
    size_t waiting;
    struct smtp_call *at; /* whose content the client is sending, or whose reply it waits for */
    struct smtp_call *answering; /* whose reply is being read: the oldest, or one of nobody */
    uint64_t chunk_left;
    enum match match;
    struct smtp_mail *mail;
    enum smtp_verb last_verb;
    bool is_judged, any_entry, any_command, is_lmtp, is_heard;
    bool may_pipeline;               /* offered by the server, done by the client, or not known */
    bool is_muted;                   /* a loss: nobody knows what the next reply answers */
    bool is_lossy, is_envelope_lost; /* sender and recipients are not all known */
};

/* ── calls ── */

static struct smtp_call *begin_call(struct dissect_conn *conn, struct smtp_state *state,
                                    const struct smtp_command *command)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct arena *arena = entry ? dissect_entry_arena(entry) : NULL;
    struct smtp_call *call = entry ? arena_zalloc(arena, sizeof *call) : NULL;
    if (!call) {
        dissect_entry_drop(conn, entry);
        return NULL;
    }
    call->entry = entry;
    state->any_entry = true;
    if (!command) {
        call->is_unasked = true;
        return call;
    }
    call->command = *command;
    call->command.argument =
        command->argument.len ? arena_dup(arena, command->argument) : SLICE_NONE;
    call->command.path = command->path.len ? arena_dup(arena, command->path) : SLICE_NONE;
    return call;
}

static void take(struct dissect_conn *conn, struct dissect_stream *stream, struct smtp_call *call,
                 size_t n)
{
    struct dissect_span *span = NULL;
    if (call)
        span = stream->dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                         : dissect_entry_response(call->entry);
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL, span, n);
}

static void finish(struct dissect_conn *conn, struct smtp_state *state, struct smtp_call *call,
                   const char *status, const char *reason)
{
    if (state->at == call) { /* answered in the middle of its content, or given up */
        call->is_cut_short = state->side[DIR_CLIENT].phase == PHASE_CONTENT || state->chunk_left;
        if (state->side[DIR_CLIENT].phase == PHASE_CONTENT)
            state->side[DIR_CLIENT].phase = PHASE_SEEK;
        state->at = NULL;
    }
    if (state->answering == call) /* the rest of its reply is nobody's */
        state->answering = NULL;
    /* Replies are told apart by their order alone, and clients pipeline whether it was offered or
     * not: behind a loss no pair is certain any more. */
    if (call->has_gap || state->is_lossy) {
        status = "incomplete";
        reason = "capture_gap";
    }
    smtp_emit(conn, call, state->mail, status, reason);
}

static struct smtp_call *pop(struct smtp_state *state)
{
    struct smtp_call *call = state->oldest;
    state->oldest = call->next;
    if (!state->oldest)
        state->newest = NULL;
    state->waiting--;
    return call;
}

static void give_up_waiting(struct dissect_conn *conn, struct smtp_state *state)
{
    while (state->oldest)
        finish(conn, state, pop(state), "incomplete", "capture_gap");
}

/* After a loss nobody knows which reply answers what, until the client has certainly read them all.
 */
static void stop_pairing(struct dissect_conn *conn, struct smtp_state *state)
{
    give_up_waiting(conn, state);
    smtp_mail_forget(state->mail);
    state->is_muted = true;
}

/* A new command: what does it say about the replies to the ones before it? */
static void settle_before_command(struct dissect_conn *conn, struct smtp_state *state)
{
    bool was_answered = !state->may_pipeline || smtp_ends_group(state->last_verb);
    if (state->is_muted && was_answered)
        state->is_muted = false;
    if (state->oldest && state->oldest->is_reply_lost && !state->at && !state->answering) {
        bool is_certain = was_answered; /* its reply was lost as a whole */
        give_up_waiting(conn, state);
        state->is_muted = !is_certain;
    }
    if (state->waiting == MAX_WAITING) /* the other direction was not recorded */
        stop_pairing(conn, state);
}

static void append(struct smtp_state *state, struct smtp_call *call)
{
    if (state->is_muted)
        call->has_gap = true;
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
    state->waiting++;
}

/* ── replies ── */

static void resume_client(struct smtp_state *state, enum smtp_phase phase)
{
    state->side[DIR_CLIENT].phase = phase;
    if (phase == PHASE_CONTENT)
        state->match = LINE_BEGIN;
}

/* A reply that is not the last one to its command: "send more". */
static bool goes_on(struct smtp_state *state, struct smtp_call *call, int code)
{
    bool is_waiting = state->at == call && state->side[DIR_CLIENT].phase == PHASE_WAIT;
    if (call->command.verb == SMTP_DATA && code == 354 && !call->has_content) {
        call->has_content = true;
        if (is_waiting)
            resume_client(state, PHASE_CONTENT);
        else
            call->has_gap = true;
        return true;
    }
    if (call->command.verb == SMTP_AUTH && code == 334) {
        if (is_waiting)
            resume_client(state, PHASE_SECRET);
        return true;
    }
    return false;
}

/* RFC 2033, 4.2: as many replies to the content as recipients were accepted. */
static bool wants_more_replies(struct smtp_state *state, struct smtp_call *call)
{
    bool ends_mail = (call->command.verb == SMTP_DATA && call->has_content) ||
                     (call->command.verb == SMTP_BDAT && call->command.is_last);
    if (!state->is_lmtp || !ends_mail || call->code == 421)
        return false;
    if (!call->replies_wanted)
        call->replies_wanted = state->mail && state->mail->recipients ? state->mail->recipients : 1;
    return --call->replies_wanted > 0;
}

static void nobody_asked(struct dissect_conn *conn, struct smtp_state *state,
                         struct smtp_call *call, bool is_greeting)
{
    bool is_known = is_greeting || call->code == 421;
    bool is_joined = dissect_is_late_join(conn) && !state->any_command && !state->is_lossy;
    const char *reason = is_joined ? "window_start" : "capture_gap";
    if (call->code == 334 || call->code == 354) { /* only a part of some exchange */
        dissect_entry_drop(conn, call->entry);
        return;
    }
    smtp_emit(conn, call, NULL, is_known ? "ok" : "incomplete", is_known ? NULL : reason);
}

/* RFC 5321, 4.3.2: 354 answers DATA alone, and DATA is never answered by 2xx before its content. A
 * loss that was not noticed has put the replies out of step. */
static bool is_not_its_reply(const struct smtp_call *call, int code)
{
    bool is_data = call->command.verb == SMTP_DATA && !call->has_content;
    return is_data ? code / 100 == 2 : code == 354;
}

static void reply_done(struct dissect_conn *conn, struct smtp_state *state, int code)
{
    struct smtp_call *call = state->answering;
    state->answering = NULL;
    if (!call)
        return;
    bool is_greeting = !state->is_heard && !dissect_is_late_join(conn) && !state->is_lossy;
    state->is_heard = true;
    if (call->is_unasked) {
        call->code = code;
        nobody_asked(conn, state, call, is_greeting);
        return;
    }
    if (is_not_its_reply(call, code)) {
        state->is_envelope_lost = true;
        call->has_gap = true;
        stop_pairing(conn, state);
        return;
    }
    if (goes_on(state, call, code)) {
        call->text.len = 0;
        return;
    }
    call->code = code > call->code ? code : call->code;
    if (wants_more_replies(state, call))
        return;
    bool was_waiting = state->at == call && state->side[DIR_CLIENT].phase == PHASE_WAIT;
    bool is_secured = call->command.verb == SMTP_STARTTLS && code == 220;
    if (was_waiting) {
        state->at = NULL;
        resume_client(state, PHASE_LINE);
    }
    (void)pop(state);
    struct smtp_call answered = *call;
    bool carries_mail = call->command.verb == SMTP_DATA || call->command.verb == SMTP_BDAT;
    if (call->command.verb == SMTP_MAIL && code / 100 == 2 && !call->has_gap)
        state->is_envelope_lost = false;
    call->has_gap |= carries_mail && state->is_envelope_lost;
    if (!carries_mail)
        smtp_mail_follow(dissect_arena(conn), &state->mail, &answered);
    finish(conn, state, call, "ok", NULL);
    if (carries_mail)
        smtp_mail_follow(dissect_arena(conn), &state->mail, &answered);
    if (is_secured)
        dissect_switch(conn, "tlsx");
}

static void begin_reply(struct dissect_conn *conn, struct smtp_state *state)
{
    bool is_greeting = !state->is_heard && !dissect_is_late_join(conn) && !state->is_lossy;
    if (state->waiting > 1 && !state->is_muted)
        state->may_pipeline = true;
    if (state->oldest && !state->is_muted && !is_greeting)
        state->answering = state->oldest;
    else
        state->answering = begin_call(conn, state, NULL);
}

static void reply_line(struct dissect_conn *conn, struct smtp_state *state,
                       struct dissect_stream *stream, size_t size)
{
    struct smtp_reply_line line;
    if (!smtp_reply_parse(slice_of(stream->data, size), &line)) { /* no server should; nobody's */
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    if (!state->answering)
        begin_reply(conn, state);
    struct smtp_call *call = state->answering;
    if (call) {
        struct arena *arena = dissect_entry_arena(call->entry);
        if (call->text.len)
            gather_add(&call->text, arena, SLICE_LITERAL("\n"), TEXT_MAX_BYTES);
        gather_add(&call->text, arena, line.text, TEXT_MAX_BYTES);
        if (call->command.verb == SMTP_EHLO &&
            slice_eq_nocase(line.text, SLICE_LITERAL("PIPELINING")))
            state->may_pipeline = true;
    }
    take(conn, stream, call, size);
    if (line.is_last)
        reply_done(conn, state, line.code);
    else if (call)
        call->code = call->code > line.code ? call->code : line.code;
}

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
        stop_pairing(conn, state);
        state->side[DIR_CLIENT].phase = PHASE_SEEK;
        state->last_verb = SMTP_UNKNOWN;
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    settle_before_command(conn, state);
    state->may_pipeline |= state->waiting > 0;
    struct smtp_call *call = begin_call(conn, state, &command);
    take(conn, stream, call, size);
    state->last_verb = command.verb;
    state->any_command = true;
    state->is_lmtp |= command.verb == SMTP_LHLO;
    state->at = NULL;
    state->chunk_left = 0;
    if (call)
        append(state, call);
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
        give_up_waiting(conn, state);
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
        give_up_waiting(conn, state);
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
        resume_client(state, PHASE_CONTENT);
    } else {
        state->at = NULL;
        resume_client(state, is_command ? PHASE_LINE : PHASE_SEEK);
    }
    side->scanned = 0;
    return read_client(conn, state, stream);
}

static void content_done(struct dissect_conn *conn, struct smtp_state *state)
{
    state->at = NULL;
    state->last_verb = SMTP_UNKNOWN; /* RFC 2920, 3.1: a group may follow it at once */
    resume_client(state, PHASE_LINE);
    if (state->is_muted)
        give_up_waiting(conn, state);
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
    take(conn, stream, call, i);
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
    take(conn, stream, call, n);
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
        reply_line(conn, state, stream, size);
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
    take(conn, stream, state->at, size);
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
        state->may_pipeline = true;
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
        stop_pairing(conn, state);
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
        finish(conn, state, call, "incomplete", "capture_gap");
    state->answering = NULL;
    if (is_cut || state->waiting > 1 || !state->is_heard)
        stop_pairing(conn, state);
}

static void smtp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    static const char *const reasons[] = {[END_CLOSED] = "closed",
                                          [END_RESET_BY_CLIENT] = "client_cancel",
                                          [END_RESET_BY_SERVER] = "server_reset",
                                          [END_TIMEOUT] = "timeout",
                                          [END_OF_DATA] = NULL};
    struct smtp_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    if (state->answering && state->answering->is_unasked)
        smtp_emit(conn, state->answering, NULL, is_open ? "open" : "error", reasons[end]);
    while (state->oldest)
        finish(conn, state, pop(state), is_open ? "open" : "no_response", reasons[end]);
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
