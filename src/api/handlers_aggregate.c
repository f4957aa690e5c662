/* Calls in groups: over time, top lists, values and the service map. Every question goes to the
 * query job of its source. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/question.h"

enum {
    MAX_GROUPS = 5000,
    TOP_GROUPS = 20,
    MAP_EDGES = 500,
    TIMELINE_BUCKETS = 100,
    MAX_BUCKETS = 1000
};

static void answer(struct api_call *call, struct question *g, int64_t default_limit)
{
    g->source = call_query(call, "source");
    g->filter = call_query(call, "filter");
    g->from_ns = call_query_time(call, "from", INT64_MIN);
    g->to_ns = call_query_time(call, "to", INT64_MAX);
    g->limit = call_query_int(call, "limit", default_limit);
    if (!g->source)
        call_fail(call, 400, "\"source\" is needed.");
    else if (g->limit < 1 || g->limit > MAX_GROUPS)
        call_fail(call, 400, "\"limit\" has to lie between 1 and 5,000.");
    else if (question_range(call, g))
        question_answer(call, g);
}

void handle_timeline(struct api_call *call)
{
    struct question g = {.op = "timeline",
                         .series = call_query(call, "by"),
                         .buckets = call_query_int(call, "buckets", TIMELINE_BUCKETS)};
    if (g.buckets < 1 || g.buckets > MAX_BUCKETS)
        call_fail(call, 400, "\"buckets\" has to lie between 1 and 1,000.");
    else
        answer(call, &g, TOP_GROUPS);
}

void handle_top(struct api_call *call)
{
    char **by = call_query_list(call, "by");
    static const char *const none[] = {NULL};
    struct question g = {
        .op = "top", .by = by ? (const char *const *)by : none, .order = call_query(call, "order")};
    answer(call, &g, TOP_GROUPS);
    free(by);
}

void handle_values(struct api_call *call)
{
    const char *field = call_query(call, "field");
    struct question g = {.op = "top",
                         .by = (const char *const[]){field ? field : "", NULL},
                         .prefix = call_query(call, "prefix")};
    answer(call, &g, TOP_GROUPS);
}

void handle_map(struct api_call *call)
{
    static const char *const by[] = {"src", "dst", "dst.port", "protocol", NULL};
    struct question g = {.op = "top", .by = by};
    answer(call, &g, MAP_EDGES);
}
