#include "filter/time_value.h"

#include <stdio.h>

#include "base/clock.h"

#define MIN_SECONDS INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define MAX_SECONDS INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

void time_set(int64_t seconds, int64_t ns, struct value *ret)
{
    if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
        set_error(ret, ERROR_RANGE);
        return;
    }
    *ret = (struct value){.kind = VALUE_TIMESTAMP, .offset = (uint32_t)ns, .integer = seconds};
}

void time_add(const struct value *time, int64_t duration_ns, bool negate, struct value *ret)
{
    int64_t seconds = duration_ns / NS_PER_S;
    int64_t ns = duration_ns % NS_PER_S;
    if (negate) {
        seconds = -seconds;
        ns = -ns;
    }
    seconds += time->integer;
    ns += time->offset;
    if (ns < 0) {
        ns += NS_PER_S;
        seconds--;
    } else if (ns >= NS_PER_S) {
        ns -= NS_PER_S;
        seconds++;
    }
    time_set(seconds, ns, ret);
}

void time_difference(const struct value *a, const struct value *b, struct value *ret)
{
    int64_t ns;
    if (__builtin_mul_overflow(a->integer - b->integer, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, (int64_t)a->offset - (int64_t)b->offset, &ns)) {
        set_error(ret, ERROR_RANGE);
        return;
    }
    *ret = (struct value){.kind = VALUE_DURATION, .integer = ns};
}

/* ── calendar (proleptic Gregorian) ── */

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil_time time_civil(int64_t seconds)
{
    struct civil_time t;
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    t.hour = (int)(rest / 3600);
    t.minute = (int)(rest / 60 % 60);
    t.second = (int)(rest % 60);
    t.weekday = (int)(((days + 4) % 7 + 7) % 7);
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t mp = (5 * of_year + 2) / 153;
    t.day = (int)(of_year - (153 * mp + 2) / 5 + 1);
    t.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    t.year = year_of_era + era * 400 + (t.month <= 2);
    t.year_day = (int)(days - days_from_civil(t.year, 1, 1));
    return t;
}

/* ── text ── */

static bool take_digits(struct slice *text, unsigned count, int *ret)
{
    if (text->len < count)
        return false;
    *ret = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *ret = *ret * 10 + text->data[i] - '0';
    }
    *text = slice_sub(*text, count, text->len);
    return true;
}

static bool take_char(struct slice *text, char a, char b)
{
    if (text->len == 0 || (text->data[0] != (uint8_t)a && text->data[0] != (uint8_t)b))
        return false;
    *text = slice_sub(*text, 1, text->len);
    return true;
}

static bool take_fraction(struct slice *text, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (!take_char(text, '.', '.'))
        return true;
    int64_t scale = NS_PER_S / 10;
    size_t digits = 0;
    while (text->len && text->data[0] >= '0' && text->data[0] <= '9') {
        *ret_ns += (text->data[0] - '0') * scale;
        scale /= 10;
        digits++;
        *text = slice_sub(*text, 1, text->len);
    }
    return digits > 0;
}

static bool take_zone(struct slice *text, int64_t *ret_seconds)
{
    int hours;
    int minutes;
    if (take_char(text, 'Z', 'z')) {
        *ret_seconds = 0;
        return true;
    }
    bool negative = text->len && text->data[0] == '-';
    if (!take_char(text, '+', '-') || !take_digits(text, 2, &hours) || !take_char(text, ':', ':') ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return true;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

void time_parse(struct slice text, struct value *ret)
{
    struct slice whole = text;
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int64_t ns;
    int64_t zone;
    if (text.len > 5 && text.data[4] >= '0' && text.data[4] <= '9') {
        set_error_about(ret, ERROR_RANGE, whole); /* a year of five digits */
        return;
    }
    bool ok = take_digits(&text, 4, &year) && take_char(&text, '-', '-') &&
              take_digits(&text, 2, &month) && take_char(&text, '-', '-') &&
              take_digits(&text, 2, &day) && take_char(&text, 'T', 't') &&
              take_digits(&text, 2, &hour) && take_char(&text, ':', ':') &&
              take_digits(&text, 2, &minute) && take_char(&text, ':', ':') &&
              take_digits(&text, 2, &second) && take_fraction(&text, &ns) &&
              take_zone(&text, &zone) && text.len == 0 && month >= 1 && month <= 12 && day >= 1 &&
              hour <= 23 && minute <= 59 && second <= 59;
    if (!ok || day > month_days(year, month)) {
        set_error_about(ret, ERROR_CONVERSION, whole);
        return;
    }
    int64_t days = days_from_civil(year, month, day);
    time_set(days * 86400 + hour * 3600L + minute * 60L + second - zone, ns, ret);
}

/* ".5" behind the seconds, nothing when there is no fraction. */
static void format_fraction(uint64_t ns, char out[12])
{
    out[0] = 0;
    if (ns == 0)
        return;
    int n = snprintf(out, 12, ".%09u", (unsigned)(ns % NS_PER_S));
    while (n > 0 && out[n - 1] == '0')
        out[--n] = 0;
}

void time_format(const struct value *time, char out[TIME_TEXT_SIZE])
{
    char fraction[12];
    struct civil_time t = time_civil(time->integer);
    format_fraction(time->offset, fraction);
    snprintf(out, TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", (int)t.year, t.month, t.day,
             t.hour, t.minute, t.second, fraction);
}

void duration_format(int64_t ns, char out[TIME_TEXT_SIZE])
{
    char fraction[12];
    uint64_t magnitude = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    format_fraction(magnitude % NS_PER_S, fraction);
    snprintf(out, TIME_TEXT_SIZE, "%s%llu%ss", ns < 0 ? "-" : "",
             (unsigned long long)(magnitude / NS_PER_S), fraction);
}

static int64_t take_unit(struct slice *text)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},         {"us", 1000},    {"µs", 1000},         {"μs", 1000},
        {"ms", NS_PER_MS}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct slice name = slice_str(units[i].name);
        if (slice_starts_with(*text, name)) {
            *text = slice_sub(*text, name.len, text->len);
            return units[i].ns;
        }
    }
    return 0;
}

/* One "1.5h". 1, 0 when it is none, −1 when it is too big. */
static int take_part(struct slice *text, __int128 *total)
{
    __int128 whole = 0;
    __int128 fraction = 0;
    __int128 scale = 1;
    size_t digits = 0;
    bool after_point = false;
    for (; text->len; *text = slice_sub(*text, 1, text->len)) {
        uint8_t ch = text->data[0];
        if (ch == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (ch < '0' || ch > '9')
            break;
        digits++;
        if (!after_point) {
            whole = whole * 10 + (ch - '0');
        } else if (scale < (__int128)1000000000000000) {
            fraction = fraction * 10 + (ch - '0');
            scale *= 10;
        }
        if (whole > (__int128)INT64_MAX)
            return -1;
    }
    int64_t unit = digits ? take_unit(text) : 0;
    if (unit == 0)
        return 0;
    *total += whole * unit + fraction * unit / scale;
    return *total > (__int128)INT64_MAX + 1 ? -1 : 1;
}

void duration_parse(struct slice text, struct value *ret)
{
    struct slice whole = text;
    bool negative = text.len && text.data[0] == '-';
    __int128 total = 0;
    int result = 1;
    if (text.len && (text.data[0] == '-' || text.data[0] == '+'))
        text = slice_sub(text, 1, text.len);
    if (slice_eq_str(text, "0")) {
        *ret = (struct value){.kind = VALUE_DURATION};
        return;
    }
    if (text.len == 0)
        result = 0;
    while (text.len && result > 0)
        result = take_part(&text, &total);
    if (negative)
        total = -total;
    if (result == 0)
        set_error_about(ret, ERROR_CONVERSION, whole);
    else if (result < 0 || total > INT64_MAX || total < INT64_MIN)
        set_error_about(ret, ERROR_RANGE, whole);
    else
        *ret = (struct value){.kind = VALUE_DURATION, .integer = (int64_t)total};
}
