#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_sums.h"
#include "snapshot/snapshot_take_private.h"

enum {
    MAX_THREADS = 64,
    RENEW_SECONDS = 15,
    SHOW_NS = 100 * 1000 * 1000
};

/* ── shared by the nodes' threads ── */

bool take_stopped(const struct take *take)
{
    return __atomic_load_n(&take->stop, __ATOMIC_RELAXED) ||
           (take->options->cancel && __atomic_load_n(take->options->cancel, __ATOMIC_RELAXED));
}

static void describe(const struct snapshot_progress *p, char *text, size_t size)
{
    int n = snprintf(text, size, "%u/%u nodes", p->nodes_done, p->nodes_total);
    if (p->eta_ns < 0 || n < 0 || (size_t)n >= size)
        return;
    char left[CLOCK_TEXT_SIZE];
    int64_t whole_seconds = (p->eta_ns + NS_PER_S - 1) / NS_PER_S * NS_PER_S;
    snprintf(text + n, size - (size_t)n, " · %s left", clock_format_duration(whole_seconds, left));
}

void take_show(struct take *take, bool always)
{
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&take->mutex);
    bool show = always || now - take->shown_ns >= SHOW_NS;
    struct snapshot_progress *p = &take->progress;
    if (show) {
        take->shown_ns = now;
        double share = p->bytes_total ? (double)p->bytes / (double)p->bytes_total : 0;
        double elapsed = (double)(now - take->began_ns);
        p->eta_ns = share > 0.01 ? (int64_t)(elapsed * (1 - share) / share) : -1;
    }
    struct snapshot_progress copy = *p;
    pthread_mutex_unlock(&take->mutex);
    if (!show)
        return;
    char text[96];
    int64_t now_wall = clock_now_ns();
    if (now_wall < take->window.to_ns) {
        char left[CLOCK_TEXT_SIZE];
        snprintf(text, sizeof text, "records on for %s",
                 clock_format_duration(take->window.to_ns - now_wall, left));
    } else {
        describe(&copy, text, sizeof text);
    }
    snapshot_store_progress(take->options->store, take->options->id, &copy, text);
}

void take_came(struct take *take, uint64_t bytes)
{
    pthread_mutex_lock(&take->mutex);
    take->progress.bytes += bytes;
    pthread_mutex_unlock(&take->mutex);
    take_show(take, false);
}

int take_need(struct take *take, uint64_t bytes, struct error *reterr)
{
    pthread_mutex_lock(&take->mutex);
    take->need_bytes += bytes;
    take->progress.bytes_total = take->need_bytes;
    uint64_t need = take->need_bytes;
    pthread_mutex_unlock(&take->mutex);
    if (need <= take->snapshot->request.estimate_bytes)
        return 0;
    return snapshot_store_reserve(take->options->store, take->options->id, need, reterr);
}

int take_disk_error(int r, const char *what, struct error *reterr)
{
    return error_set(reterr, r, "%s: %s.", what, strerrordesc_np(-r));
}

int take_create(int dir, const char *name, struct error *reterr)
{
    int fd =
        io_create(SNAPSHOT_PHASE_DATA, dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    return fd < 0 ? take_disk_error(fd, "A file of the snapshot cannot be made", reterr) : fd;
}

bool take_has_room(struct take *take, uint64_t bytes)
{
    if (take_need(take, bytes, NULL) == 0)
        return true;
    pthread_mutex_lock(&take->mutex);
    take->need_bytes -= bytes;
    take->progress.bytes_total = take->need_bytes;
    pthread_mutex_unlock(&take->mutex);
    return false;
}

/* ── threads ── */

static void fail_take(struct take *take, int r, const struct error *error)
{
    pthread_mutex_lock(&take->mutex);
    if (!take->failed) {
        take->failed = r;
        take->failure = *error;
    }
    pthread_mutex_unlock(&take->mutex);
    __atomic_store_n(&take->stop, true, __ATOMIC_RELAXED);
}

static void *node_thread(void *arg)
{
    struct take *take = arg;
    for (;;) {
        pthread_mutex_lock(&take->mutex);
        size_t i = take->next;
        if (i < take->options->node_count)
            take->next++;
        pthread_mutex_unlock(&take->mutex);
        if (i >= take->options->node_count || take_stopped(take))
            return NULL;
        struct error error = {.offset = ERROR_NO_OFFSET};
        int r = take_node_run(&take->nodes[i], &error);
        if (r < 0)
            fail_take(take, r, &error);
        pthread_mutex_lock(&take->mutex);
        take->progress.nodes_done++;
        pthread_mutex_unlock(&take->mutex);
        take_show(take, true);
    }
}

static void renew_all(struct take *take)
{
    for (size_t i = 0; i < take->options->node_count; i++) {
        struct take_node *n = &take->nodes[i];
        char pin[SNAPSHOT_PIN_SIZE];
        pthread_mutex_lock(&take->mutex);
        snprintf(pin, sizeof pin, "%s", n->pin);
        pthread_mutex_unlock(&take->mutex);
        if (!pin[0])
            continue;
        int r = n->who->source->renew(n->who->source->ctx, pin, NULL);
        if (r == -ESTALE || r == -ENOENT) {
            pthread_mutex_lock(&take->mutex);
            n->pin_broken = true;
            n->pin[0] = '\0';
            pthread_mutex_unlock(&take->mutex);
        }
    }
}

static void *renew_thread(void *arg)
{
    struct take *take = arg;
    pthread_mutex_lock(&take->mutex);
    while (take->renewing) {
        int64_t until = clock_mono_ns() + RENEW_SECONDS * NS_PER_S;
        int r = 0;
        while (take->renewing && r != ETIMEDOUT)
            r = clock_wait(&take->wake_renewer, &take->mutex, until);
        if (!take->renewing)
            break;
        pthread_mutex_unlock(&take->mutex);
        renew_all(take);
        pthread_mutex_lock(&take->mutex);
    }
    pthread_mutex_unlock(&take->mutex);
    return NULL;
}

static int run_threads(struct take *take, struct error *reterr)
{
    pthread_t renewer, threads[MAX_THREADS];
    size_t count = 0, want = take->options->node_count;
    if (want > MAX_THREADS)
        want = MAX_THREADS;
    take->renewing = true;
    bool has_renewer = pthread_create(&renewer, NULL, renew_thread, take) == 0;
    /* the first node runs here */
    while (count + 1 < want && pthread_create(&threads[count], NULL, node_thread, take) == 0)
        count++;
    node_thread(take);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&take->mutex);
    take->renewing = false;
    pthread_cond_signal(&take->wake_renewer);
    pthread_mutex_unlock(&take->mutex);
    if (has_renewer)
        pthread_join(renewer, NULL);
    if (take->failed) {
        if (reterr)
            *reterr = take->failure;
        return take->failed;
    }
    if (take_stopped(take))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    return 0;
}

/* ── the manifest ── */

static int refuse_empty(const struct take *take, struct error *reterr)
{
    bool answered = false, covered = false;
    int64_t oldest = INT64_MAX, newest = INT64_MIN;
    for (size_t i = 0; i < take->options->node_count; i++) {
        const struct take_node *n = &take->nodes[i];
        answered |= !n->unreachable;
        covered |= n->node.covered_count > 0;
        if (n->oldest_ns < oldest)
            oldest = n->oldest_ns;
        if (n->newest_ns > newest)
            newest = n->newest_ns;
    }
    if (!answered)
        return error_set(reterr, -EHOSTUNREACH,
                         "None of the nodes answered; `trawl nodes` says since when.");
    if (covered)
        return 0;
    char a[CLOCK_TEXT_SIZE], b[CLOCK_TEXT_SIZE];
    if (oldest >= newest)
        return error_set(reterr, -ENODATA,
                         "Nothing of the window is there: the nodes have recorded nothing yet.");
    return error_set(reterr, -ENODATA,
                     "Nothing of the window is left: what there is reaches from %s to %s.",
                     clock_format(oldest, a), clock_format(newest, b));
}

static int build_manifest(const struct take *take, struct snapshot_manifest *m)
{
    size_t count = take->options->node_count, missing = 0;
    for (size_t i = 0; i < count; i++)
        missing += take->nodes[i].missing_count;
    m->nodes = arena_calloc(&m->arena, count + 1, sizeof *m->nodes);
    m->missing = arena_calloc(&m->arena, missing + 1, sizeof *m->missing);
    if (!m->nodes || !m->missing)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct take_node *n = &take->nodes[i];
        int r = snapshot_copy_node(&m->arena, &n->node, &m->nodes[i]);
        for (size_t k = 0; r == 0 && k < n->missing_count; k++) {
            struct snapshot_missing *to = &m->missing[m->missing_count++];
            to->at = n->missing[k].at;
            to->node = m->nodes[i].name;
            to->reason = arena_strdup(&m->arena, n->missing[k].reason);
            r = to->reason ? 0 : -ENOMEM;
        }
        if (r < 0)
            return r;
    }
    m->node_count = count;
    m->partial = m->missing_count > 0;
    return 0;
}

static int finish(struct take *take, struct error *reterr)
{
    int r = refuse_empty(take, reterr);
    if (r < 0)
        return r;
    (void)io_remove_tree(SNAPSHOT_PHASE_DATA, take->dir, "staging");
    int nodes = openat(take->dir, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    r = nodes < 0 ? -errno : io_fsync(SNAPSHOT_PHASE_DATA, nodes);
    if (nodes >= 0)
        close(nodes);
    if (r == 0)
        r = io_fsync(SNAPSHOT_PHASE_DATA, take->dir);
    if (r < 0)
        return error_set(reterr, r, "The snapshot's folder cannot be synced: %s.",
                         strerrordesc_np(-r));
    struct snapshot_manifest *m = snapshot_manifest_new();
    r = m ? build_manifest(take, m) : -ENOMEM;
    if (r < 0) {
        snapshot_manifest_unref(m);
        return error_set(reterr, r, "There is no memory for the manifest.");
    }
    return snapshot_store_complete(take->options->store, take->options->id, m, reterr);
}

/* ── begin and end ── */

static int begin(struct take *take, struct error *reterr)
{
    const struct snapshot_take_options *o = take->options;
    take->dir = -1;
    take->began_ns = clock_mono_ns();
    pthread_mutex_init(&take->mutex, NULL);
    pthread_cond_init(&take->wake_renewer, NULL);
    sem_init(&take->transfers, 0, o->parallel ? o->parallel : 4);
    take->progress.nodes_total = (unsigned)o->node_count;
    take->progress.eta_ns = -1;
    take->nodes = calloc(o->node_count + 1, sizeof *take->nodes);
    if (!take->nodes)
        return error_set(reterr, -ENOMEM, "There is no memory to take a snapshot.");
    for (size_t i = 0; i < o->node_count; i++) {
        struct take_node *n = &take->nodes[i];
        n->take = take;
        n->who = &o->nodes[i];
        n->dir = n->staging = -1;
        n->oldest_ns = INT64_MAX;
        n->newest_ns = INT64_MIN;
        arena_init(&n->arena, 64 * 1024 * 1024);
        snapshot_node_folder(n->who->name, n->folder);
    }
    if (o->node_count == 0)
        return error_set(reterr, -EHOSTUNREACH, "No node is known: there is nothing to take.");
    take->dir = snapshot_store_open_dir(o->store, o->id, reterr);
    return take->dir < 0 ? take->dir : 0;
}

static void done(struct take *take)
{
    for (size_t i = 0; take->nodes && i < take->options->node_count; i++) {
        struct take_node *n = &take->nodes[i];
        if (n->dir >= 0)
            close(n->dir);
        if (n->staging >= 0)
            close(n->staging);
        snapshot_coverage_done(&n->coverage);
        free(n->missing);
        arena_done(&n->arena);
    }
    free(take->nodes);
    if (take->dir >= 0)
        close(take->dir);
    sem_destroy(&take->transfers);
    pthread_cond_destroy(&take->wake_renewer);
    pthread_mutex_destroy(&take->mutex);
    snapshot_unref(take->snapshot);
}

int snapshot_take(const struct snapshot_take_options *options, struct error *reterr)
{
    struct error error = {.offset = ERROR_NO_OFFSET};
    int r = snapshot_store_begin(options->store, options->id, reterr);
    if (r < 0)
        return r;
    struct take take = {.options = options};
    r = snapshot_store_get(options->store, options->id, &take.snapshot, &error);
    if (r == 0)
        take.window = (struct snapshot_interval){take.snapshot->request.from_ns,
                                                 take.snapshot->request.to_ns};
    int began = begin(&take, &error);
    if (r == 0)
        r = began;
    if (r == 0) {
        take_show(&take, true);
        r = run_threads(&take, &error);
    }
    if (r == 0)
        r = finish(&take, &error);
    done(&take);
    if (r < 0 && !error.text[0])
        error_set(&error, r, "Taking it failed: %s.", strerrordesc_np(-r));
    if (r < 0) {
        (void)snapshot_store_fail(options->store, options->id, error.text, NULL);
        if (reterr)
            *reterr = error;
        return r;
    }
    /* Completed by now; this only lets `verify` say where a file was damaged. */
    (void)snapshot_sums_write(options->store, options->id, options->cancel, NULL);
    return 0;
}
