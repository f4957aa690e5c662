/* Files in and out: archive, import, PCAP. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/text.h"

/* ── out ── */

/* 206 for a part, 416 when there is no such part. */
static int take_part(struct handler_sink *sink, int64_t bytes)
{
    struct http_request *http = sink->call->http;
    int64_t from, len;
    struct api_problem problem;
    http_response_header(http, "ETag", sink->etag);
    enum http_range kind = http_response_range(http, bytes, sink->etag, &from, &len);
    sink->part = (struct api_part){.from = (uint64_t)from, .bytes = (uint64_t)len};
    if (kind != HTTP_RANGE_BAD)
        return kind == HTTP_RANGE_PART ? 206 : 200;
    sink->refused = true;
    problem_set(&problem, 416, "There are only %lld bytes.", (long long)bytes);
    call_send_problem(sink->call, &problem);
    return -ERANGE;
}

static int sink_begin(void *ctx, int64_t bytes, bool exact)
{
    struct handler_sink *sink = ctx;
    struct http_request *http = sink->call->http;
    char text[100];
    int status = 200;
    if (bytes >= 0 && !exact) {
        snprintf(text, sizeof text, "%lld", (long long)bytes);
        http_response_header(http, "X-Estimated-Length", text);
    }
    sink->part = (struct api_part){.bytes = (uint64_t)bytes};
    if (sink->etag && exact)
        status = take_part(sink, bytes);
    if (status < 0)
        return status;
    http_response_header(http, "Cache-Control", "no-store");
    call_attachment(sink->call, sink->name, sink->extension);
    call_name(sink->call);
    sink->started = true;
    return http_response_begin(http, status, sink->content_type,
                               exact ? (int64_t)sink->part.bytes : -1);
}

static void sink_note(void *ctx, const char *sentence)
{
    const struct handler_sink *sink = ctx;
    http_response_header(sink->call->http, "X-Note", sentence);
}

static int sink_write(void *ctx, const void *data, size_t n)
{
    struct handler_sink *sink = ctx;
    sink->bytes += n;
    return http_response_write(sink->call->http, data, n);
}

void handler_sink_init(struct handler_sink *sink, struct api_export_sink *ret_export_sink)
{
    *ret_export_sink = (struct api_export_sink){.ctx = sink,
                                                .begin = sink_begin,
                                                .note = sink_note,
                                                .write = sink_write,
                                                .part = &sink->part};
}

void handler_sink_end(const struct handler_sink *sink, int e, const struct api_problem *problem)
{
    if (sink->refused)
        return;
    if (e && sink->started)
        call_break_off(sink->call, problem);
    else if (e)
        call_send_problem(sink->call, problem);
}

void handle_archive(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    char etag[SNAPSHOT_SHA256_SIZE + 4];
    snprintf(etag, sizeof etag, "\"%s\"", snapshot->manifest_sha256);
    struct handler_sink sink = {.call = call,
                                .etag = etag,
                                .content_type = "application/x-tar",
                                .name = snapshot->request.name,
                                .extension = ".trawl.tar"};
    struct api_export_sink out;
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct api_problem problem;
    handler_sink_init(&sink, &out);
    struct api_backend *backend = &call->api->backend;
    int e = backend->archive(backend->ctx, snapshot->id, &out, &err);
    if (e == -EPIPE)
        problem_set(&problem, 499, "The client went away.");
    else if (e)
        problem_from_error(&problem, &err);
    handler_sink_end(&sink, e, &problem);
    call_audit(call, "snapshot.download", snapshot->id, "bytes=%llu %s",
               (unsigned long long)sink.bytes, e ? "incomplete" : "");
    snapshot_unref(snapshot);
}

/* ── PCAP ── */

/* False when a problem was sent. */
static bool take_export(struct api_call *call, struct api_export *what, char ***ret_nodes)
{
    const char *format = call_query(call, "format"), *scope = call_query(call, "scope"),
               *decrypted = call_query(call, "decrypted"), *openings = call_query(call, "openings");
    bool keys = decrypted && strcmp(decrypted, "keys") == 0;
    if (decrypted && !keys && strcmp(decrypted, "none") != 0) {
        call_fail(call, 501,
                  "This version exports no decrypted payload: \"decrypted\" is keys (the "
                  "decryption secrets that the captures hold) or none.");
        return false;
    }
    if (keys && format && strcmp(format, "pcap") == 0) {
        call_fail(call, 400, "A .pcap file has no place for decryption secrets: export as pcapng.");
        return false;
    }
    *ret_nodes = call_query_list(call, "nodes");
    *what = (struct api_export){
        .classic = format && strcmp(format, "pcap") == 0,
        .from_ns = call_query_time(call, "from", INT64_MIN),
        .to_ns = call_query_time(call, "to", INT64_MAX),
        .nodes = (const char *const *)*ret_nodes,
        .bpf = call_query(call, "bpf"),
        .filter = call_query(call, "filter"),
        .dissection = call_query(call, "dissection"),
        .no_secrets = decrypted && !keys,
        .openings = openings && strcmp(openings, "include") == 0,
        .calls_only = scope && strcmp(scope, "calls") == 0,
    };
    if (what->from_ns >= what->to_ns) {
        call_fail(call, 400, "The window ends before it begins.");
        return false;
    }
    return true;
}

void handle_pcap(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct api_export what;
    char **nodes = NULL;
    if (take_export(call, &what, &nodes)) {
        struct handler_sink sink = {.call = call,
                                    .content_type = "application/vnd.tcpdump.pcap",
                                    .name = snapshot->request.name,
                                    .extension = what.classic ? ".pcap" : ".pcapng"};
        struct api_export_sink out;
        struct api_estimate estimate = {.connections = -1};
        struct api_problem problem;
        handler_sink_init(&sink, &out);
        struct api_backend *backend = &call->api->backend;
        int e = backend->export(backend->ctx, snapshot->id, &what, &out, &estimate, &problem);
        handler_sink_end(&sink, e, &problem);
        call_audit(call, "snapshot.pcap", snapshot->id, "bytes=%llu filter=%.200s bpf=%.100s%s",
                   (unsigned long long)sink.bytes, what.filter ? what.filter : "",
                   what.bpf ? what.bpf : "", e ? " incomplete" : "");
    }
    free(nodes);
    snapshot_unref(snapshot);
}

void handle_pcap_estimate(struct api_call *call)
{
    struct snapshot *snapshot = handler_snapshot(call, call->params[0]);
    if (!snapshot)
        return;
    struct api_export what;
    char **nodes = NULL;
    if (take_export(call, &what, &nodes)) {
        what.estimate_only = true;
        struct api_estimate estimate = {.connections = -1};
        struct api_problem problem;
        struct api_backend *backend = &call->api->backend;
        if (backend->export(backend->ctx, snapshot->id, &what, NULL, &estimate, &problem) < 0) {
            call_send_problem(call, &problem);
        } else {
            struct buf json;
            struct json_writer w;
            buf_init(&json, 1024);
            json_init(&w, &json);
            json_begin_object(&w);
            json_member_uint(&w, "packets", estimate.packets);
            json_member_uint(&w, "bytes", estimate.bytes);
            if (estimate.connections >= 0)
                json_member_int(&w, "connections", estimate.connections);
            json_member_bool(&w, "exact", estimate.exact);
            json_end_object(&w);
            call_send_json(call, 200, &json);
            buf_done(&json);
        }
    }
    free(nodes);
    snapshot_unref(snapshot);
}

/* ── in ── */

static ssize_t read_body(void *ctx, void *data, size_t n)
{
    return http_request_read(ctx, data, n);
}

static void send_imported(struct api_call *call, const struct api_import *import)
{
    struct snapshot *snapshot = handler_snapshot(call, import->id);
    if (!snapshot)
        return;
    struct buf json;
    struct json_writer w;
    buf_init(&json, API_MAX_ANSWER_BYTES);
    json_init(&w, &json);
    snapshot_write_json(snapshot, &w);
    snapshot_unref(snapshot);
    call_send_json(call, import->already_here ? 200 : 201, &json);
    buf_done(&json);
}

void handle_import(struct api_call *call)
{
    const char *name = call_query(call, "name"), *new_id = call_query(call, "new_id");
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (name && snapshot_check_name(name, &err) < 0) {
        call_error(call, &err);
        return;
    }
    int64_t size = http_request_content_length(call->http);
    if (size == 0) {
        call_fail(call, 400, "The body is empty; send the archive or capture file.");
        return;
    }
    struct api_import import = {
        .name = name,
        .file_name = call_query(call, "file"),
        .by = call->who,
        .size = size,
        .new_id = new_id && (strcmp(new_id, "true") == 0 || strcmp(new_id, "1") == 0),
        .read = read_body,
        .read_ctx = call->http,
    };
    struct api_backend *backend = &call->api->backend;
    int e = backend->import(backend->ctx, &import, &err);
    call_audit(call, "snapshot.import", import.id, "name=%.200s %s", name ? name : "",
               e ? err.text : "");
    if (e == -EAGAIN) {
        http_response_header(call->http, "Retry-After", "10");
        call_fail(call, 503, "%s", err.text);
    } else if (e)
        call_error(call, &err);
    else
        send_imported(call, &import);
}
