#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"

void handle_health(struct api_call *call)
{
    http_response_send(call->http, 200, "text/plain", SLICE_LITERAL("ok\n"));
}

void handle_metrics(struct api_call *call)
{
    struct api *api = call->api;
    struct snapshot_quota quota;
    struct buf out;
    buf_init(&out, API_MAX_ANSWER_BYTES);
    snapshot_store_quota(api->store, &quota);
    buf_printf(
        &out,
        "# TYPE trawl_hub_requests_total counter\ntrawl_hub_requests_total %llu\n"
        "# TYPE trawl_hub_request_failures_total counter\n"
        "trawl_hub_request_failures_total %llu\n"
        "# TYPE trawl_hub_refused_tokens_total counter\ntrawl_hub_refused_tokens_total %llu\n"
        "# TYPE trawl_snapshot_quota_bytes gauge\ntrawl_snapshot_quota_bytes %llu\n"
        "# TYPE trawl_snapshot_used_bytes gauge\ntrawl_snapshot_used_bytes %llu\n",
        (unsigned long long)atomic_load(&api->requests),
        (unsigned long long)atomic_load(&api->failed),
        (unsigned long long)atomic_load(&api->refused), (unsigned long long)quota.limit_bytes,
        (unsigned long long)quota.used_bytes);
    api->backend.write_metrics(api->backend.ctx, &out);
    http_response_header(call->http, "Cache-Control", "no-store");
    http_response_send(call->http, 200, "text/plain; version=0.0.4", buf_slice(&out));
    buf_done(&out);
}

void handle_sign_in(struct api_call *call)
{
    struct api *api = call->api;
    json_t *body = call_read_object(call);
    if (!body)
        return;
    bool valid = api_token_matches(api, json_string_value(json_object_get(body, "token")));
    json_decref(body);
    if (!valid) {
        call_refuse_token(call, "/session");
        return;
    }
    char cookie[AUTH_COOKIE_SIZE], header[AUTH_COOKIE_SIZE + 160];
    auth_make_cookie(api->auth, cookie);
    snprintf(header, sizeof header, "%s=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%d",
             api->cookie_name, cookie, AUTH_SESSION_SECONDS);
    http_response_header(call->http, "Set-Cookie", header);
    call_send_empty(call);
}

void handle_sign_out(struct api_call *call)
{
    struct api *api = call->api;
    char header[160];
    const char *cookie = http_request_cookie(call->http, api->cookie_name);
    if (cookie)
        auth_revoke_cookie(api->auth, cookie);
    snprintf(header, sizeof header, "%s=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0",
             api->cookie_name);
    http_response_header(call->http, "Set-Cookie", header);
    call_send_empty(call);
}

void handle_openapi(struct api_call *call)
{
    struct buf json;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    (void)route_write_openapi(&json);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_whoami(struct api_call *call)
{
    struct buf json;
    struct json_writer w;
    buf_init(&json, 64 * 1024);
    json_init(&w, &json);
    json_begin_object(&w);
    json_member_str(&w, "name", call->who);
    json_member_str(&w, "role", "admin");
    json_key(&w, "capabilities");
    json_begin_array(&w);
    for (int c = CAP_WORKER + 1; c < CAP_COUNT; c++)
        json_str(&w, capability_name((enum api_capability)c));
    json_end_array(&w);
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_settings(struct api_call *call)
{
    struct api *api = call->api;
    struct snapshot_quota quota;
    struct buf json;
    struct json_writer w;
    snapshot_store_quota(api->store, &quota);
    buf_init(&json, 64 * 1024);
    json_init(&w, &json);
    json_begin_object(&w);
    json_member_str(&w, "version", TRAWL_VERSION);
    json_member_str(&w, "data_dir", api->data_dir);
    json_member_uint(&w, "ring_budget_bytes", api->backend.ring_budget(api->backend.ctx));
    json_member_uint(&w, "quota_bytes", quota.limit_bytes);
    json_member_str(&w, "auth", "token");
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
}

void handle_audit(struct api_call *call)
{
    int64_t limit = call_query_int(call, "limit", 200);
    struct buf lines, json;
    struct audit_check check;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (limit < 1 || limit > 10000) {
        call_fail(call, 400, "\"limit\" has to lie between 1 and 10,000.");
        return;
    }
    buf_init(&lines, API_MAX_ANSWER_BYTES);
    if (audit_read(call->api->data_dir, (size_t)limit, &lines, &check, &err) < 0) {
        call_error(call, &err);
        buf_done(&lines);
        return;
    }
    buf_init(&json, API_MAX_ANSWER_BYTES);
    struct json_writer w;
    json_init(&w, &json);
    json_begin_object(&w);
    json_key(&w, "lines");
    json_raw(&w, buf_slice(&lines));
    json_member_bool(&w, "intact", check.intact);
    json_key(&w, "broken_at");
    if (check.intact)
        json_none(&w);
    else
        json_uint(&w, check.broken_at);
    json_end_object(&w);
    call_send_json(call, 200, &json);
    buf_done(&json);
    buf_done(&lines);
}

void handle_failure(struct api_call *call)
{
    struct api_problem problem;
    struct buf json;
    if (!failures_find(call->api->failures, call->params[0], &problem)) {
        call_fail(call, 404, "No answer with this id broke off lately.");
        return;
    }
    buf_init(&json, 16 * 1024);
    problem_write(&problem, &json);
    call_send_json(call, 200, &json);
    buf_done(&json);
}
