/* Diameter (RFC 6733) over TCP, and over SCTP as a layer of sctp.c: requests and answers by their
 * hop-by-hop identifier, end-to-end identifier and command. Both peers ask.
 *
 * A message is gathered as it comes and read when it is whole. It is believed by its header and a
 * chain of AVPs that fits, which is also how messages are found again after a loss. */
#include "dissect/proto/diameter_call.h"

enum {
    BUCKETS = 256,
    MAX_WAITING = 900, /* a connection has 1,024 open entries */
    FIND_STEP = 64 * 1024
};

struct diameter_side {
    uint64_t left; /* of the message */
    struct diameter_call *call;
    bool in_message, is_request, lost;
};

struct diameter_state {
    struct diameter_side side[2];
    struct diameter_call *buckets[BUCKETS];
    struct diameter_call *oldest, *newest;
    unsigned waiting, gaps[2];
    uint32_t last_end_to_end[2]; /* of the request before, by who asked */
    bool repeats_ids[2];         /* they are not as unique as they should be */
    bool any_entry;
};

static enum dissect_dir other(enum dissect_dir dir)
{
    return dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
}

/* ── calls ── */

static struct diameter_call **bucket_of(struct diameter_state *state,
                                        const struct diameter_head *head)
{
    return &state->buckets[(head->hop_by_hop ^ head->hop_by_hop >> 16) % BUCKETS];
}

static struct diameter_call *find_waiting(struct diameter_state *state, enum dissect_dir from,
                                          const struct diameter_head *head)
{
    for (struct diameter_call *call = *bucket_of(state, head); call; call = call->next) {
        const struct diameter_head *asked = &call->request.head;
        if (call->from == from && asked->hop_by_hop == head->hop_by_hop &&
            asked->end_to_end == head->end_to_end && asked->command == head->command)
            return call;
    }
    return NULL;
}

static void wait(struct diameter_state *state, struct diameter_call *call)
{
    struct diameter_call **bucket = bucket_of(state, &call->request.head);
    call->next = *bucket;
    *bucket = call;
    call->is_waiting = true;
    call->older = state->newest;
    if (state->newest)
        state->newest->newer = call;
    else
        state->oldest = call;
    state->newest = call;
    state->waiting++;
}

static void unlink_call(struct diameter_state *state, struct diameter_call *call)
{
    struct diameter_call **at = bucket_of(state, &call->request.head);
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->older)
        call->older->newer = call->newer;
    else
        state->oldest = call->newer;
    if (call->newer)
        call->newer->older = call->older;
    else
        state->newest = call->older;
    call->is_waiting = false;
    state->waiting--;
}

static void release(struct dissect_conn *conn, struct diameter_state *state,
                    struct diameter_call *call, const char *status, const char *reason)
{
    if (call->is_waiting)
        unlink_call(state, call);
    for (int i = 0; i < 2; i++)
        if (state->side[i].call == call)
            state->side[i].call = NULL;
    diameter_emit(conn, call, status, reason);
}

static bool answer_may_be_lost(const struct diameter_state *state, const struct diameter_call *call)
{
    return state->gaps[other(call->from)] != call->gaps;
}

/* Without its answer; `status` is what it has when nothing was lost. */
static void give_up(struct dissect_conn *conn, struct diameter_state *state,
                    struct diameter_call *call, const char *status, const char *reason)
{
    bool any_loss = state->gaps[0] || state->gaps[1] || !dissect_is_late_join(conn);
    if (!call->request.is_there)
        release(conn, state, call, "incomplete", any_loss ? "capture_gap" : "window_start");
    else if (call->is_unsure || call->request.has_gap || answer_may_be_lost(state, call))
        release(conn, state, call, "incomplete", "capture_gap");
    else
        release(conn, state, call, status, reason);
}

static struct diameter_call *begin_call(struct dissect_conn *conn, struct diameter_state *state,
                                        enum dissect_dir from)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct diameter_call *call =
        entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->from = from;
    call->gaps = state->gaps[other(from)];
    call->asker_gaps = state->gaps[from];
    if (from == DIR_SERVER)
        dissect_entry_reverse(entry);
    state->any_entry = true;
    return call;
}

/* ── messages ── */

static void request_done(struct dissect_conn *conn, struct diameter_state *state,
                         struct diameter_call *call)
{
    const struct diameter_head *head = &call->request.head;
    struct diameter_call *same = find_waiting(state, call->from, head);
    if (same) { /* RFC 6733 section 3 forbids that: nobody can tell whose answer comes */
        call->is_unsure = !answer_may_be_lost(state, same);
        give_up(conn, state, same, "no_response", NULL);
    }
    if (state->waiting >= MAX_WAITING)
        give_up(conn, state, state->oldest, "open", NULL);
    state->repeats_ids[call->from] |= head->end_to_end == state->last_end_to_end[call->from];
    state->last_end_to_end[call->from] = head->end_to_end;
    wait(state, call);
}

static void answer_done(struct dissect_conn *conn, struct diameter_state *state,
                        struct diameter_call *call)
{
    bool has_gap = call->request.has_gap || call->answer.has_gap;
    if (!call->request.is_there)
        give_up(conn, state, call, NULL, NULL);
    else
        release(conn, state, call, has_gap ? "incomplete" : NULL, has_gap ? "capture_gap" : NULL);
}

/* The request that this answers, out of those that wait; NULL: it was not recorded. */
static struct diameter_call *take_asked(struct dissect_conn *conn, struct diameter_state *state,
                                        enum dissect_dir from, const struct diameter_head *head)
{
    struct diameter_call *call = find_waiting(state, from, head);
    if (!call)
        return NULL;
    bool may_be_another = state->repeats_ids[from] && answer_may_be_lost(state, call) &&
                          state->gaps[from] != call->asker_gaps;
    if (call->is_unsure || may_be_another) {
        call->is_unsure = true;
        give_up(conn, state, call, NULL, NULL);
        return NULL;
    }
    unlink_call(state, call);
    return call;
}

static struct diameter_part *part_of(const struct diameter_side *side)
{
    return side->is_request ? &side->call->request : &side->call->answer;
}

static struct dissect_span *span_of(const struct diameter_side *side)
{
    if (!side->call)
        return NULL;
    return side->is_request ? dissect_entry_request(side->call->entry)
                            : dissect_entry_response(side->call->entry);
}

static void message_done(struct dissect_conn *conn, struct diameter_state *state,
                         enum dissect_dir dir)
{
    struct diameter_side *side = &state->side[dir];
    struct diameter_call *call = side->call;
    side->in_message = false;
    side->call = NULL;
    if (!call)
        return;
    if (side->is_request)
        request_done(conn, state, call);
    else
        answer_done(conn, state, call);
}

static enum dissect_result read_message(struct dissect_conn *conn, struct diameter_state *state,
                                        struct dissect_stream *stream)
{
    struct diameter_side *side = &state->side[stream->dir];
    struct arena *arena = side->call ? dissect_entry_arena(side->call->entry) : NULL;
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    if (side->call && !part_of(side)->has_gap)
        gather_add(&part_of(side)->bytes, arena, slice_of(stream->data, n), DIAMETER_MESSAGE_MAX);
    side->left -= n;
    dissect_take(conn, stream, arena, span_of(side), n);
    if (side->left == 0)
        message_done(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_message(struct dissect_conn *conn, struct diameter_state *state,
                                         struct dissect_stream *stream,
                                         const struct diameter_head *head)
{
    struct diameter_side *side = &state->side[stream->dir];
    bool is_request = head->flags & DIAMETER_REQUEST;
    enum dissect_dir from = is_request ? stream->dir : other(stream->dir);
    /* Who connects begins with it (RFC 6733 section 5.3). */
    bool shows_sides =
        head->command == DIAMETER_CAPABILITIES_EXCHANGE && dissect_is_late_join(conn);
    if (shows_sides && from == DIR_SERVER && !state->any_entry) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    struct diameter_call *call = is_request ? NULL : take_asked(conn, state, from, head);
    if (!call)
        call = begin_call(conn, state, from);
    side->call = call;
    side->is_request = is_request;
    side->in_message = true;
    side->left = head->bytes;
    if (call) {
        part_of(side)->is_there = true;
        part_of(side)->head = *head;
    }
    return read_message(conn, state, stream);
}

/* ── found again after a loss ── */

static enum dissect_result find_message(struct dissect_conn *conn, struct diameter_state *state,
                                        struct dissect_stream *stream)
{
    struct diameter_side *side = &state->side[stream->dir];
    struct slice all = slice_of(stream->data, stream->len);
    size_t at = 0, most = all.len < FIND_STEP ? all.len : FIND_STEP;
    while (at < most) {
        enum diameter_judgement found = diameter_judge(slice_sub(all, at, SIZE_MAX), stream->ended);
        if (found == DIAMETER_IS)
            side->lost = false;
        if (found != DIAMETER_IS_NOT)
            break;
        at++;
    }
    if (at)
        dissect_take(conn, stream, NULL, NULL, at);
    return at || !side->lost ? DISSECT_OK : DISSECT_MORE;
}

/* ── the dissector ── */

/* A user message of SCTP is a message of Diameter (RFC 6733 section 2.1.1). */
static enum dissect_result read_datagram(struct dissect_conn *conn, struct diameter_state *state,
                                         struct dissect_stream *stream)
{
    struct diameter_side *side = &state->side[stream->dir];
    struct diameter_head head;
    if (!diameter_read_head(slice_of(stream->data, stream->len), &head)) {
        if (!state->any_entry)
            return DISSECT_NOT_MINE;
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    enum dissect_result result = begin_message(conn, state, stream, &head);
    if (side->in_message) { /* shorter than it says */
        if (side->call)
            part_of(side)->has_gap = true;
        message_done(conn, state, stream->dir);
    }
    return result;
}

static enum dissect_result diameter_data(struct dissect_conn *conn, void *opaque,
                                         struct dissect_stream *stream)
{
    struct diameter_state *state = opaque;
    struct diameter_side *side = &state->side[stream->dir];
    struct diameter_head head;
    if (stream->len == 0)
        return DISSECT_OK;
    if (stream->is_datagram)
        return read_datagram(conn, state, stream);
    if (side->in_message)
        return read_message(conn, state, stream);
    if (side->lost) {
        enum dissect_result found = find_message(conn, state, stream);
        if (found != DISSECT_OK || side->lost)
            return found;
    }
    if (stream->len < DIAMETER_HEADER_BYTES)
        return DISSECT_MORE;
    if (diameter_read_head(slice_of(stream->data, stream->len), &head))
        return begin_message(conn, state, stream, &head);
    if (!state->any_entry)
        return DISSECT_NOT_MINE;
    side->lost = true;
    state->gaps[stream->dir]++; /* what stands between here and there is lost */
    return find_message(conn, state, stream);
}

static void diameter_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir,
                         uint64_t bytes)
{
    struct diameter_state *state = opaque;
    struct diameter_side *side = &state->side[dir];
    state->gaps[dir]++;
    if (!side->in_message) {
        side->lost = true;
        return;
    }
    uint64_t inside = bytes < side->left ? bytes : side->left;
    if (side->call) {
        span_of(side)->gap_bytes += inside;
        part_of(side)->has_gap = true;
    }
    side->left -= inside;
    side->lost = inside < bytes;
    if (side->left == 0)
        message_done(conn, state, dir);
}

static void diameter_open(struct dissect_conn *conn, void *opaque)
{
    struct diameter_state *state = opaque;
    state->side[DIR_CLIENT].lost = state->side[DIR_SERVER].lost = dissect_is_late_join(conn);
}

static void diameter_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct diameter_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    for (int dir = 0; dir < 2; dir++) {
        struct diameter_side *side = &state->side[dir];
        struct diameter_call *call = side->call;
        if (!call)
            continue;
        const char *reason = is_open ? "window_end" : dissect_end_reason(end);
        if (!call->request.is_there)
            release(conn, state, call, "incomplete", is_open ? "window_end" : "capture_gap");
        else if (side->is_request)
            give_up(conn, state, call, is_open ? "open" : "no_response", reason);
        else
            give_up(conn, state, call, is_open ? "open" : "error", reason);
    }
    while (state->oldest)
        give_up(conn, state, state->oldest, is_open ? "open" : "no_response",
                dissect_end_reason(end));
}

/* ── detection ── */

static enum probe_result diameter_probe(const struct probe_input *in)
{
    bool is_whole = in->transport == DISSECT_SCTP;
    enum diameter_judgement client = DIAMETER_IS_NOT, server = DIAMETER_IS_NOT;
    if (in->client.len)
        client = diameter_judge(in->client, in->client_ended || is_whole);
    if (in->server.len && (in->is_late_join || in->client.len == 0))
        server = diameter_judge(in->server, in->server_ended || is_whole);
    if (client == DIAMETER_IS || server == DIAMETER_IS)
        return PROBE_YES;
    bool is_empty = in->client.len == 0 && in->server.len == 0;
    return is_empty || client == DIAMETER_MAYBE || server == DIAMETER_MAYBE ? PROBE_MAYBE
                                                                            : PROBE_NO;
}

static const uint16_t diameter_ports[] = {3868, 5868, 0};

const struct dissector dissector_diameter = {
    .name = "diameter",
    .spec = "RFC 6733",
    .transports = DISSECT_TCP | DISSECT_SCTP,
    .port_hints = diameter_ports,
    .fields = diameter_fields,
    .field_count = DIAMETER_FIELD_COUNT,
    .state_bytes = sizeof(struct diameter_state),
    .probe = diameter_probe,
    .open = diameter_open,
    .data = diameter_data,
    .gap = diameter_gap,
    .close = diameter_close,
};
