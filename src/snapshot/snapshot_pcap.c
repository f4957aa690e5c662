/* The hub's side of exports: checks, estimate, the job's request. */
#include "snapshot/snapshot_pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "snapshot/snapshot_filter.h"
#include "snapshot/snapshot_store_private.h"

enum {
    EXPORT_MEMORY_BYTES = 512 * 1024 * 1024,
    HEADER_BYTES = 4096, /* section, interfaces, statistics: about */
    POLL_NS = 200 * 1000 * 1000
};

/* ── what is asked for ── */

static bool wants_node(const struct snapshot_pcap_request *q, const char *name)
{
    for (size_t i = 0; i < q->node_count; i++)
        if (strcmp(q->nodes[i], name) == 0)
            return true;
    return q->node_count == 0;
}

static struct snapshot_interval window_of(const struct snapshot_pcap_request *q)
{
    if (q->from_ns == 0 && q->to_ns == 0)
        return (struct snapshot_interval){INT64_MIN, INT64_MAX};
    return (struct snapshot_interval){q->from_ns, q->to_ns ? q->to_ns : INT64_MAX};
}

int snapshot_pcap_check(const struct snapshot *s, const struct snapshot_pcap_request *q,
                        struct error *reterr)
{
    if (!s->manifest)
        return error_set(reterr, -EBUSY, "The snapshot is %s: there are no packets yet.",
                         snapshot_status_text(s));
    struct snapshot_interval w = window_of(q);
    if (w.to_ns <= w.from_ns)
        return error_set(reterr, -EINVAL, "The window is empty: \"to\" must lie behind \"from\".");
    for (size_t i = 0; i < q->node_count; i++) {
        bool found = false;
        for (size_t n = 0; n < s->manifest->node_count && !found; n++)
            found = strcmp(s->manifest->nodes[n].name, q->nodes[i]) == 0;
        if (found)
            continue;
        char shown[80];
        text_escape(slice_str(q->nodes[i]), shown, sizeof shown);
        return error_set(reterr, -EINVAL, "The snapshot has no node \"%s\".", shown);
    }
    struct snapshot_filter filter;
    int r = snapshot_filter_init(&filter, q->bpf, reterr);
    snapshot_filter_done(&filter);
    return r;
}

/* ── estimate ── */

/* The share of a file in the window; 1 when it lies inside. */
static double share(const struct snapshot_node *node, const struct snapshot_file *f,
                    struct snapshot_interval w)
{
    if (f->packets == 0 || f->first_ns > f->last_ns)
        return 0;
    double first = (double)(f->first_ns - node->clock_offset_ns);
    double last = (double)(f->last_ns - node->clock_offset_ns);
    double from = (double)w.from_ns, to = (double)w.to_ns;
    if (w.from_ns == INT64_MIN || first >= from)
        from = first;
    if (w.to_ns == INT64_MAX || last < to)
        to = last;
    if (to < from)
        return 0;
    return last > first ? (to - from) / (last - first) : 1;
}

int snapshot_pcap_estimate(const struct snapshot *s, const struct snapshot_pcap_request *q,
                           struct snapshot_pcap_estimate *ret_estimate, struct error *reterr)
{
    int r = snapshot_pcap_check(s, q, reterr);
    if (r < 0)
        return r;
    struct snapshot_interval w = window_of(q);
    struct snapshot_pcap_estimate e = {.exact = !(q->bpf && q->bpf[0]) && !q->selection};
    double packets = 0, bytes = HEADER_BYTES;
    bool whole = true;
    for (size_t n = 0; n < s->manifest->node_count; n++) {
        const struct snapshot_node *node = &s->manifest->nodes[n];
        if (!wants_node(q, node->name))
            continue;
        for (size_t f = 0; f < node->file_count; f++) {
            if (node->files[f].outside && !q->outside)
                continue;
            double part = node->files[f].outside ? 1 : share(node, &node->files[f], w);
            whole &= part == 0 || part >= 1;
            packets += part * (double)node->files[f].packets;
            bytes += part * (double)node->files[f].plain_bytes;
        }
    }
    e.packets = (uint64_t)(packets + 0.5);
    e.bytes = (uint64_t)bytes;
    e.exact &= whole;
    if (q->selection && selection_kind(q->selection) == SELECT_PACKETS &&
        selection_count(q->selection) < e.packets) {
        e.bytes = e.packets ? e.bytes * selection_count(q->selection) / e.packets : 0;
        e.packets = selection_count(q->selection);
    }
    *ret_estimate = e;
    return 0;
}

/* ── the job ── */

enum {
    MAX_DAMAGE_BYTES = 2000 /* of a node's sentences in the section's comment */
};

static void write_damage(const struct snapshot_node *node, struct json_writer *w)
{
    struct buf text;
    buf_init(&text, MAX_DAMAGE_BYTES);
    for (size_t f = 0; f < node->file_count; f++)
        if (node->files[f].damaged && text.len + strlen(node->files[f].damaged) + 3 < text.max)
            buf_printf(&text, "%s%s", text.len ? "; " : "", node->files[f].damaged);
    if (text.len && buf_append_u8(&text, 0) == 0)
        json_member_str(w, "damaged", (const char *)text.data);
    buf_done(&text);
}

static void write_nodes(const struct snapshot *s, const struct snapshot_pcap_request *q,
                        struct json_writer *w)
{
    json_key(w, "nodes");
    json_begin_array(w);
    for (size_t n = 0; n < s->manifest->node_count; n++) {
        const struct snapshot_node *node = &s->manifest->nodes[n];
        if (!wants_node(q, node->name))
            continue;
        json_begin_object(w);
        json_member_str(w, "name", node->name);
        json_member_int(w, "clock_offset", node->clock_offset_ns);
        json_member_uint(w, "kernel", node->drops.kernel);
        json_member_uint(w, "ring", node->drops.ring);
        json_member_uint(w, "disk", node->drops.disk);
        write_damage(node, w);
        json_key(w, "files");
        json_begin_array(w);
        for (size_t f = 0; f < node->file_count; f++) {
            if (node->files[f].outside && !q->outside)
                continue;
            json_begin_object(w);
            if (node->files[f].outside)
                json_member_bool(w, "outside", true);
            json_member_str(w, "name", node->files[f].name);
            json_member_uint(w, "sequence", node->files[f].sequence);
            json_member_str(w, "sha256", node->files[f].sha256);
            json_member_int(w, "first", node->files[f].first_ns);
            json_member_int(w, "last", node->files[f].last_ns);
            json_end_object(w);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_names(const struct snapshot_pcap_request *q, struct json_writer *w)
{
    json_key(w, "names");
    json_begin_array(w);
    for (size_t i = 0; i < q->name_count; i++) {
        char hex[33];
        size_t len = q->names[i].ip_version == 4 ? 4 : 16;
        text_hex(q->names[i].ip, len, hex);
        json_begin_array(w);
        json_str(w, hex);
        json_str(w, q->names[i].name);
        json_end_array(w);
    }
    json_end_array(w);
}

static int write_request(const struct snapshot *s, const struct snapshot_pcap_request *q,
                         const char *folder, struct buf *out)
{
    struct buf bpf;
    buf_init(&bpf, 4 * BPF_EXPRESSION_BYTES_MAX);
    bool filtered = q->bpf && q->bpf[0] && snapshot_filter_expand(q->bpf, &bpf, NULL) == 0;
    struct snapshot_interval window = window_of(q);
    struct json_writer writer, *w = &writer;
    json_init(w, out);
    json_begin_object(w);
    json_member_str(w, "format", "export");
    json_member_int(w, "version", 1);
    json_member_str(w, "folder", folder);
    json_member_bool(w, "pcap", q->pcap);
    json_member_int(w, "from", window.from_ns);
    json_member_int(w, "to", window.to_ns);
    json_member_str(w, "bpf", filtered ? (const char *)bpf.data : NULL);
    buf_done(&bpf);
    json_member_bool(w, "selection", q->selection != NULL);
    json_member_bool(w, "secrets", q->secrets);
    write_nodes(s, q, w);
    write_names(q, w);
    json_end_object(w);
    return buf_failed(out);
}

static int selection_file(const struct selection *selection, struct error *reterr)
{
    int fd = memfd_create("selection", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : selection_save(selection, fd);
    if (r >= 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return error_set(reterr, r, "The filter's packets cannot be handed on: %s.",
                     strerrordesc_np(-r));
}

int snapshot_pcap_start(struct snapshot_store *store, const struct snapshot *s,
                        const struct snapshot_pcap_request *q, int out_fd, struct job **ret_job,
                        struct error *reterr)
{
    int r = snapshot_pcap_check(s, q, reterr);
    if (r < 0)
        return r;
    char folder[4096];
    struct buf request;
    buf_init(&request, JOB_MAX_LINE_BYTES);
    r = snapshot_store_path(store, s->id, folder, sizeof folder);
    if (r == 0)
        r = write_request(s, q, folder, &request);
    if (r < 0)
        error_set(reterr, r, "The export's request is too large.");
    int fds[2] = {out_fd, -1};
    if (r == 0 && q->selection) {
        fds[1] = selection_file(q->selection, reterr);
        r = fds[1] < 0 ? fds[1] : 0;
    }
    if (r == 0) {
        const char *dirs[] = {folder, NULL};
        struct job_spec spec = {.kind = "export",
                                .request = buf_slice(&request),
                                .fds = fds,
                                .fd_count = q->selection ? 2 : 1,
                                .read_dirs = dirs,
                                .memory_bytes = EXPORT_MEMORY_BYTES,
                                .file_bytes = UINT64_MAX / 4,
                                .stdout_fd = -1};
        r = job_start(&spec, ret_job, reterr);
    }
    if (fds[1] >= 0)
        close(fds[1]);
    buf_done(&request);
    return r;
}

int snapshot_pcap_run(struct snapshot_store *store, const struct snapshot *s,
                      const struct snapshot_pcap_request *q, int out_fd, const bool *cancel,
                      struct error *reterr)
{
    struct job *job = NULL;
    int r = snapshot_pcap_start(store, s, q, out_fd, &job, reterr);
    if (r < 0)
        return r;
    struct buf line;
    buf_init(&line, 64 * 1024);
    do {
        r = job_receive(job, POLL_NS, &line);
        if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED))
            job_cancel(job);
    } while (r == 1 || r == -ETIMEDOUT);
    buf_done(&line);
    struct job_result result;
    r = job_wait(job, &result);
    job_free(job);
    if (r < 0)
        return error_set(reterr, r, "The export could not be waited for.");
    if (cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED))
        return error_set(reterr, -ECANCELED, "It was cancelled.");
    if (result.ok)
        return 0;
    if (reterr)
        *reterr = result.error;
    return result.error.code < 0 ? result.error.code : -EIO;
}
