#include "hub/queries.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/query_sources.h"
#include "job/job.h"

enum {
    MAX_PROCESSES = 8,
    IDLE_SECONDS = 120,
    START_SECONDS = 30,
    ANSWER_SECONDS = 30, /* without an item */
    LISTEN_MS = 250      /* between two looks at whether the asker is still there */
};

/* A question begins while fewer processes than this are busy: however many slow filters and
 * downloads run, one process of a source is left for what is answered at once (opening an entry),
 * and a download never takes the place of the next page. */
enum weight {
    LIGHT,  /* no filter: columns by an id or a time */
    FILTER, /* may judge every entry */
    STREAM, /* items at the pace of who takes them */
    WEIGHTS
};
static const struct {
    unsigned of_source, of_all;
} limits[WEIGHTS] = {[LIGHT] = {4, MAX_PROCESSES}, [FILTER] = {3, 6}, [STREAM] = {2, 5}};

struct process {
    struct job *job; /* NULL = free place */
    struct query_sources sources;
    bool busy, closed;
    enum weight weight;
    char *topic; /* filter and time it judged last, whose matches it still has; NULL = none */
    int64_t used_mono_ns;
    uint64_t next_question;
};

struct queries {
    struct snapshot_store *store;
    const char *live_dir;
    int64_t answer_ns;
    pthread_mutex_t lock; /* guards what follows; a busy process belongs to who asks */
    pthread_cond_t changed;
    struct process processes[MAX_PROCESSES];
};

/* One question under way. */
struct asking {
    struct queries *queries;
    struct query_sources sources;
    struct slice question;
    enum weight weight;
    char *topic; /* NULL = it has no filter */
    const struct api_listener *listener;
    uint64_t items;
    bool died; /* its process ended by itself */
    struct buf *result;
    struct api_problem *problem;
};

int queries_new(const struct queries_options *options, struct queries **ret_queries)
{
    struct queries *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->store = options->store;
    q->live_dir = options->live_dir;
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
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        job_free(queries->processes[i].job);
        free(queries->processes[i].topic);
    }
    pthread_cond_destroy(&queries->changed);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

/* A process has exactly these open. */
static bool is_of(const struct process *p, const struct query_sources *sources)
{
    return (p->job || p->busy) && query_sources_equal(&p->sources, sources);
}

/* A source is among those that a process has open. */
static bool has_open(const struct process *p, const char *id, const char *name)
{
    return (p->job || p->busy) && query_sources_have(&p->sources, id, name);
}

static void log_query(const struct query_sources *sources, const char *event, const char *cause)
{
    char shown[400];
    struct buf names;
    buf_init(&names, 4096);
    query_sources_put(sources, &names);
    buf_append_u8(&names, 0);
    text_escape(slice_str(cause), shown, sizeof shown);
    log_warn("query", event, "source=\"%s\" cause=\"%s\"",
             buf_failed(&names) ? "" : (const char *)names.data, shown);
    buf_done(&names);
}

static bool is_gone(const struct api_listener *listener)
{
    return listener->gone && listener->gone(listener->gone_ctx);
}

/* ── what a question costs ── */

/* Their answers come item by item. */
static bool is_stream(const char *op)
{
    static const char *const ops[] = {"lines", "har", "packets"};
    for (size_t i = 0; op && i < sizeof ops / sizeof *ops; i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

static int64_t time_member(const json_t *json, const char *name, int64_t absent)
{
    const json_t *v = json_object_get(json, name);
    return json_is_integer(v) ? json_integer_value(v) : absent;
}

static int weigh(struct asking *a)
{
    struct buf text;
    buf_init(&text, JOB_MAX_LINE_BYTES);
    buf_append_str(&text, "{");
    buf_append_slice(&text, a->question);
    buf_append_str(&text, "}");
    json_t *json = json_loadb((const char *)text.data, text.len, 0, NULL);
    const char *filter = json_string_value(json_object_get(json, "filter"));
    int e = buf_failed(&text);
    buf_done(&text);
    if (filter && *filter &&
        asprintf(&a->topic, "%" PRId64 " %" PRId64 " %s", time_member(json, "from_ns", INT64_MIN),
                 time_member(json, "to_ns", INT64_MAX), filter) < 0) {
        a->topic = NULL;
        e = -ENOMEM;
    }
    a->weight = is_stream(json_string_value(json_object_get(json, "op"))) ? STREAM
                : a->topic                                                ? FILTER
                                                                          : LIGHT;
    json_decref(json);
    return e;
}

/* ── choosing a process; called with the lock ── */

static bool has_topic(const struct process *p, const struct asking *a)
{
    return p->topic && a->topic && strcmp(p->topic, a->topic) == 0;
}

/* An idle process, best one that has judged this filter already. False: the question has to wait,
 * because its limit is reached or because another one judges the same entries by the same filter
 * just now and will then have the answer to both. */
static bool may_begin(struct queries *q, const struct asking *a, struct process **ret_idle)
{
    unsigned of_source = 0, of_all = 0;
    *ret_idle = NULL;
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        struct process *p = &q->processes[i];
        of_all += p->busy;
        if (!is_of(p, &a->sources) || p->closed)
            continue;
        of_source += p->busy;
        if (p->busy && p->weight == FILTER && a->weight == FILTER && has_topic(p, a))
            return false;
        if (!p->busy && (!*ret_idle || has_topic(p, a)))
            *ret_idle = p;
    }
    return of_source < limits[a->weight].of_source && of_all < limits[a->weight].of_all;
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

static void wait_a_while(struct queries *q)
{
    (void)clock_wait(&q->changed, &q->lock, clock_mono_ns() + LISTEN_MS * NS_PER_MS);
}

static void occupy(struct process *p, const struct asking *a, bool is_new)
{
    if (is_new) {
        p->sources = a->sources;
        p->closed = false;
        free(p->topic);
        p->topic = NULL;
    }
    if (a->topic && !has_topic(p, a)) {
        free(p->topic);
        p->topic = strdup(a->topic); /* without memory: judged once more */
    }
    p->weight = a->weight;
    p->busy = true;
}

/* A process that is ours until give_back; its job is NULL when it has to be started. NULL with the
 * problem when the asker went away while it waited, or waited too long. */
static struct process *take(struct asking *a)
{
    struct queries *q = a->queries;
    struct process *p = NULL;
    struct job *old = NULL;
    int64_t until = clock_mono_ns() + q->answer_ns;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        bool begins = may_begin(q, a, &p), is_new = begins && !p;
        if (is_new)
            p = place_for_new(q, &old);
        if (begins && p) {
            occupy(p, a, is_new);
            break;
        }
        p = NULL;
        if (is_gone(a->listener))
            problem_set(a->problem, 499, "The client went away.");
        else if (clock_mono_ns() >= until)
            problem_set(a->problem, 503,
                        "Other questions to this source are still being answered: ask again soon.");
        if (a->problem->status)
            break;
        wait_a_while(q);
    }
    pthread_mutex_unlock(&q->lock);
    job_free(old);
    return p;
}

/* A process that broke is ended. False: its source was closed meanwhile. */
static bool give_back(struct queries *q, struct process *p, bool broken)
{
    struct job *dead = NULL;
    pthread_mutex_lock(&q->lock);
    bool closed = p->closed;
    if (broken || closed) {
        dead = p->job;
        p->job = NULL;
    }
    p->busy = false;
    p->used_mono_ns = clock_mono_ns();
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    job_free(dead);
    return !closed;
}

/* ── starting one ── */

static int why_it_ended(struct queries *q, struct process *p, struct api_problem *problem)
{
    struct job_result result;
    job_cancel(p->job); /* one that only closed its channel */
    (void)job_wait(p->job, &result);
    pthread_mutex_lock(&q->lock);
    bool closed = p->closed;
    pthread_mutex_unlock(&q->lock);
    if (closed)
        problem_set(problem, 504, "The source was closed while the question was answered.");
    else if (result.error.code == -ECANCELED)
        problem_set(problem, 502,
                    "The query process was killed; the machine may have run out of memory.");
    else
        problem_set(problem, 502, "The query process ended: %s", result.error.text);
    if (!closed && result.error.cause[0])
        log_query(&p->sources, "a query process ended", result.error.cause);
    return -EIO;
}

static int start_job(struct queries *q, struct process *p, struct api_problem *problem)
{
    struct query_folders folders = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct job *job = NULL;
    struct buf request;
    buf_init(&request, (API_MAX_SOURCES + 1) * 8192);
    int e = query_folders_find(q->store, q->live_dir, &p->sources, &folders, &err);
    if (!e) {
        query_sources_write_request(&p->sources, &folders, &request);
        struct job_spec spec = {.kind = "query",
                                .request = buf_slice(&request),
                                .read_dirs = (const char *const *)folders.paths,
                                .stdout_fd = -1};
        e = buf_failed(&request) ? error_set(&err, -ENOMEM, "The hub has no memory left.")
                                 : job_start(&spec, &job, &err);
    }
    if (e)
        problem_from_error(problem, &err);
    buf_done(&request);
    query_folders_done(&folders);
    if (e)
        return e;
    pthread_mutex_lock(&q->lock);
    p->job = job;
    p->next_question = 1;
    pthread_mutex_unlock(&q->lock);
    return 0;
}

static int start(struct queries *q, struct process *p, struct api_problem *problem)
{
    int e = start_job(q, p, problem);
    if (e)
        return e;
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    e = job_receive(p->job, START_SECONDS * NS_PER_S, &line);
    bool ready = e == 1 && slice_starts_with(buf_slice(&line), SLICE_LITERAL("{\"ready\":true"));
    buf_done(&line);
    return ready ? 0 : why_it_ended(q, p, problem);
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

/* What the store itself said is for us, not for who asked. */
static void log_cause(const struct asking *a, struct slice problem)
{
    json_t *object = json_loadb((const char *)problem.data, problem.len, 0, NULL);
    const char *cause = json_string_value(json_object_get(object, "cause"));
    if (cause)
        log_query(&a->sources, "the entry store could not answer", cause);
    json_decref(object);
}

/* 1 = the answer is whole, 0 = more to come, negative = broken. */
static int take_line(struct asking *a, struct slice line, const char *head)
{
    struct slice part;
    const struct api_listener *l = a->listener;
    if (answer_part(line, head, ",\"item\":", &part)) {
        a->items++;
        int e = l->item ? l->item(l->item_ctx, part.data, part.len) : 0;
        if (e)
            problem_set(a->problem, 499, "The client went away.");
        return e < 0 ? e : e ? -ECANCELED : 0;
    }
    if (answer_part(line, head, ",\"result\":", &part)) {
        int e = buf_append_slice(a->result, part);
        if (e)
            problem_set(a->problem, 503, "The answer is larger than it may be.");
        return e ? e : 1;
    }
    if (answer_part(line, head, ",\"problem\":", &part)) {
        if (!problem_parse(part, a->problem))
            problem_set(a->problem, 502, "The query process gave an answer that makes no sense.");
        log_cause(a, part);
        return 1;
    }
    problem_set(a->problem, 502, "The query process gave an answer that makes no sense.");
    return -EPROTO;
}

/* The next line of the process. Looks now and then whether somebody still listens. */
static int listen_to(struct asking *a, struct process *p, int64_t until_ns, struct buf *line)
{
    for (;;) {
        int64_t left = until_ns - clock_mono_ns();
        int64_t step = LISTEN_MS * NS_PER_MS;
        int got = job_receive(p->job, left < step ? (left > 0 ? left : 0) : step, line);
        if (got == 1)
            return 0;
        if (got != -ETIMEDOUT) {
            a->died = true;
            return why_it_ended(a->queries, p, a->problem);
        }
        if (is_gone(a->listener)) {
            problem_set(a->problem, 499, "The client went away.");
            return -ECANCELED;
        }
        if (left <= 0) {
            problem_set(a->problem, 503,
                        "The question took longer than it may: narrow the time or the filter.");
            return -ETIMEDOUT;
        }
    }
}

static int send_question(struct asking *a, struct process *p, const char *head, struct buf *line)
{
    buf_printf(line, "%s,", head);
    buf_append_slice(line, a->question);
    buf_append_str(line, "}");
    if (buf_failed(line)) {
        problem_set(a->problem, 413, "The question is larger than it may be.");
        return buf_failed(line);
    }
    if (job_send(p->job, buf_slice(line)) == 0)
        return 0;
    a->died = true;
    return why_it_ended(a->queries, p, a->problem);
}

static int converse(struct asking *a, struct process *p)
{
    char head[40];
    struct buf line;
    snprintf(head, sizeof head, "{\"q\":%" PRIu64, p->next_question++);
    buf_init(&line, JOB_MAX_LINE_BYTES);
    int e = send_question(a, p, head, &line);
    while (!e) {
        e = listen_to(a, p, clock_mono_ns() + a->queries->answer_ns, &line);
        if (!e)
            e = take_line(a, buf_slice(&line), head);
    }
    buf_done(&line);
    return e < 0 ? e : 0;
}

/* True: the process that had to answer was dead or died, nobody has seen anything of the answer,
 * and nobody closed the source. */
static bool may_ask_again(struct asking *a)
{
    bool again = a->died && a->items == 0;
    if (again)
        *a->problem = (struct api_problem){.offset = -1};
    return again;
}

static int ask_once(struct asking *a)
{
    a->died = false;
    struct process *p = take(a);
    if (!p)
        return -ECANCELED;
    int e = p->job ? 0 : start(a->queries, p, a->problem);
    if (!e)
        e = converse(a, p);
    a->died = give_back(a->queries, p, e != 0) && a->died;
    return e;
}

int queries_ask(struct queries *queries, const char *id, const char *name, struct slice question,
                const struct api_listener *listener, struct buf *ret_result,
                struct api_problem *ret_problem)
{
    struct api_source source;
    snprintf(source.id, sizeof source.id, "%s", id);
    snprintf(source.name, sizeof source.name, "%s", name);
    return queries_ask_all(queries, &source, 1, question, listener, ret_result, ret_problem);
}

int queries_ask_all(struct queries *queries, const struct api_source *sources, size_t count,
                    struct slice question, const struct api_listener *listener,
                    struct buf *ret_result, struct api_problem *ret_problem)
{
    static const struct api_listener nobody = {0};
    struct asking a = {.queries = queries,
                       .sources.count = count < API_MAX_SOURCES ? count : API_MAX_SOURCES,
                       .question = question,
                       .listener = listener ? listener : &nobody,
                       .result = ret_result,
                       .problem = ret_problem};
    memcpy(a.sources.items, sources, a.sources.count * sizeof *sources);
    *ret_problem = (struct api_problem){.offset = -1};
    int e = weigh(&a);
    if (!e)
        e = ask_once(&a);
    if (e && may_ask_again(&a))
        e = ask_once(&a);
    free(a.topic);
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
        if (!has_open(p, id, name))
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
            open = open || (has_open(&queries->processes[i], id, name) &&
                            queries->processes[i].busy && queries->processes[i].closed);
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
