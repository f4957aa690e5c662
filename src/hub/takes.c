#include "hub/takes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/node_source.h"
#include "snapshot/snapshot_source.h"

enum {
    MAX_AT_ONCE = 4,
    MAX_WAITING = 1000,
    /* After a restart workers need a moment to announce themselves. */
    RETURN_SECONDS = 20
};

struct take {
    struct take *next;
    struct takes *takes;
    char id[SNAPSHOT_ID_SIZE];
    bool cancel; /* atomic */
    bool resumed;
};

struct takes {
    struct takes_options options;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct take *list;
    unsigned count, running;
    bool ended;
};

int takes_new(const struct takes_options *options, struct takes **ret_takes)
{
    struct takes *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->options = *options;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    *ret_takes = t;
    return 0;
}

bool takes_free(struct takes *takes)
{
    if (!takes)
        return true;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 300 * NS_PER_MS;
    until.tv_sec += until.tv_nsec / NS_PER_S;
    until.tv_nsec %= NS_PER_S;
    pthread_mutex_lock(&takes->lock);
    takes->ended = true;
    pthread_cond_broadcast(&takes->changed);
    int e = 0;
    while (takes->list && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&takes->changed, &takes->lock, &until);
    bool idle = !takes->list;
    pthread_mutex_unlock(&takes->lock);
    if (!idle)
        return false;
    pthread_cond_destroy(&takes->changed);
    pthread_mutex_destroy(&takes->lock);
    free(takes);
    return true;
}

/* The nodes that were asked for, also those that are gone. */
static int make_sources(struct take *take, struct node_sources *ret_sources, struct error *reterr)
{
    struct takes_options *o = &take->takes->options;
    struct snapshot *snapshot;
    int e = snapshot_store_get(o->store, take->id, &snapshot, reterr);
    if (e)
        return e;
    size_t n = snapshot->request.node_count;
    const char **names = calloc(n + 1, sizeof *names);
    if (!names)
        e = error_set(reterr, -ENOMEM, "There is no memory for the list of nodes.");
    for (size_t i = 0; !e && i < n; i++)
        names[i] = snapshot->request.nodes[i];
    if (!e)
        e = node_sources_make(o->fleet, n ? names : NULL, true, ret_sources, reterr);
    free(names);
    snapshot_unref(snapshot);
    return e;
}

static bool all_known(const struct node_sources *sources)
{
    bool known = sources->count > 0;
    for (size_t i = 0; i < sources->count; i++)
        known = known && sources->sources[i];
    return known;
}

static int run(struct take *take, struct error *reterr)
{
    struct takes_options *o = &take->takes->options;
    struct node_sources sources;
    int64_t until = clock_mono_ns() + RETURN_SECONDS * NS_PER_S;
    int e = make_sources(take, &sources, reterr);
    while (!e && take->resumed && !all_known(&sources) && clock_mono_ns() < until &&
           !__atomic_load_n(&take->cancel, __ATOMIC_RELAXED)) {
        node_sources_done(&sources);
        usleep(200 * 1000);
        e = make_sources(take, &sources, reterr);
    }
    if (e) {
        (void)snapshot_store_fail(o->store, take->id, reterr->text, NULL);
        return e;
    }
    struct snapshot_take_options options = {.store = o->store,
                                            .id = take->id,
                                            .nodes = sources.nodes,
                                            .node_count = sources.count,
                                            .cancel = &take->cancel};
    e = snapshot_take(&options, reterr);
    node_sources_done(&sources);
    return e;
}

/* Waits for its turn. False when it was cancelled before. */
static bool wait_for_turn(struct take *take)
{
    struct takes *takes = take->takes;
    pthread_mutex_lock(&takes->lock);
    while (takes->running >= MAX_AT_ONCE && !takes->ended &&
           !__atomic_load_n(&take->cancel, __ATOMIC_RELAXED))
        pthread_cond_wait(&takes->changed, &takes->lock);
    bool turn = !takes->ended;
    takes->running += turn;
    pthread_mutex_unlock(&takes->lock);
    return turn;
}

static void remove_take(struct take *take, bool had_turn)
{
    struct takes *takes = take->takes;
    pthread_mutex_lock(&takes->lock);
    for (struct take **p = &takes->list; *p; p = &(*p)->next)
        if (*p == take) {
            *p = take->next;
            break;
        }
    takes->count--;
    takes->running -= had_turn;
    pthread_cond_broadcast(&takes->changed);
    pthread_mutex_unlock(&takes->lock);
}

static void *take_main(void *arg)
{
    struct take *take = arg;
    struct takes_options o = take->takes->options;
    struct error err = {.offset = ERROR_NO_OFFSET};
    char id[SNAPSHOT_ID_SIZE];
    memcpy(id, take->id, sizeof id);
    bool turn = wait_for_turn(take);
    if (turn) {
        int64_t began = clock_mono_ns();
        int e = run(take, &err);
        long long ms = (clock_mono_ns() - began) / NS_PER_MS;
        if (e)
            log_warn("snapshot", "a snapshot was not taken", "id=%s ms=%lld reason=\"%.300s\"", id,
                     ms, err.text);
        else
            log_info("snapshot", "a snapshot was taken", "id=%s ms=%lld", id, ms);
        pthread_mutex_lock(&take->takes->lock);
        bool ended = take->takes->ended;
        pthread_mutex_unlock(&take->takes->lock);
        if (o.on_end && !ended)
            o.on_end(o.ctx, id, e);
    }
    remove_take(take, turn);
    free(take);
    return NULL;
}

static int start(struct takes *takes, const char *id, bool resumed, struct error *reterr)
{
    struct take *take = calloc(1, sizeof *take);
    if (!take)
        return error_set(reterr, -ENOMEM, "There is no memory to take a snapshot.");
    take->takes = takes;
    take->resumed = resumed;
    memcpy(take->id, id, strnlen(id, SNAPSHOT_ID_SIZE - 1));
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&takes->lock);
    int e = takes->ended || takes->count == MAX_WAITING ? EBUSY : 0;
    if (!e) {
        take->next = takes->list;
        takes->list = take;
        takes->count++;
        pthread_sigmask(SIG_SETMASK, &all, &before);
        e = pthread_create(&thread, &attr, take_main, take);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (e) {
            takes->list = take->next;
            takes->count--;
        }
    }
    pthread_mutex_unlock(&takes->lock);
    pthread_attr_destroy(&attr);
    if (e) {
        free(take);
        return error_set(reterr, -EBUSY, "Too many snapshots are waiting; try again later.");
    }
    return 0;
}

int takes_start(struct takes *takes, const char *id, struct error *reterr)
{
    int e = start(takes, id, false, reterr);
    if (e && reterr)
        (void)snapshot_store_fail(takes->options.store, id, reterr->text, NULL);
    return e;
}

int takes_cancel(struct takes *takes, const char *id, struct error *reterr)
{
    bool found = false;
    pthread_mutex_lock(&takes->lock);
    for (struct take *t = takes->list; t; t = t->next)
        if (strcmp(t->id, id) == 0) {
            __atomic_store_n(&t->cancel, true, __ATOMIC_RELAXED);
            found = true;
        }
    pthread_cond_broadcast(&takes->changed);
    /* The answer shows how it ended. */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    bool running = found;
    int e = 0;
    while (running && e != ETIMEDOUT) {
        running = false;
        for (struct take *t = takes->list; t; t = t->next)
            running = running || strcmp(t->id, id) == 0;
        if (running)
            e = pthread_cond_timedwait(&takes->changed, &takes->lock, &until);
    }
    pthread_mutex_unlock(&takes->lock);
    return found ? 0
                 : error_set(reterr, -EBUSY,
                             "This snapshot is not being taken: there is nothing "
                             "to cancel.");
}

int takes_resume(struct takes *takes, struct error *reterr)
{
    struct snapshot_list list = {0};
    int e = snapshot_store_list(takes->options.store, NULL, NULL, &list, reterr);
    for (size_t i = 0; !e && i < list.count; i++)
        if (list.items[i]->status == SNAPSHOT_PENDING)
            e = start(takes, list.items[i]->id, true, reterr);
    snapshot_list_done(&list);
    return e;
}
