/* Times and durations as people and machines write them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "unit/unit_test.h"

#define NOW INT64_C(1700000000000000000)

static void what_people_type(void **state)
{
    (void)state;
    int64_t ns;
    struct error e = {.text = ""};
    assert_int_equal(clock_parse_human("now", NOW, &ns, &e), 0);
    assert_true(ns == NOW);
    assert_int_equal(clock_parse_human("-10m", NOW, &ns, &e), 0);
    assert_true(ns == NOW - 600 * NS_PER_S);
    assert_int_equal(clock_parse_human("+1h30m", NOW, &ns, &e), 0);
    assert_true(ns == NOW + 5400 * NS_PER_S);
    assert_int_equal(clock_parse_human("1969-12-31T23:59:59.5Z", NOW, &ns, &e), 0);
    assert_true(ns == -NS_PER_S / 2);
    static const char *const wrong[] = {"",  "yesterday", "2026-13-01", "2026-02-29", "25:00",
                                        "-", "-5",        "+x",         NULL};
    for (size_t i = 0; wrong[i]; i++) {
        assert_int_equal(clock_parse_human(wrong[i], NOW, &ns, &e), -EINVAL);
        assert_non_null(strstr(e.text, "is not a time"));
    }
}

static void what_nanoseconds_cannot_hold(void **state)
{
    (void)state;
    int64_t ns;
    struct error e = {.text = ""};
    static const char *const far[] = {"0001-01-01", "1600-01-01T00:00:00Z", "9999-12-31",
                                      "+110000d",   "-99999999d",           NULL};
    for (size_t i = 0; far[i]; i++) {
        assert_int_equal(clock_parse_human(far[i], NOW, &ns, &e), -ERANGE);
        assert_non_null(strstr(e.text, "1678 to 2261"));
    }
    assert_int_equal(clock_parse_rfc3339("2262-12-31T00:00:00Z", &ns), -ERANGE);
    assert_int_equal(clock_parse_rfc3339("2261-12-31T00:00:00Z", &ns), 0);
    assert_int_equal(clock_parse_rfc3339("1678-01-01T00:00:00Z", &ns), 0);
    assert_int_equal(clock_parse_duration("99999999d", &ns), -ERANGE);
    assert_int_equal(clock_parse_duration("99999999999999999999s", &ns), -ERANGE);
    assert_int_equal(clock_parse_duration("5 m", &ns), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_type),
        cmocka_unit_test(what_nanoseconds_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
