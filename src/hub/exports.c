/* Captures out of snapshots: cut, merged, chosen by a display filter. */
#include "hub/exports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "hub/export_selection.h"
#include "hub/exports_private.h"
#include "snapshot/snapshot_changed.h"
#include "snapshot/snapshot_pcap.h"

enum {
    PIPE_BYTES = 1024 * 1024
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

bool exports_was_deleted(struct exports *exports, const char *id)
{
    struct snapshot *snapshot = NULL;
    bool gone = snapshot_store_get(exports->store, id, &snapshot, NULL) == -ENOENT;
    snapshot_unref(snapshot);
    return gone;
}

/* ── a merged capture ── */

int export_out_write(void *ctx, const void *data, size_t n)
{
    struct export_out *out = ctx;
    int e = out->begun ? 0 : out->sink->begin(out->sink->ctx, out->bytes, out->exact);
    out->begun = true;
    return e ? e : out->sink->write(out->sink->ctx, data, n);
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
    struct export_out out = {.sink = sink, .bytes = estimate};
    e = job_copy(job, ends[0], export_out_write, &out);
    close(ends[0]);
    if (e) /* the client went away */
        job_cancel(job);
    struct job_result result;
    (void)job_wait(job, &result);
    job_free(job);
    if (e) {
        problem_set(problem, 499, "The client went away.");
    } else if (!result.ok && exports_was_deleted(exports, snapshot->id)) {
        problem_set(problem, 410, "The snapshot was deleted meanwhile.");
        e = -ESTALE;
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

struct snapshot *exports_snapshot(struct exports *exports, const char *id,
                                  struct api_problem *problem)
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
    struct snapshot *snapshot = exports_snapshot(exports, id, ret_problem);
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
