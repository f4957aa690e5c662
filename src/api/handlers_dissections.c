#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "base/text.h"

enum {
    MAX_PROTOCOLS = 64,
    MAX_KEYS_BYTES = 8 * 1024 * 1024
};

/* ── finding ── */

static const struct snapshot_dissection *newest_done(const struct snapshot *snapshot)
{
    const struct snapshot_dissection *best = NULL;
    for (size_t i = 0; i < snapshot->dissection_count; i++) {
        const struct snapshot_dissection *d = &snapshot->dissections[i];
        if (d->state == SNAPSHOT_DISSECTION_DONE &&
            (!best || d->finished_at_ns > best->finished_at_ns))
            best = d;
    }
    return best;
}

const struct snapshot_dissection *
handler_dissection(struct api_call *call, const struct snapshot *snapshot, const char *name)
{
    if (!name) {
        const struct snapshot_dissection *d = newest_done(snapshot);
        if (!d)
            call_fail(call, 409, "\"%.100s\" has not been dissected; dissect it first.",
                      snapshot->request.name);
        return d;
    }
    for (size_t i = 0; i < snapshot->dissection_count; i++)
        if (strcmp(snapshot->dissections[i].name, name) == 0)
            return &snapshot->dissections[i];
    char shown[80];
    call_fail(call, 404, "This snapshot has no dissection called \"%s\".",
              text_escape(slice_str(name), shown, sizeof shown));
    return NULL;
}

static void send_dissection(struct api_call *call, int status, const char *id, const char *name)
{
    struct snapshot *snapshot = handler_snapshot(call, id);
    const struct snapshot_dissection *d =
        snapshot ? handler_dissection(call, snapshot, name) : NULL;
    if (d) {
        struct buf json;
        struct json_writer w;
        buf_init(&json, API_MAX_ANSWER_BYTES);
        json_init(&w, &json);
        snapshot_dissection_write_json(d, &w);
        call_send_json(call, status, &json);
        buf_done(&json);
    }
    snapshot_unref(snapshot);
}

void handle_dissections(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "dissections");
    json_begin_array(&w);
    for (size_t i = 0; i < snapshot->dissection_count; i++)
        snapshot_dissection_write_json(&snapshot->dissections[i], &w);
    json_end_array(&w);
    json_end_object(&w);
    snapshot_unref(snapshot);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_dissection(struct api_call *call)
{
    send_dissection(call, 200, call->params[0], call->params[1]);
}

/* ── starting and ending ── */

void handle_dissect(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    json_t *body = snapshot ? call_read_object_of(call, MAX_KEYS_BYTES + API_MAX_BODY_BYTES) : NULL;
    if (!body) {
        snapshot_unref(snapshot);
        return;
    }
    const char *name = json_string_value(json_object_get(body, "name"));
    const json_t *list = json_object_get(body, "protocols"), *keys = json_object_get(body, "keys");
    const char *protocols[MAX_PROTOCOLS + 1];
    size_t n = json_array_size(list);
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (!name)
        name = "default";
    if (snapshot_check_dissection_name(name, &err) < 0) {
        call_error(call, &err);
    } else if (keys && (!json_is_string(keys) || json_string_length(keys) > MAX_KEYS_BYTES)) {
        call_fail(call, json_is_string(keys) ? 413 : 400,
                  "\"keys\" is the text of a TLS key log, at most 8 MiB.");
    } else if (n > MAX_PROTOCOLS) {
        call_fail(call, 400, "At most %d protocols can be chosen.", MAX_PROTOCOLS);
    } else {
        for (size_t i = 0; i < n; i++)
            protocols[i] = json_string_value(json_array_get(list, i));
        protocols[n] = NULL;
        struct api_dissect what = {.name = name,
                                   .protocols = n ? protocols : NULL,
                                   .keys =
                                       slice_of(json_string_value(keys), json_string_length(keys))};
        if (call->api->backend.dissect(call->api->backend.ctx, snapshot->id, &what, &err) < 0) {
            call_error(call, &err);
        } else {
            call_audit(call, "snapshot.dissect", snapshot->id, "name=%s%s", name,
                       what.keys.len ? " with keys" : "");
            send_dissection(call, 202, snapshot->id, name);
        }
    }
    json_decref(body);
    snapshot_unref(snapshot);
}

void handle_cancel_dissection(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    const struct snapshot_dissection *d =
        snapshot ? handler_dissection(call, snapshot, call->params[1]) : NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (d) {
        if (call->api->backend.cancel_dissection(call->api->backend.ctx, snapshot->id, d->name,
                                                 &err) < 0) {
            call_error(call, &err);
        } else {
            call_audit(call, "dissection.cancel", snapshot->id, "name=%s", d->name);
            send_dissection(call, 200, snapshot->id, d->name);
        }
    }
    snapshot_unref(snapshot);
}

void handle_delete_dissection(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    const struct snapshot_dissection *d =
        snapshot ? handler_dissection(call, snapshot, call->params[1]) : NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (d && snapshot_dissection_runs(d)) {
        call_fail(call, 409, "This dissection is running; cancel it first.");
    } else if (d) {
        call->api->backend.close_queries(call->api->backend.ctx, snapshot->id, d->name);
        if (snapshot_store_delete_dissection(call->api->store, snapshot->id, d->name, &err) < 0) {
            call_error(call, &err);
        } else {
            call_audit(call, "dissection.delete", snapshot->id, "name=%s", d->name);
            call_send_empty(call);
        }
    }
    snapshot_unref(snapshot);
}

/* ── sources ── */

static void write_source(const struct snapshot *s, const struct snapshot_dissection *d,
                         struct json_writer *w)
{
    char id[SNAPSHOT_ID_SIZE + 80];
    bool plain = !d || strcmp(d->name, "default") == 0;
    snprintf(id, sizeof id, plain ? "%s" : "%s:%s", s->id, plain ? "" : d->name);
    json_begin_object(w);
    json_member_str(w, "id", id);
    json_member_str(w, "name", s->request.name);
    json_member_str(w, "kind", "snapshot");
    if (d)
        json_member_str(w, "dissection", d->name);
    json_member_time(w, "from", s->request.from_ns);
    json_member_time(w, "to", s->request.to_ns);
    json_member_uint(w, "size_bytes", snapshot_size_bytes(s));
    json_member_str(w, "state",
                    !d                                        ? "not_dissected"
                    : d->state == SNAPSHOT_DISSECTION_DONE    ? "ready"
                    : d->state == SNAPSHOT_DISSECTION_RUNNING ? "dissecting"
                                                              : "not_dissected");
    json_member_uint(w, "entries", d ? d->entries : 0);
    json_member_bool(w, "partial", s->manifest->partial);
    json_end_object(w);
}

void handle_sources(struct api_call *call)
{
    struct snapshot_list list = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (snapshot_store_list(call->api->store, NULL, NULL, &list, &err) < 0) {
        call_error(call, &err);
        return;
    }
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "sources");
    json_begin_array(&w);
    for (size_t i = 0; i < list.count; i++) {
        const struct snapshot *s = list.items[i];
        if (!s->manifest)
            continue;
        for (size_t k = 0; k < s->dissection_count; k++)
            write_source(s, &s->dissections[k], &w);
        if (!s->dissection_count)
            write_source(s, NULL, &w);
    }
    json_end_array(&w);
    json_end_object(&w);
    snapshot_list_done(&list);
    call_send_json(call, 200, &json);
    buf_done(&json);
}
