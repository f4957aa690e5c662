/* Cuts captures to a window at packet precision, in a sandboxed job ("extract"): the hub itself
 * never parses captured bytes.
 *
 * In: descriptors of captures. Out: plain pcapng (one section, the interfaces of the input in their
 * order, packets with from ≤ stamp < to in the input's order, statistics blocks of the window) to
 * other descriptors, and what was counted. Descriptors are borrowed. Thread: any. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_EXTRACT_H
#define TRAWL_SNAPSHOT_SNAPSHOT_EXTRACT_H

#include "base/error.h"
#include "job/job.h"
#include "snapshot/snapshot.h"

struct snapshot_extract_file {
    int in_fd, out_fd;
    int index_fd; /* gets the output's index (ring_reader.h), −1 = none is wanted; out_fd can be
                     read then */
    uint64_t end_offset;   /* of the input: the published length, 0 = end of file */
    uint64_t newest_bytes; /* only the newest packets, about so many bytes of them; 0 = all. Needs
                              a from_ns that is near */
    bool hash_source;      /* also the SHA-256 of the input, up to there */
    /* results */
    uint64_t packets, bytes; /* bytes: of the output */
    int64_t first_ns, last_ns;
    bool indexed;       /* an index was written */
    uint64_t damage;    /* places of the input that could not be read */
    uint64_t damage_at; /* offset of the first of them */
    char sha256[SNAPSHOT_SHA256_SIZE];
    char source_sha256[SNAPSHOT_SHA256_SIZE]; /* "" unless hash_source */
};

struct snapshot_extract {
    int64_t from_ns, to_ns;
    const char *bpf;     /* NULL or "" = all */
    const char *comment; /* for each packet; NULL = none */
    struct snapshot_extract_file *files;
    size_t file_count;  /* at most JOB_MAX_FDS / 3 − 8 */
    const bool *cancel; /* atomic; may be NULL */
    bool in_process;    /* without a job */
};

/* −ECANCELED, −EINVAL (filter), what the disk said, or the job's sentence. */
int snapshot_extract_run(struct snapshot_extract *extract, struct error *reterr);

/* Row of src/cli/job_kinds.c. */
extern const struct job_kind job_kind_extract;

#endif
