/* Taking snapshots from a made-up ring: windows, edges, gaps, refusals, what goes wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "unit/snapshot/support_take.h"
#include "unit/unit_test.h"

static void window_inside_one_segment(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    /* 100 ms: packets 1200 to 1299; 1200 lies on the start, 1300 on the end */
    int r = take_window(f, fake_time(&f->ring, 1200), fake_time(&f->ring, 1300), id, &e);
    assert_int_equal(r, 0);
    struct snapshot *s = expect_packets(f, id, 1200, 1299);
    assert_false(s->manifest->partial);
    assert_int_equal(s->manifest->nodes[0].file_count, 1);
    assert_true(s->manifest->nodes[0].files[0].trimmed);
    assert_int_equal(s->manifest->nodes[0].covered_count, 1);
    assert_int_equal(s->manifest->nodes[0].gap_count, 0);
    assert_true(snapshot_coverage(s) == 1.0);
    assert_int_equal(s->manifest->nodes[0].first_ns, fake_time(&f->ring, 1200));
    assert_int_equal(s->manifest->nodes[0].last_ns, fake_time(&f->ring, 1299));
    snapshot_unref(s);
}

/* What is asked for beforehand is never less than what a snapshot then takes, and at most the two
 * segments at its edges more. */
static void the_estimate_is_enough(void **state)
{
    struct fixture *f = *state;
    static const unsigned windows[][2] = {{1200, 1201}, {1200, 1300}, {10, 990},
                                          {0, 6000},    {999, 1001},  {1500, 4500}};
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        char id[SNAPSHOT_ID_SIZE];
        struct error e;
        struct snapshot_interval window = {fake_time(&f->ring, windows[i][0]),
                                           fake_time(&f->ring, windows[i][1])};
        struct snapshot_availability found;
        assert_int_equal(snapshot_ask(&who, 1, window, &found, &e), 0);
        assert_int_equal(take_window(f, window.from_ns, window.to_ns, id, &e), 0);
        struct snapshot *s = get(f, id);
        assert_true(s->manifest->size_bytes <= found.estimate_bytes);
        assert_true(found.estimate_bytes <=
                    s->manifest->size_bytes + 2 * f->ring.segments[0].size_bytes);
        assert_int_equal(found.nodes[0].bytes_in_window, found.estimate_bytes);
        snapshot_unref(s);
        snapshot_availability_done(&found);
    }
}

static void inner_segments_are_linked(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    int64_t half = MS / 2;
    assert_int_equal(
        take_window(f, fake_time(&f->ring, 500) - half, fake_time(&f->ring, 4500) + half, id, &e),
        0);
    struct snapshot *s = expect_packets(f, id, 500, 4500);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(node->file_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(node->files[i].linked, i > 0 && i < 4);
        assert_int_equal(node->files[i].trimmed, i == 0 || i == 4);
        if (!node->files[i].linked)
            continue;
        char ours[1200], theirs[1200];
        snprintf(ours, sizeof ours, "%s/snapshots/%s/%s", f->data, id, node->files[i].name);
        snprintf(theirs, sizeof theirs, "%s/%s", f->ring_dir, node->files[i].source);
        struct stat a, b;
        assert_int_equal(stat(ours, &a), 0);
        assert_int_equal(stat(theirs, &b), 0);
        assert_true(a.st_ino == b.st_ino);
    }
    assert_int_equal(f->ring.pins, 1);
    assert_int_equal(f->ring.releases, 1);
    char staging[1200];
    snprintf(staging, sizeof staging, "%s/snapshots/%s/staging", f->data, id);
    assert_int_equal(access(staging, F_OK), -1);
    snapshot_unref(s);
}

static void remote_segments_are_compressed(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 999), fake_time(&f->ring, 3001), id, &e),
                     0);
    struct snapshot *s = expect_packets(f, id, 999, 3000);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(node->file_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(node->files[i].compressed);
        size_t len = strlen(node->files[i].name);
        assert_string_equal(node->files[i].name + len - 11, ".pcapng.zst");
        if (node->files[i].plain_bytes > 10000)
            assert_true(node->files[i].size_bytes < node->files[i].plain_bytes);
    }
    /* any zstd reads it */
    char path[1200];
    snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, id, node->files[1].name);
    char *argv[] = {"zstd", "-t", "-q", path, NULL};
    int code = run_program(argv, NULL, 0);
    if (code != 127)
        assert_int_equal(code, 0);
    snapshot_unref(s);
}

static void clock_offset_shifts_the_window(void **state)
{
    struct fixture *f = *state;
    f->ring.offset_ns = -1234567890;
    fake_ring_init(&f->ring, f->ring_dir, SEGMENTS, PER_SEGMENT);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    /* hub time: packet i was at RING_T0 + i ms */
    assert_int_equal(take_window(f, RING_T0 + 2500 * MS, RING_T0 + 2600 * MS, id, &e), 0);
    struct snapshot *s = expect_packets(f, id, 2500, 2599);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(node->clock_offset_ns, -1234567890);
    assert_string_equal(node->clock_source, "http round trip");
    assert_int_equal(node->first_ns, RING_T0 + 2500 * MS);
    assert_int_equal(node->covered[0].from_ns, RING_T0 + 2500 * MS);
    assert_int_equal(node->covered[0].to_ns, RING_T0 + 2600 * MS);
    /* stored stamps never change */
    assert_int_equal(node->files[0].first_ns, RING_T0 + 2500 * MS - 1234567890);
    snapshot_unref(s);
}

static void gaps_are_declared(void **state)
{
    struct fixture *f = *state;
    int64_t a = fake_time(&f->ring, 2000), b = a + 3 * NS_PER_S;
    f->ring.covered_count = 2;
    f->ring.covered[0].to_ns = a;
    f->ring.covered[1] = (struct ring_interval){b, b + NS_PER_S};
    f->ring.gaps[f->ring.gap_count++] = (struct ring_gap){a, b, RING_GAP_CAPTURE_STOPPED};
    f->ring.count = 2;
    f->ring.drops = (struct ring_drops){.kernel = 7, .ring = 1, .disk = 2};
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1500), b + NS_PER_S / 2, id, &e), 0);
    struct snapshot *s = expect_packets(f, id, 1500, 1999);
    const struct snapshot_manifest *m = s->manifest;
    assert_true(m->partial);
    assert_int_equal(m->missing_count, 1);
    assert_string_equal(m->missing[0].node, "node-1");
    assert_string_equal(m->missing[0].reason, "capture_stopped");
    assert_int_equal(m->missing[0].at.from_ns, a);
    assert_int_equal(m->missing[0].at.to_ns, b);
    assert_int_equal(m->nodes[0].gap_count, 1);
    assert_int_equal(m->nodes[0].covered_count, 2);
    assert_int_equal(m->drops.kernel, 7);
    assert_int_equal(m->nodes[0].drops.disk, 2);
    snapshot_unref(s);
}

static void recycled_start_makes_it_partial(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    int64_t from = RING_T0 - 10 * NS_PER_S;
    assert_int_equal(take_window(f, from, fake_time(&f->ring, 100), id, &e), 0);
    struct snapshot *s = expect_packets(f, id, 0, 99);
    assert_true(s->manifest->partial);
    assert_string_equal(s->manifest->missing[0].reason, "recycled");
    assert_int_equal(s->manifest->missing[0].at.from_ns, from);
    assert_int_equal(s->manifest->missing[0].at.to_ns, RING_T0);
    snapshot_unref(s);
}

static void nothing_left_is_refused(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    struct snapshot_interval window = {RING_T0 - 60 * NS_PER_S, RING_T0 - 50 * NS_PER_S};
    int r = take_window(f, window.from_ns, window.to_ns, id, &e);
    assert_int_equal(r, -ENODATA);
    char oldest[CLOCK_TEXT_SIZE];
    assert_non_null(strstr(e.text, clock_format(RING_T0, oldest)));
    struct snapshot *s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Failed");
    assert_string_equal(s->status_detail, e.text);
    snapshot_unref(s);
    /* the same before it is created */
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_availability a;
    assert_int_equal(snapshot_ask(&who, 1, window, &a, &e), 0);
    assert_false(a.anything);
    assert_int_equal(snapshot_availability_check(&a, window, &e), -ENODATA);
    assert_int_equal(a.oldest_ns, RING_T0);
    snapshot_availability_done(&a);
}

static void no_packets_is_completed_and_empty(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    int64_t from = fake_time(&f->ring, 100) + 1000;
    assert_int_equal(take_window(f, from, from + 1000, id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Completed");
    assert_true(s->manifest->empty);
    assert_false(s->manifest->partial);
    assert_int_equal(s->manifest->packets, 0);
    assert_int_equal(s->manifest->nodes[0].file_count, 0);
    expect_verified(f, id);
    snapshot_unref(s);
}

static void recycled_while_extracting(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    f->ring.gone = 2;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 0), fake_time(&f->ring, 5000), id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_true(s->manifest->partial);
    assert_int_equal(s->manifest->packets, 4000);
    assert_int_equal(s->manifest->missing_count, 1);
    assert_string_equal(s->manifest->missing[0].reason, "recycled while extracting");
    assert_int_equal(s->manifest->missing[0].at.from_ns, fake_time(&f->ring, 2000));
    assert_int_equal(s->manifest->missing[0].at.to_ns, fake_time(&f->ring, 3000));
    assert_int_equal(s->manifest->nodes[0].covered_count, 2);
    assert_int_equal(s->manifest->nodes[0].gaps[0].reason, SNAPSHOT_GAP_RECYCLED);
    snapshot_unref(s);
}

static void node_that_goes_away(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    f->ring.dies_at = 3;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 0), fake_time(&f->ring, 5000), id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 3000);
    assert_true(s->manifest->partial);
    assert_int_equal(s->manifest->nodes[0].gaps[0].reason, SNAPSHOT_GAP_NODE_UNREACHABLE);
    snapshot_unref(s);
}

static int no_openings(void *ctx, const struct ring_openings_window *window, snapshot_sink sink,
                       void *sink_ctx, struct error *reterr)
{
    (void)ctx;
    (void)window;
    (void)sink;
    (void)sink_ctx;
    return error_set(reterr, -EIO, "the openings cannot be read: Input/output error");
}

/* The window is whole, what would help to read it is not there: said, and kept in the evidence. */
static void openings_that_do_not_come_are_declared(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    f->ring.source.openings = no_openings;
    assert_int_equal(take_window(f, fake_time(&f->ring, 0), fake_time(&f->ring, 1000), id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_false(s->manifest->partial);
    struct buf json;
    struct json_writer w;
    buf_init(&json, 1 << 20);
    assert_int_equal(snapshot_manifest_write(s->manifest, &json), 0);
    struct snapshot_manifest *again;
    assert_int_equal(snapshot_manifest_parse(buf_slice(&json), &again, &e), 0);
    assert_non_null(strstr(again->nodes[0].openings_problem, "Input/output error"));
    snapshot_manifest_unref(again);
    buf_reset(&json);
    json_init(&w, &json);
    snapshot_write_json(s, &w);
    buf_append_u8(&json, 0);
    assert_non_null(strstr((const char *)json.data, "older than the window are missing for node"));
    buf_done(&json);
    snapshot_unref(s);
}

static void one_of_two_nodes_unreachable(void **state)
{
    struct fixture *f = *state;
    struct fake_ring dead = {.unreachable = true};
    fake_ring_init(&dead, f->ring_dir, 0, 0);
    dead.unreachable = true;
    char name[] = "two nodes", a[] = "node-1", b[] = "node-2";
    char *nodes[] = {a, b};
    struct snapshot_request request = {.name = name,
                                       .from_ns = fake_time(&f->ring, 10),
                                       .to_ns = fake_time(&f->ring, 20),
                                       .nodes = nodes,
                                       .node_count = 2};
    char id[SNAPSHOT_ID_SIZE];
    struct error e = {.text = ""};
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), 0);
    struct snapshot_take_node who[] = {{.name = "node-1", .source = &f->ring.source},
                                       {.name = "node-2", .source = &dead.source}};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = who,
                                            .node_count = 2,
                                            .in_process = true,
                                            .lead_in_ns = -1};
    assert_int_equal(snapshot_take(&options, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->node_count, 2);
    assert_true(s->manifest->partial);
    assert_false(s->manifest->nodes[1].has_window);
    assert_string_equal(s->manifest->missing[0].node, "node-2");
    assert_string_equal(s->manifest->missing[0].reason, "node_unreachable");
    assert_true(snapshot_coverage(s) == 0.5);
    snapshot_unref(s);
    /* and when none answers */
    f->ring.unreachable = true;
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), 0);
    assert_int_equal(snapshot_take(&options, &e), -EHOSTUNREACH);
    s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Failed");
    snapshot_unref(s);
    /* it may be retried */
    f->ring.unreachable = false;
    assert_int_equal(snapshot_store_retry(f->store, id, &e), 0);
    assert_int_equal(snapshot_take(&options, &e), 0);
}

static void quota_refuses_before_it_starts(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->store);
    struct error e = {.text = ""};
    struct snapshot_store_options options = {
        .data_dir = f->data, .quota_bytes = 300000, .free_floor_bytes = 1};
    assert_int_equal(snapshot_store_open(&options, &f->store, &e), 0);
    char name[] = "large", node[] = "node-1", id[SNAPSHOT_ID_SIZE];
    char *nodes[] = {node};
    struct snapshot_request request = {.name = name,
                                       .from_ns = RING_T0,
                                       .to_ns = fake_time(&f->ring, 6000),
                                       .nodes = nodes,
                                       .node_count = 1,
                                       .estimate_bytes = 400000};
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), -EDQUOT);
    assert_non_null(strstr(e.text, "400000 bytes"));
    assert_non_null(strstr(e.text, "300000 bytes"));
    /* an estimate that was too low is noticed before anything is copied */
    assert_int_equal(take_window(f, RING_T0, fake_time(&f->ring, 6000), id, &e), -EDQUOT);
    struct snapshot *s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Failed");
    snapshot_unref(s);
    struct snapshot_quota quota;
    snapshot_store_quota(f->store, &quota);
    assert_int_equal(quota.used_bytes, 0);
    assert_int_equal(quota.reserved_bytes, 0);
    /* what fits fits, and is given back by delete */
    assert_int_equal(take_window(f, RING_T0, fake_time(&f->ring, 500), id, &e), 0);
    snapshot_store_quota(f->store, &quota);
    assert_true(quota.used_bytes > 100000 && quota.used_bytes < 300000);
    assert_int_equal(quota.limit_bytes, 300000);
    uint64_t freed = 0, used = quota.used_bytes;
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), 0);
    assert_int_equal(freed, used);
    snapshot_store_quota(f->store, &quota);
    assert_int_equal(quota.used_bytes, 0);
}

static void cancelled(void **state)
{
    struct fixture *f = *state;
    bool cancel = true;
    char name[] = "cancelled", node[] = "node-1", id[SNAPSHOT_ID_SIZE];
    char *nodes[] = {node};
    struct snapshot_request request = {.name = name,
                                       .from_ns = RING_T0,
                                       .to_ns = RING_T0 + NS_PER_S,
                                       .nodes = nodes,
                                       .node_count = 1};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), 0);
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .cancel = &cancel,
                                            .in_process = true,
                                            .lead_in_ns = -1};
    assert_int_equal(snapshot_take(&options, &e), -ECANCELED);
    struct snapshot *s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Failed");
    assert_non_null(strstr(s->status_detail, "cancelled"));
    snapshot_unref(s);
    uint64_t freed;
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), 0);
}

static void window_in_the_future_waits(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    int64_t now = clock_now_ns();
    f->ring.covered[0].to_ns = now + 3600 * NS_PER_S;
    assert_int_equal(take_window(f, now - NS_PER_S, now + NS_PER_S / 2, id, &e), 0);
    assert_true(clock_now_ns() >= now + NS_PER_S / 2);
    struct snapshot *s = get(f, id);
    assert_true(s->manifest->empty);
    assert_false(s->manifest->partial);
    snapshot_unref(s);
}

static void bpf_filter_applies(void **state)
{
    struct fixture *f = *state;
    char name[] = "filtered", node[] = "node-1", id[SNAPSHOT_ID_SIZE];
    char filter[] = "udp src port 40003"; /* 0x9c43: every tenth packet */
    char *nodes[] = {node};
    struct snapshot_request request = {.name = name,
                                       .from_ns = RING_T0,
                                       .to_ns = fake_time(&f->ring, 2000),
                                       .nodes = nodes,
                                       .node_count = 1,
                                       .filter = filter};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), 0);
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .in_process = true,
                                            .lead_in_ns = -1};
    assert_int_equal(snapshot_take(&options, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 200);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(window_inside_one_segment, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(the_estimate_is_enough, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(inner_segments_are_linked, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(remote_segments_are_compressed, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(clock_offset_shifts_the_window, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(gaps_are_declared, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(recycled_start_makes_it_partial, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(nothing_left_is_refused, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(no_packets_is_completed_and_empty, take_setup,
                                        take_teardown),
        cmocka_unit_test_setup_teardown(recycled_while_extracting, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(node_that_goes_away, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(openings_that_do_not_come_are_declared, take_setup,
                                        take_teardown),
        cmocka_unit_test_setup_teardown(one_of_two_nodes_unreachable, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(quota_refuses_before_it_starts, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(cancelled, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(window_in_the_future_waits, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(bpf_filter_applies, take_setup, take_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
