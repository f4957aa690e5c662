#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "hub/fleet_private.h"
#include "unit/unit_test.h"

#define HEX_32 "0123456789abcdef0123456789abcdef"

/* Nobody listens on port 1: the node's thread asks and gets no answer, which is no error here. */
static struct fleet_registration node(const char *name)
{
    return (struct fleet_registration){.name = name,
                                       .instance = HEX_32,
                                       .address = "127.0.0.1",
                                       .token = HEX_32 HEX_32,
                                       .version = "0.1.0",
                                       .port = 1};
}

static int setup(void **state)
{
    struct fleet *fleet = NULL;
    assert_int_equal(fleet_new(&fleet), 0);
    *state = fleet;
    return 0;
}

static int teardown(void **state)
{
    fleet_free(*state);
    return 0;
}

static void names_are_data(void **state)
{
    static const char *const bad[] = {"",     "../up",   "a/b",      ".hidden", "a b",
                                      "a\nb", "-option", "\x1b[31m", "ä",       NULL};
    struct error err = {0};
    for (size_t i = 0; bad[i]; i++) {
        struct fleet_registration r = node(bad[i]);
        assert_int_equal(fleet_register(*state, &r, &err), -EINVAL);
        assert_null(strpbrk(err.text, "\n\x1b"));
    }
    struct fleet_registration r = node("node-1");
    r.address = "evil.example";
    assert_int_equal(fleet_register(*state, &r, &err), -EINVAL);
    r = node("node-1");
    r.instance = "short";
    assert_int_equal(fleet_register(*state, &r, &err), -EINVAL);
    r = node("node-1");
    assert_int_equal(fleet_register(*state, &r, &err), 0);
}

static void another_instance_of_a_living_name_is_refused(void **state)
{
    struct error err = {0};
    struct fleet_registration first = node("node-1"), second = node("node-1");
    second.instance = "ffffffffffffffffffffffffffffffff";
    assert_int_equal(fleet_register(*state, &first, &err), 0);
    assert_int_equal(fleet_register(*state, &second, &err), -EEXIST);
    assert_non_null(strstr(err.text, "--node"));
    assert_int_equal(fleet_register(*state, &first, &err), 0);
}

static void nodes_come_sorted_and_are_found_by_name(void **state)
{
    struct error err = {0};
    static const char *const names[] = {"web-2", "web-1", "db", NULL};
    for (size_t i = 0; names[i]; i++) {
        struct fleet_registration r = node(names[i]);
        assert_int_equal(fleet_register(*state, &r, &err), 0);
    }
    struct fleet_node **nodes;
    size_t count;
    assert_int_equal(fleet_nodes(*state, NULL, &nodes, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_string_equal(fleet_node_name(nodes[0]), "db");
    assert_string_equal(fleet_node_name(nodes[2]), "web-2");
    fleet_nodes_done(nodes, count);
    static const char *const some[] = {"web-1", "web-1", "db", NULL};
    assert_int_equal(fleet_nodes(*state, some, &nodes, &count, &err), 0);
    assert_int_equal(count, 2); /* once each, in the order asked for */
    assert_string_equal(fleet_node_name(nodes[0]), "web-1");
    assert_int_equal(fleet_node_ring_fd(nodes[0]), -EXDEV);
    fleet_nodes_done(nodes, count);
    static const char *const wrong[] = {"web-3", NULL};
    assert_int_equal(fleet_nodes(*state, wrong, &nodes, &count, &err), -ENOENT);
    assert_non_null(strstr(err.text, "did you mean"));
}

/* ── what is said of a node ── */

static void expect_state(struct fleet *fleet, const char *state, const char *detail)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 64 * 1024);
    json_init(&w, &out);
    fleet_write_json(fleet, &w);
    json_t *nodes = json_loadb((const char *)out.data, out.len, 0, NULL);
    const json_t *first = json_array_get(nodes, 0);
    assert_string_equal(json_string_value(json_object_get(first, "state")), state);
    assert_non_null(strstr(json_string_value(json_object_get(first, "state_detail")), detail));
    json_decref(nodes);
    buf_done(&out);
}

/* The last status was good, and `age_s` ago; its heartbeat was `heartbeat_age_s` old then. */
static void give_status(struct fleet *fleet, int64_t age_s, int64_t heartbeat_age_s)
{
    struct fleet_node *n = fleet_find(fleet, "node-1");
    assert_non_null(n);
    pthread_mutex_lock(&n->lock);
    if (!n->status)
        n->status = calloc(1, sizeof *n->status);
    assert_non_null(n->status);
    n->status->recording = true;
    n->status->now_ns = clock_now_ns();
    n->status->heartbeat_ns = n->status->now_ns - heartbeat_age_s * NS_PER_S;
    n->status_mono_ns = clock_mono_ns() - age_s * NS_PER_S;
    pthread_mutex_unlock(&n->lock);
    fleet_node_unref(n);
}

static void a_node_is_not_said_to_record_because_it_once_did(void **state)
{
    struct error err = {0};
    struct fleet_registration r = node("node-1");
    assert_int_equal(fleet_register(*state, &r, &err), 0);
    give_status(*state, 0, 1);
    expect_state(*state, "recording", "");
    give_status(*state, 9, 1);
    expect_state(*state, "silent", "Nothing was heard of it for 9 s");
    give_status(*state, 0, 20);
    expect_state(*state, "not_recording", "heartbeat is 20 s old");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_data, setup, teardown),
        cmocka_unit_test_setup_teardown(another_instance_of_a_living_name_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nodes_come_sorted_and_are_found_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_is_not_said_to_record_because_it_once_did, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
