/* Questions about dissected entries: up to four sandboxed query processes per source (or sources
 * that are asked together), kept warm for
 * a while, at most eight in all (entries/query.h says what they are told and what they say). Slow
 * filters and downloads leave one of them free for what is answered at once; of two questions by
 * the same filter the second waits for what the first finds. Thread: any but queries_new and
 * queries_free. */
#ifndef TRAWL_HUB_QUERIES_H
#define TRAWL_HUB_QUERIES_H

#include "api/api.h"
#include "api/problem.h"
#include "hub/query_sources.h"

struct queries;

struct queries_options {
    struct snapshot_store *store;
    const char *live_dir; /* of the source QUERIES_LIVE; outlives the queries; may be NULL */
    int64_t answer_ns;    /* until the next item or the result; 0 = 30 s */
};

int queries_new(const struct queries_options *options, struct queries **ret_queries);
/* Kills every process; no question may be under way. */
void queries_free(struct queries *queries);

/* As api_backend.query: `question` are members without braces. The result (JSON) is appended to
 * ret_result, each item goes to the listener. A question ends after 30 s
 * without an item or the result, and at once when its asker is gone; its process ends with it. When
 * the process dies before it said anything, another one is started and asked once more. 0, or a
 * negative errno with *ret_problem filled. */
int queries_ask(struct queries *queries, const char *id, const char *name, struct slice question,
                const struct api_listener *listener, struct buf *ret_result,
                struct api_problem *ret_problem);
/* The same of several sources at once, API_MAX_SOURCES at most. */
int queries_ask_all(struct queries *queries, const struct api_source *sources, size_t count,
                    struct slice question, const struct api_listener *listener,
                    struct buf *ret_result, struct api_problem *ret_problem);
/* Ends the processes of a source, also those that answer just now. */
void queries_close(struct queries *queries, const char *id, const char *name);
/* Ends processes that nobody asked for two minutes; called every few seconds. */
void queries_tidy(struct queries *queries);

#endif
