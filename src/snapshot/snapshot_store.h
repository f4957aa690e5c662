/* The snapshots folder of a hub: DATA/snapshots/<id>/… (docs/formats/snapshot.md).
 *
 * Everything that is told to have happened is on disk before the call returns (but progress).
 * Thread: any; one mutex guards the whole store and is held during state.json's writes, never while
 * data is copied, hashed or deleted. Promises P1, P2, P6: after a crash at any moment each snapshot
 * is absent, Pending again (to be resumed), Failed with a reason, or Completed with its manifest.
 * Errors: −ENOENT no such snapshot, −ENOTUNIQ more than one, −EDQUOT quota or disk, −EPERM locked,
 * −EBUSY wrong moment, −EINVAL bad name, each with a sentence. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_STORE_H
#define TRAWL_SNAPSHOT_SNAPSHOT_STORE_H

#include "base/error.h"
#include "snapshot/snapshot.h"

struct snapshot_store;
struct snapshot_key;

struct snapshot_store_options {
    const char *data_dir; /* the hub's data folder: snapshots/ and hub.key are made below it */
    uint64_t quota_bytes; /* 0 = what the disk has, less the floor */
    uint64_t
        free_floor_bytes; /* never used by snapshots; 0 = 1 GiB or 5 % of the disk, the smaller */
    /* Called after every change, without the store's mutex, on the thread that made it; may be
     * NULL. snapshot is NULL when `id` was deleted. Borrowed for the call. */
    void (*on_change)(void *ctx, const char *id, const struct snapshot *snapshot);
    void *ctx;
};

/* Recovery happens here: unfinished deletions are finished, half-made snapshots removed,
 * interrupted ones become Pending again (or Failed after three tries), running dissections become
 * failed. */
int snapshot_store_open(const struct snapshot_store_options *options,
                        struct snapshot_store **ret_store, struct error *reterr);
void snapshot_store_free(struct snapshot_store *store);
/* What recovery met, a sentence a line; "" when nothing. Borrowed. */
const char *snapshot_store_recovery_report(const struct snapshot_store *store);
/* The hub's ed25519 key, made at first use. Borrowed. */
const struct snapshot_key *snapshot_store_key(const struct snapshot_store *store);

struct snapshot_quota {
    uint64_t limit_bytes, used_bytes, reserved_bytes, free_bytes;
};
void snapshot_store_quota(struct snapshot_store *store, struct snapshot_quota *ret_quota);
/* {limit_bytes, used_bytes, reserved_bytes, free_bytes} */
void snapshot_quota_write_json(const struct snapshot_quota *quota, struct json_writer *w);

/* 1..200 bytes of UTF-8 without control characters and slashes; -EINVAL with a sentence. */
int snapshot_check_name(const char *name, struct error *reterr);

/* A new Pending snapshot with estimate_bytes reserved (−EDQUOT: needed and available bytes). The
 * request is copied. */
int snapshot_store_create(struct snapshot_store *store, const struct snapshot_request *request,
                          char ret_id[SNAPSHOT_ID_SIZE], struct error *reterr);
/* `ref` is an id, a unique prefix of one, a unique name, or @latest. Owned reference. */
int snapshot_store_get(struct snapshot_store *store, const char *ref,
                       struct snapshot **ret_snapshot, struct error *reterr);
struct snapshot_list {
    struct snapshot **items; /* newest first, a reference each */
    size_t count;
};
/* search: part of the name, note, a tag or the id, without regard to ASCII case; status:
 * snapshot_status_text; both may be NULL. */
int snapshot_store_list(struct snapshot_store *store, const char *search, const char *status,
                        struct snapshot_list *ret_list, struct error *reterr);
void snapshot_list_done(struct snapshot_list *list);

struct snapshot_changes { /* NULL = as it is */
    const char *name, *note;
    const char *const *tags; /* ends with NULL */
    const bool *locked;
    const char *by; /* who, for the history; NULL = "" */
};
int snapshot_store_change(struct snapshot_store *store, const char *id,
                          const struct snapshot_changes *changes, struct error *reterr);
/* Replaces what an earlier verification found; copied. On a full disk it is known until the restart
 * only (−ENOSPC). */
int snapshot_store_put_verification(struct snapshot_store *store, const char *id,
                                    const struct snapshot_verification *verified,
                                    struct error *reterr);
/* Not while locked (−EPERM), in progress (−EBUSY: cancel first) or while a dissection runs
 * (−EBUSY). The bytes that the quota gets back. */
int snapshot_store_delete(struct snapshot_store *store, const char *id, uint64_t *ret_freed_bytes,
                          struct error *reterr);
/* Failed → Pending: what had come is removed; the bytes are reserved anew. */
int snapshot_store_retry(struct snapshot_store *store, const char *id, struct error *reterr);

/* ── for snapshot_take and import ── */
int snapshot_store_begin(struct snapshot_store *store, const char *id, struct error *reterr);
/* In memory only. */
void snapshot_store_progress(struct snapshot_store *store, const char *id,
                             const struct snapshot_progress *progress, const char *detail);
/* Grows or shrinks the reservation: −EDQUOT when it does not fit. */
int snapshot_store_reserve(struct snapshot_store *store, const char *id, uint64_t bytes,
                           struct error *reterr);
int snapshot_store_fail(struct snapshot_store *store, const char *id, const char *reason,
                        struct error *reterr);
/* Signs and writes manifest.json, then the state. The data files are synced by then. Takes the
 * manifest over (also on failure). */
int snapshot_store_complete(struct snapshot_store *store, const char *id,
                            struct snapshot_manifest *manifest, struct error *reterr);
/* A folder below snapshots/ that is filled outside the store (import) and appears only by adopt:
 * "<id>.import", removed by recovery. `bytes` are reserved until adopt or unstage. ret_dir_fd is
 * the caller's. */
int snapshot_store_stage(struct snapshot_store *store, const char *id, uint64_t bytes,
                         int *ret_dir_fd, struct error *reterr);
struct snapshot_adoption {
    const char *staged; /* id given to snapshot_store_stage */
    const char *id;     /* of the snapshot */
    const char *name;   /* NULL: the manifest's */
    const char *by;
    struct snapshot_manifest *manifest; /* signed and written here; taken over. NULL: the folder
                                           holds manifest.json already (archive) */
};
/* The staged folder, its files synced, becomes a Completed snapshot. −EEXIST: the id is taken. */
int snapshot_store_adopt(struct snapshot_store *store, const struct snapshot_adoption *adoption,
                         struct error *reterr);
void snapshot_store_unstage(struct snapshot_store *store, const char *id);
void snapshot_new_id(struct snapshot_store *store, char ret_id[SNAPSHOT_ID_SIZE]);

/* ── files ── */
/* The snapshot's folder: a directory descriptor, owned by the caller. */
int snapshot_store_open_dir(struct snapshot_store *store, const char *id, struct error *reterr);
/* "DATA/snapshots/<id>" for Landlock and jobs; NUL-terminated into out. */
int snapshot_store_path(const struct snapshot_store *store, const char *id, char *out,
                        size_t out_size);

/* ── dissections: dissections/<name>/state.json; parts beside it belong to the entry store ── */
/* −EINVAL with a sentence: the name is a folder's name and a part of source ids. */
int snapshot_check_dissection_name(const char *name, struct error *reterr);
/* Makes or replaces the record (and its folder); persist = also on disk (progress: false). The
 * record is copied. Only for Completed snapshots. */
int snapshot_store_put_dissection(struct snapshot_store *store, const char *id,
                                  const struct snapshot_dissection *dissection, bool persist,
                                  struct error *reterr);
/* Where another run may write while the result of `name` stays: an empty folder "run-<run>" (run >
 * 0) beside its parts. The record that names that run makes it the result. */
int snapshot_store_make_run(struct snapshot_store *store, const char *id, const char *name,
                            uint64_t run, struct error *reterr);
/* Removes what is in the folder of `name` but its record and the parts of `keep` (run 0: those in
 * the folder itself). */
int snapshot_store_trim_runs(struct snapshot_store *store, const char *id, const char *name,
                             uint64_t keep, struct error *reterr);
/* Removes the record and the folder's content. */
int snapshot_store_delete_dissection(struct snapshot_store *store, const char *id, const char *name,
                                     struct error *reterr);
/* "DATA/snapshots/<id>/dissections/<name>[/run-<run>]". */
int snapshot_store_dissection_path(const struct snapshot_store *store, const char *id,
                                   const char *name, uint64_t run, char *out, size_t out_size);

#endif
