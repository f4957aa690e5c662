#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"

enum {
    MAX_TAGS = 50
};

struct snapshot *handler_snapshot(struct api_call *call, const char *ref)
{
    struct snapshot *snapshot = NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (snapshot_store_get(call->api->store, ref, &snapshot, &err) < 0) {
        call_error(call, &err);
        return NULL;
    }
    return snapshot;
}

static void send_snapshot(struct api_call *call, int status, const char *id)
{
    struct snapshot *snapshot = handler_snapshot(call, id);
    if (!snapshot)
        return;
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    snapshot_write_json(snapshot, &w);
    snapshot_unref(snapshot);
    call_send_json(call, status, &json);
    buf_done(&json);
}

/* ── list ── */

static int compare_text(const char *a, const char *b)
{
    int c = strcasecmp(a, b);
    return c ? c : strcmp(a, b);
}

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_name(const void *a, const void *b)
{
    const struct snapshot *const *x = a, *const *y = b;
    return compare_text((*x)->request.name, (*y)->request.name);
}

static int by_size(const void *a, const void *b)
{
    const struct snapshot *const *x = a, *const *y = b;
    return compare_int((int64_t)snapshot_size_bytes(*x), (int64_t)snapshot_size_bytes(*y));
}

static int by_from(const void *a, const void *b)
{
    const struct snapshot *const *x = a, *const *y = b;
    return compare_int((*x)->request.from_ns, (*y)->request.from_ns);
}

static int by_status(const void *a, const void *b)
{
    const struct snapshot *const *x = a, *const *y = b;
    return strcmp(snapshot_status_text(*x), snapshot_status_text(*y));
}

static int by_created(const void *a, const void *b)
{
    const struct snapshot *const *x = a, *const *y = b;
    return compare_int((*x)->created_at_ns, (*y)->created_at_ns);
}

static const struct {
    const char *name;
    int (*compare)(const void *a, const void *b);
} orders[] = {{"created_at", by_created}, {"name", by_name},     {"size_bytes", by_size},
              {"from", by_from},          {"status", by_status}, {NULL, NULL}};

/* "name" or "-name". False: unknown. */
static bool sort_list(struct snapshot_list *list, const char *sort)
{
    bool reverse = sort[0] == '-';
    const char *name = sort + (sort[0] == '-' || sort[0] == '+');
    for (size_t i = 0; orders[i].name; i++) {
        if (strcmp(orders[i].name, name) != 0)
            continue;
        if (list->count)
            qsort(list->items, list->count, sizeof *list->items, orders[i].compare);
        for (size_t a = 0, b = list->count; reverse && a + 1 < b; a++) {
            struct snapshot *swap = list->items[a];
            list->items[a] = list->items[--b];
            list->items[b] = swap;
        }
        return true;
    }
    return false;
}

static void send_list(struct api_call *call, const struct snapshot_list *list, size_t offset,
                      size_t limit)
{
    struct snapshot_quota quota;
    struct buf json;
    struct json_writer w;
    snapshot_store_quota(call->api->store, &quota);
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "snapshots");
    json_begin_array(&w);
    for (size_t i = offset; i < list->count && i - offset < limit; i++)
        snapshot_write_json(list->items[i], &w);
    json_end_array(&w);
    json_member_uint(&w, "total", list->count);
    json_key(&w, "quota");
    snapshot_quota_write_json(&quota, &w);
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_snapshots(struct api_call *call)
{
    int64_t limit = call_query_int(call, "limit", INT32_MAX),
            offset = call_query_int(call, "offset", 0);
    if (limit < 1 || limit > INT32_MAX || offset < 0 || offset > INT32_MAX) {
        call_fail(call, 400, "\"limit\" has to be at least 1 and \"offset\" at least 0.");
        return;
    }
    struct snapshot_list list = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = snapshot_store_list(call->api->store, call_query(call, "search"),
                                call_query(call, "status"), &list, &err);
    const char *sort = call_query(call, "sort");
    if (e)
        call_error(call, &err);
    else if (sort && !sort_list(&list, sort))
        call_fail(call, 400,
                  "\"sort\" has to be created_at, name, size_bytes, from or status, with - before "
                  "it for the other direction.");
    else
        send_list(call, &list, (size_t)offset, (size_t)limit);
    if (!e)
        snapshot_list_done(&list);
}

void handle_snapshot(struct api_call *call)
{
    send_snapshot(call, 200, call->params[0]);
}

/* ── change, delete ── */

static void change(struct api_call *call, const struct snapshot *snapshot, const json_t *body)
{
    const char *tags[MAX_TAGS + 1];
    const json_t *list = json_object_get(body, "tags"), *locked = json_object_get(body, "locked");
    size_t n = json_array_size(list);
    if (n > MAX_TAGS) {
        call_fail(call, 400, "A snapshot may have at most %d tags.", MAX_TAGS);
        return;
    }
    for (size_t i = 0; i < n; i++)
        tags[i] = json_string_value(json_array_get(list, i));
    tags[n] = NULL;
    bool lock = json_is_true(locked);
    struct snapshot_changes changes = {.name = json_string_value(json_object_get(body, "name")),
                                       .note = json_string_value(json_object_get(body, "note")),
                                       .tags = list ? tags : NULL,
                                       .locked = locked ? &lock : NULL,
                                       .by = call->who};
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (snapshot_store_change(call->api->store, snapshot->id, &changes, &err) < 0) {
        call_error(call, &err);
        return;
    }
    call_audit(call, "snapshot.change", snapshot->id, "%s%s%s%s", changes.name ? "name " : "",
               changes.note ? "note " : "", list ? "tags " : "",
               locked ? (lock ? "locked" : "unlocked") : "");
    send_snapshot(call, 200, snapshot->id);
}

void handle_change_snapshot(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    json_t *body = snapshot ? call_read_object(call) : NULL;
    if (body)
        change(call, snapshot, body);
    json_decref(body);
    snapshot_unref(snapshot);
}

void handle_delete_snapshot(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->dissection_count; i++)
        call->api->backend.close_queries(call->api->backend.ctx, snapshot->id,
                                         snapshot->dissections[i].name);
    uint64_t freed = 0;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (snapshot_store_delete(call->api->store, snapshot->id, &freed, &err) < 0) {
        call_error(call, &err);
    } else {
        call_audit(call, "snapshot.delete", snapshot->id, "name=%.200s freed_bytes=%llu",
                   snapshot->request.name, (unsigned long long)freed);
        struct buf json;
        buf_init(&json, 256);
        buf_printf(&json, "{\"freed_bytes\":%llu}", (unsigned long long)freed);
        call_send_json(call, 200, &json);
        buf_done(&json);
    }
    snapshot_unref(snapshot);
}

/* ── actions ── */

void handle_cancel_snapshot(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (call->api->backend.cancel(call->api->backend.ctx, snapshot->id, &err) < 0) {
        call_error(call, &err);
    } else {
        call_audit(call, "snapshot.cancel", snapshot->id, "%s", "");
        send_snapshot(call, 200, snapshot->id);
    }
    snapshot_unref(snapshot);
}

void handle_retry_snapshot(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = snapshot_store_retry(call->api->store, snapshot->id, &err);
    if (!e)
        e = call->api->backend.take(call->api->backend.ctx, snapshot->id, &err);
    if (e) {
        call_error(call, &err);
    } else {
        call_audit(call, "snapshot.retry", snapshot->id, "%s", "");
        send_snapshot(call, 202, snapshot->id);
    }
    snapshot_unref(snapshot);
}

void handle_verify_snapshot(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct buf json;
    struct json_writer w;
    struct error err = {.offset = ERROR_NO_OFFSET};
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    if (call->api->backend.verify(call->api->backend.ctx, snapshot->id, &w, &err) < 0)
        call_error(call, &err);
    else
        call_send_json(call, 200, &json);
    buf_done(&json);
    snapshot_unref(snapshot);
}
