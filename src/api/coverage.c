#include "api/coverage.h"

#include <stdlib.h>
#include <string.h>

/* Manifests come from elsewhere too: the length of what lies between has a number. */
#define LONGEST_NS (INT64_MAX / 2)

/* A stretch of time that a node recorded (or, node NULL, that was asked for). */
struct piece {
    const char *node;
    struct snapshot_interval at;
};

struct pieces {
    struct piece *items;
    size_t count, cap;
    bool failed;
};

static void add(struct pieces *p, const char *node, struct snapshot_interval at,
                struct snapshot_interval range)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        struct piece *items = realloc(p->items, cap * sizeof *items);
        if (!items) {
            p->failed = true;
            return;
        }
        p->items = items;
        p->cap = cap;
    }
    at.from_ns = at.from_ns > range.from_ns ? at.from_ns : range.from_ns;
    at.to_ns = at.to_ns < range.to_ns ? at.to_ns : range.to_ns;
    at.from_ns = at.from_ns > -LONGEST_NS ? at.from_ns : -LONGEST_NS;
    at.to_ns = at.to_ns < LONGEST_NS ? at.to_ns : LONGEST_NS;
    if (at.to_ns < at.from_ns)
        at.to_ns = at.from_ns;
    p->items[p->count++] = (struct piece){.node = node, .at = at};
}

static int by_node_and_time(const void *x, const void *y)
{
    const struct piece *a = x, *b = y;
    int order =
        !a->node || !b->node ? (a->node != NULL) - (b->node != NULL) : strcmp(a->node, b->node);
    return order ? order : (a->at.from_ns > b->at.from_ns) - (a->at.from_ns < b->at.from_ns);
}

static void take_snapshot(const struct snapshot_manifest *m, struct snapshot_interval range,
                          struct pieces *pieces, struct coverage *ret)
{
    static const struct snapshot_interval nothing;
    add(pieces, NULL,
        (struct snapshot_interval){.from_ns = m->requested.from_ns, .to_ns = m->requested.to_ns},
        range);
    for (size_t n = 0; n < m->node_count; n++) {
        const struct snapshot_node *node = &m->nodes[n];
        add(pieces, node->name, nothing, nothing); /* it counts, also when it has nothing */
        for (size_t i = 0; i < node->covered_count; i++)
            add(pieces, node->name, node->covered[i], range);
        ret->packets += node->packets;
        ret->dropped += node->drops.kernel + node->drops.ring + node->drops.disk;
    }
}

/* The length of the first node's pieces, each moment once; *ret_end: behind its last piece. */
static int64_t length(const struct pieces *p, size_t begin, size_t *ret_end)
{
    const char *node = p->items[begin].node;
    int64_t sum = 0, until = INT64_MIN;
    size_t i = begin;
    for (; i < p->count; i++) {
        const struct piece *piece = &p->items[i];
        if (node != piece->node && (!node || strcmp(node, piece->node) != 0))
            break;
        int64_t from = piece->at.from_ns > until ? piece->at.from_ns : until;
        if (piece->at.to_ns > from)
            sum += piece->at.to_ns - from;
        if (piece->at.to_ns > until)
            until = piece->at.to_ns;
    }
    *ret_end = i;
    return sum;
}

/* They are in the order of their beginnings. */
static void hull(const struct pieces *p, size_t end, struct coverage *ret)
{
    for (size_t i = end; i-- > 0;) {
        struct snapshot_interval at = p->items[i].at;
        if (at.from_ns == at.to_ns)
            continue;
        ret->window.from_ns = at.from_ns;
        if (at.to_ns > ret->window.to_ns)
            ret->window.to_ns = at.to_ns;
    }
}

static bool sum_up(struct pieces *p, struct coverage *ret)
{
    ret->nodes = calloc(p->count + 1, sizeof *ret->nodes);
    if (!ret->nodes || p->failed || !p->count)
        return false;
    qsort(p->items, p->count, sizeof *p->items, by_node_and_time);
    size_t at = 0;
    ret->window_ns = length(p, 0, &at);
    ret->window.to_ns = INT64_MIN;
    hull(p, at, ret);
    while (at < p->count) {
        struct coverage_node *node = &ret->nodes[ret->node_count++];
        node->name = p->items[at].node;
        node->covered_ns = length(p, at, &at);
        ret->covered_ns += (double)node->covered_ns;
    }
    if (ret->node_count)
        ret->covered_ns /= (double)ret->node_count;
    return true;
}

void coverage_find(struct api_call *call, const struct handler_sources *sources,
                   struct snapshot_interval range, struct coverage *ret)
{
    struct pieces pieces = {0};
    bool known = true;
    *ret = (struct coverage){0};
    for (size_t i = 0; i < sources->count; i++) {
        struct snapshot **held = &ret->held[i];
        known = known && strcmp(sources->items[i].id, "live") != 0 &&
                snapshot_store_get(call->api->store, sources->items[i].id, held, NULL) == 0 &&
                (*held)->manifest;
        bool seen = false; /* two dissections of one snapshot */
        for (size_t k = 0; k < i; k++)
            seen = seen || strcmp(sources->items[k].id, sources->items[i].id) == 0;
        if (known && !seen)
            take_snapshot((*held)->manifest, range, &pieces, ret);
    }
    ret->known = known && sum_up(&pieces, ret);
    free(pieces.items);
}

void coverage_done(struct coverage *coverage)
{
    for (size_t i = 0; i < API_MAX_SOURCES; i++)
        snapshot_unref(coverage->held[i]);
    free(coverage->nodes);
}

bool coverage_has_node(const struct coverage *coverage, const char *name)
{
    for (size_t i = 0; i < coverage->node_count; i++)
        if (strcmp(coverage->nodes[i].name, name) == 0 && coverage->nodes[i].covered_ns > 0)
            return true;
    return false;
}
