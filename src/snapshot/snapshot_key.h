/* The hub's signing key (ed25519, RFC 8032) and the signature of a manifest.
 *
 * The last member of a signed manifest is "signature"; what is signed are the bytes of the file
 * before `,"signature":` followed by `}`. Thread: any (immutable once loaded). */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_KEY_H
#define TRAWL_SNAPSHOT_SNAPSHOT_KEY_H

#include "base/buf.h"
#include "base/error.h"

enum {
    SNAPSHOT_KEY_TEXT_SIZE = 48 /* base64 of 32 bytes, and a NUL */
};

struct snapshot_key;

/* Reads `hub.key` (32 secret bytes in base64, mode 0600) in the folder, or makes it. */
int snapshot_key_open(int dir, struct snapshot_key **ret_key, struct error *reterr);
void snapshot_key_free(struct snapshot_key *key);
/* base64 of the public half. Borrowed. */
const char *snapshot_key_public(const struct snapshot_key *key);

/* `manifest` holds an unsigned object ("…}"); afterwards a signed one and a newline. */
int snapshot_key_sign(const struct snapshot_key *key, struct buf *manifest);
/* 0: the signature matches the public key inside it (into ret_public when not NULL). −EBADMSG with
 * a sentence: there is none, or it does not match. */
int snapshot_key_check(struct slice manifest, char ret_public[SNAPSHOT_KEY_TEXT_SIZE],
                       struct error *reterr);

#endif
