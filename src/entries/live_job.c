/* Job kind "live" (query.h): frames of live_feed.h → dissect_live → entries_writer. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "dissect/live.h"
#include "entries/live_feed.h"
#include "entries/query.h"
#include "entries/writer.h"

static const char phase[] = "live-segment";

enum {
    REPORT_BYTES = 4096,
    NODE_MAX = 256,
    PUNCH_BYTES = 1 << 20, /* so much is read before its place is given back */
    HELD_MAX_BYTES = 1 << 30,
    MAX_EARLIER_FILES = 4096,
    NICE = 5
};

#define SEAL_EVERY_NS NS_PER_S

struct segment {
    uint64_t length, ready, punched;
    bool is_open;
};

struct live_job {
    struct job_context *ctx;
    json_t *request;
    const char *dir;
    struct entries_writer *writer;
    struct dissect_live *live;
    size_t first_file; /* files of earlier jobs come before ours */
    struct dissect_input *inputs;
    struct entry_file *files;
    struct segment *segments;
    size_t segment_count;
    uint64_t stored; /* indexes below it are sealed */
    int64_t sealed_mono_ns, until_ns;
    int64_t sealed_ns; /* the entries of all packets before it are sealed */
    bool has_news;
    uint64_t damages;
    uint8_t *bytes;
};

/* ── what it is told ── */

/* 1, 0 at the end of the pipe, or an error. */
static int read_exactly(void *data, size_t n)
{
    ssize_t got = io_read_full(JOB_FIRST_FD, data, n);
    return got < 0 ? (int)got : got == 0 && n ? 0 : (size_t)got == n ? 1 : -EPROTO;
}

static int bad_feed(struct error *reterr)
{
    return error_set(reterr, -EPROTO, "the live job was fed something that makes no sense.");
}

static int begin_segment(struct live_job *job, const struct feed_header *h, struct error *reterr)
{
    if (h->segment != job->segment_count || h->segment >= FEED_MAX_SEGMENTS ||
        h->length >= NODE_MAX)
        return bad_feed(reterr);
    int fd = openat(AT_FDCWD, job->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(reterr, -errno, "a segment cannot be kept: %s.", strerrordesc_np(errno));
    size_t file = job->first_file + job->segment_count;
    char *node = strndup((const char *)job->bytes, h->length);
    if (!node) {
        close(fd);
        return error_set(reterr, -ENOMEM, "there is not enough memory");
    }
    job->files[file] = (struct entry_file){.node = node, .sequence = (uint64_t)h->value};
    job->inputs[file] = (struct dissect_input){.fd = fd,
                                               .name = node,
                                               .node = node,
                                               .sequence = (uint64_t)h->value,
                                               .ahead_ns = h->ahead_ns};
    job->segments[job->segment_count++].is_open = true;
    entries_writer_set_files(
        job->writer,
        (struct entry_files){.files = job->files, .count = job->first_file + job->segment_count});
    return 0;
}

static int add_bytes(struct live_job *job, const struct feed_header *h, struct error *reterr)
{
    struct segment *s = &job->segments[h->segment];
    struct dissect_input *input = &job->inputs[job->first_file + h->segment];
    if (!s->is_open || (uint64_t)h->value != s->length)
        return bad_feed(reterr);
    int r = io_pwrite(phase, input->fd, job->bytes, h->length, (off_t)s->length);
    if (r < 0)
        return error_set(reterr, r, "a segment cannot be kept: %s.", strerrordesc_np(-r));
    s->length += h->length;
    return 0;
}

static int set_ready(struct live_job *job, const struct feed_header *h, struct error *reterr)
{
    struct segment *s = &job->segments[h->segment];
    uint64_t ready = (uint64_t)h->value;
    if (!s->is_open || ready < s->ready || ready > s->length)
        return bad_feed(reterr);
    s->ready = ready;
    return 0;
}

/* What is ready is read; `last`: and the segment is closed. */
static int let_read(struct live_job *job, size_t segment, bool last, struct error *reterr)
{
    struct segment *s = &job->segments[segment];
    struct dissect_input *input = &job->inputs[job->first_file + segment];
    if (!s->is_open)
        return 0;
    if (s->ready) {
        input->end_offset = input->end_offset ? input->end_offset : s->ready;
        int r = dissect_live_grow(job->live, job->first_file + segment, s->ready, last, reterr);
        if (r < 0)
            return r;
    }
    s->is_open = !last;
    return 0;
}

/* ── what it does ── */

/* Gives back the place of what was read. A segment that is complete and read is closed. */
static void give_back(struct live_job *job, size_t segment)
{
    struct segment *s = &job->segments[segment];
    struct dissect_input *input = &job->inputs[job->first_file + segment];
    if (input->fd < 0)
        return;
    uint64_t behind =
        s->ready ? dissect_live_behind(job->live, job->first_file + segment) : UINT64_MAX;
    if (behind == UINT64_MAX && !s->is_open) {
        close(input->fd);
        input->fd = -1;
    } else if (behind != UINT64_MAX && behind - s->punched >= PUNCH_BYTES) {
        if (fallocate(input->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->punched,
                      (off_t)(behind - s->punched)) == 0 ||
            errno == EOPNOTSUPP)
            s->punched = behind;
    }
}

static int report(struct live_job *job, const char *what)
{
    const struct dissect_statistics *s = dissect_live_statistics(job->live);
    struct buf line;
    struct json_writer w;
    buf_init(&line, REPORT_BYTES);
    json_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, what);
    json_begin_object(&w);
    json_member_uint(&w, "stored", job->stored);
    json_member_uint(&w, "packets", s->packets);
    json_member_uint(&w, "bytes", s->bytes);
    json_member_uint(&w, "evictions", s->evictions);
    json_member_uint(&w, "damages", job->damages);
    json_member_int(&w, "until_ns", job->until_ns);
    json_member_int(&w, "sealed_ns", job->sealed_ns);
    json_end_object(&w);
    json_end_object(&w);
    int r = job_report(job->ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int seal(struct live_job *job, struct error *reterr)
{
    int r = entries_writer_seal(job->writer, reterr);
    job->sealed_mono_ns = clock_mono_ns();
    job->has_news = false;
    job->stored = entries_writer_next_index(job->writer);
    return r;
}

/* Bytes that wait for their time. */
static uint64_t held_bytes(const struct live_job *job)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < job->segment_count; i++)
        if (job->inputs[job->first_file + i].fd >= 0)
            bytes += job->segments[i].length - job->segments[i].punched;
    return bytes;
}

static int go_on_until(struct live_job *job, int64_t until_ns, struct error *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < job->segment_count; i++)
        r = let_read(job, i, false, reterr);
    if (r == 0)
        r = dissect_live_until(job->live, until_ns, reterr);
    /* Stamps from the future do not fill the disk: their packets are read out of order. */
    if (r == 0 && held_bytes(job) > HELD_MAX_BYTES)
        r = dissect_live_until(job->live, INT64_MAX, reterr);
    for (size_t i = 0; r == 0 && i < job->segment_count; i++)
        give_back(job, i);
    job->until_ns = until_ns;
    if (r == 0 && job->has_news && clock_mono_ns() - job->sealed_mono_ns >= SEAL_EVERY_NS)
        r = seal(job, reterr);
    if (r == 0 && !job->has_news && until_ns > job->sealed_ns)
        job->sealed_ns = until_ns;
    if (r == 0)
        r = report(job, "live");
    return r;
}

static int obey(struct live_job *job, const struct feed_header *h, struct error *reterr)
{
    if (h->kind == FEED_SEGMENT)
        return begin_segment(job, h, reterr);
    if (h->kind == FEED_UNTIL)
        return go_on_until(job, h->value, reterr);
    if (h->segment >= job->segment_count)
        return bad_feed(reterr);
    if (h->kind == FEED_BYTES)
        return add_bytes(job, h, reterr);
    if (h->kind == FEED_READY)
        return set_ready(job, h, reterr);
    return h->kind == FEED_LAST ? let_read(job, h->segment, true, reterr) : bad_feed(reterr);
}

static int obey_all(struct live_job *job, struct error *reterr)
{
    struct feed_header h;
    int r;
    while ((r = read_exactly(&h, sizeof h)) > 0) {
        if (h.length > FEED_MAX_BYTES)
            return bad_feed(reterr);
        r = h.length ? read_exactly(job->bytes, h.length) : 1;
        if (r <= 0)
            return bad_feed(reterr);
        r = obey(job, &h, reterr);
        if (r < 0)
            return r;
    }
    return r < 0 ? bad_feed(reterr) : 0;
}

/* ── the job ── */

static int on_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct live_job *job = ctx;
    job->has_news = true;
    return entries_writer_append(job->writer, entry, reterr);
}

static void on_damage(void *ctx, const struct dissect_input *input, const struct error *error)
{
    struct live_job *job = ctx;
    (void)input;
    (void)error;
    job->damages++;
}

static int prepare(struct live_job *job, struct error *reterr)
{
    json_int_t keep = json_integer_value(json_object_get(job->request, "keep_rows")),
               keep_bytes = json_integer_value(json_object_get(job->request, "keep_bytes"));
    job->dir = json_string_value(json_object_get(job->request, "dir"));
    if (!job->dir || job->ctx->fd_count != 1)
        return error_set(reterr, -EINVAL, "the live job was given no folder or no feed.");
    struct entries_writer_options options = {.dir = job->dir,
                                             .goes_on = true,
                                             .max_earlier_files = MAX_EARLIER_FILES,
                                             .keep_rows = keep > 0 ? (uint64_t)keep : 1,
                                             .keep_bytes =
                                                 keep_bytes > 0 ? (uint64_t)keep_bytes : 0};
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* the recorder comes first */
    int r = entries_writer_open(&options, &job->writer, reterr);
    if (r < 0)
        return r;
    struct entry_files earlier = entries_writer_earlier_files(job->writer);
    job->first_file = earlier.count;
    job->stored = entries_writer_next_index(job->writer);
    size_t files = earlier.count + FEED_MAX_SEGMENTS;
    job->files = calloc(files, sizeof *job->files);
    job->inputs = calloc(files, sizeof *job->inputs);
    job->segments = calloc(FEED_MAX_SEGMENTS, sizeof *job->segments);
    job->bytes = malloc(FEED_MAX_BYTES);
    if (!job->files || !job->inputs || !job->segments || !job->bytes)
        return error_set(reterr, -ENOMEM, "there is not enough memory");
    if (earlier.count)
        memcpy(job->files, earlier.files, earlier.count * sizeof *job->files);
    entries_writer_set_files(job->writer, (struct entry_files){job->files, job->first_file});
    return job_enter_sandbox(job->ctx, reterr);
}

static int follow(struct live_job *job, struct error *reterr)
{
    struct dissect_run_options options = {.inputs = job->inputs,
                                          .input_count = job->first_file + FEED_MAX_SEGMENTS,
                                          .capture_source = "af_packet",
                                          .spill_fd = -1};
    struct dissect_sink sink = {.entry = on_entry, .damage = on_damage, .ctx = job};
    int r = key_store_new(&options.keys);
    if (r < 0)
        return error_set(reterr, r, "there is not enough memory");
    r = dissect_live_new(&options, &sink, job->stored, &job->live, reterr);
    if (r == 0) {
        job->sealed_ns = json_integer_value(json_object_get(job->request, "begin_ns"));
        dissect_live_begin_at(job->live, job->sealed_ns);
    }
    if (r == 0)
        r = seal(job, reterr); /* of a new folder: an empty part, which can be asked */
    if (r == 0)
        r = report(job, "live");
    if (r == 0)
        r = obey_all(job, reterr);
    if (r == 0)
        r = dissect_live_finish(job->live, reterr);
    if (r == 0)
        r = seal(job, reterr);
    if (r == 0 && dissect_live_latest_ns(job->live) >= job->sealed_ns)
        job->sealed_ns = dissect_live_latest_ns(job->live) + 1;
    if (r == 0)
        r = report(job, "done");
    dissect_live_free(job->live);
    key_store_free(options.keys);
    return r;
}

static int run(struct job_context *ctx)
{
    struct error error = {.offset = ERROR_NO_OFFSET};
    struct live_job job = {
        .ctx = ctx,
        .request = json_loadb((const char *)ctx->request.data, ctx->request.len, 0, NULL)};
    int r = prepare(&job, &error);
    if (r == 0)
        r = follow(&job, &error);
    int code = r < 0 ? job_fail(ctx, &error) : 0;
    for (size_t i = 0; i < job.segment_count; i++) {
        if (job.inputs[job.first_file + i].fd >= 0)
            close(job.inputs[job.first_file + i].fd);
        free((void *)(uintptr_t)job.files[job.first_file + i].node);
    }
    entries_writer_free(job.writer);
    free(job.files);
    free(job.inputs);
    free(job.segments);
    free(job.bytes);
    json_decref(job.request);
    return code;
}

const struct job_kind job_kind_live = {.name = "live", .run = run};
