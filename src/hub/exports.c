#include "hub/exports.h"

#include <errno.h>
#include <stdlib.h>

struct exports {
    struct snapshot_store *store;
    struct queries *queries;
};

int exports_new(struct snapshot_store *store, struct queries *queries, struct exports **ret_exports)
{
    struct exports *exports = calloc(1, sizeof *exports);
    if (!exports)
        return -ENOMEM;
    exports->store = store;
    exports->queries = queries;
    *ret_exports = exports;
    return 0;
}

void exports_free(struct exports *exports)
{
    free(exports);
}

static int not_here(struct api_problem *problem)
{
    problem_set(problem, 501, "This is not part of this build.");
    return -ENOSYS;
}

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

int exports_pcap(struct exports *exports, const char *id, const struct api_export *what,
                 const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                 struct api_problem *ret_problem)
{
    (void)exports;
    (void)id;
    (void)what;
    (void)sink;
    (void)ret_estimate;
    return not_here(ret_problem);
}

int exports_entry_packets(struct exports *exports, const char *id, const char *name,
                          const char *entry, struct buf *ret_result,
                          struct api_problem *ret_problem)
{
    (void)exports;
    (void)id;
    (void)name;
    (void)entry;
    (void)ret_result;
    return not_here(ret_problem);
}

int exports_entry_stream(struct exports *exports, const char *id, const char *name,
                         const char *entry, struct buf *ret_result, struct api_problem *ret_problem)
{
    return exports_entry_packets(exports, id, name, entry, ret_result, ret_problem);
}

int exports_entry_pcap(struct exports *exports, const char *id, const char *name, const char *entry,
                       const struct api_export_sink *sink, struct api_problem *ret_problem)
{
    (void)exports;
    (void)id;
    (void)name;
    (void)entry;
    (void)sink;
    return not_here(ret_problem);
}
