/* The packets of an entry: both sides of the "packets" job. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "packet/capture_reader.h"
#include "packet/frame.h"
#include "snapshot/snapshot_changed.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_read.h"
#include "snapshot/snapshot_store_private.h"

enum {
    MAX_BYTES_OUT = 12 * 1024 * 1024, /* of hex and the rest: one line of a job */
    NEAR_BYTES = 4 * 1024 * 1024,     /* closer than this: read on instead of beginning anew */
    HEX_BYTES_MAX = 65536,
    POLL_NS = 200 * 1000 * 1000
};

/* ── the job ── */

struct wanted_file {
    const char *path, *node;
    const json_t *offsets, *from_server;
    size_t count;
};

struct row {
    int64_t ts_ns;
    size_t order;
    size_t at, len; /* of its JSON in `rows`, without number */
};

struct packets_job {
    struct job_context *ctx;
    struct arena arena;
    struct buf rows;
    struct row *list;
    size_t count, cap;
    bool truncated;
};

static void describe_tcp(const struct frame *f, char *text, size_t size)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } flags[] = {{FRAME_TCP_SYN, "SYN"}, {FRAME_TCP_FIN, "FIN"}, {FRAME_TCP_RST, "RST"},
                 {FRAME_TCP_PSH, "PSH"}, {FRAME_TCP_ACK, "ACK"}, {FRAME_TCP_URG, "URG"}};
    char names[40] = "";
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (f->tcp_flags & flags[i].flag)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     names[0] ? ", " : "", flags[i].name);
    snprintf(text, size, "TCP %u → %u [%s] seq %u ack %u len %u", f->src_port, f->dst_port, names,
             f->tcp_seq, f->tcp_ack, f->payload_bytes);
}

static void describe(const struct packet *packet, char *text, size_t size)
{
    struct frame f;
    frame_decode(packet, &f);
    switch (f.kind) {
    case FRAME_TCP:
        describe_tcp(&f, text, size);
        break;
    case FRAME_UDP:
        snprintf(text, size, "UDP %u → %u len %u", f.src_port, f.dst_port, f.payload_bytes);
        break;
    case FRAME_SCTP:
        snprintf(text, size, "SCTP %u → %u", f.src_port, f.dst_port);
        break;
    case FRAME_ICMP:
        snprintf(text, size, "ICMP%s", f.ip_version == 6 ? "v6" : "");
        break;
    case FRAME_FRAGMENT:
        snprintf(text, size, "IP fragment at %u, id %u", f.fragment_offset, f.fragment_id);
        break;
    case FRAME_IP:
        snprintf(text, size, "IP protocol %u", f.ip_protocol);
        break;
    case FRAME_OTHER:
    case FRAME_BAD:
        snprintf(text, size, "%s",
                 f.kind == FRAME_BAD ? "headers contradict their lengths" : "not IP");
        break;
    }
}

static void write_row(struct json_writer *w, const struct wanted_file *file, const struct packet *p,
                      const char *interface, bool from_server)
{
    char info[160];
    describe(p, info, sizeof info);
    json_member_time(w, "timestamp", p->ts_ns);
    json_member_str(w, "node", file->node);
    json_member_str(w, "interface", interface ? interface : "");
    json_member_str(w, "direction", from_server ? "server" : "client");
    json_member_uint(w, "captured_bytes", p->captured_bytes);
    json_member_uint(w, "original_bytes", p->original_bytes);
    json_member_str(w, "info", info);
    size_t n = p->captured_bytes < HEX_BYTES_MAX ? p->captured_bytes : HEX_BYTES_MAX;
    json_key(w, "hex");
    static char hex[2 * HEX_BYTES_MAX + 1];
    text_hex(p->data, n, hex);
    json_str(w, hex);
}

static int add_row(struct packets_job *j, const struct wanted_file *file, const struct packet *p,
                   const char *interface, bool from_server)
{
    if (j->count == j->cap || j->rows.len > MAX_BYTES_OUT) {
        j->truncated = true;
        return 0;
    }
    size_t at = j->rows.len;
    struct json_writer w;
    json_init(&w, &j->rows);
    json_begin_object(&w);
    write_row(&w, file, p, interface, from_server);
    json_end_object(&w);
    if (buf_failed(&j->rows))
        return buf_failed(&j->rows);
    j->list[j->count] = (struct row){p->ts_ns, j->count, at + 1, j->rows.len - at - 1};
    j->count++;
    return 0;
}

/* Offsets ascend. The reader is begun anew near the next wanted one where the file allows it. */
static int read_file(struct packets_job *j, const struct wanted_file *file, struct error *reterr)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0; /* gone: what there is is shown */
    struct capture_reader *reader = NULL;
    uint64_t position = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < file->count;) {
        uint64_t wanted = (uint64_t)json_integer_value(json_array_get(file->offsets, i));
        struct packet packet;
        if (!reader || wanted > position + NEAR_BYTES) {
            struct capture_reader_options from = {.start_offset = wanted, .packets_only = true};
            struct capture_reader_options all = {.packets_only = true};
            capture_reader_free(reader);
            reader = NULL;
            r = capture_reader_open(fd, &from, &reader, NULL);
            if (r == -EINVAL) /* compressed, or no pcapng */
                r = capture_reader_open(fd, &all, &reader, NULL);
            if (r < 0) {
                r = r == -ENOMEM ? error_set(reterr, r, "There is no memory to read packets.") : 0;
                break;
            }
            position = wanted;
        }
        int event = capture_reader_next(reader, &packet, reterr);
        if (event == CAPTURE_END)
            break;
        if (event < 0)
            r = event;
        if (event != CAPTURE_PACKET)
            continue;
        position = packet.offset;
        while (i < file->count &&
               (uint64_t)json_integer_value(json_array_get(file->offsets, i)) < position)
            i++;
        if (i == file->count ||
            (uint64_t)json_integer_value(json_array_get(file->offsets, i)) != position)
            continue;
        const struct packet_interface *interface =
            capture_reader_interface(reader, packet.interface);
        r = add_row(j, file, &packet, interface ? interface->name : NULL,
                    json_is_true(json_array_get(file->from_server, i)));
        i++;
    }
    capture_reader_free(reader);
    close(fd);
    return r;
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns > y->ts_ns ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static int report(struct packets_job *j, struct error *reterr)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    if (j->count)
        qsort(j->list, j->count, sizeof *j->list, by_time);
    buf_append_str(&line, "{\"packets\":[");
    for (size_t i = 0; i < j->count; i++) {
        buf_printf(&line, "%s{\"no\":%zu,", i ? "," : "", i + 1);
        buf_append(&line, j->rows.data + j->list[i].at, j->list[i].len);
    }
    buf_printf(&line, "],\"truncated\":%s}", j->truncated ? "true" : "false");
    int r = buf_failed(&line) ? buf_failed(&line) : job_report(j->ctx, buf_slice(&line));
    buf_done(&line);
    return r < 0 ? error_set(reterr, r, "The packets cannot be handed over.") : 0;
}

static int run(struct packets_job *j, json_t *root, struct error *reterr)
{
    struct snapshot_read r = {.arena = &j->arena};
    size_t files = 0;
    const json_t *list = snapshot_read_array(&r, root, "files", SNAPSHOT_PACKETS_MAX, &files);
    j->cap = snapshot_read_uint(&r, root, "max");
    if (j->cap > SNAPSHOT_PACKETS_MAX)
        j->cap = SNAPSHOT_PACKETS_MAX;
    j->list = snapshot_read_alloc(&r, j->cap, sizeof *j->list);
    struct wanted_file *wanted = snapshot_read_alloc(&r, files, sizeof *wanted);
    for (size_t i = 0; !r.bad && i < files; i++) {
        const json_t *o = json_array_get(list, i);
        size_t flags;
        wanted[i].path = snapshot_read_text(&r, o, "path");
        wanted[i].node = snapshot_read_text(&r, o, "node");
        wanted[i].offsets =
            snapshot_read_array(&r, o, "offsets", SNAPSHOT_PACKETS_MAX, &wanted[i].count);
        wanted[i].from_server =
            snapshot_read_array(&r, o, "from_server", SNAPSHOT_PACKETS_MAX, &flags);
    }
    int result = snapshot_read_result(&r, "The job's request", reterr);
    if (result == 0)
        result = job_enter_sandbox(j->ctx, reterr);
    for (size_t i = 0; result == 0 && i < files; i++)
        result = read_file(j, &wanted[i], reterr);
    return result < 0 ? result : report(j, reterr);
}

static int job_main_packets(struct job_context *ctx)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct packets_job j = {.ctx = ctx};
    arena_init(&j.arena, 64 * 1024 * 1024);
    buf_init(&j.rows, MAX_BYTES_OUT + 4 * 1024 * 1024);
    json_t *root = snapshot_read_document(ctx->request, "packets", 1, "The job's request", &e);
    int r = root ? run(&j, root, &e) : -EBADMSG;
    json_decref(root);
    buf_done(&j.rows);
    arena_done(&j.arena);
    return r < 0 ? job_fail(ctx, &e) : 0;
}

const struct job_kind job_kind_packets = {.name = "packets", .run = job_main_packets};

/* ── the parent ── */

struct located {
    const struct snapshot_node *node;
    const struct snapshot_file *file;
    uint64_t offset;
    bool from_server;
};

static int by_place(const void *a, const void *b)
{
    const struct located *x = a, *y = b;
    int order = strcmp(x->node->name, y->node->name);
    if (order == 0)
        order = (x->file->sequence > y->file->sequence) - (x->file->sequence < y->file->sequence);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static bool locate(const struct snapshot_manifest *m, const struct snapshot_packet_ref *ref,
                   struct located *to)
{
    for (size_t n = 0; n < m->node_count; n++) {
        const struct snapshot_node *node = &m->nodes[n];
        for (size_t f = 0; strcmp(node->name, ref->node) == 0 && f < node->file_count; f++)
            if (node->files[f].sequence == ref->sequence) {
                *to = (struct located){node, &node->files[f], ref->offset, ref->from_server};
                return true;
            }
    }
    return false;
}

static void write_file(const struct located *list, size_t count, const char *folder,
                       struct json_writer *w)
{
    char path[4096 + 1024];
    snprintf(path, sizeof path, "%s/%s", folder, list[0].file->name);
    json_begin_object(w);
    json_member_str(w, "path", path);
    json_member_str(w, "node", list[0].node->name);
    json_key(w, "offsets");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_uint(w, list[i].offset);
    json_end_array(w);
    json_key(w, "from_server");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_bool(w, list[i].from_server);
    json_end_array(w);
    json_end_object(w);
}

static void write_request(const struct located *list, size_t count, const char *folder,
                          size_t max_packets, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, "format", "packets");
    json_member_int(&w, "version", 1);
    json_member_uint(&w, "max", max_packets);
    json_key(&w, "files");
    json_begin_array(&w);
    for (size_t i = 0; i < count;) {
        size_t n = 1;
        while (i + n < count && list[i + n].file == list[i].file)
            n++;
        write_file(&list[i], n, folder, &w);
        i += n;
    }
    json_end_array(&w);
    json_end_object(&w);
}

static int run_packets(const struct job_spec *spec, struct buf *out, struct error *reterr)
{
    struct job *job = NULL;
    int r = job_start(spec, &job, reterr);
    if (r < 0)
        return r;
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES + 1024);
    bool got = false;
    while ((r = job_receive(job, POLL_NS, &line)) == 1 || r == -ETIMEDOUT)
        if (r == 1 && !got) {
            static const char head[] = "{\"packets\":[";
            got = slice_starts_with(buf_slice(&line), slice_str(head));
            if (got)
                buf_append_slice(out, buf_slice(&line));
        }
    buf_done(&line);
    struct job_result result;
    int waited = job_wait(job, &result);
    job_free(job);
    if (waited < 0 || (result.ok && !got))
        return error_set(reterr, waited < 0 ? waited : -EPROTO,
                         "The packets job ended without its result.");
    if (!result.ok && reterr)
        *reterr = result.error;
    if (!result.ok)
        return result.error.code < 0 ? result.error.code : -EIO;
    return buf_failed(out) ? error_set(reterr, buf_failed(out), "The packets are too large.") : 0;
}

/* What is gone or was altered gives no packets, but a sentence. */
static int check_located(struct snapshot_store *store, const struct snapshot *s,
                         const struct located *list, size_t count, struct error *reterr)
{
    int dir = snapshot_store_open_dir(store, s->id, reterr), r = dir < 0 ? dir : 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        if (i == 0 || list[i].file != list[i - 1].file)
            r = snapshot_file_check(s, dir, list[i].file, reterr);
    if (dir >= 0)
        close(dir);
    return r;
}

int snapshot_packets(struct snapshot_store *store, const struct snapshot *s,
                     const struct snapshot_packet_ref *refs, size_t count, size_t max_packets,
                     struct buf *out, struct error *reterr)
{
    if (!s->manifest)
        return error_set(reterr, -EBUSY, "The snapshot is %s: there are no packets yet.",
                         snapshot_status_text(s));
    bool cut = count > SNAPSHOT_PACKETS_MAX;
    if (cut)
        count = SNAPSHOT_PACKETS_MAX;
    if (max_packets > count && !cut)
        max_packets = count;
    char folder[4096];
    struct buf request;
    buf_init(&request, JOB_MAX_LINE_BYTES);
    struct located *list = calloc(count + 1, sizeof *list);
    size_t found = 0;
    for (size_t i = 0; list && i < count; i++)
        found += locate(s->manifest, &refs[i], &list[found]);
    int r = list ? snapshot_store_path(store, s->id, folder, sizeof folder) : -ENOMEM, checked = 0;
    if (r == 0) {
        qsort(list, found, sizeof *list, by_place);
        checked = check_located(store, s, list, found, reterr);
        write_request(list, found, folder, max_packets, &request);
        r = buf_failed(&request);
    }
    free(list);
    if (checked < 0) {
        r = checked;
    } else if (r < 0) {
        error_set(reterr, r, "The request for packets is too large.");
    } else {
        const char *dirs[] = {folder, NULL};
        struct job_spec spec = {.kind = "packets",
                                .request = buf_slice(&request),
                                .read_dirs = dirs,
                                .memory_bytes = 256 * 1024 * 1024,
                                .stdout_fd = -1};
        r = run_packets(&spec, out, reterr);
    }
    buf_done(&request);
    return r;
}
