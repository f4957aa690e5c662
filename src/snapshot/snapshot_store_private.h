/* The store's inside, shared by its source files. Private to src/snapshot. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_STORE_PRIVATE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_STORE_PRIVATE_H

#include <pthread.h>

#include "base/string_map.h"
#include "snapshot/snapshot_key.h"
#include "snapshot/snapshot_store.h"

#define SNAPSHOT_PHASE_STATE    "snapshot-state"
#define SNAPSHOT_PHASE_MANIFEST "snapshot-manifest"
#define SNAPSHOT_PHASE_DATA     "snapshot-data"
#define SNAPSHOT_PHASE_LINK     "snapshot-link"
#define SNAPSHOT_PHASE_DELETE   "snapshot-delete"
#define SNAPSHOT_PHASE_IMPORT   "archive-import"

enum {
    SNAPSHOT_MAX_ATTEMPTS = 3,
    SNAPSHOT_STATE_MAX_BYTES = 4 * 1024 * 1024,
    SNAPSHOT_MANIFEST_MAX_BYTES = 64 * 1024 * 1024
};

struct store_slot {
    struct snapshot *now; /* the present version */
    uint64_t reserved;
};

struct store_stage { /* an import that is under way */
    struct store_stage *next;
    char id[SNAPSHOT_ID_SIZE];
    uint64_t bytes;
};

struct snapshot_store {
    pthread_mutex_t mutex;     /* guards everything below but the constants */
    struct store_slot **slots; /* by id, which is by creation */
    size_t count, cap;
    struct store_stage *stages;
    int64_t last_id_ns;
    /* constants */
    struct snapshot_store_options options;
    char *data_dir;
    int data_fd, dir_fd; /* DATA and DATA/snapshots */
    struct snapshot_key *key;
    struct buf report;
};

/* All of these: with the mutex held. */
struct store_slot *store_find(const struct snapshot_store *store, const char *id);
int store_insert(struct snapshot_store *store, struct snapshot *snapshot); /* takes it over */
void store_remove(struct snapshot_store *store, const char *id);
/* Writes state.json of this version into the snapshot's folder (`folder`: "<id>" or "<id>.import").
 */
int store_write_state(struct snapshot_store *store, const char *folder,
                      const struct snapshot *version, struct error *reterr);
void store_quota(const struct snapshot_store *store, struct snapshot_quota *ret_quota);

int store_fit(struct snapshot_store *store, uint64_t need, struct error *reterr);

/* Edits a clone; negative refuses. */
typedef int (*store_edit)(struct snapshot *version, void *ctx, struct error *reterr);

struct store_change {
    store_edit edit;
    void *ctx;
    bool volatile_only; /* not on disk */
    bool free_reservation;
};

/* ── without the mutex ── */
/* Clone, edit, write state.json, swap, announce. */
int store_apply(struct snapshot_store *store, const char *id, const struct store_change *change,
                struct error *reterr);
/* In an edit: status, detail and a line of history. */
int store_set_status(struct snapshot *snapshot, enum snapshot_status status, const char *detail,
                     const char *text);
void store_announce(struct snapshot_store *store, const char *id, const struct snapshot *version);
int store_not_found(const char *id, struct error *reterr);
/* What had come of a snapshot that did not succeed. */
void store_remove_data(struct snapshot_store *store, const char *id);

/* Recovery of the folder, at open, single thread. */
int store_recover(struct snapshot_store *store, struct error *reterr);
/* manifest.json of a folder, its SHA-256 in hex. −ENOENT: there is none. */
int store_read_manifest(int dir, struct snapshot_manifest **ret_manifest,
                        char ret_sha256[SNAPSHOT_SHA256_SIZE], struct error *reterr);
bool store_is_id(const char *name);

/* Removes what is in a dissection's folder but its record and the parts of run `keep`. */
int store_trim_runs(int dir, uint64_t keep);

#endif
