/* `trawl export --filter`: dissects the files in this process and gathers what the matching entries
 * consist of. Thread: owner. */
#ifndef TRAWL_CLI_EXPORT_FILTER_H
#define TRAWL_CLI_EXPORT_FILTER_H

#include "base/error.h"
#include "snapshot/selection.h"

struct export_filter_result {
    uint64_t entries, not_judged; /* matching; could not be judged */
    bool packets_cut;             /* an entry had more packets than are kept of it */
};

/* `scope` SELECT_FLOWS: the connections of matching entries; SELECT_PACKETS: their own packets,
 * file i being node "" and sequence i. −EINVAL with a sentence for a bad filter. The selection is
 * sealed; the caller frees it. */
int export_filter_files(const char *const *paths, size_t count, const char *filter,
                        enum selection_kind scope, struct selection **ret_selection,
                        struct export_filter_result *ret_result, struct error *reterr);

#endif
