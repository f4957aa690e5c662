#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"

void handle_nodes(struct api_call *call)
{
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "nodes");
    call->api->backend.write_nodes(call->api->backend.ctx, &w);
    json_member_time(&w, "now", clock_now_ns());
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_availability(struct api_call *call)
{
    struct api_backend *backend = &call->api->backend;
    struct snapshot_interval window = {.from_ns = call_query_time(call, "from", 0),
                                       .to_ns = call_query_time(call, "to", clock_now_ns())};
    if (window.from_ns < 0) {
        call_fail(call, 400, "The window begins before 1970.");
        return;
    }
    if (window.from_ns >= window.to_ns) {
        call_fail(call, 400, "The window ends before it begins.");
        return;
    }
    struct snapshot_availability found;
    struct error err = {.offset = ERROR_NO_OFFSET};
    char **nodes = call_query_list(call, "nodes");
    int e = backend->ask(backend->ctx, (const char *const *)nodes, window, &found, &err);
    free(nodes);
    if (e) {
        call_error(call, &err);
        return;
    }
    struct snapshot_quota quota;
    struct buf json;
    struct json_writer w;
    snapshot_store_quota(call->api->store, &quota);
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    snapshot_availability_write_json(&found, &quota, &w);
    snapshot_availability_done(&found);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void handle_register_worker(struct api_call *call)
{
    struct api_backend *backend = &call->api->backend;
    json_t *body = call_read_object(call);
    if (!body)
        return;
    json_int_t port = json_integer_value(json_object_get(body, "port"));
    if (port < 1 || port > 65535) {
        json_decref(body);
        call_fail(call, 400, "\"port\" has to lie between 1 and 65535.");
        return;
    }
    struct api_registration worker = {
        .name = text_of(body, "name"),
        .instance = text_of(body, "instance"),
        .address = text_of(body, "address"),
        .token = text_of(body, "token"),
        .version = text_of(body, "version"),
        .port = (uint16_t)port,
        .now_ns = json_integer_value(json_object_get(body, "now_ns")),
    };
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = backend->register_worker(backend->ctx, &worker, call->address, &err);
    json_decref(body);
    if (e) {
        call_error(call, &err);
        return;
    }
    struct buf json;
    struct json_writer w;
    buf_init(&json, 1024);
    json_init(&w, &json);
    json_begin_object(&w);
    json_member_bool(&w, "ok", true);
    json_member_int(&w, "now_ns", clock_now_ns());
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

static void set_hold(struct api_call *call, int64_t until_ns)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct buf json;
    struct json_writer w;
    if (call->api->backend.hold(call->api->backend.ctx, until_ns, &err) < 0) {
        call_error(call, &err);
        return;
    }
    char text[CLOCK_TEXT_SIZE];
    call_audit(call, until_ns ? "hold" : "hold.release", "all nodes", "%s",
               until_ns ? clock_format(until_ns, text) : "");
    buf_init(&json, 1024);
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "hold_until");
    if (until_ns)
        json_time(&w, until_ns);
    else
        json_none(&w);
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_hold(struct api_call *call)
{
    json_t *body = call_read_object(call);
    if (!body)
        return;
    const json_t *for_s = json_object_get(body, "for_s");
    double seconds = for_s ? json_number_value(for_s) : 3600;
    json_decref(body);
    if (!(seconds >= 1 && seconds <= 24 * 3600)) {
        call_fail(call, 400, "\"for_s\" has to lie between 1 and 86400 seconds.");
        return;
    }
    set_hold(call, clock_now_ns() + (int64_t)(seconds * 1e9));
}

void handle_release_hold(struct api_call *call)
{
    set_hold(call, 0);
}
