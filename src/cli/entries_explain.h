/* What `trawl entries --explain` prints: an ExplainResponse of the API for people. Thread: main. */
#ifndef TRAWL_CLI_ENTRIES_EXPLAIN_H
#define TRAWL_CLI_ENTRIES_EXPLAIN_H

#include <jansson.h>

void entries_explain_print(const json_t *answer);

#endif
