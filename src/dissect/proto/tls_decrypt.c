#include "dissect/proto/tls_decrypt.h"

#include "dissect/proto/tls_crypto.h"

#define UNKNOWN_LOSS (UINT64_C(1) << 40)

enum {
    MAX_FAILURES = 256,
    MAX_LOST_RECORDS = 512, /* sequence numbers that are tried after a loss */
    SMALLEST_RECORD = 5 + 17,
    ENCRYPTED_EXTENSIONS = 8,
    EARLY_DATA = 42,
    ENCRYPT_THEN_MAC = 22,
    ALERT_RECORD = 21,
    HANDSHAKE_RECORD = 22,
    DATA_RECORD = 23,
    VERSION_10 = 0x0301,
    VERSION_12 = 0x0303,
    VERSION_13 = 0x0304
};

enum epoch {
    EPOCH_NONE,
    EPOCH_EARLY,
    EPOCH_HANDSHAKE,
    EPOCH_APPLICATION
};

enum early {
    EARLY_NONE,
    EARLY_UNDECIDED,
    EARLY_ACCEPTED,
    EARLY_REFUSED
};

struct direction {
    struct tls_cipher cipher; /* not ready: none yet */
    enum epoch epoch;
    uint8_t secret[TLS_SECRET_MAX]; /* EPOCH_APPLICATION: the one in use */
    size_t secret_bytes;
    uint64_t lost_records; /* at most so many are missing before the next one */
    unsigned failures;     /* in a row */
};

struct tls_decrypt {
    const struct tls_suite *suite;
    uint16_t version;
    bool encrypt_then_mac;
    enum early early;
    uint8_t client_random[32], server_random[32];
    struct dissect_layer *layer;
    struct direction side[2];
    uint8_t *plain; /* room for a fragment and a block of its cipher */
};

/* ── secrets ── */

static const char *const labels[2][4] = {
    [DIR_CLIENT] = {[EPOCH_EARLY] = "CLIENT_EARLY_TRAFFIC_SECRET",
                    [EPOCH_HANDSHAKE] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                    [EPOCH_APPLICATION] = "CLIENT_TRAFFIC_SECRET_0"},
    [DIR_SERVER] = {[EPOCH_HANDSHAKE] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                    [EPOCH_APPLICATION] = "SERVER_TRAFFIC_SECRET_0"},
};

static bool find_secret(const struct dissect_conn *conn, const uint8_t random[32],
                        const char *label, struct slice *ret_secret)
{
    return label && dissect_secret(conn, label, slice_of(random, 32), ret_secret);
}

static bool any_secret(const struct dissect_conn *conn, const uint8_t random[32], bool is_13)
{
    struct slice secret;
    if (!is_13)
        return find_secret(conn, random, "CLIENT_RANDOM", &secret);
    for (int dir = 0; dir < 2; dir++)
        for (int epoch = EPOCH_EARLY; epoch <= EPOCH_APPLICATION; epoch++)
            if (find_secret(conn, random, labels[dir][epoch], &secret))
                return true;
    return false;
}

static bool has_extension(const struct tls_numbers *extensions, unsigned type)
{
    for (size_t i = 0; i < extensions->count; i++)
        if (extensions->items[i] == type)
            return true;
    return false;
}

bool tls_decrypt_has_early(const struct dissect_conn *conn, const struct tls_handshake *h)
{
    struct slice secret;
    return h->has_client && has_extension(&h->client.extensions, EARLY_DATA) &&
           find_secret(conn, h->client.random, labels[DIR_CLIENT][EPOCH_EARLY], &secret);
}

/* Both directions of TLS 1.2 and before come from one secret. */
static bool init_12(const struct dissect_conn *conn, struct tls_decrypt *d)
{
    struct tls_master master = {.suite = d->suite,
                                .version = d->version,
                                .encrypt_then_mac = d->encrypt_then_mac,
                                .client_random = d->client_random,
                                .server_random = d->server_random};
    return find_secret(conn, d->client_random, "CLIENT_RANDOM", &master.secret) &&
           tls_cipher_init(&d->side[DIR_CLIENT].cipher, &master, true) &&
           tls_cipher_init(&d->side[DIR_SERVER].cipher, &master, false);
}

struct tls_decrypt *tls_decrypt_new(struct dissect_conn *conn, const struct tls_handshake *h)
{
    const struct tls_suite *suite = tls_suite_find(h->server.cipher);
    uint16_t version = h->server.version;
    bool is_suite_of_13 = suite && suite->id >> 8 == 0x13;
    if (!suite || h->client.is_v2 || version < VERSION_10 || version > VERSION_13 ||
        is_suite_of_13 != (version == VERSION_13) ||
        !any_secret(conn, h->client.random, version == VERSION_13))
        return NULL;
    struct arena *arena = dissect_arena(conn);
    struct tls_decrypt *d = arena_zalloc(arena, sizeof *d);
    uint8_t *plain = d ? arena_alloc(arena, TLS_FRAGMENT_MAX + 32) : NULL;
    if (!plain)
        return NULL;
    d->suite = suite;
    d->version = version;
    d->encrypt_then_mac = has_extension(&h->server.extensions, ENCRYPT_THEN_MAC);
    d->plain = plain;
    memcpy(d->client_random, h->client.random, 32);
    memcpy(d->server_random, h->server.random, 32);
    if (version == VERSION_13 && tls_decrypt_has_early(conn, h))
        d->early = h->was_retried ? EARLY_REFUSED : EARLY_UNDECIDED;
    struct dissect_layer_spec spec = {.tls = true};
    if (version == VERSION_13 || init_12(conn, d))
        d->layer = dissect_layer_open(conn, &spec);
    if (!d->layer) {
        tls_decrypt_free(d);
        return NULL;
    }
    return d;
}

void tls_decrypt_free(struct tls_decrypt *d)
{
    for (int dir = 0; d && dir < 2; dir++)
        tls_cipher_done(&d->side[dir].cipher);
}

enum tls_decrypt_wait tls_decrypt_may_read(const struct tls_decrypt *d, enum dissect_dir dir)
{
    bool waits = dir == DIR_CLIENT && d->early == EARLY_UNDECIDED;
    return waits ? TLS_WAIT_FOR_SERVER : TLS_READY;
}

/* ── opening a record ── */

struct opened {
    uint8_t type;
    size_t len;
};

static bool try_cipher(const struct tls_decrypt *d, struct direction *side,
                       struct tls_cipher *cipher, const uint8_t header[5], struct slice fragment,
                       struct opened *ret)
{
    for (uint64_t skipped = 0; cipher->ready && skipped <= side->lost_records; skipped++)
        if (tls_cipher_open(cipher, cipher->sequence + skipped, header, fragment, d->plain,
                            &ret->len, &ret->type)) {
            side->lost_records = 0;
            side->failures = 0;
            return true;
        }
    return false;
}

/* The record may be the first under another secret. */
static bool try_secret(const struct tls_decrypt *d, struct direction *side, struct slice secret,
                       const uint8_t header[5], struct slice fragment, struct opened *ret)
{
    struct tls_cipher next;
    if (!tls_cipher_init_13(&next, d->suite, secret))
        return false;
    if (!try_cipher(d, side, &next, header, fragment, ret)) {
        tls_cipher_done(&next);
        return false;
    }
    tls_cipher_done(&side->cipher);
    side->cipher = next;
    memcpy(side->secret, secret.data, secret.len);
    side->secret_bytes = secret.len;
    return true;
}

static bool try_later_epochs(const struct dissect_conn *conn, struct tls_decrypt *d,
                             enum dissect_dir dir, const uint8_t header[5], struct slice fragment,
                             struct opened *ret)
{
    struct direction *side = &d->side[dir];
    for (enum epoch e = side->epoch + 1; e <= EPOCH_APPLICATION; e++) {
        struct slice secret;
        if (e == EPOCH_EARLY && d->early != EARLY_ACCEPTED)
            continue;
        if (find_secret(conn, d->client_random, labels[dir][e], &secret) &&
            secret.len <= TLS_SECRET_MAX && try_secret(d, side, secret, header, fragment, ret)) {
            side->epoch = e;
            return true;
        }
    }
    uint8_t next[TLS_SECRET_MAX];
    return side->epoch == EPOCH_APPLICATION &&
           tls_next_secret(d->suite, slice_of(side->secret, side->secret_bytes), next) &&
           try_secret(d, side, slice_of(next, side->secret_bytes), header, fragment, ret);
}

static bool open_record(const struct dissect_conn *conn, struct tls_decrypt *d,
                        enum dissect_dir dir, const uint8_t header[5], struct slice fragment,
                        struct opened *ret)
{
    struct direction *side = &d->side[dir];
    if (side->failures > MAX_FAILURES)
        return false;
    if (try_cipher(d, side, &side->cipher, header, fragment, ret) ||
        (d->version == VERSION_13 && try_later_epochs(conn, d, dir, header, fragment, ret)))
        return true;
    side->failures++;
    return false;
}

/* ── what was inside ── */

/* EncryptedExtensions at the front of the server's first protected record say whether early data
 * was taken (RFC 8446 section 4.2.10). */
static enum early judge_early(struct slice messages)
{
    struct cursor c = cursor_of(messages.data, messages.len);
    unsigned type = cursor_u8(&c);
    cursor_skip(&c, 3);
    struct slice all = cursor_slice(&c, cursor_be16(&c));
    if (c.bad || type != ENCRYPTED_EXTENSIONS)
        return EARLY_REFUSED;
    struct cursor e = cursor_of(all.data, all.len);
    while (cursor_left(&e) >= 4 && !e.bad) {
        if (cursor_be16(&e) == EARLY_DATA)
            return EARLY_ACCEPTED;
        cursor_skip(&e, cursor_be16(&e));
    }
    return EARLY_REFUSED;
}

static void feed(struct dissect_conn *conn, struct tls_decrypt *d, struct dissect_stream *stream,
                 const struct tls_record *record, const struct opened *opened)
{
    enum dissect_dir dir = stream->dir;
    size_t bytes = record->lead + record->fragment_bytes;
    struct slice content = slice_of(d->plain, opened->len);
    if (dir == DIR_SERVER && d->early == EARLY_UNDECIDED)
        d->early = opened->type == HANDSHAKE_RECORD ? judge_early(content) : EARLY_REFUSED;
    if (opened->type == DATA_RECORD) {
        dissect_layer_take(d->layer, stream, bytes, content);
        return;
    }
    dissect_take(conn, stream, record->arena, record->span, bytes);
    if (opened->type == ALERT_RECORD && content.len == 2 && content.data[1] == 0) /* close_notify */
        dissect_layer_end(d->layer, dir);
}

bool tls_decrypt_guess(struct dissect_conn *conn, struct tls_decrypt *d,
                       struct dissect_stream *stream, const struct tls_record *record)
{
    struct slice fragment = slice_of(stream->data + record->lead, record->fragment_bytes);
    struct opened opened = {0};
    bool ok = open_record(conn, d, stream->dir, record->header, fragment, &opened);
    if (ok)
        feed(conn, d, stream, record, &opened);
    return ok;
}

void tls_decrypt_record(struct dissect_conn *conn, struct tls_decrypt *d,
                        struct dissect_stream *stream, const struct tls_record *record)
{
    enum dissect_dir dir = stream->dir;
    if (tls_decrypt_guess(conn, d, stream, record))
        return;
    if (dir == DIR_SERVER && d->early == EARLY_UNDECIDED)
        d->early = EARLY_REFUSED;
    dissect_take(conn, stream, record->arena, record->span, record->lead + record->fragment_bytes);
    bool held_data = d->version != VERSION_13 || d->side[dir].epoch == EPOCH_APPLICATION;
    if (held_data && record->header[0] == DATA_RECORD)
        dissect_layer_gap(d->layer, dir, UNKNOWN_LOSS);
}

void tls_decrypt_gap(struct tls_decrypt *d, enum dissect_dir dir, uint64_t bytes)
{
    struct direction *side = &d->side[dir];
    side->lost_records += bytes / SMALLEST_RECORD + 1;
    if (side->lost_records > MAX_LOST_RECORDS)
        side->lost_records = MAX_LOST_RECORDS;
    /* How much content stood in them is not known, and a wrong length would put what follows into
     * the wrong place: whatever is inside finds its own way again. */
    dissect_layer_gap(d->layer, dir, UNKNOWN_LOSS);
}
