/* Time: int64_t nanoseconds since the epoch (UTC) inside, RFC 3339 at the edges. Thread: any. */
#ifndef TRAWL_BASE_CLOCK_H
#define TRAWL_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

#define NS_PER_US       INT64_C(1000)
#define NS_PER_MS       INT64_C(1000000)
#define NS_PER_S        INT64_C(1000000000)
#define CLOCK_TEXT_SIZE 40 /* room for "2026-11-23T11:25:42.123456789Z" with any int64_t year */

int64_t clock_now_ns(void);
/* For intervals: never steps. */
int64_t clock_mono_ns(void);
/* pthread_cond_wait until a time of clock_mono_ns(): 0, or ETIMEDOUT. */
int clock_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_mono_ns);

/* RFC 3339 with nine digits and Z. Returns text. */
char *clock_format(int64_t ns, char text[CLOCK_TEXT_SIZE]);

/* RFC 3339 only ("2026-11-23T11:25:42.123456789Z", any offset, any number of digits); -EINVAL
 * otherwise, -ERANGE for a time that int64_t nanoseconds cannot hold (years 1678 to 2261 fit). */
int clock_parse_rfc3339(const char *text, int64_t *ret_ns);
/* What a person types: RFC 3339, "-10m" (before now), "14:02[:03]" (today, local zone), "2026-03-03
 * 14:02[:03]", "2026-03-03", "now". -EINVAL or -ERANGE with a sentence otherwise. */
int clock_parse_human(const char *text, int64_t now_ns, int64_t *ret_ns, struct error *reterr);
/* "90s", "5m", "1h30m", "12h", "2d", "250ms"; -EINVAL otherwise, -ERANGE beyond 292 years. Never
 * negative. */
int clock_parse_duration(const char *text, int64_t *ret_ns);

/* "3 d 4 h", "23 min", "1 min 5 s", "12.4 s", "750 ms": for people. Returns text. */
char *clock_format_duration(int64_t ns, char text[CLOCK_TEXT_SIZE]);

#endif
