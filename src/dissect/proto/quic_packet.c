#include "dissect/proto/quic_packet.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/memory.h"
#include "dissect/proto/tls_crypto.h"

enum {
    VERSION_1 = 0x00000001,
    VERSION_2 = 0x6b3343cf,
    DRAFT = 0xff0000,
    FIRST_DRAFT = 23,
    LAST_DRAFT = 34,
    SALT_BYTES = 20,
    HASH = 32,
    TAG = 16,
    SAMPLE = 16,
    NUMBER_MAX = 4,
    HEADER_MAX = 2048 /* tokens are short */
};

/* ── the header ── */

static unsigned draft_of(uint32_t version)
{
    return version >> 8 == DRAFT ? version & 0xff : 0;
}

static bool is_known(uint32_t version)
{
    unsigned draft = draft_of(version);
    return version == VERSION_1 || version == VERSION_2 ||
           (draft >= FIRST_DRAFT && draft <= LAST_DRAFT);
}

uint64_t quic_read_varint(struct cursor *c)
{
    uint8_t first = cursor_u8(c);
    uint64_t value = first & 0x3f;
    for (unsigned more = (1U << (first >> 6)) - 1; more; more--)
        value = value << 8 | cursor_u8(c);
    return value;
}

bool quic_parse(struct slice datagram, struct quic_packet *ret)
{
    struct cursor c = cursor_of(datagram.data, datagram.len);
    uint8_t first = cursor_u8(&c);
    struct quic_packet p = {.version = cursor_be32(&c)};
    if (c.bad || !(first & 0x80) || !is_known(p.version)) /* 0x40 may be greased (RFC 9287) */
        return false;
    unsigned type = first >> 4 & 3;
    p.type = p.version == VERSION_2 ? (type + 3) & 3 : type; /* RFC 9369 section 3.2 */
    size_t destination = cursor_u8(&c);
    p.destination = cursor_slice(&c, destination);
    size_t source = cursor_u8(&c);
    cursor_skip(&c, source);
    if (c.bad || destination > QUIC_ID_MAX || source > QUIC_ID_MAX)
        return false;
    if (p.type == QUIC_RETRY) {
        p.bytes = datagram.len;
        *ret = p;
        return cursor_left(&c) > TAG;
    }
    if (p.type == QUIC_INITIAL) {
        uint64_t token = quic_read_varint(&c);
        if (token > cursor_left(&c))
            return false;
        cursor_skip(&c, (size_t)token);
    }
    uint64_t length = quic_read_varint(&c);
    if (c.bad || length > cursor_left(&c) || length < NUMBER_MAX + SAMPLE)
        return false;
    p.number_at = datagram.len - cursor_left(&c);
    p.bytes = p.number_at + (size_t)length;
    *ret = p;
    return true;
}

/* ── keys ── */

static const uint8_t *salt_of(uint32_t version)
{
    static const uint8_t v1[SALT_BYTES] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                           0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                           0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    static const uint8_t v2[SALT_BYTES] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6,
                                           0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
                                           0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
    static const uint8_t draft_29[SALT_BYTES] = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2,
                                                 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61,
                                                 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
    static const uint8_t draft_23[SALT_BYTES] = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb,
                                                 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4,
                                                 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
    unsigned draft = draft_of(version);
    if (version == VERSION_2)
        return v2;
    return draft == 0 || draft >= 33 ? v1 : draft >= 29 ? draft_29 : draft_23;
}

static bool expand(const uint8_t secret[HASH], const char *label, uint8_t *out, size_t len)
{
    return tls_expand_label(EVP_sha256(), slice_of(secret, HASH), label, out, len);
}

bool quic_initial_keys(uint32_t version, struct slice destination, bool of_client,
                       struct quic_keys *ret)
{
    uint8_t initial[EVP_MAX_MD_SIZE], secret[HASH];
    unsigned n = 0;
    bool v2 = version == VERSION_2;
    return HMAC(EVP_sha256(), salt_of(version), SALT_BYTES,
                destination.len ? destination.data : (const uint8_t *)"", destination.len, initial,
                &n) &&
           expand(initial, of_client ? "client in" : "server in", secret, HASH) &&
           expand(secret, v2 ? "quicv2 key" : "quic key", ret->key, QUIC_KEY) &&
           expand(secret, v2 ? "quicv2 iv" : "quic iv", ret->iv, QUIC_IV) &&
           expand(secret, v2 ? "quicv2 hp" : "quic hp", ret->header, QUIC_KEY);
}

/* ── opening ── */

static EVP_CIPHER_CTX *new_context(void)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c)
        memory_failed();
    return c;
}

/* Header protection (RFC 9001 section 5.4.3): the mask over the first byte and the number. */
static bool make_mask(const uint8_t key[QUIC_KEY], const uint8_t sample[SAMPLE],
                      uint8_t mask[SAMPLE])
{
    EVP_CIPHER_CTX *c = new_context();
    int n = 0;
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
              EVP_EncryptUpdate(c, mask, &n, sample, SAMPLE) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

struct header {
    uint8_t bytes[HEADER_MAX];
    size_t len;
};

static bool open_payload(const struct quic_keys *keys, const uint8_t nonce[QUIC_IV],
                         const struct header *header, struct slice sealed, uint8_t *out)
{
    size_t plain = sealed.len - TAG;
    uint8_t tag[TAG];
    int n = 0, rest = 0;
    memcpy(tag, sealed.data + plain, TAG);
    EVP_CIPHER_CTX *c = new_context();
    bool ok = c && EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, keys->key, nonce) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, header->bytes, (int)header->len) == 1 &&
              EVP_DecryptUpdate(c, out, &n, sealed.data, (int)plain) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
              EVP_DecryptFinal_ex(c, out + n, &rest) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

bool quic_open(const struct quic_keys *keys, struct slice datagram,
               const struct quic_packet *packet, uint8_t *out, size_t *ret_len)
{
    uint8_t mask[SAMPLE], nonce[QUIC_IV];
    struct header header;
    size_t at = packet->number_at;
    if (at + NUMBER_MAX > sizeof header.bytes || packet->bytes < at + NUMBER_MAX + SAMPLE ||
        packet->bytes > datagram.len ||
        !make_mask(keys->header, datagram.data + at + NUMBER_MAX, mask))
        return false;
    memcpy(header.bytes, datagram.data, at + NUMBER_MAX);
    header.bytes[0] ^= mask[0] & 0x0f;
    size_t number_bytes = (header.bytes[0] & 3U) + 1;
    header.len = at + number_bytes;
    memcpy(nonce, keys->iv, QUIC_IV);
    for (size_t i = 0; i < number_bytes; i++) {
        header.bytes[at + i] ^= mask[1 + i];
        nonce[QUIC_IV - number_bytes + i] ^= header.bytes[at + i];
    }
    struct slice sealed = slice_of(datagram.data + header.len, packet->bytes - header.len);
    if (sealed.len <= TAG || !open_payload(keys, nonce, &header, sealed, out))
        return false;
    *ret_len = sealed.len - TAG;
    return true;
}
