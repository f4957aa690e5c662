#include "hub/runs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LEAVE_NS  (300 * NS_PER_MS)
#define CANCEL_NS (5 * NS_PER_S)

struct runs {
    struct runs_options options;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct run *list;
    unsigned count, running;
    uint64_t next_number;
    bool ended;
};

int runs_new(const struct runs_options *options, struct runs **ret_runs)
{
    struct runs *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->options = *options;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    *ret_runs = all;
    return 0;
}

bool runs_free(struct runs *all)
{
    if (!all)
        return true;
    int64_t until = clock_mono_ns() + LEAVE_NS;
    pthread_mutex_lock(&all->lock);
    all->ended = true;
    pthread_cond_broadcast(&all->changed);
    int e = 0;
    while (all->list && e != ETIMEDOUT)
        e = clock_wait(&all->changed, &all->lock, until);
    bool idle = !all->list;
    pthread_mutex_unlock(&all->lock);
    if (!idle)
        return false;
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all);
    return true;
}

/* ── the list; called with the lock ── */

static struct run *find(const struct runs *all, const char *key)
{
    for (struct run *r = all->list; r; r = r->next)
        if (strcmp(r->key, key) == 0)
            return r;
    return NULL;
}

static void unlist(struct run *run)
{
    struct runs *all = run->all;
    for (struct run **p = &all->list; *p; p = &(*p)->next)
        if (*p == run) {
            *p = run->next;
            break;
        }
    all->count--;
    all->running -= run->had_turn;
    pthread_cond_broadcast(&all->changed);
}

static bool is_next(const struct run *run)
{
    const struct runs *all = run->all;
    if (all->running >= all->options.at_once)
        return false;
    for (const struct run *r = all->list; r; r = r->next)
        if (!r->began && r->number < run->number)
            return false;
    return true;
}

/* ── a run ── */

static void *run_main(void *arg)
{
    struct run *run = arg;
    struct runs *all = run->all;
    void (*free_run)(struct run * run) = all->options.free_run;
    pthread_mutex_lock(&all->lock);
    while (!is_next(run) && !all->ended && !run_is_cancelled(run))
        pthread_cond_wait(&all->changed, &all->lock);
    run->began = true;
    run->had_turn = !all->ended;
    all->running += run->had_turn;
    pthread_cond_broadcast(&all->changed); /* the next one may be next now */
    pthread_mutex_unlock(&all->lock);
    if (run->had_turn)
        all->options.work(run);
    pthread_mutex_lock(&all->lock);
    unlist(run);
    pthread_mutex_unlock(&all->lock);
    free_run(run); /* `all` may be gone by now */
    return NULL;
}

int runs_add(struct runs *all, struct run *run)
{
    pthread_mutex_lock(&all->lock);
    int e = find(all, run->key)                                ? -EEXIST
            : all->ended || all->count >= all->options.waiting ? -EBUSY
                                                               : 0;
    if (!e) {
        run->all = all;
        run->number = all->next_number++;
        run->began = run->had_turn = false;
        run->next = all->list;
        all->list = run;
        all->count++;
    }
    pthread_mutex_unlock(&all->lock);
    return e;
}

int runs_launch(struct run *run)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t every, before;
    if (pthread_attr_init(&attr) != 0)
        return -EAGAIN;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&every); /* signals belong to the main thread */
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int e = pthread_create(&thread, &attr, run_main, run);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return e ? -EAGAIN : 0;
}

void runs_drop(struct run *run)
{
    struct runs *all = run->all;
    pthread_mutex_lock(&all->lock);
    unlist(run);
    pthread_mutex_unlock(&all->lock);
}

/* ── from outside ── */

bool runs_cancel(struct runs *all, const char *key)
{
    int64_t until = clock_mono_ns() + CANCEL_NS;
    pthread_mutex_lock(&all->lock);
    struct run *run = find(all, key);
    bool found = run != NULL;
    if (run) {
        __atomic_store_n(&run->cancel, true, __ATOMIC_RELAXED);
        if (all->options.on_cancel)
            all->options.on_cancel(run);
        pthread_cond_broadcast(&all->changed);
    }
    int e = 0;
    while (found && find(all, key) && e != ETIMEDOUT)
        e = clock_wait(&all->changed, &all->lock, until);
    pthread_mutex_unlock(&all->lock);
    return found;
}

bool run_is_cancelled(const struct run *run)
{
    return __atomic_load_n(&run->cancel, __ATOMIC_RELAXED);
}

bool run_is_abandoned(const struct run *run)
{
    pthread_mutex_lock(&run->all->lock);
    bool ended = run->all->ended;
    pthread_mutex_unlock(&run->all->lock);
    return ended;
}
