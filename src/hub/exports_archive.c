#include <errno.h>

#include "hub/exports_private.h"

int exports_archive(struct exports *exports, const char *id, const struct api_export_sink *sink,
                    struct error *reterr)
{
    (void)exports;
    (void)id;
    (void)sink;
    return error_set(reterr, -ENOSYS, "This is not part of this build.");
}

int exports_import(struct exports *exports, const char *name, const char *by, int64_t size,
                   bool new_id, api_read read, void *read_ctx, char ret_id[SNAPSHOT_ID_SIZE],
                   struct error *reterr)
{
    (void)exports;
    (void)name;
    (void)by;
    (void)size;
    (void)new_id;
    (void)read;
    (void)read_ctx;
    (void)ret_id;
    return error_set(reterr, -ENOSYS, "This is not part of this build.");
}

int exports_entry_stream(struct exports *exports, const char *id, const char *name,
                         const char *entry, struct buf *ret_result, struct api_problem *ret_problem)
{
    (void)exports;
    (void)id;
    (void)name;
    (void)entry;
    (void)ret_result;
    problem_set(ret_problem, 501, "This is not part of this build.");
    return -ENOSYS;
}
