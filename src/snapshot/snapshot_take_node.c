/* One node of a snapshot: ask, wait for the window's end, rotate, pin, list, take, declare. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_take_private.h"

enum {
    STATUS_TRIES = 2,
    RETURN_WAIT_MS = 15000, /* for a worker's server that starts again */
    VISIBLE_WAIT_MS = 3000, /* what is captured is visible after at most 1 s */
    RELIST_TRIES = 3,
    RELIST_MS = 50
};

static void sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

int take_missing(struct take_node *n, struct snapshot_interval at, const char *reason)
{
    if (n->missing_count == n->missing_cap) {
        size_t cap = n->missing_cap ? n->missing_cap * 2 : 8;
        struct snapshot_missing *more = reallocarray(n->missing, cap, sizeof *more);
        if (!more)
            return -ENOMEM;
        n->missing = more;
        n->missing_cap = cap;
    }
    struct snapshot_missing *m = &n->missing[n->missing_count];
    *m = (struct snapshot_missing){.at = at, .reason = arena_strdup(&n->arena, reason)};
    if (!m->reason)
        return -ENOMEM;
    n->missing_count++;
    return 0;
}

static int give_up(struct take_node *n, struct error *reterr)
{
    n->unreachable = true;
    n->node.has_window = false;
    n->node.window = n->take->window;
    struct snapshot_gap gap = {n->take->window, SNAPSHOT_GAP_NODE_UNREACHABLE};
    n->node.gaps = arena_calloc(&n->arena, 1, sizeof gap);
    if (!n->node.gaps || take_missing(n, n->take->window, "node_unreachable") < 0)
        return error_set(reterr, -ENOMEM, "There is no memory for a gap.");
    n->node.gaps[0] = gap;
    n->node.gap_count = 1;
    return 0;
}

/* ── status ── */

static int remember_status(struct take_node *n, const struct snapshot_source_status *status,
                           struct error *reterr)
{
    struct snapshot_node *node = &n->node;
    n->recording = status->recording;
    node->clock_offset_ns = status->clock_offset_ns;
    node->clock_source = arena_strdup(&n->arena, status->clock_source ? status->clock_source : "");
    node->interfaces =
        arena_calloc(&n->arena, status->interface_count + 1, sizeof *node->interfaces);
    bool fine = node->clock_source && node->interfaces;
    for (size_t i = 0; fine && i < status->interface_count; i++) {
        const struct packet_interface *from = &status->interfaces[i];
        struct snapshot_interface *to = &node->interfaces[i];
        to->link_type = from->link_type;
        to->snaplen_bytes = from->snaplen_bytes;
        to->name = arena_strdup(&n->arena, from->name ? from->name : "");
        to->filter = from->filter ? arena_strdup(&n->arena, from->filter) : NULL;
        fine = to->name && (to->filter || !from->filter);
    }
    node->interface_count = fine ? status->interface_count : 0;
    return fine ? 0 : error_set(reterr, -ENOMEM, "There is no memory for a node.");
}

static int ask_status(struct take_node *n, struct snapshot_source_status *status)
{
    const struct snapshot_source *source = n->who->source;
    int64_t until = clock_mono_ns() + RETURN_WAIT_MS * NS_PER_MS;
    int r = source ? 0 : -EHOSTUNREACH;
    for (int i = 0; source; i++) {
        *status = (struct snapshot_source_status){0};
        r = source->status(source->ctx, status, NULL);
        /* one that hangs costs its time once */
        bool waits = (i + 1 < STATUS_TRIES && r != -ETIMEDOUT) ||
                     (clock_mono_ns() < until && snapshot_source_may_return(source, r));
        if (r == 0 || !waits || take_stopped(n->take))
            break;
        sleep_ms(200);
    }
    return r;
}

/* A window may end in the future: its segments stay pinned meanwhile. */
static int wait_for_end(struct take_node *n, struct error *reterr)
{
    int64_t end = n->take->window.to_ns, shown = 0;
    for (;;) {
        if (take_stopped(n->take))
            return error_set(reterr, -ECANCELED, "It was cancelled.");
        int64_t now = clock_now_ns();
        if (now >= end)
            return 0;
        if (now >= shown + NS_PER_S) {
            shown = now;
            take_show(n->take, true);
        }
        int64_t left = end - now;
        sleep_ms(left < TAKE_POLL_NS ? left / NS_PER_MS + 1 : TAKE_POLL_NS / NS_PER_MS);
    }
}

/* ── pin and list ── */

static void set_pin(struct take_node *n, const char *pin)
{
    struct take *take = n->take;
    pthread_mutex_lock(&take->mutex);
    snprintf(n->pin, sizeof n->pin, "%s", pin);
    pthread_mutex_unlock(&take->mutex);
}

static void pin(struct take_node *n)
{
    const struct snapshot_source *source = n->who->source;
    int64_t offset = n->node.clock_offset_ns;
    char id[SNAPSHOT_PIN_SIZE] = "";
    /* Without a pin the segments may go while they are taken: that is declared then. */
    if (source->pin(source->ctx, n->take->window.from_ns + offset, n->take->window.to_ns + offset,
                    id, NULL) == 0)
        set_pin(n, id);
}

static void unpin(struct take_node *n)
{
    char id[SNAPSHOT_PIN_SIZE];
    pthread_mutex_lock(&n->take->mutex);
    snprintf(id, sizeof id, "%s", n->pin);
    n->pin[0] = '\0';
    pthread_mutex_unlock(&n->take->mutex);
    if (id[0])
        (void)n->who->source->release(n->who->source->ctx, id, NULL);
}

static bool has_open(const struct ring_list *list)
{
    for (size_t i = 0; i < list->segment_count; i++)
        if (!list->segments[i].sealed)
            return true;
    return false;
}

static int by_sequence(const void *a, const void *b)
{
    const struct ring_segment_info *x = a, *y = b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* The window ended just now and the newest of it is still on its way into the ring. */
static bool tail_is_coming(const struct take_node *n, const struct ring_list *list)
{
    int64_t end = n->take->window.to_ns;
    if (!n->recording || clock_now_ns() > end + VISIBLE_WAIT_MS * NS_PER_MS)
        return false;
    return list->covered_count == 0 ||
           list->covered[list->covered_count - 1].to_ns < end + n->node.clock_offset_ns;
}

/* Open segments are sealed first, so that what is taken never changes again. */
static int list_window(struct take_node *n, struct ring_list *ret_list, struct error *reterr)
{
    const struct snapshot_source *source = n->who->source;
    int64_t offset = n->node.clock_offset_ns;
    for (int i = 0;; i++) {
        *ret_list = (struct ring_list){0};
        int r = source->list(source->ctx, n->take->window.from_ns + offset,
                             n->take->window.to_ns + offset, ret_list, reterr);
        if (r < 0)
            return r;
        bool open = has_open(ret_list), tail = tail_is_coming(n, ret_list);
        if ((!open && !tail) || (i >= RELIST_TRIES && !tail) || take_stopped(n->take))
            break;
        if (i > 0)
            sleep_ms(RELIST_MS);
        bool rotated = (open || i == 0) && source->rotate(source->ctx, NULL) == 0;
        if (!rotated && !tail)
            break;
        ring_list_done(ret_list);
    }
    if (ret_list->segment_count)
        qsort(ret_list->segments, ret_list->segment_count, sizeof *ret_list->segments, by_sequence);
    return 0;
}

/* For the sentence of a refusal. */
static void look_at_all(struct take_node *n)
{
    struct ring_list all = {0};
    const struct snapshot_source *source = n->who->source;
    if (source->list(source->ctx, INT64_MIN, INT64_MAX, &all, NULL) == 0 && all.covered_count) {
        n->oldest_ns = all.covered[0].from_ns - n->node.clock_offset_ns;
        n->newest_ns = all.covered[all.covered_count - 1].to_ns - n->node.clock_offset_ns;
    }
    ring_list_done(&all);
}

/* ── result ── */

static int declare(struct take_node *n, struct error *reterr)
{
    struct snapshot_node *node = &n->node;
    const struct snapshot_coverage *c = &n->coverage;
    node->covered = arena_calloc(&n->arena, c->covered_count + 1, sizeof *node->covered);
    node->gaps = arena_calloc(&n->arena, c->gap_count + 1, sizeof *node->gaps);
    if (!node->covered || !node->gaps)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    if (c->covered_count)
        memcpy(node->covered, c->covered, c->covered_count * sizeof *node->covered);
    if (c->gap_count)
        memcpy(node->gaps, c->gaps, c->gap_count * sizeof *node->gaps);
    node->covered_count = c->covered_count;
    node->gap_count = c->gap_count;
    for (size_t i = 0; i < c->gap_count; i++) {
        bool said = false; /* with a better reason */
        for (size_t k = 0; k < n->missing_count && !said; k++)
            said = n->missing[k].at.from_ns <= c->gaps[i].at.from_ns &&
                   n->missing[k].at.to_ns >= c->gaps[i].at.to_ns;
        if (!said &&
            take_missing(n, c->gaps[i].at, snapshot_gap_reason_text(c->gaps[i].reason)) < 0)
            return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    }
    return 0;
}

static int open_below(int dir, const char *parent, const char *name, struct error *reterr)
{
    int r = io_mkdir(SNAPSHOT_PHASE_DATA, dir, parent, 0700);
    int top = r == 0 || r == -EEXIST
                  ? openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                  : -1;
    int fd = -1;
    if (top >= 0) {
        r = io_mkdir(SNAPSHOT_PHASE_DATA, top, name, 0700);
        if (r == 0 || r == -EEXIST) {
            fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            r = fd < 0 ? -errno : 0;
        }
        close(top);
    }
    if (fd < 0)
        return error_set(reterr, r < 0 ? r : -EIO, "A folder of the snapshot cannot be made: %s.",
                         strerrordesc_np(r < 0 ? -r : EIO));
    return fd;
}

static int take_listed(struct take_node *n, const struct ring_list *list, struct error *reterr)
{
    int r =
        snapshot_coverage_from_ring(list, n->take->window, n->node.clock_offset_ns, &n->coverage);
    if (r < 0)
        return error_set(reterr, r, "There is no memory for the coverage.");
    n->node.drops = (struct snapshot_drops){
        .kernel = list->drops.kernel, .ring = list->drops.ring, .disk = list->drops.disk};
    if (n->coverage.covered_count == 0)
        look_at_all(n);
    n->dir = open_below(n->take->dir, "nodes", n->folder, reterr);
    if (n->dir < 0)
        return n->dir;
    n->staging = open_below(n->take->dir, "staging", n->folder, reterr);
    if (n->staging < 0)
        return n->staging;
    sem_wait(&n->take->transfers);
    r = take_files(n, list, reterr);
    sem_post(&n->take->transfers);
    return r < 0 ? r : declare(n, reterr);
}

int take_node_run(struct take_node *n, struct error *reterr)
{
    struct snapshot_source_status status;
    n->node.name = arena_strdup(&n->arena, n->who->name);
    n->node.clock_source = arena_strdup(&n->arena, "");
    if (!n->node.name || !n->node.clock_source)
        return error_set(reterr, -ENOMEM, "There is no memory for a node.");
    n->node.first_ns = INT64_MAX;
    n->node.last_ns = INT64_MIN;
    if (ask_status(n, &status) < 0)
        return give_up(n, reterr);
    int r = remember_status(n, &status, reterr);
    if (r < 0)
        return r;
    pin(n);
    r = wait_for_end(n, reterr);
    if (r == 0) {
        n->node.has_window = true;
        n->node.window = n->take->window;
        struct ring_list list;
        struct error why;
        r = list_window(n, &list, &why);
        if (r < 0 && ask_status(n, &status) == 0) /* its server was started again meanwhile */
            r = list_window(n, &list, &why);
        if (r < 0)
            r = give_up(n, reterr);
        else
            r = take_listed(n, &list, reterr);
        ring_list_done(&list);
    }
    unpin(n);
    return r;
}
