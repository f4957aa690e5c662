#include "filter/zone.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cursor.h"

enum {
    MAX_FILE_BYTES = 256 * 1024,
    MAX_NAME = 64
};

/* When daylight saving begins or ends (POSIX TZ, the footer of the file). */
struct rule {
    char kind; /* 'M' month.week.day, 'J' day 1 … 365 without leap day, '0' day 0 … 365 */
    int month, week, day; /* day: of the week for M, of the year else */
    int64_t seconds;      /* of the local day */
};

struct time_zone {
    const int64_t *times;
    const int32_t *offsets; /* from times[i] on */
    size_t count;
    int64_t first_offset; /* before times[0] */
    bool has_footer, has_summer;
    int64_t standard, summer;
    struct rule begins, ends;
};

/* ── "+02:00" ── */

static bool two_digits(const uint8_t *p, int64_t *ret)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return false;
    *ret = (p[0] - '0') * 10 + p[1] - '0';
    return true;
}

static bool parse_fixed(struct slice name, int64_t *ret_offset)
{
    bool negative = name.len && name.data[0] == '-';
    int64_t hours;
    int64_t minutes;
    if (name.len && (name.data[0] == '-' || name.data[0] == '+'))
        name = slice_sub(name, 1, name.len);
    if (name.len != 5 || name.data[2] != ':' || !two_digits(name.data, &hours) ||
        !two_digits(name.data + 3, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_offset = (hours * 3600 + minutes * 60) * (negative ? -1 : 1);
    return true;
}

/* ── calendar ── */

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t year_of(int64_t seconds)
{
    int64_t year = 1970 + seconds / 31556952 - (seconds < 0);
    while (days_from_civil(year + 1, 1, 1) * 86400 <= seconds)
        year++;
    while (days_from_civil(year, 1, 1) * 86400 > seconds)
        year--;
    return year;
}

/* Local seconds since the epoch at which the rule takes effect in a year. */
static int64_t rule_time(const struct rule *rule, int64_t year)
{
    int64_t day;
    if (rule->kind == 'M') {
        int64_t first = days_from_civil(year, rule->month, 1);
        int64_t next = rule->month == 12 ? days_from_civil(year + 1, 1, 1)
                                         : days_from_civil(year, rule->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7;
        day = first + (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
        while (day >= next)
            day -= 7;
    } else {
        day = days_from_civil(year, 1, 1) + rule->day;
        if (rule->kind == 'J')
            day += -1 + (is_leap(year) && rule->day >= 60);
    }
    return day * 86400 + rule->seconds;
}

/* ── footer: "CET-1CEST,M3.5.0,M10.5.0/3" ── */

static int64_t footer_number(struct cursor *c)
{
    int64_t v = 0;
    while (cursor_left(c) && *c->pos >= '0' && *c->pos <= '9' && v < 100000)
        v = v * 10 + cursor_u8(c) - '0';
    return v;
}

static bool footer_accept(struct cursor *c, uint8_t mark)
{
    if (cursor_left(c) == 0 || *c->pos != mark)
        return false;
    cursor_skip(c, 1);
    return true;
}

static int64_t footer_time(struct cursor *c)
{
    int64_t sign = footer_accept(c, '-') ? -1 : 1;
    if (sign > 0)
        footer_accept(c, '+');
    int64_t v = footer_number(c) * 3600;
    if (footer_accept(c, ':'))
        v += footer_number(c) * 60;
    if (footer_accept(c, ':'))
        v += footer_number(c);
    return v * sign;
}

static void footer_name(struct cursor *c)
{
    if (footer_accept(c, '<')) {
        while (cursor_left(c) && !footer_accept(c, '>'))
            cursor_skip(c, 1);
        return;
    }
    while (cursor_left(c) && ((*c->pos | 0x20) >= 'a' && (*c->pos | 0x20) <= 'z'))
        cursor_skip(c, 1);
}

static bool footer_rule(struct cursor *c, struct rule *rule)
{
    if (!footer_accept(c, ','))
        return false;
    *rule = (struct rule){.kind = '0', .seconds = 2 * 3600L};
    if (footer_accept(c, 'M')) {
        rule->kind = 'M';
        rule->month = (int)footer_number(c);
        if (!footer_accept(c, '.'))
            return false;
        rule->week = (int)footer_number(c);
        if (!footer_accept(c, '.'))
            return false;
        if (rule->month < 1 || rule->month > 12 || rule->week < 1 || rule->week > 5)
            return false;
    } else if (footer_accept(c, 'J')) {
        rule->kind = 'J';
    }
    rule->day = (int)footer_number(c);
    if (rule->day > 366 || (rule->kind == 'M' && rule->day > 6))
        return false;
    if (footer_accept(c, '/'))
        rule->seconds = footer_time(c);
    return true;
}

static void parse_footer(struct time_zone *zone, struct cursor *c)
{
    if (!footer_accept(c, '\n') || cursor_left(c) == 0 || *c->pos == '\n')
        return;
    footer_name(c);
    zone->standard = -footer_time(c);
    zone->has_footer = true;
    if (cursor_left(c) == 0 || *c->pos == '\n')
        return;
    footer_name(c);
    zone->summer = zone->standard + 3600;
    if (cursor_left(c) && *c->pos != ',' && *c->pos != '\n')
        zone->summer = -footer_time(c);
    zone->has_summer = footer_rule(c, &zone->begins) && footer_rule(c, &zone->ends);
}

/* ── file ── */

struct tzif_header {
    uint32_t isutc, isstd, leap, times, types, chars;
};

static bool read_header(struct cursor *c, struct tzif_header *h)
{
    struct slice magic = cursor_slice(c, 4);
    uint8_t version = cursor_u8(c);
    cursor_skip(c, 15);
    h->isutc = cursor_be32(c);
    h->isstd = cursor_be32(c);
    h->leap = cursor_be32(c);
    h->times = cursor_be32(c);
    h->types = cursor_be32(c);
    h->chars = cursor_be32(c);
    return !c->bad && slice_eq(magic, SLICE_LITERAL("TZif")) && version >= '2' && h->types > 0 &&
           h->types <= 256 && h->times < MAX_FILE_BYTES / 5 && h->leap < MAX_FILE_BYTES &&
           h->chars < MAX_FILE_BYTES && h->isstd <= h->types && h->isutc <= h->types;
}

static bool parse_file(struct arena *arena, struct slice file, struct time_zone *zone)
{
    struct cursor c = cursor_of(file.data, file.len);
    struct tzif_header h;
    if (!read_header(&c, &h))
        return false;
    cursor_skip(&c, h.times * 5ul + h.types * 6ul + h.chars + h.leap * 8ul + h.isstd + h.isutc);
    if (!read_header(&c, &h))
        return false;
    struct cursor times = cursor_of(cursor_take(&c, h.times * 8ul), h.times * 8ul);
    struct slice indexes = cursor_slice(&c, h.times);
    struct slice types = cursor_slice(&c, h.types * 6ul);
    cursor_skip(&c, h.chars + h.leap * 12ul + h.isstd + h.isutc);
    if (c.bad)
        return false;
    int64_t *at = arena_calloc(arena, h.times + 1ul, sizeof *at);
    int32_t *offsets = arena_calloc(arena, h.times + 1ul, sizeof *offsets);
    if (!at || !offsets)
        return false;
    for (uint32_t i = 0; i < h.times; i++) {
        uint8_t type = indexes.data[i];
        if (type >= h.types)
            return false;
        struct cursor offset = cursor_of(types.data + type * 6ul, 6);
        at[i] = (int64_t)cursor_be64(&times);
        offsets[i] = (int32_t)cursor_be32(&offset);
    }
    struct cursor first = cursor_of(types.data, 6);
    zone->first_offset = (int32_t)cursor_be32(&first);
    zone->times = at;
    zone->offsets = offsets;
    zone->count = h.times;
    parse_footer(zone, &c);
    return true;
}

static struct slice read_file(struct arena *arena, struct slice name)
{
    struct slice path = arena_printf(arena, "/usr/share/zoneinfo/%.*s", SLICE_ARGS(name));
    int fd = path.data ? open((const char *)path.data, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
    if (fd < 0)
        return SLICE_NONE;
    uint8_t *data = arena_alloc(arena, MAX_FILE_BYTES);
    size_t len = 0;
    while (data && len < MAX_FILE_BYTES) {
        ssize_t n = read(fd, data + len, MAX_FILE_BYTES - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    return slice_of(data, data ? len : 0);
}

static bool is_name(struct slice name)
{
    if (name.len == 0 || name.len > MAX_NAME || name.data[0] == '/')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t ch = name.data[i];
        bool ok = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                  (ch >= '0' && ch <= '9') || ch == '/' || ch == '_' || ch == '-' || ch == '+';
        if (!ok)
            return false;
    }
    return true;
}

const struct time_zone *zone_load(struct arena *arena, struct slice name)
{
    struct time_zone *zone = arena_zalloc(arena, sizeof *zone);
    if (!zone)
        return NULL;
    if (slice_eq_str(name, "UTC") || slice_eq_str(name, "GMT") ||
        parse_fixed(name, &zone->first_offset))
        return zone;
    if (!is_name(name))
        return NULL;
    /* The file goes into an arena of its own: only the table stays. */
    struct arena file_arena;
    arena_init(&file_arena, 2ul * MAX_FILE_BYTES);
    struct slice file = read_file(&file_arena, name);
    bool ok = parse_file(arena, file, zone);
    arena_done(&file_arena);
    return ok ? zone : NULL;
}

static int64_t footer_offset(const struct time_zone *zone, int64_t seconds)
{
    if (!zone->has_summer)
        return zone->standard;
    int64_t year = year_of(seconds + zone->standard);
    int64_t begins = rule_time(&zone->begins, year) - zone->standard;
    int64_t ends = rule_time(&zone->ends, year) - zone->summer;
    bool summer =
        begins < ends ? seconds >= begins && seconds < ends : seconds >= begins || seconds < ends;
    return summer ? zone->summer : zone->standard;
}

int64_t zone_offset(const struct time_zone *zone, int64_t seconds)
{
    if (zone->count == 0 || seconds < zone->times[0])
        return zone->count == 0 && zone->has_footer ? footer_offset(zone, seconds)
                                                    : zone->first_offset;
    if (seconds >= zone->times[zone->count - 1] && zone->has_footer)
        return footer_offset(zone, seconds);
    size_t low = 0;
    size_t high = zone->count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (zone->times[middle] <= seconds)
            low = middle;
        else
            high = middle;
    }
    return zone->offsets[low];
}
