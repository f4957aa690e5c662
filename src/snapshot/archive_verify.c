#include "snapshot/archive_verify.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/json_writer.h"
#include "snapshot/import_private.h"
#include "snapshot/snapshot_hash.h"

enum {
    VERIFY_CPU_SECONDS = 2 * 3600
};

/* ── what was found, on its way: a line each ── */

typedef int (*verify_line)(void *ctx, struct slice line);

struct reporter {
    verify_line report;
    void *ctx;
};

static int send_line(const struct reporter *to, struct buf *line)
{
    int r = buf_failed(line) ? buf_failed(line) : to->report(to->ctx, buf_slice(line));
    buf_done(line);
    return r;
}

static int on_manifest(void *ctx, const char *id, const char *sha256, const char *signer)
{
    struct buf line;
    struct json_writer w;
    (void)sha256;
    buf_init(&line, 4096);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_str(&w, "id", id);
    json_member_str(&w, "signer", signer);
    json_end_object(&w);
    return send_line(ctx, &line);
}

static int on_damage(void *ctx, const char *file, const char *text)
{
    struct buf line;
    struct json_writer w;
    buf_init(&line, 8192);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_str(&w, "file", file);
    json_member_str(&w, "text", text);
    json_end_object(&w);
    return send_line(ctx, &line);
}

static int on_end(const struct reporter *to, const struct import_work *work)
{
    struct buf line;
    struct json_writer w;
    buf_init(&line, 4096);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_uint(&w, "files", work->files);
    json_member_uint(&w, "bytes", work->bytes);
    json_end_object(&w);
    return send_line(to, &line);
}

static int check(int fd, struct reporter *to, const bool *cancel, struct error *reterr)
{
    struct import_work work = {.in_fd = fd,
                               .dir = -1,
                               .check_only = true,
                               .max_bytes = INT64_MAX,
                               .on_manifest = on_manifest,
                               .on_damage = on_damage,
                               .ctx = to,
                               .cancel = cancel};
    int r = import_archive(&work, fd, reterr);
    if (r == 0 && (r = on_end(to, &work)) < 0)
        error_set(reterr, r, "The result of the check cannot be told.");
    return r;
}

/* ── the job ── */

static int report_line(void *ctx, struct slice line)
{
    return job_report(ctx, line);
}

static int job_main_verify(struct job_context *ctx)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct reporter to = {.report = report_line, .ctx = ctx};
    snapshot_hash_prepare();
    json_object_seed(0); /* would open /dev/urandom at first use */
    int r = job_enter_sandbox(ctx, &e);
    if (r == 0)
        r = check(JOB_FIRST_FD, &to, NULL, &e);
    return r < 0 ? job_fail(ctx, &e) : 0;
}

const struct job_kind job_kind_verify = {.name = "verify", .run = job_main_verify};

/* ── the parent ── */

static int keep_damage(struct snapshot_verify *v, const char *file, const char *text)
{
    v->ok = false;
    if (v->problem_count == SNAPSHOT_VERIFY_MAX_PROBLEMS)
        return 0;
    if (!v->problems)
        v->problems = arena_calloc(&v->arena, SNAPSHOT_VERIFY_MAX_PROBLEMS, sizeof *v->problems);
    struct snapshot_problem *p = v->problems ? &v->problems[v->problem_count] : NULL;
    if (!p)
        return -ENOMEM;
    p->file = arena_strdup(&v->arena, file);
    p->text = arena_strdup(&v->arena, text);
    p->offset = -1;
    v->problem_count++;
    return p->file && p->text ? 0 : -ENOMEM;
}

static int take_line(void *ctx, struct slice line)
{
    struct archive_verify *verify = ctx;
    json_t *root = json_loadb((const char *)line.data, line.len, 0, NULL);
    const char *id = json_string_value(json_object_get(root, "id")),
               *signer = json_string_value(json_object_get(root, "signer")),
               *file = json_string_value(json_object_get(root, "file")),
               *text = json_string_value(json_object_get(root, "text"));
    const json_t *files = json_object_get(root, "files"), *bytes = json_object_get(root, "bytes");
    int r = 0;
    if (id && signer) {
        snprintf(verify->id, sizeof verify->id, "%s", id);
        snprintf(verify->found.signer, sizeof verify->found.signer, "%s", signer);
    } else if (file && text) {
        r = keep_damage(&verify->found, file, text);
    } else if (json_is_integer(files) && json_is_integer(bytes)) {
        verify->found.files = (uint64_t)json_integer_value(files);
        verify->found.bytes = (uint64_t)json_integer_value(bytes);
    }
    json_decref(root);
    return r;
}

static int listen_to(struct archive_verify *verify, struct job *job)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES + 1024);
    int r = 0;
    while (r == 0 && (r = job_receive(job, -1, &line)) == 1)
        r = take_line(verify, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int run_job(int fd, struct archive_verify *verify, struct error *reterr)
{
    struct job_spec spec = {.kind = "verify",
                            .request = SLICE_LITERAL("{}"),
                            .fds = &fd,
                            .fd_count = 1,
                            .cpu_seconds = VERIFY_CPU_SECONDS,
                            .stdout_fd = -1};
    struct job *job = NULL;
    struct job_result result;
    int r = job_start(&spec, &job, reterr);
    if (r < 0)
        return r;
    r = listen_to(verify, job);
    int waited = job_wait(job, &result);
    job_free(job);
    if (r < 0 || waited < 0)
        return error_set(reterr, r < 0 ? r : waited, "The check was stopped.");
    if (result.ok)
        return 0;
    if (reterr)
        *reterr = result.error;
    return result.error.code < 0 ? result.error.code : -EIO;
}

int archive_verify(int fd, struct archive_verify *verify, struct error *reterr)
{
    struct reporter to = {.report = take_line, .ctx = verify};
    arena_init(&verify->found.arena, 4 << 20);
    verify->found.ok = true;
    return verify->in_process ? check(fd, &to, verify->found.cancel, reterr)
                              : run_job(fd, verify, reterr);
}
