/* What went wrong, for a person: one sentence that says what to do, and where in the input it was.
 * Thread: any (the caller owns the struct). Functions that take a `struct error *reterr` accept
 * NULL. */
#ifndef TRAWL_BASE_ERROR_H
#define TRAWL_BASE_ERROR_H

#include <stdint.h>

#define ERROR_NO_OFFSET UINT64_MAX

struct error {
    int code;        /* negative errno */
    uint64_t offset; /* byte in the input the text speaks of, or ERROR_NO_OFFSET */
    char text[480];  /* one sentence, no newline, captured bytes escaped */
    char cause[240]; /* what a library said, for the log alone (it may name paths); "" = nothing */
};

/* Fills reterr and returns code (a negative errno), so that `return error_set(…)` reads well. */
int error_set(struct error *reterr, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int error_set_at(struct error *reterr, int code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The library's words beside the sentence that was just set. */
void error_set_cause(struct error *reterr, const char *cause);

#endif
