#include "cli/job_kinds.h"

#include <stddef.h>

#include "entries/query.h"
#include "job/self_test.h"
#include "snapshot/archive_verify.h"
#include "snapshot/import.h"
#include "snapshot/snapshot_body.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_stream.h"

// clang-format off
/* Rows: alphabetical. */
const struct job_kind *const job_kinds[] = {
    &job_kind_body,
    &job_kind_dissect,
    &job_kind_export,
    &job_kind_extract,
    &job_kind_import,
    &job_kind_live,
    &job_kind_packets,
    &job_kind_query,
    &job_kind_self_test,
    &job_kind_stream,
    &job_kind_verify,
    NULL,
};
// clang-format on
