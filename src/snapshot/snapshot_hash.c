#include "snapshot/snapshot_hash.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/text.h"

int snapshot_hash_begin(struct snapshot_hash *hash)
{
    hash->failed = false;
    if (!hash->ctx)
        hash->ctx = EVP_MD_CTX_new();
    if (!hash->ctx)
        return -ENOMEM;
    hash->failed = EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) != 1;
    return hash->failed ? -EIO : 0;
}

void snapshot_hash_add(struct snapshot_hash *hash, const void *data, size_t n)
{
    if (EVP_DigestUpdate(hash->ctx, data, n) != 1)
        hash->failed = true;
}

int snapshot_hash_end(struct snapshot_hash *hash, char out[SNAPSHOT_SHA256_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (hash->failed || EVP_DigestFinal_ex(hash->ctx, digest, NULL) != 1) {
        out[0] = '\0';
        return -EIO;
    }
    text_hex(digest, 32, out);
    return 0;
}

void snapshot_hash_done(struct snapshot_hash *hash)
{
    EVP_MD_CTX_free(hash->ctx);
    hash->ctx = NULL;
}

int snapshot_hash_bytes(struct slice bytes, char out[SNAPSHOT_SHA256_SIZE])
{
    struct snapshot_hash hash = {0};
    int r = snapshot_hash_begin(&hash);
    if (r == 0) {
        if (bytes.len)
            snapshot_hash_add(&hash, bytes.data, bytes.len);
        r = snapshot_hash_end(&hash, out);
    }
    snapshot_hash_done(&hash);
    return r;
}

void snapshot_hash_prepare(void)
{
    char unused[SNAPSHOT_SHA256_SIZE];
    (void)snapshot_hash_bytes(SLICE_NONE, unused);
}

void snapshot_hash_leave_thread(void)
{
    OPENSSL_thread_stop();
}
