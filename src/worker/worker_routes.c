#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "worker/worker_state.h"

static void send_problem(struct http_request *request, int status, const char *title,
                         const char *detail)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 4096);
    json_init(&w, &body);
    json_begin_object(&w);
    json_member_str(&w, "title", title);
    json_member_int(&w, "status", status);
    json_member_str(&w, "detail", detail);
    json_end_object(&w);
    http_response_send(request, status, "application/problem+json", buf_slice(&body));
    buf_done(&body);
}

/* One small object with one int64 member (INT64_MIN = null). */
static void send_number(struct http_request *request, int status, const char *key, int64_t value)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 1024);
    json_init(&w, &body);
    json_begin_object(&w);
    json_key(&w, key);
    if (value == INT64_MIN)
        json_none(&w);
    else
        json_int(&w, value);
    json_end_object(&w);
    http_response_send(request, status, "application/json", buf_slice(&body));
    buf_done(&body);
}

/* Compares without telling by its duration how much was right. */
static bool is_authorised(const struct worker *worker, struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *header = http_request_header(request, "Authorization");
    if (!header || strncmp(header, scheme, sizeof scheme - 1) != 0 ||
        strlen(header) != sizeof scheme - 1 + WORKER_TOKEN_SIZE - 1)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < WORKER_TOKEN_SIZE - 1; i++)
        difference |= (unsigned char)(header[sizeof scheme - 1 + i] ^ worker->callback_token[i]);
    return difference == 0;
}

static void send_json(struct http_request *request, int r, struct buf *body,
                      const struct error *error)
{
    if (r < 0)
        send_problem(request, 500, "The ring cannot be read", error->text);
    else if (buf_failed(body))
        send_problem(request, 500, "The answer is too large",
                     "The list is larger than 16 MiB: ask for a shorter window.");
    else
        http_response_send(request, 200, "application/json", buf_slice(body));
    buf_done(body);
}

static void handle_status(struct worker *worker, struct http_request *request)
{
    struct buf body;
    struct json_writer w;
    struct error error;
    buf_init(&body, WORKER_MAX_ANSWER_BYTES);
    json_init(&w, &body);
    int r = worker_write_status(worker, &w, &error);
    send_json(request, r, &body, &error);
}

/* A missing side is open; false when it is no number. */
static bool query_time(struct http_request *request, const char *name, int64_t open,
                       int64_t *ret_ns)
{
    const char *text = http_request_query(request, name);
    *ret_ns = open;
    return !text || text_parse_int(text, INT64_MIN, INT64_MAX, ret_ns) == 0;
}

static void handle_segments(struct worker *worker, struct http_request *request)
{
    int64_t from;
    int64_t to;
    if (!query_time(request, "from_ns", INT64_MIN, &from) ||
        !query_time(request, "to_ns", INT64_MAX, &to) || from > to) {
        send_problem(request, 400, "Wrong window",
                     "from_ns and to_ns are whole numbers of nanoseconds, from before to.");
        return;
    }
    struct buf body;
    struct json_writer w;
    struct error error;
    buf_init(&body, WORKER_MAX_ANSWER_BYTES);
    json_init(&w, &body);
    int r = worker_write_segments(worker, from, to, &w, &error);
    send_json(request, r, &body, &error);
}

static void handle_segment(struct worker *worker, struct http_request *request, const char *name)
{
    struct error error;
    int fd;
    uint64_t length;
    int r = ring_reader_open_segment(worker->reader, name, &fd, &length, &error);
    if (r < 0) {
        send_problem(request,
                     r == -EINVAL   ? 400
                     : r == -ENOENT ? 404
                                    : 500,
                     "No such segment", error.text);
        return;
    }
    http_response_send_file_part(request, fd, length, "application/octet-stream", NULL);
}

struct openings_answer {
    struct http_request *request;
    bool begun;
};

static int send_piece(void *ctx, const uint8_t *data, size_t n)
{
    struct openings_answer *answer = ctx;
    int r = answer->begun
                ? 0
                : http_response_begin(answer->request, 200, "application/octet-stream", -1);
    answer->begun = true;
    return r < 0 ? r : http_response_write(answer->request, data, n);
}

static void handle_openings(struct worker *worker, struct http_request *request)
{
    struct ring_openings_window window = {0};
    int64_t link_type;
    if (!query_time(request, "from_ns", INT64_MIN, &window.from_ns) ||
        !query_time(request, "to_ns", INT64_MAX, &window.to_ns) || window.from_ns > window.to_ns ||
        !query_time(request, "link_type", 1, &link_type) || link_type < 0 ||
        link_type > UINT16_MAX) {
        send_problem(request, 400, "Wrong window",
                     "from_ns and to_ns are whole numbers of nanoseconds, from before to; "
                     "link_type is one of the pcap registry.");
        return;
    }
    window.link_type = (uint16_t)link_type;
    struct error error = {.text = ""};
    struct openings_answer answer = {.request = request};
    int r = ring_reader_openings(worker->reader, &window, send_piece, &answer, &error);
    if (answer.begun && r < 0)
        http_response_abort(request);
    else if (r < 0)
        send_problem(request, 500, "The openings cannot be read", error.text);
    else if (!answer.begun)
        http_response_send(request, 204, NULL, SLICE_NONE);
}

static void handle_rotate(struct worker *worker, struct http_request *request)
{
    struct error error;
    int64_t covered_to = INT64_MIN;
    int r = ring_control_rotate(worker->control, 0, &covered_to, &error);
    if (r == -ETIMEDOUT)
        send_problem(request, 504, "The capturer did not answer", error.text);
    else if (r < 0 && r != -ESRCH)
        send_problem(request, 500, "The segments could not be sealed", error.text);
    else
        send_number(request, 200, "covered_to_ns", r == -ESRCH ? INT64_MIN : covered_to);
}

static void handle_pause(struct worker *worker, struct http_request *request, bool pause)
{
    struct error error;
    int64_t at = 0;
    int r = pause ? ring_control_pause(worker->control, 0, &at, &error)
                  : ring_control_resume(worker->control, 0, &at, &error);
    if (r < 0)
        send_problem(request,
                     r == -ESRCH       ? 409
                     : r == -ETIMEDOUT ? 504
                                       : 500,
                     "The capturer did not answer", error.text);
    else
        send_number(request, 200, "at_ns", at);
}

static void send_pin(struct http_request *request, int status, const char *id)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 1024);
    json_init(&w, &body);
    json_begin_object(&w);
    json_member_str(&w, "id", id);
    json_member_int(&w, "lease_ns", RING_PIN_LEASE_NS);
    json_end_object(&w);
    http_response_send(request, status, "application/json", buf_slice(&body));
    buf_done(&body);
}

static void handle_new_pin(struct worker *worker, struct http_request *request)
{
    struct buf body;
    buf_init(&body, WORKER_MAX_BODY_BYTES);
    json_t *json = http_request_read_body(request, &body) == 0
                       ? json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    buf_done(&body);
    const json_t *from = json_object_get(json, "from_ns");
    const json_t *to = json_object_get(json, "to_ns");
    if (!json_is_integer(from) || !json_is_integer(to) ||
        json_integer_value(from) > json_integer_value(to)) {
        send_problem(request, 400, "Wrong pin",
                     "A pin is {\"from_ns\":…,\"to_ns\":…}, from before to.");
    } else {
        struct error error;
        char id[RING_PIN_ID_SIZE];
        int r = ring_pin_create(worker->control, json_integer_value(from), json_integer_value(to),
                                id, &error);
        if (r < 0)
            send_problem(request, r == -EAGAIN ? 429 : 500, "The window could not be pinned",
                         error.text);
        else
            send_pin(request, 201, id);
    }
    json_decref(json);
}

static void handle_pin(struct worker *worker, struct http_request *request, const char *id)
{
    struct error error;
    if (strcmp(http_request_method(request), "DELETE") == 0) {
        int r = ring_pin_release(worker->control, id, &error);
        if (r < 0 && r != -ENOENT)
            send_problem(request, r == -EINVAL ? 404 : 500, "The pin could not be released",
                         error.text);
        else
            http_response_send(request, 204, NULL, SLICE_NONE);
        return;
    }
    int r = ring_pin_renew(worker->control, id, &error);
    if (r < 0)
        send_problem(request,
                     r == -ESTALE                   ? 410
                     : r == -ENOENT || r == -EINVAL ? 404
                                                    : 500,
                     "The pin is gone", error.text);
    else
        send_pin(request, 200, id);
}

static void handle_local(struct worker *worker, struct http_request *request)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 16384);
    json_init(&w, &body);
    json_begin_object(&w);
    json_member_str(&w, "ring_dir", worker->ring_dir);
    json_member_str(&w, "nonce_file", worker->nonce_file);
    json_member_str(&w, "nonce", worker->nonce);
    json_member_int(&w, "uid", (int64_t)geteuid());
    json_end_object(&w);
    http_response_send(request, 200, "application/json", buf_slice(&body));
    buf_done(&body);
}

/* The route's name after the prefix, or NULL when the method is another. */
static bool is_route(struct http_request *request, const char *path, const char *method,
                     const char *route)
{
    return strcmp(path, route) == 0 && strcmp(http_request_method(request), method) == 0;
}

static bool starts_with(const char *text, const char *prefix, const char **ret_rest)
{
    size_t n = strlen(prefix);
    *ret_rest = text + n;
    return strncmp(text, prefix, n) == 0 && text[n] != '\0' && !strchr(text + n, '/');
}

void worker_handle(void *ctx, struct http_request *request)
{
    struct worker *worker = ctx;
    if (!is_authorised(worker, request)) {
        send_problem(request, 401, "Not signed in", "This worker answers its hub only.");
        return;
    }
    const char *path = http_request_path(request);
    const char *method = http_request_method(request);
    const char *rest;
    if (is_route(request, path, "GET", "/worker/v1/status"))
        handle_status(worker, request);
    else if (is_route(request, path, "GET", "/worker/v1/segments"))
        handle_segments(worker, request);
    else if (starts_with(path, "/worker/v1/segments/", &rest) && strcmp(method, "GET") == 0)
        handle_segment(worker, request, rest);
    else if (is_route(request, path, "POST", "/worker/v1/rotate"))
        handle_rotate(worker, request);
    else if (is_route(request, path, "POST", "/worker/v1/pins"))
        handle_new_pin(worker, request);
    else if (starts_with(path, "/worker/v1/pins/", &rest) &&
             (strcmp(method, "POST") == 0 || strcmp(method, "DELETE") == 0))
        handle_pin(worker, request, rest);
    else if (is_route(request, path, "GET", "/worker/v1/openings"))
        handle_openings(worker, request);
    else if (is_route(request, path, "GET", "/worker/v1/local"))
        handle_local(worker, request);
    else if (is_route(request, path, "POST", "/worker/v1/pause") ||
             is_route(request, path, "POST", "/worker/v1/resume"))
        handle_pause(worker, request, strcmp(path, "/worker/v1/pause") == 0);
    else
        send_problem(request, 404, "No such route", "This worker has no such route.");
}
