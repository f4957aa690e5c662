/* SMTP: commands and their replies (RFC 5321 section 4.2, RFC 2920). Nothing but their order tells
 * what a reply answers; what a loss leaves uncertain is not paired. */
#include "dissect/proto/smtp_state.h"

enum {
    TEXT_MAX_BYTES = 64 * 1024, /* of a reply */
    MAX_WAITING = 512
};

/* ── calls ── */

struct smtp_call *smtp_begin_call(struct dissect_conn *conn, struct smtp_state *state,
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

void smtp_take(struct dissect_conn *conn, struct dissect_stream *stream, struct smtp_call *call,
               size_t n)
{
    struct dissect_span *span = NULL;
    if (call)
        span = stream->dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                         : dissect_entry_response(call->entry);
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL, span, n);
}

void smtp_finish(struct dissect_conn *conn, struct smtp_state *state, struct smtp_call *call,
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

struct smtp_call *smtp_pop(struct smtp_state *state)
{
    struct smtp_call *call = state->oldest;
    state->oldest = call->next;
    if (!state->oldest)
        state->newest = NULL;
    state->waiting--;
    return call;
}

void smtp_give_up_waiting(struct dissect_conn *conn, struct smtp_state *state)
{
    while (state->oldest)
        smtp_finish(conn, state, smtp_pop(state), "incomplete", "capture_gap");
}

/* The client waits for the 354 to the last thing it asked. */
static bool awaits_content(const struct smtp_state *state)
{
    const struct smtp_call *data = state->at;
    return data && data->command.verb == SMTP_DATA && !data->has_content &&
           state->side[DIR_CLIENT].phase == PHASE_WAIT;
}

void smtp_stop_pairing(struct dissect_conn *conn, struct smtp_state *state)
{
    /* Its 354 is certain all the same, when it comes (resume_at_data). */
    struct smtp_call *data = state->at;
    bool is_kept = awaits_content(state) && dissect_entry_response(data->entry)->bytes == 0;
    while (state->oldest && !(is_kept && state->oldest == data))
        smtp_finish(conn, state, smtp_pop(state), "incomplete", "capture_gap");
    if (is_kept)
        data->has_gap = true;
    smtp_mail_forget(state->mail);
    state->is_muted = true;
}

/* From here on every pair is certain again: what was asked before has been answered. */
static void resume_pairing(struct smtp_state *state)
{
    state->is_muted = state->is_lossy = false;
}

/* Behind what ends a group a client waits; so the replies that went before have all been read, and
 * the server's next one answers what comes now. */
static bool is_in_step(const struct smtp_state *state)
{
    return smtp_ends_group(state->last_verb) && !state->is_hasty && state->is_heard && !state->at &&
           !state->answering && state->side[DIR_SERVER].phase == PHASE_LINE;
}

void smtp_settle_before_command(struct dissect_conn *conn, struct smtp_state *state)
{
    bool was_answered = !state->may_pipeline || smtp_ends_group(state->last_verb);
    state->is_hasty |= !state->is_lossy && state->waiting && smtp_ends_group(state->last_verb);
    if (state->is_muted && was_answered)
        state->is_muted = false;
    if (state->oldest && state->oldest->is_reply_lost && !state->at && !state->answering) {
        bool is_certain = was_answered; /* its reply was lost as a whole */
        smtp_give_up_waiting(conn, state);
        state->is_muted = !is_certain;
    }
    if (state->is_lossy && is_in_step(state)) {
        smtp_give_up_waiting(conn, state);
        resume_pairing(state);
    }
    if (state->waiting == MAX_WAITING) /* the other direction was not recorded */
        smtp_stop_pairing(conn, state);
}

void smtp_append(struct smtp_state *state, struct smtp_call *call)
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

void smtp_resume_client(struct smtp_state *state, enum smtp_phase phase)
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
            smtp_resume_client(state, PHASE_CONTENT);
        else
            call->has_gap = true;
        return true;
    }
    if (call->command.verb == SMTP_AUTH && code == 334) {
        if (is_waiting)
            smtp_resume_client(state, PHASE_SECRET);
        return true;
    }
    return false;
}

/* RFC 2033, 4.2: LMTP has as many replies to the content as recipients were accepted. */
static bool has_many_replies(const struct smtp_state *state, const struct smtp_call *call)
{
    bool ends_mail = (call->command.verb == SMTP_DATA && call->has_content) ||
                     (call->command.verb == SMTP_BDAT && call->command.is_last);
    return state->is_lmtp && ends_mail && call->code != 421;
}

static bool wants_more_replies(struct smtp_state *state, struct smtp_call *call)
{
    if (!has_many_replies(state, call) || state->is_envelope_lost)
        return false;
    if (!call->replies_wanted)
        call->replies_wanted = state->mail && state->mail->recipients ? state->mail->recipients : 1;
    return --call->replies_wanted > 0;
}

static void nobody_asked(struct dissect_conn *conn, struct smtp_state *state,
                         struct smtp_call *call, bool is_greeting)
{
    bool is_known = is_greeting || call->code == 421;
    bool is_joined = dissect_is_late_join(conn) && !state->any_command;
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
        smtp_stop_pairing(conn, state);
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
    /* How many more follow is not known. */
    bool is_out_of_step = has_many_replies(state, call) && state->is_envelope_lost;
    if (was_waiting) {
        state->at = NULL;
        smtp_resume_client(state, PHASE_LINE);
    }
    (void)smtp_pop(state);
    struct smtp_call answered = *call;
    bool carries_mail = call->command.verb == SMTP_DATA || call->command.verb == SMTP_BDAT;
    if (call->command.verb == SMTP_MAIL && code / 100 == 2 && !call->has_gap && !state->is_lossy)
        state->is_envelope_lost = false;
    call->has_gap |= carries_mail && state->is_envelope_lost;
    if (!carries_mail)
        smtp_mail_follow(dissect_arena(conn), &state->mail, &answered);
    smtp_finish(conn, state, call, "ok", NULL);
    if (carries_mail)
        smtp_mail_follow(dissect_arena(conn), &state->mail, &answered);
    if (is_out_of_step)
        smtp_stop_pairing(conn, state);
    if (is_secured)
        dissect_switch(conn, "tlsx");
}

/* RFC 5321, 4.3.2: 354 answers DATA alone, and the client waits for it, so what was asked before
 * has been answered: whatever was lost, from here on replies are in step. */
static void resume_at_data(struct dissect_conn *conn, struct smtp_state *state)
{
    struct smtp_call *data = state->at;
    /* LMTP answers the content once for each recipient, and some of those are not known. */
    if (!state->is_lossy || !awaits_content(state) || !state->is_smtp || state->is_lmtp)
        return;
    while (state->oldest != data)
        smtp_finish(conn, state, smtp_pop(state), "incomplete", "capture_gap");
    data->has_gap = data->is_reply_lost;
    resume_pairing(state);
}

static void begin_reply(struct dissect_conn *conn, struct smtp_state *state, int code)
{
    if (code == 354)
        resume_at_data(conn, state);
    bool is_greeting = !state->is_heard && !dissect_is_late_join(conn) && !state->is_lossy;
    if (state->waiting > 1 && !state->is_muted)
        state->may_pipeline = true;
    if (state->oldest && !state->is_muted && !is_greeting)
        state->answering = state->oldest;
    else
        state->answering = smtp_begin_call(conn, state, NULL);
}

void smtp_reply_line(struct dissect_conn *conn, struct smtp_state *state,
                     struct dissect_stream *stream, size_t size)
{
    struct smtp_reply_line line;
    if (!smtp_reply_parse(slice_of(stream->data, size), &line)) { /* no server should; nobody's */
        dissect_take(conn, stream, NULL, NULL, size);
        return;
    }
    if (!state->answering)
        begin_reply(conn, state, line.code);
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
    smtp_take(conn, stream, call, size);
    if (line.is_last)
        reply_done(conn, state, line.code);
    else if (call)
        call->code = call->code > line.code ? call->code : line.code;
}
