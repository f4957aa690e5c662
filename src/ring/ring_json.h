/* What a ring says of itself, as JSON: the parts that the worker's answers and `trawl ring` share.
 * Times are integers of nanoseconds under "…_ns" for machines, or RFC 3339 for people; names of
 * interfaces are escaped for neither (the writer escapes). Thread: any. */
#ifndef TRAWL_RING_RING_JSON_H
#define TRAWL_RING_RING_JSON_H

#include "base/json_writer.h"
#include "ring/ring_reader.h"

enum ring_json_times {
    RING_JSON_NS,  /* "from_ns": 1764000000000000000 */
    RING_JSON_TEXT /* "from": "2025-11-24T16:00:00Z" */
};

/* "KEY_ns": n (0 too), or "KEY": "…" (null for 0). */
void ring_json_time(struct json_writer *w, enum ring_json_times times, const char *key, int64_t ns);
/* "KEY": {"kernel":…,"ring":…,"disk":…} */
void ring_json_drops(struct json_writer *w, const char *key, const struct ring_drops *drops);
/* "drops":{…}, "drop_events":[…] */
void ring_json_drop_events(struct json_writer *w, enum ring_json_times times,
                           const struct ring_list *list);
/* "covered":[…], "gaps":[…] */
void ring_json_coverage(struct json_writer *w, enum ring_json_times times,
                        const struct ring_list *list);
/* "segments":[…] */
void ring_json_segments(struct json_writer *w, enum ring_json_times times,
                        const struct ring_list *list);
/* The counters of the capturer, its drops, filter, snaplen and interfaces. */
void ring_json_capture(struct json_writer *w, enum ring_json_times times,
                       const struct ring_status *status);

#endif
