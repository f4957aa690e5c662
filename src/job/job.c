/* The parent's side: starts jobs, talks to them, says how they ended. */
#include "job/job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "job/spawner.h"

enum {
    MAX_DIRS = 64,
    COPY_BYTES = 256 * 1024,
    KEPT_ERROR_BYTES = 4096
};

#define DEFAULT_MEMORY_BYTES (UINT64_C(512) << 20)
#define DEFAULT_FILE_BYTES   (UINT64_C(64) << 30)

struct job {
    pid_t pid;
    int control_fd;
    uint64_t memory_bytes;
    int64_t cpu_seconds;
    struct buf input;
    char *kept_error;     /* the last line of job_fail */
    pthread_mutex_t lock; /* guards reaped and cancelled */
    bool reaped, cancelled;
    struct job_result result;
};

/* ── starting ── */

static int open_dirs(const char *const *dirs, int *fds, size_t *count, struct error *reterr)
{
    for (size_t i = 0; dirs && dirs[i]; i++) {
        if (*count == MAX_DIRS)
            return error_set(reterr, -E2BIG, "A job may be given at most %d folders.", MAX_DIRS);
        int fd = open(dirs[i], O_PATH | O_CLOEXEC);
        if (fd < 0)
            return error_set(reterr, -errno, "The job's folder %.200s cannot be opened: %s.",
                             dirs[i], strerror(errno));
        fds[(*count)++] = fd;
    }
    return 0;
}

/* Header line and request are written before the job runs: both fit into the socket's buffer or
 * the job reads them as they come. */
static int send_request(struct job *job, const struct job_spec *spec, size_t reads, size_t writes)
{
    char header[160];
    snprintf(header, sizeof header, "trawl-job 1 %zu %zu %zu %llu %lld %llu", spec->fd_count, reads,
             writes, (unsigned long long)job->memory_bytes, (long long)job->cpu_seconds,
             (unsigned long long)(spec->file_bytes ? spec->file_bytes : DEFAULT_FILE_BYTES));
    int e = job_send(job, slice_str(header));
    return e ? e : job_send(job, spec->request);
}

static int start_process(struct job *job, const struct job_spec *spec, struct error *reterr)
{
    int dirs[MAX_DIRS], pair[2];
    size_t dir_count = 0, reads = 0;
    int e = open_dirs(spec->read_dirs, dirs, &dir_count, reterr);
    reads = dir_count;
    if (!e)
        e = open_dirs(spec->write_dirs, dirs, &dir_count, reterr);
    if (!e && spec->fd_count + dir_count > JOB_MAX_FDS)
        e = error_set(reterr, -E2BIG, "A job may be given at most %d files.", JOB_MAX_FDS);
    if (!e && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        e = error_set(reterr, -errno, "A job cannot be started: %s.", strerror(errno));
    if (!e) {
        size_t count = 1 + spec->fd_count + dir_count;
        int *fds = calloc(count, sizeof *fds);
        e = fds ? 0 : error_set(reterr, -ENOMEM, "There is no memory to start a job.");
        if (fds) {
            fds[0] = pair[1];
            for (size_t i = 0; i < spec->fd_count; i++)
                fds[1 + i] = spec->fds[i];
            for (size_t i = 0; i < dir_count; i++)
                fds[1 + spec->fd_count + i] = dirs[i];
            e = spawner_start(spec->kind, fds, count, spec->stdout_fd, &job->pid);
            if (e)
                error_set(reterr, e, "A job cannot be started: %s.", strerror(-e));
        }
        free(fds);
        close(pair[1]);
        job->control_fd = pair[0];
    }
    for (size_t i = 0; i < dir_count; i++)
        close(dirs[i]);
    if (e)
        return e;
    e = send_request(job, spec, reads, dir_count - reads);
    /* A job that ended at once says why when it is waited for. */
    return e == -EPIPE ? 0 : e;
}

int job_start(const struct job_spec *spec, struct job **ret_job, struct error *reterr)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return error_set(reterr, -ENOMEM, "There is no memory to start a job.");
    job->pid = -1;
    job->control_fd = -1;
    job->memory_bytes = spec->memory_bytes ? spec->memory_bytes : DEFAULT_MEMORY_BYTES;
    job->cpu_seconds = spec->cpu_seconds;
    buf_init(&job->input, JOB_MAX_LINE_BYTES + 64 * 1024);
    pthread_mutex_init(&job->lock, NULL);
    int e = start_process(job, spec, reterr);
    if (e) {
        job_free(job);
        return e;
    }
    *ret_job = job;
    return 0;
}

/* ── talking ── */

int job_copy(struct job *job, int fd, int (*write)(void *ctx, const void *data, size_t n),
             void *ctx)
{
    uint8_t *piece = malloc(COPY_BYTES);
    int r = piece ? 0 : -ENOMEM;
    while (r == 0) {
        ssize_t n = read(fd, piece, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        r = write(ctx, piece, (size_t)n);
        while (job_receive(job, 0, NULL) == 1) {
        }
    }
    free(piece);
    return r;
}

int job_send(struct job *job, struct slice line)
{
    if (line.len > JOB_MAX_LINE_BYTES || (line.len && memchr(line.data, '\n', line.len)))
        return -EINVAL;
    struct slice parts[] = {line, SLICE_LITERAL("\n")};
    for (size_t i = 0; i < 2; i++) {
        while (parts[i].len) {
            ssize_t n = send(job->control_fd, parts[i].data, parts[i].len, MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return n < 0 ? (errno == ECONNRESET ? -EPIPE : -errno) : -EPIPE;
            parts[i] = slice_sub(parts[i], (size_t)n, parts[i].len);
        }
    }
    return 0;
}

static void keep_error(struct job *job, struct slice line)
{
    if (!slice_starts_with(line, SLICE_LITERAL("{\"error\":\"")))
        return;
    free(job->kept_error);
    job->kept_error =
        strndup((const char *)line.data, line.len < KEPT_ERROR_BYTES ? line.len : KEPT_ERROR_BYTES);
}

/* Takes one line out of the input. */
static int take_line(struct job *job, size_t *searched, struct buf *ret_line)
{
    for (;;) {
        struct buf *in = &job->input;
        const uint8_t *end =
            in->len > *searched ? memchr(in->data + *searched, '\n', in->len - *searched) : NULL;
        if (!end) {
            *searched = in->len;
            return 0;
        }
        size_t n = (size_t)(end - in->data);
        int e = 0;
        if (n) {
            keep_error(job, slice_of(in->data, n));
            e = ret_line ? buf_append(ret_line, in->data, n) : 0;
        }
        buf_drop_front(in, n + 1);
        *searched = 0;
        if (n)
            return e ? e : 1;
    }
}

int job_receive(struct job *job, int64_t timeout_ns, struct buf *ret_line)
{
    int64_t until = timeout_ns < 0 ? INT64_MAX : clock_mono_ns() + timeout_ns;
    size_t searched = 0;
    if (ret_line)
        buf_reset(ret_line);
    for (;;) {
        int got = take_line(job, &searched, ret_line);
        if (got)
            return got;
        int64_t left = until == INT64_MAX ? -1 : until - clock_mono_ns();
        if (until != INT64_MAX && left < 0)
            left = 0;
        struct pollfd p = {.fd = job->control_fd, .events = POLLIN};
        int ready = poll(&p, 1, left < 0 ? -1 : (int)((left + NS_PER_MS - 1) / NS_PER_MS));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return -ETIMEDOUT;
        uint8_t *room = buf_reserve(&job->input, 64 * 1024);
        if (!room)
            return -EFBIG;
        ssize_t n = read(job->control_fd, room, 64 * 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno != ECONNRESET ? -errno : 0;
        job->input.len += (size_t)n;
    }
}

/* ── the end ── */

/* A text of {"error":"…","cause":"…"} from behind its quote on: our own writer made it, but a
 * broken job may write anything. */
static void decode_text(const char *p, char *out, size_t size)
{
    size_t n = 0;
    while (*p && *p != '"' && n + 1 < size) {
        char c = *p++;
        if (c == '\\' && *p) {
            c = *p++;
            if (c == 'u') { /* only control characters are written so */
                for (int i = 0; i < 4 && *p; i++)
                    p++;
                c = '?';
            } else if (c == 'n' || c == 't' || c == 'r') {
                c = ' ';
            }
        }
        out[n++] = (unsigned char)c < 0x20 ? ' ' : c;
    }
    out[n] = 0;
}

static void explain_signal(const struct job *job, struct job_result *r)
{
    char size[24];
    switch (r->signal) {
    case SIGXCPU:
        error_set(&r->error, -ETIME, "It reached its limit of %lld seconds of CPU time.",
                  (long long)job->cpu_seconds);
        break;
    case SIGXFSZ:
        error_set(&r->error, -EFBIG, "It tried to write a file larger than it may.");
        break;
    case SIGSYS:
        error_set(&r->error, -EPERM, "It tried a forbidden call.");
        break;
    case SIGKILL:
        error_set(&r->error, -ENOMEM,
                  "It was killed from outside, probably because the machine ran out of memory "
                  "(its own limit is %s).",
                  text_format_size(job->memory_bytes, size));
        break;
    default:
        error_set(&r->error, -EFAULT, "It crashed (%s).", strsignal(r->signal));
    }
}

static void explain(const struct job *job, struct job_result *r)
{
    char size[24], text[sizeof r->error.text];
    if (r->ok)
        return;
    bool ended_here = job->cancelled && r->signal == SIGKILL;
    if (ended_here && !job->kept_error) {
        error_set(&r->error, -ECANCELED, "cancelled");
    } else if (job->kept_error && (!r->signal || ended_here)) { /* it had failed before */
        decode_text(job->kept_error + strlen("{\"error\":\""), text, sizeof text);
        const char *code = strstr(job->kept_error, ",\"code\":-"),
                   *cause = strstr(job->kept_error, ",\"cause\":\"");
        int64_t number = 0;
        if (code)
            (void)sscanf(code, ",\"code\":%" SCNd64, &number);
        if (number == -ENOMEM)
            error_set(&r->error, -ENOMEM, "Its memory limit of %s was reached (%.300s)",
                      text_format_size(job->memory_bytes, size), text);
        else
            error_set(&r->error, number < 0 && number > -4096 ? (int)number : -EIO, "%s", text);
        if (cause) {
            decode_text(cause + strlen(",\"cause\":\""), text, sizeof text);
            error_set_cause(&r->error, text);
        }
    } else if (r->signal) {
        explain_signal(job, r);
    } else {
        error_set(&r->error, -EIO, "It ended with exit code %d without a reason.", r->exit_code);
    }
}

int job_wait(struct job *job, struct job_result *ret_result)
{
    while (!job->reaped) {
        int got = job_receive(job, -1, NULL);
        if (got == 1)
            continue;
        if (got < 0) /* it talks nonsense: it has had its chance */
            (void)kill(job->pid, SIGKILL);
        int status = 0;
        pid_t pid;
        do
            pid = waitpid(job->pid, &status, WNOHANG);
        while (pid < 0 && errno == EINTR);
        if (pid == 0) { /* closed its end but runs on */
            struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
            nanosleep(&pause, NULL);
            continue;
        }
        pthread_mutex_lock(&job->lock);
        job->reaped = true;
        pthread_mutex_unlock(&job->lock);
        struct job_result *r = &job->result;
        r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        r->ok = pid > 0 && WIFEXITED(status) && r->exit_code == 0;
        explain(job, r);
    }
    if (ret_result)
        *ret_result = job->result;
    return 0;
}

void job_cancel(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    if (!job->reaped && job->pid > 0) {
        job->cancelled = true;
        (void)kill(job->pid, SIGKILL);
    }
    pthread_mutex_unlock(&job->lock);
}

void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->pid > 0) {
        job_cancel(job);
        (void)job_wait(job, NULL);
    }
    if (job->control_fd >= 0)
        close(job->control_fd);
    free(job->kept_error);
    buf_done(&job->input);
    pthread_mutex_destroy(&job->lock);
    free(job);
}
