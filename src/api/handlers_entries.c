/* API calls of a dissected snapshot: every question goes to the query job of its source. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/question.h"
#include "base/clock.h"
#include "base/text.h"
#include "entries/har.h"

enum {
    DEFAULT_LIMIT = 100,
    DEFAULT_NEIGHBOURS = 20,
    MAX_LIMIT = 1000
};

bool handler_source(struct api_call *call, const char *text, struct api_source *ret_source)
{
    char ref[300];
    if (strcmp(text, "live") == 0) {
        *ret_source = (struct api_source){.id = "live", .name = "live"};
        if (call->api->backend.live_has_store(call->api->backend.ctx))
            return true;
        call_fail(call, 409,
                  "Live dissection has not been on yet: switch it on (trawl live on), or take a "
                  "snapshot and dissect it.");
        return false;
    }
    snprintf(ref, sizeof ref, "%s", text);
    char *mark = strrchr(ref, '/');
    if (!mark)
        mark = strrchr(ref, ':');
    struct snapshot *snapshot = NULL;
    /* A snapshot's name may hold a colon itself. */
    if (mark && snapshot_store_get(call->api->store, text, &snapshot, NULL) == 0)
        mark = NULL;
    if (mark)
        *mark = 0;
    if (!snapshot)
        snapshot = handler_snapshot(call, ref);
    if (!snapshot)
        return false;
    const struct snapshot_dissection *d =
        handler_dissection(call, snapshot, mark ? mark + 1 : NULL);
    bool good = d && d->state == SNAPSHOT_DISSECTION_DONE;
    if (d && !good)
        call_fail(call, 409, "The dissection \"%s\" is not finished.", d->name);
    if (good) {
        snprintf(ret_source->id, sizeof ret_source->id, "%s", snapshot->id);
        snprintf(ret_source->name, sizeof ret_source->name, "%s", d->name);
    }
    snapshot_unref(snapshot);
    return good;
}

bool handler_packet_source(struct api_call *call, const char *text, struct api_source *ret_source)
{
    if (!handler_source(call, text, ret_source))
        return false;
    if (strcmp(ret_source->id, "live") != 0)
        return true;
    call_fail(call, 409,
              "Packets come with a snapshot: take one of the time of this call, the rings have it "
              "(trawl snapshot create NAME --last 5m --dissect).");
    return false;
}

/* True when the whole text names one snapshot: a name may hold commas itself. */
static bool is_one_source(struct api_call *call, const char *text)
{
    struct snapshot *snapshot = NULL;
    bool one =
        !strchr(text, ',') || snapshot_store_get(call->api->store, text, &snapshot, NULL) == 0;
    snapshot_unref(snapshot);
    return one;
}

static bool add_source(struct api_call *call, struct slice text, struct handler_sources *sources)
{
    char one[300];
    struct api_source *source = &sources->items[sources->count];
    if (sources->count == API_MAX_SOURCES) {
        call_fail(call, 400, "One question may name at most %d sources.", API_MAX_SOURCES);
        return false;
    }
    snprintf(one, sizeof one, "%.*s", SLICE_ARGS(text));
    if (!handler_source(call, one, source))
        return false;
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->items[i].id, source->id) == 0 &&
            strcmp(sources->items[i].name, source->name) == 0)
            return true; /* named before */
    sources->count++;
    return true;
}

static void put_live_last(struct handler_sources *sources)
{
    for (size_t i = 0; i + 1 < sources->count; i++)
        if (strcmp(sources->items[i].id, "live") == 0) {
            struct api_source live = sources->items[i];
            sources->items[i] = sources->items[i + 1];
            sources->items[i + 1] = live;
        }
}

bool handler_sources(struct api_call *call, const char *text, struct handler_sources *ret_sources)
{
    ret_sources->count = 0;
    if (is_one_source(call, text))
        return add_source(call, slice_str(text), ret_sources);
    for (const char *rest = text; rest;) {
        const char *comma = strchr(rest, ',');
        size_t n = comma ? (size_t)(comma - rest) : strlen(rest);
        if (!add_source(call, slice_of(rest, n), ret_sources))
            return false;
        rest = comma ? comma + 1 : NULL;
    }
    put_live_last(ret_sources);
    return true;
}

/* False when a problem was sent. */
static bool check_question(struct api_call *call, const struct question *q)
{
    static const char *const orders[] = {"-time",
                                         "+time",
                                         " time",
                                         "time",
                                         "-elapsed_time",
                                         "+elapsed_time",
                                         " elapsed_time",
                                         "elapsed_time",
                                         "-size",
                                         "+size",
                                         " size",
                                         "size",
                                         NULL};
    bool known = !q->order;
    for (size_t i = 0; orders[i] && !known; i++)
        known = strcmp(orders[i], q->order) == 0;
    if (!known) {
        call_fail(call, 400,
                  "\"order\" has to be time, elapsed_time or size with + or - before it.");
        return false;
    }
    return question_range(call, q);
}

/* A plus sign in a query is a space, and none at all is meant as one. */
static const char *clean_order(const char *order, char out[24])
{
    if (!order || !order[0] || order[0] == '-' || order[0] == '+')
        return order;
    snprintf(out, 24, "+%.20s", order[0] == ' ' ? order + 1 : order);
    return out;
}

void handle_entries(struct api_call *call)
{
    char order[24];
    struct question q = {.op = "page",
                         .source = call_query(call, "source"),
                         .filter = call_query(call, "filter"),
                         .order = call_query(call, "order"),
                         .cursor = call_query(call, "cursor"),
                         .from_ns = call_query_time(call, "from", INT64_MIN),
                         .to_ns = call_query_time(call, "to", INT64_MAX),
                         .limit = call_query_int(call, "limit", DEFAULT_LIMIT)};
    if (!q.source || q.limit < 1 || q.limit > MAX_LIMIT) {
        call_fail(call, 400, "\"source\" is needed, and \"limit\" has to lie between 1 and 1,000.");
        return;
    }
    if (!check_question(call, &q))
        return;
    q.order = clean_order(q.order, order);
    question_answer(call, &q);
}

static void read_question(const json_t *body, const char *op, struct question *q)
{
    const char *from = json_string_value(json_object_get(body, "from")),
               *to = json_string_value(json_object_get(body, "to"));
    *q = (struct question){.op = op,
                           .source = json_string_value(json_object_get(body, "source")),
                           .filter = json_string_value(json_object_get(body, "filter")),
                           .order = json_string_value(json_object_get(body, "order")),
                           .cursor = json_string_value(json_object_get(body, "cursor")),
                           .from_ns = INT64_MIN,
                           .to_ns = INT64_MAX,
                           .limit = json_integer_value(json_object_get(body, "limit"))};
    if (from)
        (void)clock_parse_rfc3339(from, &q->from_ns);
    if (to)
        (void)clock_parse_rfc3339(to, &q->to_ns);
}

void handle_entries_query(struct api_call *call)
{
    char order[24];
    json_t *body = call_read_object(call);
    if (!body)
        return;
    struct question q;
    read_question(body, "page", &q);
    if (!json_object_get(body, "limit"))
        q.limit = DEFAULT_LIMIT;
    if (q.limit < 1 || q.limit > MAX_LIMIT) {
        call_fail(call, 400, "\"limit\" has to lie between 1 and 1,000.");
    } else if (check_question(call, &q)) {
        q.order = clean_order(q.order, order);
        question_answer(call, &q);
    }
    json_decref(body);
}

/* A question about all that matches, not about a page of it. */
static void ask_about_all(struct api_call *call, const char *op)
{
    json_t *body = call_read_object(call);
    if (!body)
        return;
    struct question q;
    read_question(body, op, &q);
    q.limit = 0;
    q.order = q.cursor = NULL;
    if (check_question(call, &q))
        question_answer(call, &q);
    json_decref(body);
}

void handle_entries_count(struct api_call *call)
{
    ask_about_all(call, "count");
}

void handle_entries_explain(struct api_call *call)
{
    ask_about_all(call, "explain");
}

/* ── whole entries, as they come ── */

struct stream {
    struct api_call *call;
    bool har; /* else one a line */
    bool started;
    uint64_t count;
};

static int write_text(struct stream *stream, const struct buf *text)
{
    return buf_failed(text) ? buf_failed(text)
                            : http_response_write(stream->call->http, text->data, text->len);
}

static int begin_stream(struct stream *stream)
{
    if (stream->started)
        return 0;
    stream->started = true;
    call_name(stream->call);
    http_response_header(stream->call->http, "Cache-Control", "no-store");
    int e = http_response_begin(stream->call->http, 200,
                                stream->har ? "application/json" : "application/x-ndjson", -1);
    if (e || !stream->har)
        return e;
    struct buf head;
    buf_init(&head, 1024);
    har_write_head(&head);
    e = write_text(stream, &head);
    buf_done(&head);
    return e;
}

static int write_item(void *ctx, const void *data, size_t n)
{
    struct stream *stream = ctx;
    int e = begin_stream(stream);
    if (!e && stream->har && stream->count)
        e = http_response_write(stream->call->http, ",", 1);
    stream->count++;
    if (!e)
        e = http_response_write(stream->call->http, data, n);
    return e ? e : http_response_write(stream->call->http, "\n", 1);
}

/* The end of an answer that is whole, also of an empty one. */
static void end_stream(struct stream *stream, const struct buf *result)
{
    if (begin_stream(stream) || !stream->har)
        return;
    json_t *json = json_loadb((const char *)result->data, result->len, 0, NULL);
    json_int_t left_out = json_integer_value(json_object_get(json, "left_out"));
    json_decref(json);
    struct buf tail;
    buf_init(&tail, 1024);
    har_write_tail(&tail, left_out > 0 ? (uint64_t)left_out : 0);
    (void)write_text(stream, &tail);
    buf_done(&tail);
}

static void stream_entries(struct api_call *call, bool har)
{
    char order[24];
    json_t *body = call_read_object(call);
    if (!body)
        return;
    struct question q;
    struct handler_sources sources;
    read_question(body, har ? "har" : "lines", &q);
    if (check_question(call, &q) && handler_sources(call, q.source, &sources)) {
        q.order = clean_order(q.order, order);
        struct stream stream = {.call = call, .har = har};
        struct buf question, result;
        struct api_problem problem;
        struct api_backend *backend = &call->api->backend;
        buf_init(&question, QUESTION_MAX_BYTES);
        buf_init(&result, API_MAX_ANSWER_BYTES);
        question_write(&q, &question);
        struct api_listener listener = {.item = write_item,
                                        .item_ctx = &stream,
                                        .gone = handler_client_gone,
                                        .gone_ctx = call->http};
        int e = backend->query(backend->ctx, sources.items, sources.count, buf_slice(&question),
                               &listener, &result, &problem);
        if (e && !stream.started)
            call_send_problem(call, &problem);
        else if (e)
            call_break_off(call, &problem);
        else
            end_stream(&stream, &result);
        call_audit(call, "entries.export", sources.count == 1 ? sources.items[0].id : q.source,
                   "format=%s entries=%llu filter=%.300s", har ? "har" : "jsonl",
                   (unsigned long long)stream.count, q.filter ? q.filter : "");
        buf_done(&result);
        buf_done(&question);
    }
    json_decref(body);
}

void handle_entries_lines(struct api_call *call)
{
    stream_entries(call, false);
}

void handle_entries_har(struct api_call *call)
{
    stream_entries(call, true);
}

/* ── one entry ── */

/* Ids are base32hex of 16 bytes. */
static bool check_entry_id(struct api_call *call, const char *id)
{
    size_t len = strlen(id);
    if (len >= 8 && len <= 40 &&
        strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVabcdefghijklmnopqrstuv") == len)
        return true;
    call_fail(call, 404, "There is no entry with this id.");
    return false;
}

/* The answer to an op about one entry; `more`: a further member, or "". False when a problem was
 * sent. */
static bool ask_entry(struct api_call *call, const char *op, const char *more,
                      struct buf *ret_result)
{
    struct api_source source;
    if (!check_entry_id(call, call->params[1]) || !handler_source(call, call->params[0], &source))
        return false;
    struct buf question;
    buf_init(&question, 1024);
    buf_printf(&question, "\"op\":\"%s\",\"id\":\"%s\"%s", op, call->params[1], more);
    bool answered = question_put(call, &source, 1, buf_slice(&question), ret_result);
    buf_done(&question);
    return answered;
}

/* Who looks at what was said on the wire is kept, as for bodies and captures. */
static void audit_view(struct api_call *call, const char *action)
{
    call_audit(call, action, call->params[0], "entry=%s", call->params[1]);
}

void handle_entry(struct api_call *call)
{
    struct buf result;
    buf_init(&result, API_MAX_ANSWER_BYTES);
    if (ask_entry(call, "entry", "", &result)) {
        audit_view(call, "entry.view");
        call_send_json(call, 200, &result);
    }
    buf_done(&result);
}

void handle_entry_neighbours(struct api_call *call)
{
    char more[40];
    struct buf result;
    snprintf(more, sizeof more, ",\"limit\":%lld",
             (long long)call_query_int(call, "limit", DEFAULT_NEIGHBOURS));
    buf_init(&result, API_MAX_ANSWER_BYTES);
    if (ask_entry(call, "neighbours", more, &result))
        call_send_json(call, 200, &result);
    buf_done(&result);
}

/* The rest of it is still in the packets: of HTTP's bodies, where nothing was lost in between. */
static bool is_read_back(const json_t *object)
{
    const json_t *whole = json_object_get(object, "whole");
    const char *protocol = json_string_value(json_object_get(whole, "protocol"));
    return protocol && (strcmp(protocol, "http") == 0 || strcmp(protocol, "gql") == 0) &&
           json_integer_value(json_object_get(whole, "gap_bytes")) == 0 &&
           json_integer_value(json_object_get(whole, "bytes")) > 0;
}

static void send_body_read_back(struct api_call *call, bool of_request)
{
    struct api_source source;
    if (!handler_packet_source(call, call->params[0], &source))
        return;
    struct handler_sink sink = {.call = call,
                                .content_type = "application/octet-stream",
                                .name = call->params[1],
                                .extension = ".bin"};
    struct api_export_sink out;
    struct api_problem problem;
    struct api_backend *backend = &call->api->backend;
    handler_sink_init(&sink, &out);
    int e = backend->entry_body(backend->ctx, source.id, source.name, call->params[1], of_request,
                                &out, &problem);
    handler_sink_end(&sink, e, &problem);
}

/* Always an inert attachment: what was captured must not run in our origin. */
static void send_body(struct api_call *call, const json_t *object)
{
    const char *base64 = json_string_value(json_object_get(object, "base64"));
    struct buf bytes;
    buf_init(&bytes, API_MAX_ANSWER_BYTES);
    if (!base64 || text_base64_decode(slice_str(base64), &bytes) < 0) {
        call_fail(call, 502, "The query process answered with something that is no body.");
    } else {
        if (json_is_true(json_object_get(object, "truncated")))
            http_response_header(call->http, "X-Truncated", "true");
        http_response_header(call->http, "Cache-Control", "no-store");
        call_attachment(call, call->params[1], ".bin");
        http_response_send(call->http, 200, "application/octet-stream", buf_slice(&bytes));
    }
    buf_done(&bytes);
}

void handle_entry_body(struct api_call *call)
{
    const char *half = call->params[2];
    if (strcmp(half, "request") != 0 && strcmp(half, "response") != 0) {
        call_fail(call, 404, "A body is of the request or of the response.");
        return;
    }
    char more[40];
    struct buf result;
    buf_init(&result, API_MAX_ANSWER_BYTES);
    snprintf(more, sizeof more, ",\"half\":\"%s\"", half);
    if (ask_entry(call, "body", more, &result)) {
        json_t *object = json_loadb((const char *)result.data, result.len, 0, NULL);
        buf_done(&result);
        if (is_read_back(object))
            send_body_read_back(call, strcmp(half, "request") == 0);
        else
            send_body(call, object);
        json_decref(object);
        call_audit(call, "entry.body", call->params[0], "entry=%s half=%s", call->params[1], half);
    }
    buf_done(&result);
}

typedef int (*entry_question)(void *ctx, const char *id, const char *name, const char *entry,
                              struct buf *ret_result, struct api_problem *ret_problem);

static void answer_entry(struct api_call *call, entry_question question, const char *action)
{
    struct api_source source;
    if (!check_entry_id(call, call->params[1]) ||
        !handler_packet_source(call, call->params[0], &source))
        return;
    struct buf result;
    struct api_problem problem;
    buf_init(&result, API_MAX_ANSWER_BYTES);
    if (question(call->api->backend.ctx, source.id, source.name, call->params[1], &result,
                 &problem) < 0) {
        call_send_problem(call, &problem);
    } else {
        audit_view(call, action);
        call_send_json(call, 200, &result);
    }
    buf_done(&result);
}

void handle_entry_packets(struct api_call *call)
{
    answer_entry(call, call->api->backend.entry_packets, "entry.packets");
}

void handle_entry_stream(struct api_call *call)
{
    answer_entry(call, call->api->backend.entry_stream, "entry.stream");
}

void handle_entry_pcap(struct api_call *call)
{
    struct api_source source;
    if (!check_entry_id(call, call->params[1]) ||
        !handler_packet_source(call, call->params[0], &source))
        return;
    struct handler_sink sink = {.call = call,
                                .content_type = "application/vnd.tcpdump.pcap",
                                .name = call->params[1],
                                .extension = ".pcapng"};
    struct api_export_sink out;
    struct api_problem problem;
    struct api_backend *backend = &call->api->backend;
    handler_sink_init(&sink, &out);
    int e =
        backend->entry_pcap(backend->ctx, source.id, source.name, call->params[1], &out, &problem);
    handler_sink_end(&sink, e, &problem);
    call_audit(call, "entry.pcap", source.id, "entry=%s bytes=%llu", call->params[1],
               (unsigned long long)sink.bytes);
}
