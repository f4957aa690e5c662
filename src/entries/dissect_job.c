/* Job kind "dissect" (query.h): capture files → sandbox → dissect_run → entries_writer. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "dissect/key_store.h"
#include "dissect/run.h"
#include "entries/query.h"
#include "entries/writer.h"

enum {
    MAX_REPORTED_DAMAGES = 100,
    REPORT_LINE_BYTES = 64 * 1024,
    READING_PERCENT = 60 /* of the time, about */
};

struct dissect_job {
    struct job_context *ctx;
    json_t *request;
    struct dissect_input *inputs;
    struct entry_file *files;
    size_t input_count;
    const char *protocols[DISSECT_MAX_PROTOCOLS];
    size_t protocol_count;
    struct entries_writer *writer;
    int64_t started_ns, reported_ns;
    uint64_t damages;
    bool has_keys; /* a key log stands behind the captures */
};

static int read_inputs(struct dissect_job *job, struct error *reterr)
{
    const json_t *list = json_object_get(job->request, "files");
    job->input_count = json_array_size(list);
    job->inputs = calloc(job->input_count + 1, sizeof *job->inputs);
    job->files = calloc(job->input_count + 1, sizeof *job->files);
    if (!job->inputs || !job->files)
        return error_set(reterr, -ENOMEM, "out of memory.");
    job->has_keys = json_is_true(json_object_get(job->request, "keys"));
    if (job->input_count + job->has_keys != job->ctx->fd_count)
        return error_set(reterr, -EINVAL,
                         "the dissect job was given %zu files and %zu descriptors.",
                         job->input_count, job->ctx->fd_count);
    for (size_t i = 0; i < job->input_count; i++) {
        const json_t *file = json_array_get(list, i);
        const char *node = json_string_value(json_object_get(file, "node"));
        uint64_t sequence = (uint64_t)json_integer_value(json_object_get(file, "seq"));
        job->files[i] = (struct entry_file){.node = node ? node : "", .sequence = sequence};
        job->inputs[i] =
            (struct dissect_input){.fd = JOB_FIRST_FD + (int)i,
                                   .name = job->files[i].node,
                                   .node = node,
                                   .outside = json_is_true(json_object_get(file, "outside")),
                                   .lead_in = json_is_true(json_object_get(file, "lead_in")),
                                   .sequence = sequence};
    }
    return 0;
}

static int read_protocols(struct dissect_job *job, struct error *reterr)
{
    const json_t *list = json_object_get(job->request, "protocols");
    job->protocol_count = json_array_size(list);
    if (job->protocol_count > DISSECT_MAX_PROTOCOLS)
        return error_set(reterr, -EINVAL, "at most %d protocols can be named.",
                         DISSECT_MAX_PROTOCOLS);
    for (size_t i = 0; i < job->protocol_count; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        job->protocols[i] = name ? name : "";
    }
    return 0;
}

/* Of both halves of the work: reading the captures, then storing what was found. */
static uint64_t percent_of(const struct dissect_statistics *s)
{
    uint64_t percent = s->total_bytes ? s->read_bytes * READING_PERCENT / s->total_bytes : 0;
    if (percent > READING_PERCENT)
        percent = READING_PERCENT;
    if (s->entries && s->entries_handed <= s->entries)
        percent += s->entries_handed * (100 - READING_PERCENT) / s->entries;
    return percent < 100 ? percent : 99; /* until the last part is sealed */
}

static void write_progress(const struct dissect_job *job, const struct dissect_statistics *s,
                           bool at_end, struct json_writer *w)
{
    uint64_t percent = at_end ? 100 : percent_of(s);
    int64_t elapsed_s = (clock_mono_ns() - job->started_ns) / NS_PER_S;
    json_begin_object(w);
    json_member_uint(w, "percent", percent);
    json_member_uint(w, "packets", s->packets);
    json_member_uint(w, "bytes", s->bytes);
    json_member_uint(w, "entries", s->entries);
    json_key(w, "eta_s");
    if (percent > 0 && !at_end)
        json_int(w, elapsed_s * (int64_t)(100 - percent) / (int64_t)percent);
    else
        json_none(w);
    json_key(w, "per_protocol");
    json_begin_object(w);
    for (size_t i = 0; i < s->protocol_count; i++)
        json_member_uint(w, s->protocols[i].protocol, s->protocols[i].entries);
    json_end_object(w);
    if (at_end)
        json_member_uint(w, "damage", job->damages);
    json_end_object(w);
}

static int report(struct dissect_job *job, const char *what, const struct dissect_statistics *s)
{
    struct buf line;
    struct json_writer w;
    buf_init(&line, REPORT_LINE_BYTES);
    json_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, what);
    write_progress(job, s, strcmp(what, "done") == 0, &w);
    json_end_object(&w);
    int r = job_report(job->ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int on_entry(void *ctx, const struct entry *entry, struct error *reterr)
{
    struct dissect_job *job = ctx;
    return entries_writer_append(job->writer, entry, reterr);
}

static void on_damage(void *ctx, const struct dissect_input *input, const struct error *error)
{
    struct dissect_job *job = ctx;
    if (job->damages++ >= MAX_REPORTED_DAMAGES)
        return;
    struct buf line;
    struct json_writer w;
    buf_init(&line, REPORT_LINE_BYTES);
    json_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, "damage");
    json_begin_object(&w);
    json_member_str(&w, "node", input->node);
    json_member_uint(&w, "seq", input->sequence);
    json_key(&w, "offset");
    if (error->offset == ERROR_NO_OFFSET)
        json_none(&w);
    else
        json_uint(&w, error->offset);
    json_member_str(&w, "text", error->text);
    json_end_object(&w);
    json_end_object(&w);
    job_report(job->ctx, buf_slice(&line));
    buf_done(&line);
}

/* Twice a second; a parent that is gone ends the run. */
static int on_progress(void *ctx, const struct dissect_statistics *statistics)
{
    struct dissect_job *job = ctx;
    int64_t now = clock_mono_ns();
    if (now - job->reported_ns < NS_PER_S / 2)
        return 0;
    job->reported_ns = now;
    return report(job, "progress", statistics);
}

static const char *capture_source(const struct dissect_job *job)
{
    const char *text = json_string_value(json_object_get(job->request, "capture_source"));
    return text && strcmp(text, "file") == 0 ? "file" : "af_packet";
}

static unsigned thread_count(const struct dissect_job *job)
{
    json_int_t wanted = json_integer_value(json_object_get(job->request, "threads"));
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (wanted <= 0)
        wanted = processors > 0 ? processors : 1;
    return (unsigned)(wanted < DISSECT_MAX_THREADS ? wanted : DISSECT_MAX_THREADS);
}

/* Everything that must be opened is open before the sandbox closes. */
static int prepare(struct dissect_job *job, int *ret_spill_fd, struct error *reterr)
{
    const char *dir = json_string_value(json_object_get(job->request, "dir"));
    if (!dir)
        return error_set(reterr, -EINVAL, "the dissect job was given no folder.");
    int r = read_inputs(job, reterr);
    if (r == 0)
        r = read_protocols(job, reterr);
    if (r < 0)
        return r;
    *ret_spill_fd = dissect_open_spill(dir, reterr);
    if (*ret_spill_fd < 0)
        return *ret_spill_fd;
    struct entries_writer_options options = {
        .dir = dir, .files = {.files = job->files, .count = job->input_count}};
    r = entries_writer_open(&options, &job->writer, reterr);
    return r < 0 ? r : job_enter_sandbox(job->ctx, reterr);
}

/* Secrets come with the captures (decryption secrets blocks) and with the request. Parsed behind
 * the sandbox: a key log is as hostile as a capture. */
static int read_keys(const struct dissect_job *job, struct key_store **ret_keys,
                     struct error *reterr)
{
    int r = key_store_new(ret_keys);
    if (r == 0 && job->has_keys)
        r = key_store_add_file(*ret_keys, JOB_FIRST_FD + (int)job->input_count);
    if (r < 0)
        return error_set(reterr, r, "the keys cannot be read: %s.", strerror(-r));
    if (job->has_keys && key_store_counts(*ret_keys).secrets == 0)
        return error_set(reterr, -EINVAL, "the key log holds no TLS secrets.");
    return 0;
}

static int dissect(struct dissect_job *job, struct error *reterr)
{
    int spill_fd = -1;
    int r = prepare(job, &spill_fd, reterr);
    struct dissect_statistics statistics = {0};
    if (r == 0) {
        struct dissect_run_options options = {.inputs = job->inputs,
                                              .input_count = job->input_count,
                                              .threads = thread_count(job),
                                              .protocols =
                                                  job->protocol_count ? job->protocols : NULL,
                                              .protocol_count = job->protocol_count,
                                              .capture_source = capture_source(job),
                                              .spill_fd = spill_fd};
        r = read_keys(job, &options.keys, reterr);
        struct dissect_sink sink = {
            .entry = on_entry, .damage = on_damage, .progress = on_progress, .ctx = job};
        if (r == 0)
            r = dissect_run(&options, &sink, &statistics, reterr);
        key_store_free(options.keys);
    }
    if (r == 0)
        r = entries_writer_close(job->writer, reterr);
    if (r == 0)
        r = report(job, "done", &statistics);
    if (spill_fd >= 0)
        close(spill_fd);
    return r;
}

static int run(struct job_context *ctx)
{
    struct error error = {0};
    struct dissect_job job = {
        .ctx = ctx,
        .request = json_loadb((const char *)ctx->request.data, ctx->request.len, 0, NULL),
        .started_ns = clock_mono_ns()};
    int r = dissect(&job, &error);
    int code = r < 0 ? job_fail(ctx, &error) : 0;
    entries_writer_free(job.writer);
    free(job.inputs);
    free(job.files);
    json_decref(job.request);
    return code;
}

const struct job_kind job_kind_dissect = {.name = "dissect", .run = run};
