#include <errno.h>
#include <stdlib.h>

#include "entries/query.h"
#include "entries/question.h"

static int send_line(void *ctx, struct slice line)
{
    return job_report(ctx, line);
}

static int report_ready(struct job_context *ctx, const struct query_session *session)
{
    struct buf line;
    struct json_writer w;
    int64_t first;
    int64_t last;
    entries_reader_range(session->reader, &first, &last);
    buf_init(&line, 4096);
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_bool(&w, "ready", true);
    json_member_uint(&w, "entries", entries_reader_rows(session->reader));
    json_member_int(&w, "from_ns", first);
    json_member_int(&w, "to_ns", last);
    json_end_object(&w);
    int r = job_report(ctx, buf_slice(&line));
    buf_done(&line);
    return r;
}

static int answer_all(struct job_context *ctx, struct query_session *session)
{
    struct buf line;
    buf_init(&line, JOB_MAX_LINE_BYTES);
    int r;
    do {
        buf_reset(&line);
        r = job_next_request(ctx, &line);
        if (r > 0 && query_session_answer(session, buf_slice(&line)) < 0)
            r = -EPIPE;
    } while (r > 0);
    buf_done(&line);
    return r < 0 ? 1 : 0;
}

static int run(struct job_context *ctx)
{
    const char *dirs[QUERY_MAX_SOURCES + 1] = {0};
    struct error error;
    json_t *request = json_loadb((const char *)ctx->request.data, ctx->request.len, 0, NULL);
    const json_t *list = json_object_get(request, "dirs");
    const char *source = json_string_value(json_object_get(request, "source"));
    struct query_session session = {.source = source ? source : "",
                                    .send = send_line,
                                    .send_ctx = ctx,
                                    .follows = json_is_true(json_object_get(request, "follows"))};
    const json_t *sources = json_object_get(request, "sources");
    for (size_t i = 0; i < json_array_size(list) && i < QUERY_MAX_SOURCES; i++) {
        dirs[i] = json_string_value(json_array_get(list, i));
        session.sources[i] = json_string_value(json_array_get(sources, i));
    }
    int r = dirs[0] ? query_session_open(&session, dirs, &error)
                    : error_set(&error, -EINVAL, "the query job was given no folder.");
    if (r == 0)
        r = job_enter_sandbox(ctx, &error);
    int code;
    if (r < 0)
        code = job_fail(ctx, &error);
    else
        code = report_ready(ctx, &session) < 0 ? 1 : answer_all(ctx, &session);
    query_session_done(&session);
    json_decref(request);
    return code;
}

const struct job_kind job_kind_query = {.name = "query", .run = run};
