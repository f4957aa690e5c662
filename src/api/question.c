#include "api/question.h"

bool handler_client_gone(void *ctx)
{
    return http_response_client_gone(ctx);
}

bool question_range(struct api_call *call, const struct question *q)
{
    if (q->from_ns < q->to_ns)
        return true;
    call_fail(call, 400, "The time range ends before it begins.");
    return false;
}

void question_write(const struct question *q, struct buf *out)
{
    struct buf object;
    struct json_writer w;
    buf_init(&object, QUESTION_MAX_BYTES);
    json_init(&w, &object);
    json_begin_object(&w);
    json_member_str(&w, "op", q->op);
    if (q->by) {
        json_key(&w, "by");
        json_begin_array(&w);
        for (size_t i = 0; q->by[i]; i++)
            json_str(&w, q->by[i]);
        json_end_array(&w);
    }
    if (q->filter)
        json_member_str(&w, "filter", q->filter);
    if (q->order)
        json_member_str(&w, "order", q->order);
    if (q->cursor)
        json_member_str(&w, "cursor", q->cursor);
    if (q->prefix)
        json_member_str(&w, "prefix", q->prefix);
    if (q->series)
        json_member_str(&w, "series", q->series);
    if (q->from_ns != INT64_MIN)
        json_member_int(&w, "from_ns", q->from_ns);
    if (q->to_ns != INT64_MAX)
        json_member_int(&w, "to_ns", q->to_ns);
    if (q->limit)
        json_member_int(&w, "limit", q->limit);
    if (q->buckets)
        json_member_int(&w, "buckets", q->buckets);
    json_end_object(&w);
    if (!buf_failed(&object))
        buf_append(out, object.data + 1, object.len - 2);
    buf_done(&object);
}

bool question_put(struct api_call *call, const struct api_source *sources, size_t count,
                  struct slice question, struct buf *ret_result)
{
    struct api_problem problem;
    struct api_backend *backend = &call->api->backend;
    struct api_listener listener = {.gone = handler_client_gone, .gone_ctx = call->http};
    if (backend->query(backend->ctx, sources, count, question, &listener, ret_result, &problem) ==
        0)
        return true;
    call_send_problem(call, &problem);
    return false;
}

bool question_ask(struct api_call *call, const struct question *q, struct buf *ret_result)
{
    struct handler_sources sources;
    if (!handler_sources(call, q->source, &sources))
        return false;
    struct buf question;
    buf_init(&question, QUESTION_MAX_BYTES);
    question_write(q, &question);
    bool answered =
        question_put(call, sources.items, sources.count, buf_slice(&question), ret_result);
    buf_done(&question);
    return answered;
}

void question_answer(struct api_call *call, const struct question *q)
{
    struct buf result;
    buf_init(&result, API_MAX_ANSWER_BYTES);
    if (question_ask(call, q, &result))
        call_send_json(call, 200, &result);
    buf_done(&result);
}
