/* memcached's binary protocol over TCP (doc/protocol-binary.xml): a header of 24 bytes, extras,
 * key, value. Every message says which one it is and carries an opaque value that its reply
 * repeats. */
#include "dissect/proto/memcached_state.h"

enum {
    OPCODE_INCREMENT = 0x05, /* Decrement is the next one */
    OPCODE_STAT = 0x10,
    OPCODE_INCREMENT_Q = 0x15,
    OPCODE_QUIT_Q = 0x17,
    OPCODE_SASL_AUTH = 0x21,
    OPCODE_SASL_STEP = 0x22
};

static enum dissect_result begin_binary_command(struct dissect_conn *conn, struct mc_state *state,
                                                struct dissect_stream *stream,
                                                const struct mc_header *header)
{
    struct mc_side *side = &state->side[DIR_CLIENT];
    mc_before_command(conn, state);
    struct mc_call *call = mc_begin_call(conn, state);
    if (!call)
        return DISSECT_MORE;
    side->call = call;
    call->binary_name = mc_opcode_name(header->opcode);
    call->opcode = header->opcode;
    call->opaque = header->opaque;
    call->command.is_quiet = mc_opcode_is_quiet(header->opcode);
    call->command.no_reply = header->opcode == OPCODE_QUIT_Q;
    mc_take(conn, state, stream, MC_HEADER_BYTES);
    return DISSECT_OK;
}

static enum dissect_result begin_binary_reply(struct dissect_conn *conn, struct mc_state *state,
                                              struct dissect_stream *stream,
                                              const struct mc_header *header)
{
    struct mc_side *side = &state->side[DIR_SERVER];
    struct mc_call *call = side->call; /* Stat goes on */
    while (!call && state->oldest && !state->unsure) {
        struct mc_call *head = state->oldest;
        if (head->opcode == header->opcode && head->opaque == header->opaque)
            call = head;
        else if (head->command.is_quiet)
            mc_emit_oldest(conn, state, "ok", NULL);
        else
            break;
    }
    if (!call)
        call = mc_begin_alone(conn, state);
    if (!call)
        return DISSECT_MORE;
    side->call = call;
    if (call->is_alone)
        call->binary_name = mc_opcode_name(header->opcode);
    call->status = slice_str(mc_status_name(header->status, &call->failed));
    call->answered = true;
    mc_take(conn, state, stream, MC_HEADER_BYTES);
    return DISSECT_OK;
}

/* A counter comes as eight bytes. */
static void show_counter(struct mc_call *call, const struct mc_header *header)
{
    uint8_t op = header->opcode;
    bool is_counter = op == OPCODE_INCREMENT || op == OPCODE_INCREMENT + 1 ||
                      op == OPCODE_INCREMENT_Q || op == OPCODE_INCREMENT_Q + 1;
    if (!is_counter || header->status || call->values.len != 8)
        return;
    struct cursor c = cursor_of(call->values.data, 8);
    struct slice text =
        arena_printf(dissect_entry_arena(call->entry), "%llu", (unsigned long long)cursor_be64(&c));
    call->values = (struct gather){0};
    gather_add(&call->values, dissect_entry_arena(call->entry), text, DISSECT_BODY_CAP);
    call->first_line = text;
    call->value_count = 0;
}

static void binary_done(struct dissect_conn *conn, struct mc_state *state, enum dissect_dir dir)
{
    struct mc_side *side = &state->side[dir];
    struct mc_call *call = side->call;
    side->in_data = side->has_names = false;
    if (!call)
        return;
    if (dir == DIR_CLIENT) {
        mc_command_done(conn, state, call);
        return;
    }
    show_counter(call, &side->header);
    bool more = side->header.opcode == OPCODE_STAT && side->header.key_len && !call->is_alone;
    if (!more)
        mc_reply_done(conn, state, call);
}

static void take_names(struct dissect_conn *conn, struct mc_state *state,
                       struct dissect_stream *stream, size_t n)
{
    struct mc_side *side = &state->side[stream->dir];
    struct mc_call *call = side->call;
    const struct mc_header *h = &side->header;
    struct slice key = slice_of(stream->data + h->extras_len, h->key_len);
    if (call) {
        struct arena *arena = dissect_entry_arena(call->entry);
        bool names_key = stream->dir == DIR_CLIENT || call->is_alone;
        if (names_key && !call->command.key.len && h->opcode != OPCODE_SASL_AUTH &&
            h->opcode != OPCODE_SASL_STEP)
            call->command.key = arena_dup(arena, key);
        if (stream->dir == DIR_SERVER && h->opcode == OPCODE_STAT && key.len) {
            gather_add(&call->values, arena, key, DISSECT_BODY_CAP);
            gather_add(&call->values, arena, SLICE_LITERAL(" "), DISSECT_BODY_CAP);
        }
        if (stream->dir == DIR_SERVER && h->status == 0 && h->body_len > n)
            call->value_count++;
    }
    side->has_names = true;
    side->left -= n;
    mc_take(conn, state, stream, n);
}

enum dissect_result mc_read_binary(struct dissect_conn *conn, struct mc_state *state,
                                   struct dissect_stream *stream)
{
    struct mc_side *side = &state->side[stream->dir];
    bool is_client = stream->dir == DIR_CLIENT;
    if (!side->in_data) {
        struct mc_header header;
        int found = mc_parse_header(slice_of(stream->data, stream->len),
                                    is_client ? MC_REQUEST_MAGIC : MC_REPLY_MAGIC, &header);
        if (found < 0)
            return DISSECT_MORE;
        if (found == 0 && !state->any_entry)
            return DISSECT_NOT_MINE;
        if (found == 0) {
            side->lost = true;
            side->lost_some = true;
            return DISSECT_OK;
        }
        side->header = header;
        enum dissect_result begun = is_client ? begin_binary_command(conn, state, stream, &header)
                                              : begin_binary_reply(conn, state, stream, &header);
        if (begun != DISSECT_OK)
            return begun;
        mc_begin_data(side, header.body_len, 0);
        if (!side->in_data)
            binary_done(conn, state, stream->dir);
        return DISSECT_OK;
    }
    size_t names = side->header.extras_len + (size_t)side->header.key_len;
    if (!side->has_names) {
        if (stream->len < names && !stream->ended)
            return DISSECT_MORE;
        if (stream->len >= names)
            take_names(conn, state, stream, names);
        side->has_names = true;
    }
    bool is_secret =
        side->header.opcode == OPCODE_SASL_AUTH || side->header.opcode == OPCODE_SASL_STEP;
    struct mc_call *call = side->call;
    if (is_secret && call) {
        size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
        side->left -= n;
        mc_take(conn, state, stream, n);
    } else {
        mc_take_data(conn, state, stream);
    }
    if (side->left == 0) {
        if (call && !is_client && side->header.opcode == OPCODE_STAT)
            gather_add(&call->values, dissect_entry_arena(call->entry), SLICE_LITERAL("\n"),
                       DISSECT_BODY_CAP);
        binary_done(conn, state, stream->dir);
    }
    return DISSECT_OK;
}
