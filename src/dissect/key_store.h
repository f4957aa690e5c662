/* TLS secrets by label and client random, from key logs (the text that NSS, OpenSSL and browsers
 * write with SSLKEYLOGFILE: "<label> <client random> <secret>", hexadecimal) and from pcapng
 * decryption secrets blocks.
 *
 * Secrets are numbered in the order in which they were added; a reader passes how many exist for
 * it, so that a dissection on several threads sees a secret from the same packet on as on one.
 * Memory: at most 32 MiB; secrets beyond it are left out and counted. The first secret of a label
 * and client random stays. Nothing is ever written out or logged. Thread: one adds, any find. */
#ifndef TRAWL_DISSECT_KEY_STORE_H
#define TRAWL_DISSECT_KEY_STORE_H

#include "base/slice.h"

enum {
    KEY_LABEL_MAX = 40,
    KEY_RANDOM_MAX = 32, /* a TLS client random */
    KEY_SECRET_MAX = 64,
    KEY_STORE_MAX_SECRETS = 192 * 1024
};

struct key_store;

/* 0 or -ENOMEM. */
int key_store_new(struct key_store **ret_store);
/* Wipes the secrets. */
void key_store_free(struct key_store *store);

struct key_store_counts {
    uint32_t secrets;  /* kept */
    uint64_t repeated; /* known before */
    uint64_t refused;  /* lines that are no secret, or beyond the limit */
};

/* Takes every line of the text that is a secret. 0 or -ENOMEM. */
int key_store_add_log(struct key_store *store, struct slice text);
/* The same from a file (a descriptor; at most 64 MiB are read). 0 or a negative errno. */
int key_store_add_file(struct key_store *store, int fd);
struct key_store_counts key_store_counts(const struct key_store *store);
/* Among the first `visible` secrets. *ret_secret is borrowed from the store and never moves. */
bool key_store_find(struct key_store *store, uint32_t visible, struct slice label,
                    struct slice client_random, struct slice *ret_secret);

#endif
