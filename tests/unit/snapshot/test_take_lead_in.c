/* The lead-in: what the ring still has of just before the window, marked, counted nowhere, whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "packet/packet.h"
#include "unit/snapshot/support_take.h"
#include "unit/unit_test.h"

/* Takes packets [from, to) with a lead-in of that many packets' time. */
static struct snapshot *take(struct fixture *f, int64_t lead_in_ns, uint64_t from, uint64_t to)
{
    char name[] = "window", node[] = "node-1", id[SNAPSHOT_ID_SIZE];
    char *nodes[] = {node};
    struct snapshot_request request = {.name = name,
                                       .from_ns = fake_time(&f->ring, from) - f->ring.offset_ns,
                                       .to_ns = fake_time(&f->ring, to) - f->ring.offset_ns,
                                       .nodes = nodes,
                                       .node_count = 1,
                                       .estimate_bytes = 1 << 20};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_store_create(f->store, &request, id, &e), 0);
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .in_process = true,
                                            .lead_in_ns = lead_in_ns};
    if (snapshot_take(&options, &e) < 0)
        fail_msg("%s", e.text);
    expect_verified(f, id);
    return get(f, id);
}

struct before {
    uint64_t least, most, count;
};

static void see(void *ctx, const struct packet *packet)
{
    struct before *b = ctx;
    uint64_t n = packet_number(packet);
    if (b->count == 0 || n < b->least)
        b->least = n;
    if (b->count == 0 || n > b->most)
        b->most = n;
    b->count++;
}

/* What is outside; the rest of the manifest speaks of the window alone. */
static struct before look(struct fixture *f, const struct snapshot *s, uint64_t from, uint64_t to)
{
    const struct snapshot_node *node = &s->manifest->nodes[0];
    struct before before = {0}, inside = {0};
    for (size_t i = 0; i < node->file_count; i++) {
        const struct snapshot_file *file = &node->files[i];
        char path[1200];
        snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, s->id, file->name);
        assert_int_equal(file->outside, file->lead_in);
        assert_int_equal(read_packets(path, see, file->outside ? &before : &inside), file->packets);
        if (file->outside)
            assert_non_null(strstr(file->source, "00001-"));
    }
    assert_int_equal(inside.count, to - from);
    assert_int_equal(inside.least, from);
    assert_int_equal(s->manifest->packets, to - from);
    assert_int_equal(node->packets, to - from);
    assert_int_equal(node->first_ns, fake_time(&f->ring, from) - f->ring.offset_ns);
    assert_int_equal(node->covered_count, 1);
    assert_int_equal(node->covered[0].from_ns, fake_time(&f->ring, from) - f->ring.offset_ns);
    assert_false(s->manifest->partial);
    return before;
}

/* From the segment that the window begins in and the one before it, up to the window exactly. */
static void over_two_segments(void **state)
{
    struct fixture *f = *state;
    f->ring.offset_ns = 3 * NS_PER_S + 7;
    fake_ring_init(&f->ring, f->ring_dir, SEGMENTS, PER_SEGMENT);
    for (int remote = 0; remote < 2; remote++) {
        f->ring.remote = remote;
        struct snapshot *s = take(f, 500 * MS, 3200, 4500);
        struct before before = look(f, s, 3200, 4500);
        assert_int_equal(before.least, 2700);
        assert_int_equal(before.most, 3199);
        assert_int_equal(before.count, 500);
        const struct snapshot_file *file = &s->manifest->nodes[0].files[2];
        assert_true(file->lead_in);
        assert_int_equal(file->compressed, remote);
        snapshot_unref(s);
    }
}

/* Each packet says that it is outside. */
static void each_packet_says_so(void **state)
{
    struct fixture *f = *state;
    struct snapshot *s = take(f, 100 * MS, 1200, 1300);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(node->file_count, 2);
    char path[1200], out[65536];
    snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, s->id, node->files[1].name);
    char *argv[] = {"tshark", "-n",
                    "-r",     path,
                    "-Y",     "frame.comment contains \"outside the window\"",
                    "-T",     "fields",
                    "-e",     "frame.comment",
                    NULL};
    int code = run_program(argv, out, sizeof out);
    if (code != 127) {
        size_t lines = 0;
        for (const char *at = out; (at = strstr(at, "outside the window: shortly before it")); at++)
            lines++;
        assert_int_equal(code, 0);
        assert_int_equal(lines, 100);
    }
    snapshot_unref(s);
}

/* What is not there any more, not what it was, or not to be had leaves the window as it is. */
static void what_is_gone_is_left_out(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    f->ring.gone = 1;
    struct snapshot *s = take(f, 500 * MS, 2200, 2500);
    struct before before = look(f, s, 2200, 2500);
    assert_int_equal(before.least, 2000);
    assert_int_equal(before.count, 200);
    snapshot_unref(s);
    f->ring.gone = -1;
    f->ring.corrupt = 1;
    s = take(f, 500 * MS, 2200, 2500);
    before = look(f, s, 2200, 2500);
    assert_int_equal(before.least, 2000);
    snapshot_unref(s);
    f->ring.corrupt = -1;
    s = take(f, 500 * MS, 0, 300);
    before = look(f, s, 0, 300);
    assert_int_equal(before.count, 0);
    assert_int_equal(s->manifest->nodes[0].file_count, 1);
    snapshot_unref(s);
    s = take(f, -1, 1200, 1300);
    assert_int_equal(s->manifest->nodes[0].file_count, 1);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(over_two_segments, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(each_packet_says_so, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_is_left_out, take_setup, take_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
