#include "worker/capturer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "ring/ring_format.h"
#include "ring/ring_owner.h"
#include "ring/ring_requests.h"
#include "ring/ring_writer.h"
#include "worker/owner_watch.h"

#define AREA          "capturer"
#define LOSS_EVERY_NS (50 * NS_PER_MS)
#define DRAIN_LIMIT_NS                                                        \
    (1500 * NS_PER_MS) /* a request is answered even when draining never ends \
                        */
#define LOSS_LOG_NS     (10 * NS_PER_S)
#define OWNERS_EVERY_NS (20 * NS_PER_MS)
#define STILL_NS        NS_PER_S /* a loop that took longer stood still */

enum {
    BATCHES_PER_TURN = 64,
    IDLE_MS = 100,
    ASKED_MS = 5,
    MAX_WAITING = 8,
    FIXED_FDS = 2 /* signals, inotify */
};

struct waiting {
    struct ring_request request;
    int64_t asked_ns; /* by the node's clock: everything before has to be in */
};

struct capturer {
    const struct capturer_options *options;
    int ring_fd, signal_fd, inotify_fd;
    struct capture *capture;
    struct ring_writer *writer;
    struct ring_requests *requests;
    struct waiting waiting[MAX_WAITING];
    size_t waiting_count;
    bool ending, no_interface;
    struct owner_watch owners;
    int64_t owners_mono_ns;
    int64_t drained_until_ns;
    int64_t moved_mono_ns; /* when the loop was last seen moving */
    uint64_t lost;         /* packets, since then */
    int64_t woke_ns;       /* after standing still, until what was kept meanwhile is in; or 0 */
    int64_t kept_until_ns; /* time of the last packet that was put */
    int64_t links_ns;      /* when the kernel was last asked for its interfaces */
    int64_t loss_checked_ns, loss_checked_mono_ns, loss_logged_mono_ns;
    uint64_t loss_logged;
    struct packet packets[RING_WRITER_BATCH];
};

/* ── the folder ── */

static void give_files(const struct ring_owner *owner, int ring_fd, const char *folder)
{
    int fd = openat(ring_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, "..") != 0)
            (void)ring_owner_give(owner, fd, entry->d_name);
    closedir(dir);
}

int capturer_prepare_folder(const char *data_dir, struct error *reterr)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/ring", data_dir) >= (int)sizeof path)
        return error_set(reterr, -ENAMETOOLONG, "the path of the data folder is too long");
    int r = io_make_dirs("ring-folder", path, 0755);
    if (r < 0)
        return error_set(reterr, r, "the folder %s cannot be made: %s", path, strerror(-r));
    struct ring_owner owner;
    r = ring_owner_find(data_dir, &owner, reterr);
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "the folder %s cannot be opened: %s", path,
                         strerror(errno));
    if (owner.drops) {
        (void)ring_owner_give(&owner, AT_FDCWD, data_dir);
        give_files(&owner, fd, ".");
        give_files(&owner, fd, RING_PINS_DIR);
    }
    return fd;
}

/* ── own connections ── */

static size_t read_excludes(const struct capturer *c, struct capture_exclude *list)
{
    const struct capture_options *given = &c->options->capture;
    size_t count = given->exclude_count;
    memcpy(list, given->excludes, count * sizeof *list);
    struct buf text;
    buf_init(&text, 4096);
    if (io_read_file(c->ring_fd, RING_EXCLUDE_FILE, &text) == 0 && buf_append_u8(&text, 0) == 0) {
        char *line = (char *)text.data, *end;
        for (; *line && count < CAPTURE_MAX_EXCLUDES; line = end) {
            size_t n = strcspn(line, "\n");
            end = line + n + (line[n] == '\n');
            line[n] = '\0';
            if (capture_parse_exclude(line, &list[count]) == 0)
                count++;
        }
    }
    buf_done(&text);
    return count;
}

static void update_excludes(struct capturer *c)
{
    struct capture_exclude list[CAPTURE_MAX_EXCLUDES];
    struct error error;
    size_t count = read_excludes(c, list);
    if (capture_set_excludes(c->capture, list, count, &error) < 0)
        log_warn(AREA, "own connections cannot be left out", "error=\"%s\"", error.text);
}

/* ── interfaces, losses ── */

static void update_interfaces(struct capturer *c)
{
    struct capture_interface change;
    while (capture_take_change(c->capture, &change)) {
        struct ring_writer_interface interface = {change.name, change.link_type, change.up,
                                                  change.drops_known};
        ring_writer_set_interface(c->writer, change.slot, &interface);
    }
    char detail[200] = "", there[90];
    const char *missing = capture_missing(c->capture);
    if (missing[0]) {
        capture_list_interfaces(c->capture, there, sizeof there);
        snprintf(detail, sizeof detail, "waits for the interface %.60s to appear; there are %s",
                 missing, there[0] ? there : "none");
    }
    if (!detail[0])
        snprintf(detail, sizeof detail, "%s", owner_watch_problem(&c->owners));
    if (!detail[0])
        snprintf(detail, sizeof detail, "%s", ring_writer_openings_problem(c->writer));
    ring_writer_set_detail(c->writer, detail);
    /* whatever was captured of the last interface is put first */
    bool waiting = capture_is_waiting(c->capture);
    if (waiting == c->no_interface || (waiting && c->drained_until_ns < c->links_ns))
        return;
    c->no_interface = waiting;
    ring_writer_set_waiting(c->writer, waiting, c->links_ns);
    if (waiting)
        log_warn(AREA, "nothing is recorded yet", "reason=\"%s\"", detail);
    else
        log_info(AREA, "the interface is there: recording", NULL);
}

static void check_losses(struct capturer *c, int64_t now_ns, int64_t mono_ns)
{
    struct capture_loss loss;
    for (size_t at = 0; capture_take_loss(c->capture, &at, &loss);) {
        struct ring_drop_event event = {.from_ns = c->loss_checked_ns < now_ns ? c->loss_checked_ns
                                                                               : now_ns - 1,
                                        .to_ns = now_ns,
                                        .drops = {.kernel = loss.drops}};
        ring_writer_declare(c->writer, &event, loss.slot);
        c->lost += loss.drops;
        c->loss_logged += loss.drops;
    }
    ring_writer_count_excluded(c->writer, capture_take_excluded(c->capture));
    c->loss_checked_ns = now_ns;
    c->loss_checked_mono_ns = mono_ns;
    if (c->loss_logged && mono_ns - c->loss_logged_mono_ns >= LOSS_LOG_NS) {
        log_warn(AREA, "the kernel dropped packets", "count=%llu",
                 (unsigned long long)c->loss_logged);
        c->loss_logged = 0;
        c->loss_logged_mono_ns = mono_ns;
    }
}

/* ── standing still ── */

/* Was this process stopped, or starved, for longer than a second? When the kernel's buffer was too
 * small for that time, what comes after it waits until what was kept is in: the hole between them
 * is a gap, not just a number of drops. To be asked before packets are taken. */
static void notice_still(struct capturer *c)
{
    int64_t mono_ns = clock_mono_ns();
    bool stood_still = c->moved_mono_ns && mono_ns - c->moved_mono_ns > STILL_NS;
    if (stood_still && !c->woke_ns) {
        int64_t now_ns = clock_now_ns();
        check_losses(c, now_ns, mono_ns);
        if (c->lost) {
            c->woke_ns = now_ns;
            if (c->kept_until_ns < c->drained_until_ns)
                c->kept_until_ns = c->drained_until_ns;
            capture_hold_back(c->capture, now_ns);
        }
    }
    c->moved_mono_ns = mono_ns;
    c->lost = 0;
}

static void end_still(struct capturer *c)
{
    int64_t from_ns = c->kept_until_ns + 1, to_ns = c->woke_ns;
    c->woke_ns = 0;
    capture_hold_back(c->capture, INT64_MAX);
    if (to_ns - from_ns <= STILL_NS)
        return;
    ring_writer_declare_gap(c->writer, from_ns, to_ns);
    log_warn(AREA, "nothing was captured while this process stood still", "seconds=%.3f",
             (double)(to_ns - from_ns) / NS_PER_S);
}

/* ── requests ── */

static void take_requests(struct capturer *c, int64_t now_ns, int64_t mono_ns)
{
    struct ring_request request;
    while (c->waiting_count < MAX_WAITING && ring_requests_take(c->requests, mono_ns, &request)) {
        if (request.command == RING_COMMAND_PAUSE) {
            now_ns = clock_now_ns();
            (void)capture_stop(c->capture);
        } else if (request.command != RING_COMMAND_ROTATE &&
                   request.command != RING_COMMAND_RESUME) {
            ring_requests_answer(c->requests, request.slot, -EINVAL, 0);
            continue;
        }
        c->waiting[c->waiting_count++] = (struct waiting){request, now_ns};
    }
}

static void answer(struct capturer *c, const struct waiting *waiting, int64_t covered_ns)
{
    struct error error;
    int64_t value = covered_ns;
    int r = 0;
    switch (waiting->request.command) {
    case RING_COMMAND_ROTATE:
        ring_writer_rotate(c->writer, covered_ns);
        break;
    case RING_COMMAND_PAUSE:
        value = waiting->asked_ns;
        ring_writer_stop(c->writer, value);
        log_info(AREA, "capture is paused by request", NULL);
        break;
    case RING_COMMAND_RESUME:
        r = capture_resume(c->capture, &error);
        value = clock_now_ns();
        if (r == 0)
            ring_writer_resume(c->writer, value);
        log_info(AREA, "capture goes on", NULL);
        break;
    }
    ring_requests_answer(c->requests, waiting->request.slot, r, value);
}

/* In the order they came, each when everything captured before it is in. */
static void answer_requests(struct capturer *c, int64_t mono_ns)
{
    while (c->waiting_count > 0) {
        struct waiting first = c->waiting[0];
        bool late = mono_ns - first.request.asked_mono_ns > DRAIN_LIMIT_NS;
        if (c->drained_until_ns < first.asked_ns && !late &&
            first.request.command != RING_COMMAND_RESUME)
            return;
        answer(c, &first, c->drained_until_ns);
        c->waiting_count--;
        memmove(&c->waiting[0], &c->waiting[1], c->waiting_count * sizeof c->waiting[0]);
    }
}

/* ── the loop ── */

static void read_events(struct capturer *c, const struct pollfd *fds, size_t count)
{
    bool news = false;
    for (size_t i = FIXED_FDS; i < count; i++)
        news |= (i == FIXED_FDS && fds[i].revents) || (fds[i].revents & (POLLERR | POLLHUP));
    if (news) {
        c->links_ns = clock_now_ns();
        capture_update_links(c->capture);
    }
    struct signalfd_siginfo signal;
    if (fds[0].revents && read(c->signal_fd, &signal, sizeof signal) == sizeof signal)
        c->ending = true;
    if (fds[1].revents & POLLIN) {
        uint8_t events[4096] __attribute__((aligned(8)));
        bool excludes = false;
        ssize_t n = read(c->inotify_fd, events, sizeof events);
        for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
            const struct inotify_event *event = (const void *)(events + at);
            at += (ssize_t)(sizeof *event + event->len);
            excludes |= event->len && strcmp(event->name, RING_EXCLUDE_FILE) == 0;
        }
        if (excludes)
            update_excludes(c);
    }
}

/* Everything that is there, or as much as a turn allows. */
static void drain(struct capturer *c, int64_t now_ns)
{
    for (int i = 0; i < BATCHES_PER_TURN; i++) {
        notice_still(c);
        size_t n = capture_next(c->capture, c->packets, RING_WRITER_BATCH);
        if (n == 0) {
            int64_t until_ns = capture_drained_until(c->capture, now_ns);
            if (c->woke_ns && until_ns >= c->woke_ns)
                end_still(c);
            if (!c->woke_ns)
                c->drained_until_ns = until_ns;
            break;
        }
        update_interfaces(c);
        ring_writer_put(c->writer, c->packets, n);
        if (c->packets[n - 1].ts_ns > c->kept_until_ns) /* the last of a block is its newest */
            c->kept_until_ns = c->packets[n - 1].ts_ns;
    }
}

static void turn(struct capturer *c)
{
    struct pollfd fds[FIXED_FDS + CAPTURE_MAX_FDS] = {{.fd = c->signal_fd, .events = POLLIN},
                                                      {.fd = c->inotify_fd, .events = POLLIN}};
    size_t count = FIXED_FDS + capture_poll_fds(c->capture, fds + FIXED_FDS);
    if (poll(fds, (nfds_t)count, c->waiting_count ? ASKED_MS : IDLE_MS) > 0)
        read_events(c, fds, count);
    int64_t now_ns = clock_now_ns(), mono_ns = clock_mono_ns();
    update_interfaces(c);
    ring_writer_tick(c->writer, now_ns, mono_ns, c->drained_until_ns);
    take_requests(c, now_ns, mono_ns);
    drain(c, now_ns);
    if (mono_ns - c->loss_checked_mono_ns >= LOSS_EVERY_NS || c->waiting_count)
        check_losses(c, clock_now_ns(), mono_ns);
    if (mono_ns - c->owners_mono_ns >= OWNERS_EVERY_NS) {
        c->owners_mono_ns = mono_ns;
        owner_watch_turn(&c->owners, c->writer);
    }
    answer_requests(c, mono_ns);
}

/* The last packets wait in blocks that are not full: as long as those take to come. */
static void finish(struct capturer *c)
{
    int64_t end_ns = clock_now_ns();
    int64_t begin_mono_ns = clock_mono_ns();
    (void)capture_stop(c->capture);
    while (c->drained_until_ns < end_ns && clock_mono_ns() - begin_mono_ns < DRAIN_LIMIT_NS) {
        drain(c, clock_now_ns());
        usleep(5000);
    }
    check_losses(c, clock_now_ns(), clock_mono_ns());
    ring_writer_close(c->writer, end_ns);
    c->writer = NULL;
}

/* ── beginning and end ── */

static int open_events(struct capturer *c)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    c->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (c->signal_fd < 0)
        return -errno;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", c->ring_fd);
    /* without it requests are seen at the next turn */
    if (c->inotify_fd >= 0)
        (void)inotify_add_watch(c->inotify_fd, path, IN_ATTRIB | IN_MOVED_TO | IN_CLOSE_WRITE);
    return 0;
}

static int begin(struct capturer *c, struct error *reterr)
{
    const struct capturer_options *options = c->options;
    struct ring_owner owner;
    int r = ring_owner_find(options->data_dir, &owner, reterr);
    if (r == 0) {
        owner_watch_start(&c->owners, &owner);
        r = ring_owner_become(&owner, RING_KEEP_NET_RAW, false, reterr);
    }
    if (r == 0)
        r = prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ? -errno : 0; /* a change of user clears it */
    if (r == 0)
        r = open_events(c);
    struct capture_exclude list[CAPTURE_MAX_EXCLUDES];
    struct capture_options capture = options->capture;
    capture.excludes = list;
    capture.exclude_count = read_excludes(c, list);
    if (r == 0)
        r = capture_open(&capture, &c->capture, reterr);
    if (r < 0)
        return r;
    char ring_dir[4096];
    snprintf(ring_dir, sizeof ring_dir, "%.4000s/ring", options->data_dir);
    struct ring_writer_options ring = {.dir_fd = c->ring_fd,
                                       .ring_dir = ring_dir,
                                       .budget_bytes = options->ring_bytes,
                                       .segment_bytes = options->segment_bytes,
                                       .snaplen_bytes = capture.snaplen_bytes,
                                       .filter = capture.filter};
    c->loss_checked_ns = clock_now_ns();
    r = ring_writer_open(&ring, c->loss_checked_ns, clock_mono_ns(), &c->writer, reterr);
    c->drained_until_ns = c->links_ns = c->loss_checked_ns;
    return r < 0 ? r : ring_requests_serve(c->ring_fd, &c->requests, reterr);
}

static void tell_problem(int ring_fd, const struct error *error)
{
    if (error && error->code != -EBUSY) /* another one records */
        (void)io_replace_file("ring-problem", ring_fd, RING_PROBLEM_FILE, slice_str(error->text),
                              0640);
}

int capturer_run(const struct capturer_options *options, struct error *reterr)
{
    struct capturer *c = calloc(1, sizeof *c);
    struct error error = {0};
    if (!c)
        return error_set(reterr, -ENOMEM, "no memory");
    *c = (struct capturer){
        .options = options, .signal_fd = -1, .inotify_fd = -1, .owners = {.fd = -1}};
    int r = c->ring_fd = capturer_prepare_folder(options->data_dir, &error);
    if (r >= 0) {
        r = begin(c, &error);
        if (r < 0)
            tell_problem(c->ring_fd, &error);
        else
            (void)io_unlink("ring-problem", c->ring_fd, RING_PROBLEM_FILE, 0);
    }
    if (r == 0) {
        const char *began = capture_is_waiting(c->capture) ? "started" : "recording",
                   *recovered = ring_writer_recovery(c->writer);
        if (recovered[0])
            log_info(AREA, began, "recovered=\"%s\"", recovered);
        else
            log_info(AREA, began, NULL);
        while (!c->ending)
            turn(c);
        finish(c);
        log_info(AREA, "sealed, ending", NULL);
    }
    ring_writer_close(c->writer, clock_now_ns());
    owner_watch_stop(&c->owners);
    ring_requests_free(c->requests);
    capture_free(c->capture);
    if (c->signal_fd >= 0)
        close(c->signal_fd);
    if (c->inotify_fd >= 0)
        close(c->inotify_fd);
    if (c->ring_fd >= 0)
        close(c->ring_fd);
    free(c);
    if (r < 0 && reterr)
        *reterr = error;
    return r;
}
