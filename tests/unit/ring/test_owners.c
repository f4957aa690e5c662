/* Owners in segments and indexes: written, made anew, read from the version before. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "ring/ring_format.h"
#include "unit/ring/support_ring.h"
#include "unit/unit_test.h"

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, ring_setup_in_memory, ring_teardown)

static void put_owner(struct ring_fixture *f, const struct owner_end *ends, uint16_t count)
{
    struct owner_note note = {.seen_ns = f->now_ns,
                              .process = {.pid = 4242,
                                          .started_ns = T0,
                                          .name = slice_str("nginx"),
                                          .exe = slice_str("/usr/sbin/nginx")},
                              .ends = (const uint8_t *)ends,
                              .end_count = count};
    struct buf out;
    buf_init(&out, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(&out, &note), 0);
    assert_true(ring_writer_put_owner(f->writer, buf_slice(&out)));
    buf_done(&out);
}

static size_t owned_flows(struct ring_fixture *f, size_t *ret_flows)
{
    struct ring_list list = ring_list_all(f);
    size_t owned = 0;
    *ret_flows = 0;
    for (size_t i = 0; i < list.segment_count; i++) {
        struct ring_index index;
        assert_int_equal(ring_reader_index(f->reader, list.segments[i].name, &index, NULL), 0);
        assert_true(index.sorted);
        *ret_flows += index.flow_count;
        for (size_t k = 0; k < index.flow_count; k++) {
            const struct owner_process *a = index.flows[k].owner_a, *b = index.flows[k].owner_b;
            assert_false(a && b); /* the notes spoke of one end */
            if (a || b) {
                assert_int_equal((a ? a : b)->pid, 4242);
                assert_true(slice_eq_str((a ? a : b)->exe, "/usr/sbin/nginx"));
                owned++;
            }
        }
        ring_index_done(&index);
    }
    ring_list_done(&list);
    return owned;
}

/* Half of ten flows get an owner. */
static void record(struct ring_fixture *f)
{
    struct owner_end ends[64];
    ring_start(f);
    ring_feed(f, 100, 200, 1000, 10);
    size_t n = ring_writer_take_new_flows(f->writer, ends, 64);
    assert_int_equal(n, 10);
    assert_int_equal(ring_writer_take_new_flows(f->writer, ends + 10, 54), 0); /* once each */
    put_owner(f, ends, 5);
    ring_stop(f);
}

static void drop_indexes(struct ring_fixture *f)
{
    struct ring_list list = ring_list_all(f);
    for (size_t i = 0; i < list.segment_count; i++) {
        char name[RING_NAME_SIZE];
        ring_name_index(list.segments[i].name, name);
        assert_int_equal(unlinkat(f->dir_fd, name, 0), 0);
    }
    ring_list_done(&list);
}

static void an_index_made_anew_has_them_too(void **state)
{
    struct ring_fixture *f = *state;
    size_t flows;
    record(f);
    assert_int_equal(owned_flows(f, &flows), 5);
    assert_int_equal(flows, 10);
    drop_indexes(f);
    assert_int_equal(owned_flows(f, &flows), 5);
    assert_int_equal(flows, 10);
}

static void what_is_no_note_is_refused(void **state)
{
    struct ring_fixture *f = *state;
    static const uint8_t zeros[100];
    ring_start(f);
    ring_feed(f, 10, 200, 1000, 2);
    assert_false(ring_writer_put_owner(f->writer, slice_of(zeros, sizeof zeros)));
    assert_false(ring_writer_put_owner(f->writer, SLICE_NONE));
    ring_stop(f);
}

/* A segment is never filled with notes. */
static void notes_have_a_limit(void **state)
{
    struct ring_fixture *f = *state;
    struct owner_end ends[OWNER_NOTE_MAX_ENDS] = {{.local_port = 1}};
    struct owner_note note = {.ends = (const uint8_t *)ends, .end_count = OWNER_NOTE_MAX_ENDS};
    struct buf out;
    buf_init(&out, OWNER_NOTE_MAX_BYTES);
    assert_int_equal(owner_note_put(&out, &note), 0);
    ring_start(f);
    ring_feed(f, 10, 200, 1000, 2);
    uint64_t put = 0;
    while (put < 100000000 && ring_writer_put_owner(f->writer, buf_slice(&out)))
        put += out.len;
    assert_true(put <= f->segment_bytes / 16);
    ring_feed(f, 10, 200, 1000, 2);
    ring_stop(f);
    assert_int_equal(ring_reader_verify(f->reader, NULL, NULL, NULL), 0);
    buf_done(&out);
}

/* The same index as the version before wrote it: 168 bytes of head, no owners. */
static void the_version_before_is_read(void **state)
{
    struct ring_fixture *f = *state;
    ring_start(f);
    ring_feed(f, 100, 200, 1000, 10);
    ring_stop(f);
    struct ring_list list = ring_list_all(f);
    assert_int_equal(list.segment_count, 1);
    char name[RING_NAME_SIZE];
    ring_name_index(list.segments[0].name, name);
    int fd = openat(f->dir_fd, name, O_RDWR);
    uint8_t bytes[64 * 1024];
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_true(n > 200 && n < (ssize_t)sizeof bytes);
    uint32_t version = 1, head = RING_INDEX_HEADER_BYTES_1;
    memcpy(bytes + 8, &version, 4);
    memcpy(bytes + 12, &head, 4);
    memmove(bytes + 168, bytes + 176, (size_t)n - 176);
    size_t len = (size_t)n - 8;
    uint64_t sum = hash_bytes(hash_fixed_key, bytes, len - 8);
    memcpy(bytes + len - 8, &sum, 8);
    assert_int_equal(pwrite(fd, bytes, len, 0), len);
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    close(fd);
    struct ring_index index;
    assert_int_equal(ring_index_load(f->dir_fd, list.segments[0].name, name, &index, NULL), 0);
    assert_int_equal(index.flow_count, 10);
    assert_int_equal(index.owner_count, 0);
    assert_false(index.sorted); /* not known */
    ring_index_done(&index);
    ring_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RING_TEST(an_index_made_anew_has_them_too),
        RING_TEST(what_is_no_note_is_refused),
        RING_TEST(notes_have_a_limit),
        RING_TEST(the_version_before_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
