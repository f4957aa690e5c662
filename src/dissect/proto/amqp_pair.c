/* Which AMQP method answers which: synchronous methods by channel and kind, in their order;
 * contents behind their method. Publisher confirms: amqp_confirm.c. */
#include "dissect/proto/amqp_call.h"

void amqp_append(struct amqp_queue *queue, struct amqp_call *call)
{
    call->next = NULL;
    if (queue->newest)
        queue->newest->next = call;
    else
        queue->oldest = call;
    queue->newest = call;
}

void amqp_unlink(struct amqp_queue *queue, struct amqp_call *before, struct amqp_call *call)
{
    if (before)
        before->next = call->next;
    else
        queue->oldest = call->next;
    if (queue->newest == call)
        queue->newest = before;
}

void amqp_copy_span(struct dissect_span *from, struct dissect_span *to, struct arena *arena)
{
    struct packet_ref *refs = arena_alloc(arena, (from->ref_count + 1) * sizeof *refs);
    *to = *from;
    to->refs = refs;
    to->ref_cap = to->ref_count = refs ? from->ref_count : 0;
    if (to->ref_count)
        memcpy(refs, from->refs, to->ref_count * sizeof *refs);
}

struct amqp_call *amqp_begin(struct dissect_conn *conn, struct amqp_state *state, uint16_t channel,
                             bool reversed)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct amqp_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->channel = channel;
    call->reversed = reversed;
    if (reversed)
        dissect_entry_reverse(entry);
    state->any_entry = true;
    return call;
}

struct amqp_channel *amqp_channel_at(struct dissect_conn *conn, struct amqp_state *state,
                                     uint16_t number)
{
    struct amqp_channel **bucket = &state->buckets[number % AMQP_BUCKETS];
    for (struct amqp_channel *channel = *bucket; channel; channel = channel->next)
        if (channel->number == number)
            return channel;
    if (state->channels == AMQP_MAX_CHANNELS)
        return NULL;
    struct amqp_channel *channel = arena_zalloc(dissect_arena(conn), sizeof *channel);
    if (!channel)
        return NULL;
    channel->number = number;
    if (state->lost_requests || dissect_is_late_join(conn))
        channel->confirms = AMQP_CONFIRMS_UNKNOWN;
    channel->next = *bucket;
    *bucket = channel;
    state->channels++;
    return channel;
}

/* ── leaving ── */

/* Without an answer: whoever may have had one that was lost says that instead. */
static void emit_waiting(struct dissect_conn *conn, struct amqp_state *state,
                         struct amqp_queue *queue, const char *status, const char *reason)
{
    while (queue->oldest) {
        struct amqp_call *call = queue->oldest;
        amqp_unlink(queue, NULL, call);
        state->waiting--;
        if (call->unsure)
            amqp_emit(conn, call, "incomplete", "capture_gap");
        else
            amqp_emit(conn, call, status, reason);
    }
}

static void end_content(struct dissect_conn *conn, struct amqp_channel *channel,
                        enum dissect_dir dir, const char *status, const char *reason)
{
    struct amqp_call *call = channel->content[dir];
    channel->content[dir] = NULL;
    if (call)
        amqp_emit(conn, call, status, reason);
}

/* The channel is no more: nothing on it will be answered. */
static void end_channel(struct dissect_conn *conn, struct amqp_state *state,
                        struct amqp_channel *channel)
{
    for (int dir = 0; dir < 2; dir++) {
        end_content(conn, channel, (enum dissect_dir)dir, "error", "closed");
        emit_waiting(conn, state, &channel->waiting[dir], "no_response", "closed");
    }
    amqp_confirms_end(conn, state, channel, "no_response", "closed");
    channel->confirms = AMQP_CONFIRMS_NONE;
}

/* Why the other half is not there. That something was lost may be known only later. */
static const char *lone_reason(const struct dissect_conn *conn, const struct amqp_state *state)
{
    return dissect_is_late_join(conn) && !state->any_gap ? "window_start" : "capture_gap";
}

static void message_done(struct dissect_conn *conn, struct amqp_state *state,
                         struct amqp_channel *channel, struct amqp_call *call)
{
    bool gap = call->request.body_missing || call->response.body_missing;
    const struct amqp_method *asked = call->request.method;
    if (asked && asked->id == AMQP_BASIC_PUBLISH && !call->reversed)
        amqp_published(conn, state, channel, call);
    else
        amqp_emit(conn, call, NULL, gap ? "capture_gap" : NULL);
}

/* ── methods ── */

/* The oldest call of the other side that `method` answers. */
static struct amqp_call *find_asked(struct amqp_queue *queue, uint32_t id,
                                    struct amqp_call **ret_before)
{
    struct amqp_call *before = NULL;
    for (struct amqp_call *call = queue->oldest; call; before = call, call = call->next) {
        const struct amqp_method *asked = call->request.method;
        if (asked->reply == id || asked->other_reply == id) {
            *ret_before = before;
            return call;
        }
    }
    return NULL;
}

/* channel.close and connection.close name the method that failed: this is its answer too. */
static void fail_asked(struct dissect_conn *conn, struct amqp_state *state,
                       struct amqp_channel *channel, enum dissect_dir dir,
                       const struct amqp_call *close)
{
    const struct amqp_arguments *why = &close->request.arguments;
    uint32_t id = AMQP_ID(amqp_argument_number(why, "class-id") & 0xffff,
                          amqp_argument_number(why, "method-id") & 0xffff);
    struct amqp_queue *queue = &channel->waiting[dir ^ 1];
    struct amqp_call *before = NULL;
    for (struct amqp_call *call = queue->oldest; id && call; before = call, call = call->next) {
        if (call->request.method->id != id)
            continue;
        struct arena *arena = dissect_entry_arena(call->entry);
        amqp_unlink(queue, before, call);
        state->waiting--;
        call->response.method = close->request.method;
        for (uint32_t i = 0; i < why->count; i++) {
            struct entry_pair *pair = &call->response.arguments.pairs[i];
            pair->key = why->pairs[i].key;
            pair->value = arena_dup(arena, why->pairs[i].value);
        }
        call->response.arguments.count = why->count;
        amqp_copy_span(dissect_entry_request(close->entry), dissect_entry_response(call->entry),
                       arena);
        amqp_emit(conn, call, "error", NULL);
        return;
    }
}

static void fail_everywhere(struct dissect_conn *conn, struct amqp_state *state,
                            enum dissect_dir dir, const struct amqp_call *close)
{
    for (size_t i = 0; i < AMQP_BUCKETS; i++)
        for (struct amqp_channel *channel = state->buckets[i]; channel; channel = channel->next)
            if (channel->number)
                fail_asked(conn, state, channel, dir, close);
}

/* A request or a message of its own begins with this frame. */
static void on_request(struct dissect_conn *conn, struct amqp_state *state,
                       struct dissect_stream *stream, const struct amqp_frame_in *frame,
                       const struct amqp_method *method)
{
    struct amqp_channel *channel = amqp_channel_at(conn, state, frame->channel);
    enum dissect_dir dir = frame->dir;
    struct amqp_call *call =
        channel ? amqp_begin(conn, state, frame->channel, dir == DIR_SERVER) : NULL;
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, frame->bytes);
        return;
    }
    struct arena *arena = dissect_entry_arena(call->entry);
    call->request.method = method;
    amqp_read_arguments(method, slice_sub(frame->payload, 4, SIZE_MAX), arena,
                        &call->request.arguments);
    dissect_take(conn, stream, arena, dissect_entry_request(call->entry), frame->bytes);
    if (method->id == AMQP_CHANNEL_CLOSE)
        fail_asked(conn, state, channel, dir, call);
    if (method->id == AMQP_CONNECTION_CLOSE)
        fail_everywhere(conn, state, dir, call);
    if (method->id == AMQP_CHANNEL_OPEN)
        end_channel(conn, state, channel);
    if (method->id == AMQP_CONFIRM_SELECT)
        amqp_confirm_select(channel, true);
    if (method->traits & AMQP_CONTENT) {
        end_content(conn, channel, dir, "error", NULL);
        if (method->id == AMQP_BASIC_PUBLISH && channel->confirms == AMQP_CONFIRMS_NUMBERED)
            call->publish_tag = channel->next_tag++;
        channel->content[dir] = call;
        channel->content_is_response[dir] = false;
        return;
    }
    bool is_confirm = dir == DIR_SERVER && method->id == AMQP_BASIC_ACK;
    is_confirm |= dir == DIR_SERVER && method->id == AMQP_BASIC_NACK;
    if (is_confirm) { /* of what nobody was seen to publish */
        amqp_emit(conn, call, "incomplete", lone_reason(conn, state));
        return;
    }
    if (!method->reply || amqp_argument_is_true(&call->request.arguments, "no-wait")) {
        amqp_emit(conn, call, NULL, NULL);
        return;
    }
    struct amqp_queue *queue = &channel->waiting[dir];
    if (queue->oldest && queue->newest->unsure) /* whoever waits had its answer before it asks on */
        emit_waiting(conn, state, queue, "incomplete", "capture_gap");
    if (state->waiting >= AMQP_MAX_WAITING) {
        amqp_emit(conn, call, "open", NULL);
        return;
    }
    amqp_append(queue, call);
    state->waiting++;
}

static void on_reply(struct dissect_conn *conn, struct amqp_state *state,
                     struct dissect_stream *stream, const struct amqp_frame_in *frame,
                     const struct amqp_method *method)
{
    struct amqp_channel *channel = amqp_channel_at(conn, state, frame->channel);
    enum dissect_dir dir = frame->dir, asker = dir ^ 1;
    struct amqp_call *before = NULL;
    struct amqp_call *call =
        channel ? find_asked(&channel->waiting[asker], method->id, &before) : NULL;
    bool is_alone = !call;
    if (call) {
        amqp_unlink(&channel->waiting[asker], before, call);
        state->waiting--;
    } else {
        call = channel ? amqp_begin(conn, state, frame->channel, asker == DIR_SERVER) : NULL;
    }
    if (!call) {
        dissect_take(conn, stream, NULL, NULL, frame->bytes);
        return;
    }
    struct arena *arena = dissect_entry_arena(call->entry);
    call->response.method = method;
    amqp_read_arguments(method, slice_sub(frame->payload, 4, SIZE_MAX), arena,
                        &call->response.arguments);
    dissect_take(conn, stream, arena, dissect_entry_response(call->entry), frame->bytes);
    if (method->traits & AMQP_CONTENT) {
        end_content(conn, channel, dir, "error", NULL);
        call->unsure |= is_alone;
        channel->content[dir] = call;
        channel->content_is_response[dir] = true;
        return;
    }
    const char *lost = is_alone       ? lone_reason(conn, state)
                       : call->unsure ? "capture_gap" /* of a later one, perhaps */
                                      : NULL;
    if (method->id == AMQP_CONFIRM_SELECT_OK)
        amqp_confirm_select(channel, !lost);
    amqp_emit(conn, call, lost ? "incomplete" : NULL, lost);
    if (method->id == AMQP_CHANNEL_CLOSE_OK)
        end_channel(conn, state, channel);
}

void amqp_on_method(struct dissect_conn *conn, struct amqp_state *state,
                    struct dissect_stream *stream, const struct amqp_frame_in *frame,
                    const struct amqp_method *method)
{
    bool confirms =
        frame->dir == DIR_SERVER && (method->id == AMQP_BASIC_ACK || method->id == AMQP_BASIC_NACK);
    state->any_method = true;
    if (confirms && amqp_confirm(conn, state, stream, frame, method))
        return;
    if (method->traits & AMQP_REPLY)
        on_reply(conn, state, stream, frame, method);
    else
        on_request(conn, state, stream, frame, method);
}

/* ── contents ── */

/* Content whose method was not recorded: only publishes come from clients. */
static struct amqp_call *begin_headless(struct dissect_conn *conn, struct amqp_state *state,
                                        struct amqp_channel *channel, enum dissect_dir dir)
{
    struct amqp_call *call = amqp_begin(conn, state, channel->number, dir == DIR_SERVER);
    if (!call)
        return NULL;
    call->unsure = true;
    if (dir == DIR_CLIENT)
        call->request.method = amqp_method_find(AMQP_BASIC_PUBLISH);
    channel->content[dir] = call;
    channel->content_is_response[dir] = false;
    return call;
}

static struct amqp_part *content_part(struct amqp_channel *channel, enum dissect_dir dir)
{
    struct amqp_call *call = channel->content[dir];
    return channel->content_is_response[dir] ? &call->response : &call->request;
}

static struct dissect_span *content_span(struct amqp_channel *channel, enum dissect_dir dir)
{
    struct dissect_entry *entry = channel->content[dir]->entry;
    return channel->content_is_response[dir] ? dissect_entry_response(entry)
                                             : dissect_entry_request(entry);
}

void amqp_on_header(struct dissect_conn *conn, struct amqp_state *state,
                    struct dissect_stream *stream, const struct amqp_frame_in *frame)
{
    struct amqp_channel *channel = amqp_channel_at(conn, state, frame->channel);
    enum dissect_dir dir = frame->dir;
    if (channel && channel->content[dir] && content_part(channel, dir)->has_header)
        end_content(conn, channel, dir, "error", NULL);
    if (!channel || (!channel->content[dir] && !begin_headless(conn, state, channel, dir))) {
        dissect_take(conn, stream, NULL, NULL, frame->bytes);
        return;
    }
    struct amqp_part *part = content_part(channel, dir);
    struct arena *arena = dissect_entry_arena(channel->content[dir]->entry);
    struct cursor c = cursor_of(frame->payload.data, frame->payload.len);
    cursor_skip(&c, 4); /* class, weight */
    part->body_size = cursor_be64(&c);
    part->has_header = true;
    amqp_read_properties(slice_of(c.pos, cursor_left(&c)), arena, &part->arguments);
    dissect_take(conn, stream, arena, content_span(channel, dir), frame->bytes);
    amqp_body_ends(conn, state, channel, dir);
}

void amqp_on_body(struct dissect_conn *conn, struct amqp_state *state,
                  struct dissect_stream *stream, struct amqp_channel *channel, size_t n,
                  bool is_payload)
{
    enum dissect_dir dir = stream->dir;
    (void)state;
    if (!channel || !channel->content[dir]) {
        dissect_take(conn, stream, NULL, NULL, n);
        return;
    }
    struct amqp_part *part = content_part(channel, dir);
    struct arena *arena = dissect_entry_arena(channel->content[dir]->entry);
    if (is_payload) {
        if (!part->body_missing) /* bytes from both sides of a hole must not stand side by side */
            gather_add(&part->body, arena, slice_of(stream->data, n), DISSECT_BODY_CAP);
        part->body_seen += n;
    }
    dissect_take(conn, stream, arena, content_span(channel, dir), n);
}

void amqp_body_ends(struct dissect_conn *conn, struct amqp_state *state,
                    struct amqp_channel *channel, enum dissect_dir dir)
{
    struct amqp_call *call = channel ? channel->content[dir] : NULL;
    if (!call)
        return;
    const struct amqp_part *part = content_part(channel, dir);
    if (!part->has_header || part->body_seen < part->body_size)
        return;
    channel->content[dir] = NULL;
    if (call->unsure) {
        amqp_emit(conn, call, "incomplete", lone_reason(conn, state));
    } else {
        message_done(conn, state, channel, call);
    }
}

/* ── losses and the end ── */

void amqp_body_gap(struct amqp_channel *channel, enum dissect_dir dir, uint64_t missing)
{
    if (!channel || !channel->content[dir])
        return;
    struct amqp_part *part = content_part(channel, dir);
    part->body_seen += missing;
    part->body_missing += missing;
    content_span(channel, dir)->gap_bytes += missing;
}

void amqp_on_gap(struct dissect_conn *conn, struct amqp_state *state, enum dissect_dir dir)
{
    for (size_t i = 0; i < AMQP_BUCKETS; i++)
        for (struct amqp_channel *channel = state->buckets[i]; channel; channel = channel->next) {
            end_content(conn, channel, dir, "incomplete", "capture_gap");
            struct amqp_queue *asked = &channel->waiting[dir],
                              *awaited = &channel->waiting[dir ^ 1];
            if (asked->oldest && asked->oldest->unsure)
                emit_waiting(conn, state, asked, "incomplete", "capture_gap");
            if (awaited->oldest && (awaited->oldest->next || awaited->oldest->unsure))
                emit_waiting(conn, state, awaited, "incomplete", "capture_gap");
            if (awaited->oldest)
                awaited->oldest->unsure = true;
            amqp_confirms_gap(channel, dir);
        }
    state->any_gap = true;
    state->lost_requests |= dir == DIR_CLIENT;
}

void amqp_on_close(struct dissect_conn *conn, struct amqp_state *state, enum dissect_end end)
{
    const char *reason = dissect_end_reason(end);
    bool is_over = end != END_OF_DATA;
    for (size_t i = 0; i < AMQP_BUCKETS; i++)
        for (struct amqp_channel *channel = state->buckets[i]; channel; channel = channel->next) {
            for (int dir = 0; dir < 2; dir++) {
                end_content(conn, channel, (enum dissect_dir)dir, is_over ? "error" : "open",
                            is_over ? reason : "window_end");
                emit_waiting(conn, state, &channel->waiting[dir], is_over ? "no_response" : "open",
                             reason);
            }
            amqp_confirms_end(conn, state, channel, is_over ? "no_response" : "open", reason);
        }
}
