/* From a display filter to the flows or packets that an export takes: asks the query job of the
 * dissection, checks its answer. Thread: any. */
#ifndef TRAWL_HUB_EXPORT_SELECTION_H
#define TRAWL_HUB_EXPORT_SELECTION_H

#include "hub/queries.h"
#include "snapshot/selection.h"

struct export_selection {
    struct selection *selection; /* sealed; selection_free */
    size_t connections;          /* flows it holds; 0 for packets */
};

/* calls_only: the packets of the matching calls, else their whole connections. from_ns/to_ns:
 * INT64_MIN, INT64_MAX = open. */
int export_selection_ask(struct queries *queries, const char *id, const char *name,
                         const char *filter, int64_t from_ns, int64_t to_ns, bool calls_only,
                         struct export_selection *ret_selection, struct api_problem *ret_problem);

#endif
