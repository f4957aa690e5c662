#include "hub/queries.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/job.h"

enum {
    MAX_PROCESSES = 8,
    MAX_PER_SOURCE = 2,
    IDLE_SECONDS = 120,
    START_SECONDS = 30,
    ANSWER_SECONDS = 30, /* without an item */
    LISTEN_MS = 250      /* between two looks at whether the asker is still there */
};

struct process {
    struct job *job; /* NULL = free place */
    char id[SNAPSHOT_ID_SIZE], name[80];
    bool busy, closed;
    int64_t used_mono_ns;
    uint64_t next_question;
};

struct queries {
    struct snapshot_store *store;
    int64_t answer_ns;
    pthread_mutex_t lock; /* guards what follows; a busy process belongs to who asks */
    pthread_cond_t changed;
    struct process processes[MAX_PROCESSES];
};

int queries_new(const struct queries_options *options, struct queries **ret_queries)
{
    struct queries *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->store = options->store;
    q->answer_ns = options->answer_ns ? options->answer_ns : ANSWER_SECONDS * NS_PER_S;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    *ret_queries = q;
    return 0;
}

void queries_free(struct queries *queries)
{
    if (!queries)
        return;
    for (size_t i = 0; i < MAX_PROCESSES; i++)
        job_free(queries->processes[i].job);
    pthread_cond_destroy(&queries->changed);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

static bool is_of(const struct process *p, const char *id, const char *name)
{
    return (p->job || p->busy) && strcmp(p->id, id) == 0 && strcmp(p->name, name) == 0;
}

/* ── choosing a process; called with the lock ── */

static struct process *idle_of(struct queries *q, const char *id, const char *name,
                               unsigned *ret_busy)
{
    struct process *idle = NULL;
    *ret_busy = 0;
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &q->processes[i];
        if (!is_of(p, id, name) || p->closed)
            continue;
        if (p->busy)
            ++*ret_busy;
        else
            idle = p;
    }
    return idle;
}

/* A free place, or that of the process that was idle the longest (its job is given back to be
 * ended without the lock). */
static struct process *place_for_new(struct queries *q, struct job **ret_old)
{
    struct process *best = NULL;
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &q->processes[i];
        if (!p->job && !p->busy)
            return p;
        if (!p->busy && (!best || p->used_mono_ns < best->used_mono_ns))
            best = p;
    }
    if (best) {
        *ret_old = best->job;
        best->job = NULL;
    }
    return best;
}

static bool is_gone(const struct api_listener *listener)
{
    return listener->gone && listener->gone(listener->gone_ctx);
}

/* A process that is ours until give_back; its job is NULL when it has to be started. NULL when the
 * asker went away while it waited. */
static struct process *take(struct queries *q, const char *id, const char *name,
                            const struct api_listener *listener)
{
    struct process *p = NULL;
    struct job *old = NULL;
    pthread_mutex_lock(&q->lock);
    while (!p) {
        unsigned busy;
        p = idle_of(q, id, name, &busy);
        if (!p && busy < MAX_PER_SOURCE) {
            p = place_for_new(q, &old);
            if (p) {
                snprintf(p->id, sizeof p->id, "%s", id);
                snprintf(p->name, sizeof p->name, "%s", name);
                p->closed = false;
            }
        }
        if (p)
            break;
        if (is_gone(listener)) {
            pthread_mutex_unlock(&q->lock);
            return NULL;
        }
        struct timespec look;
        clock_gettime(CLOCK_REALTIME, &look);
        look.tv_nsec += LISTEN_MS * 1000 * 1000;
        look.tv_sec += look.tv_nsec / NS_PER_S;
        look.tv_nsec %= NS_PER_S;
        pthread_cond_timedwait(&q->changed, &q->lock, &look);
    }
    p->busy = true;
    pthread_mutex_unlock(&q->lock);
    job_free(old);
    return p;
}

/* A process that broke is ended. */
static void give_back(struct queries *q, struct process *p, bool broken)
{
    struct job *dead = NULL;
    pthread_mutex_lock(&q->lock);
    if (broken || p->closed) {
        dead = p->job;
        p->job = NULL;
    }
    p->busy = false;
    p->used_mono_ns = clock_mono_ns();
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    job_free(dead);
}

/* ── starting one ── */

static int why_it_ended(struct process *p, struct api_problem *problem)
{
    struct job_result result;
    job_cancel(p->job);
    (void)job_wait(p->job, &result);
    if (result.error.code == -ECANCELED)
        problem_set(problem, 504, "The query took too long, or its source was closed.");
    else
        problem_set(problem, 502, "The query process ended: %s", result.error.text);
    return -EIO;
}

static int start(struct queries *q, struct process *p, struct api_problem *problem)
{
    char path[4096];
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct buf request;
    if (snapshot_store_dissection_path(q->store, p->id, p->name, path, sizeof path) < 0) {
        problem_set(problem, 500, "The path of the dissection is too long.");
        return -ENAMETOOLONG;
    }
    buf_init(&request, 16 * 1024);
    struct json_writer w;
    json_init(&w, &request);
    json_begin_object(&w);
    json_key(&w, "dirs");
    json_begin_array(&w);
    json_str(&w, path);
    json_end_array(&w);
    json_key(&w, "source");
    char source[SNAPSHOT_ID_SIZE + sizeof p->name + 2];
    snprintf(source, sizeof source, "%s/%s", p->id, p->name);
    json_str(&w, source);
    json_end_object(&w);
    const char *const dirs[] = {path, NULL};
    struct job_spec spec = {
        .kind = "query", .request = buf_slice(&request), .read_dirs = dirs, .stdout_fd = -1};
    struct job *job = NULL;
    int e = buf_failed(&request) ? -ENOMEM : job_start(&spec, &job, &err);
    buf_done(&request);
    if (e) {
        problem_from_error(problem, &err);
        return e;
    }
    pthread_mutex_lock(&q->lock);
    p->job = job;
    p->next_question = 1;
    pthread_mutex_unlock(&q->lock);
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    e = job_receive(job, START_SECONDS * NS_PER_S, &line);
    bool ready = e == 1 && slice_starts_with(buf_slice(&line), SLICE_LITERAL("{\"ready\":true"));
    buf_done(&line);
    return ready ? 0 : why_it_ended(p, problem);
}

/* ── asking ── */

/* Takes {"q":N,"KEY":VALUE} apart without parsing VALUE, which may be large: the process writes
 * exactly this form. */
static bool answer_part(struct slice line, const char *head, const char *key, struct slice *ret)
{
    struct slice h = slice_str(head), k = slice_str(key);
    if (!slice_starts_with(line, h) || !slice_ends_with(line, SLICE_LITERAL("}")))
        return false;
    struct slice rest = slice_sub(line, h.len, line.len - h.len - 1);
    if (!slice_starts_with(rest, k))
        return false;
    *ret = slice_sub(rest, k.len, rest.len);
    return true;
}

/* 1 = the answer is whole, 0 = more to come, negative = broken. */
static int take_line(struct slice line, const char *head, api_write item, void *item_ctx,
                     struct buf *ret_result, struct api_problem *problem)
{
    struct slice part;
    if (answer_part(line, head, ",\"item\":", &part)) {
        int e = item ? item(item_ctx, part.data, part.len) : 0;
        if (e)
            problem_set(problem, 499, "The client went away.");
        return e < 0 ? e : e ? -ECANCELED : 0;
    }
    if (answer_part(line, head, ",\"result\":", &part)) {
        int e = buf_append_slice(ret_result, part);
        if (e)
            problem_set(problem, 503, "The answer is larger than it may be.");
        return e ? e : 1;
    }
    if (answer_part(line, head, ",\"problem\":", &part)) {
        if (!problem_parse(part, problem))
            problem_set(problem, 502, "The query process gave an answer that makes no sense.");
        return 1;
    }
    problem_set(problem, 502, "The query process gave an answer that makes no sense.");
    return -EPROTO;
}

/* The next line of the process. Looks now and then whether somebody still listens. */
static int listen_to(struct process *p, const struct api_listener *listener, int64_t until_ns,
                     struct buf *line, struct api_problem *problem)
{
    for (;;) {
        int64_t left = until_ns - clock_mono_ns();
        int64_t step = LISTEN_MS * NS_PER_MS;
        int got = job_receive(p->job, left < step ? (left > 0 ? left : 0) : step, line);
        if (got == 1)
            return 0;
        if (got != -ETIMEDOUT)
            return why_it_ended(p, problem);
        if (is_gone(listener)) {
            problem_set(problem, 499, "The client went away.");
            return -ECANCELED;
        }
        if (left <= 0) {
            problem_set(problem, 503,
                        "The question took longer than it may: narrow the time or the filter.");
            return -ETIMEDOUT;
        }
    }
}

static int converse(struct process *p, int64_t answer_ns, struct slice question,
                    const struct api_listener *listener, struct buf *ret_result,
                    struct api_problem *problem)
{
    char head[40];
    struct buf line;
    uint64_t number = p->next_question++;
    snprintf(head, sizeof head, "{\"q\":%" PRIu64, number);
    buf_init(&line, JOB_MAX_LINE_BYTES);
    buf_printf(&line, "%s,", head);
    buf_append_slice(&line, question);
    buf_append_str(&line, "}");
    int e = buf_failed(&line) ? buf_failed(&line) : job_send(p->job, buf_slice(&line));
    int64_t until = clock_mono_ns() + answer_ns;
    while (!e) {
        e = listen_to(p, listener, until, &line, problem);
        if (e)
            break;
        e = take_line(buf_slice(&line), head, listener->item, listener->item_ctx, ret_result,
                      problem);
        until = clock_mono_ns() + answer_ns;
    }
    if (e < 0 && !problem->status)
        (void)why_it_ended(p, problem);
    buf_done(&line);
    return e < 0 ? e : 0;
}

int queries_ask(struct queries *queries, const char *id, const char *name, struct slice question,
                const struct api_listener *listener, struct buf *ret_result,
                struct api_problem *ret_problem)
{
    static const struct api_listener nobody = {0};
    listener = listener ? listener : &nobody;
    *ret_problem = (struct api_problem){.offset = -1};
    struct process *p = take(queries, id, name, listener);
    if (!p) {
        problem_set(ret_problem, 499, "The client went away.");
        return -ECANCELED;
    }
    int e = p->job ? 0 : start(queries, p, ret_problem);
    if (!e)
        e = converse(p, queries->answer_ns, question, listener, ret_result, ret_problem);
    give_back(queries, p, e != 0);
    if (e && !ret_problem->status)
        problem_set(ret_problem, 502, "The query process does not answer.");
    return e || ret_problem->status ? (e ? e : -EINVAL) : 0;
}

/* ── ending ── */

void queries_close(struct queries *queries, const char *id, const char *name)
{
    struct job *dead[MAX_PROCESSES];
    size_t n = 0;
    pthread_mutex_lock(&queries->lock);
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &queries->processes[i];
        if (!is_of(p, id, name))
            continue;
        p->closed = true;
        if (p->busy) {
            if (p->job)
                job_cancel(p->job); /* who asks ends it */
        } else {
            dead[n++] = p->job;
            p->job = NULL;
        }
    }
    /* The folder may be deleted only when nobody reads it. */
    bool open = true;
    while (open) {
        open = false;
        for (size_t i = 0; i < MAX_PROCESSES; i++)
            open = open || (is_of(&queries->processes[i], id, name) && queries->processes[i].busy &&
                            queries->processes[i].closed);
        if (open)
            pthread_cond_wait(&queries->changed, &queries->lock);
    }
    pthread_mutex_unlock(&queries->lock);
    for (size_t i = 0; i < n; i++)
        job_free(dead[i]);
}

void queries_tidy(struct queries *queries)
{
    struct job *dead[MAX_PROCESSES];
    size_t n = 0;
    pthread_mutex_lock(&queries->lock);
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &queries->processes[i];
        if (p->job && !p->busy && clock_mono_ns() - p->used_mono_ns > IDLE_SECONDS * NS_PER_S) {
            dead[n++] = p->job;
            p->job = NULL;
        }
    }
    pthread_mutex_unlock(&queries->lock);
    for (size_t i = 0; i < n; i++)
        job_free(dead[i]);
}
