#include "hub/live_node.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LOOK_BACK_SECONDS = 130, /* longer than a segment stays open */
    WRITE_MS = 500,
    STUCK_SECONDS = 30, /* a job that reads nothing for so long is ended */
    LOOK_MS = 2000,
    DOUBTED_LOOK_MS = 1000,
    DOUBTED_SECONDS = 10, /* between two looks at a node that took long and did not answer */
    MAX_FOLLOWED = 256
};

/* A segment that is being fed. */
struct followed {
    char name[RING_NAME_SIZE];
    uint64_t sequence, sent, size;
    uint64_t ready; /* what the job was told it may read */
    uint32_t series;
    uint32_t number; /* in the feed */
    bool begun, sealed, seen;
};

struct live_node {
    struct fleet_node *node;
    struct worker_client *client; /* NULL: not connected */
    unsigned generation;          /* of the address it speaks to */
    int64_t ahead_ns;             /* its clock before ours */
    int64_t begin_ns;             /* ours: what came before is not wanted */
    struct followed followed[MAX_FOLLOWED];
    size_t count;
    uint64_t last_sequence;
    bool began;
    int64_t doubted_mono_ns; /* it took long and did not answer then; 0: it answers */
    uint64_t usual_bytes;    /* of a sealed segment: how much one held that is gone unseen */
    uint64_t missed_bytes;
    int64_t missed_ns;
};

/* ── the feed ── */

static int write_all(struct live_feed *feed, const uint8_t *data, size_t n)
{
    int64_t since_ns = clock_mono_ns();
    while (n && !feed->error) {
        ssize_t written = write(feed->fd, data, n);
        if (written > 0) {
            data += written;
            n -= (size_t)written;
            since_ns = clock_mono_ns();
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd poll_fd = {.fd = feed->fd, .events = POLLOUT};
            (void)poll(&poll_fd, 1, WRITE_MS);
            if (__atomic_load_n(feed->stopped, __ATOMIC_RELAXED))
                feed->error = -ECANCELED;
            else if (clock_mono_ns() - since_ns > STUCK_SECONDS * NS_PER_S)
                feed->error = -ETIMEDOUT;
        } else if (written == 0 || errno != EINTR) {
            feed->error = written ? -errno : -EPIPE;
        }
    }
    return feed->error;
}

int live_feed_put(struct live_feed *feed, const struct feed_header *header, const void *bytes)
{
    int e = write_all(feed, (const uint8_t *)header, sizeof *header);
    return e ? e : write_all(feed, bytes, header->length);
}

struct piece {
    struct live_feed *feed;
    struct followed *segment;
};

static int on_piece(void *ctx, const uint8_t *data, size_t n)
{
    struct piece *piece = ctx;
    while (n) {
        size_t some = n < FEED_MAX_BYTES ? n : FEED_MAX_BYTES;
        struct feed_header h = {.kind = FEED_BYTES,
                                .segment = piece->segment->number,
                                .value = (int64_t)piece->segment->sent,
                                .length = some};
        int e = live_feed_put(piece->feed, &h, data);
        if (e)
            return e;
        piece->segment->sent += some;
        data += some;
        n -= some;
    }
    return 0;
}

/* ── its segments ── */

int live_node_new(struct fleet_node *node, int64_t begin_ns, struct live_node **ret_node)
{
    struct live_node *n = calloc(1, sizeof *n);
    if (!n)
        return -ENOMEM;
    n->node = fleet_node_ref(node);
    n->begin_ns = begin_ns;
    *ret_node = n;
    return 0;
}

void live_node_free(struct live_node *n)
{
    if (!n)
        return;
    worker_client_free(n->client);
    fleet_node_unref(n->node);
    free(n);
}

const char *live_node_name(const struct live_node *n)
{
    return fleet_node_name(n->node);
}

uint64_t live_node_missed(const struct live_node *n, int64_t *ret_last_ns)
{
    *ret_last_ns = n->missed_ns;
    return n->missed_bytes;
}

static void miss(struct live_node *n, uint64_t bytes)
{
    n->missed_bytes += bytes;
    n->missed_ns = clock_now_ns();
}

/* The job need not wait for more of it. */
static void drop(struct live_node *n, struct live_feed *feed, size_t i)
{
    struct followed *f = &n->followed[i];
    /* One that was open when it was last seen, and is gone, had grown meanwhile. */
    uint64_t size = !f->seen && !f->sealed && f->size < n->usual_bytes ? n->usual_bytes : f->size;
    if (f->ready < size)
        miss(n, size - f->ready);
    if (f->begun) {
        struct feed_header h = {.kind = FEED_LAST, .segment = f->number};
        (void)live_feed_put(feed, &h, NULL);
    }
    memmove(f, f + 1, (n->count - i - 1) * sizeof *f);
    n->count--;
}

static struct followed *find(struct live_node *n, uint64_t sequence)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->followed[i].sequence == sequence)
            return &n->followed[i];
    return NULL;
}

static void follow_new(struct live_node *n, const struct ring_segment_info *s)
{
    if (n->count == MAX_FOLLOWED) {
        miss(n, s->size_bytes);
        return;
    }
    struct followed *f = &n->followed[n->count++];
    *f = (struct followed){.sequence = s->sequence, .series = s->series};
    snprintf(f->name, sizeof f->name, "%s", s->name);
}

static int reach(struct live_node *n, struct error *reterr)
{
    unsigned generation = fleet_node_generation(n->node);
    if (!fleet_node_heard_lately(n->node)) /* its own thread goes on trying */
        return error_set(reterr, -EHOSTUNREACH, "Node %.100s is silent.", live_node_name(n));
    if (n->client && n->generation == generation)
        return 0;
    worker_client_free(n->client);
    n->client = NULL;
    n->generation = generation;
    return fleet_node_connect(n->node, &n->client, reterr);
}

/* Segments are numbered without gaps: what is missing between the last one that was known and the
 * oldest of those that came since was recycled before anybody saw it. How large those were is not
 * known any more; others of this ring say how large they are. */
static void count_unseen(struct live_node *n, const struct ring_list *list)
{
    uint64_t bytes = 0, sealed = 0, come = 0;
    for (size_t i = 0; i < list->segment_count; i++) {
        const struct ring_segment_info *s = &list->segments[i];
        bytes += s->sealed ? s->size_bytes : 0;
        sealed += s->sealed;
        come += s->sequence > n->last_sequence;
    }
    n->usual_bytes = sealed ? bytes / sealed : n->usual_bytes;
    if (!n->began || !come || !n->last_sequence)
        return;
    uint64_t newest = list->segments[list->segment_count - 1].sequence;
    if (newest > n->last_sequence && newest - n->last_sequence > come)
        miss(n, (newest - n->last_sequence - come) * (n->usual_bytes ? n->usual_bytes : 1));
}

/* Has packets of after the beginning. */
static bool is_wanted(const struct live_node *n, const struct ring_segment_info *s)
{
    return !s->sealed || (s->packets && s->last_ns - n->ahead_ns >= n->begin_ns);
}

/* What the ring holds now. The first look takes up what has packets of after the beginning; later
 * ones every segment that came since. */
static int look(struct live_node *n, int64_t *ret_until_ns, struct error *reterr)
{
    struct ring_list list;
    n->ahead_ns = fleet_node_clock(n->node).offset_ns;
    int64_t now_ns = clock_now_ns() + n->ahead_ns;
    int e = reach(n, reterr);
    if (!e) {
        int64_t patience_ms = n->doubted_mono_ns ? DOUBTED_LOOK_MS : LOOK_MS;
        worker_client_set_deadline(n->client, clock_mono_ns() + patience_ms * NS_PER_MS);
        e = worker_client_list(n->client, now_ns - LOOK_BACK_SECONDS * NS_PER_S, INT64_MAX, &list,
                               reterr);
        worker_client_set_deadline(n->client, 0);
    }
    if (e)
        return e;
    if (list.segment_count && list.segments[list.segment_count - 1].sequence < n->last_sequence)
        n->last_sequence = 0; /* another ring: it was emptied */
    count_unseen(n, &list);
    *ret_until_ns = INT64_MIN;
    for (size_t i = 0; i < n->count; i++)
        n->followed[i].seen = false;
    for (size_t i = 0; i < list.segment_count; i++) {
        const struct ring_segment_info *s = &list.segments[i];
        if (s->sequence > n->last_sequence && (n->began || is_wanted(n, s)))
            follow_new(n, s);
        if (s->sequence > n->last_sequence)
            n->last_sequence = s->sequence;
        if (s->covered_to_ns - n->ahead_ns > *ret_until_ns)
            *ret_until_ns = s->covered_to_ns - n->ahead_ns;
        struct followed *f = find(n, s->sequence);
        if (f) {
            f->seen = true;
            f->sealed = s->sealed;
            f->size = s->size_bytes > f->size ? s->size_bytes : f->size;
        }
    }
    n->began = n->began || list.segment_count;
    ring_list_done(&list);
    return 0;
}

/* Not the newest of its series. */
static bool is_old(const struct live_node *n, const struct followed *f)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->followed[i].series == f->series && n->followed[i].sequence > f->sequence)
            return true;
    return false;
}

/* What the ring gave up is gone; when too much has come together only the newest goes on. */
static void pass_over(struct live_node *n, struct live_feed *feed)
{
    uint64_t lag = 0;
    for (size_t i = n->count; i-- > 0;)
        if (!n->followed[i].seen)
            drop(n, feed, i);
        else
            lag += n->followed[i].size - n->followed[i].sent;
    for (size_t i = n->count; lag > LIVE_MAX_LAG_BYTES && i-- > 0;)
        if (is_old(n, &n->followed[i]))
            drop(n, feed, i);
}

static int begin(struct live_node *n, struct live_feed *feed, struct followed *f)
{
    const char *name = live_node_name(n);
    if (feed->segments == FEED_MAX_SEGMENTS)
        return feed->error = -ENOBUFS; /* the next job goes on */
    f->begun = true;
    f->number = feed->segments++;
    struct feed_header h = {.kind = FEED_SEGMENT,
                            .segment = f->number,
                            .value = (int64_t)f->sequence,
                            .ahead_ns = n->ahead_ns,
                            .length = strlen(name)};
    return live_feed_put(feed, &h, name);
}

/* Up to the end that was published: there a block ends. */
static int feed_segment(struct live_node *n, struct live_feed *feed, struct followed *f,
                        struct error *reterr)
{
    if (f->sent == f->size && f->ready == f->sent)
        return 0;
    struct piece piece = {.feed = feed, .segment = f};
    int e = f->begun ? 0 : begin(n, feed, f);
    if (!e && f->sent < f->size)
        e = worker_client_fetch(n->client, f->name, f->sent, f->size - f->sent, on_piece, &piece,
                                reterr);
    if (e)
        return e;
    struct feed_header h = {.kind = FEED_READY, .segment = f->number, .value = (int64_t)f->sent};
    f->ready = f->sent;
    return live_feed_put(feed, &h, NULL);
}

int live_node_round(struct live_node *n, struct live_feed *feed, int64_t *ret_until_ns,
                    struct error *reterr)
{
    int64_t began_ns = clock_mono_ns();
    if (n->doubted_mono_ns && began_ns - n->doubted_mono_ns < DOUBTED_SECONDS * NS_PER_S)
        return -ETIMEDOUT; /* the others do not wait for it each time */
    int e = look(n, ret_until_ns, reterr);
    int64_t ended_ns = clock_mono_ns();
    n->doubted_mono_ns = e && ended_ns - began_ns >= DOUBTED_LOOK_MS * NS_PER_MS ? ended_ns : 0;
    if (e) {
        worker_client_free(n->client); /* it may have come back at another address */
        n->client = NULL;
        return e;
    }
    pass_over(n, feed);
    for (size_t i = 0; i < n->count && !e && !feed->error;) {
        struct followed *f = &n->followed[i];
        e = feed_segment(n, feed, f, reterr);
        bool is_gone = e == -ENOENT && !feed->error;
        e = is_gone ? 0 : e;
        if (!e && (is_gone || (f->sealed && f->sent == f->size)))
            drop(n, feed, i);
        else
            i++;
    }
    return e;
}
