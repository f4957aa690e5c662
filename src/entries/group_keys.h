/* Values of fields that are no columns, as a temporary table for a GROUP BY: g<number>(row BIGINT,
 * k0 VARCHAR, k1 …), a row for every entry of the question. Read from the payload one by one.
 * Thread: owner. */
#ifndef TRAWL_ENTRIES_GROUP_KEYS_H
#define TRAWL_ENTRIES_GROUP_KEYS_H

#include "entries/question.h"

enum {
    GROUP_MAX_FIELDS = 4,
    GROUP_MAX_KEY_BYTES = 256 /* longer values are told apart by their beginning only */
};

/* Lists are joined with ", ", absent values are NULL. 0, or negative with the problem filled. */
int group_keys_make(struct question *q, const field_id *fields, size_t count, unsigned *ret_number);
void group_keys_drop(struct question *q, unsigned number);

#endif
