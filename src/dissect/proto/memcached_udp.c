/* memcached over UDP: each datagram begins with request id, its number and how many there are
 * (protocol.txt, "UDP protocol"). A reply belongs to the command of the same id. */
#include "dissect/proto/memcached_state.h"

struct frame {
    uint16_t id, number, count;
};

static bool parse_frame(struct cursor *c, struct frame *ret)
{
    ret->id = cursor_be16(c);
    ret->number = cursor_be16(c);
    ret->count = cursor_be16(c);
    cursor_skip(c, 2); /* reserved; clients leave anything in it */
    return !c->bad && ret->number < ret->count;
}

static struct slice take_line(struct cursor *c)
{
    struct slice rest = slice_of(c->pos, cursor_left(c));
    const uint8_t *lf = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;
    size_t n = lf ? (size_t)(lf - rest.data) : rest.len;
    cursor_skip(c, lf ? n + 1 : n);
    return slice_of(rest.data, n && rest.data[n - 1] == '\r' ? n - 1 : n);
}

static void read_names(struct mc_call *call, struct cursor *c, const struct mc_header *header)
{
    cursor_skip(c, MC_HEADER_BYTES + header->extras_len);
    struct slice key = cursor_slice(c, header->key_len);
    if (!call->command.key.len)
        call->command.key = arena_dup(dissect_entry_arena(call->entry), key);
}

static bool read_command(struct mc_call *call, struct cursor *c)
{
    struct mc_header header;
    if (mc_parse_header(slice_of(c->pos, cursor_left(c)), MC_REQUEST_MAGIC, &header) > 0) {
        call->binary_name = mc_opcode_name(header.opcode);
        call->opcode = header.opcode;
        call->command.is_quiet = mc_opcode_is_quiet(header.opcode);
        read_names(call, c, &header);
        return true;
    }
    struct mc_command command;
    struct slice line = take_line(c);
    if (!mc_parse_command(line, &command))
        return false;
    mc_copy_command(call, line);
    return true;
}

static void read_reply(struct mc_call *call, struct cursor *c)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct mc_header header;
    struct mc_reply reply;
    if (call->answered) /* further datagrams of the same reply */
        return;
    call->answered = true;
    if (mc_parse_header(slice_of(c->pos, cursor_left(c)), MC_REPLY_MAGIC, &header) > 0) {
        call->status = slice_str(mc_status_name(header.status, &call->failed));
        read_names(call, c, &header);
        call->value_count = cursor_left(c) > 0;
        return;
    }
    struct slice line = take_line(c);
    if (!mc_parse_reply(line, &reply))
        return;
    call->first_line = arena_dup(arena, slice_sub(line, 0, 256));
    call->status = arena_dup(arena, reply.word);
    call->failed = reply.is_error;
    call->value_count = reply.has_data;
    if (reply.has_data && reply.data_bytes < cursor_left(c))
        c->end = c->pos + reply.data_bytes;
}

static struct mc_call **link_of(struct mc_state *state, uint16_t id, struct mc_call **ret_before)
{
    struct mc_call **link = &state->oldest;
    *ret_before = NULL;
    while (*link && (*link)->request_id != id) {
        *ret_before = *link;
        link = &(*link)->next;
    }
    return link;
}

/* A datagram before it is missing, or its own end. */
static void note_loss(struct dissect_conn *conn, struct mc_call *call, enum dissect_dir dir,
                      const struct frame *frame)
{
    if (frame->number != call->datagrams[dir]++ || dissect_packet(conn)->is_cut)
        call->has_gap = call->truncated = true;
}

static void emit_done(struct dissect_conn *conn, struct mc_call *call)
{
    memcached_emit(conn, call, call->failed ? "error" : "ok", call->has_gap ? "capture_gap" : NULL);
}

static enum dissect_result command_datagram(struct dissect_conn *conn, struct mc_state *state,
                                            struct dissect_stream *stream,
                                            const struct frame *frame, struct cursor c)
{
    struct mc_call *before;
    struct mc_call *call = frame->number ? *link_of(state, frame->id, &before) : NULL;
    bool is_new = !call;
    if (is_new && frame->number)
        return DISSECT_NOT_MINE;
    if (is_new)
        call = mc_begin_call(conn, state);
    if (!call)
        return DISSECT_NOT_MINE;
    if (is_new && !read_command(call, &c)) {
        dissect_entry_drop(conn, call->entry);
        return DISSECT_NOT_MINE;
    }
    call->request_id = frame->id;
    note_loss(conn, call, DIR_CLIENT, frame);
    struct arena *arena = dissect_entry_arena(call->entry);
    bool last = frame->number + 1 == frame->count;
    size_t n = cursor_left(&c);
    n -= last && call->command.has_data && n >= 2 ? 2 : 0;
    gather_add(&call->sent, arena, slice_of(c.pos, n), DISSECT_BODY_CAP);
    dissect_take(conn, stream, arena, dissect_entry_request(call->entry), stream->len);
    if (is_new)
        mc_append(state, call);
    bool silent = call->command.no_reply || call->command.is_quiet;
    if (!last || !silent)
        return DISSECT_OK;
    struct mc_call **link = link_of(state, frame->id, &before);
    *link = call->next;
    if (state->newest == call)
        state->newest = before;
    emit_done(conn, call);
    return DISSECT_OK;
}

enum dissect_result mc_datagram(struct dissect_conn *conn, struct mc_state *state,
                                struct dissect_stream *stream)
{
    struct cursor c = cursor_of(stream->data, stream->len);
    struct frame frame;
    struct mc_call *before;
    if (!parse_frame(&c, &frame))
        return DISSECT_NOT_MINE;
    if (stream->dir == DIR_CLIENT)
        return command_datagram(conn, state, stream, &frame, c);
    struct mc_call **link = link_of(state, frame.id, &before), *call = *link;
    if (!call) { /* the command was not seen */
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    note_loss(conn, call, DIR_SERVER, &frame);
    read_reply(call, &c);
    gather_add(&call->values, dissect_entry_arena(call->entry), slice_of(c.pos, cursor_left(&c)),
               DISSECT_BODY_CAP);
    dissect_take(conn, stream, dissect_entry_arena(call->entry),
                 dissect_entry_response(call->entry), stream->len);
    if (frame.number + 1 < frame.count)
        return DISSECT_OK;
    *link = call->next;
    if (state->newest == call)
        state->newest = before;
    emit_done(conn, call);
    return DISSECT_OK;
}
