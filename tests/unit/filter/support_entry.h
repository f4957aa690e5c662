/* Entries for filter tests. */
#ifndef TRAWL_TESTS_FILTER_ENTRY_H
#define TRAWL_TESTS_FILTER_ENTRY_H

#include "filter/filter.h"

/* POST /carts/7 → 503 over HTTP; static. */
const struct entry *support_http_entry(void);
/* A DNS entry without anything in it; static. */
const struct entry *support_dns_entry(void);
/* The HTTP entry whose request body was cut; static. */
const struct entry *support_cut_entry(void);

/* Compiles (the test fails when it cannot) and judges. */
enum filter_result support_match(const char *text, const struct entry *entry);

#endif
