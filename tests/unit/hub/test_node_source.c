/* A worker that takes connections and never answers: what is asked of it ends at its deadline. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub/fleet_private.h"
#include "hub/node_source.h"
#include "unit/unit_test.h"

#define HEX_32 "0123456789abcdef0123456789abcdef"

struct fixture {
    struct fleet *fleet;
    int listener;
};

static int setup(void **state)
{
    static struct fixture f;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(f.listener, 64), 0);
    assert_int_equal(getsockname(f.listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(fleet_new(&f.fleet), 0);
    struct fleet_registration r = {.name = "silent",
                                   .instance = HEX_32,
                                   .address = "127.0.0.1",
                                   .token = HEX_32 HEX_32,
                                   .version = "0.1.0",
                                   .port = ntohs(at.sin_port)};
    assert_int_equal(fleet_register(f.fleet, &r, NULL), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close(f->listener); /* the node's thread, which asks too, is refused */
    fleet_free(f->fleet);
    return 0;
}

static void what_is_asked_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct node_sources sources;
    struct snapshot_availability a;
    struct error e = {0};
    assert_int_equal(node_sources_make(f->fleet, NULL, false, &sources, &e), 0);
    assert_int_equal(sources.count, 1);
    assert_true(sources.nodes[0].doubtful); /* it has never answered */
    struct snapshot_interval window = {clock_now_ns() - NS_PER_S, clock_now_ns()};
    int64_t began = clock_mono_ns();
    node_sources_set_deadline(&sources);
    assert_int_equal(snapshot_ask(sources.nodes, sources.count, window, &a, &e), 0);
    assert_true(clock_mono_ns() >= began + NS_PER_S); /* it was asked, and waited for */
    assert_false(a.nodes[0].reachable);
    assert_false(a.nodes[0].may_return); /* one that hangs is not waited for */
    assert_non_null(strstr(a.nodes[0].detail, "did not answer in time"));
    assert_int_equal(snapshot_availability_check(&a, window, &e), -EHOSTUNREACH);
    snapshot_availability_done(&a);
    /* now it is over: nothing is asked any more */
    struct snapshot_source_status status;
    const struct snapshot_source *source = sources.nodes[0].source;
    assert_int_equal(source->status(source->ctx, &status, &e), -ETIMEDOUT);
    assert_non_null(strstr(e.text, "silent"));
    node_sources_done(&sources);
}

/* Announcing itself again and again is no sign that it will ever answer. */
static void one_that_only_announces_itself_is_not_awaited(void **state)
{
    struct fixture *f = *state;
    struct fleet_node *n = fleet_find(f->fleet, "silent");
    assert_non_null(n);
    assert_true(fleet_node_heard_lately(n)); /* it is new */
    pthread_mutex_lock(&n->lock);
    n->known_mono_ns -= (WORKER_SILENT_SECONDS + 1) * NS_PER_S;
    n->registered_mono_ns = clock_mono_ns();
    pthread_mutex_unlock(&n->lock);
    assert_false(fleet_node_heard_lately(n));
    pthread_mutex_lock(&n->lock);
    n->status = calloc(1, sizeof *n->status);
    assert_non_null(n->status);
    n->status_mono_ns = clock_mono_ns() - 2 * NS_PER_S;
    pthread_mutex_unlock(&n->lock);
    assert_true(fleet_node_heard_lately(n)); /* it answered a moment ago */
    fleet_node_unref(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_ends_at_the_deadline),
        cmocka_unit_test(one_that_only_announces_itself_is_not_awaited),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
