/* Questions end: with their asker, after their time, with their source. The query job is played by
 * this program, which answers, dawdles or hangs as it is told. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "hub/queries.h"
#include "unit/hub/support_store.h"
#include "unit/unit_test.h"

enum {
    ITEMS = 6
};

/* ── the job ── */

static void say(struct job_context *ctx, const char *question, const char *rest)
{
    char line[200];
    int n = (int)strcspn(question, ","); /* {"q":7 */
    snprintf(line, sizeof line, "%.*s,%s}", n, question, rest);
    (void)job_report(ctx, slice_str(line));
}

/* Only when it is not the first question of this process. */
static void crash_later(struct job_context *ctx, const char *question)
{
    if (strncmp(question, "{\"q\":1,", 7) != 0) {
        if (strstr(question, "\"item first\""))
            say(ctx, question, "\"item\":1");
        (void)raise(SIGKILL);
    }
    say(ctx, question, "\"result\":1");
}

static void answer(struct job_context *ctx, const char *question)
{
    char text[60];
    if (strstr(question, "\"hang\"")) {
        (void)pause();
    } else if (strstr(question, "\"dawdle\"")) {
        for (int i = 0; i < ITEMS; i++) {
            usleep(500 * 1000);
            say(ctx, question, "\"item\":1");
        }
        say(ctx, question, "\"result\":{}");
    } else if (strstr(question, "\"crash\"")) {
        (void)raise(SIGABRT);
    } else if (strstr(question, "\"crash later\"")) {
        crash_later(ctx, question);
    } else {
        snprintf(text, sizeof text, "\"result\":%d", (int)getpid());
        say(ctx, question, text);
    }
}

static int run(struct job_context *ctx)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    (void)job_report(ctx, SLICE_LITERAL("{\"ready\":true,\"entries\":0}"));
    while (job_next_request(ctx, &line) == 1) {
        buf_append_u8(&line, 0);
        answer(ctx, (const char *)line.data);
    }
    buf_done(&line);
    return 0;
}

static const struct job_kind fake_query = {.name = "query", .run = run};

/* ── the hub's side ── */

struct fixture {
    char dir[200], id[SNAPSHOT_ID_SIZE];
    struct snapshot_store *store;
    struct queries *queries;
};

static void start(struct fixture *f, int64_t answer_ns)
{
    struct queries_options options = {.store = f->store, .answer_ns = answer_ns};
    assert_int_equal(queries_new(&options, &f->queries), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[600];
    support_folder(f->dir);
    f->store = support_store_open(f->dir);
    support_store_fill(f->store, f->id);
    assert_int_equal(
        snapshot_store_dissection_path(f->store, f->id, "default", 0, path, sizeof path), 0);
    assert_int_equal(io_make_dirs("test", path, 0700), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    queries_free(f->queries);
    snapshot_store_free(f->store);
    support_folder_done(f->dir);
    free(f);
    return 0;
}

static int ask_members(struct fixture *f, const char *question, const struct api_listener *listener,
                       struct api_problem *problem, pid_t *ret_pid)
{
    struct buf result;
    buf_init(&result, 1000);
    int e =
        queries_ask(f->queries, f->id, "default", slice_str(question), listener, &result, problem);
    if (ret_pid) {
        buf_append_u8(&result, 0);
        *ret_pid = e ? 0 : (pid_t)strtol((const char *)result.data, NULL, 10);
    }
    buf_done(&result);
    return e;
}

static int ask(struct fixture *f, const char *op, const struct api_listener *listener,
               struct api_problem *problem, pid_t *ret_pid)
{
    char question[40];
    snprintf(question, sizeof question, "\"op\":\"%s\"", op);
    return ask_members(f, question, listener, problem, ret_pid);
}

static pid_t process_of(struct fixture *f)
{
    struct api_problem problem;
    pid_t pid;
    assert_int_equal(ask(f, "pid", NULL, &problem, &pid), 0);
    assert_true(pid > 0);
    return pid;
}

/* The one that answered before is no more, and the next question has another. */
static void expect_replaced(struct fixture *f, pid_t old)
{
    assert_int_equal(kill(old, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_not_equal(process_of(f), old);
}

/* Gone at the second look: the question is under way by then. */
static bool goes_away(void *ctx)
{
    unsigned *looks = ctx;
    return ++*looks > 1;
}

static void a_process_answers_many_questions(void **state)
{
    struct fixture *f = *state;
    start(f, 0);
    pid_t first = process_of(f);
    assert_int_equal(process_of(f), first);
}

static void a_question_ends_with_its_asker(void **state)
{
    struct fixture *f = *state;
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    unsigned looks = 0;
    struct api_listener listener = {.gone = goes_away, .gone_ctx = &looks};
    struct api_problem problem;
    assert_int_equal(ask(f, "hang", &listener, &problem, NULL), -ECANCELED);
    assert_int_equal(problem.status, 499);
    assert_int_equal(looks, 2);
    expect_replaced(f, pid);
}

static void a_question_has_its_time(void **state)
{
    struct fixture *f = *state;
    start(f, 700 * NS_PER_MS);
    pid_t pid = process_of(f);
    struct api_problem problem;
    assert_int_equal(ask(f, "hang", NULL, &problem, NULL), -ETIMEDOUT);
    assert_int_equal(problem.status, 503);
    assert_non_null(strstr(problem.detail, "narrow"));
    expect_replaced(f, pid);
}

static int count_item(void *ctx, const void *data, size_t n)
{
    int *count = ctx;
    ++*count;
    (void)data;
    (void)n;
    return 0;
}

/* A long export goes on while it brings something: it takes longer in all than one answer may. */
static void the_time_begins_anew_with_every_item(void **state)
{
    struct fixture *f = *state;
    start(f, 2 * NS_PER_S);
    int items = 0;
    struct api_listener listener = {.item = count_item, .item_ctx = &items};
    struct api_problem problem;
    assert_int_equal(ask(f, "dawdle", &listener, &problem, NULL), 0);
    assert_int_equal(items, ITEMS);
}

static int take_one(void *ctx, const void *data, size_t n)
{
    (void)data;
    (void)n;
    return ++*(int *)ctx > 1 ? -EPIPE : 0;
}

static void an_item_that_nobody_takes_ends_it(void **state)
{
    struct fixture *f = *state;
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    int items = 0;
    struct api_listener listener = {.item = take_one, .item_ctx = &items};
    struct api_problem problem;
    assert_true(ask(f, "dawdle", &listener, &problem, NULL) < 0);
    assert_int_equal(items, 2);
    expect_replaced(f, pid);
}

static void a_process_that_dies_is_a_problem_and_replaced(void **state)
{
    struct fixture *f = *state;
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    struct api_problem problem;
    assert_true(ask(f, "crash", NULL, &problem, NULL) < 0);
    assert_int_equal(problem.status, 502);
    expect_replaced(f, pid);
}

/* Whoever asks next sees nothing of it. */
static void a_process_that_was_killed_is_replaced_unseen(void **state)
{
    struct fixture *f = *state;
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_not_equal(process_of(f), pid);
}

static void a_question_whose_process_dies_is_asked_once_more(void **state)
{
    struct fixture *f = *state;
    struct api_problem problem;
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    assert_int_equal(ask(f, "crash later", NULL, &problem, NULL), 0);
    assert_int_equal(problem.status, 0);
    expect_replaced(f, pid);
}

/* What was handed out cannot be taken back. */
static void it_is_not_once_items_were_seen(void **state)
{
    struct fixture *f = *state;
    struct api_problem problem;
    int items = 0;
    struct api_listener listener = {.item = count_item, .item_ctx = &items};
    start(f, 3600 * NS_PER_S);
    pid_t pid = process_of(f);
    assert_true(ask_members(f, "\"op\":\"crash later\",\"how\":\"item first\"", &listener, &problem,
                            NULL) < 0);
    assert_int_equal(problem.status, 502);
    assert_int_equal(items, 1);
    expect_replaced(f, pid);
}

/* ── several at once ── */

struct asker {
    struct fixture *f;
    const char *question;
    atomic_bool began, gone;
    int result;
    struct api_problem problem;
    pthread_t thread;
};

static bool asker_gone(void *ctx)
{
    struct asker *a = ctx;
    atomic_store(&a->began, true);
    return atomic_load(&a->gone);
}

static void *ask_hang(void *arg)
{
    struct asker *a = arg;
    struct api_listener listener = {.gone = asker_gone, .gone_ctx = a};
    a->result = ask_members(a->f, a->question, &listener, &a->problem, NULL);
    return NULL;
}

static void begin(struct asker *a, struct fixture *f, const char *question)
{
    a->f = f;
    a->question = question;
    assert_int_equal(pthread_create(&a->thread, NULL, ask_hang, a), 0);
    while (!atomic_load(&a->began))
        usleep(10 * 1000);
}

static void end(struct asker *askers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        atomic_store(&askers[i].gone, true);
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].result, -ECANCELED);
        assert_int_equal(askers[i].problem.status, 499);
    }
}

#define HANG(filter) "\"op\":\"hang\",\"filter\":\"" filter "\""

/* Four processes a source: the fifth question waits for its turn, and may go away while it does. */
static void who_waits_for_a_process_may_go_away(void **state)
{
    struct fixture *f = *state;
    struct asker busy[4] = {0}, fifth = {.gone = true};
    start(f, 3600 * NS_PER_S);
    for (size_t i = 0; i < 4; i++)
        begin(&busy[i], f, "\"op\":\"hang\"");
    begin(&fifth, f, "\"op\":\"hang\"");
    end(&fifth, 1);
    end(busy, 4);
    (void)process_of(f);
}

static void slow_filters_leave_a_process_for_the_others(void **state)
{
    struct fixture *f = *state;
    struct asker busy[3] = {0}, fourth = {.gone = true};
    start(f, 3600 * NS_PER_S);
    begin(&busy[0], f, HANG("a"));
    begin(&busy[1], f, HANG("b"));
    begin(&busy[2], f, HANG("c"));
    (void)process_of(f);
    begin(&fourth, f, HANG("d"));
    end(&fourth, 1);
    end(busy, 3);
}

static void downloads_leave_a_process_for_filters(void **state)
{
    struct fixture *f = *state;
    struct asker busy[2] = {0}, third = {.gone = true};
    struct api_problem problem;
    start(f, 3600 * NS_PER_S);
    begin(&busy[0], f, "\"op\":\"lines\",\"how\":\"hang\"");
    begin(&busy[1], f, "\"op\":\"lines\",\"how\":\"hang\"");
    begin(&third, f, "\"op\":\"lines\",\"how\":\"hang\"");
    end(&third, 1);
    assert_int_equal(ask_members(f, "\"op\":\"page\",\"filter\":\"http\"", NULL, &problem, NULL),
                     0);
    end(busy, 2);
}

/* Its third look ends the one it waits for. */
struct patient {
    struct asker *first;
    unsigned looks;
};

static bool look(void *ctx)
{
    struct patient *p = ctx;
    if (++p->looks == 3)
        atomic_store(&p->first->gone, true);
    return false;
}

/* The page and the timeline of one filter: judged once, by the process that has the matches. */
static void the_same_filter_waits_for_what_is_being_found(void **state)
{
    struct fixture *f = *state;
    struct asker first = {0};
    struct patient patient = {.first = &first};
    struct api_listener listener = {.gone = look, .gone_ctx = &patient};
    struct api_problem problem;
    start(f, 3600 * NS_PER_S);
    begin(&first, f, HANG("x"));
    assert_int_equal(ask_members(f, "\"op\":\"page\",\"filter\":\"x\"", &listener, &problem, NULL),
                     0);
    assert_true(patient.looks >= 3);
    end(&first, 1);
}

/* Two processes are idle; the second one has judged this filter. */
static void a_filter_returns_to_the_process_that_knows_it(void **state)
{
    struct fixture *f = *state;
    struct asker first = {0};
    struct api_problem problem;
    pid_t pid, again;
    start(f, 3600 * NS_PER_S);
    begin(&first, f, "\"op\":\"dawdle\",\"filter\":\"x\"");
    assert_int_equal(ask_members(f, "\"op\":\"page\",\"filter\":\"y\"", NULL, &problem, &pid), 0);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.result, 0);
    assert_int_equal(ask_members(f, "\"op\":\"page\",\"filter\":\"y\"", NULL, &problem, &again), 0);
    assert_int_equal(again, pid);
}

static void closing_a_source_ends_its_questions(void **state)
{
    struct fixture *f = *state;
    struct asker busy = {0};
    start(f, 3600 * NS_PER_S);
    begin(&busy, f, "\"op\":\"hang\"");
    queries_close(f->queries, f->id, "default");
    pthread_join(busy.thread, NULL);
    assert_true(busy.result < 0);
    assert_int_equal(busy.problem.status, 504);
    (void)process_of(f);
}

int main(int argc, char **argv)
{
    int code = support_job_main(argc, argv, &fake_query);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_answers_many_questions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_ends_with_its_asker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_question_has_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_begins_anew_with_every_item, setup, teardown),
        cmocka_unit_test_setup_teardown(an_item_that_nobody_takes_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_that_dies_is_a_problem_and_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_process_that_was_killed_is_replaced_unseen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_question_whose_process_dies_is_asked_once_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(it_is_not_once_items_were_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_a_process_may_go_away, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_filters_leave_a_process_for_the_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(downloads_leave_a_process_for_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_filter_waits_for_what_is_being_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_filter_returns_to_the_process_that_knows_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(closing_a_source_ends_its_questions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
