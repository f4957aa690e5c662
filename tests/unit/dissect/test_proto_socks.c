/* SOCKS: the negotiations of RFC 1928, RFC 1929 and versions 4 and 4A in front of calls. */
#include <stdio.h>

#include "dissect/drive.h"
#include "unit/dissect/support_proto.h"
#include "unit/unit_test.h"

#define GET    C("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
#define ANSWER S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

static void expect_call(const struct drive_step *negotiation, size_t count, const char *name)
{
    struct drive_step steps[12];
    memcpy(steps, negotiation, count * sizeof *steps);
    steps[count] = (struct drive_step)GET;
    steps[count + 1] = (struct drive_step)ANSWER;
    struct drive_options options = {0};
    struct proto_run *run = proto_run_cut(&options, steps, count + 2);
    if (run->count != 1)
        print_error("%s\n", name);
    assert_int_equal(run->count, 1);
    assert_non_null(strstr(run->lines[0], "\"path\":\"/a\""));
    assert_non_null(strstr(run->lines[0], "\"status_code\":200"));
    proto_run_free(run);
}
#define EXPECT_CALL(name, ...)                                                      \
    do {                                                                            \
        const struct drive_step negotiation[] = {__VA_ARGS__};                      \
        expect_call(negotiation, sizeof negotiation / sizeof negotiation[0], name); \
    } while (0)

static void calls_behind_a_negotiation_are_found(void **state)
{
    (void)state;
    EXPECT_CALL("4", C("\4\1\0\x50\xc0\0\2\1\0"), S("\0\x5a\0\0\0\0\0\0"));
    EXPECT_CALL("4, with a user", C("\4\1\0\x50\xc0\0\2\1me\0"), S("\0\x5a\0\x50\xc0\0\2\1"));
    EXPECT_CALL("4A", C("\4\1\0\x50\0\0\0\1\0www.example.com\0"), S("\0\x5a\0\0\0\0\0\0"));
    EXPECT_CALL("4, bind", C("\4\2\0\x50\xc0\0\2\1\0"), S("\0\x5a\0\x50\xc0\0\2\1"),
                S("\0\x5a\0\x50\xc0\0\2\1"));
    EXPECT_CALL("5, IPv4", C("\5\1\0"), S("\5\0"), C("\5\1\0\1\xc0\0\2\1\0\x50"),
                S("\5\0\0\1\0\0\0\0\0\0"));
    EXPECT_CALL("5, name", C("\5\2\0\2"), S("\5\0"), C("\5\1\0\3\7example\0\x50"),
                S("\5\0\0\1\0\0\0\0\0\0"));
    EXPECT_CALL("5, IPv6, reply with a name", C("\5\1\0"), S("\5\0"),
                C("\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"),
                S("\5\0\0\3\3box\x80\0"));
    EXPECT_CALL("5, password", C("\5\1\2"), S("\5\2"), C("\1\2me\6secret"), S("\1\0"),
                C("\5\1\0\1\xc0\0\2\1\0\x50"), S("\5\0\0\1\0\0\0\0\0\0"));
    EXPECT_CALL("5, nothing waited for", C("\5\1\0\5\1\0\1\xc0\0\2\1\0\x50"),
                S("\5\0\5\0\0\1\0\0\0\0\0\0"));
}

/* What a client sends before it is granted anything is nobody's call. */
static void refusals_and_wrapped_streams_end_it(void **state)
{
    (void)state;
    static const struct drive_step refused[][4] = {
        {C("\4\1\0\x50\xc0\0\2\1\0"), S("\0\x5b\0\0\0\0\0\0")},
        {C("\5\1\0"), S("\5\xff")},
        {C("\5\1\1"), S("\5\1")},
        {C("\5\1\0"), S("\5\0"), C("\5\1\0\1\xc0\0\2\1\0\x50"), S("\5\5\0\1\0\0\0\0\0\0")},
        {C("\5\1\0"), S("\5\0"), C("\5\3\0\1\xc0\0\2\1\0\x50"), S("\5\0\0\1\0\0\0\0\0\0")},
        {C("\5\1\2"), S("\5\2"), C("\1\2me\6secret"), S("\1\1")},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct drive_step steps[6];
        size_t count = 0;
        while (count < 4 && refused[i][count].bytes.data)
            steps[count] = refused[i][count], count++;
        steps[count++] = (struct drive_step)GET;
        struct drive_options options = {0};
        struct proto_run *run = proto_run_cut(&options, steps, count);
        assert_int_equal(run->count, 0);
        proto_run_free(run);
    }
}

static void what_only_looks_like_one_is_none(void **state)
{
    (void)state;
    static const struct drive_step scripts[][2] = {
        {C("\4\3\0\x50\xc0\0\2\1\0"), S("\0\x5a\0\0\0\0\0\0")},
        {C("\4\1\0\x50\xc0\0\2\1\0"), S("\0\x59\0\0\0\0\0\0")},
        {C("\4\1\0\x50\xc0\0\2\1\0"), S("\4\x5a\0\0\0\0\0\0")},
        {C("\5\0\0"), S("\5\0")},
        {C("\5\1\0"), S("\5\2")},
        {C("\5\1\0"), S("\1\0")},
        {C("\5\xff"), S("\5\0")},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct drive_step steps[] = {scripts[i][0], scripts[i][1], GET, ANSWER};
        struct drive_options options = {0};
        struct proto_run *run = proto_run_cut(&options, steps, 4);
        for (size_t k = 0; k < run->count; k++)
            assert_null(strstr(run->lines[k], "\"path\":\"/a\""));
        proto_run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_behind_a_negotiation_are_found),
        cmocka_unit_test(refusals_and_wrapped_streams_end_it),
        cmocka_unit_test(what_only_looks_like_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
