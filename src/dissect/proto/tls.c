/* TLS and DTLS before they are encrypted: records (RFC 8446 section 5.1, RFC 5246 section 6.2, RFC
 * 6347 section 4.1), handshake messages across them, alerts; SSL 2.0's form of the ClientHello.
 *
 * One entry a handshake, so that encrypted connections are seen. It leaves when both sides are
 * encrypted, at a fatal alert, or when the connection ends; what follows is opened where secrets
 * are known (tls_decrypt.h), else passed over. */
#include "dissect/proto/tls_state.h"

/* ── the entry ── */

bool tls_begin(struct dissect_conn *conn, struct tls_state *state)
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
    return dissect_is_late_join(conn) || h->is_dtls || h->is_quic ? "window_start" : "capture_gap";
}

static void finish_by_content(struct dissect_conn *conn, struct tls_state *state)
{
    const struct tls_handshake *h = &state->handshake;
    const char *status = h->alert_is_fatal ? "error" : "ok";
    if (!h->has_client)
        finish(conn, state, "incomplete", why_unseen(conn, h));
    else
        finish(conn, state, status,
               state->lost                                                ? "capture_gap"
               : dissect_is_late_join(conn) && !h->is_dtls && !h->is_quic ? "window_start"
                                                                          : NULL);
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

void tls_check_quic(struct dissect_conn *conn, struct tls_state *state, bool beyond)
{
    const struct tls_handshake *h = &state->handshake;
    if (h->alert_is_fatal || (h->has_client && h->has_server) || (beyond && !h->has_client))
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
    hello.is_quic = h->is_quic;
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

void tls_on_message(struct tls_state *state, enum dissect_dir dir, unsigned type, struct slice body)
{
    struct tls_handshake *h = &state->handshake;
    if (type == TLS_CLIENT_HELLO && dir == DIR_CLIENT)
        on_client_hello(state, body);
    else if (type == TLS_SERVER_HELLO && dir == DIR_SERVER)
        on_server_hello(state, body);
    else if (type == TLS_HELLO_VERIFY || type == TLS_HELLO_RETRY_DRAFT)
        h->was_retried = true;
    else if (type == TLS_CERTIFICATE && dir == DIR_SERVER && !h->has_certificate)
        h->has_certificate =
            tls_parse_certificates(dissect_entry_arena(h->entry), body, &h->certificate);
    else if (type == TLS_SERVER_KEY_EXCHANGE)
        h->has_key_exchange = true;
}

bool tls_is_kept(unsigned type)
{
    return type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO || type == TLS_CERTIFICATE;
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
        if (tls_is_kept(side->header[0]))
            gather_add(&side->message, arena, slice_sub(bytes, 0, n), TLS_MAX_MESSAGE);
        bytes = slice_sub(bytes, n, SIZE_MAX);
        side->message_left -= n;
        if (side->message_left)
            return;
        tls_on_message(state, dir, side->header[0], gather_slice(&side->message));
        side->in_message = false;
        side->header_len = 0;
    }
}

/* While the hellos are still at hand. */
static void look_for_secrets(struct dissect_conn *conn, struct tls_state *state)
{
    const struct tls_handshake *h = &state->handshake;
    if (!state->decrypt && h->entry && !h->is_dtls && h->has_client && h->has_server &&
        !h->server.is_retry)
        state->decrypt = tls_decrypt_new(conn, h);
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
    look_for_secrets(conn, state);
    state->side[dir].encrypted = true;
    check_done(conn, state);
}

void tls_on_alert(struct dissect_conn *conn, struct tls_state *state, unsigned level,
                  unsigned description)
{
    struct tls_handshake *h = &state->handshake;
    h->alert = (int)description;
    h->alert_is_fatal = level == 2;
    if (h->alert_is_fatal)
        finish_by_content(conn, state);
}

void tls_on_encrypted(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir)
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
    if (state->done)
        return;
    switch (side->type) {
    case TLS_HANDSHAKE:
        if (!side->encrypted)
            feed_handshake(state, dir, bytes);
        break;
    case TLS_ALERT:
        for (size_t i = 0; i < bytes.len && side->alert_len < 2; i++)
            side->alert[side->alert_len++] = bytes.data[i];
        if (side->alert_len == 2 && side->left == 0 && !side->encrypted)
            tls_on_alert(conn, state, side->alert[0], side->alert[1]);
        break;
    default:
        break;
    }
}

void tls_on_record_begin(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                         size_t len)
{
    struct tls_side *side = &state->side[dir];
    side->seen = true;
    side->alert_len = 0;
    if (side->type == TLS_ALERT && len != 2)
        side->alert_len = 2; /* encrypted */
    if (side->type == TLS_APPLICATION_DATA || side->type == DTLS_CID)
        tls_on_encrypted(conn, state, dir);
    else if (side->type == TLS_CHANGE_CIPHER_SPEC)
        on_change_cipher_spec(conn, state, dir);
}

/* ── streams ── */

static struct dissect_span *span_of(const struct tls_state *state, enum dissect_dir dir)
{
    if (!state->handshake.entry || state->side[dir].is_early)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(state->handshake.entry)
                             : dissect_entry_response(state->handshake.entry);
}

void tls_take(struct dissect_conn *conn, const struct tls_state *state,
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
    if (!tls_begin(conn, state))
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
    tls_take(conn, state, stream, len + 2);
    return DISSECT_OK;
}

/* The first record of the connection. MORE: its kind is not known yet. */
static enum dissect_result begin_with_record(struct dissect_conn *conn, struct tls_state *state,
                                             const struct dissect_stream *stream, bool *ret_swapped)
{
    if (stream->data[0] == TLS_HANDSHAKE) {
        if (stream->len < TLS_RECORD_HEADER + 1)
            return stream->ended ? DISSECT_NOT_MINE : DISSECT_MORE;
        uint8_t type = stream->data[TLS_RECORD_HEADER];
        bool wrong = (stream->dir == DIR_CLIENT && type == TLS_SERVER_HELLO) ||
                     (stream->dir == DIR_SERVER && type == TLS_CLIENT_HELLO);
        if (wrong) {
            dissect_swap_sides(conn);
            *ret_swapped = true;
            return DISSECT_OK;
        }
    }
    return tls_begin(conn, state) ? DISSECT_OK : DISSECT_BAD;
}

/* ── protected records whose secrets are known ── */

static bool is_protected(const struct tls_state *state, enum dissect_dir dir, unsigned type)
{
    if (!state->decrypt || type == TLS_CHANGE_CIPHER_SPEC)
        return false;
    return type == TLS_APPLICATION_DATA ||
           (state->side[dir].encrypted && !is_13(&state->handshake));
}

/* Early data waits until the server has said which cipher suite it is under, and whether it takes
 * it. */
static enum dissect_result may_read_protected(struct dissect_conn *conn, struct tls_state *state,
                                              const struct dissect_stream *stream)
{
    const struct tls_handshake *h = &state->handshake;
    if (stream->data[0] != TLS_APPLICATION_DATA || h->is_dtls)
        return DISSECT_OK;
    look_for_secrets(conn, state);
    if (state->decrypt)
        return tls_decrypt_may_read(state->decrypt, stream->dir) == TLS_READY ? DISSECT_OK
                                                                              : DISSECT_MORE;
    bool is_early = stream->dir == DIR_CLIENT && h->entry && !h->has_server;
    return is_early && tls_decrypt_has_early(conn, h) ? DISSECT_MORE : DISSECT_OK;
}

static enum dissect_result read_protected(struct dissect_conn *conn, struct tls_state *state,
                                          struct dissect_stream *stream, size_t len)
{
    struct tls_side *side = &state->side[stream->dir];
    size_t total = TLS_RECORD_HEADER + len;
    if (stream->len < total && !stream->ended) {
        side->awaited = total;
        return DISSECT_MORE;
    }
    side->awaited = 0;
    if (stream->len < total) { /* its end never came */
        uint64_t missing = total - stream->len;
        dissect_take(conn, stream, NULL, NULL, stream->len);
        tls_decrypt_gap(state->decrypt, stream->dir, missing);
        return DISSECT_OK;
    }
    uint8_t header[TLS_RECORD_HEADER];
    memcpy(header, stream->data, sizeof header);
    struct tls_record record = {.header = header, .fragment_bytes = len};
    if (state->done) {
        record.lead = TLS_RECORD_HEADER;
    } else {
        tls_take(conn, state, stream, TLS_RECORD_HEADER);
        tls_on_record_begin(conn, state, stream->dir, len);
    }
    record.span = span_of(state, stream->dir);
    record.arena = record.span ? dissect_entry_arena(state->handshake.entry) : NULL;
    tls_decrypt_record(conn, state->decrypt, stream, &record);
    return DISSECT_OK;
}

/* Where a record may begin; *ret_fragment_bytes is then what its header says, when that is there.
 */
static bool may_begin_record(struct slice s, size_t *ret_fragment_bytes)
{
    *ret_fragment_bytes = 0;
    if (s.data[0] < TLS_ALERT || s.data[0] > TLS_APPLICATION_DATA ||
        !tls_is_record_header(s.data, s.len))
        return false;
    if (s.len >= TLS_RECORD_HEADER)
        *ret_fragment_bytes = (size_t)s.data[3] << 8 | s.data[4];
    return s.len < TLS_RECORD_HEADER || *ret_fragment_bytes >= 17;
}

/* After a loss: the next record that opens. Nothing else proves that it is one, and waiting for
 * more would let the other direction run ahead. */
static enum dissect_result find_record(struct dissect_conn *conn, struct tls_state *state,
                                       struct dissect_stream *stream)
{
    struct tls_side *side = &state->side[stream->dir];
    uint64_t before = stream->offset;
    while (stream->len && side->looks_around) {
        size_t at = 0, len = 0;
        while (at < stream->len &&
               !may_begin_record(slice_of(stream->data + at, stream->len - at), &len))
            at++;
        if (at)
            dissect_take(conn, stream, NULL, NULL, at);
        if (stream->len == 0)
            break;
        size_t total = TLS_RECORD_HEADER + len;
        if ((len == 0 || stream->len < total) && !stream->ended)
            return stream->offset != before ? DISSECT_OK : DISSECT_MORE;
        uint8_t header[TLS_RECORD_HEADER] = {0};
        memcpy(header, stream->data, stream->len < sizeof header ? stream->len : sizeof header);
        struct tls_record record = {
            .header = header, .lead = TLS_RECORD_HEADER, .fragment_bytes = len};
        side->looks_around = len == 0 || stream->len < total ||
                             !tls_decrypt_guess(conn, state->decrypt, stream, &record);
        if (side->looks_around)
            dissect_take(conn, stream, NULL, NULL, 1);
    }
    return DISSECT_OK;
}

static enum dissect_result read_header(struct dissect_conn *conn, struct tls_state *state,
                                       struct dissect_stream *stream, bool *ret_swapped)
{
    struct tls_side *side = &state->side[stream->dir];
    bool is_first = !state->handshake.entry && !state->done;
    if (is_first && stream->dir == DIR_CLIENT && stream->offset == 0 && (stream->data[0] & 0x80)) {
        if (stream->len < 5 && !stream->ended)
            return DISSECT_MORE;
        if (tls_is_v2_hello(stream->data, stream->len))
            return read_v2_hello(conn, state, stream);
    }
    if (!tls_is_record_header(stream->data, stream->len))
        return is_first ? DISSECT_NOT_MINE : DISSECT_BAD;
    if (stream->len < TLS_RECORD_HEADER)
        return DISSECT_MORE;
    if (is_first) {
        enum dissect_result begun = begin_with_record(conn, state, stream, ret_swapped);
        if (begun != DISSECT_OK || *ret_swapped)
            return begun;
    }
    enum dissect_result ready = may_read_protected(conn, state, stream);
    if (ready != DISSECT_OK)
        return ready;
    side->type = stream->data[0];
    size_t len = (size_t)stream->data[3] << 8 | stream->data[4];
    const struct tls_handshake *h = &state->handshake;
    side->is_early = side->type == TLS_APPLICATION_DATA && stream->dir == DIR_CLIENT &&
                     (!h->has_server || h->server.is_retry);
    if (is_protected(state, stream->dir, side->type))
        return read_protected(conn, state, stream, len);
    side->left = len;
    side->in_record = len > 0;
    tls_take(conn, state, stream, TLS_RECORD_HEADER);
    if (!state->done)
        tls_on_record_begin(conn, state, stream->dir, len);
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
    if (side->type == TLS_ALERT)
        bytes = slice_of(first, n < 2 ? n : 2);
    else
        on_payload(conn, state, stream->dir, bytes);
    tls_take(conn, state, stream, n);
    if (side->type == TLS_ALERT)
        on_payload(conn, state, stream->dir, bytes);
    return DISSECT_OK;
}

static void stop_decrypting(struct tls_state *state)
{
    tls_decrypt_free(state->decrypt);
    state->decrypt = NULL;
}

static enum dissect_result read_stream(struct dissect_conn *conn, struct tls_state *state,
                                       struct dissect_stream *stream)
{
    bool swapped = false;
    uint64_t before = stream->offset;
    enum dissect_result result = DISSECT_OK;
    const struct tls_side *side = &state->side[stream->dir];
    while (stream->len && (!state->done || state->decrypt) && result == DISSECT_OK && !swapped) {
        if (side->in_record)
            result = read_payload(conn, state, stream);
        else if (side->looks_around)
            result = find_record(conn, state, stream);
        else
            result = read_header(conn, state, stream, &swapped);
    }
    if (state->done && stream->len && (!state->decrypt || result == DISSECT_BAD)) {
        stop_decrypting(state);
        dissect_take(conn, stream, NULL, NULL, stream->len);
        result = DISSECT_OK;
    }
    return result == DISSECT_MORE && stream->offset != before ? DISSECT_OK : result;
}

/* ── the dissector ── */

static enum dissect_result tls_data(struct dissect_conn *conn, void *opaque,
                                    struct dissect_stream *stream)
{
    struct tls_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (state->done && !state->decrypt) {
        dissect_take(conn, stream, NULL, NULL, stream->len);
        return DISSECT_OK;
    }
    if (!stream->is_datagram)
        return read_stream(conn, state, stream);
    bool is_first = !state->handshake.entry;
    if (state->quic || (is_first && tls_is_quic(slice_of(stream->data, stream->len))))
        return tls_read_quic(conn, state, stream);
    return tls_read_datagram(conn, state, stream);
}

/* What was not consumed before the gap is in `bytes` too. */
static void gap_while_decrypting(struct tls_state *state, enum dissect_dir dir, uint64_t bytes)
{
    struct tls_side *side = &state->side[dir];
    size_t left = side->awaited ? side->awaited : side->in_record ? side->left : 0;
    bool inside = left && bytes <= left;
    if (side->awaited)
        side->type = 0; /* nobody reads the rest of it */
    side->awaited = 0;
    side->left = inside ? left - (size_t)bytes : 0;
    side->in_record = side->left > 0;
    side->looks_around = !inside;
    tls_decrypt_gap(state->decrypt, dir, bytes);
}

static void tls_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct tls_state *state = opaque;
    struct tls_side *side = &state->side[dir];
    if (state->decrypt)
        gap_while_decrypting(state, dir, bytes);
    if (state->done || !state->handshake.entry)
        return;
    state->lost = true;
    struct dissect_span *span = span_of(state, dir);
    if (span)
        span->gap_bytes += bytes;
    if (state->decrypt && !side->looks_around)
        return;
    /* Inside a record nobody reads, its end is still known. */
    if (side->in_record && bytes <= side->left &&
        (side->type != TLS_HANDSHAKE || side->encrypted)) {
        side->left -= (size_t)bytes;
        side->in_record = side->left > 0;
        return;
    }
    finish(conn, state, "incomplete", "capture_gap");
}

static void tls_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct tls_state *state = opaque;
    const struct tls_handshake *h = &state->handshake;
    stop_decrypting(state);
    if (state->done || !h->entry)
        return;
    bool one_sided = !state->side[DIR_CLIENT].seen ||
                     (!state->side[DIR_SERVER].seen && state->side[DIR_CLIENT].encrypted);
    if (!h->has_client && (h->is_quic || dissect_is_late_join(conn)))
        finish(conn, state, "incomplete", "window_start");
    else if (one_sided || state->lost)
        finish(conn, state, "incomplete", "capture_gap");
    else if (end == END_OF_DATA)
        finish(conn, state, "open", h->has_server ? "window_end" : NULL);
    else if (h->has_server || h->alert >= 0)
        finish(conn, state, "error", dissect_end_reason(end));
    else
        finish(conn, state, "no_response", dissect_end_reason(end));
}

static const uint16_t tls_ports[] = {443, 8443, 853, 993, 995, 465, 636, 0};

static const char *const more_protocols[] = {"quic", NULL};

const struct dissector dissector_tls = {
    .name = "tlsx",
    .spec = "RFC 8446, RFC 5246, RFC 6101, RFC 6347, RFC 9147, RFC 9001",
    .transports = DISSECT_TCP | DISSECT_UDP,
    .port_hints = tls_ports,
    .fields = tls_fields,
    .field_count = TLS_FIELD_COUNT,
    .more_protocols = more_protocols,
    .state_bytes = sizeof(struct tls_state),
    .probe = tls_probe,
    .data = tls_data,
    .gap = tls_gap,
    .close = tls_close,
};
