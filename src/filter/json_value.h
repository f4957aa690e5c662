/* JSON (RFC 8259) to values and back. Thread: any. */
#ifndef TRAWL_FILTER_JSON_VALUE_H
#define TRAWL_FILTER_JSON_VALUE_H

#include "base/arena.h"
#include "base/json_writer.h"
#include "filter/value.h"

enum {
    JSON_VALUE_BAD = -1,
    JSON_VALUE_MEMORY = -2,
    JSON_VALUE_MAX_DEPTH = 64
};

/* A whole text that is one JSON value. Integers become int, or uint beyond int's range, or double
 * beyond that; other numbers double; objects maps (of equal keys the first is found). The value
 * borrows from `text` and the arena. 0; JSON_VALUE_BAD or JSON_VALUE_MEMORY: *ret_about says where,
 * in the arena or static. */
int json_value_read(struct slice text, struct arena *arena, struct value *ret,
                    struct slice *ret_about);

/* The value as `trawl filter eval` prints it, without its type. */
void json_value_write(struct json_writer *w, const struct value *v);

#endif
