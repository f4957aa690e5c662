/* What is asked before a snapshot is taken: the nodes together, the doubtful ones last. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "snapshot/snapshot_source.h"
#include "unit/unit_test.h"

enum {
    NODES = 40
};

struct meeting {
    atomic_uint asked, wanted;
    unsigned order[NODES];
};

struct guest {
    struct meeting *meeting;
    struct snapshot_source source;
    unsigned number;
    bool waits; /* until the others were asked */
};

/* A node that answers only after others were asked: for ever, if one waited for the other. */
static int meet(void *ctx, struct snapshot_source_status *ret_status, struct error *reterr)
{
    struct guest *g = ctx;
    (void)ret_status;
    g->meeting->order[atomic_fetch_add(&g->meeting->asked, 1)] = g->number;
    for (int i = 0; i < 20000 && g->waits; i++) {
        if (atomic_load(&g->meeting->asked) >= atomic_load(&g->meeting->wanted))
            return error_set(reterr, -ETIMEDOUT, "It met the others.");
        usleep(1000);
    }
    return g->waits ? error_set(reterr, -ETIMEDOUT, "It waited alone.")
                    : error_set(reterr, -EHOSTUNREACH, "It did not wait.");
}

static void invite(struct meeting *m, struct guest *guests, struct snapshot_take_node *nodes,
                   size_t count)
{
    static char names[NODES][32];
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "node-%02zu", i);
        guests[i] = (struct guest){.meeting = m, .number = (unsigned)i};
        guests[i].source = (struct snapshot_source){.ctx = &guests[i], .status = meet};
        nodes[i] = (struct snapshot_take_node){.name = names[i], .source = &guests[i].source};
    }
}

static void slow_nodes_keep_no_other_from_being_asked(void **state)
{
    (void)state;
    struct meeting m = {.wanted = 12};
    struct guest guests[12];
    struct snapshot_take_node nodes[12];
    struct snapshot_availability a;
    struct error e = {0};
    invite(&m, guests, nodes, 12);
    for (size_t i = 0; i < 12; i++)
        guests[i].waits = true;
    assert_int_equal(snapshot_ask(nodes, 12, (struct snapshot_interval){0, 1}, &a, &e), 0);
    assert_int_equal(a.node_count, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_string_equal(a.nodes[i].name, nodes[i].name); /* in the order given */
        assert_string_equal(a.nodes[i].detail, "It met the others.");
        assert_false(a.nodes[i].reachable);
        assert_false(a.nodes[i].may_return);
    }
    assert_false(a.anything);
    assert_false(a.whole);
    snapshot_availability_done(&a);
}

static void doubtful_nodes_are_asked_after_the_others(void **state)
{
    (void)state;
    struct meeting m = {.wanted = NODES};
    struct guest guests[NODES];
    struct snapshot_take_node nodes[NODES];
    struct snapshot_availability a;
    struct error e = {0};
    invite(&m, guests, nodes, NODES);
    for (size_t i = 0; i < NODES; i++)
        nodes[i].doubtful = guests[i].waits =
            i < 20; /* more than are asked at once: all would wait */
    m.wanted = 21;  /* the others, and one of them */
    assert_int_equal(snapshot_ask(nodes, NODES, (struct snapshot_interval){0, 1}, &a, &e), 0);
    assert_int_equal(a.node_count, NODES);
    for (size_t i = 0; i < NODES; i++)
        assert_string_equal(a.nodes[i].detail, i < 20 ? "It met the others." : "It did not wait.");
    snapshot_availability_done(&a);
}

static void nobody_to_ask(void **state)
{
    (void)state;
    struct snapshot_availability a;
    struct error e = {0};
    struct snapshot_interval window = {0, 1};
    assert_int_equal(snapshot_ask(NULL, 0, window, &a, &e), 0);
    assert_false(a.whole);
    assert_int_equal(snapshot_availability_check(&a, window, &e), -EHOSTUNREACH);
    snapshot_availability_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_nodes_keep_no_other_from_being_asked),
        cmocka_unit_test(doubtful_nodes_are_asked_after_the_others),
        cmocka_unit_test(nobody_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
