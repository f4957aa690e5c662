/* Checks an archive of a snapshot without a hub: the manifest's signature, every file against size
 * and SHA-256, nothing missing, nothing besides. Hashing only, nothing is written; the archive is
 * hostile and read in a sandboxed job (kind "verify") that can open nothing. Thread: any. */
#ifndef TRAWL_SNAPSHOT_ARCHIVE_VERIFY_H
#define TRAWL_SNAPSHOT_ARCHIVE_VERIFY_H

#include "job/job.h"
#include "snapshot/snapshot_verify.h"

struct archive_verify {
    struct snapshot_verify found; /* own_signature: never, nobody is asked whose key it is */
    char id[SNAPSHOT_ID_SIZE];
    bool in_process; /* in: tests */
};

/* Zero the struct, set the inputs. Reads `fd` to its end. Damaged files are 0 with found.ok =
 * false; −EBADMSG: it is no archive, was cut off, or its manifest is not what was signed, with a
 * sentence. snapshot_verify_done(&found) frees the result. */
int archive_verify(int fd, struct archive_verify *verify, struct error *reterr);

/* Row of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_verify;

#endif
