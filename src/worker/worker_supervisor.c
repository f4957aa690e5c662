#include "worker/worker_supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/slice.h"
#include "ring/ring_owner.h"
#include "worker/worker_server.h"

static const char phase[] = "worker-state";

enum {
    MAX_ARGUMENTS = 128,
    LAST_LINE_BYTES = 400,
    FIRST_BACK_OFF_NS = 200 * 1000 * 1000,
    LONGEST_BACK_OFF_S = 10,
    STEADY_S = 10, /* a child that ran so long is restarted without waiting */
    SERVER_GRACE_MS = 1500,
    CAPTURER_GRACE_MS = 3000
};

struct child {
    pid_t pid; /* 0 = not running */
    int64_t started_ns, not_before_ns, back_off_ns;
    int exit_code;
};

struct supervisor {
    const struct worker_supervisor_options *options;
    char listen[128]; /* with the port in use */
    struct child server, capturer;
    int capturer_stderr; /* our end, -1 = none */
    char last_line[LAST_LINE_BYTES];
    size_t last_line_len;
};

static volatile sig_atomic_t stop_requested;

static void on_stop(int signal_number)
{
    (void)signal_number;
    if (stop_requested)
        _exit(1);
    stop_requested = 1;
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* A port of 0 is made a number that stays the same when the server is restarted. */
static int settle_port(struct supervisor *s, struct error *reterr)
{
    const char *listen = s->options->listen;
    const char *colon = strrchr(listen, ':');
    snprintf(s->listen, sizeof s->listen, "%s", listen);
    if (!colon || strcmp(colon, ":0") != 0 || listen[0] == '[')
        return 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof address;
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        int r =
            error_set(reterr, -errno, "cannot listen on %s: %s.", listen, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return r;
    }
    close(fd);
    snprintf(s->listen, sizeof s->listen, "%s:%u", host, ntohs(address.sin_port));
    return 0;
}

/* In every child: it dies with us, and our handlers are not its own. */
static void begin_child(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

static int run_server(const struct supervisor *s)
{
    struct error error;
    struct ring_owner owner = {.uid = geteuid(), .gid = getegid()};
    if (ring_owner_become(&owner, 0, false, &error) < 0) {
        log_error("worker", "the server could not give up its capabilities", "reason=\"%s\"",
                  error.text);
        return 1;
    }
    struct worker_server_options options = {.name = s->options->name,
                                            .data_dir = s->options->data_dir,
                                            .listen = s->listen,
                                            .hub_url = s->options->hub_url,
                                            .token_file = s->options->token_file,
                                            .no_capture = s->options->no_capture,
                                            .stop = &stop_requested};
    if (worker_server_run(&options, &error) < 0) {
        log_error("worker", "the server ended", "reason=\"%s\"", error.text);
        return 1;
    }
    return 0;
}

static void start_server(struct supervisor *s)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        begin_child(parent);
        if (s->capturer_stderr >= 0)
            close(s->capturer_stderr);
        _exit(run_server(s));
    }
    s->server.pid = pid < 0 ? 0 : pid;
    s->server.started_ns = clock_mono_ns();
}

static void exec_capturer(const struct supervisor *s, int stderr_fd)
{
    const char *arguments[MAX_ARGUMENTS] = {"trawl", "capturer", "--data", s->options->data_dir};
    size_t n = 4;
    for (size_t i = 0; s->options->capturer_arguments[i] && n + 8 < MAX_ARGUMENTS; i++)
        arguments[n++] = s->options->capturer_arguments[i];
    arguments[n++] = "--exclude";
    arguments[n++] = s->listen;
    for (size_t i = 0; i < s->options->excluded->count && n + 3 < MAX_ARGUMENTS; i++) {
        arguments[n++] = "--exclude";
        arguments[n++] = s->options->excluded->items[i];
    }
    dup2(stderr_fd, STDERR_FILENO);
    execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void start_capturer(struct supervisor *s)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        begin_child(parent);
        exec_capturer(s, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    if (s->capturer_stderr >= 0)
        close(s->capturer_stderr);
    s->capturer_stderr = pipe_fds[0];
    fcntl(s->capturer_stderr, F_SETFL, O_NONBLOCK);
    s->capturer.pid = pid < 0 ? 0 : pid;
    s->capturer.started_ns = clock_mono_ns();
}

/* What the capturer says goes on to our stderr; the last whole line is kept. */
static void relay_capturer(struct supervisor *s)
{
    char text[4096];
    ssize_t n;
    while (s->capturer_stderr >= 0 && (n = read(s->capturer_stderr, text, sizeof text)) > 0) {
        if (write(STDERR_FILENO, text, (size_t)n) < 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            if (s->last_line_len && s->last_line[s->last_line_len - 1] == '\n')
                s->last_line_len = 0;
            if (s->last_line_len < sizeof s->last_line)
                s->last_line[s->last_line_len++] = text[i];
        }
    }
}

static void keep_capturer_error(struct supervisor *s, bool failed)
{
    int dir = open(s->options->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    struct slice line = failed ? slice_of(s->last_line, s->last_line_len) : SLICE_NONE;
    static const char prefix[] = "trawl capturer: ";
    if (slice_starts_with(line, slice_str(prefix)))
        line = slice_sub(line, sizeof prefix - 1, line.len);
    /* Only a hint for people: when it cannot be written, status is less precise. */
    if (io_replace_file(phase, dir, "capturer-error", line, 0600) < 0)
        log_warn("worker", "capturer-error cannot be written", NULL);
    close(dir);
}

static void plan_restart(struct child *child, int status)
{
    int64_t now = clock_mono_ns();
    child->pid = 0;
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (now - child->started_ns > STEADY_S * NS_PER_S || child->back_off_ns == 0)
        child->back_off_ns = FIRST_BACK_OFF_NS;
    else if (child->back_off_ns < LONGEST_BACK_OFF_S * NS_PER_S)
        child->back_off_ns *= 2;
    child->not_before_ns = now + child->back_off_ns;
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->server.pid) {
            plan_restart(&s->server, status);
            if (!stop_requested)
                log_warn("worker", "the server ended and is started again", "code=%d",
                         s->server.exit_code);
        } else if (pid == s->capturer.pid) {
            relay_capturer(s);
            plan_restart(&s->capturer, status);
            keep_capturer_error(s, s->capturer.exit_code != 0);
            if (!stop_requested)
                log_warn("worker", "the capturer ended and is started again", "code=%d",
                         s->capturer.exit_code);
        }
    }
}

static void start_what_is_missing(struct supervisor *s)
{
    int64_t now = clock_mono_ns();
    if (!s->server.pid && now >= s->server.not_before_ns)
        start_server(s);
    if (!s->options->no_capture && !s->capturer.pid && now >= s->capturer.not_before_ns)
        start_capturer(s);
}

/* Asks with SIGTERM, waits, then kills. */
static void end_child(struct supervisor *s, struct child *child, int grace_ms)
{
    if (!child->pid)
        return;
    kill(child->pid, SIGTERM);
    for (int waited = 0; child->pid && waited < grace_ms; waited += 20) {
        poll(NULL, 0, 20);
        relay_capturer(s);
        reap(s);
    }
    if (child->pid) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
}

/* Makes DATA and DATA/ring, gives them to the user we become, and becomes it. */
static int settle_owner(const struct worker_supervisor_options *options, struct error *reterr)
{
    char ring[4200];
    snprintf(ring, sizeof ring, "%.4000s/ring", options->data_dir);
    int r = io_make_dirs(phase, ring, 0700);
    if (r < 0)
        return error_set(reterr, r, "the data folder %s cannot be made: %s.", options->data_dir,
                         strerrordesc_np(-r));
    struct ring_owner owner;
    r = ring_owner_find(options->data_dir, &owner, reterr);
    if (r < 0)
        return r;
    ring_owner_give(&owner, AT_FDCWD, options->data_dir);
    ring_owner_give(&owner, AT_FDCWD, ring);
    return ring_owner_become(&owner, RING_KEEP_NET_RAW | RING_KEEP_PROCESSES, true, reterr);
}

int worker_supervise(const struct worker_supervisor_options *options, struct error *reterr)
{
    struct supervisor s = {.options = options, .capturer_stderr = -1};
    int r = settle_owner(options, reterr);
    if (r == 0)
        r = settle_port(&s, reterr);
    if (r < 0)
        return r;
    install_signals();
    while (!stop_requested) {
        start_what_is_missing(&s);
        struct pollfd poll_fd = {.fd = s.capturer_stderr, .events = POLLIN};
        if (poll(&poll_fd, 1, 100) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) &&
            !(poll_fd.revents & POLLIN))
            poll(NULL, 0, 20);
        relay_capturer(&s);
        reap(&s);
    }
    end_child(&s, &s.server, SERVER_GRACE_MS);
    end_child(&s, &s.capturer, CAPTURER_GRACE_MS);
    if (s.capturer_stderr >= 0)
        close(s.capturer_stderr);
    return 0;
}
