#include "api/route.h"

#include <stdio.h>
#include <string.h>

#include "api/schema.h"
#include "base/json_writer.h"

static const char *const capability_names[CAP_COUNT] = {
    [CAP_OPEN] = "open",
    [CAP_WORKER] = "worker",
    [CAP_NODES_READ] = "nodes:read",
    [CAP_CAPTURE_CONTROL] = "capture:control",
    [CAP_SNAPSHOTS_READ] = "snapshots:read",
    [CAP_SNAPSHOTS_WRITE] = "snapshots:write",
    [CAP_PAYLOAD_READ] = "payload:read",
    [CAP_PCAP_EXPORT] = "pcap:export",
    [CAP_SETTINGS_READ] = "settings:read",
    [CAP_AUDIT_READ] = "audit:read",
    [CAP_METRICS_READ] = "metrics:read",
};

const char *capability_name(enum api_capability capability)
{
    return capability < CAP_COUNT ? capability_names[capability] : "";
}

/* A pattern against the segments of a path; parameters are never empty. */
static bool path_matches(const char *pattern, const char *const *segments, size_t count,
                         const char *params[ROUTE_MAX_PARAMS])
{
    size_t n = 0, param = 0;
    const char *p = pattern;
    while (*p == '/') {
        p++;
        const char *end = strchrnul(p, '/');
        size_t len = (size_t)(end - p);
        if (n == count)
            return false;
        const char *segment = segments[n++];
        if (*p == '{') {
            if (!segment[0] || param == ROUTE_MAX_PARAMS)
                return false;
            params[param++] = segment;
        } else if (strlen(segment) != len || memcmp(p, segment, len) != 0) {
            return false;
        }
        p = end;
    }
    return n == count;
}

const struct route *route_find(const char *method, const char *const *segments, size_t count,
                               const char *params[ROUTE_MAX_PARAMS], char ret_allow[80])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    ret_allow[0] = 0;
    for (const struct route *r = routes; r->method; r++) {
        if (!path_matches(r->path, segments, count, params))
            continue;
        if (strcmp(r->method, wanted) == 0)
            return r;
        size_t len = strlen(ret_allow);
        snprintf(ret_allow + len, 80 - len, "%s%s", len ? ", " : "", r->method);
    }
    return NULL;
}

/* ── OpenAPI ── */

static void write_parameter(struct slice name, const char *in, bool required, struct slice type,
                            struct json_writer *w)
{
    json_begin_object(w);
    json_member_string(w, "name", name);
    json_member_str(w, "in", in);
    json_member_bool(w, "required", required);
    json_key(w, "schema");
    schema_write_type(type, false, w);
    json_end_object(w);
}

static void write_parameters(const struct route *r, struct json_writer *w)
{
    json_key(w, "parameters");
    json_begin_array(w);
    for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
        write_parameter(slice_of(p + 1, strcspn(p + 1, "}")), "path", true, SLICE_LITERAL("text"),
                        w);
    struct slice rest = slice_str(r->query ? r->query : "");
    struct schema_member m;
    while (schema_next(&rest, &m))
        write_parameter(m.name, "query", !m.optional, m.type, w);
    json_end_array(w);
}

static void write_content(const char *type, const char *schema, struct json_writer *w)
{
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, type);
    json_begin_object(w);
    json_key(w, "schema");
    if (schema) {
        schema_write_type(slice_str(schema), false, w);
    } else {
        json_begin_object(w);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
}

static void write_request_body(const struct route *r, struct json_writer *w)
{
    if (!r->request)
        return;
    bool bytes = strcmp(r->request, "bytes") == 0;
    json_key(w, "requestBody");
    json_begin_object(w);
    write_content(bytes ? "application/octet-stream" : "application/json",
                  bytes ? NULL : r->request, w);
    json_end_object(w);
}

static void write_responses(const struct route *r, struct json_writer *w)
{
    char status[12];
    snprintf(status, sizeof status, "%d", r->success);
    json_key(w, "responses");
    json_begin_object(w);
    json_key(w, status);
    json_begin_object(w);
    json_member_str(w, "description", r->summary);
    if (r->success != 204)
        write_content(r->content_type ? r->content_type : "application/json", r->response, w);
    json_end_object(w);
    json_key(w, "default");
    json_begin_object(w);
    json_member_str(w, "description", "What went wrong (RFC 9457).");
    write_content("application/problem+json", "Problem", w);
    json_end_object(w);
    json_end_object(w);
}

static void write_operation(const struct route *r, struct json_writer *w)
{
    char method[12];
    size_t n = 0;
    for (; r->method[n] && n < sizeof method - 1; n++)
        method[n] = (char)(r->method[n] + ('a' - 'A'));
    method[n] = 0;
    json_key(w, method);
    json_begin_object(w);
    json_member_str(w, "summary", r->summary);
    json_member_str(w, "x-capability", capability_name(r->capability));
    if (r->capability == CAP_OPEN) {
        json_key(w, "security");
        json_begin_array(w);
        json_end_array(w);
    }
    write_parameters(r, w);
    write_request_body(r, w);
    write_responses(r, w);
    json_end_object(w);
}

/* Rows of one path may stand apart: a path is written where it is met first. */
static void write_paths(struct json_writer *w)
{
    json_key(w, "paths");
    json_begin_object(w);
    for (const struct route *r = routes; r->method; r++) {
        bool before = false;
        for (const struct route *q = routes; q != r && !before; q++)
            before = strcmp(q->path, r->path) == 0;
        if (before)
            continue;
        json_key(w, r->path);
        json_begin_object(w);
        for (const struct route *q = r; q->method; q++)
            if (strcmp(q->path, r->path) == 0)
                write_operation(q, w);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_security(struct json_writer *w)
{
    json_key(w, "securitySchemes");
    json_begin_object(w);
    json_key(w, "bearer");
    json_begin_object(w);
    json_member_str(w, "type", "http");
    json_member_str(w, "scheme", "bearer");
    json_end_object(w);
    json_end_object(w);
}

int route_write_openapi(struct buf *out)
{
    struct json_writer writer, *w = &writer;
    json_init(w, out);
    json_begin_object(w);
    json_member_str(w, "openapi", "3.1.0");
    json_key(w, "info");
    json_begin_object(w);
    json_member_str(w, "title", "Trawl hub");
    json_member_str(w, "version", TRAWL_VERSION);
    json_end_object(w);
    write_paths(w);
    json_key(w, "components");
    json_begin_object(w);
    json_key(w, "schemas");
    json_begin_object(w);
    for (const struct schema *s = schemas; s->name; s++) {
        json_key(w, s->name);
        schema_write(s, w);
    }
    json_end_object(w);
    write_security(w);
    json_end_object(w);
    json_key(w, "security");
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "bearer");
    json_begin_array(w);
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    return buf_failed(out);
}
