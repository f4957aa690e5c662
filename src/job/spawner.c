#include "job/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "job/job.h"

enum {
    MAX_ENVIRONMENT = 16
};

struct request {
    const char *kind;
    const int *fds;
    size_t fd_count;
    int stdout_fd;
    pid_t pid;
    int error;
    bool done;
    struct request *next;
};

static const char *program = "/proc/self/exe";
static char *environment[MAX_ENVIRONMENT];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, answered = PTHREAD_COND_INITIALIZER;
static struct request *waiting;
static bool started;

void job_set_program(const char *path)
{
    program = path;
}

/* Nothing of ours may reach a job by accident (tokens, proxies), so names are listed. */
static void prepare_environment(void)
{
    static const char *const kept[] = {
        "TRAWL_UNSANDBOXED", "TRAWL_FAULT", "TRAWL_FAULT_LOG", "UBSAN_OPTIONS", "TSAN_OPTIONS",
        "LLVM_PROFILE_FILE", NULL};
    size_t n = 0;
    for (size_t i = 0; kept[i]; i++) {
        const char *value = getenv(kept[i]);
        char *text = NULL;
        if (value && asprintf(&text, "%s=%s", kept[i], value) > 0)
            environment[n++] = text;
    }
    static char locale[] = "LC_ALL=C", zone[] = "TZ=UTC0";
    /* The leak checker of the address sanitizer would need ptrace. */
    static char sanitizer[] = "ASAN_OPTIONS=detect_leaks=0";
    environment[n++] = locale;
    environment[n++] = zone;
    environment[n++] = sanitizer;
    environment[n] = NULL;
}

/* Between fork and exec: only calls that are safe there. */
static __attribute__((noreturn)) void become_job(const struct request *r, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(127);
    int first_free = 3 + (int)r->fd_count;
    int out =
        r->stdout_fd >= 0 ? fcntl(r->stdout_fd, F_DUPFD, first_free) : open("/dev/null", O_WRONLY);
    int in = open("/dev/null", O_RDONLY);
    /* First out of the way, then into place: a source may stand where a target belongs. */
    int high[JOB_MAX_FDS + 1];
    for (size_t i = 0; i < r->fd_count; i++)
        if ((high[i] = fcntl(r->fds[i], F_DUPFD, first_free)) < 0)
            _exit(127);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
        _exit(127);
    for (size_t i = 0; i < r->fd_count; i++)
        if (dup2(high[i], 3 + (int)i) < 0)
            _exit(127);
    if (syscall(SYS_close_range, (unsigned)first_free, ~0U, 0U) < 0)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    char name[] = "trawl", sub[] = "job", kind[64];
    size_t n = strnlen(r->kind, sizeof kind - 1);
    memcpy(kind, r->kind, n);
    kind[n] = 0;
    char *argv[] = {name, sub, kind, NULL};
    execve(program, argv, environment);
    _exit(127);
}

static void serve(struct request *r)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_job(r, parent);
    r->pid = pid;
    r->error = pid < 0 ? -errno : 0;
}

static void *spawner_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!waiting)
            pthread_cond_wait(&wanted, &lock);
        struct request *r = waiting;
        waiting = r->next;
        pthread_mutex_unlock(&lock);
        serve(r);
        pthread_mutex_lock(&lock);
        r->done = true;
        pthread_cond_broadcast(&answered);
    }
    return NULL;
}

static int start_thread(void)
{
    prepare_environment();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int e = pthread_create(&thread, NULL, spawner_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!e)
        pthread_detach(thread);
    return -e;
}

int spawner_start(const char *kind, const int *fds, size_t fd_count, int stdout_fd, pid_t *ret_pid)
{
    struct request r = {
        .kind = kind, .fds = fds, .fd_count = fd_count, .stdout_fd = stdout_fd, .pid = -1};
    pthread_mutex_lock(&lock);
    if (!started) {
        int e = start_thread();
        if (e) {
            pthread_mutex_unlock(&lock);
            return e;
        }
        started = true;
    }
    r.next = waiting;
    waiting = &r;
    pthread_cond_signal(&wanted);
    while (!r.done)
        pthread_cond_wait(&answered, &lock);
    pthread_mutex_unlock(&lock);
    if (!r.error)
        *ret_pid = r.pid;
    return r.error;
}
