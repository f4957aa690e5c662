#include "hub/dissection_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"

enum {
    MAX_PROTOCOLS = 256
};

#define MAX_COUNT ((json_int_t)1 << 60)

/* ── the files ── */

struct files {
    int *fds;
    size_t count, cap;
};

static void files_done(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        close(files->fds[i]);
    free(files->fds);
}

static int open_file(struct files *files, int dir, const char *name, struct error *reterr)
{
    if (files->count == files->cap)
        return error_set(reterr, -E2BIG,
                         "The snapshot has more than %d files; dissect fewer nodes at once.",
                         JOB_MAX_FDS - 64);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set(reterr, -errno, "%.200s cannot be opened: %s.", name, strerror(errno));
    files->fds[files->count++] = fd;
    return 0;
}

/* Behind the captures. */
static int add_keys(struct files *files, int keys_fd, struct error *reterr)
{
    if (files->count == files->cap)
        return error_set(reterr, -E2BIG, "There is no room for the keys beside so many files.");
    /* the job reads from where the last one stopped */
    int fd = lseek(keys_fd, 0, SEEK_SET) < 0 ? -1 : fcntl(keys_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return error_set(reterr, -errno, "The keys cannot be handed on: %s.", strerror(errno));
    files->fds[files->count++] = fd;
    return 0;
}

static int write_request(struct dissection_run *run, const char *path, struct files *files,
                         struct buf *out, struct error *reterr)
{
    const struct snapshot_manifest *m = run->snapshot->manifest;
    int dir = snapshot_store_open_dir(run->store, run->snapshot->id, reterr), e = 0;
    if (dir < 0)
        return dir;
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, "dir", path);
    json_member_str(&w, "capture_source", m->imported ? "file" : "af_packet");
    json_key(&w, "files");
    json_begin_array(&w);
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t i = 0; i < m->nodes[n].file_count && !e; i++) {
            const struct snapshot_file *f = &m->nodes[n].files[i];
            e = open_file(files, dir, f->name, reterr);
            json_begin_object(&w);
            json_member_str(&w, "node", m->nodes[n].name);
            json_member_uint(&w, "seq", f->sequence);
            if (f->outside)
                json_member_bool(&w, "outside", true);
            if (f->lead_in)
                json_member_bool(&w, "lead_in", true);
            json_member_uint(&w, "bytes", f->plain_bytes ? f->plain_bytes : f->size_bytes);
            json_end_object(&w);
        }
    json_end_array(&w);
    if (!e && run->keys_fd >= 0)
        e = add_keys(files, run->keys_fd, reterr);
    json_member_bool(&w, "keys", run->keys_fd >= 0);
    if (run->protocols) {
        char *text = json_dumps(run->protocols, JSON_COMPACT);
        json_key(&w, "protocols");
        json_raw(&w, slice_str(text ? text : "[]"));
        free(text);
    }
    json_member_int(&w, "threads", 0);
    json_end_object(&w);
    close(dir);
    if (!e && buf_failed(out))
        e = error_set(reterr, buf_failed(out), "There is no memory to start the dissection.");
    return e;
}

/* ── its messages ── */

static uint64_t count_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    return n > 0 && n < MAX_COUNT ? (uint64_t)n : 0;
}

static void take_protocols(struct snapshot_dissection *d, const json_t *object)
{
    const char *key;
    json_t *value;
    size_t count = json_object_size(object);
    if (count > MAX_PROTOCOLS)
        count = MAX_PROTOCOLS;
    struct snapshot_protocol_count *list = calloc(count + 1, sizeof *list);
    if (!list)
        return;
    size_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (n == count)
            break;
        json_int_t entries = json_is_integer(value) ? json_integer_value(value) : 0;
        list[n].entries = entries > 0 && entries < MAX_COUNT ? (uint64_t)entries : 0;
        for (size_t i = 0; key[i] && i < sizeof list[n].protocol - 1; i++)
            list[n].protocol[i] = (unsigned char)key[i] > 0x20 && key[i] < 0x7f ? key[i] : '?';
        n++;
    }
    free(d->protocols);
    d->protocols = list;
    d->protocol_count = n;
}

static void take_progress(struct snapshot_dissection *d, const json_t *object)
{
    double percent = json_number_value(json_object_get(object, "percent"));
    const json_t *eta = json_object_get(object, "eta_s");
    d->percent = percent >= 0 && percent <= 100 ? percent : 0;
    d->packets = count_of(object, "packets");
    d->bytes = count_of(object, "bytes");
    d->entries = count_of(object, "entries");
    double eta_s = json_number_value(eta);
    d->eta_ns = json_is_number(eta) && eta_s >= 0 && eta_s < 1e8 ? (int64_t)(eta_s * 1e9) : -1;
    take_protocols(d, json_object_get(object, "per_protocol"));
}

/* True when it was the last message. */
static bool take_message(struct dissection_run *run, struct slice line)
{
    json_t *object = json_loadb((const char *)line.data, line.len, 0, NULL);
    const json_t *progress = json_object_get(object, "progress"),
                 *done = json_object_get(object, "done");
    if (progress || done) {
        take_progress(run->record, progress ? progress : done);
        if (done) {
            run->record->damage = count_of(done, "damage") + snapshot_damaged_files(run->snapshot);
            run->record->percent = 100;
            run->record->eta_ns = 0;
        }
        run->on_progress(run->ctx);
    }
    json_decref(object);
    return done != NULL;
}

static bool follow(struct dissection_run *run, struct job *job)
{
    struct buf line;
    bool done = false;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    while (job_receive(job, -1, &line) == 1)
        done = take_message(run, buf_slice(&line)) || done;
    buf_done(&line);
    return done;
}

/* ── the run ── */

int dissection_run(struct dissection_run *run, bool *ret_crashed, struct error *reterr)
{
    char path[4096];
    *ret_crashed = false;
    int e = snapshot_store_dissection_path(run->store, run->snapshot->id, run->record->name,
                                           run->record->run, path, sizeof path);
    if (e)
        return error_set(reterr, e, "The path of the dissection is too long.");
    struct files files = {.cap = JOB_MAX_FDS - 64};
    files.fds = calloc(files.cap, sizeof *files.fds);
    struct buf request;
    buf_init(&request, JOB_MAX_LINE_BYTES);
    e = files.fds ? write_request(run, path, &files, &request, reterr)
                  : error_set(reterr, -ENOMEM, "There is no memory to start the dissection.");
    const char *const dirs[] = {path, NULL};
    struct job_spec spec = {.kind = "dissect",
                            .request = buf_slice(&request),
                            .fds = files.fds,
                            .fd_count = files.count,
                            .write_dirs = dirs,
                            .stdout_fd = -1};
    struct job *job = NULL;
    if (!e)
        e = job_start(&spec, &job, reterr);
    files_done(&files);
    buf_done(&request);
    if (e)
        return e;
    run->on_job(run->ctx, job);
    bool done = follow(run, job);
    struct job_result result;
    (void)job_wait(job, &result);
    run->on_job(run->ctx, NULL);
    job_free(job);
    if (result.ok && done)
        return 0;
    *ret_crashed = result.signal != 0 && result.error.code != -ECANCELED;
    if (result.ok)
        return error_set(reterr, -EPROTO, "The dissection ended without a result.");
    if (reterr)
        *reterr = result.error;
    return result.error.code;
}
