/* POST /snapshots: from what a person asks to a Pending snapshot, or a sentence why not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "snapshot/snapshot_filter.h"

enum {
    MAX_FUTURE_S = 24 * 3600,
    RETURN_WAIT_S = 15
};

#define MAX_LAST_S 9.2e9 /* what int64_t nanoseconds hold */

struct create {
    struct snapshot_request request;
    const char **nodes; /* ends with NULL */
    bool max;
};

static void send_window_problem(struct api_call *call, const struct error *err,
                                const struct snapshot_availability *found)
{
    struct api_problem p;
    problem_from_error(&p, err);
    if (found->oldest_ns <= found->newest_ns) {
        p.has_available = true;
        p.available =
            (struct snapshot_interval){.from_ns = found->oldest_ns, .to_ns = found->newest_ns};
    }
    call_send_problem(call, &p);
}

/* Exactly one of last_s, max, from (with or without to). */
static bool take_window(struct api_call *call, const json_t *body, struct create *c)
{
    const json_t *last = json_object_get(body, "last_s");
    const char *from = json_string_value(json_object_get(body, "from")),
               *to = json_string_value(json_object_get(body, "to"));
    int64_t now = clock_now_ns();
    c->max = json_is_true(json_object_get(body, "max"));
    c->request.to_ns = now;
    if (to)
        (void)clock_parse_rfc3339(to, &c->request.to_ns);
    if ((last != NULL) + (from != NULL) + c->max != 1 || (to && !from)) {
        call_fail(call, 400, "Say the window in one way: last_s, max, or from and to.");
        return false;
    }
    if (last) {
        double seconds = json_number_value(last);
        if (!(seconds > 0)) {
            call_fail(call, 400, "\"last_s\" has to be more than 0 seconds.");
            return false;
        }
        c->request.from_ns = seconds < MAX_LAST_S ? now - (int64_t)(seconds * 1e9) : -1;
    } else if (from) {
        (void)clock_parse_rfc3339(from, &c->request.from_ns);
    }
    const char *wrong = NULL;
    if (c->request.from_ns < 0)
        wrong = "The window begins before 1970; ask for max to get all there is.";
    else if (c->request.from_ns > now)
        wrong = "The window begins in the future; a snapshot looks back.";
    else if (c->request.from_ns >= c->request.to_ns)
        wrong = "The window ends before it begins.";
    else if (c->request.to_ns > now + MAX_FUTURE_S * NS_PER_S)
        wrong = "The window may end at most a day from now.";
    if (wrong)
        call_fail(call, 400, "%s", wrong);
    return !wrong;
}

static bool take_request(struct api_call *call, const json_t *body, struct create *c)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *filter = json_string_value(json_object_get(body, "filter"));
    if (snapshot_check_name(name, &err) < 0 ||
        (filter && filter[0] && snapshot_filter_check(filter, &err) < 0)) {
        call_error(call, &err);
        return false;
    }
    const json_t *nodes = json_object_get(body, "nodes");
    size_t n = json_array_size(nodes);
    if (nodes && (!n || n > SNAPSHOT_MAX_NODES)) {
        call_fail(call, 400, "\"nodes\" has to name at least one node.");
        return false;
    }
    c->nodes = calloc(n + 1, sizeof *c->nodes);
    if (!c->nodes) {
        call_fail(call, 503, "There is no memory for this request.");
        return false;
    }
    for (size_t i = 0; i < n; i++)
        c->nodes[i] = json_string_value(json_array_get(nodes, i));
    const json_t *partial = json_object_get(body, "allow_partial");
    c->request.name = (char *)(uintptr_t)name;
    c->request.filter = filter && filter[0] ? (char *)(uintptr_t)filter : NULL;
    c->request.nodes = n ? (char **)(uintptr_t)c->nodes : NULL;
    c->request.node_count = n;
    c->request.created_by = (char *)(uintptr_t)call->who;
    c->request.auto_dissect = json_is_true(json_object_get(body, "auto_dissect"));
    c->request.allow_partial = !partial || json_is_true(partial);
    return take_window(call, body, c);
}

/* The first node that does not hold all of it says why a whole snapshot cannot be. */
static void refuse_part(const struct snapshot_availability *found, struct snapshot_interval window,
                        struct error *reterr)
{
    char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
    const struct snapshot_node_availability *node = NULL;
    for (size_t i = 0; i < found->node_count && !node; i++)
        if (!found->nodes[i].reachable || found->nodes[i].gap_count)
            node = &found->nodes[i];
    if (node && !node->reachable) {
        error_set(reterr, -ENODATA,
                  "Node %.100s does not answer, so this window cannot be had whole: name the other "
                  "nodes, or take what there is (leave --whole out).",
                  node->name);
        return;
    }
    struct snapshot_interval lost = node ? node->gaps[0].at : window;
    error_set(
        reterr, -ENODATA,
        "The window is not whole: node %.100s lacks %s to %s (%s)%s. Ask for a window without "
        "it, or take what there is (leave --whole out).",
        node ? node->name : "?", clock_format(lost.from_ns, from), clock_format(lost.to_ns, to),
        node ? snapshot_gap_reason_text(node->gaps[0].reason) : "gap",
        node && node->gap_count > 1 ? " and more" : "");
}

/* Workers announce themselves within seconds of the hub's start. */
static bool may_come(const struct api_call *call, const struct create *c, int result, size_t count)
{
    bool lacking = c->request.nodes ? result == -ENOENT : result == 0 && count == 0;
    return lacking && clock_mono_ns() - call->api->started_mono_ns < RETURN_WAIT_S * NS_PER_S;
}

/* A worker's server that starts again is back within seconds. Others are not kept waiting for it:
 * while one node is taken the next may return. */
static bool is_worth_waiting(const struct create *c, const struct snapshot_availability *found)
{
    bool returns = false;
    for (size_t i = 0; i < found->node_count; i++)
        returns |= found->nodes[i].may_return;
    return returns && (!found->anything || c->max || !c->request.allow_partial);
}

static int ask_nodes(struct api_call *call, const struct create *c, struct snapshot_interval window,
                     struct snapshot_availability *ret_found, struct error *reterr)
{
    struct api_backend *backend = &call->api->backend;
    int64_t until = clock_mono_ns() + RETURN_WAIT_S * NS_PER_S;
    for (;;) {
        struct snapshot_availability found = {0};
        int e =
            backend->ask(backend->ctx, c->request.nodes ? c->nodes : NULL, window, &found, reterr);
        bool waits = may_come(call, c, e, found.node_count) || (!e && is_worth_waiting(c, &found));
        if (!waits || clock_mono_ns() >= until || http_response_client_gone(call->http)) {
            *ret_found = found;
            return e;
        }
        snapshot_availability_done(&found);
        usleep(200 * 1000);
    }
}

/* What is there; narrows `max` to it. False when an answer was sent. */
static bool check_available(struct api_call *call, struct create *c)
{
    struct snapshot_availability found;
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct snapshot_interval window = {.from_ns = c->request.from_ns, .to_ns = c->request.to_ns};
    if (ask_nodes(call, c, window, &found, &err) < 0) {
        call_error(call, &err);
        return false;
    }
    if (c->max && found.oldest_ns < window.to_ns && found.oldest_ns <= found.newest_ns)
        c->request.from_ns = window.from_ns = found.oldest_ns;
    bool good = snapshot_availability_check(&found, window, &err) == 0;
    if (good && !c->max && !found.whole && !c->request.allow_partial) {
        refuse_part(&found, window, &err);
        good = false;
    }
    c->request.estimate_bytes = found.estimate_bytes;
    if (!good)
        send_window_problem(call, &err, &found);
    snapshot_availability_done(&found);
    return good;
}

static void send_created(struct api_call *call, const char *id)
{
    struct snapshot *snapshot = handler_snapshot(call, id);
    if (!snapshot)
        return;
    char location[80];
    snprintf(location, sizeof location, "/api/v1/snapshots/%s", id);
    http_response_header(call->http, "Location", location);
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    snapshot_write_json(snapshot, &w);
    snapshot_unref(snapshot);
    call_send_json(call, 201, &json);
    buf_done(&json);
}

void handle_create_snapshot(struct api_call *call)
{
    json_t *body = call_read_object(call);
    if (!body)
        return;
    struct create c = {0};
    char id[SNAPSHOT_ID_SIZE], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (take_request(call, body, &c) && check_available(call, &c)) {
        int e = snapshot_store_create(call->api->store, &c.request, id, &err);
        if (!e)
            e = call->api->backend.take(call->api->backend.ctx, id, &err);
        if (e) {
            call_error(call, &err);
        } else {
            call_audit(call, "snapshot.create", id, "name=%.200s from=%s to=%s", c.request.name,
                       clock_format(c.request.from_ns, from), clock_format(c.request.to_ns, to));
            send_created(call, id);
        }
    }
    free(c.nodes);
    json_decref(body);
}
