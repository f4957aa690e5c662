/* GET /entries/stream: the live calls as they come (Server-Sent Events). Each client asks the query
 * job of the live source for what was stored since its own last question, when something was: one
 * that is slow holds nobody up, and is told what it missed. Events:
 *
 *   live     {"state":"on"|"off","reason":…}        at the start, and when it changes
 *   entries  {"entries":[…],"next":N,"behind":N,"missed":N,"unjudged":N}
 *   problem  a problem document; the stream ends behind it
 *
 * The id is the number of the entry that comes next: a client that connects anew (Last-Event-ID, or
 * from_index) goes on there. */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "api/question.h"
#include "base/clock.h"
#include "base/text.h"

enum {
    BATCH = 200,
    WAIT_MS = 500,
    ALIVE_SECONDS = 15,
    PATIENCE = 5, /* questions in a row that fail */
    AGAIN_MS = 1000,
    DEFAULT_MAX_BEHIND = 100000
};

struct tail {
    struct api_call *call;
    const char *filter;
    bool whole;
    int64_t next, max_behind; /* next < 0: from now on */
    struct api_live_now now;
    int64_t sent_mono_ns;
    struct buf answer, event;
};

static void write_question(const struct tail *t, struct buf *out)
{
    struct buf object;
    struct json_writer w;
    buf_init(&object, QUESTION_MAX_BYTES);
    json_init(&w, &object);
    json_begin_object(&w);
    json_member_str(&w, "op", "tail");
    if (t->filter)
        json_member_str(&w, "filter", t->filter);
    if (t->next >= 0)
        json_member_int(&w, "next", t->next);
    json_member_int(&w, "limit", BATCH);
    json_member_int(&w, "max_behind", t->max_behind);
    json_member_bool(&w, "whole", t->whole);
    json_end_object(&w);
    if (!buf_failed(&object))
        buf_append(out, object.data + 1, object.len - 2);
    buf_done(&object);
}

/* The numbers of an answer stand behind its entries. */
struct numbers {
    int64_t next, behind, missed;
    bool any;
};

static bool read_numbers(const struct buf *answer, struct numbers *ret)
{
    json_t *object = json_loadb((const char *)answer->data, answer->len, 0, NULL);
    const json_t *next = json_object_get(object, "next");
    bool good = json_is_integer(next);
    *ret = (struct numbers){
        .next = json_integer_value(next),
        .behind = json_integer_value(json_object_get(object, "behind")),
        .missed = json_integer_value(json_object_get(object, "missed")),
        .any = json_array_size(json_object_get(object, "entries")) > 0,
    };
    json_decref(object);
    return good;
}

static int ask(struct tail *t, struct numbers *ret, struct api_problem *problem)
{
    static const struct api_source live = {.id = "live", .name = "live"};
    struct api_backend *backend = &t->call->api->backend;
    struct api_listener listener = {.gone = handler_client_gone, .gone_ctx = t->call->http};
    struct buf question;
    buf_init(&question, QUESTION_MAX_BYTES);
    write_question(t, &question);
    buf_reset(&t->answer);
    int e = backend->query(backend->ctx, &live, 1, buf_slice(&question), &listener, &t->answer,
                           problem);
    buf_done(&question);
    if (!e && !read_numbers(&t->answer, ret))
        e = -EPROTO;
    if (e == -EPROTO)
        *problem = (struct api_problem){.status = 500, .detail = "The answer cannot be read."};
    return e;
}

/* ── events ── */

static int send_event(struct tail *t, const char *name, int64_t id, struct slice data)
{
    buf_reset(&t->event);
    if (id >= 0)
        buf_printf(&t->event, "id: %lld\n", (long long)id);
    if (name)
        buf_printf(&t->event, "event: %s\ndata: ", name);
    buf_append_slice(&t->event, data);
    buf_append_str(&t->event, name ? "\n\n" : "\n");
    t->sent_mono_ns = clock_mono_ns();
    return buf_failed(&t->event) ? -ENOMEM
                                 : http_response_write(t->call->http, t->event.data, t->event.len);
}

static int send_state(struct tail *t)
{
    struct buf data;
    struct json_writer w;
    buf_init(&data, 4096);
    json_init(&w, &data);
    json_begin_object(&w);
    json_member_str(&w, "state", t->now.on ? "on" : "off");
    json_member_str(&w, "reason", t->now.on ? "" : t->now.reason);
    json_end_object(&w);
    int e = send_event(t, "live", -1, buf_slice(&data));
    buf_done(&data);
    return e;
}

static void send_last_problem(struct tail *t, const struct api_problem *problem)
{
    struct buf data;
    struct json_writer w;
    buf_init(&data, 16 * 1024);
    json_init(&w, &data);
    json_begin_object(&w);
    json_member_int(&w, "status", problem->status);
    json_member_str(&w, "detail", problem->detail);
    json_end_object(&w);
    (void)send_event(t, "problem", -1, buf_slice(&data));
    buf_done(&data);
}

/* What was stored since; false when the stream has ended. */
static bool send_new(struct tail *t)
{
    struct numbers numbers = {.behind = 1};
    unsigned failed = 0;
    while (numbers.behind > 0) {
        struct api_problem problem = {0};
        if (http_response_client_gone(t->call->http))
            return false;
        if (ask(t, &numbers, &problem) < 0) {
            if (++failed == PATIENCE) {
                send_last_problem(t, &problem);
                return false;
            }
            numbers.behind = 1;
            struct api_live_now ignored;
            struct api_live_now known = {.on = t->now.on, .stored = UINT64_MAX};
            t->call->api->backend.live_wait(t->call->api->backend.ctx, &known, AGAIN_MS * NS_PER_MS,
                                            &ignored);
            continue;
        }
        failed = 0;
        t->next = numbers.next;
        if ((numbers.any || numbers.missed) &&
            send_event(t, "entries", t->next, buf_slice(&t->answer)) < 0)
            return false;
    }
    return true;
}

static void serve(struct tail *t)
{
    struct api_backend *backend = &t->call->api->backend;
    bool good = send_state(t) == 0 && send_event(t, NULL, t->next, SLICE_NONE) == 0;
    while (good && !http_response_client_gone(t->call->http)) {
        struct api_live_now known = {.on = t->now.on, .stored = (uint64_t)t->next};
        backend->live_wait(backend->ctx, &known, WAIT_MS * NS_PER_MS, &t->now);
        if (t->now.on != known.on)
            good = send_state(t) == 0;
        if (good && (t->now.stored > known.stored || t->now.on != known.on))
            good = send_new(t);
        /* Where it is also without an entry that matches. */
        if (good && clock_mono_ns() - t->sent_mono_ns > ALIVE_SECONDS * NS_PER_S)
            good = send_event(t, NULL, t->next, SLICE_NONE) == 0 &&
                   http_response_write(t->call->http, ": still here\n\n", 14) == 0;
    }
}

/* Number of the entry to go on with, or -1: those that come from now on. */
static int64_t begin_at(struct api_call *call)
{
    int64_t number;
    const char *last = http_request_header(call->http, "last-event-id");
    if (last && text_parse_int(last, 0, INT64_MAX, &number) == 0)
        return number;
    return call_query_int(call, "from_index", -1);
}

void handle_entries_tail(struct api_call *call)
{
    struct api_source source;
    const char *whole = call_query(call, "whole");
    struct tail t = {.call = call,
                     .filter = call_query(call, "filter"),
                     .whole = whole && strcmp(whole, "true") == 0,
                     .next = begin_at(call),
                     .max_behind = call_query_int(call, "max_behind", DEFAULT_MAX_BEHIND)};
    struct api_problem problem = {0};
    struct numbers numbers;
    const char *asked_for = call_query(call, "source");
    if (!asked_for || strcmp(asked_for, "live") != 0) {
        call_fail(call, 400, "\"source\" has to be live: nothing else grows.");
        return;
    }
    if (t.max_behind < 0 || !handler_source(call, "live", &source)) {
        if (t.max_behind < 0)
            call_fail(call, 400, "\"max_behind\" cannot be negative.");
        return;
    }
    buf_init(&t.answer, API_MAX_ANSWER_BYTES);
    buf_init(&t.event, API_MAX_ANSWER_BYTES);
    int64_t asked = t.next;
    t.next = -1; /* what is wrong with the question is said before the stream begins */
    bool good = ask(&t, &numbers, &problem) == 0;
    if (!good)
        call_send_problem(call, &problem);
    t.next = asked >= 0 && asked < numbers.next ? asked : numbers.next;
    t.now.stored = (uint64_t)t.next;
    http_response_header(call->http, "Cache-Control", "no-store");
    http_response_header(call->http, "X-Accel-Buffering", "no");
    if (good && http_response_begin(call->http, 200, "text/event-stream", -1) == 0 &&
        http_response_write(call->http, "retry: 2000\n\n", 13) == 0) {
        struct api_live_now known = {.on = true, .stored = (uint64_t)t.next};
        call->api->backend.live_wait(call->api->backend.ctx, &known, 0, &t.now);
        if (t.next == numbers.next || send_new(&t))
            serve(&t);
    }
    buf_done(&t.answer);
    buf_done(&t.event);
}
