/* kill -9, an error and a full disk at every single write, fsync, rename, link, mkdir and unlink of
 * taking, annotating and deleting snapshots. Afterwards the store opens and the promises hold:
 * nothing Completed is lost or altered (P1), everything else is absent, waits to be taken again,
 * or Failed with a reason (P2).
 *
 * The program runs itself: `test_faults child DATA RING` does the work that is broken. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "snapshot/import.h"
#include "snapshot/snapshot_verify.h"
#include "unit/snapshot/support_ring.h"
#include "unit/unit_test.h"

enum {
    SEGMENTS = 4,
    PER_SEGMENT = 50,
    MAX_CALLS = 1000
};

/* Under the sanitizers each point takes several times as long: every fifth is broken there. */
#ifdef __SANITIZE_ADDRESS__
#define KILL_STEP 5
#define FAIL_STEP 7
#else
#define KILL_STEP 1
#define FAIL_STEP 2
#endif

static char program[512];

static int open_store(const char *data, struct snapshot_store **store)
{
    struct error e = {.text = ""};
    struct snapshot_store_options options = {.data_dir = data, .free_floor_bytes = 1};
    int r = snapshot_store_open(&options, store, &e);
    if (r < 0)
        fprintf(stderr, "open: %s\n", e.text);
    return r;
}

static int take(struct snapshot_store *store, struct fake_ring *ring, const char *name)
{
    char copy[64], node[] = "node-1", id[SNAPSHOT_ID_SIZE];
    snprintf(copy, sizeof copy, "%s", name);
    char *nodes[] = {node};
    struct snapshot_request request = {.name = copy,
                                       .from_ns = fake_time(ring, 25),
                                       .to_ns = fake_time(ring, 175),
                                       .nodes = nodes,
                                       .node_count = 1};
    int r = snapshot_store_create(store, &request, id, NULL);
    if (r < 0)
        return r;
    struct snapshot_take_node who = {.name = "node-1", .source = &ring->source};
    struct snapshot_take_options options = {
        .store = store, .id = id, .nodes = &who, .node_count = 1, .in_process = true};
    return snapshot_take(&options, NULL);
}

/* What every snapshot must be, whatever happened. Returns how many carry the name. */
static unsigned check(struct snapshot_store *store, const char *name, bool must_be_completed)
{
    struct snapshot_list list;
    unsigned count = 0;
    assert_int_equal(snapshot_store_list(store, NULL, NULL, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        const struct snapshot *s = list.items[i];
        if (strcmp(s->request.name, name) != 0)
            continue;
        count++;
        assert_true(s->status != SNAPSHOT_IN_PROGRESS);
        if (must_be_completed)
            assert_string_equal(snapshot_status_text(s), "Completed");
        if (s->status == SNAPSHOT_FAILED)
            if (!s->status_detail[0])
                fail_msg("%s failed without a reason; its history ends in \"%s\"", name,
                         s->history_count ? s->history[s->history_count - 1].text : "");
        if (s->status != SNAPSHOT_COMPLETED)
            continue;
        assert_int_equal(s->manifest->packets, s->imported ? 50 : 150);
        struct snapshot_verify v = {0};
        assert_int_equal(snapshot_verify(store, s->id, &v, NULL), 0);
        if (!v.ok)
            fail_msg("%s: %s", v.problems[0].file, v.problems[0].text);
        snapshot_verify_done(&v);
    }
    snapshot_list_done(&list);
    return count;
}

/* ── the child ── */

static int import_segment(struct snapshot_store *store, const struct fake_ring *ring)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", ring->dir, ring->segments[0].name);
    struct snapshot_import import = {.store = store,
                                     .in_fd = open(path, O_RDONLY | O_CLOEXEC),
                                     .file_name = path,
                                     .name = "imported",
                                     .in_process = true};
    int r = import.in_fd < 0 ? -errno : snapshot_import_run(&import, NULL);
    if (import.in_fd >= 0)
        close(import.in_fd);
    return r;
}

static int child(const char *data, const char *ring_dir)
{
    struct fake_ring ring = {0};
    fake_ring_init(&ring, ring_dir, SEGMENTS, PER_SEGMENT);
    struct snapshot_store *store = NULL;
    if (open_store(data, &store) < 0)
        return 1;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    int failures = 0;
    struct snapshot *kept = NULL, *doomed = NULL;
    if (snapshot_store_get(store, "kept", &kept, NULL) < 0)
        failures++;
    else
        failures += snapshot_store_change(
                        store, kept->id,
                        &(struct snapshot_changes){.note = "looked at", .by = "test"}, NULL) < 0;
    failures += take(store, &ring, "local") < 0;
    ring.remote = true;
    failures += take(store, &ring, "remote") < 0;
    failures += import_segment(store, &ring) < 0;
    uint64_t freed;
    if (snapshot_store_get(store, "doomed", &doomed, NULL) < 0 ||
        snapshot_store_delete(store, doomed->id, &freed, NULL) < 0)
        failures++;
    snapshot_unref(kept);
    snapshot_unref(doomed);
    snapshot_store_free(store);
    return failures ? 1 : 0;
}

/* Exit code, or 1000 + signal. */
static int run_child(const char *data, const char *ring, const char *variable, const char *value)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1); // NOLINT(concurrency-mt-unsafe): single thread
        execl(program, program, "child", data, ring, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ── the parent ── */

struct fixture {
    char dir[512], base[530], data[530], ring[530], log[530];
    unsigned calls; /* of an undisturbed run */
};

static void copy_base(struct fixture *f)
{
    (void)io_remove_tree("test", AT_FDCWD, f->data);
    char *argv[] = {"cp", "-a", f->base, f->data, NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
}

static unsigned count_lines(const char *path, const char *phase)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char line[256];
    unsigned count = 0;
    while (fgets(line, sizeof line, in))
        count += strncmp(line, phase, strlen(phase)) == 0;
    fclose(in);
    return count;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    make_folder(f->dir);
    snprintf(f->base, sizeof f->base, "%s/base", f->dir);
    snprintf(f->data, sizeof f->data, "%s/data", f->dir);
    snprintf(f->ring, sizeof f->ring, "%s/ring", f->dir);
    snprintf(f->log, sizeof f->log, "%s/log", f->dir);
    struct fake_ring ring = {0};
    fake_ring_init(&ring, f->ring, SEGMENTS, PER_SEGMENT);
    struct snapshot_store *store = NULL;
    assert_int_equal(open_store(f->base, &store), 0);
    assert_int_equal(take(store, &ring, "kept"), 0);
    ring.remote = true;
    assert_int_equal(take(store, &ring, "doomed"), 0);
    snapshot_store_free(store);
    copy_base(f);
    assert_int_equal(run_child(f->data, f->ring, "TRAWL_FAULT_LOG", f->log), 0);
    f->calls = count_lines(f->log, "");
    assert_true(f->calls > 50 && f->calls < MAX_CALLS);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    remove_folder(f->dir);
    free(f);
    return 0;
}

static void no_leftovers(const struct fixture *f)
{
    char path[600], out[4096];
    snprintf(path, sizeof path, "%s/snapshots", f->data);
    char *argv[] = {"find",     path, "-name", "*.deleting", "-o", "-name",
                    "*.import", "-o", "-name", "staging",    NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_string_equal(out, "");
}

/* After whatever happened: open, look, go on. */
static void recover(struct fixture *f)
{
    struct snapshot_store *store = NULL;
    assert_int_equal(open_store(f->data, &store), 0);
    assert_int_equal(check(store, "kept", true), 1);
    assert_true(check(store, "doomed", true) <= 1);
    assert_true(check(store, "local", false) <= 1);
    assert_true(check(store, "remote", false) <= 1);
    assert_true(check(store, "imported", true) <= 1); /* whole or absent */
    no_leftovers(f);
    /* what waits is taken, and then it is whole */
    struct fake_ring ring = {0};
    fake_ring_init(&ring, f->ring, SEGMENTS, PER_SEGMENT);
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(store, NULL, "Pending", &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        struct snapshot_take_node who = {.name = "node-1", .source = &ring.source};
        struct snapshot_take_options options = {.store = store,
                                                .id = list.items[i]->id,
                                                .nodes = &who,
                                                .node_count = 1,
                                                .in_process = true};
        assert_int_equal(snapshot_take(&options, NULL), 0);
    }
    snapshot_list_done(&list);
    check(store, "local", false);
    check(store, "remote", false);
    snapshot_store_free(store);
}

static void every_phase_is_broken(void **state)
{
    struct fixture *f = *state;
    static const char *const phases[] = {"snapshot-state", "snapshot-manifest", "snapshot-data",
                                         "snapshot-link",  "snapshot-delete",   "snapshot-sums",
                                         "archive-import"};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        unsigned count = count_lines(f->log, phases[i]);
        print_message("%s: %u points\n", phases[i], count);
        assert_true(count > 0);
    }
}

static void killed_at_every_point(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 1; n <= f->calls; n += KILL_STEP) {
        copy_base(f);
        char fault[32];
        snprintf(fault, sizeof fault, "kill:%u", n);
        assert_int_equal(run_child(f->data, f->ring, "TRAWL_FAULT", fault), 1000 + SIGKILL);
        recover(f);
    }
}

static void error_at_every_other_point(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 1; n <= f->calls; n += FAIL_STEP) {
        copy_base(f);
        char fault[32];
        snprintf(fault, sizeof fault, "fail:%u", n);
        int code = run_child(f->data, f->ring, "TRAWL_FAULT", fault);
        if (code > 1)
            fail_msg("%s: the child ends with %d", fault, code);
        recover(f);
    }
}

static void disk_full_from_every_other_point(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 2; n <= f->calls; n += FAIL_STEP) {
        copy_base(f);
        char fault[32];
        snprintf(fault, sizeof fault, "full:%u", n);
        int code = run_child(f->data, f->ring, "TRAWL_FAULT", fault);
        if (code > 1)
            fail_msg("%s: the child ends with %d", fault, code);
        recover(f);
    }
}

int main(int argc, char **argv)
{
#ifndef TRAWL_FAULTS
    fprintf(stderr, "skipped: this build has no fault points\n");
    return 77;
#endif
    if (argc == 4 && strcmp(argv[1], "child") == 0)
        return child(argv[2], argv[3]);
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return 1;
    program[n] = '\0';
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_is_broken),
        cmocka_unit_test(killed_at_every_point),
        cmocka_unit_test(error_at_every_other_point),
        cmocka_unit_test(disk_full_from_every_other_point),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
