/* Runs: how many at once, in which order, cancelled, abandoned. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/runs.h"
#include "unit/unit_test.h"

enum {
    AT_ONCE = 2,
    WAITING = 6
};

static struct {
    atomic_uint working, most, begun, freed, told;
    atomic_bool go_on; /* work may end */
    char order[200];   /* keys in the order they began; guarded by `lock` */
    pthread_mutex_t lock;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void work(struct run *run)
{
    unsigned now = atomic_fetch_add(&seen.working, 1) + 1, most = atomic_load(&seen.most);
    while (now > most && !atomic_compare_exchange_weak(&seen.most, &most, now))
        ;
    pthread_mutex_lock(&seen.lock);
    size_t len = strlen(seen.order);
    snprintf(seen.order + len, sizeof seen.order - len, "%s", run->key);
    pthread_mutex_unlock(&seen.lock);
    atomic_fetch_add(&seen.begun, 1);
    while (!atomic_load(&seen.go_on) && !run_is_cancelled(run))
        usleep(1000);
    atomic_fetch_sub(&seen.working, 1);
}

static void free_run(struct run *run)
{
    atomic_fetch_add(&seen.freed, 1);
    free(run);
}

static void tell(struct run *run)
{
    (void)run;
    atomic_fetch_add(&seen.told, 1);
}

static struct runs *begin(unsigned at_once)
{
    struct runs_options options = {.at_once = at_once,
                                   .waiting = WAITING,
                                   .work = work,
                                   .free_run = free_run,
                                   .on_cancel = tell};
    struct runs *runs = NULL;
    seen.working = seen.most = seen.begun = seen.freed = seen.told = 0;
    seen.go_on = false;
    seen.order[0] = 0;
    assert_int_equal(runs_new(&options, &runs), 0);
    return runs;
}

static int setup(void **state)
{
    *state = begin(AT_ONCE);
    return 0;
}

static int add(struct runs *runs, const char *key)
{
    struct run *run = calloc(1, sizeof *run);
    snprintf(run->key, sizeof run->key, "%s", key);
    int e = runs_add(runs, run);
    if (e)
        free(run);
    else
        assert_int_equal(runs_launch(run), 0);
    return e;
}

static void wait_for(atomic_uint *count, unsigned wanted)
{
    while (atomic_load(count) < wanted)
        usleep(1000);
}

static void leave(struct runs *runs)
{
    atomic_store(&seen.go_on, true);
    while (!runs_free(runs))
        usleep(1000);
}

static void so_many_at_once(void **state)
{
    struct runs *runs = *state;
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(add(runs, keys[i]), 0);
    assert_int_equal(add(runs, "c"), -EEXIST);
    assert_int_equal(add(runs, "g"), -EBUSY); /* no place */
    wait_for(&seen.begun, AT_ONCE);
    atomic_store(&seen.go_on, true);
    wait_for(&seen.freed, 6);
    assert_int_equal(atomic_load(&seen.most), AT_ONCE);
    assert_int_equal(add(runs, "a"), 0); /* the key is free again */
    leave(runs);
    wait_for(&seen.freed, 7);
}

static void one_after_the_other_in_their_order(void **state)
{
    struct runs *runs = begin(1);
    static const char *const keys[] = {"f", "b", "d", "c", "e", "a"};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(add(runs, keys[i]), 0);
    atomic_store(&seen.go_on, true);
    wait_for(&seen.freed, 6);
    assert_string_equal(seen.order, "fbdcea");
    leave(runs);
    (void)state;
}

static void a_cancelled_one_has_ended_when_the_answer_comes(void **state)
{
    struct runs *runs = *state;
    assert_int_equal(add(runs, "a"), 0);
    wait_for(&seen.begun, 1);
    assert_true(runs_cancel(runs, "a"));
    assert_int_equal(atomic_load(&seen.working), 0);
    assert_int_equal(atomic_load(&seen.told), 1);
    assert_false(runs_cancel(runs, "a"));
    assert_false(runs_cancel(runs, "never"));
    leave(runs);
}

static void a_cancelled_one_does_not_wait_for_its_turn(void **state)
{
    struct runs *runs = *state;
    assert_int_equal(add(runs, "a"), 0);
    assert_int_equal(add(runs, "b"), 0);
    wait_for(&seen.begun, 2);
    assert_int_equal(add(runs, "c"), 0);
    assert_true(runs_cancel(runs, "c"));
    assert_int_equal(atomic_load(&seen.begun), 3); /* it began, to note that it was cancelled */
    assert_int_equal(atomic_load(&seen.working), 2);
    leave(runs);
}

static void what_waits_at_the_end_never_begins(void **state)
{
    struct runs *runs = *state;
    assert_int_equal(add(runs, "a"), 0);
    assert_int_equal(add(runs, "b"), 0);
    wait_for(&seen.begun, 2);
    assert_int_equal(add(runs, "c"), 0);
    assert_false(runs_free(runs)); /* a and b still work */
    wait_for(&seen.freed, 1);      /* c */
    assert_int_equal(atomic_load(&seen.begun), 2);
    assert_int_equal(add(runs, "d"), -EBUSY);
    leave(runs);
    wait_for(&seen.freed, 3);
}

static void a_dropped_one_gives_its_place_back(void **state)
{
    struct runs *runs = *state;
    struct run run = {.key = "a"};
    assert_int_equal(runs_add(runs, &run), 0);
    runs_drop(&run);
    assert_int_equal(add(runs, "a"), 0);
    leave(runs);
    wait_for(&seen.freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(so_many_at_once, setup),
        cmocka_unit_test(one_after_the_other_in_their_order),
        cmocka_unit_test_setup(a_cancelled_one_has_ended_when_the_answer_comes, setup),
        cmocka_unit_test_setup(a_cancelled_one_does_not_wait_for_its_turn, setup),
        cmocka_unit_test_setup(what_waits_at_the_end_never_begins, setup),
        cmocka_unit_test_setup(a_dropped_one_gives_its_place_back, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
