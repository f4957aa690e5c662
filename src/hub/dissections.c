#include "hub/dissections.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "hub/dissection_job.h"

enum {
    MAX_AT_ONCE = 2,
    MAX_WAITING = 200,
    MAX_ATTEMPTS = 3
};

struct dissection {
    struct dissection *next;
    struct dissections *all;
    struct snapshot *snapshot;
    struct snapshot_dissection record;
    char name[80];
    json_t *protocols;
    struct job *job; /* guarded by the lock */
    bool cancelled;  /* guarded by the lock */
};

struct dissections {
    struct dissections_options options;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct dissection *list;
    unsigned count, running;
    bool ended;
};

int dissections_new(const struct dissections_options *options, struct dissections **ret)
{
    struct dissections *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->options = *options;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    *ret = all;
    return 0;
}

bool dissections_free(struct dissections *all)
{
    if (!all)
        return true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 300 * NS_PER_MS;
    until.tv_sec += until.tv_nsec / NS_PER_S;
    until.tv_nsec %= NS_PER_S;
    pthread_mutex_lock(&all->lock);
    all->ended = true;
    pthread_cond_broadcast(&all->changed);
    int e = 0;
    while (all->list && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&all->changed, &all->lock, &until);
    bool idle = !all->list;
    pthread_mutex_unlock(&all->lock);
    if (!idle)
        return false;
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all);
    return true;
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
    if (snapshot_store_dissection_path(d->all->options.store, d->snapshot->id, d->name, path,
                                       sizeof path) < 0)
        return;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        d->record.size_bytes = folder_bytes(dir, 0);
}

static void on_job(void *ctx, struct job *job)
{
    struct dissection *d = ctx;
    pthread_mutex_lock(&d->all->lock);
    d->job = job;
    if (job && d->cancelled)
        job_cancel(job);
    pthread_mutex_unlock(&d->all->lock);
}

static bool is_cancelled(struct dissection *d)
{
    pthread_mutex_lock(&d->all->lock);
    bool cancelled = d->cancelled;
    pthread_mutex_unlock(&d->all->lock);
    return cancelled;
}

/* What a dead job left, but not the record: for whoever looks meanwhile the dissection runs. */
static int remove_parts(const struct dissection *d)
{
    char path[4096];
    if (snapshot_store_dissection_path(d->all->options.store, d->snapshot->id, d->name, path,
                                       sizeof path) < 0)
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
    struct snapshot_store *store = d->all->options.store;
    struct dissection_run run = {.store = store,
                                 .snapshot = d->snapshot,
                                 .record = &d->record,
                                 .protocols = d->protocols,
                                 .on_job = on_job,
                                 .ctx = d};
    int e = 0;
    bool again = true;
    while (again) {
        d->record.attempts++;
        e = dissection_run(&run, &again, reterr);
        again = e && again && d->record.attempts < MAX_ATTEMPTS && !is_cancelled(d);
        if (again) {
            log_warn("dissect", "a dissection crashed and is tried again",
                     "id=%s name=%s attempt=%u reason=\"%.200s\"", d->snapshot->id, d->name,
                     d->record.attempts, reterr->text);
            /* An empty folder for the next try. */
            int cleared = remove_parts(d);
            if (cleared)
                return e; /* the reason of the death says more */
            e = snapshot_store_put_dissection(store, d->snapshot->id, &d->record, true, reterr);
            again = e == 0;
        }
    }
    return e;
}

static void finish(struct dissection *d, int e, struct error *err)
{
    struct snapshot_dissection *r = &d->record;
    bool cancelled = e && is_cancelled(d);
    r->finished_at_ns = clock_now_ns();
    r->state = !e          ? SNAPSHOT_DISSECTION_DONE
               : cancelled ? SNAPSHOT_DISSECTION_CANCELLED
                           : SNAPSHOT_DISSECTION_FAILED;
    if (e)
        r->reason = cancelled ? (char[]){"It was cancelled."} : err->text;
    if (e)
        (void)remove_parts(d); /* of no use, and the disk may be full */
    count_bytes(d);
    struct error saved = {.offset = ERROR_NO_OFFSET};
    struct snapshot_store *store = d->all->options.store;
    if (snapshot_store_put_dissection(store, d->snapshot->id, r, true, &saved) < 0) {
        log_error("dissect", "the result cannot be kept", "id=%s problem=\"%.300s\"",
                  d->snapshot->id, saved.text);
        /* Whoever waits learns it now; after a restart the record on disk says that it broke off.
         */
        r->state = SNAPSHOT_DISSECTION_FAILED;
        if (!e)
            r->reason = saved.text;
        e = e ? e : saved.code;
        (void)remove_parts(d);
        (void)snapshot_store_put_dissection(store, d->snapshot->id, r, false, NULL);
    }
    r->reason = NULL;
    log_info("dissect", e ? "a dissection was not finished" : "a dissection is done",
             "id=%s name=%s entries=%llu ms=%lld", d->snapshot->id, d->name,
             (unsigned long long)r->entries,
             (long long)((r->finished_at_ns - r->started_at_ns) / NS_PER_MS));
}

static void dissection_free(struct dissection *d)
{
    snapshot_unref(d->snapshot);
    json_decref(d->protocols);
    free(d->record.protocols);
    free(d);
}

static void *dissection_main(void *arg)
{
    struct dissection *d = arg;
    struct dissections *all = d->all;
    struct error err = {.offset = ERROR_NO_OFFSET};
    pthread_mutex_lock(&all->lock);
    while (all->running >= MAX_AT_ONCE && !all->ended && !d->cancelled)
        pthread_cond_wait(&all->changed, &all->lock);
    bool turn = !all->ended, cancelled = d->cancelled;
    all->running += turn;
    pthread_mutex_unlock(&all->lock);
    if (turn) {
        int e = cancelled ? -ECANCELED : run_attempts(d, &err);
        finish(d, e, &err);
    }
    pthread_mutex_lock(&all->lock);
    for (struct dissection **p = &all->list; *p; p = &(*p)->next)
        if (*p == d) {
            *p = d->next;
            break;
        }
    all->count--;
    all->running -= turn;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    dissection_free(d);
    return NULL;
}

/* ── starting ── */

static struct dissection *find(struct dissections *all, const char *id, const char *name)
{
    for (struct dissection *d = all->list; d; d = d->next)
        if (strcmp(d->snapshot->id, id) == 0 && strcmp(d->name, name) == 0)
            return d;
    return NULL;
}

/* An earlier one of this name makes room. */
static int make_room(struct dissections *all, const struct snapshot *snapshot, const char *name,
                     struct error *reterr)
{
    if (!snapshot->manifest)
        return error_set(reterr, -EBUSY,
                         "Only a completed snapshot can be dissected; this one is "
                         "%s.",
                         snapshot_status_text(snapshot));
    for (size_t i = 0; i < snapshot->dissection_count; i++) {
        if (strcmp(snapshot->dissections[i].name, name) != 0)
            continue;
        all->options.close_queries(all->options.ctx, snapshot->id, name);
        return snapshot_store_delete_dissection(all->options.store, snapshot->id, name, reterr);
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

/* Called with the lock. */
static int start_thread(struct dissections *all, struct dissection *d)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t set, before;
    sigfillset(&set);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    d->next = all->list;
    all->list = d;
    all->count++;
    pthread_sigmask(SIG_SETMASK, &set, &before);
    int e = pthread_create(&thread, &attr, dissection_main, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (e) {
        all->list = d->next;
        all->count--;
    }
    return -e;
}

/* Called with the lock: two requests for the same name must not both get through. */
static int prepare(struct dissections *all, const char *id, const char *name, struct dissection *d,
                   struct error *reterr)
{
    if (find(all, id, name))
        return error_set(reterr, -EBUSY, "This dissection is running.");
    if (all->ended || all->count == MAX_WAITING)
        return error_set(reterr, -EBUSY, "Too many dissections are waiting; try again later.");
    int e = snapshot_store_get(all->options.store, id, &d->snapshot, reterr);
    if (!e)
        e = make_room(all, d->snapshot, name, reterr);
    if (e)
        return e;
    snprintf(d->name, sizeof d->name, "%s", name);
    d->record = (struct snapshot_dissection){.name = d->name,
                                             .state = SNAPSHOT_DISSECTION_RUNNING,
                                             .eta_ns = -1,
                                             .started_at_ns = clock_now_ns()};
    return snapshot_store_put_dissection(all->options.store, id, &d->record, true, reterr);
}

int dissections_start(struct dissections *all, const char *id, const char *name,
                      const char *const *protocols, struct error *reterr)
{
    struct dissection *d = calloc(1, sizeof *d);
    if (!d || make_protocols(d, protocols) < 0) {
        free(d);
        return error_set(reterr, -ENOMEM, "There is no memory to start a dissection.");
    }
    d->all = all;
    pthread_mutex_lock(&all->lock);
    int e = prepare(all, id, name, d, reterr);
    if (!e && start_thread(all, d) < 0) {
        e = error_set(reterr, -EAGAIN, "There is no thread for another dissection.");
        (void)snapshot_store_delete_dissection(all->options.store, id, name, NULL);
    }
    pthread_mutex_unlock(&all->lock);
    if (e)
        dissection_free(d);
    return e;
}

int dissections_cancel(struct dissections *all, const char *id, const char *name,
                       struct error *reterr)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&all->lock);
    struct dissection *d = find(all, id, name);
    bool found = d != NULL;
    if (d) {
        d->cancelled = true;
        if (d->job)
            job_cancel(d->job);
        pthread_cond_broadcast(&all->changed);
    }
    /* The answer shows how it ended. */
    int e = 0;
    while (found && find(all, id, name) && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&all->changed, &all->lock, &until);
    pthread_mutex_unlock(&all->lock);
    return found ? 0 : error_set(reterr, -EBUSY, "This dissection is not running.");
}
