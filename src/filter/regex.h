/* Regular expressions in linear time (RE2, what CEL's matches() means): the one C++ file of the
 * tree stands behind this. A pattern's automaton has a fixed memory budget; a text that would need
 * more is searched more slowly, never without bound. Thread: a compiled pattern: any. */
#ifndef TRAWL_FILTER_REGEX_H
#define TRAWL_FILTER_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct filter_regex;

/* NULL when the pattern is no good (a sentence in out) or there is no memory. */
struct filter_regex *filter_regex_new(const char *pattern, size_t len, char *out, size_t out_size);
void filter_regex_free(struct filter_regex *regex);
/* Whether the text has the pattern in it anywhere. */
bool filter_regex_search(const struct filter_regex *regex, const char *text, size_t len);

#ifdef __cplusplus
}
#endif

/* Compiled patterns of a filter, or the last one of a scratch. */
struct filter_pattern {
    struct filter_pattern *next;
    struct filter_regex *regex;
    char *text;
    size_t len;
};

#endif
