/* This program is its own job: called as `… job KIND` it does what the tests below ask for. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "job/job.h"
#include "job/self_test.h"
#include "unit/unit_test.h"

/* ── the jobs ── */

static int echo(struct job_context *ctx)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (job_enter_sandbox(ctx, &err) < 0)
        return job_fail(ctx, &err);
    job_report(ctx, ctx->request);
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    while (job_next_request(ctx, &line) == 1)
        job_report(ctx, buf_slice(&line));
    buf_done(&line);
    return 0;
}

static int list_open(struct job_context *ctx)
{
    char text[400];
    int n = snprintf(text, sizeof text, "fds");
    for (int fd = 0; fd < 1000; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            n += snprintf(text + n, sizeof text - (size_t)n, " %d", fd);
    job_report(ctx, slice_str(text));
    for (size_t i = 0; environ[i]; i++)
        job_report(ctx, slice_str(environ[i]));
    for (size_t i = 0; i < ctx->fd_count; i++) {
        char content[20] = "";
        (void)!pread(JOB_FIRST_FD + (int)i, content, sizeof content - 1, 0);
        job_report(ctx, slice_str(content));
    }
    printf("to stdout\n");
    return fflush(stdout) < 0;
}

static int give_reason(struct job_context *ctx)
{
    struct error err;
    error_set_at(&err, -EBADMSG, 77, "A \"quoted\" reason.");
    return job_fail(ctx, &err);
}

static int crash(struct job_context *ctx)
{
    (void)ctx;
    return raise(SIGABRT);
}

static int hang(struct job_context *ctx)
{
    job_report(ctx, SLICE_LITERAL("here"));
    return pause();
}

static int flood(struct job_context *ctx)
{
    char line[10000];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 300; i++)
        job_report(ctx, slice_of(line, sizeof line));
    return 3;
}

static const struct job_kind kinds[] = {{"echo", echo},        {"list-open", list_open},
                                        {"fail", give_reason}, {"crash", crash},
                                        {"hang", hang},        {"flood", flood}};

static int be_a_job(const char *kind)
{
    struct job_context ctx;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (job_context_init(&ctx, kind, &err) < 0) {
        job_context_done(&ctx);
        return job_fail(&ctx, &err);
    }
    int code = 2;
    if (strcmp(kind, job_kind_self_test.name) == 0)
        code = job_kind_self_test.run(&ctx);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            code = kinds[i].run(&ctx);
    job_context_done(&ctx);
    return code;
}

/* ── the tests ── */

static struct job *start(const char *kind, struct job_spec *spec)
{
    struct job_spec plain = {.stdout_fd = -1};
    if (!spec)
        spec = &plain;
    struct error err = {0};
    struct job *job = NULL;
    spec->kind = kind;
    if (!spec->request.len)
        spec->request = SLICE_LITERAL("{\"a\":1}");
    int e = job_start(spec, &job, &err);
    if (e)
        print_message("%s\n", err.text);
    assert_int_equal(e, 0);
    return job;
}

static void assert_line(struct job *job, struct buf *line, const char *text)
{
    assert_int_equal(job_receive(job, 20 * NS_PER_S, line), 1);
    buf_append_u8(line, 0);
    assert_string_equal((char *)line->data, text);
}

static void talks_both_ways(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 4096);
    struct job *job = start("echo", NULL);
    assert_line(job, &line, "{\"a\":1}");
    assert_int_equal(job_send(job, SLICE_LITERAL("second")), 0);
    assert_int_equal(job_send(job, SLICE_LITERAL("third")), 0);
    assert_line(job, &line, "second");
    assert_line(job, &line, "third");
    assert_int_equal(job_receive(job, 10 * NS_PER_MS, &line), -ETIMEDOUT);
    assert_int_equal(job_send(job, SLICE_LITERAL("two\nlines")), -EINVAL);
    job_free(job);
    buf_done(&line);
}

static void gets_only_what_it_was_given(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 4096);
    int fds[3], out[2];
    for (int i = 0; i < 3; i++) {
        fds[i] = memfd_create("given", MFD_CLOEXEC);
        assert_int_equal(dprintf(fds[i], "file %d", i), 6);
    }
    assert_int_equal(setenv("SECRET_TOKEN", "x", 1), 0);
    assert_int_equal(pipe(out), 0); /* without O_CLOEXEC: would leak */
    int order[] = {fds[2], fds[0], fds[1]};
    struct job_spec spec = {.fds = order, .fd_count = 3, .stdout_fd = out[1]};
    struct job *job = start("list-open", &spec);
    close(out[1]);
    assert_line(job, &line, "fds 0 1 2 3 4 5 6");
    bool in_files = false;
    const char *const content[] = {"file 2", "file 0", "file 1"};
    size_t next = 0;
    while (job_receive(job, 20 * NS_PER_S, &line) == 1) {
        buf_append_u8(&line, 0);
        const char *text = (const char *)line.data;
        in_files = in_files || strncmp(text, "file", 4) == 0;
        if (in_files)
            assert_string_equal(text, content[next++]);
        else
            assert_null(strstr(text, "SECRET"));
    }
    assert_int_equal(next, 3);
    struct job_result result;
    job_wait(job, &result);
    assert_true(result.ok);
    char text[40] = "";
    assert_int_equal(read(out[0], text, sizeof text - 1), 10);
    assert_string_equal(text, "to stdout\n");
    job_free(job);
    close(out[0]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    buf_done(&line);
}

static void says_how_it_ended(void **state)
{
    (void)state;
    struct job_result result;
    struct job *job = start("fail", NULL);
    job_wait(job, &result);
    assert_false(result.ok);
    assert_int_equal(result.error.code, -EBADMSG);
    assert_string_equal(result.error.text, "A \"quoted\" reason.");
    job_free(job);

    job = start("crash", NULL);
    job_wait(job, &result);
    assert_int_equal(result.signal, SIGABRT);
    assert_non_null(strstr(result.error.text, "crashed"));
    job_free(job);

    job = start("flood", NULL);
    job_wait(job, &result);
    assert_int_equal(result.exit_code, 3);
    assert_non_null(strstr(result.error.text, "exit code 3"));
    job_free(job);

    job = start("no-such-kind", NULL);
    job_wait(job, &result);
    assert_int_equal(result.exit_code, 2);
    job_free(job);
}

static void can_be_cancelled(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 4096);
    struct job *job = start("hang", NULL);
    assert_line(job, &line, "here");
    job_cancel(job);
    struct job_result result;
    job_wait(job, &result);
    assert_int_equal(result.error.code, -ECANCELED);
    assert_string_equal(result.error.text, "cancelled");
    job_free(job);
    job_free(start("hang", NULL)); /* kills and reaps */
    buf_done(&line);
}

static void *start_in_thread(void *arg)
{
    (void)arg;
    return start("echo", NULL);
}

static void outlives_the_thread_that_started_it(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 4096);
    pthread_t thread;
    void *job = NULL;
    assert_int_equal(pthread_create(&thread, NULL, start_in_thread, NULL), 0);
    pthread_join(thread, &job);
    assert_line(job, &line, "{\"a\":1}");
    assert_int_equal(job_send(job, SLICE_LITERAL("still there")), 0);
    assert_line(job, &line, "still there");
    job_free(job);
    buf_done(&line);
}

/* A parent that dies takes its job along. */
static void dies_with_its_parent(void **state)
{
    (void)state;
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        execl("/proc/self/exe", "test_job", "start-and-die", NULL);
        _exit(9);
    }
    int status;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a process of its own: starts a job, whose stdout is a pipe kept by a grandchild-free reader;
 * when the middle process is killed the pipe has to close. */
static int start_and_die(void)
{
    int out[2];
    if (pipe(out) < 0)
        return 1;
    pid_t middle = fork();
    if (middle == 0) {
        close(out[0]);
        struct job_spec spec = {
            .kind = "hang", .request = SLICE_LITERAL("{}"), .stdout_fd = out[1]};
        struct job *job;
        struct error err;
        if (job_start(&spec, &job, &err) < 0)
            _exit(1);
        struct buf line;
        buf_init(&line, 100);
        if (job_receive(job, 20 * NS_PER_S, &line) != 1)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(out[1]);
    char c;
    int status;
    waitpid(middle, &status, 0);
    return read(out[0], &c, 1) == 0 && WIFSIGNALED(status) ? 0 : 1;
}

static void the_sandbox_holds(void **state)
{
    (void)state;
    struct job_self_test_result results[64];
    size_t n = job_self_test(results, 64), open = 0;
    assert_in_range(n, 18, 64);
    for (size_t i = 0; i < n; i++) {
        if (!results[i].held)
            print_message("%s: %s\n", results[i].attempt, results[i].text);
        open += !results[i].held;
    }
    assert_int_equal(open, 0);
}

/* The attempts are real: without the sandbox they get through. */
static void without_the_sandbox_the_attempts_succeed(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("TRAWL_UNSANDBOXED"), 0);
    pid_t child = fork();
    if (child == 0) {
        setenv("TRAWL_UNSANDBOXED", "1", 1);
        execl("/proc/self/exe", "test_job", "unsandboxed", NULL);
        _exit(9);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int unsandboxed(void)
{
    struct job_self_test_result results[64];
    size_t n = job_self_test(results, 64);
    unsigned possible = 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(results[i].attempt, "open") == 0 || strcmp(results[i].attempt, "socket") == 0 ||
            strcmp(results[i].attempt, "fork") == 0)
            possible += strcmp(results[i].text, "it was possible") == 0;
    return possible == 3 ? 0 : 1;
}

static void refuses_a_hand_made_start(void **state)
{
    (void)state;
    assert_int_equal(be_a_job("echo"), 1); /* descriptor 3 is no control socket here */
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "job") == 0)
        return be_a_job(argv[2]);
    if (argc == 2 && strcmp(argv[1], "start-and-die") == 0)
        return start_and_die();
    if (argc == 2 && strcmp(argv[1], "unsandboxed") == 0)
        return unsandboxed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_hand_made_start),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(without_the_sandbox_the_attempts_succeed),
        cmocka_unit_test(talks_both_ways),
        cmocka_unit_test(gets_only_what_it_was_given),
        cmocka_unit_test(says_how_it_ended),
        cmocka_unit_test(can_be_cancelled),
        cmocka_unit_test(outlives_the_thread_that_started_it),
        cmocka_unit_test(the_sandbox_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
