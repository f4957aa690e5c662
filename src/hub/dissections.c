#include "hub/dissections.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/dissection_job.h"
#include "hub/runs.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_verify.h"

enum {
    MAX_AT_ONCE = 2,
    MAX_WAITING = 200,
    MAX_ATTEMPTS = 3
};

struct dissection {
    struct run run; /* its key is "<id>/<name>" */
    struct dissections *all;
    struct snapshot *snapshot;
    struct snapshot_dissection record;      /* of this run */
    const struct snapshot_dissection *kept; /* the result until then (in `snapshot`), or NULL */
    char name[80];
    json_t *protocols;
    int keys_fd;          /* a sealed memory file, or −1 */
    pthread_mutex_t lock; /* guards job */
    struct job *job;
};

struct dissections {
    struct dissections_options options;
    struct runs *runs;
};

/* ── its record ── */

/* What others are shown: this run, or the result that there is with this run beside it. */
static int put_record(struct dissection *d, bool persist, struct error *reterr)
{
    const struct snapshot_dissection *r = &d->record;
    struct snapshot_dissection shown = *r;
    if (d->kept && r->state != SNAPSHOT_DISSECTION_DONE) {
        shown = *d->kept;
        shown.redo = (struct snapshot_redo){.present = true,
                                            .state = r->state,
                                            .reason = r->reason,
                                            .percent = r->percent,
                                            .packets = r->packets,
                                            .bytes = r->bytes,
                                            .entries = r->entries,
                                            .eta_ns = r->eta_ns,
                                            .started_at_ns = r->started_at_ns,
                                            .finished_at_ns = r->finished_at_ns};
    }
    return snapshot_store_put_dissection(d->all->options.store, d->snapshot->id, &shown, persist,
                                         reterr);
}

static void on_progress(void *ctx)
{
    (void)put_record(ctx, false, NULL);
}

/* ── the run of one ── */

static uint64_t folder_bytes(int dir, unsigned depth)
{
    uint64_t sum = 0;
    DIR *d = fdopendir(dir);
    if (!d) {
        close(dir);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(d));) {
        struct stat st;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        sum += (uint64_t)st.st_blocks * 512;
        int sub =
            S_ISDIR(st.st_mode) && depth < 3
                ? openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                : -1;
        if (sub >= 0)
            sum += folder_bytes(sub, depth + 1); // NOLINT(misc-no-recursion): depth is bounded
    }
    closedir(d);
    return sum;
}

static void count_bytes(struct dissection *d)
{
    char path[4096];
    if (snapshot_store_dissection_path(d->all->options.store, d->snapshot->id, d->name,
                                       d->record.run, path, sizeof path) < 0)
        return;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        d->record.size_bytes = folder_bytes(dir, 0);
}

static void on_job(void *ctx, struct job *job)
{
    struct dissection *d = ctx;
    pthread_mutex_lock(&d->lock);
    d->job = job;
    if (job && run_is_cancelled(&d->run))
        job_cancel(job);
    pthread_mutex_unlock(&d->lock);
}

static void on_cancel(struct run *run)
{
    struct dissection *d = (struct dissection *)run;
    pthread_mutex_lock(&d->lock);
    if (d->job)
        job_cancel(d->job);
    pthread_mutex_unlock(&d->lock);
}

/* What a dead job of this run left, but not the record: for whoever looks meanwhile the dissection
 * runs. */
static int remove_parts(const struct dissection *d)
{
    char path[4096];
    if (snapshot_store_dissection_path(d->all->options.store, d->snapshot->id, d->name,
                                       d->record.run, path, sizeof path) < 0)
        return -ENAMETOOLONG;
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int e = 0;
    const struct dirent *child;
    while (!e && (child = readdir(dir)) != NULL) // NOLINT(concurrency-mt-unsafe): our own stream
        if (strcmp(child->d_name, ".") != 0 && strcmp(child->d_name, "..") != 0 &&
            strcmp(child->d_name, "state.json") != 0)
            e = io_remove_tree("dissection-retry", dirfd(dir), child->d_name);
    closedir(dir);
    return e;
}

static int run_attempts(struct dissection *d, struct error *reterr)
{
    struct dissection_run run = {.store = d->all->options.store,
                                 .snapshot = d->snapshot,
                                 .record = &d->record,
                                 .protocols = d->protocols,
                                 .keys_fd = d->keys_fd,
                                 .on_job = on_job,
                                 .on_progress = on_progress,
                                 .ctx = d};
    int e = 0;
    bool again = true;
    while (again) {
        d->record.attempts++;
        e = dissection_run(&run, &again, reterr);
        again = e && again && d->record.attempts < MAX_ATTEMPTS && !run_is_cancelled(&d->run);
        if (again) {
            log_warn("dissect", "a dissection crashed and is tried again",
                     "id=%s name=%s attempt=%u reason=\"%.200s\"", d->snapshot->id, d->name,
                     d->record.attempts, reterr->text);
            /* An empty folder for the next try. */
            int cleared = remove_parts(d);
            if (cleared)
                return e; /* the reason of the death says more */
            e = put_record(d, true, reterr);
            again = e == 0;
        }
    }
    return e;
}

/* Of no use, and the disk may be full. */
static void remove_run(struct dissection *d)
{
    if (d->kept)
        (void)snapshot_store_trim_runs(d->all->options.store, d->snapshot->id, d->name,
                                       d->kept->run, NULL);
    else
        (void)remove_parts(d);
}

/* The result cannot be written down. */
static void give_up(struct dissection *d, char *reason)
{
    struct snapshot_dissection *r = &d->record;
    r->state = SNAPSHOT_DISSECTION_FAILED;
    r->reason = reason;
    if (!d->kept) {
        /* Whoever waits learns it now; after a restart the record on disk says that it broke off.
         */
        remove_run(d);
        (void)put_record(d, false, NULL);
    } else if (put_record(d, true, NULL) == 0) {
        remove_run(d);
    } else {
        /* The disk may hold either record: both runs' parts stay until the start reads which. */
        (void)put_record(d, false, NULL);
    }
}

/* The new result is written down: nobody is to read the one before any more. */
static void drop_kept(struct dissection *d)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    d->all->options.close_queries(d->all->options.ctx, d->snapshot->id, d->name);
    if (snapshot_store_trim_runs(d->all->options.store, d->snapshot->id, d->name, d->record.run,
                                 &err) < 0)
        log_warn("dissect", "an earlier result cannot be removed", "id=%s problem=\"%.300s\"",
                 d->snapshot->id, err.text);
}

/* What failed, that nothing else is touched, what to do; the library's words go to the log. */
static void make_sentence(const struct dissection *d, struct error *err)
{
    int code = err->code;
    char cause[sizeof err->cause], shown[400];
    snprintf(cause, sizeof cause, "%s", err->cause);
    text_escape(slice_str(cause[0] ? cause : err->text), shown, sizeof shown);
    if (code == -ENOSPC || code == -EDQUOT)
        error_set(err, code,
                  "The dissection could not be written: %s. The snapshot itself is untouched: "
                  "delete what is no longer needed, then dissect it again.",
                  code == -ENOSPC ? "the hub's disk is full"
                                  : "the disk quota of the hub is used up");
    else if (code == -EIO && cause[0])
        error_set(err, code,
                  "The dissection could not be written: the hub's disk does not take it. The "
                  "snapshot itself is untouched: look at the disk and the hub's log, then dissect "
                  "it again.");
    else if (!cause[0])
        return;
    log_warn("dissect", "a dissection failed", "id=%s name=%s cause=\"%s\"", d->snapshot->id,
             d->name, shown);
}

static void finish(struct dissection *d, int e, struct error *err)
{
    if (e)
        make_sentence(d, err);
    struct snapshot_dissection *r = &d->record;
    bool cancelled = e && run_is_cancelled(&d->run);
    r->finished_at_ns = clock_now_ns();
    r->state = !e          ? SNAPSHOT_DISSECTION_DONE
               : cancelled ? SNAPSHOT_DISSECTION_CANCELLED
                           : SNAPSHOT_DISSECTION_FAILED;
    if (e)
        r->reason = cancelled ? (char[]){"It was cancelled."} : err->text;
    if (e)
        remove_run(d);
    count_bytes(d);
    struct error saved = {.offset = ERROR_NO_OFFSET};
    if (put_record(d, true, &saved) < 0) {
        log_error("dissect", "the result cannot be kept", "id=%s problem=\"%.300s\"",
                  d->snapshot->id, saved.text);
        make_sentence(d, &saved);
        give_up(d, e ? r->reason : saved.text);
        e = e ? e : saved.code;
    } else if (!e && d->kept) {
        drop_kept(d);
    }
    r->reason = NULL;
    log_info("dissect", e ? "a dissection was not finished" : "a dissection is done",
             "id=%s name=%s entries=%llu ms=%lld", d->snapshot->id, d->name,
             (unsigned long long)r->entries,
             (long long)((r->finished_at_ns - r->started_at_ns) / NS_PER_MS));
}

/* The parser sees damage only where it breaks the format. The sums see all of it: whoever reads the
 * entries is told, and the snapshot's warnings name the file. */
static void compare_sums(struct dissection *d)
{
    struct snapshot_verify verify = {.cancel = &d->run.cancel};
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct snapshot_store *store = d->all->options.store;
    int e = snapshot_verify(store, d->snapshot->id, &verify, &err);
    size_t known = snapshot_damaged_files(d->snapshot); /* counted, and in the manifest */
    if (!e && verify.problem_count > known) {
        d->record.damage += verify.problem_count - known;
        e = snapshot_verify_keep(store, d->snapshot->id, &verify, &err);
    }
    if (e && !run_is_cancelled(&d->run))
        log_warn("dissect", "the files were not compared with their sums",
                 "id=%s problem=\"%.300s\"", d->snapshot->id, err.text);
    snapshot_verify_done(&verify);
    snapshot_hash_leave_thread();
}

static void work(struct run *run)
{
    struct dissection *d = (struct dissection *)run;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = run_is_cancelled(run) ? -ECANCELED : run_attempts(d, &err);
    if (!e)
        compare_sums(d);
    finish(d, e, &err);
}

static void free_dissection(struct run *run)
{
    struct dissection *d = (struct dissection *)run;
    snapshot_unref(d->snapshot);
    json_decref(d->protocols);
    if (d->keys_fd >= 0)
        close(d->keys_fd);
    free(d->record.protocols);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ── life ── */

int dissections_new(const struct dissections_options *options, struct dissections **ret)
{
    static const struct runs_options runs = {.at_once = MAX_AT_ONCE,
                                             .waiting = MAX_WAITING,
                                             .work = work,
                                             .free_run = free_dissection,
                                             .on_cancel = on_cancel};
    struct dissections *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->options = *options;
    int e = runs_new(&runs, &all->runs);
    if (e)
        free(all);
    else
        *ret = all;
    return e;
}

bool dissections_free(struct dissections *all)
{
    if (!all)
        return true;
    if (!runs_free(all->runs))
        return false;
    free(all);
    return true;
}

/* ── starting ── */

/* An earlier one of this name makes room, but a result stays until there is another one. */
static int make_room(struct dissection *d, struct error *reterr)
{
    const struct snapshot *snapshot = d->snapshot;
    const struct dissections_options *options = &d->all->options;
    if (!snapshot->manifest)
        return error_set(reterr, -EBUSY,
                         "Only a completed snapshot can be dissected; this one is "
                         "%s.",
                         snapshot_status_text(snapshot));
    for (size_t i = 0; i < snapshot->dissection_count; i++) {
        const struct snapshot_dissection *earlier = &snapshot->dissections[i];
        if (strcmp(earlier->name, d->name) != 0)
            continue;
        if (earlier->state == SNAPSHOT_DISSECTION_DONE) {
            d->kept = earlier;
            d->record.run = earlier->run + 1;
            return snapshot_store_make_run(options->store, snapshot->id, d->name, d->record.run,
                                           reterr);
        }
        options->close_queries(options->ctx, snapshot->id, d->name);
        return snapshot_store_delete_dissection(options->store, snapshot->id, d->name, reterr);
    }
    return 0;
}

static int make_protocols(struct dissection *d, const char *const *protocols)
{
    if (!protocols)
        return 0;
    d->protocols = json_array();
    for (size_t i = 0; protocols[i]; i++)
        if (json_array_append_new(d->protocols, json_string(protocols[i])) < 0)
            return -ENOMEM;
    return d->protocols ? 0 : -ENOMEM;
}

/* Nobody parses it here: the job reads it in its sandbox. */
static int hold_keys(struct dissection *d, struct slice keys, struct error *reterr)
{
    if (!keys.len)
        return 0;
    d->keys_fd = memfd_create("keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int e = d->keys_fd < 0 ? -errno : io_write("keys", d->keys_fd, keys.data, keys.len);
    if (!e && fcntl(d->keys_fd, F_ADD_SEALS,
                    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        e = -errno;
    return e ? error_set(reterr, e, "The keys cannot be handed on: %s.", strerror(-e)) : 0;
}

/* The place in the list is taken: nobody else works on this name. */
static int prepare(struct dissection *d, const char *id, struct error *reterr)
{
    struct dissections *all = d->all;
    int e = snapshot_store_get(all->options.store, id, &d->snapshot, reterr);
    d->record = (struct snapshot_dissection){.name = d->name,
                                             .state = SNAPSHOT_DISSECTION_RUNNING,
                                             .eta_ns = -1,
                                             .started_at_ns = clock_now_ns()};
    if (!e)
        e = make_room(d, reterr);
    if (e)
        return e;
    e = put_record(d, true, reterr);
    if (e)
        make_sentence(d, reterr);
    if (!e && runs_launch(&d->run) < 0) {
        e = error_set(reterr, -EAGAIN, "There is no thread for another dissection.");
        d->record.state = SNAPSHOT_DISSECTION_FAILED;
        d->record.finished_at_ns = clock_now_ns();
        d->record.reason = (char[]){"There was no thread for it."};
        (void)put_record(d, true, NULL);
    }
    return e;
}

static void make_key(const char *id, const char *name, char key[RUN_KEY_SIZE])
{
    snprintf(key, RUN_KEY_SIZE, "%.30s/%.80s", id, name);
}

int dissections_start(struct dissections *all, const char *id, const char *name,
                      const char *const *protocols, struct slice keys, struct error *reterr)
{
    struct dissection *d = calloc(1, sizeof *d);
    if (!d)
        return error_set(reterr, -ENOMEM, "There is no memory to start a dissection.");
    d->keys_fd = -1;
    d->all = all;
    pthread_mutex_init(&d->lock, NULL);
    snprintf(d->name, sizeof d->name, "%s", name);
    make_key(id, name, d->run.key);
    int e = make_protocols(d, protocols);
    if (e)
        error_set(reterr, e, "There is no memory to start a dissection.");
    if (!e)
        e = hold_keys(d, keys, reterr);
    if (!e) {
        e = runs_add(all->runs, &d->run);
        if (e)
            error_set(reterr, -EBUSY,
                      e == -EEXIST ? "This dissection is running."
                                   : "Too many dissections are waiting; try again later.");
        else if ((e = prepare(d, id, reterr)) < 0)
            runs_drop(&d->run);
    }
    if (e)
        free_dissection(&d->run);
    return e == -EEXIST ? -EBUSY : e;
}

int dissections_cancel(struct dissections *all, const char *id, const char *name,
                       struct error *reterr)
{
    char key[RUN_KEY_SIZE];
    make_key(id, name, key);
    return runs_cancel(all->runs, key)
               ? 0
               : error_set(reterr, -EBUSY, "This dissection is not running.");
}
