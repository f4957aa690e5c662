/* Timestamps (years 1 … 9999, nanoseconds) and durations (int64_t nanoseconds) as values: reading,
 * writing, arithmetic. Thread: any. */
#ifndef TRAWL_FILTER_TIME_VALUE_H
#define TRAWL_FILTER_TIME_VALUE_H

#include "base/buf.h"
#include "filter/eval.h"

enum {
    TIME_TEXT_SIZE = 48
};

/* Checks the range; *ret is the timestamp or an error. */
void time_set(int64_t seconds, int64_t ns, struct value *ret);
void time_add(const struct value *time, int64_t duration_ns, bool negate, struct value *ret);
void time_difference(const struct value *a, const struct value *b, struct value *ret);
/* RFC 3339, with as many digits as there are. */
void time_parse(struct slice text, struct value *ret);
void time_format(const struct value *time, char out[TIME_TEXT_SIZE]);
/* "1h30m", "-1.5s", "10us". */
void duration_parse(struct slice text, struct value *ret);
/* "5400s", "-1.5s". */
void duration_format(int64_t ns, char out[TIME_TEXT_SIZE]);

struct civil_time {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday;  /* 0 is Sunday */
    int year_day; /* from 0 */
};
struct civil_time time_civil(int64_t seconds);

#endif
