/* Shared by exports.c (captures), exports_entry.c and exports_archive.c. */
#ifndef TRAWL_HUB_EXPORTS_PRIVATE_H
#define TRAWL_HUB_EXPORTS_PRIVATE_H

#include <stdatomic.h>

#include "hub/exports.h"

struct exports {
    struct snapshot_store *store;
    struct queries *queries;
    atomic_uint imports; /* under way */
};

/* A snapshot that holds something: a reference, or NULL with a problem. */
struct snapshot *exports_snapshot(struct exports *exports, const char *id,
                                  struct api_problem *problem);

/* A sink that is begun with its first bytes; for job_copy and snapshot_body. */
struct export_out {
    const struct api_export_sink *sink;
    int64_t bytes; /* as the sink's begin takes them: −1 = not known */
    bool exact;
    bool begun;
};
int export_out_write(void *ctx, const void *data, size_t n);
/* Between the beginning of an export and its failure. */
bool exports_was_deleted(struct exports *exports, const char *id);

#endif
