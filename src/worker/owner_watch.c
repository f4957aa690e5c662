#include "worker/owner_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/socket_owners.h"

#define AREA           "owners"
#define KEEP_ASKING_NS (3 * NS_PER_S) /* a socket whose process is not found is forgotten then */

enum {
    ANSWERS_PER_TURN = 32,
    MAX_PENDING = 8192,
    TURN_MS = 250, /* flows come in batches */
    MAX_TRIES = 3,
    QUEUE_BYTES = 1 << 20,
    EXIT_CANNOT = 2, /* starting it again would not help */
    STEADY_S = 10,   /* one that lived so long is started again at once */
    FIRST_BACK_OFF_MS = 100,
    LONGEST_BACK_OFF_MS = 30000
};

/* ── the process ── */

struct pending {
    struct owner_end end;
    int64_t since_mono_ns;
    unsigned tries;
};

struct watcher {
    int fd;
    struct socket_owners *owners;
    struct pending pending[MAX_PENDING];
    size_t pending_count;
    struct owner_end ends[MAX_PENDING];
};

static void send_note(void *ctx, struct slice note)
{
    const struct watcher *w = ctx;
    /* a capturer that has no time for it does without */
    (void)send(w->fd, note.data, note.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* 0 when the capturer is gone. */
static int take_questions(struct watcher *w)
{
    struct owner_end ends[OWNER_WATCH_BATCH];
    for (;;) {
        ssize_t n = recv(w->fd, ends, sizeof ends, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return 0;
        if (n < 0)
            return 1;
        for (size_t i = 0; i < (size_t)n / sizeof ends[0] && w->pending_count < MAX_PENDING; i++)
            w->pending[w->pending_count++] = (struct pending){ends[i], clock_mono_ns(), 0};
    }
}

/* Those that are asked for again stand in front of `ends`, in their old order. */
static void ask(struct watcher *w)
{
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < w->pending_count; i++)
        w->ends[i] = w->pending[i].end;
    size_t again = socket_owners_ask(w->owners, w->ends, w->pending_count, send_note, w);
    size_t kept = 0;
    for (size_t i = 0, k = 0; i < w->pending_count && k < again; i++) {
        struct pending *p = &w->pending[i];
        struct owner_end *next = &w->ends[k];
        bool same = p->end.ip_protocol == next->ip_protocol &&
                    p->end.ip_version == next->ip_version &&
                    ((p->end.local_port == next->local_port &&
                      memcmp(p->end.local_ip, next->local_ip, 32) == 0) ||
                     (p->end.local_port == next->remote_port &&
                      memcmp(p->end.local_ip, next->remote_ip, 16) == 0 &&
                      memcmp(p->end.remote_ip, next->local_ip, 16) == 0));
        if (!same)
            continue;
        k++;
        if (now_ns - p->since_mono_ns > KEEP_ASKING_NS || p->tries >= MAX_TRIES)
            continue;
        w->pending[kept] = *p;
        w->pending[kept++].end = *next;
    }
    w->pending_count = kept;
}

static void watch(struct watcher *w)
{
    for (;;) {
        struct pollfd fd = {.fd = w->fd, .events = POLLIN};
        (void)poll(&fd, 1, w->pending_count ? TURN_MS : -1);
        if (!take_questions(w))
            return;
        if (w->pending_count == 0)
            continue;
        ask(w);
        if (w->pending_count && socket_owners_walk(w->owners)) {
            for (size_t i = 0; i < w->pending_count; i++)
                w->pending[i].tries++;
            ask(w);
        }
        poll(NULL, 0, TURN_MS);
    }
}

/* What the keeper does beside that: fork without new namespaces, wait, confine its child further.
 */
static int allow_keeping(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(wait4),   SCMP_SYS(prctl),           SCMP_SYS(seccomp),
                                SCMP_SYS(getppid), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
                                SCMP_SYS(kill),    SCMP_SYS(setpriority)};
    unsigned long namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                               CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof calls / sizeof *calls; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return r < 0 ? r
                 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                    SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
}

/* It may read below /proc and ask the kernel for sockets; it starts nothing, connects to nothing,
 * writes no file, traces nobody. (No Landlock: that would forbid looking at other processes.) */
static int confine(bool keeper)
{
    static const int calls[] = {SCMP_SYS(read),
                                SCMP_SYS(write),
                                SCMP_SYS(close),
                                SCMP_SYS(readlink),
                                SCMP_SYS(readlinkat),
                                SCMP_SYS(getdents64),
                                SCMP_SYS(newfstatat),
                                SCMP_SYS(fstat),
                                SCMP_SYS(stat),
                                SCMP_SYS(statx),
                                SCMP_SYS(lseek),
                                SCMP_SYS(sendto),
                                SCMP_SYS(recvfrom),
                                SCMP_SYS(recvmsg),
                                SCMP_SYS(sendmsg),
                                SCMP_SYS(bind),
                                SCMP_SYS(getsockname),
                                SCMP_SYS(poll),
                                SCMP_SYS(ppoll),
                                SCMP_SYS(clock_gettime),
                                SCMP_SYS(clock_nanosleep),
                                SCMP_SYS(nanosleep),
                                SCMP_SYS(mmap),
                                SCMP_SYS(munmap),
                                SCMP_SYS(mremap),
                                SCMP_SYS(madvise),
                                SCMP_SYS(mprotect),
                                SCMP_SYS(brk),
                                SCMP_SYS(futex),
                                SCMP_SYS(getpid),
                                SCMP_SYS(gettid),
                                SCMP_SYS(getrandom),
                                SCMP_SYS(exit),
                                SCMP_SYS(exit_group),
                                SCMP_SYS(rt_sigreturn),
                                SCMP_SYS(rt_sigprocmask),
                                SCMP_SYS(rt_sigaction),
                                SCMP_SYS(sigaltstack),
                                SCMP_SYS(sched_yield),
                                SCMP_SYS(restart_syscall)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < sizeof calls / sizeof *calls; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    if (r == 0) /* reading only */
        r = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
            SCMP_CMP(2, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
    if (r == 0) /* the addresses of this host, the sockets of this kernel */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
    if (r == 0 && keeper)
        r = allow_keeping(filter);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

static __attribute__((noreturn)) void give_up(int r, const struct error *error)
{
    log_warn(AREA, "processes of connections are not recorded", "reason=\"%s\"",
             error->text[0] ? error->text : strerror(-r));
    _exit(EXIT_CANNOT);
}

/* Dies with its parent. */
static void begin_process(const char *name, pid_t parent)
{
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
}

static __attribute__((noreturn)) void run(int fd, pid_t parent)
{
    struct error error = {.text = ""};
    begin_process("trawl-owners", parent);
    struct watcher *w = calloc(1, sizeof *w);
    if (!w)
        _exit(1);
    (void)setpriority(PRIO_PROCESS, 0, 19);
    w->fd = fd;
    int r = socket_owners_new(&w->owners, &error);
    if (r == 0)
        r = confine(false);
    if (r < 0)
        give_up(r, &error);
    watch(w);
    struct socket_owners_counters c = socket_owners_counters(w->owners);
    log_info(AREA, "ended", "asked=%llu found=%llu walks=%llu walk_cpu_ms=%lld",
             (unsigned long long)c.asked, (unsigned long long)c.found, (unsigned long long)c.walks,
             (long long)(c.walk_ns / NS_PER_MS));
    _exit(0);
}

/* The keeper: questions that come while nobody looks out wait in the socket. */
static __attribute__((noreturn)) void keep(int given_fd, const struct ring_owner *owner,
                                           pid_t parent)
{
    enum {
        FD = 3
    };
    struct error error = {.text = ""};
    if (dup2(given_fd, FD) != FD)
        _exit(1);
    (void)close_range(FD + 1, ~0u, 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN}; /* the capturer's end is ours */
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGTERM, &ignore, NULL);
    int r = ring_owner_become(owner, RING_KEEP_PROCESSES, false, &error);
    begin_process("trawl-keeper", parent); /* a change of user clears what it sets */
    if (r == 0)
        r = confine(true);
    if (r < 0)
        give_up(r, &error);
    for (int back_off_ms = 0;;) {
        int64_t began_ns = clock_mono_ns();
        pid_t self = getpid(), child = fork();
        int status = 0;
        if (child == 0)
            run(FD, self);
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 1)
            _exit(WEXITSTATUS(status)); /* the capturer ended, or it cannot be */
        if (clock_mono_ns() - began_ns > STEADY_S * NS_PER_S)
            back_off_ms = 0;
        log_warn(AREA, "the look-out for processes ended: another is started",
                 "signal=%d wait_ms=%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0, back_off_ms);
        poll(NULL, 0, back_off_ms);
        back_off_ms = back_off_ms == 0                        ? FIRST_BACK_OFF_MS
                      : back_off_ms * 2 < LONGEST_BACK_OFF_MS ? back_off_ms * 2
                                                              : LONGEST_BACK_OFF_MS;
    }
}

/* ── the capturer's side ── */

static void say_off(struct owner_watch *watch, const char *why)
{
    char since[CLOCK_TEXT_SIZE];
    clock_format(clock_now_ns() / NS_PER_S * NS_PER_S, since);
    snprintf(watch->problem, sizeof watch->problem,
             "processes of connections are not recorded since %.30s: %.80s", since, why);
    log_warn(AREA, "processes of connections are not recorded any more", "reason=\"%s\"", why);
}

void owner_watch_start(struct owner_watch *watch, const struct ring_owner *owner)
{
    int fds[2], bytes = QUEUE_BYTES;
    *watch = (struct owner_watch){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        say_off(watch, strerror(errno));
        return;
    }
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    pid_t parent = getpid();
    watch->pid = fork();
    if (watch->pid == 0)
        keep(fds[1], owner, parent);
    close(fds[1]);
    watch->fd = fds[0];
    if (watch->pid < 0) {
        say_off(watch, strerror(errno));
        owner_watch_stop(watch);
    }
}

/* Both ends are closed at the other side, so the keeper is dying if it is not dead. */
static void forget(struct owner_watch *watch)
{
    int status = 0;
    close(watch->fd);
    watch->fd = -1;
    (void)kill(watch->pid, SIGKILL);
    pid_t ended = waitpid(watch->pid, &status, 0);
    watch->pid = 0;
    say_off(watch, ended > 0 && WIFEXITED(status)
                       ? "their look-out cannot run here, its log says why"
                       : "their look-out was killed; start the recorder again");
}

const char *owner_watch_problem(const struct owner_watch *watch)
{
    return watch->problem;
}

void owner_watch_turn(struct owner_watch *watch, struct ring_writer *writer)
{
    uint8_t note[OWNER_NOTE_MAX_BYTES];
    if (watch->fd < 0)
        return;
    for (int i = 0; i < ANSWERS_PER_TURN; i++) {
        ssize_t n = recv(watch->fd, note, sizeof note, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            forget(watch);
            return;
        }
        if (n < 0)
            break;
        (void)ring_writer_put_owner(writer, slice_of(note, (size_t)n));
    }
    if (watch->count == 0)
        watch->count = ring_writer_take_new_flows(writer, watch->ends, OWNER_WATCH_BATCH);
    if (watch->count && send(watch->fd, watch->ends, watch->count * sizeof watch->ends[0],
                             MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        watch->count = 0;
}

void owner_watch_stop(struct owner_watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
    for (int i = 0; watch->pid > 0 && i < 20; i++) { /* it says what it did, and ends by itself */
        if (waitpid(watch->pid, NULL, WNOHANG) == watch->pid)
            watch->pid = 0;
        else
            poll(NULL, 0, 10);
    }
    if (watch->pid > 0) {
        (void)kill(watch->pid, SIGKILL);
        (void)waitpid(watch->pid, NULL, 0);
    }
    watch->pid = 0;
}
