/* ICMP: queries and replies, errors with the packet they speak of, hostile messages. Checksums
 * stand as zero: they are not looked at. */
#include <stdio.h>
#include <string.h>

#include "unit/dissect/support_proto.h"
#include "unit/unit_test.h"

#define ECHO(seq)  C("\x08\0\0\0\0\x07\0" seq "data")
#define REPLY(seq) S("\0\0\0\0\0\x07\0" seq "data")
#define IP_UDP     "\x45\0\0\x2c\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\0\x35\0\x18\0\0"

static struct proto_run *run_steps(const struct drive_step *steps, size_t count,
                                   enum dissect_end end)
{
    struct drive_options options = {.dissector = "icmp", .transport = DISSECT_ICMP, .end = end};
    return proto_run(&options, steps, count);
}

#define RUN(end, ...)                                   \
    run_steps((const struct drive_step[]){__VA_ARGS__}, \
              sizeof((const struct drive_step[]){__VA_ARGS__}) / sizeof(struct drive_step), end)

static void has(const struct proto_run *run, size_t line, const char *text)
{
    assert_true(line < run->count);
    if (!strstr(run->lines[line], text))
        fail_msg("%s is not in %s", text, run->lines[line]);
}

static void echoes_are_paired(void **state)
{
    (void)state;
    struct proto_run *run = RUN(END_CLOSED, ECHO("\1"), REPLY("\1"), ECHO("\2"), ECHO("\3"),
                                REPLY("\3"), REPLY("\2"), REPLY("\2"));
    assert_int_equal(run->count, 4);
    has(run, 0, "\"icmp_type\":8,\"icmp_code\":0,\"icmp_version\":4,\"icmp_length\":12");
    has(run, 0, "\"summary\":\"Echo request id 7 seq 1 → reply\"");
    has(run, 0, "\"status\":\"ok\"");
    has(run, 0, "\"elapsed_time\":1000");
    has(run, 1, "seq 3 → reply");
    has(run, 2, "seq 2 → reply");
    has(run, 3, "\"summary\":\"Echo reply id 7 seq 2 (again)\"");
    proto_run_free(run);
}

static void what_has_no_partner_says_so(void **state)
{
    (void)state;
    struct proto_run *run = RUN(END_OF_DATA, REPLY("\1"), ECHO("\2"), REPLY("\3"));
    assert_int_equal(run->count, 3);
    has(run, 0, "\"status\":\"incomplete\",\"status_reason\":\"window_start\"");
    has(run, 0, "\"src\":{\"ip\":\"10.0.0.2\"");
    has(run, 2, "\"status\":\"open\"");
    proto_run_free(run);
    run = RUN(END_CLOSED, ECHO("\2"));
    has(run, 0, "\"status\":\"no_response\",\"status_reason\":\"timeout\"");
    proto_run_free(run);
    /* After 30 s nobody waits any more. */
    struct drive_step late = REPLY("\1");
    late.ts_ns = DRIVE_START_NS + INT64_C(31000000000);
    run = RUN(END_CLOSED, ECHO("\1"), late);
    assert_int_equal(run->count, 2);
    has(run, 0, "no_response");
    proto_run_free(run);
    /* A reply from the asker's own side is none. */
    run = RUN(END_CLOSED, ECHO("\1"), C("\0\0\0\0\0\x07\0\1"));
    assert_int_equal(run->count, 2);
    proto_run_free(run);
}

static void more_queries_than_are_remembered(void **state)
{
    (void)state;
    enum {
        QUERIES = 200
    };
    static uint8_t bytes[QUERIES][8];
    static struct drive_step steps[QUERIES];
    for (int i = 0; i < QUERIES; i++) {
        memcpy(bytes[i], "\x08\0\0\0\0\1\0\0", 8);
        bytes[i][7] = (uint8_t)i;
        steps[i] = (struct drive_step){.dir = DIR_CLIENT, .bytes = slice_of(bytes[i], 8)};
    }
    struct proto_run *run = run_steps(steps, QUERIES, END_CLOSED);
    assert_int_equal(run->count, QUERIES);
    has(run, 0, "seq 0\"");
    has(run, QUERIES - 1, "seq 199\"");
    proto_run_free(run);
}

static void errors_name_the_original(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(END_CLOSED, C("\3\3\0\0\0\0\0\0" IP_UDP), C("\x0b\0\0\0\0\0\0\0" IP_UDP),
            C("\3\4\0\0\0\0\5\xdc" IP_UDP), C("\3\x63\0\0\0\0\0\0" IP_UDP));
    assert_int_equal(run->count, 4);
    has(run, 0, "\"summary\":\"Destination unreachable (port): UDP 10.0.0.1:40000 → 10.0.0.2:53\"");
    has(run, 0,
        "\"icmp_original_protocol\":\"UDP\",\"icmp_original_src\":\"10.0.0.1:40000\","
        "\"icmp_original_dst\":\"10.0.0.2:53\"");
    has(run, 0, "\"status\":\"error\"");
    has(run, 1, "Time exceeded (hop limit)");
    has(run, 2, "(fragmentation needed)");
    has(run, 3, "Destination unreachable code 99");
    proto_run_free(run);
}

static void errors_cut_short_are_only_errors(void **state)
{
    (void)state;
    static const char whole[] = "\3\3\0\0\0\0\0\0" IP_UDP;
    for (size_t n = 4; n < sizeof whole - 1; n++) {
        struct proto_run *run = RUN(END_CLOSED, CB(whole, n));
        assert_int_equal(run->count, 1);
        has(run, 0, "Destination unreachable (port)");
        proto_run_free(run);
    }
    /* A header length beyond the end, a wrong version, a later fragment: no ports, no addresses. */
    struct proto_run *run = RUN(
        END_CLOSED,
        C("\3\3\0\0\0\0\0\0\x4f\0\0\x2c\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\0\x35"),
        C("\3\3\0\0\0\0\0\0\x65\0\0\x2c\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\0\x35"),
        C("\3\3\0\0\0\0\0\0\x45\0\0\x2c\0\0\0\x01\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\0\x35"));
    assert_int_equal(run->count, 3);
    has(run, 0, "\"icmp_original_dst\":\"10.0.0.2\"");
    assert_null(strstr(run->lines[1], "icmp_original"));
    has(run, 2, "\"icmp_original_src\":\"10.0.0.1\"");
    proto_run_free(run);
}

static void other_messages_are_entries_of_their_own(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(END_CLOSED, C("\x0d\0\0\0\0\1\0\1aaaabbbbcccc"), S("\x0e\0\0\0\0\1\0\1aaaabbbbcccc"),
            S("\x09\0\0\0"), C("\xff\1\0\0"), C("\x08\0\0\0"), C("\x08"));
    assert_int_equal(run->count, 4);
    has(run, 0, "Timestamp request id 1 seq 1 → reply");
    has(run, 1, "\"summary\":\"Router advertisement\"");
    has(run, 2, "\"summary\":\"ICMP type 255 code 1\"");
    has(run, 3, "\"summary\":\"Echo request\"");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echoes_are_paired),
        cmocka_unit_test(what_has_no_partner_says_so),
        cmocka_unit_test(more_queries_than_are_remembered),
        cmocka_unit_test(errors_name_the_original),
        cmocka_unit_test(errors_cut_short_are_only_errors),
        cmocka_unit_test(other_messages_are_entries_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
