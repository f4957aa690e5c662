#include "api/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/text.h"

enum {
    MAX_REVOKED = 256,
    THROTTLE_SLOTS = 256,
    MAX_FAILURES_A_MINUTE = 10,
    NONCE_BYTES = 16
};

struct failures {
    uint64_t address;
    int64_t since_ns;
    unsigned count;
};

struct auth {
    pthread_mutex_t lock;
    char token[AUTH_TOKEN_SIZE], worker_token[AUTH_TOKEN_SIZE];
    char revoked[MAX_REVOKED][2 * NONCE_BYTES + 1]; /* nonces, the oldest is overwritten */
    unsigned revoked_next;
    struct hash_key key;
    struct failures failures[THROTTLE_SLOTS];
};

/* ── the files ── */

static bool is_token(const char *text)
{
    return strspn(text, "0123456789abcdef") == AUTH_TOKEN_SIZE - 1 &&
           text[AUTH_TOKEN_SIZE - 1] == 0;
}

static int write_token(int dir, const char *name, char token[AUTH_TOKEN_SIZE])
{
    uint8_t random[(AUTH_TOKEN_SIZE - 1) / 2];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -EIO;
    char line[AUTH_TOKEN_SIZE + 1];
    text_hex(random, sizeof random, token);
    snprintf(line, sizeof line, "%s\n", token);
    return io_replace_file("token", dir, name, slice_str(line), 0600);
}

static int read_token(int dir, const char *name, char token[AUTH_TOKEN_SIZE])
{
    struct buf content;
    buf_init(&content, 1024);
    int e = io_read_file(dir, name, &content);
    if (!e)
        e = buf_append_u8(&content, 0);
    if (!e) {
        char *text = (char *)content.data;
        text[strcspn(text, "\r\n")] = 0;
        e = is_token(text) ? 0 : -EBADMSG;
        if (!e)
            memcpy(token, text, AUTH_TOKEN_SIZE);
    }
    buf_done(&content);
    return e;
}

int auth_load_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                    bool *ret_made, struct error *reterr)
{
    int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set(reterr, -errno, "The data folder %.300s cannot be opened: %s.", data_dir,
                         strerror(errno));
    int e = read_token(dir, name, token);
    if (ret_made)
        *ret_made = e == -ENOENT;
    if (e == -ENOENT)
        e = write_token(dir, name, token);
    close(dir);
    if (e == -EBADMSG)
        return error_set(reterr, e,
                         "%.300s/%s holds no token (64 hexadecimal digits); remove it to have a "
                         "new one made.",
                         data_dir, name);
    return e ? error_set(reterr, e, "%.300s/%s cannot be read or written: %s.", data_dir, name,
                         strerror(-e))
             : 0;
}

int auth_read_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                    struct error *reterr)
{
    int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int e = dir < 0 ? -errno : read_token(dir, name, token);
    if (dir >= 0)
        close(dir);
    if (e == -ENOENT)
        return error_set(reterr, e,
                         "%.300s/%s is not there: no hub has run with this data folder; name the "
                         "folder with --data.",
                         data_dir, name);
    return e ? error_set(reterr, e, "%.300s/%s cannot be read: %s.", data_dir, name,
                         e == -EBADMSG ? "it holds no token" : strerror(-e))
             : 0;
}

int auth_rotate_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                      struct error *reterr)
{
    int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int e = dir < 0 ? -errno : 0;
    struct stat before;
    bool had = !e && fstatat(dir, name, &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (!e)
        e = write_token(dir, name, token);
    /* Root may rotate the token of a hub that runs as another user. */
    if (!e && had && geteuid() == 0 &&
        fchownat(dir, name, before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        e = -errno;
    if (dir >= 0)
        close(dir);
    return e ? error_set(reterr, e, "%.300s/%s cannot be written: %s.", data_dir, name,
                         strerror(-e))
             : 0;
}

/* ── checking ── */

int auth_new(const char *token, const char *worker_token, struct auth **ret_auth)
{
    struct auth *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    pthread_mutex_init(&a->lock, NULL);
    snprintf(a->token, sizeof a->token, "%s", token);
    snprintf(a->worker_token, sizeof a->worker_token, "%s", worker_token);
    a->key = hash_random_key();
    *ret_auth = a;
    return 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    OPENSSL_cleanse(auth, sizeof *auth);
    free(auth);
}

void auth_set_token(struct auth *auth, const char *token)
{
    pthread_mutex_lock(&auth->lock);
    snprintf(auth->token, sizeof auth->token, "%s", token);
    pthread_mutex_unlock(&auth->lock);
}

static bool matches(struct auth *auth, const char *expected, const char *text)
{
    pthread_mutex_lock(&auth->lock);
    bool same = strnlen(text, AUTH_TOKEN_SIZE) == AUTH_TOKEN_SIZE - 1 &&
                CRYPTO_memcmp(expected, text, AUTH_TOKEN_SIZE - 1) == 0;
    pthread_mutex_unlock(&auth->lock);
    return same;
}

bool auth_token_matches(struct auth *auth, const char *text)
{
    return matches(auth, auth->token, text);
}

bool auth_worker_token_matches(struct auth *auth, const char *text)
{
    return matches(auth, auth->worker_token, text);
}

/* out: 64 hex digits of HMAC-SHA256 over the signed part. */
static void sign(struct auth *auth, const char *part, size_t len, char out[65])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    pthread_mutex_lock(&auth->lock);
    (void)HMAC(EVP_sha256(), auth->token, AUTH_TOKEN_SIZE - 1, (const uint8_t *)part, len, mac,
               &mac_len);
    pthread_mutex_unlock(&auth->lock);
    text_hex(mac, 32, out);
}

void auth_make_cookie(struct auth *auth, char cookie[AUTH_COOKIE_SIZE])
{
    uint8_t nonce[NONCE_BYTES];
    char nonce_text[2 * NONCE_BYTES + 1], mac[65];
    if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce)
        abort(); /* never happens once the system has started */
    text_hex(nonce, sizeof nonce, nonce_text);
    int64_t expiry = clock_now_ns() / NS_PER_S + AUTH_SESSION_SECONDS;
    int n = snprintf(cookie, AUTH_COOKIE_SIZE, "%lld.%s", (long long)expiry, nonce_text);
    sign(auth, cookie, (size_t)n, mac);
    snprintf(cookie + n, AUTH_COOKIE_SIZE - (size_t)n, ".%s", mac);
}

bool auth_cookie_matches(struct auth *auth, const char *cookie)
{
    size_t len = strnlen(cookie, AUTH_COOKIE_SIZE);
    const char *first = strchr(cookie, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    if (len >= AUTH_COOKIE_SIZE || !second || strlen(second + 1) != 64 ||
        second - first - 1 != 2 * NONCE_BYTES || first - cookie > 20)
        return false;
    char mac[65], expiry_text[24];
    sign(auth, cookie, (size_t)(second - cookie), mac);
    if (CRYPTO_memcmp(mac, second + 1, 64) != 0)
        return false;
    int64_t expiry;
    memcpy(expiry_text, cookie, (size_t)(first - cookie));
    expiry_text[first - cookie] = 0;
    if (text_parse_int(expiry_text, 0, INT64_MAX, &expiry) < 0 ||
        expiry < clock_now_ns() / NS_PER_S)
        return false;
    bool revoked = false;
    pthread_mutex_lock(&auth->lock);
    for (size_t i = 0; i < MAX_REVOKED; i++)
        revoked = revoked || strncmp(auth->revoked[i], first + 1, 2 * NONCE_BYTES) == 0;
    pthread_mutex_unlock(&auth->lock);
    return !revoked;
}

void auth_revoke_cookie(struct auth *auth, const char *cookie)
{
    const char *first = strchr(cookie, '.');
    if (!first || !auth_cookie_matches(auth, cookie))
        return;
    pthread_mutex_lock(&auth->lock);
    snprintf(auth->revoked[auth->revoked_next], 2 * NONCE_BYTES + 1, "%.*s", 2 * NONCE_BYTES,
             first + 1);
    auth->revoked_next = (auth->revoked_next + 1) % MAX_REVOKED;
    pthread_mutex_unlock(&auth->lock);
}

/* ── failed logins ── */

/* Addresses share slots by hash: a collision can only slow somebody's mistakes for a minute. */
static struct failures *slot_of(struct auth *auth, const char *address)
{
    uint64_t hash = hash_bytes(auth->key, address, strlen(address));
    struct failures *f = &auth->failures[hash % THROTTLE_SLOTS];
    int64_t now = clock_mono_ns();
    if (f->address != hash || now - f->since_ns > 60 * NS_PER_S)
        *f = (struct failures){.address = hash, .since_ns = now};
    return f;
}

unsigned auth_failed(struct auth *auth, const char *address)
{
    pthread_mutex_lock(&auth->lock);
    unsigned count = ++slot_of(auth, address)->count;
    pthread_mutex_unlock(&auth->lock);
    return count;
}

bool auth_is_blocked(struct auth *auth, const char *address)
{
    pthread_mutex_lock(&auth->lock);
    bool blocked = slot_of(auth, address)->count >= MAX_FAILURES_A_MINUTE;
    pthread_mutex_unlock(&auth->lock);
    return blocked;
}
