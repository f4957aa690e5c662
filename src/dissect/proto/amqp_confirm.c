/* Publisher confirms (RabbitMQ's extension of AMQP 0-9-1): basic.ack and basic.nack of the server
 * name publishes of the channel by their number, which nobody sends: it is counted from
 * confirm.select on. After a loss the count is known again once a client that always waited for
 * its confirms gets one. */
#include "dissect/proto/amqp_call.h"

enum {
    MAX_HELD = 32,   /* publishes without a word of the server: they are not confirmed */
    ALONE_ENOUGH = 2 /* confirms that a client waited for: it waits for all */
};

static void emit_published(struct dissect_conn *conn, struct amqp_call *call)
{
    amqp_emit(conn, call, NULL, call->request.body_missing ? "capture_gap" : NULL);
}

void amqp_confirms_end(struct dissect_conn *conn, struct amqp_state *state,
                       struct amqp_channel *channel, const char *status, const char *reason)
{
    bool is_unknown = channel->confirms == AMQP_CONFIRMS_UNKNOWN;
    while (channel->publishes.oldest) {
        struct amqp_call *call = channel->publishes.oldest;
        amqp_unlink(&channel->publishes, NULL, call);
        state->unconfirmed--;
        if (call->unsure)
            amqp_emit(conn, call, "incomplete", "capture_gap");
        else if (is_unknown && !call->publish_tag)
            emit_published(conn, call);
        else
            amqp_emit(conn, call, status, reason);
    }
    channel->held = 0;
}

/* The confirms of what waits cannot be told from others. */
static void give_up(struct dissect_conn *conn, struct amqp_state *state,
                    struct amqp_channel *channel)
{
    for (struct amqp_call *call = channel->publishes.oldest; call; call = call->next)
        call->unsure = true;
    amqp_confirms_end(conn, state, channel, NULL, NULL);
}

void amqp_confirm_select(struct amqp_channel *channel, bool is_numbered)
{
    if (channel->confirms == AMQP_CONFIRMS_NONE && is_numbered) {
        channel->confirms = AMQP_CONFIRMS_NUMBERED;
        channel->next_tag = 1;
        channel->alone = 0;
        channel->pipelines = false;
    } else if (channel->confirms != AMQP_CONFIRMS_NUMBERED) {
        channel->confirms = AMQP_CONFIRMS_UNNUMBERED;
    }
}

/* ── publishes ── */

/* The oldest publish of the fullest channel would be right; any will do: this bounds memory. */
static void make_room(struct dissect_conn *conn, struct amqp_state *state,
                      struct amqp_channel *channel)
{
    struct amqp_call *call = channel->publishes.oldest;
    if (state->unconfirmed < AMQP_MAX_UNCONFIRMED || !call)
        return;
    amqp_unlink(&channel->publishes, NULL, call);
    state->unconfirmed--;
    amqp_emit(conn, call, "open", NULL);
}

static void await(struct dissect_conn *conn, struct amqp_state *state, struct amqp_channel *channel,
                  struct amqp_call *call)
{
    make_room(conn, state, channel);
    if (state->unconfirmed == AMQP_MAX_UNCONFIRMED) {
        emit_published(conn, call);
        return;
    }
    amqp_append(&channel->publishes, call);
    state->unconfirmed++;
}

void amqp_published(struct dissect_conn *conn, struct amqp_state *state,
                    struct amqp_channel *channel, struct amqp_call *call)
{
    bool any_waits = channel->publishes.oldest;
    switch (channel->confirms) {
    case AMQP_CONFIRMS_NONE:
        emit_published(conn, call);
        return;
    case AMQP_CONFIRMS_NUMBERED:
        channel->pipelines |= any_waits;
        break;
    case AMQP_CONFIRMS_UNNUMBERED:
        if (any_waits)
            give_up(conn, state, channel);
        if (channel->pipelines || channel->alone < ALONE_ENOUGH) {
            amqp_emit(conn, call, "incomplete", "capture_gap");
            return;
        }
        break;
    case AMQP_CONFIRMS_UNKNOWN:
        if (channel->held == MAX_HELD) {
            amqp_confirms_end(conn, state, channel, NULL, NULL);
            channel->confirms = AMQP_CONFIRMS_NONE;
            emit_published(conn, call);
            return;
        }
        channel->held++;
        break;
    }
    await(conn, state, channel, call);
}

/* ── confirms ── */

static void confirm_numbered(struct dissect_conn *conn, struct amqp_state *state,
                             struct amqp_channel *channel, struct dissect_stream *stream,
                             const struct amqp_frame_in *frame, const struct amqp_method *method)
{
    struct cursor c = cursor_of(frame->payload.data, frame->payload.len);
    cursor_skip(&c, 4);
    uint64_t tag = cursor_be64(&c);
    bool multiple = cursor_u8(&c) & 1;
    struct dissect_span *first = NULL;
    struct amqp_call *before = NULL, *confirmed = NULL;
    for (struct amqp_call *call = channel->publishes.oldest, *next; call; call = next) {
        next = call->next;
        if (tag != 0 && call->publish_tag > tag)
            break;
        bool is_it = call->publish_tag == tag || (multiple && !call->unsure);
        if (!is_it && !multiple) {
            before = call;
            continue;
        }
        amqp_unlink(&channel->publishes, before, call);
        state->unconfirmed--;
        if (!is_it) { /* its own confirm may be among what was lost */
            amqp_emit(conn, call, "incomplete", "capture_gap");
            continue;
        }
        call->response.method = method;
        struct arena *arena = dissect_entry_arena(call->entry);
        amqp_read_arguments(method, slice_sub(frame->payload, 4, SIZE_MAX), arena,
                            &call->response.arguments);
        if (first)
            amqp_copy_span(first, dissect_entry_response(call->entry), arena);
        else
            first = dissect_entry_response(call->entry);
        call->next = NULL;
        if (confirmed) { /* the first one keeps the span that the others copy */
            amqp_emit(conn, call, NULL, call->request.body_missing ? "capture_gap" : NULL);
        } else {
            confirmed = call;
            dissect_take(conn, stream, arena, first, frame->bytes);
        }
    }
    if (confirmed)
        amqp_emit(conn, confirmed, NULL, confirmed->request.body_missing ? "capture_gap" : NULL);
    else
        dissect_take(conn, stream, NULL, NULL, frame->bytes);
}

/* The only publish that waits, of a client that waits for each: its number is known now. */
static void number_again(struct dissect_conn *conn, struct amqp_state *state,
                         struct amqp_channel *channel, const struct amqp_frame_in *frame)
{
    struct amqp_call *call = channel->publishes.oldest;
    struct cursor c = cursor_of(frame->payload.data, frame->payload.len);
    cursor_skip(&c, 4);
    uint64_t tag = cursor_be64(&c);
    if (call && call->publish_tag) /* from before the loss */
        return;
    if (channel->confirms == AMQP_CONFIRMS_UNKNOWN)
        channel->confirms = AMQP_CONFIRMS_UNNUMBERED;
    else if (call && !call->next && !call->unsure && tag >= channel->next_tag) {
        call->publish_tag = tag;
        channel->next_tag = tag + 1;
        channel->confirms = AMQP_CONFIRMS_NUMBERED;
        return;
    }
    give_up(conn, state, channel);
}

bool amqp_confirm(struct dissect_conn *conn, struct amqp_state *state,
                  struct dissect_stream *stream, const struct amqp_frame_in *frame,
                  const struct amqp_method *method)
{
    struct amqp_channel *channel = amqp_channel_at(conn, state, frame->channel);
    if (!channel || channel->confirms == AMQP_CONFIRMS_NONE)
        return false;
    if (channel->confirms != AMQP_CONFIRMS_NUMBERED)
        number_again(conn, state, channel, frame);
    else if (channel->publishes.oldest && !channel->publishes.oldest->next)
        channel->alone += channel->alone < ALONE_ENOUGH;
    confirm_numbered(conn, state, channel, stream, frame, method);
    return true;
}

void amqp_confirms_gap(struct amqp_channel *channel, enum dissect_dir dir)
{
    if (dir == DIR_CLIENT && channel->confirms == AMQP_CONFIRMS_NONE)
        channel->confirms = AMQP_CONFIRMS_UNKNOWN;
    if (dir == DIR_CLIENT && channel->confirms == AMQP_CONFIRMS_NUMBERED)
        channel->confirms = AMQP_CONFIRMS_UNNUMBERED;
    for (struct amqp_call *call = channel->publishes.oldest; call && dir == DIR_SERVER;
         call = call->next)
        call->unsure = true;
}
