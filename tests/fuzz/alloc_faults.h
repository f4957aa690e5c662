/* Allocations that fail on purpose: malloc, calloc, realloc, reallocarray, aligned_alloc, strdup
 * and strndup of our own code (the linker's --wrap; shared libraries keep theirs), a chosen one
 * and, if wanted, every m-th behind it. Deterministic: counted from the plan on, in the thread that
 * planned.
 *
 * In fuzz targets with TRAWL_FUZZ_ALLOC set in the environment the input's last three bytes are the
 * plan as well as data, so that both modes share their corpora; without it nothing ever fails. */
#ifndef TRAWL_TESTS_ALLOC_FAULTS_H
#define TRAWL_TESTS_ALLOC_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first-th (1 = the next) fails, then every every-th; 0: no other. Does not resume. */
void alloc_faults_plan(uint64_t first, uint64_t every);
void alloc_faults_resume(void);
void alloc_faults_pause(void);
/* Since the plan. */
uint64_t alloc_faults_failed(void);
uint64_t alloc_faults_asked(void);

/* Fuzz targets that are not driven by dissect_drive_fuzz call this before their work and
 * alloc_faults_pause after it: plans and resumes, if the mode is on. True when it is. */
bool alloc_faults_begin(const uint8_t *data, size_t size);
/* Memory of the test's own: never NULL. */
void *alloc_faults_malloc(size_t size);

#endif
