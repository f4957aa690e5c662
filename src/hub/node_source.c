#include "hub/node_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum {
    LOOK_SECONDS = 2,
    DOUBTFUL_SECONDS = 1
};

struct node_source {
    struct snapshot_source interface;
    struct fleet_node *node;
    struct worker_client *client;                   /* of the thread that takes */
    struct worker_client *renewer;                  /* of the thread that renews pins */
    unsigned client_generation, renewer_generation; /* of the addresses they speak to */
    struct worker_status status;
    struct packet_interface interfaces[WORKER_MAX_INTERFACES];
    int ring_fd;              /* −1 = not asked yet, −EXDEV = no */
    int64_t deadline_mono_ns; /* 0 = none */
};

/* A worker whose server was started again announces itself from another port. */
static int reach(struct node_source *s, struct worker_client **client, unsigned *generation,
                 struct error *reterr)
{
    unsigned now = fleet_node_generation(s->node);
    if (*client && *generation == now)
        return 0;
    struct worker_client *fresh = NULL;
    int e = fleet_node_connect(s->node, &fresh, reterr);
    if (e)
        return e;
    worker_client_set_deadline(fresh, s->deadline_mono_ns);
    worker_client_free(*client);
    *client = fresh;
    *generation = now;
    return 0;
}

static bool source_may_return(void *ctx)
{
    const struct node_source *s = ctx;
    return fleet_node_heard_lately(s->node);
}

static int source_status(void *ctx, struct snapshot_source_status *ret_status, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    if (!e)
        e = worker_client_status(s->client, &s->status, reterr);
    if (e)
        return e;
    struct fleet_clock clock = fleet_node_clock(s->node);
    for (size_t i = 0; i < s->status.interface_count; i++)
        s->interfaces[i] = (struct packet_interface){
            .link_type = (uint16_t)s->status.interfaces[i].link_type,
            .snaplen_bytes = (uint32_t)s->status.snaplen,
            .name = s->status.interfaces[i].name,
            .filter = s->status.filter[0] ? s->status.filter : NULL,
        };
    *ret_status = (struct snapshot_source_status){
        .recording = s->status.recording,
        .captured_until_ns = s->status.captured_until_ns,
        .clock_offset_ns = clock.offset_ns,
        .clock_source = clock.source,
        .interfaces = s->interfaces,
        .interface_count = s->status.interface_count,
    };
    return 0;
}

static int source_list(void *ctx, int64_t from_ns, int64_t to_ns, struct ring_list *ret_list,
                       struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_list(s->client, from_ns, to_ns, ret_list, reterr);
}

static int source_rotate(void *ctx, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_rotate(s->client, reterr);
}

static int source_pin(void *ctx, int64_t from_ns, int64_t to_ns, char ret_pin[SNAPSHOT_PIN_SIZE],
                      struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_pin(s->client, from_ns, to_ns, ret_pin, SNAPSHOT_PIN_SIZE, reterr);
}

static int source_renew(void *ctx, const char *pin, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->renewer, &s->renewer_generation, reterr);
    return e ? e : worker_client_renew(s->renewer, pin, reterr);
}

static int source_release(void *ctx, const char *pin, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_release(s->client, pin, reterr);
}

static int source_fetch(void *ctx, const char *name, uint64_t offset, uint64_t length,
                        snapshot_sink sink, void *sink_ctx, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_fetch(s->client, name, offset, length, sink, sink_ctx, reterr);
}

static int source_openings(void *ctx, const struct ring_openings_window *window, snapshot_sink sink,
                           void *sink_ctx, struct error *reterr)
{
    struct node_source *s = ctx;
    int e = reach(s, &s->client, &s->client_generation, reterr);
    return e ? e : worker_client_openings(s->client, window, sink, sink_ctx, reterr);
}

static int link_file(struct node_source *s, const char *name, int dir, const char *to_name,
                     struct error *reterr)
{
    if (s->ring_fd == -1)
        s->ring_fd = fleet_node_ring_fd(s->node);
    if (s->ring_fd < 0)
        return error_set(reterr, -EXDEV, "The ring of %.100s lies on another file system.",
                         fleet_node_name(s->node));
    int e = io_link("snapshot-link", s->ring_fd, name, dir, to_name);
    if (e == -ENOENT)
        return error_set(reterr, e, "The segment %s is gone.", name);
    return e ? error_set(reterr, e, "The segment %s cannot be linked: %s.", name, strerror(-e)) : 0;
}

static int source_link(void *ctx, const char *name, int dir, const char *to_name,
                       struct error *reterr)
{
    uint32_t series;
    uint64_t sequence;
    if (!ring_name_parse(name, &series, &sequence))
        return error_set(reterr, -EINVAL, "This is no name of a segment.");
    return link_file(ctx, name, dir, to_name, reterr);
}

static int source_link_index(void *ctx, const char *name, int dir, const char *to_name,
                             struct error *reterr)
{
    uint32_t series;
    uint64_t sequence;
    char index_name[RING_NAME_SIZE];
    if (!ring_name_parse(name, &series, &sequence))
        return error_set(reterr, -EINVAL, "This is no name of a segment.");
    ring_name_index(name, index_name);
    return link_file(ctx, index_name, dir, to_name, reterr);
}

int node_source_new(struct fleet_node *node, struct node_source **ret_source, struct error *reterr)
{
    struct node_source *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(reterr, -ENOMEM, "There is no memory to ask %.100s.",
                         fleet_node_name(node));
    s->ring_fd = -1;
    s->node = fleet_node_ref(node);
    int e = reach(s, &s->client, &s->client_generation, reterr);
    if (e) {
        node_source_free(s);
        return e;
    }
    s->interface = (struct snapshot_source){.ctx = s,
                                            .status = source_status,
                                            .may_return = source_may_return,
                                            .list = source_list,
                                            .rotate = source_rotate,
                                            .pin = source_pin,
                                            .renew = source_renew,
                                            .release = source_release,
                                            .fetch = source_fetch,
                                            .openings = source_openings,
                                            .link = source_link,
                                            .link_index = source_link_index};
    *ret_source = s;
    return 0;
}

void node_source_free(struct node_source *source)
{
    if (!source)
        return;
    worker_client_free(source->client);
    worker_client_free(source->renewer);
    fleet_node_unref(source->node);
    if (source->ring_fd >= 0)
        close(source->ring_fd);
    free(source);
}

const struct snapshot_source *node_source_get(const struct node_source *source)
{
    return &source->interface;
}

/* ── several ── */

static int add(struct node_sources *list, const char *name, struct fleet_node *node,
               struct error *reterr)
{
    size_t i = list->count;
    list->names[i] = strdup(name);
    if (!list->names[i])
        return error_set(reterr, -ENOMEM, "There is no memory for the list of nodes.");
    list->count++;
    list->nodes[i].name = list->names[i];
    if (node && node_source_new(node, &list->sources[i], reterr) == 0)
        list->nodes[i].source = node_source_get(list->sources[i]);
    list->nodes[i].doubtful = node && fleet_node_is_doubtful(node);
    return 0;
}

static int allocate(struct node_sources *list, size_t count, struct error *reterr)
{
    list->nodes = calloc(count + 1, sizeof *list->nodes);
    list->sources = calloc(count + 1, sizeof(struct node_source *));
    list->names = calloc(count + 1, sizeof(char *));
    return list->nodes && list->sources && list->names
               ? 0
               : error_set(reterr, -ENOMEM, "There is no memory for the list of nodes.");
}

static int make_by_name(struct fleet *fleet, const char *const *names, struct node_sources *list,
                        struct error *reterr)
{
    size_t count = 0;
    while (names[count])
        count++;
    int e = allocate(list, count, reterr);
    for (size_t i = 0; !e && i < count; i++) {
        struct fleet_node *node = fleet_find(fleet, names[i]);
        e = add(list, names[i], node, reterr);
        fleet_node_unref(node);
    }
    return e;
}

static int make_known(struct fleet *fleet, const char *const *names, struct node_sources *list,
                      struct error *reterr)
{
    struct fleet_node **nodes;
    size_t count;
    int e = fleet_nodes(fleet, names, &nodes, &count, reterr);
    if (e)
        return e;
    e = allocate(list, count, reterr);
    for (size_t i = 0; !e && i < count; i++)
        e = add(list, fleet_node_name(nodes[i]), nodes[i], reterr);
    fleet_nodes_done(nodes, count);
    return e;
}

int node_sources_make(struct fleet *fleet, const char *const *names, bool unknown_allowed,
                      struct node_sources *ret_sources, struct error *reterr)
{
    struct node_sources list = {0};
    int e = names && unknown_allowed ? make_by_name(fleet, names, &list, reterr)
                                     : make_known(fleet, names, &list, reterr);
    if (e)
        node_sources_done(&list);
    else
        *ret_sources = list;
    return e;
}

void node_sources_set_deadline(struct node_sources *sources)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < sources->count; i++) {
        struct node_source *s = sources->sources[i];
        if (!s)
            continue;
        int64_t seconds = sources->nodes[i].doubtful ? DOUBTFUL_SECONDS : LOOK_SECONDS;
        s->deadline_mono_ns = now + seconds * NS_PER_S;
        worker_client_set_deadline(s->client, s->deadline_mono_ns);
    }
}

void node_sources_done(struct node_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        node_source_free(sources->sources[i]);
        free(sources->names[i]);
    }
    free(sources->nodes);
    free(sources->sources);
    free(sources->names);
    *sources = (struct node_sources){0};
}
