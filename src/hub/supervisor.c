#include "hub/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum {
    MAX_CHILDREN = 4,
    STOP_SECONDS = 5,
    LONG_ENOUGH_S = 30 /* a child that ran so long begins anew with the short pause */
};

#define FIRST_PAUSE_NS (200 * NS_PER_MS)
#define LAST_PAUSE_NS  (10 * NS_PER_S)

struct child {
    pid_t pid; /* 0 = not running */
    int64_t started_ns, start_at_ns, pause_ns;
};

struct supervisor {
    const struct supervisor_options *options;
    struct child children[MAX_CHILDREN];
    pid_t self;
    int exit_code;
};

int supervisor_bind_to_parent(void)
{
    const char *text = getenv("TRAWL_PARENT");
    int64_t parent;
    if (!text || text_parse_int(text, 1, INT32_MAX, &parent) < 0)
        return 0; /* started by a person */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return -errno;
    return getppid() == (pid_t)parent ? 0 : -ESRCH;
}

static __attribute__((noreturn)) void become_child(const struct supervisor *s,
                                                   const struct supervisor_child *child)
{
    char number[24];
    sigset_t none;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != s->self)
        _exit(1);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(number, sizeof number, "%d", (int)s->self);
    (void)setenv("TRAWL_PARENT", number, 1);
    if (s->options->lock_fd >= 0) {
        (void)fcntl(s->options->lock_fd, F_SETFD, 0);
        snprintf(number, sizeof number, "%d", s->options->lock_fd);
        (void)setenv("TRAWL_LOCK_FD", number, 1);
    }
    (void)execv("/proc/self/exe", (char **)(uintptr_t)child->argv);
    _exit(127);
}

static void start(struct supervisor *s, size_t i)
{
    struct child *c = &s->children[i];
    pid_t pid = fork();
    if (pid == 0)
        become_child(s, &s->options->children[i]);
    c->started_ns = clock_mono_ns();
    if (pid < 0) {
        c->start_at_ns = c->started_ns + LAST_PAUSE_NS;
        log_error("up", "a process cannot be started", "name=%s error=\"%s\"",
                  s->options->children[i].name, strerror(errno));
        return;
    }
    c->pid = pid;
}

static void describe_end(const char *name, int status)
{
    if (WIFSIGNALED(status))
        log_warn("up", "a process ended", "name=%s signal=\"%s\"", name,
                 strsignal(WTERMSIG(status)));
    else
        log_warn("up", "a process ended", "name=%s code=%d", name, WEXITSTATUS(status));
}

/* True when nothing of this can go on. */
static bool note_end(struct supervisor *s, struct child *c, const char *name, int status)
{
    int64_t now = clock_mono_ns();
    c->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISOR_EXIT_FATAL) {
        s->exit_code = 1;
        return true;
    }
    describe_end(name, status);
    bool lasted = now - c->started_ns > LONG_ENOUGH_S * NS_PER_S;
    c->pause_ns = lasted || !c->pause_ns ? FIRST_PAUSE_NS : 2 * c->pause_ns;
    if (c->pause_ns > LAST_PAUSE_NS)
        c->pause_ns = LAST_PAUSE_NS;
    c->start_at_ns = now + c->pause_ns;
    return false;
}

/* Only our own children are waited for. */
static bool reap(struct supervisor *s)
{
    bool fatal = false;
    for (size_t i = 0; i < s->options->count; i++) {
        int status;
        if (s->children[i].pid && waitpid(s->children[i].pid, &status, WNOHANG) > 0)
            fatal = note_end(s, &s->children[i], s->options->children[i].name, status) || fatal;
    }
    return fatal;
}

static void send_all(const struct supervisor *s, int signal)
{
    for (size_t i = 0; i < s->options->count; i++)
        if (s->children[i].pid)
            (void)kill(s->children[i].pid, signal);
}

static unsigned running(struct supervisor *s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->options->count; i++) {
        int status;
        if (s->children[i].pid && waitpid(s->children[i].pid, &status, WNOHANG) > 0)
            s->children[i].pid = 0;
        n += s->children[i].pid != 0;
    }
    return n;
}

static void end_all(struct supervisor *s, const sigset_t *signals)
{
    int64_t until = clock_mono_ns() + STOP_SECONDS * NS_PER_S - 200 * NS_PER_MS;
    send_all(s, SIGTERM);
    while (running(s) && clock_mono_ns() < until) {
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
        int signal = sigtimedwait(signals, NULL, &pause);
        if (signal == SIGTERM || signal == SIGINT)
            break; /* a second one: now */
    }
    send_all(s, SIGKILL);
    while (running(s)) {
        struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor s = {.options = options, .self = getpid()};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (bool ended = false; !ended;) {
        for (size_t i = 0; i < options->count; i++)
            if (!s.children[i].pid && clock_mono_ns() >= s.children[i].start_at_ns)
                start(&s, i);
        struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
        int signal = sigtimedwait(&signals, NULL, &pause);
        if (signal == SIGHUP)
            send_all(&s, SIGHUP);
        ended = signal == SIGTERM || signal == SIGINT || reap(&s);
    }
    end_all(&s, &signals);
    return s.exit_code;
}
