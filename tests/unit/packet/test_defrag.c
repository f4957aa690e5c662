#include <stdlib.h>

#include "base/clock.h"
#include "packet/defrag.h"
#include "unit/unit_test.h"

enum {
    DATA = 4000
};

static uint8_t data[70000];

static int fill_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    return 0;
}

struct fragment {
    int version;
    uint32_t id, offset, len;
    bool more;
    int64_t ts_ns;
    uint32_t interface;
};

static enum defrag_result add_bytes(struct defrag *d, struct fragment f, const uint8_t *bytes,
                                    struct slice *ret_ip)
{
    /* A block of its own: reading beyond a fragment is seen. */
    uint8_t *copy = malloc(f.len ? f.len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, f.len);
    struct packet packet = {.ts_ns = f.ts_ns, .interface = f.interface};
    struct frame frame = {.kind = FRAME_FRAGMENT,
                          .ip_version = (uint8_t)f.version,
                          .ip_protocol = 17,
                          .src_ip = {10, 0, 0, 1},
                          .dst_ip = {10, 0, 0, 2},
                          .fragment_id = f.id,
                          .fragment_offset = f.offset,
                          .more_fragments = f.more,
                          .payload = slice_of(copy, f.len),
                          .payload_bytes = f.len};
    enum defrag_result result = defrag_add(d, &packet, &frame, ret_ip);
    free(copy);
    return result;
}

static enum defrag_result add(struct defrag *d, struct fragment f, struct slice *ret_ip)
{
    return add_bytes(d, f, data + f.offset, ret_ip);
}

static struct defrag *new_defrag(const struct defrag_options *options)
{
    struct defrag *d;
    assert_int_equal(defrag_new(options, &d), 0);
    return d;
}

/* A UDP header of its own length in front of the data, so that the result decodes. */
static void put_udp_header(size_t len)
{
    uint8_t header[8] = {0x03, 0xe8, 0x07, 0xd0, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(data, header, 8);
}

static void assert_datagram(struct slice ip, int version, size_t len)
{
    struct frame f;
    frame_decode_ip(ip, &f);
    assert_int_equal(f.kind, FRAME_UDP);
    assert_int_equal(f.ip_version, version);
    assert_int_equal(f.src_port, 1000);
    assert_int_equal(f.dst_port, 2000);
    assert_int_equal(f.src_ip[0], 10);
    assert_int_equal(f.payload.len, len - 8);
    assert_memory_equal(f.payload.data, data + 8, len - 8);
}

static void any_order_gives_the_datagram(void **state)
{
    (void)state;
    static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                               {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    put_udp_header(DATA);
    struct defrag *d = new_defrag(NULL);
    for (int version = 4; version <= 6; version += 2)
        for (uint32_t i = 0; i < 6; i++) {
            struct slice ip;
            for (int k = 0; k < 3; k++) {
                uint32_t part = orders[i][k];
                struct fragment f = {.version = version,
                                     .id = i,
                                     .offset = part * 1480,
                                     .len = part == 2 ? DATA - 2960 : 1480,
                                     .more = part != 2};
                assert_int_equal(add(d, f, &ip), k == 2 ? DEFRAG_COMPLETE : DEFRAG_PENDING);
            }
            assert_datagram(ip, version, DATA);
        }
    assert_int_equal(defrag_datagrams(d), 0);
    assert_int_equal(defrag_counters(d)->completed, 12);
    defrag_free(d);
}

static void smallest_fragments_and_largest_datagram(void **state)
{
    (void)state;
    put_udp_header(65535);
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    struct fragment f = {.version = 4, .len = 8, .more = true};
    for (f.offset = 0; f.offset < 65528; f.offset += 8)
        assert_int_equal(add(d, f, &ip), DEFRAG_PENDING);
    f.len = 7;
    f.more = false;
    assert_int_equal(add(d, f, &ip), DEFRAG_COMPLETE);
    assert_datagram(ip, 4, 65535);
    f.len = 8; /* one byte too many: the "ping of death" */
    assert_int_equal(add(d, f, &ip), DEFRAG_DROPPED);
    assert_int_equal(defrag_counters(d)->unusable, 1);
    defrag_free(d);
}

static void ipv4_keeps_the_first_copy(void **state)
{
    (void)state;
    static uint8_t other[4000];
    memset(other, 0xee, sizeof other);
    put_udp_header(3000);
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    struct fragment first = {.version = 4, .offset = 800, .len = 800, .more = true};
    assert_int_equal(add(d, first, &ip), DEFRAG_PENDING);
    struct fragment inside = {.version = 4, .offset = 1000, .len = 80, .more = true};
    assert_int_equal(add_bytes(d, inside, other, &ip), DEFRAG_DROPPED);
    struct fragment last = {.version = 4, .offset = 1600, .len = 1400};
    assert_int_equal(add(d, last, &ip), DEFRAG_PENDING);
    /* covers everything: only what was missing is taken from it */
    static uint8_t whole[3000];
    memset(whole, 0xee, sizeof whole);
    memcpy(whole, data, 800);
    struct fragment all = {.version = 4, .offset = 0, .len = 2992, .more = true};
    assert_int_equal(add_bytes(d, all, whole, &ip), DEFRAG_COMPLETE);
    assert_datagram(ip, 4, 3000);
    assert_int_equal(defrag_counters(d)->repeated, 1);
    defrag_free(d);
}

static void ipv6_refuses_overlaps_but_not_repetitions(void **state)
{
    (void)state;
    put_udp_header(2000);
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    struct fragment first = {.version = 6, .offset = 0, .len = 800, .more = true};
    assert_int_equal(add(d, first, &ip), DEFRAG_PENDING);
    assert_int_equal(add(d, first, &ip), DEFRAG_DROPPED); /* the same again */
    struct fragment rest = {.version = 6, .offset = 800, .len = 1200};
    assert_int_equal(add(d, rest, &ip), DEFRAG_COMPLETE);
    assert_datagram(ip, 6, 2000);

    assert_int_equal(add(d, first, &ip), DEFRAG_PENDING);
    struct fragment overlapping = {.version = 6, .offset = 792, .len = 1208};
    assert_int_equal(add(d, overlapping, &ip), DEFRAG_DROPPED);
    assert_int_equal(add(d, rest, &ip), DEFRAG_DROPPED); /* those that come later too */
    assert_int_equal(add(d, first, &ip), DEFRAG_DROPPED);
    assert_int_equal(defrag_counters(d)->refused, 1);
    defrag_free(d);
}

static void contradicting_lengths_are_refused(void **state)
{
    (void)state;
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    struct fragment end = {.version = 4, .offset = 800, .len = 100};
    assert_int_equal(add(d, end, &ip), DEFRAG_PENDING);
    struct fragment other_end = {.version = 4, .offset = 1600, .len = 100};
    assert_int_equal(add(d, other_end, &ip), DEFRAG_DROPPED);
    assert_int_equal(defrag_counters(d)->refused, 1);
    struct fragment odd = {.version = 4, .id = 9, .offset = 0, .len = 99, .more = true};
    assert_int_equal(add(d, odd, &ip), DEFRAG_DROPPED);
    struct fragment empty = {.version = 4, .id = 9, .offset = 8, .len = 0};
    assert_int_equal(add(d, empty, &ip), DEFRAG_DROPPED);
    assert_int_equal(defrag_counters(d)->unusable, 2);
    defrag_free(d);
}

static void different_datagrams_do_not_mix(void **state)
{
    (void)state;
    put_udp_header(1600);
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    for (uint32_t i = 0; i < 200; i++) {
        struct fragment f = {.version = i % 2 ? 4 : 6,
                             .id = i / 4,
                             .interface = i % 4 / 2,
                             .len = 800,
                             .more = true};
        assert_int_equal(add(d, f, &ip), DEFRAG_PENDING);
    }
    assert_int_equal(defrag_datagrams(d), 200);
    for (uint32_t i = 0; i < 200; i++) {
        struct fragment f = {.version = i % 2 ? 4 : 6,
                             .id = i / 4,
                             .interface = i % 4 / 2,
                             .offset = 800,
                             .len = 800};
        assert_int_equal(add(d, f, &ip), DEFRAG_COMPLETE);
        assert_datagram(ip, i % 2 ? 4 : 6, 1600);
    }
    defrag_free(d);
}

static void time_is_that_of_the_packets(void **state)
{
    (void)state;
    put_udp_header(1600);
    struct defrag *d = new_defrag(NULL);
    struct slice ip;
    struct fragment f = {.version = 4, .len = 800, .more = true, .ts_ns = 1000};
    struct fragment rest = {.version = 4, .offset = 800, .len = 800};
    assert_int_equal(add(d, f, &ip), DEFRAG_PENDING);
    rest.ts_ns = 1000 + 30 * NS_PER_S;
    assert_int_equal(add(d, rest, &ip), DEFRAG_COMPLETE);
    assert_int_equal(add(d, f, &ip), DEFRAG_PENDING);
    rest.ts_ns++;
    assert_int_equal(add(d, rest, &ip), DEFRAG_PENDING);
    assert_int_equal(defrag_counters(d)->timed_out, 1);
    defrag_free(d);
}

static void a_flood_stays_within_its_bounds(void **state)
{
    (void)state;
    struct defrag_options options = {.max_datagrams = 100, .max_bytes = 1 << 20};
    struct defrag *d = new_defrag(&options);
    struct slice ip;
    for (uint32_t i = 0; i < 20000; i++) {
        struct fragment f = {
            .version = 4, .id = i, .offset = i % 3 ? 0 : 65000, .len = 504, .more = true};
        add(d, f, &ip);
        assert_true(defrag_bytes(d) <= options.max_bytes);
        assert_true(defrag_datagrams(d) <= options.max_datagrams);
    }
    assert_true(defrag_counters(d)->evicted > 19000);
    /* pieces that never touch: bounded too */
    struct fragment f = {.version = 4, .id = 70000, .len = 8, .more = true};
    for (f.offset = 0; f.offset < 65000; f.offset += 16)
        add(d, f, &ip);
    assert_int_equal(defrag_counters(d)->refused, 1);
    /* and it still works */
    put_udp_header(1600);
    struct fragment first = {.version = 4, .id = 80000, .len = 800, .more = true};
    struct fragment rest = {.version = 4, .id = 80000, .offset = 800, .len = 800};
    assert_int_equal(add(d, first, &ip), DEFRAG_PENDING);
    assert_int_equal(add(d, rest, &ip), DEFRAG_COMPLETE);
    assert_datagram(ip, 4, 1600);
    defrag_free(d);
}

static void a_cut_fragment_is_of_no_use(void **state)
{
    (void)state;
    struct defrag *d = new_defrag(NULL);
    struct packet packet = {0};
    struct frame frame = {.kind = FRAME_FRAGMENT,
                          .ip_version = 4,
                          .more_fragments = true,
                          .payload = slice_of(data, 96),
                          .payload_bytes = 1480};
    struct slice ip;
    assert_int_equal(defrag_add(d, &packet, &frame, &ip), DEFRAG_DROPPED);
    assert_int_equal(defrag_datagrams(d), 0);
    defrag_free(d);
    defrag_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(any_order_gives_the_datagram, fill_data),
        cmocka_unit_test_setup(smallest_fragments_and_largest_datagram, fill_data),
        cmocka_unit_test_setup(ipv4_keeps_the_first_copy, fill_data),
        cmocka_unit_test_setup(ipv6_refuses_overlaps_but_not_repetitions, fill_data),
        cmocka_unit_test_setup(contradicting_lengths_are_refused, fill_data),
        cmocka_unit_test_setup(different_datagrams_do_not_mix, fill_data),
        cmocka_unit_test_setup(time_is_that_of_the_packets, fill_data),
        cmocka_unit_test_setup(a_flood_stays_within_its_bounds, fill_data),
        cmocka_unit_test_setup(a_cut_fragment_is_of_no_use, fill_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
