/* Problem documents (RFC 9457): what went wrong, for people, with where. Values only; thread: any.
 */
#ifndef TRAWL_API_PROBLEM_H
#define TRAWL_API_PROBLEM_H

#include "base/buf.h"
#include "base/error.h"
#include "snapshot/snapshot.h"

struct api_problem {
    int status; /* 0 = none */
    char title[80], detail[512];
    int64_t offset; /* into a filter; −1 = none */
    char token[80], suggestion[80];
    bool has_available;
    struct snapshot_interval available;
};

void problem_set(struct api_problem *p, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The status that belongs to the errno, the sentence, the offset. */
void problem_from_error(struct api_problem *p, const struct error *error);
/* "Not found" … for a status. */
const char *problem_title(int status);
void problem_write(const struct api_problem *p, struct buf *out);
/* A problem document that came from elsewhere (a query job): false when it is none. */
bool problem_parse(struct slice json, struct api_problem *ret_problem);

#endif
