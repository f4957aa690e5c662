#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/call.h"
#include "api/events.h"
#include "api/schema.h"
#include "api/static_files.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum {
    MAX_SLOWED = 8 /* threads that wait for nothing */
};

/* What a browser may do with our pages: nothing but what the dashboard needs. */
static const char *const security_headers[] = {
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' "
    "data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options",
    "nosniff",
    "X-Frame-Options",
    "DENY",
    "Referrer-Policy",
    "no-referrer",
    "Cross-Origin-Opener-Policy",
    "same-origin",
    "Cross-Origin-Resource-Policy",
    "same-origin",
    "Permissions-Policy",
    "camera=(), microphone=(), geolocation=()",
    NULL,
};

/* ── who asks ── */

static const char *bearer(struct http_request *http)
{
    const char *value = http_request_header(http, "authorization");
    if (!value || strncasecmp(value, "bearer ", 7) != 0)
        return NULL;
    value += 7;
    while (*value == ' ')
        value++;
    return value;
}

/* Guessing is hopeless anyway (256 bits), this only keeps it from costing much. */
static void slow_down(struct api *api)
{
    if (atomic_fetch_add(&api->slowed, 1) < MAX_SLOWED) {
        struct timespec second = {.tv_sec = 1};
        (void)nanosleep(&second, NULL);
    }
    atomic_fetch_sub(&api->slowed, 1);
}

void call_refuse_token(struct api_call *call, const char *target)
{
    struct api *api = call->api;
    atomic_fetch_add(&api->refused, 1);
    if (!auth_is_blocked(api->auth, call->address)) {
        call_audit(call, "login.failed", target, "wrong token");
        (void)auth_failed(api->auth, call->address);
        call_fail(call, 401, "This token is not valid; `trawl token show` prints the one that is.");
        return;
    }
    slow_down(api);
    http_response_header(call->http, "Retry-After", "60");
    call_fail(call, 429, "Many wrong tokens came from this address, and this one is wrong too.");
}

/* False when an answer was sent. */
static bool identify(struct api_call *call)
{
    struct api *api = call->api;
    const char *token = bearer(call->http);
    bool is_worker = token && auth_worker_token_matches(api->auth, token);
    enum api_capability needed = call->route ? call->route->capability : CAP_SETTINGS_READ;
    if (token && !is_worker && !api_token_matches(api, token)) {
        call_refuse_token(call, http_request_path(call->http));
        return false;
    }
    if (token) {
        call->who = is_worker ? "worker" : "token";
        if (is_worker == (needed == CAP_WORKER))
            return true;
        call_fail(call, 403,
                  is_worker ? "The workers' token only announces workers."
                            : "This route is for workers and their token.");
        return false;
    }
    const char *cookie = http_request_cookie(call->http, api->cookie_name);
    if (cookie && auth_cookie_matches(api->auth, cookie)) {
        call->who = "session";
        if (guard_allows_cookie(call->http) && needed != CAP_WORKER)
            return true;
        call_fail(call, 403, "This page may not use the session of the dashboard.");
        return false;
    }
    call_fail(call, 401, "Sign in first: send the token that `trawl token show` prints.");
    return false;
}

/* ── what is asked ── */

static int check_query_value(const struct schema_member *m, const char *value, struct error *reterr)
{
    char key[64];
    snprintf(key, sizeof key, "%.*s", SLICE_ARGS(m->name));
    json_t *object = json_object(), *v = NULL;
    int64_t number;
    if (slice_eq_str(m->type, "int"))
        v = text_parse_int(value, INT64_MIN, INT64_MAX, &number) == 0 ? json_integer(number)
                                                                      : json_null();
    else if (slice_eq_str(m->type, "bool"))
        v = strcmp(value, "true") == 0 || strcmp(value, "1") == 0 ? json_true() : json_false();
    else
        v = json_stringn(value, strlen(value));
    if (!v)
        v = json_null(); /* not UTF-8 */
    char members[160];
    snprintf(members, sizeof members, "%s?: %.*s", key, SLICE_ARGS(m->type));
    const struct schema one = {.name = "Query", .members = members};
    int e = object && json_object_set_new_nocheck(object, key, v) == 0
                ? schema_check(&one, object, reterr)
                : -ENOMEM;
    json_decref(object);
    return e;
}

static bool query_member(const struct route *route, const char *name,
                         struct schema_member *ret_member)
{
    struct slice rest = slice_str(route->query ? route->query : "");
    while (schema_next(&rest, ret_member))
        if (slice_eq_str(ret_member->name, name))
            return true;
    return false;
}

/* Every member known and of its type, none missing. */
static int check_query(const struct api_call *call, struct error *reterr)
{
    const char *name, *value;
    struct schema_member m;
    for (size_t i = 0; http_request_query_at(call->http, i, &name, &value); i++) {
        char shown[60];
        text_escape(slice_str(name), shown, sizeof shown);
        if (!query_member(call->route, name, &m))
            return error_set(reterr, -EINVAL, "\"%s\" is not known here.", shown);
        if (http_request_query(call->http, name) != value)
            return error_set(reterr, -EINVAL, "\"%s\" is given twice.", shown);
        int e = value[0] ? check_query_value(&m, value, reterr) : 0;
        if (e)
            return e;
    }
    struct slice rest = slice_str(call->route->query ? call->route->query : "");
    while (schema_next(&rest, &m)) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", SLICE_ARGS(m.name));
        if (!m.optional && !http_request_query(call->http, key))
            return error_set(reterr, -EINVAL, "\"%s\" is missing.", key);
    }
    return 0;
}

static int check_params(const struct api_call *call, struct error *reterr)
{
    for (size_t i = 0; i < ROUTE_MAX_PARAMS && call->params[i]; i++) {
        const char *p = call->params[i];
        struct slice s = slice_str(p);
        if (s.len > 300 || !text_is_utf8(s))
            return error_set(reterr, -EINVAL, "A part of the path is too long or not UTF-8.");
        for (; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                return error_set(reterr, -EINVAL, "The path holds control characters.");
    }
    return 0;
}

/* ── dispatch ── */

static void take_address(struct api_call *call)
{
    const char *peer = http_request_peer(call->http), *colon = strrchr(peer, ':');
    snprintf(call->address, sizeof call->address, "%.*s",
             colon ? (int)(colon - peer) : (int)strlen(peer), peer);
}

static void run_route(struct api_call *call)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = check_params(call, &err);
    if (!e)
        e = check_query(call, &err);
    if (e)
        call_error(call, &err);
    else
        call->route->handler(call);
}

static bool is_api_path(const char *const *segments, size_t count)
{
    return count && (strcmp(segments[0], "api") == 0 || strcmp(segments[0], "metrics") == 0 ||
                     strcmp(segments[0], "session") == 0);
}

static void handle(void *ctx, struct http_request *http)
{
    struct api *api = ctx;
    struct api_call call = {.api = api, .http = http};
    struct api_problem problem;
    const char *segments[ROUTE_MAX_SEGMENTS];
    char allow[80];
    atomic_fetch_add(&api->requests, 1);
    take_address(&call);
    if (guard_check(api, http, &problem)) {
        call_send_problem(&call, &problem);
        return;
    }
    size_t count = http_request_segments(http, segments, ROUTE_MAX_SEGMENTS);
    /* A path that is longer than any route has none, but stays the API's by its first segment. */
    call.route = route_find(http_request_method(http), segments,
                            count > ROUTE_MAX_SEGMENTS ? 0 : count, call.params, allow);
    bool open = call.route && call.route->capability == CAP_OPEN;
    if (!open && (call.route || allow[0] || is_api_path(segments, count)) && !identify(&call))
        return;
    if (call.route) {
        run_route(&call);
    } else if (allow[0]) {
        http_response_header(http, "Allow", allow);
        call_fail(&call, 405, "This path knows %s.", allow);
    } else if (is_api_path(segments, count)) {
        call_fail(&call, 404, "There is no such route; GET /api/v1/openapi.json lists them.");
    } else {
        static_file_send(&call);
    }
}

/* ── start and stop ── */

static int copy_options(struct api *api, const struct api_options *o)
{
    api->backend = *o->backend;
    api->store = o->store;
    api->data_dir = strdup(o->data_dir);
    if (!api->data_dir)
        return -ENOMEM;
    for (size_t i = 0; o->host_names && o->host_names[i] && i < API_MAX_HOST_NAMES; i++)
        if (!(api->host_names[i] = strdup(o->host_names[i])))
            return -ENOMEM;
    if (gethostname(api->machine_name, sizeof api->machine_name - 1) < 0)
        api->machine_name[0] = 0;
    return 0;
}

/* When DATA/token was written, 0 when it is not there. */
static int64_t token_time(const struct api *api)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%.4000s/token", api->data_dir);
    return stat(path, &st) == 0 ? st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec : 0;
}

static int start_parts(struct api *api, const struct api_options *options, struct error *reterr)
{
    char worker_token[AUTH_TOKEN_SIZE];
    int e = copy_options(api, options);
    if (e)
        return error_set(reterr, e, "There is no memory for the API.");
    e = auth_load_token(api->data_dir, "token", api->token, &api->token_made, reterr);
    if (!e)
        e = auth_load_token(api->data_dir, "worker-token", worker_token, NULL, reterr);
    atomic_store(&api->token_time, token_time(api));
    if (!e)
        e = auth_new(api->token, worker_token, &api->auth);
    if (!e)
        e = audit_open(api->data_dir, &api->audit, reterr);
    if (!e && (e = failures_new(&api->failures)) < 0)
        error_set(reterr, e, "There is no memory for the API.");
    if (!e)
        e = events_start(api, &api->events, reterr);
    struct http_server_options server = {
        .listen = options->listen, .handler = handle, .ctx = api, .defaults = security_headers};
    if (!e)
        e = http_server_start(&server, &api->server, reterr);
    if (e)
        return e;
    api->port = http_server_port(api->server);
    return 0;
}

int api_start(const struct api_options *options, struct api **ret_api, struct error *reterr)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        return error_set(reterr, -ENOMEM, "There is no memory for the API.");
    api->started_mono_ns = clock_mono_ns();
    /* Cookies do not know ports: hubs on one host must not overwrite each other's. */
    const char *colon = strrchr(options->listen, ':');
    snprintf(api->cookie_name, sizeof api->cookie_name, "trawl_session_%.8s",
             colon ? colon + 1 : "");
    int e = start_parts(api, options, reterr);
    if (e) {
        api_stop(api);
        return e;
    }
    *ret_api = api;
    return 0;
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    if (api->events)
        events_end(api->events); /* wakes what waits for events */
    http_server_stop(api->server);
    events_free(api->events);
    failures_free(api->failures);
    audit_close(api->audit);
    auth_free(api->auth);
    for (size_t i = 0; i < API_MAX_HOST_NAMES; i++)
        free(api->host_names[i]);
    free(api->data_dir);
    free(api);
}

uint16_t api_port(const struct api *api)
{
    return api->port;
}

const char *api_new_token(const struct api *api)
{
    return api->token_made ? api->token : NULL;
}

int api_reload_token(struct api *api, struct error *reterr)
{
    char token[AUTH_TOKEN_SIZE];
    atomic_store(&api->token_time, token_time(api));
    int e = auth_load_token(api->data_dir, "token", token, NULL, reterr);
    if (!e) {
        auth_set_token(api->auth, token);
        api_audit(api, "token.change", "token", "read again from the data folder");
    }
    return e;
}

void api_follow_token(struct api *api)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    int64_t at = token_time(api);
    if (!at || at == atomic_load(&api->token_time))
        return;
    if (api_reload_token(api, &err) < 0)
        log_error("hub", "the new token cannot be read", "problem=\"%.300s\"", err.text);
    else
        log_info("hub", "the token was read again", NULL);
}

bool api_token_matches(struct api *api, const char *token)
{
    if (auth_token_matches(api->auth, token))
        return true;
    api_follow_token(api);
    return auth_token_matches(api->auth, token);
}

void api_snapshot_changed(struct api *api, const char *id, bool deleted)
{
    events_snapshot_changed(api->events, id, deleted);
}

void api_audit(struct api *api, const char *action, const char *target, const char *detail)
{
    int e = audit_write(api->audit, "hub", "", action, target, detail);
    if (e)
        log_error("audit", "a line could not be written", "action=%s error=\"%s\"", action,
                  strerror(-e));
}
