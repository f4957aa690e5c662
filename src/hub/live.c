#include "hub/live.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "hub/live_node.h"
#include "job/job.h"

enum {
    DEFAULT_IDLE_SECONDS = 300,
    ROUND_MS = 250,
    START_SECONDS = 20,
    END_SECONDS = 4,
    FLOOR_BYTES = 1 << 30, /* or a twentieth of the disk: stays free for the recorder */
    AGAIN_MS = 1000,       /* before a job that died is started again … */
    MAX_IN_A_ROW = 5,      /* … so often, unless it ran for a while */
    WHILE_SECONDS = 60,
    MAX_LINES = 1000, /* of a job between two rounds */
    /* Nothing older than this is waited for: a node that stands still holds nobody up. */
    LATEST_SECONDS = 2,
    PIPE_BYTES = 1 << 20
};

struct live {
    struct live_options options;
    char dir[4096];
    pthread_t thread;
    bool thread_started;
    bool stopped; /* atomic: the job is to end */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool wanted, ended;
    bool in_session;
    bool running; /* the job can be asked */
    unsigned attempts, in_a_row;
    int64_t touched_mono_ns, since_ns, until_ns, missed_ns;
    int64_t sealed_ns; /* the entries of what was captured before it are stored */
    uint64_t stored, packets, bytes, missed_bytes, damages, failures;
    char reason[400]; /* why it is off, or what went wrong last */
};

/* Of one job; the thread's own. */
struct session {
    struct live *live;
    struct job *job;
    struct live_feed feed;
    struct live_node **nodes;
    size_t node_count;
    int64_t begin_ns;                       /* what was captured before it is not for this job */
    uint64_t missed_before, damages_before; /* by earlier jobs */
    bool heard, done, closed;               /* what the job said; its end of the channel */
};

static bool is_stopped(const struct live *live)
{
    return __atomic_load_n(&live->stopped, __ATOMIC_RELAXED);
}

static void wait_ms(struct live *live, int64_t ms)
{
    (void)clock_wait(&live->changed, &live->lock, clock_mono_ns() + ms * NS_PER_MS);
}

/* ── what the job says ── */

static void take_message(struct session *s, struct slice line)
{
    struct live *live = s->live;
    json_t *object = json_loadb((const char *)line.data, line.len, 0, NULL);
    const json_t *done = json_object_get(object, "done"),
                 *body = done ? done : json_object_get(object, "live");
    if (body) {
        pthread_mutex_lock(&live->lock);
        live->stored = (uint64_t)json_integer_value(json_object_get(body, "stored"));
        live->packets = (uint64_t)json_integer_value(json_object_get(body, "packets"));
        live->bytes = (uint64_t)json_integer_value(json_object_get(body, "bytes"));
        live->damages =
            s->damages_before + (uint64_t)json_integer_value(json_object_get(body, "damages"));
        live->until_ns = json_integer_value(json_object_get(body, "until_ns"));
        live->sealed_ns = json_integer_value(json_object_get(body, "sealed_ns"));
        live->running = !done;
        if (!s->heard)
            live->reason[0] = 0; /* whatever ended the one before is in the log */
        pthread_cond_broadcast(&live->changed);
        pthread_mutex_unlock(&live->lock);
        s->done = s->done || done;
        s->heard = true;
    }
    json_decref(object);
}

/* Lines that are there, or until the first one. False: the job has closed its end. */
static bool listen_to(struct session *s, int64_t timeout_ns)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    int got = 1;
    for (int i = 0; got == 1 && i < MAX_LINES; i++) {
        got = job_receive(s->job, timeout_ns, &line);
        if (got == 1)
            take_message(s, buf_slice(&line));
        timeout_ns = 0;
    }
    buf_done(&line);
    s->closed = s->closed || !(got == 1 || got == -ETIMEDOUT);
    return !s->closed;
}

/* ── its nodes ── */

static struct live_node *find_node(const struct session *s, const char *name)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (strcmp(live_node_name(s->nodes[i]), name) == 0)
            return s->nodes[i];
    return NULL;
}

/* Those that announced themselves since. */
static void add_nodes(struct session *s)
{
    struct fleet_node **nodes;
    size_t count;
    struct error ignored;
    if (fleet_nodes(s->live->options.fleet, NULL, &nodes, &count, &ignored) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (s->node_count == FLEET_MAX_NODES || find_node(s, fleet_node_name(nodes[i])))
            continue;
        if (live_node_new(nodes[i], s->begin_ns, &s->nodes[s->node_count]) == 0)
            s->node_count++;
    }
    fleet_nodes_done(nodes, count);
}

static void count_missed(struct session *s)
{
    struct live *live = s->live;
    uint64_t bytes = s->missed_before;
    int64_t last_ns = 0;
    for (size_t i = 0; i < s->node_count; i++) {
        int64_t node_last_ns;
        bytes += live_node_missed(s->nodes[i], &node_last_ns);
        last_ns = node_last_ns > last_ns ? node_last_ns : last_ns;
    }
    pthread_mutex_lock(&live->lock);
    live->missed_bytes = bytes;
    live->missed_ns = last_ns > live->missed_ns ? last_ns : live->missed_ns;
    pthread_mutex_unlock(&live->lock);
}

/* What is new of every node; then the time up to which all of them were fed. */
static int feed_round(struct session *s)
{
    int64_t now_ns = clock_now_ns(), until_ns = now_ns;
    add_nodes(s);
    for (size_t i = 0; i < s->node_count && !s->feed.error; i++) {
        struct error error = {.offset = ERROR_NO_OFFSET};
        int64_t node_until_ns = INT64_MIN;
        int e = live_node_round(s->nodes[i], &s->feed, &node_until_ns, &error);
        if (!e && node_until_ns != INT64_MIN && node_until_ns < until_ns)
            until_ns = node_until_ns;
    }
    count_missed(s);
    if (until_ns < now_ns - LATEST_SECONDS * NS_PER_S)
        until_ns = now_ns - LATEST_SECONDS * NS_PER_S;
    struct feed_header h = {.kind = FEED_UNTIL, .value = until_ns};
    return s->feed.error ? s->feed.error : live_feed_put(&s->feed, &h, NULL);
}

/* ── the job ── */

static int start_job(struct session *s, struct error *reterr)
{
    struct live *live = s->live;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(reterr, -errno, "The live job cannot be fed: %s.", strerror(errno));
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* else the usual size */
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    struct buf request;
    struct json_writer w;
    buf_init(&request, 16 * 1024);
    json_init(&w, &request);
    json_begin_object(&w);
    json_member_str(&w, "dir", live->dir);
    json_member_int(&w, "keep_rows", LIVE_KEEP_ROWS);
    json_member_uint(&w, "keep_bytes", LIVE_KEEP_BYTES);
    json_member_int(&w, "begin_ns", s->begin_ns);
    json_end_object(&w);
    const char *const dirs[] = {live->dir, NULL};
    struct job_spec spec = {.kind = "live",
                            .request = buf_slice(&request),
                            .fds = ends,
                            .fd_count = 1,
                            .write_dirs = dirs,
                            .stdout_fd = -1};
    int e = job_start(&spec, &s->job, reterr);
    buf_done(&request);
    close(ends[0]);
    if (e) {
        close(ends[1]);
        return e;
    }
    s->feed = (struct live_feed){.fd = ends[1], .stopped = &live->stopped};
    return 0;
}

/* Its end: it is given time to seal, unless it broke. */
static int end_job(struct session *s, bool broken, struct error *reterr)
{
    struct job_result result;
    close(s->feed.fd);
    int64_t until = clock_mono_ns() + END_SECONDS * NS_PER_S;
    while (!broken && !s->done && clock_mono_ns() < until)
        if (!listen_to(s, NS_PER_S))
            break;
    bool is_gone = s->closed || s->feed.error == -EPIPE; /* it says itself of what it died */
    if (!s->done && !is_gone)
        job_cancel(s->job);
    (void)job_wait(s->job, &result);
    job_free(s->job);
    if (result.ok && s->done)
        return 0;
    return error_set(reterr, result.error.code ? result.error.code : -EIO, "%s",
                     result.ok ? "The live job ended by itself." : result.error.text);
}

static bool is_idle(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    bool idle = clock_mono_ns() - live->touched_mono_ns > live->options.idle_ns;
    if (idle) {
        live->wanted = false;
        snprintf(live->reason, sizeof live->reason, "Nobody looked for %lld seconds.",
                 (long long)(live->options.idle_ns / NS_PER_S));
    }
    pthread_mutex_unlock(&live->lock);
    return idle;
}

/* The recorder's disk is not filled up. */
static bool has_room(const struct live *live)
{
    struct statvfs fs;
    if (statvfs(live->dir, &fs) < 0)
        return true;
    uint64_t floor = (uint64_t)fs.f_blocks / 20 * fs.f_frsize;
    return (uint64_t)fs.f_bavail * fs.f_frsize > (floor < FLOOR_BYTES ? floor : FLOOR_BYTES);
}

static bool wait_for_start(struct session *s)
{
    int64_t until = clock_mono_ns() + START_SECONDS * NS_PER_S;
    while (!s->heard && !is_stopped(s->live) && clock_mono_ns() < until)
        if (!listen_to(s, ROUND_MS * NS_PER_MS))
            return false;
    return s->heard || is_stopped(s->live);
}

/* Until it is switched off (0), or the job died. */
static int run_job(struct session *s, struct error *reterr)
{
    bool alive = wait_for_start(s), room = true;
    while (alive && !is_stopped(s->live) && !is_idle(s->live) && (room = has_room(s->live))) {
        int e = feed_round(s);
        alive = listen_to(s, 0) && !(e && e != -ECANCELED);
        pthread_mutex_lock(&s->live->lock);
        if (alive && !is_stopped(s->live))
            wait_ms(s->live, ROUND_MS);
        pthread_mutex_unlock(&s->live->lock);
    }
    int fed = s->feed.error;
    bool full = fed == -ENOBUFS; /* it has seen as many segments as one job may */
    int e = end_job(s, !alive && !full, reterr);
    if (!room)
        return error_set(reterr, -ENOSPC,
                         "The disk is nearly full, and what is left is for recording: delete "
                         "snapshots.");
    if (fed == -ETIMEDOUT)
        return error_set(reterr, fed, "The live job stood still.");
    return alive || full ? 0 : e ? e : error_set(reterr, -EIO, "The live job ended by itself.");
}

/* Behind what an earlier job sealed, and nothing that was made while live was off. */
static int64_t begin_of(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    int64_t begin_ns = live->sealed_ns > live->since_ns ? live->sealed_ns : live->since_ns;
    pthread_mutex_unlock(&live->lock);
    int64_t now_ns = clock_now_ns(); /* packets may be stamped later than that */
    return begin_ns < now_ns ? begin_ns : now_ns;
}

static int follow_once(struct live *live, struct error *reterr)
{
    struct session s = {.live = live,
                        .begin_ns = begin_of(live),
                        .missed_before = live->missed_bytes,
                        .damages_before = live->damages};
    s.nodes = calloc(FLEET_MAX_NODES, sizeof *s.nodes);
    int e = s.nodes ? start_job(&s, reterr)
                    : error_set(reterr, -ENOMEM, "There is no memory to follow the nodes.");
    if (!e)
        e = run_job(&s, reterr);
    for (size_t i = 0; i < s.node_count; i++)
        live_node_free(s.nodes[i]);
    free(s.nodes);
    return e;
}

/* ── the switch ── */

/* With the lock. */
static void note_end(struct live *live, int e, const struct error *error, int64_t ran_ns)
{
    live->running = live->in_session = false;
    live->in_a_row = !e || ran_ns > WHILE_SECONDS * NS_PER_S ? 0 : live->in_a_row;
    if (e) {
        live->failures++;
        if (++live->in_a_row == MAX_IN_A_ROW || e == -ENOSPC) {
            live->wanted = false;
            live->in_a_row = 0;
        }
        snprintf(live->reason, sizeof live->reason, "%.390s", error->text);
        log_warn("live", "the live job ended", "reason=\"%.300s\"", error->text);
    }
    live->attempts++;
    pthread_cond_broadcast(&live->changed);
}

static void *live_main(void *arg)
{
    struct live *live = arg;
    pthread_mutex_lock(&live->lock);
    while (!live->ended) {
        if (!live->wanted) {
            pthread_cond_wait(&live->changed, &live->lock);
            continue;
        }
        __atomic_store_n(&live->stopped, false, __ATOMIC_RELAXED);
        live->in_session = true;
        pthread_mutex_unlock(&live->lock);
        struct error error = {.offset = ERROR_NO_OFFSET};
        int64_t began_ns = clock_mono_ns();
        int e = follow_once(live, &error);
        pthread_mutex_lock(&live->lock);
        note_end(live, e, &error, clock_mono_ns() - began_ns);
        int64_t again = clock_mono_ns() + AGAIN_MS * NS_PER_MS;
        while (e && live->wanted && !live->ended && clock_mono_ns() < again)
            wait_ms(live, AGAIN_MS);
    }
    pthread_mutex_unlock(&live->lock);
    return NULL;
}

int live_new(const struct live_options *options, struct live **ret_live, struct error *reterr)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return error_set(reterr, -ENOMEM, "There is no memory for live dissection.");
    live->options = *options;
    if (!live->options.idle_ns)
        live->options.idle_ns = DEFAULT_IDLE_SECONDS * NS_PER_S;
    pthread_mutex_init(&live->lock, NULL);
    pthread_cond_init(&live->changed, NULL);
    int n = snprintf(live->dir, sizeof live->dir, "%s/live", options->data_dir);
    int e = n < 0 || (size_t)n >= sizeof live->dir ? -ENAMETOOLONG : 0;
    if (!e && mkdir(live->dir, 0700) < 0 && errno != EEXIST)
        e = -errno;
    if (e)
        error_set(reterr, e, "The folder for live dissection cannot be made: %s.", strerror(-e));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!e && (e = -pthread_create(&live->thread, NULL, live_main, live)) < 0)
        error_set(reterr, e, "The thread for live dissection cannot be started.");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    live->thread_started = e == 0;
    if (e)
        live_free(live);
    else
        *ret_live = live;
    return e;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    pthread_mutex_lock(&live->lock);
    live->ended = true;
    live->wanted = false;
    __atomic_store_n(&live->stopped, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&live->changed);
    pthread_mutex_unlock(&live->lock);
    if (live->thread_started)
        pthread_join(live->thread, NULL);
    pthread_cond_destroy(&live->changed);
    pthread_mutex_destroy(&live->lock);
    free(live);
}

int live_switch(struct live *live, bool on, struct error *reterr)
{
    int64_t until = clock_mono_ns() + (START_SECONDS + END_SECONDS) * NS_PER_S;
    pthread_mutex_lock(&live->lock);
    /* One that is ending still is none that can be asked. */
    unsigned attempts = live->attempts + (live->in_session && is_stopped(live) ? 1 : 0);
    live->touched_mono_ns = clock_mono_ns();
    if (on && !live->wanted) {
        live->since_ns = clock_now_ns();
        live->reason[0] = 0;
    } else if (!on && live->wanted) {
        snprintf(live->reason, sizeof live->reason, "It was switched off.");
    }
    live->wanted = on;
    if (!on)
        __atomic_store_n(&live->stopped, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&live->changed);
    bool there = false;
    while (!(there = on ? live->running && !is_stopped(live) : !live->in_session) &&
           !(on && live->attempts > attempts) && clock_mono_ns() < until)
        wait_ms(live, ROUND_MS);
    int e = 0;
    if (!there)
        e = error_set(reterr, -EIO, "Live dissection cannot be switched %s: %.300s",
                      on ? "on" : "off", live->reason[0] ? live->reason : "it takes too long.");
    if (e && on) {
        live->wanted = false;
        __atomic_store_n(&live->stopped, true, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&live->lock);
    return e;
}

void live_touch(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->touched_mono_ns = clock_mono_ns();
    pthread_mutex_unlock(&live->lock);
}

const char *live_dir(const struct live *live)
{
    return live->dir;
}

bool live_has_store(const struct live *live)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/parts.json", live->dir);
    return access(path, R_OK) == 0;
}

void live_wait(struct live *live, const struct api_live_now *known, int64_t timeout_ns,
               struct api_live_now *ret_now)
{
    int64_t until = clock_mono_ns() + timeout_ns;
    pthread_mutex_lock(&live->lock);
    live->touched_mono_ns = clock_mono_ns();
    while (!live->ended && live->stored <= known->stored && live->running == known->on &&
           clock_mono_ns() < until)
        (void)clock_wait(&live->changed, &live->lock, until);
    *ret_now = (struct api_live_now){.on = live->running, .stored = live->stored};
    snprintf(ret_now->reason, sizeof ret_now->reason, "%s", live->reason);
    pthread_mutex_unlock(&live->lock);
}

void live_write_json(struct live *live, struct json_writer *w)
{
    pthread_mutex_lock(&live->lock);
    int64_t idle_ns = clock_mono_ns() - live->touched_mono_ns;
    json_begin_object(w);
    json_member_str(w, "state", live->running ? "on" : live->wanted ? "starting" : "off");
    json_member_str(w, "reason", live->reason);
    json_key(w, "since");
    if (live->wanted)
        json_time(w, live->since_ns);
    else
        json_none(w);
    json_key(w, "until");
    if (live->running && live->until_ns > 0)
        json_time(w, live->until_ns);
    else
        json_none(w);
    json_member_uint(w, "entries", live->stored);
    json_member_uint(w, "packets", live->packets);
    json_member_uint(w, "bytes", live->bytes);
    json_member_uint(w, "missed_bytes", live->missed_bytes);
    json_key(w, "missed_at");
    if (live->missed_ns)
        json_time(w, live->missed_ns);
    else
        json_none(w);
    json_member_uint(w, "damages", live->damages);
    json_member_uint(w, "failures", live->failures);
    json_member_int(w, "idle_s", live->wanted ? idle_ns / NS_PER_S : 0);
    json_member_int(w, "idle_off_s", live->options.idle_ns / NS_PER_S);
    json_end_object(w);
    pthread_mutex_unlock(&live->lock);
}
