/* Jobs: everything that parses captured bytes for the hub runs in a process of its own: dissect,
 * extract, export, import, packets, query. One launcher, one sandbox.
 *
 * Parent: job_start() execs this binary as `trawl job KIND`; the request (one JSON line) and later
 * lines go over a socket pair, as do the job's messages (JSON lines). Descriptors given in `fds`
 * appear in the job as JOB_FIRST_FD + i, in order. Child: does its opening, then
 * job_enter_sandbox(): seccomp (no socket, connect, execve, ptrace …), Landlock (only the folders
 * given, else nothing), no capabilities, no_new_privs, limits on memory, CPU seconds and file size.
 * A forbidden call ends the job with a message that names the call. A job without folders cannot
 * open anything by name. A job with folders is confined to them, the system's libraries, /proc and
 * /sys from its first line on, because Landlock holds only for threads started later. Thread: a
 * struct job belongs to one thread, job_cancel may be called from any. A job dies with the process
 * that started it. */
#ifndef TRAWL_JOB_JOB_H
#define TRAWL_JOB_JOB_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

enum {
    JOB_CONTROL_FD = 3,
    JOB_FIRST_FD = 4,
    JOB_MAX_FDS = 4096,
    JOB_MAX_LINE_BYTES = 16 * 1024 * 1024
};

struct job_spec {
    const char *kind;
    struct slice request; /* JSON object, one line */
    const int *fds;       /* borrowed: the caller closes its own copies after job_start */
    size_t fd_count;
    const char *const *read_dirs;  /* Landlock: readable below; ends with NULL; may be NULL */
    const char *const *write_dirs; /* Landlock: readable and writable below; may be NULL */
    uint64_t memory_bytes; /* address-space independent limit on data (RLIMIT_DATA); 0 = 512 MiB */
    int64_t cpu_seconds;   /* 0 = no limit */
    uint64_t file_bytes;   /* largest file it may write; 0 = 64 GiB */
    int stdout_fd;         /* the job's standard output, -1 = /dev/null */
};

struct job;

struct job_result {
    bool ok;
    int exit_code, signal;
    struct error error; /* when !ok: a sentence ("memory limit of 512 MiB was reached", "it tried a
                           forbidden call: socket") */
};

/* The program that is started instead of this one (tests). Init-only; borrowed. */
void job_set_program(const char *path);
int job_start(const struct job_spec *spec, struct job **ret_job, struct error *reterr);
/* The next message line of the job into `ret_line` (emptied first; without newline): 1, 0 when it
 * closed its end, -ETIMEDOUT (timeout_ns < 0: never), or an error. A line that job_fail wrote is
 * delivered and is also kept as the reason for job_wait. */
int job_receive(struct job *job, int64_t timeout_ns, struct buf *ret_line);
int job_send(struct job *job, struct slice line);
/* Hands on what comes out of `fd` (a pipe at whose far end the job writes, or one that reads from
 * it) until it ends; the job's messages are taken meanwhile and thrown away, so that they cannot
 * pile up. 0, what `write` returned when not 0, or an error. */
int job_copy(struct job *job, int fd, int (*write)(void *ctx, const void *data, size_t n),
             void *ctx);
/* Waits for the end (after job_receive gave 0, or anyway: messages are discarded). */
int job_wait(struct job *job, struct job_result *ret_result);
void job_cancel(struct job *job); /* SIGKILL; job_wait then says "cancelled" */
void job_free(struct job *job);   /* kills and reaps what still runs */

/* ── inside the job ── */
struct job_context {
    struct slice request; /* owned by the context */
    struct buf line;      /* what was read beyond the request */
    struct buf request_buf;
    size_t fd_count, read_dir_count, write_dir_count;
    bool sandboxed;
    const char *kind;
};

/* Reads the request. */
int job_context_init(struct job_context *ctx, const char *kind, struct error *reterr);
void job_context_done(struct job_context *ctx);
/* From here on nothing can be opened outside the given folders, no socket made, nothing executed.
 * Threads that exist are covered too (TSYNC). -ENOSYS with a sentence where the kernel lacks it and
 * TRAWL_UNSANDBOXED=1 is not set. */
int job_enter_sandbox(struct job_context *ctx, struct error *reterr);
int job_report(struct job_context *ctx, struct slice json_line);
/* Further lines from the parent (query jobs): 1, 0 at the end, or an error. */
int job_next_request(struct job_context *ctx, struct buf *ret_line);
/* Reports {"error":…,"offset":…} and returns exit code 1. */
int job_fail(struct job_context *ctx, const struct error *error);

/* A kind of job; rows in src/cli/job_kinds.c. run() returns the exit code. */
struct job_kind {
    const char *name;
    int (*run)(struct job_context *ctx);
};

#endif
