/* Time zones for timestamp getters: IANA names (the TZif files of the system, RFC 8536) and fixed
 * offsets ("+02:00"). glibc's own cannot be asked for two zones at once. Thread: a loaded zone:
 * any. */
#ifndef TRAWL_FILTER_ZONE_H
#define TRAWL_FILTER_ZONE_H

#include "base/arena.h"

struct time_zone;

/* Loads a zone into the arena. NULL when there is no such zone (or no zone files, or memory). */
const struct time_zone *zone_load(struct arena *arena, struct slice name);
/* Seconds east of UTC at that time. */
int64_t zone_offset(const struct time_zone *zone, int64_t seconds);

#endif
