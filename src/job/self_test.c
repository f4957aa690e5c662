#include "job/self_test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "job/sandbox.h"

enum {
    MEMORY_LIMIT_MIB = 64,
    OUTSIDE_FD = JOB_FIRST_FD
};

/* 0 = it was possible (bad), or a negative errno. */
static int result_of(long r)
{
    return r < 0 ? -errno : 0;
}

static int try_open(void)
{
    return result_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_create(void)
{
    return result_of(open("/tmp/trawl-self-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_unlink(void)
{
    return result_of(unlink("/tmp/trawl-self-test-absent"));
}

static int try_socket(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int try_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    return result_of(connect(0, (struct sockaddr *)&to, sizeof to));
}

static int try_execve(void)
{
    char name[] = "true", *argv[] = {name, NULL};
    return result_of(execve("/bin/true", argv, NULL));
}

static int try_fork(void)
{
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static int try_clone_process(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static int try_ptrace(void)
{
    return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(void)
{
    return result_of(kill(getppid(), 0));
}

static int try_mount(void)
{
    return result_of(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int try_bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_io_uring(void)
{
    return result_of(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_setuid(void)
{
    return result_of(syscall(SYS_setuid, 0));
}

static int try_process_vm_readv(void)
{
    return result_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_executable_memory(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -errno : 0;
}

#if SANDBOX_LIMITS_MEMORY
#define MEMORY_LIMIT_HOLDS 1
static int try_memory(void)
{
    for (int i = 0; i < 2 * MEMORY_LIMIT_MIB; i++) {
        char *p = malloc(1 << 20); /* stays: the process ends */
        if (!p)
            return -ENOMEM;
        memset(p, i, 1 << 20);
        __asm__ volatile("" ::"r"(p) : "memory");
    }
    return 0;
}
#endif

static int try_cpu(void)
{
    int64_t until = clock_mono_ns() + 20 * NS_PER_S;
    while (clock_mono_ns() < until) {
    }
    return 0;
}

static void *open_in_thread(void *arg)
{
    int *gate = arg;
    char c;
    while (read(gate[0], &c, 1) < 0 && errno == EINTR) {
    }
    gate[2] = try_open();
    return NULL;
}

static const struct attempt {
    const char *name;
    int (*run)(void);
    const char *expected; /* of a job without folders */
} attempts[] = {
    {"open", try_open, "forbidden call: open"},
    {"create", try_create, "forbidden call: open"},
    {"unlink", try_unlink, "forbidden call: unlink"},
    {"socket", try_socket, "forbidden call: socket"},
    {"connect", try_connect, "forbidden call: connect"},
    {"execve", try_execve, "forbidden call: execve"},
    {"fork", try_fork, "forbidden call: fork"},
    {"clone", try_clone_process, "forbidden call: clone"},
    {"ptrace", try_ptrace, "forbidden call: ptrace"},
    {"kill", try_kill, "forbidden call: kill"},
    {"mount", try_mount, "forbidden call: mount"},
    {"bpf", try_bpf, "forbidden call: bpf"},
    {"io_uring", try_io_uring, "forbidden call: io_uring_setup"},
    {"setuid", try_setuid, "forbidden call: setuid"},
    {"process_vm_readv", try_process_vm_readv, "forbidden call: process_vm_readv"},
    {"executable memory", try_executable_memory, "forbidden call: mmap"},
    {"cpu", try_cpu, "limit of 1 seconds of CPU"},
#ifdef MEMORY_LIMIT_HOLDS
    {"memory", try_memory, "memory limit of 64"},
#endif
};

/* The thread exists before the walls stand: they have to hold for it too. */
static int try_from_thread(struct job_context *ctx, struct error *reterr)
{
    int gate[3] = {-1, -1, 0};
    pthread_t thread;
    if (pipe(gate) < 0 || pthread_create(&thread, NULL, open_in_thread, gate) != 0)
        return error_set(reterr, -EAGAIN, "no thread");
    int e = job_enter_sandbox(ctx, reterr);
    if (e)
        return e;
    (void)!write(gate[1], "x", 1);
    pthread_join(thread, NULL);
    return gate[2];
}

/* Inside the folder everything works, outside nothing, ".." included. */
static int try_folders(struct job_context *ctx, const char *dir, struct error *reterr)
{
    char path[512];
    int e = job_enter_sandbox(ctx, reterr);
    if (e)
        return e;
    snprintf(path, sizeof path, "%s/inside", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || io_write("self-test", fd, "x", 1) < 0 || unlink(path) < 0)
        return error_set(reterr, -EIO, "its own folder is closed: %s", strerror(errno));
    close(fd);
    snprintf(path, sizeof path, "%s/../outside", dir);
    if (open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0)
        return 0;
    return try_open();
}

static int run_attempt(struct job_context *ctx, const char *name, struct error *reterr)
{
    if (strcmp(name, "thread") == 0)
        return try_from_thread(ctx, reterr);
    if (strncmp(name, "thread in ", 10) == 0)
        return try_from_thread(ctx, reterr);
    if (strncmp(name, "folder ", 7) == 0)
        return try_folders(ctx, name + 7, reterr);
    int e = job_enter_sandbox(ctx, reterr);
    if (e)
        return e;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        if (strcmp(attempts[i].name, name) == 0)
            return attempts[i].run();
    return error_set(reterr, -EINVAL, "there is no such attempt");
}

/* The request is {"try":"NAME"}, made below. */
static int self_test_main(struct job_context *ctx)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct slice s = ctx->request;
    char name[400];
    if (s.len < 10 || s.len >= sizeof name)
        return 2;
    memcpy(name, s.data + 8, s.len - 10);
    name[s.len - 10] = 0;
    int e = run_attempt(ctx, name, &err);
    if (e == 0)
        return 0; /* it was possible */
    if (!err.text[0])
        error_set(&err, e, "refused: %s", strerror(-e));
    return job_fail(ctx, &err);
}

const struct job_kind job_kind_self_test = {.name = "self-test-try", .run = self_test_main};

static void run_one(const char *request_name, const char *dir, struct job_self_test_result *r)
{
    char request[450];
    int n = snprintf(request, sizeof request, "{\"try\":\"%s\"}", request_name);
    const char *dirs[] = {dir, NULL};
    struct job_spec spec = {.kind = job_kind_self_test.name,
                            .request = slice_of(request, (size_t)n),
                            .write_dirs = dir ? dirs : NULL,
                            .memory_bytes = (uint64_t)MEMORY_LIMIT_MIB << 20,
                            .cpu_seconds = 1,
                            .stdout_fd = -1};
    struct job *job = NULL;
    struct job_result result = {0};
    struct error err = {0};
    if (job_start(&spec, &job, &err) < 0) {
        snprintf(r->text, sizeof r->text, "%.190s", err.text);
        return;
    }
    job_wait(job, &result);
    job_free(job);
    snprintf(r->text, sizeof r->text, "%.190s", result.ok ? "it was possible" : result.error.text);
    r->held = !result.ok && strstr(r->text, r->expected);
}

size_t job_self_test(struct job_self_test_result *results, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0] && n < max; i++, n++) {
        results[n] = (struct job_self_test_result){.attempt = attempts[i].name,
                                                   .expected = attempts[i].expected};
        run_one(attempts[i].name, NULL, &results[n]);
    }
    if (n < max) {
        results[n] = (struct job_self_test_result){.attempt = "open from a thread",
                                                   .expected = "forbidden call: open"};
        run_one("thread", NULL, &results[n++]);
    }
    char dir[] = "/tmp/trawl-self-test-XXXXXX", name[64];
    if (!mkdtemp(dir))
        return n;
    if (n < max) {
        results[n] = (struct job_self_test_result){.attempt = "open outside the job's folder",
                                                   .expected = "refused: Permission denied"};
        snprintf(name, sizeof name, "folder %s", dir);
        run_one(name, dir, &results[n++]);
    }
    if (n < max) {
        results[n] =
            (struct job_self_test_result){.attempt = "open outside the folder from a thread",
                                          .expected = "refused: Permission denied"};
        run_one("thread in folder", dir, &results[n++]);
    }
    (void)rmdir(dir);
    return n;
}
