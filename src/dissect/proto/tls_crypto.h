/* Opening protected TLS records with secrets that are known: key schedules of TLS 1.0 to 1.2 (RFC
 * 5246 sections 5 and 6.3, RFC 2246 section 5) and 1.3 (RFC 8446 section 7), AES-GCM (RFC 5288),
 * AES-CCM (RFC 6655), ChaCha20-Poly1305 (RFC 7905), AES and 3DES in CBC mode with HMAC (RFC 5246
 * section 6.2.3.2) before or after encryption (RFC 7366), RC4 (which OpenSSL keeps in a module that
 * a sandbox cannot load). Nothing is believed that is not authenticated. Not opened: Camellia,
 * ARIA, SEED, IDEA, NULL.
 *
 * In: a secret as a key log has it, records. Out: plaintext. The caller owns a tls_cipher and calls
 * tls_cipher_done. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_TLS_CRYPTO_H
#define TRAWL_DISSECT_PROTO_TLS_CRYPTO_H

#include <openssl/evp.h>

#include "base/slice.h"

enum {
    TLS_SECRET_MAX = 48,       /* master secret; traffic secret of SHA-384 */
    TLS_PLAINTEXT_MAX = 16384, /* of a record (RFC 8446 section 5.1) */
    TLS_FRAGMENT_MAX = TLS_PLAINTEXT_MAX + 2048
};

enum tls_protection {
    TLS_CBC,
    TLS_GCM,
    TLS_CCM,
    TLS_CCM_8, /* tags of 8 bytes */
    TLS_CHACHA20,
    TLS_RC4
};

struct tls_rc4 {
    uint8_t i, j, box[256];
};

struct tls_suite {
    uint16_t id;
    enum tls_protection protection;
    uint8_t key_bytes;
    const EVP_CIPHER *(*cipher)(void);
    const EVP_MD *(*mac)(void);  /* CBC and RC4 */
    const EVP_MD *(*hash)(void); /* of the key schedule, TLS 1.2 and 1.3 */
};

/* NULL: not one that can be opened. */
const struct tls_suite *tls_suite_find(uint16_t id);

struct tls_cipher {
    const struct tls_suite *suite;
    uint16_t version;
    bool encrypt_then_mac;
    bool ready;
    uint64_t sequence; /* of the next record */
    uint8_t iv[16];    /* fixed part of the nonce; TLS 1.0: the block before the next record */
    uint8_t mac_key[EVP_MAX_MD_SIZE];
    size_t iv_bytes, mac_bytes;
    EVP_CIPHER_CTX *context;
    struct tls_rc4 rc4;
};

/* What both directions of TLS 1.0 to 1.2 are made from. */
struct tls_master {
    const struct tls_suite *suite;
    uint16_t version;
    bool encrypt_then_mac;
    struct slice secret;                          /* 48 bytes */
    const uint8_t *client_random, *server_random; /* 32 bytes each */
};

/* False for a secret of the wrong length or without memory; *cipher is then done. */
bool tls_cipher_init(struct tls_cipher *cipher, const struct tls_master *master, bool of_client);
bool tls_cipher_init_13(struct tls_cipher *cipher, const struct tls_suite *suite,
                        struct slice traffic_secret);
void tls_cipher_done(struct tls_cipher *cipher);

/* HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). One block of HKDF is enough for
 * keys, nonces and secrets: false when more than the hash's length is asked for. */
bool tls_expand_label(const EVP_MD *md, struct slice secret, const char *label, uint8_t *out,
                      size_t len);

/* The traffic secret after a KeyUpdate (RFC 8446 section 7.2), of the same length. */
bool tls_next_secret(const struct tls_suite *suite, struct slice secret,
                     uint8_t ret_secret[TLS_SECRET_MAX]);

/* Opens one record: its five bytes of header, its fragment (at most TLS_FRAGMENT_MAX bytes), as the
 * record of `sequence`. out has room for the fragment and 32 bytes. True: authentic, *ret_type and
 * *ret_len are those of the content. The cipher changes only then: its next sequence follows this
 * one. */
bool tls_cipher_open(struct tls_cipher *cipher, uint64_t sequence, const uint8_t header[5],
                     struct slice fragment, uint8_t *out, size_t *ret_len, uint8_t *ret_type);

#endif
