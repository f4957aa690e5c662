#include "hub/takes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/node_source.h"
#include "hub/runs.h"
#include "snapshot/snapshot_source.h"

enum {
    MAX_AT_ONCE = 4,
    MAX_WAITING = 1000,
    /* After a restart workers need a moment to announce themselves. */
    RETURN_SECONDS = 20
};

struct take {
    struct run run; /* its key is the snapshot's id */
    struct takes *takes;
    bool resumed;
};

struct takes {
    struct takes_options options;
    struct runs *runs;
};

/* The nodes that were asked for, also those that are gone. */
static int make_sources(struct take *take, struct node_sources *ret_sources, struct error *reterr)
{
    struct takes_options *o = &take->takes->options;
    struct snapshot *snapshot;
    int e = snapshot_store_get(o->store, take->run.key, &snapshot, reterr);
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
           !run_is_cancelled(&take->run)) {
        node_sources_done(&sources);
        usleep(200 * 1000);
        e = make_sources(take, &sources, reterr);
    }
    if (e) {
        (void)snapshot_store_fail(o->store, take->run.key, reterr->text, NULL);
        return e;
    }
    struct snapshot_take_options options = {.store = o->store,
                                            .id = take->run.key,
                                            .nodes = sources.nodes,
                                            .node_count = sources.count,
                                            .cancel = &take->run.cancel};
    e = snapshot_take(&options, reterr);
    node_sources_done(&sources);
    return e;
}

static void work(struct run *r)
{
    struct take *take = (struct take *)r;
    const struct takes_options *o = &take->takes->options;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int64_t began = clock_mono_ns();
    int e = run(take, &err);
    long long ms = (clock_mono_ns() - began) / NS_PER_MS;
    if (e)
        log_warn("snapshot", "a snapshot was not taken", "id=%s ms=%lld reason=\"%.300s\"", r->key,
                 ms, err.text);
    else
        log_info("snapshot", "a snapshot was taken", "id=%s ms=%lld", r->key, ms);
    if (o->on_end && !run_is_abandoned(r))
        o->on_end(o->ctx, r->key, e);
}

static void free_take(struct run *r)
{
    free(r);
}

int takes_new(const struct takes_options *options, struct takes **ret_takes)
{
    static const struct runs_options runs = {
        .at_once = MAX_AT_ONCE, .waiting = MAX_WAITING, .work = work, .free_run = free_take};
    struct takes *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->options = *options;
    int e = runs_new(&runs, &t->runs);
    if (e)
        free(t);
    else
        *ret_takes = t;
    return e;
}

bool takes_free(struct takes *takes)
{
    if (!takes)
        return true;
    if (!runs_free(takes->runs))
        return false;
    free(takes);
    return true;
}

static int start(struct takes *takes, const char *id, bool resumed, struct error *reterr)
{
    struct take *take = calloc(1, sizeof *take);
    if (!take)
        return error_set(reterr, -ENOMEM, "There is no memory to take a snapshot.");
    take->takes = takes;
    take->resumed = resumed;
    snprintf(take->run.key, sizeof take->run.key, "%s", id);
    int e = runs_add(takes->runs, &take->run);
    if (!e) {
        e = runs_launch(&take->run);
        if (e)
            runs_drop(&take->run);
    }
    if (!e)
        return 0;
    free(take);
    return error_set(reterr, -EBUSY,
                     e == -EEXIST ? "This snapshot is being taken."
                                  : "Too many snapshots are waiting; try again later.");
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
    return runs_cancel(takes->runs, id)
               ? 0
               : error_set(reterr, -EBUSY,
                           "This snapshot is not being taken: there is nothing to cancel.");
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
