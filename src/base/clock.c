#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int clock_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_mono_ns)
{
    struct timespec until = {.tv_sec = until_mono_ns / NS_PER_S,
                             .tv_nsec = until_mono_ns % NS_PER_S};
    return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &until);
}

/* v in n digits and what follows them: snprintf costs as much as the rest of a short entry. */
static char *put_digits(char *p, unsigned v, int n, char after)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    p[n] = after;
    return p + n + 1;
}

char *clock_format(int64_t ns, char text[CLOCK_TEXT_SIZE])
{
    int64_t sec = ns / NS_PER_S;
    int64_t frac = ns % NS_PER_S;
    if (frac < 0) {
        frac += NS_PER_S;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    gmtime_r(&t, &tm);
    char *p = put_digits(text, (unsigned)(tm.tm_year + 1900), 4, '-');
    p = put_digits(p, (unsigned)tm.tm_mon + 1, 2, '-');
    p = put_digits(p, (unsigned)tm.tm_mday, 2, 'T');
    p = put_digits(p, (unsigned)tm.tm_hour, 2, ':');
    p = put_digits(p, (unsigned)tm.tm_min, 2, ':');
    p = put_digits(p, (unsigned)tm.tm_sec, 2, '.');
    p = put_digits(p, (unsigned)frac, 9, 'Z');
    *p = '\0';
    return text;
}

/* n digits at *p, moved over; -1 when they are not there. */
static int digits(const char **p, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (!isdigit((unsigned char)**p))
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

static bool expect(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool parse_date(const char **p, struct tm *tm)
{
    tm->tm_year = digits(p, 4) - 1900;
    if (!expect(p, '-'))
        return false;
    tm->tm_mon = digits(p, 2) - 1;
    if (!expect(p, '-'))
        return false;
    tm->tm_mday = digits(p, 2);
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (tm->tm_year < -1900 || tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_mday < 1 ||
        tm->tm_mday > days[tm->tm_mon])
        return false;
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return tm->tm_mon != 1 || tm->tm_mday < 29 || leap;
}

/* HH:MM, then :SS and a fraction if they follow. */
static bool parse_time_of_day(const char **p, bool seconds_required, struct tm *tm,
                              int64_t *ret_frac_ns)
{
    *ret_frac_ns = 0;
    tm->tm_sec = 0;
    tm->tm_hour = digits(p, 2);
    if (!expect(p, ':'))
        return false;
    tm->tm_min = digits(p, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || tm->tm_min < 0 || tm->tm_min > 59)
        return false;
    if (**p != ':')
        return !seconds_required;
    (*p)++;
    tm->tm_sec = digits(p, 2);
    if (tm->tm_sec < 0 || tm->tm_sec > 60)
        return false;
    if (**p != '.')
        return true;
    (*p)++;
    int64_t unit = NS_PER_S / 10;
    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p); (*p)++, unit /= 10)
        *ret_frac_ns += (**p - '0') * unit;
    return true;
}

/* Seconds since the epoch and a fraction to nanoseconds; -ERANGE when int64_t cannot hold it. */
static int to_ns(time_t sec, int64_t frac_ns, int64_t *ret_ns)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)sec, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, frac_ns, &ns))
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_ns)
{
    const char *p = text;
    struct tm tm = {0};
    int64_t frac;
    if (!parse_date(&p, &tm) || (*p != 'T' && *p != 't' && *p != ' '))
        return -EINVAL;
    p++;
    if (!parse_time_of_day(&p, true, &tm, &frac))
        return -EINVAL;
    int offset_s = 0;
    if (*p == 'Z' || *p == 'z') {
        p++;
    } else if (*p == '+' || *p == '-') {
        int sign = *p++ == '-' ? -1 : 1;
        int hours = digits(&p, 2);
        if (!expect(&p, ':'))
            return -EINVAL;
        int minutes = digits(&p, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return -EINVAL;
        offset_s = sign * (hours * 3600 + minutes * 60);
    } else {
        return -EINVAL;
    }
    if (*p)
        return -EINVAL;
    return to_ns(timegm(&tm) - offset_s, frac, ret_ns);
}

int clock_parse_duration(const char *text, int64_t *ret_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ms", NS_PER_MS},      {"us", NS_PER_US},    {"ns", 1},
                 {"s", NS_PER_S},        {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
                 {"d", 86400 * NS_PER_S}};
    int64_t total = 0;
    const char *p = text;
    if (!*p)
        return -EINVAL;
    while (*p) {
        if (!isdigit((unsigned char)*p))
            return -EINVAL;
        errno = 0;
        char *end;
        long long n = strtoll(p, &end, 10);
        if (errno)
            return -ERANGE;
        size_t i = 0;
        size_t len = 0;
        for (; i < sizeof units / sizeof *units; i++) {
            len = strlen(units[i].name);
            if (strncmp(end, units[i].name, len) == 0 && !isalpha((unsigned char)end[len]))
                break;
        }
        if (i == sizeof units / sizeof *units)
            return -EINVAL;
        int64_t part;
        if (__builtin_mul_overflow((int64_t)n, units[i].ns, &part) ||
            __builtin_add_overflow(total, part, &total))
            return -ERANGE;
        p = end + len;
    }
    *ret_ns = total;
    return 0;
}

static int parse_local(const char *text, int64_t now_ns, int64_t *ret_ns)
{
    const char *p = text;
    time_t now = (time_t)(now_ns / NS_PER_S);
    struct tm tm;
    localtime_r(&now, &tm);
    int64_t frac = 0;
    if (strlen(text) >= 10 && text[4] == '-') {
        struct tm date = {0};
        if (!parse_date(&p, &date))
            return -EINVAL;
        tm = date;
        if (*p == ' ' || *p == 'T') {
            p++;
            if (!parse_time_of_day(&p, false, &tm, &frac))
                return -EINVAL;
        }
    } else if (!parse_time_of_day(&p, false, &tm, &frac)) {
        return -EINVAL;
    }
    if (*p)
        return -EINVAL;
    tm.tm_isdst = -1;
    return to_ns(mktime(&tm), frac, ret_ns);
}

int clock_parse_human(const char *text, int64_t now_ns, int64_t *ret_ns, struct error *reterr)
{
    int64_t ago;
    if (strcmp(text, "now") == 0) {
        *ret_ns = now_ns;
        return 0;
    }
    int e = -EINVAL;
    if (text[0] == '-' || text[0] == '+')
        e = clock_parse_duration(text + 1, &ago);
    if (e == 0 && text[0] == '-')
        *ret_ns = now_ns - ago;
    else if (e == 0)
        e = __builtin_add_overflow(now_ns, ago, ret_ns) ? -ERANGE : 0;
    if (e == -EINVAL)
        e = clock_parse_rfc3339(text, ret_ns);
    if (e == -EINVAL)
        e = parse_local(text, now_ns, ret_ns);
    if (e == -ERANGE)
        return error_set(reterr, e, "\"%.60s\" lies outside of the years 1678 to 2261.", text);
    if (e < 0)
        return error_set(reterr, e,
                         "\"%.60s\" is not a time: write -10m, 14:02, \"2026-03-03 14:02\" or "
                         "2026-03-03T14:02:00Z.",
                         text);
    return 0;
}

char *clock_format_duration(int64_t ns, char text[CLOCK_TEXT_SIZE])
{
    int64_t s = ns / NS_PER_S;
    if (ns < 0)
        snprintf(text, CLOCK_TEXT_SIZE, "0 s");
    else if (ns < NS_PER_MS)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " µs", ns / NS_PER_US);
    else if (ns < NS_PER_S)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " ms", ns / NS_PER_MS);
    else if (s < 60)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 ".%" PRId64 " s", s,
                 ns % NS_PER_S / (NS_PER_S / 10));
    else if (s < 600)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 3600)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " min", s / 60);
    else if (s < 86400)
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    return text;
}
