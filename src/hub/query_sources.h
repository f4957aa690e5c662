/* What one query process has open: a dissection, or several that are asked together. Thread: any.
 */
#ifndef TRAWL_HUB_QUERY_SOURCES_H
#define TRAWL_HUB_QUERY_SOURCES_H

#include "api/api.h"

/* The id, and name, of what grows while it is asked. Among several it is the last: rows of what
 * comes behind it would move. */
#define QUERIES_LIVE "live"

/* In the order in which they were named: rows are numbered by it. */
struct query_sources {
    struct api_source items[API_MAX_SOURCES];
    size_t count;
};

bool query_sources_equal(const struct query_sources *a, const struct query_sources *b);
bool query_sources_have(const struct query_sources *sources, const char *id, const char *name);
/* Appends "id/name,id/name". */
void query_sources_put(const struct query_sources *sources, struct buf *out);

/* Their folders as they are now; ends with NULL. {0} before, query_folders_done after. */
struct query_folders {
    char *paths[API_MAX_SOURCES + 1];
};
int query_folders_find(struct snapshot_store *store, const char *live_dir,
                       const struct query_sources *sources, struct query_folders *folders,
                       struct error *reterr);
void query_folders_done(struct query_folders *folders);

/* The start of the query job (entries/query.h). */
void query_sources_write_request(const struct query_sources *sources,
                                 const struct query_folders *folders, struct buf *out);

#endif
