/* The PROXY protocol's header: the examples of its specification in front of other protocols. */
#include <stdio.h>

#include "dissect/drive.h"
#include "unit/dissect/support_proto.h"
#include "unit/unit_test.h"

#define GET    C("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
#define ANSWER S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
#define V2     "\r\n\r\n\0\r\nQUIT\n"

static void calls_behind_the_header_are_found(void **state)
{
    (void)state;
    static const struct {
        struct drive_step header;
        const char *name;
    } headers[] = {
        {C("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), "TCP4"},
        {C("PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "TCP6"},
        {C("PROXY UNKNOWN\r\n"), "UNKNOWN"},
        {C("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "UNKNOWN, long"},
        {C(V2 "\x21\x11\0\x0c\x0a\0\0\1\x0a\0\0\2\x80\0\1\xbb"), "2, TCP4"},
        {C(V2 "\x20\0\0\0"), "2, LOCAL"},
        {C(V2 "\x21\x11\0\x13\x0a\0\0\1\x0a\0\0\2\x80\0\1\xbb\x01\0\4http"), "2, with a TLV"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct drive_step steps[] = {headers[i].header, GET, ANSWER, GET, ANSWER};
        struct drive_options options = {0};
        struct proto_run *run = proto_run_cut(&options, steps, 5);
        assert_int_equal(run->count, 2);
        assert_non_null(strstr(run->lines[0], "\"path\":\"/a\""));
        assert_non_null(strstr(run->lines[1], "\"status_code\":200"));
        proto_run_free(run);
    }
}

static void all_in_one_packet_and_one_header_behind_the_other(void **state)
{
    (void)state;
    struct drive_step steps[] = {
        C("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nPROXY TCP4 3.3.3.3 2.2.2.2 1 2\r\n"
          "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
        ANSWER};
    struct drive_options options = {0};
    struct proto_run *run = proto_run_cut(&options, steps, 2);
    assert_int_equal(run->count, 1);
    proto_run_free(run);
}

static void what_only_looks_like_one_is_none(void **state)
{
    (void)state;
    static const struct drive_step steps[] = {
        C("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"),
        C("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r?"),
        C("PROXY TCP4 1.1.1.1\x01 2.2.2.2 1 2\r\n"),
        C("PROXY TCP4 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
        C("PROXY"),
        C(V2 "\x31\x11\0\x0c\x0a\0\0\1\x0a\0\0\2\x80\0\1\xbb"),
        C(V2 "\x22\x11\0\x0c\x0a\0\0\1\x0a\0\0\2\x80\0\1\xbb"),
        C(V2 "\x21\x41\0\x0c\x0a\0\0\1\x0a\0\0\2\x80\0\1\xbb"),
        C(V2 "\x21\x11\xff\xff"),
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct drive_step script[] = {steps[i], GET, ANSWER};
        struct drive_options options = {.dissector = "proxy"};
        struct proto_run *run = proto_run_cut(&options, script, 3);
        assert_int_equal(run->count, 0);
        proto_run_free(run);
    }
}

/* The handshake was not recorded, the header was: the call behind it is whole. */
static void a_recording_that_begins_with_it(void **state)
{
    (void)state;
    struct drive_step steps[] = {C("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), GET, ANSWER};
    struct drive_options options = {.late_join = true};
    struct proto_run *run = proto_run_cut(&options, steps, 3);
    assert_int_equal(run->count, 1);
    assert_non_null(strstr(run->lines[0], "\"status_code\":200"));
    proto_run_free(run);
}

static void a_server_that_speaks_first_behind_it(void **state)
{
    (void)state;
    struct drive_step steps[] = {C("PROXY UNKNOWN\r\n"), S("+OK\r\n"), C("*1\r\n$4\r\nPING\r\n"),
                                 S("+PONG\r\n")};
    struct drive_options options = {0};
    struct proto_run *run = proto_run_cut(&options, steps, 4);
    for (size_t i = 0; i < run->count; i++)
        assert_null(strstr(run->lines[i], "\"protocol\":\"proxy\""));
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_behind_the_header_are_found),
        cmocka_unit_test(all_in_one_packet_and_one_header_behind_the_other),
        cmocka_unit_test(what_only_looks_like_one_is_none),
        cmocka_unit_test(a_recording_that_begins_with_it),
        cmocka_unit_test(a_server_that_speaks_first_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
