/* Whether a file of a snapshot is still the one that was recorded, cheaply: its size is the
 * manifest's and nobody wrote it after the snapshot was Completed. Only a file that is younger than
 * that (restored from a backup, touched, altered) is read and compared with its SHA-256, once; what
 * came of it is remembered as long as the file stays as it is. Whoever sets the time back is found
 * by `verify`, not here. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_CHANGED_H
#define TRAWL_SNAPSHOT_SNAPSHOT_CHANGED_H

#include "base/error.h"
#include "snapshot/snapshot_store.h"

/* dir: of snapshot_store_open_dir. 0; −ESTALE: it is gone; −EBADMSG: it is not what was recorded;
 * each with a sentence that names it. What was declared as damaged when it was taken is no change.
 */
int snapshot_file_check(const struct snapshot *snapshot, int dir, const struct snapshot_file *file,
                        struct error *reterr);

struct snapshot_files_check {
    int64_t from_ns, to_ns; /* hub time: files with packets in it; INT64_MIN and INT64_MAX: all */
    char *const *nodes;     /* only these; node_count 0 = all */
    size_t node_count;
    bool outside; /* also what was taken from before the window */
    /* Changed files are told here and are no error then; NULL: the first one is. */
    void (*on_changed)(void *ctx, const struct error *error);
    void *ctx;
};

/* All files that a question reads. */
int snapshot_files_check(struct snapshot_store *store, const struct snapshot *snapshot,
                         const struct snapshot_files_check *check, struct error *reterr);

#endif
