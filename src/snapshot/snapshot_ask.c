/* What the nodes hold, before anything is taken. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "snapshot/snapshot_coverage.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_source.h"

enum {
    ASK_AT_ONCE = 16
};

/* What a snapshot takes of a segment, at most. Where in a segment its packets lie is not known
 * beforehand (traffic comes in bursts), so one that is cut at the window's edge counts whole. */
static uint64_t needed(const struct ring_segment_info *s, int64_t from_ns, int64_t to_ns)
{
    return s->packets == 0 || s->last_ns < from_ns || s->first_ns >= to_ns ? 0 : s->size_bytes;
}

static int take_over(struct snapshot_node_availability *node, struct snapshot_coverage *coverage)
{
    node->held = coverage->covered; /* moved */
    node->held_count = coverage->covered_count;
    node->gaps = coverage->gaps;
    node->gap_count = coverage->gap_count;
    *coverage = (struct snapshot_coverage){0};
    return 0;
}

static int ask_ring(struct snapshot_node_availability *node, const struct snapshot_source *source,
                    int64_t offset, struct snapshot_interval window, struct error *reterr)
{
    struct ring_list list = {0}, all = {0};
    int r =
        source->list(source->ctx, window.from_ns + offset, window.to_ns + offset, &list, reterr);
    if (r == 0)
        r = source->list(source->ctx, INT64_MIN, INT64_MAX, &all, reterr);
    struct snapshot_coverage coverage = {0};
    if (r == 0) {
        r = snapshot_coverage_from_ring(&list, window, offset, &coverage);
        if (r == 0)
            take_over(node, &coverage);
    }
    for (size_t i = 0; r == 0 && i < list.segment_count; i++)
        node->bytes_in_window +=
            needed(&list.segments[i], window.from_ns + offset, window.to_ns + offset);
    if (r == 0 && all.covered_count) {
        node->oldest_ns = all.covered[0].from_ns - offset;
        node->newest_ns = all.covered[all.covered_count - 1].to_ns - offset;
    }
    ring_list_done(&list);
    ring_list_done(&all);
    return r;
}

/* A window that ends in the future is not missing its future. */
static struct snapshot_interval past_part(struct snapshot_interval window, int64_t until)
{
    if (window.to_ns > until)
        window.to_ns = until > window.from_ns ? until : window.from_ns;
    return window;
}

bool snapshot_source_may_return(const struct snapshot_source *source, int result)
{
    bool away = result == -ECONNREFUSED || result == -EIO || result == -EACCES; /* its old token */
    return away && source->may_return && source->may_return(source->ctx);
}

static int ask_node(struct snapshot_node_availability *node, const struct snapshot_take_node *who,
                    struct snapshot_interval window, struct error *reterr)
{
    const struct snapshot_source *source = who->source;
    struct snapshot_source_status status = {0};
    struct error e = {.text = "The node is not known to the hub."};
    node->oldest_ns = INT64_MAX;
    node->newest_ns = INT64_MIN;
    node->name = strdup(who->name);
    int r = source ? source->status(source->ctx, &status, &e) : -EHOSTUNREACH;
    if (r == 0) {
        int64_t visible = status.captured_until_ns - status.clock_offset_ns, now = clock_now_ns();
        bool fresh = status.recording && visible > now - 5 * NS_PER_S;
        r = ask_ring(node, source, status.clock_offset_ns, past_part(window, fresh ? visible : now),
                     &e);
    }
    node->reachable = r == 0;
    node->may_return = source && snapshot_source_may_return(source, r);
    node->detail = strdup(r == 0 ? "" : e.text);
    if (!node->name || !node->detail || r == -ENOMEM)
        return error_set(reterr, -ENOMEM, "There is no memory to ask the nodes.");
    return 0;
}

/* ── all of them ── */

struct asking {
    const struct snapshot_take_node *nodes;
    struct snapshot_node_availability *answers;
    struct snapshot_interval window;
    size_t *order, count;
    pthread_mutex_t lock; /* guards what follows */
    size_t next;
    int error;
    struct error why;
};

static void *ask_thread(void *arg)
{
    struct asking *asking = arg;
    for (;;) {
        pthread_mutex_lock(&asking->lock);
        bool end = asking->next == asking->count || asking->error;
        size_t i = end ? 0 : asking->order[asking->next++];
        pthread_mutex_unlock(&asking->lock);
        if (end)
            return NULL;
        struct error e = {.offset = ERROR_NO_OFFSET};
        int r = ask_node(&asking->answers[i], &asking->nodes[i], asking->window, &e);
        if (r < 0) {
            pthread_mutex_lock(&asking->lock);
            asking->error = r;
            asking->why = e;
            pthread_mutex_unlock(&asking->lock);
        }
    }
}

static void put_in_order(struct asking *asking)
{
    size_t n = 0;
    for (int doubtful = 0; doubtful < 2; doubtful++)
        for (size_t i = 0; i < asking->count; i++)
            if (asking->nodes[i].doubtful == doubtful)
                asking->order[n++] = i;
}

static int ask_all(struct asking *asking, struct error *reterr)
{
    pthread_t threads[ASK_AT_ONCE - 1];
    size_t started = 0;
    put_in_order(asking);
    pthread_mutex_init(&asking->lock, NULL);
    while (started < ASK_AT_ONCE - 1 && started + 1 < asking->count &&
           pthread_create(&threads[started], NULL, ask_thread, asking) == 0)
        started++;
    ask_thread(asking); /* this one, too: without threads it takes longer */
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&asking->lock);
    if (asking->error && reterr)
        *reterr = asking->why;
    return asking->error;
}

static void add_up(struct snapshot_availability *a, struct snapshot_interval window)
{
    a->whole = a->node_count > 0;
    for (size_t i = 0; i < a->node_count; i++) {
        const struct snapshot_node_availability *node = &a->nodes[i];
        a->whole &= node->reachable && node->gap_count == 0;
        a->anything |= node->held_count > 0 || (node->reachable && window.to_ns > clock_now_ns());
        a->estimate_bytes += node->bytes_in_window;
        if (node->oldest_ns < a->oldest_ns)
            a->oldest_ns = node->oldest_ns;
        if (node->newest_ns > a->newest_ns)
            a->newest_ns = node->newest_ns;
    }
}

int snapshot_ask(const struct snapshot_take_node *nodes, size_t count,
                 struct snapshot_interval window, struct snapshot_availability *ret_availability,
                 struct error *reterr)
{
    struct snapshot_availability a = {.oldest_ns = INT64_MAX, .newest_ns = INT64_MIN};
    struct asking asking = {.nodes = nodes, .window = window, .count = count};
    a.nodes = asking.answers = calloc(count + 1, sizeof *a.nodes);
    asking.order = calloc(count + 1, sizeof *asking.order);
    int r = -ENOMEM;
    if (a.nodes && asking.order) {
        a.node_count = count;
        r = ask_all(&asking, reterr);
    } else {
        error_set(reterr, r, "There is no memory to ask the nodes.");
    }
    free(asking.order);
    if (r < 0) {
        snapshot_availability_done(&a);
        return r;
    }
    add_up(&a, window);
    *ret_availability = a;
    return 0;
}

void snapshot_availability_done(struct snapshot_availability *a)
{
    for (size_t i = 0; i < a->node_count; i++) {
        free(a->nodes[i].name);
        free(a->nodes[i].detail);
        free(a->nodes[i].held);
        free(a->nodes[i].gaps);
    }
    free(a->nodes);
    *a = (struct snapshot_availability){0};
}

int snapshot_availability_check(const struct snapshot_availability *a,
                                struct snapshot_interval window, struct error *reterr)
{
    if (a->anything)
        return 0;
    bool reachable = false;
    for (size_t i = 0; i < a->node_count; i++)
        reachable |= a->nodes[i].reachable;
    if (a->node_count == 0)
        return error_set(reterr, -EHOSTUNREACH, "No node is known: there is nothing to take.");
    if (!reachable)
        return error_set(reterr, -EHOSTUNREACH,
                         "None of the nodes answers; `trawl nodes` says since when.");
    char f[CLOCK_TEXT_SIZE], t[CLOCK_TEXT_SIZE], o[CLOCK_TEXT_SIZE], n[CLOCK_TEXT_SIZE];
    clock_format(window.from_ns, f);
    clock_format(window.to_ns, t);
    if (a->oldest_ns >= a->newest_ns)
        return error_set(reterr, -ENODATA,
                         "Nothing is there from %s to %s: the nodes have recorded nothing yet.", f,
                         t);
    return error_set(reterr, -ENODATA, "Nothing is left from %s to %s: available is %s to %s.", f,
                     t, clock_format(a->oldest_ns, o), clock_format(a->newest_ns, n));
}

void snapshot_availability_write_json(const struct snapshot_availability *a,
                                      const struct snapshot_quota *quota, struct json_writer *w)
{
    bool any = a->oldest_ns <= a->newest_ns;
    json_begin_object(w);
    json_key(w, "nodes");
    json_begin_array(w);
    for (size_t i = 0; i < a->node_count; i++) {
        const struct snapshot_node_availability *node = &a->nodes[i];
        json_begin_object(w);
        json_member_str(w, "name", node->name);
        json_key(w, "held");
        json_begin_array(w);
        for (size_t k = 0; k < node->held_count; k++)
            snapshot_interval_write_json(node->held[k], w);
        json_end_array(w);
        json_key(w, "gaps");
        json_begin_array(w);
        for (size_t k = 0; k < node->gap_count; k++)
            snapshot_gap_write_json(&node->gaps[k], w);
        json_end_array(w);
        json_member_uint(w, "bytes_in_window", node->bytes_in_window);
        json_end_object(w);
    }
    json_end_array(w);
    snapshot_member_time_or_null(w, "oldest", any, a->oldest_ns);
    snapshot_member_time_or_null(w, "newest", any, a->newest_ns);
    json_member_uint(w, "estimate_bytes", a->estimate_bytes);
    json_key(w, "quota");
    snapshot_quota_write_json(quota, w);
    json_end_object(w);
}
