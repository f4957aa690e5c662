/* The job's side: reads its request, enters the sandbox, reports. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "job/job.h"
#include "job/sandbox.h"

static bool allowed_without_sandbox(void)
{
    const char *value = getenv("TRAWL_UNSANDBOXED");
    return value && strcmp(value, "1") == 0;
}

/* A line from the parent. ctx->line keeps what came beyond it. */
static int read_line(struct job_context *ctx, struct buf *ret_line)
{
    size_t searched = 0;
    for (;;) {
        const uint8_t *end = ctx->line.len > searched
                                 ? memchr(ctx->line.data + searched, '\n', ctx->line.len - searched)
                                 : NULL;
        if (end) {
            size_t n = (size_t)(end - ctx->line.data);
            buf_reset(ret_line);
            int e = buf_append(ret_line, ctx->line.data, n);
            if (!e)
                e = buf_append_u8(ret_line, 0); /* for parsers that want a NUL */
            if (e)
                return e;
            ret_line->len--;
            buf_drop_front(&ctx->line, n + 1);
            return 1;
        }
        searched = ctx->line.len;
        uint8_t *room = buf_reserve(&ctx->line, 64 * 1024);
        if (!room)
            return -EFBIG;
        ssize_t n;
        do
            n = read(JOB_CONTROL_FD, room, 64 * 1024);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return -errno;
        if (n == 0)
            return ctx->line.len ? -EPROTO : 0;
        ctx->line.len += (size_t)n;
    }
}

static int take_header(struct job_context *ctx, const char *line, struct error *reterr)
{
    unsigned long long fds, reads, writes, memory, cpu, file;
    if (sscanf(line, "trawl-job 1 %llu %llu %llu %llu %llu %llu", &fds, &reads, &writes, &memory,
               &cpu, &file) != 6 ||
        fds + reads + writes > JOB_MAX_FDS)
        return error_set(reterr, -EPROTO,
                         "Jobs are started by the hub and by other commands, not by hand.");
    ctx->fd_count = fds;
    ctx->read_dir_count = reads;
    ctx->write_dir_count = writes;
    int e = sandbox_set_limits(memory, (int64_t)cpu, file);
    return e ? error_set(reterr, e, "The limits of the job cannot be set: %s.", strerror(-e)) : 0;
}

static int confine_files(const struct job_context *ctx, bool with_system, struct error *reterr)
{
    int fds[64];
    size_t count = ctx->read_dir_count + ctx->write_dir_count;
    if (count > sizeof fds / sizeof fds[0])
        return error_set(reterr, -E2BIG, "A job may be given at most 64 folders.");
    for (size_t i = 0; i < count; i++)
        fds[i] = (int)(JOB_FIRST_FD + ctx->fd_count + i);
    struct sandbox_dirs dirs = {.read_fds = fds,
                                .read_count = ctx->read_dir_count,
                                .write_fds = fds + ctx->read_dir_count,
                                .write_count = ctx->write_dir_count};
    return sandbox_confine_files(&dirs, with_system, reterr);
}

int job_context_init(struct job_context *ctx, const char *kind, struct error *reterr)
{
    *ctx = (struct job_context){.kind = kind};
    buf_init(&ctx->line, JOB_MAX_LINE_BYTES + 128 * 1024);
    buf_init(&ctx->request_buf, JOB_MAX_LINE_BYTES);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    tzset();                           /* would look for a file when a time is first formatted */
    sigaction(SIGPIPE, &ignore, NULL); /* a parent that went away is an error, not a signal */
    int n = read_line(ctx, &ctx->request_buf);
    if (n <= 0)
        return error_set(reterr, -EPROTO,
                         "Jobs are started by the hub and by other commands, not by hand.");
    int e = take_header(ctx, (const char *)ctx->request_buf.data, reterr);
    if (e)
        return e;
    if (ctx->read_dir_count + ctx->write_dir_count && !allowed_without_sandbox()) {
        e = confine_files(ctx, true, reterr);
        if (e)
            return e;
    }
    n = read_line(ctx, &ctx->request_buf);
    if (n <= 0)
        return error_set(reterr, -EPROTO, "The job's request did not come.");
    ctx->request = buf_slice(&ctx->request_buf);
    return 0;
}

void job_context_done(struct job_context *ctx)
{
    buf_done(&ctx->line);
    buf_done(&ctx->request_buf);
}

int job_enter_sandbox(struct job_context *ctx, struct error *reterr)
{
    if (ctx->sandboxed)
        return 0;
    size_t dirs = ctx->read_dir_count + ctx->write_dir_count;
    int e = 0;
    if (!allowed_without_sandbox()) {
        e = confine_files(ctx, false, reterr);
        if (!e)
            e = sandbox_confine_calls(dirs > 0, JOB_CONTROL_FD, reterr);
        ctx->sandboxed = e == 0;
    }
    for (size_t i = 0; i < dirs && !e; i++)
        close((int)(JOB_FIRST_FD + ctx->fd_count + i));
    return e;
}

static int write_all(const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t written = write(JOB_CONTROL_FD, data, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        data += written;
        n -= (size_t)written;
    }
    return 0;
}

int job_report(struct job_context *ctx, struct slice json_line)
{
    (void)ctx;
    if (json_line.len > JOB_MAX_LINE_BYTES || memchr(json_line.data, '\n', json_line.len))
        return -EINVAL;
    int e = write_all(json_line.data, json_line.len);
    return e ? e : write_all((const uint8_t *)"\n", 1);
}

int job_next_request(struct job_context *ctx, struct buf *ret_line)
{
    return read_line(ctx, ret_line);
}

int job_fail(struct job_context *ctx, const struct error *error)
{
    struct buf line;
    buf_init(&line, 8192);
    struct json_writer w;
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_str(&w, "error", error->text[0] ? error->text : strerror(-error->code));
    json_member_int(&w, "code", error->code);
    if (error->offset != ERROR_NO_OFFSET)
        json_member_uint(&w, "offset", error->offset);
    if (error->cause[0])
        json_member_str(&w, "cause", error->cause);
    json_end_object(&w);
    if (!buf_failed(&line))
        (void)job_report(ctx, buf_slice(&line));
    buf_done(&line);
    return 1;
}
