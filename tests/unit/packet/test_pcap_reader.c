#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/packet/support_blocks.h"
#include "unit/unit_test.h"

#define START_S 1763900000U

static struct reading read_blocks(const struct blocks *b)
{
    int fd = file_of(b->out.data, b->out.len);
    struct reading ret = read_all(fd, NULL);
    close(fd);
    return ret;
}

static void both_resolutions_in_both_byte_orders(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool nanoseconds = i & 2;
        struct blocks b;
        blocks_init(&b, i & 1);
        blocks_pcap_header(&b, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 65535, 0x24000000 | 101);
        blocks_pcap_record(&b, START_S, 1, "one");
        blocks_pcap_record(&b, 0xffffffff, 999999, "two");
        struct reading r = read_blocks(&b);
        assert_int_equal(r.code, CAPTURE_END);
        assert_string_equal(r.text, "one two ");
        assert_int_equal(r.interfaces, 1);
        assert_int_equal(r.damages, 0);
        assert_int_equal(r.last.link_type, 101);
        assert_int_equal(r.last.offset, 24 + 16 + 3);
        assert_true(r.last.ts_ns == 0xffffffffLL * NS_PER_S + 999999LL * (nanoseconds ? 1 : 1000));
        blocks_done(&b);
    }
}

static void the_modified_format_is_read(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_pcap_header(&b, 0xa1b2cd34, 65535, 1);
    for (int i = 0; i < 3; i++) {
        blocks_pcap_record(&b, START_S, 5, "");
        blocks_poke_u32(&b, b.out.len - 8, 4);
        blocks_poke_u32(&b, b.out.len - 4, 4);
        blocks_u64(&b, 0x0100080000000002); /* interface, protocol, kind */
        buf_append_str(&b.out, "abcd");
    }
    struct reading r = read_blocks(&b);
    assert_string_equal(r.text, "abcd abcd abcd ");
    assert_int_equal(r.damages, 0);
    blocks_done(&b);
}

static void other_kinds_are_refused_by_name(void **state)
{
    (void)state;
    static const uint32_t magics[] = {0x1c0001ac, 0x1c0001ab, 0xa1e2cb12, 0xa1b234cd};
    for (size_t i = 0; i < 8; i++) {
        struct blocks b;
        blocks_init(&b, i & 1);
        blocks_pcap_header(&b, magics[i / 2], 65535, 1);
        struct reading r = read_blocks(&b);
        assert_int_equal(r.code, -EBADMSG);
        assert_non_null(strstr(r.error.text, "not read"));
        blocks_done(&b);
    }
    struct blocks b;
    blocks_init(&b, false);
    blocks_pcap_header(&b, 0xa1b2c3d4, 65535, 1);
    b.out.data[4] = 1;
    assert_int_equal(read_blocks(&b).code, -EBADMSG);
    b.out.data[4] = 2;
    b.out.len = 23;
    assert_int_equal(read_blocks(&b).code, -EBADMSG);
    blocks_done(&b);
}

static void old_versions_swap_the_lengths(void **state)
{
    (void)state;
    for (uint8_t minor = 2; minor < 5; minor++) {
        struct blocks b;
        blocks_init(&b, false);
        blocks_pcap_header(&b, 0xa1b2c3d4, 65535, 1);
        b.out.data[6] = minor;
        blocks_pcap_record(&b, START_S, 5, "cut");
        /* "captured" is the larger one: only right when they are swapped */
        blocks_poke_u32(&b, 24 + (minor == 4 ? 12 : 8), 60);
        struct reading r = read_blocks(&b);
        assert_string_equal(r.text, "cut ");
        assert_int_equal(r.last.original_bytes, 60);
        blocks_done(&b);
    }
}

static void put_ten(struct blocks *b)
{
    blocks_init(b, false);
    blocks_pcap_header(b, 0xa1b2c3d4, 65535, 1);
    for (uint32_t i = 0; i < 10; i++) {
        char text[7];
        snprintf(text, sizeof text, "%06x", (i + 1) * 2654435761U >> 8);
        blocks_pcap_record(b, START_S + i, i, text);
    }
}

enum {
    RECORD = 16 + 6
};

static void damage_costs_one_record(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0xffffffff, 0x80000000, 262145, 200000, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct blocks b;
        put_ten(&b);
        blocks_poke_u32(&b, 24 + 3 * RECORD + 8, lengths[i]);
        struct reading r = read_blocks(&b);
        assert_int_equal(r.packets, 9);
        assert_int_equal(r.damages, 1);
        assert_int_equal(r.last_damage.offset, 24 + 3 * RECORD);
        assert_int_equal(r.last.ts_ns / NS_PER_S, START_S + 9);
        blocks_done(&b);
    }
}

/* A length that is too small or too large by little makes the next record look wrong: two are lost.
 */
static void one_changed_byte_costs_at_most_two_packets(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x04, 0x80, 0xff};
    struct blocks b;
    put_ten(&b);
    for (size_t i = 24; i < b.out.len; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            b.out.data[i] ^= masks[m];
            struct reading r = read_blocks(&b);
            b.out.data[i] ^= masks[m];
            assert_int_equal(r.code, CAPTURE_END);
            if (r.packets < 8)
                print_error("offset %zu mask %x: %zu packets\n", i, masks[m], r.packets);
            assert_true(r.packets >= 8);
        }
    blocks_done(&b);
}

static void garbage_is_stepped_over(void **state)
{
    (void)state;
    for (size_t n = 16; n < 300; n += 7) {
        struct blocks b;
        put_ten(&b);
        buf_append_fill(&b.out, 0xee, n);
        for (uint32_t i = 0; i < 10; i++)
            blocks_pcap_record(&b, START_S + i, i, "behind");
        struct reading r = read_blocks(&b);
        assert_int_equal(r.packets, 20);
        assert_int_equal(r.damages, 1);
        assert_non_null(strstr(r.text, "behind"));
        blocks_done(&b);
    }
}

static void a_file_cut_anywhere_gives_what_is_whole(void **state)
{
    (void)state;
    struct blocks b;
    put_ten(&b);
    size_t whole_bytes = b.out.len;
    for (size_t n = 24; n <= whole_bytes; n++) {
        b.out.len = n;
        struct reading r = read_blocks(&b);
        assert_int_equal(r.code, CAPTURE_END);
        assert_int_equal(r.packets, (n - 24) / RECORD);
        assert_int_equal(r.damages, (n - 24) % RECORD ? 1 : 0);
    }
    blocks_done(&b);
}

static void large_packets_are_kept_or_cut(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_pcap_header(&b, 0xa1b2c3d4, 1 << 20, 1);
    blocks_pcap_record(&b, START_S, 0, "");
    blocks_poke_u32(&b, 32, 1 << 20);
    blocks_poke_u32(&b, 36, 1 << 20);
    buf_append_fill(&b.out, 'x', 1 << 20);
    blocks_pcap_record(&b, START_S, 0, "behind");
    struct reading r = read_blocks(&b);
    assert_int_equal(r.packets, 2);
    assert_int_equal(r.damages, 0);
    blocks_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_resolutions_in_both_byte_orders),
        cmocka_unit_test(the_modified_format_is_read),
        cmocka_unit_test(other_kinds_are_refused_by_name),
        cmocka_unit_test(old_versions_swap_the_lengths),
        cmocka_unit_test(damage_costs_one_record),
        cmocka_unit_test(one_changed_byte_costs_at_most_two_packets),
        cmocka_unit_test(garbage_is_stepped_over),
        cmocka_unit_test(a_file_cut_anywhere_gives_what_is_whole),
        cmocka_unit_test(large_packets_are_kept_or_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
