#include "snapshot/snapshot_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/text.h"

#define FILE_NAME "hub.key"
#define PHASE     "hub-key"

static const char signature_head[] = ",\"signature\":{\"algorithm\":\"ed25519\",\"public_key\":\"";
static const char signature_middle[] = "\",\"value\":\"";
static const char signature_tail[] = "\"}}";

enum {
    SECRET_BYTES = 32,
    SIGNATURE_BYTES = 64,
    SIGNATURE_TEXT = 88
};

struct snapshot_key {
    EVP_PKEY *pkey;
    char public_text[SNAPSHOT_KEY_TEXT_SIZE];
};

static int base64_to(const uint8_t *data, size_t len, char *out, size_t out_size)
{
    struct buf b;
    buf_init(&b, 256);
    int r = text_base64_encode(slice_of(data, len), &b);
    if (r == 0 && b.len < out_size) {
        memcpy(out, b.data, b.len);
        out[b.len] = '\0';
    } else if (r == 0) {
        r = -ENOBUFS;
    }
    buf_done(&b);
    return r;
}

static int base64_from(struct slice text, uint8_t *out, size_t len)
{
    struct buf b;
    buf_init(&b, 256);
    int r = text_base64_decode(text, &b);
    if (r == 0 && b.len == len)
        memcpy(out, b.data, len);
    else
        r = -EBADMSG;
    OPENSSL_cleanse(b.data, b.len);
    buf_done(&b);
    return r;
}

static int make_secret(int dir, uint8_t secret[SECRET_BYTES])
{
    EVP_PKEY *fresh = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t len = SECRET_BYTES;
    int r = fresh && EVP_PKEY_get_raw_private_key(fresh, secret, &len) == 1 && len == SECRET_BYTES
                ? 0
                : -EIO;
    EVP_PKEY_free(fresh);
    char text[64];
    if (r == 0)
        r = base64_to(secret, SECRET_BYTES, text, sizeof text - 1);
    if (r < 0)
        return r;
    size_t n = strlen(text);
    text[n++] = '\n';
    r = io_replace_file(PHASE, dir, FILE_NAME, slice_of(text, n), 0600);
    OPENSSL_cleanse(text, sizeof text);
    return r;
}

static int load_secret(int dir, uint8_t secret[SECRET_BYTES], struct error *reterr)
{
    struct buf b;
    buf_init(&b, 4096);
    int r = io_read_file(dir, FILE_NAME, &b);
    if (r == -ENOENT) {
        r = make_secret(dir, secret);
        if (r < 0)
            error_set(reterr, r, "The hub's key could not be made: %s.", strerrordesc_np(-r));
    } else if (r < 0) {
        error_set(reterr, r, "hub.key could not be read: %s.", strerrordesc_np(-r));
    } else {
        struct slice text = slice_of(b.data, b.len);
        while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == ' '))
            text.len--;
        r = base64_from(text, secret, SECRET_BYTES);
        if (r < 0)
            error_set(reterr, r,
                      "hub.key in the data folder is damaged: restore it, or remove it and a new "
                      "key is made.");
    }
    if (b.len)
        OPENSSL_cleanse(b.data, b.len);
    buf_done(&b);
    return r;
}

int snapshot_key_open(int dir, struct snapshot_key **ret_key, struct error *reterr)
{
    uint8_t secret[SECRET_BYTES], public_bytes[SECRET_BYTES];
    int r = load_secret(dir, secret, reterr);
    if (r < 0)
        return r;
    struct snapshot_key *key = calloc(1, sizeof *key);
    if (!key)
        return error_set(reterr, -ENOMEM, "There is no memory for the hub's key.");
    key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, SECRET_BYTES);
    OPENSSL_cleanse(secret, sizeof secret);
    size_t len = sizeof public_bytes;
    if (!key->pkey || EVP_PKEY_get_raw_public_key(key->pkey, public_bytes, &len) != 1 ||
        base64_to(public_bytes, len, key->public_text, sizeof key->public_text) < 0) {
        snapshot_key_free(key);
        return error_set(reterr, -EIO, "The hub's key cannot be used.");
    }
    *ret_key = key;
    return 0;
}

void snapshot_key_free(struct snapshot_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

const char *snapshot_key_public(const struct snapshot_key *key)
{
    return key->public_text;
}

int snapshot_key_sign(const struct snapshot_key *key, struct buf *manifest)
{
    uint8_t signature[SIGNATURE_BYTES];
    size_t len = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
              EVP_DigestSign(ctx, signature, &len, manifest->data, manifest->len) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok || manifest->len == 0)
        return -EIO;
    char text[SIGNATURE_TEXT + 8];
    int r = base64_to(signature, len, text, sizeof text);
    if (r < 0)
        return r;
    manifest->len--; /* the closing brace comes again behind the signature */
    buf_append_str(manifest, signature_head);
    buf_append_str(manifest, key->public_text);
    buf_append_str(manifest, signature_middle);
    buf_append_str(manifest, text);
    buf_append_str(manifest, signature_tail);
    return buf_append_u8(manifest, '\n');
}

/* The signed bytes end where the signature begins; the layout is fixed, so no search is needed. */
static bool split(struct slice manifest, size_t *ret_body, struct slice *ret_public,
                  struct slice *ret_signature)
{
    while (manifest.len && manifest.data[manifest.len - 1] == '\n')
        manifest.len--;
    size_t public_len = SNAPSHOT_KEY_TEXT_SIZE - 4; /* 44 characters */
    size_t tail = sizeof signature_head - 1 + public_len + sizeof signature_middle - 1 +
                  SIGNATURE_TEXT + sizeof signature_tail - 1;
    if (manifest.len <= tail)
        return false;
    size_t at = manifest.len - tail;
    *ret_body = at;
    if (!slice_eq_str(slice_sub(manifest, at, sizeof signature_head - 1), signature_head))
        return false;
    at += sizeof signature_head - 1;
    *ret_public = slice_sub(manifest, at, public_len);
    at += public_len;
    if (!slice_eq_str(slice_sub(manifest, at, sizeof signature_middle - 1), signature_middle))
        return false;
    at += sizeof signature_middle - 1;
    *ret_signature = slice_sub(manifest, at, SIGNATURE_TEXT);
    return slice_eq_str(slice_sub(manifest, at + SIGNATURE_TEXT, sizeof signature_tail - 1),
                        signature_tail);
}

int snapshot_key_check(struct slice manifest, char ret_public[SNAPSHOT_KEY_TEXT_SIZE],
                       struct error *reterr)
{
    size_t body;
    struct slice public_text, signature_text;
    uint8_t public_bytes[SECRET_BYTES], signature[SIGNATURE_BYTES];
    if (!split(manifest, &body, &public_text, &signature_text) ||
        base64_from(public_text, public_bytes, sizeof public_bytes) < 0 ||
        base64_from(signature_text, signature, sizeof signature) < 0)
        return error_set(reterr, -EBADMSG, "manifest.json carries no readable signature.");
    uint8_t *copy = malloc(body + 1);
    if (!copy)
        return error_set(reterr, -ENOMEM, "There is no memory to check the signature.");
    memcpy(copy, manifest.data, body);
    copy[body] = '}';
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_bytes, sizeof public_bytes);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestVerify(ctx, signature, sizeof signature, copy, body + 1) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    free(copy);
    if (!ok)
        return error_set(
            reterr, -EBADMSG,
            "The signature of manifest.json does not match its content: it was altered "
            "after it was signed.");
    if (ret_public) {
        memcpy(ret_public, public_text.data, public_text.len);
        ret_public[public_text.len] = '\0';
    }
    return 0;
}
