/* What is put into the ring is what others find in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "packet/capture_reader.h"
#include "unit/ring/support_ring.h"
#include "unit/unit_test.h"

static uint64_t total_packets(const struct ring_list *list)
{
    uint64_t n = 0;
    for (size_t i = 0; i < list->segment_count; i++)
        n += list->segments[i].packets;
    return n;
}

/* Reads all packets of all listed segments and compares each with what was fed. */
static void assert_content(struct ring_fixture *f, const struct ring_list *list, unsigned bytes,
                           unsigned flows)
{
    uint8_t *expected = malloc(bytes);
    uint32_t n = 0;
    for (size_t i = 0; i < list->segment_count; i++) {
        int fd;
        uint64_t length;
        struct error error = {.text = ""};
        assert_int_equal(
            ring_reader_open_segment(f->reader, list->segments[i].name, &fd, &length, &error), 0);
        struct capture_reader *reader;
        struct capture_reader_options options = {.end_offset = length, .packets_only = true};
        assert_int_equal(capture_reader_open(fd, &options, &reader, &error), 0);
        struct packet packet;
        int event;
        while ((event = capture_reader_next(reader, &packet, &error)) == CAPTURE_PACKET) {
            ring_make_packet(n++, bytes, flows, expected);
            assert_int_equal(packet.captured_bytes, bytes);
            assert_memory_equal(packet.data, expected, bytes);
        }
        assert_int_equal(event, CAPTURE_END);
        capture_reader_free(reader);
        close(fd);
    }
    assert_int_equal(n, f->made);
    free(expected);
}

static void what_goes_in_comes_out(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 10000, 700, 10000, 100);
    ring_pass(f, NS_PER_S);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(total_packets(&list), 10000);
    assert_true(list.segment_count >= 4); /* 2 MiB each, the last open and empty */
    assert_content(f, &list, 700, 100);
    assert_int_equal(list.covered_count, 1);
    assert_int_equal(list.covered[0].from_ns, T0);
    assert_int_equal(list.gap_count, 0);
    ring_list_done(&list);
    ring_stop(f);
    assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
}

static void visible_within_a_second(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 3, 100, 1000, 1);
    ring_pass(f, 500 * NS_PER_MS);
    ring_pass(f, 100 * NS_PER_MS);
    /* the disk thread is asynchronous to the made-up clock: wait for it, not for a time */
    struct ring_list list;
    do {
        list = ring_list_all(f);
        /* written and published: in between it reads like one that was left behind */
        if (total_packets(&list) == 3 && !list.segments[0].sealed)
            break;
        ring_list_done(&list);
        usleep(1000);
    } while (true);
    assert_int_equal(list.segment_count, 1);
    assert_content(f, &list, 100, 1);
    ring_list_done(&list);
}

static void tools_open_every_segment(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 7000, 900, 10000, 30);
    ring_feed(f, 5, 60, 10000, 30);
    ring_writer_declare(f->writer,
                        &(struct ring_drop_event){f->now_ns, f->now_ns + 5, {.kernel = 7}}, 1);
    ring_pass(f, NS_PER_S);
    struct buf out;
    buf_init(&out, 1 << 24);
    const char *const probe[] = {"tshark", "--version", NULL};
    if (run_program(&out, probe) == 127) {
        buf_done(&out);
        print_message("tshark is not installed\n");
        exit(77);
    }
    struct ring_list list = ring_list_all(f);
    uint64_t seen = 0;
    for (size_t i = 0; i < list.segment_count; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->dir, list.segments[i].name);
        const char *const tshark[] = {"tshark", "-n", "-r",           path, "-T",
                                      "fields", "-e", "frame.number", NULL};
        assert_int_equal(run_program(&out, tshark), 0);
        assert_null(strstr((char *)out.data, "damaged"));
        assert_null(strstr((char *)out.data, "cut short"));
        for (size_t k = 0; k < out.len; k++)
            seen += out.data[k] == '\n';
        const char *const capinfos[] = {"capinfos", path, NULL};
        assert_int_equal(run_program(&out, capinfos), 0);
        const char *const tcpdump[] = {"tcpdump", "-n", "-q", "-c", "1", "-r", path, NULL};
        assert_int_equal(run_program(&out, tcpdump), 0);
        assert_null(strstr((char *)out.data, "truncated"));
    }
    /* tshark may say "Running as user root", once a segment at most */
    assert_true(seen >= 7005 && seen <= 7005 + list.segment_count);
    ring_list_done(&list);
    buf_done(&out);
}

static void flow_index_finds_every_flow(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 6000, 100, 1000, 500);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    struct ring_index index;
    struct error error;
    assert_int_equal(ring_reader_index(f->reader, list.segments[0].name, &index, &error), 0);
    assert_int_equal(index.segment.packets, 6000);
    assert_int_equal(index.flow_count, 500);
    for (unsigned flow = 0; flow < 500; flow++) {
        struct ring_flow key = {.ip_version = 4,
                                .ip_protocol = 6,
                                .port_a = 80,
                                .port_b = (uint16_t)(20000 + flow),
                                .ip_a = {10, 1, 0, 1},
                                .ip_b = {10, 0, (uint8_t)(flow >> 8), (uint8_t)flow}};
        const struct ring_flow *found = ring_index_find(&index, &key);
        assert_non_null(found);
        assert_int_equal(found->packets, 12);
        assert_int_equal(found->bytes, 1200);
        assert_int_equal(found->first_ns, T0 + 2000 * (int64_t)flow);
    }
    assert_null(ring_index_find(&index, &(struct ring_flow){.ip_version = 4, .ip_protocol = 17}));
    ring_index_done(&index);
    /* the same from the bytes alone */
    assert_int_equal(ring_index_load(f->dir_fd, list.segments[0].name, NULL, &index, &error), 0);
    assert_int_equal(index.flow_count, 500);
    assert_memory_equal(index.segment.sha256, list.segments[0].sha256, RING_SHA256_SIZE);
    assert_int_equal(index.segment.covered_from_ns, list.segments[0].covered_from_ns);
    assert_int_equal(index.segment.covered_to_ns, list.segments[0].covered_to_ns);
    ring_index_done(&index);
    ring_list_done(&list);
}

static void full_flow_table_seals_early(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 512 << 20;
    f->segment_bytes = 64 << 20;
    ring_start(f);
    ring_feed(f, 140000, 60, 1000, 70000);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(total_packets(&list), 140000);
    assert_true(list.segments[0].sealed);
    assert_in_range(list.segments[0].packets, 131070, 131071);
    ring_list_done(&list);
}

static void another_link_type_has_its_own_segment(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    struct ring_writer_interface tun = {"tun0", 101, true, false};
    ring_writer_set_interface(f->writer, 2, &tun);
    static const uint8_t ip[40] = {0x45, 0, 0, 40, 0,  0, 0, 0, 64,   6,    0, 0,
                                   10,   0, 0, 1,  10, 0, 0, 2, 0x30, 0x39, 0, 80};
    struct packet packet = {.ts_ns = f->now_ns,
                            .data = ip,
                            .captured_bytes = sizeof ip,
                            .original_bytes = sizeof ip,
                            .interface = 2,
                            .link_type = 101};
    ring_feed(f, 10, 100, 1000, 1);
    ring_writer_put(f->writer, &packet, 1);
    ring_feed(f, 10, 100, 1000, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    uint64_t ethernet = 0, raw = 0;
    for (size_t i = 0; i < list.segment_count; i++)
        *(list.segments[i].link_type == 101 ? &raw : &ethernet) += list.segments[i].packets;
    assert_int_equal(ethernet, 20);
    assert_int_equal(raw, 1);
    assert_int_equal(list.covered_count, 1);
    ring_list_done(&list);
}

static void oversized_packet_is_declared(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 8 << 20;
    f->segment_bytes = 512 << 10;
    ring_start(f);
    ring_feed(f, 10, 100, 1000, 1);
    static uint8_t big[262144];
    struct packet packet = {
        .ts_ns = f->now_ns, .data = big, .captured_bytes = sizeof big, .link_type = 1};
    ring_writer_put(f->writer, &packet, 1);
    ring_writer_put(f->writer, &packet, 1);
    ring_writer_put(f->writer, &packet, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(total_packets(&list) + list.drops.ring, 13);
    ring_list_done(&list);
}

static void sealed_inode_is_not_written_again(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 100, 100, 1000, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    assert_true(list.segments[0].sealed);
    assert_int_equal(linkat(f->dir_fd, list.segments[0].name, f->dir_fd, "kept", 0), 0);
    struct stat before, after;
    assert_int_equal(fstatat(f->dir_fd, "kept", &before, 0), 0);
    ring_feed(f, 60000, 1400, 1000, 1); /* 84 MB through 32 MiB: it is recycled */
    ring_writer_rotate(f->writer, f->now_ns);
    ring_stop(f);
    assert_int_equal(faccessat(f->dir_fd, list.segments[0].name, F_OK, 0), -1);
    assert_int_equal(fstatat(f->dir_fd, "kept", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    struct ring_index index;
    assert_int_equal(ring_index_load(f->dir_fd, "kept", NULL, &index, NULL), 0);
    assert_memory_equal(index.segment.sha256, list.segments[0].sha256, RING_SHA256_SIZE);
    ring_index_done(&index);
    ring_list_done(&list);
}

static void second_capturer_is_told_who_holds_it(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    struct ring_writer_options options = {
        .dir_fd = f->dir_fd, .ring_dir = f->dir, .budget_bytes = f->budget_bytes};
    struct ring_writer *second;
    struct error error;
    assert_int_equal(ring_writer_open(&options, T0, 1, &second, &error), -EBUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(error.text, pid));
}

static void sizes_are_checked(void **state)
{
    struct ring_fixture *f = *state;
    struct ring_writer *writer;
    struct error error;
    struct ring_writer_options options = {
        .dir_fd = f->dir_fd, .ring_dir = f->dir, .budget_bytes = 1 << 20};
    assert_int_equal(ring_writer_open(&options, T0, 1, &writer, &error), -EINVAL);
    options.budget_bytes = 16 << 20;
    options.segment_bytes = 8 << 20;
    assert_int_equal(ring_writer_open(&options, T0, 1, &writer, &error), -EINVAL);
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, ring_setup, ring_teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(what_goes_in_comes_out),
        RING_TEST(visible_within_a_second),
        RING_TEST(tools_open_every_segment),
        RING_TEST(flow_index_finds_every_flow),
        RING_TEST(full_flow_table_seals_early),
        RING_TEST(another_link_type_has_its_own_segment),
        RING_TEST(oversized_packet_is_declared),
        RING_TEST(sealed_inode_is_not_written_again),
        RING_TEST(second_capturer_is_told_who_holds_it),
        RING_TEST(sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
