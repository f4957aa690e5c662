#include "snapshot/export.h"

#include <errno.h>
#include <stdlib.h>

#include "snapshot/export_private.h"

enum {
    MAX_PEEKS = 64 /* files whose interfaces are read for the header */
};

/* Files wait in `pending` until the merge reaches their first packet. */
struct pending {
    int64_t first_ns;
    size_t index;
    struct export_cursor *cursor; /* scanned already, when the times were not known */
};

struct merge {
    struct export_state state;
    struct snapshot_filter own_filter;
    struct pending *pending;
    size_t pending_count, pending_at;
    struct export_cursor **heap;
    size_t heap_count;
};

static bool overlaps(const struct export_options *o, const struct export_input *i)
{
    if (!i->times_known || i->outside)
        return true;
    __int128 from = (__int128)o->from_ns + i->clock_offset_ns;
    __int128 to = (__int128)o->to_ns + i->clock_offset_ns;
    return i->first_ns <= i->last_ns && i->last_ns >= from && i->first_ns < to;
}

static int by_first(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;
    if (x->first_ns != y->first_ns)
        return x->first_ns > y->first_ns ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* ── the heap: by stamp, then by input ── */

static bool before(const struct export_cursor *a, const struct export_cursor *b)
{
    return a->packet.ts_ns < b->packet.ts_ns ||
           (a->packet.ts_ns == b->packet.ts_ns && a->index < b->index);
}

static void push(struct merge *m, struct export_cursor *c)
{
    size_t at = m->heap_count++;
    for (; at > 0 && before(c, m->heap[(at - 1) / 2]); at = (at - 1) / 2)
        m->heap[at] = m->heap[(at - 1) / 2];
    m->heap[at] = c;
}

/* The top has changed (or, with last, goes away): puts things right. */
static void sink(struct merge *m, struct export_cursor *c)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && before(m->heap[child + 1], m->heap[child]))
            child++;
        if (!before(m->heap[child], c))
            break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = c;
}

/* ── stages ── */

static bool seen_node(const struct export_options *o, const struct pending *list, size_t upto)
{
    const char *node = o->inputs[list[upto].index].node;
    for (size_t i = 0; i < upto; i++) {
        const char *other = o->inputs[list[i].index].node;
        if (node && other && strcmp(node, other) == 0)
            return true;
    }
    return false;
}

/* The first file of each node, and every file of unknown times, tell their interfaces. */
static int write_header(struct merge *m, struct error *reterr)
{
    const struct export_options *o = m->state.options;
    size_t peeks = 0;
    for (size_t i = 0; i < m->pending_count && peeks < MAX_PEEKS; i++) {
        const struct export_input *input = &o->inputs[m->pending[i].index];
        if (input->times_known && input->node && input->node[0] && seen_node(o, m->pending, i))
            continue;
        int r = cursor_peek(&m->state, input, reterr);
        if (r < 0)
            return r;
        peeks++;
    }
    return output_header(&m->state.out, reterr);
}

static int list_pending(struct merge *m, struct error *reterr)
{
    const struct export_options *o = m->state.options;
    m->pending = calloc(o->input_count + 1, sizeof *m->pending);
    m->heap = calloc(o->input_count + 1, sizeof(struct export_cursor *));
    if (!m->pending || !m->heap)
        return error_set(reterr, -ENOMEM, "There is no memory for the list of files.");
    for (size_t i = 0; i < o->input_count; i++)
        if (overlaps(o, &o->inputs[i]))
            m->pending[m->pending_count++] = (struct pending){
                o->inputs[i].times_known ? o->inputs[i].first_ns : INT64_MIN, i, NULL};
    if (m->pending_count)
        qsort(m->pending, m->pending_count, sizeof *m->pending, by_first);
    return 0;
}

static int make_scanned(struct merge *m, struct pending *p, struct error *reterr)
{
    const struct export_input *input = &m->state.options->inputs[p->index];
    int r = cursor_new(&m->state, input, p->index, &p->cursor, reterr);
    if (r == 0)
        r = cursor_scan(&m->state, p->cursor, reterr);
    return r;
}

/* Files of unknown times are scanned first. */
static int scan_unknown(struct merge *m, struct error *reterr)
{
    bool any = false;
    for (size_t i = 0; i < m->pending_count; i++) {
        struct pending *p = &m->pending[i];
        if (m->state.options->inputs[p->index].times_known)
            continue;
        int r = make_scanned(m, p, reterr);
        if (r < 0)
            return r;
        p->first_ns = p->cursor->first_ns;
        any = true;
    }
    if (any && m->pending_count)
        qsort(m->pending, m->pending_count, sizeof *m->pending, by_first);
    return 0;
}

static int activate(struct merge *m, struct error *reterr)
{
    struct pending *p = &m->pending[m->pending_at];
    int r = p->cursor ? 0 : make_scanned(m, p, reterr);
    if (r == 0)
        r = cursor_start(&m->state, p->cursor, reterr);
    struct export_cursor *c = p->cursor;
    p->cursor = NULL;
    m->pending_at++;
    if (r == 0 && c->has_packet)
        push(m, c);
    else
        cursor_free(&m->state, c);
    return r;
}

static void report_progress(const struct merge *m)
{
    const struct export_options *o = m->state.options;
    if (!o->on_progress)
        return;
    uint64_t bytes = m->state.bytes_read;
    for (size_t i = 0; i < m->heap_count; i++)
        bytes += capture_reader_position(m->heap[i]->reader);
    o->on_progress(o->ctx, bytes);
}

/* What is outside says so itself; owners are told where the window begins. */
static const char *comment_of(const struct merge *m, const struct export_cursor *c)
{
    if (c->input->outside)
        return EXPORT_OUTSIDE_COMMENT;
    return m->state.owners ? export_owners_comment(m->state.owners, &c->packet) : NULL;
}

static int merge_all(struct merge *m, struct error *reterr)
{
    for (uint64_t n = 1;; n++) {
        while (m->pending_at < m->pending_count &&
               (m->heap_count == 0 ||
                m->pending[m->pending_at].first_ns <= m->heap[0]->packet.ts_ns)) {
            int r = activate(m, reterr);
            if (r < 0)
                return r;
        }
        if (m->heap_count == 0)
            return output_end(&m->state.out, reterr);
        struct export_cursor *c = m->heap[0];
        const char *comment = comment_of(m, c);
        int r = output_packet(&m->state.out, &c->packet, comment, reterr);
        if (r == 0)
            r = cursor_advance(&m->state, c, reterr);
        if (r < 0)
            return r;
        if (c->has_packet) {
            sink(m, c);
        } else {
            struct export_cursor *last = m->heap[--m->heap_count];
            if (m->heap_count)
                sink(m, last);
            cursor_free(&m->state, c);
        }
        if (n % 16384 == 0)
            report_progress(m);
    }
}

static int prepare(struct merge *m, struct error *reterr)
{
    const struct export_options *o = m->state.options;
    m->state.filter = o->filter ? o->filter : &m->own_filter;
    int r = o->filter ? 0 : snapshot_filter_init(&m->own_filter, o->bpf, reterr);
    if (r == 0 && !o->pcap && !(m->state.owners = export_owners_new()))
        r = error_set(reterr, -ENOMEM, "There is no memory for the owners of connections.");
    if (r == 0 && o->selection && selection_kind(o->selection) == SELECT_FLOWS) {
        m->state.matcher = calloc(1, sizeof *m->state.matcher);
        if (!m->state.matcher)
            return error_set(reterr, -ENOMEM, "There is no memory for the filter.");
        m->state.matcher->selection = o->selection;
    }
    return r < 0 ? r : list_pending(m, reterr);
}

int export_run(const struct export_options *options, struct export_result *ret_result,
               struct error *reterr)
{
    struct merge m = {.state = {.options = options}};
    output_init(&m.state.out, options, &m.state.result);
    int r = prepare(&m, reterr);
    if (r == 0)
        r = write_header(&m, reterr);
    if (r == 0)
        r = scan_unknown(&m, reterr);
    if (r == 0)
        r = merge_all(&m, reterr);
    for (size_t i = 0; i < m.heap_count; i++)
        cursor_free(&m.state, m.heap[i]);
    for (size_t i = m.pending_at; i < m.pending_count; i++)
        cursor_free(&m.state, m.pending[i].cursor);
    free(m.pending);
    free(m.heap);
    free(m.state.matcher);
    export_owners_free(m.state.owners);
    snapshot_filter_done(&m.own_filter);
    output_done(&m.state.out);
    if (ret_result)
        *ret_result = m.state.result;
    return r;
}
