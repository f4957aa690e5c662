#include "snapshot/import.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "snapshot/import_private.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_read.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_sums.h"

enum {
    PROBE_BYTES = 512,
    PUMP_BYTES = 256 * 1024,
    POLL_NS = 200 * 1000 * 1000,
    IMPORT_CPU_SECONDS = 2 * 3600
};
#define UNKNOWN_LENGTH_BYTES (8ULL << 30)
#define SLACK_BYTES          (64ULL << 20)

/* ── the work: the input through a pump that hashes it ── */

struct pump {
    int in, out;
    uint8_t probe[PROBE_BYTES];
    size_t probe_len;
    struct snapshot_hash hash;
    uint64_t bytes;
    int failure;
    bool stop; /* atomic: nobody waits for the rest */
};

static void push(struct pump *p, const uint8_t *data, size_t n)
{
    snapshot_hash_add(&p->hash, data, n);
    p->bytes += n;
    while (p->out >= 0 && n > 0) {
        ssize_t done = write(p->out, data, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) { /* the reader has seen enough: the rest is only hashed */
            close(p->out);
            p->out = -1;
            return;
        }
        data += done;
        n -= (size_t)done;
    }
}

static void *pump_thread(void *arg)
{
    struct pump *p = arg;
    uint8_t *data = malloc(PUMP_BYTES);
    push(p, p->probe, p->probe_len);
    while (data && !__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
        ssize_t n = read(p->in, data, PUMP_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            p->failure = -errno;
        if (n <= 0)
            break;
        push(p, data, (size_t)n);
    }
    if (!data)
        p->failure = -ENOMEM;
    free(data);
    if (p->out >= 0)
        close(p->out);
    p->out = -1;
    return NULL;
}

static bool is_tar(const struct pump *p)
{
    return p->probe_len == PROBE_BYTES && memcmp(p->probe + 257, "ustar", 5) == 0;
}

static int run_pumped(struct import_work *work, struct pump *p, int pipe_in, struct error *reterr)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, pump_thread, p) != 0) {
        close(p->out);
        return error_set(reterr, -EAGAIN, "No thread could be started to import with.");
    }
    int r =
        is_tar(p) ? import_archive(work, pipe_in, reterr) : import_capture(work, pipe_in, reterr);
    if (r < 0)
        __atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
    close(pipe_in);
    pthread_join(thread, NULL);
    if (r == 0 && p->failure < 0)
        r = error_set(reterr, p->failure, "The input cannot be read: %s.",
                      strerrordesc_np(-p->failure));
    return r;
}

int import_work_prepare(struct import_work *work, struct error *reterr)
{
    snapshot_hash_prepare();
    if (pipe2(work->pipe, O_CLOEXEC) < 0)
        return error_set(reterr, -errno, "No pipe could be made to import with: %s.",
                         strerrordesc_np(errno));
    (void)fcntl(work->pipe[1], F_SETPIPE_SZ, 1024 * 1024);
    return 0;
}

static int run_probed(struct import_work *work, struct pump *p, struct error *reterr)
{
    ssize_t n = io_read_full(p->in, p->probe, sizeof p->probe);
    if (n < 0)
        return error_set(reterr, (int)n, "The input cannot be read: %s.", strerrordesc_np((int)-n));
    if (n == 0)
        return error_set(reterr, -ENODATA, "The file is empty.");
    p->probe_len = (size_t)n;
    if (snapshot_hash_begin(&p->hash) < 0)
        return error_set(reterr, -ENOMEM, "There is no memory to import with.");
    int in = work->pipe[0];
    p->out = work->pipe[1];
    work->pipe[0] = work->pipe[1] = -1;
    return run_pumped(work, p, in, reterr);
}

int import_work_run(struct import_work *work, struct error *reterr)
{
    struct pump p = {.in = work->in_fd, .out = -1};
    int r = run_probed(work, &p, reterr);
    for (int i = 0; i < 2; i++)
        if (work->pipe[i] >= 0)
            close(work->pipe[i]);
    if (r == 0 && work->manifest) {
        work->manifest->origin.size_bytes = p.bytes;
        if (snapshot_hash_end(&p.hash, work->manifest->origin.sha256) < 0)
            r = error_set(reterr, -EIO, "SHA-256 could not be computed.");
    }
    snapshot_hash_done(&p.hash);
    return r;
}

/* ── the job ── */

static int report_manifest(void *ctx, const char *id, const char *sha256, const char *signer)
{
    struct buf line;
    buf_init(&line, 4096);
    struct json_writer w;
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_str(&w, "archive_id", id);
    json_member_str(&w, "sha256", sha256);
    json_member_str(&w, "signer", signer);
    json_end_object(&w);
    int r = buf_failed(&line) ? buf_failed(&line) : job_report(ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int run_job(struct job_context *ctx, struct arena *arena, struct error *reterr)
{
    json_t *root = snapshot_read_document(ctx->request, "import", 1, "The job's request", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot_read r = {.arena = arena};
    struct import_work work = {.in_fd = JOB_FIRST_FD, .on_manifest = report_manifest, .ctx = ctx};
    const char *folder = snapshot_read_text(&r, root, "folder");
    work.max_bytes = snapshot_read_uint(&r, root, "max_bytes");
    work.quota_bytes = snapshot_read_uint(&r, root, "quota_bytes");
    work.file_name = snapshot_read_text(&r, root, "file_name");
    work.node = snapshot_read_text(&r, root, "node");
    json_decref(root);
    int result = snapshot_read_result(&r, "The job's request", reterr);
    if (result < 0)
        return result;
    work.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (work.dir < 0)
        return error_set(reterr, -errno, "The staging folder cannot be opened: %s.",
                         strerrordesc_np(errno));
    result = import_work_prepare(&work, reterr);
    if (result == 0)
        result = job_enter_sandbox(ctx, reterr);
    if (result == 0)
        result = import_work_run(&work, reterr);
    struct buf json;
    buf_init(&json, JOB_MAX_LINE_BYTES);
    if (result == 0 && work.manifest) {
        result = snapshot_manifest_write(work.manifest, &json);
        if (result == 0)
            result = job_report(ctx, buf_slice(&json));
        if (result < 0)
            error_set(reterr, result, "The capture has too many files for one import.");
    }
    buf_done(&json);
    snapshot_manifest_unref(work.manifest);
    close(work.dir);
    return result;
}

static int job_main_import(struct job_context *ctx)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    int r = run_job(ctx, &arena, &e);
    arena_done(&arena);
    return r < 0 ? job_fail(ctx, &e) : 0;
}

const struct job_kind job_kind_import = {.name = "import", .run = job_main_import};

/* ── the parent ── */

struct import_run {
    struct snapshot_import *import;
    char staged[SNAPSHOT_ID_SIZE];
    uint64_t max_bytes, quota_bytes;
    char file_name[SNAPSHOT_MAX_NAME_BYTES + 1], name[SNAPSHOT_MAX_NAME_BYTES + 1], node[64];
    int dir;
    struct snapshot_manifest *manifest; /* of a capture */
    bool is_archive, same; /* same: what the archive's manifest describes is here already */
    char archive_id[SNAPSHOT_ID_SIZE];
};

/* The last part of what the person called it, made harmless. */
static void settle_names(struct import_run *run)
{
    const char *given = run->import->file_name ? run->import->file_name : "";
    const char *slash = strrchr(given, '/');
    text_escape(slice_str(slash ? slash + 1 : given), run->file_name, sizeof run->file_name);
    if (!run->file_name[0])
        snprintf(run->file_name, sizeof run->file_name, "import");
    /* a name neither begins nor ends with a blank */
    const char *begin = run->file_name + strspn(run->file_name, " ");
    size_t length = strlen(begin);
    while (length > 0 && begin[length - 1] == ' ')
        length--;
    snprintf(run->name, sizeof run->name, "%.*s", (int)length, begin);
    if (!run->name[0])
        snprintf(run->name, sizeof run->name, "import");
    for (char *c = run->name; *c; c++)
        if (*c == '/' || *c == '\\')
            *c = '-';
    if (run->name[0] == '@')
        run->name[0] = '-';
    size_t n = 0;
    for (const char *c = run->file_name; *c && *c != '.' && n + 1 < sizeof run->node; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '-' || *c == '_';
        run->node[n++] = fine ? *c : '-';
    }
    run->node[n] = '\0';
    if (n == 0 || run->node[0] == '-')
        snprintf(run->node, sizeof run->node, "import");
}

/* −EEXIST: another one of this id is here. Where it is the same one, the archive is read to its end
 * all the same: only a whole one may be called "already here". */
static int meet_manifest(struct import_run *run, const char *id, const char *sha256,
                         const char *signer)
{
    run->is_archive = true;
    if (!store_is_id(id))
        return -EBADMSG;
    memcpy(run->archive_id, id, SNAPSHOT_ID_SIZE);
    snprintf(run->import->signer, sizeof run->import->signer, "%s", signer);
    struct snapshot *there = NULL;
    if (run->import->new_id || snapshot_store_get(run->import->store, id, &there, NULL) < 0)
        return 0;
    bool taken = strcmp(there->id, id) == 0;
    run->same = taken && strcmp(there->manifest_sha256, sha256) == 0;
    snapshot_unref(there);
    return taken && !run->same ? -EEXIST : 0;
}

static int met_in_process(void *ctx, const char *id, const char *sha256, const char *signer)
{
    return meet_manifest(ctx, id, sha256, signer);
}

static int work_in_process(struct import_run *run, struct error *reterr)
{
    struct import_work work = {.in_fd = run->import->in_fd,
                               .dir = run->dir,
                               .max_bytes = run->max_bytes,
                               .quota_bytes = run->quota_bytes,
                               .file_name = run->file_name,
                               .node = run->node,
                               .cancel = run->import->cancel,
                               .on_manifest = met_in_process,
                               .ctx = run};
    int r = import_work_prepare(&work, reterr);
    if (r == 0)
        r = import_work_run(&work, reterr);
    run->manifest = work.manifest;
    return r;
}

/* A line of the job: an archive's manifest was met, or the manifest of a capture. */
static int take_line(struct import_run *run, struct slice line)
{
    json_t *root = json_loadb((const char *)line.data, line.len, 0, NULL);
    const json_t *id = json_object_get(root, "archive_id");
    int r = 0;
    if (json_object_get(root, "error")) {
        r = 0; /* job_wait has the reason */
    } else if (id) {
        const char *sha256 = json_string_value(json_object_get(root, "sha256"));
        const char *signer = json_string_value(json_object_get(root, "signer"));
        r = json_is_string(id) && sha256 && signer
                ? meet_manifest(run, json_string_value(id), sha256, signer)
                : -EPROTO;
    } else if (!run->manifest) {
        r = snapshot_manifest_parse(line, &run->manifest, NULL);
    }
    json_decref(root);
    return r;
}

static int listen_to(struct import_run *run, struct job *job)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES + 1024);
    int stop = 0, r;
    while ((r = job_receive(job, POLL_NS, &line)) == 1 || r == -ETIMEDOUT) {
        if (r == 1 && stop == 0)
            stop = take_line(run, buf_slice(&line));
        if (run->import->cancel && __atomic_load_n(run->import->cancel, __ATOMIC_RELAXED))
            stop = -ECANCELED;
        if (stop < 0)
            job_cancel(job);
    }
    buf_done(&line);
    return stop;
}

static int start_job(struct import_run *run, struct job **ret_job, struct error *reterr)
{
    char staged[SNAPSHOT_ID_SIZE + 8], folder[4096];
    struct buf request;
    buf_init(&request, 64 * 1024);
    snprintf(staged, sizeof staged, "%s.import", run->staged);
    int r = snapshot_store_path(run->import->store, staged, folder, sizeof folder);
    if (r < 0)
        return error_set(reterr, r, "The data folder's path is too long.");
    struct json_writer w;
    json_init(&w, &request);
    json_begin_object(&w);
    json_member_str(&w, "format", "import");
    json_member_int(&w, "version", 1);
    json_member_str(&w, "folder", folder);
    json_member_uint(&w, "max_bytes", run->max_bytes);
    json_member_uint(&w, "quota_bytes", run->quota_bytes);
    json_member_str(&w, "file_name", run->file_name);
    json_member_str(&w, "node", run->node);
    json_end_object(&w);
    const char *dirs[] = {folder, NULL};
    struct job_spec spec = {.kind = "import",
                            .request = buf_slice(&request),
                            .fds = &run->import->in_fd,
                            .fd_count = 1,
                            .write_dirs = dirs,
                            .cpu_seconds = IMPORT_CPU_SECONDS,
                            .file_bytes = run->max_bytes + SLACK_BYTES,
                            .stdout_fd = -1};
    r = buf_failed(&request) ? error_set(reterr, buf_failed(&request), "The request is too large.")
                             : job_start(&spec, ret_job, reterr);
    buf_done(&request);
    return r;
}

static int work_in_job(struct import_run *run, struct error *reterr)
{
    struct job *job = NULL;
    int r = start_job(run, &job, reterr);
    if (r < 0)
        return r;
    r = listen_to(run, job);
    struct job_result result;
    int waited = job_wait(job, &result);
    job_free(job);
    if (r < 0)
        return error_set(reterr, r, "The import was stopped.");
    if (waited < 0)
        return error_set(reterr, waited, "The import job could not be waited for.");
    if (!result.ok) {
        if (reterr)
            *reterr = result.error;
        return result.error.code < 0 ? result.error.code : -EIO;
    }
    if (!run->is_archive && !run->manifest)
        return error_set(reterr, -EPROTO, "The import job ended without its result.");
    return 0;
}

/* What may be written: an archive takes what it declares, a capture may unpack to more. */
static int reserve(struct import_run *run, struct error *reterr)
{
    struct snapshot_quota quota;
    snapshot_store_quota(run->import->store, &quota);
    uint64_t declared = run->import->declared_bytes;
    uint64_t want = UNKNOWN_LENGTH_BYTES;
    if (declared && declared < (UINT64_MAX - SLACK_BYTES) / 4)
        want = 4 * declared + SLACK_BYTES;
    run->quota_bytes = quota.free_bytes ? quota.free_bytes : 1;
    run->max_bytes = want < quota.free_bytes ? want : quota.free_bytes;
    if (declared > run->max_bytes || run->max_bytes == 0)
        run->max_bytes = declared ? declared : 1; /* refused, with the figures */
    return snapshot_store_stage(run->import->store, run->staged, run->max_bytes, &run->dir, reterr);
}

static int adopt(struct import_run *run, struct error *reterr)
{
    struct snapshot_import *import = run->import;
    bool own_id = run->is_archive && !import->new_id;
    memcpy(import->id, own_id ? run->archive_id : run->staged, SNAPSHOT_ID_SIZE);
    struct snapshot_adoption adoption = {.staged = run->staged,
                                         .id = import->id,
                                         .name = import->name      ? import->name
                                                 : run->is_archive ? NULL
                                                                   : run->name,
                                         .by = import->by,
                                         .manifest = run->manifest};
    run->manifest = NULL;
    return snapshot_store_adopt(import->store, &adoption, reterr);
}

static int explain(struct import_run *run, int r, struct error *reterr)
{
    if (r == -EEXIST)
        return error_set(reterr, r,
                         "Another snapshot with the id %s is here: import this one with a new id.",
                         run->archive_id);
    return r == -ECANCELED ? error_set(reterr, r, "It was cancelled.") : r;
}

int snapshot_import_run(struct snapshot_import *import, struct error *reterr)
{
    struct import_run run = {.import = import, .dir = -1};
    import->already_here = false;
    import->signer[0] = '\0';
    int r = import->name ? snapshot_check_name(import->name, reterr) : 0;
    if (r < 0)
        return r;
    settle_names(&run);
    snapshot_new_id(import->store, run.staged);
    r = reserve(&run, reterr);
    if (r < 0)
        return r;
    r = import->in_process ? work_in_process(&run, reterr) : work_in_job(&run, reterr);
    if (r == 0 && run.same) {
        import->already_here = true;
        memcpy(import->id, run.archive_id, SNAPSHOT_ID_SIZE);
    } else if (r == 0) {
        r = adopt(&run, reterr);
    }
    if (run.dir >= 0)
        close(run.dir);
    snapshot_manifest_unref(run.manifest);
    bool fresh = r == 0 && !run.same;
    if (!fresh)
        snapshot_store_unstage(import->store, run.staged);
    r = explain(&run, r, reterr);
    if (fresh)
        (void)snapshot_sums_write(import->store, import->id, import->cancel, NULL);
    return r;
}
