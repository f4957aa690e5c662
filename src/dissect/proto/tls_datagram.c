/* DTLS (RFC 6347 section 4, RFC 9147): records in datagrams, fragments of handshake messages. */
#include "dissect/proto/tls_state.h"

/* A fragment of a handshake message; fragments are taken in order, repeated ones are passed over.
 */
static void on_fragment(struct tls_state *state, enum dissect_dir dir, struct cursor *c)
{
    struct tls_side *side = &state->side[dir];
    struct arena *arena = dissect_entry_arena(state->handshake.entry);
    unsigned type = cursor_u8(c);
    size_t total = cursor_be24(c);
    unsigned sequence = cursor_be16(c);
    size_t offset = cursor_be24(c);
    struct slice bytes = cursor_slice(c, cursor_be24(c));
    if (c->bad || total > TLS_MAX_MESSAGE || offset + bytes.len > total)
        return;
    if (sequence != side->next_sequence) {
        if (sequence < side->next_sequence || offset)
            return;
        side->next_sequence = (uint16_t)sequence; /* what was between is lost */
        side->in_message = false;
    }
    if (offset == 0) {
        if (side->in_message)
            return;
        side->in_message = true;
        side->message = (struct gather){0};
    }
    if (!side->in_message || (tls_is_kept(type) && offset != side->message.len))
        return;
    if (tls_is_kept(type))
        gather_add(&side->message, arena, bytes, TLS_MAX_MESSAGE);
    if (offset + bytes.len < total)
        return;
    side->in_message = false;
    side->next_sequence++;
    tls_on_message(state, dir, type, gather_slice(&side->message));
}

static void on_dtls_record(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                           unsigned epoch, struct slice payload)
{
    struct tls_side *side = &state->side[dir];
    struct cursor c = cursor_of(payload.data, payload.len);
    if (epoch) {
        if (side->type == TLS_APPLICATION_DATA || side->type == DTLS_CID || side->encrypted)
            tls_on_encrypted(conn, state, dir);
        return;
    }
    tls_on_record_begin(conn, state, dir, payload.len);
    if (state->done)
        return;
    if (side->type == TLS_HANDSHAKE)
        while (cursor_left(&c) >= DTLS_MESSAGE_HEADER && !c.bad)
            on_fragment(state, dir, &c);
    else if (side->type == TLS_ALERT && payload.len == 2)
        tls_on_alert(conn, state, payload.data[0], payload.data[1]);
}

enum dissect_result tls_read_datagram(struct dissect_conn *conn, struct tls_state *state,
                                      struct dissect_stream *stream)
{
    struct cursor c = cursor_of(stream->data, stream->len);
    bool is_first = !state->handshake.entry;
    bool is_hello = stream->len > DTLS_RECORD_HEADER && stream->data[0] == TLS_HANDSHAKE;
    uint8_t type = is_hello ? stream->data[DTLS_RECORD_HEADER] : 0;
    if (is_first && !tls_is_dtls_header(stream->data, stream->len))
        return DISSECT_NOT_MINE;
    if (is_first &&
        ((stream->dir == DIR_CLIENT && (type == TLS_SERVER_HELLO || type == TLS_HELLO_VERIFY)) ||
         (stream->dir == DIR_SERVER && type == TLS_CLIENT_HELLO))) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    if (is_first && !tls_begin(conn, state))
        return DISSECT_BAD;
    state->handshake.is_dtls = true;
    /* The parser keeps copies: the bytes are counted to the handshake before it may leave. */
    struct slice all =
        arena_dup(dissect_entry_arena(state->handshake.entry), slice_of(stream->data, stream->len));
    tls_take(conn, state, stream, stream->len);
    if (!all.data)
        return DISSECT_OK;
    c = cursor_of(all.data, all.len);
    while (!state->done && tls_is_dtls_header(c.pos, cursor_left(&c))) {
        struct tls_side *side = &state->side[stream->dir];
        side->type = cursor_u8(&c);
        cursor_skip(&c, 2);
        unsigned epoch = cursor_be16(&c);
        cursor_skip(&c, 6);
        size_t len = cursor_be16(&c);
        on_dtls_record(conn, state, stream->dir, epoch,
                       cursor_slice(&c, len < cursor_left(&c) ? len : cursor_left(&c)));
    }
    /* DTLS 1.3 encrypts records under another header (RFC 9147 section 4). */
    if (!state->done && cursor_left(&c) && (c.pos[0] & 0xe0) == 0x20)
        tls_on_encrypted(conn, state, stream->dir);
    return DISSECT_OK;
}
