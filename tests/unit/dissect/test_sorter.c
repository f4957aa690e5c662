/* The sorter: order, index, the same result whether it spilled or not and for any number of lanes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dissect/sorter.h"
#include "unit/unit_test.h"

enum {
    COUNT = 5000
};

static int temporary_file(void)
{
    char name[] = "/tmp/trawl-sorter-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

struct collected {
    uint64_t count;
    int64_t last_ns;
    uint64_t last_hash;
    uint64_t checksum;
    int stop_after;
};

static int collect(void *ctx, const struct entry *entry)
{
    struct collected *c = ctx;
    assert_true(entry->index == c->count);
    if (c->count) {
        assert_true(entry->timestamp_ns >= c->last_ns);
        if (entry->timestamp_ns == c->last_ns)
            assert_true(entry->id_hash >= c->last_hash);
    }
    c->last_ns = entry->timestamp_ns;
    c->last_hash = entry->id_hash;
    const struct entry_value *body = entry_find(entry, FIELD_REQUEST_BODY_ID);
    assert_non_null(body);
    for (size_t i = 0; i < body->text.len; i++)
        c->checksum = c->checksum * 31 + body->text.data[i];
    c->checksum = c->checksum * 31 + entry->id_hash;
    c->count++;
    return c->stop_after && c->count == (uint64_t)c->stop_after ? -ECANCELED : 0;
}

static struct collected sort_some(unsigned lanes, size_t memory, int fd, size_t big,
                                  size_t *ret_runs)
{
    struct sorter *sorter;
    struct sorter_options options = {.memory_bytes = memory, .lanes = lanes, .spill_fd = fd};
    assert_int_equal(sorter_new(&options, &sorter), 0);
    uint8_t *body = malloc(big + 300);
    assert_non_null(body);
    memset(body, 'b', big + 300);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t n = i * 2654435761u; /* some order that is not the final one */
        struct entry_value value = {.field = FIELD_REQUEST_BODY_ID,
                                    .type = FIELD_TEXT,
                                    .text = slice_of(body, n % 977 == 0 ? big : n % 300)};
        struct entry entry = {.timestamp_ns = 1000 + n % 700,
                              .id_hash = n,
                              .protocol = "tcp_conn",
                              .values = &value,
                              .value_count = 1};
        assert_int_equal(sorter_add(sorter_lane_at(sorter, n % lanes), &entry), 0);
    }
    struct collected c = {0};
    struct error error;
    assert_int_equal(sorter_finish(sorter, collect, &c, &error), 0);
    assert_int_equal(c.count, COUNT);
    *ret_runs = sorter_runs(sorter);
    sorter_free(sorter);
    free(body);
    return c;
}

static void spilled_or_not_the_order_is_the_same(void **state)
{
    (void)state;
    size_t runs;
    struct collected a = sort_some(1, 0, -1, 700000, &runs);
    assert_int_equal(runs, 0);
    int fd = temporary_file();
    struct collected b = sort_some(1, 100000, fd, 700000, &runs);
    assert_true(runs > 5);
    assert_true(a.checksum == b.checksum);
    close(fd);
    fd = temporary_file();
    struct collected c = sort_some(7, 300000, fd, 700000, &runs);
    assert_true(runs > 5);
    assert_true(a.checksum == c.checksum);
    close(fd);
}

static void without_a_file_memory_is_the_limit(void **state)
{
    (void)state;
    struct sorter *sorter;
    struct sorter_options options = {.memory_bytes = 4096, .spill_fd = -1};
    assert_int_equal(sorter_new(&options, &sorter), 0);
    struct entry entry = {.protocol = "tcp_conn"};
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++)
        r = sorter_add(sorter_lane_at(sorter, 0), &entry);
    assert_int_equal(r, -ENOSPC);
    sorter_free(sorter);
}

static void the_receiver_may_stop(void **state)
{
    (void)state;
    struct sorter *sorter;
    struct sorter_options options = {.spill_fd = -1};
    assert_int_equal(sorter_new(&options, &sorter), 0);
    struct entry_value value = {.field = FIELD_REQUEST_BODY_ID, .type = FIELD_TEXT};
    struct entry entry = {.protocol = "tcp_conn", .values = &value, .value_count = 1};
    for (int i = 0; i < 10; i++)
        assert_int_equal(sorter_add(sorter_lane_at(sorter, 0), &entry), 0);
    struct collected c = {.stop_after = 3};
    assert_int_equal(sorter_finish(sorter, collect, &c, NULL), -ECANCELED);
    assert_int_equal(c.count, 3);
    sorter_free(sorter);
}

/* At the same time: by connection, then by place in its stream, whatever the ids. */
static int note_id(void *ctx, const struct entry *entry)
{
    uint64_t *seen = ctx;
    *seen = *seen * 10 + entry->id_hash;
    return 0;
}

static void equal_times_keep_the_order_of_the_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t group, order, id;
    } entries[] = {{7, 900, 1}, {7, 20, 5}, {7, 100, 3}, {2, 50, 9}, {7, 100, 2}, {2, 0, 4}};
    struct sorter *sorter;
    struct sorter_options options = {.lanes = 1, .spill_fd = -1};
    assert_int_equal(sorter_new(&options, &sorter), 0);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        struct entry entry = {.timestamp_ns = 1000,
                              .order_group = entries[i].group,
                              .order = entries[i].order,
                              .id_hash = entries[i].id,
                              .protocol = "tcp_conn"};
        assert_int_equal(sorter_add(sorter_lane_at(sorter, 0), &entry), 0);
    }
    uint64_t seen = 0;
    struct error error;
    assert_int_equal(sorter_finish(sorter, note_id, &seen, &error), 0);
    assert_int_equal(seen, 495231);
    sorter_free(sorter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spilled_or_not_the_order_is_the_same),
        cmocka_unit_test(without_a_file_memory_is_the_limit),
        cmocka_unit_test(equal_times_keep_the_order_of_the_bytes),
        cmocka_unit_test(the_receiver_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
