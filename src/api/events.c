#include "api/events.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/clock.h"
#include "base/string_map.h"
#include "base/text.h"

enum {
    KEPT_EVENTS = 512,
    TICK_MS = 250,
    MAX_EVENT_BYTES = 32 * 1024 * 1024,
    MAX_KEPT_BYTES = 64 * 1024 * 1024
};

/* One event as it goes out, shared by the streams that send it. */
struct event {
    unsigned refs; /* guarded by the lock */
    uint64_t number;
    size_t len;
    char text[];
};

struct events {
    struct api *api;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    pthread_t ticker;
    bool ticker_started, ended;
    char start[24];          /* of this run: ids of another run are not continued */
    struct string_map dirty; /* id → "" (changed) or "d" (deleted) */
    struct event *kept[KEPT_EVENTS];
    size_t kept_bytes;
    uint64_t next_number; /* 1… */
    uint64_t first_kept;
    struct event *nodes; /* the latest */
    uint64_t nodes_version;
    unsigned listeners;
};

static char mark_changed[] = "", mark_deleted[] = "d";

static void event_unref(struct event *event)
{
    if (event && --event->refs == 0)
        free(event);
}

/* "id: …\nevent: …\ndata: …\n\n"; number 0 = without an id. JSON has no newlines. */
static struct event *event_new(const struct events *events, const char *name, struct slice json,
                               uint64_t number)
{
    size_t room = json.len + 160;
    struct event *event = malloc(sizeof *event + room);
    if (!event)
        return NULL;
    char id[64] = "";
    if (number)
        snprintf(id, sizeof id, "id: %s-%llu\n", events->start, (unsigned long long)number);
    int n = snprintf(event->text, room, "%sevent: %s\ndata: ", id, name);
    memcpy(event->text + n, json.data, json.len);
    memcpy(event->text + n + json.len, "\n\n", 2);
    event->refs = 1;
    event->number = number;
    event->len = (size_t)n + json.len + 2;
    return event;
}

/* ── making events ── */

static void keep(struct events *events, const char *name, struct slice json)
{
    uint64_t number = events->next_number;
    struct event *event = event_new(events, name, json, number);
    if (!event)
        return;
    events->next_number++;
    while (events->first_kept < number &&
           (number - events->first_kept >= KEPT_EVENTS || events->kept_bytes > MAX_KEPT_BYTES)) {
        struct event **old = &events->kept[events->first_kept++ % KEPT_EVENTS];
        events->kept_bytes -= (*old)->len;
        event_unref(*old);
        *old = NULL;
    }
    events->kept[number % KEPT_EVENTS] = event;
    events->kept_bytes += event->len;
}

static void render_snapshot(struct events *events, const char *id, struct buf *json)
{
    struct snapshot *snapshot;
    if (snapshot_store_get(events->api->store, id, &snapshot, NULL) < 0)
        return;
    struct json_writer w;
    json_init(&w, json);
    snapshot_write_json(snapshot, &w);
    snapshot_unref(snapshot);
}

/* What changed since the last tick, rendered without the lock. */
static void emit_dirty(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    struct string_map dirty = events->dirty;
    string_map_init(&events->dirty);
    pthread_mutex_unlock(&events->lock);
    size_t pos = 0;
    const struct string_map_entry *entry;
    struct buf json;
    buf_init(&json, MAX_EVENT_BYTES);
    while ((entry = string_map_next(&dirty, &pos))) {
        bool deleted = entry->value == mark_deleted;
        buf_reset(&json);
        if (deleted)
            buf_printf(&json, "{\"id\":\"%s\"}", entry->key);
        else
            render_snapshot(events, entry->key, &json);
        if (!json.len || buf_failed(&json))
            continue;
        pthread_mutex_lock(&events->lock);
        keep(events, deleted ? "snapshot_deleted" : "snapshot", buf_slice(&json));
        pthread_cond_broadcast(&events->changed);
        pthread_mutex_unlock(&events->lock);
    }
    buf_done(&json);
    string_map_done(&dirty, NULL);
}

static void emit_nodes(struct events *events)
{
    struct buf json;
    buf_init(&json, MAX_EVENT_BYTES);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "nodes");
    events->api->backend.write_nodes(events->api->backend.ctx, &w);
    json_member_time(&w, "now", clock_now_ns());
    json_end_object(&w);
    pthread_mutex_lock(&events->lock);
    struct event *event =
        buf_failed(&json) ? NULL : event_new(events, "nodes", buf_slice(&json), 0);
    if (event) {
        event_unref(events->nodes);
        events->nodes = event;
        events->nodes_version++;
        pthread_cond_broadcast(&events->changed);
    }
    pthread_mutex_unlock(&events->lock);
    buf_done(&json);
}

/* Waits on `changed`, at most ms. Called with the lock. */
static void wait_a_while(struct events *events, int64_t ms)
{
    (void)clock_wait(&events->changed, &events->lock, clock_mono_ns() + ms * NS_PER_MS);
}

static void *ticker_main(void *arg)
{
    struct events *events = arg;
    int64_t nodes_at = 0;
    pthread_mutex_lock(&events->lock);
    while (!events->ended) {
        bool anything = events->dirty.count > 0;
        bool nodes_due = events->listeners && clock_mono_ns() - nodes_at >= NS_PER_S;
        pthread_mutex_unlock(&events->lock);
        if (anything)
            emit_dirty(events);
        if (nodes_due) {
            nodes_at = clock_mono_ns();
            emit_nodes(events);
        }
        pthread_mutex_lock(&events->lock);
        int64_t until = clock_mono_ns() + TICK_MS * NS_PER_MS, left;
        while (!events->ended && (left = until - clock_mono_ns()) > 0)
            wait_a_while(events, left / NS_PER_MS + 1);
    }
    pthread_mutex_unlock(&events->lock);
    return NULL;
}

int events_start(struct api *api, struct events **ret_events, struct error *reterr)
{
    struct events *events = calloc(1, sizeof *events);
    if (!events)
        return error_set(reterr, -ENOMEM, "There is no memory for events.");
    events->api = api;
    events->next_number = events->first_kept = 1;
    snprintf(events->start, sizeof events->start, "%llx", (unsigned long long)clock_now_ns());
    pthread_mutex_init(&events->lock, NULL);
    pthread_cond_init(&events->changed, NULL);
    string_map_init(&events->dirty);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&events->ticker, NULL, ticker_main, events);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    events->ticker_started = e == 0;
    if (e) {
        events_free(events);
        return error_set(reterr, -e, "The thread for events cannot be started.");
    }
    *ret_events = events;
    return 0;
}

void events_end(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    events->ended = true;
    pthread_cond_broadcast(&events->changed);
    pthread_mutex_unlock(&events->lock);
}

void events_free(struct events *events)
{
    if (!events)
        return;
    if (events->ticker_started) {
        events_end(events);
        pthread_join(events->ticker, NULL);
    }
    for (size_t i = 0; i < KEPT_EVENTS; i++)
        event_unref(events->kept[i]);
    event_unref(events->nodes);
    string_map_done(&events->dirty, NULL);
    pthread_cond_destroy(&events->changed);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

void events_snapshot_changed(struct events *events, const char *id, bool deleted)
{
    if (!events)
        return;
    pthread_mutex_lock(&events->lock);
    (void)string_map_set(&events->dirty, slice_str(id), deleted ? mark_deleted : mark_changed,
                         NULL);
    pthread_mutex_unlock(&events->lock);
}

/* ── serving ── */

/* The number after the last event the client saw; 0 = it has to start over. */
static uint64_t resume_at(const struct events *events, const char *last_id)
{
    size_t len = strlen(events->start);
    int64_t number;
    if (strncmp(last_id, events->start, len) != 0 || last_id[len] != '-' ||
        text_parse_int(last_id + len + 1, 0, INT64_MAX - 1, &number) < 0 ||
        (uint64_t)number + 1 < events->first_kept || (uint64_t)number >= events->next_number)
        return 0;
    return (uint64_t)number + 1;
}

/* Everything there is, for a client that missed too much. */
static int send_all(struct api_call *call, uint64_t number)
{
    struct events *events = call->api->events;
    struct snapshot_list list = {0};
    char text[100];
    int n = snprintf(text, sizeof text, "id: %s-%llu\nevent: resync\ndata: {}\n\n", events->start,
                     (unsigned long long)number - 1);
    int e = http_response_write(call->http, text, (size_t)n);
    if (e || snapshot_store_list(call->api->store, NULL, NULL, &list, NULL) < 0)
        return e;
    struct buf json;
    buf_init(&json, MAX_EVENT_BYTES);
    for (size_t i = 0; i < list.count && !e; i++) {
        struct json_writer w;
        buf_reset(&json);
        buf_append_str(&json, "event: snapshot\ndata: ");
        json_init(&w, &json);
        snapshot_write_json(list.items[i], &w);
        buf_append_str(&json, "\n\n");
        if (!buf_failed(&json))
            e = http_response_write(call->http, json.data, json.len);
    }
    buf_done(&json);
    snapshot_list_done(&list);
    return e;
}

/* Sends one event without holding the lock meanwhile. Called with the lock. */
static int send_event(struct api_call *call, struct events *events, struct event *event)
{
    event->refs++;
    pthread_mutex_unlock(&events->lock);
    int e = http_response_write(call->http, event->text, event->len);
    pthread_mutex_lock(&events->lock);
    event_unref(event);
    return e;
}

/* Called with the lock; returns with it. */
static void serve_until_gone(struct api_call *call, struct events *events, uint64_t next)
{
    /* What was made for earlier listeners may be old. */
    uint64_t nodes_seen = events->listeners == 1 ? events->nodes_version : 0;
    int64_t sent_at = clock_mono_ns();
    int e = 0;
    while (!events->ended && !e) {
        if (next < events->first_kept) { /* a slow client missed some */
            next = events->next_number;
            pthread_mutex_unlock(&events->lock);
            e = send_all(call, next);
            pthread_mutex_lock(&events->lock);
        } else if (next < events->next_number) {
            e = send_event(call, events, events->kept[next++ % KEPT_EVENTS]);
        } else if (events->nodes && nodes_seen != events->nodes_version) {
            nodes_seen = events->nodes_version;
            e = send_event(call, events, events->nodes);
        } else if (clock_mono_ns() - sent_at >= 15 * NS_PER_S) {
            pthread_mutex_unlock(&events->lock);
            e = http_response_write(call->http, ": still here\n\n", 14);
            pthread_mutex_lock(&events->lock);
        } else {
            wait_a_while(events, 500);
            if (http_response_client_gone(call->http))
                break;
            continue;
        }
        sent_at = clock_mono_ns();
    }
}

void events_serve(struct api_call *call)
{
    struct events *events = call->api->events;
    http_response_header(call->http, "Cache-Control", "no-store");
    http_response_header(call->http, "X-Accel-Buffering", "no");
    if (http_response_begin(call->http, 200, "text/event-stream", -1) < 0 ||
        http_response_write(call->http, "retry: 2000\n\n", 13) < 0)
        return;
    const char *last_id = http_request_header(call->http, "last-event-id");
    pthread_mutex_lock(&events->lock);
    events->listeners++;
    uint64_t next = last_id ? resume_at(events, last_id) : events->next_number;
    serve_until_gone(call, events, next);
    events->listeners--;
    pthread_mutex_unlock(&events->lock);
}
