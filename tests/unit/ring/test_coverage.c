/* What time the ring holds, what is missing and why; edges; the clock; pins; budget; control. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ring/ring_format.h"
#include "ring/ring_pins.h"
#include "ring/ring_requests.h"
#include "unit/ring/support_ring.h"
#include "unit/unit_test.h"

static struct ring_list list_window(struct ring_fixture *f, int64_t from_ns, int64_t to_ns)
{
    struct ring_list list;
    assert_int_equal(ring_reader_list(f->reader, from_ns, to_ns, &list, NULL), 0);
    return list;
}

/* covered and gaps fill the window without overlap. */
static void assert_fills(const struct ring_list *list, int64_t from_ns, int64_t to_ns)
{
    int64_t at = from_ns;
    size_t c = 0, g = 0;
    while (c < list->covered_count || g < list->gap_count) {
        if (c < list->covered_count && list->covered[c].from_ns == at)
            at = list->covered[c++].to_ns;
        else if (g < list->gap_count && list->gaps[g].from_ns == at)
            at = list->gaps[g++].to_ns;
        else
            fail_msg("nothing begins at %lld", (long long)at);
    }
    assert_int_equal(at, to_ns);
}

static void pause_of_three_seconds_is_that_gap(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_pass(f, NS_PER_S);
    int64_t stopped = f->now_ns;
    ring_writer_stop(f->writer, stopped);
    ring_pass(f, 3 * NS_PER_S);
    int64_t resumed = f->now_ns;
    struct ring_list list = list_window(f, T0, resumed);
    assert_int_equal(list.gap_count, 1);
    assert_int_equal(list.gaps[0].from_ns, stopped);
    assert_int_equal(list.gaps[0].to_ns, resumed);
    assert_int_equal(list.gaps[0].reason,
                     RING_GAP_NOT_RECORDING); /* the made-up clock: not alive */
    ring_list_done(&list);
    ring_writer_resume(f->writer, resumed);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_pass(f, NS_PER_S);
    ring_writer_rotate(f->writer, f->now_ns);
    list = list_window(f, T0, f->now_ns);
    assert_fills(&list, T0, f->now_ns);
    assert_int_equal(list.gap_count, 1);
    assert_int_equal(list.gaps[0].from_ns, stopped);
    assert_int_equal(list.gaps[0].to_ns, resumed);
    assert_int_equal(list.gaps[0].reason, RING_GAP_CAPTURE_STOPPED);
    ring_list_done(&list);
}

/* A sealed segment that lost its end, or all of it: what is gone was not recycled. */
static void cut_segment_is_damage(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    for (int i = 0; i < 3; i++) {
        ring_feed(f, 200, 400, NS_PER_MS, 3);
        ring_writer_rotate(f->writer, f->now_ns);
    }
    ring_stop(f);
    struct ring_list before = ring_list_all(f);
    assert_true(before.segment_count >= 3);
    const struct ring_segment_info was = before.segments[1];
    for (int left = 0; left < 3; left++) { /* half of it, a piece of its header, nothing */
        off_t size = left == 0 ? (off_t)was.size_bytes / 2 : left == 1 ? 20 : 0;
        int fd = openat(f->dir_fd, was.name, O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, size), 0);
        close(fd);
        struct ring_list list = ring_list_all(f);
        assert_int_equal(list.segment_count, before.segment_count);
        const struct ring_segment_info *cut = &list.segments[1];
        assert_true(cut->sealed);
        assert_int_equal(cut->sealed_bytes, was.size_bytes);
        assert_int_equal(cut->sealed_to_ns, was.covered_to_ns);
        assert_true(cut->size_bytes <= (uint64_t)size);
        assert_true(left == 0 ? cut->packets > 50 && cut->packets < 150 : cut->packets == 0);
        assert_int_equal(list.gap_count, 1);
        assert_int_equal(list.gaps[0].reason, RING_GAP_CORRUPT);
        assert_int_equal(list.gaps[0].from_ns, cut->covered_to_ns);
        assert_int_equal(list.gaps[0].to_ns, was.covered_to_ns);
        assert_fills(&list, list.covered[0].from_ns, list.covered[1].to_ns);
        /* a window within what is gone names the segment all the same */
        struct ring_list gone = list_window(f, was.covered_to_ns - 2, was.covered_to_ns);
        assert_true(gone.segment_count >= 1);
        assert_string_equal(gone.segments[0].name, was.name);
        assert_int_equal(gone.covered_count, 0);
        ring_list_done(&gone);
        ring_list_done(&list);
        struct error error;
        assert_true(ring_reader_verify(f->reader, NULL, NULL, &error) == 1);
    }
    ring_list_done(&before);
}

/* The next capturer cuts its tail off, and the reason stays. */
static void cut_segment_stays_damage_after_recovery(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    for (int i = 0; i < 3; i++) {
        ring_feed(f, 200, 400, NS_PER_MS, 3);
        ring_writer_rotate(f->writer, f->now_ns);
    }
    ring_stop(f);
    struct ring_list before = ring_list_all(f);
    const struct ring_segment_info was = before.segments[1];
    int fd = openat(f->dir_fd, was.name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)was.size_bytes / 2), 0);
    close(fd);
    ring_start(f);
    ring_feed(f, 10, 400, NS_PER_MS, 3);
    ring_stop(f);
    struct ring_list list = list_window(f, was.covered_from_ns, was.covered_to_ns);
    assert_int_equal(list.gap_count, 1);
    assert_int_equal(list.gaps[0].reason, RING_GAP_CORRUPT);
    assert_int_equal(list.gaps[0].to_ns, was.covered_to_ns);
    ring_list_done(&list);
    ring_list_done(&before);
}

static void time_without_a_capturer_is_a_gap(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_stop(f);
    int64_t stopped = f->now_ns;
    f->now_ns += 5 * NS_PER_S;
    f->mono_ns += 5 * NS_PER_S;
    int64_t began = f->now_ns;
    ring_start(f);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = list_window(f, T0 - NS_PER_S, f->now_ns);
    assert_fills(&list, T0 - NS_PER_S, f->now_ns);
    assert_int_equal(list.gap_count, 2);
    assert_int_equal(list.gaps[0].to_ns, T0);
    assert_int_equal(list.gaps[0].reason, RING_GAP_NOT_RECORDING);
    assert_int_equal(list.gaps[1].from_ns, stopped);
    assert_int_equal(list.gaps[1].to_ns, began);
    assert_int_equal(list.gaps[1].reason, RING_GAP_NOT_RECORDING);
    ring_list_done(&list);
}

static void recycled_time_is_named_so(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 8 << 20;
    f->segment_bytes = 512 << 10;
    ring_start(f);
    ring_feed(f, 20000, 1400, 10000, 10);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = list_window(f, T0 - 5, f->now_ns);
    assert_fills(&list, T0 - 5, f->now_ns);
    assert_int_equal(list.covered_count, 1);
    assert_int_equal(list.gap_count, 2);
    assert_int_equal(list.gaps[0].reason, RING_GAP_NOT_RECORDING);
    assert_int_equal(list.gaps[0].to_ns, T0);
    assert_int_equal(list.gaps[1].reason, RING_GAP_RECYCLED);
    assert_true(list.covered[0].from_ns > T0);
    ring_list_done(&list);
}

static void budget_is_never_exceeded(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 6 << 20;
    f->segment_bytes = 512 << 10;
    ring_start(f);
    uint64_t most = 0;
    for (int i = 0; i < 300; i++) {
        ring_feed(f, 64, 300 + (unsigned)i * 4, 1000000, 1 + (unsigned)i * 7);
        if (i % 10 == 0)
            ring_writer_rotate(f->writer, f->now_ns);
        uint64_t now = ring_disk_bytes(f);
        most = now > most ? now : most;
        assert_true(now <= f->budget_bytes);
    }
    assert_true(most > f->budget_bytes / 2); /* and it is used */
    struct ring_status status;
    assert_int_equal(ring_reader_status(f->reader, &status, NULL), 0);
    assert_true(status.recycling);
    assert_true(status.used_bytes <= f->budget_bytes);
}

static void smaller_budget_shrinks_at_the_start(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 32 << 20;
    f->segment_bytes = 1 << 20;
    ring_start(f);
    ring_feed(f, 20000, 1400, 10000, 10);
    ring_stop(f);
    assert_true(ring_disk_bytes(f) > 16 << 20);
    f->budget_bytes = 9 << 20;
    ring_start(f);
    ring_feed(f, 10, 100, 1000, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    assert_true(ring_disk_bytes(f) <= f->budget_bytes);
}

static void clock_steps_begin_a_segment(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_pass(f, NS_PER_S);
    int64_t before = f->now_ns;
    f->now_ns += 3600 * NS_PER_S; /* forward, monotonic time goes on as ever */
    f->mono_ns += 100 * NS_PER_MS;
    ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
    int64_t after = f->now_ns;
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = list_window(f, T0, f->now_ns);
    assert_fills(&list, T0, f->now_ns);
    assert_int_equal(list.gap_count, 1);
    assert_int_equal(list.gaps[0].reason, RING_GAP_CLOCK_STEP);
    assert_int_equal(list.gaps[0].from_ns, before);
    assert_int_equal(list.gaps[0].to_ns, after);
    size_t segments = list.segment_count;
    ring_list_done(&list);
    f->now_ns -= 3 * NS_PER_S; /* backward */
    f->mono_ns += 100 * NS_PER_MS;
    ring_writer_tick(f->writer, f->now_ns, f->mono_ns, f->now_ns);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    list = list_window(f, T0, after + 100 * NS_PER_S);
    assert_true(list.segment_count > segments);
    uint64_t packets = 0;
    for (size_t i = 0; i < list.segment_count; i++)
        packets += list.segments[i].packets;
    assert_int_equal(packets, 30);
    ring_list_done(&list);
}

static void rotation_after_a_minute_only_with_packets(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_pass(f, 300 * NS_PER_S);
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(list.segment_count, 1);
    assert_false(list.segments[0].sealed);
    assert_int_equal(list.covered_count, 1); /* quiet, not missing */
    assert_int_equal(list.covered[0].to_ns, f->now_ns);
    ring_list_done(&list);
    struct stat st;
    char name[RING_NAME_SIZE];
    ring_name_format(1, 1, name);
    assert_int_equal(fstatat(f->dir_fd, name, &st, 0), 0);
    assert_true(st.st_size <= 4096); /* an idle node does not grow */
    ring_feed(f, 1, 100, 1, 1);
    ring_pass(f, 61 * NS_PER_S);
    ring_writer_rotate(f->writer, f->now_ns);
    list = ring_list_all(f);
    assert_int_equal(list.segment_count, 2);
    assert_true(list.segments[0].sealed);
    assert_int_equal(list.segments[0].packets, 1);
    ring_list_done(&list);
}

static void window_edges_are_half_open(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    for (int i = 0; i < 10; i++) { /* ten segments of 100 ms, the packet at the first instant */
        ring_feed(f, 1, 100, 1, 1);
        ring_pass(f, 100 * NS_PER_MS - 1);
        ring_writer_rotate(f->writer, f->now_ns);
    }
    struct ring_list list = list_window(f, T0 + 300 * NS_PER_MS, T0 + 400 * NS_PER_MS);
    uint64_t packets = 0;
    for (size_t i = 0; i < list.segment_count; i++)
        packets += list.segments[i].packets;
    assert_int_equal(packets, 1);
    assert_int_equal(list.covered_count, 1);
    assert_int_equal(list.covered[0].from_ns, T0 + 300 * NS_PER_MS);
    assert_int_equal(list.covered[0].to_ns, T0 + 400 * NS_PER_MS);
    assert_int_equal(list.gap_count, 0);
    ring_list_done(&list);
}

static void drops_are_declared_where_they_happened(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    int64_t from = f->now_ns;
    ring_pass(f, 50 * NS_PER_MS);
    struct ring_drop_event event = {from, f->now_ns, {.kernel = 41}};
    ring_writer_declare(f->writer, &event, 1);
    ring_pass(f, 5 * NS_PER_S);
    ring_feed(f, 10, 100, NS_PER_MS, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    for (int scanned = 0; scanned < 2; scanned++) {
        struct ring_list list = list_window(f, from, from + NS_PER_S);
        assert_int_equal(list.drop_event_count, 1);
        assert_int_equal(list.drop_events[0].from_ns, event.from_ns);
        assert_int_equal(list.drop_events[0].to_ns, event.to_ns);
        assert_int_equal(list.drops.kernel, 41);
        ring_list_done(&list);
        list = list_window(f, from + NS_PER_S, f->now_ns);
        assert_int_equal(list.drops.kernel, 0);
        ring_list_done(&list);
        /* again without the index: the segment itself knows */
        char index_name[RING_NAME_SIZE], name[RING_NAME_SIZE];
        ring_name_format(1, 1, name);
        ring_name_index(name, index_name);
        unlinkat(f->dir_fd, index_name, 0);
        ring_reader_free(f->reader);
        assert_int_equal(ring_reader_open(AT_FDCWD, f->dir, &f->reader, NULL), 0);
    }
    struct ring_status status;
    assert_int_equal(ring_reader_status(f->reader, &status, NULL), 0);
    assert_int_equal(status.drops.kernel, 41);
    assert_int_equal(status.interfaces[1].dropped, 41);
}

/* ── pins ── */

static void pinned_segments_stay(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 16 << 20;
    f->segment_bytes = 1 << 20;
    ring_start(f);
    ring_feed(f, 1500, 1400, 1000, 1); /* two segments */
    ring_writer_rotate(f->writer, f->now_ns);
    struct ring_control *control;
    char id[RING_PIN_ID_SIZE];
    assert_int_equal(ring_control_open(AT_FDCWD, f->dir, &control, NULL), 0);
    struct ring_list list = ring_list_all(f);
    char first[RING_NAME_SIZE];
    memcpy(first, list.segments[0].name, sizeof first);
    ring_list_done(&list);
    assert_int_equal(ring_pin_create(control, T0, T0 + 1000, id, NULL), 0);
    ring_feed(f, 40000, 1400, 1000, 1); /* 56 MB */
    ring_writer_rotate(f->writer, f->now_ns);
    assert_int_equal(faccessat(f->dir_fd, first, F_OK, 0), 0);
    assert_int_equal(ring_pin_renew(control, id, NULL), 0);
    assert_true(ring_disk_bytes(f) <= f->budget_bytes);
    assert_int_equal(ring_pin_release(control, id, NULL), 0);
    assert_int_equal(ring_pin_renew(control, id, NULL), -ENOENT);
    ring_feed(f, 15000, 1400, 1000, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    assert_int_equal(faccessat(f->dir_fd, first, F_OK, 0), -1);
    ring_control_free(control);
}

static void oldest_pin_breaks_beyond_three_quarters(void **state)
{
    struct ring_fixture *f = *state;
    f->budget_bytes = 16 << 20;
    f->segment_bytes = 1 << 20;
    ring_start(f);
    struct ring_control *control;
    char early[RING_PIN_ID_SIZE], late[RING_PIN_ID_SIZE];
    assert_int_equal(ring_control_open(AT_FDCWD, f->dir, &control, NULL), 0);
    ring_feed(f, 3000, 1400, 1000, 1); /* 4.3 MB */
    ring_writer_rotate(f->writer, f->now_ns);
    int64_t middle = f->now_ns;
    assert_int_equal(ring_pin_create(control, T0, middle, early, NULL), 0);
    usleep(1000);
    assert_int_equal(ring_pin_create(control, middle, T0 + 3600 * NS_PER_S, late, NULL), 0);
    ring_feed(f, 8000, 1400, 1000, 1); /* 11 MB more: over 12 MB pinned, and no room */
    ring_writer_rotate(f->writer, f->now_ns);
    struct error error;
    assert_int_equal(ring_pin_check(control, early, &error), -ESTALE);
    assert_int_equal(ring_pin_check(control, late, &error), 0);
    ring_feed(f, 7000, 1400, 1000, 1);
    ring_writer_rotate(f->writer, f->now_ns);
    assert_int_equal(ring_pin_check(control, late, &error), -ESTALE);
    assert_int_equal(ring_pin_renew(control, late, &error), -ESTALE);
    assert_true(ring_disk_bytes(f) <= f->budget_bytes);
    ring_control_free(control);
}

static void pins_run_out(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    char id[RING_PIN_ID_SIZE];
    int fd = openat(f->dir_fd, "pins", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct ring_interval window = {T0, T0 + 1};
    struct ring_pin pins[RING_MAX_PINS];
    int64_t now = 1000 * NS_PER_S;
    assert_int_equal(ring_pins_create(fd, now, window, id, NULL), 0);
    assert_int_equal(ring_pins_touch(fd, id, now + 59 * NS_PER_S, true, NULL), 0);
    assert_int_equal(ring_pins_load(fd, now + 118 * NS_PER_S, pins), 1);
    assert_int_equal(ring_pins_touch(fd, id, now + 119 * NS_PER_S, true, NULL), -ESTALE);
    assert_int_equal(ring_pins_load(fd, now + 119 * NS_PER_S, pins), 0);
    /* of another boot: its time lies ahead */
    assert_int_equal(ring_pins_create(fd, now, window, id, NULL), 0);
    assert_int_equal(ring_pins_load(fd, 5 * NS_PER_S, pins), 0);
    assert_int_equal(ring_pins_touch(fd, "../../../../../../etc/passwd00000", now, true, NULL),
                     -EINVAL);
    for (int i = 0; i < RING_MAX_PINS; i++)
        assert_int_equal(ring_pins_create(fd, now, window, id, NULL), 0);
    assert_int_equal(ring_pins_create(fd, now, window, id, NULL), -EAGAIN);
    close(fd);
}

/* ── requests ── */

struct server {
    struct ring_requests *requests;
    unsigned answered;
};

static void *serve(void *arg)
{
    struct server *server = arg;
    while (server->answered < 40) {
        struct ring_request request;
        if (ring_requests_take(server->requests, clock_mono_ns(), &request)) {
            ring_requests_answer(server->requests, request.slot,
                                 request.command == RING_COMMAND_PAUSE ? -EINVAL : 0,
                                 1000 + (int64_t)request.command);
            server->answered++;
        }
    }
    return NULL;
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void *ask(void *arg)
{
    struct ring_requests *requests = arg;
    for (int i = 0; i < 10; i++) {
        int64_t value = 0;
        enum ring_command command = i % 2 ? RING_COMMAND_PAUSE : RING_COMMAND_ROTATE;
        int r = ring_requests_ask(requests, command, 10 * NS_PER_S, always, NULL, &value);
        if (r != (i % 2 ? -EINVAL : 0) || value != 1000 + (int64_t)command)
            return requests;
    }
    return NULL;
}

static void requests_are_answered_to_who_asked(void **state)
{
    struct ring_fixture *f = *state;
    struct server server = {0};
    struct ring_requests *asking;
    pthread_t threads[5];
    assert_int_equal(ring_requests_serve(f->dir_fd, &server.requests, NULL), 0);
    assert_int_equal(ring_requests_open(f->dir_fd, &asking), 0);
    pthread_create(&threads[0], NULL, serve, &server);
    for (int i = 1; i < 5; i++)
        pthread_create(&threads[i], NULL, ask, asking);
    for (int i = 0; i < 5; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    int64_t value;
    assert_int_equal(
        ring_requests_ask(asking, RING_COMMAND_ROTATE, NS_PER_MS, always, NULL, &value),
        -ETIMEDOUT);
    ring_requests_free(asking);
    ring_requests_free(server.requests);
}

static void without_a_capturer_control_says_so(void **state)
{
    struct ring_fixture *f = *state;
    struct ring_control *control;
    struct error error;
    assert_int_equal(ring_control_open(AT_FDCWD, f->dir, &control, NULL), 0);
    assert_int_equal(ring_control_rotate(control, 0, NULL, &error), -ESRCH);
    ring_control_free(control);
}

static void names_are_strict(void **state)
{
    (void)state;
    uint32_t series;
    uint64_t sequence;
    assert_true(ring_name_parse("00001-0000000042.pcapng", &series, &sequence));
    assert_int_equal(series, 1);
    assert_int_equal(sequence, 42);
    static const char *const wrong[] = {"",
                                        "1-42.pcapng",
                                        "00001-0000000042.pcapng.idx",
                                        "00001-0000000042.idx",
                                        "00001-0000000042",
                                        "../00001-0000000042.pcapng",
                                        "00001-000000004 .pcapng",
                                        "-0001-0000000042.pcapng",
                                        "00001-00000000420.pcapng",
                                        "00001_0000000042.pcapng"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ring_name_parse(wrong[i], &series, &sequence));
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, ring_setup, ring_teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(pause_of_three_seconds_is_that_gap),
        RING_TEST(cut_segment_is_damage),
        RING_TEST(cut_segment_stays_damage_after_recovery),
        RING_TEST(time_without_a_capturer_is_a_gap),
        RING_TEST(recycled_time_is_named_so),
        RING_TEST(budget_is_never_exceeded),
        RING_TEST(smaller_budget_shrinks_at_the_start),
        RING_TEST(clock_steps_begin_a_segment),
        RING_TEST(rotation_after_a_minute_only_with_packets),
        RING_TEST(window_edges_are_half_open),
        RING_TEST(drops_are_declared_where_they_happened),
        RING_TEST(pinned_segments_stay),
        RING_TEST(oldest_pin_breaks_beyond_three_quarters),
        RING_TEST(pins_run_out),
        RING_TEST(requests_are_answered_to_who_asked),
        RING_TEST(without_a_capturer_control_says_so),
        cmocka_unit_test(names_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
