/* TCP health by tables: segments in, counts out. The cases are those of the Wireshark User's Guide,
 * "TCP Analysis". */
#include <string.h>

#include "flow/flow.h"
#include "unit/unit_test.h"

enum {
    S = FRAME_TCP_SYN,
    A = FRAME_TCP_ACK,
    F = FRAME_TCP_FIN,
    R = FRAME_TCP_RST
};

struct segment {
    char from; /* 'c' or 's' */
    int us;
    unsigned flags;
    uint32_t seq, ack, len;
    uint16_t window; /* 0 = 1000; 1 = closed */
};

static struct flow_health_counts count(const struct segment *segments, size_t n)
{
    struct flow flow = {.last_syn_ns = 1, .handshake_ns = 1 + 10 * NS_PER_MS};
    for (size_t i = 0; i < n; i++) {
        const struct segment *seg = &segments[i];
        struct frame frame = {.kind = FRAME_TCP,
                              .tcp_flags = (uint8_t)seg->flags,
                              .tcp_seq = seg->seq,
                              .tcp_ack = seg->ack,
                              .tcp_window = seg->window == 1 ? 0 : 1000,
                              .payload_bytes = seg->len};
        struct flow_packet packet = {.frame = &frame, .ref = {.ts_ns = seg->us * NS_PER_US}};
        struct flow_tcp_in in = {
            .packet = &packet, .frame = &frame, .side = seg->from == 's', .primary = true};
        flow_health_packet(&flow, &in);
    }
    return flow.health.counts;
}

#define COUNT(...)                               \
    count((const struct segment[]){__VA_ARGS__}, \
          sizeof((const struct segment[]){__VA_ARGS__}) / sizeof(struct segment))
#define HELLO                                                     \
    {'c', 0, S, 99, 0, 0, 0}, {'s', 1000, S | A, 499, 100, 0, 0}, \
    {                                                             \
        'c', 2000, A, 100, 500, 0, 0                              \
    }

static void expect(struct flow_health_counts is, struct flow_health_counts want)
{
    assert_int_equal(is.retransmissions, want.retransmissions);
    assert_int_equal(is.fast_retransmissions, want.fast_retransmissions);
    assert_int_equal(is.out_of_order, want.out_of_order);
    assert_int_equal(is.duplicate_acks, want.duplicate_acks);
    assert_int_equal(is.zero_windows, want.zero_windows);
    assert_int_equal(is.resets, want.resets);
}

static void nothing_is_wrong_with_a_plain_exchange(void **state)
{
    (void)state;
    struct flow_health_counts h =
        COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'s', 5000, A, 500, 110, 20, 0},
              {'c', 6000, A, 110, 520, 0, 0}, {'c', 7000, A | F, 110, 520, 0, 0},
              {'s', 8000, A | F, 520, 111, 0, 0}, {'c', 9000, A, 111, 521, 0, 0});
    expect(h, (struct flow_health_counts){0});
    /* 2 ms for the question, 1 ms for the answer. */
    assert_int_equal(h.rtt_count, 2);
    assert_int_equal(h.rtt_sum_us, 3000);
}

static void repeats_are_retransmissions(void **state)
{
    (void)state;
    expect(COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'c', 203000, A, 100, 500, 10, 0}),
           (struct flow_health_counts){.retransmissions = 1});
    /* Acknowledged before it came again. */
    expect(COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'s', 4000, A, 500, 110, 0, 0},
                 {'c', 4100, A, 100, 500, 10, 0}),
           (struct flow_health_counts){.retransmissions = 1});
    expect(COUNT({'c', 0, S, 99, 0, 0, 0}, {'c', 1000000, S, 99, 0, 0, 0}),
           (struct flow_health_counts){.retransmissions = 1});
    /* Over the wrap of the numbers. */
    expect(COUNT({'c', 0, A, 0xfffffff0, 500, 32, 0}, {'c', 500000, A, 0xfffffff8, 500, 8, 0},
                 {'c', 500001, A, 0x10, 500, 8, 0}),
           (struct flow_health_counts){.retransmissions = 1});
}

static void a_filled_hole_is_out_of_order_only_soon(void **state)
{
    (void)state;
    expect(COUNT(HELLO, {'c', 3000, A, 110, 500, 10, 0}, {'c', 3100, A, 100, 500, 10, 0}),
           (struct flow_health_counts){.out_of_order = 1});
    /* Later than the round trip of the handshake: it was sent again. */
    expect(COUNT(HELLO, {'c', 3000, A, 110, 500, 10, 0}, {'c', 14000, A, 100, 500, 10, 0}),
           (struct flow_health_counts){.retransmissions = 1});
    /* Soon, but the bytes were there: no hole was filled. */
    expect(COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'c', 3001, A, 110, 500, 10, 0},
                 {'c', 3100, A, 100, 500, 10, 0}),
           (struct flow_health_counts){.retransmissions = 1});
}

static void duplicate_acknowledgements_ask_for_a_fast_one(void **state)
{
    (void)state;
    expect(COUNT(HELLO, {'s', 3000, A, 510, 100, 10, 0}, {'c', 4000, A, 100, 500, 0, 0},
                 {'c', 4001, A, 100, 500, 0, 0}, {'c', 4002, A, 100, 500, 0, 0},
                 {'s', 5000, A, 500, 100, 10, 0}),
           (struct flow_health_counts){
               .duplicate_acks = 3, .retransmissions = 1, .fast_retransmissions = 1});
    /* One is not enough, and a window update is none. */
    expect(
        COUNT(HELLO, {'s', 3000, A, 510, 100, 10, 0}, {'c', 4000, A, 100, 500, 0, 0},
              {'c', 4001, A, 100, 500, 0, 1}, {'s', 30000, A, 500, 100, 10, 0}),
        (struct flow_health_counts){.duplicate_acks = 1, .retransmissions = 1, .zero_windows = 1});
}

static void keep_alives_and_window_probes_are_neither(void **state)
{
    (void)state;
    expect(COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'s', 4000, A, 500, 110, 0, 0},
                 {'c', 9000, A, 109, 500, 0, 0}, {'s', 9001, A, 500, 110, 0, 0},
                 {'c', 19000, A, 109, 500, 1, 0}, {'s', 19001, A, 500, 110, 0, 0}),
           (struct flow_health_counts){0});
    expect(COUNT(HELLO, {'c', 3000, A, 100, 500, 10, 0}, {'s', 4000, A, 500, 110, 0, 1},
                 {'c', 9000, A, 110, 500, 1, 0}, {'s', 9001, A, 500, 110, 0, 1},
                 {'c', 9500, A, 110, 500, 10, 0}),
           (struct flow_health_counts){.zero_windows = 2});
    expect(COUNT(HELLO, {'s', 3000, R | A, 500, 100, 0, 1}),
           (struct flow_health_counts){.resets = 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wrong_with_a_plain_exchange),
        cmocka_unit_test(repeats_are_retransmissions),
        cmocka_unit_test(a_filled_hole_is_out_of_order_only_soon),
        cmocka_unit_test(duplicate_acknowledgements_ask_for_a_fast_one),
        cmocka_unit_test(keep_alives_and_window_probes_are_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
