/* SCTP: messages from fragments in any order, retransmissions, control chunks with their answers,
 * hostile chunks (RFC 9260 section 3). */
#include <stdio.h>
#include <string.h>

#include "unit/dissect/support_proto.h"
#include "unit/unit_test.h"

/* type 0, flags, length, TSN, stream, SSN, PPID 46 */
#define DATA(flags, length, tsn, stream, ssn) \
    "\0" flags "\0" length "\0\0\0" tsn "\0" stream "\0" ssn "\0\0\0\x2e"
#define WHOLE  "\3"
#define FIRST  "\2"
#define MIDDLE "\0"
#define LAST   "\1"

#define INIT     "\1\0\0\x14\x11\x22\x33\x44\0\0\xff\xff\0\x0a\0\x05\0\0\0\x09"
#define INIT_ACK "\2\0\0\x14\x55\x66\x77\x88\0\0\xff\xff\0\x05\0\x0a\0\0\0\x20"

static struct proto_run *run_steps(const struct drive_step *steps, size_t count,
                                   enum dissect_end end)
{
    struct drive_options options = {
        .dissector = "sctp", .transport = DISSECT_SCTP_PACKETS, .end = end};
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

static void a_message_in_one_chunk(void **state)
{
    (void)state;
    /* Padded to four bytes; two chunks in a packet; an answer. */
    struct proto_run *run = RUN(END_CLOSED,
                                C(DATA(WHOLE, "\x13", "\1", "\3",
                                       "\0") "abc\0" DATA("\7", "\x14", "\2", "\3", "\0") "wxyz"),
                                S(DATA(WHOLE, "\x12", "\1", "\1", "\5") "ok\0\0"));
    assert_int_equal(run->count, 3);
    has(run, 0, "\"summary\":\"DATA stream 3 Diameter: 3 B\"");
    has(run, 0, "\"body\":\"abc\",\"body_size\":3,\"size\":20");
    has(run, 0, "\"sctp_chunk_type\":0,\"sctp_chunk\":\"DATA\"");
    has(run, 0, "\"sctp_tsn\":1,\"sctp_stream\":3,\"sctp_ssn\":0,\"sctp_ppid\":46");
    has(run, 0, "\"status\":\"ok\"");
    has(run, 1, "\"summary\":\"DATA stream 3 unordered Diameter: 4 B\"");
    has(run, 1, "\"sctp_tsn\":2,\"sctp_stream\":3,\"sctp_ppid\":46");
    has(run, 2, "\"src\":{\"ip\":\"10.0.0.2\"");
    has(run, 2, "\"body\":\"ok\"");
    proto_run_free(run);
}

#define PART_1 C(DATA(FIRST, "\x13", "\1", "\3", "\7") "abc\0")
#define PART_2 C(DATA(MIDDLE, "\x13", "\2", "\3", "\7") "def\0")
#define PART_3 C(DATA(LAST, "\x12", "\3", "\3", "\7") "gh\0\0")

static void fragments_in_any_order(void **state)
{
    (void)state;
    static const struct drive_step parts[3] = {PART_1, PART_2, PART_3};
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        struct drive_step steps[6];
        for (int k = 0; k < 6; k++) /* each of them twice */
            steps[k] = parts[orders[i][k / 2]];
        struct proto_run *run = run_steps(steps, 6, END_CLOSED);
        assert_int_equal(run->count, 1);
        has(run, 0, "\"body\":\"abcdefgh\",\"body_size\":8,\"size\":60");
        has(run, 0, "\"sctp_tsn\":1");
        has(run, 0, "\"status\":\"ok\"");
        proto_run_free(run);
    }
}

static void neighbours_are_not_glued(void **state)
{
    (void)state;
    /* The end of one message and the beginning of the next; another stream; another order. */
    struct proto_run *run = RUN(END_CLOSED, C(DATA(LAST, "\x11", "\1", "\3", "\0") "a\0\0\0"),
                                C(DATA(FIRST, "\x11", "\2", "\3", "\1") "b\0\0\0"),
                                C(DATA(LAST, "\x11", "\3", "\4", "\1") "c\0\0\0"));
    assert_int_equal(run->count, 3);
    for (size_t i = 0; i < run->count; i++)
        has(run, i, "\"status\":\"incomplete\"");
    has(run, 0, "\"status_reason\":\"window_start\"");
    has(run, 1, "\"status_reason\":\"capture_gap\"");
    proto_run_free(run);
    run = RUN(END_OF_DATA, PART_1, PART_2);
    assert_int_equal(run->count, 1);
    has(run, 0, "\"body\":\"abcdef\"");
    has(run, 0, "\"status_reason\":\"window_end\"");
    proto_run_free(run);
    /* A lost middle. */
    run = RUN(END_CLOSED, PART_1, PART_3);
    assert_int_equal(run->count, 2);
    has(run, 0, "\"body\":\"abc\"");
    has(run, 1, "\"body\":\"gh\"");
    proto_run_free(run);
}

static void numbers_wrap_and_begin_anew(void **state)
{
    (void)state;
    struct proto_run *run = RUN(END_CLOSED,
                                C("\0\2\0\x11\xff\xff\xff\xff\0\1\0\0\0\0\0\0"
                                  "a\0\0\0"),
                                C("\0\1\0\x11\0\0\0\0\0\1\0\0\0\0\0\0"
                                  "b\0\0\0"),
                                /* A new association: the same number is a new message. */
                                C(INIT), S(INIT_ACK),
                                C("\0\3\0\x11\0\0\0\0\0\1\0\0\0\0\0\0"
                                  "c\0\0\0"),
                                C("\0\3\0\x11\0\0\0\0\0\1\0\0\0\0\0\0"
                                  "c\0\0\0"));
    assert_int_equal(run->count, 3);
    has(run, 0, "\"body\":\"ab\"");
    has(run, 1, "\"summary\":\"INIT 10 streams out, 5 in → INIT ACK 5 streams out, 10 in\"");
    has(run, 2, "\"body\":\"c\"");
    proto_run_free(run);
}

static void control_chunks_are_paired(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(END_CLOSED, C(INIT), C(INIT), S(INIT_ACK),
            C("\x0a\0\0\x08"
              "cook"),
            S("\x0b\0\0\4"), C("\4\0\0\x08hb_1"), S("\5\0\0\x08hb_2"), S("\5\0\0\x08hb_1"),
            S("\3\0\0\x10\0\0\0\1\0\0\xff\xff\0\0\0\0"), S("\7\0\0\x08\0\0\0\1"), C("\x08\0\0\4"),
            S("\x0e\0\0\4"), C("\4\0\0\x08hb_3"));
    assert_int_equal(run->count, 7);
    has(run, 0, "INIT 10 streams out, 5 in → INIT ACK");
    has(run, 0, "\"size\":40"); /* it was sent twice */
    has(run, 1, "\"summary\":\"COOKIE ECHO → COOKIE ACK\"");
    has(run, 2, "\"summary\":\"HEARTBEAT ACK\"");
    has(run, 2, "\"status_reason\":\"window_start\"");
    has(run, 3, "\"summary\":\"HEARTBEAT → HEARTBEAT ACK\"");
    has(run, 4, "\"summary\":\"SHUTDOWN → SHUTDOWN ACK\"");
    has(run, 4, "\"src\":{\"ip\":\"10.0.0.2\"");
    has(run, 5, "\"summary\":\"SHUTDOWN COMPLETE\"");
    has(run, 6, "\"status\":\"no_response\",\"status_reason\":\"timeout\"");
    proto_run_free(run);
}

static void aborts_and_errors(void **state)
{
    (void)state;
    struct proto_run *run =
        RUN(END_CLOSED, C(INIT), S("\6\0\0\x08\0\4\0\4"), S("\6\0\0\x08\0\x0c\0\4"), C("\6\0\0\4"),
            C("\x09\0\0\x08\0\x63\0\4"), C("\x63\0\0\4"));
    assert_int_equal(run->count, 5);
    has(run, 0, "→ ABORT (out of resource)");
    has(run, 0, "\"status\":\"error\",\"status_reason\":\"refused\"");
    has(run, 1, "\"summary\":\"ABORT (user-initiated abort)\"");
    has(run, 1, "\"status_reason\":\"server_reset\"");
    has(run, 2, "\"summary\":\"ABORT\"");
    has(run, 2, "\"status_reason\":\"client_cancel\"");
    has(run, 3, "\"summary\":\"ERROR (cause 99)\"");
    has(run, 3, "\"status\":\"error\"");
    has(run, 4, "\"summary\":\"unknown chunk 99\"");
    proto_run_free(run);
}

static void damaged_chunks(void **state)
{
    (void)state;
    /* Lengths below the header, beyond the packet, of DATA without its own header: the chunks in
     * front of them count. */
    static const struct drive_step bad[] = {
        C("\x0e\0\0\4\x0e\0\0\3"), C("\x0e\0\0\4\x0e\0\0\x05"),
        C("\x0e\0\0\4\0\3\0\4"),   C("\x0e\0\0\4\0\3\0\x0f\0\0\0\1\0\0\0\0\0\0\0"),
        C("\x0e\0\0\4\x0e\0"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proto_run *run = run_steps(&bad[i], 1, END_CLOSED);
        assert_int_equal(run->count, 1);
        has(run, 0, "\"summary\":\"SHUTDOWN COMPLETE\"");
        proto_run_free(run);
    }
    struct proto_run *run = RUN(END_CLOSED, C("\x0e\0\0\0"), C("\x0e"));
    assert_int_equal(run->count, 0);
    proto_run_free(run);
}

/* What never ends is bounded, and nothing is lost silently. */
static void fragments_without_end(void **state)
{
    (void)state;
    enum {
        PACKETS = 600,
        CHUNK = 20
    };
    static uint8_t bytes[PACKETS][CHUNK];
    static struct drive_step steps[PACKETS];
    for (unsigned i = 0; i < PACKETS; i++) {
        memcpy(bytes[i], "\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\0xxxx", CHUNK);
        bytes[i][6] = (uint8_t)(i >> 8);
        bytes[i][7] = (uint8_t)i;
        steps[i] = (struct drive_step){.dir = DIR_CLIENT, .bytes = slice_of(bytes[i], CHUNK)};
    }
    struct proto_run *run = run_steps(steps, PACKETS, END_CLOSED);
    assert_int_equal(run->count, 3);
    has(run, 0, "\"body_size\":1024,\"size\":5120");
    has(run, 2, "\"body_size\":352,");
    for (size_t i = 0; i < run->count; i++)
        has(run, i, "\"status\":\"incomplete\"");
    proto_run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_in_one_chunk),
        cmocka_unit_test(fragments_in_any_order),
        cmocka_unit_test(neighbours_are_not_glued),
        cmocka_unit_test(numbers_wrap_and_begin_anew),
        cmocka_unit_test(control_chunks_are_paired),
        cmocka_unit_test(aborts_and_errors),
        cmocka_unit_test(damaged_chunks),
        cmocka_unit_test(fragments_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
