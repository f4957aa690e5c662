/* Taking snapshots from a made-up ring: windows, edges, gaps, refusals, what goes wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "packet/packet.h"
#include "snapshot/snapshot_verify.h"
#include "unit/snapshot/support_ring.h"
#include "unit/unit_test.h"

enum {
    SEGMENTS = 6,
    PER_SEGMENT = 1000
};

struct fixture {
    char dir[512], data[520], ring_dir[520];
    struct fake_ring ring;
    struct snapshot_store *store;
};

static int setup(void **state)
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

static int teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->store);
    remove_folder(f->dir);
    free(f);
    return 0;
}

static int take_window(struct fixture *f, int64_t from, int64_t to, char id[SNAPSHOT_ID_SIZE],
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
    struct snapshot_take_options options = {
        .store = f->store, .id = id, .nodes = &who, .node_count = 1, .in_process = true};
    return snapshot_take(&options, e);
}

static struct snapshot *get(struct fixture *f, const char *id)
{
    struct snapshot *s = NULL;
    struct error e = {.text = ""};
    if (snapshot_store_get(f->store, id, &s, &e) < 0)
        fail_msg("%s", e.text);
    return s;
}

struct range {
    uint64_t first, last, count;
    bool ordered;
};

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

/* All packets of a snapshot, file after file. */
static struct range read_all(struct fixture *f, const struct snapshot *s)
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

static void expect_verified(struct fixture *f, const char *id)
{
    struct snapshot_verify v = {0};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    if (!v.ok)
        fail_msg("%s: %s", v.problems[0].file, v.problems[0].text);
    assert_true(v.own_signature);
    snapshot_verify_done(&v);
}

/* Packets first..last come, and no other. */
static struct snapshot *expect_packets(struct fixture *f, const char *id, uint64_t first,
                                       uint64_t last)
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

static struct snapshot_verify verify_it(struct fixture *f, const char *id)
{
    struct snapshot_verify v = {0};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    return v;
}

/* Damage that was there before: said in the manifest, by verify and in what lists show. */
static void expect_source_damage(struct fixture *f, const struct snapshot *s, size_t file,
                                 const char *sentence)
{
    const struct snapshot_file *damaged = &s->manifest->nodes[0].files[file];
    assert_true(s->manifest->partial);
    bool said = false;
    for (size_t i = 0; i < s->manifest->missing_count; i++)
        said |= strstr(s->manifest->missing[i].reason, sentence) != NULL;
    assert_true(said);
    assert_non_null(damaged->damaged);
    assert_non_null(strstr(damaged->damaged, sentence));
    assert_int_equal(snapshot_damaged_files(s), 1);
    struct snapshot_verify v = verify_it(f, s->id);
    assert_false(v.ok);
    assert_int_equal(v.problem_count, 1);
    assert_string_equal(v.problems[0].file, damaged->name);
    assert_non_null(strstr(v.problems[0].text, sentence));
    snapshot_verify_done(&v);
    struct buf json;
    struct json_writer w;
    buf_init(&json, 1 << 20);
    json_init(&w, &json);
    snapshot_write_json(s, &w);
    buf_append_u8(&json, 0);
    assert_non_null(strstr((const char *)json.data, "\"damaged\":\"damaged: segment"));
    assert_non_null(strstr((const char *)json.data, "file comes from damaged segments"));
    buf_done(&json);
}

/* What came is not what was sealed, and twice so: what can be read is kept and named damaged. */
static void changed_remote_segment_is_declared(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    f->ring.corrupt = 1;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 0), fake_time(&f->ring, 3000), id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->nodes[0].file_count, 3);
    assert_true(s->manifest->packets >= 2990); /* a block that was hit costs its packet */
    expect_source_damage(f, s, 1, "SHA-256");
    snapshot_unref(s);
}

static void change_byte(struct fixture *f, size_t segment, off_t at, uint8_t with)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", f->ring_dir, f->ring.segments[segment].name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= with;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

struct place {
    uint64_t number, offset;
};

static void find_place(void *ctx, const struct packet *packet)
{
    struct place *place = ctx;
    if (packet_number(packet) == place->number)
        place->offset = packet->offset;
}

/* Where the block of a packet begins in its segment. */
static off_t block_of(struct fixture *f, size_t segment, uint64_t number)
{
    char path[1200];
    struct place place = {.number = number};
    snprintf(path, sizeof path, "%s/%.31s", f->ring_dir, f->ring.segments[segment].name);
    assert_int_equal(read_packets(path, find_place, &place), PER_SEGMENT);
    assert_true(place.offset > 0);
    return (off_t)place.offset;
}

/* A bit within a packet: no block is broken, and only the source's own sum tells. */
static void changed_bytes_of_an_edge(void **state)
{
    struct fixture *f = *state;
    change_byte(f, 1, block_of(f, 1, 1500) + 100, 0x10);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1200), fake_time(&f->ring, 1300), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 100);
    expect_source_damage(f, s, 0, "does not match the SHA-256 it was sealed with");
    snapshot_unref(s);
}

/* A length that contradicts itself: the block is lost, the others are there. */
static void broken_block_of_an_edge(void **state)
{
    struct fixture *f = *state;
    off_t block = block_of(f, 1, 1250);
    change_byte(f, 1, block + 4, 0x55); /* the block's length */
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1200), fake_time(&f->ring, 1300), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 99);
    expect_source_damage(f, s, 0, "1 of its places could not be read, the first at byte");
    char offset[40];
    snprintf(offset, sizeof offset, "byte %lld", (long long)block);
    assert_non_null(strstr(s->manifest->nodes[0].files[0].damaged, offset));
    snapshot_unref(s);
}

/* Cut after it was listed, in the middle of the window: never "recycled", never lost whole. */
static void cut_inner_segment_gives_what_is_left(void **state)
{
    struct fixture *f = *state;
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", f->ring_dir, f->ring.segments[1].name);
    assert_int_equal(truncate(path, (off_t)f->ring.segments[1].size_bytes / 2), 0);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 2500), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_true(s->manifest->packets > 1450 && s->manifest->packets < 1550);
    assert_true(s->manifest->nodes[0].files[1].trimmed);
    expect_source_damage(f, s, 1, "could not be read");
    for (size_t i = 0; i < s->manifest->missing_count; i++)
        assert_null(strstr(s->manifest->missing[i].reason, "recycled"));
    snapshot_unref(s);
}

/* The node's list says that a segment has lost its end. */
static void cut_segment_says_so(void **state)
{
    struct fixture *f = *state;
    struct ring_segment_info *cut = &f->ring.segments[1];
    cut->sealed_bytes = cut->size_bytes;
    cut->sealed_to_ns = cut->covered_to_ns;
    off_t left = block_of(f, 1, 1600);
    char path[1200];
    snprintf(path, sizeof path, "%s/%.31s", f->ring_dir, cut->name);
    assert_int_equal(truncate(path, left), 0);
    cut->size_bytes = (uint64_t)left;
    cut->packets = 600;
    cut->last_ns = fake_time(&f->ring, 1599);
    cut->covered_to_ns = fake_time(&f->ring, 1599);
    cut->has_sha256 = false;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 2500), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(s->manifest->packets, 500 + 600 + 500);
    assert_int_equal(node->gap_count, 1);
    assert_int_equal(node->gaps[0].reason, SNAPSHOT_GAP_CORRUPT);
    assert_int_equal(node->gaps[0].at.from_ns, fake_time(&f->ring, 1599));
    assert_int_equal(node->gaps[0].at.to_ns, fake_time(&f->ring, 2000));
    assert_int_equal(s->manifest->missing_count, 1);
    assert_non_null(strstr(s->manifest->missing[0].reason, "was cut short"));
    snapshot_unref(s);
}

/* A linked segment keeps the recorder's sum, and lists say at once that it does not match. */
static void changed_linked_segment_is_found_at_once(void **state)
{
    struct fixture *f = *state;
    change_byte(f, 2, block_of(f, 2, 2500) + 100, 0x10);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1000), fake_time(&f->ring, 4000), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 3000);
    assert_true(s->manifest->nodes[0].files[1].linked);
    assert_true(s->verified.at_ns > 0);
    assert_false(s->verified.ok);
    assert_string_equal(s->verified.problems[0].file, s->manifest->nodes[0].files[1].name);
    struct snapshot_verify v = verify_it(f, id);
    assert_false(v.ok);
    snapshot_verify_done(&v);
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
    struct snapshot_take_node who[] = {{"node-1", &f->ring.source}, {"node-2", &dead.source}};
    struct snapshot_take_options options = {
        .store = f->store, .id = id, .nodes = who, .node_count = 2, .in_process = true};
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
    struct snapshot_take_node who = {"node-1", &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .cancel = &cancel,
                                            .in_process = true};
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

static void flipped_bit_is_found(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    char id[SNAPSHOT_ID_SIZE], path[1200];
    struct error e;
    assert_int_equal(take_window(f, RING_T0, fake_time(&f->ring, 4000), id, &e), 0);
    struct snapshot *s = get(f, id);
    const struct snapshot_file *file = &s->manifest->nodes[0].files[1];
    snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, id, file->name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    off_t at = (off_t)file->size_bytes / 2;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    struct snapshot_verify v = {0};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    assert_false(v.ok);
    assert_int_equal(v.problem_count, 1);
    assert_string_equal(v.problems[0].file, file->name);
    assert_true(v.problems[0].offset <= at && at < v.problems[0].offset + 65536);
    assert_int_equal(v.files, 5);
    snapshot_verify_done(&v);
    /* the manifest is evidence too */
    snprintf(path, sizeof path, "%s/snapshots/%s/manifest.json", f->data, id);
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 200), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
    v = (struct snapshot_verify){0};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    assert_int_equal(v.problem_count, 3); /* its sum, its signature, and the file */
    snapshot_verify_done(&v);
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
    struct snapshot_take_node who = {"node-1", &f->ring.source};
    struct snapshot_take_options options = {
        .store = f->store, .id = id, .nodes = &who, .node_count = 1, .in_process = true};
    assert_int_equal(snapshot_take(&options, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 200);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(window_inside_one_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(the_estimate_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(inner_segments_are_linked, setup, teardown),
        cmocka_unit_test_setup_teardown(remote_segments_are_compressed, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_offset_shifts_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(gaps_are_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(recycled_start_makes_it_partial, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_left_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_packets_is_completed_and_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(recycled_while_extracting, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_remote_segment_is_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_bytes_of_an_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_block_of_an_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_inner_segment_gives_what_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_segment_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_linked_segment_is_found_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(node_that_goes_away, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_two_nodes_unreachable, setup, teardown),
        cmocka_unit_test_setup_teardown(quota_refuses_before_it_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(window_in_the_future_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(flipped_bit_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(bpf_filter_applies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
