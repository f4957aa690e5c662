#include "hub/worker_client.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "hub/worker_answer.h"
#include "net/http_client.h"

struct worker_client {
    char node[WORKER_NAME_MAX + 1];
    struct http_client *http;
    struct buf answer;
    int64_t deadline_mono_ns; /* 0 = none */
};

int worker_client_new(const char *node, const char *address, uint16_t port, const char *token,
                      struct worker_client **ret_client, struct error *reterr)
{
    struct worker_client *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(reterr, -ENOMEM, "There is no memory to ask %.100s.", node);
    char url[200];
    snprintf(url, sizeof url, strchr(address, ':') ? "http://[%.100s]:%u" : "http://%.100s:%u",
             address, port);
    snprintf(c->node, sizeof c->node, "%s", node);
    buf_init(&c->answer, WORKER_MAX_ANSWER_BYTES);
    struct http_client_options options = {.base_url = url,
                                          .bearer_token = token,
                                          .connect_timeout_ns = 3 * NS_PER_S,
                                          .idle_timeout_ns = 10 * NS_PER_S,
                                          .answer_timeout_ns = 10 * NS_PER_S,
                                          .min_bytes_per_s = 1024};
    int e = http_client_new(&options, &c->http, reterr);
    if (e) {
        worker_client_free(c);
        return e;
    }
    *ret_client = c;
    return 0;
}

void worker_client_free(struct worker_client *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    buf_done(&client->answer);
    free(client);
}

void worker_client_set_deadline(struct worker_client *client, int64_t deadline_mono_ns)
{
    client->deadline_mono_ns = deadline_mono_ns;
}

/* How long the next exchange may take; 0 = as the client says. */
static int time_left(const struct worker_client *c, int64_t *ret_ns, struct error *reterr)
{
    *ret_ns = 0;
    if (!c->deadline_mono_ns)
        return 0;
    *ret_ns = c->deadline_mono_ns - clock_mono_ns();
    return *ret_ns > 0
               ? 0
               : error_set(reterr, -ETIMEDOUT, "Node %.100s did not answer in time.", c->node);
}

/* The sentence of a problem document, made harmless. */
static int refused(struct worker_client *c, int status, struct error *reterr)
{
    json_t *problem = json_loadb((const char *)c->answer.data, c->answer.len, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    char shown[300];
    text_escape(slice_str(detail ? detail : "no reason given"), shown, sizeof shown);
    json_decref(problem);
    static const struct {
        int status, code;
    } codes[] = {{400, -EINVAL}, {401, -EACCES}, {404, -ENOENT},   {409, -EBUSY},
                 {410, -ESTALE}, {429, -EAGAIN}, {504, -ETIMEDOUT}};
    int code = -EPROTO;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].status == status)
            code = codes[i].code;
    return error_set(reterr, code, "Node %.100s answered %d: %s", c->node, status, shown);
}

/* One exchange with an answer in memory. expect: the status of success. */
static int exchange(struct worker_client *c, const char *method, const char *path,
                    struct slice body, int expect, struct error *reterr)
{
    struct http_exchange x = {.method = method,
                              .path_and_query = path,
                              .content_type = body.len ? "application/json" : NULL,
                              .body = body,
                              .response = &c->answer};
    buf_reset(&c->answer);
    int e = time_left(c, &x.timeout_ns, reterr);
    if (!e)
        e = http_client_do(c->http, &x, reterr);
    if (e)
        return e;
    return x.ret_status == expect ? 0 : refused(c, x.ret_status, reterr);
}

static int exchange_json(struct worker_client *c, const char *method, const char *path,
                         struct slice body, int expect, json_t **ret_object, struct error *reterr)
{
    int e = exchange(c, method, path, body, expect, reterr);
    if (e)
        return e;
    json_t *object =
        json_loadb((const char *)c->answer.data, c->answer.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(reterr, -EPROTO,
                         "Node %.100s answered with something that is no JSON "
                         "object.",
                         c->node);
    }
    *ret_object = object;
    return 0;
}

static int nonsense(const struct worker_client *c, const char *what, struct error *reterr)
{
    return error_set(reterr, -EPROTO, "Node %.100s sent %s that makes no sense.", c->node, what);
}

int worker_client_status(struct worker_client *c, struct worker_status *ret_status,
                         struct error *reterr)
{
    json_t *object;
    int64_t sent = clock_now_ns();
    int e =
        exchange_json(c, "GET", WORKER_ROUTE_PREFIX "/status", SLICE_NONE, 200, &object, reterr);
    if (e)
        return e;
    int64_t received = clock_now_ns();
    e = worker_answer_status(object, ret_status);
    ret_status->sent_ns = sent;
    ret_status->received_ns = received;
    json_decref(object);
    return e ? nonsense(c, "a status", reterr) : 0;
}

int worker_client_list(struct worker_client *c, int64_t from_ns, int64_t to_ns,
                       struct ring_list *ret_list, struct error *reterr)
{
    char path[160], *p = path;
    const char *end = path + sizeof path;
    json_t *object;
    p += snprintf(p, (size_t)(end - p), WORKER_ROUTE_PREFIX "/segments");
    if (from_ns != INT64_MIN)
        p += snprintf(p, (size_t)(end - p), "?from_ns=%" PRId64, from_ns);
    if (to_ns != INT64_MAX)
        snprintf(p, (size_t)(end - p), "%cto_ns=%" PRId64, from_ns != INT64_MIN ? '&' : '?', to_ns);
    int e = exchange_json(c, "GET", path, SLICE_NONE, 200, &object, reterr);
    if (e)
        return e;
    struct ring_list list = {0};
    e = worker_answer_list(object, &list);
    json_decref(object);
    if (e) {
        ring_list_done(&list);
        return nonsense(c, "a list of segments", reterr);
    }
    *ret_list = list;
    return 0;
}

int worker_client_rotate(struct worker_client *c, struct error *reterr)
{
    return exchange(c, "POST", WORKER_ROUTE_PREFIX "/rotate", SLICE_LITERAL("{}"), 200, reterr);
}

/* ── pins ── */

static bool is_hex(const char *text, size_t len)
{
    return text && strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

int worker_client_pin(struct worker_client *c, int64_t from_ns, int64_t to_ns, char *ret_pin,
                      size_t pin_size, struct error *reterr)
{
    char body[100];
    json_t *object;
    int n = snprintf(body, sizeof body, "{\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64 "}", from_ns,
                     to_ns);
    int e = exchange_json(c, "POST", WORKER_ROUTE_PREFIX "/pins", slice_of(body, (size_t)n), 201,
                          &object, reterr);
    if (e)
        return e;
    const char *id = json_string_value(json_object_get(object, "id"));
    if (is_hex(id, 32) && pin_size > 32)
        snprintf(ret_pin, pin_size, "%s", id);
    else
        e = nonsense(c, "a pin", reterr);
    json_decref(object);
    return e;
}

static int pin_exchange(struct worker_client *c, const char *method, const char *pin, int expect,
                        struct error *reterr)
{
    char path[100];
    if (!is_hex(pin, 32))
        return error_set(reterr, -EINVAL, "This is no pin.");
    snprintf(path, sizeof path, WORKER_ROUTE_PREFIX "/pins/%s", pin);
    return exchange(c, method, path, expect == 200 ? SLICE_LITERAL("{}") : SLICE_NONE, expect,
                    reterr);
}

int worker_client_renew(struct worker_client *c, const char *pin, struct error *reterr)
{
    return pin_exchange(c, "POST", pin, 200, reterr);
}

int worker_client_release(struct worker_client *c, const char *pin, struct error *reterr)
{
    return pin_exchange(c, "DELETE", pin, 204, reterr);
}

/* ── bytes ── */

struct fetch {
    int (*sink)(void *ctx, const uint8_t *data, size_t n);
    void *ctx;
    uint64_t left;
    int error;
};

static int on_piece(void *arg, const uint8_t *data, size_t n)
{
    struct fetch *f = arg;
    if (n > f->left) {
        f->error = -EPROTO;
        return -1;
    }
    f->left -= n;
    f->error = f->sink(f->ctx, data, n);
    return f->error ? -1 : 0;
}

int worker_client_fetch(struct worker_client *c, const char *name, uint64_t offset, uint64_t length,
                        int (*sink)(void *ctx, const uint8_t *data, size_t n), void *ctx,
                        struct error *reterr)
{
    char path[100], range[60];
    uint32_t series;
    uint64_t sequence;
    if (!ring_name_parse(name, &series, &sequence))
        return error_set(reterr, -EINVAL, "This is no name of a segment.");
    if (!length)
        return 0;
    snprintf(path, sizeof path, WORKER_ROUTE_PREFIX "/segments/%s", name);
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, offset, offset + length - 1);
    struct fetch f = {.sink = sink, .ctx = ctx, .left = length};
    struct http_exchange x = {.method = "GET",
                              .path_and_query = path,
                              .range = range,
                              .on_data = on_piece,
                              .ctx = &f,
                              .response = &c->answer};
    buf_reset(&c->answer);
    int e = http_client_do(c->http, &x, reterr);
    if (f.error == -EPROTO)
        return nonsense(c, "more bytes than asked for", reterr);
    if (f.error)
        return error_set(reterr, f.error, "Fetching %s from node %.100s was stopped.", name,
                         c->node);
    if (e)
        return e;
    if (x.ret_status != 206)
        return refused(c, x.ret_status, reterr);
    return f.left ? nonsense(c, "fewer bytes than asked for", reterr) : 0;
}

int worker_client_openings(struct worker_client *c, const struct ring_openings_window *window,
                           int (*sink)(void *ctx, const uint8_t *data, size_t n), void *ctx,
                           struct error *reterr)
{
    char path[160];
    snprintf(path, sizeof path,
             WORKER_ROUTE_PREFIX "/openings?from_ns=%" PRId64 "&to_ns=%" PRId64 "&link_type=%u",
             window->from_ns, window->to_ns, window->link_type);
    struct fetch f = {.sink = sink, .ctx = ctx, .left = WORKER_MAX_OPENINGS_BYTES};
    struct http_exchange x = {.method = "GET",
                              .path_and_query = path,
                              .on_data = on_piece,
                              .ctx = &f,
                              .response = &c->answer};
    buf_reset(&c->answer);
    int e = http_client_do(c->http, &x, reterr);
    if (f.error)
        return error_set(reterr, f.error, "Fetching openings from node %.100s was stopped.",
                         c->node);
    if (e)
        return e;
    return x.ret_status == 200 || x.ret_status == 204 ? 0 : refused(c, x.ret_status, reterr);
}

int worker_client_local(struct worker_client *c, struct worker_local *ret_local,
                        struct error *reterr)
{
    json_t *object;
    int e = exchange_json(c, "GET", WORKER_ROUTE_PREFIX "/local", SLICE_NONE, 200, &object, reterr);
    if (e)
        return e;
    const char *dir = json_string_value(json_object_get(object, "ring_dir")),
               *file = json_string_value(json_object_get(object, "nonce_file")),
               *nonce = json_string_value(json_object_get(object, "nonce"));
    if (dir && dir[0] == '/' && strlen(dir) < sizeof ret_local->ring_dir && file &&
        strncmp(file, "nonce-", 6) == 0 && is_hex(file + 6, 32) && is_hex(nonce, 64)) {
        snprintf(ret_local->ring_dir, sizeof ret_local->ring_dir, "%s", dir);
        snprintf(ret_local->nonce_file, sizeof ret_local->nonce_file, "%s", file);
        snprintf(ret_local->nonce, sizeof ret_local->nonce, "%s", nonce);
    } else {
        e = nonsense(c, "a ring folder", reterr);
    }
    json_decref(object);
    return e;
}
