/* Memory that could not be had, counted by thread. Whoever gets NULL from the allocator says so
 * here, and whoever must answer for a piece of work (one connection, one entry, one filter) looks
 * whether the count moved while it was done: so no failed allocation goes unnoticed, however deep
 * it happened and whatever was made of it there. Caps of arenas and buffers are limits, not
 * failures: they do not count. Thread: any; each has its own count. */
#ifndef TRAWL_BASE_MEMORY_H
#define TRAWL_BASE_MEMORY_H

#include <stdint.h>

/* Since the thread began. */
uint64_t memory_failures(void);
/* An allocation has just failed. */
void memory_failed(void);

#endif
