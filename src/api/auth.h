/* Who may: the token of DATA/token, sessions made from it, the workers' token, failed logins.
 *
 * A session cookie is "expiry.nonce.HMAC-SHA256(token, expiry.nonce)": it outlives a restart and
 * ends when the token is rotated; one that was signed out is remembered until the hub ends.
 * Comparisons take constant time. Thread: any. */
#ifndef TRAWL_API_AUTH_H
#define TRAWL_API_AUTH_H

#include <stdbool.h>

#include "base/error.h"

enum {
    AUTH_TOKEN_SIZE = 65, /* 64 hex digits and a NUL */
    AUTH_COOKIE_SIZE = 160,
    AUTH_SESSION_SECONDS = 7 * 24 * 3600
};

/* DATA/<name> (0600), made when missing. *ret_made may be NULL. */
int auth_load_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                    bool *ret_made, struct error *reterr);
/* The one that exists; -ENOENT with a sentence. */
int auth_read_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                    struct error *reterr);
/* A new one in place of DATA/<name>. */
int auth_rotate_token(const char *data_dir, const char *name, char token[AUTH_TOKEN_SIZE],
                      struct error *reterr);

struct auth;
int auth_new(const char *token, const char *worker_token, struct auth **ret_auth);
void auth_free(struct auth *auth);
void auth_set_token(struct auth *auth, const char *token);

bool auth_token_matches(struct auth *auth, const char *text);
bool auth_worker_token_matches(struct auth *auth, const char *text);
void auth_make_cookie(struct auth *auth, char cookie[AUTH_COOKIE_SIZE]);
bool auth_cookie_matches(struct auth *auth, const char *cookie);
void auth_revoke_cookie(struct auth *auth, const char *cookie);

/* Counts a failed login of an address ("127.0.0.1", without port): the failures of this minute. */
unsigned auth_failed(struct auth *auth, const char *address);
/* So many that further wrong ones of this minute are slowed (a right one never is). */
bool auth_is_blocked(struct auth *auth, const char *address);

#endif
