/* The hellos inside QUIC's Initial packets (RFC 9000, RFC 9001): CRYPTO frames of both sides put
 * together, also when they come in several datagrams and out of order. One entry a handshake, with
 * protocol "quic"; what follows is encrypted and passed over. */
#include "dissect/proto/quic_packet.h"
#include "dissect/proto/tls_state.h"

enum {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_ACK_ECN = 0x03,
    FRAME_CRYPTO = 0x06,
    FRAME_CLOSE = 0x1c,
    CRYPTO_MAX = 16384, /* of one side's Initial packets */
    CRYPTO_ERROR = 0x100,
    MESSAGE_HEADER = 4,
    MAX_PACKETS = 16 /* in one datagram */
};

struct crypto {
    uint8_t data[CRYPTO_MAX];
    uint8_t have[CRYPTO_MAX / 8]; /* a bit a byte */
};

struct tls_quic {
    struct quic_keys keys[2];
    bool has_keys;
    struct crypto *crypto[2];
    bool spoke_handshake[2]; /* beyond Initial packets */
};

/* ── CRYPTO frames ── */

static void keep(struct arena *arena, struct tls_quic *quic, enum dissect_dir dir, uint64_t offset,
                 struct slice bytes)
{
    if (!quic->crypto[dir])
        quic->crypto[dir] = arena_zalloc(arena, sizeof *quic->crypto[dir]);
    struct crypto *crypto = quic->crypto[dir];
    if (!crypto || offset > CRYPTO_MAX || bytes.len > CRYPTO_MAX - offset)
        return;
    for (size_t i = 0; i < bytes.len; i++) {
        size_t at = (size_t)offset + i;
        crypto->data[at] = bytes.data[i];
        crypto->have[at / 8] |= (uint8_t)(1U << at % 8);
    }
}

/* The first handshake message when it is whole. */
static struct slice first_message(const struct crypto *crypto)
{
    size_t have = 0;
    while (crypto && have < CRYPTO_MAX && crypto->have[have / 8] >> have % 8 & 1)
        have++;
    if (have < MESSAGE_HEADER)
        return SLICE_NONE;
    size_t len = MESSAGE_HEADER +
                 ((size_t)crypto->data[1] << 16 | (size_t)crypto->data[2] << 8 | crypto->data[3]);
    return len <= have ? slice_of(crypto->data, len) : SLICE_NONE;
}

static void skip_ack(struct cursor *c, bool has_ecn)
{
    quic_read_varint(c);
    quic_read_varint(c);
    uint64_t ranges = quic_read_varint(c);
    quic_read_varint(c);
    for (; ranges && !c->bad; ranges--) {
        quic_read_varint(c);
        quic_read_varint(c);
    }
    for (int i = 0; has_ecn && i < 3; i++)
        quic_read_varint(c);
}

static void read_frames(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                        struct slice frames)
{
    struct cursor c = cursor_of(frames.data, frames.len);
    while (cursor_left(&c) && !c.bad) {
        uint64_t type = quic_read_varint(&c);
        if (type == FRAME_PADDING || type == FRAME_PING)
            continue;
        if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
            skip_ack(&c, type == FRAME_ACK_ECN);
        } else if (type == FRAME_CRYPTO) {
            uint64_t offset = quic_read_varint(&c);
            uint64_t len = quic_read_varint(&c);
            if (len > cursor_left(&c))
                return;
            struct slice bytes = cursor_slice(&c, (size_t)len);
            keep(dissect_arena(conn), state->quic, dir, offset, bytes);
        } else {
            if (type == FRAME_CLOSE) {
                uint64_t code = quic_read_varint(&c);
                if (!c.bad && code >= CRYPTO_ERROR && code < CRYPTO_ERROR + 256)
                    state->handshake.alert = (int)(code - CRYPTO_ERROR);
                state->handshake.alert_is_fatal = true;
            }
            return; /* nothing else stands in Initial packets */
        }
    }
}

/* ── packets ── */

/* A client's Initial packets: the keys come from the first one's destination, and from another one
 * after a Retry. */
static bool open_from_client(struct tls_quic *quic, struct slice datagram,
                             const struct quic_packet *packet, uint8_t *out, size_t *ret_len)
{
    struct quic_keys keys;
    if (quic->has_keys && quic_open(&quic->keys[DIR_CLIENT], datagram, packet, out, ret_len))
        return true;
    if (!quic_initial_keys(packet->version, packet->destination, true, &keys) ||
        !quic_open(&keys, datagram, packet, out, ret_len))
        return false;
    quic->keys[DIR_CLIENT] = keys;
    quic->has_keys =
        quic_initial_keys(packet->version, packet->destination, false, &quic->keys[DIR_SERVER]);
    return true;
}

static void read_packet(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                        struct slice datagram, const struct quic_packet *packet)
{
    struct tls_quic *quic = state->quic;
    struct arena *arena = dissect_entry_arena(state->handshake.entry);
    size_t len = 0;
    if (packet->type == QUIC_RETRY)
        state->handshake.was_retried = true;
    quic->spoke_handshake[dir] |= packet->type == QUIC_HANDSHAKE;
    if (packet->type != QUIC_INITIAL)
        return;
    uint8_t *out = arena_alloc(arena, packet->bytes);
    bool ok = false;
    if (out && dir == DIR_CLIENT)
        ok = open_from_client(quic, datagram, packet, out, &len);
    else if (out && quic->has_keys)
        ok = quic_open(&quic->keys[DIR_SERVER], datagram, packet, out, &len);
    if (ok)
        read_frames(conn, state, dir, slice_of(out, len));
}

static void read_hello(struct tls_state *state, enum dissect_dir dir)
{
    const struct tls_handshake *h = &state->handshake;
    struct slice message = first_message(state->quic->crypto[dir]);
    if (message.len && !(dir == DIR_CLIENT ? h->has_client : h->has_server))
        tls_on_message(state, dir, message.data[0], slice_sub(message, MESSAGE_HEADER, SIZE_MAX));
}

/* Whose first datagram is it? Only a client's Initial opens with the client's keys. */
static bool is_from_client(struct dissect_conn *conn, struct slice datagram,
                           const struct quic_packet *packet)
{
    struct tls_quic quic = {0};
    size_t len;
    uint8_t *out =
        packet->type == QUIC_INITIAL ? arena_alloc(dissect_arena(conn), packet->bytes) : NULL;
    return out && open_from_client(&quic, datagram, packet, out, &len);
}

static bool begin(struct dissect_conn *conn, struct tls_state *state)
{
    state->quic = arena_zalloc(dissect_arena(conn), sizeof *state->quic);
    if (!state->quic || !tls_begin(conn, state))
        return false;
    state->handshake.is_quic = true;
    dissect_entry_protocol(state->handshake.entry, "quic");
    return true;
}

bool tls_is_quic(struct slice datagram)
{
    struct quic_packet packet;
    return datagram.len && datagram.data[0] & 0x40 && quic_parse(datagram, &packet);
}

enum dissect_result tls_read_quic(struct dissect_conn *conn, struct tls_state *state,
                                  struct dissect_stream *stream)
{
    struct slice all = slice_of(stream->data, stream->len);
    struct quic_packet packet;
    if (!state->quic) {
        if (!quic_parse(all, &packet))
            return DISSECT_NOT_MINE;
        if (stream->dir == DIR_SERVER && is_from_client(conn, all, &packet)) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        if (!begin(conn, state))
            return DISSECT_BAD;
    }
    /* The bytes are counted to the handshake before it may leave. */
    all = arena_dup(dissect_entry_arena(state->handshake.entry), all);
    enum dissect_dir dir = stream->dir;
    state->side[dir].seen = true;
    tls_take(conn, state, stream, stream->len);
    for (int i = 0; i < MAX_PACKETS && all.len && quic_parse(all, &packet); i++) {
        read_packet(conn, state, dir, all, &packet);
        all = slice_sub(all, packet.bytes, SIZE_MAX);
    }
    read_hello(state, dir);
    tls_check_quic(conn, state,
                   state->quic->spoke_handshake[DIR_CLIENT] ||
                       state->quic->spoke_handshake[DIR_SERVER]);
    return DISSECT_OK;
}
