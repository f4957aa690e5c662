/* How an HTTP/2 call ends: the status it leaves with (formats.md), and its way out. */
#include "dissect/proto/http2_state.h"

static void set_reset_status(struct http2_stream *s)
{
    const struct http_message *response = &s->message[DIR_SERVER];
    const char *by_code = http2_status(s);
    const struct http_message *request = &s->message[DIR_CLIENT];
    if (!request->begun || request->has_gap || response->has_gap || s->after_loss ||
        s->window_start || s->unknown_fields)
        dissect_set_bool(s->entry, FIELD_INCOMPLETE_ID, true);
    bool refused = s->reset_code == HTTP2_REFUSED_STREAM;
    if (response->done)
        dissect_set_status(s->entry, by_code, NULL); /* it needed no more of the request */
    else if (s->reset_by == DIR_SERVER)
        dissect_set_status(s->entry, "error", refused ? "refused" : "server_reset");
    else if (http2_deadline_exceeded(s))
        dissect_set_status(s->entry, "error", "client_cancel");
    else
        dissect_set_status(s->entry, response->begun ? by_code : "no_response", "client_cancel");
}

/* What decides between ok and error was read. */
static bool has_outcome(const struct http2_stream *s)
{
    const struct http_message *response = &s->message[DIR_SERVER];
    bool is_grpc = grpc_is_call(&s->message[DIR_CLIENT], response);
    if (is_grpc && (s->unknown_fields || response->has_gap || s->after_loss))
        return grpc_status(response) != GRPC_STATUS_NONE;
    return response->status_code != 0;
}

static void set_answered_status(struct http2_stream *s, bool over, enum dissect_end end)
{
    const struct http_message *response = &s->message[DIR_SERVER];
    const char *by_code = http2_status(s);
    bool is_known = response->done && s->message[DIR_CLIENT].begun && has_outcome(s);
    /* An answer that begins with its body: its head was passed over behind a loss. */
    bool gap = s->message[DIR_CLIENT].has_gap || response->has_gap || s->after_loss ||
               (response->status_code == 0 && response->body_size && !s->unknown_fields &&
                !s->window_start);
    if (gap)
        dissect_set_status(s->entry, is_known ? by_code : "incomplete", "capture_gap");
    else if (s->window_start || s->unknown_fields)
        dissect_set_status(s->entry, is_known ? by_code : "incomplete", "window_start");
    else if (!s->message[DIR_CLIENT].begun)
        dissect_set_status(s->entry, "incomplete", "capture_gap");
    else if (response->done || !over)
        dissect_set_status(s->entry, by_code, NULL);
    else if (end == END_OF_DATA)
        dissect_set_status(s->entry, "open", "window_end");
    else if (end == END_RESET_BY_CLIENT)
        dissect_set_status(s->entry, by_code, "client_cancel");
    else
        dissect_set_status(s->entry, "error", dissect_end_reason(end));
}

static void set_unanswered_status(const struct http2_state *state, struct http2_stream *s,
                                  bool over, enum dissect_end end)
{
    const struct http_message *request = &s->message[DIR_CLIENT];
    bool lost = request->has_gap || s->message[DIR_SERVER].has_gap || s->after_loss || !over;
    if (lost || (state->closed_count >= HTTP2_CLOSED_KEPT && !state->side[DIR_SERVER].spoke))
        dissect_set_status(s->entry, "incomplete", "capture_gap");
    else if (s->window_start)
        dissect_set_status(s->entry, "incomplete", "window_start");
    else if (end == END_OF_DATA)
        dissect_set_status(s->entry, "open",
                           request->done ? (s->unknown_fields ? "window_start" : NULL)
                                         : "window_end");
    else
        dissect_set_status(s->entry, "no_response", dissect_end_reason(end));
}

void http2_emit(struct dissect_conn *conn, struct http2_state *state, struct http2_stream *s,
                bool over, enum dissect_end end)
{
    struct arena *arena = dissect_entry_arena(s->entry);
    http2_stream_forget(state, s);
    state->lone_done -= s->is_lone;
    for (int dir = 0; dir < 2; dir++)
        if (s->message[dir].grpc)
            grpc_reader_finish(s->message[dir].grpc, arena, &s->message[dir]);
    http2_fill_entry(conn, state, s);
    if (s->has_reset)
        set_reset_status(s);
    else if (s->message[DIR_SERVER].begun)
        set_answered_status(s, over, end);
    else
        set_unanswered_status(state, s, over, end);
    if (s->unknown_fields || state->sides_guessed) /* whatever became of it */
        dissect_set_bool(s->entry, FIELD_INCOMPLETE_ID, true);
    dissect_entry_emit(conn, s->entry);
}
