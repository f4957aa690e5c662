/* A question to the query job of a source, as the API takes it from its callers: written as the
 * members of one JSON object (without braces: the backend puts its own member before them), asked,
 * and answered or refused on the call. Texts are borrowed. Thread: the call's. */
#ifndef TRAWL_API_QUESTION_H
#define TRAWL_API_QUESTION_H

#include "api/handlers.h"

enum {
    QUESTION_MAX_BYTES = 256 * 1024
};

struct question {
    const char *op, *source, *filter, *order, *cursor, *prefix, *series; /* NULL = not said */
    const char *const *by;  /* the fields of groups, ends with NULL; NULL for other questions */
    int64_t from_ns, to_ns; /* INT64_MIN, INT64_MAX = open */
    int64_t limit, buckets; /* 0 = none */
};

/* False when the range is empty; a problem was sent then. */
bool question_range(struct api_call *call, const struct question *q);
/* Appends to `out`, an initialized buffer of QUESTION_MAX_BYTES. */
void question_write(const struct question *q, struct buf *out);
/* Puts the written question to sources that were found; false when a problem was sent. */
bool question_put(struct api_call *call, const struct api_source *sources, size_t count,
                  struct slice question, struct buf *ret_result);
/* Finds the sources, asks; false when a problem was sent. */
bool question_ask(struct api_call *call, const struct question *q, struct buf *ret_result);
/* Asks and sends the answer as it came. */
void question_answer(struct api_call *call, const struct question *q);

#endif
