/* The work of an import, done in the job (or in a test's process). Private to src/snapshot. */
#ifndef TRAWL_SNAPSHOT_IMPORT_PRIVATE_H
#define TRAWL_SNAPSHOT_IMPORT_PRIVATE_H

#include "base/error.h"
#include "snapshot/snapshot.h"

struct import_work {
    int in_fd;
    int dir;               /* the staging folder */
    uint64_t max_bytes;    /* of what is written: reserved for it */
    uint64_t quota_bytes;  /* that an archive may declare; 0 = max_bytes */
    const char *file_name; /* never NULL */
    const char *node;      /* for captures */
    /* Called once an archive's manifest was read and checked, before anything else: non-zero stops
     * with that result. May be NULL. */
    int (*on_manifest)(void *ctx, const char *id, const char *sha256, const char *signer);
    void *ctx;
    const bool *cancel;
    /* An archive is read and hashed only: nothing is written, dir is −1, and a file that does not
     * match its SHA-256 is told (non-zero stops) instead of ending it. */
    bool check_only;
    int (*on_damage)(void *ctx, const char *file, const char *text);
    int pipe[2]; /* import_work_prepare */
    /* results */
    bool is_archive;
    uint64_t files, bytes;              /* of an archive, with its manifest */
    struct snapshot_manifest *manifest; /* of a capture: to be signed by the parent. Owned. */
};

/* What has to be made before a sandbox closes. Then run exactly once (it frees what was made). */
int import_work_prepare(struct import_work *work, struct error *reterr);
int import_work_run(struct import_work *work, struct error *reterr);

/* The two kinds; `in_fd` of both gives the whole input from its start. */
int import_archive(struct import_work *work, int in_fd, struct error *reterr);
int import_capture(struct import_work *work, int in_fd, struct error *reterr);

/* −EBADMSG with a sentence: counts, times or sequences that no snapshot has. */
int import_check_manifest(const struct snapshot_manifest *manifest, struct error *reterr);

/* nodes/<folder> below the staging folder: a descriptor. */
int import_open_folder(int dir, const char *folder, struct error *reterr);

#endif
