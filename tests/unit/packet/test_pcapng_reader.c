#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/packet/support_blocks.h"
#include "unit/unit_test.h"

#define START_S INT64_C(1763900000)

static struct reading read_blocks(const struct blocks *b,
                                  const struct capture_reader_options *options)
{
    int fd = file_of(b->out.data, b->out.len);
    struct reading ret = read_all(fd, options);
    close(fd);
    return ret;
}

/* Every kind of block, among them two that nobody knows. */
static void put_every_block(struct blocks *b)
{
    blocks_section(b);
    blocks_interface(b, 1, 9, "eth0");
    blocks_packet(b, 0, (uint64_t)START_S * NS_PER_S + 1, "enhanced", 2);
    blocks_begin(b, 0x1234);
    blocks_padded(b, "unknown", 7);
    blocks_end(b);
    blocks_begin(b, 2); /* obsolete packet */
    blocks_u16(b, 0);
    blocks_u16(b, 7);
    blocks_u32(b, (uint32_t)((uint64_t)START_S * NS_PER_S >> 32));
    blocks_u32(b, (uint32_t)((uint64_t)START_S * NS_PER_S));
    blocks_u32(b, 3);
    blocks_u32(b, 3);
    blocks_padded(b, "old", 3);
    blocks_end(b);
    blocks_begin(b, 3); /* simple packet */
    blocks_u32(b, 6);
    blocks_padded(b, "simple", 6);
    blocks_end(b);
    blocks_begin(b, 4); /* names */
    blocks_u32(b, 0);
    blocks_end(b);
    blocks_begin(b, 0x80000005);
    blocks_end(b);
}

static void put_statistics_and_secrets(struct blocks *b)
{
    blocks_begin(b, 5);
    blocks_u32(b, 0);
    blocks_u64(b, 0);
    blocks_u16(b, 4);
    blocks_u16(b, 8);
    blocks_u64(b, 1000);
    blocks_u16(b, 7);
    blocks_u16(b, 8);
    blocks_u64(b, 12);
    blocks_end(b);
    blocks_begin(b, 10);
    blocks_u32(b, 0x544c534b);
    blocks_u32(b, 9);
    blocks_padded(b, "SECRET ab", 9);
    blocks_end(b);
}

static void every_block_is_read_in_both_byte_orders(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        struct blocks b;
        blocks_init(&b, big);
        put_every_block(&b);
        put_statistics_and_secrets(&b);
        struct reading r = read_blocks(&b, NULL);
        assert_int_equal(r.code, CAPTURE_END);
        assert_string_equal(r.text, "enhanced old simple ");
        assert_int_equal(r.damages, 0);
        assert_int_equal(r.interfaces, 1);
        assert_int_equal(r.names, 1);
        assert_int_equal(r.statistics, 1);
        assert_int_equal(r.secrets, 1);
        assert_int_equal(r.last.ts_ns, START_S * NS_PER_S); /* that of the packet before */
        struct capture_reader_options packets_only = {.packets_only = true};
        r = read_blocks(&b, &packets_only);
        assert_int_equal(r.packets, 3);
        assert_int_equal(r.interfaces + r.names + r.statistics + r.secrets, 0);
        blocks_done(&b);
    }
}

static void a_packet_and_its_interface_are_told_whole(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, true);
    put_every_block(&b);
    size_t statistics_at = b.out.len;
    put_statistics_and_secrets(&b);
    int fd = file_of(b.out.data, b.out.len);
    struct capture_reader *reader;
    struct packet p;
    assert_int_equal(capture_reader_open(fd, NULL, &reader, NULL), 0);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_INTERFACE);
    assert_int_equal(p.interface, 0);
    assert_string_equal(capture_reader_interface(reader, 0)->name, "eth0");
    assert_int_equal(capture_reader_interface(reader, 0)->link_type, 1);
    assert_null(capture_reader_interface(reader, 1));
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_PACKET);
    assert_int_equal(p.ts_ns, START_S * NS_PER_S + 1);
    assert_int_equal(p.captured_bytes, 8);
    assert_int_equal(p.original_bytes, 108);
    assert_int_equal(p.direction, PACKET_OUTBOUND);
    assert_int_equal(p.link_type, 1);
    assert_int_equal(p.offset, 28 + 40);
    int event = CAPTURE_PACKET;
    while (event != CAPTURE_STATISTICS)
        event = capture_reader_next(reader, &p, NULL);
    const struct capture_statistics *s = capture_reader_statistics(reader);
    assert_int_equal(s->received, 1000);
    assert_int_equal(s->dropped_by_os, 12);
    assert_true(s->dropped_by_interface == UINT64_MAX);
    assert_true(capture_reader_position(reader) > statistics_at);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_SECRETS);
    assert_true(slice_eq_str(capture_reader_secrets(reader), "SECRET ab"));
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_END);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_END);
    assert_int_equal(capture_reader_position(reader), b.out.len);
    capture_reader_free(reader);
    close(fd);
    blocks_done(&b);
}

static int64_t time_of(int resolution, const int64_t *offset_s, uint64_t ticks)
{
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_begin(&b, 1);
    blocks_u32(&b, 1);
    blocks_u32(&b, 0);
    if (resolution >= 0)
        blocks_option(&b, 9, &(uint8_t){(uint8_t)resolution}, 1);
    if (offset_s)
        blocks_option(&b, 14, offset_s, 8);
    blocks_end(&b);
    blocks_packet(&b, 0, ticks, "x", 0);
    struct reading r = read_blocks(&b, NULL);
    blocks_done(&b);
    assert_int_equal(r.packets, 1);
    return r.last.ts_ns;
}

static void time_resolutions_and_offsets(void **state)
{
    (void)state;
    int64_t hour = 3600;
    int64_t before = -3600;
    int64_t absurd = INT64_MAX;
    assert_true(time_of(-1, NULL, 1500000) == 1500000000);
    assert_true(time_of(6, NULL, 1500000) == 1500000000);
    assert_true(time_of(9, NULL, 1500000) == 1500000);
    assert_true(time_of(0, NULL, 7) == 7000000000);
    assert_true(time_of(3, NULL, 1500) == 1500000000);
    assert_true(time_of(12, NULL, 1500999) == 1500);
    assert_true(time_of(0x80 | 10, NULL, 1536) == 1500000000);
    assert_true(time_of(0x80 | 32, NULL, (uint64_t)START_S << 32 | 0x80000000) ==
                START_S * NS_PER_S + NS_PER_S / 2);
    assert_true(time_of(9, &hour, 5) == 3600 * NS_PER_S + 5);
    assert_true(time_of(9, &before, 5) == -3600 * NS_PER_S + 5);
    /* Times out are added to what is read, and times subtracted from each other. */
    int64_t absurdly_early = INT64_MIN;
    assert_true(time_of(0, NULL, UINT64_MAX) == PACKET_TIME_MAX_NS);
    assert_true(time_of(9, &absurd, 5) == PACKET_TIME_MAX_NS);
    assert_true(time_of(9, &absurdly_early, 5) == PACKET_TIME_MIN_NS);
    assert_true(time_of(9, NULL, (uint64_t)INT64_MAX) == PACKET_TIME_MAX_NS);
    assert_true(time_of(127, NULL, UINT64_MAX) == 0);
    assert_true(time_of(0xff, NULL, UINT64_MAX) == 0);
}

static void sections_of_both_orders_count_their_interfaces_on(void **state)
{
    (void)state;
    struct blocks little;
    struct blocks big;
    blocks_init(&little, false);
    blocks_init(&big, true);
    blocks_section(&little);
    blocks_interface(&little, 1, 9, "a");
    blocks_interface(&little, 113, 9, "b");
    blocks_packet(&little, 1, 1, "one", 0);
    blocks_section(&big);
    blocks_interface(&big, 101, 9, "c");
    blocks_packet(&big, 0, 2, "two", 1);
    assert_int_equal(buf_append_slice(&little.out, buf_slice(&big.out)), 0);
    blocks_section(&little); /* and one without interfaces: its packet names none */
    blocks_packet(&little, 0, 3, "three", 0);
    struct reading r = read_blocks(&little, NULL);
    assert_string_equal(r.text, "one two ");
    assert_int_equal(r.interfaces, 3);
    assert_int_equal(r.last.interface, 2);
    assert_int_equal(r.last.link_type, 101);
    assert_int_equal(r.last.direction, PACKET_INBOUND);
    assert_int_equal(r.damages, 1);
    blocks_done(&little);
    blocks_done(&big);
}

/* Five packets; ret_at gets where each block begins. */
static void put_five(struct blocks *b, size_t ret_at[6])
{
    static const char *const texts[] = {"one", "two", "three", "four", "five"};
    blocks_init(b, false);
    blocks_section(b);
    blocks_interface(b, 1, 9, "eth0");
    for (size_t i = 0; i < 5; i++) {
        ret_at[i] = b->out.len;
        blocks_packet(b, 0, i, texts[i], 0);
    }
    ret_at[5] = b->out.len;
}

static void damage_costs_one_block(void **state)
{
    (void)state;
    static const struct {
        size_t from_start; /* of the third block */
        uint32_t value;
    } pokes[] = {{0, 0x77777777}, /* type: unknown blocks are skipped without a word */
                 {4, 0},          {4, 7},           {4, 0xffffffff}, {4, 0x7ffffffc},
                 {4, 0x00fffffc}, {4, 16},          {4, 0x10000},    {8, 9},
                 {20, 9},         {20, 0xffffffff}, {36, 0},         {36, 0x12345678}};
    for (size_t i = 0; i < sizeof pokes / sizeof pokes[0]; i++) {
        struct blocks b;
        size_t at[6];
        put_five(&b, at);
        blocks_poke_u32(&b, at[2] + pokes[i].from_start, pokes[i].value);
        struct reading r = read_blocks(&b, NULL);
        blocks_done(&b);
        assert_int_equal(r.code, CAPTURE_END);
        assert_string_equal(r.text, "one two four five ");
        assert_int_equal(r.damages, i == 0 ? 0 : 1);
        if (i > 0)
            assert_int_equal(r.last_damage.offset, at[2]);
    }
}

/* Any one byte: only the magic numbers and the interface's own block type are more than one packet
 * worth. */
static void one_changed_byte_costs_at_most_one_packet(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x04, 0x80, 0xff};
    struct blocks b;
    size_t at[6];
    put_five(&b, at);
    for (size_t i = 12; i < b.out.len; i++) {
        bool is_interface_type = i >= 28 && i < 32;
        bool is_version = i < 14;
        for (size_t m = 0; m < sizeof masks && !is_interface_type && !is_version; m++) {
            b.out.data[i] ^= masks[m];
            struct reading r = read_blocks(&b, NULL);
            b.out.data[i] ^= masks[m];
            assert_int_equal(r.code, CAPTURE_END);
            if (r.packets < 4 || r.damages > 1)
                print_error("offset %zu mask %x: %zu packets %zu damages\n", i, masks[m], r.packets,
                            r.damages);
            assert_true(r.packets >= 4);
            assert_true(r.damages <= 1);
        }
    }
    blocks_done(&b);
}

/* An interface that is lost with its block would give its packets to another one, or to none. */
static void damaged_descriptions_keep_their_place(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 7, 16, 0x10000, 0x7ffffffc, 0xffffffff};
    for (int big = 0; big < 2; big++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
            for (int where = 0; where < 4; where++) {
                struct blocks b;
                blocks_init(&b, big);
                blocks_section(&b);
                size_t first = b.out.len;
                blocks_interface(&b, 113, 9, "first");
                size_t second = b.out.len;
                blocks_interface(&b, 1, 6, "second");
                blocks_packet(&b, 0, 5, "one", 0);
                blocks_packet(&b, 0, 7, "two", 0);
                size_t pokes[] = {4, first - 4, first + 4, second - 4};
                blocks_poke_u32(&b, pokes[where], lengths[i]);
                struct reading r = read_blocks(&b, NULL);
                blocks_done(&b);
                assert_string_equal(r.text, "one two ");
                assert_int_equal(r.interfaces, 2);
                assert_int_equal(r.damages, 1);
                assert_int_equal(r.last.link_type, 113);
                assert_true(r.last.ts_ns == 7);
            }
}

static void bytes_lost_or_added_anywhere_are_stepped_over(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        struct blocks b;
        size_t at[6];
        put_five(&b, at);
        struct buf changed;
        buf_init(&changed, 4096);
        buf_append(&changed, b.out.data, at[2]);
        if (n < 20)
            buf_append_fill(&changed, 0xee, n);
        size_t from = n < 20 ? at[2] : at[2] + n;
        buf_append(&changed, b.out.data + from, b.out.len - from);
        int fd = file_of(changed.data, changed.len);
        struct reading r = read_all(fd, NULL);
        close(fd);
        assert_string_equal(r.text, n < 20 ? "one two three four five " : "one two four five ");
        assert_int_equal(r.damages, 1);
        buf_done(&changed);
        blocks_done(&b);
    }
}

static void zeros_behind_the_last_block_are_one_damage(void **state)
{
    (void)state;
    struct blocks b;
    size_t at[6];
    put_five(&b, at);
    buf_append_fill(&b.out, 0, 100000);
    struct reading r = read_blocks(&b, NULL);
    assert_int_equal(r.packets, 5);
    assert_int_equal(r.damages, 1);
    assert_int_equal(r.last_damage.offset, at[5]);
    struct capture_reader_options options = {.end_offset = at[5]};
    r = read_blocks(&b, &options);
    assert_int_equal(r.packets, 5);
    assert_int_equal(r.damages, 0);
    blocks_done(&b);
}

static void a_file_cut_anywhere_gives_what_is_whole(void **state)
{
    (void)state;
    struct blocks b;
    size_t at[6];
    put_five(&b, at);
    for (size_t n = 12; n <= b.out.len; n++) {
        int fd = file_of(b.out.data, n);
        struct reading r = read_all(fd, NULL);
        close(fd);
        size_t whole = 0;
        while (whole < 5 && at[whole + 1] <= n)
            whole++;
        bool clean = n == 28 || n == at[0] || n == at[whole];
        assert_int_equal(r.code, CAPTURE_END);
        assert_int_equal(r.packets, whole);
        assert_int_equal(r.damages, clean ? 0 : 1);
        struct capture_reader_options options = {.end_offset = n};
        r = read_blocks(&b, &options);
        assert_int_equal(r.packets, whole);
        assert_int_equal(r.damages, clean ? 0 : 1);
    }
    blocks_done(&b);
}

/* A cut packet that carries a capture file must not give that file's packets. */
static void a_cut_packet_is_not_looked_into(void **state)
{
    (void)state;
    struct blocks inner;
    struct blocks b;
    size_t at[6];
    put_five(&inner, at);
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, NULL);
    blocks_begin(&b, 6);
    blocks_u32(&b, 0);
    blocks_u64(&b, 0);
    blocks_u32(&b, (uint32_t)inner.out.len);
    blocks_u32(&b, (uint32_t)inner.out.len);
    blocks_padded(&b, inner.out.data, inner.out.len);
    blocks_end(&b);
    b.out.len -= 4;
    struct reading r = read_blocks(&b, NULL);
    assert_int_equal(r.packets, 0);
    assert_int_equal(r.damages, 1);
    blocks_done(&inner);
    blocks_done(&b);
}

static void reading_begins_at_an_offset(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, "first");
    blocks_packet(&b, 0, 1, "one", 0);
    blocks_interface(&b, 101, 9, "between");
    blocks_packet(&b, 1, 2, "two", 0);
    size_t third = b.out.len;
    blocks_packet(&b, 0, 3, "three", 0);
    blocks_packet(&b, 1, 4, "four", 0);
    blocks_interface(&b, 113, 9, "last");
    blocks_packet(&b, 2, 5, "five", 0);
    struct capture_reader_options options = {.start_offset = third};
    struct reading r = read_blocks(&b, &options);
    assert_string_equal(r.text, "three four five ");
    assert_int_equal(r.interfaces, 3);
    assert_int_equal(r.damages, 0);
    assert_int_equal(r.last.interface, 2);
    assert_int_equal(r.last.link_type, 113);
    options.start_offset = b.out.len;
    r = read_blocks(&b, &options);
    assert_int_equal(r.packets, 0);
    assert_int_equal(r.code, CAPTURE_END);
    int fd = pipe_of(b.out.data, b.out.len);
    r = read_all(fd, &options);
    close(fd);
    assert_int_equal(r.code, -EINVAL);
    blocks_done(&b);
}

static void a_simple_packet_is_cut_at_the_snaplen(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, NULL);
    blocks_poke_u32(&b, 28 + 12, 5);
    blocks_begin(&b, 3);
    blocks_u32(&b, 60);
    blocks_padded(&b, "12345", 5);
    blocks_end(&b);
    struct reading r = read_blocks(&b, NULL);
    assert_string_equal(r.text, "12345 ");
    assert_int_equal(r.last.original_bytes, 60);
    blocks_done(&b);
}

static void a_packet_of_more_than_we_hold_is_cut(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, NULL);
    blocks_begin(&b, 6);
    blocks_u32(&b, 0);
    blocks_u64(&b, 0);
    blocks_u32(&b, 300000);
    blocks_u32(&b, 300000);
    assert_int_equal(buf_append_fill(&b.out, 'x', 300000), 0);
    blocks_end(&b);
    struct reading r = read_blocks(&b, NULL);
    assert_int_equal(r.packets, 1);
    assert_int_equal(r.last.captured_bytes, PACKET_CAPTURED_BYTES_MAX);
    assert_int_equal(r.last.original_bytes, 300000);
    blocks_done(&b);
}

static void interface_names_are_made_harmless(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    blocks_interface(&b, 1, 9, "a\x1b[31m\nb");
    int fd = file_of(b.out.data, b.out.len);
    struct capture_reader *reader;
    struct packet p;
    assert_int_equal(capture_reader_open(fd, NULL, &reader, NULL), 0);
    assert_int_equal(capture_reader_next(reader, &p, NULL), CAPTURE_INTERFACE);
    const char *name = capture_reader_interface(reader, 0)->name;
    for (const char *c = name; *c; c++)
        assert_true((unsigned char)*c >= ' ');
    capture_reader_free(reader);
    close(fd);
    blocks_done(&b);
}

static void interfaces_are_bounded(void **state)
{
    (void)state;
    struct blocks b;
    blocks_init(&b, false);
    blocks_section(&b);
    for (int i = 0; i < 65540; i++)
        blocks_interface(&b, 1, -1, NULL);
    struct reading r = read_blocks(&b, NULL);
    assert_int_equal(r.interfaces, 65536);
    assert_int_equal(r.damages, 4);
    blocks_done(&b);
}

static void a_later_version_is_left_out(void **state)
{
    (void)state;
    struct blocks b;
    size_t at[6];
    put_five(&b, at);
    size_t second = b.out.len;
    blocks_section(&b);
    b.out.data[second + 12] = 2;
    blocks_interface(&b, 1, 9, NULL);
    blocks_packet(&b, 0, 9, "nine", 0);
    struct reading r = read_blocks(&b, NULL);
    assert_int_equal(r.packets, 5);
    assert_int_equal(r.damages, 1);
    blocks_done(&b);
}

static void what_is_no_capture_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "G", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "\x0a\x0d\x0d\x0a....xxxx"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int fd = file_of(texts[i], strlen(texts[i]));
        struct reading r = read_all(fd, NULL);
        close(fd);
        assert_int_equal(r.code, -EBADMSG);
        assert_true(strlen(r.error.text) > 10);
    }
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    struct reading r = read_all(fd, NULL);
    close(fd);
    assert_int_equal(r.code, -EISDIR);
    assert_int_equal(read_all(-1, NULL).code, -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_read_in_both_byte_orders),
        cmocka_unit_test(a_packet_and_its_interface_are_told_whole),
        cmocka_unit_test(time_resolutions_and_offsets),
        cmocka_unit_test(sections_of_both_orders_count_their_interfaces_on),
        cmocka_unit_test(damage_costs_one_block),
        cmocka_unit_test(one_changed_byte_costs_at_most_one_packet),
        cmocka_unit_test(damaged_descriptions_keep_their_place),
        cmocka_unit_test(bytes_lost_or_added_anywhere_are_stepped_over),
        cmocka_unit_test(zeros_behind_the_last_block_are_one_damage),
        cmocka_unit_test(a_file_cut_anywhere_gives_what_is_whole),
        cmocka_unit_test(a_cut_packet_is_not_looked_into),
        cmocka_unit_test(reading_begins_at_an_offset),
        cmocka_unit_test(a_simple_packet_is_cut_at_the_snaplen),
        cmocka_unit_test(a_packet_of_more_than_we_hold_is_cut),
        cmocka_unit_test(interface_names_are_made_harmless),
        cmocka_unit_test(interfaces_are_bounded),
        cmocka_unit_test(a_later_version_is_left_out),
        cmocka_unit_test(what_is_no_capture_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
