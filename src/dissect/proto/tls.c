/* TLS and DTLS before they are encrypted: records (RFC 8446 section 5.1, RFC 5246 section 6.2, RFC
 * 6347 section 4.1), handshake messages across them, alerts; SSL 2.0's form of the ClientHello.
 *
 * One entry a handshake, so that encrypted connections are seen. It leaves when both sides are
 * encrypted, at a fatal alert, or when the connection ends; what follows is passed over. */
#include "dissect/proto/gather.h"
#include "dissect/proto/tls_handshake.h"

enum {
    RECORD_HEADER = 5,
    DTLS_RECORD_HEADER = 13,
    DTLS_MESSAGE_HEADER = 12,
    MAX_RECORD = 16384 + 2048,
    MAX_MESSAGE = 256 * 1024, /* kept of one handshake message */
    MAX_V2_HELLO = 512
};

enum content_type {
    CHANGE_CIPHER_SPEC = 20,
    ALERT = 21,
    HANDSHAKE = 22,
    APPLICATION_DATA = 23,
    HEARTBEAT = 24,
    DTLS_CID = 25
};

enum message_type {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    HELLO_VERIFY = 3,
    HELLO_RETRY_DRAFT = 6, /* drafts of TLS 1.3 */
    CERTIFICATE = 11,
    SERVER_KEY_EXCHANGE = 12
};

struct tls_side {
    bool in_record;
    uint8_t type;
    size_t left; /* bytes of the record */
    bool encrypted, seen;
    /* the handshake message in hand */
    uint8_t header[4];
    size_t header_len;
    size_t message_left;
    bool in_message;
    struct gather message;
    uint8_t alert[2];
    size_t alert_len;
    uint16_t next_sequence; /* DTLS */
};

struct tls_state {
    struct tls_side side[2];
    struct tls_handshake handshake;
    bool done;
    bool lost; /* bytes of the handshake are missing */
};

/* ── the entry ── */

static bool begin(struct dissect_conn *conn, struct tls_state *state)
{
    state->handshake.alert = -1;
    state->handshake.entry = dissect_entry_begin(conn);
    return state->handshake.entry != NULL;
}

static void finish(struct dissect_conn *conn, struct tls_state *state, const char *status,
                   const char *reason)
{
    tls_emit(conn, &state->handshake, status, reason);
    state->done = true;
}

/* Datagrams have no beginning that could be missed: what was not seen was before. */
static const char *why_unseen(const struct dissect_conn *conn, const struct tls_handshake *h)
{
    return dissect_is_late_join(conn) || h->is_dtls ? "window_start" : "capture_gap";
}

static void finish_by_content(struct dissect_conn *conn, struct tls_state *state)
{
    const struct tls_handshake *h = &state->handshake;
    const char *status = h->alert_is_fatal ? "error" : "ok";
    if (!h->has_client)
        finish(conn, state, "incomplete", why_unseen(conn, h));
    else
        finish(conn, state, status, state->lost ? "capture_gap" : NULL);
}

static bool is_13(const struct tls_handshake *h)
{
    return h->has_server && !h->server.is_retry && h->server.is_13;
}

/* Both sides are encrypted, or data already flows. */
static void check_done(struct dissect_conn *conn, struct tls_state *state)
{
    const struct tls_handshake *h = &state->handshake;
    bool server = state->side[DIR_SERVER].encrypted || is_13(h);
    if (h->has_server && server && state->side[DIR_CLIENT].encrypted)
        finish_by_content(conn, state);
}

/* ── messages ── */

static void on_client_hello(struct tls_state *state, struct slice body)
{
    struct tls_handshake *h = &state->handshake;
    struct arena *arena = dissect_entry_arena(h->entry);
    struct tls_client_hello hello;
    if (!tls_parse_client_hello(arena, body, h->is_dtls, &hello))
        return;
    if (h->has_client) {
        /* After a HelloRetryRequest or HelloVerifyRequest; fingerprints are those of the first. */
        h->was_retried = true;
        return;
    }
    h->client = hello;
    h->has_client = true;
}

static void on_server_hello(struct tls_state *state, struct slice body)
{
    struct tls_handshake *h = &state->handshake;
    struct tls_server_hello hello;
    if (!tls_parse_server_hello(dissect_entry_arena(h->entry), body, &hello))
        return;
    if (h->has_server && !h->server.is_retry)
        return;
    h->was_retried |= hello.is_retry;
    h->server = hello;
    h->has_server = true;
    if (hello.is_retry)
        state->side[DIR_CLIENT].encrypted = false;
}

static void on_message(struct tls_state *state, enum dissect_dir dir, unsigned type,
                       struct slice body)
{
    struct tls_handshake *h = &state->handshake;
    if (type == CLIENT_HELLO && dir == DIR_CLIENT)
        on_client_hello(state, body);
    else if (type == SERVER_HELLO && dir == DIR_SERVER)
        on_server_hello(state, body);
    else if (type == HELLO_VERIFY || type == HELLO_RETRY_DRAFT)
        h->was_retried = true;
    else if (type == CERTIFICATE && dir == DIR_SERVER && !h->has_certificate)
        h->has_certificate =
            tls_parse_certificates(dissect_entry_arena(h->entry), body, &h->certificate);
    else if (type == SERVER_KEY_EXCHANGE)
        h->has_key_exchange = true;
}

static bool is_kept(unsigned type)
{
    return type == CLIENT_HELLO || type == SERVER_HELLO || type == CERTIFICATE;
}

/* Handshake bytes of a record, in whatever pieces they come. */
static void feed_handshake(struct tls_state *state, enum dissect_dir dir, struct slice bytes)
{
    struct tls_side *side = &state->side[dir];
    struct arena *arena = dissect_entry_arena(state->handshake.entry);
    while (bytes.len || (side->in_message && side->message_left == 0)) {
        if (!side->in_message) {
            size_t n = 4 - side->header_len < bytes.len ? 4 - side->header_len : bytes.len;
            memcpy(side->header + side->header_len, bytes.data, n);
            side->header_len += n;
            bytes = slice_sub(bytes, n, SIZE_MAX);
            if (side->header_len < 4)
                return;
            side->in_message = true;
            side->message_left =
                (size_t)side->header[1] << 16 | (size_t)side->header[2] << 8 | side->header[3];
            side->message = (struct gather){0};
        }
        size_t n = side->message_left < bytes.len ? side->message_left : bytes.len;
        if (is_kept(side->header[0]))
            gather_add(&side->message, arena, slice_sub(bytes, 0, n), MAX_MESSAGE);
        bytes = slice_sub(bytes, n, SIZE_MAX);
        side->message_left -= n;
        if (side->message_left)
            return;
        on_message(state, dir, side->header[0], gather_slice(&side->message));
        side->in_message = false;
        side->header_len = 0;
    }
}

static void on_change_cipher_spec(struct dissect_conn *conn, struct tls_state *state,
                                  enum dissect_dir dir)
{
    struct tls_handshake *h = &state->handshake;
    /* In TLS 1.3 it means nothing (RFC 8446 appendix D.4). */
    if (is_13(h) || (h->has_server && h->server.is_retry))
        return;
    if (dir == DIR_SERVER && h->has_server && !h->has_certificate && !h->has_key_exchange &&
        !state->side[DIR_SERVER].encrypted && !state->lost)
        h->is_abbreviated = true;
    state->side[dir].encrypted = true;
    check_done(conn, state);
}

static void on_alert(struct dissect_conn *conn, struct tls_state *state, unsigned level,
                     unsigned description)
{
    struct tls_handshake *h = &state->handshake;
    h->alert = (int)description;
    h->alert_is_fatal = level == 2;
    if (h->alert_is_fatal)
        finish_by_content(conn, state);
}

static void on_encrypted(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir)
{
    const struct tls_handshake *h = &state->handshake;
    if (!h->has_client && !h->has_server) { /* joined late: nothing more will be known */
        finish(conn, state, "incomplete", why_unseen(conn, h));
        return;
    }
    /* Data before the ServerHello is early data (RFC 8446 section 2.3). */
    if (dir == DIR_CLIENT && (!h->has_server || h->server.is_retry))
        return;
    state->side[dir].encrypted = true;
    check_done(conn, state);
}

/* Bytes of the record in hand. */
static void on_payload(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                       struct slice bytes)
{
    struct tls_side *side = &state->side[dir];
    switch (side->type) {
    case HANDSHAKE:
        if (!side->encrypted)
            feed_handshake(state, dir, bytes);
        break;
    case ALERT:
        for (size_t i = 0; i < bytes.len && side->alert_len < 2; i++)
            side->alert[side->alert_len++] = bytes.data[i];
        if (side->alert_len == 2 && side->left == 0 && !side->encrypted)
            on_alert(conn, state, side->alert[0], side->alert[1]);
        break;
    default:
        break;
    }
}

static void on_record_begin(struct dissect_conn *conn, struct tls_state *state,
                            enum dissect_dir dir, size_t len)
{
    struct tls_side *side = &state->side[dir];
    side->seen = true;
    side->alert_len = 0;
    if (side->type == ALERT && len != 2)
        side->alert_len = 2; /* encrypted */
    if (side->type == APPLICATION_DATA || side->type == DTLS_CID)
        on_encrypted(conn, state, dir);
    else if (side->type == CHANGE_CIPHER_SPEC)
        on_change_cipher_spec(conn, state, dir);
}

/* ── streams ── */

static bool is_record_header(const uint8_t *p, size_t len)
{
    if (len >= 1 && (p[0] < CHANGE_CIPHER_SPEC || p[0] > HEARTBEAT))
        return false;
    if (len >= 2 && p[1] != 3)
        return false;
    if (len >= 3 && p[2] > 4 && p[2] != 0x7f)
        return false;
    return len < 5 || ((size_t)p[3] << 8 | p[4]) <= MAX_RECORD;
}

static bool is_v2_hello(const uint8_t *p, size_t len)
{
    if (len < 5 || !(p[0] & 0x80) || p[2] != CLIENT_HELLO)
        return false;
    size_t total = (size_t)(p[0] & 0x7f) << 8 | p[1];
    bool version = (p[3] == 3 && p[4] <= 4) || (p[3] == 0 && p[4] == 2);
    return version && total >= 9 + 16 && total <= MAX_V2_HELLO;
}

static struct dissect_span *span_of(const struct tls_state *state, enum dissect_dir dir)
{
    if (!state->handshake.entry)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(state->handshake.entry)
                             : dissect_entry_response(state->handshake.entry);
}

static void take(struct dissect_conn *conn, const struct tls_state *state,
                 struct dissect_stream *stream, size_t n)
{
    struct dissect_span *span = span_of(state, stream->dir);
    dissect_take(conn, stream, span ? dissect_entry_arena(state->handshake.entry) : NULL, span, n);
}

static enum dissect_result read_v2_hello(struct dissect_conn *conn, struct tls_state *state,
                                         struct dissect_stream *stream)
{
    size_t len = (size_t)(stream->data[0] & 0x7f) << 8 | stream->data[1];
    if (stream->len < len + 2)
        return stream->ended ? DISSECT_NOT_MINE : DISSECT_MORE;
    if (!begin(conn, state))
        return DISSECT_BAD;
    struct tls_handshake *h = &state->handshake;
    h->has_client = tls_parse_v2_hello(dissect_entry_arena(h->entry),
                                       slice_of(stream->data + 2, len), &h->client);
    state->side[DIR_CLIENT].seen = true;
    if (!h->has_client) {
        dissect_entry_drop(conn, h->entry);
        h->entry = NULL;
        return DISSECT_NOT_MINE;
    }
    take(conn, state, stream, len + 2);
    return DISSECT_OK;
}

/* The first record of the connection. MORE: its kind is not known yet. */
static enum dissect_result begin_with_record(struct dissect_conn *conn, struct tls_state *state,
                                             const struct dissect_stream *stream, bool *ret_swapped)
{
    if (stream->data[0] == HANDSHAKE) {
        if (stream->len < RECORD_HEADER + 1)
            return stream->ended ? DISSECT_NOT_MINE : DISSECT_MORE;
        uint8_t type = stream->data[RECORD_HEADER];
        bool wrong = (stream->dir == DIR_CLIENT && type == SERVER_HELLO) ||
                     (stream->dir == DIR_SERVER && type == CLIENT_HELLO);
        if (wrong) {
            dissect_swap_sides(conn);
            *ret_swapped = true;
            return DISSECT_OK;
        }
    }
    return begin(conn, state) ? DISSECT_OK : DISSECT_BAD;
}

static enum dissect_result read_header(struct dissect_conn *conn, struct tls_state *state,
                                       struct dissect_stream *stream, bool *ret_swapped)
{
    struct tls_side *side = &state->side[stream->dir];
    bool is_first = !state->handshake.entry;
    if (is_first && stream->dir == DIR_CLIENT && stream->offset == 0 && (stream->data[0] & 0x80)) {
        if (stream->len < 5 && !stream->ended)
            return DISSECT_MORE;
        if (is_v2_hello(stream->data, stream->len))
            return read_v2_hello(conn, state, stream);
    }
    if (!is_record_header(stream->data, stream->len))
        return is_first ? DISSECT_NOT_MINE : DISSECT_BAD;
    if (stream->len < RECORD_HEADER)
        return DISSECT_MORE;
    if (is_first) {
        enum dissect_result begun = begin_with_record(conn, state, stream, ret_swapped);
        if (begun != DISSECT_OK || *ret_swapped)
            return begun;
    }
    side->type = stream->data[0];
    side->left = (size_t)stream->data[3] << 8 | stream->data[4];
    side->in_record = side->left > 0;
    take(conn, state, stream, RECORD_HEADER);
    on_record_begin(conn, state, stream->dir, side->left);
    return DISSECT_OK;
}

static enum dissect_result read_payload(struct dissect_conn *conn, struct tls_state *state,
                                        struct dissect_stream *stream)
{
    struct tls_side *side = &state->side[stream->dir];
    size_t n = side->left < stream->len ? side->left : stream->len;
    struct slice bytes = slice_of(stream->data, n);
    side->left -= n;
    side->in_record = side->left > 0;
    /* The parser copies what it keeps, so the bytes may be consumed first: an alert that ends the
     * handshake must not miss its own bytes. */
    uint8_t first[2] = {bytes.data[0], n > 1 ? bytes.data[1] : 0};
    if (side->type == ALERT)
        bytes = slice_of(first, n < 2 ? n : 2);
    else
        on_payload(conn, state, stream->dir, bytes);
    take(conn, state, stream, n);
    if (side->type == ALERT)
        on_payload(conn, state, stream->dir, bytes);
    return DISSECT_OK;
}

static enum dissect_result read_stream(struct dissect_conn *conn, struct tls_state *state,
                                       struct dissect_stream *stream)
{
    bool swapped = false;
    uint64_t before = stream->offset;
    enum dissect_result result = DISSECT_OK;
    while (stream->len && !state->done && result == DISSECT_OK && !swapped) {
        if (state->side[stream->dir].in_record)
            result = read_payload(conn, state, stream);
        else
            result = read_header(conn, state, stream, &swapped);
    }
    if (state->done && stream->len)
        dissect_take(conn, stream, NULL, NULL, stream->len);
    return result == DISSECT_MORE && stream->offset != before ? DISSECT_OK : result;
}

/* ── datagrams ── */

static bool is_dtls_header(const uint8_t *p, size_t len)
{
    return len >= DTLS_RECORD_HEADER && p[0] >= CHANGE_CIPHER_SPEC && p[0] <= DTLS_CID &&
           ((p[1] == 0xfe && p[2] >= 0xfc) || (p[1] == 1 && p[2] == 0));
}

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
    if (c->bad || total > MAX_MESSAGE || offset + bytes.len > total)
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
    if (!side->in_message || (is_kept(type) && offset != side->message.len))
        return;
    if (is_kept(type))
        gather_add(&side->message, arena, bytes, MAX_MESSAGE);
    if (offset + bytes.len < total)
        return;
    side->in_message = false;
    side->next_sequence++;
    on_message(state, dir, type, gather_slice(&side->message));
}

static void on_dtls_record(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                           unsigned epoch, struct slice payload)
{
    struct tls_side *side = &state->side[dir];
    struct cursor c = cursor_of(payload.data, payload.len);
    if (epoch) {
        if (side->type == APPLICATION_DATA || side->type == DTLS_CID || side->encrypted)
            on_encrypted(conn, state, dir);
        return;
    }
    on_record_begin(conn, state, dir, payload.len);
    if (state->done)
        return;
    if (side->type == HANDSHAKE)
        while (cursor_left(&c) >= DTLS_MESSAGE_HEADER && !c.bad)
            on_fragment(state, dir, &c);
    else if (side->type == ALERT && payload.len == 2)
        on_alert(conn, state, payload.data[0], payload.data[1]);
}

static enum dissect_result read_datagram(struct dissect_conn *conn, struct tls_state *state,
                                         struct dissect_stream *stream)
{
    struct cursor c = cursor_of(stream->data, stream->len);
    bool is_first = !state->handshake.entry;
    bool is_hello = stream->len > DTLS_RECORD_HEADER && stream->data[0] == HANDSHAKE;
    uint8_t type = is_hello ? stream->data[DTLS_RECORD_HEADER] : 0;
    if (is_first && !is_dtls_header(stream->data, stream->len))
        return DISSECT_NOT_MINE;
    if (is_first &&
        ((stream->dir == DIR_CLIENT && (type == SERVER_HELLO || type == HELLO_VERIFY)) ||
         (stream->dir == DIR_SERVER && type == CLIENT_HELLO))) {
        dissect_swap_sides(conn);
        return DISSECT_OK;
    }
    if (is_first && !begin(conn, state))
        return DISSECT_BAD;
    state->handshake.is_dtls = true;
    /* The parser keeps copies: the bytes are counted to the handshake before it may leave. */
    struct slice all =
        arena_dup(dissect_entry_arena(state->handshake.entry), slice_of(stream->data, stream->len));
    take(conn, state, stream, stream->len);
    if (!all.data)
        return DISSECT_OK;
    c = cursor_of(all.data, all.len);
    while (!state->done && is_dtls_header(c.pos, cursor_left(&c))) {
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
        on_encrypted(conn, state, stream->dir);
    return DISSECT_OK;
}

/* ── the dissector ── */

static enum dissect_result tls_data(struct dissect_conn *conn, void *opaque,
                                    struct dissect_stream *stream)
{
    struct tls_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (state->done) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    return stream->is_datagram ? read_datagram(conn, state, stream)
                               : read_stream(conn, state, stream);
}

static void tls_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct tls_state *state = opaque;
    struct tls_side *side = &state->side[dir];
    if (state->done || !state->handshake.entry)
        return;
    state->lost = true;
    struct dissect_span *span = span_of(state, dir);
    span->gap_bytes += bytes;
    /* Inside a record nobody reads, its end is still known. */
    if (side->in_record && bytes <= side->left && (side->type != HANDSHAKE || side->encrypted)) {
        side->left -= (size_t)bytes;
        side->in_record = side->left > 0;
        return;
    }
    finish(conn, state, "incomplete", "capture_gap");
}

static void tls_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    static const char *const reasons[] = {[END_CLOSED] = "closed",
                                          [END_RESET_BY_CLIENT] = "client_cancel",
                                          [END_RESET_BY_SERVER] = "server_reset",
                                          [END_TIMEOUT] = "timeout"};
    struct tls_state *state = opaque;
    const struct tls_handshake *h = &state->handshake;
    if (state->done || !h->entry)
        return;
    bool one_sided = !state->side[DIR_CLIENT].seen ||
                     (!state->side[DIR_SERVER].seen && state->side[DIR_CLIENT].encrypted);
    if (one_sided && !h->has_client && dissect_is_late_join(conn))
        finish(conn, state, "incomplete", "window_start");
    else if (one_sided || state->lost)
        finish(conn, state, "incomplete", "capture_gap");
    else if (end == END_OF_DATA)
        finish(conn, state, "open", h->has_server ? "window_end" : NULL);
    else if (h->has_server || h->alert >= 0)
        finish(conn, state, "error", reasons[end]);
    else
        finish(conn, state, "no_response", reasons[end]);
}

/* ── detection ── */

static enum probe_result probe_hello(struct slice s, uint8_t type, bool ended)
{
    if (s.len && (s.data[0] & 0x80) && type == CLIENT_HELLO) {
        if (s.len < 11)
            return ended ? PROBE_NO : PROBE_MAYBE;
        size_t total = (size_t)(s.data[0] & 0x7f) << 8 | s.data[1];
        size_t parts = ((size_t)s.data[5] << 8 | s.data[6]) + ((size_t)s.data[7] << 8 | s.data[8]) +
                       ((size_t)s.data[9] << 8 | s.data[10]);
        return is_v2_hello(s.data, s.len) && parts + 9 == total ? PROBE_YES : PROBE_NO;
    }
    if (s.len && (s.data[0] != HANDSHAKE || !is_record_header(s.data, s.len)))
        return PROBE_NO;
    if (s.len < 11)
        return ended ? PROBE_NO : PROBE_MAYBE;
    bool version = s.data[9] == 3 || (type == SERVER_HELLO && s.data[9] == 0x7f);
    return s.data[5] == type && version && s.data[6] == 0 ? PROBE_YES : PROBE_NO;
}

/* Three chained records, or as many as are there when they fill it exactly. */
static enum probe_result probe_records(struct slice s, bool ended)
{
    size_t at = 0;
    for (int n = 0; n < 3; n++) {
        if (s.len - at < RECORD_HEADER) {
            bool fits = is_record_header(s.data + at, s.len - at);
            if (!fits || (ended && at == 0))
                return PROBE_NO;
            return ended && s.len == at ? PROBE_YES : PROBE_MAYBE;
        }
        const uint8_t *p = s.data + at;
        size_t len = (size_t)p[3] << 8 | p[4];
        if (!is_record_header(p, s.len - at) || len == 0 || p[2] == 0 ||
            (p[0] == APPLICATION_DATA && len < 17) || (p[0] == CHANGE_CIPHER_SPEC && len != 1))
            return PROBE_NO;
        if (len > s.len - at - RECORD_HEADER) /* one large record: its header is all there is */
            return n > 0 || s.len >= 1000 ? PROBE_YES : ended ? PROBE_NO : PROBE_MAYBE;
        at += RECORD_HEADER + len;
    }
    return PROBE_YES;
}

static enum probe_result probe_datagram(struct slice s, bool is_late)
{
    if (!is_dtls_header(s.data, s.len))
        return PROBE_NO;
    size_t len = (size_t)s.data[11] << 8 | s.data[12];
    if (len > s.len - DTLS_RECORD_HEADER)
        return PROBE_NO;
    if (s.data[0] == HANDSHAKE && s.data[3] == 0 && s.data[4] == 0)
        return len >= DTLS_MESSAGE_HEADER && s.data[13] <= CERTIFICATE ? PROBE_YES : PROBE_NO;
    (void)is_late;
    return s.data[0] == APPLICATION_DATA || s.data[0] == HANDSHAKE || s.data[0] == DTLS_CID
               ? PROBE_YES
               : PROBE_NO;
}

static enum probe_result best_of(enum probe_result a, enum probe_result b)
{
    return a > b ? a : b;
}

static enum probe_result tls_probe(const struct probe_input *in)
{
    if (in->transport == DISSECT_UDP)
        return probe_datagram(in->client.len ? in->client : in->server, in->is_late_join);
    enum probe_result result = probe_hello(in->client, CLIENT_HELLO, in->client_ended);
    if (in->client.len == 0 || in->is_late_join)
        result =
            best_of(result, in->server.len ? probe_hello(in->server, SERVER_HELLO, in->server_ended)
                                           : PROBE_NO);
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    if (in->client.len)
        result = best_of(probe_hello(in->client, SERVER_HELLO, in->client_ended),
                         probe_records(in->client, in->client_ended));
    if (in->server.len && result != PROBE_YES)
        result = best_of(result, best_of(probe_hello(in->server, CLIENT_HELLO, in->server_ended),
                                         probe_records(in->server, in->server_ended)));
    return result;
}

static const uint16_t tls_ports[] = {443, 8443, 853, 993, 995, 465, 636, 0};

const struct dissector dissector_tls = {
    .name = "tlsx",
    .spec = "RFC 8446, RFC 5246, RFC 6101, RFC 6347, RFC 9147",
    .transports = DISSECT_TCP | DISSECT_UDP,
    .port_hints = tls_ports,
    .fields = tls_fields,
    .field_count = TLS_FIELD_COUNT,
    .state_bytes = sizeof(struct tls_state),
    .probe = tls_probe,
    .data = tls_data,
    .gap = tls_gap,
    .close = tls_close,
};
