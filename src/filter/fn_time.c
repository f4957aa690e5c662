/* Getters of timestamps (with a time zone) and durations; now(). */
#include "base/clock.h"
#include "filter/functions.h"
#include "filter/time_value.h"
#include "filter/zone.h"

/* A zone that is computed while the filter runs has to be read from its file. */
enum {
    ZONE_STEPS = 2000
};

static bool civil(struct filter_eval *eval, const struct filter_node *node,
                  const struct value *args, struct civil_time *ret_time, struct value *ret)
{
    int64_t seconds = args[0].integer;
    if (node->arg_count == 2) {
        const struct call_plan *plan = node->plan;
        const struct time_zone *zone = plan->zone;
        if (!zone) {
            if (!eval_charge(eval, ZONE_STEPS, ret))
                return false;
            zone = zone_load(eval->arena, args[1].text);
        }
        if (!zone) {
            set_error_about(ret, ERROR_ZONE, args[1].text);
            return false;
        }
        seconds += zone_offset(zone, seconds);
    }
    *ret_time = time_civil(seconds);
    return true;
}

#define GETTER(name, expression)              \
    FUNCTION_BODY(name)                       \
    {                                         \
        struct civil_time t;                  \
        if (civil(eval, node, args, &t, ret)) \
            set_int(ret, (expression));       \
    }

GETTER(fn_get_full_year, t.year)
GETTER(fn_get_month, t.month - 1)
GETTER(fn_get_day_of_year, t.year_day)
GETTER(fn_get_day_of_month, t.day - 1)
GETTER(fn_get_date, t.day)
GETTER(fn_get_day_of_week, t.weekday)

/* Of a duration: the whole of it in that unit. */
FUNCTION_BODY(fn_get_hours)
{
    struct civil_time t;
    if (args[0].kind == VALUE_DURATION)
        set_int(ret, args[0].integer / (3600 * NS_PER_S));
    else if (civil(eval, node, args, &t, ret))
        set_int(ret, t.hour);
}

FUNCTION_BODY(fn_get_minutes)
{
    struct civil_time t;
    if (args[0].kind == VALUE_DURATION)
        set_int(ret, args[0].integer / (60 * NS_PER_S));
    else if (civil(eval, node, args, &t, ret))
        set_int(ret, t.minute);
}

FUNCTION_BODY(fn_get_seconds)
{
    struct civil_time t;
    if (args[0].kind == VALUE_DURATION)
        set_int(ret, args[0].integer / NS_PER_S);
    else if (civil(eval, node, args, &t, ret))
        set_int(ret, t.second);
}

/* Of both: the milliseconds behind the full second. */
FUNCTION_BODY(fn_get_milliseconds)
{
    struct civil_time t;
    if (args[0].kind == VALUE_DURATION)
        set_int(ret, args[0].integer / NS_PER_MS % 1000);
    else if (civil(eval, node, args, &t, ret))
        set_int(ret, args[0].offset / NS_PER_MS);
}

FUNCTION_BODY(fn_now)
{
    (void)node;
    (void)args;
    int64_t seconds = eval->now_ns / NS_PER_S;
    int64_t ns = eval->now_ns % NS_PER_S;
    if (ns < 0) {
        ns += NS_PER_S;
        seconds--;
    }
    time_set(seconds, ns, ret);
}
