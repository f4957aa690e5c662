#include <errno.h>
#include <string.h>

#include "hub/fleet.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_data, setup, teardown),
        cmocka_unit_test_setup_teardown(another_instance_of_a_living_name_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nodes_come_sorted_and_are_found_by_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
