#include "hub/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "hub/dissections.h"
#include "hub/exports.h"
#include "hub/fleet.h"
#include "hub/live.h"
#include "hub/node_source.h"
#include "hub/queries.h"
#include "hub/takes.h"
#include "snapshot/snapshot_verify.h"

struct hub {
    struct api_backend backend;
    struct fleet *fleet;
    struct snapshot_store *store;
    struct takes *takes;
    struct dissections *dissections;
    struct queries *queries;
    struct live *live;
    struct exports *exports;
    struct api *api; /* atomic: the store tells of changes from its recovery on */
};

/* ── nodes ── */

static void backend_write_nodes(void *ctx, struct json_writer *w)
{
    struct hub *hub = ctx;
    fleet_write_json(hub->fleet, w);
}

static int backend_register_worker(void *ctx, const struct api_registration *worker,
                                   const char *peer, struct error *reterr)
{
    struct hub *hub = ctx;
    char address[80];
    const char *shown = worker->address[0] ? worker->address : peer;
    size_t len = strlen(shown);
    if (shown[0] == '[' && len > 2 && len < sizeof address) /* an IPv6 peer in brackets */
        snprintf(address, sizeof address, "%.*s", (int)len - 2, shown + 1);
    else
        snprintf(address, sizeof address, "%.79s", shown);
    struct fleet_registration r = {.name = worker->name,
                                   .instance = worker->instance,
                                   .address = address,
                                   .token = worker->token,
                                   .version = worker->version,
                                   .port = worker->port};
    return fleet_register(hub->fleet, &r, reterr);
}

static int backend_hold(void *ctx, int64_t until_ns, struct error *reterr)
{
    struct hub *hub = ctx;
    return fleet_hold(hub->fleet, until_ns, reterr);
}

static int backend_ask(void *ctx, const char *const *nodes, struct snapshot_interval window,
                       struct snapshot_availability *ret_availability, struct error *reterr)
{
    struct hub *hub = ctx;
    struct node_sources sources;
    int e = node_sources_make(hub->fleet, nodes, false, &sources, reterr);
    if (e)
        return e;
    node_sources_set_deadline(&sources);
    e = snapshot_ask(sources.nodes, sources.count, window, ret_availability, reterr);
    node_sources_done(&sources);
    return e;
}

static void backend_write_metrics(void *ctx, struct buf *out)
{
    struct hub *hub = ctx;
    fleet_write_metrics(hub->fleet, out);
}

static uint64_t backend_ring_budget(void *ctx)
{
    struct hub *hub = ctx;
    return fleet_ring_budget(hub->fleet);
}

/* ── snapshots ── */

static int backend_take(void *ctx, const char *id, struct error *reterr)
{
    struct hub *hub = ctx;
    return takes_start(hub->takes, id, reterr);
}

static int backend_cancel(void *ctx, const char *id, struct error *reterr)
{
    struct hub *hub = ctx;
    return takes_cancel(hub->takes, id, reterr);
}

static int backend_verify(void *ctx, const char *id, struct json_writer *w, struct error *reterr)
{
    struct hub *hub = ctx;
    struct snapshot_verify verify = {0};
    struct error unkept = {.offset = ERROR_NO_OFFSET};
    int e = snapshot_verify(hub->store, id, &verify, reterr);
    if (!e && snapshot_verify_keep(hub->store, id, &verify, &unkept) < 0)
        log_error("snapshot", "the result of a verification cannot be kept",
                  "id=%s problem=\"%.300s\"", id, unkept.text);
    if (!e)
        snapshot_verify_write_json(&verify, w);
    snapshot_verify_done(&verify);
    return e;
}

static int backend_dissect(void *ctx, const char *id, const struct api_dissect *what,
                           struct error *reterr)
{
    struct hub *hub = ctx;
    return dissections_start(hub->dissections, id, what->name, what->protocols, what->keys, reterr);
}

static int backend_cancel_dissection(void *ctx, const char *id, const char *name,
                                     struct error *reterr)
{
    struct hub *hub = ctx;
    return dissections_cancel(hub->dissections, id, name, reterr);
}

static void backend_close_queries(void *ctx, const char *id, const char *name)
{
    struct hub *hub = ctx;
    queries_close(hub->queries, id, name);
}

static int backend_query(void *ctx, const struct api_source *sources, size_t count,
                         struct slice question, const struct api_listener *listener,
                         struct buf *ret_result, struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    for (size_t i = 0; i < count; i++)
        if (strcmp(sources[i].id, QUERIES_LIVE) == 0)
            live_touch(hub->live);
    return queries_ask_all(hub->queries, sources, count, question, listener, ret_result,
                           ret_problem);
}

/* ── live ── */

static int backend_live_switch(void *ctx, bool on, struct error *reterr)
{
    struct hub *hub = ctx;
    return live_switch(hub->live, on, reterr);
}

static void backend_live_write(void *ctx, struct json_writer *w)
{
    struct hub *hub = ctx;
    live_write_json(hub->live, w);
}

static bool backend_live_has_store(void *ctx)
{
    struct hub *hub = ctx;
    return live_has_store(hub->live);
}

static void backend_live_wait(void *ctx, const struct api_live_now *known, int64_t timeout_ns,
                              struct api_live_now *ret_now)
{
    struct hub *hub = ctx;
    live_wait(hub->live, known, timeout_ns, ret_now);
}

/* ── files ── */

static int backend_archive(void *ctx, const char *id, const struct api_export_sink *sink,
                           struct error *reterr)
{
    struct hub *hub = ctx;
    return exports_archive(hub->exports, id, sink, reterr);
}

static int backend_import(void *ctx, struct api_import *import, struct error *reterr)
{
    struct hub *hub = ctx;
    return exports_import(hub->exports, import, reterr);
}

static int backend_export(void *ctx, const char *id, const struct api_export *what,
                          const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                          struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    return exports_pcap(hub->exports, id, what, sink, ret_estimate, ret_problem);
}

static int backend_entry_packets(void *ctx, const char *id, const char *name, const char *entry,
                                 struct buf *ret_result, struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    return exports_entry_packets(hub->exports, id, name, entry, ret_result, ret_problem);
}

static int backend_entry_stream(void *ctx, const char *id, const char *name, const char *entry,
                                struct buf *ret_result, struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    return exports_entry_stream(hub->exports, id, name, entry, ret_result, ret_problem);
}

static int backend_entry_body(void *ctx, const char *id, const char *name, const char *entry,
                              bool of_request, const struct api_export_sink *sink,
                              struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    return exports_entry_body(hub->exports, id, name, entry, of_request, sink, ret_problem);
}

static int backend_entry_pcap(void *ctx, const char *id, const char *name, const char *entry,
                              const struct api_export_sink *sink, struct api_problem *ret_problem)
{
    struct hub *hub = ctx;
    return exports_entry_pcap(hub->exports, id, name, entry, sink, ret_problem);
}

/* ── what happens by itself ── */

/* A snapshot that was asked for with auto_dissect goes on by itself. */
static void on_taken(void *ctx, const char *id, int result)
{
    struct hub *hub = ctx;
    struct snapshot *snapshot = NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (result || snapshot_store_get(hub->store, id, &snapshot, &err) < 0)
        return;
    if (snapshot->request.auto_dissect &&
        dissections_start(hub->dissections, id, "default", NULL, SLICE_NONE, &err) < 0)
        log_error("dissect", "a dissection cannot be started", "id=%s problem=\"%.300s\"", id,
                  err.text);
    snapshot_unref(snapshot);
}

/* Those whose dissection was still to begin when the hub stopped. */
static int resume_dissections(struct hub *hub, struct error *reterr)
{
    struct snapshot_list list;
    int e = snapshot_store_list(hub->store, NULL, "Completed", &list, reterr);
    for (size_t i = 0; !e && i < list.count; i++)
        if (!list.items[i]->imported && list.items[i]->dissection_count == 0)
            on_taken(hub, list.items[i]->id, 0);
    if (!e)
        snapshot_list_done(&list);
    return e;
}

static void on_change(void *ctx, const char *id, const struct snapshot *snapshot)
{
    struct hub *hub = ctx;
    struct api *api = __atomic_load_n(&hub->api, __ATOMIC_ACQUIRE);
    if (api)
        api_snapshot_changed(api, id, snapshot == NULL);
}

/* ── start ── */

static void fill_backend(struct hub *hub)
{
    hub->backend = (struct api_backend){
        .ctx = hub,
        .write_nodes = backend_write_nodes,
        .register_worker = backend_register_worker,
        .hold = backend_hold,
        .ask = backend_ask,
        .take = backend_take,
        .cancel = backend_cancel,
        .verify = backend_verify,
        .dissect = backend_dissect,
        .cancel_dissection = backend_cancel_dissection,
        .close_queries = backend_close_queries,
        .query = backend_query,
        .live_switch = backend_live_switch,
        .live_write = backend_live_write,
        .live_has_store = backend_live_has_store,
        .live_wait = backend_live_wait,
        .archive = backend_archive,
        .import = backend_import,
        .export = backend_export,
        .entry_packets = backend_entry_packets,
        .entry_stream = backend_entry_stream,
        .entry_body = backend_entry_body,
        .entry_pcap = backend_entry_pcap,
        .write_metrics = backend_write_metrics,
        .ring_budget = backend_ring_budget,
    };
}

static int start_parts(struct hub *hub, const struct hub_options *options, struct error *reterr)
{
    struct snapshot_store_options store = {.data_dir = options->data_dir,
                                           .quota_bytes = options->quota_bytes,
                                           .on_change = on_change,
                                           .ctx = hub};
    int e = snapshot_store_open(&store, &hub->store, reterr);
    if (e)
        return e;
    const char *report = snapshot_store_recovery_report(hub->store);
    for (size_t n; *report; report += n + (report[n] == '\n')) {
        n = strcspn(report, "\n");
        log_info("snapshot", "recovery", "note=\"%.*s\"", (int)n, report);
    }
    struct live_options live = {.fleet = hub->fleet, .data_dir = options->data_dir};
    e = live_new(&live, &hub->live, reterr);
    if (e)
        return e;
    struct takes_options takes = {
        .fleet = hub->fleet, .store = hub->store, .on_end = on_taken, .ctx = hub};
    struct dissections_options dissections = {
        .store = hub->store, .close_queries = backend_close_queries, .ctx = hub};
    e = takes_new(&takes, &hub->takes);
    if (!e)
        e = dissections_new(&dissections, &hub->dissections);
    if (!e)
        e = queries_new(
            &(struct queries_options){.store = hub->store, .live_dir = live_dir(hub->live)},
            &hub->queries);
    if (!e)
        e = exports_new(hub->store, hub->queries, &hub->exports);
    if (e)
        return error_set(reterr, e, "There is no memory to start the hub.");
    fill_backend(hub);
    struct api_options api_options = {.listen = options->listen,
                                      .data_dir = options->data_dir,
                                      .host_names = options->host_names,
                                      .backend = &hub->backend,
                                      .store = hub->store};
    struct api *api = NULL;
    e = api_start(&api_options, &api, reterr);
    if (e)
        return e;
    __atomic_store_n(&hub->api, api, __ATOMIC_RELEASE);
    e = takes_resume(hub->takes, reterr);
    return e ? e : resume_dissections(hub, reterr);
}

int hub_start(const struct hub_options *options, struct hub **ret_hub, struct error *reterr)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (!hub || fleet_new(&hub->fleet) < 0) {
        free(hub);
        return error_set(reterr, -ENOMEM, "There is no memory to start the hub.");
    }
    int e = start_parts(hub, options, reterr);
    if (e) {
        (void)hub_stop(hub);
        return e;
    }
    *ret_hub = hub;
    return 0;
}

bool hub_stop(struct hub *hub)
{
    struct api *api = hub->api;
    __atomic_store_n(&hub->api, NULL, __ATOMIC_RELEASE);
    bool idle = takes_free(hub->takes);
    idle = dissections_free(hub->dissections) && idle;
    if (!idle)
        return false; /* they use all the rest */
    api_stop(api);
    exports_free(hub->exports);
    queries_free(hub->queries);
    live_free(hub->live);
    fleet_free(hub->fleet);
    snapshot_store_free(hub->store);
    free(hub);
    return true;
}

void hub_tick(struct hub *hub)
{
    queries_tidy(hub->queries);
    api_follow_token(hub->api); /* `trawl token rotate` */
}

int hub_reload(struct hub *hub, struct error *reterr)
{
    int e = api_reload_token(hub->api, reterr);
    if (!e)
        log_info("hub", "the token was read again", NULL);
    return e;
}

uint16_t hub_port(const struct hub *hub)
{
    return api_port(hub->api);
}

const char *hub_new_token(const struct hub *hub)
{
    return api_new_token(hub->api);
}
