/* After kill -9 and worse: whatever prefix of a segment is on disk, the ring opens again, keeps all
 * whole packets, cuts the rest, and declares the time it did not record. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "ring/ring_format.h"
#include "ring/ring_scan.h"
#include "ring/ring_state.h"
#include "unit/ring/support_ring.h"
#include "unit/unit_test.h"

/* Reads a whole file of the ring folder. */
static struct buf read_file(const struct ring_fixture *f, const char *name)
{
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    assert_int_equal(io_read_file(f->dir_fd, name, &bytes), 0);
    return bytes;
}

static void write_file(const struct ring_fixture *f, const char *name, const void *data, size_t n)
{
    int fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), n);
    close(fd);
}

static void empty_ring(const struct ring_fixture *f)
{
    struct ring_fixture copy = *f;
    struct ring_list list = ring_list_all(&copy);
    for (size_t i = 0; i < list.segment_count; i++) {
        char index_name[RING_NAME_SIZE];
        ring_name_index(list.segments[i].name, index_name);
        unlinkat(f->dir_fd, list.segments[i].name, 0);
        unlinkat(f->dir_fd, index_name, 0);
    }
    unlinkat(f->dir_fd, "state", 0);
    ring_list_done(&list);
}

/* Ends of the packet blocks, in file order. */
static size_t packet_ends(const struct buf *bytes, size_t *ends, size_t max)
{
    size_t n = 0;
    for (size_t at = 0; at + 12 <= bytes->len;) {
        uint32_t head[2];
        memcpy(head, bytes->data + at, sizeof head);
        at += head[1];
        if (head[0] == RING_BLOCK_EPB && n < max)
            ends[n++] = at;
    }
    return n;
}

/* Every prefix of a segment, at each byte: nothing but whole packets comes back, and all of them.
 */
static void every_prefix_recovers(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 6, 61, NS_PER_MS, 3);
    ring_stop(f);
    char name[RING_NAME_SIZE];
    ring_name_format(1, 1, name);
    struct buf whole = read_file(f, name);
    size_t ends[16];
    size_t packets = packet_ends(&whole, ends, 16);
    assert_int_equal(packets, 6);
    for (size_t cut = 0; cut <= whole.len; cut++) {
        empty_ring(f);
        write_file(f, name, whole.data, cut);
        ring_start(f);
        ring_stop(f);
        size_t expected = 0;
        while (expected < packets && ends[expected] <= cut)
            expected++;
        struct ring_list list = ring_list_all(f);
        uint64_t found = 0;
        for (size_t i = 0; i < list.segment_count; i++)
            found += list.segments[i].packets;
        if (found != expected)
            fail_msg("cut at %zu: %llu packets, not %zu", cut, (unsigned long long)found, expected);
        ring_list_done(&list);
        assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
    }
    buf_done(&whole);
}

/* The same with a tail of other bytes after the cut: zeros and noise as a crash leaves them. */
static void torn_tails_are_cut(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 40, 90, NS_PER_MS, 3);
    ring_stop(f);
    char name[RING_NAME_SIZE];
    ring_name_format(1, 1, name);
    struct buf whole = read_file(f, name);
    size_t ends[64];
    size_t packets = packet_ends(&whole, ends, 64);
    uint8_t *torn = malloc(whole.len + 4096);
    for (unsigned i = 0; i < packets; i++) {
        empty_ring(f);
        size_t cut = ends[i] + (i % 3 == 0 ? 0 : 7);
        memcpy(torn, whole.data, whole.len);
        for (size_t k = cut; k < whole.len + 4096; k++)
            torn[k] = i % 2 ? 0 : (uint8_t)(k * 31 + i);
        write_file(f, name, torn, whole.len + 4096);
        ring_start(f);
        ring_stop(f);
        struct ring_list list = ring_list_all(f);
        assert_int_equal(list.segments[0].packets, i + 1);
        assert_true(list.segments[0].sealed);
        ring_list_done(&list);
        assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
    }
    free(torn);
    buf_done(&whole);
}

static void flipped_byte_is_found_and_named(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 40, 90, NS_PER_MS, 3);
    ring_stop(f);
    char name[RING_NAME_SIZE];
    ring_name_format(1, 1, name);
    struct buf whole = read_file(f, name);
    for (size_t at = 0; at < whole.len; at += 101) {
        whole.data[at] ^= 0x20;
        write_file(f, name, whole.data, whole.len);
        whole.data[at] ^= 0x20;
        assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 1);
    }
    write_file(f, name, whole.data, whole.len);
    assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
    buf_done(&whole);
}

static void damaged_indexes_are_rebuilt(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 4000, 900, 1000, 50);
    ring_stop(f);
    struct ring_list before = ring_list_all(f);
    assert_true(before.segment_count >= 2);
    char index_name[RING_NAME_SIZE];
    ring_name_index(before.segments[0].name, index_name);
    struct buf index = read_file(f, index_name);
    struct buf segment = read_file(f, before.segments[0].name);
    for (size_t cut = 0; cut < index.len + 61; cut += 61) {
        write_file(f, index_name, index.data, cut < index.len ? cut : index.len);
        if (cut >= index.len) { /* another version: nobody can know whether by damage */
            int fd = openat(f->dir_fd, index_name, O_RDWR);
            assert_int_equal(pwrite(fd, "\x07", 1, 8), 1);
            close(fd);
        }
        struct ring_index alone;
        struct error error = {.text = ""};
        if (ring_reader_index(f->reader, before.segments[0].name, &alone, &error) < 0)
            fail_msg("%s", error.text);
        assert_int_equal(alone.segment.packets, before.segments[0].packets);
        ring_index_done(&alone);
        ring_start(f);
        ring_stop(f);
        struct buf again = read_file(f, index_name);
        struct buf same = read_file(f, before.segments[0].name);
        assert_int_equal(again.len, index.len);
        assert_memory_equal(again.data, index.data, index.len);
        assert_int_equal(same.len, segment.len);
        assert_memory_equal(same.data, segment.data, segment.len);
        buf_done(&again);
        buf_done(&same);
    }
    ring_list_done(&before);
    buf_done(&index);
    buf_done(&segment);
}

/* A child records and is killed in the middle; what it published survives, and the time until the
 * next start is a gap. */
static void killed_capturer_leaves_a_good_ring(void **state)
{
    struct ring_fixture *f = *state;
    f->segment_bytes = 1 << 20;
    for (int round = 0; round < 5; round++) {
        f->now_ns = clock_now_ns();
        f->mono_ns = clock_mono_ns();
        pid_t pid = fork();
        if (pid == 0) {
            ring_start(f);
            for (;;)
                ring_feed(f, 64, 700, 200000, 40);
        }
        struct ring_reader *reader = NULL;
        uint64_t published = 0;
        while (published < 3000 * (unsigned)(round + 1)) {
            struct ring_list list;
            if (!reader && ring_reader_open(AT_FDCWD, f->dir, &reader, NULL) < 0)
                continue;
            if (ring_reader_list(reader, INT64_MIN, INT64_MAX, &list, NULL) < 0)
                continue;
            published = 0;
            for (size_t i = 0; i < list.segment_count; i++)
                published += list.segments[i].packets;
            ring_list_done(&list);
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        ring_reader_free(reader);
        f->now_ns += 3600 * NS_PER_S;
        int64_t began = f->now_ns;
        ring_start(f);
        ring_pass(f, NS_PER_S);
        ring_stop(f);
        struct ring_list list = ring_list_all(f);
        uint64_t found = 0;
        for (size_t i = 0; i < list.segment_count; i++)
            found += list.segments[i].packets;
        assert_true(found >= published);
        assert_true(list.gap_count >= 1);
        assert_int_equal(list.gaps[list.gap_count - 1].reason, RING_GAP_NOT_RECORDING);
        assert_int_equal(list.gaps[list.gap_count - 1].to_ns, began);
        ring_list_done(&list);
        assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
        ring_reader_free(f->reader);
        f->reader = NULL;
        assert_int_equal(io_remove_tree("test", f->dir_fd, "pins"), 0);
        assert_int_equal(ring_reader_open(AT_FDCWD, f->dir, &f->reader, NULL), 0);
        empty_ring(f);
        ring_reader_free(f->reader);
        f->reader = NULL;
    }
    ring_start(f);
}

/* One process publishes states in which every word says the same, two others must never see a mix.
 * It rests now and then, as a capturer does for far longer: a reader that is never let in between
 * two writes gives up after READ_TRIES and sees nothing, torn or whole.
 */
static void state_is_never_seen_torn(void **state)
{
    struct ring_fixture *f = *state;
    struct ring_state_map *map;
    static struct ring_state_body body;
    assert_int_equal(ring_state_create(f->dir_fd, &map, &body, NULL), 0);
    memset(&body, 1, sizeof body);
    ring_state_publish(map, &body);
    pid_t readers[2];
    for (int i = 0; i < 2; i++) {
        readers[i] = fork();
        if (readers[i] > 0)
            continue;
        struct ring_state_map *mine;
        if (ring_state_open(f->dir_fd, &mine, NULL) < 0)
            _exit(2);
        static struct ring_state_body seen;
        unsigned changes = 0;
        int64_t last = 0;
        while (changes < 300) {
            if (ring_state_read(mine, &seen) < 0)
                continue;
            uint8_t first;
            memcpy(&first, &seen.seconds[0], 1);
            const uint8_t *bytes = (const uint8_t *)seen.seconds;
            for (size_t k = 0; k < sizeof seen.seconds; k++)
                if (bytes[k] != first)
                    _exit(1);
            changes += seen.heartbeat_ns != last;
            last = seen.heartbeat_ns;
        }
        _exit(0);
    }
    int ended = 0, status, codes = 0;
    for (uint8_t v = 1; ended < 2; v++) {
        memset(&body, v, sizeof body);
        ring_state_publish(map, &body);
        if (v % 4 == 0)
            nanosleep(&(struct timespec){.tv_nsec = v * 4000L}, NULL);
        if (waitpid(-1, &status, WNOHANG) > 0) {
            codes += status;
            ended++;
        }
    }
    assert_int_equal(codes, 0);
    ring_state_close(map);
    unlinkat(f->dir_fd, "state", 0);
}

static void newer_state_is_refused_by_its_version(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_stop(f);
    int fd = openat(f->dir_fd, "state", O_RDWR);
    uint8_t header[16];
    uint32_t version = 7;
    assert_int_equal(pread(fd, header, sizeof header, 0), sizeof header);
    memcpy(header + 8, &version, 4);
    uint32_t sum = (uint32_t)hash_bytes(hash_fixed_key, header, sizeof header);
    assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
    assert_int_equal(pwrite(fd, &sum, 4, 24), 4);
    close(fd);
    struct ring_reader *reader;
    struct error error;
    assert_int_equal(ring_reader_open(AT_FDCWD, f->dir, &reader, &error), -EPROTO);
    assert_non_null(strstr(error.text, "version 7"));
    unlinkat(f->dir_fd, "state", 0);
}

static void damage_state(const struct ring_fixture *f, unsigned kind, const struct buf *good)
{
    static const size_t flipped[] = {3, 8, 13, 16, 25, 29, 40, 700};
    size_t n = good->len;
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    memcpy(bytes, good->data, n);
    if (kind < 8)
        bytes[flipped[kind]] ^= 5;
    else if (kind == 8)
        memset(bytes, 0, n);
    else if (kind == 9)
        n = 100;
    else
        n = 0;
    write_file(f, "state", bytes, n);
    if (kind == 10)
        assert_int_equal(unlinkat(f->dir_fd, "state", 0), 0);
    free(bytes);
}

/* Whatever happened to the state file: status and lists show what the segments hold and say so; the
 * next start goes on from there, and what was recycled stays recycled. */
static void damaged_state_is_made_again(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 60000, 1000, NS_PER_MS / 10, 50);
    ring_stop(f);
    struct buf good = read_file(f, "state");
    struct ring_list before = ring_list_all(f);
    struct ring_status *status = malloc(sizeof *status);
    assert_non_null(status);
    struct error error = {.text = ""};
    assert_true(before.segments[0].sequence > 1);
    for (unsigned kind = 0; kind < 11; kind++) {
        damage_state(f, kind, &good);
        if (ring_reader_status(f->reader, status, &error) < 0)
            fail_msg("kind %u: %s", kind, error.text);
        assert_false(status->alive);
        assert_non_null(strstr(status->detail, kind < 10 ? "is damaged" : "is missing"));
        assert_int_equal(status->segment_count, before.segment_count);
        assert_int_equal(status->oldest_ns, before.covered[0].from_ns);
        assert_int_equal(status->newest_ns, before.covered[before.covered_count - 1].to_ns);
        assert_true(status->used_bytes > 20 << 20);
        struct ring_list list = ring_list_all(f);
        assert_int_equal(list.segment_count, before.segment_count);
        ring_list_done(&list);
    }
    for (unsigned kind = 0; kind < 11; kind++) {
        damage_state(f, kind, &good);
        ring_start(f);
        assert_int_equal(strstr(ring_writer_recovery(f->writer), "state file") != NULL, kind < 10);
        ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
        ring_stop(f);
        assert_int_equal(ring_reader_status(f->reader, status, &error), 0);
        assert_non_null(strstr(status->detail, "was stopped"));
        assert_true(status->recycling);
        struct ring_list list;
        assert_int_equal(ring_reader_list(f->reader, T0, f->now_ns, &list, NULL), 0);
        assert_true(list.segment_count > before.segment_count / 2); /* a start may recycle one */
        assert_int_equal(list.gaps[0].from_ns, T0);
        assert_int_equal(list.gaps[0].to_ns, list.covered[0].from_ns);
        assert_int_equal(list.gaps[0].reason, RING_GAP_RECYCLED);
        ring_list_done(&list);
    }
    /* a recorder that runs mends it */
    ring_start(f);
    ring_pass(f, NS_PER_S);
    ring_writer_rotate(f->writer, f->now_ns); /* the disk thread has nothing left to publish */
    int fd = openat(f->dir_fd, "state", O_RDWR);
    assert_int_equal(pwrite(fd, "hello world, this is not a state", 32, 0), 32);
    close(fd);
    assert_int_equal(ring_reader_status(f->reader, status, &error), 0);
    assert_non_null(strstr(status->detail, "is damaged"));
    ring_pass(f, NS_PER_S);
    assert_int_equal(ring_reader_status(f->reader, status, &error), 0);
    assert_null(strstr(status->detail, "is damaged"));
    ring_stop(f);
    free(status);
    ring_list_done(&before);
    buf_done(&good);
}

/* A link, a folder and a device called like segments: as if they were not there. */
static void what_is_no_file_does_not_stop_the_ring(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 6, 61, NS_PER_MS, 3);
    ring_stop(f);
    char name[3][RING_NAME_SIZE];
    for (unsigned i = 0; i < 3; i++)
        ring_name_format(1, 100 + i, name[i]);
    assert_int_equal(symlinkat("nowhere", f->dir_fd, name[0]), 0);
    assert_int_equal(mkdirat(f->dir_fd, name[1], 0700), 0);
    assert_int_equal(mkfifoat(f->dir_fd, name[2], 0600), 0);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(list.segment_count, 1);
    ring_list_done(&list);
    ring_start(f);
    ring_feed(f, 6, 61, NS_PER_MS, 3);
    ring_stop(f);
    list = ring_list_all(f);
    assert_int_equal(list.segment_count, 2);
    ring_list_done(&list);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(unlinkat(f->dir_fd, name[i], i == 1 ? AT_REMOVEDIR : 0), 0);
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, ring_setup, ring_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_prefix_recovers, ring_setup_in_memory, ring_teardown),
        cmocka_unit_test_setup_teardown(torn_tails_are_cut, ring_setup_in_memory, ring_teardown),
        RING_TEST(flipped_byte_is_found_and_named),
        RING_TEST(damaged_indexes_are_rebuilt),
        RING_TEST(killed_capturer_leaves_a_good_ring),
        RING_TEST(state_is_never_seen_torn),
        RING_TEST(newer_state_is_refused_by_its_version),
        RING_TEST(damaged_state_is_made_again),
        RING_TEST(what_is_no_file_does_not_stop_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
