#include "unit/snapshot/support_take.h"

#include <stdio.h>
#include <stdlib.h>

#include "packet/packet.h"
#include "unit/unit_test.h"

int take_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    make_folder(f->dir);
    snprintf(f->data, sizeof f->data, "%s/hub", f->dir);
    snprintf(f->ring_dir, sizeof f->ring_dir, "%s/ring", f->dir);
    fake_ring_init(&f->ring, f->ring_dir, SEGMENTS, PER_SEGMENT);
    struct error e = {.text = ""};
    struct snapshot_store_options options = {.data_dir = f->data, .free_floor_bytes = 1};
    if (snapshot_store_open(&options, &f->store, &e) < 0)
        fail_msg("%s", e.text);
    *state = f;
    return 0;
}

int take_teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->store);
    remove_folder(f->dir);
    free(f);
    return 0;
}

int take_window(struct fixture *f, int64_t from, int64_t to, char id[SNAPSHOT_ID_SIZE],
                struct error *e)
{
    char name[] = "window", node[] = "node-1";
    char *nodes[] = {node};
    struct snapshot_request request = {
        .name = name, .from_ns = from, .to_ns = to, .nodes = nodes, .node_count = 1};
    *e = (struct error){.text = ""};
    int r = snapshot_store_create(f->store, &request, id, e);
    if (r < 0)
        return r;
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .in_process = true,
                                            .lead_in_ns = -1};
    return snapshot_take(&options, e);
}

struct snapshot *get(struct fixture *f, const char *id)
{
    struct snapshot *s = NULL;
    struct error e = {.text = ""};
    if (snapshot_store_get(f->store, id, &s, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

static void see(void *ctx, const struct packet *packet)
{
    struct range *r = ctx;
    uint64_t n = packet_number(packet);
    if (r->count == 0)
        r->first = n;
    else if (n != r->last + 1)
        r->ordered = false;
    r->last = n;
    r->count++;
}

struct range read_all(struct fixture *f, const struct snapshot *s)
{
    struct range r = {.ordered = true};
    for (size_t n = 0; n < s->manifest->node_count; n++)
        for (size_t i = 0; i < s->manifest->nodes[n].file_count; i++) {
            char path[1200];
            snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, s->id,
                     s->manifest->nodes[n].files[i].name);
            size_t packets = read_packets(path, see, &r);
            assert_int_equal(packets, s->manifest->nodes[n].files[i].packets);
        }
    return r;
}

void expect_verified(struct fixture *f, const char *id)
{
    struct snapshot_verify v = {0};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    if (!v.ok)
        fail_msg("%s: %s", v.problems[0].file, v.problems[0].text);
    assert_true(v.own_signature);
    snapshot_verify_done(&v);
}

struct snapshot *expect_packets(struct fixture *f, const char *id, uint64_t first, uint64_t last)
{
    struct snapshot *s = get(f, id);
    assert_string_equal(snapshot_status_text(s), "Completed");
    struct range r = read_all(f, s);
    assert_true(r.ordered);
    assert_int_equal(r.count, last - first + 1);
    assert_int_equal(r.first, first);
    assert_int_equal(r.last, last);
    assert_int_equal(s->manifest->packets, last - first + 1);
    expect_verified(f, id);
    return s;
}
