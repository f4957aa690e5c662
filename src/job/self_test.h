/* Proof that the sandbox holds on this machine: a job each tries what jobs must not do. */
#ifndef TRAWL_JOB_SELF_TEST_H
#define TRAWL_JOB_SELF_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "job/job.h"

/* The kind that tries one thing, named in its request. */
extern const struct job_kind job_kind_self_test;

struct job_self_test_result {
    const char *attempt;
    const char *expected; /* what has to be in `text` */
    bool held;
    char text[200]; /* what came of it */
};

/* Runs every attempt (some milliseconds each): their number; results[] is filled up to max. Needs
 * the calling program to answer `job self-test-try`. */
size_t job_self_test(struct job_self_test_result *results, size_t max);

#endif
