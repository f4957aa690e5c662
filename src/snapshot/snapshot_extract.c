#include "snapshot/snapshot_extract.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "packet/capture_reader.h"
#include "packet/owner_note.h"
#include "packet/pcapng_writer.h"
#include "ring/ring_reader.h"
#include "snapshot/snapshot_filter.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_read.h"
#include "snapshot/snapshot_store_private.h"

enum {
    FLUSH_BYTES = 1024 * 1024,
    BUFFER_BYTES = 24 * 1024 * 1024, /* flush size, and the largest block */
    PACKET_BLOCK_BYTES = 32 + 100,   /* around a packet: its block, and about a comment */
    POLL_NS = 200 * 1000 * 1000
};

/* ── the work, in the job ── */

struct cut {
    const struct snapshot_extract *extract;
    int64_t from_ns;
    struct snapshot_extract_file *file;
    struct snapshot_filter *filter;
    struct capture_reader *reader;
    struct buf out;
    struct snapshot_hash hash;
};

static int flush(struct cut *c, struct error *reterr)
{
    if (buf_failed(&c->out))
        return error_set(reterr, buf_failed(&c->out), "There is no memory for the output.");
    snapshot_hash_add(&c->hash, c->out.data, c->out.len);
    int r = io_write(SNAPSHOT_PHASE_DATA, c->file->out_fd, c->out.data, c->out.len);
    if (r < 0)
        return error_set(reterr, r, "Writing the trimmed segment failed: %s.", strerrordesc_np(-r));
    c->file->bytes += c->out.len;
    buf_reset(&c->out);
    return 0;
}

static void take_packet(struct cut *c, const struct packet *packet)
{
    struct snapshot_extract_file *f = c->file;
    if (packet->ts_ns < c->from_ns || packet->ts_ns >= c->extract->to_ns ||
        !snapshot_filter_match(c->filter, packet))
        return;
    pcapng_put_packet(&c->out, packet, c->extract->comment);
    f->packets++;
    if (packet->ts_ns < f->first_ns)
        f->first_ns = packet->ts_ns;
    if (packet->ts_ns > f->last_ns)
        f->last_ns = packet->ts_ns;
}

static void take_statistics(struct cut *c)
{
    const struct capture_statistics *s = capture_reader_statistics(c->reader);
    struct owner_note owner;
    struct slice note = capture_reader_note(c->reader);
    /* owners of what is kept may have been noted a moment after the window, or long before its
     * packets: all of them stay */
    if (owner_note_read(note, &owner, NULL) == 0) {
        pcapng_put_note(&c->out, s->interface, s->ts_ns, note);
        return;
    }
    if (s->ts_ns < c->extract->from_ns || s->ts_ns >= c->extract->to_ns)
        return;
    struct pcapng_statistics copy = {.ts_ns = s->ts_ns,
                                     .received = s->received,
                                     .dropped_by_interface = s->dropped_by_interface,
                                     .dropped_by_os = s->dropped_by_os};
    pcapng_put_statistics(&c->out, s->interface, &copy);
}

static void note_damage(struct snapshot_extract_file *file, const struct error *error)
{
    if (file->damage++ == 0)
        file->damage_at = error && error->offset != ERROR_NO_OFFSET ? error->offset : 0;
}

static bool is_cancelled(const struct cut *c)
{
    return c->extract->cancel && __atomic_load_n(c->extract->cancel, __ATOMIC_RELAXED);
}

static int cut_events(struct cut *c, struct error *reterr)
{
    pcapng_put_section(&c->out, NULL, "trawl " TRAWL_VERSION, NULL);
    for (;;) {
        if (is_cancelled(c))
            return error_set(reterr, -ECANCELED, "It was cancelled.");
        struct packet packet;
        int event = capture_reader_next(c->reader, &packet, reterr);
        if (event < 0)
            return event;
        if (event == CAPTURE_END)
            return flush(c, reterr);
        if (event == CAPTURE_PACKET)
            take_packet(c, &packet);
        else if (event == CAPTURE_INTERFACE)
            pcapng_put_interface(&c->out, capture_reader_interface(c->reader, packet.interface));
        else if (event == CAPTURE_STATISTICS)
            take_statistics(c);
        else if (event == CAPTURE_DAMAGE)
            note_damage(c->file, reterr);
        int r = c->out.len >= FLUSH_BYTES ? flush(c, reterr) : 0;
        if (r < 0)
            return r;
    }
}

/* What is about to be cut: whether it still is what was sealed can only be said from all of it. */
static int hash_source(struct cut *c, struct error *reterr)
{
    enum {
        PIECE_BYTES = 1024 * 1024
    };
    uint8_t *piece = malloc(PIECE_BYTES);
    int r = piece ? snapshot_hash_begin(&c->hash) : -ENOMEM;
    uint64_t left = c->file->end_offset ? c->file->end_offset : UINT64_MAX;
    for (off_t at = 0; r == 0 && left > 0;) {
        size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        ssize_t got = is_cancelled(c) ? -ECANCELED : io_pread_full(c->file->in_fd, piece, want, at);
        if (got < 0)
            r = (int)got;
        else
            snapshot_hash_add(&c->hash, piece, (size_t)got);
        if (got < (ssize_t)want)
            break;
        at += got;
        left -= (uint64_t)got;
    }
    free(piece);
    if (r == 0)
        r = snapshot_hash_end(&c->hash, c->file->source_sha256);
    return r < 0 ? error_set(reterr, r, "A segment cannot be read: %s.", strerrordesc_np(-r)) : 0;
}

/* Where to begin, so that no more than the newest bytes are left: packets counted in a thousand
 * equal pieces of the time. */
static int find_newest(struct cut *c, struct error *reterr)
{
    enum {
        PIECES = 1000
    };
    const struct snapshot_extract *x = c->extract;
    uint64_t bytes[PIECES] = {0}, sum = 0;
    int64_t width = (x->to_ns - x->from_ns + PIECES - 1) / PIECES;
    struct capture_reader_options options = {.end_offset = c->file->end_offset,
                                             .packets_only = true};
    struct capture_reader *reader = NULL;
    int r = capture_reader_open(c->file->in_fd, &options, &reader, reterr);
    while (r == 0) {
        struct packet packet;
        int event = is_cancelled(c) ? -ECANCELED : capture_reader_next(reader, &packet, reterr);
        if (event == CAPTURE_PACKET && packet.ts_ns >= x->from_ns && packet.ts_ns < x->to_ns &&
            snapshot_filter_match(c->filter, &packet))
            bytes[(packet.ts_ns - x->from_ns) / width] +=
                PACKET_BLOCK_BYTES + packet.captured_bytes;
        if (event <= CAPTURE_END) {
            r = event;
            break;
        }
    }
    capture_reader_free(reader);
    for (int i = PIECES; r == 0 && i-- > 0; c->from_ns = x->from_ns + i * width)
        if ((sum += bytes[i]) > c->file->newest_bytes)
            break;
    return r;
}

static int cut_file(const struct snapshot_extract *extract, struct snapshot_extract_file *file,
                    struct snapshot_filter *filter, struct error *reterr)
{
    struct cut c = {
        .extract = extract, .from_ns = extract->from_ns, .file = file, .filter = filter};
    file->packets = file->bytes = file->damage = file->damage_at = 0;
    file->source_sha256[0] = '\0';
    file->first_ns = INT64_MAX;
    file->last_ns = INT64_MIN;
    buf_init(&c.out, BUFFER_BYTES);
    struct capture_reader_options options = {.end_offset = file->end_offset};
    struct error e = {.offset = ERROR_NO_OFFSET};
    int r = file->hash_source ? hash_source(&c, reterr) : 0;
    if (r == 0 && file->newest_bytes)
        r = find_newest(&c, reterr);
    if (r == 0 && snapshot_hash_begin(&c.hash) < 0)
        r = error_set(reterr, -ENOMEM, "There is no memory to hash with.");
    if (r == 0) {
        r = capture_reader_open(file->in_fd, &options, &c.reader, &e);
        if (r == 0) {
            r = cut_events(&c, &e);
        } else if (r == -EBADMSG) { /* no capture at all: all of it is damage */
            note_damage(file, &e);
            r = 0;
        }
        if (r < 0 && reterr)
            *reterr = e;
    }
    if (r == 0 && snapshot_hash_end(&c.hash, file->sha256) < 0)
        r = error_set(reterr, -EIO, "SHA-256 could not be computed.");
    file->indexed = r == 0 && file->index_fd >= 0 && file->packets &&
                    ring_index_make(file->out_fd, file->index_fd) == 0;
    capture_reader_free(c.reader);
    snapshot_hash_done(&c.hash);
    buf_done(&c.out);
    return r;
}

/* ── the job ── */

static void result_json(const struct snapshot_extract_file *f, size_t index, struct buf *line)
{
    struct json_writer w;
    json_init(&w, line);
    json_begin_object(&w);
    json_member_uint(&w, "file", index);
    json_member_uint(&w, "packets", f->packets);
    json_member_uint(&w, "bytes", f->bytes);
    json_member_int(&w, "first", f->first_ns);
    json_member_int(&w, "last", f->last_ns);
    json_member_bool(&w, "indexed", f->indexed);
    json_member_uint(&w, "damage", f->damage);
    json_member_uint(&w, "damage_at", f->damage_at);
    json_member_str(&w, "sha256", f->sha256);
    if (f->source_sha256[0])
        json_member_str(&w, "source_sha256", f->source_sha256);
    json_end_object(&w);
}

static int parse_request(struct slice text, struct arena *arena, struct snapshot_extract *e,
                         struct error *reterr)
{
    json_t *root = snapshot_read_document(text, "extract", 1, "The job's request", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot_read r = {.arena = arena};
    e->from_ns = snapshot_read_int(&r, root, "from");
    e->to_ns = snapshot_read_int(&r, root, "to");
    e->bpf = snapshot_read_optional(&r, root, "bpf");
    e->comment = snapshot_read_optional(&r, root, "comment");
    const json_t *list = snapshot_read_array(&r, root, "ends", JOB_MAX_FDS / 3, &e->file_count);
    size_t hashed_count;
    const json_t *hashed = snapshot_read_array(&r, root, "hash", JOB_MAX_FDS / 3, &hashed_count);
    size_t newest_count;
    const json_t *newest = snapshot_read_array(&r, root, "newest", JOB_MAX_FDS / 3, &newest_count);
    size_t indexed_count;
    const json_t *indexed = snapshot_read_array(&r, root, "index", JOB_MAX_FDS / 3, &indexed_count);
    e->files = snapshot_read_alloc(&r, e->file_count, sizeof *e->files);
    for (size_t i = 0; !r.bad && i < e->file_count; i++) {
        e->files[i].end_offset = (uint64_t)json_integer_value(json_array_get(list, i));
        e->files[i].newest_bytes = (uint64_t)json_integer_value(json_array_get(newest, i));
        e->files[i].in_fd = (int)(JOB_FIRST_FD + 3 * i);
        e->files[i].out_fd = (int)(JOB_FIRST_FD + 3 * i + 1);
        /* always a descriptor; without an index it is that of the output once more */
        e->files[i].index_fd =
            json_is_true(json_array_get(indexed, i)) ? (int)(JOB_FIRST_FD + 3 * i + 2) : -1;
        e->files[i].hash_source = json_is_true(json_array_get(hashed, i));
    }
    json_decref(root);
    return snapshot_read_result(&r, "The job's request", reterr);
}

static int run_job(struct job_context *ctx, struct arena *arena, struct error *reterr)
{
    struct snapshot_extract extract = {0};
    int r = parse_request(ctx->request, arena, &extract, reterr);
    if (r == 0 && ctx->fd_count != 3 * extract.file_count)
        r = error_set(reterr, -EBADMSG, "The job was given the wrong number of files.");
    if (r < 0)
        return r;
    struct snapshot_filter filter;
    r = snapshot_filter_init(&filter, extract.bpf, reterr);
    filter.closed = true;
    snapshot_hash_prepare();
    if (r == 0)
        r = job_enter_sandbox(ctx, reterr);
    struct buf line;
    buf_init(&line, 4096);
    for (size_t i = 0; r == 0 && i < extract.file_count; i++) {
        r = cut_file(&extract, &extract.files[i], &filter, reterr);
        buf_reset(&line);
        result_json(&extract.files[i], i, &line);
        if (r == 0)
            r = job_report(ctx, buf_slice(&line));
    }
    buf_done(&line);
    snapshot_filter_done(&filter);
    return r;
}

static int job_main_extract(struct job_context *ctx)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    int r = run_job(ctx, &arena, &e);
    arena_done(&arena);
    return r < 0 ? job_fail(ctx, &e) : 0;
}

const struct job_kind job_kind_extract = {.name = "extract", .run = job_main_extract};

/* ── the parent ── */

static int request_json(const struct snapshot_extract *e, struct buf *out)
{
    struct buf bpf;
    buf_init(&bpf, 4 * BPF_EXPRESSION_BYTES_MAX);
    bool filtered = e->bpf && e->bpf[0];
    int r = filtered ? snapshot_filter_expand(e->bpf, &bpf, NULL) : 0;
    if (r < 0) {
        buf_done(&bpf);
        return r;
    }
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, "format", "extract");
    json_member_int(&w, "version", 1);
    json_member_int(&w, "from", e->from_ns);
    json_member_int(&w, "to", e->to_ns);
    json_member_str(&w, "bpf", filtered ? (const char *)bpf.data : NULL);
    buf_done(&bpf);
    json_member_str(&w, "comment", e->comment);
    json_key(&w, "ends");
    json_begin_array(&w);
    for (size_t i = 0; i < e->file_count; i++)
        json_uint(&w, e->files[i].end_offset);
    json_end_array(&w);
    json_key(&w, "newest");
    json_begin_array(&w);
    for (size_t i = 0; i < e->file_count; i++)
        json_uint(&w, e->files[i].newest_bytes);
    json_end_array(&w);
    json_key(&w, "hash");
    json_begin_array(&w);
    for (size_t i = 0; i < e->file_count; i++)
        json_bool(&w, e->files[i].hash_source);
    json_end_array(&w);
    json_key(&w, "index");
    json_begin_array(&w);
    for (size_t i = 0; i < e->file_count; i++)
        json_bool(&w, e->files[i].index_fd >= 0);
    json_end_array(&w);
    json_end_object(&w);
    return buf_failed(out);
}

/* What the job says is checked like anything from outside. */
static int take_result(struct snapshot_extract *e, struct slice line, size_t *done)
{
    json_t *root = json_loadb((const char *)line.data, line.len, 0, NULL);
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    struct snapshot_read r = {.arena = &arena};
    if (!json_object_get(root, "error")) {
        uint64_t index = snapshot_read_uint(&r, root, "file");
        if (!r.bad && index == *done && index < e->file_count) {
            struct snapshot_extract_file *f = &e->files[index];
            f->packets = snapshot_read_uint(&r, root, "packets");
            f->bytes = snapshot_read_uint(&r, root, "bytes");
            f->first_ns = snapshot_read_int(&r, root, "first");
            f->last_ns = snapshot_read_int(&r, root, "last");
            f->indexed = snapshot_read_bool(&r, root, "indexed");
            f->damage = snapshot_read_uint(&r, root, "damage");
            f->damage_at = snapshot_read_uint(&r, root, "damage_at");
            if (f->hash_source)
                snapshot_read_sha256(&r, root, "source_sha256", f->source_sha256);
            snapshot_read_sha256(&r, root, "sha256", f->sha256);
            ++*done;
        } else {
            r.bad = true;
        }
    }
    arena_done(&arena);
    json_decref(root);
    return r.bad ? -EPROTO : 0;
}

static int listen_to(struct snapshot_extract *e, struct job *job, size_t *done)
{
    struct buf line;
    buf_init(&line, 64 * 1024);
    int r;
    for (;;) {
        r = job_receive(job, POLL_NS, &line);
        if (e->cancel && __atomic_load_n(e->cancel, __ATOMIC_RELAXED)) {
            job_cancel(job);
            r = -ECANCELED;
            break;
        }
        if (r == -ETIMEDOUT)
            continue;
        if (r == 1)
            r = take_result(e, buf_slice(&line), done) < 0 ? -EPROTO : 1;
        if (r <= 0)
            break;
    }
    buf_done(&line);
    return r;
}

static int run_in_job(struct snapshot_extract *e, struct error *reterr)
{
    struct buf request;
    buf_init(&request, JOB_MAX_LINE_BYTES);
    int *fds = calloc(3 * e->file_count, sizeof *fds);
    int r = fds ? request_json(e, &request) : -ENOMEM;
    if (r < 0) {
        free(fds);
        buf_done(&request);
        return error_set(reterr, r,
                         r == -EINVAL ? "The BPF expression cannot be used."
                                      : "There is no memory for the extract job.");
    }
    for (size_t i = 0; i < e->file_count; i++) {
        fds[3 * i] = e->files[i].in_fd;
        fds[3 * i + 1] = e->files[i].out_fd;
        fds[3 * i + 2] = e->files[i].index_fd >= 0 ? e->files[i].index_fd : e->files[i].out_fd;
    }
    struct job_spec spec = {.kind = "extract",
                            .request = buf_slice(&request),
                            .fds = fds,
                            .fd_count = 3 * e->file_count,
                            .memory_bytes = 256 * 1024 * 1024,
                            .stdout_fd = -1};
    struct job *job = NULL;
    r = job_start(&spec, &job, reterr);
    free(fds);
    buf_done(&request);
    if (r < 0)
        return r;
    size_t done = 0;
    r = listen_to(e, job, &done);
    struct job_result result;
    int waited = job_wait(job, &result);
    job_free(job);
    if (r == -ECANCELED)
        return error_set(reterr, r, "It was cancelled.");
    if (waited < 0)
        return error_set(reterr, waited, "The extract job could not be waited for.");
    if (!result.ok)
        return error_set(reterr, result.error.code ? result.error.code : -EIO,
                         "The extract job failed: %s", result.error.text);
    if (r < 0 || done != e->file_count)
        return error_set(reterr, -EPROTO, "The extract job ended without its results.");
    return 0;
}

int snapshot_extract_run(struct snapshot_extract *extract, struct error *reterr)
{
    if (extract->file_count == 0)
        return 0;
    if (!extract->in_process)
        return run_in_job(extract, reterr);
    struct snapshot_filter filter;
    int r = snapshot_filter_init(&filter, extract->bpf, reterr);
    for (size_t i = 0; r == 0 && i < extract->file_count; i++)
        r = cut_file(extract, &extract->files[i], &filter, reterr);
    snapshot_filter_done(&filter);
    return r;
}
