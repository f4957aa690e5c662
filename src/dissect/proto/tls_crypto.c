#include "dissect/proto/tls_crypto.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/memory.h"

enum {
    HEADER = 5,
    TAG = 16,
    SHORT_TAG = 8,
    EXPLICIT_NONCE = 8,
    NONCE = 12,
    CBC_BLOCK_MAX = 16,
    LABEL_MAX = 64,
    VERSION_10 = 0x0301,
    VERSION_12 = 0x0303,
    VERSION_13 = 0x0304,
    KEY_BLOCK_MAX = 2 * (64 + 32 + 16)
};

/* ── TLS 1.0 to 1.2: P_hash and the key block ── */

/* A(i) = HMAC(secret, A(i−1)); output = HMAC(secret, A(1) + seed) + … (RFC 5246 section 5). XORs
 * into out, so that TLS 1.0 can lay two of them over each other. */
static bool p_hash(const EVP_MD *md, struct slice secret, struct slice seed, uint8_t *out,
                   size_t len)
{
    uint8_t a[EVP_MAX_MD_SIZE + LABEL_MAX + 64], block[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t hash = (size_t)EVP_MD_get_size(md);
    if (seed.len > sizeof a - EVP_MAX_MD_SIZE ||
        !HMAC(md, secret.data, (int)secret.len, seed.data, seed.len, a, &n))
        return false;
    memcpy(a + hash, seed.data, seed.len);
    for (size_t at = 0; at < len; at += hash) {
        if (!HMAC(md, secret.data, (int)secret.len, a, hash + seed.len, block, &n))
            return false;
        for (size_t i = 0; i < hash && at + i < len; i++)
            out[at + i] ^= block[i];
        if (!HMAC(md, secret.data, (int)secret.len, a, hash, block, &n))
            return false;
        memcpy(a, block, hash);
    }
    OPENSSL_cleanse(block, sizeof block);
    return true;
}

static bool key_block(const struct tls_master *m, uint8_t *out, size_t len)
{
    static const char label[] = "key expansion";
    uint8_t seed[sizeof label - 1 + 64];
    memcpy(seed, label, sizeof label - 1);
    memcpy(seed + sizeof label - 1, m->server_random, 32);
    memcpy(seed + sizeof label - 1 + 32, m->client_random, 32);
    struct slice all = slice_of(seed, sizeof seed);
    memset(out, 0, len);
    if (m->version >= VERSION_12)
        return p_hash(m->suite->hash(), m->secret, all, out, len);
    size_t half = (m->secret.len + 1) / 2;
    return p_hash(EVP_md5(), slice_sub(m->secret, 0, half), all, out, len) &&
           p_hash(EVP_sha1(), slice_sub(m->secret, m->secret.len - half, half), all, out, len);
}

/* ── RC4 ── */

static void rc4_start(struct tls_rc4 *r, const uint8_t *key, size_t key_bytes)
{
    *r = (struct tls_rc4){0};
    for (unsigned i = 0; i < 256; i++)
        r->box[i] = (uint8_t)i;
    uint8_t j = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t t = r->box[i];
        j = (uint8_t)(j + t + key[i % key_bytes]);
        r->box[i] = r->box[j];
        r->box[j] = t;
    }
}

static void rc4_apply(struct tls_rc4 *r, struct slice in, uint8_t *out)
{
    for (size_t n = 0; n < in.len; n++) {
        uint8_t a = r->box[++r->i];
        r->j = (uint8_t)(r->j + a);
        uint8_t b = r->box[r->j];
        r->box[r->i] = b;
        r->box[r->j] = a;
        out[n] = in.data[n] ^ r->box[(uint8_t)(a + b)];
    }
}

/* ── a cipher ── */

static bool open_context(struct tls_cipher *cipher, const uint8_t *key)
{
    const struct tls_suite *suite = cipher->suite;
    if (suite->protection == TLS_RC4) {
        rc4_start(&cipher->rc4, key, suite->key_bytes);
        return cipher->ready = true;
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context)
        memory_failed();
    cipher->context = context;
    bool is_ccm = suite->protection == TLS_CCM || suite->protection == TLS_CCM_8;
    int tag = suite->protection == TLS_CCM_8 ? SHORT_TAG : TAG;
    bool ok = context && EVP_DecryptInit_ex(context, suite->cipher(), NULL, NULL, NULL) == 1;
    if (ok && suite->protection != TLS_CBC)
        ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, NONCE, NULL) == 1;
    if (ok && is_ccm) /* the tag's length comes before the key (NIST SP 800-38C) */
        ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag, NULL) == 1;
    ok = ok && EVP_DecryptInit_ex(context, NULL, NULL, key, NULL) == 1;
    if (ok && suite->protection == TLS_CBC)
        ok = EVP_CIPHER_CTX_set_padding(context, 0) == 1;
    if (!ok)
        tls_cipher_done(cipher);
    else
        cipher->ready = true;
    return ok;
}

void tls_cipher_done(struct tls_cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->context);
    OPENSSL_cleanse(cipher, sizeof *cipher);
}

static size_t fixed_iv_bytes(const struct tls_suite *suite, uint16_t version)
{
    if (suite->protection == TLS_CHACHA20)
        return NONCE;
    if (suite->protection == TLS_RC4)
        return 0;
    if (suite->protection != TLS_CBC)
        return NONCE - EXPLICIT_NONCE;
    return version == VERSION_10 ? (size_t)EVP_CIPHER_get_block_size(suite->cipher()) : 0;
}

bool tls_cipher_init(struct tls_cipher *cipher, const struct tls_master *m, bool of_client)
{
    uint8_t block[KEY_BLOCK_MAX];
    const struct tls_suite *suite = m->suite;
    size_t mac = suite->mac ? (size_t)EVP_MD_get_size(suite->mac()) : 0;
    size_t iv = fixed_iv_bytes(suite, m->version);
    size_t len = 2 * (mac + suite->key_bytes + iv);
    *cipher = (struct tls_cipher){.suite = suite,
                                  .version = m->version,
                                  .encrypt_then_mac = m->encrypt_then_mac,
                                  .iv_bytes = iv,
                                  .mac_bytes = mac};
    if (m->secret.len != TLS_SECRET_MAX || len > sizeof block || !key_block(m, block, len))
        return false;
    const uint8_t *macs = block, *keys = macs + 2 * mac, *ivs = keys + 2 * suite->key_bytes;
    size_t side = of_client ? 0 : 1;
    memcpy(cipher->mac_key, macs + side * mac, mac);
    memcpy(cipher->iv, ivs + side * iv, iv);
    bool ok = open_context(cipher, keys + side * suite->key_bytes);
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

/* ── TLS 1.3 ── */

bool tls_expand_label(const EVP_MD *md, struct slice secret, const char *label, uint8_t *out,
                      size_t len)
{
    uint8_t info[LABEL_MAX], block[EVP_MAX_MD_SIZE];
    size_t n = strlen(label);
    unsigned hash = 0;
    if (n + 11 > sizeof info || len > (size_t)EVP_MD_get_size(md))
        return false;
    info[0] = 0;
    info[1] = (uint8_t)len;
    info[2] = (uint8_t)(6 + n);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, n);
    info[9 + n] = 0;  /* no context */
    info[10 + n] = 1; /* the first block */
    if (!HMAC(md, secret.data, (int)secret.len, info, n + 11, block, &hash))
        return false;
    memcpy(out, block, len);
    OPENSSL_cleanse(block, sizeof block);
    return true;
}

bool tls_cipher_init_13(struct tls_cipher *cipher, const struct tls_suite *suite,
                        struct slice traffic_secret)
{
    uint8_t key[32];
    *cipher = (struct tls_cipher){.suite = suite, .version = VERSION_13, .iv_bytes = NONCE};
    const EVP_MD *md = suite->hash();
    if (traffic_secret.len != (size_t)EVP_MD_get_size(md) ||
        !tls_expand_label(md, traffic_secret, "key", key, suite->key_bytes) ||
        !tls_expand_label(md, traffic_secret, "iv", cipher->iv, NONCE))
        return false;
    bool ok = open_context(cipher, key);
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

bool tls_next_secret(const struct tls_suite *suite, struct slice secret,
                     uint8_t ret_secret[TLS_SECRET_MAX])
{
    return tls_expand_label(suite->hash(), secret, "traffic upd", ret_secret, secret.len);
}

/* ── AEAD ── */

static void put_be64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

/* TLS 1.2: sequence, type, version, length of the plaintext; 1.3: the record's header. */
static size_t additional_data(const struct tls_cipher *cipher, uint64_t sequence,
                              const uint8_t header[HEADER], size_t plain, uint8_t out[13])
{
    if (cipher->version == VERSION_13) {
        memcpy(out, header, HEADER);
        return HEADER;
    }
    put_be64(out, sequence);
    memcpy(out + 8, header, 3);
    out[11] = (uint8_t)(plain >> 8);
    out[12] = (uint8_t)plain;
    return 13;
}

static void make_nonce(const struct tls_cipher *cipher, uint64_t sequence, const uint8_t *explicit_,
                       uint8_t out[NONCE])
{
    memcpy(out, cipher->iv, cipher->iv_bytes);
    if (cipher->iv_bytes < NONCE) {
        memcpy(out + cipher->iv_bytes, explicit_, EXPLICIT_NONCE);
        return;
    }
    uint8_t number[8];
    put_be64(number, sequence);
    for (size_t i = 0; i < 8; i++)
        out[NONCE - 8 + i] ^= number[i];
}

static bool open_aead(struct tls_cipher *cipher, uint64_t sequence, const uint8_t header[HEADER],
                      struct slice fragment, uint8_t *out, size_t *ret_len)
{
    enum tls_protection kind = cipher->suite->protection;
    size_t tag = kind == TLS_CCM_8 ? SHORT_TAG : TAG;
    size_t before = cipher->iv_bytes < NONCE ? EXPLICIT_NONCE : 0;
    if (fragment.len < before + tag)
        return false;
    size_t plain = fragment.len - before - tag;
    uint8_t nonce[NONCE], aad[13], tag_bytes[TAG];
    make_nonce(cipher, sequence, fragment.data, nonce);
    size_t aad_len = additional_data(cipher, sequence, header, plain, aad);
    memcpy(tag_bytes, fragment.data + before + plain, tag);
    EVP_CIPHER_CTX *c = cipher->context;
    int n = 0, rest = 0;
    if (kind == TLS_CCM || kind == TLS_CCM_8) {
        if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag, tag_bytes) != 1 ||
            EVP_DecryptInit_ex(c, NULL, NULL, NULL, nonce) != 1 ||
            EVP_DecryptUpdate(c, NULL, &n, NULL, (int)plain) != 1 ||
            EVP_DecryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1 ||
            EVP_DecryptUpdate(c, out, &n, fragment.data + before, (int)plain) != 1)
            return false;
    } else if (EVP_DecryptInit_ex(c, NULL, NULL, NULL, nonce) != 1 ||
               EVP_DecryptUpdate(c, NULL, &n, aad, (int)aad_len) != 1 ||
               EVP_DecryptUpdate(c, out, &n, fragment.data + before, (int)plain) != 1 ||
               EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag, tag_bytes) != 1 ||
               EVP_DecryptFinal_ex(c, out + n, &rest) != 1) {
        return false;
    }
    *ret_len = plain;
    return true;
}

/* ── CBC ── */

static bool mac_fits(const struct tls_cipher *cipher, uint64_t sequence,
                     const uint8_t header[HEADER], struct slice content, const uint8_t *mac)
{
    uint8_t head[13], expected[EVP_MAX_MD_SIZE];
    size_t len = 0;
    put_be64(head, sequence);
    memcpy(head + 8, header, 3);
    head[11] = (uint8_t)(content.len >> 8);
    head[12] = (uint8_t)content.len;
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, cipher->mac_key, cipher->mac_bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!key || !context)
        memory_failed();
    bool ok = key && context &&
              EVP_DigestSignInit(context, NULL, cipher->suite->mac(), NULL, key) == 1 &&
              EVP_DigestSignUpdate(context, head, sizeof head) == 1 &&
              EVP_DigestSignUpdate(context, content.data, content.len) == 1;
    len = sizeof expected;
    ok = ok && EVP_DigestSignFinal(context, expected, &len) == 1 && len == cipher->mac_bytes &&
         memcmp(expected, mac, len) == 0;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return ok;
}

/* The plaintext's length without MAC and padding; false when the padding is none. */
static bool strip_padding(const uint8_t *plain, size_t len, size_t mac, size_t *ret_len)
{
    size_t padding = len ? plain[len - 1] : 0;
    if (len < padding + 1 + mac)
        return false;
    for (size_t i = 0; i <= padding; i++)
        if (plain[len - 1 - i] != padding)
            return false;
    *ret_len = len - padding - 1 - mac;
    return true;
}

static bool open_cbc(struct tls_cipher *cipher, uint64_t sequence, const uint8_t header[HEADER],
                     struct slice fragment, uint8_t *out, size_t *ret_len)
{
    size_t block = (size_t)EVP_CIPHER_CTX_get_block_size(cipher->context);
    size_t mac = cipher->mac_bytes, len = 0;
    bool chained = cipher->version == VERSION_10;
    struct slice sealed = fragment;
    if (cipher->encrypt_then_mac) {
        if (fragment.len < mac)
            return false;
        sealed = slice_sub(fragment, 0, fragment.len - mac);
        if (!mac_fits(cipher, sequence, header, sealed, fragment.data + sealed.len))
            return false;
    }
    const uint8_t *iv = cipher->iv;
    if (!chained) {
        if (sealed.len < block)
            return false;
        iv = sealed.data;
        sealed = slice_sub(sealed, block, SIZE_MAX);
    }
    int n = 0;
    if (sealed.len == 0 || sealed.len % block ||
        EVP_DecryptInit_ex(cipher->context, NULL, NULL, NULL, iv) != 1 ||
        EVP_DecryptUpdate(cipher->context, out, &n, sealed.data, (int)sealed.len) != 1 ||
        !strip_padding(out, sealed.len, cipher->encrypt_then_mac ? 0 : mac, &len))
        return false;
    if (!cipher->encrypt_then_mac &&
        !mac_fits(cipher, sequence, header, slice_of(out, len), out + len))
        return false;
    if (chained)
        memcpy(cipher->iv, sealed.data + sealed.len - block, block);
    *ret_len = len;
    return true;
}

/* A stream cipher cannot skip what is missing: only the next record opens. */
static bool open_rc4(struct tls_cipher *cipher, uint64_t sequence, const uint8_t header[HEADER],
                     struct slice fragment, uint8_t *out, size_t *ret_len)
{
    struct tls_rc4 next = cipher->rc4;
    if (sequence != cipher->sequence || fragment.len < cipher->mac_bytes)
        return false;
    rc4_apply(&next, fragment, out);
    size_t len = fragment.len - cipher->mac_bytes;
    if (!mac_fits(cipher, sequence, header, slice_of(out, len), out + len))
        return false;
    cipher->rc4 = next;
    *ret_len = len;
    return true;
}

static bool open_fragment(struct tls_cipher *cipher, uint64_t sequence,
                          const uint8_t header[HEADER], struct slice fragment, uint8_t *out,
                          size_t *ret_len)
{
    switch (cipher->suite->protection) {
    case TLS_CBC:
        return open_cbc(cipher, sequence, header, fragment, out, ret_len);
    case TLS_RC4:
        return open_rc4(cipher, sequence, header, fragment, out, ret_len);
    case TLS_GCM:
    case TLS_CCM:
    case TLS_CCM_8:
    case TLS_CHACHA20:
        return open_aead(cipher, sequence, header, fragment, out, ret_len);
    }
    return false;
}

bool tls_cipher_open(struct tls_cipher *cipher, uint64_t sequence, const uint8_t header[HEADER],
                     struct slice fragment, uint8_t *out, size_t *ret_len, uint8_t *ret_type)
{
    size_t len = 0;
    if (!cipher->ready || fragment.len > TLS_FRAGMENT_MAX ||
        !open_fragment(cipher, sequence, header, fragment, out, &len))
        return false;
    uint8_t type = header[0];
    if (cipher->version == VERSION_13) { /* content, type, zeros (RFC 8446 section 5.2) */
        while (len && out[len - 1] == 0)
            len--;
        if (len == 0)
            return false;
        type = out[--len];
    }
    cipher->sequence = sequence + 1;
    *ret_len = len;
    *ret_type = type;
    return true;
}
