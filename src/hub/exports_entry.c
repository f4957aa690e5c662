/* What belongs to one entry: its packets, its connection as a capture or as a stream, a body read
 * back from the packets. The query job says where, jobs of their own read. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/export_selection.h"
#include "hub/exports.h"
#include "hub/exports_private.h"
#include "snapshot/snapshot_body.h"
#include "snapshot/snapshot_changed.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_stream.h"

enum {
    MAX_REFS = SNAPSHOT_PACKETS_MAX,
    MAX_RESULT_BYTES = 64 * 1024 * 1024
};

/* The answer of the query job to an op about one entry, parsed; NULL with a problem. */
static json_t *ask_entry(struct exports *exports, const char *id, const char *name, const char *op,
                         const char *entry, struct api_problem *problem)
{
    struct buf question, result;
    buf_init(&question, 1024);
    buf_init(&result, MAX_RESULT_BYTES);
    buf_printf(&question, "\"op\":\"%s\",\"id\":\"%s\"", op, entry); /* ids are base32hex */
    json_t *object = NULL;
    if (queries_ask(exports->queries, id, name, buf_slice(&question), NULL, &result, problem) ==
        0) {
        object = json_loadb((const char *)result.data, result.len, 0, NULL);
        if (!json_is_object(object)) {
            json_decref(object);
            object = NULL;
            problem_set(problem, 502, "The query process gave an answer that makes no sense.");
        }
    }
    buf_done(&question);
    buf_done(&result);
    return object;
}

static size_t take_refs(const json_t *list, struct snapshot_packet_ref *refs)
{
    size_t n = 0, i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *node = json_string_value(json_object_get(item, "node")),
                   *direction = json_string_value(json_object_get(item, "direction"));
        json_int_t sequence = json_integer_value(json_object_get(item, "seq")),
                   offset = json_integer_value(json_object_get(item, "offset"));
        if (n == MAX_REFS || !node || sequence < 0 || offset < 0)
            break;
        refs[n++] = (struct snapshot_packet_ref){
            .node = node,
            .sequence = (uint64_t)sequence,
            .offset = (uint64_t)offset,
            .from_server = direction && strcmp(direction, "server") == 0,
        };
    }
    return n;
}

int exports_entry_packets(struct exports *exports, const char *id, const char *name,
                          const char *entry, struct buf *ret_result,
                          struct api_problem *ret_problem)
{
    struct snapshot *snapshot = exports_snapshot(exports, id, ret_problem);
    if (!snapshot)
        return -EBUSY;
    json_t *object = ask_entry(exports, id, name, "refs", entry, ret_problem);
    struct snapshot_packet_ref *refs = calloc(MAX_REFS, sizeof *refs);
    int e = object && refs ? 0 : -EIO;
    if (object && !refs)
        problem_set(ret_problem, 503, "There is no memory for the packets.");
    if (!e) {
        struct error err = {.offset = ERROR_NO_OFFSET};
        size_t count = take_refs(json_object_get(object, "refs"), refs);
        e = snapshot_packets(exports->store, snapshot, refs, count, MAX_REFS, ret_result, &err);
        if (e)
            problem_from_error(ret_problem, &err);
    }
    free(refs);
    json_decref(object);
    snapshot_unref(snapshot);
    return e;
}

/* The filter that matches all calls of the entry's connection. False with a problem. */
static bool connection_filter(const json_t *entry, char out[200], struct api_problem *problem)
{
    const char *conn_id = json_string_value(json_object_get(entry, "conn_id"));
    if (!conn_id || strlen(conn_id) > 100 || strpbrk(conn_id, "\"\\\n")) {
        problem_set(problem, 409, "This entry belongs to no connection.");
        return false;
    }
    snprintf(out, 200, "conn_id == \"%s\"", conn_id);
    return true;
}

int exports_entry_pcap(struct exports *exports, const char *id, const char *name, const char *entry,
                       const struct api_export_sink *sink, struct api_problem *ret_problem)
{
    char filter[200];
    json_t *object = ask_entry(exports, id, name, "entry", entry, ret_problem);
    bool found = object && connection_filter(object, filter, ret_problem);
    json_decref(object);
    if (!found)
        return -EIO;
    struct api_export what = {
        .from_ns = INT64_MIN, .to_ns = INT64_MAX, .filter = filter, .dissection = name};
    struct api_estimate estimate = {.connections = -1};
    return exports_pcap(exports, id, &what, sink, &estimate, ret_problem);
}

/* The flows of the entry's connection: selection_free. */
static int select_connection(struct exports *exports, const char *id, const char *name,
                             const json_t *entry, struct export_selection *ret_selection,
                             struct api_problem *problem)
{
    char filter[200];
    if (!connection_filter(entry, filter, problem))
        return -ENODATA;
    return export_selection_ask(exports->queries, id, name, filter, INT64_MIN, INT64_MAX, false,
                                ret_selection, problem);
}

static int run_stream(struct exports *exports, const struct snapshot *snapshot, const char *name,
                      const json_t *entry, struct buf *ret_result, struct api_problem *problem)
{
    const json_t *client = json_object_get(entry, "src");
    const char *ip = json_string_value(json_object_get(client, "ip"));
    json_int_t port = json_integer_value(json_object_get(client, "port"));
    struct export_selection selection = {0};
    int e = select_connection(exports, snapshot->id, name, entry, &selection, problem);
    if (e)
        return e;
    const struct snapshot_files_check all = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
    struct snapshot_stream_request request = {.connection = selection.selection,
                                              .client_ip = ip ? ip : "",
                                              .client_port = (uint16_t)port};
    struct error err = {.offset = ERROR_NO_OFFSET};
    e = snapshot_files_check(exports->store, snapshot, &all, &err);
    if (!e)
        e = snapshot_stream(exports->store, snapshot, &request, ret_result, &err);
    if (e)
        problem_from_error(problem, &err);
    selection_free(selection.selection);
    return e;
}

int exports_entry_stream(struct exports *exports, const char *id, const char *name,
                         const char *entry, struct buf *ret_result, struct api_problem *ret_problem)
{
    struct snapshot *snapshot = exports_snapshot(exports, id, ret_problem);
    json_t *object = snapshot ? ask_entry(exports, id, name, "entry", entry, ret_problem) : NULL;
    int e = object ? run_stream(exports, snapshot, name, object, ret_result, ret_problem) : -EIO;
    json_decref(object);
    snapshot_unref(snapshot);
    return e;
}

/* ── a body that is larger than what an entry keeps ── */

/* Content codings, then transfer codings; chunks are the dissector's business. */
static void add_codings(const json_t *where, const char *header, char out[256])
{
    char text[200];
    const char *value = json_string_value(json_object_get(where, header));
    snprintf(text, sizeof text, "%s", value ? value : "");
    char *rest = NULL;
    for (char *item = strtok_r(text, ", \t", &rest); item; item = strtok_r(NULL, ", \t", &rest)) {
        size_t len = strlen(out);
        if (strcasecmp(item, "chunked") != 0 && strcasecmp(item, "identity") != 0)
            snprintf(out + len, 256 - len, "%s%s", len ? "," : "", item);
    }
}

static int run_body(struct exports *exports, const struct snapshot *snapshot, const char *name,
                    const char *entry, const json_t *where, struct export_out *out,
                    struct snapshot_body_request *request, struct api_problem *problem)
{
    char codings[256] = "";
    const char *protocol = json_string_value(json_object_get(where, "protocol"));
    json_int_t bytes = json_integer_value(json_object_get(where, "bytes")),
               begin_ns = json_integer_value(json_object_get(where, "begin_ns")),
               elapsed_us = json_integer_value(json_object_get(where, "elapsed_us"));
    struct export_selection selection = {0};
    int e = select_connection(exports, snapshot->id, name, where, &selection, problem);
    if (e)
        return e;
    add_codings(where, "content_encoding", codings);
    add_codings(where, "transfer_encoding", codings);
    request->connection = selection.selection;
    request->protocol = protocol ? protocol : "";
    request->id = entry;
    request->bytes = bytes > 0 ? (uint64_t)bytes : 0;
    request->codings = codings;
    /* a call without an answer has no end */
    if (elapsed_us <= 0 || __builtin_mul_overflow(elapsed_us, 1000, &request->end_ns) ||
        __builtin_add_overflow(begin_ns, request->end_ns, &request->end_ns))
        request->end_ns = INT64_MAX;
    out->exact = !codings[0];
    if (out->exact)
        out->bytes = bytes;
    struct error err = {.offset = ERROR_NO_OFFSET};
    e = snapshot_body(exports->store, snapshot, request, export_out_write, out, &err);
    if (e)
        problem_from_error(problem, &err);
    selection_free(selection.selection);
    return e;
}

int exports_entry_body(struct exports *exports, const char *id, const char *name, const char *entry,
                       bool of_request, const struct api_export_sink *sink,
                       struct api_problem *ret_problem)
{
    char op[64];
    snprintf(op, sizeof op, "body\",\"half\":\"%s", of_request ? "request" : "response");
    struct snapshot *snapshot = exports_snapshot(exports, id, ret_problem);
    json_t *object = snapshot ? ask_entry(exports, id, name, op, entry, ret_problem) : NULL;
    struct export_out out = {.sink = sink, .bytes = -1};
    struct snapshot_body_request request = {.of_request = of_request};
    int e = object ? run_body(exports, snapshot, name, entry, json_object_get(object, "whole"),
                              &out, &request, ret_problem)
                   : -EIO;
    if (!e && !out.begun) /* all of it was nothing */
        e = sink->begin(sink->ctx, 0, true);
    json_decref(object);
    snapshot_unref(snapshot);
    return e;
}
