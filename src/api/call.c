#include "api/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/schema.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

void call_send_problem(struct api_call *call, const struct api_problem *problem)
{
    struct buf body;
    buf_init(&body, 16 * 1024);
    problem_write(problem, &body);
    atomic_fetch_add(&call->api->failed, problem->status >= 500);
    if (problem->status == 401)
        http_response_header(call->http, "WWW-Authenticate", "Bearer realm=\"trawl\"");
    http_response_header(call->http, "Cache-Control", "no-store");
    http_response_send(call->http, problem->status, "application/problem+json", buf_slice(&body));
    buf_done(&body);
}

void call_fail(struct api_call *call, int status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct api_problem p;
    problem_set(&p, status, "%s", text);
    call_send_problem(call, &p);
}

void call_error(struct api_call *call, const struct error *error)
{
    struct api_problem p;
    problem_from_error(&p, error);
    call_send_problem(call, &p);
}

void call_send_json(struct api_call *call, int status, const struct buf *json)
{
    if (buf_failed(json)) {
        call_fail(call, 503, "The answer is larger than 64 MiB or there is no memory for it.");
        return;
    }
    http_response_header(call->http, "Cache-Control", "no-store");
    http_response_send(call->http, status, "application/json", buf_slice(json));
}

void call_send_empty(struct api_call *call)
{
    http_response_header(call->http, "Cache-Control", "no-store");
    (void)http_response_begin(call->http, 204, NULL, 0);
}

void call_name(struct api_call *call)
{
    uint8_t random[(REQUEST_ID_SIZE - 1) / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return;
    text_hex(random, sizeof random, call->request_id);
    http_response_header(call->http, "X-Request-Id", call->request_id);
}

void call_break_off(struct api_call *call, const struct api_problem *problem)
{
    bool gone = problem->status == 499 || http_response_client_gone(call->http);
    if (!gone) {
        char path[200], detail[600];
        text_escape(slice_str(http_request_path(call->http)), path, sizeof path);
        text_escape(slice_str(problem->detail), detail, sizeof detail);
        atomic_fetch_add(&call->api->failed, 1);
        log_warn("api", "an answer broke off", "method=%s path=\"%s\" request=%s reason=\"%s\"",
                 http_request_method(call->http), path, call->request_id, detail);
        if (call->request_id[0])
            failures_add(call->api->failures, call->request_id, problem);
    }
    http_response_abort(call->http);
}

static json_t *parse_body(struct api_call *call, const struct buf *body)
{
    json_error_t where;
    json_t *object =
        body->len ? json_loadb((const char *)body->data, body->len, JSON_REJECT_DUPLICATES, &where)
                  : json_object();
    if (!object) {
        char shown[160];
        text_escape(slice_str(where.text), shown, sizeof shown);
        call_fail(call, 400, "The body is not valid JSON: %s (byte %d).", shown, where.position);
        return NULL;
    }
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (schema_check(schema_find(call->route->request), object, &err) < 0) {
        call_error(call, &err);
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *call_read_object(struct api_call *call)
{
    return call_read_object_of(call, API_MAX_BODY_BYTES);
}

json_t *call_read_object_of(struct api_call *call, size_t max_bytes)
{
    const char *type = http_request_header(call->http, "content-type");
    if (http_request_content_length(call->http) != 0 &&
        (!type || strncasecmp(type, "application/json", 16) != 0)) {
        call_fail(call, 415, "The body has to be application/json.");
        return NULL;
    }
    struct buf body;
    buf_init(&body, max_bytes);
    int e = http_request_read_body(call->http, &body);
    json_t *object = NULL;
    if (e == -EFBIG)
        call_fail(call, 413, "The body is larger than %zu MiB.", max_bytes >> 20);
    else if (e)
        call_fail(call, 400, "The body did not arrive whole.");
    else
        object = parse_body(call, &body);
    buf_done(&body);
    return object;
}

const char *call_query(struct api_call *call, const char *name)
{
    const char *value = http_request_query(call->http, name);
    return value && value[0] ? value : NULL;
}

int64_t call_query_time(struct api_call *call, const char *name, int64_t absent)
{
    const char *value = call_query(call, name);
    int64_t ns = absent;
    if (value)
        (void)clock_parse_rfc3339(value, &ns);
    return ns;
}

int64_t call_query_int(struct api_call *call, const char *name, int64_t absent)
{
    const char *value = call_query(call, name);
    int64_t v = absent;
    if (value)
        (void)text_parse_int(value, INT64_MIN, INT64_MAX, &v);
    return v;
}

char **call_query_list(struct api_call *call, const char *name)
{
    const char *value = call_query(call, name);
    if (!value)
        return NULL;
    size_t commas = 0, len = strlen(value);
    for (size_t i = 0; i < len; i++)
        commas += value[i] == ',';
    /* One block: the pointers, then the text. */
    char **list = calloc(1, (commas + 2) * sizeof *list + len + 1);
    if (!list)
        return NULL;
    char *text = (char *)(list + commas + 2);
    memcpy(text, value, len + 1);
    size_t n = 0;
    while (text) {
        char *comma = strchr(text, ',');
        if (comma)
            *comma = 0;
        if (*text)
            list[n++] = text;
        text = comma ? comma + 1 : NULL;
    }
    list[n] = NULL;
    return list;
}

void call_attachment(struct api_call *call, const char *name, const char *extension)
{
    char plain[120], value[900];
    struct buf encoded;
    buf_init(&encoded, 650);
    size_t n = 0;
    for (const char *p = name; *p; p++) {
        char c = *p;
        bool safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '-' || c == '_' || (c == '.' && p != name);
        if (n < sizeof plain - 1)
            plain[n++] = safe ? c : '_';
        if (safe)
            buf_append_u8(&encoded, (uint8_t)c);
        else
            buf_printf(&encoded, "%%%02X", (unsigned)(unsigned char)c);
    }
    plain[n] = 0;
    if (buf_failed(&encoded))
        snprintf(value, sizeof value, "attachment; filename=\"%s%s\"", plain, extension);
    else
        snprintf(value, sizeof value, "attachment; filename=\"%s%s\"; filename*=UTF-8''%.*s%s",
                 plain, extension, SLICE_ARGS(buf_slice(&encoded)), extension);
    http_response_header(call->http, "Content-Disposition", value);
    buf_done(&encoded);
}

void call_audit(struct api_call *call, const char *action, const char *target, const char *format,
                ...)
{
    char detail[700];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    int e = audit_write(call->api->audit, call->who ? call->who : "", call->address, action, target,
                        detail);
    if (e)
        log_error("audit", "a line could not be written", "action=%s error=\"%s\"", action,
                  strerror(-e));
}
