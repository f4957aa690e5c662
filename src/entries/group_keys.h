/* Values of fields that are no columns, for a GROUP BY: a temporary table g<number>(row BIGINT, k0
 * BIGINT, k1 …) with a row for every entry of the question; each k is the number of a text that is
 * kept here once. Read from the payload one by one. Thread: owner. */
#ifndef TRAWL_ENTRIES_GROUP_KEYS_H
#define TRAWL_ENTRIES_GROUP_KEYS_H

#include "base/string_map.h"
#include "entries/question.h"

enum {
    GROUP_MAX_FIELDS = 4,
    GROUP_MAX_KEY_BYTES = 256, /* longer values are told apart by their beginning only */
    GROUP_MAX_VALUES = 250000,
    GROUP_MAX_VALUE_BYTES = 32 * 1024 * 1024
};

struct group_keys {
    unsigned number;
    bool has_table;
    struct string_map values; /* in the order of their numbers */
    uint64_t value_bytes;
};

/* Lists are joined with ", ", absent values are NULL. prefix: entries are left out whose first
 * field does not begin with it (ASCII letters of either case); NULL: none. 0, or negative with the
 * problem filled: then, too, group_keys_done is called. */
int group_keys_make(struct question *q, const field_id *fields, size_t count, const char *prefix,
                    struct group_keys *ret_keys);
void group_keys_done(struct question *q, struct group_keys *keys);
/* Borrowed from the keys. */
struct slice group_keys_text(const struct group_keys *keys, uint64_t number);

#endif
