/* The kinds of jobs this binary can be. Constant data. */
#ifndef TRAWL_CLI_JOB_KINDS_H
#define TRAWL_CLI_JOB_KINDS_H

#include "job/job.h"

extern const struct job_kind *const job_kinds[]; /* ends with NULL */

#endif
