/* The export job: reads its request, enters the sandbox, writes the capture to its first
 * descriptor. It opens files below the snapshot's folder only (Landlock). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "snapshot/export.h"
#include "snapshot/snapshot_filter.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_read.h"

enum {
    MAX_FILES = 1 << 20,
    MAX_NAMES = 1 << 18,
    PROGRESS_NS = 250 * 1000 * 1000
};

struct export_job {
    struct job_context *ctx;
    struct arena arena;
    struct export_options options;
    struct export_input *inputs;
    struct export_node *nodes;
    struct pcapng_name *names;
    struct selection *selection;
    struct snapshot_filter filter;
    bool has_selection;
    int64_t reported_ns;
    const char *folder; /* of the snapshot; NULL until the request is read */
};

static int write_out(void *ctx, const uint8_t *data, size_t n)
{
    (void)ctx;
    return io_write("export", JOB_FIRST_FD, data, n);
}

static void on_progress(void *ctx, uint64_t bytes_read)
{
    struct export_job *j = ctx;
    int64_t now = clock_mono_ns();
    if (now - j->reported_ns < PROGRESS_NS)
        return;
    j->reported_ns = now;
    char line[64];
    int n = snprintf(line, sizeof line, "{\"bytes_read\":%llu}", (unsigned long long)bytes_read);
    (void)job_report(j->ctx, slice_of(line, (size_t)n));
}

static size_t count_files(const json_t *nodes)
{
    size_t count = 0, i;
    json_t *node;
    json_array_foreach(nodes, i, node) count += json_array_size(json_object_get(node, "files"));
    return count;
}

static void read_file(struct snapshot_read *r, const json_t *o, const char *folder,
                      const struct export_node *node, struct export_input *input)
{
    struct slice path = arena_printf(r->arena, "%s/%s", folder, snapshot_read_text(r, o, "name"));
    union {
        const uint8_t *in;
        const char *out;
    } text = {.in = path.data};
    input->path = text.out;
    input->node = node->name;
    input->sequence = snapshot_read_uint(r, o, "sequence");
    input->sha256 = snapshot_read_optional(r, o, "sha256");
    input->first_ns = snapshot_read_int(r, o, "first");
    input->last_ns = snapshot_read_int(r, o, "last");
    input->outside = json_object_get(o, "outside") && snapshot_read_bool(r, o, "outside");
    input->times_known = true;
    if (!path.data)
        snapshot_read_fail(r, "(memory)");
}

static void read_nodes(struct snapshot_read *r, const json_t *root, const char *folder,
                       struct export_job *j)
{
    struct export_options *o = &j->options;
    const json_t *list = snapshot_read_array(r, root, "nodes", SNAPSHOT_MAX_NODES, &o->node_count);
    size_t files = count_files(list);
    j->nodes = snapshot_read_alloc(r, o->node_count, sizeof *j->nodes);
    j->inputs = files <= MAX_FILES ? snapshot_read_alloc(r, files, sizeof *j->inputs) : NULL;
    if (!j->nodes || !j->inputs)
        snapshot_read_fail(r, "files");
    for (size_t n = 0; !r->bad && n < o->node_count; n++) {
        const json_t *node = json_array_get(list, n);
        j->nodes[n].name = snapshot_read_text(r, node, "name");
        j->nodes[n].drops.kernel = snapshot_read_uint(r, node, "kernel");
        j->nodes[n].drops.ring = snapshot_read_uint(r, node, "ring");
        j->nodes[n].drops.disk = snapshot_read_uint(r, node, "disk");
        j->nodes[n].damaged = snapshot_read_optional(r, node, "damaged");
        int64_t offset = snapshot_read_int(r, node, "clock_offset");
        size_t count;
        const json_t *items = snapshot_read_array(r, node, "files", MAX_FILES, &count);
        for (size_t f = 0; !r->bad && f < count; f++) {
            struct export_input *input = &j->inputs[o->input_count++];
            input->clock_offset_ns = offset;
            read_file(r, json_array_get(items, f), folder, &j->nodes[n], input);
        }
    }
    o->nodes = j->nodes;
    o->inputs = j->inputs;
}

static void read_names(struct snapshot_read *r, const json_t *root, struct export_job *j)
{
    size_t count;
    const json_t *list = snapshot_read_array(r, root, "names", MAX_NAMES, &count);
    j->names = snapshot_read_alloc(r, count, sizeof *j->names);
    for (size_t i = 0; !r->bad && i < count; i++) {
        const json_t *pair = json_array_get(list, i);
        const char *ip = json_string_value(json_array_get(pair, 0));
        const char *name = json_string_value(json_array_get(pair, 1));
        int n = ip ? text_unhex(ip, j->names[i].ip, sizeof j->names[i].ip) : -EINVAL;
        j->names[i].ip_version = n == 4 ? 4 : 6;
        j->names[i].name = name ? arena_strdup(r->arena, name) : NULL;
        if ((n != 4 && n != 16) || !j->names[i].name)
            snapshot_read_fail(r, "names");
    }
    j->options.names = j->names;
    j->options.name_count = count;
}

static int parse(struct export_job *j, struct error *reterr)
{
    json_t *root =
        snapshot_read_document(j->ctx->request, "export", 1, "The job's request", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot_read r = {.arena = &j->arena};
    struct export_options *o = &j->options;
    const char *folder = j->folder = snapshot_read_text(&r, root, "folder");
    o->pcap = snapshot_read_bool(&r, root, "pcap");
    o->from_ns = snapshot_read_int(&r, root, "from");
    o->to_ns = snapshot_read_int(&r, root, "to");
    o->bpf = snapshot_read_optional(&r, root, "bpf");
    j->has_selection = snapshot_read_bool(&r, root, "selection");
    o->keep_secrets = snapshot_read_bool(&r, root, "secrets");
    read_nodes(&r, root, folder, j);
    read_names(&r, root, j);
    json_decref(root);
    int result = snapshot_read_result(&r, "The job's request", reterr);
    if (result == 0 && j->ctx->fd_count != (j->has_selection ? 2u : 1u))
        result = error_set(reterr, -EBADMSG, "The job was given the wrong number of files.");
    return result;
}

static int report_result(struct export_job *j, const struct export_result *result)
{
    struct buf line;
    buf_init(&line, 1024);
    struct json_writer w;
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_uint(&w, "packets", result->packets);
    json_member_uint(&w, "bytes", result->bytes);
    json_member_uint(&w, "damage", result->damage);
    json_member_uint(&w, "unordered", result->unordered);
    json_end_object(&w);
    int r = buf_failed(&line) ? buf_failed(&line) : job_report(j->ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int run(struct export_job *j, struct error *reterr)
{
    int r = parse(j, reterr);
    if (r < 0)
        return r;
    /* before the sandbox: services are looked up in /etc; host names never are */
    r = snapshot_filter_init(&j->filter, j->options.bpf, reterr);
    j->filter.closed = true;
    j->options.filter = &j->filter;
    if (r == 0)
        r = job_enter_sandbox(j->ctx, reterr);
    if (r == 0 && j->has_selection)
        r = selection_load(JOB_FIRST_FD + 1, &j->selection, reterr);
    if (r < 0)
        return r;
    j->options.selection = j->selection;
    j->options.write = write_out;
    j->options.on_progress = on_progress;
    j->options.ctx = j;
    struct export_result result;
    r = export_run(&j->options, &result, reterr);
    return r < 0 ? r : report_result(j, &result);
}

/* People are told "nodes/n1/000001.pcapng", not where the hub keeps it. */
static void leave_folder_out(const struct export_job *j, struct error *error)
{
    size_t len = j->folder ? strlen(j->folder) : 0;
    for (char *at; len && (at = strstr(error->text, j->folder)) && at[len] == '/';)
        memmove(at, at + len + 1, strlen(at + len + 1) + 1);
}

static int job_main_export(struct job_context *ctx)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct export_job j = {.ctx = ctx};
    arena_init(&j.arena, 256 * 1024 * 1024);
    int r = run(&j, &e);
    leave_folder_out(&j, &e);
    selection_free(j.selection);
    snapshot_filter_done(&j.filter);
    arena_done(&j.arena);
    return r < 0 ? job_fail(ctx, &e) : 0;
}

const struct job_kind job_kind_export = {.name = "export", .run = job_main_export};
