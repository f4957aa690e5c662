#include "hub/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "hub/export_selection.h"
#include "hub/exports_private.h"
#include "snapshot/snapshot_body.h"
#include "snapshot/snapshot_changed.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_stream.h"

enum {
    PIPE_BYTES = 1024 * 1024,
    PIECE_BYTES = 256 * 1024,
    MAX_REFS = SNAPSHOT_PACKETS_MAX,
    MAX_RESULT_BYTES = 64 * 1024 * 1024
};

int exports_new(struct snapshot_store *store, struct queries *queries, struct exports **ret_exports)
{
    struct exports *exports = calloc(1, sizeof *exports);
    if (!exports)
        return -ENOMEM;
    exports->store = store;
    exports->queries = queries;
    *ret_exports = exports;
    return 0;
}

void exports_free(struct exports *exports)
{
    free(exports);
}

/* ── a merged capture ── */

/* The job's messages must not pile up in its socket. */
static void drain(struct job *job)
{
    while (job_receive(job, 0, NULL) == 1) {
    }
}

static int copy(int fd, struct job *job, const struct api_export_sink *sink, int64_t estimate)
{
    uint8_t *piece = malloc(PIECE_BYTES);
    bool begun = false;
    int e = piece ? 0 : -ENOMEM;
    while (!e) {
        ssize_t n = read(fd, piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            e = n < 0 ? -errno : 0;
            break;
        }
        if (!begun)
            e = sink->begin(sink->ctx, estimate, false);
        begun = true;
        if (!e)
            e = sink->write(sink->ctx, piece, (size_t)n);
        drain(job);
    }
    free(piece);
    return e;
}

static int run_export(struct exports *exports, const struct snapshot *snapshot,
                      const struct snapshot_pcap_request *request,
                      const struct api_export_sink *sink, int64_t estimate,
                      struct api_problem *problem)
{
    int ends[2];
    struct job *job = NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (pipe2(ends, O_CLOEXEC) < 0) {
        problem_set(problem, 503, "There is no pipe for the export.");
        return -EMFILE;
    }
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
    int e = snapshot_pcap_start(exports->store, snapshot, request, ends[1], &job, &err);
    close(ends[1]);
    if (e) {
        close(ends[0]);
        problem_from_error(problem, &err);
        return e;
    }
    e = copy(ends[0], job, sink, estimate);
    close(ends[0]);
    if (e) /* the client went away */
        job_cancel(job);
    struct job_result result;
    (void)job_wait(job, &result);
    job_free(job);
    if (e) {
        problem_set(problem, 499, "The client went away.");
    } else if (!result.ok) {
        problem_from_error(problem, &result.error);
        e = result.error.code < 0 ? result.error.code : -EIO;
    }
    return e;
}

/* The dissection whose entries a filter speaks of. */
static const struct snapshot_dissection *
dissection_for(const struct snapshot *snapshot, const char *name, struct api_problem *problem)
{
    const struct snapshot_dissection *best = NULL;
    for (size_t i = 0; i < snapshot->dissection_count; i++) {
        const struct snapshot_dissection *d = &snapshot->dissections[i];
        bool wanted =
            d->state == SNAPSHOT_DISSECTION_DONE &&
            (name ? strcmp(d->name, name) == 0 : !best || d->finished_at_ns > best->finished_at_ns);
        if (wanted)
            best = d;
    }
    if (!best)
        problem_set(problem, 409,
                    "A display filter chooses among dissected calls: dissect this snapshot first.");
    return best;
}

static int ask_selection(struct exports *exports, const struct snapshot *snapshot,
                         const struct api_export *what, struct export_selection *ret_selection,
                         struct api_problem *problem)
{
    const struct snapshot_dissection *d = dissection_for(snapshot, what->dissection, problem);
    if (!d)
        return -ENODATA;
    return export_selection_ask(exports->queries, snapshot->id, d->name, what->filter,
                                what->from_ns, what->to_ns, what->calls_only, ret_selection,
                                problem);
}

struct change {
    char first[400];
    unsigned files;
};

static void on_changed(void *ctx, const struct error *error)
{
    struct change *change = ctx;
    if (change->files++ == 0)
        snprintf(change->first, sizeof change->first, "%.390s", error->text);
}

/* What is gone is refused before the first byte. What was altered still gives the rest (the reader
 * steps over damage), but never without a word. */
static int check_files(struct exports *exports, const struct snapshot *snapshot,
                       const struct snapshot_pcap_request *request,
                       const struct api_export_sink *sink, struct api_problem *problem)
{
    struct change change = {.files = 0};
    bool whole = request->from_ns == 0 && request->to_ns == 0;
    const struct snapshot_files_check check = {.from_ns = whole ? INT64_MIN : request->from_ns,
                                               .to_ns = whole || !request->to_ns ? INT64_MAX
                                                                                 : request->to_ns,
                                               .nodes = request->nodes,
                                               .node_count = request->node_count,
                                               .outside = request->outside,
                                               .on_changed = on_changed,
                                               .ctx = &change};
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = snapshot_files_check(exports->store, snapshot, &check, &err);
    if (e)
        problem_from_error(problem, &err);
    if (e || !change.files)
        return e;
    char note[500];
    snprintf(note, sizeof note, "%u %s since the recording: %s", change.files,
             change.files == 1 ? "file changed" : "files changed", change.first);
    log_warn("export", "files changed since they were recorded", "id=%s files=%u first=\"%.300s\"",
             snapshot->id, change.files, change.first);
    if (sink)
        sink->note(sink->ctx, note);
    return 0;
}

static int estimate_and_run(struct exports *exports, const struct snapshot *snapshot,
                            const struct api_export *what,
                            const struct snapshot_pcap_request *request,
                            const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                            struct api_problem *problem)
{
    struct snapshot_pcap_estimate estimate = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = snapshot_pcap_check(snapshot, request, &err);
    if (!e)
        e = snapshot_pcap_estimate(snapshot, request, &estimate, &err);
    if (e) {
        problem_from_error(problem, &err);
        return e;
    }
    e = check_files(exports, snapshot, request, sink, problem);
    if (e)
        return e;
    ret_estimate->packets = estimate.packets;
    ret_estimate->bytes = estimate.bytes;
    ret_estimate->exact = estimate.exact;
    return what->estimate_only
               ? 0
               : run_export(exports, snapshot, request, sink, (int64_t)estimate.bytes, problem);
}

static struct snapshot *get(struct exports *exports, const char *id, struct api_problem *problem)
{
    struct snapshot *snapshot = NULL;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (snapshot_store_get(exports->store, id, &snapshot, &err) < 0) {
        problem_from_error(problem, &err);
        return NULL;
    }
    if (snapshot->manifest)
        return snapshot;
    problem_set(problem, 409, "This snapshot is %s: there is nothing to give out.",
                snapshot_status_text(snapshot));
    snapshot_unref(snapshot);
    return NULL;
}

int exports_pcap(struct exports *exports, const char *id, const struct api_export *what,
                 const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                 struct api_problem *ret_problem)
{
    struct snapshot *snapshot = get(exports, id, ret_problem);
    if (!snapshot)
        return -EBUSY;
    struct export_selection selection = {0};
    int e = 0;
    if (what->filter)
        e = ask_selection(exports, snapshot, what, &selection, ret_problem);
    bool whole = what->from_ns == INT64_MIN && what->to_ns == INT64_MAX;
    size_t node_count = 0;
    while (what->nodes && what->nodes[node_count])
        node_count++;
    struct snapshot_pcap_request request = {
        .pcap = what->classic,
        .from_ns = whole ? 0 : (what->from_ns == INT64_MIN ? 0 : what->from_ns),
        .to_ns = whole ? 0 : what->to_ns,
        .nodes = (char *const *)(uintptr_t)what->nodes,
        .node_count = node_count,
        .bpf = what->bpf,
        .secrets = !what->no_secrets && !what->classic,
        .outside = what->openings,
        .selection = selection.selection,
    };
    if (!e)
        e = estimate_and_run(exports, snapshot, what, &request, sink, ret_estimate, ret_problem);
    if (!e && what->filter && !what->calls_only)
        ret_estimate->connections = (int64_t)selection.connections;
    selection_free(selection.selection);
    snapshot_unref(snapshot);
    return e;
}

/* ── one entry ── */

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
    struct snapshot *snapshot = get(exports, id, ret_problem);
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

static int run_stream(struct exports *exports, const struct snapshot *snapshot, const char *name,
                      const json_t *entry, struct buf *ret_result, struct api_problem *problem)
{
    char filter[200];
    const json_t *client = json_object_get(entry, "src");
    const char *ip = json_string_value(json_object_get(client, "ip"));
    json_int_t port = json_integer_value(json_object_get(client, "port"));
    if (!connection_filter(entry, filter, problem))
        return -ENODATA;
    struct export_selection selection = {0};
    int e = export_selection_ask(exports->queries, snapshot->id, name, filter, INT64_MIN, INT64_MAX,
                                 false, &selection, problem);
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
    struct snapshot *snapshot = get(exports, id, ret_problem);
    json_t *object = snapshot ? ask_entry(exports, id, name, "entry", entry, ret_problem) : NULL;
    int e = object ? run_stream(exports, snapshot, name, object, ret_result, ret_problem) : -EIO;
    json_decref(object);
    snapshot_unref(snapshot);
    return e;
}

/* ── a body that is larger than what an entry keeps ── */

struct body_out {
    const struct api_export_sink *sink;
    int64_t bytes; /* −1 = not known before */
    bool begun;
};

static int write_body(void *ctx, const void *data, size_t n)
{
    struct body_out *out = ctx;
    int e = out->begun ? 0 : out->sink->begin(out->sink->ctx, out->bytes, out->bytes >= 0);
    out->begun = true;
    return e ? e : out->sink->write(out->sink->ctx, data, n);
}

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
                    const char *entry, const json_t *where, struct body_out *out,
                    struct snapshot_body_request *request, struct api_problem *problem)
{
    char filter[200], codings[256] = "";
    const char *protocol = json_string_value(json_object_get(where, "protocol"));
    json_int_t bytes = json_integer_value(json_object_get(where, "bytes")),
               begin_ns = json_integer_value(json_object_get(where, "begin_ns")),
               elapsed_us = json_integer_value(json_object_get(where, "elapsed_us"));
    if (!connection_filter(where, filter, problem))
        return -ENODATA;
    struct export_selection selection = {0};
    int e = export_selection_ask(exports->queries, snapshot->id, name, filter, INT64_MIN, INT64_MAX,
                                 false, &selection, problem);
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
    if (!codings[0])
        out->bytes = bytes;
    struct error err = {.offset = ERROR_NO_OFFSET};
    e = snapshot_body(exports->store, snapshot, request, write_body, out, &err);
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
    struct snapshot *snapshot = get(exports, id, ret_problem);
    json_t *object = snapshot ? ask_entry(exports, id, name, op, entry, ret_problem) : NULL;
    struct body_out out = {.sink = sink, .bytes = -1};
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
