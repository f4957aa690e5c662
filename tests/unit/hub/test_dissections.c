/* A dissection whose end cannot be written: Failed with the reason, and nothing else suffers. The
 * dissect job is played by this program, which is done at once; a child of it, in which the disk is
 * full, runs the dissection: `test_dissections dissect DATA`. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/dissections.h"
#include "snapshot/snapshot_verify.h"
#include "unit/hub/support_store.h"
#include "unit/unit_test.h"

/* Leaves a part where it was told to; with a file "break" in the data folder it fails then. */
static int run(struct job_context *ctx)
{
    json_t *request = json_loadb((const char *)ctx->request.data, ctx->request.len, 0, NULL);
    char part[4096], broken[4096];
    const char *dir = json_string_value(json_object_get(request, "dir"));
    snprintf(part, sizeof part, "%s/part-000001", dir);
    snprintf(broken, sizeof broken, "%.*s/break", (int)(strstr(dir, "/snapshots/") - dir), dir);
    json_decref(request);
    struct error e = {.code = -EIO, .text = "broken on purpose"};
    if (mkdir(part, 0700) < 0 || access(broken, F_OK) == 0)
        return job_fail(ctx, &e);
    return job_report(ctx, SLICE_LITERAL("{\"done\":{\"packets\":1,\"entries\":3}}")) < 0;
}

static const struct job_kind fake_dissect = {.name = "dissect", .run = run};

/* ── the child ── */

static struct snapshot *only(struct snapshot_store *store)
{
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(store, NULL, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    struct snapshot *s = snapshot_ref(list.items[0]);
    snapshot_list_done(&list);
    return s;
}

static const char *const states[] = {"running", "done", "failed", "cancelled"};

static void close_nothing(void *ctx, const char *id, const char *name)
{
    (void)ctx;
    (void)id;
    (void)name;
}

/* Says how the dissection ended, as whoever waits for it is told. */
static int child(const char *data, bool open_only)
{
    struct snapshot_store *store = support_store_open(data);
    if (open_only) {
        snapshot_store_free(store);
        return 0;
    }
    struct dissections_options options = {.store = store, .close_queries = close_nothing};
    struct dissections *all;
    struct error e = {.text = ""};
    assert_int_equal(dissections_new(&options, &all), 0);
    struct snapshot *s = only(store);
    if (dissections_start(all, s->id, "default", NULL, SLICE_NONE, &e) < 0)
        printf("refused: %s\n", e.text);
    else
        do {
            usleep(10 * 1000);
            snapshot_unref(s);
            s = only(store);
        } while (s->dissection_count == 0 || snapshot_dissection_runs(&s->dissections[0]));
    for (size_t i = 0; i < s->dissection_count; i++)
        printf("%s: %s\n", states[s->dissections[i].state],
               s->dissections[i].reason ? s->dissections[i].reason : "");
    for (size_t i = 0; i < s->dissection_count; i++)
        if (s->dissections[i].redo.present)
            printf("again %s: %s\n", states[s->dissections[i].redo.state],
                   s->dissections[i].redo.reason ? s->dissections[i].redo.reason : "");
    snapshot_unref(s);
    while (!dissections_free(all))
        usleep(10 * 1000);
    snapshot_store_free(store);
    return 0;
}

/* How it ended: as waitpid says. */
static int run_any_child(const char *what, const char *data, const char *variable,
                         const char *value, char out[2048])
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        setenv(variable, value, 1); // NOLINT(concurrency-mt-unsafe): single thread
        execl("/proc/self/exe", "test_dissections", what, data, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t n;
    while (len < 2047 && (n = read(ends[0], out + len, 2047 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void run_child(const char *what, const char *data, const char *variable, const char *value,
                      char out[2048])
{
    int status = run_any_child(what, data, variable, value, out);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ── the parent ── */

struct fixture {
    char dir[200], log[220], data[220];
    unsigned first, calls, last_write; /* of an undisturbed one, in the phase snapshot-state; the
                                          first ones are those of opening the store */
};

/* A fresh hub with one Completed snapshot. */
static void fill(struct fixture *f)
{
    static unsigned next;
    char id[SNAPSHOT_ID_SIZE];
    snprintf(f->data, sizeof f->data, "%s/data%u", f->dir, next++);
    struct snapshot_store *store = support_store_open(f->data);
    support_store_fill(store, id);
    snapshot_store_free(store);
}

static void count_calls(const struct fixture *f, unsigned *ret_calls, unsigned *ret_last_write)
{
    char line[200];
    FILE *log = fopen(f->log, "r");
    assert_non_null(log);
    *ret_calls = *ret_last_write = 0;
    while (fgets(line, sizeof line, log)) {
        *ret_calls += strncmp(line, "snapshot-state ", 15) == 0;
        if (strncmp(line, "snapshot-state write ", 21) == 0)
            *ret_last_write = *ret_calls;
    }
    fclose(log);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char out[2048];
    unsigned none;
    support_folder(f->dir);
    snprintf(f->log, sizeof f->log, "%s/log", f->dir);
    fill(f);
    run_child("open", f->data, "TRAWL_FAULT_LOG", f->log, out);
    count_calls(f, &f->first, &none);
    assert_int_equal(unlink(f->log), 0);
    run_child("dissect", f->data, "TRAWL_FAULT_LOG", f->log, out);
    assert_string_equal(out, "done: \n");
    count_calls(f, &f->calls, &f->last_write);
    assert_true(f->last_write > f->first + 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    support_folder_done(f->dir);
    free(f);
    return 0;
}

/* After the restart: the snapshot is whole, its dissection is what `state` says (−1 = absent). */
static void expect_after_restart(const struct fixture *f, int state)
{
    struct snapshot_store *store = support_store_open(f->data);
    struct snapshot *s = only(store);
    assert_int_equal(s->status, SNAPSHOT_COMPLETED);
    struct snapshot_verify v = {0};
    assert_int_equal(snapshot_verify(store, s->id, &v, NULL), 0);
    assert_true(v.ok);
    snapshot_verify_done(&v);
    assert_int_equal(s->dissection_count, state >= 0);
    if (state >= 0) {
        assert_string_equal(states[s->dissections[0].state], states[state]);
        assert_true(s->dissections[0].reason && s->dissections[0].reason[0]);
    }
    snapshot_unref(s);
    snapshot_store_free(store);
}

/* Nothing but the record may be left of it: the disk is full. */
static void expect_no_parts(const struct fixture *f)
{
    char command[300];
    snprintf(command, sizeof command, "%s/snapshots", f->data);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        execlp("find", "find", command, "-path", "*/dissections/*/*", "!", "-name", "state.json*",
               (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    char out[200];
    assert_int_equal(read(ends[0], out, sizeof out), 0);
    close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_full_disk_at_the_last_write(void **state)
{
    struct fixture *f = *state;
    char fault[60], out[2048];
    fill(f);
    snprintf(fault, sizeof fault, "full:%u:snapshot-state", f->last_write);
    run_child("dissect", f->data, "TRAWL_FAULT", fault, out);
    assert_int_equal(strncmp(out, "failed: ", 8), 0);
    assert_non_null(strstr(out, "disk is full"));
    expect_no_parts(f);
    expect_after_restart(f, SNAPSHOT_DISSECTION_FAILED);
}

/* An error at any other call: the dissection is refused, failed with a reason, or done; never
 * silently lost, and the snapshot is never touched. */
static void an_error_at_every_call(void **state)
{
    struct fixture *f = *state;
    unsigned refused = 0, failed = 0;
    for (unsigned n = f->first + 1; n <= f->calls; n++) {
        char fault[60], out[2048];
        fill(f);
        snprintf(fault, sizeof fault, "fail:%u:snapshot-state", n);
        run_child("dissect", f->data, "TRAWL_FAULT", fault, out);
        bool was_refused = strncmp(out, "refused: ", 9) == 0;
        bool was_failed = strncmp(out, "failed: ", 8) == 0;
        assert_true(was_refused || was_failed);
        assert_true(strlen(out) > 20);
        refused += was_refused;
        failed += was_failed;
    }
    print_message("%u refused, %u failed of %u\n", refused, failed, f->calls - f->first);
    assert_true(refused > 0);
    assert_true(failed > 0);
}

/* ── once more ── */

/* After a restart there is a result whose parts are all there, and no parts of another. The run it
 * is of. */
static uint64_t expect_a_result(const struct fixture *f)
{
    struct snapshot_store *store = support_store_open(f->data);
    struct snapshot *s = only(store);
    assert_int_equal(s->dissection_count, 1);
    const struct snapshot_dissection *d = &s->dissections[0];
    assert_int_equal(d->state, SNAPSHOT_DISSECTION_DONE);
    assert_int_equal(d->entries, 3);
    assert_true(snapshot_is_dissected(s));
    assert_false(snapshot_dissection_runs(d));
    for (uint64_t run = 0; run < 4; run++) {
        char path[4000], part[4096];
        assert_int_equal(
            snapshot_store_dissection_path(store, s->id, "default", run, path, sizeof path), 0);
        snprintf(part, sizeof part, "%s/part-000001", path);
        assert_int_equal(access(part, F_OK) == 0, run == d->run);
    }
    uint64_t run = d->run;
    snapshot_unref(s);
    snapshot_store_free(store);
    return run;
}

static void a_result_stays_until_there_is_another(void **state)
{
    struct fixture *f = *state;
    char out[2048];
    fill(f);
    run_child("dissect", f->data, "NOTHING", "1", out);
    assert_string_equal(out, "done: \n");
    assert_int_equal(expect_a_result(f), 0);
    char broken[240];
    snprintf(broken, sizeof broken, "%s/break", f->data);
    assert_int_equal(mkdir(broken, 0700), 0);
    run_child("dissect", f->data, "NOTHING", "1", out);
    assert_string_equal(out, "done: \nagain failed: broken on purpose\n");
    assert_int_equal(rmdir(broken), 0);
    assert_int_equal(expect_a_result(f), 0);
    for (uint64_t run = 1; run < 3; run++) {
        run_child("dissect", f->data, "NOTHING", "1", out);
        assert_string_equal(out, "done: \n");
        assert_int_equal(expect_a_result(f), run);
    }
}

/* A byte of the data was changed after it was recorded, where no parser can see it. */
static void changed_data_is_declared(void **state)
{
    struct fixture *f = *state;
    char out[2048], path[4096];
    fill(f);
    struct snapshot_store *store = support_store_open(f->data);
    struct snapshot *s = only(store);
    const struct snapshot_file *file = &s->manifest->nodes[0].files[0];
    snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, s->id, file->name);
    assert_int_equal(chmod(path, 0600), 0);
    FILE *data = fopen(path, "r+");
    assert_non_null(data);
    assert_int_equal(fseek(data, (long)file->size_bytes - 9, SEEK_SET), 0);
    assert_int_equal(fputc('~', data), '~');
    assert_int_equal(fclose(data), 0);
    snapshot_unref(s);
    snapshot_store_free(store);
    run_child("dissect", f->data, "NOTHING", "1", out);
    assert_string_equal(out, "done: \n");
    store = support_store_open(f->data);
    s = only(store);
    assert_int_equal(s->dissections[0].damage, 1);
    assert_false(s->verified.ok);
    assert_int_equal(s->verified.problems_total, 1);
    assert_non_null(strstr(s->verified.problems[0].text, "SHA-256"));
    snapshot_unref(s);
    snapshot_store_free(store);
}

/* Killed, or refused by the disk, at each call: there is always one whole result. */
static void a_fault_at_every_call_of_another_run(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = {"kill", "fail", "full"};
    static const char *const phases[] = {"snapshot-state", "snapshot-delete"};
    unsigned kept = 0, replaced = 0;
    for (size_t i = 0; i < 6; i++) {
        unsigned faults = 0;
        for (unsigned n = 1, hit = 1; hit && n < 60; n++) {
            char fault[60], out[2048];
            fill(f);
            run_child("dissect", f->data, "NOTHING", "1", out);
            snprintf(fault, sizeof fault, "%s:%u:%s", kinds[i % 3], n, phases[i / 3]);
            int status = run_any_child("dissect", f->data, "TRAWL_FAULT", fault, out);
            hit = WIFSIGNALED(status) || strcmp(out, "done: \n") != 0;
            faults += hit;
            if (expect_a_result(f) == 0)
                kept++;
            else
                replaced++;
        }
        print_message("%s in %s: %u faults\n", kinds[i % 3], phases[i / 3], faults);
    }
    assert_true(kept > 10);
    assert_true(replaced > 2);
}

int main(int argc, char **argv)
{
#ifndef TRAWL_FAULTS
    fprintf(stderr, "skipped: this build has no fault points\n");
    return 77;
#endif
    int code = support_job_main(argc, argv, &fake_dissect);
    if (code >= 0)
        return code;
    if (argc == 3)
        return child(argv[2], strcmp(argv[1], "open") == 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_at_the_last_write),
        cmocka_unit_test(an_error_at_every_call),
        cmocka_unit_test(a_result_stays_until_there_is_another),
        cmocka_unit_test(changed_data_is_declared),
        cmocka_unit_test(a_fault_at_every_call_of_another_run),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
